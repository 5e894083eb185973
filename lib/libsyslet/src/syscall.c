/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <unistd.h>

#include "lib.h"

static long result(long ret)
{
	return ret == -1 ? -errno : ret;
}

/* errno belongs to the program: what it had there stays. */
long sys_call(const struct indirect_registers *regs)
{
	const __u64 *a = regs->args;
	int saved = errno;
	long ret = result(syscall((long)regs->nr, a[0], a[1], a[2], a[3], a[4], a[5]));

	errno = saved;
	return ret;
}

#ifndef __x86_64__
long sys_indirect(const struct indirect_registers *regs,
		  const struct indirect_params *params)
{
	int saved = errno;
	long ret = result(syscall(__NR_indirect, regs, params, sizeof(*params), 0));

	errno = saved;
	return ret;
}
#endif

int sys_syslet_ring_wait(struct syslet_ring *ring, uint32_t idx, unsigned int nr,
			 const struct timespec *timeout)
{
	int64_t ts[2];
	int saved = errno;
	long ret;

	if (timeout) {
		ts[0] = timeout->tv_sec;
		ts[1] = timeout->tv_nsec;
	}
	ret = result(syscall(__NR_syslet_ring_wait, ring, (unsigned long)idx, nr,
			     timeout ? ts : NULL, 0));
	errno = saved;
	return (int)ret;
}

long sys_futex_wait(uint32_t *word, uint32_t val, const struct timespec *timeout)
{
	int saved = errno;
	long ret = result(syscall(SYS_futex, word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG,
				  val, timeout, NULL, 0));

	errno = saved;
	return ret;
}

long sys_futex_wake(uint32_t *word, int nr)
{
	int saved = errno;
	long ret = result(syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG,
				  nr, NULL, NULL, 0));

	errno = saved;
	return ret;
}
