// SPDX-License-Identifier: GPL-2.0-only
/* How a thread is scheduled, whichever task carries it and whoever sets it. */
#include <linux/ioprio.h>

#include "threads.h"

THREADS_FIXTURE(sched)

/* From linux/sched/types.h, which does not go with glibc's sched.h. */
struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

#define KEEP_ALL	0x18	/* SCHED_FLAG_KEEP_POLICY | _KEEP_PARAMS */
#define UTIL_CLAMP	0x60	/* SCHED_FLAG_UTIL_CLAMP_MIN | _MAX */

static bool set_clamps(pid_t tid, uint32_t min, uint32_t max)
{
	struct sched_attributes a = { .size = sizeof(a), .flags = KEEP_ALL | UTIL_CLAMP,
				      .util_min = min, .util_max = max };

	return !syscall(__NR_sched_setattr, tid, &a, 0);
}

static bool has_clamps(pid_t tid, uint32_t min, uint32_t max)
{
	struct sched_attributes a = { };

	return !syscall(__NR_sched_getattr, tid, &a, sizeof(a), 0) &&
	       a.util_min == min && a.util_max == max;
}

static bool have_clamps(void)
{
	return set_clamps(0, 1, 1024);
}

static bool set_io_priority(pid_t tid, int class, int data)
{
	return !syscall(__NR_ioprio_set, IOPRIO_WHO_PROCESS, tid,
			IOPRIO_PRIO_VALUE(class, data));
}

static bool has_io_priority(pid_t tid, int class, int data)
{
	return syscall(__NR_ioprio_get, IOPRIO_WHO_PROCESS, tid) ==
	       IOPRIO_PRIO_VALUE(class, data);
}

static bool set_policy(pid_t tid, int policy, int priority)
{
	struct sched_param sp = { .sched_priority = priority };

	return !sched_setscheduler(tid, policy, &sp);
}

static bool has_policy(pid_t tid, int policy, int priority)
{
	struct sched_param sp;

	return sched_getscheduler(tid) == policy && !sched_getparam(tid, &sp) &&
	       sp.sched_priority == priority;
}

static bool set_cpu(pid_t tid, int cpu)
{
	cpu_set_t cpus;

	only_cpu(&cpus, cpu);
	return !sched_setaffinity(tid, sizeof(cpus), &cpus);
}

static bool has_cpu(pid_t tid, int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	return !sched_getaffinity(tid, sizeof(cpus), &cpus) &&
	       CPU_COUNT(&cpus) == 1 && CPU_ISSET(cpu, &cpus);
}

static bool have_cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

/* --- set by the thread, or by another process, with calls in flight --------- */

/* What is set in each step, and is to be seen from then on. */
static bool set_step(pid_t tid, int step)
{
	switch (step) {
	case 0: return !setpriority(PRIO_PROCESS, tid, 7);
	case 1: return set_policy(tid, SCHED_BATCH, 0);
	case 2: return set_io_priority(tid, IOPRIO_CLASS_BE, 6);
	case 3: return set_cpu(tid, 0);
	case 4: return set_policy(tid, SCHED_RR, 9);
	case 5: return set_io_priority(tid, IOPRIO_CLASS_IDLE, 0);
	case 6: return set_policy(tid, SCHED_IDLE, 0);
	case 7: return set_policy(tid, SCHED_OTHER, 0) && !setpriority(PRIO_PROCESS, tid, -3);
	}
	return false;
}

static bool is_step(pid_t tid, int step)
{
	static const int policies[] = { SCHED_OTHER, SCHED_BATCH, SCHED_BATCH, SCHED_BATCH,
					SCHED_RR, SCHED_RR, SCHED_IDLE, SCHED_OTHER };

	errno = 0;
	return getpriority(PRIO_PROCESS, tid) == (step == 7 ? -3 : 7) && !errno &&
	       has_policy(tid, policies[step], policies[step] == SCHED_RR ? 9 : 0) &&
	       (step < 2 || has_io_priority(tid, step < 5 ? IOPRIO_CLASS_BE : IOPRIO_CLASS_IDLE,
					    step < 5 ? 6 : 0)) &&
	       (step < 3 || has_cpu(tid, 0));
}

#define STEPS	8

THREADS_TEST(sched, set_by_the_thread_with_calls_in_flight)
{
	struct flight f;

	CHECK(flight_begin(&f, ring));
	for (int i = 0; i < STEPS; i++) {
		CHECK(set_step(0, i) && is_step(0, i));
		CHECK(!force_handoff(ring) && is_step(0, i));
		CHECK(!force_handoff(ring) && is_step(gettid(), i));
	}
	CHECK(flight_end(&f, ring) && !force_handoff(ring) && is_step(0, STEPS - 1));
	return NULL;
}

