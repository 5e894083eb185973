// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one call costs, in instructions when the guest runs with ICOUNT=1: calls
 * that do not block, plainly, through indirect(2), armed, in a batch, through
 * io_uring, and given to a thread; then one that blocks.
 *
 *	bench-micro DIRECTORY
 *
 * DIRECTORY is on a file system that io_uring can read without a thread (ext4,
 * say), and has a file "file" of 4 KiB.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <liburing.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Calls under way at a time, where that is more than one. */
#define CALLS	32
#define ROUNDS	101
#define BLOCKED_ROUNDS	501

/* --- a call, and the ways to make it --------------------------------------------- */

static struct syslet_ring *ring;
static struct syslet_call calls[CALLS];

static const struct indirect_params none;
static struct indirect_params armed;

static void check(long ret)
{
	if (ret < 0 && ret != -EBADF)
		die("a call returned %ld", ret);
}

static void plain(struct syslet_call *c)
{
	check(raw(c->nr, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4]));
}

/* An entry begins as struct indirect_registers. */
static void indirect(struct syslet_call *c)
{
	check(raw(__NR_indirect, P(c), P(&none), sizeof(none), 0, 0));
}

static void indirect_armed(struct syslet_call *c)
{
	check(raw(__NR_indirect, P(c), P(&armed), sizeof(armed), 0, 0));
}

static void batch(void)
{
	if (raw(__NR_syslet_submit, P(calls), CALLS, P(&armed), sizeof(armed), 0) != CALLS)
		die("syslet_submit failed");
	for (int i = 0; i < CALLS; i++)
		check(calls[i].result);
}

/* --- io_uring ---------------------------------------------------------------------- */

static struct io_uring uring;

static void uring_init(unsigned int flags)
{
	struct io_uring_params p = { .flags = flags };
	int err = io_uring_queue_init_params(2 * CALLS, &uring, &p);

	if (err)
		die("io_uring: %s", strerror(-err));
}

/* False if there is no such request. */
static bool uring_prep(const struct syslet_call *c, unsigned int flags)
{
	static struct statx stx;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring);
	void *buf = (void *)c->args[1];

	switch (c->nr) {
	case SYS_fsync:
		/* A null call of its own. */
		io_uring_prep_nop(sqe);
		break;
	case SYS_lstat:
		io_uring_prep_statx(sqe, AT_FDCWD, (char *)c->args[0], AT_SYMLINK_NOFOLLOW,
				    STATX_BASIC_STATS, &stx);
		break;
	case SYS_pread64:
		io_uring_prep_read(sqe, c->args[0], buf, c->args[2], c->args[3]);
		break;
	case SYS_open:
		io_uring_prep_openat(sqe, AT_FDCWD, (char *)c->args[0], c->args[1], 0);
		break;
	case SYS_close:
		io_uring_prep_close(sqe, c->args[0]);
		break;
	default:
		return false;
	}
	io_uring_sqe_set_flags(sqe, flags);
	io_uring_sqe_set_data64(sqe, P(c));
	return true;
}

/* Make the calls c to c + nr by one entry, and take their results. */
static void uring_calls(struct syslet_call *c, unsigned int nr, unsigned int flags)
{
	struct io_uring_cqe *cqe;
	int ret;

	for (unsigned int i = 0; i < nr; i++)
		uring_prep(c + i, flags);
	ret = io_uring_submit_and_wait(&uring, nr);
	if (ret != nr)
		die("io_uring: %d of %u requests were submitted", ret, nr);
	for (unsigned int i = 0; i < nr; i++) {
		if (io_uring_wait_cqe(&uring, &cqe))
			die("io_uring: no completion");
		check(cqe->res);
		((struct syslet_call *)(uintptr_t)cqe->user_data)->result = cqe->res;
		io_uring_cqe_seen(&uring, cqe);
	}
}

/* --- pools of threads ----------------------------------------------------------------- */

/*
 * The least that there is, a word that counts jobs, and another one that counts
 * results; and as it is usually written, with a list, a mutex and condition
 * variables. One thread each: there is one job at a time.
 */
struct job {
	struct syslet_call *call;
	struct job *next;
};

static struct pool {
	/* The condvar pool. */
	pthread_mutex_t lock;
	pthread_cond_t more, done;
	struct job *todo;
	uint32_t finished;

