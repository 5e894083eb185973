// SPDX-License-Identifier: GPL-2.0-only
/*
 * Syscall user dispatch: calls of code outside of a range become SIGSYS, while
 * a byte of the thread says so. It goes by the instruction, which is that of
 * the outer call; and is a thread's, whichever task carries it.
 */
#include <ucontext.h>

#include "batch.h"
#include "raw.h"
#include "threads.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH	59
#define PR_SYS_DISPATCH_OFF		0
#define PR_SYS_DISPATCH_ON		1
#define SYSCALL_DISPATCH_FILTER_ALLOW	0
#define SYSCALL_DISPATCH_FILTER_BLOCK	1
#endif
#ifndef SYS_USER_DISPATCH
#define SYS_USER_DISPATCH		2
#endif

THREADS_FIXTURE(sud)

#define DISPATCHED	0x321

static __thread volatile char selector;
static __thread struct {
	int	count, code, nr;
	long	nr_arg;
} sigsys;

/* The selector is the way back: rt_sigreturn() is a call, too. */
static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	sigsys.count++;
	sigsys.code = info->si_code;
	sigsys.nr = info->si_syscall;
	sigsys.nr_arg = regs[REG_RDI];
	regs[REG_RAX] = DISPATCHED;
}

static bool sud_on(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };

	selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	return !sigaction(SIGSYS, &sa, NULL) &&
	       !prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector);
}

static bool sud_off(void)
{
	selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	return !prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
}

/* Make a call that is to be dispatched: with the selector set, for that one only. */
static bool is_dispatched(long nr, long a, long b, long c, long d)
{
	long ret;

	sigsys.count = 0;
	selector = SYSCALL_DISPATCH_FILTER_BLOCK;
	ret = raw(nr, a, b, c, d);
	selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	return ret == DISPATCHED && sigsys.count == 1 && sigsys.code == SYS_USER_DISPATCH &&
	       sigsys.nr == nr && sigsys.nr_arg == a;
}

/* A plain call, indirect ones, and a batch: none of them writes to the pipe. */
static const char *all_are_dispatched(struct syslet_ring *ring)
{
	struct indirect_params params = { .syslet.completion_ring_ptr = P(ring) };
	struct indirect_registers regs;
	struct syslet_call calls[2];
	int fd[2];

	CHECK(!pipe(fd));
	regs = CALL(__NR_write, fd[1], P("x"), 1);
	calls[0] = calls[1] = PUT(0, fd);
	CHECK(is_dispatched(__NR_write, fd[1], (long)"x", 1, 0));
	CHECK(is_dispatched(__NR_indirect, (long)&regs, 0, 0, 0));
	CHECK(is_dispatched(__NR_indirect, (long)&regs, (long)&params, sizeof(params), 0));
	CHECK(is_dispatched(__NR_syslet_submit, (long)calls, 2, (long)&params, sizeof(params)));
	CHECK(calls[0].result == NO_RESULT && !pipe_bytes(fd) && !ring_count(ring));
	pipe_close(fd);
	return NULL;
}

/* The same with the selector off: they are made. */
static const char *none_is_dispatched(struct syslet_ring *ring)
{
	struct syslet_call calls[2];
	int fd[2];

	CHECK(!pipe(fd));
	sigsys.count = 0;
	calls[0] = calls[1] = PUT(0, fd);
	CHECK(call_plain(CALL(__NR_write, fd[1], P("x"), 1)) == 1);
	CHECK(submit(ring, CALL(__NR_write, fd[1], P("x"), 1), 0) == 1);
	CHECK(BATCH(ring, calls) == 2 && calls[1].result == 1);
	CHECK(pipe_bytes(fd) == 4 && !sigsys.count);
	pipe_close(fd);
	return NULL;
}

THREADS_TEST(sud, dispatches_indirect_calls_by_the_outer_instruction)
{
	CHECK(sud_on());
	return all_are_dispatched(ring) ?: none_is_dispatched(ring);
}

THREADS_TEST(sud, follows_its_thread_in_handoffs)
{
	const char *err = NULL;

	CHECK(!force_handoff(ring) && sud_on());
	for (int i = 0; i < 4 && !err; i++) {
		err = all_are_dispatched(ring) ?: none_is_dispatched(ring);
		CHECK(!force_handoff(ring));
	}
	CHECK(!err && sud_off());
	/* off is kept as well, whatever the selector says */
	for (int i = 0; i < 4 && !err; i++) {
		selector = SYSCALL_DISPATCH_FILTER_BLOCK;
		err = none_is_dispatched(ring);
		CHECK(!force_handoff(ring));
	}
	return err;
}

struct landing {
	struct flight		f;
	struct syslet_ring	*ring;
};

static long land(void *arg)
{
	struct landing *l = arg;

	return flight_end(&l->f, l->ring) ? 0 : -EIO;
}

/* Another thread lets the calls end; this one spins in user space meanwhile. */
THREADS_TEST(sud, runners_are_not_dispatched)
{
	struct servant *s = servant_start();
	struct landing l = { .ring = ring };

	CHECK(s && sud_on() && flight_begin(&l.f, ring));
	servant_tell(s, land, &l);
	sigsys.count = 0;
	selector = SYSCALL_DISPATCH_FILTER_BLOCK;
	/* one of force_handoff() */
	while (__atomic_load_n(&ring->kernel_head, __ATOMIC_ACQUIRE) < 1 + ARRAY_LEN(l.f.b))
		;
	selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	CHECK(servant_wait(s) == 0 && !sigsys.count);
	return all_are_dispatched(ring);
}

static long dispatched_since(void *arg)
{
	return all_are_dispatched(arg) ? -EIO : 0;
}

static long not_dispatched(void *arg)
{
	selector = SYSCALL_DISPATCH_FILTER_BLOCK;
	return none_is_dispatched(arg) ? -EIO : force_handoff(arg);
}

static long sud_on_here(void *arg)
{
	return sud_on() ? 0 : -errno;
}

THREADS_TEST(sud, is_that_of_one_thread)
{
	struct servant *s = servant_start();
	struct syslet_ring *other = ring_alloc(4);

	CHECK(s && other && !servant_do(s, not_dispatched, other));
	CHECK(sud_on() && !force_handoff(ring));
	CHECK(!servant_do(s, not_dispatched, other));
	CHECK(sud_off() && !servant_do(s, sud_on_here, NULL));
	selector = SYSCALL_DISPATCH_FILTER_BLOCK;
	CHECK(!force_handoff(ring) && !none_is_dispatched(ring));
	CHECK(!servant_do(s, dispatched_since, other));
	return NULL;
}

/* In a batch it is looked at once: it is the instruction of the whole. */
THREADS_TEST(sud, set_in_a_batch_is_for_the_next_system_call)
{
	struct syslet_call calls[4];
	int fd[2], in[2];
	char c = 0;

	CHECK(!force_handoff(ring) && sud_on() && sud_off() && !pipe(fd) && !pipe(in));
	calls[0] = ENTRY(0, __NR_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0,
			 P(&selector));
	calls[1] = PUT(1, fd);
	calls[2] = TAKE(2, in, &c);
	calls[3] = PUT(3, fd);
	CHECK(BATCH(ring, calls) == 4 && !calls[0].result && pipe_bytes(fd) == 2);
	CHECK(calls[2].result == -ESYSLETPENDING);
	CHECK(!all_are_dispatched(ring));
	CHECK(write(in[1], "x", 1) == 1 && reap_one(ring, 2, 1));
	return all_are_dispatched(ring);
}

TEST_HARNESS_MAIN
