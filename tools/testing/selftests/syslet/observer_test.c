// SPDX-License-Identifier: GPL-2.0-only
/*
 * All that a thread can read about itself, and another process about it, is
 * recorded before and after handoffs and while calls are in flight, and
 * compared. What changes by itself (times, counters) must not decrease.
 */
#include <asm/prctl.h>
#include <linux/capability.h>
#include <sys/personality.h>
#include <stdarg.h>
#include "common.h"

/* A record: lines of text, and counters that may only grow. */
struct record {
	char *text;
	size_t len;
	unsigned long long counters[32];
	const char *names[32];
	int nr;
};

static void say(struct record *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct record *r, const char *fmt, ...)
{
	char line[8192];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	r->text = realloc(r->text, r->len + n + 1);
	memcpy(r->text + r->len, line, n + 1);
	r->len += n;
}

static void grows(struct record *r, const char *name, unsigned long long value)
{
	r->names[r->nr] = name;
	r->counters[r->nr++] = value;
}

static char *slurp(const char *name)
{
	char *buf = malloc(65536);
	int fd = open(name, O_RDONLY);
	ssize_t n, len = 0;

	if (fd < 0) {
		snprintf(buf, 64, "errno %d\n", errno);
		return buf;
	}
	while ((n = read(fd, buf + len, 65535 - len)) > 0)
		len += n;
	close(fd);
	if (n < 0)
		len = snprintf(buf, 64, "errno %d\n", errno);
	buf[len] = 0;
	return buf;
}

/* Fields of /proc/PID/stat that are compared, counted from 1. */
static bool stat_field_is_stable(int field)
{
	switch (field) {
	case 3:			/* state */
	case 9:			/* flags: the task's, not the thread's */
	case 10 ... 17:		/* faults and times: counters, see below */
	case 20:		/* num_threads: helpers are counted */
	case 23 ... 24:		/* vsize, rss */
	case 35:		/* wchan */
	case 39:		/* processor */
	case 42:		/* delays */
		return false;
	}
	return true;
}

static void record_stat(struct record *r, const char *dir)
{
	char name[64], *buf, *p, *save;
	int field = 3;

	snprintf(name, sizeof(name), "%s/stat", dir);
	buf = slurp(name);
	p = strrchr(buf, ')');
	if (!p) {
		say(r, "stat: %s\n", buf);
		free(buf);
		return;
	}
	*p = 0;
	say(r, "stat 1 and 2: %s\n", buf);
	for (p = strtok_r(p + 1, " \n", &save); p; p = strtok_r(NULL, " \n", &save), field++) {
		unsigned long long v = strtoull(p, NULL, 10);

		if (stat_field_is_stable(field))
			say(r, "stat %d: %s\n", field, p);
		if (field == 10)
			grows(r, "stat minflt", v);
		if (field == 12)
			grows(r, "stat majflt", v);
		if (field == 14)
			grows(r, "stat utime", v);
		if (field == 15)
			grows(r, "stat stime", v);
	}
	free(buf);
}

static void record_status(struct record *r, const char *dir)
{
	static const char * const unstable[] = {
		"State:", "Threads:", "Vm", "Rss", "HugetlbPages:", "SigQ:",
	};
	char name[64], *buf, *p, *save;
	unsigned long long v;
	unsigned int i;

	snprintf(name, sizeof(name), "%s/status", dir);
	buf = slurp(name);
	for (p = strtok_r(buf, "\n", &save); p; p = strtok_r(NULL, "\n", &save)) {
		if (sscanf(p, "voluntary_ctxt_switches: %llu", &v) == 1) {
			grows(r, "voluntary switches", v);
			continue;
		}
		if (sscanf(p, "nonvoluntary_ctxt_switches: %llu", &v) == 1) {
			grows(r, "involuntary switches", v);
			continue;
		}
		for (i = 0; i < ARRAY_LEN(unstable); i++)
			if (!strncmp(p, unstable[i], strlen(unstable[i])))
				break;
		if (i == ARRAY_LEN(unstable))
			say(r, "status %s\n", p);
	}
	free(buf);
}

static void record_io(struct record *r, const char *dir)
{
	static const char * const fields[] = {
		"rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes",
		"cancelled_write_bytes",
	};
	char name[64], *buf, *p;
	unsigned int i;

	snprintf(name, sizeof(name), "%s/io", dir);
	buf = slurp(name);
	for (i = 0; i < ARRAY_LEN(fields); i++) {
		p = strstr(buf, fields[i]);
		if (p)
			grows(r, fields[i], strtoull(p + strlen(fields[i]) + 1, NULL, 10));
		else
			say(r, "io: no %s\n", fields[i]);
	}
	free(buf);
}

