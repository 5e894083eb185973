// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ABIs that indirect(2) can be called through, and their system calls:
 * which of them may be asynchronous, and which make descriptors without being
 * able to say how. See asm/syslet.h for how they are dispatched.
 */
#include <linux/fcntl.h>
#include <linux/syslet.h>

#include <asm/syslet.h>

/* One table for each ABI, in files that a test reads as well. */
#define SYSLET_CALL(nr, name, class)	[nr] = SYSLET_##class,

const u8 syslet_class_64[NR_syscalls] = {
#include "syslet_class_64.h"
};

#ifdef CONFIG_IA32_EMULATION
const u8 syslet_class_32[IA32_NR_syscalls] = {
#include "syslet_class_32.h"
};
#endif

/*
 * Calls that make descriptors, and how to say O_CLOEXEC or O_NONBLOCK with
 * them: in another call (@to) of the same arguments with flags behind them
 * (@arg), or in an argument of their own (@to == @nr). All those flags have the
 * values of O_*.
 */
struct indirect_fd_call {
	u16	nr;
	u16	to;
	u8	arg;
};

#define FD_CALL(_nr, _to, _arg) { __NR_##_nr, __NR_##_to, _arg }

static const struct indirect_fd_call indirect_fd_calls_64[] = {
	FD_CALL(accept, accept4, 3),
	FD_CALL(accept4, accept4, 3),
	FD_CALL(dup2, dup3, 2),
	FD_CALL(dup3, dup3, 2),
	FD_CALL(epoll_create, epoll_create1, 0),
	FD_CALL(epoll_create1, epoll_create1, 0),
	FD_CALL(eventfd, eventfd2, 1),
	FD_CALL(eventfd2, eventfd2, 1),
	FD_CALL(inotify_init, inotify_init1, 0),
	FD_CALL(inotify_init1, inotify_init1, 0),
	FD_CALL(open, open, 1),
	FD_CALL(openat, openat, 2),
	FD_CALL(pipe, pipe2, 1),
	FD_CALL(pipe2, pipe2, 1),
	FD_CALL(signalfd, signalfd4, 3),
	FD_CALL(signalfd4, signalfd4, 3),
	FD_CALL(socket, socket, 1),
	FD_CALL(socketpair, socketpair, 1),
	FD_CALL(timerfd_create, timerfd_create, 1),
};

#ifdef CONFIG_IA32_EMULATION
#define FD_CALL_32(_nr, _to, _arg) { __NR_ia32_##_nr, __NR_ia32_##_to, _arg }

/* accept(2) is a part of socketcall(2) here. */
static const struct indirect_fd_call indirect_fd_calls_32[] = {
	FD_CALL_32(accept4, accept4, 3),
	FD_CALL_32(dup2, dup3, 2),
	FD_CALL_32(dup3, dup3, 2),
	FD_CALL_32(epoll_create, epoll_create1, 0),
	FD_CALL_32(epoll_create1, epoll_create1, 0),
	FD_CALL_32(eventfd, eventfd2, 1),
	FD_CALL_32(eventfd2, eventfd2, 1),
	FD_CALL_32(inotify_init, inotify_init1, 0),
	FD_CALL_32(inotify_init1, inotify_init1, 0),
	FD_CALL_32(open, open, 1),
	FD_CALL_32(openat, openat, 2),
	FD_CALL_32(pipe, pipe2, 1),
	FD_CALL_32(pipe2, pipe2, 1),
	FD_CALL_32(signalfd, signalfd4, 3),
	FD_CALL_32(signalfd4, signalfd4, 3),
	FD_CALL_32(socket, socket, 1),
	FD_CALL_32(socketpair, socketpair, 1),
	FD_CALL_32(timerfd_create, timerfd_create, 1),
};
#endif

static const struct indirect_fd_call *
indirect_find_fd_call(const struct indirect_fd_call *calls, size_t n, u64 nr)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (calls[i].nr == nr)
			return &calls[i];
	}
	return NULL;
}

static bool indirect_is_epoll_create(u64 nr)
{
#ifdef CONFIG_IA32_EMULATION
	if (indirect_is_ia32())
		return nr == __NR_ia32_epoll_create;
#endif
	return nr == __NR_epoll_create;
}

/**
 * arch_indirect_to_ia32 - put arguments where 32-bit handlers read them
 * @regs: a call, as arch_indirect_get_call() has read it
 *
 * Context: Any.
 */
void arch_indirect_to_ia32(struct pt_regs *regs)
{
	const struct pt_regs in = *regs;

	regs->bx = (u32)in.di;
	regs->cx = (u32)in.si;
	regs->dx = (u32)in.dx;
	regs->si = (u32)in.r10;
	regs->di = (u32)in.r8;
	regs->bp = (u32)in.r9;
}

/**
 * arch_indirect_copy_args - copy arguments, and no other registers
 * @to: where to
 * @from: where they are, as the ABI of the current system call has them
 *
 * Context: Process context, in a system call.
 */
void arch_indirect_copy_args(struct pt_regs *to, const struct pt_regs *from)
{
	to->di = from->di;
	to->si = from->si;
	to->dx = from->dx;
	if (indirect_is_ia32()) {
		to->bx = from->bx;
		to->cx = from->cx;
		to->bp = from->bp;
	} else {
		to->r10 = from->r10;
		to->r8 = from->r8;
		to->r9 = from->r9;
	}
}

/**
 * arch_indirect_copy_call - copy number and arguments, and no other registers
 * @to: where to
 * @from: the call
 *
 * Context: Process context, in a system call.
 */
void arch_indirect_copy_call(struct pt_regs *to, const struct pt_regs *from)
{
	to->orig_ax = from->orig_ax;
	arch_indirect_copy_args(to, from);
}

/* One of the first four arguments; more are not asked for. */
static unsigned long *indirect_arg(struct pt_regs *regs, unsigned int n)
{
	unsigned long *const args_32[] = { &regs->bx, &regs->cx, &regs->dx, &regs->si };
	unsigned long *const args_64[] = { &regs->di, &regs->si, &regs->dx, &regs->r10 };

	return indirect_is_ia32() ? args_32[n] : args_64[n];
}

/**
 * arch_indirect_add_file_flags - make a call set flags of new descriptors
 * @regs: the call; changed into one that takes flags
 * @flags: O_CLOEXEC, O_NONBLOCK
 *
 * Context: Process context, in a system call.
 * Return: 0; -EINVAL if it makes no descriptor, or has bad arguments that the
 * other call would not see.
 */
int arch_indirect_add_file_flags(struct pt_regs *regs, u32 flags)
{
	const struct indirect_fd_call *call;
	unsigned long *arg;

#ifdef CONFIG_IA32_EMULATION
	if (indirect_is_ia32())
		call = indirect_find_fd_call(indirect_fd_calls_32,
					     ARRAY_SIZE(indirect_fd_calls_32), regs->orig_ax);
	else
#endif
		call = indirect_find_fd_call(indirect_fd_calls_64,
					     ARRAY_SIZE(indirect_fd_calls_64), regs->orig_ax);
	if (!call)
		return -EINVAL;

	/* epoll_create() takes a size, which has to be positive. */
	if (indirect_is_epoll_create(regs->orig_ax) && (s32)*indirect_arg(regs, 0) <= 0)
		return -EINVAL;
	arg = indirect_arg(regs, call->arg);
	if (call->to != call->nr)
		*arg = 0;
	regs->orig_ax = call->to;
	*arg |= flags;
	return 0;
}
