/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: what has not started is cancelled; what runs is, or says that it
 * cannot be; every call completes once in any case
 */
#define _GNU_SOURCE
#include <sched.h>
#include "test.h"

/* The kernel's syslets can be stopped, a thread in a system call cannot. */
static bool can_stop(const struct syslet_queue *q)
{
	struct syslet_support support;

	syslet_get_support(&support);
	return syslet_is_async(q) && (support.features & SYSLET_HAS_CANCEL);
}

static bool was_stopped(const struct syslet_completion *c)
{
	return syslet_status(c) == -ECANCELED || syslet_status(c) == -EINTR;
}

static void test_prepared(struct syslet_queue *q)
{
	struct syslet_completion c;
	uint64_t i;

	CHECK_EQ(-ENOENT, syslet_cancel(q, 1));
	CHECK_EQ(-ENOENT, syslet_cancel_all(q));
	for (i = 0; i < 4; i++)
		CHECK_EQ(0, syslet_prep_close(q, i, -1));
	CHECK_EQ(0, syslet_cancel(q, 2));
	CHECK_EQ(0, syslet_cancel(q, 2));
	CHECK_EQ(-ENOENT, syslet_cancel(q, 7));
	CHECK_EQ(4, syslet_flush(q));
	CHECK_EQ(0, syslet_wait_nr(q, 4, NULL));
	while (!syslet_peek(q, &c))
		CHECK_EQ(c.caller_data == 2 ? -ECANCELED : -EBADF, syslet_status(&c));
	CHECK_EQ(0, q->pending);
	for (i = 0; i < 4; i++)
		CHECK_EQ(0, syslet_prep_close(q, i, -1));
	CHECK_EQ(0, syslet_cancel_all(q));
	for (i = 0; i < 4; i++) {
		CHECK_EQ(0, syslet_wait(q, &c, NULL));
		CHECK_EQ(-ECANCELED, syslet_status(&c));
	}
}

/* One thread: the second call has to wait for its turn. */
static void test_queued(struct syslet_queue *q)
{
	struct blocked b[3];
	unsigned int i, seen = 0;
	struct syslet_completion c;

	CHECK_EQ(-EINVAL, syslet_queue_max_threads(q, 0));
	CHECK_EQ(0, syslet_queue_max_threads(q, 1));
	for (i = 0; i < 3; i++)
		block(q, &b[i], i);
	CHECK_EQ(0, syslet_cancel(q, 2));
	CHECK_EQ(0, syslet_wait(q, &c, NULL));
	CHECK(c.caller_data == 2 && syslet_status(&c) == -ECANCELED);
	CHECK_EQ(-ENOENT, syslet_cancel(q, 2));
	unblock(&b[0]);
	unblock(&b[1]);
	CHECK_EQ(0, syslet_wait_nr(q, 2, NULL));
	while (!syslet_peek(q, &c)) {
		CHECK_EQ(1, syslet_status(&c));
		seen |= 1 << c.caller_data;
	}
	CHECK_EQ(3, seen);
	for (i = 0; i < 3; i++)
		close_blocked(&b[i]);
}

static void test_running(struct syslet_queue *q)
{
	struct syslet_completion c;
	struct blocked b[2];
	int ret;

	block(q, &b[0], 10);
	block(q, &b[1], 11);
	ret = syslet_cancel(q, 10);
	if (can_stop(q)) {
		CHECK_EQ(0, ret);
		CHECK_EQ(0, syslet_wait(q, &c, NULL));
		CHECK(c.caller_data == 10 && was_stopped(&c));
		CHECK_EQ(0, syslet_cancel_all(q));
	} else {
		/* 0 if no thread had taken it yet */
		CHECK(ret == -EALREADY || ret == 0);
		if (ret)
			unblock(&b[0]);
		CHECK_EQ(0, syslet_wait(q, &c, NULL));
		CHECK(c.caller_data == 10);
		CHECK_EQ(ret ? 1 : -ECANCELED, syslet_status(&c));
		ret = syslet_cancel_all(q);
		CHECK(ret == -EALREADY || ret == 0);
		if (ret)
			unblock(&b[1]);
	}
	CHECK_EQ(0, syslet_wait(q, &c, NULL));
	CHECK(c.caller_data == 11);
	CHECK(ret ? syslet_status(&c) == 1 : was_stopped(&c));
	CHECK_EQ(-ENOENT, syslet_cancel(q, 11));
	close_blocked(&b[0]);
	close_blocked(&b[1]);
}

/* Not started has one that waits for what is before it. */
static void test_held_up(struct syslet_queue *q)
{
	static char much[1 << 22];
	struct syslet_completion c;
	int i, j, ret, fd;

	CHECK_EQ(0, syslet_queue_max_threads(q, 4));
	for (i = 0; i < 20; i++) {
		fd = open("/dev/urandom", O_RDONLY);
		CHECK_EQ(-ESYSLETPENDING, syslet_pread(q, 1, fd, much, sizeof(much), 0));
		CHECK_EQ(-ESYSLETPENDING, syslet_close(q, 2, fd));
		for (j = 0; j < 100; j++)
			sched_yield();
		/* Too late if the read has ended. */
		ret = syslet_cancel(q, 2);
		for (j = 0; j < 2; j++) {
			CHECK_EQ(0, syslet_wait(q, &c, NULL));
			if (c.caller_data == 1)
				CHECK_EQ(sizeof(much), syslet_status(&c));
			else
				CHECK_EQ(ret ? 0 : -ECANCELED, syslet_status(&c));
		}
		if (!ret)
			close(fd);
	}
}

static void test(struct syslet_queue *q)
{
	test_prepared(q);
	test_running(q);
	if (syslet_is_async(q))
		return;
	test_queued(q);
	test_held_up(q);
}

int main(void)
{
	for_each_backend(test, 4);
	return PASS;
}
