// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals and batches: one that has to be taken ends a batch early. What was run
 * is told, what was told is not run again, and the rest can be submitted.
 */
#include <sys/epoll.h>

#include "batch.h"
#include "caught.h"
#include "gate.h"
#include "threads.h"

THREADS_FIXTURE(batch_signal)

/* --- between two calls ------------------------------------------------------------ */

#define KILL_ME(data)	ENTRY(data, __NR_tgkill, getpid(), gettid(), SIGUSR1)

/* With SA_RESTART, too: there is nothing to restart, something was run. */
THREADS_TEST(batch_signal, handler_ends_it_with_what_was_run)
{
	struct syslet_call calls[6];
	int fd[2];

	CHECK(!pipe(fd));
	for (int how = 0; how < 4; how++) {
		CHECK(catch_signal(SIGUSR1, how & 1 ? SA_RESTART : 0));
		for (int i = 0; i < 6; i++)
			calls[i] = i == 2 || i == 4 ? KILL_ME(i) : PUT(i, fd);
		CHECK(BATCH(how & 2 ? ring : NULL, calls) == 3);
		CHECK(caught == 1 && caught_by == gettid() && pipe_bytes(fd) == 2);
		CHECK(calls[2].result == 0 && calls[3].result == NO_RESULT);
		/* the rest */
		CHECK(batch(how & 2 ? ring : NULL, calls + 3, 3) == 2);
		CHECK(caught == 2 && pipe_bytes(fd) == 3);
		CHECK(batch(how & 2 ? ring : NULL, calls + 5, 1) == 1);
		CHECK(caught == 2 && pipe_bytes(fd) == 4 && pipe_drain(fd));
	}
	return NULL;
}

/* The last entry: all has been run. */
THREADS_TEST(batch_signal, handler_behind_the_last_entry_changes_nothing)
{
	struct syslet_call calls[2];
	int fd[2];

	CHECK(!pipe(fd) && catch_signal(SIGUSR1, SA_RESTART));
	calls[0] = PUT(0, fd);
	calls[1] = KILL_ME(1);
	CHECK(BATCH(ring, calls) == 2 && caught == 1 && pipe_bytes(fd) == 1);
	return NULL;
}

THREADS_TEST(batch_signal, handler_behind_handoffs_ends_it_with_what_was_run)
{
	struct syslet_call calls[7];
	int fd[2], in[2];
	long status[2];
	char c[3];

	CHECK(!pipe(fd) && !pipe(in) && catch_signal(SIGUSR1, SA_RESTART));
	for (int i = 0; i < 5; i++) {
		calls[0] = TAKE(0, in, &c[0]);
		calls[1] = PUT(1, fd);
		calls[2] = TAKE(1, in, &c[1]);
		calls[3] = KILL_ME(3);
		calls[4] = PUT(4, fd);
		calls[5] = TAKE(2, in, &c[2]);
		calls[6] = PUT(6, fd);
		CHECK(BATCH(ring, calls) == 4 && caught == i + 1 && caught_by == gettid());
		CHECK(calls[0].result == -ESYSLETPENDING && calls[2].result == -ESYSLETPENDING);
		CHECK(calls[4].result == NO_RESULT && pipe_bytes(fd) == 1);
		CHECK(write(in[1], "xx", 2) == 2 && reap_each(ring, 0, 2, status));
		CHECK(batch(ring, calls + 4, 3) == 3 && pipe_bytes(fd) == 3 && pipe_drain(fd));
		CHECK(write(in[1], "x", 1) == 1 && reap_one(ring, 2, 1));
	}
	return NULL;
}

THREADS_TEST(batch_signal, one_that_an_entry_lets_in_ends_it)
{
	uint64_t set = 1ul << (SIGUSR1 - 1);
	struct syslet_call calls[4];
	int fd[2];

	CHECK(!pipe(fd) && catch_signal(SIGUSR1, 0));
	block_signal(SIGUSR1);
	calls[0] = KILL_ME(0);
	calls[1] = PUT(1, fd);
	calls[2] = ENTRY(2, __NR_rt_sigprocmask, SIG_UNBLOCK, P(&set), 0, 8);
	calls[3] = PUT(3, fd);
	CHECK(BATCH(ring, calls) == 3 && caught == 1 && pipe_bytes(fd) == 1);
	CHECK(calls[3].result == NO_RESULT);
	return NULL;
}

