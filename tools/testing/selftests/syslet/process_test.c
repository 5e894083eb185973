// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fork, exec, exit and kill with spares parked and calls in flight: nothing is
 * left behind, and parents see what they always saw.
 */
#include "common.h"

FIXTURE(process)
{
	struct syslet_ring *ring;
};

FIXTURE_SETUP(process)
{
	self->ring = ring_alloc(64);
	ASSERT_NE(NULL, self->ring);
}

FIXTURE_TEARDOWN(process)
{
}

/* In a child: spares parked, calls in flight, user side not where it began. */
static void entangle(struct syslet_ring *ring)
{
	static struct blocker b[8];
	int i;

	if (force_handoff(ring))
		_exit(100);
	for (i = 0; i < 8; i++)
		if (blocker_begin(&b[i], ring, i) != -ESYSLETPENDING)
			_exit(101);
}

static int wait_status(pid_t pid)
{
	siginfo_t info = {};
	int status = -1;

	/* by both calls, and by the process' own number only */
	if (waitid(P_PID, pid, &info, WEXITED | WNOWAIT) || info.si_pid != pid)
		return -1;
	if (waitpid(pid, &status, 0) != pid)
		return -2;
	return status;
}

TEST_F(process, exit_group)
{
	pid_t pid = fork();

	if (!pid) {
		entangle(self->ring);
		exit(17);
	}
	ASSERT_EQ(17 << 8, wait_status(pid));
}

TEST_F(process, exit_of_the_only_thread)
{
	pid_t pid = fork();

	if (!pid) {
		entangle(self->ring);
		syscall(__NR_exit, 18);
	}
	ASSERT_EQ(18 << 8, wait_status(pid));
}

static void *exit_group_main(void *arg)
{
	entangle(arg);
	_exit(19);
}

TEST_F(process, exit_group_from_another_thread)
{
	pid_t pid = fork();

	if (!pid) {
		pthread_t t;

		entangle(self->ring);
		pthread_create(&t, NULL, exit_group_main, ring_alloc(16));
		for (;;)
			pause();
	}
	ASSERT_EQ(19 << 8, wait_status(pid));
}

static void *outlive_main(void *arg)
{
	pthread_t *main_thread = arg;

	pthread_join(*main_thread, NULL);
	/* the main thread is gone; so are its calls and spares */
	if (kill(getpid(), 0))
		_exit(1);
	if (force_handoff(ring_alloc(4)))
		_exit(2);
	_exit(20);
}

TEST_F(process, main_thread_exits_first)
{
	pid_t pid = fork();

	if (!pid) {
		static pthread_t self_thread;
		pthread_t t;

		self_thread = pthread_self();
		entangle(self->ring);
		pthread_create(&t, NULL, outlive_main, &self_thread);
		pthread_exit(NULL);
	}
	ASSERT_EQ(20 << 8, wait_status(pid));
}

static void *last_main(void *arg)
{
	pthread_join(*(pthread_t *)arg, NULL);
	entangle(ring_alloc(16));
	syscall(__NR_exit, 21);
	return NULL;
}

TEST_F(process, status_is_that_of_the_last_thread)
{
	pid_t pid = fork();

	if (!pid) {
		static pthread_t self_thread;
		pthread_t t;

		self_thread = pthread_self();
		entangle(self->ring);
		pthread_create(&t, NULL, last_main, &self_thread);
		pthread_exit(NULL);
	}
	ASSERT_EQ(21 << 8, wait_status(pid));
}

TEST_F(process, killed)
{
	static const int sigs[] = { SIGKILL, SIGTERM, SIGINT };

	for (unsigned int i = 0; i < ARRAY_LEN(sigs); i++) {
		int ready[2];
		pid_t pid;
		char c;

		ASSERT_EQ(0, pipe(ready));
		pid = fork();
		if (!pid) {
			close(ready[0]);
			entangle(self->ring);
			write(ready[1], "x", 1);
			for (;;)
				sys_ring_wait(self->ring, self->ring->user_tail, 1, NULL, 0);
		}
		close(ready[1]);
		ASSERT_EQ(1, read(ready[0], &c, 1));
		ASSERT_EQ(0, kill(pid, sigs[i]));
		ASSERT_EQ(sigs[i], wait_status(pid));
		/* no runner is left that has the pipe open */
		ASSERT_EQ(0, read(ready[0], &c, 1));
		ASSERT_EQ(-1, kill(pid, 0));
		close(ready[0]);
	}
}

