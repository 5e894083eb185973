/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * indirect(2): make any system call, with arguments that it does not take
 * itself.
 */
#ifndef _UAPI_LINUX_INDIRECT_H
#define _UAPI_LINUX_INDIRECT_H

#include <linux/types.h>
#include <linux/syslet.h>

/**
 * struct indirect_registers - the call to be made
 * @nr: its number in the ABI that indirect(2) itself is called through
 * @args: its arguments
 */
struct indirect_registers {
	__u64	nr;
	__u64	args[6];
};

/**
 * struct indirect_params - what to add to the call
 * @syslet: make it asynchronous if it blocks
 * @file_flags: O_CLOEXEC and O_NONBLOCK, for calls that make descriptors (open,
 *		openat, pipe, socket, socketpair, accept (of x86-64), dup2, dup3, eventfd,
 *		epoll_create, inotify_init, signalfd, timerfd_create, and those of
 *		them with flags); other calls are refused with -EINVAL then
 * @__reserved: zero
 *
 * Extensible by size: a shorter struct is padded with zeros, a longer one has
 * to be zero past what the kernel knows (-E2BIG).
 */
struct indirect_params {
	struct syslet_args	syslet;
	__u32			file_flags;
	__u32			__reserved;
};

/* Size of the first published struct. */
#define INDIRECT_PARAMS_SIZE_VER0	48

#endif /* _UAPI_LINUX_INDIRECT_H */
