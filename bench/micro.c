// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cost of one call, in instructions when the guest runs with ICOUNT=1: plain,
 * through indirect(), armed; and of a call that blocks.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#define BATCH	1000
#define BATCHES	21

static struct syslet_ring *ring;

static long plain(const struct indirect_registers *r)
{
	return raw(r->nr, r->args[0], r->args[1], r->args[2], r->args[3], 0);
}

static long indirect(const struct indirect_registers *r)
{
	return raw(__NR_indirect, P(r), 0, 0, 0, 0);
}

static long armed(const struct indirect_registers *r)
{
	struct indirect_params p = { .syslet.completion_ring_ptr = P(ring) };

	return raw(__NR_indirect, P(r), P(&p), sizeof(p), 0, 0);
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
	return (double)median(t, BATCHES) / BATCH;
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
		die("pipe: %m");
	r.args[0] = fd[0];
	r.args[1] = P(&c);
	r.args[2] = 1;
	for (i = 0; i < BATCHES; i++) {
		uint64_t start = now(), submit = 0;

		for (j = 0; j < BATCH; j++) {
			uint64_t t0 = now();

			long ret = armed(&r);

			if (ret != -ESYSLETPENDING)
				die("blocked: %ld at %d", ret, i * BATCH + j);
			submit += now() - t0;
			if (write(fd[1], "x", 1) != 1)
				die("write: %m");
			ring_wait(ring, ring->user_tail, 1);
			ring->user_tail++;
		}
		t[i] = now() - start;
		s[i] = submit;
	}
	printf("pipe read that blocks: submit to pending %.0f, to reaped %.0f\n",
	       (double)median(s, BATCHES) / BATCH, (double)median(t, BATCHES) / BATCH);
}

int main(void)
{
	static struct stat st;

	ring = ring_alloc(64);
	row("getppid", (struct indirect_registers){ .nr = SYS_getppid });
	row("lseek", (struct indirect_registers){ .nr = SYS_lseek, .args = { 0, 0, 1 } });
	row("lstat", (struct indirect_registers){ .nr = SYS_lstat, .args = { P("/bin/sh"), P(&st) } });
	blocked();
	return 0;
}