TEST_F(process, killed_at_any_instant)
{
	unsigned int i, n = getenv("SYSLET_QUICK") ? 50 : 400;

	for (i = 0; i < n; i++) {
		int ready[2];
		pid_t pid;
		char c;

		ASSERT_EQ(0, pipe(ready));
		pid = fork();
		if (!pid) {
			struct blocker b[4];

			write(ready[1], "x", 1);
			for (;;) {
				for (int j = 0; j < 4; j++)
					blocker_begin(&b[j], self->ring, j);
				for (int j = 0; j < 4; j++)
					blocker_end(&b[j], self->ring);
			}
		}
		ASSERT_EQ(1, read(ready[0], &c, 1));
		for (volatile unsigned int spin = (i * 7919) % 20011; spin; spin--)
			;
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(SIGKILL, wait_status(pid));
		close(ready[0]);
		close(ready[1]);
	}
}

TEST_F(process, fork_after_a_handoff)
{
	struct blocker b;
	pid_t pid;

	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, self->ring, 0));
	pid = fork();
	if (!pid) {
		/* one thread, no calls, and its own syslets */
		if (count_threads() != 1 || getpid() != gettid())
			_exit(1);
		if (force_handoff(ring_alloc(4)))
			_exit(2);
		_exit(getppid() == getpgrp() ? 0 : 0);
	}
	ASSERT_EQ(0, wait_status(pid));
	ASSERT_EQ(1, blocker_end(&b, self->ring));
}

TEST_F(process, child_of_before_is_still_a_child)
{
	int fd[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(fd));
	pid = fork();
	if (!pid) {
		close(fd[1]);
		_exit(read(fd[0], &c, 1) ? 1 : getppid() == getpgid(0) ? 23 : 23);
	}
	close(fd[0]);
	ASSERT_EQ(0, force_handoff(self->ring));
	/* __WNOTHREAD: children of this very thread */
	ASSERT_EQ(0, syscall(__NR_wait4, pid, NULL, WNOHANG | 0x20000000, NULL));
	close(fd[1]);
	ASSERT_EQ(23 << 8, wait_status(pid));
}

TEST_F(process, pdeathsig_is_not_sent_by_a_handoff_or_a_retired_task)
{
	int fd[2], up[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(0, pipe(up));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fd[1]);
		write(up[1], "x", 1);
		_exit(read(fd[0], &c, 1) ? 1 : 24);
	}
	ASSERT_EQ(1, read(up[0], &c, 1));
	close(fd[0]);
	for (int i = 0; i < 20; i++)
		ASSERT_EQ(0, force_handoff(self->ring));
	close(fd[1]);
	ASSERT_EQ(24 << 8, wait_status(pid));
}

TEST_F(process, vfork)
{
	pid_t pid;

	ASSERT_EQ(0, force_handoff(self->ring));
	pid = vfork();
	if (!pid)
		_exit(25);
	ASSERT_EQ(25 << 8, wait_status(pid));
	ASSERT_EQ(0, force_handoff(self->ring));
}

static const char *exec_args[] = { "sh", "-c", "test $$ = $1 && exit 26", "sh", NULL, NULL };

static void do_exec(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	exec_args[4] = pid;
	execv("/bin/sh", (char **)exec_args);
	_exit(102);
}

TEST_F(process, exec_from_the_main_thread)
{
	pid_t pid = fork();

	if (!pid) {
		entangle(self->ring);
		do_exec();
	}
	ASSERT_EQ(26 << 8, wait_status(pid));
}

static void *exec_main(void *arg)
{
	if (arg)
		entangle(arg);
	do_exec();
	return NULL;
}

TEST_F(process, exec_from_another_thread)
{
	for (int handed_off = 0; handed_off < 2; handed_off++) {
		pid_t pid = fork();

		if (!pid) {
			pthread_t t;

			entangle(self->ring);
			pthread_create(&t, NULL, exec_main, handed_off ? ring_alloc(16) : NULL);
			for (;;)
				pause();
		}
		ASSERT_EQ(26 << 8, wait_status(pid));
	}
}

TEST_F(process, failed_exec_changes_nothing)
{
	char *args[] = { "x", NULL };
	struct blocker b;

	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, self->ring, 0));
	ASSERT_EQ(-1, execv("/nonexistent", args));
	ASSERT_EQ(ENOENT, errno);
	ASSERT_EQ(getpid(), gettid());
	ASSERT_EQ(1, blocker_end(&b, self->ring));
	ASSERT_EQ(0, force_handoff(self->ring));
}

TEST_F(process, sessions_and_process_groups)
{
	pid_t pid = fork();

	if (!pid) {
		if (force_handoff(self->ring) || setpgid(0, 0) || getpgrp() != getpid())
			_exit(1);
		if (setpgid(getpid(), 0) || getpgid(getpid()) != getpid())
			_exit(2);
		_exit(0);
	}
	ASSERT_EQ(0, wait_status(pid));
	pid = fork();
	if (!pid) {
		if (force_handoff(self->ring) || setsid() != getpid() || getsid(0) != getpid())
			_exit(1);
		_exit(0);
	}
	ASSERT_EQ(0, wait_status(pid));
}

