/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Description: waits end when there is enough, when it is time, or for a signal */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include "test.h"

#define N 4

static syslet_timespec now(void)
{
	syslet_timespec at;
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	at.tv_sec = ts.tv_sec;
	at.tv_nsec = ts.tv_nsec;
	return at;
}

static void test_nr(struct syslet_queue *q)
{
	struct syslet_completion c[N];
	struct blocked b[N];
	unsigned int i;

	for (i = 0; i < N; i++)
		block(q, &b[i], i);
	CHECK_EQ(0, syslet_wait_nr(q, 0, NULL));
	CHECK_EQ(-ENOENT, syslet_wait_nr(q, N + 1, NULL));
	for (i = 0; i < N; i++)
		unblock(&b[i]);
	CHECK_EQ(0, syslet_wait_nr(q, N - 1, NULL));
	CHECK(syslet_ready(q) >= N - 1);
	CHECK_EQ(0, syslet_wait_nr_until(q, N, NULL));
	CHECK_EQ(N, syslet_ready(q));
	CHECK_EQ(2, syslet_peek_batch(q, c, 2));
	CHECK_EQ(N - 2, syslet_peek_batch(q, c, N));
	CHECK_EQ(0, syslet_peek_batch(q, c, N));
	for (i = 0; i < N; i++)
		close_blocked(&b[i]);
}

static void test_time(struct syslet_queue *q)
{
	syslet_timespec zero = { .tv_sec = 0 }, soon = { .tv_nsec = 1000000 };
	syslet_timespec bad = { .tv_nsec = 1000000000 }, past = now();
	syslet_timespec never = { .tv_sec = INT64_MAX }, later;
	struct syslet_completion c;
	struct blocked b;

	CHECK_EQ(-ENOENT, syslet_wait(q, &c, &soon));
	block(q, &b, 1);
	CHECK_EQ(-ETIME, syslet_wait(q, &c, &zero));
#ifndef __LP64__
	/* What the library sees of a struct timespec with padding. */
	struct { int64_t sec; uint32_t nsec, padding; } padded = { 0, 1000, 0xaaaaaaaa };

	CHECK_EQ(-ETIME, syslet_wait(q, &c, (void *)&padded));
#endif
	CHECK_EQ(-ETIME, syslet_wait(q, &c, &soon));
	CHECK_EQ(-EINVAL, syslet_wait(q, &c, &bad));
	CHECK_EQ(-EINVAL, syslet_wait_until(q, &c, &bad));
	bad = (syslet_timespec){ .tv_sec = -1 };
	CHECK_EQ(-EINVAL, syslet_wait_nr(q, 1, &bad));
	CHECK_EQ(-ETIME, syslet_wait_until(q, &c, &past));
	later = now();
	later.tv_nsec += 2000000;
	later.tv_sec += later.tv_nsec / 1000000000;
	later.tv_nsec %= 1000000000;
	CHECK_EQ(-ETIME, syslet_wait_nr_until(q, 1, &later));
	past = now();
	CHECK(past.tv_sec > later.tv_sec ||
	      (past.tv_sec == later.tv_sec && past.tv_nsec >= later.tv_nsec));
	unblock(&b);
	CHECK_EQ(0, syslet_wait(q, &c, &never));
	CHECK(c.caller_data == 1);
	close_blocked(&b);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void test_signal(struct syslet_queue *q)
{
	struct sigaction sa = { .sa_handler = on_alarm }, old;
	struct syslet_completion c;
	struct blocked b;
	pid_t child, parent = getpid();

	CHECK(sigaction(SIGALRM, &sa, &old) == 0);
	block(q, &b, 1);
	/* Again and again: the first may come before we wait. */
	child = fork();
	if (!child)
		while (!kill(parent, SIGALRM))
			sched_yield();
	CHECK_EQ(-EINTR, syslet_wait(q, &c, NULL));
	CHECK_EQ(1, q->pending);
	kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) < 0)
		;
	CHECK(sigaction(SIGALRM, &old, NULL) == 0);
	unblock(&b);
	CHECK_EQ(0, syslet_wait(q, &c, NULL));
	close_blocked(&b);
}

static void test(struct syslet_queue *q)
{
	test_nr(q);
	test_time(q);
	test_signal(q);
}

int main(void)
{
	for_each_backend(test, N);
	return PASS;
}
