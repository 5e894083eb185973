/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Calls on threads of our own: for kernels without syslets, and for calls that
 * the kernel could not make asynchronous (-EAGAIN).
 *
 * There is a thread for each call under way, made when none is idle, so a call
 * does not wait for another one to end, unless the program limits them. Threads
 * last as long as the queue.
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "lib.h"

enum work_state { WORK_FREE, WORK_QUEUED, WORK_RUNNING };

struct work {
	struct work			*next;
	enum work_state			state;
	struct syslet_event			*event;
	struct indirect_registers	regs;
	uint64_t			data;
};

struct syslet_threads {
	pthread_mutex_t	lock;		/* all below but @bell, and posting to @ring */
	pthread_cond_t	todo;		/* can_run(), or stop */
	struct work	*first, **last;	/* queued ones, in order */
	struct work	*free;
	struct work	*works;
	pthread_t	*ids;
	unsigned int	entries, max;
	unsigned int	nr, idle, queued, running;
	bool		stop;
	struct syslet_ring *ring;
	struct relay	*relay;		/* NULL: the kernel has none of our calls */
	struct bell	bell;
};

/* --- what runs on the threads ------------------------------------------------ */

/* Drops the lock for a moment. */
static void post(struct syslet_threads *t, struct work *work, long status)
{
	struct syslet_event *event = work->event;

	ring_add(t->ring, (uint64_t)status, work->data);
	work->state = WORK_FREE;
	work->next = t->free;
	t->free = work;
	bell_ring(&t->bell);
	pthread_mutex_unlock(&t->lock);
	event_signal(event);
	event_put(event);
	pthread_mutex_lock(&t->lock);
}

static void run_work(struct syslet_threads *t, struct work *work)
{
	long ret;

	work->state = WORK_RUNNING;
	t->running++;
	pthread_mutex_unlock(&t->lock);
	ret = sys_call(&work->regs);
	pthread_mutex_lock(&t->lock);
	t->running--;
	post(t, work, ret);
}

static struct work *dequeue(struct syslet_threads *t, struct work **link)
{
	struct work *work = *link;

	*link = work->next;
	if (t->last == &work->next)
		t->last = link;
	t->queued--;
	return work;
}

static bool can_run(const struct syslet_threads *t)
{
	return t->first && t->running < t->max;
}

static void *thread_main(void *arg)
{
	struct syslet_threads *t = arg;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		while (!can_run(t) && !t->stop) {
			t->idle++;
			pthread_cond_wait(&t->todo, &t->lock);
			t->idle--;
		}
		if (!t->first)
			break;
		run_work(t, dequeue(t, &t->first));
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* --- start and stop ---------------------------------------------------------- */

static void free_all(struct syslet_threads *t)
{
	ring_free(t->ring, t->entries, 0);
	free(t->works);
	free(t->ids);
	free(t);
}

static bool alloc_all(struct syslet_threads *t)
{
	unsigned int i;

	t->ring = ring_alloc(t->entries, 0);
	t->works = calloc(t->entries, sizeof(*t->works));
	t->ids = calloc(t->entries, sizeof(*t->ids));
	if (!t->ring || !t->works || !t->ids)
		return false;
	for (i = 0; i < t->entries; i++) {
		t->works[i].next = t->free;
		t->free = &t->works[i];
	}
	return true;
}

struct syslet_threads *threads_start(const struct syslet_queue *q)
{
	struct syslet_threads *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->entries = q->entries;
	t->max = q->max_threads;
	t->last = &t->first;
	if (!alloc_all(t) ||
	    (syslet_is_async(q) && !(t->relay = relay_start(&t->bell)))) {
		free_all(t);
		return NULL;
	}
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->todo, NULL);
	return t;
}

/* All calls have ended. */
void threads_stop(struct syslet_threads *t)
{
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->todo);
	pthread_mutex_unlock(&t->lock);
	while (t->nr)
		pthread_join(t->ids[--t->nr], NULL);
	if (t->relay)
		relay_stop(t->relay);
	pthread_cond_destroy(&t->todo);
	pthread_mutex_destroy(&t->lock);
	free_all(t);
}

/*
 * In a child of fork(): there are no threads; the lock may be held, and the
 * condition waited for, by those of the parent.
 */
void threads_forget(struct syslet_threads *t)
{
	free(t->relay);
	free_all(t);
}

/* --- what the program does --------------------------------------------------- */

static bool need_thread(const struct syslet_threads *t)
{
	return t->idle <= t->queued && t->nr < t->max;
}

static int add_thread(struct syslet_threads *t)
{
	int err = thread_start(&t->ids[t->nr], thread_main, t);

	if (!err)
		t->nr++;
	return err;
}

static void enqueue(struct syslet_threads *t, struct work *work)
{
	t->free = work->next;
	work->next = NULL;
	work->state = WORK_QUEUED;
	*t->last = work;
	t->last = &work->next;
	t->queued++;
	pthread_cond_signal(&t->todo);
}

/* 0, or -EAGAIN if there is no thread to run it, and none can be made. */
int threads_submit(struct syslet_threads *t, const struct indirect_registers *regs,
		   uint64_t data, struct syslet_event *event)
{
	struct work *work;
	int err = -EAGAIN;

	pthread_mutex_lock(&t->lock);
	work = t->free;
	if (work && (!need_thread(t) || !add_thread(t))) {
		work->regs = *regs;
		work->data = data;
		work->event = event_get(event);
		enqueue(t, work);
		err = 0;
	}
	pthread_mutex_unlock(&t->lock);
	return err;
}

static int cancel_queued(struct syslet_threads *t, const uint64_t *data)
{
	struct work **link = &t->first;
	int ret = -ENOENT;

	while (*link) {
		if (data && (*link)->data != *data) {
			link = &(*link)->next;
		} else {
			post(t, dequeue(t, link), -ECANCELED);
			ret = 0;
		}
	}
	return ret;
}

static bool is_running(const struct syslet_threads *t, const uint64_t *data)
{
	unsigned int i;

	for (i = 0; i < t->entries; i++) {
		const struct work *work = &t->works[i];

		if (work->state == WORK_RUNNING && (!data || work->data == *data))
			return true;
	}
	return false;
}

/* All calls, or those with @data: 0, -EALREADY, -ENOENT. */
int threads_cancel(struct syslet_threads *t, const uint64_t *data)
{
	int ret;

	pthread_mutex_lock(&t->lock);
	ret = cancel_queued(t, data);
	if (ret && is_running(t, data))
		ret = -EALREADY;
	pthread_mutex_unlock(&t->lock);
	return ret;
}

uint32_t threads_listen(const struct syslet_threads *t)
{
	return bell_listen(&t->bell);
}

/* For our completions, and for those in @kernel unless it is NULL. */
int threads_wait(struct syslet_threads *t, uint32_t heard, struct syslet_ring *kernel,
		 int64_t until)
{
	if (kernel)
		relay_watch(t->relay, kernel);
	return bell_wait(&t->bell, heard, until);
}

/* Threads that are too many by now stay idle. */
void threads_limit(struct syslet_threads *t, unsigned int max)
{
	unsigned int i;

	pthread_mutex_lock(&t->lock);
	t->max = max;
	for (i = t->idle; i < t->queued && t->nr < t->max && !add_thread(t); i++)
		;
	pthread_cond_broadcast(&t->todo);
	pthread_mutex_unlock(&t->lock);
}

struct syslet_ring *threads_ring(const struct syslet_threads *t)
{
	return t->ring;
}
