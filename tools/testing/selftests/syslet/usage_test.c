// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a thread has used, as its clocks and counters tell: it goes on after a
 * handoff where it was, and nothing is lost or counted twice in the process.
 */
#include <dirent.h>
#include <limits.h>

#include "threads.h"

THREADS_FIXTURE(usage)

#define MS	1000000ll

static long long clock_ns(clockid_t id)
{
	struct timespec ts;

	return clock_gettime(id, &ts) ? -1 : ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* User and system time, and the counts of struct rusage that Linux has. */
static int read_rusage(int who, long long *v)
{
	struct rusage r;

	if (getrusage(who, &r))
		return 0;
	v[0] = r.ru_utime.tv_sec * 1000000ll + r.ru_utime.tv_usec;
	v[1] = r.ru_stime.tv_sec * 1000000ll + r.ru_stime.tv_usec;
	v[2] = r.ru_minflt;
	v[3] = r.ru_majflt;
	v[4] = r.ru_nvcsw;
	v[5] = r.ru_nivcsw;
	v[6] = r.ru_inblock;
	v[7] = r.ru_oublock;
	return 8;
}

static long long rusage_us(int who)
{
	long long v[8];

	return read_rusage(who, v) ? v[0] + v[1] : -1;
}

/* In user space, as the process as a whole has seen. */
static void burn(long long ns)
{
	long long end = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + ns;

	while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < end)
		for (volatile int i = 0; i < 1000; i++)
			;
}

/* Fault some pages in, write to a file, and leave the CPU. */
static void spend(void)
{
	size_t len = 8 * 4096;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	if (p == MAP_FAILED || fd < 0)
		return;
	for (size_t i = 0; i < len; i += 4096)
		p[i] = 1;
	if (pwrite(fd, p, len, 0) == (ssize_t)len)
		pread(fd, p, len, 0);
	close(fd);
	munmap(p, len);
	burn(MS);
}

/* --- sources: numbers of a thread that never get smaller --------------------- */

#define VALUES	16

struct task {
	pid_t tid;
	clockid_t clock;
};

static int read_clocks(const struct task *t, long long *v)
{
	v[0] = clock_ns(t->clock);
	/* of who asks: the thread itself, as far as it is that */
	v[1] = gettid() == t->tid ? clock_ns(CLOCK_THREAD_CPUTIME_ID) : v[0];
	return v[0] < 0 ? 0 : 2;
}

static int read_own_rusage(const struct task *t, long long *v)
{
	return gettid() == t->tid ? read_rusage(RUSAGE_THREAD, v) : 0;
}

/* Fields 10 minflt, 12 majflt, 14 utime, 15 stime of stat: proc(5). */
static int read_stat_file(const char *name, long long *v)
{
	char text[1024], *p;

	if (read_text(name, text, sizeof(text)) <= 0)
		return 0;
	p = strrchr(text, ')');
	if (!p)
		return 0;
	return sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %lld %*u %lld %*u %lld %lld",
		      &v[0], &v[1], &v[2], &v[3]);
}

static int read_stat(const struct task *t, long long *v)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/task/%d/stat", getpid(), t->tid);
	return read_stat_file(name, v);
}

static int read_switches(const struct task *t, long long *v)
{
	v[0] = status_num(getpid(), t->tid, "voluntary_ctxt_switches");
	v[1] = status_num(getpid(), t->tid, "nonvoluntary_ctxt_switches");
	return v[0] < 0 || v[1] < 0 ? 0 : 2;
}

/* rchar, wchar, syscr, syscw, read_bytes, write_bytes, cancelled_write_bytes */
static int read_io(const struct task *t, long long *v)
{
	char text[512];

	if (task_text(getpid(), t->tid, "io", text, sizeof(text)) <= 0)
		return 0;
	return sscanf(text, "%*s %lld %*s %lld %*s %lld %*s %lld %*s %lld %*s %lld %*s %lld",
		      &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6]);
}

/*
 * Time on a CPU, waiting for one, and how often: once at least, or the kernel
 * does not count (CONFIG_SCHEDSTATS), and there is nothing that could go back.
 */
static int read_schedstat(const struct task *t, long long *v)
{
	char text[128];

	if (task_text(getpid(), t->tid, "schedstat", text, sizeof(text)) <= 0)
		return 0;
	return sscanf(text, "%lld %lld %lld", &v[0], &v[1], &v[2]) == 3 && v[2] ? 3 : 0;
}

static int read_process(const struct task *t, long long *v)
{
	int n = read_rusage(RUSAGE_SELF, v);

	v[n++] = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	return n + read_stat_file("/proc/self/stat", v + n);
}

typedef int (*read_fn)(const struct task *t, long long *v);

