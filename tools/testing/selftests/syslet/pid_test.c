// SPDX-License-Identifier: GPL-2.0-only
/* Who asks for a TID finds the thread, whichever task carries it. */
#include <sched.h>
#include <sys/user.h>

#include "peer.h"

#define PIDFD_THREAD	O_EXCL

THREADS_FIXTURE(pid)

static int sys_pidfd_open(pid_t pid, unsigned int flags)
{
	return syscall(__NR_pidfd_open, pid, flags);
}

static bool is_ready(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

static void wait_ready(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	poll(&pfd, 1, -1);
}

static int queue_signal(pid_t pid, pid_t tid, int sig, int value)
{
	siginfo_t info = {
		.si_signo = sig, .si_code = SI_QUEUE, .si_pid = getpid(),
		.si_value.sival_int = value,
	};

	return syscall(__NR_rt_tgsigqueueinfo, pid, tid, sig, &info);
}

/* Is it with the thread (not the process)?  Take it. */
static bool got_private(int sig, siginfo_t *info)
{
	return status_has_signal(getpid(), gettid(), "SigPnd", sig) &&
	       !status_has_signal(getpid(), gettid(), "ShdPnd", sig) &&
	       take_pending(sig, info) == sig;
}

THREADS_TEST(pid, kill_tkill_tgkill_and_queue_reach_the_thread)
{
	pid_t pid = getpid(), tid = gettid();
	int sig = SIGRTMIN + 1;
	struct flight f;
	siginfo_t info;

	block_signal(sig);
	CHECK(flight_begin(&f, ring));
	CHECK(!kill(pid, 0) && !kill(tid, 0));
	CHECK(!tgkill(pid, tid, sig));
	CHECK(got_private(sig, &info) && info.si_pid == pid);
	CHECK(!syscall(__NR_tkill, tid, sig));
	CHECK(got_private(sig, &info) && info.si_pid == pid);
	CHECK(!queue_signal(pid, tid, sig, 4711));
	CHECK(got_private(sig, &info) && info.si_value.sival_int == 4711);
	CHECK(tgkill(pid + 1, tid, 0) == -1 && errno == ESRCH);
	CHECK(flight_end(&f, ring));
	return NULL;
}

THREADS_TEST(pid, other_processes_reach_the_thread)
{
	pid_t pid = getpid(), tid = gettid();
	int sig = SIGRTMIN + 1;
	struct flight f;
	siginfo_t info;
	struct kid k;

	block_signal(sig);
	CHECK(flight_begin(&f, ring));
	if (!kid_fork(&k)) {
		KID_CHECK(!tgkill(pid, tid, sig));
		KID_CHECK(kid_tell(&k) && kid_hear(&k));
		KID_CHECK(!syscall(__NR_tkill, tid, sig));
		KID_CHECK(kid_tell(&k) && kid_hear(&k));
		KID_CHECK(!queue_signal(pid, tid, sig, 4712));
		_exit(0);
	}
	CHECK(kid_hear(&k));
	CHECK(got_private(sig, &info) && info.si_pid == k.pid);
	/* while it is about to: from one task to the next */
	CHECK(!force_handoff(ring) && kid_tell(&k) && kid_hear(&k));
	CHECK(got_private(sig, &info) && info.si_pid == k.pid);
	CHECK(kid_tell(&k) && kid_status(&k) == 0);
	CHECK(got_private(sig, &info) && info.si_value.sival_int == 4712);
	CHECK(flight_end(&f, ring));
	return NULL;
}

THREADS_TEST(pid, other_processes_see_what_the_thread_has_set)
{
	struct sched_param sp = { .sched_priority = 4 };
	pid_t pid = getpid(), tid = gettid(), sid = getsid(0), pgid = getpgrp();
	struct flight f, g;
	cpu_set_t cpus;
	struct kid k;

	CHECK(flight_begin(&f, ring));
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	CHECK(!sched_setaffinity(0, sizeof(cpus), &cpus));
	CHECK(!setpriority(PRIO_PROCESS, 0, 7));
	CHECK(!sched_setscheduler(0, SCHED_RR, &sp));
	/* before the next one, and after */
	for (int i = 0; i < 2; i++) {
		if (!kid_fork(&k)) {
			CPU_ZERO(&cpus);
			KID_CHECK(!sched_getaffinity(tid, sizeof(cpus), &cpus));
			KID_CHECK(CPU_COUNT(&cpus) == 1 && CPU_ISSET(0, &cpus));
			KID_CHECK(getpriority(PRIO_PROCESS, tid) == 7);
			KID_CHECK(sched_getscheduler(tid) == SCHED_RR);
			KID_CHECK(!sched_getparam(tid, &sp) && sp.sched_priority == 4);
			KID_CHECK(getsid(tid) == sid && getpgid(tid) == pgid);
			KID_CHECK(getsid(pid) == sid && getpgid(pid) == pgid);
			_exit(0);
		}
		CHECK(kid_status(&k) == 0);
		CHECK(i || flight_begin(&g, ring));
	}
	CHECK(flight_end(&f, ring) && flight_end(&g, ring));
	return NULL;
}

/* And the other way round: what others set is the thread's, and stays. */
THREADS_TEST(pid, what_other_processes_set_stays)
{
	pid_t tid = gettid();
	struct flight f;
	cpu_set_t cpus;
	struct kid k;

	CHECK(flight_begin(&f, ring));
	if (!kid_fork(&k)) {
		CPU_ZERO(&cpus);
		CPU_SET(0, &cpus);
		KID_CHECK(!sched_setaffinity(tid, sizeof(cpus), &cpus));
		KID_CHECK(!setpriority(PRIO_PROCESS, tid, 6));
		_exit(0);
	}
	CHECK(kid_status(&k) == 0);
	for (int i = 0; i < 3; i++) {
		CPU_ZERO(&cpus);
		CHECK(!sched_getaffinity(0, sizeof(cpus), &cpus));
		CHECK(CPU_COUNT(&cpus) == 1 && CPU_ISSET(0, &cpus));
		CHECK(getpriority(PRIO_PROCESS, 0) == 6);
		CHECK(!force_handoff(ring));
	}
	CHECK(flight_end(&f, ring));
	return NULL;
}

static void check_proc_files(pid_t pid, pid_t tid, pid_t ppid)
{
	char text[1024];
	cpu_set_t cpus;

	KID_CHECK(task_text(pid, tid, "comm", text, sizeof(text)) > 0);
	KID_CHECK(!strcmp(text, "of-tid"));
	KID_CHECK(task_text(pid, tid, "stat", text, sizeof(text)) > 0);
	KID_CHECK(atoi(text) == tid && strstr(text, "(of-tid)"));
	KID_CHECK(!strcmp(status_field(pid, tid, "Name"), "of-tid"));
	KID_CHECK(status_num(pid, tid, "Tgid") == pid);
	KID_CHECK(status_num(pid, tid, "Pid") == tid);
	KID_CHECK(status_num(pid, tid, "PPid") == ppid);
	KID_CHECK(status_num(pid, tid, "TracerPid") == 0);
	KID_CHECK(status_has_signal(pid, tid, "SigBlk", SIGRTMIN + 5));
	KID_CHECK(!status_has_signal(pid, tid, "SigBlk", SIGTERM));
	CPU_ZERO(&cpus);
	KID_CHECK(!sched_getaffinity(tid, sizeof(cpus), &cpus) && CPU_COUNT(&cpus) == 1);
	KID_CHECK(strtoul(status_field(pid, tid, "Cpus_allowed"), NULL, 16) == 1);
}

THREADS_TEST(pid, proc_files_are_the_threads)
{
	pid_t pid = getpid(), tid = gettid(), ppid = getppid();
	struct flight f, g;
	cpu_set_t cpus;
	struct kid k;

	CHECK(flight_begin(&f, ring));
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	CHECK(!sched_setaffinity(0, sizeof(cpus), &cpus));
	CHECK(!prctl(PR_SET_NAME, "of-tid"));
	block_signal(SIGRTMIN + 5);
	if (!kid_fork(&k)) {
		check_proc_files(pid, tid, ppid);
		KID_CHECK(kid_tell(&k) && kid_hear(&k));
		check_proc_files(pid, tid, ppid);
		_exit(0);
	}
	CHECK(kid_hear(&k) && flight_begin(&g, ring) && kid_tell(&k));
	CHECK(kid_status(&k) == 0);
	CHECK(flight_end(&f, ring) && flight_end(&g, ring));
	return NULL;
}

THREADS_TEST(pid, proc_lists_children_of_before_and_after)
{
	struct kid before, after;
	char text[256], want[64];
	struct flight f;

	if (!kid_fork(&before))
		kid_live(&before);
	CHECK(flight_begin(&f, ring));
	if (!kid_fork(&after))
		kid_live(&after);
	CHECK(!force_handoff(ring));
	CHECK(task_text(getpid(), gettid(), "children", text, sizeof(text)) > 0);
	snprintf(want, sizeof(want), "%d %d ", before.pid, after.pid);
	CHECK(!strcmp(text, want));
	CHECK(kid_lives(&before) && kid_lives(&after));
	CHECK(kid_end(&after) && kid_end(&before));
	CHECK(flight_end(&f, ring));
	return NULL;
}

/* In user space, with a value in a register, until *stop. */
static void spin_with_register(atomic_int *stop, unsigned long value)
{
	asm volatile("mov %1, %%r15\n"
		     "1: pause\n\t"
		     "cmpl $0, (%0)\n\t"
		     "je 1b\n\t"
		     : : "r" (stop), "r" (value) : "r15", "cc", "memory");
}

THREADS_TEST(pid, tracer_that_seizes_the_tid_has_the_user_side)
{
	atomic_int *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct user_regs_struct regs;
	pid_t tid = gettid();
	struct flight f;
	int status;
	struct kid k;

	CHECK(stop != MAP_FAILED && flight_begin(&f, ring));
	if (!kid_fork(&k)) {
		KID_CHECK(kid_hear(&k));
		KID_CHECK(!ptrace(PTRACE_SEIZE, tid, NULL, NULL));
		/* it may be on its way to the loop */
		do {
			KID_CHECK(!ptrace(PTRACE_INTERRUPT, tid, NULL, NULL));
			KID_CHECK(waitpid(tid, &status, __WALL) == tid);
			KID_CHECK(WIFSTOPPED(status) && status >> 16 == PTRACE_EVENT_STOP);
			KID_CHECK(!ptrace(PTRACE_GETREGS, tid, NULL, &regs));
			if (regs.r15 == 0x5157e7)
				break;
			KID_CHECK(!ptrace(PTRACE_CONT, tid, NULL, NULL));
		} while (1);
		KID_CHECK(regs.cs & 3);
		KID_CHECK(regs.rdi != 0 || regs.rsp != 0);
		/* the thread can be read and written by its TID */
		errno = 0;
		KID_CHECK(ptrace(PTRACE_PEEKDATA, tid, &status, NULL) != -1 || !errno);
		KID_CHECK(!ptrace(PTRACE_DETACH, tid, NULL, NULL));
		*stop = 1;
		_exit(0);
	}
	CHECK(kid_tell(&k));
	spin_with_register(stop, 0x5157e7);
	CHECK(kid_status(&k) == 0);
	CHECK(flight_end(&f, ring) && !force_handoff(ring));
	return NULL;
}

THREADS_TEST(pid, tracer_pid_is_that_of_the_thread_until_the_tracer_leaves)
{
	pid_t pid = getpid(), tid = gettid();
	struct flight f;
	struct kid k;

	CHECK(flight_begin(&f, ring));
	if (!kid_fork(&k)) {
		KID_CHECK(!ptrace(PTRACE_SEIZE, tid, NULL, NULL));
		KID_CHECK(kid_tell(&k) && kid_hear(&k));
		_exit(0);
	}
	CHECK(kid_hear(&k));
	CHECK(status_num(pid, tid, "TracerPid") == k.pid);
	for (int i = 0; i < 3; i++) {
		CHECK(!force_handoff(ring));
		CHECK(status_num(pid, tid, "TracerPid") == k.pid);
	}
	CHECK(kid_tell(&k) && kid_status(&k) == 0);
	CHECK(status_num(pid, tid, "TracerPid") == 0);
	CHECK(!force_handoff(ring) && flight_end(&f, ring));
	return NULL;
}

/* A tracer that is the parent too waits for one task, and sees one exit. */
TEST(parent_that_traces_sees_one_exit)
{
	struct syslet_ring *ring = ring_alloc(16);
	struct kid k;
	int status;

	if (!kid_fork(&k)) {
		struct flight f;

		KID_CHECK(flight_begin(&f, ring) && kid_tell(&k));
		kid_live(&k);
	}
	ASSERT_TRUE(kid_hear(&k));
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, k.pid, NULL, NULL));
	ASSERT_EQ(0, kill(k.pid, SIGKILL));
	ASSERT_EQ(k.pid, waitpid(k.pid, &status, __WALL));
	ASSERT_EQ(SIGKILL, status);
	ASSERT_EQ(-1, waitpid(k.pid, &status, __WALL));
	ASSERT_EQ(ECHILD, errno);
}

