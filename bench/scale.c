// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many blocked calls at a time, reads of empty pipes: what one more costs, when
 * its helper has to be made and when there is one from last time; the memory
 * that it holds; what it takes to complete all, and to kill the program.
 *
 * Costs are CPU time of the whole process, so that what helpers do after the
 * submitter has gone on counts as well. Meant for ICOUNT=1.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <liburing.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MAX_CALLS	10000
#define ENTRIES		16384
/* How many of the last calls "one more" is measured with. */
#define LAST		100
/* Rounds with helpers that are there. */
#define ROUNDS		3
/* Until nothing runs any more: idle time costs nothing. */
#define SETTLE_US	50000
/* Until the memory of a process that is gone is free. */
#define FREE_US		2000000

static int pipes[MAX_CALLS][2];
static char bytes[MAX_CALLS];

static void pipes_init(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (pipe(pipes[i]))
			die("pipe %u: %m", i);
}

/* --- peers: begin a read of a pipe, wait until @n are over -------------------- */

struct peer {
	const char *name;
	void (*init)(unsigned int n);
	void (*begin)(unsigned int i);
	void (*wait)(unsigned int n);
};

static struct syslet_ring *ring;

static void syslet_init(unsigned int n)
{
	(void)n;
	ring = ring_alloc(ENTRIES);
}

static void syslet_begin(unsigned int i)
{
	const struct indirect_registers r = {
		.nr = SYS_read, .args = { pipes[i][0], P(&bytes[i]), 1 } };
	const struct indirect_params p = { .syslet.completion_ring_ptr = P(ring) };
	long ret = raw(__NR_indirect, P(&r), P(&p), sizeof(p), 0, 0);

	if (ret != -ESYSLETPENDING)
		die("read %u returned %ld", i, ret);
}

static void syslet_wait_all(unsigned int n)
{
	if (ring_wait(ring, ring->user_tail, n))
		die("syslet_ring_wait failed");
	for (unsigned int i = 0; i < n; i++, ring->user_tail++)
		if (ring->comp[ring->user_tail & (ENTRIES - 1)].status != 1)
			die("a completion is wrong");
}

static struct io_uring uring;
static unsigned int sqe_flags;

static void uring_init(unsigned int n)
{
	struct io_uring_params p = { .flags = IORING_SETUP_CQSIZE, .cq_entries = ENTRIES };
	unsigned int workers[2] = { n, n };

	if (io_uring_queue_init_params(8, &uring, &p))
		die("no io_uring");
	io_uring_register_iowq_max_workers(&uring, workers);
}

static void uring_async_init(unsigned int n)
{
	sqe_flags = IOSQE_ASYNC;
	uring_init(n);
}

static void uring_begin(unsigned int i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring);

	io_uring_prep_read(sqe, pipes[i][0], &bytes[i], 1, 0);
	io_uring_sqe_set_flags(sqe, sqe_flags);
	if (io_uring_submit(&uring) != 1)
		die("io_uring_submit failed");
}

static void uring_wait(unsigned int n)
{
	struct io_uring_cqe *cqe;

	for (unsigned int i = 0; i < n; i++) {
		if (io_uring_wait_cqe(&uring, &cqe) || cqe->res != 1)
			die("a completion is wrong");
		io_uring_cqe_seen(&uring, cqe);
	}
}

/* A thread for each call; they stay, and wait for the next one. */
static struct thread {
	uint32_t job;
	bool exists;
} threads[MAX_CALLS];
static uint32_t completed, wanted;

static void futex_wait(uint32_t *word, uint32_t value)
{
	raw(SYS_futex, P(word), FUTEX_WAIT_PRIVATE, value, 0, 0);
}

static void futex_wake(uint32_t *word)
{
	raw(SYS_futex, P(word), FUTEX_WAKE_PRIVATE, 1, 0, 0);
}

static void *thread_main(void *arg)
{
	unsigned int i = (uintptr_t)arg;

	for (;;) {
		while (!__atomic_load_n(&threads[i].job, __ATOMIC_ACQUIRE))
			futex_wait(&threads[i].job, 0);
		threads[i].job = 0;
		if (raw(SYS_read, pipes[i][0], P(&bytes[i]), 1, 0, 0) != 1)
			die("read %u failed", i);
		if (__atomic_add_fetch(&completed, 1, __ATOMIC_RELEASE) ==
		    __atomic_load_n(&wanted, __ATOMIC_ACQUIRE))
			futex_wake(&completed);
	}
	return NULL;
}

static void threads_init(unsigned int n)
{
	(void)n;
}

static void threads_begin(unsigned int i)
{
	pthread_attr_t attr;
	pthread_t t;

	__atomic_store_n(&threads[i].job, 1, __ATOMIC_RELEASE);
	if (threads[i].exists) {
		futex_wake(&threads[i].job);
		return;
	}
	threads[i].exists = true;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	if (pthread_create(&t, &attr, thread_main, (void *)(uintptr_t)i))
		die("thread %u: cannot be created", i);
	pthread_attr_destroy(&attr);
}

