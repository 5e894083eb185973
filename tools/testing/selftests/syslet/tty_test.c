// SPDX-License-Identifier: GPL-2.0-only
/* Job control: a background process reads its terminal by syslets. */
#include <termios.h>

#include "threads.h"

/*
 * A session leader with a terminal, and a reader in a process group of its own:
 * in the background, unless the leader gives it the terminal.
 */
static struct { int master, slave; } term;
static struct kid leader;	/* the reader's way to it */
static atomic_int caught;

typedef const char *(*reader_fn)(struct syslet_ring *ring);
typedef void (*leader_fn)(struct kid *reader);

static void reader_main(bool thread, reader_fn fn)
{
	const char *err;

	/* the signal is for any thread, and interrupts the one that takes it */
	block_signal(SIGTTIN);
	KID_CHECK(!setpgid(0, 0) && kid_tell(&leader) && kid_hear(&leader));
	err = threads_run(thread, fn);
	if (err)
		fprintf(stderr, "# reader: %s\n", err);
	_exit(err != NULL);
}

static void leader_main(bool thread, reader_fn read_fn, leader_fn lead_fn)
{
	struct kid k;

	signal(SIGTTOU, SIG_IGN);
	KID_CHECK(setsid() > 0);
	term.master = posix_openpt(O_RDWR | O_NOCTTY);
	KID_CHECK(term.master >= 0 && !unlockpt(term.master));
	term.slave = open(ptsname(term.master), O_RDWR);
	KID_CHECK(term.slave >= 0 && tcgetpgrp(term.slave) == getpid());
	if (!kid_fork(&k)) {
		leader = k;
		reader_main(thread, read_fn);
	}
	KID_CHECK(kid_hear(&k));
	lead_fn(&k);
	KID_CHECK(kid_status(&k) == 0);
	_exit(0);
}

static const char *in_session(bool thread, reader_fn read_fn, leader_fn lead_fn)
{
	struct kid k;

	if (!kid_fork(&k))
		leader_main(thread, read_fn, lead_fn);
	CHECK(kid_status(&k) == 0);
	return NULL;
}

/* --- the leader ---------------------------------------------------------------- */

static void give_terminal(pid_t pgrp)
{
	KID_CHECK(!tcsetpgrp(term.slave, pgrp));
}

static void wait_stopped(struct kid *k, int sig)
{
	int status;

	KID_CHECK(waitpid(k->pid, &status, WUNTRACED) == k->pid);
	KID_CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == sig);
}

static void let_it_read(struct kid *k)
{
	give_terminal(k->pid);
	KID_CHECK(!kill(k->pid, SIGCONT));
	KID_CHECK(write(term.master, "y\n", 2) == 2);
}

/* It reads in the background from the beginning. */
static void lead_background(struct kid *k)
{
	KID_CHECK(kid_tell(k));
}

static void lead_background_stops(struct kid *k)
{
	KID_CHECK(kid_tell(k));
	wait_stopped(k, SIGTTIN);
	let_it_read(k);
}

/* It reads in the foreground, loses the terminal, and is stopped and continued. */
static void lead_away(struct kid *k)
{
	give_terminal(k->pid);
	KID_CHECK(kid_tell(k) && kid_hear(k));
	give_terminal(getpid());
	KID_CHECK(!kill(k->pid, SIGSTOP));
	wait_stopped(k, SIGSTOP);
	KID_CHECK(!kill(k->pid, SIGCONT));
}

static void lead_away_stops(struct kid *k)
{
	lead_away(k);
	wait_stopped(k, SIGTTIN);
	let_it_read(k);
}

static void lead_away_and_back(struct kid *k)
{
	give_terminal(k->pid);
	KID_CHECK(kid_tell(k) && kid_hear(k));
	give_terminal(getpid());
	KID_CHECK(!kill(k->pid, SIGSTOP));
	wait_stopped(k, SIGSTOP);
	let_it_read(k);
}

/* --- the reader ---------------------------------------------------------------- */

static void on_ttin(int sig)
{
	caught++;
}

static void unblock_ttin(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTTIN);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static bool catch_ttin(void)
{
	struct sigaction sa = { .sa_handler = on_ttin };

	unblock_ttin();
	return !sigaction(SIGTTIN, &sa, NULL);
}

