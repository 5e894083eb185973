/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Calls on threads of our own: for kernels without syslets, and for calls that
 * the kernel could not make asynchronous (-EAGAIN).
 *
 * A call that may wait for what others do has a thread at once: one that is idle,
 * or a new one. Of those that end by themselves (on files, mostly) at most
 * MAX_FINITE run, the others wait for their turn: no call waits for one that is
 * behind it. The program may set a limit for all calls; it is on its own then.
 *
 * A thread is made by the one whose call it runs, and inherits what that one is. It
 * goes on with calls of its crew: those of submitters that are the same (see
 * identity.c). Idle threads end after a while.
 *
 * Lock: struct syslet_threads.lock protects all in this file, and posting to the
 * ring; but not the bell, and not the work that a thread runs.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "identity.h"

#define MAX_FINITE	64
#define IDLE_NS		1000000000
/* How long to wait for a thread to get into its call, where nobody can tell. */
#define ENTRY_ROUNDS	100

enum work_state { WORK_FREE, WORK_QUEUED, WORK_RUNNING };

struct work {
	/* all that is not free, in the order of the calls */
	struct work			*next, *prev;
	enum work_state			state;
	bool				is_finite;
	bool				is_canceled;
	/* of a running one: it has entered its call, and uses its descriptors */
	bool				is_inside;
	struct crew			*crew;
	struct worker			*worker;
	struct syslet_event		*event;
	struct indirect_registers	regs;
	uint64_t			data;
};

/* Threads that are the same, and the works that are for them. */
struct crew {
	struct crew	*next;
	struct identity	identity;
	pthread_cond_t	todo;		/* one of its works can run; or it is over */
	unsigned int	workers, idle, queued, finite;
	unsigned int	here;		/* those of the workers that have begun */
	int		tid;		/* of one of them; 0: not known */
};

struct worker {
	struct worker		*next;	/* in the list of those that have ended */
	struct worker		*sibling;
	struct syslet_threads	*threads;
	struct crew		*crew;
	pthread_t		id;
	int			tid;	/* 0: not there yet */
	int			signal;	/* it lets this one in; 0: none */
};

struct syslet_threads {
	pthread_mutex_t	lock;
	pthread_cond_t	ended;		/* some work has; see order_wait() */
	struct work	*first, *last;	/* not free ones */
	struct work	*free;
	struct work	*works;
	struct crew	*crews, *crew;	/* all; the current one */
	struct worker	*done;		/* have ended, to be joined */
	struct worker	*all;		/* of use to the program's thread only */
	unsigned int	entries, max;
	unsigned int	nr;		/* threads that run */
	unsigned int	queued, running, finite, finite_queued;
	unsigned int	enders;		/* works that end a descriptor */
	int		signal;
	bool		is_interrupting;
	bool		stop;
	struct syslet_ring *ring;
	struct relay	*relay;		/* NULL: the kernel has none of our calls */
	struct bell	bell;
};

static void wait_for(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ns, bool *late)
{
	int64_t until = time_now() + ns;
	struct timespec ts = { (time_t)(until / 1000000000), (long)(until % 1000000000) };

	*late = pthread_cond_timedwait(cond, lock, &ts) == ETIMEDOUT;
}

/* Times of waits are those of CLOCK_MONOTONIC. */
static void init_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

/* --- works ------------------------------------------------------------------- */

static void add_work(struct syslet_threads *t, struct work *work)
{
	t->free = work->next;
	work->next = NULL;
	work->prev = t->last;
	*(t->last ? &t->last->next : &t->first) = work;
	t->last = work;
	work->state = WORK_QUEUED;
	work->crew->queued++;
	t->queued++;
	t->finite_queued += work->is_finite;
	t->enders += call_ends_descriptor(&work->regs);
}

static void remove_work(struct syslet_threads *t, struct work *work)
{
	*(work->next ? &work->next->prev : &t->last) = work->prev;
	*(work->prev ? &work->prev->next : &t->first) = work->next;
	t->enders -= call_ends_descriptor(&work->regs);
	work->state = WORK_FREE;
	work->next = t->free;
	t->free = work;
}

static void leave_queue(struct syslet_threads *t, struct work *work)
{
	work->crew->queued--;
	t->queued--;
	t->finite_queued -= work->is_finite;
}

/* Drops the lock for a moment. */
static void post(struct syslet_threads *t, struct work *work, long status)
{
	struct syslet_event *event = work->event;

	ring_add(t->ring, (uint64_t)status, work->data);
	remove_work(t, work);
	pthread_cond_broadcast(&t->ended);
	bell_ring(&t->bell);
	if (!event)
		return;
	pthread_mutex_unlock(&t->lock);
	event_signal(event);
	event_put(event);
	pthread_mutex_lock(&t->lock);
}

