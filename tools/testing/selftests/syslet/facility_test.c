// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel keeps for a task: a handoff takes it along, or calls are
 * refused before anything ran, until it is gone.
 */
#include "common.h"

#include <linux/io_uring.h>
#include <linux/mempolicy.h>
#include <linux/membarrier.h>
#include <linux/perf_event.h>
#include <linux/securebits.h>

THREADS_FIXTURE(facility)

/* io_uring: requests know the task that made them. */
static int make_io_uring(void)
{
	struct io_uring_params p = {};

	return syscall(__NR_io_uring_setup, 1, &p);
}

/* Asked in a child: that it was used stays with the task. */
static bool works_in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(fn() < 0);
	return waitpid(pid, &status, 0) == pid && !status;
}

static void *refused_main(void *arg)
{
	return is_refused(arg) ? arg : NULL;
}

static void *handoff_main(void *arg)
{
	return force_handoff(arg) ? NULL : arg;
}

THREADS_TEST_IF(facility, refused_with_io_uring, works_in_child(make_io_uring), "no io_uring")
{
	pthread_t t;
	void *ret;
	int fd;

	fd = make_io_uring();
	CHECK(fd >= 0);
	CHECK(is_refused(ring));
	/* what the kernel has for the task stays when the ring is closed */
	close(fd);
	CHECK(is_refused(ring));
	/* it is the task's: other threads are not concerned */
	CHECK(!pthread_create(&t, NULL, handoff_main, ring));
	CHECK(!pthread_join(t, &ret) && ret);
	return NULL;
}

THREADS_TEST_IF(facility, refused_once_a_thread_with_spares_uses_io_uring,
		works_in_child(make_io_uring), "no io_uring")
{
	struct blocker b;

	CHECK(blocker_begin(&b, ring, 0) == -ESYSLETPENDING);
	CHECK(make_io_uring() >= 0);
	CHECK(is_refused(ring));
	/* what was under way before comes to its end */
	CHECK(blocker_end(&b, ring) == 1);
	CHECK(is_refused(ring));
	return NULL;
}

/* perf */
static int task_clock(int inherit)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_TASK_CLOCK,
		.size = sizeof(attr), .inherit = inherit,
	};

	return syscall(__NR_perf_event_open, &attr, 0, -1, -1, 0);
}

static int task_clock_of_self(void)
{
	return task_clock(0);
}

static uint64_t count_of(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

THREADS_TEST_IF(facility, refused_with_a_perf_event_which_counts_on,
		works_in_child(task_clock_of_self), "no perf")
{
	uint64_t n;
	int fd;

	CHECK(!force_handoff(ring));
	fd = task_clock_of_self();
	CHECK(fd >= 0);
	CHECK(is_refused(ring));
	n = count_of(fd);
	CHECK(n);
	CHECK(is_refused(ring));
	CHECK(count_of(fd) > n);
	close(fd);
	return NULL;
}

THREADS_TEST_IF(facility, handed_off_again_without_the_perf_event,
		works_in_child(task_clock_of_self), "no perf")
{
	int fd = task_clock(0);

	CHECK(fd >= 0);
	CHECK(is_refused(ring));
	close(fd);
	CHECK(!force_handoff(ring));
	return NULL;
}

THREADS_TEST_IF(facility, refused_with_an_inherited_perf_event,
		works_in_child(task_clock_of_self), "no perf")
{
	int fd = task_clock(1), status;
	pthread_t t;
	void *ret;
	pid_t pid;

	CHECK(fd >= 0);
	CHECK(is_refused(ring));
	CHECK(!pthread_create(&t, NULL, refused_main, ring));
	CHECK(!pthread_join(t, &ret) && ret);
	pid = fork();
	if (!pid)
		_exit(!is_refused(ring));
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	close(fd);
	return NULL;
}

/* Scheduling and memory policies that a clone would not have. */
static long set_deadline(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = {
		.size = sizeof(attr), .policy = SCHED_DEADLINE,
		.runtime = 10000000, .deadline = 100000000, .period = 100000000,
	};

	return syscall(__NR_sched_setattr, 0, &attr, 0);
}

THREADS_TEST(facility, refused_with_sched_deadline)
{
	struct sched_param sp = {};

	CHECK(!force_handoff(ring));
	CHECK(!set_deadline());
	CHECK(is_refused(ring));
	CHECK(sched_getscheduler(0) == SCHED_DEADLINE);
	CHECK(!sched_setscheduler(0, SCHED_OTHER, &sp));
	CHECK(!force_handoff(ring));
	return NULL;
}

THREADS_TEST(facility, refused_with_reset_on_fork)
{
	struct sched_param sp = {};

	CHECK(!force_handoff(ring));
	CHECK(!sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &sp));
	CHECK(is_refused(ring));
	CHECK(sched_getscheduler(0) == (SCHED_OTHER | SCHED_RESET_ON_FORK));
	CHECK(!sched_setscheduler(0, SCHED_OTHER, &sp));
	CHECK(!force_handoff(ring));
	return NULL;
}

