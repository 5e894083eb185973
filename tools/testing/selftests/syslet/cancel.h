/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Storms of syslet_cancel(): calls that are cancelled while they end anyway, for
 * one reason or another. Alone they are in cancel_test, with delays where
 * the races are in delay_test.
 */
#ifndef __SYSLET_CANCEL_H
#define __SYSLET_CANCEL_H

#include <sys/ioctl.h>

#include "common.h"

/* Someone may cancel a call at any time: what he may be told. */
static inline bool cancel_may_say(long ret)
{
	return ret == 0 || ret == -ENOENT || ret == -EALREADY;
}

/* Bytes that wait in a pipe. */
static inline int pipe_count(int fd)
{
	int n = -1;

	return ioctl(fd, FIONREAD, &n) ? -1 : n;
}

static inline void cancel_spin(unsigned int n)
{
	for (volatile unsigned int i = n; i; i--)
		;
}

/* --- writes end the reads that are cancelled -------------------------------- */

#define STORM_CALLS	8

struct storm_call {
	int	fd[2];
	char	c;
	long	told;	/* by syslet_cancel() */
};

/*
 * A round begins when @round is its number, and is over for a thread when that
 * has stored it as well.
 */
struct storm {
	struct syslet_ring	*ring;
	struct storm_call	call[STORM_CALLS];
	atomic_int		round, ended, cancelled;
	int			nr_cancelled;
};

static inline uint64_t storm_data(int round, int i)
{
	return (uint64_t)round << 32 | i;
}

/* False when there are no more rounds. */
static inline bool storm_next(struct storm *s, int round)
{
	int now;

	while ((now = s->round) != round && now >= 0)
		sched_yield();
	return now == round;
}

static inline void *storm_fail(struct storm *s, char *why)
{
	s->round = -1;
	return why;
}

/* Both spin first: now one is early, now the other. */
static inline void *storm_end(void *arg)
{
	struct storm *s = arg;

	for (int round = 1; storm_next(s, round); round++) {
		cancel_spin(round * 7919 % 20011);
		for (int i = 0; i < STORM_CALLS; i++)
			if (write(s->call[i].fd[1], "x", 1) != 1)
				return storm_fail(s, "write");
		s->ended = round;
	}
	return NULL;
}

/* One by one; all at once every fourth time. */
static inline void *storm_cancel(void *arg)
{
	struct storm *s = arg;

	for (int round = 1; storm_next(s, round); round++) {
		cancel_spin(round * 4801 % 20011);
		for (int i = 0; i < STORM_CALLS; i++) {
			long *told = &s->call[i].told;

			*told = round % 4 ? sys_cancel(s->ring, storm_data(round, i), 0) :
					    sys_cancel(s->ring, 0, SYSLET_CANCEL_ALL);
			if (!cancel_may_say(*told))
				return storm_fail(s, "cancel");
		}
		s->cancelled = round;
	}
	return NULL;
}

/* The byte was read if, and only if, the status says so. */
static inline const char *storm_check(struct storm *s, int round, int i, long status)
{
	struct storm_call *call = &s->call[i];
	bool done = status == 1;
	char c;

	CHECK(done || status == -ECANCELED);
	CHECK(call->c == (done ? 'x' : 0));
	CHECK(pipe_count(call->fd[0]) == !done);
	/* who was told that it is too late sees it done */
	CHECK(done || round % 4 == 0 || call->told == 0);
	CHECK(done || read(call->fd[0], &c, 1) == 1);
	s->nr_cancelled += !done;
	return NULL;
}