THREADS_TEST(pid, pidfds_of_before_and_after_reach_the_thread)
{
	pid_t tid = gettid();
	bool main_thread = tid == getpid();
	int sig = SIGRTMIN + 2, fd[2];
	struct flight f;
	siginfo_t info;

	block_signal(sig);
	fd[0] = sys_pidfd_open(tid, PIDFD_THREAD);
	CHECK(flight_begin(&f, ring));
	fd[1] = sys_pidfd_open(tid, PIDFD_THREAD);
	for (int i = 0; i < 2; i++) {
		CHECK(fd[i] >= 0);
		CHECK(!syscall(__NR_pidfd_send_signal, fd[i], sig, NULL, 0));
		CHECK(got_private(sig, &info));
		CHECK(!is_ready(fd[i]));
		close(fd[i]);
	}
	/* without the flag: processes only */
	fd[0] = sys_pidfd_open(tid, 0);
	CHECK(main_thread == (fd[0] >= 0));
	CHECK(flight_end(&f, ring));
	return NULL;
}

static pid_t thread_tid;

static void *two_runners_main(void *arg)
{
	struct kid *k = arg;
	struct syslet_ring *ring = ring_alloc(16);
	struct flight f, g;

	thread_tid = gettid();
	if (!kid_tell(k) || !kid_hear(k) || !flight_begin(&f, ring) ||
	    !kid_tell(k) || !kid_hear(k) || !flight_begin(&g, ring) ||
	    !flight_end(&f, ring) || !flight_end(&g, ring))
		return "handoffs";
	/* spares that nobody needs retire, but for one */
	while (count_threads() > 3)
		sched_yield();
	return kid_tell(k) && kid_hear(k) ? NULL : "talk";
}

