/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A batch with a gate in it: entries in a page that is missing until another
 * thread has done something. So that happens between two certain entries, and
 * the thread neither runs nor sleeps in a call meanwhile.
 */
#ifndef __SYSLET_GATE_H
#define __SYSLET_GATE_H

#include "batch.h"
#include "missing.h"

struct gate {
	struct syslet_call	*calls;	/* all of them, when the batch is over */
	unsigned int		nr, nr_tail;
	struct syslet_call	tail[16];
	struct missing		m;
	bool			(*fn)(void *arg);
	void			*arg;
	bool			ok;
	pthread_t		thread;
};

/* Waits until an entry behind the gate is wanted. */
static inline void *gate_main(void *arg)
{
	static char data[MISSING_SIZE] __attribute__((aligned(MISSING_SIZE)));
	struct gate *g = arg;
	struct uffdio_copy copy = { .dst = P(g->m.page), .src = P(data), .len = MISSING_SIZE };
	struct uffd_msg msg;

	memcpy(data, g->tail, g->nr_tail * sizeof(g->tail[0]));
	g->ok = read(g->m.fd, &msg, sizeof(msg)) == sizeof(msg) && g->fn(g->arg);
	if (ioctl(g->m.fd, UFFDIO_COPY, &copy))
		g->ok = false;
	return NULL;
}

/* Entries before and behind it; what is done in between. */
static inline bool gate_begin(struct gate *g, const struct syslet_call *head, unsigned int nr_head,
			      const struct syslet_call *tail, unsigned int nr_tail,
			      bool (*fn)(void *arg), void *arg)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *pages = mmap(NULL, 2 * MISSING_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return false;
	*g = (struct gate){ .nr = nr_head + nr_tail, .nr_tail = nr_tail, .fn = fn, .arg = arg };
	g->m.page = pages + MISSING_SIZE;
	g->calls = (struct syslet_call *)g->m.page - nr_head;
	memcpy(g->calls, head, nr_head * sizeof(*head));
	memcpy(g->tail, tail, nr_tail * sizeof(*tail));
	g->m.fd = syscall(__NR_userfaultfd, O_CLOEXEC);
	reg.range.start = P(g->m.page);
	reg.range.len = MISSING_SIZE;
	return g->m.fd >= 0 && !ioctl(g->m.fd, UFFDIO_API, &api) &&
	       !ioctl(g->m.fd, UFFDIO_REGISTER, &reg) &&
	       !pthread_create(&g->thread, NULL, gate_main, g);
}

static inline long gate_submit(struct gate *g, struct syslet_ring *ring, unsigned int flags)
{
	return batch_args(g->calls, g->nr, (struct syslet_args){
		.completion_ring_ptr = P(ring), .flags = flags }, 0);
}

/* It has been passed, and what was to be done was. */
static inline bool gate_end(struct gate *g)
{
	return !pthread_join(g->thread, NULL) && g->ok;
}

#endif /* __SYSLET_GATE_H */
