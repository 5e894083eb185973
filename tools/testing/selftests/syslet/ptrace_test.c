// SPDX-License-Identifier: GPL-2.0-only
/* Tracers, traced and probed threads. */
#include "common.h"

#include <link.h>

/*
 * A process that hands off and is watched. It obeys what comes in one pipe and
 * answers in another: nobody waits for time.
 */
struct tracee {
	pid_t pid, tid;
	int to[2], from[2];
};

enum { HANDOFF, FINISH };

#define IN_FLIGHT	4

static void tracee_main(struct tracee *t)
{
	struct syslet_ring *ring = ring_alloc(64);
	struct blocker b[IN_FLIGHT];
	pid_t tid = gettid();
	char cmd, ok;

	close(t->to[1]);
	/* calls in flight, spares parked, and the user side not where it began */
	ok = !force_handoff(ring);
	for (int i = 0; i < IN_FLIGHT; i++)
		ok &= blocker_begin(&b[i], ring, i) == -ESYSLETPENDING;
	ok &= !force_handoff(ring) && gettid() == tid;
	ok &= write(t->from[1], &tid, sizeof(tid)) == sizeof(tid);
	for (;;) {
		if (write(t->from[1], &ok, 1) != 1 || read(t->to[0], &cmd, 1) != 1)
			_exit(9);
		switch (cmd) {
		case HANDOFF:
			ok = !force_handoff(ring);
			break;
		default:
			for (int i = 0; i < IN_FLIGHT; i++)
				if (blocker_end(&b[i], ring) != 1)
					_exit(1 + i);
			_exit(0);
		}
	}
}

static void *tracee_thread(void *arg)
{
	tracee_main(arg);
	return NULL;
}

static bool answer(struct tracee *t)
{
	char ok = 0;

	return read(t->from[0], &ok, 1) == 1 && ok;
}

static bool ask(struct tracee *t, char cmd)
{
	return write(t->to[1], &cmd, 1) == 1 && answer(t);
}

static bool tracee_begin(struct tracee *t, bool thread)
{
	if (pipe(t->to) || pipe(t->from))
		return false;
	t->pid = fork();
	if (!t->pid) {
		pthread_t other;

		if (!thread)
			tracee_main(t);
		pthread_create(&other, NULL, tracee_thread, t);
		for (;;)
			pause();
	}
	close(t->from[1]);
	return read(t->from[0], &t->tid, sizeof(t->tid)) == sizeof(t->tid) && answer(t);
}

static int tracee_end(struct tracee *t)
{
	char cmd = FINISH;
	int status = -1;

	if (write(t->to[1], &cmd, 1) != 1 || waitpid(t->pid, &status, 0) != t->pid)
		return -1;
	return status;
}

/* The TIDs in /proc/PID/task. */
static int list_tids(pid_t pid, pid_t *tids, int max)
{
	struct dirent *d;
	char name[64];
	int n = 0;
	DIR *dir;

	snprintf(name, sizeof(name), "/proc/%d/task", pid);
	dir = opendir(name);
	while (dir && n < max && (d = readdir(dir)))
		if (atoi(d->d_name))
			tids[n++] = atoi(d->d_name);
	if (dir)
		closedir(dir);
	return n;
}

static bool stopped(pid_t tid)
{
	int status;

	return waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status);
}

FIXTURE(ptrace) { };

FIXTURE_VARIANT(ptrace)
{
	bool thread;
};

FIXTURE_VARIANT_ADD(ptrace, main_thread) { .thread = false };
FIXTURE_VARIANT_ADD(ptrace, other_thread) { .thread = true };
FIXTURE_SETUP(ptrace) { }
FIXTURE_TEARDOWN(ptrace) { }

TEST_F(ptrace, handed_off_while_seized_and_after_detach)
{
	struct tracee t;

	ASSERT_TRUE(tracee_begin(&t, variant->thread));
	for (int i = 0; i < 3; i++) {
		ASSERT_TRUE(ask(&t, HANDOFF));
		ASSERT_EQ(0, ptrace(PTRACE_SEIZE, t.tid, 0, 0));
		ASSERT_TRUE(ask(&t, HANDOFF));
		ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, t.tid, 0, 0));
		ASSERT_TRUE(stopped(t.tid));
		ASSERT_EQ(0, ptrace(PTRACE_DETACH, t.tid, 0, 0));
		ASSERT_TRUE(ask(&t, HANDOFF));
	}
	ASSERT_EQ(0, tracee_end(&t));
}