TEST(thread_pidfd_is_ready_when_the_thread_exits_and_not_before)
{
	int to[2], from[2], before, after;
	struct kid thread, us;
	pthread_t t;
	void *err;

	ASSERT_EQ(0, pipe(to));
	ASSERT_EQ(0, pipe(from));
	thread = (struct kid){ .to = from[1], .from = to[0] };
	us = (struct kid){ .to = to[1], .from = from[0] };
	ASSERT_EQ(0, pthread_create(&t, NULL, two_runners_main, &thread));
	ASSERT_TRUE(kid_hear(&us));
	before = sys_pidfd_open(thread_tid, PIDFD_THREAD);
	ASSERT_LE(0, before);
	ASSERT_TRUE(kid_lives(&us));
	after = sys_pidfd_open(thread_tid, PIDFD_THREAD);
	ASSERT_LE(0, after);
	ASSERT_FALSE(is_ready(before));
	ASSERT_FALSE(is_ready(after));
	/* runners end, helpers exit */
	ASSERT_TRUE(kid_lives(&us));
	ASSERT_FALSE(is_ready(before));
	ASSERT_FALSE(is_ready(after));
	ASSERT_TRUE(kid_tell(&us));
	wait_ready(before);
	wait_ready(after);
	ASSERT_EQ(0, pthread_join(t, &err));
	ASSERT_EQ(NULL, err);
}