THREADS_TEST(sched, set_by_another_process_with_calls_in_flight)
{
	pid_t tid = gettid();
	struct flight f;
	struct kid k;

	CHECK(flight_begin(&f, ring));
	if (!kid_fork(&k)) {
		for (int i = 0; i < STEPS; i++) {
			KID_CHECK(kid_hear(&k) && set_step(tid, i) && is_step(tid, i));
			KID_CHECK(kid_tell(&k) && kid_hear(&k) && is_step(tid, i));
			KID_CHECK(kid_tell(&k));
		}
		_exit(0);
	}
	for (int i = 0; i < STEPS; i++) {
		CHECK(kid_tell(&k) && kid_hear(&k) && is_step(0, i));
		CHECK(!force_handoff(ring) && is_step(0, i));
		CHECK(kid_tell(&k) && kid_hear(&k));
	}
	CHECK(kid_status(&k) == 0 && flight_end(&f, ring));
	CHECK(!force_handoff(ring) && is_step(0, STEPS - 1));
	return NULL;
}

/* Set, and read back: nobody else sets it, so it must be what was set. */
static void set_and_read_back(pid_t tid, int i)
{
	KID_CHECK(!setpriority(PRIO_PROCESS, tid, i % 19));
	KID_CHECK(getpriority(PRIO_PROCESS, tid) == i % 19);
	KID_CHECK(set_policy(tid, i % 3 ? SCHED_BATCH : SCHED_OTHER, 0));
	KID_CHECK(has_policy(tid, i % 3 ? SCHED_BATCH : SCHED_OTHER, 0));
	KID_CHECK(set_io_priority(tid, IOPRIO_CLASS_BE, i % 8));
	KID_CHECK(has_io_priority(tid, IOPRIO_CLASS_BE, i % 8));
	/* the thread on both CPUs, so that it runs meanwhile */
	KID_CHECK(i % 16 || (set_cpu(tid, i / 16 % 2) && has_cpu(tid, i / 16 % 2)));
}

static bool is_running(struct kid *k)
{
	siginfo_t info = {};

	return !waitid(P_PID, k->pid, &info, WEXITED | WNOHANG | WNOWAIT) && !info.si_pid;
}

/*
 * Another process finds a task by the TID, and sets something when that may be
 * a runner already. A change may make a call be refused, when the spare was
 * chosen before and wakes after it.
 */
static const char *set_in_a_storm(struct syslet_ring *ring)
{
	int n = getenv("SYSLET_QUICK") ? 100 : 1000;
	struct timespec ts = { .tv_nsec = 1000 };
	pid_t tid = gettid();
	atomic_int *handoffs;
	struct kid k;
	long ret;

	handoffs = mmap(NULL, sizeof(*handoffs), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(handoffs != MAP_FAILED && !force_handoff(ring));
	if (!kid_fork(&k)) {
		for (int i = 0; i < n || *handoffs < n; i++)
			set_and_read_back(tid, i);
		_exit(0);
	}
	while (is_running(&k)) {
		ret = submit(ring, CALL(__NR_nanosleep, P(&ts), 0), 0);
		if (ret == -ESYSLETPENDING) {
			(*handoffs)++;
			ret = reap_status(ring);
		}
		CHECK(ret == 0 || ret == -EAGAIN);
	}
	CHECK(kid_status(&k) == 0);
	return force_handoff(ring) ? "force_handoff" : NULL;
}

TEST_F_TIMEOUT(sched, set_by_another_process_in_a_storm_of_handoffs, 120)
{
	const char *err;

	if (!have_cpus())
		SKIP(return, "one CPU");
	err = threads_run(variant->thread, set_in_a_storm);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

THREADS_TEST_IF(sched, utilization_clamps, have_clamps(), "no utilization clamping")
{
	pid_t tid = gettid();
	struct flight f;
	struct kid k;

	CHECK(flight_begin(&f, ring));
	CHECK(set_clamps(0, 100, 500));
	for (int i = 0; i < 3; i++)
		CHECK(!force_handoff(ring) && has_clamps(0, 100, 500));
	if (!kid_fork(&k))
		_exit(!(has_clamps(tid, 100, 500) && set_clamps(tid, 200, 600)));
	CHECK(kid_status(&k) == 0);
	for (int i = 0; i < 3; i++) {
		CHECK(has_clamps(0, 200, 600) && !force_handoff(ring));
		CHECK(i != 1 || flight_end(&f, ring));
	}
	return NULL;
}

/* In nanoseconds; by the thread for itself, by a process for any. */
THREADS_TEST(sched, timer_slack)
{
	char name[64], text[32];
	struct flight f;

	snprintf(name, sizeof(name), "/proc/%d/timerslack_ns", gettid());
	CHECK(flight_begin(&f, ring) && !prctl(PR_SET_TIMERSLACK, 123456));
	for (int i = 0; i < 2; i++) {
		CHECK(!force_handoff(ring) && prctl(PR_GET_TIMERSLACK) == 123456 + i);
		CHECK(read_text(name, text, sizeof(text)) > 0 && atoi(text) == 123456 + i);
		CHECK(!write_text(name, "123457"));
	}
	CHECK(flight_end(&f, ring) && !force_handoff(ring));
	CHECK(prctl(PR_GET_TIMERSLACK) == 123457);
	return NULL;
}

THREADS_TEST(sched, allowed_cpus_and_nodes_in_proc)
{
	char cpus[256], nodes[256];

	CHECK(!force_handoff(ring) && set_cpu(0, 0));
	strcpy(cpus, status_field(getpid(), gettid(), "Cpus_allowed_list"));
	strcpy(nodes, status_field(getpid(), gettid(), "Mems_allowed"));
	CHECK(!strcmp(cpus, "0"));
	for (int i = 0; i < 3; i++) {
		CHECK(!force_handoff(ring));
		CHECK(!strcmp(cpus, status_field(getpid(), gettid(), "Cpus_allowed_list")));
		CHECK(!strcmp(nodes, status_field(getpid(), gettid(), "Mems_allowed")));
	}
	return NULL;
}

/* --- groups ------------------------------------------------------------------ */

#define ROOT	"/sys/fs/cgroup"

/* Two below the root, the first one confined to a CPU; one for threads in that. */
FIXTURE(group) { char name[3][64]; };
FIXTURE_VARIANT(group) { bool thread; };
FIXTURE_VARIANT_ADD(group, main_thread) { .thread = false };
FIXTURE_VARIANT_ADD(group, other_thread) { .thread = true };

static char (*group_names)[64];

static int group_write(int i, const char *file, const char *text)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/%s", group_names[i], file);
	return write_text(name, text);
}

FIXTURE_SETUP(group)
{
	group_names = self->name;
	if (access(ROOT "/cgroup.procs", W_OK) ||
	    write_text(ROOT "/cgroup.subtree_control", "+cpuset"))
		SKIP(return, "no cpusets on " ROOT);
	for (int i = 0; i < 2; i++) {
		snprintf(self->name[i], sizeof(self->name[i]), ROOT "/sched_test.%d.%d",
			 getpid(), i);
		ASSERT_EQ(0, mkdir(self->name[i], 0755));
	}
	snprintf(self->name[2], sizeof(self->name[2]), ROOT "/sched_test.%d.0/threads", getpid());
	ASSERT_EQ(0, mkdir(self->name[2], 0755));
	ASSERT_EQ(0, group_write(2, "cgroup.type", "threaded"));
	ASSERT_EQ(0, group_write(0, "cpuset.cpus", "0"));
}

FIXTURE_TEARDOWN(group)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	write_text(ROOT "/cgroup.procs", pid);
	for (int i = 2; i >= 0; i--)
		rmdir(self->name[i]);
}