THREADS_TEST(batch_signal, one_that_is_ignored_or_blocked_does_not_end_it)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };
	struct syslet_call calls[3];
	int fd[2];

	CHECK(!pipe(fd) && !sigaction(SIGUSR1, &sa, NULL));
	for (int blocked = 0; blocked < 2; blocked++) {
		calls[0] = KILL_ME(0);
		calls[1] = KILL_ME(1);
		calls[2] = PUT(2, fd);
		CHECK(BATCH(ring, calls) == 3 && pipe_bytes(fd) == 1 && pipe_drain(fd));
		CHECK(catch_signal(SIGUSR1, 0));
		block_signal(SIGUSR1);
	}
	CHECK(!caught && status_has_signal(getpid(), gettid(), "SigPnd", SIGUSR1));
	return NULL;
}

static bool signal_thread(void *arg)
{
	return !tgkill(getpid(), *(pid_t *)arg, SIGUSR1);
}

/* In the kernel's own reading of an entry: it is run, and the next one is not. */
THREADS_TEST_IF(batch_signal, one_from_another_thread_between_two_entries, have_userfaultfd(),
		"no userfaultfd")
{
	struct syslet_call head[2], tail[3];
	pid_t tid = gettid();
	struct gate g;
	int fd[2];

	for (int first = 0; first < 2; first++) {
		CHECK(!pipe(fd) && catch_signal(SIGUSR1, SA_RESTART));
		head[0] = head[1] = PUT(0, fd);
		tail[0] = tail[1] = tail[2] = PUT(1, fd);
		CHECK(gate_begin(&g, head, first ? 0 : 2, tail, 3, signal_thread, &tid));
		/* one entry at least, always */
		CHECK(gate_submit(&g, ring, 0) == (first ? 1 : 3));
		CHECK(gate_end(&g) && caught == 1 && caught_by == tid);
		CHECK(pipe_bytes(fd) == (first ? 1 : 3));
		CHECK(g.calls[g.nr - 1].result == NO_RESULT);
	}
	return NULL;
}

/* --- in a call -------------------------------------------------------------------- */

struct sender {
	pid_t	tid;
	int	fd;	/* if there is one: what ends the call, then */
};

/* A signal when it sleeps in a call; and when that has been taken, what it waits for. */
static void *sender_main(void *arg)
{
	struct sender *s = arg;

	while (task_state(getpid(), s->tid) != 'S')
		sched_yield();
	if (tgkill(getpid(), s->tid, SIGUSR1))
		return "tgkill";
	if (s->fd < 0)
		return NULL;
	UNTIL(caught);
	return write(s->fd, "x", 1) == 1 ? NULL : "write";
}

/*
 * Entries of a synchronous batch up to one that waits: what the system call
 * returns when that is interrupted. Side effects are counted.
 */
static const char *check_interrupted(struct syslet_call call, unsigned int at, int sa_flags,
				     int feed, long want)
{
	struct sender s = { .tid = gettid(), .fd = feed };
	struct syslet_call calls[4];
	pthread_t t;
	void *err;
	int fd[2];

	CHECK(!pipe(fd) && catch_signal(SIGUSR1, sa_flags));
	for (unsigned int i = 0; i < 4; i++)
		calls[i] = i == at ? call : PUT(i, fd);
	CHECK(!pthread_create(&t, NULL, sender_main, &s));
	CHECK(BATCH(NULL, calls) == want);
	CHECK(!pthread_join(t, &err) && !err);
	CHECK(caught == 1);
	if (want < 0)
		want = 0;
	for (unsigned int i = 0; i < 4; i++)
		CHECK(i == at || calls[i].result == (i < want ? 1 : NO_RESULT));
	CHECK(pipe_bytes(fd) == want - (at < want));
	pipe_close(fd);
	return NULL;
}

THREADS_TEST(batch_signal, first_entry_that_waits_is_interrupted_or_restarted)
{
	struct timespec ts = { .tv_sec = 1000 };
	const char *err;
	int fd[2];
	char c;

	CHECK(!pipe(fd));
	err = check_interrupted(TAKE(0, fd, &c), 0, 0, -1, -EINTR);
	if (!err)
		err = check_interrupted(TAKE(0, fd, &c), 0, SA_RESTART, fd[1], 4);
	/* these are not restarted behind a handler, as otherwise */
	if (!err)
		err = check_interrupted(ENTRY(0, __NR_pause), 0, SA_RESTART, -1, -EINTR);
	if (!err)
		err = check_interrupted(ENTRY(0, __NR_nanosleep, P(&ts), 0), 0, SA_RESTART, -1,
					-EINTR);
	if (!err)
		err = check_interrupted(ENTRY(0, __NR_ppoll, 0, 0, P(&ts), 0, 8), 0, SA_RESTART,
					-1, -EINTR);
	return err;
}