/* As debuggers do: every task of /proc/PID/task, with either request. */
TEST_F(ptrace, debugger_attaches_to_all_tasks_and_detaches)
{
	pid_t tids[64];
	struct tracee t;
	int n;

	ASSERT_TRUE(tracee_begin(&t, variant->thread));
	for (int i = 0; i < 4; i++) {
		n = list_tids(t.pid, tids, 64);
		/* the thread, its runners */
		ASSERT_LT(IN_FLIGHT - 1, n);
		for (int j = 0; j < n; j++) {
			if (i % 2) {
				ASSERT_EQ(0, ptrace(PTRACE_ATTACH, tids[j], 0, 0));
			} else {
				ASSERT_EQ(0, ptrace(PTRACE_SEIZE, tids[j], 0, 0));
				ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, tids[j], 0, 0));
			}
		}
		for (int j = 0; j < n; j++)
			ASSERT_TRUE(stopped(tids[j]));
		for (int j = 0; j < n; j++)
			ASSERT_EQ(0, ptrace(PTRACE_DETACH, tids[j], 0, 0));
		ASSERT_TRUE(ask(&t, HANDOFF));
	}
	ASSERT_EQ(0, tracee_end(&t));
}

/* Hands off all the time. */
static void *busy_main(void *arg)
{
	struct syslet_ring *ring = ring_alloc(4);
	struct syslet_completion comp;
	int *up = arg, fd[2];
	char c;

	if (pipe(fd) || write(up[1], "x", 1) != 1)
		_exit(1);
	for (;;) {
		long ret = submit(ring, CALL(__NR_read, fd[0], P(&c), 1), 0);

		/* its spare is traced just now: the next call has another one */
		if (ret == -EAGAIN)
			continue;
		if (ret != -ESYSLETPENDING)
			_exit(2);
		if (write(fd[1], "x", 1) != 1 || ring_reap(ring, &comp) || comp.status != 1)
			_exit(3);
	}
	return NULL;
}

/* A task that comes, or goes, or is another's TID now: the next round finds it. */
TEST_F_TIMEOUT(ptrace, debugger_attaches_and_detaches_while_handoffs_go_on, 120)
{
	int up[2], status, n, rounds = getenv("SYSLET_QUICK") ? 30 : 200, attached = 0;
	pid_t pid, tids[64];
	char c;

	ASSERT_EQ(0, pipe(up));
	pid = fork();
	if (!pid) {
		pthread_t t;

		if (!variant->thread)
			busy_main(up);
		pthread_create(&t, NULL, busy_main, up);
		for (;;)
			pause();
	}
	ASSERT_EQ(1, read(up[0], &c, 1));
	for (int i = 0; i < rounds; i++) {
		n = list_tids(pid, tids, 64);
		for (int j = 0; j < n; j++) {
			if (ptrace(PTRACE_SEIZE, tids[j], 0, 0)) {
				/* dead; or listed twice, when it moved */
				ASSERT_TRUE(errno == ESRCH || errno == EPERM);
				tids[j] = 0;
				continue;
			}
			/* those that died have stopped, too */
			if (ptrace(PTRACE_INTERRUPT, tids[j], 0, 0))
				ASSERT_EQ(ESRCH, errno);
			attached++;
		}
		for (int j = 0; j < n; j++) {
			if (!tids[j])
				continue;
			ASSERT_EQ(tids[j], waitpid(tids[j], &status, __WALL));
			if (!WIFSTOPPED(status))
				tids[j] = 0;
		}
		for (int j = 0; j < n; j++) {
			if (tids[j] && ptrace(PTRACE_DETACH, tids[j], 0, 0))
				ASSERT_EQ(ESRCH, errno);
		}
		/* still there, and not by an error of its own */
		ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
	}
	ASSERT_LE(rounds, attached);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(SIGKILL, status);
}

THREADS_FIXTURE(tracer)

/* A child that stops itself, or waits to be told to go. */
static pid_t fork_traced(bool traceme, int *go)
{
	int fd[2];
	pid_t pid;
	char c;

	if (pipe(fd))
		return -1;
	pid = fork();
	if (!pid) {
		close(fd[1]);
		if (traceme && read(fd[0], &c, 1) != 1)
			_exit(1);
		if (traceme && (ptrace(PTRACE_TRACEME, 0, 0, 0) || raise(SIGSTOP)))
			_exit(2);
		_exit(read(fd[0], &c, 1) == 0 ? 33 : 3);
	}
	close(fd[0]);
	*go = fd[1];
	return pid;
}

THREADS_TEST(tracer, refused_while_tracing_another)
{
	int go, status;
	pid_t pid;

	CHECK(!force_handoff(ring));
	pid = fork_traced(false, &go);
	CHECK(!ptrace(PTRACE_SEIZE, pid, 0, 0));
	CHECK(is_refused(ring));
	CHECK(!ptrace(PTRACE_INTERRUPT, pid, 0, 0));
	CHECK(stopped(pid));
	CHECK(!ptrace(PTRACE_DETACH, pid, 0, 0));
	CHECK(!force_handoff(ring));
	close(go);
	CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 33);
	return NULL;
}