static void threads_wait(unsigned int n)
{
	uint32_t seen;

	__atomic_store_n(&wanted, n, __ATOMIC_RELEASE);
	while ((seen = __atomic_load_n(&completed, __ATOMIC_ACQUIRE)) != n)
		futex_wait(&completed, seen);
	completed = 0;
}

static const struct peer peers[] = {
	{ "syslet", syslet_init, syslet_begin, syslet_wait_all },
	{ "io_uring, poll", uring_init, uring_begin, uring_wait },
	{ "io_uring, ASYNC", uring_async_init, uring_begin, uring_wait },
	{ "threads", threads_init, threads_begin, threads_wait },
};

/* --- what is measured ------------------------------------------------------------ */

/* CPU time of the process until there is nothing left to do. */
static uint64_t cpu_time(void)
{
	struct timespec ts;

	usleep(SETTLE_US);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static double memory_free(void)
{
	char line[128];
	double kb = 0;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f) && sscanf(line, "MemFree: %lf", &kb) != 1)
		;
	if (!f || !kb)
		die("/proc/meminfo has no MemFree");
	fclose(f);
	return kb;
}

/* Begin @n calls: what each of the last ones took, beyond what a look takes. */
static double begin_all(const struct peer *peer, unsigned int n)
{
	unsigned int last = n < LAST ? n : LAST;
	uint64_t look, start;
	unsigned int i;

	for (i = 0; i < n - last; i++)
		peer->begin(i);
	look = cpu_time();
	start = cpu_time();
	look = start - look;
	for (; i < n; i++)
		peer->begin(i);
	return (double)(cpu_time() - start - look) / last;
}

static double complete_all(const struct peer *peer, unsigned int n)
{
	uint64_t start = now();

	for (unsigned int i = 0; i < n; i++)
		if (raw(SYS_write, pipes[i][1], P("x"), 1, 0, 0) != 1)
			die("write %u failed", i);
	peer->wait(n);
	return (double)(now() - start) / n;
}

static void measure(const struct peer *peer, unsigned int n)
{
	uint64_t more[ROUNDS], complete[ROUNDS];
	double first, memory;
	char name[32];

	snprintf(name, sizeof(name), "%u outstanding", n);
	peer->init(n);
	usleep(FREE_US);
	memory = memory_free();
	first = begin_all(peer, n);
	memory -= memory_free();
	complete_all(peer, n);
	/* No pause in which helpers would be sent home: they stay for 2 s. */
	for (int i = 0; i < ROUNDS; i++) {
		more[i] = begin_all(peer, n);
		complete[i] = complete_all(peer, n);
	}
	result("scale", name, peer->name, "one more, its helper made", first, "instructions");
	result("scale", name, peer->name, "one more", median(more, ROUNDS), "instructions");
	result("scale", name, peer->name, "complete one", median(complete, ROUNDS), "instructions");
	/* Less is lost in what the allocators keep for each CPU. */
	if (n >= 1000)
		result("scale", name, peer->name, "memory of one", memory / n, "KiB");
}

/* In a process of its own, which begins with no helpers. */
static void in_child(void (*what)(const struct peer *peer, unsigned int n),
		     const struct peer *peer, unsigned int n)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		what(peer, n);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		die("%s, %u calls: status %x", peer->name, n, status);
}

static void be_killed(const struct peer *peer, unsigned int n, int ready)
{
	peer->init(n);
	for (unsigned int i = 0; i < n; i++)
		peer->begin(i);
	usleep(SETTLE_US);
	if (write(ready, "x", 1) != 1)
		die("write: %m");
	for (;;)
		pause();
}

static void measure_kill(const struct peer *peer, unsigned int n)
{
	int ready[2], status;
	char name[32], c;
	uint64_t start;
	pid_t pid;

	if (pipe(ready))
		die("pipe: %m");
	pid = fork();
	if (!pid)
		be_killed(peer, n, ready[1]);
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		die("%s: %u calls could not be begun", peer->name, n);
	close(ready[0]);
	start = now();
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid: %m");
	snprintf(name, sizeof(name), "%u outstanding", n);
	result("scale", name, peer->name, "kill all", (now() - start) / 1e3, "us");
}

int main(void)
{
	static const unsigned int counts[] = { 1, 10, 100, 1000, MAX_CALLS };
	struct rlimit files = { 3 * MAX_CALLS, 3 * MAX_CALLS };

	if (setrlimit(RLIMIT_NOFILE, &files))
		die("no %u files: %m", 3 * MAX_CALLS);
	for (unsigned int c = 0; c < ARRAY_LEN(counts); c++) {
		pipes_init(counts[c]);
		for (unsigned int i = 0; i < ARRAY_LEN(peers); i++) {
			in_child(measure, &peers[i], counts[c]);
			measure_kill(&peers[i], counts[c]);
		}
		for (unsigned int i = 0; i < counts[c]; i++) {
			close(pipes[i][0]);
			close(pipes[i][1]);
		}
	}
	return 0;
}
