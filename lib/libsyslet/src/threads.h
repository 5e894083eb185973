/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Calls on threads of our own: for kernels without syslets, and for calls that
 * the kernel could not make asynchronous (-EAGAIN).
 *
 *	works.c		calls as works: whose turn it is, what keeps its place
 *	crew.c		threads that are the same, and how many of them
 *	worker.c	what runs on a thread
 *	threads.c	what the rest of the library asks for
 *
 * A call that may wait for what others do runs at once. Of those that end by
 * themselves (on files, mostly) at most MAX_FINITE run, the others wait for their
 * turn. The program may set a limit for all calls; it is on its own then. First come,
 * first served; but a call that must not overtake another one takes nobody's place
 * while it waits for that. So no call waits for one that is behind it.
 *
 * A thread is made by the one whose call it runs, and inherits what that one is. It
 * goes on with calls of its crew: those of submitters that are the same (see
 * identity.c). As nobody else can run these, a crew has as many threads as calls of
 * its own could run at the same time. Idle threads end after a while.
 *
 * Lock: struct syslet_threads.lock protects all in these files, and posting to the
 * ring; but not the bell, and not the work that a thread runs.
 */
#ifndef LIBSYSLET_THREADS_H
#define LIBSYSLET_THREADS_H

#include "identity.h"

#define MAX_FINITE	64

enum work_state { WORK_FREE, WORK_QUEUED, WORK_RUNNING };

struct work {
	/* all that is not free, in the order of the calls */
	struct work			*next, *prev;
	enum work_state			state;
	bool				is_finite;
	bool				is_canceled;
	/* of a running one: it has entered its call, and uses its descriptors */
	bool				is_inside;
	int64_t				since;	/* it is running */
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
	pthread_cond_t	todo;		/* there is something to do, or to look at */
	unsigned int	workers, idle;
	unsigned int	here;		/* those of the workers that have begun */
	unsigned int	queued;
	unsigned int	finite, endless;	/* works, queued and running */
	int		tid;		/* of one of the workers; 0: not known */
};

struct worker {
	struct worker		*next;	/* in the list of those that have ended */
	struct worker		*sibling;
	struct syslet_threads	*threads;
	struct crew		*crew;	/* NULL: it does not run calls */
	pthread_t		id;
	int			tid;	/* 0: not there yet */
	int			signal;	/* it lets this one in; 0: none */
};

struct syslet_threads {
	pthread_mutex_t	lock;
	pthread_cond_t	changed;	/* a work has ended, a worker has begun or ended */
	struct work	*first, *last;	/* not free ones */
	struct work	*waiting;	/* the first of them that is queued */
	struct work	*free;
	struct work	*works;
	struct crew	*crews, *crew;	/* all; the current one */
	struct worker	*done;		/* have ended, to be joined */
	struct worker	*all;		/* of use to the program's thread only */
	unsigned int	entries, max;
	unsigned int	nr;		/* threads that run */
	unsigned int	running, finite;	/* works; those of them that are finite */
	unsigned int	enders;		/* works that end a descriptor */
	int		signal;
	bool		is_looked_at;	/* some worker sees to what is held up */
	bool		is_interrupting;
	bool		stop;
	struct syslet_ring *ring;
	struct relay	*relay;		/* NULL: the kernel has none of our calls */
	struct bell	bell;
};

#pragma GCC visibility push(hidden)

/* threads.c; times are those of CLOCK_MONOTONIC */
void threads_wait_for(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ns, bool *late);
void threads_init_cond(pthread_cond_t *cond);

/* works.c */
void work_add(struct syslet_threads *t, struct work *work);
void work_drop(struct syslet_threads *t, struct work *work);
void work_begin(struct syslet_threads *t, struct work *work, struct worker *worker);
void work_end(struct syslet_threads *t, struct work *work, long status);
void work_cancel(struct syslet_threads *t, struct work *work);
struct work *work_next(struct syslet_threads *t, const struct crew *crew,
		       struct work **held);
void work_wake_next(struct syslet_threads *t);

/* crew.c */
struct crew *crew_get(struct syslet_threads *t);
void crew_put(struct syslet_threads *t, struct crew *crew);
void crew_end(struct syslet_threads *t);
int crew_grow(struct syslet_threads *t, struct crew *crew);
bool crew_suffices(const struct syslet_threads *t, const struct crew *crew);

/* worker.c */
int worker_add(struct syslet_threads *t, struct crew *crew, void *(*fn)(void *arg));
void *worker_main(void *arg);
void worker_leave(struct worker *worker);
void worker_free(struct syslet_threads *t, struct worker *worker);
void worker_join_done(struct syslet_threads *t);

#pragma GCC visibility pop

#endif /* LIBSYSLET_THREADS_H */
