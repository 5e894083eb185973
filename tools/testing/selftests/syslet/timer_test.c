// SPDX-License-Identifier: GPL-2.0-only
/* Timers reach the thread, or the process, that they were made for. */
#include "peer.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

THREADS_FIXTURE(timer)

static atomic_int fired, fired_in;
static int handler_fd = -1;

static void on_timer(int sig)
{
	fired_in = syscall(__NR_gettid);
	fired++;
	if (handler_fd >= 0 && write(handler_fd, "x", 1) != 1)
		abort();
}

static bool catch_signal(int sig)
{
	struct sigaction sa = { .sa_handler = on_timer, .sa_flags = SA_RESTART };

	fired = 0;
	return !sigaction(sig, &sa, NULL);
}

static bool make_timer(timer_t *timer, int notify, int sig, int value)
{
	struct sigevent ev = {
		.sigev_notify = notify, .sigev_signo = sig,
		.sigev_value.sival_int = value,
	};

	ev.sigev_notify_thread_id = notify == SIGEV_THREAD_ID ? gettid() : 0;
	return !timer_create(CLOCK_MONOTONIC, &ev, timer);
}

static bool arm_timer(timer_t timer, long nsec)
{
	struct itimerspec it = { .it_value.tv_nsec = nsec };

	return !timer_settime(timer, 0, &it, NULL);
}

/* The signal comes to this thread, not to its process. */
static bool fires_here(timer_t timer, int sig, int value)
{
	siginfo_t info;

	if (!arm_timer(timer, 1000000))
		return false;
	while (!status_has_signal(getpid(), gettid(), "SigPnd", sig))
		if (status_has_signal(getpid(), gettid(), "ShdPnd", sig))
			return false;
	return take_pending(sig, &info) == sig && info.si_code == SI_TIMER &&
	       info.si_value.sival_int == value;
}

THREADS_TEST(timer, thread_timers_of_before_and_after_fire_in_the_thread)
{
	timer_t before, after;
	int sig = SIGRTMIN + 3;
	struct flight f;

	block_signal(sig);
	CHECK(make_timer(&before, SIGEV_THREAD_ID, sig, 1));
	CHECK(flight_begin(&f, ring));
	CHECK(make_timer(&after, SIGEV_THREAD_ID, sig, 2));
	for (int i = 0; i < 3; i++) {
		CHECK(fires_here(before, sig, 1));
		CHECK(fires_here(after, sig, 2));
		CHECK(!force_handoff(ring));
	}
	CHECK(flight_end(&f, ring));
	/* one whose signal is on its way during a handoff */
	CHECK(arm_timer(before, 1));
	CHECK(!force_handoff(ring));
	CHECK(take_signal(sig, &(siginfo_t){}) == sig);
	CHECK(!timer_delete(before) && !timer_delete(after));
	return NULL;
}

/* Periodic: no period is lost, be it as a signal or as an overrun. */
THREADS_TEST(timer, periodic_thread_timer_goes_on_in_a_storm_of_handoffs)
{
	struct itimerspec it = { .it_value.tv_nsec = 2000000, .it_interval.tv_nsec = 2000000 };
	timer_t timer;

	CHECK(catch_signal(SIGRTMIN + 3));
	CHECK(make_timer(&timer, SIGEV_THREAD_ID, SIGRTMIN + 3, 0));
	CHECK(!timer_settime(timer, 0, &it, NULL));
	while (fired < 20) {
		CHECK(!force_handoff(ring));
		CHECK(!fired || fired_in == gettid());
	}
	CHECK(!timer_delete(timer));
	return NULL;
}

static const char *check_itimer(struct syslet_ring *ring, int which, int sig)
{
	struct itimerval it = { .it_value.tv_usec = 5000, .it_interval.tv_usec = 5000 };
	struct itimerval now, off = {};

	CHECK(catch_signal(sig));
	CHECK(!setitimer(which, &it, NULL));
	while (fired < 5) {
		CHECK(!force_handoff(ring));
		/* a virtual one counts the time of the program */
		for (volatile int i = 0; i < 100000; i++)
			;
		CHECK(!getitimer(which, &now) && now.it_interval.tv_usec);
	}
	CHECK(!setitimer(which, &off, NULL));
	return NULL;
}

THREADS_TEST(timer, itimer_real_goes_on)
{
	return check_itimer(ring, ITIMER_REAL, SIGALRM);
}

THREADS_TEST(timer, itimer_virtual_goes_on)
{
	return check_itimer(ring, ITIMER_VIRTUAL, SIGVTALRM);
}

THREADS_TEST(timer, itimer_prof_goes_on)
{
	return check_itimer(ring, ITIMER_PROF, SIGPROF);
}

THREADS_TEST(timer, alarm_of_before_comes_after)
{
	struct flight f;

	CHECK(catch_signal(SIGALRM));
	CHECK(alarm(1) == 0);
	CHECK(flight_begin(&f, ring));
	while (!fired)
		CHECK(!force_handoff(ring));
	CHECK(alarm(0) == 0 && fired == 1);
	CHECK(flight_end(&f, ring));
	return NULL;
}

/* A thread's CPU timer looks at its task: no handoff as long as it runs. */
THREADS_TEST(timer, cpu_timer_of_the_thread_is_refused_until_it_is_off)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec it = { .it_value.tv_sec = 1000 }, off = {};
	timer_t timer;
	int fd[2];
	char c = 0;

	CHECK(!pipe(fd) && write(fd[1], "x", 1) == 1);
	CHECK(!force_handoff(ring));
	CHECK(!timer_create(CLOCK_THREAD_CPUTIME_ID, &ev, &timer));
	CHECK(!timer_settime(timer, 0, &it, NULL));
	CHECK(submit(ring, CALL(__NR_read, fd[0], P(&c), 1), 0) == -EAGAIN && !c);
	CHECK(!timer_gettime(timer, &it) && it.it_value.tv_sec);
	CHECK(!timer_settime(timer, 0, &off, NULL));
	CHECK(submit(ring, CALL(__NR_read, fd[0], P(&c), 1), 0) == 1 && c == 'x');
	CHECK(!force_handoff(ring) && !timer_delete(timer));
	return NULL;
}

static void *idle_main(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

/*
 * What is for the process is for the main thread if that does not block it,
 * although others could take it. Nobody runs when the timer fires.
 */
static const char *check_process_timer(timer_t timer, int fd)
{
	char c;

	for (int i = 0; i < 20; i++) {
		CHECK(arm_timer(timer, 2000000));
		CHECK(read(fd, &c, 1) == 1);
		CHECK(fired_in == getpid());
	}
	return NULL;
}

TEST(timer_for_the_process_goes_to_the_main_thread)
{
	struct syslet_ring *ring = ring_alloc(16);
	const char *err;
	struct flight f;
	timer_t timer;
	pthread_t t;
	int fd[2];

	ASSERT_EQ(0, pthread_create(&t, NULL, idle_main, NULL));
	ASSERT_EQ(0, pipe(fd));
	handler_fd = fd[1];
	ASSERT_TRUE(catch_signal(SIGRTMIN + 3));
	ASSERT_TRUE(make_timer(&timer, SIGEV_SIGNAL, SIGRTMIN + 3, 0));
	err = check_process_timer(timer, fd[0]);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
	ASSERT_TRUE(flight_begin(&f, ring));
	err = check_process_timer(timer, fd[0]);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
	ASSERT_TRUE(flight_end(&f, ring));
}

TEST_HARNESS_MAIN