THREADS_TEST(batch_signal, entry_that_waits_behind_others_has_not_been_run)
{
	struct timespec ts = { .tv_sec = 1000 };
	const char *err = NULL;
	int fd[2];
	char c;

	CHECK(!pipe(fd));
	for (int flags = 0; !err && flags < 2; flags++) {
		int sa = flags ? SA_RESTART : 0;

		err = check_interrupted(TAKE(0, fd, &c), 1, sa, -1, 1);
		if (!err)
			err = check_interrupted(TAKE(0, fd, &c), 3, sa, -1, 3);
		if (!err)
			err = check_interrupted(ENTRY(0, __NR_pause), 2, sa, -1, 2);
		if (!err)
			err = check_interrupted(ENTRY(0, __NR_nanosleep, P(&ts), 0), 2, sa, -1, 2);
	}
	return err;
}

/* Calls that say themselves that they were interrupted have been run. */
THREADS_TEST(batch_signal, result_eintr_of_a_call_is_a_result)
{
	struct epoll_event ev;
	int ep = epoll_create1(0);
	const char *err;

	CHECK(ep >= 0);
	err = check_interrupted(ENTRY(0, __NR_epoll_wait, ep, P(&ev), 1, -1), 1, SA_RESTART, -1, 2);
	return err ?: check_interrupted(ENTRY(0, __NR_epoll_wait, ep, P(&ev), 1, -1), 0,
					SA_RESTART, -1, 1);
}

/* A call with a mask of its own: its signal is taken, and the mask is as before. */
THREADS_TEST(batch_signal, mask_of_an_entry_does_not_stay)
{
	struct timespec ts = { .tv_sec = 1000 };
	uint64_t mask = 0, now = 0;
	struct syslet_call calls[4];
	struct pollfd pfd;
	int fd[2];

	CHECK(!pipe(fd));
	pfd = (struct pollfd){ .fd = fd[0], .events = POLLIN };
	block_signal(SIGUSR1);
	for (int with_ring = 0; with_ring < 2; with_ring++) {
		CHECK(catch_signal(SIGUSR1, SA_RESTART));
		/* no signal yet: ready at once, and blocked again for the next entry */
		calls[0] = PUT(0, fd);
		calls[1] = ENTRY(1, __NR_ppoll, P(&pfd), 1, P(&ts), P(&mask), 8);
		calls[2] = KILL_ME(2);
		calls[3] = ENTRY(3, __NR_rt_sigprocmask, SIG_BLOCK, 0, P(&now), 8);
		CHECK((with_ring ? BATCH_SYNC_OK(ring, calls) : BATCH(NULL, calls)) == 4);
		CHECK(calls[1].result == 1 && !caught && now >> (SIGUSR1 - 1) & 1);
		CHECK(pipe_drain(fd));
		/* now there is one: it ends the batch in the call */
		calls[1].args[0] = 0;
		calls[1].args[1] = 0;
		calls[2] = PUT(2, fd);
		CHECK((with_ring ? BATCH_SYNC_OK(ring, calls) : BATCH(NULL, calls)) == 1);
		CHECK(caught == 1 && pipe_bytes(fd) == 1 && pipe_drain(fd));
		CHECK(!syscall(__NR_rt_sigprocmask, SIG_BLOCK, NULL, &now, 8));
		CHECK(now >> (SIGUSR1 - 1) & 1);
	}
	return NULL;
}

/* Where a ring refuses, and to wait is allowed. */
THREADS_TEST(batch_signal, entry_that_waits_as_it_may_is_interrupted)
{
	struct sender s = { .tid = gettid(), .fd = -1 };
	struct syslet_call calls[3];
	int fd[2], out[2];
	char c[2];
	pthread_t t;
	void *err;

	ring = ring_alloc(1);
	CHECK(ring && !pipe(fd) && !pipe(out) && catch_signal(SIGUSR1, 0));
	calls[0] = TAKE(0, fd, &c[0]);
	CHECK(batch(ring, calls, 1) == 1 && calls[0].result == -ESYSLETPENDING);
	/* full now */
	for (int at = 0; at < 2; at++) {
		caught = 0;
		calls[0] = calls[2] = PUT(0, out);
		calls[1] = TAKE(1, fd, &c[1]);
		CHECK(!pthread_create(&t, NULL, sender_main, &s));
		CHECK(batch_args(calls + 1 - at, 2 + at, (struct syslet_args){
			.completion_ring_ptr = P(ring), .flags = SYSLET_SYNC_OK }, 0) ==
		      (at ? 1 : -EINTR));
		CHECK(!pthread_join(t, &err) && !err && caught == 1 && pipe_bytes(out) == at);
		CHECK(pipe_drain(out));
	}
	CHECK(write(fd[1], "x", 1) == 1 && reap_one(ring, 0, 1) && c[0] == 'x');
	return NULL;
}

/* --- storms ------------------------------------------------------------------------ */

static atomic_bool storming;

