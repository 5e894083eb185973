// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that deal with signals, and signals that calls in flight cause or have
 * to stand.
 */
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>

#include "caught.h"
#include "peer.h"

THREADS_FIXTURE(sigcall)

static long submit_sync_ok(struct syslet_ring *ring, struct indirect_registers regs)
{
	return submit_args(regs, (struct syslet_args){
		.completion_ring_ptr = P(ring), .flags = SYSLET_SYNC_OK });
}

/*
 * A call with a signal mask that lets SIGUSR1 in, which is blocked otherwise:
 * refused, or run in the thread itself.
 */
static const char *check_masked(struct syslet_ring *ring, struct indirect_registers regs)
{
	uint64_t mask;

	CHECK(catch_signal(SIGUSR1, SA_RESTART));
	block_signal(SIGUSR1);
	CHECK(!force_handoff(ring));
	CHECK(!tgkill(getpid(), gettid(), SIGUSR1));
	CHECK(submit(ring, regs, 1) == -EAGAIN);
	CHECK(!caught && status_has_signal(getpid(), gettid(), "SigPnd", SIGUSR1));
	CHECK(submit_sync_ok(ring, regs) == -EINTR);
	CHECK(caught == 1 && caught_by == gettid());
	/* the mask is what it was, and handoffs are possible again */
	CHECK(!syscall(__NR_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8));
	CHECK(mask >> (SIGUSR1 - 1) & 1);
	CHECK(!ring_count(ring) && !force_handoff(ring));
	CHECK(!tgkill(getpid(), gettid(), SIGUSR1) && caught == 1);
	return NULL;
}

static uint64_t open_mask;

THREADS_TEST(sigcall, sigsuspend_is_refused_or_synchronous)
{
	return check_masked(ring, CALL(__NR_rt_sigsuspend, P(&open_mask), 8));
}

THREADS_TEST(sigcall, ppoll_with_a_mask_is_refused_or_synchronous)
{
	return check_masked(ring, CALL(__NR_ppoll, 0, 0, 0, P(&open_mask), 8));
}

THREADS_TEST(sigcall, pselect_with_a_mask_is_refused_or_synchronous)
{
	uint64_t arg[2] = { P(&open_mask), 8 };

	return check_masked(ring, CALL(__NR_pselect6, 0, 0, 0, 0, 0, P(arg)));
}

THREADS_TEST(sigcall, epoll_pwait_with_a_mask_is_refused_or_synchronous)
{
	int ep = epoll_create1(0);
	struct epoll_event ev;

	return check_masked(ring, CALL(__NR_epoll_pwait, ep, P(&ev), 1, -1, P(&open_mask), 8));
}

THREADS_TEST(sigcall, sigtimedwait_is_refused_or_synchronous)
{
	struct timespec none = {};
	uint64_t set = 1ul << (SIGUSR1 - 1);

	block_signal(SIGUSR1);
	CHECK(!force_handoff(ring));
	CHECK(!tgkill(getpid(), gettid(), SIGUSR1));
	CHECK(submit(ring, CALL(__NR_rt_sigtimedwait, P(&set), 0, P(&none), 8), 0) == -EAGAIN);
	CHECK(status_has_signal(getpid(), gettid(), "SigPnd", SIGUSR1));
	CHECK(submit_sync_ok(ring, CALL(__NR_rt_sigtimedwait, P(&set), 0, P(&none), 8)) ==
	      SIGUSR1);
	CHECK(!status_has_signal(getpid(), gettid(), "SigPnd", SIGUSR1));
	return NULL;
}

static int make_signalfd(int sig)
{
	sigset_t set;

	block_signal(sig);
	sigemptyset(&set);
	sigaddset(&set, sig);
	return signalfd(-1, &set, 0);
}

struct sender {
	pid_t	tid;
	int	sig;
};

static void *sender_main(void *arg)
{
	struct sender *s = arg;

	/* when it sleeps in the call */
	while (task_state(getpid(), s->tid) != 'S')
		sched_yield();
	return tgkill(getpid(), s->tid, s->sig) ? "tgkill" : NULL;
}