	/* The futex pool, where one job is handed over at a time. */
	uint32_t job_nr, done_nr;
	struct syslet_call *job;
} pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.more = PTHREAD_COND_INITIALIZER,
	.done = PTHREAD_COND_INITIALIZER,
};

static void futex_wait(uint32_t *word, uint32_t value)
{
	raw(SYS_futex, P(word), FUTEX_WAIT_PRIVATE, value, 0, 0);
}

static void futex_wake(uint32_t *word)
{
	raw(SYS_futex, P(word), FUTEX_WAKE_PRIVATE, 1, 0, 0);
}

static void run(struct syslet_call *c)
{
	c->result = raw(c->nr, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4]);
}

static void *futex_main(void *arg)
{
	uint32_t nr = 0;

	for (;; nr++) {
		while (__atomic_load_n(&pool.job_nr, __ATOMIC_ACQUIRE) == nr)
			futex_wait(&pool.job_nr, nr);
		run(pool.job);
		__atomic_store_n(&pool.done_nr, nr + 1, __ATOMIC_RELEASE);
		futex_wake(&pool.done_nr);
	}
	return arg;
}

static void futex_submit(struct syslet_call *c)
{
	pool.job = c;
	__atomic_store_n(&pool.job_nr, pool.job_nr + 1, __ATOMIC_RELEASE);
	futex_wake(&pool.job_nr);
}

static void futex_reap(void)
{
	uint32_t done;

	while ((done = __atomic_load_n(&pool.done_nr, __ATOMIC_ACQUIRE)) != pool.job_nr)
		futex_wait(&pool.done_nr, done);
}

static void *condvar_main(void *arg)
{
	struct job *job;

	pthread_mutex_lock(&pool.lock);
	for (;;) {
		while (!(job = pool.todo))
			pthread_cond_wait(&pool.more, &pool.lock);
		pool.todo = job->next;
		pthread_mutex_unlock(&pool.lock);
		run(job->call);
		pthread_mutex_lock(&pool.lock);
		pool.finished++;
		pthread_cond_signal(&pool.done);
	}
	return arg;
}

static void condvar_submit(struct syslet_call *c)
{
	static struct job jobs[CALLS];
	struct job *job = &jobs[c - calls];

	job->call = c;
	pthread_mutex_lock(&pool.lock);
	job->next = pool.todo;
	pool.todo = job;
	pthread_cond_signal(&pool.more);
	pthread_mutex_unlock(&pool.lock);
}

static void condvar_reap(unsigned int nr)
{
	pthread_mutex_lock(&pool.lock);
	while (pool.finished < nr)
		pthread_cond_wait(&pool.done, &pool.lock);
	pool.finished -= nr;
	pthread_mutex_unlock(&pool.lock);
}

static void pool_init(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, futex_main, NULL) ||
	    pthread_create(&t, NULL, condvar_main, NULL))
		die("no threads");
}

static void futex_call(struct syslet_call *c)
{
	futex_submit(c);
	futex_reap();
	check(c->result);
}

static void condvar_call(struct syslet_call *c)
{
	condvar_submit(c);
	condvar_reap(1);
	check(c->result);
}

/* --- calls that do not block ------------------------------------------------------------- */

/*
 * Some calls come in pairs: open() and close(), lseek() to the beginning and
 * getdents(). Both are made, and are told as one.
 */
struct job_type {
	const char *name;
	struct syslet_call first, second;
	bool is_open;
};

static const struct job_type *type;

static void use_first(int i)
{
	calls[i].nr = type->first.nr;
	memcpy(calls[i].args, type->first.args, sizeof(calls[i].args));
}

static void use_second(int i, long fd)
{
	calls[i].nr = type->second.nr;
	memcpy(calls[i].args, type->second.args, sizeof(calls[i].args));
	if (type->is_open)
		calls[i].args[0] = fd;
}

static void (*one_way)(struct syslet_call *c);

static long plain_result(struct syslet_call *c)
{
	return raw(c->nr, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4]);
}

/* By one entry each. */
static void one_by_one(void)
{
	for (int i = 0; i < CALLS; i++)
		one_way(&calls[i]);
}

static void indirect_calls(void)
{
	one_way = indirect;
	one_by_one();
}

static void armed_calls(void)
{
	one_way = indirect_armed;
	one_by_one();
}