/* The next one when the last one was taken; at all instants, as it waits a bit. */
static void *storm_main(void *arg)
{
	pid_t tid = *(pid_t *)arg;
	int n = 0;

	while (storming) {
		for (volatile int i = n * 7919 % 20011; i; i--)
			;
		if (tgkill(getpid(), tid, SIGUSR1))
			return "tgkill";
		n++;
		while (storming && caught < n)
			sched_yield();
	}
	return NULL;
}

static const char *storm(struct syslet_ring *ring)
{
	pid_t tid = gettid();
	const char *err;
	pthread_t t;
	void *ret;

	CHECK(catch_signal(SIGUSR1, SA_RESTART));
	storming = true;
	CHECK(!pthread_create(&t, NULL, storm_main, &tid));
	err = tally_rounds(ring, rounds(2000));
	storming = false;
	CHECK(!pthread_join(t, &ret));
	printf("# %d signals\n", caught);
	CHECK(caught > 0);
	return err ?: ret;
}

TEST_F_TIMEOUT(batch_signal, none_of_a_storm_makes_a_call_be_made_twice, 240)
{
	const char *err = threads_run(variant->thread, storm);

	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

/* Of the process, by a timer, once for each round: now here, now there in it. */
static const char *timer_storm(struct syslet_ring *ring)
{
	struct itimerval it = {};
	const char *err = NULL;
	int n = rounds(2000);
	struct tally t;

	CHECK(catch_signal(SIGALRM, 0) && tally_begin(&t, ring));
	/* it has to come at least once */
	for (int i = 0; !err && (i < n || !caught); i++) {
		it.it_value.tv_usec = 1 + i * 7919 % 3001;
		CHECK(!setitimer(ITIMER_REAL, &it, NULL));
		err = tally_round(&t);
	}
	tally_end(&t);
	printf("# %d signals, %ld submits\n", caught, t.submits);
	return err;
}

TEST_F_TIMEOUT(batch_signal, timer_does_not_make_a_call_be_made_twice, 240)
{
	const char *err = threads_run(variant->thread, timer_storm);

	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

/* No handler, so to stop it makes no difference but for short counts. */
static const char *stopped(struct syslet_ring *ring, int n)
{
	const char *err;
	int status;
	struct kid k;

	if (!kid_fork(&k)) {
		struct pollfd pfd = { .fd = k.from, .events = POLLIN };

		do {
			err = tally_rounds(ring, 4);
			if (err)
				fprintf(stderr, "# %s\n", err);
		} while (!err && !poll(&pfd, 1, 0));
		_exit(!!err);
	}
	for (int i = 0; i < n; i++) {
		CHECK(!kill(k.pid, SIGSTOP));
		CHECK(waitpid(k.pid, &status, WUNTRACED) == k.pid && WIFSTOPPED(status));
		CHECK(!kill(k.pid, SIGCONT));
		CHECK(waitpid(k.pid, &status, WCONTINUED) == k.pid && WIFCONTINUED(status));
	}
	CHECK(kid_tell(&k));
	CHECK(waitpid(k.pid, &status, 0) == k.pid && !status);
	return NULL;
}

/* Of a process, not of a thread. */
FIXTURE(batch_stop) { };
FIXTURE_SETUP(batch_stop) { }
FIXTURE_TEARDOWN(batch_stop) { }

TEST_F_TIMEOUT(batch_stop, does_not_make_a_call_be_made_twice, 240)
{
	const char *err = stopped(ring_alloc(64), rounds(200));

	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

/* A sleep at first begins anew behind a stop, as a whole, and is not cut short. */
static const char *sleep_stopped(void)
{
	struct timespec ts = { .tv_nsec = 300000000 }, from, to;
	struct syslet_call calls[1] = { ENTRY(0, __NR_nanosleep, P(&ts), 0) };
	struct kid k;
	int status;

	if (!kid_fork(&k)) {
		kid_tell(&k);
		clock_gettime(CLOCK_MONOTONIC, &from);
		KID_CHECK(BATCH(NULL, calls) == 1 && !calls[0].result);
		clock_gettime(CLOCK_MONOTONIC, &to);
		KID_CHECK((to.tv_sec - from.tv_sec) * 1000000000ll + to.tv_nsec - from.tv_nsec >=
			  ts.tv_nsec);
		_exit(0);
	}
	CHECK(kid_hear(&k));
	CHECK(!kill(k.pid, SIGSTOP));
	CHECK(waitpid(k.pid, &status, WUNTRACED) == k.pid && WIFSTOPPED(status));
	CHECK(!kill(k.pid, SIGCONT));
	return kid_status(&k) ? "in the child" : NULL;
}

TEST_F(batch_stop, does_not_shorten_a_sleep)
{
	const char *err = sleep_stopped();

	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

TEST_HARNESS_MAIN