/* A directory of /proc that is a thread or a process. */
static void record_dir(struct record *r, const char *dir)
{
	static const char * const files[] = {
		"comm", "cgroup", "limits", "personality", "loginuid", "sessionid",
		"oom_score_adj", "timerslack_ns", "uid_map", "gid_map", "setgroups",
		"children", "cmdline", "auxv", "environ", "mountinfo", "coredump_filter",
		"attr/current", "attr/exec", "cpuset", "timers", "fail-nth",
	};
	static const char * const links[] = {
		"cwd", "root", "exe", "ns/mnt", "ns/uts", "ns/ipc", "ns/pid", "ns/user",
		"ns/net", "ns/cgroup", "ns/time", "ns/pid_for_children",
	};
	char name[64], link[256], *buf;
	unsigned int i;
	ssize_t n;

	record_stat(r, dir);
	record_status(r, dir);
	record_io(r, dir);
	for (i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(name, sizeof(name), "%s/%s", dir, files[i]);
		buf = slurp(name);
		say(r, "%s: %s\n", files[i], buf);
		free(buf);
	}
	for (i = 0; i < ARRAY_LEN(links); i++) {
		snprintf(name, sizeof(name), "%s/%s", dir, links[i]);
		n = readlink(name, link, sizeof(link) - 1);
		link[n < 0 ? 0 : n] = 0;
		say(r, "%s: %s\n", links[i], link);
	}
}

/* What system calls tell about a thread, itself (0) or another one. */
static void record_calls(struct record *r, pid_t tid)
{
	unsigned long head = 0, len = 0;
	struct sched_param sp = {};
	unsigned char attr[128] = {};
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	say(r, "affinity %ld", syscall(__NR_sched_getaffinity, tid, sizeof(cpus), &cpus));
	say(r, " %d of %d\n", CPU_ISSET(0, &cpus), CPU_COUNT(&cpus));
	say(r, "policy %d\n", sched_getscheduler(tid));
	say(r, "param %d %d\n", sched_getparam(tid, &sp), sp.sched_priority);
	say(r, "attr %ld", syscall(__NR_sched_getattr, tid, attr, sizeof(attr), 0));
	for (unsigned int i = 0; i < sizeof(attr); i++)
		say(r, " %02x", attr[i]);
	say(r, "\nnice %ld\n", syscall(__NR_getpriority, PRIO_PROCESS, tid));
	say(r, "ioprio %ld\n", syscall(__NR_ioprio_get, 1, tid));
	say(r, "pgid %d sid %d\n", getpgid(tid), getsid(tid));
	say(r, "robust list %ld", syscall(__NR_get_robust_list, tid, &head, &len));
	say(r, " %lx %lx\n", head, len);
}

static unsigned long long ns_of(const struct timespec *ts)
{
	return ts->tv_sec * 1000000000ull + ts->tv_nsec;
}

static void record_prctls(struct record *r)
{
	static const int by_pointer[] = { PR_GET_PDEATHSIG, PR_GET_UNALIGN, PR_GET_TSC,
		PR_GET_TID_ADDRESS, PR_GET_CHILD_SUBREAPER };
	static const int by_value[] = { PR_GET_DUMPABLE, PR_GET_KEEPCAPS, PR_GET_SECCOMP,
		PR_GET_SECUREBITS, PR_GET_TIMERSLACK, PR_MCE_KILL_GET, PR_GET_NO_NEW_PRIVS,
		PR_GET_THP_DISABLE, 58 /* PR_GET_IO_FLUSHER */ };
	unsigned long bases[2] = {};
	unsigned int i;
	long value;

	for (i = 0; i < ARRAY_LEN(by_pointer); i++) {
		value = 0;
		say(r, "prctl %d: %d", by_pointer[i], prctl(by_pointer[i], &value, 0, 0, 0));
		say(r, " %lx\n", value);
	}
	for (i = 0; i < ARRAY_LEN(by_value); i++)
		say(r, "prctl %d: %d\n", by_value[i], prctl(by_value[i], 0, 0, 0, 0));
	for (i = 0; i < 3; i++)
		say(r, "speculation %d: %d\n", i, prctl(PR_GET_SPECULATION_CTRL, i, 0, 0, 0));
	for (i = 0; i < 41; i++)
		say(r, "cap %d: bounding %d ambient %d\n", i, prctl(PR_CAPBSET_READ, i, 0, 0, 0),
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0));
	syscall(__NR_arch_prctl, ARCH_GET_FS, &bases[0]);
	syscall(__NR_arch_prctl, ARCH_GET_GS, &bases[1]);
	say(r, "fs %lx gs %lx\n", bases[0], bases[1]);
}

