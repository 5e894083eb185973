// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which calls may be asynchronous. The tables by number are the
 * architecture's, one for each ABI; here is what depends on arguments.
 */
#include <uapi/linux/futex.h>
#include <linux/time.h>
#include <uapi/linux/io_uring.h>
#include <uapi/linux/wait.h>

#include <asm/syscall.h>
#include <asm/syslet.h>

#include "syslet.h"

/* PI futexes know their owner's task, and waiters boost it. */
static bool syslet_futex_is_pi(u32 op)
{
	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_TRYLOCK_PI:
	case FUTEX_UNLOCK_PI:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_CMP_REQUEUE_PI:
		return true;
	}
	return false;
}

/**
 * syslet_is_bound - may this call leave its task?
 * @class: of its number, one that depends on arguments
 * @regs: the call
 *
 * Context: Process context, in the ABI of the call.
 * Return: true if it is SYSLET_BOUND, false if it is SYSLET_ASYNC.
 */
bool syslet_is_bound(enum syslet_class class, struct pt_regs *regs)
{
	unsigned long args[6];

	syscall_get_arguments(current, regs, args);
	switch (class) {
	case SYSLET_BY_SIGMASK3:
		return args[3];
	case SYSLET_BY_SIGMASK4:
		return args[4];
	case SYSLET_BY_SIGMASK5:
		return args[5];
	case SYSLET_BY_FUTEX_OP:
		return syslet_futex_is_pi(args[1]);
	case SYSLET_BY_WAIT2:
		return args[2] & __WNOTHREAD;
	case SYSLET_BY_WAIT3:
		return args[3] & __WNOTHREAD;
	case SYSLET_BY_CLOCK:
		/* negative numbers are CPU clocks and clocks of devices */
		return (s32)args[0] < 0 || (s32)args[0] == CLOCK_PROCESS_CPUTIME_ID ||
		       (s32)args[0] == CLOCK_THREAD_CPUTIME_ID;
	case SYSLET_BY_URING:
		/* requests are those of a task; what is more may be a signal mask */
		return args[1] || args[4] || (u32)args[3] != IORING_ENTER_GETEVENTS;
	default:
		return true;
	}
}