static bool have_numa(void)
{
	return !syscall(__NR_set_mempolicy, MPOL_DEFAULT, NULL, 0);
}

THREADS_TEST_IF(facility, refused_with_a_memory_policy, have_numa(), "no NUMA")
{
	unsigned long node = 1, nodes = 0;
	int policy = -1;

	CHECK(!force_handoff(ring));
	CHECK(!syscall(__NR_set_mempolicy, MPOL_BIND, &node, 64));
	CHECK(is_refused(ring));
	CHECK(!syscall(__NR_get_mempolicy, &policy, &nodes, 64, 0, 0));
	CHECK(policy == MPOL_BIND && nodes == node);
	CHECK(!syscall(__NR_set_mempolicy, MPOL_DEFAULT, NULL, 0));
	CHECK(!force_handoff(ring));
	return NULL;
}

/* CPU-time timers */
static atomic_int fired, fired_in;

static void on_timer(int sig)
{
	fired_in = syscall(__NR_gettid);
	fired++;
}

static void burn_until_fired(void)
{
	while (!fired)
		for (volatile int i = 0; i < 1000; i++)
			;
}

static bool catch_timer(int sig)
{
	struct sigaction sa = { .sa_handler = on_timer, .sa_flags = SA_RESTART };

	fired = 0;
	return !sigaction(sig, &sa, NULL);
}

THREADS_TEST(facility, refused_with_a_cpu_timer_of_the_thread)
{
	struct itimerspec far = { .it_value.tv_sec = 100000 }, off = {};
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t t;

	CHECK(!force_handoff(ring));
	CHECK(!timer_create(CLOCK_THREAD_CPUTIME_ID, &ev, &t));
	/* it is not armed yet */
	CHECK(!force_handoff(ring));
	CHECK(!timer_settime(t, 0, &far, NULL));
	CHECK(is_refused(ring));
	CHECK(!timer_settime(t, 0, &off, NULL));
	CHECK(!force_handoff(ring));
	CHECK(!timer_settime(t, 0, &far, NULL));
	CHECK(is_refused(ring));
	CHECK(!timer_delete(t));
	CHECK(!force_handoff(ring));
	return NULL;
}

THREADS_TEST(facility, cpu_timer_of_the_thread_made_before_a_handoff_fires_after_it)
{
	struct itimerspec soon = { .it_value.tv_nsec = 1000000 };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t t;

	CHECK(catch_timer(SIGUSR1));
	CHECK(!timer_create(CLOCK_THREAD_CPUTIME_ID, &ev, &t));
	CHECK(!force_handoff(ring));
	CHECK(!timer_settime(t, 0, &soon, NULL));
	burn_until_fired();
	CHECK(fired == 1);
	CHECK(!timer_delete(t));
	CHECK(!force_handoff(ring));
	return NULL;
}

THREADS_TEST(facility, cpu_timer_of_the_process)
{
	struct itimerval soon = { .it_value.tv_usec = 1000 };
	struct itimerval far = { .it_value.tv_sec = 100000 }, now;

	CHECK(catch_timer(SIGPROF));
	CHECK(!setitimer(ITIMER_PROF, &far, NULL));
	CHECK(!force_handoff(ring));
	CHECK(!getitimer(ITIMER_PROF, &now) && now.it_value.tv_sec > 90000);
	CHECK(!setitimer(ITIMER_PROF, &soon, NULL));
	CHECK(!force_handoff(ring));
	burn_until_fired();
	CHECK(fired == 1);
	/* not in a helper; the other thread of this process has nothing to do */
	CHECK(fired_in == gettid() || fired_in == getpid());
	return NULL;
}

