// SPDX-License-Identifier: GPL-2.0-only
/*
 * What those pay who do not use syslets: a null call, a context switch, fork and
 * exit. Run on several kernels, each of which is a peer:  bench-idle PEER
 *
 * With a second word, "used", the process makes a syslet that blocks first.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define BATCHES	21

static const char *peer;

/* The median of batches of @n operations, for each of them. */
static void measure(const char *name, void (*operation)(void), int n)
{
	uint64_t t[BATCHES];

	for (int i = 0; i < BATCHES; i++) {
		uint64_t start = now();

		for (int j = 0; j < n; j++)
			operation();
		t[i] = now() - start;
	}
	result("idle", name, peer, "one", (double)median(t, BATCHES) / n, "instructions");
}

static void null_call(void)
{
	raw(SYS_getppid, 0, 0, 0, 0, 0);
}

/* --- ping-pong: two pipes, two processes, two switches each time --------------- */

static int there[2], back[2];

static void pass_on(int from, int to)
{
	char c;

	if (raw(SYS_read, from, P(&c), 1, 0, 0) != 1)
		_exit(0);
	if (raw(SYS_write, to, P(&c), 1, 0, 0) != 1)
		die("write failed");
}

static void ping_pong(void)
{
	char c = 0;

	if (raw(SYS_write, there[1], P(&c), 1, 0, 0) != 1 ||
	    raw(SYS_read, back[0], P(&c), 1, 0, 0) != 1)
		die("the other process is gone");
}

static pid_t partner(void)
{
	pid_t pid;

	if (pipe(there) || pipe(back))
		die("pipe: %m");
	pid = fork();
	if (!pid) {
		close(there[1]);
		for (;;)
			pass_on(there[0], back[1]);
	}
	return pid;
}

static void fork_exit(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	if (waitpid(pid, &status, 0) != pid || status)
		die("a child failed");
}

/* From here on this process has a context and a parked spare. */
static void use_syslets(void)
{
	struct syslet_ring *ring = ring_alloc(64);
	int fd[2];
	char c;
	const struct indirect_params p = { .syslet.completion_ring_ptr = P(ring) };
	struct indirect_registers r = { .nr = SYS_read };

	if (pipe(fd))
		die("pipe: %m");
	r.args[0] = fd[0];
	r.args[1] = P(&c);
	r.args[2] = 1;
	if (raw(__NR_indirect, P(&r), P(&p), sizeof(p), 0, 0) != -ESYSLETPENDING ||
	    write(fd[1], "x", 1) != 1 || ring_wait(ring, 0, 1))
		die("no syslets in this kernel");
}

int main(int argc, char **argv)
{
	pid_t pid;

	if (argc < 2)
		die("usage: bench-idle PEER [used]");
	peer = argv[1];
	if (argc > 2)
		use_syslets();
	measure("null call", null_call, 1000);
	pid = partner();
	measure("pipe ping-pong, two switches", ping_pong, 200);
	close(there[1]);
	waitpid(pid, NULL, 0);
	measure("fork, exit, wait", fork_exit, 200);
	return 0;
}
