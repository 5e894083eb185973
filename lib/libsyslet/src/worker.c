/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What runs on a thread; how one begins and ends. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "threads.h"

#define IDLE_NS		1000000000
/* Between two looks at what holds others up. */
#define LOOK_NS		1000000

/* The program's signals are not for us, but for the one that ends calls. */
static void let_in(struct worker *worker, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	if (worker->signal) {
		sigaddset(&set, worker->signal);
		pthread_sigmask(SIG_BLOCK, &set, NULL);
		sigemptyset(&set);
	}
	worker->signal = sig;
	if (!sig)
		return;
	sigaddset(&set, sig);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void run_work(struct worker *worker, struct work *work)
{
	struct syslet_threads *t = worker->threads;
	long ret;

	if (worker->signal != t->signal)
		let_in(worker, t->signal);
	work_begin(t, work, worker);
	pthread_mutex_unlock(&t->lock);
	ret = sys_call(&work->regs);
	pthread_mutex_lock(&t->lock);
	work_end(t, work, work->is_canceled && ret == -EINTR ? -ECANCELED : ret);
}

/* Nobody else will be the same, or will come for long. */
static bool is_over(const struct syslet_threads *t, const struct crew *crew, bool late)
{
	if (crew->queued)
		return false;
	return t->stop || late || crew != t->crew || !crew->identity.is_known;
}

static void be_idle(struct syslet_threads *t, struct crew *crew, bool *late)
{
	crew->idle++;
	threads_wait_for(&crew->todo, &t->lock, IDLE_NS, late);
	crew->idle--;
}

/* The same, but see to it that others go on. */
static void look_on(struct syslet_threads *t, struct crew *crew)
{
	bool late;

	t->is_looked_at = true;
	crew->idle++;
	threads_wait_for(&crew->todo, &t->lock, LOOK_NS, &late);
	crew->idle--;
	work_wake_next(t);
	t->is_looked_at = false;
}

/* Something to do, or NULL: it is over. */
static struct work *get_work(struct syslet_threads *t, struct crew *crew)
{
	struct work *work, *held;
	bool late = false;

	for (;;) {
		work = work_next(t, crew, &held);
		if (work || is_over(t, crew, late))
			return work;
		if (held && !t->is_looked_at)
			look_on(t, crew);
		else
			be_idle(t, crew, &late);
	}
}

void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct syslet_threads *t = worker->threads;
	struct indirect_registers gettid = { .nr = SYS_gettid };
	struct work *work;

	pthread_mutex_lock(&t->lock);
	worker->tid = (int)sys_call(&gettid);
	worker->crew->here++;
	pthread_cond_broadcast(&t->changed);
	do {
		worker->crew->tid = worker->tid;
		work = get_work(t, worker->crew);
		if (work)
			run_work(worker, work);
	} while (work);
	worker_leave(worker);
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void leave_crew(struct syslet_threads *t, struct worker *worker)
{
	struct crew *crew = worker->crew;

	crew->workers--;
	crew->here--;
	if (crew->tid == worker->tid)
		crew->tid = 0;
	crew_put(t, crew);
	/* It may have been the one that looked on. */
	work_wake_next(t);
}

/* What a thread does last, with the lock. */
void worker_leave(struct worker *worker)
{
	struct syslet_threads *t = worker->threads;

	worker->next = t->done;
	t->done = worker;
	t->nr--;
	if (worker->crew)
		leave_crew(t, worker);
	pthread_cond_broadcast(&t->changed);
}

/* One more thread for @crew; NULL: for other things. 0 or -errno. */
int worker_add(struct syslet_threads *t, struct crew *crew, void *(*fn)(void *arg))
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (!worker)
		return -ENOMEM;
	worker->threads = t;
	worker->crew = crew;
	/* Its lock is held: it begins when all this is done. */
	if (thread_start(&worker->id, fn, worker)) {
		free(worker);
		return -EAGAIN;
	}
	worker->sibling = t->all;
	t->all = worker;
	t->nr++;
	if (crew)
		crew->workers++;
	return 0;
}

/* By the program's thread, as the following. */
void worker_free(struct syslet_threads *t, struct worker *worker)
{
	struct worker **link = &t->all;

	while (*link != worker)
		link = &(*link)->sibling;
	*link = worker->sibling;
	free(worker);
}

static struct worker *take_done(struct syslet_threads *t)
{
	struct worker *worker;

	pthread_mutex_lock(&t->lock);
	worker = t->done;
	t->done = NULL;
	pthread_mutex_unlock(&t->lock);
	return worker;
}

/* Without the lock. */
void worker_join_done(struct syslet_threads *t)
{
	struct worker *worker = take_done(t), *next;

	for (; worker; worker = next) {
		next = worker->next;
		pthread_join(worker->id, NULL);
		worker_free(t, worker);
	}
}
