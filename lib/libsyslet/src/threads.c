/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Calls on threads of our own, for the rest of the library: see threads.h. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>

#include "threads.h"

void threads_wait_for(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ns, bool *late)
{
	int64_t until = time_now() + ns;
	struct timespec ts = { (time_t)(until / 1000000000), (long)(until % 1000000000) };

	*late = pthread_cond_timedwait(cond, lock, &ts) == ETIMEDOUT;
}

void threads_init_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

/* --- start and stop ---------------------------------------------------------- */

static void free_all(struct syslet_threads *t)
{
	ring_free(t->ring, t->entries, 0);
	free(t->works);
	free(t);
}

static bool alloc_all(struct syslet_threads *t)
{
	unsigned int i;

	t->works = calloc(t->entries, sizeof(*t->works));
	if (!t->works || ring_alloc(&t->ring, t->entries, 0))
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
	t->signal = q->cancel_signal;
	if (!alloc_all(t) ||
	    (queue_needs_relay(q) && !(t->relay = relay_start(&t->bell)))) {
		free_all(t);
		return NULL;
	}
	pthread_mutex_init(&t->lock, NULL);
	threads_init_cond(&t->changed);
	return t;
}

static void dismiss_all(struct syslet_threads *t)
{
	struct crew *crew;

	crew_end(t);
	for (crew = t->crews; crew; crew = crew->next)
		pthread_cond_broadcast(&crew->todo);
}

/* All calls have ended. */
void threads_stop(struct syslet_threads *t)
{
	CANCEL_OFF(state);
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	dismiss_all(t);
	while (t->nr)
		pthread_cond_wait(&t->changed, &t->lock);
	pthread_mutex_unlock(&t->lock);
	worker_join_done(t);
	if (t->relay)
		relay_stop(t->relay);
	CANCEL_BACK(state);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free_all(t);
}

/*
 * In a child of fork(): there are no threads; the lock may be held, and what it
 * protects in any state; lists can be read.
 */
void threads_forget(struct syslet_threads *t)
{
	struct crew *crew, *next;

	for (crew = t->crews; crew; crew = next) {
		next = crew->next;
		free(crew);
	}
	while (t->all)
		worker_free(t, t->all);
	free(t->relay);
	free_all(t);
}

/* --- what the program does --------------------------------------------------- */

static int enqueue(struct syslet_threads *t, struct work *work)
{
	struct crew *crew = work->crew;

	work_add(t, work);
	if (crew_grow(t, crew) && !crew_suffices(t, crew)) {
		work_drop(t, work);
		crew_put(t, crew);
		return -EAGAIN;
	}
	work_wake_next(t);
	return 0;
}

static int submit(struct syslet_threads *t, const struct indirect_registers *regs,
		  uint64_t data, struct syslet_event *event)
{
	struct crew *crew = crew_get(t);
	struct work *work = t->free;
	int err;

	if (!crew || !work)
		return -EAGAIN;
	work->crew = crew;
	work->worker = NULL;
	work->regs = *regs;
	work->data = data;
	work->event = event_get(event);
	work->is_finite = call_is_finite(regs);
	work->is_canceled = work->is_inside = false;
	err = enqueue(t, work);
	if (err)
		event_put(event);
	return err;
}

/* 0, or -EAGAIN if there is no thread to run it, and none can be made. */
int threads_submit(struct syslet_threads *t, const struct indirect_registers *regs,
		   uint64_t data, struct syslet_event *event)
{
	int ret, saved = errno;

	CANCEL_OFF(state);
	worker_join_done(t);
	pthread_mutex_lock(&t->lock);
	ret = submit(t, regs, data, event);
	pthread_mutex_unlock(&t->lock);
	CANCEL_BACK(state);
	errno = saved;
	return ret;
}

/* --- cancelling -------------------------------------------------------------- */

static bool interrupt_all(struct syslet_threads *t)
{
	struct work *work;
	bool any = false;

	for (work = t->first; work; work = work->next) {
		if (work->state != WORK_RUNNING || !work->is_canceled ||
		    !work->worker->signal)
			continue;
		pthread_kill(work->worker->id, work->worker->signal);
		any = true;
	}
	return any;
}

/*
 * A signal that comes before the thread is in its call is lost: so again and again,
 * until none of them runs any more.
 */
static void *interrupt_main(void *arg)
{
	struct worker *worker = arg;
	struct syslet_threads *t = worker->threads;
	int64_t pause = 100000;
	bool late;

	pthread_mutex_lock(&t->lock);
	while (interrupt_all(t)) {
		threads_wait_for(&t->changed, &t->lock, pause, &late);
		pause = late && pause < 100000000 ? 2 * pause : pause;
	}
	t->is_interrupting = false;
	worker_leave(worker);
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void interrupt(struct syslet_threads *t)
{
	if (interrupt_all(t) && !t->is_interrupting &&
	    !worker_add(t, NULL, interrupt_main))
		t->is_interrupting = true;
}

static bool is_meant(const struct work *work, const uint64_t *data)
{
	return !data || work->data == *data;
}

/* Posting one drops the lock: from the start, then. */
static bool cancel_queued(struct syslet_threads *t, const uint64_t *data)
{
	struct work *work = t->first;
	bool any = false;

	while (work) {
		if (work->state != WORK_QUEUED || !is_meant(work, data)) {
			work = work->next;
			continue;
		}
		work_cancel(t, work);
		work = t->first;
		any = true;
	}
	return any;
}

/* 0: asked; -EALREADY: cannot be stopped; -ENOENT: there is none */
static int cancel_running(struct syslet_threads *t, const uint64_t *data)
{
	int ret = -ENOENT;
	struct work *work;

	for (work = t->first; work; work = work->next) {
		if (work->state != WORK_RUNNING || !is_meant(work, data))
			continue;
		work->is_canceled = true;
		if (work->worker->signal)
			ret = 0;
		else if (ret)
			ret = -EALREADY;
	}
	if (!ret)
		interrupt(t);
	return ret;
}

/* All calls, or those with @data: 0, -EALREADY, -ENOENT. */
int threads_cancel(struct syslet_threads *t, const uint64_t *data)
{
	bool any;
	int ret;

	pthread_mutex_lock(&t->lock);
	any = cancel_queued(t, data);
	ret = cancel_running(t, data);
	pthread_mutex_unlock(&t->lock);
	return any ? 0 : ret;
}

/* For calls that begin from now on. */
void threads_set_signal(struct syslet_threads *t, int sig)
{
	pthread_mutex_lock(&t->lock);
	t->signal = sig;
	pthread_mutex_unlock(&t->lock);
}

/* --- waiting, and limits ----------------------------------------------------- */

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

/* More threads for those that wait, if the caller is who made these calls. */
static void add_workers(struct syslet_threads *t)
{
	struct crew *crew = t->waiting ? crew_get(t) : NULL;

	if (crew)
		crew_grow(t, crew);
}

void threads_limit(struct syslet_threads *t, unsigned int max)
{
	CANCEL_OFF(state);
	pthread_mutex_lock(&t->lock);
	t->max = max;
	add_workers(t);
	work_wake_next(t);
	pthread_mutex_unlock(&t->lock);
	CANCEL_BACK(state);
}

struct syslet_ring *threads_ring(const struct syslet_threads *t)
{
	return t->ring;
}
