// SPDX-License-Identifier: GPL-2.0-only
/*
 * The wait: for how many, until when, and what signals do to it. In both ABIs,
 * so all that it is given lies below 4 GB.
 */
#include <sys/ptrace.h>

#include "raw.h"
#include "threads.h"

#define MSEC		1000000ll
#define SEC		1000000000ll
#define LONG		(1000 * SEC)

/* Long enough for some stops, see is_disturbed(). */
#define SOME		(300 * MSEC)

/* Shared with children. */
struct page {
	struct syslet_ring		ring;
	struct syslet_completion	comp[4];
	struct __kernel_timespec	ts;
	struct indirect_registers	regs;
	struct indirect_params		params;
};

typedef long wait_fn(struct syslet_ring *ring, unsigned long idx, unsigned int nr,
		     const struct __kernel_timespec *ts, unsigned int flags);

static long i386_ring_wait(struct syslet_ring *ring, unsigned long idx, unsigned int nr,
			   const struct __kernel_timespec *ts, unsigned int flags)
{
	return i386_call(__NR_syslet_ring_wait, P(ring), idx, nr, P(ts), flags);
}

static char *low_pages(size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

FIXTURE(wait)
{
	struct page *p;
	struct syslet_ring *r;
	wait_fn *wait;
};

FIXTURE_VARIANT(wait)
{
	wait_fn *wait;
};

FIXTURE_VARIANT_ADD(wait, x86_64) { .wait = sys_ring_wait };
FIXTURE_VARIANT_ADD(wait, i386) { .wait = i386_ring_wait };

FIXTURE_SETUP(wait)
{
	if (variant->wait == i386_ring_wait && !have_ia32())
		SKIP(return, "no IA32 emulation");
	self->wait = variant->wait;
	self->p = (void *)low_pages(4096);
	ASSERT_NE(NULL, self->p);
	self->r = &self->p->ring;
	self->r->elements = 4;
}

FIXTURE_TEARDOWN(wait)
{
}

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SEC + ts.tv_nsec;
}

static struct __kernel_timespec *set_ts(struct page *p, int64_t ns)
{
	p->ts = (struct __kernel_timespec){ .tv_sec = ns / SEC, .tv_nsec = ns % SEC };
	return &p->ts;
}

/* --- for how many ----------------------------------------------------------- */

static const uint32_t bases[] = { 0, 1, 0x7ffffffe, 0x80000000, -4u, -3u, -2u, -1u };

TEST_F(wait, is_over_at_once_when_there_is_enough)
{
	struct __kernel_timespec *none = set_ts(self->p, 0);
	struct syslet_ring *r = self->r;

	for (unsigned int i = 0; i < ARRAY_LEN(bases); i++) {
		uint32_t base = bases[i];

		/* what the ring says is believed */
		r->user_tail = base;
		r->kernel_head = base + 3;
		for (uint32_t idx = 0; idx <= 3; idx++) {
			for (unsigned int nr = 0; nr <= 4; nr++)
				ASSERT_EQ((nr ?: 1) <= 3 - idx ? 0 : -ETIME,
					  self->wait(r, (uint32_t)(base + idx), nr, none, 0));
		}
		/* counts that were passed long ago, or will be in the future */
		ASSERT_EQ(0, self->wait(r, (uint32_t)(base - 1), 4, NULL, 0));
		ASSERT_EQ(0, self->wait(r, (uint32_t)(base - 1000000), 4, NULL, 0));
		ASSERT_EQ(-ETIME, self->wait(r, (uint32_t)(base + 1000000), 1, none, 0));
		ASSERT_EQ(-EINVAL, self->wait(r, (uint32_t)(base - 10), 5, none, 0));
	}
}

struct sleeper {
	wait_fn		*wait;
	struct page	*p;
	uint32_t	idx;
	unsigned int	nr;
	int64_t		ns;		/* 0: no limit */
	unsigned int	flags;
	struct servant	*s;
	atomic_int	over;
};

static long sleeper_main(void *arg)
{
	struct sleeper *s = arg;
	struct __kernel_timespec *ts = s->ns ? set_ts(s->p, s->ns) : NULL;
	long ret = s->wait(&s->p->ring, s->idx, s->nr, ts, s->flags);

	s->over = 1;
	return ret;
}