static bool in_group(int i)
{
	char text[256];

	return read_text("/proc/thread-self/cgroup", text, sizeof(text)) > 0 &&
	       !strcmp(text + strlen("0::"), group_names[i] + strlen(ROOT));
}

static bool is_confined(void)
{
	return has_cpu(0, 0) && sched_getcpu() == 0;
}

static const char *group_confines(struct syslet_ring *ring)
{
	struct flight f;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	CHECK(flight_begin(&f, ring) && !is_confined() == have_cpus());
	CHECK(!group_write(0, "cgroup.procs", pid) && in_group(0) && is_confined());
	for (int i = 0; i < 3; i++)
		CHECK(!force_handoff(ring) && in_group(0) && is_confined());
	CHECK(flight_end(&f, ring) && flight_begin(&f, ring) && in_group(0) && is_confined());
	CHECK(!group_write(0, "cpuset.cpus", "0-1") && !has_cpu(0, 0));
	CHECK(!force_handoff(ring) && !has_cpu(0, 0));
	CHECK(!group_write(0, "cpuset.cpus", "0") && !force_handoff(ring) && is_confined());
	CHECK(!group_write(1, "cgroup.procs", pid) && in_group(1) && !has_cpu(0, 0));
	for (int i = 0; i < 3; i++)
		CHECK(!force_handoff(ring) && in_group(1) && !has_cpu(0, 0));
	CHECK(flight_end(&f, ring));
	return NULL;
}

TEST_F(group, confines_the_thread_with_calls_in_flight)
{
	const char *err;

	if (!have_cpus())
		SKIP(return, "one CPU");
	err = threads_run(variant->thread, group_confines);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

/* "0" is who writes, which may wait for it. */
static const char *group_of_writer(struct syslet_ring *ring)
{
	char name[128], pid[16];
	long ret;
	int fd;

	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(name, sizeof(name), "%s/cgroup.threads", group_names[2]);
	fd = open(name, O_WRONLY);
	CHECK(fd >= 0 && !group_write(0, "cgroup.procs", pid));
	CHECK(!force_handoff(ring) && in_group(0));
	ret = result(ring, CALL(__NR_write, fd, P("0"), 1));
	CHECK(ret == 1 || ret == -EAGAIN);
	CHECK(in_group(ret == 1 ? 2 : 0));
	CHECK(!force_handoff(ring) && in_group(ret == 1 ? 2 : 0));
	return NULL;
}

TEST_F(group, that_the_writer_enters_is_entered_by_the_thread)
{
	const char *err = threads_run(variant->thread, group_of_writer);

	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

TEST_HARNESS_MAIN
