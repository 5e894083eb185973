/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: a batch that the kernel ends early, for a signal or a call that it
 * refuses, goes on where it ended; a wait does not wait for what was not made
 */
#define _GNU_SOURCE
#include "test.h"

#ifdef LIBSYSLET_FAKE_KERNEL
#include "fake-kernel.h"

#define N 16

static int script[8], step;

static int play(unsigned int nr)
{
	int max = step < 8 ? script[step++] : 0;

	return max && max < (int)nr ? max : (int)nr;
}

static void start(int a, int b, int c)
{
	memset(script, 0, sizeof(script));
	script[0] = a;
	script[1] = b;
	script[2] = c;
	step = 0;
	fake_faults.submit = play;
}

static void prep(struct syslet_queue *q, uint64_t i)
{
	CHECK_EQ(0, syslet_prep(q, i, SYS_getpid, 0, 0, 0, 0, 0, 0));
}

static void take(struct syslet_queue *q, uint64_t from, uint64_t to)
{
	struct syslet_completion c;

	for (; from < to; from++) {
		CHECK_EQ(0, syslet_peek(q, &c));
		CHECK_EQ(from, c.caller_data);
		CHECK_EQ(getpid(), syslet_status(&c));
	}
}

static void test_counts(struct syslet_queue *q)
{
	uint64_t i;

	start(3, 1, 0);
	for (i = 0; i < N; i++)
		prep(q, i);
	CHECK_EQ(N, syslet_flush(q));
	CHECK_EQ(3, step);
	take(q, 0, N);

	start(-EINTR, 4, -EINTR);
	for (i = 0; i < N; i++)
		prep(q, i);
	CHECK_EQ(-EINTR, syslet_flush(q));
	CHECK_EQ(4, syslet_flush(q));
	CHECK_EQ(4, syslet_ready(q));
	CHECK_EQ(N - 4, syslet_flush(q));
	take(q, 0, N);
}

/* The second call would end the first; a signal comes between them. */
static void test_wait(struct syslet_queue *q)
{
	struct syslet_completion c;
	int fd[2];
	char buf;

	CHECK(pipe(fd) == 0);
	start(1, -EINTR, 0);
	CHECK_EQ(0, syslet_prep_read(q, 1, fd[0], &buf, 1));
	CHECK_EQ(0, syslet_prep_write(q, 2, fd[1], "x", 1));
	CHECK_EQ(-EINTR, syslet_wait(q, &c, NULL));
	CHECK_EQ(0, syslet_wait_nr(q, 2, NULL));
	while (!syslet_peek(q, &c))
		CHECK_EQ(1, syslet_status(&c));
	close(fd[0]);
	close(fd[1]);
}

static bool refuse_close(const struct indirect_registers *regs)
{
	return regs->nr == SYS_close;
}

/* Those around it are not made twice, or in another order. */
static void test_refused(struct syslet_queue *q)
{
	struct syslet_completion c;
	uint64_t i, next = 0;

	start(0, 0, 0);
	fake_faults.refuse = refuse_close;
	for (i = 0; i < N; i++) {
		if (i % 3 == 1)
			CHECK_EQ(0, syslet_prep_close(q, i, -1));
		else
			prep(q, i);
	}
	CHECK_EQ(N, syslet_flush(q));
	CHECK_EQ(5, q->refused);
	for (i = 0; i < N; i++) {
		CHECK_EQ(0, syslet_wait(q, &c, NULL));
		CHECK_EQ(c.caller_data % 3 == 1 ? -EBADF : getpid(), syslet_status(&c));
		if (c.caller_data % 3 == 1)
			continue;
		CHECK(c.caller_data >= next);
		next = c.caller_data + 1;
	}
	CHECK_EQ(0, q->pending);
	fake_faults.refuse = NULL;
}

/* A filter, say: who waits sees results nevertheless, and does not spin. */
static void test_no_wait(struct syslet_queue *q)
{
	syslet_timespec soon = { .tv_nsec = 2000000 };
	struct syslet_completion c;
	struct blocked b[2];
	clock_t cpu;

	block(q, &b[0], 1);
	__atomic_store_n(&fake_faults.ring_wait, -EPERM, __ATOMIC_RELAXED);
	CHECK_EQ(-ETIME, syslet_wait(q, &c, &soon));
	unblock(&b[0]);
	CHECK_EQ(0, syslet_wait(q, &c, NULL));
	fake_faults.refuse = refuse_close;
	block(q, &b[1], 2);
	/* on a thread: both kinds are waited for */
	CHECK_EQ(-ESYSLETPENDING, syslet_close(q, 3, -1));
	CHECK_EQ(0, syslet_wait(q, &c, NULL));
	CHECK_EQ(3, c.caller_data);
	cpu = clock();
	soon.tv_nsec = 300000000;
	CHECK_EQ(-ETIME, syslet_wait(q, &c, &soon));
	CHECK(clock() - cpu < CLOCKS_PER_SEC / 10);
	unblock(&b[1]);
	CHECK_EQ(0, syslet_wait(q, &c, NULL));
	__atomic_store_n(&fake_faults.ring_wait, 0, __ATOMIC_RELAXED);
	fake_faults.refuse = NULL;
	close_blocked(&b[0]);
	close_blocked(&b[1]);
}

int main(void)
{
	struct syslet_queue q;

	CHECK_EQ(0, syslet_queue_init(&q, N, 0));
	CHECK(syslet_is_async(&q));
	test_counts(&q);
	test_wait(&q);
	test_refused(&q);
	test_no_wait(&q);
	syslet_queue_exit(&q);
	return PASS;
}

#else

int main(void)
{
	return SKIP;
}

#endif
