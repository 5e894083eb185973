// SPDX-License-Identifier: GPL-2.0-only
/*
 * A flood of calls that block for nothing, and what others feel of it: how long
 * a process that has nothing to do with it takes to fork, exit and wait, for
 * which it needs tasklist_lock.
 *
 * Some threads read pipes that are empty, and write to them when the read is
 * pending; or have a thread for each read, as a pool has. A handoff takes
 * tasklist_lock only if its thread is traced or has children: so that, too.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define FORKS		300
#define THREADS		4
#define ELEMENTS	64

/* --- those who flood --------------------------------------------------------------- */

struct flood {
	const char *name;
	void *(*thread)(void *arg);
	bool traced;
};

/* In memory that all processes have: calls that have blocked. */
static atomic_ulong *blocked;

static void *by_syslets(void *arg)
{
	struct syslet_ring *ring = ring_alloc(ELEMENTS);
	struct indirect_params params = { .syslet.completion_ring_ptr = P(ring) };
	struct indirect_registers regs;
	int fd[2];
	char c;

	(void)arg;
	if (pipe(fd))
		die("pipe: %m");
	regs = (struct indirect_registers){ .nr = SYS_read, .args = { fd[0], P(&c), 1 } };
	for (;;) {
		if (raw(__NR_indirect, P(&regs), P(&params), sizeof(params), 0, 0) !=
		    -ESYSLETPENDING)
			die("a read that blocks did not");
		if (write(fd[1], "x", 1) != 1)
			die("write: %m");
		ring_wait(ring, ring->user_tail, 1);
		ring->user_tail++;
		(*blocked)++;
	}
	return NULL;
}

/* What a pool does: another thread is there to block. */
struct pool {
	int work[2], done[2];
};

static void *pool_main(void *arg)
{
	struct pool *p = arg;
	char c;

	for (;;)
		if (read(p->work[0], &c, 1) != 1 || write(p->done[1], "x", 1) != 1)
			die("pool: %m");
	return NULL;
}

static void *by_threads(void *arg)
{
	struct pool p;
	pthread_t t;
	char c;

	(void)arg;
	if (pipe(p.work) || pipe(p.done) || pthread_create(&t, NULL, pool_main, &p))
		die("no pool: %m");
	for (;;) {
		if (write(p.work[1], "x", 1) != 1 || read(p.done[0], &c, 1) != 1)
			die("pool: %m");
		(*blocked)++;
	}
	return NULL;
}

/* Of the thread itself, to be passed on by each handoff. */
static void *with_children(void *arg)
{
	for (int i = 0; i < 8; i++) {
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	}
	return by_syslets(arg);
}

static void flood_main(const struct flood *f)
{
	pthread_t t;

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&t, NULL, f->thread, NULL))
			die("no thread");
	for (;;)
		pause();
}

/* A tracer that does not ask to be told of system calls. */
static void trace_main(const struct flood *f)
{
	int status;
	pid_t pid = fork(), tid;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		raise(SIGSTOP);
		flood_main(f);
	}
	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACECLONE))
		die("PTRACE_SEIZE: %m");
	kill(pid, SIGCONT);
	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		int sig = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;

		if (sig == SIGTRAP || sig == SIGSTOP)
			sig = 0;
		ptrace(PTRACE_CONT, tid, 0, sig);
	}
	_exit(0);
}

/* The first CPU, or all but that. */
static void use_cpus(bool first)
{
	long nr = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t cpus;

	if (nr == 1)
		return;
	CPU_ZERO(&cpus);
	for (int i = first ? 0 : 1; i < (first ? 1 : nr); i++)
		CPU_SET(i, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("sched_setaffinity: %m");
}

static pid_t flood_begin(const struct flood *f)
{
	pid_t pid;

	*blocked = 0;
	if (!f->thread)
		return 0;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		use_cpus(false);
		if (f->traced)
			trace_main(f);
		flood_main(f);
	}
	/* it has begun in earnest */
	while (*blocked < 1000)
		sched_yield();
	return pid;
}

static void flood_end(pid_t pid)
{
	if (!pid)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- the one who feels it ------------------------------------------------------------ */

static void measure(const struct flood *f)
{
	static uint64_t d[FORKS];
	pid_t flood = flood_begin(f), pid;
	uint64_t start = now(), ns, calls = *blocked;
	char name[32];

	for (int i = 0; i < FORKS; i++) {
		ns = now();
		pid = fork();
		if (!pid)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			die("fork: %m");
		d[i] = now() - ns;
	}
	calls = *blocked - calls;
	ns = now() - start;
	flood_end(flood);

	snprintf(name, sizeof(name), "%d flooding", THREADS);
	result("flood", name, f->name, "fork, exit, wait: median", median(d, FORKS) / 1e3, "us");
	result("flood", name, f->name, "fork, exit, wait: 99 %", d[FORKS * 99 / 100] / 1e3, "us");
	result("flood", name, f->name, "fork, exit, wait: max", d[FORKS - 1] / 1e3, "us");
	result("flood", name, f->name, "calls that blocked", calls * 1e9 / ns, "1/s");
}

int main(void)
{
	static const struct flood floods[] = {
		{ .name = "nobody" },
		{ .name = "pool", .thread = by_threads },
		{ .name = "syslets", .thread = by_syslets },
		{ .name = "with children", .thread = with_children },
		{ .name = "pool, traced", .thread = by_threads, .traced = true },
		{ .name = "traced", .thread = by_syslets, .traced = true },
	};

	blocked = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (blocked == MAP_FAILED)
		die("no memory");
	use_cpus(true);
	for (int i = 0; i < ARRAY_LEN(floods); i++)
		measure(&floods[i]);
	return 0;
}
