/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Calls on threads of our own: for kernels without syslets, and for calls that
 * the kernel could not make asynchronous (-EAGAIN).
 *
 * There is a thread for each call under way, made when none is idle, so a call
 * never waits for another one to end. Threads last as long as the queue.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "lib.h"

#define THREAD_STACK	(64 * 1024)

struct work {
	struct work			*next;
	struct indirect_registers	regs;
	uint64_t			data;
};

struct syslet_threads {
	pthread_mutex_t	lock;		/* all below, and posting to the ring */
	pthread_cond_t	todo;		/* first != NULL, or stop */
	pthread_cond_t	gone;		/* nr == 0 */
	struct work	*first, **last;
	struct work	*free;
	struct work	*works;
	unsigned int	nr, idle, queued;
	bool		stop;
	struct syslet_ring *ring;
};

static void run_work(struct syslet_threads *t, struct work *work)
{
	long ret;

	pthread_mutex_unlock(&t->lock);
	ret = sys_call(&work->regs);
	pthread_mutex_lock(&t->lock);
	ring_add(t->ring, (uint64_t)ret, work->data);
	work->next = t->free;
	t->free = work;
	sys_futex_wake(&t->ring->kernel_head, 1);
}

static void *thread_main(void *arg)
{
	struct syslet_threads *t = arg;
	struct work *work;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		while (!t->first && !t->stop) {
			t->idle++;
			pthread_cond_wait(&t->todo, &t->lock);
			t->idle--;
		}
		work = t->first;
		if (!work)
			break;
		t->first = work->next;
		if (!t->first)
			t->last = &t->first;
		t->queued--;
		run_work(t, work);
	}
	if (!--t->nr)
		pthread_cond_signal(&t->gone);
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* The program's signals are for its own threads. */
static int start_thread(struct syslet_threads *t)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&thread, &attr, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

struct syslet_threads *threads_start(unsigned int entries)
{
	struct syslet_threads *t = calloc(1, sizeof(*t));
	unsigned int i;

	if (!t)
		return NULL;
	t->ring = ring_alloc(entries);
	t->works = calloc(entries, sizeof(*t->works));
	if (!t->ring || !t->works) {
		ring_free(t->ring);
		free(t->works);
		free(t);
		return NULL;
	}
	for (i = 0; i < entries; i++) {
		t->works[i].next = t->free;
		t->free = &t->works[i];
	}
	t->last = &t->first;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->todo, NULL);
	pthread_cond_init(&t->gone, NULL);
	return t;
}

/* All calls have ended. */
void threads_stop(struct syslet_threads *t)
{
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->todo);
	while (t->nr)
		pthread_cond_wait(&t->gone, &t->lock);
	pthread_mutex_unlock(&t->lock);
	pthread_cond_destroy(&t->gone);
	pthread_cond_destroy(&t->todo);
	pthread_mutex_destroy(&t->lock);
	ring_free(t->ring);
	free(t->works);
	free(t);
}

/* 0, or -EAGAIN if there is no thread to run it, and none can be made. */
int threads_submit(struct syslet_threads *t, const struct indirect_registers *regs,
		   uint64_t data)
{
	struct work *work;
	int err = 0;

	pthread_mutex_lock(&t->lock);
	work = t->free;
	if (!work)
		err = -EAGAIN;
	if (!err && t->idle <= t->queued) {
		err = start_thread(t);
		if (!err)
			t->nr++;
	}
	if (!err) {
		t->free = work->next;
		*work = (struct work){ .regs = *regs, .data = data };
		*t->last = work;
		t->last = &work->next;
		t->queued++;
		pthread_cond_signal(&t->todo);
	}
	pthread_mutex_unlock(&t->lock);
	return err ? -EAGAIN : 0;
}

struct syslet_ring *threads_ring(struct syslet_threads *t)
{
	return t->ring;
}
