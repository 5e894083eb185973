/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: prepared calls are made in order, and give their results with
 * their data: at once in order, blocked ones later; there is room for as many as
 * the queue has entries, whatever was there before
 */
#define _GNU_SOURCE
#include "test.h"

#define N 8

static int prep_getpid(struct syslet_queue *q, uint64_t data)
{
	return syslet_prep(q, data, SYS_getpid, 0, 0, 0, 0, 0, 0);
}

static void test_order(struct syslet_queue *q)
{
	struct syslet_completion c[N + 1];
	unsigned int i;

	CHECK_EQ(0, syslet_flush(q));
	for (i = 0; i < N; i++)
		CHECK_EQ(0, prep_getpid(q, i));
	CHECK_EQ(-EBUSY, prep_getpid(q, N));
	CHECK_EQ(-EBUSY, syslet_close(q, 0, -1));
	CHECK_EQ(N, q->pending);
	CHECK_EQ(0, syslet_ready(q));
	CHECK_EQ(-EAGAIN, syslet_peek(q, c));
	CHECK_EQ(N, syslet_flush(q));
	CHECK_EQ(N, syslet_ready(q));
	CHECK_EQ(-EBUSY, prep_getpid(q, N));
	CHECK_EQ(N, syslet_peek_batch(q, c, N + 1));
	for (i = 0; i < N; i++) {
		CHECK(c[i].caller_data == i);
		CHECK_EQ(getpid(), syslet_status(&c[i]));
	}
	CHECK_EQ(0, q->pending);
}

/* Blocked ones between others, at every place of the array. */
static void test_mixed(struct syslet_queue *q, unsigned int start)
{
	struct syslet_completion c;
	unsigned int i, seen = 0;
	char buf[N];
	int fd[2];

	CHECK(pipe(fd) == 0);
	for (i = 0; i < start; i++)
		CHECK_EQ(0, prep_getpid(q, 100));
	CHECK_EQ(start, syslet_flush(q));
	for (i = 0; i < N - start; i++)
		CHECK_EQ(0, i % 2 ? syslet_prep_read(q, i, fd[0], &buf[i], 1)
				  : prep_getpid(q, i));
	for (i = 0; i < start; i++)
		CHECK(!syslet_peek(q, &c) && c.caller_data == 100);
	CHECK_EQ(N - start, syslet_flush(q));
	for (i = 0; i < N - start; i += 2) {
		CHECK(!syslet_peek(q, &c));
		CHECK(c.caller_data == i);
		CHECK_EQ(getpid(), syslet_status(&c));
	}
	CHECK_EQ(-EAGAIN, syslet_peek(q, &c));
	CHECK_EQ((N - start) / 2, q->pending);
	/* There is room for what was taken. */
	CHECK_EQ(0, prep_getpid(q, 99));
	CHECK(!syslet_wait(q, &c, NULL) && c.caller_data == 99);
	CHECK(write(fd[1], "abcdefgh", q->pending) == (ssize_t)q->pending);
	while (q->pending) {
		CHECK_EQ(0, syslet_wait(q, &c, NULL));
		CHECK_EQ(1, syslet_status(&c));
		CHECK(c.caller_data % 2 && !(seen & 1 << c.caller_data));
		seen |= 1 << c.caller_data;
	}
	close(fd[0]);
	close(fd[1]);
}

static void test_errors(struct syslet_queue *q)
{
	struct syslet_completion c;

	CHECK_EQ(0, syslet_prep_close(q, 1, -1));
	CHECK_EQ(0, syslet_prep(q, 2, SYS_execve, 0, 0, 0, 0, 0, 0));
	CHECK_EQ(0, syslet_prep(q, 3, 100000, 0, 0, 0, 0, 0, 0));
	CHECK_EQ(3, q->pending);
	/* They are errors of calls; none of them is of the flush. */
	CHECK_EQ(0, syslet_wait_nr(q, 3, NULL));
	while (!syslet_peek(q, &c)) {
		CHECK(c.caller_data != 1 || syslet_status(&c) == -EBADF);
		CHECK(c.caller_data != 2 || syslet_status(&c) == -EINVAL);
		CHECK(c.caller_data != 3 || syslet_status(&c) == -ENOSYS);
	}
	CHECK_EQ(0, q->pending);
}

static void test(struct syslet_queue *q)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		test_order(q);
	for (i = 0; i < N; i++)
		test_mixed(q, i);
	test_errors(q);
	/* Nobody flushes it: it is not made. */
	CHECK_EQ(0, syslet_prep(q, 0, SYS_exit_group, 1, 0, 0, 0, 0, 0));
}

int main(void)
{
	for_each_backend(test, N);
	return PASS;
}
