// SPDX-License-Identifier: GPL-2.0-only
/* The completion ring and the wait: nothing is lost, overwritten or missed. */
#include <sys/epoll.h>

#include "threads.h"

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

/* --- more calls than places -------------------------------------------------- */

/*
 * So many calls in flight, and none before: the program says of each that it has
 * taken it already. In the end it tells the truth again.
 */
static bool overcommit(struct syslet_ring *r, struct blocker *b, int n)
{
	uint32_t tail = r->user_tail;
	bool ok = true;

	for (int i = 0; i < n && ok; i++) {
		r->user_tail = r->kernel_head + i;
		ok = blocker_begin(&b[i], r, i) == -ESYSLETPENDING;
	}
	r->user_tail = tail;
	return ok;
}

/* Let them complete: all have read, and are about to post. */
static bool end_calls(struct blocker *b, int n)
{
	for (int i = 0; i < n; i++)
		if (write(b[i].fd[1], "x", 1) != 1)
			return false;
	for (int i = 0; i < n; i++) {
		UNTIL(__atomic_load_n(&b[i].c, __ATOMIC_RELAXED) == 'x');
		close(b[i].fd[0]);
		close(b[i].fd[1]);
	}
	return true;
}

static struct syslet_ring *shared_ring(void)
{
	struct syslet_ring *r = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (r == MAP_FAILED)
		return NULL;
	r->elements = 4;
	return r;
}

TEST_F(ring, what_finds_it_full_is_posted_when_entries_were_taken)
{
	struct syslet_ring *r = self->ring;
	struct blocker b[12];
	int seen = 0;

	for (int round = 0; round < 3; round++) {
		ASSERT_TRUE(overcommit(r, b, 12));
		ASSERT_TRUE(end_calls(b, 12));
		for (uint32_t i = 0; i < 12; i++) {
			/* it fills up each time, and not more */
			ASSERT_EQ(0, sys_ring_wait(r, r->user_tail, i < 8 ? 4 : 12 - i, NULL, 0));
			ASSERT_EQ(i < 8 ? 4 : 12 - i, ring_count(r));
			ASSERT_EQ(0, ring_take(r, &self->comp));
			ASSERT_EQ(1, self->comp.status);
			seen |= 1 << self->comp.caller_data;
		}
		ASSERT_EQ(0xfff, seen);
		seen = 0;
	}
	ASSERT_EQ(0, force_handoff(r));
	ASSERT_EQ(37, r->kernel_head);
}

/* They hold nothing that others need. */
TEST_F(ring, those_that_wait_for_room_can_be_killed)
{
	struct syslet_ring *r = shared_ring();
	struct blocker b[8];
	struct kid k;

	ASSERT_NE(NULL, r);
	if (!kid_fork(&k)) {
		KID_CHECK(overcommit(r, b, 8) && end_calls(b, 8));
		KID_CHECK(kid_tell(&k));
		kid_hear(&k);
		_exit(1);
	}
	ASSERT_TRUE(kid_hear(&k));
	ASSERT_EQ(0, sys_ring_wait(r, 0, 4, NULL, 0));
	ASSERT_EQ(0, kill(k.pid, SIGKILL));
	ASSERT_EQ(SIGKILL, WTERMSIG(kid_status(&k)));
	ASSERT_EQ(4, r->kernel_head);
	r->user_tail = 4;
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[i], r, i));
	ASSERT_EQ(-EAGAIN, blocker_begin(&b[4], r, 4));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(1, blocker_end(&b[i], r));
	ASSERT_EQ(8, r->kernel_head);
}

static bool all_tasks_are(pid_t pid, char state)
{
	char name[32];
	struct dirent *d;
	bool ok = true;
	DIR *dir;

	snprintf(name, sizeof(name), "/proc/%d/task", pid);
	dir = opendir(name);
	while (dir && (d = readdir(dir)))
		if (*d->d_name != '.' && task_state(pid, atoi(d->d_name)) != state)
			ok = false;
	if (dir)
		closedir(dir);
	return dir && ok;
}