THREADS_TEST(tracer, child_that_asks_to_be_traced_after_a_handoff)
{
	struct blocker b;
	int go, status;
	pid_t pid;

	CHECK(!force_handoff(ring));
	CHECK(blocker_begin(&b, ring, 0) == -ESYSLETPENDING);
	pid = fork_traced(true, &go);
	CHECK(pid > 0);
	CHECK(!force_handoff(ring));
	CHECK(write(go, "x", 1) == 1);
	CHECK(stopped(pid));
	/* we are its tracer */
	CHECK(!ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXIT));
	CHECK(is_refused(ring));
	CHECK(blocker_end(&b, ring) == 1);
	CHECK(!ptrace(PTRACE_CONT, pid, 0, 0));
	close(go);
	CHECK(stopped(pid));
	CHECK(!ptrace(PTRACE_CONT, pid, 0, 0));
	CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 33);
	CHECK(!force_handoff(ring));
	return NULL;
}

/* uprobes, by tracefs */
#define TRACING	"/sys/kernel/tracing/"

static int put(const char *file, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int put(const char *file, const char *fmt, ...)
{
	char buf[512];
	int fd = open(file, O_WRONLY | O_APPEND), n;
	va_list ap;

	if (fd < 0)
		return -errno;
	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	n = write(fd, buf, n) == n ? 0 : -errno;
	close(fd);
	return n;
}

static __attribute__((noinline)) int probed(struct syslet_ring *ring, bool *refused)
{
	*refused = is_refused(ring);
	return *refused ? 1234 : 4321;
}

static int find_offset(struct dl_phdr_info *info, size_t size, void *arg)
{
	unsigned long *addr = arg;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		unsigned long at = *addr - info->dlpi_addr;

		if (p->p_type == PT_LOAD && at - p->p_vaddr < p->p_filesz) {
			*addr = at - p->p_vaddr + p->p_offset;
			return 1;
		}
	}
	return 0;
}

static void remove_probes(void)
{
	put(TRACING "events/syslet_test/enable", "0");
	put(TRACING "uprobe_events", "-:syslet_test/entry");
	put(TRACING "uprobe_events", "-:syslet_test/exit");
}

/* 0, or -errno */
static int add_probes(void)
{
	unsigned long offset = P(probed);
	char exe[256] = "";
	int err;

	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0 ||
	    !dl_iterate_phdr(find_offset, &offset))
		return -ENOENT;
	remove_probes();
	err = put(TRACING "uprobe_events", "p:syslet_test/entry %s:0x%lx\n", exe, offset);
	if (!err)
		err = put(TRACING "uprobe_events", "r:syslet_test/exit %s:0x%lx\n", exe, offset);
	if (!err)
		err = put(TRACING "events/syslet_test/enable", "1");
	return err;
}

static bool have_uprobes(void)
{
	return !access(TRACING "uprobe_events", W_OK);
}

static int count_hits(void)
{
	char line[512];
	int n = 0;
	FILE *f = fopen(TRACING "trace", "r");

	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, ": entry: (") || strstr(line, ": exit: (");
	if (f)
		fclose(f);
	return n;
}

THREADS_TEST_IF(tracer, refused_with_a_uretprobe_on_the_stack, have_uprobes(), "no uprobe events")
{
	bool refused = false;

	CHECK(!force_handoff(ring));
	CHECK(!close(open(TRACING "trace", O_WRONLY | O_TRUNC)));
	CHECK(!add_probes());
	for (int i = 0; i < 3; i++) {
		if (probed(ring, &refused) != 1234 || !refused) {
			remove_probes();
			return "not refused";
		}
	}
	CHECK(count_hits() == 6);
	remove_probes();
	CHECK(probed(ring, &refused) == (refused ? 1234 : 4321));
	return NULL;
}

THREADS_TEST_IF(tracer, probes_elsewhere_do_not_matter, have_uprobes(), "no uprobe events")
{
	int err;

	CHECK(!add_probes());
	err = force_handoff(ring);
	remove_probes();
	CHECK(!err);
	return NULL;
}

THREADS_TEST_IF(tracer, handed_off_again_without_the_uprobe, have_uprobes(), "no uprobe events")
{
	bool refused = false;
	int ret;

	CHECK(!add_probes());
	ret = probed(ring, &refused);
	remove_probes();
	CHECK(ret == 1234 && refused);
	CHECK(!force_handoff(ring));
	return NULL;
}

TEST_HARNESS_MAIN
