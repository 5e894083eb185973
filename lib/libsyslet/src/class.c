/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Which calls may run on another thread than the caller's: the kernel's own
 * table, so that both backends agree; by name on machines that have none.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <sys/syscall.h>

#include "lib.h"

#if defined(__x86_64__) || defined(__i386__)

/* As the tables say, see include/linux/syslet.h */
enum table_class {
	SYSLET_UNKNOWN, SYSLET_REFUSE, SYSLET_SYNC, SYSLET_BOUND, SYSLET_ASYNC,
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

static enum table_class look_up(uint64_t nr)
{
	/* Younger than the library: only the caller is right for sure. */
	return nr < sizeof(classes) ? classes[nr] : SYSLET_SYNC;
}

#else

static enum table_class look_up(uint64_t nr)
{
	switch (nr) {
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
	case SYS_restart_syscall:
	case SYS_reboot:
	case __NR_indirect:
	case __NR_syslet_ring_wait:
	case __NR_syslet_submit:
		return SYSLET_REFUSE;
#ifdef SYS_futex
	case SYS_futex:
#endif
#ifdef SYS_futex_time64
	case SYS_futex_time64:
#endif
		return SYSLET_BY_FUTEX_OP;
#ifdef SYS_pselect6
	case SYS_pselect6:
		return SYSLET_BY_SIGMASK5;
#endif
#ifdef SYS_pselect6_time64
	case SYS_pselect6_time64:
		return SYSLET_BY_SIGMASK5;
#endif
#ifdef SYS_ppoll
	case SYS_ppoll:
		return SYSLET_BY_SIGMASK3;
#endif
#ifdef SYS_ppoll_time64
	case SYS_ppoll_time64:
		return SYSLET_BY_SIGMASK3;
#endif
	case SYS_epoll_pwait:
#ifdef SYS_epoll_pwait2
	case SYS_epoll_pwait2:
#endif
		return SYSLET_BY_SIGMASK4;
#ifdef SYS_wait4
	case SYS_wait4:
		return SYSLET_BY_WAIT2;
#endif
	case SYS_waitid:
		return SYSLET_BY_WAIT3;
#ifdef SYS_clock_nanosleep
	case SYS_clock_nanosleep:
#endif
#ifdef SYS_clock_nanosleep_time64
	case SYS_clock_nanosleep_time64:
#endif
		return SYSLET_BY_CLOCK;
#ifdef SYS_io_uring_enter
	case SYS_io_uring_enter:
		return SYSLET_BY_URING;
#endif
	case SYS_ioctl:
	case SYS_ptrace:
	case SYS_rt_sigsuspend:
#ifdef SYS_pause
	case SYS_pause:
#endif
#ifdef SYS_rt_sigtimedwait
	case SYS_rt_sigtimedwait:
#endif
#ifdef SYS_rt_sigtimedwait_time64
	case SYS_rt_sigtimedwait_time64:
#endif
	case SYS_keyctl:
	case SYS_request_key:
		return SYSLET_BOUND;
	case SYS_getpid:
	case SYS_getppid:
	case SYS_gettid:
	case SYS_rt_sigaction:
	case SYS_rt_sigprocmask:
	case SYS_rt_sigpending:
	case SYS_sigaltstack:
	case SYS_prctl:
	case SYS_seccomp:
	case SYS_personality:
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
	case SYS_chdir:
	case SYS_fchdir:
	case SYS_chroot:
	case SYS_umask:
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
	case SYS_tkill:
	case SYS_tgkill:
#ifdef SYS_close_range
	case SYS_close_range:
#endif
#ifdef SYS_io_uring_setup
	case SYS_io_uring_setup:
	case SYS_io_uring_register:
#endif
#ifdef SYS_landlock_restrict_self
	case SYS_landlock_restrict_self:
#endif
		return SYSLET_SYNC;
	default:
		return SYSLET_ASYNC;
	}
}

#endif

static bool futex_is_pi(uint32_t op)
{
	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_LOCK_PI:
	/* FUTEX_LOCK_PI2, younger than some headers */
	case 13:
	case FUTEX_TRYLOCK_PI:
	case FUTEX_UNLOCK_PI:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_CMP_REQUEUE_PI:
		return true;
	}
	return false;
}

