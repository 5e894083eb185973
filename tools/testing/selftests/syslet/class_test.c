// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every system call has been thought about: the tables of classes against the
 * tables of system calls, and the kernel against the tables.
 *
 * The lists of system calls are generated from arch/x86/entry/syscalls by the
 * Makefile: SYSCALL(nr, "name") a line.
 */
#include "common.h"

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
       BY_FUTEX_OP, BY_WAIT2, BY_WAIT3, BY_CLOCK };

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
		want = class_64[nr] == BOUND || class_64[nr] == BY_CLOCK ? -EAGAIN : -EINVAL;
		EXPECT_EQ(want, submit_args(regs, args)) TH_LOG("%s", calls_64[i].name);
	}
}

/* The i386 ABI, by the gate that 64-bit programs can use as well. */
static long int80(long nr, void *a, void *b, long c, long d)
{
	long ret;

	asm volatile("int $0x80" : "=a" (ret)
		     : "a" (nr), "b" (a), "c" (b), "d" (c), "S" (d)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

static void *low_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
}

TEST(i386_calls)
{
	struct indirect_registers *regs = low_memory();
	struct indirect_params *params = low_memory();
	struct syslet_ring *ring = low_memory();
	struct syslet_completion comp = {};
	char *c = low_memory();
	int fd[2];

	if (int80(20, NULL, NULL, 0, 0) == -ENOSYS)
		SKIP(return, "no IA32 emulation");
	ring->elements = 4;
	params->syslet.completion_ring_ptr = P(ring);

	/* getpid 20, exit 1, and a negative result */
	*regs = CALL(20);
	ASSERT_EQ(getpid(), int80(__NR_indirect, regs, NULL, 0, 0));
	*regs = CALL(1, 7);
	ASSERT_EQ(-EINVAL, int80(__NR_indirect, regs, NULL, 0, 0));
	*regs = CALL(6, -1);
	ASSERT_EQ(-EBADF, int80(__NR_indirect, regs, NULL, 0, 0));
	*regs = CALL(500);
	ASSERT_EQ(-ENOSYS, int80(__NR_indirect, regs, NULL, 0, 0));

	/* read 3, that blocks: on to the other side in either ABI */
	ASSERT_EQ(0, pipe(fd));
	for (int i = 0; i < 3; i++) {
		*regs = CALL(3, fd[0], P(c), 1);
		ASSERT_EQ(-ESYSLETPENDING,
			  int80(__NR_indirect, regs, params, sizeof(*params), 0));
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
	fd[0] = int80(__NR_indirect, regs, params, sizeof(*params), 0);
	ASSERT_LE(0, fd[0]);
	ASSERT_TRUE(fcntl(fd[0], F_GETFD) & FD_CLOEXEC);
}

TEST_HARNESS_MAIN
