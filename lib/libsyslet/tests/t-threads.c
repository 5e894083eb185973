/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: threads have queues that do not know of each other; a queue with
 * calls under way goes from thread to thread under a lock
 */
#define _GNU_SOURCE
#include <pthread.h>
#include "test.h"

#define THREADS	4
#define ROUNDS	50

struct shared {
	pthread_mutex_t		lock;
	struct syslet_queue	*q;
	unsigned int		made, taken;
};

/* Makes a call that blocks, ends somebody's, takes what there is. */
static void *share(void *arg)
{
	struct shared *s = arg;
	struct syslet_completion c;
	struct blocked b[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&s->lock);
		block(s->q, &b[i], s->made++);
		unblock(&b[i]);
		while (!syslet_peek(s->q, &c))
			s->taken++;
		pthread_mutex_unlock(&s->lock);
	}
	/* A thread that exits takes its calls with it: wait. */
	pthread_mutex_lock(&s->lock);
	while (s->q->pending) {
		CHECK_EQ(0, syslet_wait(s->q, &c, NULL));
		CHECK_EQ(1, syslet_status(&c));
		s->taken++;
	}
	pthread_mutex_unlock(&s->lock);
	for (i = 0; i < ROUNDS; i++)
		close_blocked(&b[i]);
	return NULL;
}

static void *own(void *arg)
{
	struct syslet_completion c;
	struct syslet_queue q;
	struct blocked b;
	int i;

	CHECK_EQ(0, syslet_queue_init(&q, 4, *(unsigned int *)arg));
	for (i = 0; i < ROUNDS; i++) {
		block(&q, &b, (uint64_t)i);
		CHECK_EQ(0, syslet_prep_close(&q, 1000, -1));
		CHECK_EQ(0, syslet_wait(&q, &c, NULL));
		unblock(&b);
		CHECK_EQ(0, syslet_wait_nr(&q, 1, NULL));
		CHECK_EQ(0, syslet_peek(&q, &c));
		close_blocked(&b);
	}
	CHECK_EQ(0, q.pending);
	syslet_queue_exit(&q);
	return NULL;
}

static void run(void *(*fn)(void *arg), void *arg)
{
	pthread_t t[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&t[i], NULL, fn, arg));
	for (i = 0; i < THREADS; i++)
		CHECK(!pthread_join(t[i], NULL));
}

static void test(struct syslet_queue *q)
{
	struct shared s = { .lock = PTHREAD_MUTEX_INITIALIZER, .q = q };
	unsigned int flags = q->flags & SYSLET_QUEUE_THREADS;

	run(share, &s);
	CHECK_EQ(THREADS * ROUNDS, s.made);
	CHECK_EQ(s.made, s.taken);
	run(own, &flags);
}

int main(void)
{
	for_each_backend(test, 256);
	return PASS;
}
