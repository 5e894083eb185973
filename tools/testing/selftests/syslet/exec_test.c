// SPDX-License-Identifier: GPL-2.0-only
/* What a program keeps over execve() is kept by one that has made syslets. */
#include "threads.h"

/*
 * The new program is this one again, told by its environment what to do before
 * main(): "AFTER_EXEC=what" and "VALUE=number", what was before.
 */
#define MS	1000000ll

static long long thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* A field of /proc/self/stat, counted as in proc(5), from 3 on. */
static long long stat_field(int nr)
{
	char text[1024], *p;

	if (read_text("/proc/self/stat", text, sizeof(text)) <= 0)
		return -1;
	p = strrchr(text, ')') + 1;
	for (int i = 3; i < nr && p; i++)
		p = strchr(p + 1, ' ');
	return p ? atoll(p) : -1;
}

#define STAT_UTIME	14
#define STAT_STIME	15
#define STAT_START	22

/* In clock ticks; as the clock, but for rounding. */
static long long stat_times(void)
{
	return stat_field(STAT_UTIME) + stat_field(STAT_STIME);
}

static bool clock_has_gone_on(long long before)
{
	return thread_ns() >= before;
}

static bool times_have_gone_on(long long before)
{
	return stat_times() >= before;
}

static bool start_is_the_same(long long before)
{
	return stat_field(STAT_START) == before;
}

/* Does it make syslets, and do spares that nobody needs go again? */
static bool can_make_syslets(long long before)
{
	struct syslet_ring *ring = ring_alloc(16);
	struct flight f;

	if (count_threads() != 1 || !flight_begin(&f, ring) || count_threads() < 4 ||
	    getpid() != before || gettid() != before)
		return false;
	if (!flight_end(&f, ring))
		return false;
	/* the thread, and one spare */
	UNTIL(count_threads() == 2);
	return !force_handoff(ring) && gettid() == before;
}

/* It has the record lock, for somebody else to see. */
static bool waits_for_the_end(long long fd)
{
	char c;

	return write(fd + 1, "x", 1) == 1 && read(fd, &c, 1) == 0;
}

static bool was_started(long long before)
{
	return true;
}

struct after {
	const char *name;
	bool (*fn)(long long before);
};

static const struct after afters[] = {
	{ "clock", clock_has_gone_on },
	{ "times", times_have_gone_on },
	{ "start", start_is_the_same },
	{ "syslets", can_make_syslets },
	{ "wait", waits_for_the_end },
	{ "started", was_started },
};

static __attribute__((constructor)) void after_exec(void)
{
	const char *name = getenv("AFTER_EXEC");

	if (!name)
		return;
	for (unsigned int i = 0; i < ARRAY_LEN(afters); i++)
		if (!strcmp(name, afters[i].name))
			_exit(!afters[i].fn(atoll(getenv("VALUE"))));
	_exit(2);
}

/* Returns if it fails. */
static long exec_self(const char *what, long long value)
{
	char env[2][64];
	char *args[] = { "exec_test", NULL }, *envs[] = { env[0], env[1], NULL };

	snprintf(env[0], sizeof(env[0]), "AFTER_EXEC=%s", what);
	snprintf(env[1], sizeof(env[1]), "VALUE=%lld", value);
	return syslet_ret(execve("/proc/self/exe", args, envs));
}

/*
 * In a child: its main thread or another one has been handed off, has calls in
 * flight, and calls execve() in fn.
 */
static const char *exec_in_child(bool thread, const char *(*fn)(struct syslet_ring *ring))
{
	const char *err;
	struct kid k;

	if (!kid_fork(&k)) {
		/* the main thread has some as well */
		KID_CHECK(!force_handoff(ring_alloc(4)));
		err = threads_run(thread, fn);
		fprintf(stderr, "# no execve(): %s\n", err);
		_exit(3);
	}
	CHECK(kid_status(&k) == 0);
	return NULL;
}

FIXTURE(exec) { };
FIXTURE_VARIANT(exec) { bool thread; };
FIXTURE_VARIANT_ADD(exec, main_thread) { .thread = false };
FIXTURE_VARIANT_ADD(exec, other_thread) { .thread = true };
FIXTURE_SETUP(exec) { }
FIXTURE_TEARDOWN(exec) { }

#define EXEC_TEST(name, fn)						\
	TEST_F_TIMEOUT(exec, name, 60)					\
	{								\
		const char *err = exec_in_child(variant->thread, fn);	\
									\
		ASSERT_EQ(NULL, err) TH_LOG("%s", err);			\
	}

