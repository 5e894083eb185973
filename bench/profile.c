// SPDX-License-Identifier: GPL-2.0-only
/*
 * The paths that bench/profile.py tells the functions of. Run in a QEMU with
 * bench/profile-plugin.c: it writes down what is executed between two marks.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <liburing.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define ROUNDS	64
#define CALLS	32

/* As in bench/profile.py. */
enum path { PATH_END, PATH_NULL, PATH_LSTAT, PATH_SUBMIT, PATH_REAP, PATH_BATCH,
	    PATH_URING };

/* A no-op that the plugin knows. */
#define mark(number)	\
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long 0x53594c00 + %c0" : : "i" (number) : "memory")

static struct syslet_ring *ring;

static long armed(const struct indirect_registers *r)
{
	struct indirect_params p = { .syslet.completion_ring_ptr = P(ring) };

	return raw(__NR_indirect, P(r), P(&p), sizeof(p), 0, 0);
}

/* The least that may go async: getppid() and the like are never armed. */
static void null_call(void)
{
	const struct indirect_registers r = {
		.nr = SYS_lseek, .args = { open("/bin/sh", O_RDONLY), 0, SEEK_CUR } };

	for (int i = 0; i < ROUNDS; i++) {
		mark(PATH_NULL);
		armed(&r);
		mark(PATH_END);
	}
}

static void lstat_call(void)
{
	static struct stat st;
	const struct indirect_registers r = {
		.nr = SYS_lstat, .args = { P("/bin/sh"), P(&st) } };

	for (int i = 0; i < ROUNDS; i++) {
		mark(PATH_LSTAT);
		armed(&r);
		mark(PATH_END);
	}
}

static void batch(void)
{
	const struct indirect_params p = { .syslet.completion_ring_ptr = P(ring) };
	static struct syslet_call calls[CALLS];

	for (int i = 0; i < CALLS; i++)
		calls[i] = (struct syslet_call){
			.nr = SYS_lseek, .args = { open("/bin/sh", O_RDONLY), 0, SEEK_CUR } };
	for (int i = 0; i < ROUNDS; i++) {
		mark(PATH_BATCH);
		raw(__NR_syslet_submit, P(calls), CALLS, P(&p), sizeof(p), 0);
		mark(PATH_END);
	}
}

static void blocked(void)
{
	struct indirect_registers r = { .nr = SYS_read };
	int fd[2];
	char c;

	if (pipe(fd))
		die("pipe: %m");
	r.args[0] = fd[0];
	r.args[1] = P(&c);
	r.args[2] = 1;
	for (int i = 0; i < ROUNDS; i++) {
		long ret;

		mark(PATH_SUBMIT);
		ret = armed(&r);
		mark(PATH_REAP);
		raw(SYS_write, fd[1], P("x"), 1, 0, 0);
		ring_wait(ring, ring->user_tail, 1);
		ring->user_tail++;
		mark(PATH_END);
		if (ret != -ESYSLETPENDING)
			die("a read that blocks returned %ld", ret);
	}
}

/* The same with io_uring, which gives the read to a thread. */
static void blocked_uring(void)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring uring;
	int fd[2];
	char c;

	if (pipe(fd) || io_uring_queue_init(8, &uring, 0))
		die("no io_uring");
	for (int i = 0; i < ROUNDS; i++) {
		mark(PATH_URING);
		sqe = io_uring_get_sqe(&uring);
		io_uring_prep_read(sqe, fd[0], &c, 1, 0);
		io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
		io_uring_submit(&uring);
		raw(SYS_write, fd[1], P("x"), 1, 0, 0);
		io_uring_wait_cqe(&uring, &cqe);
		io_uring_cqe_seen(&uring, cqe);
		mark(PATH_END);
	}
}

int main(void)
{
	ring = ring_alloc(64);
	/* Whatever is done once is done in the first round, which is not counted. */
	null_call();
	lstat_call();
	blocked();
	batch();
	blocked_uring();
	return 0;
}