static char line[16];

#define READ_LINE	CALL(__NR_read, term.slave, P(line), sizeof(line))

/* In the background: what becomes of the read itself, as of a plain one. */
static const char *blocked_at_once(struct syslet_ring *ring)
{
	CHECK(!force_handoff(ring) && submit(ring, READ_LINE, 0) == -EIO);
	return NULL;
}

static const char *ignored_at_once(struct syslet_ring *ring)
{
	unblock_ttin();
	signal(SIGTTIN, SIG_IGN);
	CHECK(!force_handoff(ring) && submit(ring, READ_LINE, 0) == -EIO);
	return NULL;
}

static const char *caught_at_once(struct syslet_ring *ring)
{
	CHECK(catch_ttin() && !force_handoff(ring));
	CHECK(submit(ring, READ_LINE, 0) == -EINTR && caught == 1);
	return NULL;
}

static const char *gets_the_line(struct syslet_ring *ring)
{
	unblock_ttin();
	CHECK(!force_handoff(ring) && result(ring, READ_LINE) == 2 && !strcmp(line, "y\n"));
	return NULL;
}

/* In a runner, which repeats it in the background. */
static long read_in_runner(struct syslet_ring *ring)
{
	if (force_handoff(ring) || submit(ring, READ_LINE, 0) != -ESYSLETPENDING ||
	    !kid_tell(&leader))
		return -EIO - 1000;
	return reap_status(ring);
}

static const char *blocked_in_runner(struct syslet_ring *ring)
{
	CHECK(read_in_runner(ring) == -EIO && !force_handoff(ring));
	return NULL;
}

static const char *ignored_in_runner(struct syslet_ring *ring)
{
	unblock_ttin();
	signal(SIGTTIN, SIG_IGN);
	CHECK(read_in_runner(ring) == -EIO && !force_handoff(ring));
	return NULL;
}

static const char *caught_in_runner(struct syslet_ring *ring)
{
	long ret;

	CHECK(catch_ttin());
	ret = read_in_runner(ring);
	if (ret != -EINTR)
		fprintf(stderr, "# the read ended with %ld after %d signals\n", ret, caught);
	CHECK(ret == -EINTR);
	CHECK(caught == 1 && !force_handoff(ring) && caught == 1);
	return NULL;
}

static const char *gets_the_line_in_runner(struct syslet_ring *ring)
{
	unblock_ttin();
	CHECK(read_in_runner(ring) == 2 && !strcmp(line, "y\n") && !force_handoff(ring));
	return NULL;
}

FIXTURE(tty) { };
FIXTURE_VARIANT(tty) { bool thread; };
FIXTURE_VARIANT_ADD(tty, main_thread) { .thread = false };
FIXTURE_VARIANT_ADD(tty, other_thread) { .thread = true };
FIXTURE_SETUP(tty) { }
FIXTURE_TEARDOWN(tty) { }

#define TTY_TEST(name, reader, leader)						\
	TEST_F(tty, name)							\
	{									\
		const char *err = in_session(variant->thread, reader, leader);	\
										\
		ASSERT_EQ(NULL, err) TH_LOG("%s", err);				\
	}

TTY_TEST(background_read_fails_with_the_signal_blocked, blocked_at_once, lead_background)
TTY_TEST(background_read_fails_with_the_signal_ignored, ignored_at_once, lead_background)
TTY_TEST(background_read_is_interrupted_by_a_handler, caught_at_once, lead_background)
TTY_TEST(background_read_stops_and_goes_on, gets_the_line, lead_background_stops)
TTY_TEST(repeated_read_fails_with_the_signal_blocked, blocked_in_runner, lead_away)
TTY_TEST(repeated_read_fails_with_the_signal_ignored, ignored_in_runner, lead_away)
TTY_TEST(repeated_read_is_interrupted_by_a_handler, caught_in_runner, lead_away)
TTY_TEST(repeated_read_stops_and_goes_on, gets_the_line_in_runner, lead_away_stops)
TTY_TEST(repeated_read_goes_on_in_the_foreground, gets_the_line_in_runner, lead_away_and_back)

TEST_HARNESS_MAIN
