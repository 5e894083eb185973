/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Calls that do not wait, for their arguments or because their descriptor has
 * O_NONBLOCK, have their results at once without the kernel's help, too. The flag
 * of a descriptor may be gone between a look at it and the call: so the call is
 * made in a way that does not wait in any case, or on a thread.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "lib.h"

#ifdef SYS_fcntl64
#define NR_FCNTL	SYS_fcntl64
#else
#define NR_FCNTL	SYS_fcntl
#endif

/* younger than some headers */
#ifndef GRND_NONBLOCK
#define GRND_NONBLOCK	1
#endif

static long make(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
		 uint64_t a4, uint64_t a5)
{
	struct indirect_registers regs = {
		.nr = nr, .args = { a0, a1, a2, a3, a4, a5 },
	};

	return sys_call(&regs);
}

static bool fd_is_nonblocking(uint64_t fd)
{
	long flags = make(NR_FCNTL, fd, F_GETFL, 0, 0, 0, 0);

	return flags >= 0 && (flags & O_NONBLOCK);
}

/* Files have a type as well: for disks the flag does not matter. */
static bool fd_is_file(uint64_t fd)
{
	struct statx stx;

	return make(SYS_statx, fd, SYSLET_PTR(""), AT_EMPTY_PATH, STATX_TYPE,
		    SYSLET_PTR(&stx), 0) ||
	       S_ISREG(stx.stx_mode) || S_ISBLK(stx.stx_mode);
}

/* With one more flag as its argument @i, if it was not there. */
static bool with_flag(const struct indirect_registers *regs, unsigned int i,
		      uint64_t flag, long *ret)
{
	struct indirect_registers now = *regs;

	if (!(regs->args[i] & flag) && !fd_is_nonblocking(regs->args[0]))
		return false;
	now.args[i] |= flag;
	*ret = sys_call(&now);
	return true;
}

static bool vector(const struct indirect_registers *regs, uint64_t nr, uint64_t iov,
		   uint64_t len, long *ret)
{
	uint64_t fd = regs->args[0];

	if (!fd_is_nonblocking(fd) || fd_is_file(fd))
		return false;
	*ret = make(nr, fd, iov, len, UINT64_MAX, UINT64_MAX, RWF_NOWAIT);
	/* Not all files know the flag; what was there before the kernel had it... */
	return *ret != -EOPNOTSUPP && *ret != -EINVAL && *ret != -ENOSYS;
}

static bool buffer(const struct indirect_registers *regs, uint64_t nr, long *ret)
{
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)regs->args[1],
		.iov_len = (size_t)regs->args[2],
	};

	/* Nothing to move, which an empty vector does not even try; some files do it. */
	return iov.iov_len && vector(regs, nr, SYSLET_PTR(&iov), 1, ret);
}

static bool fd_is_listening(uint64_t fd)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return !make(SYS_getsockopt, fd, SOL_SOCKET, SO_ACCEPTCONN, SYSLET_PTR(&value),
		     SYSLET_PTR(&len), 0) && value;
}

/* Nobody to be accepted, and no other event; nor another error. */
static bool accept_now(const struct indirect_registers *regs, uint64_t flags, long *ret)
{
	struct pollfd pfd = { .fd = (int)regs->args[0], .events = POLLIN };

	*ret = -EAGAIN;
	return !(flags & ~(uint64_t)(SOCK_CLOEXEC | SOCK_NONBLOCK)) &&
	       fd_is_nonblocking(regs->args[0]) && fd_is_listening(regs->args[0]) &&
	       !sys_poll_now(&pfd);
}

static bool plain(const struct indirect_registers *regs, bool nowait, long *ret)
{
	if (nowait)
		*ret = sys_call(regs);
	return nowait;
}

static bool is_wait(uint32_t op)
{
	op &= FUTEX_CMD_MASK;
	return op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET;
}

/* A word that has changed, which is told at once; others need not wait. */
static bool futex_now(const struct indirect_registers *regs, long *ret)
{
	struct indirect_registers now = *regs;
	struct __kernel_timespec zero = { .tv_sec = 0 };
	uint32_t op = (uint32_t)regs->args[1];

	if (!is_wait(op))
		return plain(regs, true, ret);
	now.args[3] = SYSLET_PTR(&zero);
	*ret = sys_call(&now);
	return *ret != -ETIMEDOUT;
}

static bool fcntl_waits(int cmd)
{
	switch (cmd) {
	case F_SETLKW:
#if F_SETLKW64 != F_SETLKW
	case F_SETLKW64:
#endif
	case F_OFD_SETLKW:
	case F_SETLEASE:
	case F_SETPIPE_SZ:
		return true;
	}
	return false;
}

/* Of calls that may run on any thread: was it made, as it does not wait? */
bool call_without_waiting(const struct indirect_registers *regs, long *ret)
{
	const __u64 *a = regs->args;

	switch (regs->nr) {
	case SYS_read:
		return buffer(regs, SYS_preadv2, ret);
	case SYS_write:
		return buffer(regs, SYS_pwritev2, ret);
	case SYS_readv:
		return vector(regs, SYS_preadv2, a[1], a[2], ret);
	case SYS_writev:
		return vector(regs, SYS_pwritev2, a[1], a[2], ret);
	case SYS_preadv2:
	case SYS_pwritev2:
		return plain(regs, a[5] & RWF_NOWAIT, ret);
	case SYS_sendto:
	case SYS_recvfrom:
	case SYS_sendmmsg:
	case SYS_recvmmsg:
#ifdef SYS_recvmmsg_time64
	case SYS_recvmmsg_time64:
#endif
		return with_flag(regs, 3, MSG_DONTWAIT, ret);
	case SYS_sendmsg:
	case SYS_recvmsg:
		return with_flag(regs, 2, MSG_DONTWAIT, ret);
#ifdef SYS_accept
	case SYS_accept:
		return accept_now(regs, 0, ret);
#endif
	case SYS_accept4:
		return accept_now(regs, (uint32_t)a[3], ret);
#ifdef SYS_poll
	case SYS_poll:
		return plain(regs, !(int32_t)a[2], ret);
#endif
#ifdef SYS_epoll_wait
	case SYS_epoll_wait:
#endif
	case SYS_epoll_pwait:
		return plain(regs, !(int32_t)a[3], ret);
	case SYS_flock:
		return plain(regs, a[1] & LOCK_NB, ret);
	case NR_FCNTL:
		return plain(regs, !fcntl_waits((int)a[1]), ret);
#ifdef SYS_futex_time64
	case SYS_futex_time64:
#else
	case SYS_futex:
#endif
		return futex_now(regs, ret);
#ifdef SYS_msgsnd
	case SYS_msgsnd:
		return plain(regs, a[3] & IPC_NOWAIT, ret);
	case SYS_msgrcv:
		return plain(regs, a[4] & IPC_NOWAIT, ret);
#endif
#ifdef SYS_wait4
	case SYS_wait4:
		return plain(regs, a[2] & WNOHANG, ret);
#endif
	case SYS_waitid:
		return plain(regs, a[3] & WNOHANG, ret);
	case SYS_getrandom:
		return plain(regs, a[2] & GRND_NONBLOCK, ret);
	default:
		return false;
	}
}