THREADS_TEST(sigcall, signalfd_read_is_refused_if_it_would_wait)
{
	struct signalfd_siginfo info[2] = {};
	struct indirect_registers regs;
	struct sender s = { .tid = gettid(), .sig = SIGUSR2 };
	int fd = make_signalfd(SIGUSR2);
	pthread_t t;
	void *err;

	CHECK(fd >= 0 && !force_handoff(ring));
	regs = CALL(__NR_read, fd, P(info), sizeof(info[0]));
	CHECK(submit(ring, regs, 0) == -EAGAIN && !info[0].ssi_signo);
	/* there is one: no need to wait */
	CHECK(!tgkill(getpid(), gettid(), SIGUSR2));
	CHECK(submit(ring, regs, 0) == sizeof(info[0]) && info[0].ssi_signo == SIGUSR2);
	CHECK(info[0].ssi_pid == getpid());
	/* wait for it, in the thread */
	info[0].ssi_signo = 0;
	CHECK(!pthread_create(&t, NULL, sender_main, &s));
	CHECK(submit_sync_ok(ring, regs) == sizeof(info[0]) && info[0].ssi_signo == SIGUSR2);
	CHECK(!pthread_join(t, &err) && !err);
	CHECK(!ring_count(ring) && !force_handoff(ring));
	return NULL;
}

/*
 * Its thread's signals make a signalfd ready, also in a runner. There is a
 * pipe to end the call if not.
 */
THREADS_TEST(sigcall, poll_of_a_signalfd_in_a_runner_sees_signals_of_the_thread)
{
	struct syslet_completion comp = {};
	struct signalfd_siginfo info;
	struct pollfd pfd[2];
	int fd[2];

	CHECK(!pipe(fd));
	pfd[0] = (struct pollfd){ .fd = make_signalfd(SIGUSR2), .events = POLLIN };
	pfd[1] = (struct pollfd){ .fd = fd[0], .events = POLLIN };
	CHECK(submit(ring, CALL(__NR_poll, P(pfd), 2, -1), 0) == -ESYSLETPENDING);
	CHECK(!tgkill(getpid(), gettid(), SIGUSR2));
	CHECK(write(fd[1], "x", 1) == 1);
	CHECK(!ring_reap(ring, &comp));
	CHECK(pfd[0].revents == POLLIN);
	CHECK(read(pfd[0].fd, &info, sizeof(info)) == sizeof(info));
	return NULL;
}

THREADS_TEST(sigcall, epoll_of_a_signalfd_in_a_runner_sees_signals_of_the_thread)
{
	struct epoll_event ev = { .events = EPOLLIN }, out[2] = {};
	struct syslet_completion comp = {};
	int ep = epoll_create1(0), fd[2], sfd = make_signalfd(SIGUSR2);
	bool seen = false;

	CHECK(!pipe(fd));
	ev.data.fd = sfd;
	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, sfd, &ev));
	ev.data.fd = fd[0];
	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, fd[0], &ev));
	CHECK(submit(ring, CALL(__NR_epoll_wait, ep, P(out), 2, -1), 0) == -ESYSLETPENDING);
	CHECK(!tgkill(getpid(), gettid(), SIGUSR2));
	CHECK(write(fd[1], "x", 1) == 1);
	CHECK(!ring_reap(ring, &comp) && (long)comp.status >= 1);
	for (int i = 0; i < (long)comp.status; i++)
		seen |= out[i].data.fd == sfd;
	CHECK(seen);
	return NULL;
}

/* In the main thread alone: others must not take it meanwhile. */
TEST(poll_of_a_signalfd_in_a_runner_sees_signals_of_the_process)
{
	struct syslet_ring *ring = ring_alloc(16);
	struct syslet_completion comp = {};
	struct pollfd pfd;

	pfd = (struct pollfd){ .fd = make_signalfd(SIGUSR2), .events = POLLIN };
	ASSERT_EQ(-ESYSLETPENDING, submit(ring, CALL(__NR_poll, P(&pfd), 1, -1), 0));
	ASSERT_EQ(0, kill(getpid(), SIGUSR2));
	ASSERT_EQ(0, ring_reap(ring, &comp));
	ASSERT_EQ(1, comp.status);
	ASSERT_EQ(POLLIN, pfd.revents);
}

