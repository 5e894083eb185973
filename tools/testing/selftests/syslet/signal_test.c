// SPDX-License-Identifier: GPL-2.0-only
/* Signals go to the thread, whichever task carries it. */
#include "peer.h"

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
	/* again and again: the first may come before we wait */
	struct itimerval it = { .it_value.tv_usec = 10000, .it_interval.tv_usec = 10000 };
	struct blocker b;

	ASSERT_EQ(0, sigaction(SIGALRM, &sa, NULL));
	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, self->ring, 0));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &it, NULL));
	ASSERT_EQ(-EINTR, sys_ring_wait(self->ring, self->ring->user_tail, 1, NULL, 0));
	it = (struct itimerval){};
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &it, NULL));
	ASSERT_LE(1, caught);
	ASSERT_EQ(1, blocker_end(&b, self->ring));
}

/* What follows is so in the main thread and in others. */
THREADS_FIXTURE(signal_in)

static siginfo_t caught_info;

static void on_signal_info(int sig, siginfo_t *info, void *context)
{
	caught_info = *info;
	on_signal(sig);
}

static bool catch_info(int sig)
{
	struct sigaction sa = { .sa_sigaction = on_signal_info, .sa_flags = SA_SIGINFO };

	caught = 0;
	return !sigaction(sig, &sa, NULL);
}

