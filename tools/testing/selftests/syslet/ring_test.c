// SPDX-License-Identifier: GPL-2.0-only
/* The completion ring and the wait: nothing is lost, overwritten or missed. */
#include "common.h"

#include <sys/epoll.h>

FIXTURE(ring)
{
	struct syslet_ring *ring;
	struct syslet_completion comp;
};

FIXTURE_SETUP(ring)
{
	self->ring = ring_alloc(4);
	ASSERT_NE(NULL, self->ring);
}

FIXTURE_TEARDOWN(ring)
{
}

TEST_F(ring, wait_checks_its_arguments)
{
	struct __kernel_timespec ts = {}, bad = { .tv_nsec = 1000000000 };
	struct syslet_ring *r = self->ring;

	ASSERT_EQ(-EINVAL, sys_ring_wait(r, 0, 1, NULL, 2));
	ASSERT_EQ(-EINVAL, sys_ring_wait(r, 0, 5, NULL, 0));
	ASSERT_EQ(-EINVAL, sys_ring_wait(r, 0, ~0u, NULL, 0));
	ASSERT_EQ(-EINVAL, sys_ring_wait((void *)((char *)r + 4), 0, 1, NULL, 0));
	ASSERT_EQ(-EFAULT, sys_ring_wait(NULL, 0, 1, NULL, 0));
	ASSERT_EQ(-EFAULT, sys_ring_wait((void *)0xffff888000000000ul, 0, 1, NULL, 0));
	ASSERT_EQ(-EFAULT, sys_ring_wait(r, 0, 1, (void *)8, 0));
	ASSERT_EQ(-EINVAL, sys_ring_wait(r, 0, 1, &bad, 0));
	ASSERT_EQ(-ETIME, sys_ring_wait(r, 0, 1, &ts, 0));
	ASSERT_EQ(-ETIME, sys_ring_wait(r, 0, 4, &ts, 0));
	r->elements = 3;
	ASSERT_EQ(-EINVAL, sys_ring_wait(r, 0, 1, &ts, 0));
}

TEST_F(ring, timeout_is_relative)
{
	struct __kernel_timespec ts = { .tv_nsec = 30000000 };
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	ASSERT_EQ(-ETIME, sys_ring_wait(self->ring, 0, 1, &ts, 0));
	clock_gettime(CLOCK_MONOTONIC, &b);
	ASSERT_LE(30000000, (b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec);
}

TEST_F(ring, a_call_that_would_not_fit_is_refused)
{
	struct blocker b[5];
	struct stat st;
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[i], self->ring, i));
	ASSERT_EQ(-EAGAIN, blocker_begin(&b[4], self->ring, 4));
	ASSERT_EQ(-EAGAIN, submit(self->ring, CALL(__NR_lstat, P("/"), P(&st)), 1));
	/* complete, but not taken: still no room */
	for (i = 0; i < 4; i++)
		ASSERT_EQ(1, write(b[i].fd[1], "x", 1));
	ASSERT_EQ(0, sys_ring_wait(self->ring, 0, 4, NULL, 0));
	ASSERT_EQ(-EAGAIN, submit(self->ring, CALL(__NR_lstat, P("/"), P(&st)), 1));
	ASSERT_EQ(0, ring_take(self->ring, &self->comp));
	ASSERT_EQ(0, submit(self->ring, CALL(__NR_lstat, P("/"), P(&st)), 1));
}

TEST_F(ring, a_full_ring_is_not_overwritten)
{
	struct blocker b[4];
	int i, seen = 0;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[i], self->ring, i));
	/* the program claims that there are completions that it has not taken */
	self->ring->user_tail -= 2;
	memset(self->ring->comp, 0xee, 4 * sizeof(self->comp));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(1, write(b[i].fd[1], "x", 1));
	ASSERT_EQ(0, sys_ring_wait(self->ring, self->ring->user_tail, 4, NULL, 0));
	/* two came, two wait for room */
	ASSERT_EQ(2, self->ring->kernel_head);
	ASSERT_EQ(0xeeeeeeeeeeeeeeee, self->ring->comp[2].status);
	ASSERT_EQ(0xeeeeeeeeeeeeeeee, self->ring->comp[3].caller_data);
	self->ring->user_tail += 2;
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, ring_reap(self->ring, &self->comp));
		ASSERT_EQ(1, self->comp.status);
		seen |= 1 << self->comp.caller_data;
	}
	ASSERT_EQ(15, seen);
}

TEST_F(ring, counts_wrap)
{
	struct blocker b;
	uint32_t i;

	self->ring->kernel_head = self->ring->user_tail = -6u;
	for (i = 0; i < 12; i++) {
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, self->ring, i));
		ASSERT_EQ(1, blocker_end(&b, self->ring));
	}
	ASSERT_EQ(6, self->ring->kernel_head);
}

TEST_F(ring, unmapped_ring_loses_the_completion_and_nothing_else)
{
	struct blocker b;
	struct syslet_ring *other = ring_alloc(4);
	int n;

	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, self->ring, 0));
	ASSERT_EQ(0, munmap(self->ring, 4096));
	n = count_threads();
	ASSERT_EQ(1, write(b.fd[1], "x", 1));
	ASSERT_EQ(0, force_handoff(other));
	ASSERT_GE(n + 1, count_threads());
}

TEST_F(ring, read_only_ring)
{
	struct blocker b;
	struct syslet_ring *other = ring_alloc(4);

	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, self->ring, 0));
	ASSERT_EQ(0, mprotect(self->ring, 4096, PROT_READ));
	ASSERT_EQ(1, write(b.fd[1], "x", 1));
	ASSERT_EQ(0, force_handoff(other));
	ASSERT_EQ(0, self->ring->kernel_head);
}

