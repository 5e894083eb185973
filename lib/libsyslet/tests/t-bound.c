/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: a call that depends on its thread and may wait is not made, on any
 * backend; with SYSLET_QUEUE_SYNC_OK its own thread makes it. ioctls are made.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include "test.h"

#ifdef SYS_futex_time64
#define NR_FUTEX	SYS_futex_time64
#else
#define NR_FUTEX	SYS_futex
#endif

static long call(struct syslet_queue *q, long nr, uint64_t a0, uint64_t a1, uint64_t a2,
		 uint64_t a3, uint64_t a4, uint64_t a5)
{
	return finish(q, syslet_call(q, 1, nr, a0, a1, a2, a3, a4, a5), 1);
}

static uint32_t word;

static long lock_pi(struct syslet_queue *q)
{
	return call(q, NR_FUTEX, SYSLET_PTR(&word), FUTEX_LOCK_PI, 0, 0, 0, 0);
}

static long wait_masked(struct syslet_queue *q, const void *mask)
{
	syslet_timespec zero = { .tv_sec = 0 };

	return call(q, SYSLET_NR_TIME64_(ppoll), 0, 0, SYSLET_PTR(&zero),
		    SYSLET_PTR(mask), 8, 0);
}

static long wait_nothread(struct syslet_queue *q)
{
	siginfo_t info;

	return call(q, SYS_waitid, P_ALL, 0, SYSLET_PTR(&info), WEXITED | 0x20000000, 0, 0);
}

static long sleep_cpu(struct syslet_queue *q)
{
	syslet_timespec zero = { .tv_sec = 0 };

	return call(q, SYSLET_NR_TIME64_(clock_nanosleep), CLOCK_PROCESS_CPUTIME_ID, 0,
		    SYSLET_PTR(&zero), 0, 0, 0);
}

static void test(struct syslet_queue *q)
{
	sigset_t mask;
	int n = -1, fd[2];

	sigfillset(&mask);
	CHECK_EQ(-EAGAIN, lock_pi(q));
	CHECK_EQ(0, word);
	CHECK_EQ(-EAGAIN, wait_masked(q, &mask));
	CHECK_EQ(0, wait_masked(q, NULL));
	CHECK_EQ(-EAGAIN, wait_nothread(q));
	CHECK_EQ(-EAGAIN, sleep_cpu(q));
	CHECK_EQ(-EAGAIN, call(q, SYS_rt_sigsuspend, SYSLET_PTR(&mask), 8, 0, 0, 0, 0));
	CHECK_EQ(-EAGAIN, call(q, SYS_ptrace, 0, 0, 0, 0, 0, 0));
	CHECK(pipe(fd) == 0);
	CHECK_EQ(0, finish(q, syslet_ioctl(q, 1, fd[0], FIONREAD, SYSLET_PTR(&n)), 1));
	CHECK_EQ(0, n);
	close(fd[0]);
	close(fd[1]);
}

static void test_sync_ok(unsigned int flags)
{
	struct syslet_queue q;
	sigset_t mask;

	sigfillset(&mask);
	CHECK_EQ(0, syslet_queue_init(&q, 4, flags | SYSLET_QUEUE_SYNC_OK));
	CHECK_EQ(0, lock_pi(&q));
	CHECK_EQ(syscall(SYS_gettid), word & FUTEX_TID_MASK);
	CHECK(syscall(SYS_futex, &word, FUTEX_UNLOCK_PI, 0, 0, 0, 0) == 0);
	CHECK_EQ(0, wait_masked(&q, &mask));
	CHECK_EQ(-ECHILD, wait_nothread(&q));
	CHECK_EQ(0, sleep_cpu(&q));
	CHECK_EQ(0, q.on_threads);
	CHECK_EQ(4, q.synchronous);
	syslet_queue_exit(&q);
}

int main(void)
{
	for_each_backend(test, 4);
	test_sync_ok(0);
	test_sync_ok(SYSLET_QUEUE_THREADS);
	if (syslet_probe())
		test_sync_ok(SYSLET_QUEUE_NO_THREADS);
	return PASS;
}
