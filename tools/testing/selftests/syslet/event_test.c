// SPDX-License-Identifier: GPL-2.0-only
/* Who watches files and system calls of a thread that makes syslets. */
#include <linux/perf_event.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>

#include "batch.h"
#include "threads.h"

THREADS_FIXTURE(event)

/* A file event that a runner waits for. */
static const char *check_event(struct syslet_ring *ring, int fd, const char *path)
{
	struct syslet_completion comp = {};
	char buf[4096];

	CHECK(submit(ring, CALL(__NR_read, fd, P(buf), sizeof(buf)), 0) == -ESYSLETPENDING);
	close(open(path, O_RDONLY));
	CHECK(!ring_reap(ring, &comp));
	CHECK((long)comp.status > 0);
	close(fd);
	return NULL;
}

THREADS_TEST(event, inotify_is_read_by_a_runner)
{
	int fd = inotify_init();

	CHECK(fd >= 0);
	CHECK(!force_handoff(ring));
	CHECK(inotify_add_watch(fd, "/proc/self", IN_OPEN) >= 0);
	return check_event(ring, fd, "/proc/self");
}

THREADS_TEST(event, fanotify_is_read_by_a_runner)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF, O_RDONLY);

	CHECK(fd >= 0);
	CHECK(!force_handoff(ring));
	CHECK(!fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN | FAN_ONDIR, AT_FDCWD, "/tmp"));
	return check_event(ring, fd, "/tmp");
}

/* --- who has caused an event -------------------------------------------------- */

/* A group that reports TIDs, or PIDs, of who writes to the file. */
static int watch_writes(int file, unsigned int flags)
{
	char name[32];
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | flags, O_RDONLY);

	snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	return fd >= 0 && !fanotify_mark(fd, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, name) ? fd : -1;
}

/* Of the only event; 0 if there is none or more. */
static pid_t next_pid(int fd)
{
	struct fanotify_event_metadata ev[2];

	if (read(fd, ev, sizeof(ev)) != sizeof(ev[0]) || !(ev[0].mask & FAN_MODIFY))
		return 0;
	close(ev[0].fd);
	return ev[0].pid;
}

/* The runner waits for data first, and then writes it. */
THREADS_TEST(event, fanotify_tells_the_tid_of_the_thread_for_its_runners)
{
	int file = open("/tmp", O_TMPFILE | O_RDWR, 0600), by_tid, by_pid, fd[2];
	loff_t pos = 0;

	CHECK(file >= 0 && !pipe(fd));
	by_tid = watch_writes(file, FAN_REPORT_TID);
	by_pid = watch_writes(file, 0);
	CHECK(by_tid >= 0 && by_pid >= 0);
	for (int i = 0; i < 4; i++) {
		CHECK(submit(ring, CALL(__NR_splice, fd[0], 0, file, P(&pos), 1, 0), 0) ==
		      -ESYSLETPENDING);
		CHECK(write(fd[1], "x", 1) == 1 && reap_status(ring) == 1);
		CHECK(next_pid(by_tid) == gettid() && next_pid(by_pid) == getpid());
		/* and for the carrier */
		CHECK(write(file, "y", 1) == 1);
		CHECK(next_pid(by_tid) == gettid() && next_pid(by_pid) == getpid());
	}
	return NULL;
}

/* --- tracepoints ------------------------------------------------------------------ */

#define TRACING	"/sys/kernel/tracing/"

/* A buffer of our own, and switched off in any case. */
struct tracing {
	char	dir[64];
	FILE	*trace;
	char	line[1024];
};

static bool tracing_set(struct tracing *t, const char *file, const char *text)
{
	char name[256];

	snprintf(name, sizeof(name), "%s/%s", t->dir, file);
	return !write_text(name, text);
}

static bool tracing_begin(struct tracing *t)
{
	*t = (struct tracing){};
	snprintf(t->dir, sizeof(t->dir), TRACING "instances/syslet-%d", gettid());
	return !mkdir(t->dir, 0700);
}

static bool tracing_end(struct tracing *t)
{
	if (t->trace)
		fclose(t->trace);
	return tracing_set(t, "events/enable", "0") && !rmdir(t->dir);
}

static bool tracing_read(struct tracing *t)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/trace", t->dir);
	t->trace = fopen(name, "r");
	return t->trace;
}

/* What stands behind the time of the next event of a task; any task if that is 0. */
static const char *tracing_next(struct tracing *t, pid_t tid)
{
	char *p;

	while (fgets(t->line, sizeof(t->line), t->trace)) {
		p = strstr(t->line, " [");
		if (t->line[0] == '#' || !p)
			continue;
		while (p > t->line && p[-1] == ' ')
			p--;
		while (p > t->line && p[-1] >= '0' && p[-1] <= '9')
			p--;
		if (tid && atoi(p) != tid)
			continue;
		p = strchr(p, ':');
		if (p)
			return p + 2;
	}
	return NULL;
}

