/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the benchmarks share: calls without the C library, time, medians, and
 * how a figure is told. With ICOUNT=1 a nanosecond is an instruction.
 */
#ifndef SYSLET_BENCH_H
#define SYSLET_BENCH_H

#include <linux/indirect.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define P(p)		((uint64_t)(uintptr_t)(p))
#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

#define die(...) do {				\
	fprintf(stderr, __VA_ARGS__);		\
	fputc('\n', stderr);			\
	exit(1);				\
} while (0)

static inline long raw(long nr, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long ret;

	__asm__ volatile("syscall" : "=a" (ret)
			 : "a" (nr), "D" (a), "S" (b), "d" (c), "r" (r10), "r" (r8)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static inline int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Sorts them. */
static inline uint64_t median(uint64_t *values, size_t nr)
{
	if (!nr)
		die("median of nothing");
	qsort(values, nr, sizeof(values[0]), compare);
	return values[nr / 2];
}

/* All of it touched: the kernel finds the pages when it posts. */
static inline struct syslet_ring *ring_alloc(unsigned int elements)
{
	size_t len = sizeof(struct syslet_ring) + elements * sizeof(struct syslet_completion);
	struct syslet_ring *ring = mmap(NULL, len, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (ring == MAP_FAILED)
		die("no memory for a ring");
	ring->elements = elements;
	return ring;
}

static inline long ring_wait(struct syslet_ring *ring, uint32_t idx, unsigned int nr)
{
	return raw(__NR_syslet_ring_wait, P(ring), idx, nr, 0, 0);
}

/* A line for bench/table.py; the number of CPUs makes it another case. */
static inline void result(const char *family, const char *name, const char *peer,
			  const char *metric, double value, const char *unit)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	printf("{\"family\": \"%s\", \"case\": \"%s, %ld CPU%s\", \"peer\": \"%s\", "
	       "\"metric\": \"%s\", \"value\": %.1f, \"unit\": \"%s\"}\n",
	       family, name, cpus, cpus > 1 ? "s" : "", peer, metric, value, unit);
	fflush(stdout);
}

#endif /* SYSLET_BENCH_H */