/* No smaller than before, in any; NULL, or what is. */
static const char *went_back(read_fn fn, const struct task *t, long long *before)
{
	static __thread char text[128];
	long long now[VALUES] = {};
	int n = fn(t, now);

	if (!n)
		return "cannot be read";
	for (int i = 0; i < n; i++) {
		if (now[i] < before[i]) {
			snprintf(text, sizeof(text), "value %d went from %lld to %lld",
				 i, before[i], now[i]);
			return text;
		}
		before[i] = now[i];
	}
	return NULL;
}

FIXTURE(series) { };
FIXTURE_VARIANT(series) { read_fn fn; bool thread; };
#define SERIES(name, reads, is_thread) \
	FIXTURE_VARIANT_ADD(series, name) { .fn = reads, .thread = is_thread }
SERIES(clocks_of_main_thread, read_clocks, false);
SERIES(clocks_of_other_thread, read_clocks, true);
SERIES(rusage_of_main_thread, read_own_rusage, false);
SERIES(rusage_of_other_thread, read_own_rusage, true);
SERIES(stat_of_main_thread, read_stat, false);
SERIES(stat_of_other_thread, read_stat, true);
SERIES(switches_of_main_thread, read_switches, false);
SERIES(switches_of_other_thread, read_switches, true);
SERIES(io_of_main_thread, read_io, false);
SERIES(io_of_other_thread, read_io, true);
SERIES(schedstat_of_main_thread, read_schedstat, false);
SERIES(schedstat_of_other_thread, read_schedstat, true);
SERIES(process_of_main_thread, read_process, false);
SERIES(process_of_other_thread, read_process, true);
FIXTURE_SETUP(series) { }
FIXTURE_TEARDOWN(series) { }

static read_fn series_fn;

static int series_rounds(void)
{
	return getenv("SYSLET_QUICK") ? 40 : 200;
}

static bool task_init(struct task *t)
{
	t->tid = gettid();
	return !pthread_getcpuclockid(pthread_self(), &t->clock);
}

/* Some calls stay in flight, so that not only two tasks take turns. */
static const char *series_own(struct syslet_ring *ring)
{
	long long v[VALUES] = {};
	struct blocker b[3];
	const char *err;
	struct task t;

	CHECK(task_init(&t));
	for (int i = 0; i < series_rounds(); i++) {
		spend();
		err = went_back(series_fn, &t, v);
		if (err)
			return err;
		CHECK(blocker_begin(&b[i % 3], ring, i) == -ESYSLETPENDING);
		err = went_back(series_fn, &t, v);
		if (err)
			return err;
		CHECK(i < 2 || blocker_end(&b[(i + 1) % 3], ring) == 1);
	}
	return went_back(series_fn, &t, v);
}

