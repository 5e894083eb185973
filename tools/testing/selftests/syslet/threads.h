/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Other threads of the program, and calls that may be pending or not.
 */
#ifndef __SYSLET_THREADS_H
#define __SYSLET_THREADS_H

#include <semaphore.h>

#include "peer.h"

/* Something that cannot take for ever, but gives no event. */
#define UNTIL(cond)	do { while (!(cond)) sched_yield(); } while (0)

/* The result of the only call that is about to complete. */
static inline long reap_status(struct syslet_ring *ring)
{
	struct syslet_completion comp = {};

	return ring_reap(ring, &comp) ? -EIO : (long)comp.status;
}

/* The result of a call, pending or not. */
static inline long result(struct syslet_ring *ring, struct indirect_registers regs)
{
	long ret = submit(ring, regs, 0);

	return ret == -ESYSLETPENDING ? reap_status(ring) : ret;
}

/* A thread that does what it is told: there before the tests begin. */
struct servant {
	pthread_t	thread;
	pid_t		tid;
	sem_t		go, done;
	long		(*fn)(void *arg);
	void		*arg;
	long		ret;
};

static inline void sem_take(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

static inline void *servant_main(void *arg)
{
	struct servant *s = arg;

	s->tid = gettid();
	do {
		sem_post(&s->done);
		sem_take(&s->go);
		s->ret = s->fn(s->arg);
	} while (s->fn);
	return NULL;
}

/* It stays to the end of the program, so it is not on anybody's stack. */
static inline struct servant *servant_start(void)
{
	struct servant *s = calloc(1, sizeof(*s));

	if (!s || sem_init(&s->go, 0, 0) || sem_init(&s->done, 0, 0) ||
	    pthread_create(&s->thread, NULL, servant_main, s))
		return NULL;
	sem_take(&s->done);
	return s;
}

static inline void servant_tell(struct servant *s, long (*fn)(void *arg), void *arg)
{
	s->fn = fn;
	s->arg = arg;
	sem_post(&s->go);
}

static inline long servant_wait(struct servant *s)
{
	sem_take(&s->done);
	return s->ret;
}

static inline long servant_do(struct servant *s, long (*fn)(void *arg), void *arg)
{
	servant_tell(s, fn, arg);
	return servant_wait(s);
}

/* The servant sleeps in what it was told, interruptibly. */
static inline bool servant_sleeps(struct servant *s)
{
	return task_state(getpid(), s->tid) == 'S';
}

static inline void only_cpu(cpu_set_t *cpus, int cpu)
{
	CPU_ZERO(cpus);
	CPU_SET(cpu, cpus);
}

static inline bool has_cpu(pid_t tid, int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	return !sched_getaffinity(tid, sizeof(cpus), &cpus) &&
	       CPU_COUNT(&cpus) == 1 && CPU_ISSET(cpu, &cpus);
}

static inline bool have_cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

/*
 * Let all spares go: they cannot have another nice value than their thread
 * has, so the next call needs a new one.
 */
static inline bool retire_spares(struct syslet_ring *ring)
{
	int nice = getpriority(PRIO_PROCESS, 0);

	return !setpriority(PRIO_PROCESS, 0, nice + 1) && !force_handoff(ring) &&
	       !setpriority(PRIO_PROCESS, 0, nice) && !force_handoff(ring);
}

#endif /* __SYSLET_THREADS_H */
