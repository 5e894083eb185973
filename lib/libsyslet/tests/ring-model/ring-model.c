// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Description: a completion that is taken is the one that was posted, once
 *
 * The user side of the ring in the C11 memory model, for the thread sanitizer.
 * A thread plays the kernel: it does what a post does in kernel/syslet_ring.c,
 * in the same order, on the same struct. Other threads take what it posts, one
 * or several that share a lock.
 *
 *   [E] smp_wmb() between the entry and kernel_head: as release order of the
 *       store of kernel_head. The sanitizer knows no fences, and nothing else
 *       of the release matters: a post reads no entries.
 *   [F] the control dependency from user_tail to the stores of a post: as
 *       acquire order of the load. C11 has no control dependencies; and no
 *       load of a post depends on that order.
 *
 * What the program does is the question, so its two accesses can be broken:
 * RELAXED_HEAD and RELAXED_TAIL take their order away. The sanitizer has to
 * see that, or it would not see a mistake of a library either.
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/syslet.h>

#ifdef RELAXED_HEAD
#define HEAD_ORDER	__ATOMIC_RELAXED
#else
#define HEAD_ORDER	__ATOMIC_ACQUIRE
#endif

#ifdef RELAXED_TAIL
#define TAIL_ORDER	__ATOMIC_RELAXED
#else
#define TAIL_ORDER	__ATOMIC_RELEASE
#endif

#define MAX_TAKERS	4

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "ring-model: %s\n", what);
	exit(1);
}

/* What is posted as number @n; each different in all its bits. */
static uint64_t status_of(uint64_t n)
{
	return (n + 1) * 0x9e3779b97f4a7c15ull;
}

/* --- the kernel ------------------------------------------------------------ */

/* syslet_ring_add(): 0, or -ENOSPC as false. */
static bool kernel_add(struct syslet_ring *ring, uint64_t status, uint64_t data)
{
	uint32_t head = __atomic_load_n(&ring->kernel_head, __ATOMIC_RELAXED);
	/* [F] */
	uint32_t tail = __atomic_load_n(&ring->user_tail, __ATOMIC_ACQUIRE);
	uint32_t elements = __atomic_load_n(&ring->elements, __ATOMIC_RELAXED);
	struct syslet_completion *comp;

	if (head - tail >= elements)
		return false;
	comp = &ring->comp[head & (elements - 1)];
	comp->status = status;
	comp->caller_data = data;
	/* [E] */
	__atomic_store_n(&ring->kernel_head, head + 1, __ATOMIC_RELEASE);
	return true;
}

/* --- the program ------------------------------------------------------------- */

static bool user_take(struct syslet_ring *ring, struct syslet_completion *c)
{
	uint32_t tail = ring->user_tail;

	if (__atomic_load_n(&ring->kernel_head, HEAD_ORDER) == tail)
		return false;
	*c = ring->comp[tail & (ring->elements - 1)];
	__atomic_store_n(&ring->user_tail, tail + 1, TAIL_ORDER);
	return true;
}

/* --- both --------------------------------------------------------------------- */

/**
 * struct model - one run
 * @ring: of @elements
 * @nr: completions that are posted
 * @takers: threads that take them
 * @lock: held by who takes
 * @taken: how many were; under @lock
 * @seen: how often each was; under @lock
 * @was_full: the kernel has found no room; its own until it is joined
 */
struct model {
	struct syslet_ring *ring;
	uint32_t elements, nr;
	unsigned int takers;
	pthread_mutex_t lock;
	uint32_t taken;
	unsigned char *seen;
	bool was_full;
};

static void *kernel_main(void *arg)
{
	struct model *m = arg;

	for (uint32_t n = 0; n < m->nr; n++) {
		while (!kernel_add(m->ring, status_of(n), n)) {
			m->was_full = true;
			sched_yield();
		}
	}
	return NULL;
}

/* With the lock held, if there is one. False if all were taken. */
static bool take_some(struct model *m)
{
	struct syslet_completion c;

	/* Some at a time, so that others find the lock free and the ring fills. */
	for (uint32_t i = 0; i < m->elements && m->taken < m->nr; i++) {
		if (!user_take(m->ring, &c))
			break;
		check(c.caller_data < m->nr, "data that nobody has posted");
		check(c.status == status_of(c.caller_data), "status of another one");
		check(c.caller_data == m->taken, "out of order");
		check(!m->seen[c.caller_data]++, "twice");
		m->taken++;
	}
	return m->taken < m->nr;
}

static void *taker_main(void *arg)
{
	struct model *m = arg;
	bool more;

	do {
		if (m->takers > 1)
			pthread_mutex_lock(&m->lock);
		more = take_some(m);
		if (m->takers > 1)
			pthread_mutex_unlock(&m->lock);
		sched_yield();
	} while (more);
	return NULL;
}

static struct syslet_ring *ring_new(uint32_t elements, uint32_t first)
{
	struct syslet_ring *ring = calloc(1, sizeof(*ring) + elements * sizeof(ring->comp[0]));

	check(ring, "no memory");
	ring->elements = elements;
	ring->kernel_head = first;
	ring->user_tail = first;
	return ring;
}

static void run(uint32_t elements, uint32_t first, uint32_t nr, unsigned int takers)
{
	struct model m = {
		.ring = ring_new(elements, first), .elements = elements, .nr = nr,
		.takers = takers, .seen = calloc(nr, 1),
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	pthread_t kernel, taker[MAX_TAKERS];

	check(m.seen, "no memory");
	check(!pthread_create(&kernel, NULL, kernel_main, &m), "no thread");
	for (unsigned int i = 0; i < takers; i++)
		check(!pthread_create(&taker[i], NULL, taker_main, &m), "no thread");
	for (unsigned int i = 0; i < takers; i++)
		pthread_join(taker[i], NULL);
	pthread_join(kernel, NULL);

	for (uint32_t n = 0; n < nr; n++)
		check(m.seen[n] == 1, "lost");
	check(m.ring->kernel_head == first + nr && m.ring->user_tail == first + nr,
	      "the counts do not match");
	/* A ring of one is full after each. */
	check(m.was_full || elements > 1, "was never full");
	free(m.ring);
	free(m.seen);
}

int main(void)
{
	static const uint32_t elements[] = { 1, 2, 8, 64 };
	/* the second wraps on the way */
	static const uint32_t first[] = { 0, -1000u };

	for (unsigned int e = 0; e < sizeof(elements) / sizeof(elements[0]); e++)
		for (unsigned int f = 0; f < 2; f++)
			for (unsigned int takers = 1; takers <= MAX_TAKERS; takers += 3)
				run(elements[e], first[f], 10000, takers);
	return 0;
}
