/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * System calls without the C library, for tests that change what it stands on
 * (thread pointer, shadow stack) or look at registers.
 */
#ifndef __SYSLET_RAW_H
#define __SYSLET_RAW_H

#include "common.h"

static __always_inline long raw(long nr, long a, long b, long c, long d)
{
	register long r10 asm("r10") = d;
	long ret;

	asm volatile("syscall" : "=a" (ret)
		     : "a" (nr), "D" (a), "S" (b), "d" (c), "r" (r10)
		     : "rcx", "r11", "memory");
	return ret;
}

/* A read of an empty pipe, ready to be made by raw_pending(). */
struct raw_call {
	struct indirect_registers regs;
	struct indirect_params params;
	struct blocker b;
};

static inline bool raw_prepare(struct raw_call *call, struct syslet_ring *ring)
{
	*call = (struct raw_call){ .params.syslet.completion_ring_ptr = P(ring) };
	if (pipe(call->b.fd))
		return false;
	call->regs = CALL(__NR_read, call->b.fd[0], P(&call->b.c), 1);
	return true;
}

static __always_inline long raw_pending(struct raw_call *call)
{
	return raw(__NR_indirect, (long)&call->regs, (long)&call->params,
		   sizeof(call->params), 0);
}

/* Memory that the i386 ABI and segments can address. */
static inline void *low_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/*
 * The i386 ABI, by the gate that 64-bit programs can use as well: numbers of
 * i386, pointers to low memory.
 */
#define i386_call(nr, ...)	i386_gate(nr, (const long[5]){ __VA_ARGS__ })

static inline long i386_gate(long nr, const long *args)
{
	int ret;

	asm volatile("int $0x80" : "=a" (ret)
		     : "a" (nr), "b" (args[0]), "c" (args[1]), "d" (args[2]),
		       "S" (args[3]), "D" (args[4])
		     : "r8", "r9", "r10", "r11", "memory", "cc");
	return ret;
}

static inline bool have_ia32(void)
{
	/* getpid */
	return i386_call(20, 0) == getpid();
}

#endif /* __SYSLET_RAW_H */