/* Run fn in a child that stops itself; the parent lets it go on. */
static const char *with_stops(void (*fn)(struct syslet_ring *ring))
{
	struct kid k;
	int status;

	if (!kid_fork(&k)) {
		fn(ring_alloc(16));
		_exit(0);
	}
	for (;;) {
		CHECK(waitpid(k.pid, &status, WUNTRACED) == k.pid);
		if (!WIFSTOPPED(status))
			break;
		CHECK(!kill(k.pid, SIGCONT));
	}
	CHECK(status == 0);
	return NULL;
}

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/*
 * A call that sleeps for a time is stopped in the middle, comes to its end,
 * and has slept for that time. If it was over before the stop: a longer one.
 */
static void sleep_over_a_stop(struct syslet_ring *ring,
			      long (*fn)(struct syslet_ring *ring, struct timespec *ts),
			      long status)
{
	struct syslet_completion comp = {};
	bool stopped = false;

	for (long ms = 100; !stopped; ms *= 2) {
		struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };
		long long start = now_ns();
		long ret = fn(ring, &ts);

		if (ret != -ESYSLETPENDING) {
			KID_CHECK(ret == status);
			continue;
		}
		raise(SIGSTOP);
		stopped = !ring_count(ring);
		KID_CHECK(!ring_reap(ring, &comp));
		KID_CHECK((long)comp.status == status);
		KID_CHECK(now_ns() - start >= ms * 1000000);
	}
}

static long sleep_by_nanosleep(struct syslet_ring *ring, struct timespec *ts)
{
	return submit(ring, CALL(__NR_nanosleep, P(ts), 0), 0);
}

static long sleep_by_poll(struct syslet_ring *ring, struct timespec *ts)
{
	return submit(ring, CALL(__NR_poll, 0, 0, ts->tv_sec * 1000 + ts->tv_nsec / 1000000), 0);
}

static long sleep_by_futex(struct syslet_ring *ring, struct timespec *ts)
{
	static int word;

	return submit(ring, CALL(__NR_futex, P(&word), FUTEX_WAIT_PRIVATE, 0, P(ts)), 0);
}

static void stop_nanosleep(struct syslet_ring *ring)
{
	sleep_over_a_stop(ring, sleep_by_nanosleep, 0);
}

static void stop_poll(struct syslet_ring *ring)
{
	sleep_over_a_stop(ring, sleep_by_poll, 0);
}

static void stop_futex(struct syslet_ring *ring)
{
	sleep_over_a_stop(ring, sleep_by_futex, -ETIMEDOUT);
}

static void stop_read(struct syslet_ring *ring)
{
	struct flight f;

	KID_CHECK(flight_begin(&f, ring));
	for (int i = 0; i < 3; i++)
		raise(SIGSTOP);
	KID_CHECK(!ring_count(ring) && flight_end(&f, ring));
}

/* The status of a call that ends by itself. */
static long status_of(struct syslet_ring *ring, uint64_t data)
{
	struct syslet_completion comp = {};

	if (ring_reap(ring, &comp) || comp.caller_data != data)
		return -EIO;
	return comp.status;
}

/* What was stopped is not repeated with the rights of now: see syslet.rst. */
static void stop_read_and_change_ids(struct syslet_ring *ring)
{
	struct blocker same, old;
	char c = 0;

	KID_CHECK(blocker_begin(&old, ring, 1) == -ESYSLETPENDING);
	KID_CHECK(!syscall(__NR_setresuid, 1000, 1000, 0));
	KID_CHECK(blocker_begin(&same, ring, 2) == -ESYSLETPENDING);
	raise(SIGSTOP);
	KID_CHECK(status_of(ring, 1) == -EINTR);
	KID_CHECK(write(old.fd[1], "x", 1) == 1 && !old.c);
	/* nobody reads it but us; the other call goes on */
	KID_CHECK(read(old.fd[0], &c, 1) == 1 && c == 'x');
	KID_CHECK(!ring_count(ring) && blocker_end(&same, ring) == 1);
}

