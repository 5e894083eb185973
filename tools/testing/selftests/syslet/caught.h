/* SPDX-License-Identifier: GPL-2.0-only */
/* Signals that are counted by a handler. */
#ifndef __SYSLET_CAUGHT_H
#define __SYSLET_CAUGHT_H

#include <stdatomic.h>

#include "common.h"

static atomic_int caught, caught_by;

static inline void on_signal(int sig)
{
	caught_by = syscall(__NR_gettid);
	caught++;
}

/* Begin to count signals of that number, and who takes them. */
static inline bool catch_signal(int sig, int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	caught = 0;
	caught_by = 0;
	return !sigaction(sig, &sa, NULL);
}

#endif /* __SYSLET_CAUGHT_H */
