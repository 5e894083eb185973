/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Internal to libsyslet. */
#ifndef LIBSYSLET_LIB_H
#define LIBSYSLET_LIB_H

#include "syslet.h"

#pragma GCC visibility push(hidden)

/* syscall.c: as the kernel returns them, errors as -errno */
long sys_call(const struct indirect_registers *regs);
#ifdef __x86_64__
/* The hot path: inline, and without the detour through errno. */
static inline long sys_indirect(const struct indirect_registers *regs,
				const struct indirect_params *params)
{
	register long r10 __asm__("r10") = 0;
	long ret;

	__asm__ volatile("syscall"
			 : "=a" (ret)
			 : "a" ((long)__NR_indirect), "D" (regs), "S" (params),
			   "d" (sizeof(*params)), "r" (r10)
			 : "rcx", "r11", "memory");
	return ret;
}
#else
long sys_indirect(const struct indirect_registers *regs,
		  const struct indirect_params *params);
#endif
int sys_syslet_ring_wait(struct syslet_ring *ring, uint32_t idx, unsigned int nr,
			 const struct timespec *timeout);
long sys_futex_wait(uint32_t *word, uint32_t val, const struct timespec *timeout);
long sys_futex_wake(uint32_t *word, int nr);

/* ring.c: rings in our memory */
struct syslet_ring *ring_alloc(unsigned int elements);
void ring_free(struct syslet_ring *ring);
int ring_take(struct syslet_ring *ring, struct syslet_completion *c);
void ring_add(struct syslet_ring *ring, uint64_t status, uint64_t data);

/* threads.c: calls on threads of our own, which post to a ring of their own */
struct syslet_threads *threads_start(unsigned int entries);
void threads_stop(struct syslet_threads *t);
int threads_submit(struct syslet_threads *t, const struct indirect_registers *regs,
		   uint64_t data);
struct syslet_ring *threads_ring(struct syslet_threads *t);

/* class.c: calls that are about their thread, or cannot be made for others */
enum call_class { CALL_REFUSE, CALL_SYNC, CALL_ANY_THREAD };
enum call_class call_classify(uint64_t nr);

#pragma GCC visibility pop

#endif /* LIBSYSLET_LIB_H */
