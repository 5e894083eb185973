/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Calls as works: a list in the order in which they were made, of those that wait
 * for their turn and those that run. It is somebody's turn if a call of its kind may
 * run now, and nothing has to be before it.
 *
 * Whoever makes it somebody's turn calls work_wake_next(): a call was added, has
 * begun (there may be room for one more), has ended, was cancelled; the limit was
 * raised. A call that has got so far that others may go on, though it has not ended,
 * tells nobody. So while one is held up by such a call a thread that is idle looks
 * now and then.
 */
#include "threads.h"

/* How long a thread may take to get into its call, where nobody can tell. */
#define ENTRY_NS	100000000

static unsigned int *of_its_kind(struct work *work)
{
	return work->is_finite ? &work->crew->finite : &work->crew->endless;
}

static void leave_queue(struct syslet_threads *t, struct work *work)
{
	work->crew->queued--;
	work->state = WORK_RUNNING;
	while (t->waiting && t->waiting->state != WORK_QUEUED)
		t->waiting = t->waiting->next;
}

static void remove_work(struct syslet_threads *t, struct work *work)
{
	*(work->next ? &work->next->prev : &t->last) = work->prev;
	*(work->prev ? &work->prev->next : &t->first) = work->next;
	t->enders -= call_ends_descriptor(&work->regs);
	--*of_its_kind(work);
	work->state = WORK_FREE;
	work->next = t->free;
	t->free = work;
}

/* Drops the lock for a moment. */
static void post(struct syslet_threads *t, struct work *work, long status)
{
	struct syslet_event *event = work->event;

	ring_add(t->ring, (uint64_t)status, work->data);
	remove_work(t, work);
	pthread_cond_broadcast(&t->changed);
	work_wake_next(t);
	bell_ring(&t->bell);
	if (!event)
		return;
	pthread_mutex_unlock(&t->lock);
	event_signal(event);
	event_put(event);
	pthread_mutex_lock(&t->lock);
}

/* One of the free ones, with all that is said about the call. */
void work_add(struct syslet_threads *t, struct work *work)
{
	t->free = work->next;
	work->next = NULL;
	work->prev = t->last;
	*(t->last ? &t->last->next : &t->first) = work;
	t->last = work;
	if (!t->waiting)
		t->waiting = work;
	work->state = WORK_QUEUED;
	work->crew->queued++;
	++*of_its_kind(work);
	t->enders += call_ends_descriptor(&work->regs);
}

/* As if it had not been added. */
void work_drop(struct syslet_threads *t, struct work *work)
{
	leave_queue(t, work);
	remove_work(t, work);
}

void work_begin(struct syslet_threads *t, struct work *work, struct worker *worker)
{
	leave_queue(t, work);
	work->worker = worker;
	work->since = time_now();
	t->running++;
	t->finite += work->is_finite;
	work_wake_next(t);
}

/* Drops the lock for a moment. */
void work_end(struct syslet_threads *t, struct work *work, long status)
{
	t->running--;
	t->finite -= work->is_finite;
	post(t, work, status);
}

/* A queued one. Drops the lock for a moment. */
void work_cancel(struct syslet_threads *t, struct work *work)
{
	leave_queue(t, work);
	post(t, work, -ECANCELED);
}

/* --- order ------------------------------------------------------------------- */

/* Those that end by themselves are waited for. */
static bool may_get_inside(const struct work *work)
{
	return work->state == WORK_RUNNING && !work->is_finite;
}

static bool is_inside(struct work *work)
{
	int sleeps;

	if (work->is_inside || !may_get_inside(work))
		return work->is_inside;
	sleeps = call_sleeps(work->worker->tid, &work->regs);
	if (sleeps < 0)
		sleeps = time_now() - work->since >= ENTRY_NS;
	work->is_inside = sleeps;
	return work->is_inside;
}

/* One that is to use a descriptor before @regs does, and may not have got to that. */
static struct work *find_before(struct syslet_threads *t, const struct work *end,
				const struct indirect_registers *regs)
{
	struct work *work;

	if (!t->enders)
		return NULL;
	for (work = t->first; work != end; work = work->next)
		if (calls_are_ordered(&work->regs, regs) && !is_inside(work))
			return work;
	return NULL;
}

/* Behind all calls that there are. */
bool threads_have_before(struct syslet_threads *t, const struct indirect_registers *regs)
{
	bool ret = false;
	struct work *work;

	pthread_mutex_lock(&t->lock);
	if (t->enders || call_ends_descriptor(regs))
		for (work = t->first; work && !ret; work = work->next)
			ret = calls_are_ordered(&work->regs, regs) && !is_inside(work);
	pthread_mutex_unlock(&t->lock);
	return ret;
}

/* --- whose turn it is ---------------------------------------------------------- */

/*
 * The next one for a thread of @crew; NULL: for any that is idle. Those before it
 * have their places kept, if there is a thread for them.
 *
 * @held: one whose turn it would be, but for a call that has to get a bit further
 */
struct work *work_next(struct syslet_threads *t, const struct crew *crew,
		       struct work **held)
{
	unsigned int running = t->running, finite = t->finite;
	struct work *work, *before;

	*held = NULL;
	for (work = t->waiting; work && running < t->max; work = work->next) {
		if (work->state != WORK_QUEUED || (work->is_finite && finite >= MAX_FINITE))
			continue;
		if (work->crew != crew && !work->crew->idle)
			continue;
		before = find_before(t, work, &work->regs);
		if (before && may_get_inside(before) && !*held)
			*held = work;
		if (before)
			continue;
		if (work->crew == crew || !crew)
			return work;
		running++;
		finite += work->is_finite;
	}
	return NULL;
}

/* One after the other: who begins wakes the next one. */
void work_wake_next(struct syslet_threads *t)
{
	struct work *held, *work = work_next(t, NULL, &held);

	if (work)
		pthread_cond_signal(&work->crew->todo);
	if (held && !t->is_looked_at)
		pthread_cond_signal(&held->crew->todo);
}