/* A parent in vfork() waits for its child's task. */
THREADS_TEST(facility, refused_in_a_vfork_child)
{
	volatile bool refused = false;
	int status;
	pid_t pid;

	CHECK(!force_handoff(ring));
	pid = vfork();
	if (!pid) {
		refused = is_refused(ring);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	CHECK(refused);
	CHECK(!force_handoff(ring));
	return NULL;
}

/* What is taken along */
THREADS_TEST(facility, robust_list)
{
	void *head, *now;
	size_t len, len_now;
	struct blocker b;

	CHECK(!syscall(__NR_get_robust_list, 0, &head, &len) && head);
	CHECK(blocker_begin(&b, ring, 0) == -ESYSLETPENDING);
	CHECK(!syscall(__NR_get_robust_list, 0, &now, &len_now));
	CHECK(now == head && len_now == len);
	/* by its TID as well */
	CHECK(!syscall(__NR_get_robust_list, gettid(), &now, &len_now));
	CHECK(now == head && len_now == len);
	CHECK(blocker_end(&b, ring) == 1);
	return NULL;
}

THREADS_TEST(facility, expedited_membarrier)
{
	struct blocker b;

	CHECK(!force_handoff(ring));
	CHECK(syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == -1 &&
	      errno == EPERM);
	CHECK(!syscall(__NR_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	CHECK(blocker_begin(&b, ring, 0) == -ESYSLETPENDING);
	CHECK(!syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	CHECK(blocker_end(&b, ring) == 1);
	CHECK(!syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	return NULL;
}

/* prctl()s of a thread: as they were set before or between handoffs. */
#define PR_SET_IO_FLUSHER_	57
#define PR_GET_IO_FLUSHER_	58

struct setting {
	const char *name;
	int set, get;
	unsigned long arg2, arg3;
	int want;
	bool by_pointer;
};

static const struct setting settings[] = {
	{ "timer slack", PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, 123456, 0, 123456 },
	{ "pdeathsig", PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, SIGUSR2, 0, SIGUSR2, true },
	{ "thp", PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, 1, 0, 1 },
	{ "mce early", PR_MCE_KILL, PR_MCE_KILL_GET, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY,
	  PR_MCE_KILL_EARLY },
	{ "mce late", PR_MCE_KILL, PR_MCE_KILL_GET, PR_MCE_KILL_SET, PR_MCE_KILL_LATE,
	  PR_MCE_KILL_LATE },
	{ "mce default", PR_MCE_KILL, PR_MCE_KILL_GET, PR_MCE_KILL_CLEAR, 0, PR_MCE_KILL_DEFAULT },
	{ "io flusher", PR_SET_IO_FLUSHER_, PR_GET_IO_FLUSHER_, 1, 0, 1 },
	{ "io flusher off", PR_SET_IO_FLUSHER_, PR_GET_IO_FLUSHER_, 0, 0, 0 },
	{ "keep caps", PR_SET_KEEPCAPS, PR_GET_KEEPCAPS, 1, 0, 1 },
	{ "securebits", PR_SET_SECUREBITS, PR_GET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0,
	  SECBIT_NO_SETUID_FIXUP },
	{ "no new privs", PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, 1, 0, 1 },
};

static int get_setting(const struct setting *s)
{
	int value = -1;

	if (s->by_pointer)
		return prctl(s->get, &value, 0, 0, 0) ? -1 : value;
	return prctl(s->get, 0, 0, 0, 0);
}

static const char *check_setting(struct syslet_ring *ring, const struct setting *s)
{
	struct blocker b;

	CHECK(!prctl(s->set, s->arg2, s->arg3, 0, 0));
	CHECK(get_setting(s) == s->want);
	CHECK(blocker_begin(&b, ring, 0) == -ESYSLETPENDING);
	CHECK(get_setting(s) == s->want);
	CHECK(blocker_end(&b, ring) == 1);
	for (int i = 0; i < 3; i++) {
		CHECK(!force_handoff(ring));
		CHECK(get_setting(s) == s->want);
	}
	return NULL;
}

THREADS_TEST(facility, settings_by_prctl)
{
	const char *err = NULL;

	CHECK(!force_handoff(ring));
	for (unsigned int i = 0; i < ARRAY_LEN(settings) && !err; i++) {
		err = check_setting(ring, &settings[i]);
		if (err)
			printf("# setting: %s\n", settings[i].name);
	}
	return err;
}

TEST_HARNESS_MAIN
