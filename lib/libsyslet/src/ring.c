/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "lib.h"

size_t ring_size(unsigned int elements)
{
	return sizeof(struct syslet_ring) + elements * sizeof(struct syslet_completion);
}

/*
 * A child must not take what its parent will take as well. This is how it sees that the
 * queue is not its own; Linux before 4.14 has not got it.
 */
static int hide_from_children(void *ring, size_t len)
{
	int err;

	if (!madvise(ring, len, MADV_WIPEONFORK))
		return 0;
	err = errno == EINVAL ? -ENOSYS : -errno;
	munmap(ring, len);
	return err;
}

/* With @extra bytes behind it. 0, -ENOMEM; or children would see it, and why. */
int ring_alloc(struct syslet_ring **result, unsigned int elements, size_t extra)
{
	size_t len = ring_size(elements) + extra;
	struct syslet_ring *ring;
	int err;

	ring = mmap(NULL, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ring == MAP_FAILED)
		return -ENOMEM;
	err = hide_from_children(ring, len);
	if (err)
		return err;
	/* Touched: the kernel finds the pages when it posts. */
	memset(ring, 0, ring_size(elements));
	ring->elements = elements;
	*result = ring;
	return 0;
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

/* Is the wait over? Else @ret says that the kernel does not let us wait at all. */
static bool is_answer(int ret)
{
	return !ret || ret == -ETIME || ret == -EINTR;
}

/* A filter, maybe, that was not there when the calls were made: look now and then. */
static int poll_ring(struct syslet_ring *ring, uint32_t idx, unsigned int nr, int64_t until)
{
	int64_t pause = 100000, next;
	uint32_t never = 0;
	int ret;

	while (__atomic_load_n(&ring->kernel_head, __ATOMIC_ACQUIRE) - idx < nr) {
		next = time_now() + pause;
		ret = sys_futex_wait(&never, 0, next < until ? next : until);
		if (ret == -EINTR)
			return ret;
		if (ret == -ETIME && time_now() >= until)
			return ret;
		pause = pause < 10000000 ? 2 * pause : pause;
	}
	return 0;
}

/* For @nr completions behind @idx: 0, -ETIME, -EINTR */
int ring_wait(struct syslet_ring *ring, uint32_t idx, unsigned int nr, int64_t until)
{
	int ret = sys_ring_wait(ring, idx, nr, until);

	return is_answer(ret) ? ret : poll_ring(ring, idx, nr, until);
}
