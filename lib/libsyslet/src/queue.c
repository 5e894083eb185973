/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#define _GNU_SOURCE
#include <string.h>

#include "lib.h"

#define MAX_ENTRIES	(1U << 20)
/* How long one wait for one kind of completions may hide the other kind. */
#define SLICE_NS	1000000

int syslet_probe(void)
{
	struct indirect_registers regs = { .nr = SYS_getpid };
	struct indirect_params params = {
		.syslet = { .flags = SYSLET_SYNC_OK },
	};

	/* -ENOSYS: no syslets; -EAGAIN: not for us; anything else: a filter. */
	return sys_indirect(&regs, &params) > 0;
}

static unsigned int round_up_pow2(unsigned int n)
{
	unsigned int p = 1;

	while (p < n)
		p *= 2;
	return p;
}

int syslet_queue_init(struct syslet_queue *q, unsigned int entries, unsigned int flags)
{
	if (!entries || entries > MAX_ENTRIES || (flags & ~SYSLET_QUEUE_THREADS))
		return -EINVAL;

	memset(q, 0, sizeof(*q));
	q->entries = round_up_pow2(entries);
	q->flags = flags;
	if (!syslet_probe())
		q->flags |= SYSLET_QUEUE_THREADS;
	if (syslet_is_async(q)) {
		q->ring = ring_alloc(q->entries);
		return q->ring ? 0 : -ENOMEM;
	}
	q->threads = threads_start(q->entries);
	return q->threads ? 0 : -ENOMEM;
}

void syslet_queue_exit(struct syslet_queue *q)
{
	struct syslet_completion c;

	while (q->pending)
		syslet_wait(q, &c, NULL);
	if (q->threads)
		threads_stop(q->threads);
	ring_free(q->ring);
	memset(q, 0, sizeof(*q));
}

static long pending(struct syslet_queue *q)
{
	q->pending++;
	q->blocked++;
	return -ESYSLETPENDING;
}

/* On a thread of ours, or here if there is none: it must not get lost. */
static long call_on_thread(struct syslet_queue *q, uint64_t data,
			   const struct indirect_registers *regs)
{
	switch (call_classify(regs->nr)) {
	case CALL_REFUSE:
		return -EINVAL;
	case CALL_SYNC:
		return sys_call(regs);
	case CALL_ANY_THREAD:
		break;
	}
	if (!q->threads)
		q->threads = threads_start(q->entries);
	if (!q->threads || threads_submit(q->threads, regs, data))
		return sys_call(regs);
	q->threads_pending++;
	q->on_threads++;
	return pending(q);
}

long syslet_call(struct syslet_queue *q, uint64_t data, long nr,
		 uint64_t a0, uint64_t a1, uint64_t a2,
		 uint64_t a3, uint64_t a4, uint64_t a5)
{
	struct indirect_registers regs = {
		.nr = (uint64_t)nr, .args = { a0, a1, a2, a3, a4, a5 },
	};
	struct indirect_params params = {
		.syslet = {
			.completion_ring_ptr = SYSLET_PTR(q->ring),
			.caller_data = data,
		},
	};
	long ret;

	if (q->pending >= q->entries)
		return -EBUSY;
	q->calls++;
	if (!syslet_is_async(q))
		return call_on_thread(q, data, &regs);

	ret = sys_indirect(&regs, &params);
	if (ret == -ESYSLETPENDING)
		return pending(q);
	/*
	 * Refused, or the call's own result: a descriptor that does not wait.
	 * Made again it says so again, but may wait on a thread if refused.
	 */
	if (ret == -EAGAIN)
		return call_on_thread(q, data, &regs);
	return ret;
}

int syslet_peek(struct syslet_queue *q, struct syslet_completion *c)
{
	if (q->ring && !ring_take(q->ring, c)) {
		q->pending--;
		return 0;
	}
	if (q->threads_pending && !ring_take(threads_ring(q->threads), c)) {
		q->threads_pending--;
		q->pending--;
		return 0;
	}
	return -EAGAIN;
}

/* --- waiting ------------------------------------------------------------- */

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int wait_threads(struct syslet_queue *q, const struct timespec *timeout)
{
	struct syslet_ring *ring = threads_ring(q->threads);
	long ret = sys_futex_wait(&ring->kernel_head, ring->user_tail, timeout);

	if (ret == -ETIMEDOUT)
		return -ETIME;
	return ret == -EINTR ? -EINTR : 0;
}

static int wait_kernel(struct syslet_queue *q, const struct timespec *timeout)
{
	return sys_syslet_ring_wait(q->ring, q->ring->user_tail, 1, timeout);
}

/* Wait for something to take: 0, -ETIME or -EINTR. */
static int wait_some(struct syslet_queue *q, int64_t left)
{
	struct timespec ts = { .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };
	struct timespec *timeout = left < 0 ? NULL : &ts;
	int ret;

	if (q->threads_pending == q->pending)
		return wait_threads(q, timeout);
	if (!q->threads_pending)
		return wait_kernel(q, timeout);

	/* Both: there is nothing that waits for either. */
	if (left >= 0 && left <= SLICE_NS)
		return wait_kernel(q, timeout);
	ts = (struct timespec){ .tv_nsec = SLICE_NS };
	ret = wait_kernel(q, &ts);
	return ret == -ETIME ? 0 : ret;
}

int syslet_wait(struct syslet_queue *q, struct syslet_completion *c,
		const struct timespec *timeout)
{
	int64_t end = 0, left = -1;
	int ret = 0;

	if (!syslet_peek(q, c))
		return 0;
	if (!q->pending)
		return -ENOENT;
	if (timeout)
		end = now_ns() + timeout->tv_sec * 1000000000LL + timeout->tv_nsec;

	for (;;) {
		if (timeout) {
			left = end - now_ns();
			if (left < 0)
				left = 0;
		}
		ret = wait_some(q, left);
		if (!syslet_peek(q, c))
			return 0;
		if (ret)
			return ret;
	}
}
