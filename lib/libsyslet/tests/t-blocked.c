/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Description: calls that block are pending; each completes once; limits hold */
#define _GNU_SOURCE
#include "test.h"

#define N 16

static void test(struct syslet_queue *q)
{
	syslet_timespec soon = { .tv_nsec = 1000000 };
	struct syslet_completion c;
	int fd[N][2], i, seen = 0;
	static char buf[N];

	CHECK(syslet_peek(q, &c) == -EAGAIN);
	CHECK(syslet_wait(q, &c, NULL) == -ENOENT);
	for (i = 0; i < N; i++) {
		CHECK(pipe(fd[i]) == 0);
		CHECK_EQ(-ESYSLETPENDING,
			 syslet_read(q, (uint64_t)i, fd[i][0], &buf[i], 1));
	}
	CHECK(q->pending == N && q->blocked == N);
	CHECK(syslet_read(q, N, fd[0][0], buf, 1) == -EBUSY);
	CHECK(syslet_peek(q, &c) == -EAGAIN);
	CHECK(syslet_wait(q, &c, &soon) == -ETIME);
	for (i = N; i-- > 0;)
		CHECK(write(fd[i][1], &"abcdefghijklmnop"[i], 1) == 1);
	for (i = 0; i < N; i++) {
		CHECK(syslet_wait(q, &c, NULL) == 0);
		CHECK(syslet_status(&c) == 1);
		CHECK(!(seen & 1 << c.caller_data));
		seen |= 1 << c.caller_data;
	}
	CHECK(seen == (1 << N) - 1);
	CHECK(!memcmp(buf, "abcdefghijklmnop", N));
	CHECK(syslet_wait(q, &c, NULL) == -ENOENT);
	/* what is still pending at the exit is waited for */
	CHECK(syslet_read(q, 1, fd[0][0], buf, 1) == -ESYSLETPENDING);
	CHECK(write(fd[0][1], "x", 1) == 1);
	for (i = 0; i < N; i++)
		close(fd[i][1]);
}

int main(void)
{
	struct syslet_queue q;

	CHECK(syslet_queue_init(&q, 0, 0) == -EINVAL);
	CHECK(syslet_queue_init(&q, (1 << 20) + 1, 0) == -EINVAL);
	CHECK(syslet_queue_init(&q, 8, 0x80) == -EINVAL);
	for_each_backend(test, N);
	return PASS;
}
