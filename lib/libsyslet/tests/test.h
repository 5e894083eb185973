/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef TEST_H
#define TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "syslet.h"

#define PASS	0
#define SKIP	77

#define CHECK(cond) do {						\
	if (!(cond)) {							\
		fprintf(stderr, "# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
		exit(1);						\
	}								\
} while (0)

#define CHECK_EQ(expected, seen) do {					\
	long e_ = (long)(expected), s_ = (long)(seen);			\
									\
	if (e_ != s_) {							\
		fprintf(stderr, "# %s:%d: %s is %ld, not %ld (%s)\n",	\
			__FILE__, __LINE__, #seen, s_, e_, #expected);	\
		exit(1);						\
	}								\
} while (0)

/* Of a queue that is not there; an exit, the first one or another, does no harm. */
static inline void check_dead(struct syslet_queue *q)
{
	struct syslet_completion c;
	struct syslet_stats st;

	CHECK_EQ(-ENXIO, syslet_call(q, 1, SYS_getpid, 0, 0, 0, 0, 0, 0));
	CHECK_EQ(-ENXIO, syslet_close(q, 1, -1));
	CHECK_EQ(-ENXIO, syslet_prep_close(q, 1, -1));
	CHECK_EQ(-ENXIO, syslet_flush(q));
	CHECK_EQ(-ENXIO, syslet_peek(q, &c));
	CHECK_EQ(0, syslet_peek_batch(q, &c, 1));
	CHECK_EQ(0, syslet_ready(q));
	CHECK_EQ(-ENXIO, syslet_wait(q, &c, NULL));
	CHECK_EQ(-ENXIO, syslet_wait_nr(q, 1, NULL));
	CHECK_EQ(-ENXIO, syslet_dispatch(q, NULL));
	CHECK_EQ(-ENXIO, syslet_cancel(q, 1));
	CHECK_EQ(-ENXIO, syslet_cancel_all(q));
	CHECK_EQ(-ENXIO, syslet_queue_eventfd(q, -1));
	CHECK_EQ(-ENXIO, syslet_queue_cancel_signal(q, 0));
	CHECK_EQ(-ENXIO, syslet_queue_max_threads(q, 1));
	syslet_queue_stats(q, &st);
	syslet_queue_exit(q);
}

/* A claim holds with the kernel's syslets, if it has them, and with threads. */
static inline void for_each_backend(void (*test)(struct syslet_queue *q),
				    unsigned int entries)
{
	struct syslet_queue q;

	CHECK(syslet_queue_init(&q, entries, 0) == 0);
	CHECK(syslet_is_async(&q) == (syslet_probe() == 1));
	test(&q);
	syslet_queue_exit(&q);
	CHECK(syslet_queue_init(&q, entries, SYSLET_QUEUE_THREADS) == 0);
	CHECK(!syslet_is_async(&q));
	test(&q);
	syslet_queue_exit(&q);
}

/* Result of a call, when it is there. */
static inline long finish(struct syslet_queue *q, long ret, uint64_t data)
{
	struct syslet_completion c;

	if (ret != -ESYSLETPENDING)
		return ret;
	CHECK_EQ(0, syslet_wait(q, &c, NULL));
	CHECK(c.caller_data == data);
	return syslet_status(&c);
}

/* Result of a prepared call. */
static inline long flush(struct syslet_queue *q, int ret, uint64_t data)
{
	CHECK_EQ(0, ret);
	return finish(q, -ESYSLETPENDING, data);
}

/* syslet_name(), with its result; or syslet_prep_name(), see for_each_way() */
#define CALL(name, ...)							\
	(use_prep							\
	 ? flush(q, syslet_prep_##name(q, __LINE__, __VA_ARGS__), __LINE__) \
	 : finish(q, syslet_##name(q, __LINE__, __VA_ARGS__), __LINE__))

static bool use_prep __attribute__((unused));

/* Backends, and calls that are made alone and in batches. */
static inline void for_each_way(void (*test)(struct syslet_queue *q),
				unsigned int entries)
{
	use_prep = false;
	for_each_backend(test, entries);
	use_prep = true;
	for_each_backend(test, entries);
}

/* A pipe with a call that reads from it, and blocks. */
struct blocked {
	int	fd[2];
	char	buf;
};

static inline void block(struct syslet_queue *q, struct blocked *b, uint64_t data)
{
	CHECK(pipe(b->fd) == 0);
	CHECK_EQ(-ESYSLETPENDING, syslet_read(q, data, b->fd[0], &b->buf, 1));
}

static inline void unblock(struct blocked *b)
{
	CHECK(write(b->fd[1], "x", 1) == 1);
}

static inline void close_blocked(struct blocked *b)
{
	close(b->fd[0]);
	close(b->fd[1]);
}

/* What follows is done in a child; true in the parent, when it has gone well. */
static inline int passed_in_child(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		return 0;
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(0, status);
	return 1;
}

/* A directory of our own, empty, that is the working directory. */
static inline void enter_tmp(char dir[32])
{
	strcpy(dir, "/tmp/libsyslet-XXXXXX");
	CHECK(mkdtemp(dir) && chdir(dir) == 0);
}

static inline void leave_tmp(const char *dir)
{
	CHECK(chdir("/") == 0);
	CHECK(rmdir(dir) == 0);
}

#endif /* TEST_H */
