// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every system call has been thought about: the tables of classes against the
 * tables of system calls, and the kernel against the tables.
 *
 * The lists of system calls are generated from arch/x86/entry/syscalls by the
 * Makefile: SYSCALL(nr, "name") a line.
 */
#include "raw.h"

struct call {
	int nr;
	const char *name;
};

static const struct call calls_64[] = {
#define SYSCALL(nr, name)	{ nr, name },
#include "syscalls_64.h"
};

static const struct call calls_32[] = {
#include "syscalls_32.h"
};

/* As in include/linux/syslet.h; 0 is for what is not in a table. */
enum { REFUSE = 1, SYNC, BOUND, ASYNC, BY_SIGMASK3, BY_SIGMASK4, BY_SIGMASK5,
       BY_FUTEX_OP, BY_WAIT2, BY_WAIT3, BY_CLOCK, BY_URING };

#define SYSLET_CALL(nr, name, class)	[nr] = class,
static const unsigned char class_64[512] = {
#include "syslet_class_64.h"
};

static const unsigned char class_32[512] = {
#include "syslet_class_32.h"
};
#undef SYSLET_CALL

/* How often each number is named: a second entry would win silently. */
#define SYSLET_CALL(nr, name, class)	{ #nr, #name },
static const char * const names_64[][2] = {
#include "syslet_class_64.h"
};

static const char * const names_32[][2] = {
#include "syslet_class_32.h"
};

static const char *find_name(const char * const (*names)[2], size_t n, int nr, int *times)
{
	const char *name = NULL;

	*times = 0;
	for (size_t i = 0; i < n; i++) {
		if (!strstr(names[i][0], "...") && atoi(names[i][0]) == nr) {
			name = names[i][1];
			++*times;
		}
	}
	return name;
}

#define CHECK_TABLE(calls, class, names) do {					\
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {			\
		int times, nr = calls[i].nr;					\
		const char *name = find_name(names, ARRAY_LEN(names), nr, &times); \
										\
		if (nr >= 512)	/* x32 */					\
			continue;						\
		EXPECT_NE(0, class[nr]) TH_LOG("%s is not classified", calls[i].name); \
		EXPECT_EQ(1, times) TH_LOG("%s: %d times", calls[i].name, times); \
		EXPECT_STREQ(calls[i].name, name ? name : "");			\
	}									\
} while (0)

TEST(every_call_of_the_64_bit_abi_is_classified_once)
{
	CHECK_TABLE(calls_64, class_64, names_64);
}

TEST(every_call_of_the_i386_abi_is_classified_once)
{
	CHECK_TABLE(calls_32, class_32, names_32);
}

/* What the arguments below mean to classes that look at theirs. */
static bool is_bound_here(unsigned char class)
{
	return class == BOUND || class == BY_CLOCK || class == BY_URING;
}

/*
 * Ask the kernel: a ring that is not aligned is looked at only for calls that
 * may go async, and makes them fail before anything runs. Synchronous calls
 * would run, so they are left out.
 */
TEST(the_kernel_agrees)
{
	for (size_t i = 0; i < ARRAY_LEN(calls_64); i++) {
		int nr = calls_64[i].nr;
		struct indirect_registers regs = { .nr = nr, .args = {
			-1, -1, 0, 0, 0, 0 } };
		struct syslet_args args = { .completion_ring_ptr = 4 };
		long want;

		if (nr >= 512 || class_64[nr] == SYNC)
			continue;
		want = is_bound_here(class_64[nr]) ? -EAGAIN : -EINVAL;
		EXPECT_EQ(want, submit_args(regs, args)) TH_LOG("%s", calls_64[i].name);
	}
}

TEST(calls_about_syslets_have_the_same_numbers_and_classes_everywhere)
{
	static const struct {
		int nr;
		const char *name;
		unsigned char class;
	} ours[] = {
		{ __NR_indirect, "indirect", REFUSE },
		{ __NR_syslet_ring_wait, "syslet_ring_wait", REFUSE },
		{ __NR_syslet_cancel, "syslet_cancel", SYNC },
		{ __NR_syslet_submit, "syslet_submit", REFUSE },
	};

	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		int nr = ours[i].nr, times;
		const char *name;

		ASSERT_EQ(480 + i, nr);
		EXPECT_EQ(ours[i].class, class_64[nr]) TH_LOG("%s", ours[i].name);
		EXPECT_EQ(ours[i].class, class_32[nr]) TH_LOG("%s", ours[i].name);
		name = find_name(names_64, ARRAY_LEN(names_64), nr, &times);
		EXPECT_STREQ(ours[i].name, name ? name : "");
		name = find_name(names_32, ARRAY_LEN(names_32), nr, &times);
		EXPECT_STREQ(ours[i].name, name ? name : "");
	}
	ASSERT_EQ(BY_URING, class_64[426]);
	ASSERT_EQ(BY_URING, class_32[426]);
}

