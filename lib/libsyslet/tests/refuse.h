/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The kernel shall refuse to make calls of this thread asynchronous, for a while. */
#ifndef REFUSE_H
#define REFUSE_H

#include <stdbool.h>

#ifdef LIBSYSLET_FAKE_KERNEL
#include "fake-kernel.h"

static inline bool refuse_any(const struct indirect_registers *regs)
{
	(void)regs;
	return true;
}

static inline void refuse_all(bool on)
{
	fake_faults.refuse = on ? refuse_any : NULL;
}

#else
#include <signal.h>
#include <time.h>

/*
 * A thread with an armed CPU timer is one that cannot be handed off. A timer that
 * tells nobody is not armed.
 */
static inline void refuse_all(bool on)
{
	struct itimerspec far = { .it_value.tv_sec = on ? 1000000 : 0 };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	static bool made;
	static timer_t timer;

	if (!made)
		CHECK(timer_create(CLOCK_THREAD_CPUTIME_ID, &ev, &timer) == 0);
	made = true;
	CHECK(timer_settime(timer, 0, &far, NULL) == 0);
}

#endif

#endif /* REFUSE_H */
