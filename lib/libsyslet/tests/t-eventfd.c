/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Description: an eventfd is signalled for whatever can be taken, until told not to */
#define _GNU_SOURCE
#include <sys/eventfd.h>
#include "test.h"

/* Wait for it, as an event loop does. */
static void hear(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	eventfd_t n;

	CHECK(poll(&pfd, 1, -1) == 1);
	CHECK(eventfd_read(fd, &n) == 0);
}

static bool silent(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 0;
}

static void test(struct syslet_queue *q)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct syslet_completion c;
	struct blocked b[2];

	CHECK_EQ(-EINVAL, syslet_queue_eventfd(q, -2));
	CHECK_EQ(0, syslet_queue_eventfd(q, fd));
	block(q, &b[0], 1);
	CHECK(silent(fd));
	unblock(&b[0]);
	hear(fd);
	/* It is there when the eventfd says so. */
	CHECK_EQ(0, syslet_peek(q, &c));
	CHECK(c.caller_data == 1);

	/* A flush in which something had its result at once. */
	CHECK_EQ(0, syslet_prep(q, 2, SYS_getpid, 0, 0, 0, 0, 0, 0));
	CHECK(silent(fd));
	CHECK_EQ(1, syslet_flush(q));
	hear(fd);
	CHECK_EQ(0, syslet_peek(q, &c));
	CHECK(c.caller_data == 2);

	/* Calls keep what was there when they were made. */
	CHECK_EQ(0, syslet_queue_eventfd(q, -1));
	block(q, &b[1], 3);
	unblock(&b[1]);
	CHECK_EQ(0, syslet_wait(q, &c, NULL));
	CHECK(silent(fd));
	close_blocked(&b[0]);
	close_blocked(&b[1]);
	/* On threads the signal follows the result. */
	syslet_queue_exit(q);
	close(fd);
}

int main(void)
{
	for_each_backend(test, 4);
	return PASS;
}