static void record_signals(struct record *r)
{
	sigset_t blocked, pending;
	stack_t ss = {};
	int i;

	sigprocmask(SIG_SETMASK, NULL, &blocked);
	sigpending(&pending);
	sigaltstack(NULL, &ss);
	for (i = 1; i < 65; i++)
		say(r, "signal %d: %d %d\n", i, sigismember(&blocked, i), sigismember(&pending, i));
	say(r, "altstack %p %zu %x\n", ss.ss_sp, ss.ss_size, ss.ss_flags);
}

/* Of the calling thread. */
static void record_self(struct record *r)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};
	unsigned int mxcsr = 0;
	unsigned short cw = 0;
	gid_t groups[64];
	uid_t ruid, euid, suid;
	struct timespec ts;
	struct rusage ru;
	char cwd[256] = "";
	mode_t mask;
	int i, n;

	say(r, "tid %d pid %d ppid %d pgrp %d\n", (int)syscall(__NR_gettid), getpid(), getppid(),
	    getpgrp());
	getresuid(&ruid, &euid, &suid);
	say(r, "uid %d %d %d fs %d\n", ruid, euid, suid, (int)syscall(__NR_setfsuid, -1));
	getresgid(&ruid, &euid, &suid);
	say(r, "gid %d %d %d fs %d\n", ruid, euid, suid, (int)syscall(__NR_setfsgid, -1));
	n = getgroups(64, groups);
	for (i = 0; i < n; i++)
		say(r, "group %d\n", groups[i]);
	syscall(__NR_capget, &hdr, data);
	say(r, "caps %x %x %x %x %x %x\n", data[0].effective, data[0].permitted,
	    data[0].inheritable, data[1].effective, data[1].permitted, data[1].inheritable);
	for (i = -1; i > -6; i--)
		say(r, "keyring %d: %ld\n", i, syscall(__NR_keyctl, 0, i, 0));
	record_signals(r);
	mask = umask(0);
	umask(mask);
	say(r, "umask %o cwd %s personality %x\n", mask,
	    getcwd(cwd, sizeof(cwd)) ? cwd : "none", personality(0xffffffff));
	record_prctls(r);
	asm volatile("stmxcsr %0; fnstcw %1" : "=m" (mxcsr), "=m" (cw));
	say(r, "mxcsr %x cw %x\n", mxcsr & ~0x3f, cw);
	record_calls(r, 0);
	record_dir(r, "/proc/thread-self");

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	grows(r, "thread clock", ns_of(&ts));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	grows(r, "process clock", ns_of(&ts));
	getrusage(RUSAGE_THREAD, &ru);
	grows(r, "ru_utime", ru.ru_utime.tv_sec * 1000000ull + ru.ru_utime.tv_usec);
	grows(r, "ru_stime", ru.ru_stime.tv_sec * 1000000ull + ru.ru_stime.tv_usec);
	grows(r, "ru_minflt", ru.ru_minflt);
	grows(r, "ru_majflt", ru.ru_majflt);
	grows(r, "ru_nvcsw", ru.ru_nvcsw);
	grows(r, "ru_nivcsw", ru.ru_nivcsw);
	grows(r, "ru_inblock", ru.ru_inblock);
	grows(r, "ru_oublock", ru.ru_oublock);
}

/* Lines of the two that differ are printed; NULL if there are none. */
static const char *compare(const struct record *a, const struct record *b)
{
	const char *p = a->text, *q = b->text, *err = NULL;

	while (*p || *q) {
		size_t n = strcspn(p, "\n"), m = strcspn(q, "\n");

		if (n != m || memcmp(p, q, n)) {
			printf("# before: %.*s\n#  after: %.*s\n", (int)n, p, (int)m, q);
			err = "a handoff can be seen";
		}
		p += n + !!p[n];
		q += m + !!q[m];
	}
	for (int i = 0; i < a->nr; i++) {
		if (b->counters[i] < a->counters[i]) {
			printf("# %s went from %llu to %llu\n", a->names[i], a->counters[i],
			       b->counters[i]);
			err = "a counter went backwards";
		}
	}
	return err;
}

