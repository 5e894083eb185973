/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Batches: many calls with one entry into the kernel. What the tests of them
 * share, and a storm of them that counts what was done against what was told.
 */
#ifndef __SYSLET_BATCH_H
#define __SYSLET_BATCH_H

#include <sys/ioctl.h>

#include "common.h"

/* No call returns that. */
#define NO_RESULT	0x5e5e5e5e5e

/* An entry: ENTRY(data, __NR_read, fd, buf, len). */
#define ENTRY(_data, _nr, ...)						\
	((struct syslet_call){ .nr = (_nr), .args = { __VA_ARGS__ },	\
			       .caller_data = (_data), .result = NO_RESULT })

static inline long batch_args(struct syslet_call *calls, unsigned int nr,
			      struct syslet_args args, unsigned int flags)
{
	struct indirect_params params = { .syslet = args };

	return sys_submit(calls, nr, &params, sizeof(params), flags);
}

static inline long batch(struct syslet_ring *ring, struct syslet_call *calls, unsigned int nr)
{
	return batch_args(calls, nr, (struct syslet_args){ .completion_ring_ptr = P(ring) }, 0);
}

/* All entries of an array, and the others where one may be refused. */
#define BATCH(ring, calls)	batch(ring, calls, ARRAY_LEN(calls))
#define BATCH_FLAGS(ring, calls, flags)					\
	batch_args(calls, ARRAY_LEN(calls),				\
		   (struct syslet_args){ .completion_ring_ptr = P(ring) }, flags)
#define BATCH_SYNC_OK(ring, calls)					\
	batch_args(calls, ARRAY_LEN(calls),				\
		   (struct syslet_args){ .completion_ring_ptr = P(ring),	\
					 .flags = SYSLET_SYNC_OK }, 0)

/* Bytes that wait in a pipe. */
static inline int pipe_bytes(const int *fd)
{
	int n = -1;

	return ioctl(fd[0], FIONREAD, &n) ? -1 : n;
}

static inline void pipe_close(const int *fd)
{
	close(fd[0]);
	close(fd[1]);
}

/* Take what is in it. */
static inline bool pipe_drain(const int *fd)
{
	char buf[4096];
	int n;

	while ((n = pipe_bytes(fd)) > 0)
		if (read(fd[0], buf, n < (int)sizeof(buf) ? n : (int)sizeof(buf)) <= 0)
			return false;
	return !n;
}

/* One byte into it, or out of it. */
#define PUT(data, fd)	ENTRY(data, __NR_write, (fd)[1], P("x"), 1)
#define TAKE(data, fd, c)	ENTRY(data, __NR_read, (fd)[0], P(c), 1)

/*
 * Take n completions, of the data base .. base + n - 1, each of them once:
 * status[] of each, and nothing else in the ring.
 */
static inline bool reap_each(struct syslet_ring *ring, uint64_t base, unsigned int n,
			     long *status)
{
	struct syslet_completion comp = {};
	bool *seen = calloc(n, sizeof(*seen)), ok = seen;

	for (unsigned int i = 0; ok && i < n; i++) {
		ok = !ring_reap(ring, &comp) && comp.caller_data - base < n &&
		     !seen[comp.caller_data - base];
		if (!ok)
			break;
		seen[comp.caller_data - base] = true;
		status[comp.caller_data - base] = comp.status;
	}
	free(seen);
	return ok && !ring_count(ring);
}

/* The only completion there will be. */
static inline bool reap_one(struct syslet_ring *ring, uint64_t data, long status)
{
	long got;

	return reap_each(ring, data, 1, &got) && got == status;
}

/*
 * Submit until all has been run, whatever ends it early: how many times that
 * took, or what else came. Entries that were run are not touched again.
 */
static inline long batch_all(struct syslet_ring *ring, struct syslet_call *calls,
			     unsigned int nr, unsigned int flags)
{
	struct syslet_args args = { .completion_ring_ptr = P(ring), .flags = flags };
	long ret, times = 0;

	for (unsigned int done = 0; done < nr; done += ret, times++) {
		ret = batch_args(calls + done, nr - done, args, 0);
		if (ret == -EINTR)
			ret = 0;
		if (ret < 0)
			return ret;
	}
	return times;
}

/* --- what was told is what was done ------------------------------------------ */

#define TALLY_CALLS	12	/* a multiple of 4 */