static bool have_event(const char *event)
{
	char name[128];

	snprintf(name, sizeof(name), TRACING "events/%s", event);
	return !access(name, X_OK);
}

/* Run that with those events on; then the trace can be read. */
static const char *trace_events(struct tracing *t, const char *events,
				const char *(*fn)(struct syslet_ring *ring),
				struct syslet_ring *ring)
{
	char name[128];
	const char *err;

	snprintf(name, sizeof(name), "events/%s/enable", events);
	CHECK(tracing_begin(t));
	if (!tracing_set(t, name, "1")) {
		tracing_end(t);
		return "enable";
	}
	err = fn(ring);
	CHECK(tracing_set(t, name, "0") && tracing_read(t));
	return err;
}

/* What the traced part of a test leaves to be compared. */
static struct {
	int	fd[2], in[2];
	char	c[4];
	pid_t	ppid;
} traced;

/* Hits, one that blocks, a batch. What other calls it makes is traced as well. */
static const char *make_traced_calls(struct syslet_ring *ring)
{
	struct syslet_call calls[] = {
		TAKE(2, traced.in, &traced.c[1]),
		ENTRY(3, __NR_getppid),
	};

	CHECK(call_plain(CALL(__NR_getppid, 1, 2, 3, 4, 5, 6)) == traced.ppid);
	CHECK(submit(ring, CALL(__NR_read, traced.fd[0], P(&traced.c[0]), 1), 0xabc) ==
	      -ESYSLETPENDING);
	CHECK(BATCH(ring, calls) == 2 && calls[1].result == traced.ppid);
	CHECK(calls[0].result == -ESYSLETPENDING);
	return NULL;
}

static const char *trace_calls(struct tracing *t, const char *events, struct syslet_ring *ring)
{
	const char *err;
	long status[4];

	traced.ppid = getppid();
	CHECK(!force_handoff(ring) && !pipe(traced.fd) && !pipe(traced.in));
	err = trace_events(t, events, make_traced_calls, ring);
	if (err)
		return err;
	CHECK(write(traced.fd[1], "x", 1) == 1 && reap_one(ring, 0xabc, 1));
	CHECK(write(traced.in[1], "x", 1) == 1 && reap_each(ring, 2, 1, status));
	CHECK(traced.c[0] == 'x' && traced.c[1] == 'x');
	pipe_close(traced.fd);
	pipe_close(traced.in);
	return NULL;
}

/* The events of a thread, one after the other, and nothing in between. */
static bool is_enter(const char *text, long nr)
{
	long got;

	return text && sscanf(text, "sys_enter: NR %ld (", &got) == 1 && got == nr;
}

static bool is_enter_args(const char *text, long nr, const unsigned long *args)
{
	unsigned long a[6];
	long got;

	return text && sscanf(text, "sys_enter: NR %ld (%lx, %lx, %lx, %lx, %lx, %lx)", &got,
			      &a[0], &a[1], &a[2], &a[3], &a[4], &a[5]) == 7 &&
	       got == nr && !memcmp(a, args, 3 * sizeof(a[0]));
}

static bool is_exit(const char *text, long nr, long ret)
{
	long got, result;

	return text && sscanf(text, "sys_exit: NR %ld = %ld", &got, &result) == 2 &&
	       got == nr && result == ret;
}

static const char *check_raw(struct tracing *t)
{
	const unsigned long six[] = { 1, 2, 3, 4, 5, 6 };
	const unsigned long first[] = { traced.fd[0], P(&traced.c[0]), 1 };
	const unsigned long second[] = { traced.in[0], P(&traced.c[1]), 1 };
	pid_t tid = gettid();
	const char *text;

	do
		text = tracing_next(t, tid);
	while (text && !is_enter(text, __NR_indirect));
	CHECK(is_enter(text, __NR_indirect));
	CHECK(is_exit(tracing_next(t, tid), __NR_indirect, 0));
	CHECK(is_enter_args(tracing_next(t, tid), __NR_getppid, six));
	CHECK(is_exit(tracing_next(t, tid), __NR_getppid, traced.ppid));

	CHECK(is_enter(tracing_next(t, tid), __NR_indirect));
	CHECK(is_exit(tracing_next(t, tid), __NR_indirect, 0));
	CHECK(is_enter_args(tracing_next(t, tid), __NR_read, first));
	CHECK(is_exit(tracing_next(t, tid), __NR_read, -ESYSLETPENDING));

	CHECK(is_enter(tracing_next(t, tid), __NR_syslet_submit));
	CHECK(is_exit(tracing_next(t, tid), __NR_syslet_submit, 0));
	CHECK(is_enter_args(tracing_next(t, tid), __NR_read, second));
	CHECK(is_exit(tracing_next(t, tid), __NR_read, -ESYSLETPENDING));
	CHECK(is_enter(tracing_next(t, tid), __NR_getppid));
	CHECK(is_exit(tracing_next(t, tid), __NR_getppid, traced.ppid));
	/* what the program does next */
	text = tracing_next(t, tid);
	CHECK(text && !strncmp(text, "sys_enter:", 10));
	return NULL;
}

