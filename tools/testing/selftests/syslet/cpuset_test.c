// SPDX-License-Identifier: GPL-2.0-only
/* The cgroup of a thread, whichever task carries it and whoever sets it. */
#include "missing.h"
#include "threads.h"

#define ROOT	"/sys/fs/cgroup"

/* Two below the root, the first one confined to a CPU; one for threads in that. */
FIXTURE(group) { char name[3][64]; };
FIXTURE_VARIANT(group) { bool thread; };
FIXTURE_VARIANT_ADD(group, main_thread) { .thread = false };
FIXTURE_VARIANT_ADD(group, other_thread) { .thread = true };

static char (*group_names)[64];

static int group_write(int i, const char *file, const char *text)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/%s", group_names[i], file);
	return write_text(name, text);
}

FIXTURE_SETUP(group)
{
	group_names = self->name;
	if (access(ROOT "/cgroup.procs", W_OK) ||
	    write_text(ROOT "/cgroup.subtree_control", "+cpuset"))
		SKIP(return, "no cpusets on " ROOT);
	for (int i = 0; i < 2; i++) {
		snprintf(self->name[i], sizeof(self->name[i]), ROOT "/cpuset_test.%d.%d",
			 getpid(), i);
		ASSERT_EQ(0, mkdir(self->name[i], 0755));
	}
	snprintf(self->name[2], sizeof(self->name[2]), ROOT "/cpuset_test.%d.0/threads", getpid());
	ASSERT_EQ(0, mkdir(self->name[2], 0755));
	ASSERT_EQ(0, group_write(2, "cgroup.type", "threaded"));
	ASSERT_EQ(0, group_write(0, "cpuset.cpus", "0"));
}

FIXTURE_TEARDOWN(group)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	write_text(ROOT "/cgroup.procs", pid);
	for (int i = 2; i >= 0; i--)
		rmdir(self->name[i]);
}

static bool in_group(int i)
{
	char text[256];

	return read_text("/proc/thread-self/cgroup", text, sizeof(text)) > 0 &&
	       !strcmp(text + strlen("0::"), group_names[i] + strlen(ROOT));
}

static bool is_confined(void)
{
	return has_cpu(0, 0) && sched_getcpu() == 0;
}

static const char *group_confines(struct syslet_ring *ring)
{
	struct flight f;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	CHECK(flight_begin(&f, ring) && !is_confined() == have_cpus());
	CHECK(!group_write(0, "cgroup.procs", pid) && in_group(0) && is_confined());
	for (int i = 0; i < 3; i++)
		CHECK(!force_handoff(ring) && in_group(0) && is_confined());
	CHECK(flight_end(&f, ring) && flight_begin(&f, ring) && in_group(0) && is_confined());
	CHECK(!group_write(0, "cpuset.cpus", "0-1") && !has_cpu(0, 0));
	CHECK(!force_handoff(ring) && !has_cpu(0, 0));
	CHECK(!group_write(0, "cpuset.cpus", "0") && !force_handoff(ring) && is_confined());
	CHECK(!group_write(1, "cgroup.procs", pid) && in_group(1) && !has_cpu(0, 0));
	for (int i = 0; i < 3; i++)
		CHECK(!force_handoff(ring) && in_group(1) && !has_cpu(0, 0));
	CHECK(flight_end(&f, ring));
	return NULL;
}

TEST_F(group, confines_the_thread_with_calls_in_flight)
{
	const char *err;

	if (!have_cpus())
		SKIP(return, "one CPU");
	err = threads_run(variant->thread, group_confines);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

/* "0" is who writes: the thread, also when a runner gets to know it. */
static struct missing zero;

static long give_zero(void *arg)
{
	return !give_page(&zero, "0");
}

static const char *group_of_writer(struct syslet_ring *ring)
{
	struct servant *s = servant_start();
	char name[128], pid[16];
	int fd;

	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(name, sizeof(name), "%s/cgroup.threads", group_names[2]);
	fd = open(name, O_WRONLY);
	CHECK(s && missing_page(&zero) && fd >= 0);
	CHECK(!group_write(0, "cgroup.procs", pid) && !force_handoff(ring) && in_group(0));
	CHECK(submit(ring, CALL(__NR_write, fd, P(zero.page), 1), 0) == -ESYSLETPENDING);
	CHECK(in_group(0) && !servant_do(s, give_zero, NULL));
	CHECK(reap_status(ring) == 1 && in_group(2));
	for (int i = 0; i < 3; i++)
		CHECK(!force_handoff(ring) && in_group(2));
	return NULL;
}

TEST_F(group, that_the_writer_enters_is_entered_by_the_thread)
{
	const char *err;

	if (!have_userfaultfd())
		SKIP(return, "no userfaultfd");
	err = threads_run(variant->thread, group_of_writer);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

TEST_HARNESS_MAIN