TEST_F_TIMEOUT(series, never_goes_back, 120)
{
	struct task mine;
	long long v[VALUES];
	const char *err;

	ASSERT_TRUE(task_init(&mine));
	if (!variant->fn(&mine, v))
		SKIP(return, "not in this kernel");
	series_fn = variant->fn;
	err = threads_run(variant->thread, series_own);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

/* As another thread of the process sees it. */
struct watched {
	struct task task;
	atomic_int looks, done;
};

static long watch(void *arg)
{
	static const read_fn fns[] = { read_clocks, read_stat, read_switches };
	long long v[ARRAY_LEN(fns)][VALUES] = {};
	struct watched *w = arg;
	const char *err;

	while (!w->done) {
		for (unsigned int i = 0; i < ARRAY_LEN(fns); i++) {
			err = went_back(fns[i], &w->task, v[i]);
			if (err) {
				w->looks = INT_MAX;
				return (long)strdup(err);
			}
		}
		w->looks++;
		sched_yield();
	}
	return 0;
}

static const char *handoffs_while_watched(struct syslet_ring *ring)
{
	struct servant *s = servant_start();
	static struct watched w;
	const char *err;
	long ret = 0;

	CHECK(s && task_init(&w.task));
	servant_tell(s, watch, &w);
	for (int i = 0; !ret && (i < series_rounds() || w.looks < series_rounds()); i++) {
		spend();
		ret = force_handoff(ring);
	}
	w.done = 1;
	err = (const char *)servant_wait(s);
	CHECK(!ret);
	return err;
}

TEST_F_TIMEOUT(usage, never_goes_back_for_another_thread, 120)
{
	const char *err = threads_run(variant->thread, handoffs_while_watched);

	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

/* --- amounts ----------------------------------------------------------------- */

/* Nobody else runs while the thread does, so nearly all of it is its own. */
#define MOST(ns)	((ns) - (ns) / 5)

THREADS_TEST(usage, time_used_before_handoffs_is_not_lost)
{
	long long start = clock_ns(CLOCK_THREAD_CPUTIME_ID), used = rusage_us(RUSAGE_THREAD);
	long tick = 1000 / sysconf(_SC_CLK_TCK);
	long long first[VALUES], v[VALUES];
	struct task t;

	CHECK(task_init(&t) && read_stat(&t, first));
	for (int i = 1; i <= 3; i++) {
		burn(50 * MS);
		CHECK(!force_handoff(ring));
		CHECK(clock_ns(CLOCK_THREAD_CPUTIME_ID) - start >= MOST(50 * MS * i));
		CHECK(clock_ns(t.clock) - start >= MOST(50 * MS * i));
		CHECK(rusage_us(RUSAGE_THREAD) - used >= MOST(50000 * i));
		CHECK(read_stat(&t, v));
		/* user and system time are cut off each, here and at the start */
		CHECK((v[2] + v[3] - first[2] - first[3] + 2) * tick >= MOST(50 * i));
	}
	/* and not more than all have used */
	CHECK(clock_ns(CLOCK_THREAD_CPUTIME_ID) <= clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	return NULL;
}

THREADS_TEST(usage, faults_and_bytes_before_a_handoff_are_not_lost)
{
	long long faults[VALUES], io[VALUES] = {}, v[VALUES];
	struct task t;

	CHECK(task_init(&t) && read_own_rusage(&t, faults));
	read_io(&t, io);
	for (int i = 1; i <= 4; i++) {
		spend();
		CHECK(!force_handoff(ring));
		CHECK(read_own_rusage(&t, v) && v[2] - faults[2] >= 8 * i);
		if (read_io(&t, v)) {
			CHECK(v[0] - io[0] >= i * 8 * 4096);
			CHECK(v[1] - io[1] >= i * 8 * 4096);
		}
	}
	return NULL;
}

/* User and system time of all tasks that are listed; -1 if one is not sane. */
static long long sum_of_tasks(int *n)
{
	DIR *dir = opendir("/proc/self/task");
	long long v[VALUES], sum = 0;
	struct dirent *d;
	struct task t = {};

	*n = 0;
	while (dir && sum >= 0 && (d = readdir(dir))) {
		t.tid = atoi(d->d_name);
		if (!t.tid || !read_stat(&t, v))
			continue;
		sum = v[2] < 0 || v[3] < 0 ? -1 : sum + v[2] + v[3];
		(*n)++;
	}
	closedir(dir);
	return sum;
}

THREADS_TEST(usage, times_of_all_tasks_make_that_of_the_process)
{
	struct servant *s = servant_start();
	long long sum, before[VALUES], after[VALUES];
	struct flight f;
	int n;

	CHECK(s && flight_begin(&f, ring));
	for (int i = 0; i < 5; i++) {
		burn(60 * MS);
		CHECK(!force_handoff(ring));
		CHECK(read_stat_file("/proc/self/stat", before) == 4);
		sum = sum_of_tasks(&n);
		CHECK(read_stat_file("/proc/self/stat", after) == 4);
		/* In ticks: each number is cut off. */
		CHECK(sum >= 0);
		CHECK(sum + 2 * n + 2 >= before[2] + before[3]);
		CHECK(sum <= after[2] + after[3] + 2 * n + 2);
	}
	CHECK(flight_end(&f, ring));
	return NULL;
}

static void *short_life(void *arg)
{
	struct syslet_ring *ring = ring_alloc(8);
	struct blocker b;
	long ret = force_handoff(ring);

	spend();
	ret = ret ?: force_handoff(ring);
	/* one call is not over */
	ret = ret ?: blocker_begin(&b, ring, 0) == -ESYSLETPENDING ? 0 : -EIO;
	burn(5 * MS);
	return (void *)ret;
}

THREADS_TEST(usage, process_keeps_what_spares_and_threads_used_that_are_gone)
{
	long long v[VALUES] = {}, start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	const char *err;
	pthread_t t;
	void *ret;

	for (int i = 1; i <= 10; i++) {
		CHECK(!pthread_create(&t, NULL, short_life, NULL));
		CHECK(!pthread_join(t, &ret) && !ret);
		CHECK(retire_spares(ring));
		err = went_back(read_process, NULL, v);
		if (err)
			return err;
		CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start >= 6 * MS * i);
	}
	return NULL;
}

/* To the microsecond; user and system time are cut off each. */
THREADS_TEST(usage, clock_of_the_process_is_its_rusage)
{
	long long before, now, after;
	struct flight f;

	CHECK(flight_begin(&f, ring));
	for (int i = 0; i < 50; i++) {
		burn(MS);
		before = rusage_us(RUSAGE_SELF);
		now = clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1000;
		after = rusage_us(RUSAGE_SELF);
		CHECK(before <= now + 1 && now <= after + 2);
		CHECK(!force_handoff(ring));
	}
	CHECK(flight_end(&f, ring));
	return NULL;
}

TEST_HARNESS_MAIN