static void plain_calls(void)
{
	one_way = plain;
	one_by_one();
}

static void futex_calls(void)
{
	one_way = futex_call;
	one_by_one();
}

static void condvar_calls(void)
{
	one_way = condvar_call;
	one_by_one();
}

static unsigned int uring_flags;

static void uring_single(struct syslet_call *c)
{
	uring_calls(c, 1, uring_flags);
}

static void uring_1(void)
{
	uring_flags = 0;
	one_way = uring_single;
	one_by_one();
}

static void uring_32(void)
{
	uring_calls(calls, CALLS, 0);
}

static void uring_async_1(void)
{
	uring_flags = IOSQE_ASYNC;
	one_way = uring_single;
	one_by_one();
}

static void uring_async_32(void)
{
	uring_calls(calls, CALLS, IOSQE_ASYNC);
}

/* Files for close() that were opened without being measured. */
static void set_second(void)
{
	for (int i = 0; i < CALLS; i++) {
		long fd = 0;

		if (type->is_open) {
			use_first(i);
			fd = plain_result(&calls[i]);
		}
		use_second(i, fd);
	}
}

/* What open() gave is closed without being measured: all from the first on. */
static void forget_first(int first_fd)
{
	if (type->is_open)
		close_range(first_fd, ~0U, 0);
}

static int free_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static double measure(void (*how)(void))
{
	uint64_t t[ROUNDS], start;
	int fd = free_fd();

	for (int i = 0; i < ROUNDS; i++) {
		for (int j = 0; j < CALLS; j++)
			use_first(j);
		start = now();
		how();
		t[i] = now() - start;
		forget_first(fd);
		if (!type->second.nr)
			continue;
		set_second();
		start = now();
		how();
		t[i] += now() - start;
	}
	return (double)median(t, ROUNDS) / CALLS;
}

static void row(const struct job_type *t, const char *peer, void (*how)(void))
{
	type = t;
	result("micro", t->name, peer, "one call", measure(how), "instructions");
}

static void rows(const struct job_type *t)
{
	row(t, "plain", plain_calls);
	row(t, "indirect", indirect_calls);
	row(t, "armed", armed_calls);
	row(t, "armed, 32", batch);
	row(t, "futex pool", futex_calls);
	row(t, "condvar pool", condvar_calls);
}

static void uring_rows(const struct job_type *t)
{
	bool possible = uring_prep(&t->first, 0);

	uring.sq.sqe_tail = uring.sq.sqe_head;
	if (!possible)
		return;
	row(t, "io_uring, 1", uring_1);
	row(t, "io_uring, 32", uring_32);
	row(t, "ASYNC, 1", uring_async_1);
	row(t, "ASYNC, 32", uring_async_32);
}

/* --- a call that blocks: a read of an empty pipe ----------------------------------------- */

static int fds[2];
static char byte;

static void end_read(void)
{
	if (raw(SYS_write, fds[1], P("x"), 1, 0, 0) != 1)
		die("write failed");
}

/* As a library does it: there may be no need to enter the kernel. */
static void reap_syslet(void)
{
	uint32_t tail = ring->user_tail;

	if (__atomic_load_n(&ring->kernel_head, __ATOMIC_ACQUIRE) == tail &&
	    ring_wait(ring, tail, 1))
		die("syslet_ring_wait failed");
	if (ring->comp[tail & (ring->elements - 1)].status != 1)
		die("a completion is wrong");
	__atomic_store_n(&ring->user_tail, tail + 1, __ATOMIC_RELEASE);
}

static void submit_syslet(void)
{
	long ret = raw(__NR_indirect, P(calls), P(&armed), sizeof(armed), 0, 0);

	if (ret != -ESYSLETPENDING)
		die("a read that blocks returned %ld", ret);
}

static void submit_uring(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring);

	io_uring_prep_read(sqe, fds[0], &byte, 1, 0);
	io_uring_sqe_set_flags(sqe, uring_flags);
	if (io_uring_submit(&uring) != 1)
		die("io_uring_submit failed");
}

static void reap_uring(void)
{
	struct io_uring_cqe *cqe;

	if (io_uring_wait_cqe(&uring, &cqe) || cqe->res != 1)
		die("a completion is wrong");
	io_uring_cqe_seen(&uring, cqe);
}

static void submit_futex(void)
{
	futex_submit(calls);
}

