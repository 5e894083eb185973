/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Which calls may run on another thread than the caller's: the kernel's own
 * table, so that both backends agree; by name on machines that have none.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib.h"

#if defined(__x86_64__) || defined(__i386__)

enum {
	/* as the table says */
	SYSLET_REFUSE = 1, SYSLET_SYNC, SYSLET_BOUND, SYSLET_ASYNC,
	SYSLET_BY_SIGMASK3, SYSLET_BY_SIGMASK4, SYSLET_BY_SIGMASK5,
	SYSLET_BY_FUTEX_OP, SYSLET_BY_WAIT2, SYSLET_BY_WAIT3, SYSLET_BY_CLOCK,
	SYSLET_BY_URING,
};

#define SYSLET_CALL(nr, name, class)	[nr] = SYSLET_##class,

static const uint8_t classes[] = {
#ifdef __x86_64__
#include "syslet_class_64.h"
#else
#include "syslet_class_32.h"
#endif
};

enum call_class call_classify(const struct indirect_registers *regs)
{
	if (regs->nr >= sizeof(classes))
		return CALL_HERE;
	switch (classes[regs->nr]) {
	case SYSLET_REFUSE:
		return CALL_REFUSE;
	case SYSLET_SYNC:
		return CALL_HERE;
	default:
		return CALL_ANY_THREAD;
	}
}

#else

enum call_class call_classify(const struct indirect_registers *regs)
{
	switch (regs->nr) {
#ifdef SYS_fork
	case SYS_fork:
	case SYS_vfork:
#endif
	case SYS_clone:
#ifdef SYS_clone3
	case SYS_clone3:
#endif
	case SYS_execve:
	case SYS_execveat:
	case SYS_exit:
	case SYS_exit_group:
	case SYS_rt_sigreturn:
		return CALL_REFUSE;
	case SYS_gettid:
	case SYS_rt_sigprocmask:
	case SYS_rt_sigpending:
	case SYS_sigaltstack:
	case SYS_prctl:
	case SYS_seccomp:
	case SYS_set_tid_address:
	case SYS_set_robust_list:
	case SYS_capget:
	case SYS_capset:
	case SYS_setuid:
	case SYS_setgid:
	case SYS_setreuid:
	case SYS_setregid:
	case SYS_setresuid:
	case SYS_setresgid:
	case SYS_setfsuid:
	case SYS_setfsgid:
	case SYS_setgroups:
	case SYS_unshare:
	case SYS_setns:
	case SYS_getpriority:
	case SYS_setpriority:
	case SYS_getcpu:
	case SYS_sched_yield:
	case SYS_sched_setparam:
	case SYS_sched_getparam:
	case SYS_sched_setscheduler:
	case SYS_sched_getscheduler:
	case SYS_sched_setaffinity:
	case SYS_sched_getaffinity:
	case SYS_getrusage:
		return CALL_HERE;
	default:
		return CALL_ANY_THREAD;
	}
}

#endif

#ifdef SYS_fcntl64
#define NR_FCNTL	SYS_fcntl64
#else
#define NR_FCNTL	SYS_fcntl
#endif

static long on_fd(uint64_t nr, uint64_t fd, uint64_t arg)
{
	struct indirect_registers regs = { .nr = nr, .args = { fd, arg } };

	return sys_call(&regs);
}

static bool fd_is_nonblocking(uint64_t fd)
{
	long flags = on_fd(NR_FCNTL, fd, F_GETFL);

	return flags >= 0 && (flags & O_NONBLOCK);
}

/* Files have a type as well: for disks the flag does not matter. */
static bool fd_is_file(uint64_t fd)
{
	struct statx stx;
	struct indirect_registers regs = {
		.nr = SYS_statx,
		.args = { fd, SYSLET_PTR(""), AT_EMPTY_PATH, STATX_TYPE,
			  SYSLET_PTR(&stx) },
	};

	return sys_call(&regs) || S_ISREG(stx.stx_mode) || S_ISBLK(stx.stx_mode);
}

/* Calls that say -EAGAIN where others wait, because their descriptor does not. */
bool call_is_nonblocking(const struct indirect_registers *regs)
{
	uint64_t fd = regs->args[0];

	switch (regs->nr) {
	case SYS_sendto:
	case SYS_recvfrom:
		return (regs->args[3] & MSG_DONTWAIT) || fd_is_nonblocking(fd);
	case SYS_sendmsg:
	case SYS_recvmsg:
		return (regs->args[2] & MSG_DONTWAIT) || fd_is_nonblocking(fd);
#ifdef SYS_accept
	case SYS_accept:
#endif
	case SYS_accept4:
	case SYS_connect:
		return fd_is_nonblocking(fd);
	case SYS_read:
	case SYS_write:
	case SYS_readv:
	case SYS_writev:
		return fd_is_nonblocking(fd) && !fd_is_file(fd);
	default:
		return false;
	}
}