static bool sleeper_begin(struct sleeper *s)
{
	if (!s->s)
		s->s = servant_start();
	if (!s->s)
		return false;
	s->over = 0;
	servant_tell(s->s, sleeper_main, s);
	UNTIL(servant_sleeps(s->s) || s->over);
	return !s->over;
}

/* Those with greater needs come first. The last one counts from farther on. */
TEST_F(wait, each_waiter_is_woken_when_it_has_enough)
{
	struct sleeper s[5] = {};
	struct blocker b[4];
	uint32_t base;

	for (unsigned int n = 0; n < ARRAY_LEN(bases); n++) {
		base = self->r->kernel_head = self->r->user_tail = bases[n];
		for (int i = 4; i >= 0; i--) {
			s[i].wait = self->wait;
			s[i].p = self->p;
			s[i].idx = base + (i == 4 ? 2 : 0);
			s[i].nr = i == 4 ? 2 : i + 1;
			ASSERT_TRUE(sleeper_begin(&s[i]));
		}
		for (int i = 0; i < 4; i++)
			ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[i], self->r, i));
		for (int i = 0; i < 4; i++) {
			ASSERT_EQ(1, write(b[i].fd[1], "x", 1));
			ASSERT_EQ(0, servant_wait(s[i].s));
			ASSERT_EQ(base + i + 1, self->r->kernel_head);
			for (int j = i + 1; j < (i < 3 ? 5 : 4); j++)
				ASSERT_EQ(0, s[j].over);
		}
		ASSERT_EQ(0, servant_wait(s[4].s));
		for (int i = 0; i < 4; i++) {
			close(b[i].fd[0]);
			close(b[i].fd[1]);
		}
	}
}

TEST_F(wait, killed_waiter_is_forgotten)
{
	struct kid k;

	for (int i = 0; i < 3; i++) {
		if (!kid_fork(&k)) {
			KID_CHECK(kid_tell(&k));
			self->wait(self->r, i, 1, NULL, 0);
			_exit(1);
		}
		ASSERT_TRUE(kid_hear(&k));
		UNTIL(task_state(k.pid, k.pid) == 'S');
		ASSERT_EQ(0, kill(k.pid, SIGKILL));
		ASSERT_EQ(SIGKILL, WTERMSIG(kid_status(&k)));
		ASSERT_EQ(0, force_handoff(self->r));
	}
}

/* --- until when --------------------------------------------------------------- */

TEST_F(wait, relative_and_absolute_timeouts)
{
	int64_t end;

	for (int i = 1; i <= 20; i += 6) {
		end = now() + i * MSEC;
		ASSERT_EQ(-ETIME, self->wait(self->r, 0, 1, set_ts(self->p, i * MSEC), 0));
		ASSERT_LE(end, now());
		end = now() + i * MSEC;
		ASSERT_EQ(-ETIME, self->wait(self->r, 0, 1, set_ts(self->p, end),
					     SYSLET_WAIT_ABSTIME));
		ASSERT_LE(end, now());
	}
	ASSERT_EQ(-ETIME, self->wait(self->r, 0, 1, set_ts(self->p, 0), 0));
	ASSERT_EQ(-ETIME, self->wait(self->r, 0, 1, set_ts(self->p, 0), SYSLET_WAIT_ABSTIME));
	ASSERT_EQ(-ETIME, self->wait(self->r, 0, 1, set_ts(self->p, 1), SYSLET_WAIT_ABSTIME));
	ASSERT_EQ(-ETIME, self->wait(self->r, 0, 1, set_ts(self->p, now()),
				     SYSLET_WAIT_ABSTIME));
	/* enough is there: whatever the time */
	self->r->kernel_head = 1;
	ASSERT_EQ(0, self->wait(self->r, 0, 1, set_ts(self->p, 0), SYSLET_WAIT_ABSTIME));
	ASSERT_EQ(0, self->wait(self->r, 0, 1, set_ts(self->p, 0), 0));
}

#define FORWARD		1000000

