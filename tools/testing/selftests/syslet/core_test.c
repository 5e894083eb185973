// SPDX-License-Identifier: GPL-2.0-only
/* A core dump shows the threads that the program knows, each once. */
#include "core.h"

#define REGISTER_VALUE	0x5157e70123456789ul

FIXTURE(core)
{
	char	old_pattern[256];
};

FIXTURE_VARIANT(core)
{
	bool	other_thread;
	bool	other_handed_off;
};

FIXTURE_VARIANT_ADD(core, of_main_thread) { .other_handed_off = true };
FIXTURE_VARIANT_ADD(core, of_main_thread_with_a_plain_one) { .other_thread = false };
FIXTURE_VARIANT_ADD(core, of_other_thread) { .other_thread = true, .other_handed_off = true };
FIXTURE_VARIANT_ADD(core, of_plain_thread) { .other_thread = true };

FIXTURE_SETUP(core)
{
	ASSERT_LE(0, read_text(CORE_PATTERN, self->old_pattern, sizeof(self->old_pattern)));
	ASSERT_EQ(0, write_text(CORE_PATTERN, "/tmp/syslet-core.%p"));
}

FIXTURE_TEARDOWN(core)
{
	write_text(CORE_PATTERN, self->old_pattern);
}

static void __attribute__((noreturn)) crash(void)
{
	asm volatile("mov %0, %%r15\n\tud2" : : "r" (REGISTER_VALUE) : "r15");
	__builtin_unreachable();
}

struct other {
	struct kid	*k;
	bool		crashes, handed_off;
	pid_t		tid;
};

static void *other_main(void *arg)
{
	struct other *o = arg;
	struct flight f;

	KID_CHECK(!o->handed_off || flight_begin(&f, ring_alloc(16)));
	o->tid = gettid();
	KID_CHECK(write(o->k->to, &o->tid, sizeof(o->tid)) == sizeof(o->tid));
	if (o->crashes) {
		/* when the parent has noted all */
		kid_hear(o->k);
		crash();
	}
	for (;;)
		pause();
	return NULL;
}

TEST_F(core, has_each_thread_once_and_first_the_one_that_crashed)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };
	pid_t tid = 0, first, second;
	struct notes notes;
	char name[64];
	struct kid k;
	int status;

	if (!kid_fork(&k)) {
		struct other o = {
			.k = &k, .crashes = variant->other_thread,
			.handed_off = variant->other_handed_off,
		};
		struct flight f;
		pthread_t t;

		KID_CHECK(!setrlimit(RLIMIT_CORE, &lim));
		KID_CHECK(!prctl(PR_SET_NAME, "dumper"));
		KID_CHECK(flight_begin(&f, ring_alloc(16)));
		KID_CHECK(!pthread_create(&t, NULL, other_main, &o));
		if (!o.crashes) {
			kid_hear(&k);
			crash();
		}
		for (;;)
			pause();
	}
	ASSERT_EQ(sizeof(tid), read(k.from, &tid, sizeof(tid)));
	ASSERT_TRUE(kid_tell(&k));
	status = kid_status(&k);
	ASSERT_TRUE(WIFSIGNALED(status));
	ASSERT_EQ(SIGILL, WTERMSIG(status));
	ASSERT_TRUE(WCOREDUMP(status));

	snprintf(name, sizeof(name), "/tmp/syslet-core.%d", k.pid);
	ASSERT_TRUE(read_core(name, &notes));
	unlink(name);
	first = variant->other_thread ? tid : k.pid;
	second = variant->other_thread ? k.pid : tid;
	EXPECT_EQ(2, notes.nr_threads);
	EXPECT_EQ(first, notes.tid[0]);
	EXPECT_EQ(second, notes.tid[1]);
	EXPECT_EQ(REGISTER_VALUE, notes.r15[0]);
	EXPECT_EQ(SIGILL, notes.sig);
	EXPECT_EQ(SIGILL, notes.info.si_signo);
	EXPECT_EQ(k.pid, notes.pid);
	EXPECT_STREQ("dumper", notes.name);
}

FIXTURE(core_name)
{
	char	old_pattern[256];
};

FIXTURE_SETUP(core_name)
{
	ASSERT_LE(0, read_text(CORE_PATTERN, self->old_pattern, sizeof(self->old_pattern)));
}

FIXTURE_TEARDOWN(core_name)
{
	write_text(CORE_PATTERN, self->old_pattern);
}

/* The number in the file's name, too: %p is the process, %i the thread. */
TEST_F(core_name, pattern_has_the_pid_and_the_tid)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };
	char name[64];
	struct kid k;
	int status;

	ASSERT_EQ(0, write_text(CORE_PATTERN, "/tmp/syslet-core.%p.%i.%e"));
	if (!kid_fork(&k)) {
		struct flight f;

		KID_CHECK(!setrlimit(RLIMIT_CORE, &lim));
		KID_CHECK(flight_begin(&f, ring_alloc(16)));
		KID_CHECK(!prctl(PR_SET_NAME, "renamed"));
		crash();
	}
	status = kid_status(&k);
	ASSERT_TRUE(WIFSIGNALED(status) && WCOREDUMP(status));
	snprintf(name, sizeof(name), "/tmp/syslet-core.%d.%d.renamed", k.pid, k.pid);
	ASSERT_EQ(0, unlink(name));
}

TEST_HARNESS_MAIN
