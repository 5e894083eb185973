/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A program waits for completions of the kernel and of threads, and there is
 * no system call for both. So a thread waits for the kernel's, when asked to,
 * and rings the bell that the threads ring, too.
 *
 * It is asked for one completion more than the program has seen, while at
 * least one is to come: what it waits for comes, and it need not be stopped.
 */
#include <stdlib.h>

#include "lib.h"

enum relay_state { RELAY_IDLE, RELAY_WATCH, RELAY_STOP };

struct relay {
	pthread_t		thread;
	struct bell		*bell;
	/* written by the program while RELAY_IDLE: */
	struct syslet_ring	*ring;
	uint32_t		seen;
	/* enum relay_state, futex word: the thread sleeps on IDLE, a stop on WATCH */
	uint32_t		state;
};

static enum relay_state get_state(const struct relay *relay)
{
	return __atomic_load_n(&relay->state, __ATOMIC_ACQUIRE);
}

static void set_state(struct relay *relay, enum relay_state state)
{
	__atomic_store_n(&relay->state, state, __ATOMIC_RELEASE);
	sys_futex_wake(&relay->state, 1);
}

static void *relay_main(void *arg)
{
	struct relay *relay = arg;

	for (;;) {
		switch (get_state(relay)) {
		case RELAY_IDLE:
			sys_futex_wait(&relay->state, RELAY_IDLE, FOREVER);
			break;
		case RELAY_WATCH:
			ring_wait(relay->ring, relay->seen, 1, FOREVER);
			/* IDLE before it rings: who hears it may ask anew. */
			set_state(relay, RELAY_IDLE);
			bell_ring(relay->bell);
			break;
		case RELAY_STOP:
			return NULL;
		}
	}
}

struct relay *relay_start(struct bell *bell)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	if (!relay)
		return NULL;
	relay->bell = bell;
	if (thread_start(&relay->thread, relay_main, relay)) {
		free(relay);
		return NULL;
	}
	return relay;
}

/* All that was to come has come. */
void relay_stop(struct relay *relay)
{
	/* It may not have seen that yet, and would write its state once more. */
	while (get_state(relay) == RELAY_WATCH)
		sys_futex_wait(&relay->state, RELAY_WATCH, FOREVER);
	set_state(relay, RELAY_STOP);
	pthread_join(relay->thread, NULL);
	free(relay);
}

/* Ring when there is more in @ring than was taken. */
void relay_watch(struct relay *relay, struct syslet_ring *ring)
{
	/* Else it watches still; or it has seen something, and will ring. */
	if (get_state(relay) != RELAY_IDLE)
		return;
	relay->ring = ring;
	relay->seen = ring->user_tail;
	set_state(relay, RELAY_WATCH);
}
