/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Syslets: a system call that would block goes on without its caller.
 *
 * A call made through indirect(2) with a completion ring either returns its
 * result, or -ESYSLETPENDING; in the latter case it is being finished in the
 * kernel, and exactly one struct syslet_completion will be added to the ring.
 */
#ifndef _UAPI_LINUX_SYSLET_H
#define _UAPI_LINUX_SYSLET_H

#include <linux/types.h>

/* System call numbers, the same for all x86 ABIs. */
#define __NR_indirect		480
#define __NR_syslet_ring_wait	481
#define __NR_syslet_cancel	482
#define __NR_syslet_submit	483

/* The call blocked: its result will be posted to the ring. */
#define ESYSLETPENDING		134

/* syslet_args.flags */

/* Signal syslet_args.eventfd when the completion has been posted. */
#define SYSLET_EVENTFD		(1U << 0)
/* Run synchronously, and maybe block, where -EAGAIN would be returned. */
#define SYSLET_SYNC_OK		(1U << 1)

/* syslet_ring_wait(2) */

/* The timeout is a time of CLOCK_MONOTONIC, not a duration. */
#define SYSLET_WAIT_ABSTIME	(1U << 0)

/* syslet_cancel(2) */

/* All calls of the ring, whatever their caller_data. */
#define SYSLET_CANCEL_ALL	(1U << 0)

/* syslet_submit(2) */

/* Run no more calls after one that failed. */
#define SYSLET_SUBMIT_STOP_ERROR	(1U << 0)
/* Run no more calls after one that is pending. */
#define SYSLET_SUBMIT_STOP_PENDING	(1U << 1)
/*
 * Stop before a call that is refused, and do not count it, nor tell its result.
 * Otherwise that is -EAGAIN, which may also be one of its own.
 */
#define SYSLET_SUBMIT_STOP_REFUSED	(1U << 2)

/**
 * struct syslet_frame - where the task that finished a call goes next
 * @ip: instruction pointer
 * @sp: stack pointer
 *
 * Both zero, the normal case: it waits in the kernel for the next call that
 * blocks. Both set: it returns to user space there, as a thread of its own
 * that shares the thread pointer of the submitter and has all signals blocked
 * (the interface of 2007). Setting one of them only is an error.
 */
struct syslet_frame {
	__u64	ip;
	__u64	sp;
};

/**
 * struct syslet_args - how a call is to be made asynchronous
 * @completion_ring_ptr: address of a struct syslet_ring; 0: not a syslet
 * @caller_data: returned as it is in the completion
 * @frame: see struct syslet_frame
 * @flags: SYSLET_* bits; unknown ones are refused with -EINVAL
 * @eventfd: an eventfd(2) descriptor, read when SYSLET_EVENTFD is set
 *
 * The first 32 bytes are the layout of 2007.
 */
struct syslet_args {
	__u64			completion_ring_ptr;
	__u64			caller_data;
	struct syslet_frame	frame;
	__u32			flags;
	__s32			eventfd;
};

/**
 * struct syslet_call - an entry of syslet_submit(2)
 * @nr: number of the system call, as in struct indirect_registers
 * @args: its arguments
 * @caller_data: returned as it is in the completion, if there is one
 * @result: written by the kernel when the call was run: what it returned, or
 *	    -ESYSLETPENDING if that will be posted. Without a meaning in entries
 *	    that were not run: those behind as many as syslet_submit(2) returns
 */
struct syslet_call {
	__u64	nr;
	__u64	args[6];
	__u64	caller_data;
	__s64	result;
};

/**
 * struct syslet_completion - what became of a call
 * @status: its result, as the system call would have returned it
 * @caller_data: as given in struct syslet_args
 */
struct syslet_completion {
	__u64	status;
	__u64	caller_data;
};

/**
 * struct syslet_ring - completions, in memory that the program provides
 * @kernel_head: counts completions added; written by the kernel
 * @user_tail: counts completions taken; written by the program
 * @elements: length of @comp, a power of two; set by the program, not changed
 *	      while calls are under way
 * @wait_group: without a meaning; a hint of 2007
 * @comp: entry N of the count is @comp[N & (@elements - 1)]
 *
 * Aligned to 8 bytes. Both counts wrap at 2^32; kernel_head - user_tail (as
 * __u32) completions wait to be taken. Read @kernel_head with acquire order
 * before the entries that it covers; store @user_tail with release order
 * after having read them: a slot is written again once it is behind the tail.
 *
 * The kernel never overwrites an entry that has not been taken: a call that
 * finishes while the ring is full waits for room.
 */
struct syslet_ring {
	__u32				kernel_head;
	__u32				user_tail;
	__u32				elements;
	__u32				wait_group;
	struct syslet_completion	comp[];
};

#endif /* _UAPI_LINUX_SYSLET_H */
