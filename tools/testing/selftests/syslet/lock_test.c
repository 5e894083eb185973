// SPDX-License-Identifier: GPL-2.0-only
/* Locks belong to the thread or the process, not to the task that took them. */
#include "threads.h"

THREADS_FIXTURE(lock)

/* --- robust mutexes -------------------------------------------------------- */

#define MUTEXES		4

/* What a process that is to die shares with its parent. */
struct estate {
	pthread_mutex_t mutex[MUTEXES];
};

static uint32_t word_of(pthread_mutex_t *m)
{
	return __atomic_load_n((uint32_t *)&m->__data.__lock, __ATOMIC_ACQUIRE);
}

static bool mutex_init(pthread_mutex_t *m, int type, bool inherit, bool robust)
{
	pthread_mutexattr_t attr;

	return !pthread_mutexattr_init(&attr) &&
	       !pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) &&
	       !pthread_mutexattr_settype(&attr, type) &&
	       (!inherit || !pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT)) &&
	       (!robust || !pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST)) &&
	       !pthread_mutex_init(m, &attr);
}

static struct estate *estate_make(void)
{
	struct estate *e = mmap(NULL, sizeof(*e), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	/* every other one inherits priorities */
	for (int i = 0; e != MAP_FAILED && i < MUTEXES; i++)
		if (!mutex_init(&e->mutex[i], PTHREAD_MUTEX_NORMAL, i % 2, true))
			return NULL;
	return e == MAP_FAILED ? NULL : e;
}

/* Lock some before and some after handoffs, with calls in flight from the first. */
static const char *estate_take(struct estate *e, struct syslet_ring *ring)
{
	struct blocker *b = calloc(MUTEXES, sizeof(*b));

	for (int i = 0; i < MUTEXES; i++) {
		CHECK(blocker_begin(&b[i], ring, i) == -ESYSLETPENDING);
		CHECK(!pthread_mutex_lock(&e->mutex[i]));
	}
	return force_handoff(ring) ? "force_handoff" : NULL;
}

static const char *estate_is_left(struct estate *e)
{
	for (int i = 0; i < MUTEXES; i++) {
		CHECK((word_of(&e->mutex[i]) & (FUTEX_OWNER_DIED | FUTEX_TID_MASK)) ==
		      FUTEX_OWNER_DIED);
		CHECK(pthread_mutex_lock(&e->mutex[i]) == EOWNERDEAD);
		CHECK(!pthread_mutex_consistent(&e->mutex[i]));
		CHECK(!pthread_mutex_unlock(&e->mutex[i]));
		CHECK(!pthread_mutex_lock(&e->mutex[i]));
		CHECK(!pthread_mutex_unlock(&e->mutex[i]));
	}
	return NULL;
}

static struct estate *estate;
static struct kid estate_kid;

static const char *die_with_locks(struct syslet_ring *ring)
{
	CHECK(!estate_take(estate, ring));
	CHECK(kid_tell(&estate_kid));
	kid_hear(&estate_kid);
	_exit(7);
}

FIXTURE(death) { };
FIXTURE_VARIANT(death) { bool thread; int sig; };
FIXTURE_VARIANT_ADD(death, exit_of_main_thread) { .thread = false };
FIXTURE_VARIANT_ADD(death, exit_of_other_thread) { .thread = true };
FIXTURE_VARIANT_ADD(death, kill_of_main_thread) { .thread = false, .sig = SIGKILL };
FIXTURE_VARIANT_ADD(death, kill_of_other_thread) { .thread = true, .sig = SIGKILL };
FIXTURE_SETUP(death) { }
FIXTURE_TEARDOWN(death) { }

TEST_F(death, releases_robust_mutexes_once)
{
	const char *err;

	estate = estate_make();
	ASSERT_NE(NULL, estate);
	if (!kid_fork(&estate_kid)) {
		err = threads_run(variant->thread, die_with_locks);
		fprintf(stderr, "# %s\n", err);
		_exit(1);
	}
	ASSERT_TRUE(kid_hear(&estate_kid));
	for (int i = 0; i < MUTEXES; i++)
		ASSERT_EQ(EBUSY, pthread_mutex_trylock(&estate->mutex[i]));
	ASSERT_TRUE(variant->sig ? !kill(estate_kid.pid, variant->sig) : kid_tell(&estate_kid));
	ASSERT_EQ(variant->sig ?: 7 << 8, kid_status(&estate_kid));
	err = estate_is_left(estate);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

static long estate_try(void *arg)
{
	struct estate *e = arg;

	for (int i = 0; i < MUTEXES; i++)
		if (pthread_mutex_trylock(&e->mutex[i]) != EBUSY)
			return i + 1;
	return 0;
}

/* The first runner is the task that the thread began with. */
THREADS_TEST(lock, robust_mutexes_stay_when_runners_and_spares_go)
{
	struct servant *s = servant_start();
	struct estate *e = estate_make();
	struct blocker b[6];
	uint32_t word[MUTEXES];
	int before = count_threads();

	CHECK(s && e);
	for (int i = 0; i < 6; i++) {
		CHECK(blocker_begin(&b[i], ring, i) == -ESYSLETPENDING);
		CHECK(i >= MUTEXES || !pthread_mutex_lock(&e->mutex[i]));
	}
	for (int i = 0; i < MUTEXES; i++)
		word[i] = word_of(&e->mutex[i]);
	for (int i = 0; i < 6; i++)
		CHECK(blocker_end(&b[i], ring) == 1);
	CHECK(retire_spares(ring));
	/* left: the carrier, a spare, the leader, one that ends a call */
	UNTIL(count_threads() <= before + 3);
	for (int i = 0; i < MUTEXES; i++) {
		CHECK(word[i] == word_of(&e->mutex[i]));
		CHECK((word[i] & FUTEX_TID_MASK) == gettid());
	}
	CHECK(servant_do(s, estate_try, e) == 0);
	for (int i = 0; i < MUTEXES; i++)
		CHECK(!pthread_mutex_unlock(&e->mutex[i]));
	return NULL;
}

static void *thread_with_locks(void *arg)
{
	return (void *)estate_take(arg, ring_alloc(16));
}

THREADS_TEST(lock, robust_mutexes_of_a_thread_that_exits_with_calls_in_flight)
{
	struct estate *e = estate_make();
	pthread_t t;
	void *err;

	CHECK(e && !force_handoff(ring));
	CHECK(!pthread_create(&t, NULL, thread_with_locks, e));
	CHECK(!pthread_join(t, &err) && !err);
	return estate_is_left(e);
}

/* --- mutexes that know or boost their owner ------------------------------- */

THREADS_TEST(lock, owner_of_recursive_and_checking_mutexes)
{
	static const int types[] = { PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK };
	pthread_mutex_t m;
	struct flight f;

	for (int i = 0; i < 8; i++) {
		bool recursive = types[i % 2] == PTHREAD_MUTEX_RECURSIVE;

		CHECK(mutex_init(&m, types[i % 2], i & 2, i & 4));
		CHECK(!pthread_mutex_lock(&m) && flight_begin(&f, ring));
		CHECK(pthread_mutex_lock(&m) == (recursive ? 0 : EDEADLK));
		CHECK(flight_end(&f, ring) && !force_handoff(ring));
		CHECK(!recursive || !pthread_mutex_unlock(&m));
		CHECK(!pthread_mutex_unlock(&m));
		CHECK(pthread_mutex_unlock(&m) == EPERM);
	}
	return NULL;
}

static long lock_and_unlock(void *arg)
{
	long ret = pthread_mutex_lock(arg);

	if (ret == EOWNERDEAD)
		pthread_mutex_consistent(arg);
	return pthread_mutex_unlock(arg) ?: ret;
}

/* Field 18 of /proc/PID/task/TID/stat, see proc(5). */
static long priority(pid_t tid)
{
	char text[512], *p;
	long prio = 1000;

	if (task_text(getpid(), tid, "stat", text, sizeof(text)) > 0) {
		p = strrchr(text, ')');
		if (p)
			sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u"
			       " %*u %*u %*d %*d %ld", &prio);
	}
	return prio;
}

static bool wait_in_lock(struct servant *s, pthread_mutex_t *m)
{
	servant_tell(s, lock_and_unlock, m);
	UNTIL(word_of(m) & FUTEX_WAITERS);
	UNTIL(servant_sleeps(s));
	return true;
}

THREADS_TEST(lock, handoff_is_refused_while_others_wait_for_a_pi_mutex)
{
	struct servant *s = servant_start();
	pthread_mutex_t m;
	struct flight f;

	CHECK(s && mutex_init(&m, PTHREAD_MUTEX_ERRORCHECK, true, false));
	CHECK(!pthread_mutex_lock(&m) && flight_begin(&f, ring));
	CHECK(wait_in_lock(s, &m));
	CHECK(is_refused(ring));
	CHECK(!pthread_mutex_unlock(&m) && servant_wait(s) == 0);
	CHECK(!force_handoff(ring) && flight_end(&f, ring));
	return NULL;
}

THREADS_TEST(lock, waiter_boosts_the_thread_and_not_what_it_was)
{
	struct sched_param sp = { .sched_priority = 50 };
	struct servant *s = servant_start();
	pid_t tid = gettid();
	struct flight f;
	pthread_mutex_t m;
	long normal = priority(tid);

	CHECK(s && mutex_init(&m, PTHREAD_MUTEX_NORMAL, true, true));
	CHECK(!sched_setscheduler(s->tid, SCHED_FIFO, &sp));
	CHECK(flight_begin(&f, ring) && !pthread_mutex_lock(&m) && !force_handoff(ring));
	CHECK(normal >= 0 && priority(tid) == normal);
	CHECK(wait_in_lock(s, &m));
	CHECK(priority(tid) == -51);
	CHECK(sched_getscheduler(0) == SCHED_OTHER);
	CHECK(!pthread_mutex_unlock(&m) && servant_wait(s) == 0);
	CHECK(priority(tid) == normal);
	CHECK(!force_handoff(ring) && priority(tid) == normal && flight_end(&f, ring));
	return NULL;
}

/* An owner that is handed off, says so, and dies when it has a waiter. */
struct owner {
	pthread_mutex_t m;
	struct blocker b;
	sem_t ready, die;
};

static void *owner_main(void *arg)
{
	struct syslet_ring *ring = ring_alloc(4);
	struct owner *o = arg;
	long ret = blocker_begin(&o->b, ring, 0);

	pthread_mutex_lock(&o->m);
	ret = ret == -ESYSLETPENDING ? force_handoff(ring) : ret;
	sem_post(&o->ready);
	sem_take(&o->die);
	return (void *)ret;
}

THREADS_TEST(lock, waiter_learns_that_the_owner_died_after_a_handoff)
{
	struct servant *s = servant_start();
	struct owner *o = calloc(1, sizeof(*o));
	pthread_t t;
	void *ret;

	CHECK(s && o && mutex_init(&o->m, PTHREAD_MUTEX_NORMAL, true, true));
	CHECK(!sem_init(&o->ready, 0, 0) && !sem_init(&o->die, 0, 0));
	CHECK(!pthread_create(&t, NULL, owner_main, o));
	sem_take(&o->ready);
	CHECK(wait_in_lock(s, &o->m));
	sem_post(&o->die);
	CHECK(!pthread_join(t, &ret) && !ret);
	CHECK(servant_wait(s) == EOWNERDEAD);
	CHECK(!pthread_mutex_lock(&o->m) && !pthread_mutex_unlock(&o->m));
	return NULL;
}

/*
 * Handoffs and naps in critical sections. Where others wait for a PI mutex, and
 * until all of them are out of the kernel, a call is refused.
 */
struct storm {
	pthread_mutex_t m;
	bool inherit;
	long counter;
	int rounds;
};

static long storm_nap(struct storm *st, struct syslet_ring *ring)
{
	struct timespec ts = { .tv_nsec = 20000 };
	long ret = result(ring, CALL(__NR_nanosleep, P(&ts), 0));

	return st->inherit && ret == -EAGAIN ? 0 : ret;
}

static long storm_main(void *arg)
{
	struct syslet_ring *ring = ring_alloc(16);
	struct storm *st = arg;
	long old, ret = 0;

	for (int i = 0; i < st->rounds && !ret; i++) {
		ret = st->inherit ? storm_nap(st, ring) : force_handoff(ring);
		ret = ret ?: pthread_mutex_lock(&st->m);
		if (ret)
			break;
		old = *(volatile long *)&st->counter;
		ret = storm_nap(st, ring);
		*(volatile long *)&st->counter = old + 1;
		ret = pthread_mutex_unlock(&st->m) ?: ret;
	}
	return ret;
}

FIXTURE(storm) { };
FIXTURE_VARIANT(storm) { bool inherit; };
FIXTURE_VARIANT_ADD(storm, robust_mutex) { .inherit = false };
FIXTURE_VARIANT_ADD(storm, robust_pi_mutex) { .inherit = true };
FIXTURE_SETUP(storm) { }
FIXTURE_TEARDOWN(storm) { }

TEST_F_TIMEOUT(storm, of_handoffs_in_critical_sections, 120)
{
	struct storm st = { .rounds = getenv("SYSLET_QUICK") ? 40 : 300,
			    .inherit = variant->inherit };
	struct servant *s[3];

	ASSERT_TRUE(mutex_init(&st.m, PTHREAD_MUTEX_ERRORCHECK, st.inherit, true));
	for (unsigned int i = 0; i < ARRAY_LEN(s); i++) {
		s[i] = servant_start();
		ASSERT_NE(NULL, s[i]);
		servant_tell(s[i], storm_main, &st);
	}
	ASSERT_EQ(0, storm_main(&st));
	for (unsigned int i = 0; i < ARRAY_LEN(s); i++)
		ASSERT_EQ(0, servant_wait(s[i]));
	ASSERT_EQ(4 * st.rounds, st.counter);
}

TEST_HARNESS_MAIN
