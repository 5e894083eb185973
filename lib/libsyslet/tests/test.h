/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef TEST_H
#define TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "syslet.h"

#define PASS	0
#define SKIP	77

#define CHECK(cond) do {						\
	if (!(cond)) {							\
		fprintf(stderr, "# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
		exit(1);						\
	}								\
} while (0)

/* A claim holds with the kernel's syslets, if it has them, and with threads. */
static inline void for_each_backend(void (*test)(struct syslet_queue *q), unsigned int entries)
{
	struct syslet_queue q;

	CHECK(syslet_queue_init(&q, entries, 0) == 0);
	CHECK(syslet_is_async(&q) == (syslet_probe() == 1));
	test(&q);
	syslet_queue_exit(&q);
	CHECK(syslet_queue_init(&q, entries, SYSLET_QUEUE_THREADS) == 0);
	CHECK(!syslet_is_async(&q));
	test(&q);
	syslet_queue_exit(&q);
}

/* Result of a call, when it is there. */
static inline long finish(struct syslet_queue *q, long ret, uint64_t data)
{
	struct syslet_completion c;

	if (ret != -ESYSLETPENDING)
		return ret;
	CHECK(syslet_wait(q, &c, NULL) == 0);
	CHECK(c.caller_data == data);
	return syslet_status(&c);
}

#endif /* TEST_H */
