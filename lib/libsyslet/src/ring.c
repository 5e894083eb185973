/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdlib.h>
#include <string.h>

#include "lib.h"

struct syslet_ring *ring_alloc(unsigned int elements)
{
	size_t len = sizeof(struct syslet_ring) + elements * sizeof(struct syslet_completion);
	void *ring;

	if (posix_memalign(&ring, 64, len))
		return NULL;
	/* Touched: the kernel finds the pages when it posts. */
	memset(ring, 0, len);
	((struct syslet_ring *)ring)->elements = elements;
	return ring;
}

void ring_free(struct syslet_ring *ring)
{
	free(ring);
}

/* 0 or -EAGAIN. One thread at a time. */
int ring_take(struct syslet_ring *ring, struct syslet_completion *c)
{
	uint32_t tail = ring->user_tail;

	/* Acquire: entries are there before they are counted. */
	if (__atomic_load_n(&ring->kernel_head, __ATOMIC_ACQUIRE) == tail)
		return -EAGAIN;
	*c = ring->comp[tail & (ring->elements - 1)];
	/* Release: the slot may be written again after we have read it. */
	__atomic_store_n(&ring->user_tail, tail + 1, __ATOMIC_RELEASE);
	return 0;
}

/* What the kernel does, for threads: the caller serialises, and has room. */
void ring_add(struct syslet_ring *ring, uint64_t status, uint64_t data)
{
	uint32_t head = ring->kernel_head;

	ring->comp[head & (ring->elements - 1)] =
		(struct syslet_completion){ .status = status, .caller_data = data };
	__atomic_store_n(&ring->kernel_head, head + 1, __ATOMIC_RELEASE);
}
