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

	CHECK_EQ(-EBADF, syslet_queue_eventfd(q, -2));
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
	close(fd);
}

/* What has its number next is not written to. */
static void test_closed(struct syslet_queue *q)
{
	char name[] = "/tmp/libsyslet-XXXXXX";
	int i, e, file = mkstemp(name);
	struct syslet_completion c;
	struct stat st;

	for (i = 0; i < 200; i++) {
		struct blocked b;

		e = eventfd(0, EFD_CLOEXEC);
		CHECK_EQ(0, syslet_queue_eventfd(q, e));
		block(q, &b, 1);
		unblock(&b);
		while (syslet_peek(q, &c) == -EAGAIN)
			;
		CHECK(dup2(file, e) == e);
		close_blocked(&b);
		close(e);
	}
	CHECK_EQ(0, syslet_queue_eventfd(q, -1));
	CHECK(fstat(file, &st) == 0);
	CHECK_EQ(0, st.st_size);
	close(file);
	unlink(name);
}

/* Nobody reads it: no thread, and no flush, waits for that. */
static void test_full(struct syslet_queue *q)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct syslet_completion c;
	struct blocked b;

	CHECK(eventfd_write(fd, UINT64_MAX - 1) == 0);
	CHECK_EQ(0, syslet_queue_eventfd(q, fd));
	block(q, &b, 1);
	unblock(&b);
	CHECK_EQ(0, syslet_prep_close(q, 2, -1));
	CHECK_EQ(0, syslet_wait_nr(q, 2, NULL));
	while (!syslet_peek(q, &c))
		;
	CHECK_EQ(0, q->pending);
	CHECK_EQ(0, syslet_queue_eventfd(q, -1));
	close_blocked(&b);
	close(fd);
}

static void test_bad(struct syslet_queue *q)
{
	int fd[2], null = open("/dev/null", O_RDWR);

	CHECK(pipe(fd) == 0);
	CHECK_EQ(-EBADF, syslet_queue_eventfd(q, 9999));
	CHECK_EQ(-EINVAL, syslet_queue_eventfd(q, null));
	CHECK_EQ(-EINVAL, syslet_queue_eventfd(q, fd[0]));
	CHECK_EQ(-EINVAL, syslet_queue_eventfd(q, fd[1]));
	CHECK_EQ(fd[1] + 1, dup(null));
	close(fd[0]);
	close(fd[1]);
	close(null);
	close(fd[1] + 1);
}

static void test_all(struct syslet_queue *q)
{
	test(q);
	test_closed(q);
	test_full(q);
	test_bad(q);
}

int main(void)
{
	for_each_backend(test_all, 4);
	return PASS;
}