/* Where the time of the namespace is taken for the host's it takes for ever. */
TEST_F(wait, absolute_times_are_those_of_the_time_namespace)
{
	char offset[32];
	struct kid k;
	int64_t end;

	if (unshare(CLONE_NEWTIME))
		SKIP(return, "no time namespaces");
	snprintf(offset, sizeof(offset), "monotonic %d 0", FORWARD);
	ASSERT_EQ(0, write_text("/proc/self/timens_offsets", offset));
	if (!kid_fork(&k)) {
		KID_CHECK(now() > FORWARD * SEC);
		KID_CHECK(!force_handoff(self->r));
		end = now() + 20 * MSEC;
		KID_CHECK(self->wait(self->r, 1, 1, set_ts(self->p, end),
				     SYSLET_WAIT_ABSTIME) == -ETIME);
		KID_CHECK(now() >= end);
		end = now() + 20 * MSEC;
		KID_CHECK(self->wait(self->r, 1, 1, set_ts(self->p, 20 * MSEC), 0) == -ETIME);
		KID_CHECK(now() >= end);
		/* long ago here, and in the future outside */
		KID_CHECK(self->wait(self->r, 1, 1, set_ts(self->p, FORWARD * SEC),
				     SYSLET_WAIT_ABSTIME) == -ETIME);
		_exit(0);
	}
	ASSERT_EQ(0, kid_status(&k));
}

TEST_F(wait, times_that_are_none)
{
	static const struct __kernel_timespec bad[] = {
		{ -1, 0 }, { 0, SEC }, { 0, -1 }, { INT64_MIN, 0 }, { -1, SEC - 1 },
	};
	struct page *p = self->p;

	for (unsigned int flags = 0; flags <= SYSLET_WAIT_ABSTIME; flags++) {
		for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
			p->ts = bad[i];
			ASSERT_EQ(-EINVAL, self->wait(self->r, 0, 1, &p->ts, flags));
			/* also if there is no need to wait */
			ASSERT_EQ(-EINVAL, self->wait(self->r, -1u, 1, &p->ts, flags));
		}
		/* the i386 ABI has 32 bits of nanoseconds */
		p->ts = (struct __kernel_timespec){ 0, 0x7700000000 };
		ASSERT_EQ(self->wait == i386_ring_wait ? -ETIME : -EINVAL,
			  self->wait(self->r, 0, 1, &p->ts, flags));
	}
}

/* As far off as can be said: the sum with the present must not wrap. */
TEST_F(wait, ends_of_time)
{
	struct sleeper s = { .wait = self->wait, .p = self->p, .nr = 1, .ns = INT64_MAX };
	struct blocker b;

	for (int i = 0; i < 4; i++) {
		s.flags = i % 2 ? SYSLET_WAIT_ABSTIME : 0;
		s.idx = i;
		ASSERT_TRUE(sleeper_begin(&s));
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, self->r, i));
		ASSERT_EQ(1, blocker_end(&b, self->r));
		ASSERT_EQ(0, servant_wait(s.s));
	}
	self->p->ts = (struct __kernel_timespec){ INT64_MAX, SEC - 1 };
	for (unsigned int flags = 0; flags <= SYSLET_WAIT_ABSTIME; flags++)
		ASSERT_EQ(0, self->wait(self->r, 3, 1, &self->p->ts, flags));
}

/* --- what it is given ------------------------------------------------------------ */

