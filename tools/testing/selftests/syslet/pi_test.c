// SPDX-License-Identifier: GPL-2.0-only
/* PI futexes: the owner is known by its TID, and boosted as a task. */
#include "common.h"

THREADS_FIXTURE(pi)

static bool mutex_init(pthread_mutex_t *m, bool robust)
{
	pthread_mutexattr_t attr;

	return !pthread_mutexattr_init(&attr) &&
	       !pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT) &&
	       (!robust || !pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST)) &&
	       !pthread_mutex_init(m, &attr);
}

static bool has_waiters(pthread_mutex_t *m)
{
	return __atomic_load_n((uint32_t *)&m->__data.__lock, __ATOMIC_ACQUIRE) & FUTEX_WAITERS;
}

/* State, and priority: fields 3 and 18 of /proc/TID/stat, see proc(5). */
static char task_state(pid_t tid, int *prio)
{
	char name[64], buf[512], *p;
	ssize_t n = -1;
	char state = 0;
	int fd;

	snprintf(name, sizeof(name), "/proc/self/task/%d/stat", tid);
	fd = open(name, O_RDONLY);
	if (fd >= 0) {
		n = read(fd, buf, sizeof(buf) - 1);
		close(fd);
	}
	if (n <= 0)
		return 0;
	buf[n] = 0;
	p = strrchr(buf, ')');
	if (p)
		sscanf(p, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %d",
		       &state, prio);
	return state;
}

/* Interruptibly: in the lock, once there are waiters. */
static bool sleeps(pid_t tid)
{
	int prio;

	return task_state(tid, &prio) == 'S';
}

struct waiter {
	pthread_mutex_t *m;
	pthread_t thread;
	atomic_int tid, got;
	int err;
};

static void *waiter_main(void *arg)
{
	struct waiter *w = arg;

	w->tid = gettid();
	w->err = pthread_mutex_lock(w->m);
	w->got = 1;
	if (w->err == EOWNERDEAD)
		pthread_mutex_consistent(w->m);
	if (!w->err || w->err == EOWNERDEAD)
		pthread_mutex_unlock(w->m);
	return NULL;
}

/* Returns when it waits. */
static bool waiter_begin(struct waiter *w, pthread_mutex_t *m)
{
	*w = (struct waiter){ .m = m };
	if (pthread_create(&w->thread, NULL, waiter_main, w))
		return false;
	while (!w->tid || !has_waiters(m) || !sleeps(w->tid))
		sched_yield();
	return true;
}

THREADS_TEST(pi, refused_while_others_wait_for_us)
{
	struct waiter w;
	pthread_mutex_t m;

	CHECK(mutex_init(&m, false));
	CHECK(!force_handoff(ring));
	CHECK(!pthread_mutex_lock(&m));
	CHECK(waiter_begin(&w, &m));
	CHECK(is_refused(ring));
	CHECK(!w.got);
	CHECK(!pthread_mutex_unlock(&m));
	CHECK(!pthread_join(w.thread, NULL));
	CHECK(w.got && !w.err);
	CHECK(!force_handoff(ring));
	return NULL;
}

THREADS_TEST(pi, owner_is_found_after_a_handoff_and_hands_over)
{
	struct waiter w;
	struct blocker b;
	pthread_mutex_t m;

	CHECK(mutex_init(&m, false));
	for (int i = 0; i < 5; i++) {
		CHECK(!pthread_mutex_lock(&m));
		CHECK(blocker_begin(&b, ring, 0) == -ESYSLETPENDING);
		CHECK(waiter_begin(&w, &m));
		CHECK(!w.got);
		/* the end of the call that was handed off changes nothing */
		CHECK(blocker_end(&b, ring) == 1);
		CHECK(is_refused(ring));
		CHECK(!w.got);
		CHECK(!pthread_mutex_unlock(&m));
		CHECK(!pthread_join(w.thread, NULL));
		CHECK(w.got && !w.err);
	}
	return NULL;
}

/* The carrier is boosted, and not the runner. */
static int priority_of(pid_t tid)
{
	int prio = 0;

	task_state(tid, &prio);
	return prio;
}

static void *fifo_waiter_main(void *arg)
{
	struct sched_param sp = { .sched_priority = 5 };
	struct waiter *w = arg;

	if (sched_setscheduler(0, SCHED_FIFO, &sp)) {
		w->err = errno;
		w->tid = -1;
		return NULL;
	}
	return waiter_main(arg);
}