/* Negative numbers are CPU clocks, and clocks of devices. */
static bool clock_is_bound(int32_t clock)
{
	return clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID ||
	       clock == CLOCK_THREAD_CPUTIME_ID;
}

/*
 * The kernel cannot know what its drivers do. Nearly all of it is about the file,
 * or the process; but these are about the thread: all of KVM, as that is how
 * virtual CPUs run; and the threads of Binder.
 */
static bool ioctl_is_bound(uint32_t request)
{
	uint32_t type = request >> 8 & 0xff, nr = request & 0xff;

	return type == 0xae || (type == 'b' && (nr == 1 || nr == 8));
}

/* What the kernel does in kernel/syslet_class.c; ioctls see above. */
static bool is_bound(enum table_class class, const struct indirect_registers *regs)
{
	const __u64 *args = regs->args;

	switch (class) {
	case SYSLET_BY_SIGMASK3:
		return (unsigned long)args[3];
	case SYSLET_BY_SIGMASK4:
		return (unsigned long)args[4];
	case SYSLET_BY_SIGMASK5:
		return (unsigned long)args[5];
	case SYSLET_BY_FUTEX_OP:
		return futex_is_pi((uint32_t)args[1]);
	case SYSLET_BY_WAIT2:
		return args[2] & __WNOTHREAD;
	case SYSLET_BY_WAIT3:
		return args[3] & __WNOTHREAD;
	case SYSLET_BY_CLOCK:
		return clock_is_bound((int32_t)args[0]);
	case SYSLET_BY_URING:
		return (uint32_t)args[1] || (unsigned long)args[4] ||
		       (uint32_t)args[3] != IORING_ENTER_GETEVENTS;
	default:
		return regs->nr != SYS_ioctl || ioctl_is_bound((uint32_t)args[1]);
	}
}

#ifdef SYS_close_range
/* What it closes must not be in use by calls that have not got to it yet. */
static bool only_closes(const struct indirect_registers *regs)
{
	return regs->nr == SYS_close_range && !(uint32_t)regs->args[2];
}
#else
static bool only_closes(const struct indirect_registers *regs)
{
	(void)regs;
	return false;
}
#endif

/*
 * Does it end by itself, whatever others do? Disks and servers are thought to
 * answer, in the end. Not in the list is what is seldom made, or short.
 */
bool call_is_finite(const struct indirect_registers *regs)
{
	switch (regs->nr) {
	case SYS_pread64:
	case SYS_pwrite64:
	case SYS_fsync:
	case SYS_fdatasync:
	case SYS_sync:
	case SYS_syncfs:
	case SYS_fallocate:
	case SYS_readahead:
	case SYS_madvise:
	case SYS_msync:
	case SYS_copy_file_range:
	case SYS_getdents64:
	case SYS_mkdirat:
	case SYS_mknodat:
	case SYS_unlinkat:
	case SYS_renameat2:
	case SYS_linkat:
	case SYS_symlinkat:
	case SYS_readlinkat:
	case SYS_faccessat:
	case SYS_fchmodat:
	case SYS_fchownat:
	case SYS_statx:
#ifdef SYS_newfstatat
	case SYS_newfstatat:
#endif
#ifdef SYS_stat
	case SYS_stat:
	case SYS_lstat:
#endif
		return true;
	default:
		return false;
	}
}

enum call_class call_classify(const struct indirect_registers *regs)
{
	enum table_class class = only_closes(regs) ? SYSLET_ASYNC : look_up(regs->nr);

	switch (class) {
	case SYSLET_REFUSE:
		return CALL_REFUSE;
	case SYSLET_SYNC:
		return CALL_HERE;
	case SYSLET_ASYNC:
		return CALL_ANY_THREAD;
	default:
		return is_bound(class, regs) ? CALL_BOUND : CALL_ANY_THREAD;
	}
}
