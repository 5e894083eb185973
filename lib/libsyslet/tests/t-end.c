/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: functions say -ENXIO for a queue that is not there: before its init,
 * after one that failed, after an exit, also in a callback; errno stays; strange
 * numbers of calls are calls
 */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "test.h"

static void end(struct syslet_queue *q, struct syslet_callback *cb, long result)
{
	(void)cb;
	(void)result;
	syslet_queue_exit(q);
}

static void test_callback(unsigned int flags)
{
	struct syslet_callback cb = { .fn = end };
	struct syslet_queue q;

	CHECK_EQ(0, syslet_queue_init(&q, 4, flags));
	CHECK_EQ(0, syslet_prep(&q, SYSLET_PTR(&cb), SYS_getpid, 0, 0, 0, 0, 0, 0));
	CHECK_EQ(0, syslet_prep(&q, SYSLET_PTR(&cb), SYS_getpid, 0, 0, 0, 0, 0, 0));
	CHECK_EQ(1, syslet_dispatch(&q, NULL));
	check_dead(&q);
}

static void *exit_cancelled(void *arg)
{
	struct syslet_queue *q = arg;
	struct blocked b[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		block(q, &b[i], i);
		unblock(&b[i]);
	}
	pthread_cancel(pthread_self());
	CHECK_EQ(0, syslet_wait_nr(q, 4, NULL));
	syslet_queue_exit(q);
	/* It would be in close() else. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	for (i = 0; i < 4; i++)
		close_blocked(&b[i]);
	return NULL;
}

/* No function of ours is where a thread is cancelled. */
static void test_cancelled(unsigned int flags)
{
	struct syslet_queue q;
	pthread_t thread;

	CHECK_EQ(0, syslet_queue_init(&q, 4, flags));
	CHECK(!pthread_create(&thread, NULL, exit_cancelled, &q));
	CHECK(!pthread_join(thread, NULL));
	CHECK(!q.ring);
}

static void test_numbers(struct syslet_queue *q)
{
	struct syslet_completion c;

	CHECK_EQ(0, syslet_prep(q, 1, -1, 0, 0, 0, 0, 0, 0));
	CHECK_EQ(0, syslet_prep(q, 2, LONG_MIN, 0, 0, 0, 0, 0, 0));
	CHECK_EQ(0, syslet_prep(q, 3, SYS_getpid, 0, 0, 0, 0, 0, 0));
	CHECK_EQ(0, syslet_cancel(q, 3));
	CHECK_EQ(0, syslet_wait_nr(q, 3, NULL));
	while (!syslet_peek(q, &c))
		CHECK_EQ(c.caller_data == 3 ? -ECANCELED : -ENOSYS, syslet_status(&c));
	CHECK_EQ(0, q->pending);
	CHECK_EQ(0, q->canceled);
}

/* In a child, for its limits. */
static void test_errno(void)
{
	struct rlimit none = { 3, 3 };
	struct syslet_queue q;

	if (passed_in_child())
		return;
	/* valgrind has its own idea of that */
	if (setrlimit(RLIMIT_NOFILE, &none))
		_exit(0);
	errno = 4711;
	CHECK_EQ(0, syslet_queue_init(&q, 4, SYSLET_QUEUE_THREADS));
	CHECK_EQ(-EMFILE, syslet_queue_eventfd(&q, 1));
	CHECK_EQ(-EBADF, finish(&q, syslet_fsync(&q, 1, -1), 1));
	syslet_queue_exit(&q);
	CHECK_EQ(4711, errno);
	_exit(0);
}

int main(void)
{
	struct syslet_queue q = { .ring = NULL };

	check_dead(&q);
	CHECK_EQ(-EINVAL, syslet_queue_init(&q, 0, 0));
	check_dead(&q);
	test_callback(0);
	test_callback(SYSLET_QUEUE_THREADS);
	test_cancelled(0);
	test_cancelled(SYSLET_QUEUE_THREADS);
	for_each_backend(test_numbers, 4);
	test_errno();
	return PASS;
}