THREADS_TEST_IF(event, inner_calls_are_traced_with_arguments_and_results,
		have_event("raw_syscalls"), "no such tracepoint")
{
	struct tracing t;
	const char *err = trace_calls(&t, "raw_syscalls", ring) ?: check_raw(&t);

	CHECK(tracing_end(&t));
	return err;
}

/* In a storm of handoffs: no task tells of an entry without an exit, or twice. */
static const char *storm_of_calls(struct syslet_ring *ring)
{
	for (int i = 0; i < 40; i++)
		CHECK(!force_handoff(ring));
	return tally_rounds(ring, 4);
}

static const char *check_alternation(struct tracing *t)
{
	long nr = -1, got, result;
	pid_t tid = gettid();
	const char *text;
	int n = 0, pending = 0;

	while ((text = tracing_next(t, tid))) {
		/* that of switching it on */
		if (!n && sscanf(text, "sys_exit: NR %ld", &got) == 1)
			continue;
		if (nr == -1) {
			CHECK(sscanf(text, "sys_enter: NR %ld (", &nr) == 1);
		} else {
			CHECK(sscanf(text, "sys_exit: NR %ld = %ld", &got, &result) == 2);
			CHECK(got == nr);
			pending += result == -ESYSLETPENDING;
			nr = -1;
		}
		n++;
	}
	CHECK(n > 80 && pending >= 40);
	return NULL;
}

THREADS_TEST_IF(event, each_entry_has_one_exit_of_the_same_thread,
		have_event("raw_syscalls"), "no such tracepoint")
{
	struct tracing t;
	const char *err = trace_events(&t, "raw_syscalls", storm_of_calls, ring) ?:
			  check_alternation(&t);

	CHECK(tracing_end(&t));
	return err;
}

/* By the tracepoints that each call has for itself. */
static const char *check_reads(struct tracing *t)
{
	pid_t tid = gettid();
	char want[128];
	const char *text;

	for (int i = 0; i < 2; i++) {
		text = tracing_next(t, tid);
		snprintf(want, sizeof(want), "sys_read(fd: %x, buf: %lx, count: 1)",
			 i ? traced.in[0] : traced.fd[0], P(&traced.c[i]));
		CHECK(text && !strncmp(text, want, strlen(want)));
	}
	CHECK(!tracing_next(t, tid));
	return NULL;
}

THREADS_TEST_IF(event, one_kind_of_call_is_traced, have_event("syscalls/sys_enter_read"),
		"no CONFIG_FTRACE_SYSCALLS")
{
	struct tracing t;
	const char *err = trace_calls(&t, "syscalls/sys_enter_read", ring) ?: check_reads(&t);

	CHECK(tracing_end(&t));
	return err;
}

static const char *check_read_exits(struct tracing *t)
{
	const char *text;

	for (int i = 0; i < 2; i++) {
		text = tracing_next(t, gettid());
		/* -ESYSLETPENDING */
		CHECK(text && !strncmp(text, "sys_read -> 0xffffffffffffff7a", 30));
	}
	CHECK(!tracing_next(t, gettid()));
	return NULL;
}

THREADS_TEST_IF(event, exits_of_one_kind_of_call_are_traced,
		have_event("syscalls/sys_exit_read"), "no CONFIG_FTRACE_SYSCALLS")
{
	struct tracing t;
	const char *err = trace_calls(&t, "syscalls/sys_exit_read", ring) ?: check_read_exits(&t);

	CHECK(tracing_end(&t));
	return err;
}

/* What was under way before comes to its end, and is told. */
static struct flight flight;

static const char *end_flight(struct syslet_ring *ring)
{
	CHECK(flight_end(&flight, ring) && !force_handoff(ring));
	return NULL;
}

THREADS_TEST_IF(event, calls_of_before_complete_while_calls_are_traced,
		have_event("raw_syscalls"), "no such tracepoint")
{
	struct tracing t;
	const char *err;

	CHECK(flight_begin(&flight, ring));
	err = trace_events(&t, "raw_syscalls", end_flight, ring);
	CHECK(tracing_end(&t));
	CHECK(!force_handoff(ring));
	return err;
}

