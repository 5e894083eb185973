/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Prepared calls are in q->batch, an array that is used as a ring:
 *
 *	taken ... flushed	were made; those with a result are taken from here
 *	flushed ... prepared	are to be made
 *
 * Each of them is pending, so there is room for as many as the queue has
 * entries. Those that have blocked are skipped by whoever takes results: their
 * completions come through a ring.
 */
#include <string.h>

#include "lib.h"

static struct syslet_call *next_call(const struct syslet_queue *q)
{
	return &q->batch[q->flushed & (q->entries - 1)];
}

/* How many can be made by one system call. */
static unsigned int run_length(const struct syslet_queue *q)
{
	unsigned int n = q->prepared - q->flushed;
	unsigned int room = q->entries - (q->flushed & (q->entries - 1));
	unsigned int i;

	if (n > room)
		n = room;
	if (!q->canceled)
		return n;
	for (i = 0; i < n && next_call(q)[i].nr != NR_CANCELED; i++)
		;
	return i;
}

static struct indirect_registers call_regs(const struct syslet_call *call)
{
	struct indirect_registers regs = { .nr = call->nr };

	memcpy(regs.args, call->args, sizeof(regs.args));
	return regs;
}

/* It could not be made asynchronous: on a thread, then. */
static void after_refusal(struct syslet_queue *q, struct syslet_call *call)
{
	struct indirect_registers regs = call_regs(call);

	call->result = queue_call_refused(q, call->caller_data, &regs);
}

static void after_submit(struct syslet_queue *q, struct syslet_call *call, unsigned int n)
{
	const struct syslet_call *end = call + n;
	unsigned int blocked = 0, on_threads = 0;

	for (; call < end; call++) {
		if (call->result == -ESYSLETPENDING) {
			blocked++;
		} else if (call->result == -EAGAIN) {
			after_refusal(q, call);
			on_threads += call->result == -ESYSLETPENDING;
		}
	}
	q->flushed += n;
	q->calls += n;
	q->kernel_pending += blocked;
	q->blocked += blocked;
	q->results += n - blocked - on_threads;
}

/* By the kernel, all at once: how many were made, or an error. */
static int flush_batch(struct syslet_queue *q, unsigned int n)
{
	struct indirect_params params = queue_params(q, 0);
	struct syslet_call *first = next_call(q);
	int ret = sys_submit(first, n, &params);

	if (ret == -ENOSYS)
		q->flags |= QUEUE_NO_SUBMIT;
	if (ret > 0) {
		q->batches++;
		after_submit(q, first, (unsigned int)ret);
	}
	return ret;
}

static int flush_one(struct syslet_queue *q)
{
	struct syslet_call *call = next_call(q);
	struct indirect_registers regs;

	if (call->nr == NR_CANCELED) {
		q->canceled--;
		call->result = -ECANCELED;
	} else {
		regs = call_regs(call);
		call->result = queue_call(q, call->caller_data, &regs);
	}
	q->flushed++;
	if (call->result != -ESYSLETPENDING)
		q->results++;
	return 1;
}

static int flush_some(struct syslet_queue *q)
{
	unsigned int n = run_length(q);
	int ret;

	if (n && syslet_is_async(q) && !(q->flags & QUEUE_NO_SUBMIT)) {
		ret = flush_batch(q, n);
		/* No such call, a filter does not know it, not for this thread. */
		if (ret != -ENOSYS && ret != -EPERM && ret != -EAGAIN)
			return ret;
	}
	return flush_one(q);
}

/* All that was made has blocked, or was taken: see syslet_peek(). */
static void rewind_batch(struct syslet_queue *q)
{
	q->taken = q->flushed;
	if (q->flushed == q->prepared)
		q->taken = q->flushed = q->prepared = 0;
}

int syslet_flush(struct syslet_queue *q)
{
	uint32_t results = q->results, flushed = q->flushed;
	int ret = 0;

	if (queue_is_dead(q))
		return -ENXIO;
	while (q->flushed != q->prepared && ret >= 0)
		ret = flush_some(q);
	flushed = q->flushed - flushed;
	if (q->results != results)
		sys_eventfd_signal(q->eventfd);
	if (!q->results)
		rewind_batch(q);
	return flushed ? (int)flushed : ret;
}
