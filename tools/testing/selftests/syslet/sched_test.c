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

/* The slice that was asked for (6.12): not that of a spare of before. */
static bool set_slice(uint64_t ns)
{
	struct sched_attributes a = { .size = sizeof(a), .runtime = ns };

	return !syscall(__NR_sched_setattr, 0, &a, 0);
}

static uint64_t slice(pid_t tid)
{
	struct sched_attributes a = { };

	return syscall(__NR_sched_getattr, tid, &a, sizeof(a), 0) ? 0 : a.runtime;
}

static bool have_slices(void)
{
	uint64_t before = slice(0);

	return set_slice(7000000) && slice(0) == 7000000 && set_slice(0) && slice(0) == before;
}

THREADS_TEST_IF(sched, slice_set_with_calls_in_flight, have_slices(), "no slices for SCHED_OTHER")
{
	uint64_t normal = slice(0);
	struct flight f;

	CHECK(flight_begin(&f, ring) && set_slice(5000000));
	for (int i = 0; i < 4; i++) {
		CHECK(slice(0) == 5000000 && slice(gettid()) == 5000000);
		CHECK(i != 2 || flight_end(&f, ring));
		CHECK(!force_handoff(ring));
	}
	CHECK(set_slice(0));
	for (int i = 0; i < 3; i++)
		CHECK(slice(0) == normal && !force_handoff(ring));
	return NULL;
}

/* --- all threads of a process group or a user: helpers are none ------------- */

#define SOMEBODY	4242

/*
 * Helpers of root that are ready to run, and some of somebody whom nobody else
 * is: all of them with the nice value of before. The main thread's goes with
 * that of another one.
 */
static bool become_somebody(struct flight f[2], struct syslet_ring *ring)
{
	return !setpgid(0, 0) && flight_begin(&f[0], ring) &&
	       !setresuid(SOMEBODY, SOMEBODY, SOMEBODY) && flight_begin(&f[1], ring);
}

THREADS_TEST(sched, nice_value_of_groups_and_users_is_that_of_threads)
{
	struct flight f[2];

	CHECK(become_somebody(f, ring));
	CHECK(!setpriority(PRIO_PROCESS, 0, 10) && !setpriority(PRIO_PROCESS, getpid(), 10));
	for (int i = 0; i < 3; i++) {
		CHECK(getpriority(PRIO_PROCESS, 0) == 10);
		CHECK(getpriority(PRIO_PGRP, 0) == 10);
		CHECK(getpriority(PRIO_USER, SOMEBODY) == 10);
		CHECK(i != 1 || (flight_end(&f[0], ring) && flight_end(&f[1], ring)));
		CHECK(!force_handoff(ring));
	}
	return NULL;
}

THREADS_TEST(sched, nice_value_is_set_for_all_threads_that_it_may_be_set_for)
{
	struct flight f[2];

	CHECK(become_somebody(f, ring));
	CHECK(!setpriority(PRIO_PGRP, 0, 5));
	CHECK(getpriority(PRIO_PROCESS, 0) == 5 && getpriority(PRIO_PROCESS, getpid()) == 5);
	CHECK(!setpriority(PRIO_USER, 0, 6));
	CHECK(getpriority(PRIO_PROCESS, 0) == 6 && getpriority(PRIO_PROCESS, getpid()) == 6);
	CHECK(flight_end(&f[0], ring) && flight_end(&f[1], ring));
	CHECK(!setpriority(PRIO_PGRP, 0, 7) && !force_handoff(ring));
	CHECK(getpriority(PRIO_PROCESS, 0) == 7 && getpriority(PRIO_PROCESS, getpid()) == 7);
	return NULL;
}

static int io_priority(int who, int id)
{
	return syscall(__NR_ioprio_get, who, id);
}

THREADS_TEST(sched, io_priority_of_groups_and_users_is_that_of_threads)
{
	int be6 = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6), be7 = be6 + 1;
	struct flight f[2];

	CHECK(become_somebody(f, ring));
	CHECK(set_io_priority(0, IOPRIO_CLASS_BE, 6));
	CHECK(set_io_priority(getpid(), IOPRIO_CLASS_BE, 6));
	for (int i = 0; i < 2; i++) {
		CHECK(io_priority(IOPRIO_WHO_PGRP, 0) == be6);
		CHECK(io_priority(IOPRIO_WHO_USER, SOMEBODY) == be6);
		CHECK(!force_handoff(ring));
	}
	CHECK(!syscall(__NR_ioprio_set, IOPRIO_WHO_PGRP, 0, be7));
	CHECK(has_io_priority(0, IOPRIO_CLASS_BE, 7));
	CHECK(!syscall(__NR_ioprio_set, IOPRIO_WHO_USER, SOMEBODY, be6));
	CHECK(has_io_priority(0, IOPRIO_CLASS_BE, 6));
	CHECK(has_io_priority(getpid(), IOPRIO_CLASS_BE, 6));
	CHECK(flight_end(&f[0], ring) && flight_end(&f[1], ring) && !force_handoff(ring));
	return NULL;
}

TEST_HARNESS_MAIN
