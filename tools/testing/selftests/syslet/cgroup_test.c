// SPDX-License-Identifier: GPL-2.0-only
/* Control groups: threads are listed once, move as a whole, and freeze. */
#include "peer.h"

#define ROOT	"/sys/fs/cgroup"

FIXTURE(cgroup)
{
	char	dir[64];
};

/* This process in a group of its own. */
FIXTURE_SETUP(cgroup)
{
	char name[128];

	if (access(ROOT "/cgroup.procs", W_OK))
		SKIP(return, "no cgroup2 on " ROOT);
	snprintf(self->dir, sizeof(self->dir), ROOT "/syslet-%d", getpid());
	ASSERT_EQ(0, mkdir(self->dir, 0755));
	snprintf(name, sizeof(name), "%s/cgroup.procs", self->dir);
	ASSERT_EQ(0, write_text(name, "0"));
}

FIXTURE_TEARDOWN(cgroup)
{
	char name[128];

	write_text(ROOT "/cgroup.procs", "0");
	snprintf(name, sizeof(name), "%s/sub", self->dir);
	rmdir(name);
	rmdir(self->dir);
}

static char *group_file(const char *dir, const char *what)
{
	static __thread char name[2][128];
	static __thread int i;

	i = !i;
	snprintf(name[i], sizeof(name[i]), "%s/%s", dir, what);
	return name[i];
}

static int write_pid(const char *name, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return write_text(name, text);
}

/* How often a number is in a file of numbers. */
static int count_listed(const char *name, pid_t pid)
{
	char text[4096], *p = text, *end;
	int n = 0;

	if (read_text(name, text, sizeof(text)) < 0)
		return -1;
	while (*p) {
		if (strtol(p, &end, 10) == pid)
			n++;
		p = end + strspn(end, "\n ");
	}
	return n;
}

static bool in_group(pid_t tid, const char *group)
{
	char text[256], want[256];

	if (task_text(getpid(), tid, "cgroup", text, sizeof(text)) < 0)
		return false;
	snprintf(want, sizeof(want), "0::%s", group + strlen(ROOT));
	return !strcmp(text, want);
}

/* Another thread with calls in flight, until told to end. */
struct other {
	pid_t		tid;
	struct kid	self, us;
	pthread_t	thread;
};

static void *other_main(void *arg)
{
	struct other *o = arg;
	struct syslet_ring *ring = ring_alloc(16);
	struct flight f;

	o->tid = gettid();
	CHECK(flight_begin(&f, ring));
	CHECK(kid_tell(&o->self) && kid_hear(&o->self));
	CHECK(flight_end(&f, ring) && !force_handoff(ring));
	return NULL;
}

static bool other_begin(struct other *o)
{
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		return false;
	o->self = (struct kid){ .to = from[1], .from = to[0] };
	o->us = (struct kid){ .to = to[1], .from = from[0] };
	return !pthread_create(&o->thread, NULL, other_main, o) && kid_hear(&o->us);
}

static const char *other_end(struct other *o)
{
	void *err = NULL;

	CHECK(kid_tell(&o->us));
	CHECK(!pthread_join(o->thread, &err));
	return err;
}

TEST_F(cgroup, lists_each_process_and_thread_once)
{
	struct syslet_ring *ring = ring_alloc(16);
	struct flight f;
	struct other o;

	ASSERT_TRUE(other_begin(&o));
	ASSERT_TRUE(flight_begin(&f, ring));
	EXPECT_EQ(1, count_listed(group_file(self->dir, "cgroup.procs"), getpid()));
	EXPECT_EQ(0, count_listed(group_file(self->dir, "cgroup.procs"), o.tid));
	EXPECT_EQ(1, count_listed(group_file(self->dir, "cgroup.threads"), getpid()));
	EXPECT_EQ(1, count_listed(group_file(self->dir, "cgroup.threads"), o.tid));
	ASSERT_TRUE(flight_end(&f, ring));
	ASSERT_EQ(NULL, other_end(&o));
}

TEST_F(cgroup, process_moves_with_its_calls)
{
	struct syslet_ring *ring = ring_alloc(16);
	char *sub = strdup(group_file(self->dir, "sub"));
	char text[64];
	struct flight f;
	struct other o;

	ASSERT_EQ(0, mkdir(sub, 0755));
	ASSERT_TRUE(other_begin(&o));
	ASSERT_TRUE(flight_begin(&f, ring));
	ASSERT_EQ(0, write_pid(group_file(sub, "cgroup.procs"), getpid()));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(1, count_listed(group_file(sub, "cgroup.procs"), getpid()));
		EXPECT_EQ(0, count_listed(group_file(self->dir, "cgroup.procs"), getpid()));
		EXPECT_TRUE(in_group(getpid(), sub) && in_group(o.tid, sub));
		ASSERT_EQ(0, force_handoff(ring));
	}
	ASSERT_TRUE(flight_end(&f, ring));
	ASSERT_EQ(NULL, other_end(&o));
	/* nobody is left behind */
	EXPECT_EQ(0, read_text(group_file(self->dir, "cgroup.threads"), text, sizeof(text)));
}