/* Each round has reads that later entries of it feed, and writes that are counted. */
struct tally {
	struct syslet_ring	*ring;	/* with room for TALLY_CALLS */
	int			fd[2], in[TALLY_CALLS][2];
	char			c[TALLY_CALLS];
	struct syslet_call	calls[TALLY_CALLS];
	uint64_t		round;
	long			submits, pending, refused;
	bool			may_fail;	/* for want of memory */
};

static inline bool tally_begin(struct tally *t, struct syslet_ring *ring)
{
	*t = (struct tally){ .ring = ring };
	for (int i = 0; i < TALLY_CALLS; i++)
		if (pipe(t->in[i]))
			return false;
	return !pipe(t->fd);
}

static inline void tally_end(struct tally *t)
{
	for (int i = 0; i < TALLY_CALLS; i++)
		pipe_close(t->in[i]);
	pipe_close(t->fd);
}

static inline uint64_t tally_data(struct tally *t, int i)
{
	return t->round << 16 | i;
}

/* A read, two writes to be counted, and what the read waits for. */
static inline void tally_prepare(struct tally *t)
{
	t->round++;
	for (int i = 0; i < TALLY_CALLS; i += 4) {
		struct syslet_call *c = &t->calls[i];

		t->c[i] = 0;
		c[0] = TAKE(tally_data(t, i), t->in[i], &t->c[i]);
		c[1] = PUT(tally_data(t, i + 1), t->fd);
		c[2] = PUT(tally_data(t, i + 2), t->fd);
		c[3] = PUT(tally_data(t, i + 3), t->in[i]);
	}
}

/* Refused calls have not been made; with failures of memory there are more of them. */
static inline bool tally_is_refused(struct tally *t, long result)
{
	return result == -EAGAIN || (t->may_fail && result == -ENOMEM);
}

/* What each pending one has to come to, and no other. */
static inline const char *tally_reap(struct tally *t)
{
	struct syslet_completion comp = {};
	unsigned int due = 0, i;

	for (i = 0; i < TALLY_CALLS; i++)
		due |= (t->calls[i].result == -ESYSLETPENDING) << i;
	t->pending += __builtin_popcount(due);
	while (due) {
		CHECK(!ring_reap(t->ring, &comp));
		CHECK(comp.caller_data >> 16 == t->round);
		i = comp.caller_data & 0xffff;
		CHECK(i < TALLY_CALLS && (due & 1u << i));
		due &= ~(1u << i);
		t->calls[i].result = comp.status;
	}
	CHECK(!ring_count(t->ring));
	return NULL;
}

/*
 * Writes that were refused are done by us: then the sum is always the same, and
 * the reads that wait for them end.
 */
static inline const char *tally_check(struct tally *t)
{
	const char *err;

	for (int i = 0; i < TALLY_CALLS; i++) {
		bool refused = tally_is_refused(t, t->calls[i].result);

		t->refused += refused;
		if (refused && i % 4)
			CHECK(write(i % 4 < 3 ? t->fd[1] : t->in[i - 3][1], "x", 1) == 1);
	}
	err = tally_reap(t);
	if (err)
		return err;
	for (int i = 0; i < TALLY_CALLS; i++)
		CHECK(t->calls[i].result == 1 || tally_is_refused(t, t->calls[i].result));
	for (int i = 0; i < TALLY_CALLS; i += 4) {
		if (t->calls[i].result == 1) {
			CHECK(t->c[i] == 'x');
		} else {
			CHECK(!t->c[i] && read(t->in[i][0], &t->c[i], 1) == 1);
		}
		CHECK(!pipe_bytes(t->in[i]));
	}
	CHECK(pipe_bytes(t->fd) == TALLY_CALLS / 2 && pipe_drain(t->fd));
	return NULL;
}

/* One round; signals may end submits early. */
static inline const char *tally_round(struct tally *t)
{
	long ret;

	tally_prepare(t);
	ret = batch_all(t->ring, t->calls, TALLY_CALLS, 0);
	CHECK(ret > 0);
	t->submits += ret;
	return tally_check(t);
}

static inline const char *tally_rounds(struct syslet_ring *ring, int n)
{
	const char *err = NULL;
	struct tally t;

	CHECK(tally_begin(&t, ring));
	for (int i = 0; i < n && !err; i++)
		err = tally_round(&t);
	tally_end(&t);
	return err;
}

#endif /* __SYSLET_BATCH_H */