TEST_F(process, pidfd)
{
	struct pollfd pfd = { .events = POLLIN };
	int fd[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(fd));
	pid = fork();
	if (!pid) {
		close(fd[1]);
		entangle(self->ring);
		read(fd[0], &c, 1);
		_exit(27);
	}
	close(fd[0]);
	pfd.fd = syscall(__NR_pidfd_open, pid, 0);
	ASSERT_LE(0, pfd.fd);
	ASSERT_EQ(0, poll(&pfd, 1, 0));
	ASSERT_EQ(0, syscall(__NR_pidfd_send_signal, pfd.fd, 0, NULL, 0));
	close(fd[1]);
	ASSERT_EQ(1, poll(&pfd, 1, -1));
	ASSERT_EQ(27 << 8, wait_status(pid));
}

TEST_F(process, core_dump)
{
	struct rlimit lim = { 1 << 20, 1 << 20 };
	pid_t pid = fork();
	int status;

	if (!pid) {
		setrlimit(RLIMIT_CORE, &lim);
		if (chdir("/tmp"))
			_exit(1);
		entangle(self->ring);
		abort();
	}
	status = wait_status(pid);
	ASSERT_TRUE(WIFSIGNALED(status));
	ASSERT_EQ(SIGABRT, WTERMSIG(status));
	ASSERT_TRUE(WCOREDUMP(status));
}

TEST_F(process, nproc_limit_refuses_before_anything_ran)
{
	pid_t pid = fork();

	if (!pid) {
		struct rlimit lim = { 1, 1 };
		int fd[2];
		char c = 0;
		long ret;

		if (pipe(fd) || setuid(65534) || setrlimit(RLIMIT_NPROC, &lim))
			_exit(1);
		ret = submit(self->ring, CALL(__NR_read, fd[0], P(&c), 1), 0);
		if (ret != -EAGAIN)
			_exit(2);
		if (write(fd[1], "z", 1) != 1)
			_exit(3);
		/* synchronously, if that is all right */
		ret = submit_args(CALL(__NR_read, fd[0], P(&c), 1), (struct syslet_args){
			.completion_ring_ptr = P(self->ring), .flags = SYSLET_SYNC_OK });
		_exit(ret == 1 && c == 'z' && !ring_count(self->ring) ? 0 : 4);
	}
	ASSERT_EQ(0, wait_status(pid));
}

static void *handoff_main(void *arg)
{
	return (void *)force_handoff(arg);
}

TEST_F(process, spares_go_when_their_thread_exits)
{
	struct syslet_ring *ring = ring_alloc(16);
	pthread_t t;
	int i;

	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, pthread_create(&t, NULL, handoff_main, ring));
		ASSERT_EQ(0, pthread_join(t, NULL));
	}
	while (count_threads() != 1)
		sched_yield();
}

/* 2007 semantics: the runner goes to user space when the call is done. */
static atomic_int frame_tid, frame_stop;
static char frame_stack[65536] __attribute__((aligned(16)));

static long frame_call(long nr, long a, long b, long c)
{
	long ret;

	asm volatile("syscall" : "=a" (ret) : "a" (nr), "D" (a), "S" (b), "d" (c)
		     : "rcx", "r11", "memory");
	return ret;
}

static void __attribute__((noreturn)) frame_main(void)
{
	/* no TLS of our own: raw system calls only */
	frame_tid = frame_call(__NR_gettid, 0, 0, 0);
	while (!frame_stop)
		frame_call(__NR_sched_yield, 0, 0, 0);
	for (;;)
		frame_call(__NR_exit, 0, 0, 0);
}

TEST_F(process, frame)
{
	struct syslet_completion comp;
	int i, fd[2];
	char c;

	ASSERT_EQ(0, pipe(fd));
	/* first from the group leader, then from whoever carries it */
	for (i = 0; i < 3; i++) {
		frame_tid = 0;
		frame_stop = 0;
		ASSERT_EQ(-ESYSLETPENDING,
			  submit_args(CALL(__NR_read, fd[0], P(&c), 1), (struct syslet_args){
				.completion_ring_ptr = P(self->ring), .caller_data = i,
				.frame.ip = P(frame_main),
				.frame.sp = P(frame_stack + sizeof(frame_stack) - 8) }));
		ASSERT_EQ(getpid(), gettid());
		ASSERT_EQ(1, write(fd[1], "x", 1));
		ASSERT_EQ(0, ring_reap(self->ring, &comp));
		ASSERT_EQ(i, comp.caller_data);
		ASSERT_EQ(1, comp.status);
		while (!frame_tid)
			sched_yield();
		ASSERT_NE(gettid(), frame_tid);
		/* a thread like any other */
		ASSERT_EQ(0, syscall(__NR_tgkill, getpid(), frame_tid, 0));
		frame_stop = 1;
		while (!syscall(__NR_tgkill, getpid(), frame_tid, 0))
			sched_yield();
		ASSERT_EQ(0, force_handoff(self->ring));
	}
}

TEST_HARNESS_MAIN
