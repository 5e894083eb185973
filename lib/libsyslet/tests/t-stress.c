/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: whatever is called, prepared, cancelled, flushed, taken and forked, in
 * any order, each call has one result, and an end comes
 *
 * t-stress [SEED [ROUNDS]]
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include "test.h"

#define ENTRIES	64
#define STEPS	100

/* A queue with calls that read from a socket, and others. */
struct run {
	struct syslet_queue	q;
	int			sv[2];
	char			buf[8];
	struct statx		stx;
	unsigned int		made, in_flight;
	bool			is_out[2 * STEPS];
};

static unsigned int at_random(unsigned int n)
{
	return (unsigned int)rand() % n;
}

static void made(struct run *r)
{
	r->is_out[r->made++] = true;
	r->in_flight++;
}

static void called(struct run *r, long ret)
{
	if (ret == -ESYSLETPENDING)
		made(r);
}

static void prepared(struct run *r, int ret)
{
	CHECK(!ret || ret == -EBUSY);
	if (!ret)
		made(r);
}

static void taken(struct run *r, const struct syslet_completion *c)
{
	CHECK(c->caller_data < r->made && r->is_out[c->caller_data]);
	r->is_out[c->caller_data] = false;
	r->in_flight--;
}

static void take_one(struct run *r)
{
	struct syslet_completion c;

	if (!syslet_peek(&r->q, &c))
		taken(r, &c);
}

/* The one must not find that the other was before it. */
static void write_and_close(struct run *r)
{
	int fd = dup(r->sv[1]), ret;

	prepared(r, syslet_prep_write(&r->q, r->made, fd, "x", 1));
	ret = syslet_prep_close(&r->q, r->made, fd);
	prepared(r, ret);
	if (ret)
		close(fd);
}

static void be_forked(struct run *r)
{
	int status;
	pid_t pid;

#ifdef __SANITIZE_THREAD__
	/* It takes the memory of the child for that of the parent, and its threads. */
	return;
#endif
	pid = fork();
	if (!pid) {
		check_dead(&r->q);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(0, status);
}

static void step(struct run *r)
{
	struct syslet_queue *q = &r->q;

	switch (at_random(12)) {
	case 0:
	case 1:
		called(r, syslet_statx(q, r->made, AT_FDCWD, "/tmp", 0, 0, &r->stx));
		break;
	case 2:
		called(r, syslet_read(q, r->made, r->sv[0], r->buf, 1));
		break;
	case 3:
		prepared(r, syslet_prep_read(q, r->made, r->sv[0], r->buf, 1));
		break;
	case 4:
		prepared(r, syslet_prep_statx(q, r->made, AT_FDCWD, "/", 0, 0, &r->stx));
		break;
	case 5:
		write_and_close(r);
		break;
	case 6:
		CHECK(write(r->sv[1], "x", 1) == 1);
		break;
	case 7:
		syslet_cancel(q, at_random(r->made + 1));
		break;
	case 8:
		syslet_flush(q);
		break;
	case 9:
	case 10:
		take_one(r);
		break;
	case 11:
		if (!at_random(10))
			be_forked(r);
		break;
	}
	CHECK_EQ(r->in_flight, q->pending);
}

/* Calls that block come to an end if they are cancelled. */
static bool can_cancel(const struct syslet_queue *q)
{
	struct syslet_support support;

	syslet_get_support(&support);
	return q->cancel_signal &&
	       (!syslet_is_async(q) || (support.features & SYSLET_HAS_CANCEL));
}

static void end(struct run *r)
{
	struct syslet_completion c;

	while (syslet_flush(&r->q) > 0)
		;
	syslet_cancel_all(&r->q);
	if (!can_cancel(&r->q))
		shutdown(r->sv[0], SHUT_RDWR);
	if (at_random(2)) {
		while (r->q.pending) {
			CHECK_EQ(0, syslet_wait(&r->q, &c, NULL));
			taken(r, &c);
		}
		CHECK_EQ(0, r->in_flight);
	}
	syslet_queue_exit(&r->q);
}

static void run(void)
{
	struct run r = { .made = 0 };
	int efd = eventfd(0, 0);
	unsigned int i;

	CHECK(efd >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, r.sv) == 0);
	CHECK_EQ(0, syslet_queue_init(&r.q, ENTRIES, at_random(2) ? SYSLET_QUEUE_THREADS : 0));
	if (at_random(2))
		CHECK_EQ(0, syslet_queue_eventfd(&r.q, efd));
	close(efd);
	if (at_random(2))
		CHECK_EQ(0, syslet_queue_cancel_signal(&r.q, SIGRTMIN + 3));
	if (!at_random(4))
		CHECK_EQ(0, syslet_queue_max_threads(&r.q, 1 + at_random(ENTRIES)));
	for (i = 0; i < STEPS; i++)
		step(&r);
	end(&r);
	close(r.sv[0]);
	close(r.sv[1]);
}

static void run_all(unsigned int seed, unsigned int rounds)
{
	srand(seed);
	while (rounds--)
		run();
}

/* Of somebody whose threads are used again. */
static void run_as_nobody(unsigned int seed, unsigned int rounds)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		CHECK(geteuid() || syscall(SYS_setresuid, 65534, 65534, 65534) == 0);
		run_all(seed, rounds);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(0, status);
}

int main(int argc, char *argv[])
{
	unsigned int seed = argc > 1 ? (unsigned int)atoi(argv[1]) : 1;
	unsigned int rounds = argc > 2 ? (unsigned int)atoi(argv[2]) : 20;

	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	run_as_nobody(seed, rounds);
	run_all(seed, rounds);
	return PASS;
}
