/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "lib.h"

size_t ring_size(unsigned int elements)
{
	return sizeof(struct syslet_ring) + elements * sizeof(struct syslet_completion);
}

/* With @extra bytes behind it. */
struct syslet_ring *ring_alloc(unsigned int elements, size_t extra)
{
	size_t len = ring_size(elements) + extra;
	struct syslet_ring *ring;

	ring = mmap(NULL, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ring == MAP_FAILED)
		return NULL;
	/*
	 * A child must not take what its parent will take as well. This is how
	 * it sees that the queue is not its own; Linux before 4.14 has not got it.
	 */
	madvise(ring, len, MADV_WIPEONFORK);
	/* Touched: the kernel finds the pages when it posts. */
	memset(ring, 0, ring_size(elements));
	ring->elements = elements;
	return ring;
}

void ring_free(struct syslet_ring *ring, unsigned int elements, size_t extra)
{
	if (ring)
		munmap(ring, ring_size(elements) + extra);
}

uint32_t ring_ready(const struct syslet_ring *ring)
{
	/* Acquire: entries are there before they are counted. */
	return __atomic_load_n(&ring->kernel_head, __ATOMIC_ACQUIRE) - ring->user_tail;
}

/* 0 or -EAGAIN. One thread at a time. */
int ring_take(struct syslet_ring *ring, struct syslet_completion *c)
{
	uint32_t tail = ring->user_tail;

	if (!ring_ready(ring))
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
	struct syslet_completion *c = &ring->comp[head & (ring->elements - 1)];

	c->status = status;
	c->caller_data = data;
	__atomic_store_n(&ring->kernel_head, head + 1, __ATOMIC_RELEASE);
}
