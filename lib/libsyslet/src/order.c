/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Calls start in the order in which they were made. On threads that is not so, and
 * matters where a descriptor ends or becomes another file's: a write must not find
 * that its descriptor has been closed by the call behind it.
 *
 * Which arguments of a call are descriptors is not looked up: a call is taken to use
 * one if any of its arguments is that number, or points to what may have it. At
 * worst, calls wait for each other needlessly.
 */
#define _GNU_SOURCE
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib.h"

struct range {
	uint64_t	first, last;
};

/* Of descriptors that are not what they were, after the call. */
static bool ended_range(const struct indirect_registers *regs, struct range *r)
{
	const __u64 *a = regs->args;

	switch (regs->nr) {
	case SYS_close:
	case SYS_shutdown:
		*r = (struct range){ (uint32_t)a[0], (uint32_t)a[0] };
		return true;
#ifdef SYS_dup2
	case SYS_dup2:
#endif
	case SYS_dup3:
		*r = (struct range){ (uint32_t)a[1], (uint32_t)a[1] };
		return true;
#ifdef SYS_close_range
	case SYS_close_range:
		*r = (struct range){ (uint32_t)a[0], (uint32_t)a[1] };
		return true;
#endif
	default:
		return false;
	}
}

bool call_ends_descriptor(const struct indirect_registers *regs)
{
	struct range r;

	return ended_range(regs, &r);
}

static bool points_to_descriptors(uint64_t nr)
{
	switch (nr) {
#ifdef SYS_poll
	case SYS_poll:
#endif
#ifdef SYS_select
	case SYS_select:
#endif
#ifdef SYS_ppoll
	case SYS_ppoll:
#endif
#ifdef SYS_pselect6
	case SYS_pselect6:
#endif
#ifdef SYS_ppoll_time64
	case SYS_ppoll_time64:
	case SYS_pselect6_time64:
#endif
#ifdef SYS__newselect
	case SYS__newselect:
#endif
#ifdef SYS_socketcall
	case SYS_socketcall:
#endif
	case SYS_sendmsg:
	case SYS_sendmmsg:
	case SYS_io_submit:
		return true;
	default:
		return false;
	}
}

static bool uses(const struct indirect_registers *regs, const struct range *r)
{
	unsigned int i;

	if (points_to_descriptors(regs->nr))
		return true;
	for (i = 0; i < 6; i++)
		if (regs->args[i] >= r->first && regs->args[i] <= r->last)
			return true;
	return false;
}

/* May they not change places? */
bool calls_are_ordered(const struct indirect_registers *a,
		       const struct indirect_registers *b)
{
	struct range r;

	return (ended_range(a, &r) && uses(b, &r)) || (ended_range(b, &r) && uses(a, &r));
}

static long read_file(const char *path, char *buf, size_t size)
{
	struct indirect_registers regs = {
		.nr = SYS_openat,
		.args = { (uint64_t)AT_FDCWD, SYSLET_PTR(path), O_RDONLY | O_CLOEXEC },
	};
	long ret, fd = sys_call(&regs);

	if (fd < 0)
		return fd;
	regs = (struct indirect_registers){
		.nr = SYS_read, .args = { (uint64_t)fd, SYSLET_PTR(buf), size },
	};
	ret = sys_call(&regs);
	sys_close((int)fd);
	return ret;
}

static long read_of_thread(int tid, const char *name, char *buf, size_t size)
{
	char path[48];
	long len;

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, name);
	len = read_file(path, buf, size - 1);
	buf[len > 0 ? len : 0] = 0;
	return len;
}

/*
 * Less is told to a process that has changed its user: whether the thread sleeps, but
 * not where. There is nothing else that it would wait for: the lock that it takes
 * after the call is held by who asks.
 */
static int thread_sleeps(int tid)
{
	char line[64];
	const char *state;

	if (read_of_thread(tid, "stat", line, sizeof(line)) <= 0)
		return -1;
	/* number, name in brackets, state */
	state = strrchr(line, ')');
	return state && !strncmp(state, ") S", 3);
}

/*
 * Does thread @tid, which has begun with it, sleep in the call? Then it has its file,
 * whatever becomes of the descriptor. 1, 0; less than 0: nobody tells.
 */
int call_sleeps(int tid, const struct indirect_registers *regs)
{
	unsigned long nr, arg;
	char line[64];

	if (read_of_thread(tid, "syscall", line, sizeof(line)) <= 0)
		return thread_sleeps(tid);
	/* "running", or the number and the arguments; a wait that was stopped is another */
	return sscanf(line, "%lu 0x%lx", &nr, &arg) == 2 &&
	       (nr == regs->nr || nr == SYS_restart_syscall) &&
	       arg == (unsigned long)regs->args[0];
}
