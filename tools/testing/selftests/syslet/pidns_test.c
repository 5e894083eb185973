// SPDX-License-Identifier: GPL-2.0-only
/* The first process of a PID namespace makes syslets: it lives and ends as any. */
#include "threads.h"

/*
 * As a fork() into a new namespace. What is open as *alive in it and all of its
 * children is closed when the last one is gone.
 */
static pid_t init_fork(struct kid *k, int alive[2])
{
	pid_t pid;

	*k = (struct kid){ .pid = -1 };
	if (pipe(alive) || unshare(CLONE_NEWPID))
		return -1;
	pid = kid_fork(k);
	close(alive[pid ? 1 : 0]);
	return pid;
}

static bool all_are_gone(int alive[2])
{
	char c;

	return read(alive[0], &c, 1) == 0;
}

/* A child of init that is busy as well, and never ends by itself. */
static void child_main(void)
{
	struct flight f;

	KID_CHECK(flight_begin(&f, ring_alloc(16)));
	for (;;)
		pause();
}

static void *thread_main(void *tid)
{
	struct flight f;

	KID_CHECK(flight_begin(&f, ring_alloc(16)));
	*(atomic_int *)tid = gettid();
	for (;;)
		pause();
	return NULL;
}

/* All that may stand in the way of an exit, in the namespace. */
static void init_entangle(bool threads)
{
	static atomic_int tid;
	static struct flight f;
	struct kid k;
	pthread_t t;

	KID_CHECK(getpid() == 1 && gettid() == 1);
	KID_CHECK(flight_begin(&f, ring_alloc(16)));
	KID_CHECK(getpid() == 1 && gettid() == 1 && syscall(__NR_getpid) == 1);
	if (!kid_fork(&k)) {
		KID_CHECK(kid_tell(&k));
		child_main();
	}
	KID_CHECK(k.pid > 1 && kid_hear(&k));
	if (threads) {
		KID_CHECK(!pthread_create(&t, NULL, thread_main, &tid));
		UNTIL(tid);
	}
}

static void end_by_exit_group(void)
{
	_exit(7);
}

static void end_by_exit(void)
{
	syscall(__NR_exit, 7);
}

static void end_not(void)
{
	for (;;)
		pause();
}

/*
 * The last thread is not the main thread, and has no syslets. /proc is that of
 * the namespace outside, which knows us by another number.
 */
static void *exit_later(void *arg)
{
	char text[512], *p;

	do {
		KID_CHECK(read_text("/proc/self/stat", text, sizeof(text)) > 0);
		p = strrchr(text, ')');
		KID_CHECK(p);
	} while (p[2] != 'Z');
	syscall(__NR_exit, 9);
	return NULL;
}

static void end_main_first(void)
{
	pthread_t t;

	KID_CHECK(!pthread_create(&t, NULL, exit_later, NULL));
	syscall(__NR_exit, 7);
}

FIXTURE(pidns) { };
FIXTURE_VARIANT(pidns) { void (*end)(void); bool threads; int kill, status; };
FIXTURE_VARIANT_ADD(pidns, exit_group) { end_by_exit_group, false, 0, 7 << 8 };
FIXTURE_VARIANT_ADD(pidns, exit_group_with_threads) { end_by_exit_group, true, 0, 7 << 8 };
FIXTURE_VARIANT_ADD(pidns, exit_of_the_only_thread) { end_by_exit, false, 0, 7 << 8 };
FIXTURE_VARIANT_ADD(pidns, exit_of_the_main_thread_first) { end_main_first, false, 0, 9 << 8 };
FIXTURE_VARIANT_ADD(pidns, killed) { end_not, false, SIGKILL, SIGKILL };
FIXTURE_VARIANT_ADD(pidns, killed_with_threads) { end_not, true, SIGKILL, SIGKILL };
FIXTURE_SETUP(pidns) { }
FIXTURE_TEARDOWN(pidns) { }

TEST_F(pidns, init_ends_with_its_status_and_all_children)
{
	struct kid k;
	int alive[2];

	if (!init_fork(&k, alive)) {
		init_entangle(variant->threads);
		KID_CHECK(kid_tell(&k) && kid_hear(&k));
		variant->end();
		_exit(100);
	}
	ASSERT_LT(0, k.pid);
	ASSERT_TRUE(kid_hear(&k));
	ASSERT_TRUE(variant->kill ? !kill(k.pid, variant->kill) : kid_tell(&k));
	ASSERT_EQ(variant->status, kid_status(&k));
	ASSERT_TRUE(all_are_gone(alive));
}

/* Its runners and spares come and go, and take no child with them. */
TEST(init_lives_on_when_its_calls_end)
{
	struct kid k, child;
	int alive[2];

	if (!init_fork(&k, alive)) {
		struct syslet_ring *ring = ring_alloc(16);
		struct flight f;

		KID_CHECK(flight_begin(&f, ring));
		if (!kid_fork(&child))
			kid_live(&child);
		KID_CHECK(flight_end(&f, ring) && retire_spares(ring));
		KID_CHECK(kid_lives(&child) && kid_end(&child));
		KID_CHECK(getpid() == 1 && gettid() == 1);
		_exit(3);
	}
	ASSERT_LT(0, k.pid);
	ASSERT_EQ(3 << 8, kid_status(&k));
	ASSERT_TRUE(all_are_gone(alive));
}

/* A child whose parent has exited is init's, whichever task carries it. */
TEST(init_gets_and_reaps_orphans)
{
	struct kid k;
	int alive[2];

	if (!init_fork(&k, alive)) {
		struct syslet_ring *ring = ring_alloc(16);
		struct kid parent, orphan;
		int status, pid;
		struct flight f;

		KID_CHECK(flight_begin(&f, ring));
		if (!kid_fork(&parent)) {
			if (!kid_fork(&orphan)) {
				UNTIL(getppid() == 1);
				_exit(5);
			}
			_exit(0);
		}
		KID_CHECK(kid_status(&parent) == 0);
		KID_CHECK(!force_handoff(ring));
		pid = wait(&status);
		KID_CHECK(pid > 0 && pid != parent.pid && status == 5 << 8);
		_exit(4);
	}
	ASSERT_LT(0, k.pid);
	ASSERT_EQ(4 << 8, kid_status(&k));
	ASSERT_TRUE(all_are_gone(alive));
}

/* Only the namespace outside can kill it. */
TEST(init_is_not_killed_by_its_children)
{
	struct kid k;
	int alive[2];

	if (!init_fork(&k, alive)) {
		struct syslet_ring *ring = ring_alloc(16);
		struct kid child;
		struct flight f;

		KID_CHECK(flight_begin(&f, ring));
		if (!kid_fork(&child))
			_exit(kill(1, SIGKILL) || kill(1, SIGTERM) || tgkill(1, 1, SIGTERM));
		KID_CHECK(kid_status(&child) == 0);
		KID_CHECK(!force_handoff(ring) && flight_end(&f, ring));
		_exit(6);
	}
	ASSERT_LT(0, k.pid);
	ASSERT_EQ(6 << 8, kid_status(&k));
	ASSERT_TRUE(all_are_gone(alive));
}

TEST_HARNESS_MAIN