TEST_F(wait, bad_memory_and_flags)
{
	char *m = low_pages(2 * 4096);
	struct syslet_ring *r = (void *)m, *across = (void *)(m + 4096 - 8);
	struct __kernel_timespec *none = set_ts(self->p, 0);

	ASSERT_NE(NULL, m);
	ASSERT_EQ(-EINVAL, self->wait(self->r, 0, 1, none, 2));
	ASSERT_EQ(-EINVAL, self->wait(self->r, 0, 1, none, 0x80000001));
	ASSERT_EQ(-EINVAL, self->wait((void *)((char *)self->r + 4), 0, 1, none, 0));
	ASSERT_EQ(-EINVAL, self->wait(self->r, 0, 5, none, 0));
	ASSERT_EQ(-EINVAL, self->wait(self->r, 0, 0x80000000, none, 0));
	ASSERT_EQ(-EINVAL, self->wait(self->r, 0, -1u, none, 0));
	ASSERT_EQ(-EFAULT, self->wait(NULL, 0, 1, none, 0));
	ASSERT_EQ(-EFAULT, self->wait(self->r, 0, 1, (void *)8, 0));
	/* no elements */
	ASSERT_EQ(-EINVAL, self->wait(r, 0, 1, none, 0));
	r->elements = 1 << 20;
	ASSERT_EQ(-ETIME, self->wait(r, 0, 1 << 20, none, 0));
	ASSERT_EQ(-EINVAL, self->wait(r, 0, (1 << 20) + 1, none, 0));
	r->elements = 1 << 21;
	ASSERT_EQ(-EINVAL, self->wait(r, 0, 1, none, 0));

	r->elements = 4;
	ASSERT_EQ(-ETIME, self->wait(r, 0, 1, none, 0));
	ASSERT_EQ(0, mprotect(m, 4096, PROT_READ));
	ASSERT_EQ(-EFAULT, self->wait(r, 0, 1, none, 0));
	ASSERT_EQ(0, mprotect(m, 4096, PROT_NONE));
	ASSERT_EQ(-EFAULT, self->wait(r, 0, 1, none, 0));
	ASSERT_EQ(-EFAULT, self->wait(self->r, 0, 1, (void *)m, 0));
	ASSERT_EQ(0, mprotect(m, 4096, PROT_READ | PROT_WRITE));
	ASSERT_EQ(-ETIME, self->wait(r, 0, 1, none, 0));

	across->elements = 4;
	ASSERT_EQ(-ETIME, self->wait(across, 0, 1, none, 0));
	ASSERT_EQ(0, munmap(m + 4096, 4096));
	ASSERT_EQ(-EFAULT, self->wait(across, 0, 1, none, 0));
	ASSERT_EQ(0, munmap(m, 4096));
	ASSERT_EQ(-EFAULT, self->wait(r, 0, 1, none, 0));
}

TEST_F(wait, is_no_syslet)
{
	struct page *p = self->p;

	p->regs = CALL(__NR_syslet_ring_wait, P(self->r), 0, 1, P(set_ts(p, 0)), 0);
	p->params.syslet.completion_ring_ptr = P(self->r);
	if (self->wait == i386_ring_wait) {
		ASSERT_EQ(-EINVAL, i386_call(__NR_indirect, P(&p->regs), 0, 0, 0, 0));
		ASSERT_EQ(-EINVAL, i386_call(__NR_indirect, P(&p->regs), P(&p->params),
					 sizeof(p->params), 0, 0));
	} else {
		ASSERT_EQ(-EINVAL, call_plain(p->regs));
		ASSERT_EQ(-EINVAL, submit(self->r, p->regs, 0));
	}
	p->params.syslet.flags = SYSLET_SYNC_OK;
	ASSERT_EQ(-EINVAL, submit_args(p->regs, p->params.syslet));
	ASSERT_EQ(0, self->r->kernel_head);
}

/* --- signals ------------------------------------------------------------------------ */

/* The three sorts of limits: none, from now on, absolute. */
static struct __kernel_timespec *limit(struct page *p, int sort, int64_t ns)
{
	return sort ? set_ts(p, sort == 2 ? now() + ns : ns) : NULL;
}

static const unsigned int limit_flags[] = { 0, 0, SYSLET_WAIT_ABSTIME };

static atomic_int caught;

static void on_signal(int sig)
{
	caught++;
}

TEST_F(wait, signal_with_a_handler_ends_it_also_with_sa_restart)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct sleeper s = { .wait = self->wait, .p = self->p, .nr = 1 };
	int n = 0;

	for (int sort = 0; sort < 3; sort++) {
		for (int restart = 0; restart < 2; restart++) {
			sa.sa_flags = restart ? SA_RESTART : 0;
			ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
			s.ns = !sort ? 0 : sort == 2 ? now() + LONG : LONG;
			s.flags = limit_flags[sort];
			ASSERT_TRUE(sleeper_begin(&s));
			ASSERT_EQ(0, tgkill(getpid(), s.s->tid, SIGUSR1));
			ASSERT_EQ(-EINTR, servant_wait(s.s));
			ASSERT_EQ(++n, caught);
		}
	}
	/* it is not in the queue any more */
	ASSERT_EQ(0, force_handoff(self->r));
}