TEST(pidfd_of_a_process_is_ready_when_the_process_exits_and_not_before)
{
	struct syslet_ring *ring = ring_alloc(16);
	struct kid k;
	int fd[2];

	if (!kid_fork(&k)) {
		struct flight f;

		KID_CHECK(kid_hear(&k) && flight_begin(&f, ring) && kid_tell(&k));
		KID_CHECK(kid_hear(&k) && flight_end(&f, ring));
		while (count_threads() > 2)
			sched_yield();
		KID_CHECK(kid_tell(&k) && kid_hear(&k));
		_exit(31);
	}
	fd[0] = sys_pidfd_open(k.pid, 0);
	/* handed off, with calls in flight */
	ASSERT_TRUE(kid_lives(&k));
	fd[1] = sys_pidfd_open(k.pid, PIDFD_THREAD);
	ASSERT_LE(0, fd[0]);
	ASSERT_LE(0, fd[1]);
	ASSERT_TRUE(kid_lives(&k));
	ASSERT_FALSE(is_ready(fd[0]) || is_ready(fd[1]));
	ASSERT_TRUE(kid_tell(&k));
	wait_ready(fd[0]);
	wait_ready(fd[1]);
	ASSERT_EQ(31 << 8, kid_status(&k));
}

/* clone3() of a process, with a pidfd for it. */
static pid_t clone_pidfd(int *pidfd)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal;
		uint64_t stack, stack_size, tls;
	} args = { .flags = CLONE_PIDFD, .pidfd = P(pidfd), .exit_signal = SIGCHLD };

	return syscall(__NR_clone3, &args, sizeof(args));
}

THREADS_TEST(pid, clone_with_a_pidfd_by_a_thread_that_was_handed_off)
{
	int pidfd = -1, go[2], up[2];
	siginfo_t info = {};
	struct flight f, g;
	pid_t pid;
	char c;

	CHECK(!pipe(go) && !pipe(up) && flight_begin(&f, ring));
	pid = clone_pidfd(&pidfd);
	if (!pid) {
		close(go[1]);
		KID_CHECK(flight_begin(&g, ring_alloc(16)) && write(up[1], "x", 1) == 1);
		KID_CHECK(read(go[0], &c, 1) == 0);
		_exit(32);
	}
	CHECK(pid > 0 && pidfd >= 0);
	CHECK(read(up[0], &c, 1) == 1 && !is_ready(pidfd));
	CHECK(!syscall(__NR_pidfd_send_signal, pidfd, 0, NULL, 0));
	CHECK(!force_handoff(ring));
	close(go[1]);
	wait_ready(pidfd);
	CHECK(!waitid(P_PIDFD, pidfd, &info, WEXITED));
	CHECK(info.si_pid == pid && info.si_status == 32);
	CHECK(flight_end(&f, ring));
	return NULL;
}

TEST_HARNESS_MAIN