TEST_F(cgroup, thread_moves_by_its_tid_and_stays_there)
{
	struct syslet_ring *ring = ring_alloc(64);
	char *sub = strdup(group_file(self->dir, "sub"));
	struct flight f, g;
	struct other o;

	ASSERT_EQ(0, mkdir(sub, 0755));
	ASSERT_EQ(0, write_text(group_file(sub, "cgroup.type"), "threaded"));
	ASSERT_TRUE(other_begin(&o));
	ASSERT_TRUE(flight_begin(&f, ring));
	/* the main thread, then the other one */
	ASSERT_EQ(0, write_pid(group_file(sub, "cgroup.threads"), getpid()));
	EXPECT_TRUE(in_group(getpid(), sub));
	EXPECT_TRUE(in_group(o.tid, self->dir));
	ASSERT_TRUE(flight_begin(&g, ring));
	EXPECT_TRUE(in_group(getpid(), sub));
	EXPECT_EQ(1, count_listed(group_file(sub, "cgroup.threads"), getpid()));
	EXPECT_EQ(0, count_listed(group_file(self->dir, "cgroup.threads"), getpid()));
	/* calls of before end where they are */
	ASSERT_TRUE(flight_end(&f, ring) && flight_end(&g, ring));
	EXPECT_TRUE(in_group(getpid(), sub));

	ASSERT_EQ(0, write_pid(group_file(sub, "cgroup.threads"), o.tid));
	EXPECT_TRUE(in_group(o.tid, sub));
	EXPECT_EQ(1, count_listed(group_file(sub, "cgroup.threads"), o.tid));
	ASSERT_EQ(0, write_pid(group_file(self->dir, "cgroup.threads"), getpid()));
	ASSERT_EQ(0, force_handoff(ring));
	EXPECT_TRUE(in_group(getpid(), self->dir));
	EXPECT_TRUE(in_group(o.tid, sub));
	ASSERT_EQ(NULL, other_end(&o));
}

/* A child in the subgroup, and its state in cgroup.events. */
static pid_t group_fork(struct kid *k, const char *sub)
{
	pid_t pid = kid_fork(k);

	if (!pid)
		KID_CHECK(!write_text(group_file(sub, "cgroup.procs"), "0"));
	return pid;
}

static void wait_frozen(const char *sub, const char *want)
{
	struct pollfd pfd = { .events = POLLPRI };
	char text[256];

	pfd.fd = open(group_file(sub, "cgroup.events"), O_RDONLY);
	for (;;) {
		ssize_t n = pread(pfd.fd, text, sizeof(text) - 1, 0);

		text[n > 0 ? n : 0] = 0;
		if (n <= 0 || strstr(text, want))
			break;
		poll(&pfd, 1, -1);
	}
	close(pfd.fd);
}

TEST_F(cgroup, calls_in_flight_and_spares_freeze_and_thaw)
{
	char *sub = strdup(group_file(self->dir, "sub"));
	struct kid k;

	ASSERT_EQ(0, mkdir(sub, 0755));
	if (!group_fork(&k, sub)) {
		struct syslet_ring *ring = ring_alloc(16);
		struct flight f, g;
		struct other o;

		/* calls in flight, and spares that wait */
		KID_CHECK(other_begin(&o) && flight_begin(&f, ring));
		KID_CHECK(flight_begin(&g, ring) && flight_end(&g, ring));
		KID_CHECK(kid_tell(&k) && kid_hear(&k));
		KID_CHECK(ring_count(ring) == 0 && flight_end(&f, ring));
		KID_CHECK(!other_end(&o));
		_exit(60);
	}
	ASSERT_TRUE(kid_hear(&k));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, write_text(group_file(sub, "cgroup.freeze"), "1"));
		wait_frozen(sub, "frozen 1");
		ASSERT_EQ(0, write_text(group_file(sub, "cgroup.freeze"), "0"));
		wait_frozen(sub, "frozen 0");
	}
	ASSERT_TRUE(kid_tell(&k));
	ASSERT_EQ(60 << 8, kid_status(&k));
}

TEST_F_TIMEOUT(cgroup, freezes_in_a_storm_of_handoffs, 120)
{
	char *sub = strdup(group_file(self->dir, "sub"));
	int n = getenv("SYSLET_QUICK") ? 20 : 100;
	struct kid k;

	ASSERT_EQ(0, mkdir(sub, 0755));
	if (!group_fork(&k, sub)) {
		struct syslet_ring *ring = ring_alloc(16);

		KID_CHECK(kid_tell(&k));
		for (;;)
			KID_CHECK(!force_handoff(ring));
	}
	ASSERT_TRUE(kid_hear(&k));
	for (int i = 0; i < n; i++) {
		ASSERT_EQ(0, write_text(group_file(sub, "cgroup.freeze"), "1"));
		wait_frozen(sub, "frozen 1");
		ASSERT_EQ(0, write_text(group_file(sub, "cgroup.freeze"), "0"));
		wait_frozen(sub, "frozen 0");
	}
	/* and frozen ones can be killed */
	ASSERT_EQ(0, write_text(group_file(sub, "cgroup.freeze"), "1"));
	wait_frozen(sub, "frozen 1");
	ASSERT_EQ(0, waitpid(k.pid, NULL, WNOHANG));
	ASSERT_EQ(0, kill(k.pid, SIGKILL));
	ASSERT_EQ(SIGKILL, kid_status(&k));
}

TEST_F(cgroup, kill_file_kills_all)
{
	char *sub = strdup(group_file(self->dir, "sub"));
	struct kid k;

	ASSERT_EQ(0, mkdir(sub, 0755));
	if (!group_fork(&k, sub)) {
		struct flight f;

		KID_CHECK(flight_begin(&f, ring_alloc(16)) && kid_tell(&k));
		kid_live(&k);
	}
	ASSERT_TRUE(kid_hear(&k));
	ASSERT_EQ(0, write_text(group_file(sub, "cgroup.kill"), "1"));
	ASSERT_EQ(SIGKILL, kid_status(&k));
	EXPECT_EQ(0, count_listed(group_file(sub, "cgroup.procs"), k.pid));
}

TEST_HARNESS_MAIN
