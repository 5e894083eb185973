// SPDX-License-Identifier: GPL-2.0-only
/* Signals go to the thread, whichever task carries it. */
#include "common.h"

FIXTURE(signal)
{
	struct syslet_ring *ring;
};

static atomic_int caught, caught_by;

static void on_signal(int sig)
{
	caught_by = syscall(__NR_gettid);
	caught++;
}

FIXTURE_SETUP(signal)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	self->ring = ring_alloc(64);
	ASSERT_NE(NULL, self->ring);
	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	ASSERT_EQ(0, sigaction(SIGRTMIN, &sa, NULL));
	caught = 0;
}

FIXTURE_TEARDOWN(signal)
{
}

TEST_F(signal, to_the_tid_while_a_call_is_pending)
{
	struct blocker b;

	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, self->ring, 0));
	ASSERT_EQ(0, tgkill(getpid(), gettid(), SIGUSR1));
	ASSERT_EQ(1, caught);
	ASSERT_EQ(gettid(), caught_by);
	ASSERT_EQ(0, kill(getpid(), SIGUSR1));
	ASSERT_EQ(2, caught);
	ASSERT_EQ(gettid(), caught_by);
	/* the runner was not interrupted */
	ASSERT_EQ(0, ring_count(self->ring));
	ASSERT_EQ(1, blocker_end(&b, self->ring));
}

TEST_F(signal, pending_ones_move)
{
	sigset_t set, pending;
	union sigval val;
	siginfo_t info;
	int i;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, tgkill(getpid(), gettid(), SIGUSR1));
	for (i = 0; i < 3; i++) {
		val.sival_int = i;
		ASSERT_EQ(0, pthread_sigqueue(pthread_self(), SIGRTMIN, val));
	}
	ASSERT_EQ(0, force_handoff(self->ring));
	ASSERT_EQ(0, sigpending(&pending));
	ASSERT_EQ(1, sigismember(&pending, SIGUSR1));
	ASSERT_EQ(SIGUSR1, sigwaitinfo(&set, &info));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(SIGRTMIN, sigwaitinfo(&set, &info));
		ASSERT_EQ(i, info.si_value.sival_int);
	}
	ASSERT_EQ(0, caught);
}

static void *sender_main(void *arg)
{
	pid_t tid = (long)arg;
	int i;

	for (i = 0; i < 2000; i++) {
		if (tgkill(getpid(), tid, SIGRTMIN))
			return "tgkill";
		if (i % 16 == 0)
			sched_yield();
	}
	return NULL;
}

/* Signals looked up before a handoff and queued after it: all arrive. */
TEST_F_TIMEOUT(signal, none_is_lost_in_a_storm_of_handoffs, 120)
{
	pthread_t t;
	void *err;

	ASSERT_EQ(0, pthread_create(&t, NULL, sender_main, (void *)(long)gettid()));
	while (pthread_tryjoin_np(t, &err))
		ASSERT_EQ(0, force_handoff(self->ring));
	ASSERT_EQ(NULL, err);
	while (caught < 2000)
		ASSERT_EQ(0, force_handoff(self->ring));
	ASSERT_EQ(2000, caught);
	ASSERT_EQ(gettid(), caught_by);
}

TEST_F(signal, stop_and_continue)
{
	int ready[2], go[2], status;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (!pid) {
		struct blocker b;

		if (blocker_begin(&b, self->ring, 0) != -ESYSLETPENDING)
			_exit(1);
		write(ready[1], "x", 1);
		raise(SIGSTOP);
		/* stay until the parent has seen that we were continued */
		if (read(go[0], &c, 1) != 1)
			_exit(3);
		/* the read in flight was not hurt */
		_exit(blocker_end(&b, self->ring) == 1 ? 0 : 2);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, kill(pid, SIGCONT));
	ASSERT_EQ(pid, waitpid(pid, &status, WCONTINUED));
	ASSERT_TRUE(WIFCONTINUED(status));
	ASSERT_EQ(1, write(go[1], "x", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
}

TEST_F_TIMEOUT(signal, stopped_and_continued_at_any_instant, 120)
{
	int i, status, n = getenv("SYSLET_QUICK") ? 30 : 200;
	pid_t pid = fork();

	if (!pid) {
		for (;;)
			if (force_handoff(self->ring))
				_exit(1);
	}
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, kill(pid, SIGSTOP));
		ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status));
		ASSERT_EQ(0, kill(pid, SIGCONT));
		ASSERT_EQ(pid, waitpid(pid, &status, WCONTINUED));
		ASSERT_TRUE(WIFCONTINUED(status));
	}
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(SIGKILL, status);
}

/* SIGPIPE of a runner is the thread's. */
TEST_F(signal, sigpipe_of_a_runner)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct syslet_completion comp;
	int fd[2], size;
	char *buf;

	ASSERT_EQ(0, sigaction(SIGPIPE, &sa, NULL));
	ASSERT_EQ(0, pipe(fd));
	size = fcntl(fd[1], F_GETPIPE_SZ);
	buf = calloc(1, size + 4096);
	/* more than fits: blocks, until the reader goes away */
	ASSERT_EQ(-ESYSLETPENDING,
		  submit(self->ring, CALL(__NR_write, fd[1], P(buf), size + 4096), 1));
	close(fd[0]);
	ASSERT_EQ(0, ring_reap(self->ring, &comp));
	while (!caught)
		sched_yield();
	ASSERT_EQ(1, caught);
	ASSERT_EQ(gettid(), caught_by);
}

/* A signal before the handoff: the call is interrupted as it would be plainly. */
TEST_F(signal, interrupts_ring_wait)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct itimerval it = { .it_value.tv_usec = 10000 };
	struct blocker b;

	ASSERT_EQ(0, sigaction(SIGALRM, &sa, NULL));
	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, self->ring, 0));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &it, NULL));
	ASSERT_EQ(-EINTR, sys_ring_wait(self->ring, self->ring->user_tail, 1, NULL, 0));
	ASSERT_EQ(1, caught);
	ASSERT_EQ(1, blocker_end(&b, self->ring));
}

TEST_HARNESS_MAIN