THREADS_TEST(sigcall, nanosleep_in_a_runner_stands_a_stop)
{
	return with_stops(stop_nanosleep);
}

THREADS_TEST(sigcall, poll_in_a_runner_stands_a_stop)
{
	return with_stops(stop_poll);
}

THREADS_TEST(sigcall, futex_wait_in_a_runner_stands_a_stop)
{
	return with_stops(stop_futex);
}

THREADS_TEST(sigcall, read_in_a_runner_stands_a_stop)
{
	return with_stops(stop_read);
}

THREADS_TEST(sigcall, read_is_interrupted_by_a_stop_if_its_thread_has_other_rights)
{
	return with_stops(stop_read_and_change_ids);
}

THREADS_TEST(sigcall, signals_of_the_thread_do_not_disturb_a_runner)
{
	struct syslet_completion comp = {};
	struct epoll_event out;
	int fd[2], ep = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN };
	struct flight f;

	CHECK(!pipe(fd) && !epoll_ctl(ep, EPOLL_CTL_ADD, fd[0], &ev));
	CHECK(flight_begin(&f, ring));
	/* one that is never restarted after a handler */
	CHECK(submit(ring, CALL(__NR_epoll_wait, ep, P(&out), 1, -1), 9) == -ESYSLETPENDING);
	for (int i = 0; i < 20; i++) {
		CHECK(catch_signal(SIGUSR1, i % 2 ? SA_RESTART : 0));
		CHECK(!tgkill(getpid(), gettid(), SIGUSR1));
		CHECK(caught == 1 && caught_by == gettid());
		CHECK(!ring_count(ring));
	}
	CHECK(write(fd[1], "x", 1) == 1);
	CHECK(!ring_reap(ring, &comp) && comp.caller_data == 9 && comp.status == 1);
	CHECK(flight_end(&f, ring));
	return NULL;
}

THREADS_TEST(sigcall, sigxfsz_of_a_runner_is_the_threads)
{
	struct rlimit lim = { 4096, 4096 };
	struct syslet_completion comp = {};
	loff_t pos = 4096;
	int fd[2], file;

	CHECK(catch_signal(SIGXFSZ, 0));
	file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	CHECK(file >= 0 && !pipe(fd) && !setrlimit(RLIMIT_FSIZE, &lim));
	/* waits for data first, and then finds that there is no room for it */
	CHECK(submit(ring, CALL(__NR_splice, fd[0], 0, file, P(&pos), 1, 0), 0) ==
	      -ESYSLETPENDING);
	CHECK(write(fd[1], "x", 1) == 1);
	CHECK(!ring_reap(ring, &comp) && (long)comp.status == -EFBIG);
	while (!caught)
		sched_yield();
	CHECK(caught == 1 && caught_by == gettid());
	return NULL;
}

THREADS_TEST(sigcall, sigio_goes_to_the_thread_that_owns_the_file)
{
	struct f_owner_ex owner = { .type = F_OWNER_TID, .pid = gettid() }, now;
	int sig = SIGRTMIN + 4;
	siginfo_t info;
	int fd[2][2];

	block_signal(sig);
	for (int i = 0; i < 2; i++) {
		CHECK(!pipe(fd[i]));
		/* of before, and of after */
		CHECK(!i || !force_handoff(ring));
		CHECK(!fcntl(fd[i][0], F_SETOWN_EX, &owner) && !fcntl(fd[i][0], F_SETSIG, sig));
		CHECK(!fcntl(fd[i][0], F_SETFL, O_ASYNC | O_NONBLOCK));
	}
	for (int i = 0; i < 4; i++) {
		CHECK(!fcntl(fd[i % 2][0], F_GETOWN_EX, &now));
		CHECK(now.type == F_OWNER_TID && now.pid == gettid());
		CHECK(write(fd[i % 2][1], "x", 1) == 1);
		CHECK(status_has_signal(getpid(), gettid(), "SigPnd", sig));
		CHECK(take_pending(sig, &info) == sig && info.si_fd == fd[i % 2][0]);
		CHECK(!force_handoff(ring));
	}
	return NULL;
}

TEST_HARNESS_MAIN