/* Time that the thread has used on more than one task. */
static const char *burn(struct syslet_ring *ring)
{
	for (int i = 0; i < 2; i++) {
		long long end = thread_ns() + 100 * MS;

		while (thread_ns() < end)
			for (volatile int n = 0; n < 10000; n++)
				;
		CHECK(!force_handoff(ring));
	}
	return NULL;
}

static const char *exec_clock(struct syslet_ring *ring)
{
	static struct flight f;
	const char *err = burn(ring);

	CHECK(!err && flight_begin(&f, ring) && thread_ns() >= 200 * MS);
	exec_self("clock", thread_ns());
	return "exec";
}

EXEC_TEST(cpu_clock_of_the_thread_goes_on, exec_clock)

static const char *exec_times(struct syslet_ring *ring)
{
	static struct flight f;
	const char *err = burn(ring);

	CHECK(!err && flight_begin(&f, ring) && stat_times() > 0);
	exec_self("times", stat_times());
	return "exec";
}

EXEC_TEST(times_of_the_process_go_on, exec_times)

/* Of the process: that of its first main thread, whoever has called execve(). */
static const char *exec_start(struct syslet_ring *ring)
{
	static struct flight f;
	long long start = stat_field(STAT_START);

	/* later tasks have started in later ticks */
	CHECK(start > 0);
	for (long long end = thread_ns() + 50 * MS; thread_ns() < end; )
		;
	CHECK(flight_begin(&f, ring) && stat_field(STAT_START) == start);
	exec_self("start", start);
	return "exec";
}

EXEC_TEST(start_time_stays, exec_start)

static const char *exec_syslets(struct syslet_ring *ring)
{
	static struct flight f;

	CHECK(flight_begin(&f, ring));
	exec_self("syslets", getpid());
	return "exec";
}

EXEC_TEST(new_program_makes_syslets_and_its_spares_retire, exec_syslets)

/* --- record locks ------------------------------------------------------------ */

static int locked_fd, told_fd;

static const char *exec_with_lock(struct syslet_ring *ring)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };
	static struct flight f;

	CHECK(!force_handoff(ring) && !fcntl(locked_fd, F_SETLK, &lock));
	CHECK(flight_begin(&f, ring));
	exec_self("wait", told_fd);
	return "exec";
}

TEST_F(exec, record_locks_stay)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int status, up[2], down[2];
	pid_t pid;
	char c;

	locked_fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	ASSERT_LE(0, locked_fd);
	ASSERT_EQ(0, pipe(up));
	ASSERT_EQ(0, pipe(down));
	pid = fork();
	if (!pid) {
		/* the new program reads from told_fd, and writes to the next */
		told_fd = 100;
		KID_CHECK(dup2(down[0], 100) == 100 && dup2(up[1], 101) == 101);
		close(down[1]);
		close(up[1]);
		threads_run(variant->thread, exec_with_lock);
		_exit(3);
	}
	close(up[1]);
	ASSERT_EQ(1, read(up[0], &c, 1));
	ASSERT_EQ(0, fcntl(locked_fd, F_GETLK, &lock));
	ASSERT_EQ(F_WRLCK, lock.l_type);
	ASSERT_EQ(10, lock.l_len);
	ASSERT_EQ(pid, lock.l_pid);
	close(down[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	ASSERT_EQ(0, fcntl(locked_fd, F_GETLK, &lock));
	ASSERT_EQ(F_UNLCK, lock.l_type);
}

/* --- the limit of processes ---------------------------------------------------- */

#define SOMEBODY	4242

/* setuid() is not refused over the limit, but an execve() that follows is. */
static const char *exec_over_limit(struct syslet_ring *ring)
{
	struct rlimit none = { 0, RLIM_INFINITY }, lots = { 10000, RLIM_INFINITY };

	/* spares of before, which setuid() has not marked */
	CHECK(!force_handoff(ring) && !force_handoff(ring));
	CHECK(!setrlimit(RLIMIT_NPROC, &none));
	CHECK(!syscall(__NR_setresuid, SOMEBODY, SOMEBODY, SOMEBODY));
	/* refused until a runner of before is parked: nothing can be cloned */
	UNTIL(!force_handoff(ring));
	CHECK(exec_self("started", 0) == -EAGAIN);
	UNTIL(!force_handoff(ring));
	CHECK(exec_self("started", 0) == -EAGAIN);
	CHECK(!setrlimit(RLIMIT_NPROC, &lots));
	exec_self("started", 0);
	return "exec";
}

EXEC_TEST(setuid_over_the_limit_makes_it_fail_after_handoffs, exec_over_limit)

TEST_HARNESS_MAIN
