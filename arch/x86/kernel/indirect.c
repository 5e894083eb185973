// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ABIs that indirect(2) can be called through, and their system calls: how
 * they are dispatched, which of them may be asynchronous, and which make
 * descriptors without being able to say how.
 */
#include <linux/compat.h>
#include <linux/fcntl.h>
#include <linux/nospec.h>
#include <linux/syscalls.h>
#include <linux/syslet.h>

#include <asm/syscall.h>
#include <asm/syslet.h>
#include <asm/unistd.h>
#ifdef CONFIG_IA32_EMULATION
#include <asm/unistd_32_ia32.h>
#endif

/* One table for each ABI, in files that a test reads as well. */
#define SYSLET_CALL(nr, name, class)	[nr] = SYSLET_##class,

static const u8 syslet_class_64[NR_syscalls] = {
#include "syslet_class_64.h"
};

#ifdef CONFIG_IA32_EMULATION
static const u8 syslet_class_32[IA32_NR_syscalls] = {
#include "syslet_class_32.h"
};
#endif

static bool indirect_is_ia32(void)
{
	return IS_ENABLED(CONFIG_IA32_EMULATION) && in_ia32_syscall();
}

static unsigned int indirect_nr_syscalls(void)
{
#ifdef CONFIG_IA32_EMULATION
	if (indirect_is_ia32())
		return IA32_NR_syscalls;
#endif
	return NR_syscalls;
}

/**
 * arch_indirect_nr_is_valid - is there such a system call?
 * @regs: the call; its number is bounded for speculation too
 *
 * Context: Process context, in a system call.
 * Return: true if its number can be dispatched in the ABI of the current
 * system call. That of x32 is not supported.
 */
bool arch_indirect_nr_is_valid(struct indirect_registers *regs)
{
	unsigned int max = indirect_nr_syscalls();

	if (regs->nr >= max || in_x32_syscall())
		return false;
	regs->nr = array_index_nospec((unsigned long)regs->nr, max);
	return true;
}

/**
 * arch_indirect_dispatch - make the call
 * @iregs: number and arguments; the number is valid
 *
 * Context: Process context, in a system call.
 * Return: its result
 */
long arch_indirect_dispatch(const struct indirect_registers *iregs)
{
	/*
	 * Handlers read their six arguments in it and nothing else: those that
	 * want the user's registers use the real ones, or are refused. Most of
	 * it is not worth being cleared for each call.
	 */
	struct pt_regs regs __uninitialized;

	regs.orig_ax = iregs->nr;
#ifdef CONFIG_IA32_EMULATION
	if (indirect_is_ia32()) {
		regs.bx = (u32)iregs->args[0];
		regs.cx = (u32)iregs->args[1];
		regs.dx = (u32)iregs->args[2];
		regs.si = (u32)iregs->args[3];
		regs.di = (u32)iregs->args[4];
		regs.bp = (u32)iregs->args[5];
		/* a handler returns unsigned int where it means int */
		return (int)ia32_sys_call(&regs, iregs->nr);
	}
#endif
	regs.di = iregs->args[0];
	regs.si = iregs->args[1];
	regs.dx = iregs->args[2];
	regs.r10 = iregs->args[3];
	regs.r8 = iregs->args[4];
	regs.r9 = iregs->args[5];
	return x64_sys_call(&regs, iregs->nr);
}

/**
 * arch_syslet_class - what may be done with a call
 * @nr: its number, valid in the ABI of the current system call
 *
 * Context: Process context, in a system call.
 * Return: an enum syslet_class
 */
unsigned int arch_syslet_class(u64 nr)
{
#ifdef CONFIG_IA32_EMULATION
	if (indirect_is_ia32())
		return syslet_class_32[nr];
#endif
	return syslet_class_64[nr];
}

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
 * arch_indirect_add_file_flags - make a call set flags of new descriptors
 * @regs: the call; changed into one that takes flags
 * @flags: O_CLOEXEC, O_NONBLOCK
 *
 * Context: Process context, in a system call.
 * Return: 0; -EINVAL if it makes no descriptor, or has bad arguments that the
 * other call would not see.
 */
int arch_indirect_add_file_flags(struct indirect_registers *regs, u32 flags)
{
	const struct indirect_fd_call *call;

#ifdef CONFIG_IA32_EMULATION
	if (indirect_is_ia32())
		call = indirect_find_fd_call(indirect_fd_calls_32,
					     ARRAY_SIZE(indirect_fd_calls_32), regs->nr);
	else
#endif
		call = indirect_find_fd_call(indirect_fd_calls_64,
					     ARRAY_SIZE(indirect_fd_calls_64), regs->nr);
	if (!call)
		return -EINVAL;

	/* epoll_create() takes a size, which has to be positive. */
	if (indirect_is_epoll_create(regs->nr) && (s32)regs->args[0] <= 0)
		return -EINVAL;
	if (call->to != call->nr)
		regs->args[call->arg] = 0;
	regs->nr = call->to;
	regs->args[call->arg] |= flags;
	return 0;
}
