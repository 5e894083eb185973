// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client of 2007: it knows the structures of syslets v7 and nothing that
 * came later, as if it had been rebuilt with the numbers of today, and zeros
 * for the arguments that the wait has got since.
 *
 * Its structures are its own: no header of the kernel is to put them right.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "../kselftest_harness.h"

/* The numbers, which a rebuild would take from <asm/unistd.h>. */
#define NR_indirect		480
#define NR_syslet_ring_wait	481
#define ESYSLETPENDING		134

typedef uint32_t u32;
typedef uint64_t u64;

/* The call, as its registers are in it. */
struct indirect_registers {
	u64 rax, rdi, rsi, rdx, r10, r8, r9;
};

struct syslet_frame {
	u64 ip;
	u64 sp;
};

struct syslet_args {
	u64 completion_ring_ptr;
	u64 caller_data;
	struct syslet_frame frame;
};

union indirect_params {
	struct {
		int flags;
	} file_flags;
	struct syslet_args syslet;
};

struct syslet_completion {
	u64 status;
	u64 caller_data;
};

struct syslet_ring {
	u32 kernel_head;
	u32 user_tail;
	u32 elements;
	u32 wait_group;
	struct syslet_completion comp[];
};

_Static_assert(sizeof(union indirect_params) == 32, "all that there was in 2007");
_Static_assert(sizeof(struct syslet_completion) == 16, "");
_Static_assert(offsetof(struct syslet_ring, comp) == 16, "");

/* --- the client ---------------------------------------------------------- */

static long indirect(struct indirect_registers *regs, union indirect_params *params)
{
	long ret = syscall(NR_indirect, regs, params, sizeof(*params), 0);

	return ret < 0 ? -errno : ret;
}

/* It took a ring and an index, and came back when the head was another. */
static long ring_wait(struct syslet_ring *ring, unsigned long user_idx)
{
	long ret = syscall(NR_syslet_ring_wait, ring, user_idx, 0, 0, 0);

	return ret < 0 ? -errno : ret;
}

static struct syslet_ring *ring_new(u32 elements, u32 wait_group)
{
	struct syslet_ring *ring;

	ring = calloc(1, sizeof(*ring) + elements * sizeof(ring->comp[0]));
	if (ring) {
		ring->elements = elements;
		ring->wait_group = wait_group;
	}
	return ring;
}

static bool ring_is_empty(const struct syslet_ring *ring)
{
	return *(volatile const u32 *)&ring->kernel_head == ring->user_tail;
}

static struct syslet_completion ring_pop(struct syslet_ring *ring)
{
	struct syslet_completion comp;

	/* the rmb() that it had to have after the index */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	comp = ring->comp[ring->user_tail & (ring->elements - 1)];
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*(volatile u32 *)&ring->user_tail = ring->user_tail + 1;
	return comp;
}

/* Sleep, or look again and again: clients did either. */
static struct syslet_completion ring_next(struct syslet_ring *ring, bool busy)
{
	while (ring_is_empty(ring))
		if (busy || ring_wait(ring, ring->user_tail))
			sched_yield();
	return ring_pop(ring);
}

/*
 * Where the task goes that finished a call: a stack of its own, and the end of
 * the thread. It has no thread data of its own, so it does without the C library.
 */
#define STACK_SIZE	65536

struct return_stack {
	char memory[STACK_SIZE - 2 * sizeof(u64)];
	/* at its top: written by the one that runs there */
	volatile u64 tid;
	volatile u64 sp;
};

static long bare_call(long nr, long a)
{
	long ret;

	asm volatile("syscall" : "=a" (ret) : "a" (nr), "D" (a) : "rcx", "r11", "memory");
	return ret;
}

__attribute__((used, noreturn)) static void returned_from_syslet(u64 sp)
{
	struct return_stack *stack = (void *)(sp - offsetof(struct return_stack, tid));

	stack->sp = (u64)(uintptr_t)__builtin_frame_address(0);
	stack->tid = bare_call(SYS_gettid, 0);
	for (;;)
		bare_call(SYS_exit, 0);
}