/* Also without a ring: REFUSE is for plain calls through indirect() as well. */
TEST(the_kernel_refuses_calls_about_syslets_and_makes_cancel)
{
	struct syslet_ring *ring = ring_alloc(4);
	static const int refused[] = {
		__NR_indirect, __NR_syslet_ring_wait, __NR_syslet_submit,
	};

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		EXPECT_EQ(-EINVAL, call_plain(CALL(refused[i])));
		EXPECT_EQ(-EINVAL, submit(ring, CALL(refused[i]), 0));
	}
	EXPECT_EQ(-ENOENT, call_plain(CALL(__NR_syslet_cancel, P(ring), 1, 0)));
	EXPECT_EQ(-ENOENT, submit(ring, CALL(__NR_syslet_cancel, P(ring), 1, 0), 0));
	EXPECT_EQ(-EINVAL, submit(ring, CALL(__NR_syslet_cancel, P(ring), 1, 2), 0));
	/* it would have run synchronously with any ring, so that is not looked at */
	EXPECT_EQ(-ENOENT, submit_args(CALL(__NR_syslet_cancel, P(ring), 1, 0),
				       (struct syslet_args){ .completion_ring_ptr = 4 }));
	ASSERT_EQ(0, ring_count(ring));
}

/* io_uring_enter() by its arguments: where the ring is not aligned, it would go async. */
TEST(io_uring_enter_is_bound_unless_it_only_waits)
{
	static const struct {
		uint64_t args[6];
		long want;
	} cases[] = {
		{ { -1, 0, 1, 1, 0, 0 }, -EINVAL },
		{ { -1, 0, 0, 1, 0, 0 }, -EINVAL },
		/* the size of no mask is not looked at by the kernel */
		{ { -1, 0, 1, 1, 0, 8 }, -EINVAL },
		{ { -1, 1, 1, 1, 0, 0 }, -EAGAIN },
		{ { -1, 0, 1, 0, 0, 0 }, -EAGAIN },
		{ { -1, 0, 1, 3, 0, 0 }, -EAGAIN },
		{ { -1, 0, 1, 1 | 4, 0, 0 }, -EAGAIN },
		{ { -1, 0, 1, 1 | 8, 0, 0 }, -EAGAIN },
		{ { -1, 0, 1, 1 | 16, 0, 0 }, -EAGAIN },
		{ { -1, 0, 1, 1, 8, 8 }, -EAGAIN },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const uint64_t *a = cases[i].args;

		EXPECT_EQ(cases[i].want, submit_args(
			CALL(426, a[0], a[1], a[2], a[3], a[4], a[5]),
			(struct syslet_args){ .completion_ring_ptr = 4 })) TH_LOG("case %zu", i);
	}
}

TEST(i386_calls)
{
	struct indirect_registers *regs = low_memory();
	struct indirect_params *params = low_memory();
	struct syslet_ring *ring = low_memory();
	struct syslet_completion comp = {};
	char *c = low_memory();
	int fd[2];

	if (!have_ia32())
		SKIP(return, "no IA32 emulation");
	ring->elements = 4;
	params->syslet.completion_ring_ptr = P(ring);

	/* getpid 20, exit 1, and a negative result */
	*regs = CALL(20);
	ASSERT_EQ(getpid(), i386_call(__NR_indirect, P(regs), 0, 0, 0));
	*regs = CALL(1, 7);
	ASSERT_EQ(-EINVAL, i386_call(__NR_indirect, P(regs), 0, 0, 0));
	*regs = CALL(6, -1);
	ASSERT_EQ(-EBADF, i386_call(__NR_indirect, P(regs), 0, 0, 0));
	*regs = CALL(500);
	ASSERT_EQ(-ENOSYS, i386_call(__NR_indirect, P(regs), 0, 0, 0));

	/* read 3, that blocks: on to the other side in either ABI */
	ASSERT_EQ(0, pipe(fd));
	for (int i = 0; i < 3; i++) {
		*regs = CALL(3, fd[0], P(c), 1);
		ASSERT_EQ(-ESYSLETPENDING,
			  i386_call(__NR_indirect, P(regs), P(params), sizeof(*params), 0));
		ASSERT_EQ(getpid(), gettid());
		ASSERT_EQ(1, write(fd[1], "q", 1));
		ASSERT_EQ(0, ring_reap(ring, &comp));
		ASSERT_EQ(1, comp.status);
		ASSERT_EQ('q', *c);
		*c = 0;
		ASSERT_EQ(0, force_handoff(ring));
	}
	/* timerfd_create 322 and flags */
	params->syslet.completion_ring_ptr = 0;
	params->file_flags = O_CLOEXEC;
	*regs = CALL(322, CLOCK_MONOTONIC, 0);
	fd[0] = i386_call(__NR_indirect, P(regs), P(params), sizeof(*params), 0);
	ASSERT_LE(0, fd[0]);
	ASSERT_TRUE(fcntl(fd[0], F_GETFD) & FD_CLOEXEC);
}

TEST_HARNESS_MAIN
