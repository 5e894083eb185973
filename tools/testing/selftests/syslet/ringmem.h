/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests share that play with the memory of a ring: one of several pages,
 * with the head in another page than what is posted next.
 */
#ifndef __SYSLET_RINGMEM_H
#define __SYSLET_RINGMEM_H

#include "threads.h"

#define PAGE		4096
#define RING_PAGES	20
#define RING_LEN	(RING_PAGES * PAGE)
#define RING_ELEMENTS	4096
#define RING_HEAD	2000
/* The page of entry RING_HEAD. */
#define RING_ENTRY	7

static inline const void *ring_first_page(void)
{
	static union {
		struct syslet_ring ring;
		char page[PAGE];
	} first __attribute__((aligned(PAGE)));

	first.ring.kernel_head = RING_HEAD;
	first.ring.user_tail = RING_HEAD;
	first.ring.elements = RING_ELEMENTS;
	return &first;
}

/* Without waiting for its completion; the read end stays open. */
static inline bool end_call(struct blocker *b)
{
	bool ok = write(b->fd[1], "x", 1) == 1;

	close(b->fd[1]);
	return ok;
}

/* Results that had nowhere to go, of all processes since the boot. */
static inline long lost(void)
{
	char text[32];

	return read_text("/proc/sys/kernel/syslet_lost", text, sizeof(text)) > 0 ? atol(text) : -1;
}

static inline long wait_for_first(void *ring)
{
	return sys_ring_wait(ring, 0, 1, NULL, 0);
}

#endif /* __SYSLET_RINGMEM_H */