THREADS_TEST(pi, waiter_boosts_the_thread_while_its_call_is_pending)
{
	struct blocker b;
	pthread_mutex_t m;
	struct waiter w = { .m = &m };
	int before = priority_of(gettid());

	CHECK(mutex_init(&m, false));
	CHECK(!pthread_mutex_lock(&m));
	CHECK(blocker_begin(&b, ring, 0) == -ESYSLETPENDING);
	CHECK(!pthread_create(&w.thread, NULL, fifo_waiter_main, &w));
	while (!w.tid || (w.tid > 0 && (!has_waiters(&m) || !sleeps(w.tid))))
		sched_yield();
	CHECK(w.tid > 0);
	/* -1 - rt_priority in proc(5) */
	CHECK(priority_of(gettid()) == -6);
	CHECK(!pthread_mutex_unlock(&m));
	CHECK(priority_of(gettid()) == before);
	CHECK(!pthread_join(w.thread, NULL));
	CHECK(blocker_end(&b, ring) == 1);
	return NULL;
}

/* Dies as owner, with a call in flight. */
struct owner {
	pthread_mutex_t m;
	struct syslet_ring *ring;
	atomic_int tid;
	int go[2];
	bool failed;
};

static void *owner_main(void *arg)
{
	struct owner *o = arg;
	struct blocker b;
	char c;

	o->failed = pthread_mutex_lock(&o->m) || force_handoff(o->ring) ||
		    blocker_begin(&b, o->ring, 0) != -ESYSLETPENDING;
	o->tid = gettid();
	o->failed |= read(o->go[0], &c, 1) != 1;
	return NULL;
}

static bool owner_begin(struct owner *o, pthread_t *t)
{
	/* not our ring: its call in flight is cancelled, which is posted */
	*o = (struct owner){ .ring = ring_alloc(4) };
	if (!mutex_init(&o->m, true) || pipe(o->go) || pthread_create(t, NULL, owner_main, o))
		return false;
	while (!o->tid)
		sched_yield();
	return !o->failed;
}

static bool owner_end(struct owner *o, pthread_t t)
{
	return write(o->go[1], "x", 1) == 1 && !pthread_join(t, NULL) && !o->failed;
}

THREADS_TEST(pi, waiter_learns_that_the_owner_died)
{
	struct waiter w;
	struct owner o;
	pthread_t t;

	CHECK(owner_begin(&o, &t));
	CHECK(waiter_begin(&w, &o.m));
	CHECK(owner_end(&o, t));
	CHECK(!pthread_join(w.thread, NULL));
	CHECK(w.err == EOWNERDEAD);
	return NULL;
}

THREADS_TEST(pi, who_comes_later_learns_that_the_owner_died)
{
	struct owner o;
	pthread_t t;

	CHECK(owner_begin(&o, &t));
	CHECK(owner_end(&o, t));
	CHECK(pthread_mutex_lock(&o.m) == EOWNERDEAD);
	CHECK(!pthread_mutex_consistent(&o.m));
	CHECK(!force_handoff(ring));
	CHECK(!pthread_mutex_unlock(&o.m));
	return NULL;
}

THREADS_TEST(pi, no_owner_is_found_under_the_tid_of_a_dead_thread)
{
	struct owner o;
	uint32_t word;
	pthread_t t;

	CHECK(owner_begin(&o, &t));
	word = o.tid;
	CHECK(owner_end(&o, t));
	/* or its TID would be of a helper that has not exited yet */
	while (!tgkill(getpid(), word, 0))
		sched_yield();
	CHECK(syscall(__NR_futex, &word, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == -1 &&
	      errno == ESRCH);
	return NULL;
}

/* A helper is no thread that could own anything. */
THREADS_TEST(pi, no_owner_is_found_under_the_tid_of_a_helper)
{
	struct blocker b[2];
	struct dirent *d;
	int tried = 0;
	DIR *dir;

	/* two runners: one at least is not the group leader */
	CHECK(blocker_begin(&b[0], ring, 0) == -ESYSLETPENDING);
	CHECK(blocker_begin(&b[1], ring, 1) == -ESYSLETPENDING);
	dir = opendir("/proc/self/task");
	CHECK(dir);
	while ((d = readdir(dir))) {
		uint32_t word = atoi(d->d_name);

		if (!word || word == (uint32_t)gettid() || word == (uint32_t)getpid())
			continue;
		CHECK(syscall(__NR_futex, &word, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == -1);
		CHECK(errno == ESRCH);
		tried++;
	}
	closedir(dir);
	CHECK(tried);
	CHECK(blocker_end(&b[0], ring) == 1 && blocker_end(&b[1], ring) == 1);
	return NULL;
}

TEST_HARNESS_MAIN