/* Entered by a jump: the stack is as it was given, and empty. */
void syslet_return(void);
asm(".pushsection .text\n"
    ".type syslet_return, @function\n"
    "syslet_return:\n"
    "	mov	%rsp, %rdi\n"
    "	call	returned_from_syslet\n"
    ".size syslet_return, . - syslet_return\n"
    ".popsection");

static struct return_stack *stack_new(void)
{
	void *p = mmap(NULL, sizeof(struct return_stack), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static union indirect_params params_for(struct syslet_ring *ring, u64 data,
					struct return_stack *stack)
{
	union indirect_params params;

	memset(&params, 0, sizeof(params));
	params.syslet.completion_ring_ptr = (u64)(uintptr_t)ring;
	params.syslet.caller_data = data;
	if (stack) {
		params.syslet.frame.ip = (u64)(uintptr_t)syslet_return;
		params.syslet.frame.sp = (u64)(uintptr_t)&stack->tid;
	}
	return params;
}

static long submit_read(struct syslet_ring *ring, u64 data, struct return_stack *stack,
			int fd, void *buf, size_t len)
{
	union indirect_params params = params_for(ring, data, stack);
	struct indirect_registers regs = {
		.rax = SYS_read, .rdi = fd, .rsi = (u64)(uintptr_t)buf, .rdx = len,
	};

	return indirect(&regs, &params);
}

/* --- what it relies on ---------------------------------------------------- */

FIXTURE(client2007)
{
	struct syslet_ring *ring;
	struct return_stack *stack;
	int fd[2];
	char buf[8];
};

/* Frames were required; zeros say that the task is to wait in the kernel. */
FIXTURE_VARIANT(client2007)
{
	bool frame;
	bool busy;
};

FIXTURE_VARIANT_ADD(client2007, frames) { .frame = true };
FIXTURE_VARIANT_ADD(client2007, frames_and_busy_polling) { .frame = true, .busy = true };
FIXTURE_VARIANT_ADD(client2007, no_frames) { };
FIXTURE_VARIANT_ADD(client2007, no_frames_and_busy_polling) { .busy = true };

FIXTURE_SETUP(client2007)
{
	self->ring = ring_new(8, 4711);
	self->stack = variant->frame ? stack_new() : NULL;
	ASSERT_NE(NULL, self->ring);
	ASSERT_EQ(variant->frame, !!self->stack);
	ASSERT_EQ(0, pipe(self->fd));
}

FIXTURE_TEARDOWN(client2007)
{
}

/* The one that ran on this stack was another thread, and is gone. */
static bool stack_was_left(struct return_stack *stack)
{
	pid_t tid;

	while (!stack->tid)
		sched_yield();
	tid = stack->tid;
	if (tid == gettid() || stack->sp < (u64)(uintptr_t)stack ||
	    stack->sp >= (u64)(uintptr_t)&stack->tid)
		return false;
	while (!syscall(SYS_tgkill, getpid(), tid, 0))
		sched_yield();
	stack->tid = 0;
	return true;
}

TEST_F(client2007, a_call_that_does_not_block_returns_its_result)
{
	ASSERT_EQ(3, write(self->fd[1], "abc", 3));
	ASSERT_EQ(3, submit_read(self->ring, 1, self->stack, self->fd[0], self->buf, 8));
	ASSERT_EQ(0, memcmp(self->buf, "abc", 3));
	ASSERT_EQ(-EBADF, submit_read(self->ring, 1, self->stack, -1, self->buf, 8));
	ASSERT_TRUE(ring_is_empty(self->ring));
	if (self->stack)
		ASSERT_EQ(0, self->stack->tid);
}

TEST_F(client2007, a_call_that_blocks_completes_in_the_ring)
{
	struct syslet_completion comp;
	pid_t tid = gettid();

	for (u64 i = 0; i < 20; i++) {
		u64 data = 0xfedcba9876543210 + i;

		ASSERT_EQ(-ESYSLETPENDING, submit_read(self->ring, data, self->stack,
						       self->fd[0], self->buf, 8));
		ASSERT_EQ(tid, gettid());
		ASSERT_TRUE(ring_is_empty(self->ring));
		ASSERT_EQ(5, write(self->fd[1], "hello", 5));
		comp = ring_next(self->ring, variant->busy);
		ASSERT_EQ(5, comp.status);
		ASSERT_EQ(data, comp.caller_data);
		ASSERT_EQ(0, memcmp(self->buf, "hello", 5));
		ASSERT_TRUE(ring_is_empty(self->ring));
		if (self->stack)
			ASSERT_TRUE(stack_was_left(self->stack));
	}
	ASSERT_EQ(20, self->ring->kernel_head);
}

/* By value: negative, and without errno. */
TEST_F(client2007, status_of_a_call_that_fails_late)
{
	union indirect_params params = params_for(self->ring, 7, self->stack);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct syslet_completion comp;
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	struct indirect_registers regs = { .rax = SYS_accept, .rdi = s };

	/* an address that the kernel chooses */
	ASSERT_EQ(0, bind(s, (void *)&addr, sizeof(addr.sun_family)));
	ASSERT_EQ(0, listen(s, 1));
	ASSERT_EQ(-ESYSLETPENDING, indirect(&regs, &params));
	ASSERT_EQ(0, shutdown(s, SHUT_RDWR));
	comp = ring_next(self->ring, variant->busy);
	ASSERT_EQ((u64)-EINVAL, comp.status);
	ASSERT_EQ(7, comp.caller_data);
}

TEST_F(client2007, many_calls_each_with_its_own_data)
{
	struct return_stack *stacks[8] = {};
	char bufs[8] = "";
	int fds[8][2];
	unsigned int seen = 0;

	for (int i = 0; i < 8; i++) {
		ASSERT_EQ(0, pipe(fds[i]));
		if (variant->frame) {
			stacks[i] = stack_new();
			ASSERT_NE(NULL, stacks[i]);
		}
		ASSERT_EQ(-ESYSLETPENDING, submit_read(self->ring, (u64)(uintptr_t)&bufs[i],
						       stacks[i], fds[i][0], &bufs[i], 1));
	}
	for (int i = 7; i >= 0; i--)
		ASSERT_EQ(1, write(fds[i][1], &"ABCDEFGH"[i], 1));
	for (int i = 0; i < 8; i++) {
		struct syslet_completion comp = ring_next(self->ring, variant->busy);
		char *buf = (char *)(uintptr_t)comp.caller_data;

		ASSERT_EQ(1, comp.status);
		ASSERT_TRUE(buf >= bufs && buf < bufs + 8);
		ASSERT_EQ('A' + (buf - bufs), *buf);
		seen |= 1 << (buf - bufs);
	}
	ASSERT_EQ(255, seen);
	for (int i = 0; variant->frame && i < 8; i++)
		ASSERT_TRUE(stack_was_left(stacks[i]));
}

/* What its memory has behind the 32 bytes is not part of the call. */
TEST_F(client2007, no_more_than_32_bytes_are_read)
{
	long page = sysconf(_SC_PAGESIZE);
	char *mem = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct indirect_registers regs = {
		.rax = SYS_read, .rdi = self->fd[0], .rsi = (u64)(uintptr_t)self->buf, .rdx = 1,
	};
	union indirect_params *params = (void *)mem;

	ASSERT_NE(MAP_FAILED, mem);
	memset(mem, 0xff, page);
	*params = params_for(self->ring, 1, self->stack);
	ASSERT_EQ(-ESYSLETPENDING, indirect(&regs, params));
	ASSERT_EQ(1, write(self->fd[1], "x", 1));
	ASSERT_EQ(1, ring_next(self->ring, variant->busy).status);
	if (self->stack)
		ASSERT_TRUE(stack_was_left(self->stack));

	ASSERT_EQ(0, mprotect(mem + page, page, PROT_NONE));
	params = (void *)(mem + page - sizeof(*params));
	*params = params_for(self->ring, 2, self->stack);
	ASSERT_EQ(-ESYSLETPENDING, indirect(&regs, params));
	ASSERT_EQ(1, write(self->fd[1], "x", 1));
	ASSERT_EQ(2, ring_next(self->ring, variant->busy).caller_data);
}

/* Also without a syslet: the union is zero, or there is none. */
TEST_F(client2007, indirect_alone)
{
	union indirect_params params = {};
	struct indirect_registers regs = { .rax = SYS_getppid };

	ASSERT_EQ(getppid(), indirect(&regs, &params));
	ASSERT_EQ(getppid(), syscall(NR_indirect, &regs, NULL, 0, 0));
	params.syslet.frame.ip = 1;
	ASSERT_EQ(-EINVAL, indirect(&regs, &params));
}

TEST_F(client2007, wait_returns_at_once_when_there_is_something)
{
	ASSERT_EQ(-ESYSLETPENDING, submit_read(self->ring, 1, self->stack,
					       self->fd[0], self->buf, 1));
	ASSERT_EQ(1, write(self->fd[1], "x", 1));
	while (ring_is_empty(self->ring))
		sched_yield();
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, ring_wait(self->ring, self->ring->user_tail));
	ring_pop(self->ring);
}

struct waiting {
	struct syslet_ring *ring;
	volatile pid_t tid;
	volatile bool is_back;
	u32 head;
	pthread_t thread;
};

static void *waiting_main(void *arg)
{
	struct waiting *w = arg;
	long ret;

	w->tid = gettid();
	do
		ret = ring_wait(w->ring, 0);
	while (ret == -EINTR);
	w->head = w->ring->kernel_head;
	w->is_back = true;
	return (void *)ret;
}

/* Until it sleeps in the wait; false if it came back from there. */
static bool is_left_asleep(struct waiting *w)
{
	char name[64];
	int nr;

	do {
		FILE *f;

		snprintf(name, sizeof(name), "/proc/self/task/%d/syscall", w->tid);
		nr = -1;
		f = w->tid ? fopen(name, "r") : NULL;
		if (f) {
			/* "running" has no number */
			if (fscanf(f, "%d", &nr) != 1)
				nr = -1;
			fclose(f);
		}
	} while (nr != NR_syslet_ring_wait && !w->is_back && !sched_yield());
	return !w->is_back;
}

/* Rings of a group met in one wait queue; who was woken had to look again. */
TEST_F(client2007, wait_group_does_not_matter)
{
	struct syslet_ring *rings[2] = { ring_new(8, 4711), ring_new(8, ~0u) };
	struct waiting w[2] = { { rings[0] }, { rings[1] } };
	int fds[2][2];
	void *ret;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, pipe(fds[i]));
		ASSERT_EQ(-ESYSLETPENDING,
			  submit_read(rings[i], i, NULL, fds[i][0], &self->buf[i], 1));
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, waiting_main, &w[i]));
		ASSERT_TRUE(is_left_asleep(&w[i]));
	}
	/* one like that of the first ring, and of the same group */
	ASSERT_EQ(-ESYSLETPENDING, submit_read(self->ring, 1, self->stack,
					       self->fd[0], &self->buf[2], 1));
	ASSERT_EQ(1, write(self->fd[1], "x", 1));
	ring_next(self->ring, variant->busy);
	ASSERT_TRUE(is_left_asleep(&w[0]));
	ASSERT_TRUE(is_left_asleep(&w[1]));

	/* a group that changes while someone waits */
	rings[0]->wait_group = 1;
	rings[1]->wait_group = 4711;
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(1, write(fds[i][1], "x", 1));
		ASSERT_EQ(0, pthread_join(w[i].thread, &ret));
		ASSERT_EQ(NULL, ret);
		ASSERT_EQ(1, w[i].head);
		ASSERT_EQ(i, ring_pop(rings[i]).caller_data);
	}
	ASSERT_EQ(1, rings[0]->wait_group);
	ASSERT_EQ(4711, self->ring->wait_group);
}

TEST_HARNESS_MAIN