static bool is_turn(const struct syslet_threads *t, const struct work *work)
{
	return t->running < t->max && (!work->is_finite || t->finite < MAX_FINITE);
}

static struct work *find_work(const struct syslet_threads *t, const struct crew *crew)
{
	struct work *work;

	for (work = crew->queued ? t->first : NULL; work; work = work->next)
		if (work->state == WORK_QUEUED && work->crew == crew && is_turn(t, work))
			return work;
	return NULL;
}

/* For those who could not run while others did. */
static void wake_next(struct syslet_threads *t)
{
	struct crew *crew;

	for (crew = t->queued ? t->crews : NULL; crew; crew = crew->next)
		if (crew->queued && crew->idle)
			pthread_cond_broadcast(&crew->todo);
}

/* --- order ------------------------------------------------------------------- */

static bool is_inside(struct work *work)
{
	int sleeps = 0;

	if (work->state == WORK_RUNNING && !work->is_inside && work->worker->tid)
		sleeps = call_sleeps(work->worker->tid, &work->regs);
	if (sleeps > 0)
		work->is_inside = true;
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

static void order_wait(struct syslet_threads *t, const struct work *work)
{
	unsigned int rounds = 0;
	struct work *before;
	bool late;

	while (!work->is_canceled && (before = find_before(t, work, &work->regs))) {
		wait_for(&t->ended, &t->lock, 1000000, &late);
		if (late && before->state == WORK_RUNNING && ++rounds == ENTRY_ROUNDS &&
		    call_sleeps(before->worker->tid, &before->regs) < 0) {
			before->is_inside = true;
			rounds = 0;
		}
	}
}

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

/* --- what runs on the threads ------------------------------------------------ */

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

static long make(struct syslet_threads *t, const struct work *work)
{
	long ret;

	if (work->is_canceled)
		return -ECANCELED;
	pthread_mutex_unlock(&t->lock);
	ret = sys_call(&work->regs);
	pthread_mutex_lock(&t->lock);
	return work->is_canceled && ret == -EINTR ? -ECANCELED : ret;
}

static void run_work(struct worker *worker, struct work *work)
{
	struct syslet_threads *t = worker->threads;
	bool is_finite = work->is_finite;
	long ret;

	leave_queue(t, work);
	work->state = WORK_RUNNING;
	work->worker = worker;
	if (worker->signal != t->signal)
		let_in(worker, t->signal);
	t->running++;
	t->finite += is_finite;
	worker->crew->finite += is_finite;
	order_wait(t, work);
	ret = make(t, work);
	t->running--;
	t->finite -= is_finite;
	worker->crew->finite -= is_finite;
	post(t, work, ret);
	wake_next(t);
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
	wait_for(&crew->todo, &t->lock, IDLE_NS, late);
	crew->idle--;
}

static void put_crew(struct syslet_threads *t, struct crew *crew)
{
	struct crew **link = &t->crews;

	if (crew->workers || crew->queued || crew == t->crew)
		return;
	while (*link != crew)
		link = &(*link)->next;
	*link = crew->next;
	pthread_cond_destroy(&crew->todo);
	free(crew);
}

static void leave(struct worker *worker)
{
	struct syslet_threads *t = worker->threads;

	worker->next = t->done;
	t->done = worker;
	t->nr--;
	if (worker->crew) {
		worker->crew->workers--;
		worker->crew->here--;
		if (worker->crew->tid == worker->tid)
			worker->crew->tid = 0;
		put_crew(t, worker->crew);
	}
	pthread_cond_broadcast(&t->ended);
}

static void *thread_main(void *arg)
{
	struct worker *worker = arg;
	struct syslet_threads *t = worker->threads;
	struct indirect_registers gettid = { .nr = SYS_gettid };
	struct work *work;
	bool late = false;

	pthread_mutex_lock(&t->lock);
	worker->tid = (int)sys_call(&gettid);
	worker->crew->here++;
	pthread_cond_broadcast(&t->ended);
	for (;;) {
		worker->crew->tid = worker->tid;
		work = find_work(t, worker->crew);
		if (work)
			run_work(worker, work);
		else if (is_over(t, worker->crew, late))
			break;
		late = false;
		if (!work)
			be_idle(t, worker->crew, &late);
	}
	leave(worker);
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* --- start and stop ---------------------------------------------------------- */

static struct worker *take_done(struct syslet_threads *t)
{
	struct worker *worker;

	pthread_mutex_lock(&t->lock);
	worker = t->done;
	t->done = NULL;
	pthread_mutex_unlock(&t->lock);
	return worker;
}

static void free_worker(struct syslet_threads *t, struct worker *worker)
{
	struct worker **link = &t->all;

	while (*link != worker)
		link = &(*link)->sibling;
	*link = worker->sibling;
	free(worker);
}

static void join_done(struct syslet_threads *t)
{
	struct worker *worker = take_done(t), *next;

	for (; worker; worker = next) {
		next = worker->next;
		pthread_join(worker->id, NULL);
		free_worker(t, worker);
	}
}

static int add_worker(struct syslet_threads *t, struct crew *crew, void *(*fn)(void *arg))
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
	init_cond(&t->ended);
	return t;
}

static void end_crew(struct syslet_threads *t)
{
	struct crew *crew = t->crew;

	if (!crew)
		return;
	t->crew = NULL;
	pthread_cond_broadcast(&crew->todo);
	put_crew(t, crew);
}

/* All calls have ended. */
void threads_stop(struct syslet_threads *t)
{
	bool late;

	CANCEL_OFF(state);
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	end_crew(t);
	while (t->nr)
		wait_for(&t->ended, &t->lock, IDLE_NS, &late);
	pthread_mutex_unlock(&t->lock);
	join_done(t);
	if (t->relay)
		relay_stop(t->relay);
	CANCEL_BACK(state);
	pthread_cond_destroy(&t->ended);
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
		free_worker(t, t->all);
	free(t->relay);
	free_all(t);
}

/* --- what the program does --------------------------------------------------- */

static bool is_crew_of(struct syslet_threads *t, const struct crew *crew,
		       const struct identity *id)
{
	/* The first of them is on its way. */
	while (crew->workers && !crew->here)
		pthread_cond_wait(&t->ended, &t->lock);
	return crew->tid && identity_is_same(id, &crew->identity, crew->tid);
}

static struct crew *new_crew(struct syslet_threads *t, const struct identity *id)
{
	struct crew *crew = calloc(1, sizeof(*crew));

	if (!crew)
		return NULL;
	crew->identity = *id;
	init_cond(&crew->todo);
	crew->next = t->crews;
	t->crews = crew;
	end_crew(t);
	t->crew = crew;
	return crew;
}

/* The crew of the caller: the current one, or a new one that is it from now on. */
static struct crew *get_crew(struct syslet_threads *t)
{
	struct identity id;

	identity_get(&id);
	if (t->crew && is_crew_of(t, t->crew, &id))
		return t->crew;
	return new_crew(t, &id);
}

static bool has_room(const struct syslet_threads *t, bool is_finite)
{
	if (is_finite && t->finite + t->finite_queued > MAX_FINITE)
		return false;
	return t->running + t->queued <= t->max;
}

/* Its own work is among the queued ones. */
static bool need_worker(const struct syslet_threads *t, const struct work *work)
{
	const struct crew *crew = work->crew;

	if (crew->idle >= crew->queued)
		return false;
	return !crew->workers || has_room(t, work->is_finite);
}

/* There is no thread for it now: will one come that has ended another call? */
static bool can_wait(const struct syslet_threads *t, const struct work *work)
{
	if (t->max != UINT32_MAX)
		return work->crew->workers;
	return work->is_finite && work->crew->finite;
}

static int enqueue(struct syslet_threads *t, struct work *work)
{
	add_work(t, work);
	if (need_worker(t, work) && add_worker(t, work->crew, thread_main) &&
	    !can_wait(t, work)) {
		leave_queue(t, work);
		remove_work(t, work);
		put_crew(t, work->crew);
		return -EAGAIN;
	}
	pthread_cond_signal(&work->crew->todo);
	return 0;
}

static int submit(struct syslet_threads *t, const struct indirect_registers *regs,
		  uint64_t data, struct syslet_event *event)
{
	struct crew *crew = get_crew(t);
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
	join_done(t);
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
		wait_for(&t->ended, &t->lock, pause, &late);
		pause = late && pause < 100000000 ? 2 * pause : pause;
	}
	t->is_interrupting = false;
	leave(worker);
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void interrupt(struct syslet_threads *t)
{
	if (interrupt_all(t) && !t->is_interrupting &&
	    !add_worker(t, NULL, interrupt_main))
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
		leave_queue(t, work);
		post(t, work, -ECANCELED);
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
	struct crew *crew = t->queued ? get_crew(t) : NULL;
	unsigned int i;

	if (!crew)
		return;
	for (i = crew->idle; i < crew->queued && t->running + i < t->max; i++)
		if (add_worker(t, crew, thread_main))
			break;
}

void threads_limit(struct syslet_threads *t, unsigned int max)
{
	CANCEL_OFF(state);
	pthread_mutex_lock(&t->lock);
	t->max = max;
	add_workers(t);
	wake_next(t);
	pthread_mutex_unlock(&t->lock);
	CANCEL_BACK(state);
}

struct syslet_ring *threads_ring(const struct syslet_threads *t)
{
	return t->ring;
}