/* State that is not the default, to see that it is kept. */
static void make_oneself_interesting(void)
{
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	gid_t groups[] = { 7, 1234 };
	unsigned int mxcsr = 0x5f80;
	unsigned short cw = 0x0b7f;
	sigset_t set;

	prctl(PR_SET_NAME, "interesting");
	prctl(PR_SET_PDEATHSIG, SIGUSR2);
	prctl(PR_SET_TIMERSLACK, 77777);
	prctl(PR_SET_KEEPCAPS, 1);
	prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
	syscall(__NR_setgroups, 2, groups);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 5);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	/* for the process, if no other thread takes it */
	if (gettid() == getpid())
		kill(getpid(), SIGRTMIN + 5);
	else
		raise(SIGRTMIN + 5);
	sigaltstack(&ss, NULL);
	setpriority(PRIO_PROCESS, 0, 3);
	syscall(__NR_ioprio_set, 1, 0, (2 << 13) | 6);
	umask(031);
	/* all keyrings exist from here on */
	for (int i = -1; i > -6; i--)
		syscall(__NR_keyctl, 0, i, 1);
	asm volatile("ldmxcsr %0; fldcw %1" : : "m" (mxcsr), "m" (cw));
}

THREADS_FIXTURE(observer)

THREADS_TEST(observer, thread_reads_the_same_about_itself)
{
	struct record before = {}, now;
	struct blocker b[3];
	const char *err;
	int i;

	make_oneself_interesting();
	record_self(&before);
	for (i = 0; i < 3; i++) {
		CHECK(blocker_begin(&b[i], ring, i) == -ESYSLETPENDING);
		now = (struct record){};
		record_self(&now);
		err = compare(&before, &now);
		if (err)
			return err;
	}
	for (i = 2; i >= 0; i--)
		CHECK(blocker_end(&b[i], ring) == 1);
	for (i = 0; i < 20; i++) {
		struct record last = now;

		CHECK(!force_handoff(ring));
		now = (struct record){};
		record_self(&now);
		err = compare(&last, &now);
		if (err)
			return err;
	}
	return NULL;
}

/* What a process sees that looks at a thread of another one. */
static void record_other(struct record *r, pid_t pid, pid_t tid)
{
	char name[64];
	int fd;

	say(r, "kill %d %ld %ld\n", kill(pid, 0), syscall(__NR_tgkill, pid, tid, 0),
	    syscall(__NR_tkill, tid, 0));
	fd = syscall(__NR_pidfd_open, pid, 0);
	say(r, "pidfd %d", fd >= 0);
	say(r, " signal %ld\n", syscall(__NR_pidfd_send_signal, fd, 0, NULL, 0));
	close(fd);
	record_calls(r, tid);
	snprintf(name, sizeof(name), "/proc/%d", pid);
	record_dir(r, name);
	snprintf(name, sizeof(name), "/proc/%d/task/%d", pid, tid);
	record_dir(r, name);
	/* a thread is found below /proc by its TID, too */
	snprintf(name, sizeof(name), "/proc/%d", tid);
	record_stat(r, name);
}

/* The observed process: says its TID, then hands off each time it is told to. */
static void *be_observed(void *arg)
{
	int *fd = arg;
	struct syslet_ring *ring = ring_alloc(16);
	struct blocker b[4];
	pid_t tid = gettid();
	int n = 0;
	char c;

	make_oneself_interesting();
	write(fd[1], &tid, sizeof(tid));
	while (read(fd[0], &c, 1) == 1) {
		if (blocker_begin(&b[n % 4], ring, n) != -ESYSLETPENDING)
			_exit(1);
		n++;
		if (n % 4 == 0)
			for (int i = 0; i < 4; i++)
				if (blocker_end(&b[i], ring) != 1)
					_exit(2);
		write(fd[1], &c, 1);
	}
	_exit(0);
}

static const char *observe(bool thread)
{
	struct record before = {}, now;
	int down[2], up[2], fd[2];
	const char *err = NULL;
	pid_t pid, tid;
	pthread_t t;
	char c = 0;
	int i;

	CHECK(!pipe(down) && !pipe(up));
	pid = fork();
	if (!pid) {
		fd[0] = down[0];
		fd[1] = up[1];
		close(down[1]);
		if (!thread)
			be_observed(fd);
		if (pthread_create(&t, NULL, be_observed, fd))
			_exit(3);
		for (;;)
			pause();
	}
	close(down[0]);
	close(up[1]);
	CHECK(read(up[0], &tid, sizeof(tid)) == sizeof(tid));
	CHECK(thread == (tid != pid));
	for (i = 0; i < 13 && !err; i++) {
		now = (struct record){};
		record_other(&now, pid, tid);
		if (i)
			err = compare(&before, &now);
		before = now;
		CHECK(write(down[1], &c, 1) == 1);
		CHECK(read(up[0], &c, 1) == 1);
	}
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, NULL, 0) == pid);
	return err;
}

TEST_F(observer, process_reads_the_same_about_another_one)
{
	const char *err = observe(variant->thread);

	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

TEST_HARNESS_MAIN