TEST_F(ring, those_that_wait_for_room_stop_with_their_process)
{
	struct syslet_ring *r = shared_ring();
	struct blocker b[6];
	struct kid k;
	int status;

	ASSERT_NE(NULL, r);
	if (!kid_fork(&k)) {
		KID_CHECK(overcommit(r, b, 6) && end_calls(b, 6));
		kid_live(&k);
	}
	ASSERT_TRUE(kid_lives(&k));
	ASSERT_EQ(0, sys_ring_wait(r, 0, 4, NULL, 0));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, kill(k.pid, SIGSTOP));
		ASSERT_EQ(k.pid, waitpid(k.pid, &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status));
		ASSERT_TRUE(all_tasks_are(k.pid, 'T'));
		/* there is room now, and nobody to use it */
		r->user_tail += 1;
		ASSERT_EQ(0, force_handoff(self->ring));
		ASSERT_EQ(4 + i, r->kernel_head);
		ASSERT_EQ(0, kill(k.pid, SIGCONT));
		ASSERT_EQ(0, sys_ring_wait(r, 4 + i, 1, NULL, 0));
		ASSERT_EQ(5 + i, r->kernel_head);
	}
	ASSERT_TRUE(kid_end(&k));
}

static void *full_leaver_main(void *ring)
{
	static struct blocker b[6];

	return overcommit(ring, b, 6) && end_calls(b, 6) ? NULL : "overcommit";
}

/* They have their result: it is not that of a call that was cancelled. */
TEST_F(ring, those_that_wait_for_room_outlive_their_thread)
{
	pthread_t t;
	void *err;

	ASSERT_EQ(0, pthread_create(&t, NULL, full_leaver_main, self->ring));
	ASSERT_EQ(0, pthread_join(t, &err));
	ASSERT_EQ(NULL, err);
	for (int i = 0; i < 6; i++) {
		ASSERT_EQ(0, ring_reap(self->ring, &self->comp));
		ASSERT_EQ(1, self->comp.status);
	}
}

/* --- a ring that does not tell the truth ------------------------------------------ */

struct scribbler {
	struct syslet_ring	*ring;
	void			(*scribble)(struct scribbler *s);
	atomic_uint		truth;	/* what has been taken */
	atomic_int		stop;
	uint64_t		seed;
	pthread_t		thread;
};

static uint32_t scribbler_random(struct scribbler *s)
{
	s->seed = s->seed * 6364136223846793005ull + 1442695040888963407ull;
	return s->seed >> 33;
}

static void *scribbler_main(void *arg)
{
	struct scribbler *s = arg;

	while (!s->stop)
		s->scribble(s);
	return NULL;
}

static bool scribbler_begin(struct scribbler *s, struct syslet_ring *r,
			    void (*fn)(struct scribbler *s))
{
	s->ring = r;
	s->scribble = fn;
	s->truth = r->user_tail;
	s->stop = 0;
	return !pthread_create(&s->thread, NULL, scribbler_main, s);
}

static void scribbler_end(struct scribbler *s)
{
	s->stop = 1;
	pthread_join(s->thread, NULL);
}

static void store(uint32_t *p, uint32_t val)
{
	__atomic_store_n(p, val, __ATOMIC_RELAXED);
}

/* Never more than what was taken; sometimes that. */
static void scribble_less(struct scribbler *s)
{
	uint32_t rnd = scribbler_random(s);

	store(&s->ring->user_tail, s->truth - (rnd & 8 ? rnd : rnd & 7));
}

static void scribble_tail(struct scribbler *s)
{
	uint32_t rnd = scribbler_random(s);

	store(&s->ring->user_tail, rnd & 8 ? rnd * 3 : s->ring->kernel_head - (rnd & 7));
}

static void scribble_head(struct scribbler *s)
{
	uint32_t rnd = scribbler_random(s);

	store(&s->ring->kernel_head, rnd & 8 ? rnd * 3 : s->ring->user_tail + (rnd & 7));
}

static void scribble_all(struct scribbler *s)
{
	uint32_t rnd = scribbler_random(s);

	switch (rnd & 3) {
	case 0:
		return scribble_tail(s);
	case 1:
		return scribble_head(s);
	case 2:
		return store(&s->ring->elements, 1u << (rnd >> 4 & 31));
	default:
		return store(&s->ring->elements, rnd * 3);
	}
}