/* Pages that are not there when the call ends are faulted in. */
TEST_F(ring, swapped_or_dropped_pages)
{
	struct syslet_ring *ring = ring_alloc(4096);
	struct blocker b;

	ring->kernel_head = ring->user_tail = 2000;
	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, ring, 5));
	/* the entry's page has never been touched */
	ASSERT_EQ(1, blocker_end(&b, ring));
	ASSERT_EQ(5, ring->comp[2000].caller_data);
}

TEST_F(ring, eventfd)
{
	int efd = eventfd(0, EFD_NONBLOCK), ep = epoll_create1(0), fd[2];
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 9 }, got;
	uint64_t count;
	char c;

	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, efd, &ev));
	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(-ESYSLETPENDING,
		  submit_args(CALL(__NR_read, fd[0], P(&c), 1), (struct syslet_args){
			.completion_ring_ptr = P(self->ring), .caller_data = 3,
			.flags = SYSLET_EVENTFD, .eventfd = efd }));
	ASSERT_EQ(0, epoll_wait(ep, &got, 1, 0));
	ASSERT_EQ(1, write(fd[1], "x", 1));
	ASSERT_EQ(1, epoll_wait(ep, &got, 1, -1));
	ASSERT_EQ(9, got.data.u64);
	/* posted before it was signalled */
	ASSERT_EQ(0, ring_take(self->ring, &self->comp));
	ASSERT_EQ(3, self->comp.caller_data);
	ASSERT_EQ(8, read(efd, &count, 8));
	ASSERT_EQ(1, count);
	/* not for a call that did not block */
	ASSERT_EQ(getppid(),
		  submit_args(CALL(__NR_getppid), (struct syslet_args){
			.completion_ring_ptr = P(self->ring),
			.flags = SYSLET_EVENTFD, .eventfd = efd }));
	ASSERT_EQ(-1, read(efd, &count, 8));
}

struct waiter {
	struct syslet_ring *ring;
	unsigned int nr;
	atomic_int done;
	pthread_t thread;
};

static void *waiter_main(void *arg)
{
	struct waiter *w = arg;
	long ret = sys_ring_wait(w->ring, 0, w->nr, NULL, 0);

	w->done = 1;
	return (void *)ret;
}

TEST_F(ring, each_waiter_is_woken_when_it_has_enough)
{
	struct waiter w[4] = {};
	struct blocker b[4];
	void *ret;
	int i, j;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[i], self->ring, i));
		w[i].ring = self->ring;
		w[i].nr = i + 1;
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, waiter_main, &w[i]));
	}
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(1, write(b[i].fd[1], "x", 1));
		ASSERT_EQ(0, pthread_join(w[i].thread, &ret));
		ASSERT_EQ(NULL, ret);
		for (j = i + 1; j < 4; j++)
			ASSERT_EQ(0, w[j].done);
	}
}

/*
 * Three threads complete into one ring, another takes: all arrive once. They
 * stay until then, as the exit of a thread cancels what it has in flight.
 */
static atomic_int all_taken;

struct producer {
	struct syslet_ring *ring;
	int n, base;
	pthread_t thread;
};

/* Returns the end of the pipe that keeps the read waiting. */
static void *leaver_main(void *arg)
{
	static struct blocker b;

	if (blocker_begin(&b, arg, 77) != -ESYSLETPENDING)
		return NULL;
	return (void *)(long)b.fd[1];
}

static void *producer_main(void *arg)
{
	struct producer *p = arg;
	int i, fd[2];
	static __thread char c;

	if (pipe(fd))
		return "pipe";
	for (i = 0; i < p->n;) {
		long ret = submit(p->ring, CALL(__NR_read, fd[0], P(&c), 1), p->base + i);

		if (ret == -EAGAIN) {
			sched_yield();
			continue;
		}
		if ((ret != -ESYSLETPENDING && ret != 1) || write(fd[1], "x", 1) != 1)
			return "submit";
		/* 1: it took at once what an earlier one is waiting for */
		i += ret == -ESYSLETPENDING;
	}
	while (!all_taken)
		sched_yield();
	return NULL;
}

TEST_F(ring, exit_of_a_thread_cancels_its_calls)
{
	pthread_t t;
	void *fd;

	ASSERT_EQ(0, pthread_create(&t, NULL, leaver_main, self->ring));
	ASSERT_EQ(0, pthread_join(t, &fd));
	ASSERT_LT(0, (long)fd);
	ASSERT_EQ(0, ring_reap(self->ring, &self->comp));
	ASSERT_EQ(-ECANCELED, self->comp.status);
	ASSERT_EQ(77, self->comp.caller_data);
}

TEST_F_TIMEOUT(ring, producers_in_several_threads, 120)
{
	enum { N = 3, EACH = 2000 };
	static unsigned char seen[N * EACH];
	struct producer p[N];
	void *err;
	int i;

	for (i = 0; i < N; i++) {
		p[i] = (struct producer){ .ring = self->ring, .n = EACH, .base = i * EACH };
		ASSERT_EQ(0, pthread_create(&p[i].thread, NULL, producer_main, &p[i]));
	}
	for (i = 0; i < N * EACH; i++) {
		ASSERT_EQ(0, ring_reap(self->ring, &self->comp));
		ASSERT_EQ(1, self->comp.status);
		ASSERT_GT(N * EACH, self->comp.caller_data);
		ASSERT_EQ(0, seen[self->comp.caller_data]++);
	}
	all_taken = 1;
	for (i = 0; i < N; i++) {
		ASSERT_EQ(0, pthread_join(p[i].thread, &err));
		ASSERT_EQ(NULL, err);
	}
	ASSERT_EQ(0, ring_count(self->ring));
}

TEST_HARNESS_MAIN