/* And the other way round: what began while they were traced ends when they are not. */
static const char *begin_flight(struct syslet_ring *ring)
{
	CHECK(flight_begin(&flight, ring));
	return NULL;
}

THREADS_TEST_IF(event, calls_complete_when_calls_are_traced_no_more,
		have_event("raw_syscalls"), "no such tracepoint")
{
	struct tracing t;
	const char *err = trace_events(&t, "raw_syscalls", begin_flight, ring);

	CHECK(tracing_end(&t));
	CHECK(flight_end(&flight, ring) && !force_handoff(ring));
	return err;
}

/* --- the tracepoints of syslets: what those of system calls do not tell -------------------- */

static const char *one_that_blocks(struct syslet_ring *ring)
{
	CHECK(submit(ring, CALL(__NR_read, traced.fd[0], P(&traced.c[0]), 1), 0xabc) ==
	      -ESYSLETPENDING);
	CHECK(write(traced.fd[1], "x", 1) == 1 && reap_one(ring, 0xabc, 1));
	return NULL;
}

/* The next one that begins with that, of any task. */
static const char *find_event(struct tracing *t, const char *want)
{
	const char *text;

	do
		text = tracing_next(t, 0);
	while (text && strncmp(text, want, strlen(want)));
	return text;
}

static const char *check_life(struct tracing *t, struct syslet_ring *ring)
{
	const char *text;
	char want[128];

	CHECK(find_event(t, "syslet_arm: nr=0 data=0xabc"));
	CHECK(find_event(t, "syslet_block: nr=0 data=0xabc state="));
	text = find_event(t, "syslet_handoff: nr=0 data=0xabc runner=");
	CHECK(text && atoi(strrchr(text, '=') + 1) > 0);
	CHECK(find_event(t, "syslet_finish: nr=0 data=0xabc ret=1"));
	text = find_event(t, "syslet_post: ring=");
	snprintf(want, sizeof(want), " status=1 data=0xabc err=0");
	CHECK(text && strstr(text, want));
	return NULL;
}

THREADS_TEST_IF(event, life_of_a_syslet_is_traced, have_event("syslet"), "no such tracepoints")
{
	struct tracing t;
	const char *err;

	CHECK(!force_handoff(ring) && !pipe(traced.fd));
	err = trace_events(&t, "syslet", one_that_blocks, ring) ?: check_life(&t, ring);
	CHECK(tracing_end(&t));
	return err;
}

/* --- perf events ---------------------------------------------------------------------------- */

/* Counts the calls of that number by that TID, on one CPU. */
static int count_calls(int cpu, long nr, pid_t tid)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .disabled = 1,
	};
	char text[64];
	int fd;

	if (read_text(TRACING "events/raw_syscalls/sys_enter/id", text, sizeof(text)) < 0)
		return -1;
	attr.config = atoi(text);
	fd = syscall(__NR_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	snprintf(text, sizeof(text), "id == %ld && common_pid == %d", nr, tid);
	return fd >= 0 && !ioctl(fd, PERF_EVENT_IOC_SET_FILTER, text) &&
	       !ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) ? fd : -1;
}

/* Another process does: a thread that has made events is not handed off. */
static void count_for(struct kid *k, pid_t tid, unsigned long want)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), fd[8];
	unsigned long sum = 0, n;

	KID_CHECK(cpus <= 8);
	for (int i = 0; i < cpus; i++) {
		fd[i] = count_calls(i, __NR_getppid, tid);
		KID_CHECK(fd[i] >= 0);
	}
	KID_CHECK(kid_tell(k) && kid_hear(k));
	for (int i = 0; i < cpus; i++) {
		KID_CHECK(read(fd[i], &n, sizeof(n)) == sizeof(n));
		sum += n;
	}
	KID_CHECK(sum == want);
	_exit(0);
}

THREADS_TEST_IF(event, perf_counts_inner_calls, have_event("raw_syscalls"), "no such tracepoint")
{
	struct syslet_call calls[] = { ENTRY(1, __NR_getppid), ENTRY(2, __NR_getppid) };
	pid_t tid = gettid(), ppid = getppid();
	struct kid k;

	if (!kid_fork(&k))
		count_for(&k, tid, 5 * 3);
	CHECK(kid_hear(&k));
	for (int i = 0; i < 5; i++) {
		CHECK(call_plain(CALL(__NR_getppid)) == ppid);
		CHECK(!force_handoff(ring) && BATCH(ring, calls) == 2);
	}
	CHECK(kid_tell(&k) && kid_status(&k) == 0);
	return NULL;
}

TEST_HARNESS_MAIN