/* A wait that is to end at its time, by a thread that has been handed off. */
static void wait_for_a_while(struct page *p, wait_fn *wait, struct kid *k, int sort)
{
	struct __kernel_timespec *ts;
	int64_t end;

	KID_CHECK(!force_handoff(&p->ring));
	KID_CHECK(kid_tell(k));
	end = now() + SOME;
	ts = limit(p, sort, SOME);
	KID_CHECK(wait(&p->ring, p->ring.kernel_head, 1, ts, limit_flags[sort]) == -ETIME);
	KID_CHECK(now() >= end);
	KID_CHECK(!caught);
	_exit(0);
}

/*
 * Disturb it all the time, more often than it would last. If it began anew each
 * time it would never end.
 */
static bool is_disturbed(struct kid *k, int sig, int cont, int *status)
{
	if (kill(k->pid, sig) || waitpid(k->pid, status, WUNTRACED | __WALL) != k->pid)
		return false;
	if (!WIFSTOPPED(*status))
		return false;
	if (cont < 0)
		return !ptrace(PTRACE_CONT, k->pid, 0, 0);
	if (kill(k->pid, cont))
		return false;
	/* it has been restarted, or is over */
	UNTIL(strchr("SZ", task_state(k->pid, k->pid)));
	return true;
}

TEST_F(wait, stop_does_not_prolong_it)
{
	int status, n;
	struct kid k;

	for (int sort = 1; sort < 3; sort++) {
		if (!kid_fork(&k))
			wait_for_a_while(self->p, self->wait, &k, sort);
		ASSERT_TRUE(kid_hear(&k));
		UNTIL(strchr("SZ", task_state(k.pid, k.pid)));
		for (n = 0; is_disturbed(&k, SIGSTOP, SIGCONT, &status); n++)
			;
		ASSERT_EQ(0, status);
		ASSERT_LT(0, n);
		kid_forget(&k);
	}
}

/* The tracer takes the signals away: there was none that has a handler. */
TEST_F(wait, signal_without_a_handler_does_not_prolong_it)
{
	struct sigaction sa = { .sa_handler = on_signal };
	int status, n;
	struct kid k;

	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	for (int sort = 1; sort < 3; sort++) {
		if (!kid_fork(&k))
			wait_for_a_while(self->p, self->wait, &k, sort);
		ASSERT_TRUE(kid_hear(&k));
		ASSERT_EQ(0, ptrace(PTRACE_SEIZE, k.pid, 0, 0));
		for (n = 0; is_disturbed(&k, SIGUSR1, -1, &status); n++)
			;
		ASSERT_EQ(0, status);
		ASSERT_LT(0, n);
		kid_forget(&k);
	}
}

/* What comes during the stop, or after it, is found. */
TEST_F(wait, goes_on_after_a_stop_until_there_is_enough)
{
	struct blocker b;
	struct kid k;
	int status;

	for (int i = 0; i < 6; i++) {
		int sort = i / 2;
		bool early = i % 2;

		if (!kid_fork(&k)) {
			KID_CHECK(kid_tell(&k));
			KID_CHECK(!self->wait(self->r, i, 1, limit(self->p, sort, LONG),
					      limit_flags[sort]));
			_exit(self->r->kernel_head != i + 1);
		}
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, self->r, i));
		ASSERT_TRUE(kid_hear(&k));
		for (int n = 0; n < 3; n++) {
			UNTIL(task_state(k.pid, k.pid) == 'S');
			ASSERT_EQ(0, kill(k.pid, SIGSTOP));
			ASSERT_EQ(k.pid, waitpid(k.pid, &status, WUNTRACED));
			ASSERT_TRUE(WIFSTOPPED(status));
			if (early && n == 2)
				ASSERT_EQ(1, blocker_end(&b, self->r));
			ASSERT_EQ(0, kill(k.pid, SIGCONT));
		}
		if (!early) {
			UNTIL(task_state(k.pid, k.pid) == 'S');
			ASSERT_EQ(1, blocker_end(&b, self->r));
		}
		ASSERT_EQ(0, kid_status(&k));
	}
}

TEST_HARNESS_MAIN
