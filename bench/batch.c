// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that do not block, 32 at a time: what each of them costs, made plainly,
 * through indirect(2), armed, and in a batch; in instructions when the guest
 * runs with ICOUNT=1.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define CALLS	32
#define ROUNDS	501

static struct syslet_ring *ring;
static struct syslet_call calls[CALLS];

static void plain(void)
{
	struct syslet_call *c;

	for (c = calls; c < calls + CALLS; c++)
		c->result = raw(c->nr, c->args[0], c->args[1], c->args[2], c->args[3],
				c->args[4]);
}

static void indirect_all(const struct indirect_params *params)
{
	struct syslet_call *c;

	/* An entry begins as struct indirect_registers. */
	for (c = calls; c < calls + CALLS; c++)
		c->result = raw(__NR_indirect, P(c), P(params), sizeof(*params), 0, 0);
}

static void indirect(void)
{
	static const struct indirect_params none;

	indirect_all(&none);
}

static void armed(void)
{
	const struct indirect_params params = {
		.syslet.completion_ring_ptr = P(ring),
	};

	indirect_all(&params);
}

static void submit_all(const struct indirect_params *params)
{
	long ret = raw(__NR_syslet_submit, P(calls), CALLS, P(params), sizeof(*params), 0);

	if (ret != CALLS)
		die("syslet_submit: %ld", ret);
}

static void batch(void)
{
	static const struct indirect_params none;

	submit_all(&none);
}

static void armed_batch(void)
{
	const struct indirect_params params = {
		.syslet.completion_ring_ptr = P(ring),
	};

	submit_all(&params);
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
	return (double)median(t, ROUNDS) / CALLS;
}

static void row(const char *name, struct syslet_call call)
{
	static const struct {
		const char *peer;
		void (*how)(void);
	} peers[] = {
		{ "plain", plain },
		{ "indirect", indirect },
		{ "armed", armed },
		{ "batch", batch },
		{ "armed batch", armed_batch },
	};
	double base = 0, t;
	unsigned int i;

	for (i = 0; i < CALLS; i++)
		calls[i] = call;
	for (i = 0; i < ARRAY_LEN(peers); i++) {
		t = measure(peers[i].how);
		if (!i)
			base = t;
		result("batch", name, peers[i].peer, "one call", t, "ns");
		result("batch", name, peers[i].peer, "of plain", t / base * 1000, "1/1000");
	}
}

int main(void)
{
	static struct stat st;
	static char buf[4096];
	int fd = open("/proc/self/exe", O_RDONLY);

	ring = ring_alloc(64);
	row("getppid", (struct syslet_call){ .nr = SYS_getppid });
	row("lseek", (struct syslet_call){ .nr = SYS_lseek, .args = { fd, 0, SEEK_CUR } });
	row("lstat", (struct syslet_call){ .nr = SYS_lstat, .args = { P("/bin/sh"), P(&st) } });
	row("pread 4 KiB", (struct syslet_call){ .nr = SYS_pread64,
						 .args = { fd, P(buf), sizeof(buf), 0 } });
	return 0;
}
