// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cost of one call, in instructions when the guest runs with ICOUNT=1: plain,
 * through indirect(), armed; and of a call that blocks.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/indirect.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BATCH	1000
#define BATCHES	21
#define P(p)	((uint64_t)(uintptr_t)(p))

static struct syslet_ring *ring;

static long raw(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall" : "=a" (ret)
			 : "a" (nr), "D" (a), "S" (b), "d" (c), "r" (r10)
			 : "rcx", "r11", "memory");
	return ret;
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static long plain(const struct indirect_registers *r)
{
	return raw(r->nr, r->args[0], r->args[1], r->args[2], r->args[3]);
}

static long indirect(const struct indirect_registers *r)
{
	return raw(__NR_indirect, P(r), 0, 0, 0);
}

static long armed(const struct indirect_registers *r)
{
	struct indirect_params p = { .syslet.completion_ring_ptr = P(ring) };

	return raw(__NR_indirect, P(r), P(&p), sizeof(p), 0);
}

static int cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double measure(long (*how)(const struct indirect_registers *), struct indirect_registers r)
{
	uint64_t t[BATCHES];
	int i, j;

	for (i = 0; i < BATCHES; i++) {
		uint64_t start = now();

		for (j = 0; j < BATCH; j++)
			how(&r);
		t[i] = now() - start;
	}
	qsort(t, BATCHES, sizeof(t[0]), cmp);
	return (double)t[BATCHES / 2] / BATCH;
}

static void row(const char *name, struct indirect_registers r)
{
	double p = measure(plain, r), i = measure(indirect, r), a = measure(armed, r);

	printf("%-10s plain %7.0f  indirect %7.0f (%.2f)  armed %7.0f (%.2f)\n",
	       name, p, i, i / p, a, a / p);
}

static void blocked(void)
{
	uint64_t t[BATCHES], s[BATCHES];
	struct indirect_registers r = { .nr = SYS_read };
	int i, j, fd[2];
	char c;

	if (pipe(fd))
		exit(1);
	r.args[0] = fd[0];
	r.args[1] = P(&c);
	r.args[2] = 1;
	for (i = 0; i < BATCHES; i++) {
		uint64_t start = now(), submit = 0;

		for (j = 0; j < BATCH; j++) {
			uint64_t t0 = now();

			long ret = armed(&r);

			if (ret != -ESYSLETPENDING) {
				fprintf(stderr, "blocked: %ld at %d\n", ret, i * BATCH + j);
				exit(2);
			}
			submit += now() - t0;
			if (write(fd[1], "x", 1) != 1)
				exit(3);
			syscall(__NR_syslet_ring_wait, ring, (long)ring->user_tail, 1, 0L, 0L);
			ring->user_tail++;
		}
		t[i] = now() - start;
		s[i] = submit;
	}
	qsort(t, BATCHES, sizeof(t[0]), cmp);
	qsort(s, BATCHES, sizeof(s[0]), cmp);
	printf("pipe read that blocks: submit to pending %.0f, to reaped %.0f\n",
	       (double)s[BATCHES / 2] / BATCH, (double)t[BATCHES / 2] / BATCH);
}

int main(void)
{
	static struct stat st;

	ring = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ring->elements = 64;
	row("getppid", (struct indirect_registers){ .nr = SYS_getppid });
	row("lseek", (struct indirect_registers){ .nr = SYS_lseek, .args = { 0, 0, 1 } });
	row("lstat", (struct indirect_registers){ .nr = SYS_lstat, .args = { P("/bin/sh"), P(&st) } });
	blocked();
	return 0;
}