TEST_F(ring, nothing_is_lost_while_the_tail_says_that_less_was_taken)
{
	struct syslet_ring *r = self->ring, *other = ring_alloc(4);
	struct scribbler s = { .seed = 1 };
	struct blocker b[12];
	uint32_t start, tail;
	int seen;

	ASSERT_NE(NULL, other);
	for (int round = 0; round < 10; round++) {
		start = tail = r->kernel_head = r->user_tail = round % 2 ? -3u : round * 1000;
		seen = 0;
		ASSERT_TRUE(overcommit(r, b, 12));
		ASSERT_TRUE(scribbler_begin(&s, r, scribble_less));
		ASSERT_TRUE(end_calls(b, 12));
		ASSERT_EQ(0, sys_ring_wait(r, start, 4, NULL, 0));
		ASSERT_EQ(0, force_handoff(other));
		ASSERT_EQ(start + 4, r->kernel_head);
		/* take some of them now, the others when the tail is right */
		while (tail - start < 12) {
			if (tail - start == 6)
				scribbler_end(&s);
			if (tail - start >= 6)
				store(&r->user_tail, tail);
			ASSERT_EQ(0, sys_ring_wait(r, tail, 1, NULL, 0));
			self->comp = r->comp[tail & 3];
			ASSERT_EQ(1, self->comp.status);
			ASSERT_EQ(0, seen & 1 << self->comp.caller_data);
			seen |= 1 << self->comp.caller_data;
			s.truth = ++tail;
		}
		r->user_tail = tail;
		ASSERT_EQ(0xfff, seen);
		ASSERT_EQ(0, force_handoff(r));
		ASSERT_EQ(start + 13, r->kernel_head);
	}
}

TEST_F(ring, each_call_is_posted_once_whatever_the_tail_says)
{
	struct syslet_ring *r = self->ring, *other = ring_alloc(4);
	struct scribbler s = { .seed = 2 };
	struct blocker b[12];
	uint32_t start;

	ASSERT_NE(NULL, other);
	for (int round = 0; round < 10; round++) {
		start = r->user_tail = r->kernel_head;
		ASSERT_TRUE(overcommit(r, b, 12));
		ASSERT_TRUE(scribbler_begin(&s, r, scribble_tail));
		ASSERT_TRUE(end_calls(b, 12));
		for (int i = 0; i < 5; i++)
			ASSERT_EQ(0, force_handoff(other));
		scribbler_end(&s);
		UNTIL((store(&r->user_tail, __atomic_load_n(&r->kernel_head, __ATOMIC_ACQUIRE)),
		       r->user_tail - start >= 12));
		ASSERT_EQ(0, force_handoff(r));
		ASSERT_EQ(start + 13, r->kernel_head);
	}
}

/* Harm is done to the memory that can be taken for entries: the ring is alone in it. */
static struct syslet_ring *ring_with_much_behind_it(void)
{
	size_t len = sizeof(struct syslet_ring) + (sizeof(struct syslet_completion) << 20);
	struct syslet_ring *r = mmap(NULL, len, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (r == MAP_FAILED)
		return NULL;
	r->elements = 4;
	return r;
}

/* Whatever becomes of its calls, until it is killed. */
static void live_with_scribbles(struct kid *k, void (*fn)(struct scribbler *s))
{
	struct syslet_ring *r = ring_with_much_behind_it();
	struct __kernel_timespec none = {};
	struct scribbler s = { .seed = 3 };
	int fd[2], pending = 0;
	static char c;
	long ret;

	KID_CHECK(r && !pipe(fd) && scribbler_begin(&s, r, fn));
	for (unsigned int i = 0; ; i++) {
		ret = submit(r, CALL(__NR_read, fd[0], P(&c), 1), i);
		pending += ret == -ESYSLETPENDING;
		KID_CHECK(ret == -ESYSLETPENDING || ret == 1 || ret == -EAGAIN || ret == -EINVAL);
		KID_CHECK((ret != -ESYSLETPENDING && ret != 1) || write(fd[1], "x", 1) == 1);
		ret = sys_ring_wait(r, r->user_tail, i % 5, &none, 0);
		KID_CHECK(!ret || ret == -ETIME || ret == -EINVAL);
		if (pending == 50) {
			pending = 0;
			/* this far; and now until the end */
			KID_CHECK(kid_tell(k) && kid_hear(k));
		}
	}
}

TEST_F(ring, a_scribbled_ring_harms_its_process_alone)
{
	static void (*const fn[])(struct scribbler *s) = {
		scribble_tail, scribble_head, scribble_all,
	};
	struct kid k;

	for (unsigned int i = 0; i < ARRAY_LEN(fn); i++) {
		if (!kid_fork(&k))
			live_with_scribbles(&k, fn[i]);
		ASSERT_TRUE(kid_hear(&k));
		for (int n = 0; n < 10; n++)
			ASSERT_EQ(0, force_handoff(self->ring));
		ASSERT_TRUE(kid_tell(&k));
		for (int n = 0; n < 10; n++)
			ASSERT_EQ(0, force_handoff(self->ring));
		ASSERT_EQ(0, kill(k.pid, SIGKILL));
		ASSERT_EQ(SIGKILL, WTERMSIG(kid_status(&k)));
	}
}

TEST_HARNESS_MAIN
