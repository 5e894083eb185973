/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib.h"

/* With 64-bit seconds, on 32-bit machines as well. */
#ifdef SYS_futex_time64
#define NR_FUTEX	SYS_futex_time64
#else
#define NR_FUTEX	SYS_futex
#endif
#ifdef SYS_ppoll_time64
#define NR_PPOLL	SYS_ppoll_time64
#else
#define NR_PPOLL	SYS_ppoll
#endif

/* errno belongs to the program: what it had there stays. */
#define RAW(...) ({						\
	int saved_ = errno;					\
	long ret_ = syscall(__VA_ARGS__);			\
								\
	if (ret_ == -1)						\
		ret_ = -errno;					\
	errno = saved_;						\
	ret_;							\
})

long sys_call(const struct indirect_registers *regs)
{
	const __u64 *a = regs->args;
	long ret;

	/* The kernel would look at the lower half of it. */
	if (regs->nr > INT32_MAX)
		return -ENOSYS;
	ret = RAW((long)regs->nr, (long)a[0], (long)a[1], (long)a[2], (long)a[3],
		  (long)a[4], (long)a[5]);
	/* A driver's, or a filter's, idea: no completion will come. */
	return ret == -ESYSLETPENDING ? -EIO : ret;
}

#if !defined(__x86_64__) && !defined(LIBSYSLET_FAKE_KERNEL)
long sys_indirect(const struct indirect_registers *regs,
		  const struct indirect_params *params)
{
	return RAW(__NR_indirect, regs, params, sizeof(*params), 0);
}
#endif

/* What is left until then, as the kernel takes it; NULL: no limit. */
static struct __kernel_timespec *left(struct __kernel_timespec *ts, int64_t until)
{
	int64_t ns;

	if (until == FOREVER)
		return NULL;
	ns = time_left(until);
	ts->tv_sec = ns / 1000000000;
	ts->tv_nsec = ns % 1000000000;
	return ts;
}

/* tests/fake-kernel.c has its own */
#ifndef LIBSYSLET_FAKE_KERNEL

int sys_ring_wait(struct syslet_ring *ring, uint32_t idx, unsigned int nr, int64_t until)
{
	struct __kernel_timespec ts;

	return (int)RAW(__NR_syslet_ring_wait, ring, (unsigned long)idx, nr,
			left(&ts, until), 0);
}

int sys_cancel(struct syslet_ring *ring, uint64_t data, unsigned int flags)
{
#ifdef __i386__
	return (int)RAW(__NR_syslet_cancel, ring, (uint32_t)data, (uint32_t)(data >> 32),
			flags);
#else
	return (int)RAW(__NR_syslet_cancel, ring, data, flags);
#endif
}

/* How many were run; -EAGAIN: the first one was refused. */
int sys_submit(struct syslet_call *calls, unsigned int nr,
	       const struct indirect_params *params)
{
	return (int)RAW(__NR_syslet_submit, calls, nr, params, sizeof(*params),
			SYSLET_SUBMIT_STOP_REFUSED);
}

#endif

/* 0 also if @word is not @val; -ETIME, -EINTR */
int sys_futex_wait(uint32_t *word, uint32_t val, int64_t until)
{
	struct __kernel_timespec ts;
	long ret = RAW(NR_FUTEX, word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, val,
		       left(&ts, until), NULL, 0);

	if (ret == -ETIMEDOUT)
		return -ETIME;
	return ret == -EINTR ? -EINTR : 0;
}

void sys_futex_wake(uint32_t *word, int nr)
{
	RAW(NR_FUTEX, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, nr, NULL, NULL, 0);
}

/* What poll(2) finds now. */
bool sys_poll_now(struct pollfd *pfd)
{
	struct __kernel_timespec zero = { .tv_sec = 0 };

	return RAW(NR_PPOLL, pfd, 1, &zero, NULL, 0) == 1;
}

bool sys_is_writable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	return sys_poll_now(&pfd) && (pfd.revents & POLLOUT);
}

void sys_close(int fd)
{
	RAW(SYS_close, fd);
}

void sys_eventfd_signal(int fd)
{
	uint64_t one = 1;

	RAW(SYS_write, fd, &one, sizeof(one));
}

bool sys_is_filtered(void)
{
	return RAW(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0) > 0;
}
