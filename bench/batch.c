// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cost of 32 calls that do not block, in instructions when the guest runs with
 * ICOUNT=1: one by one, armed, and in one batch.
 */
#define _GNU_SOURCE
#include <linux/indirect.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CALLS	32
#define ROUNDS	501
#define P(p)	((uint64_t)(uintptr_t)(p))

static struct syslet_ring *ring;

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

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static struct syslet_call calls[CALLS];

static void plain(void)
{
	int i;

	for (i = 0; i < CALLS; i++) {
		struct syslet_call *c = &calls[i];

		c->result = raw(c->nr, c->args[0], c->args[1], c->args[2], c->args[3], 0);
	}
}

static void armed(void)
{
	struct indirect_params p = { .syslet.completion_ring_ptr = P(ring) };
	int i;

	for (i = 0; i < CALLS; i++)
		calls[i].result = raw(__NR_indirect, P(&calls[i]), P(&p), sizeof(p), 0, 0);
}

static void batch(void)
{
	struct indirect_params p = { .syslet.completion_ring_ptr = P(ring) };
	long ret = raw(__NR_syslet_submit, P(calls), CALLS, P(&p), sizeof(p), 0);

	if (ret != CALLS) {
		fprintf(stderr, "syslet_submit: %ld\n", ret);
		exit(1);
	}
}

static void sync_batch(void)
{
	long ret = raw(__NR_syslet_submit, P(calls), CALLS, 0, 0, 0);

	if (ret != CALLS) {
		fprintf(stderr, "syslet_submit: %ld\n", ret);
		exit(1);
	}
}

static int cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double measure(void (*how)(void))
{
	uint64_t t[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t start = now();

		how();
		t[i] = now() - start;
	}
	qsort(t, ROUNDS, sizeof(t[0]), cmp);
	return (double)t[ROUNDS / 2] / CALLS;
}

static void row(const char *name, struct syslet_call c)
{
	double p, a, b, s;
	int i;

	for (i = 0; i < CALLS; i++)
		calls[i] = c;
	p = measure(plain);
	a = measure(armed);
	b = measure(batch);
	s = measure(sync_batch);
	printf("%-10s plain %6.0f  armed %6.0f (%.3f)  batch %6.0f (%.3f)  without ring %6.0f (%.3f)\n",
	       name, p, a, a / p, b, b / p, s, s / p);
}

int main(void)
{
	static struct stat st;

	ring = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ring->elements = 64;
	row("getppid", (struct syslet_call){ .nr = SYS_getppid });
	row("lseek", (struct syslet_call){ .nr = SYS_lseek, .args = { 0, 0, 1 } });
	row("lstat", (struct syslet_call){ .nr = SYS_lstat, .args = { P("/bin/sh"), P(&st) } });
	return 0;
}