static inline const char *storm_round(struct storm *s, int round)
{
	struct syslet_completion comp = {};
	long status[STORM_CALLS];
	unsigned int seen = 0;
	const char *err;
	int i;

	for (i = 0; i < STORM_CALLS; i++) {
		s->call[i].c = 0;
		CHECK(submit(s->ring, CALL(__NR_read, s->call[i].fd[0], P(&s->call[i].c), 1),
			     storm_data(round, i)) == -ESYSLETPENDING);
	}
	s->round = round;
	for (i = 0; i < STORM_CALLS; i++) {
		CHECK(!ring_reap(s->ring, &comp));
		CHECK(comp.caller_data >> 32 == round);
		CHECK((uint32_t)comp.caller_data < STORM_CALLS);
		status[(uint32_t)comp.caller_data] = comp.status;
		seen |= 1u << (uint32_t)comp.caller_data;
	}
	CHECK(seen == (1u << STORM_CALLS) - 1);
	while (s->ended != round || s->cancelled != round) {
		/* or one of them has failed, and will tell why */
		CHECK(s->round == round);
		sched_yield();
	}
	CHECK(!ring_count(s->ring));
	for (i = 0; i < STORM_CALLS; i++) {
		err = storm_check(s, round, i, status[i]);
		if (err)
			return err;
	}
	return NULL;
}

/* The ring has room for STORM_CALLS, and nothing else in it. */
static inline const char *storm_ends(struct syslet_ring *ring, int rounds)
{
	static struct storm s;
	const char *err = NULL;
	pthread_t end, cancel;
	void *ret[2];
	int i;

	s = (struct storm){ .ring = ring };
	for (i = 0; i < STORM_CALLS; i++)
		CHECK(!pipe(s.call[i].fd));
	CHECK(!pthread_create(&end, NULL, storm_end, &s));
	CHECK(!pthread_create(&cancel, NULL, storm_cancel, &s));
	for (i = 1; i <= rounds && !err; i++)
		err = storm_round(&s, i);
	s.round = -1;
	CHECK(!pthread_join(end, &ret[0]) && !pthread_join(cancel, &ret[1]));
	for (i = 0; i < STORM_CALLS; i++) {
		close(s.call[i].fd[0]);
		close(s.call[i].fd[1]);
	}
	printf("# %d of %d calls cancelled\n", s.nr_cancelled, rounds * STORM_CALLS);
	return err ?: ret[0] ?: ret[1];
}

/* --- threads that exit, whose calls are cancelled for that as well ------------ */

#define STORM_LEFT	4

struct storm_leaver {
	struct syslet_ring	*ring;
	struct blocker		b[STORM_LEFT];
};

static inline void *storm_leave(void *arg)
{
	struct storm_leaver *l = arg;

	for (int i = 0; i < STORM_LEFT; i++)
		if (blocker_begin(&l->b[i], l->ring, i) != -ESYSLETPENDING)
			return "begin";
	return NULL;
}

static inline const char *storm_exits(struct syslet_ring *ring, int rounds)
{
	static struct storm_leaver l;
	struct syslet_completion comp = {};
	unsigned int seen;
	pthread_t t;
	void *err;

	for (int round = 0; round < rounds; round++) {
		l.ring = ring;
		CHECK(!pthread_create(&t, NULL, storm_leave, &l));
		do {
			if (round % 2)
				CHECK(cancel_may_say(sys_cancel(ring, round % STORM_LEFT, 0)));
			else
				CHECK(cancel_may_say(sys_cancel(ring, 0, SYSLET_CANCEL_ALL)));
		} while (pthread_tryjoin_np(t, &err));
		CHECK(!err);
		seen = 0;
		for (int i = 0; i < STORM_LEFT; i++) {
			CHECK(!ring_reap(ring, &comp));
			CHECK((long)comp.status == -ECANCELED && comp.caller_data < STORM_LEFT);
			seen |= 1u << comp.caller_data;
		}
		CHECK(seen == (1u << STORM_LEFT) - 1 && !ring_count(ring));
		for (int i = 0; i < STORM_LEFT; i++) {
			close(l.b[i].fd[0]);
			close(l.b[i].fd[1]);
		}
	}
	return NULL;
}

#endif /* __SYSLET_CANCEL_H */