static void unblock_signal(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

TEST_F(signal, blocked_ones_for_the_process_stay_pending_over_a_handoff)
{
	struct flight f;
	sigset_t set;

	block_signal(SIGUSR1);
	ASSERT_EQ(0, kill(getpid(), SIGUSR1));
	ASSERT_TRUE(flight_begin(&f, self->ring));
	ASSERT_TRUE(status_has_signal(getpid(), gettid(), "ShdPnd", SIGUSR1));
	ASSERT_EQ(0, sigpending(&set));
	ASSERT_EQ(1, sigismember(&set, SIGUSR1));
	ASSERT_EQ(0, caught);
	unblock_signal(SIGUSR1);
	ASSERT_EQ(1, caught);
	ASSERT_EQ(gettid(), caught_by);
	ASSERT_TRUE(flight_end(&f, self->ring));
}

THREADS_TEST(signal_in, realtime_queue_keeps_its_order_over_handoffs)
{
	union sigval val;
	siginfo_t info;
	int n = 0;

	block_signal(SIGRTMIN + 1);
	block_signal(SIGRTMIN + 2);
	for (int i = 0; i < 10; i++) {
		/* a higher number comes later, whenever it was sent */
		val.sival_int = 100 + i;
		CHECK(!pthread_sigqueue(pthread_self(), SIGRTMIN + 2, val));
		val.sival_int = i;
		CHECK(!pthread_sigqueue(pthread_self(), SIGRTMIN + 1, val));
		CHECK(!force_handoff(ring));
		/* and some are taken in between */
		if (i % 3 == 2) {
			CHECK(take_pending(SIGRTMIN + 1, &info) == SIGRTMIN + 1);
			CHECK(info.si_value.sival_int == n++);
		}
	}
	for (; n < 10; n++) {
		CHECK(take_pending(SIGRTMIN + 1, &info) == SIGRTMIN + 1);
		CHECK(info.si_value.sival_int == n);
	}
	for (n = 0; n < 10; n++) {
		CHECK(take_pending(SIGRTMIN + 2, &info) == SIGRTMIN + 2);
		CHECK(info.si_value.sival_int == 100 + n);
	}
	CHECK(take_pending(SIGRTMIN + 1, &info) == -1 && errno == EAGAIN);
	return NULL;
}

static struct syslet_ring *handler_ring;
static struct blocker handler_blocker;
static const char *handler_err;

/* A handoff inside the handler: on the stack and with the mask that it has. */
static const char *handle_with_handoff(void)
{
	stack_t ss, now;
	sigset_t set;

	CHECK(!sigaltstack(NULL, &ss) && ss.ss_flags == SS_ONSTACK);
	CHECK(!force_handoff(handler_ring));
	CHECK(!sigaltstack(NULL, &now) && now.ss_flags == SS_ONSTACK);
	CHECK(now.ss_sp == ss.ss_sp && now.ss_size == ss.ss_size);
	/* it is in use, so it cannot be changed */
	CHECK(sigaltstack(&ss, NULL) == -1 && errno == EPERM);
	CHECK(!pthread_sigmask(SIG_BLOCK, NULL, &set));
	CHECK(sigismember(&set, SIGUSR1) == 1 && sigismember(&set, SIGUSR2) == 1);
	CHECK(blocker_begin(&handler_blocker, handler_ring, 1) == -ESYSLETPENDING);
	return NULL;
}

static void on_signal_handoff(int sig)
{
	handler_err = handle_with_handoff();
	/* sigreturn has to bring back what was before this */
	asm volatile("pxor %%xmm7, %%xmm7\n\txor %%r15d, %%r15d" : : : "xmm7", "r15");
	on_signal(sig);
}

/* tgkill() of ourselves, with registers that the handler must not change. */
static bool raise_with_registers(int sig)
{
	unsigned long r15 = 0x5157e7, xmm7 = 0x7e7515;
	long ret;

	asm volatile("movq %[xmm7], %%xmm7\n\t"
		     "mov %[r15], %%r15\n\t"
		     "syscall\n\t"
		     "mov %%r15, %[r15]\n\t"
		     "movq %%xmm7, %[xmm7]\n\t"
		     : "=a" (ret), [r15] "+b" (r15), [xmm7] "+r" (xmm7)
		     : "a" ((long)__NR_tgkill), "D" (getpid()), "S" (gettid()), "d" (sig)
		     : "rcx", "r11", "r15", "xmm7", "memory");
	return !ret && r15 == 0x5157e7 && xmm7 == 0x7e7515;
}

THREADS_TEST(signal_in, handler_on_an_alternate_stack_hands_off_and_returns)
{
	struct sigaction sa = { .sa_handler = on_signal_handoff, .sa_flags = SA_ONSTACK };
	stack_t ss = { .ss_sp = malloc(65536), .ss_size = 65536 }, now;
	sigset_t set;

	handler_ring = ring;
	sigaddset(&sa.sa_mask, SIGUSR2);
	CHECK(!sigaltstack(&ss, NULL) && !sigaction(SIGUSR1, &sa, NULL));
	for (int i = 0; i < 5; i++) {
		caught = 0;
		CHECK(raise_with_registers(SIGUSR1));
		CHECK(caught == 1 && caught_by == gettid());
		if (handler_err)
			return handler_err;
		CHECK(!sigaltstack(NULL, &now) && !now.ss_flags && now.ss_sp == ss.ss_sp);
		CHECK(!pthread_sigmask(SIG_BLOCK, NULL, &set));
		CHECK(sigismember(&set, SIGUSR1) == 0 && sigismember(&set, SIGUSR2) == 0);
		/* the call that the handler has begun */
		CHECK(blocker_end(&handler_blocker, ring) == 1);
	}
	return NULL;
}

THREADS_TEST(signal_in, sender_that_was_handed_off_is_known_by_its_pid)
{
	union sigval val = { .sival_int = 5 };
	pid_t pid = getpid(), tid = gettid();
	struct flight f;
	struct kid k;

	CHECK(catch_info(SIGUSR1) && flight_begin(&f, ring));
	CHECK(!tgkill(pid, tid, SIGUSR1));
	CHECK(caught == 1 && caught_info.si_pid == pid && caught_info.si_code == SI_TKILL);
	CHECK(!pthread_sigqueue(pthread_self(), SIGUSR1, val));
	CHECK(caught == 2 && caught_info.si_pid == pid && caught_info.si_code == SI_QUEUE);
	if (!kid_fork(&k)) {
		siginfo_t info;

		block_signal(SIGUSR2);
		KID_CHECK(kid_tell(&k) && take_signal(SIGUSR2, &info) == SIGUSR2);
		KID_CHECK(info.si_pid == pid && info.si_uid == NOBODY);
		_exit(0);
	}
	CHECK(kid_hear(&k));
	/* the credentials of now, of this thread alone */
	CHECK(!syscall(__NR_setresuid, NOBODY, -1, -1));
	CHECK(!force_handoff(ring) && !kill(k.pid, SIGUSR2));
	CHECK(kid_status(&k) == 0 && flight_end(&f, ring));
	return NULL;
}

static void *idle_main(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

/* Others could take it, but it is for the main thread if that does not block it. */
TEST_F(signal, for_the_process_goes_to_the_main_thread)
{
	struct flight f;
	pthread_t t;

	ASSERT_EQ(0, setpgid(0, 0));
	ASSERT_EQ(0, pthread_create(&t, NULL, idle_main, NULL));
	for (int i = 0; i < 2; i++) {
		/* by its number and as one of its group, which it leads */
		ASSERT_EQ(0, kill(getpid(), SIGUSR1));
		while (caught < 1)
			sched_yield();
		ASSERT_EQ(getpid(), caught_by);
		ASSERT_EQ(0, kill(0, SIGUSR1));
		while (caught < 2)
			sched_yield();
		ASSERT_EQ(getpid(), caught_by) TH_LOG("%s a handoff", i ? "after" : "before");
		caught = 0;
		if (!i)
			ASSERT_TRUE(flight_begin(&f, self->ring));
	}
	ASSERT_TRUE(flight_end(&f, self->ring));
}

/* As NOBODY: who may send a signal to this process, and how? */
static int try_to_signal(pid_t pid, bool allowed)
{
	int pidfd = syscall(__NR_pidfd_open, pid, 0);
	struct kid k;

	if (!kid_fork(&k)) {
		int want = allowed ? 0 : -1;

		KID_CHECK(!setresuid(NOBODY, NOBODY, NOBODY));
		KID_CHECK(kill(pid, 0) == want && (allowed || errno == EPERM));
		KID_CHECK(kill(-pid, 0) == want && (allowed || errno == EPERM));
		KID_CHECK(tgkill(pid, pid, 0) == want && (allowed || errno == EPERM));
		KID_CHECK(syscall(__NR_tkill, pid, 0) == want);
		KID_CHECK(syscall(__NR_pidfd_send_signal, pidfd, 0, NULL, 0) == want);
		_exit(0);
	}
	close(pidfd);
	return kid_status(&k);
}

TEST_F(signal, permission_goes_by_the_credentials_of_the_user_side)
{
	struct kid k;

	if (!kid_fork(&k)) {
		struct flight f;

		/* helpers with other credentials than the thread will have */
		KID_CHECK(!setpgid(0, 0) && !setresuid(NOBODY, NOBODY, 0));
		KID_CHECK(flight_begin(&f, self->ring));
		KID_CHECK(!seteuid(0) && !setresuid(0, 0, 0));
		KID_CHECK(kid_tell(&k) && kid_hear(&k));
		KID_CHECK(!force_handoff(self->ring));
		KID_CHECK(!setresuid(NOBODY, NOBODY, NOBODY));
		KID_CHECK(kid_tell(&k) && kid_hear(&k));
		_exit(0);
	}
	ASSERT_TRUE(kid_hear(&k));
	ASSERT_EQ(0, try_to_signal(k.pid, false));
	ASSERT_TRUE(kid_lives(&k));
	ASSERT_EQ(0, try_to_signal(k.pid, true));
	ASSERT_TRUE(kid_tell(&k));
	ASSERT_EQ(0, kid_status(&k));
}

/*
 * A stopped process takes no signals: those that were queued can be seen. To the
 * group they come by way of its leader, a helper that blocks them all.
 */
TEST_F(signal, ignored_ones_to_the_process_group_are_not_queued)
{
	static const int ignored[] = { SIGWINCH, SIGCHLD, SIGUSR1 };
	int status;
	struct kid k;

	if (!kid_fork(&k)) {
		struct flight f;

		KID_CHECK(!setpgid(0, 0) && signal(SIGUSR1, SIG_IGN) != SIG_ERR);
		KID_CHECK(flight_begin(&f, self->ring) && kid_tell(&k));
		kid_live(&k);
	}
	ASSERT_TRUE(kid_hear(&k));
	ASSERT_EQ(0, kill(k.pid, SIGSTOP));
	ASSERT_EQ(k.pid, waitpid(k.pid, &status, WUNTRACED));
	for (unsigned int i = 0; i < ARRAY_LEN(ignored); i++) {
		ASSERT_EQ(0, kill(k.pid, ignored[i]));
		ASSERT_FALSE(status_has_signal(k.pid, k.pid, "ShdPnd", ignored[i]));
		ASSERT_EQ(0, kill(-k.pid, ignored[i]));
		ASSERT_FALSE(status_has_signal(k.pid, k.pid, "ShdPnd", ignored[i]));
	}
	/* but those that are not */
	ASSERT_EQ(0, kill(-k.pid, SIGRTMIN));
	ASSERT_TRUE(status_has_signal(k.pid, k.pid, "ShdPnd", SIGRTMIN));
	ASSERT_EQ(0, kill(k.pid, SIGCONT));
	ASSERT_TRUE(kid_end(&k));
}

TEST_HARNESS_MAIN