static void submit_condvar(void)
{
	condvar_submit(calls);
}

static void reap_condvar(void)
{
	condvar_reap(1);
}

static void blocked_case(const char *name, const char *peer, void (*submit)(void),
			 void (*reap)(void), bool yield)
{
	uint64_t pending[BLOCKED_ROUNDS], rest[BLOCKED_ROUNDS], all[BLOCKED_ROUNDS];

	for (int i = 0; i < BLOCKED_ROUNDS; i++) {
		uint64_t start = now(), submitted;

		submit();
		if (yield)
			raw(SYS_sched_yield, 0, 0, 0, 0, 0);
		submitted = now();
		end_read();
		reap();
		all[i] = now() - start;
		pending[i] = submitted - start;
		rest[i] = all[i] - pending[i];
	}
	result("micro", name, peer, "submit to pending", median(pending, BLOCKED_ROUNDS),
	       "instructions");
	result("micro", name, peer, "pending to reaped", median(rest, BLOCKED_ROUNDS),
	       "instructions");
	result("micro", name, peer, "submit to reaped", median(all, BLOCKED_ROUNDS),
	       "instructions");
}

/*
 * Whoever gives the read to a thread can have written before that thread runs:
 * nothing blocks then. So once more, and let the thread run first; a syslet has
 * blocked anyway.
 */
static void blocked(const char *peer, void (*submit)(void), void (*reap)(void))
{
	blocked_case("pipe read, written to at once", peer, submit, reap, false);
	blocked_case("pipe read that has blocked", peer, submit, reap, submit != submit_syslet);
}

static void bench_blocked(void)
{
	if (pipe(fds))
		die("pipe: %m");
	calls[0] = (struct syslet_call){ .nr = SYS_read, .args = { fds[0], P(&byte), 1 } };
	blocked("syslet", submit_syslet, reap_syslet);
	blocked("futex pool", submit_futex, futex_reap);
	blocked("condvar pool", submit_condvar, reap_condvar);
}

static void bench_blocked_uring(const char *peer, unsigned int setup, unsigned int flags)
{
	uring_flags = flags;
	uring_init(setup);
	blocked(peer, submit_uring, reap_uring);
	io_uring_queue_exit(&uring);
}

/* ------------------------------------------------------------------------------------------ */

int main(int argc, char **argv)
{
	static char buf[32768];
	static struct stat st;
	struct job_type types[] = {
		{ .name = "null call", .first = { .nr = SYS_fsync, .args = { -1 } } },
		{ .name = "lstat", .first = { .nr = SYS_lstat, .args = { P("file"), P(&st) } } },
		{ .name = "pread 4 KiB", .first = { .nr = SYS_pread64, .args = { 0, P(buf), 4096 } } },
		{ .name = "open, close", .is_open = true,
		  .first = { .nr = SYS_open, .args = { P("file"), O_RDONLY } },
		  .second = { .nr = SYS_close } },
		{ .name = "lseek, getdents",
		  .first = { .nr = SYS_lseek, .args = { 0, 0, SEEK_SET } },
		  .second = { .nr = SYS_getdents64, .args = { 0, P(buf), sizeof(buf) } } },
	};

	if (argc != 2 || chdir(argv[1]))
		die("usage: bench-micro DIRECTORY");
	types[2].first.args[0] = open("file", O_RDONLY);
	types[4].first.args[0] = types[4].second.args[0] = open(".", O_RDONLY | O_DIRECTORY);
	ring = ring_alloc(64);
	armed.syslet.completion_ring_ptr = P(ring);

	for (int i = 0; i < ARRAY_LEN(types); i++)
		row(&types[i], "plain, one thread", plain_calls);
	pool_init();
	for (int i = 0; i < ARRAY_LEN(types); i++)
		rows(&types[i]);
	bench_blocked();

	/* Last: calls of a thread that has used io_uring cannot be handed off. */
	bench_blocked_uring("io_uring, poll", 0, 0);
	bench_blocked_uring("io_uring, ASYNC", 0, IOSQE_ASYNC);
	bench_blocked_uring("the same, DEFER_TASKRUN",
			    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IOSQE_ASYNC);
	uring_init(0);
	for (int i = 0; i < ARRAY_LEN(types); i++)
		uring_rows(&types[i]);
	return 0;
}
