/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Threads that are the same, as they were made by submitters that are. One crew is
 * the current one: that of the last call. The others finish what they have to do.
 *
 * Nobody but a submitter can make a thread for its calls, and not later than with
 * the call. So there are enough of them from the start.
 */
#include <stdlib.h>

#include "threads.h"

/* How long to wait for a thread to begin, whose ID is needed for a look at it. */
#define BEGIN_NS	100000000

static unsigned int min(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

static bool is_crew_of(struct syslet_threads *t, const struct crew *crew,
		       const struct identity *id)
{
	int64_t until = time_now() + BEGIN_NS;
	bool late;

	/* The first of them is on its way. */
	while (crew->workers && !crew->here && time_now() < until)
		threads_wait_for(&t->changed, &t->lock, time_left(until), &late);
	return crew->tid && identity_is_same(id, &crew->identity, crew->tid);
}

void crew_put(struct syslet_threads *t, struct crew *crew)
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

/* There is no current one. */
void crew_end(struct syslet_threads *t)
{
	struct crew *crew = t->crew;

	if (!crew)
		return;
	t->crew = NULL;
	pthread_cond_broadcast(&crew->todo);
	crew_put(t, crew);
}

static struct crew *new_crew(struct syslet_threads *t, const struct identity *id)
{
	struct crew *crew = calloc(1, sizeof(*crew));

	if (!crew)
		return NULL;
	crew->identity = *id;
	threads_init_cond(&crew->todo);
	crew->next = t->crews;
	t->crews = crew;
	crew_end(t);
	t->crew = crew;
	return crew;
}

/* That of the caller: the current one, or a new one that is it from now on. */
struct crew *crew_get(struct syslet_threads *t)
{
	struct identity id;

	identity_get(&id);
	if (t->crew && is_crew_of(t, t->crew, &id))
		return t->crew;
	return new_crew(t, &id);
}

/*
 * How many of its calls could run at the same time, if those of others did not. With
 * as many threads there is one that does not run any, whenever it is the turn of one
 * of its calls.
 */
static unsigned int wanted(const struct syslet_threads *t, const struct crew *crew)
{
	return min(t->max, crew->endless + min(MAX_FINITE, crew->finite));
}

/* To what is wanted; by its submitter. 0, or -errno: it is smaller. */
int crew_grow(struct syslet_threads *t, struct crew *crew)
{
	int err = 0;

	while (!err && crew->workers < wanted(t, crew))
		err = worker_add(t, crew, worker_main);
	return err;
}

/* No more threads can be made: will there be one for each call, if later? */
bool crew_suffices(const struct syslet_threads *t, const struct crew *crew)
{
	return crew->workers >= min(t->max, crew->endless + !!crew->finite);
}
