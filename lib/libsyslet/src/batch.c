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

static struct indirect_registers call_regs(const struct syslet_call *call)
{
	struct indirect_registers regs = { .nr = call->nr };

	memcpy(regs.args, call->args, sizeof(regs.args));
	return regs;
}

/* Not by this system call: it was cancelled, or threads have to be before it. */
static bool is_apart(const struct syslet_queue *q, const struct syslet_call *call)
{
	struct indirect_registers regs;

	if (q->canceled && call_is_canceled(call))
		return true;
	if (!q->threads_pending)
		return false;
	regs = call_regs(call);
	return threads_have_before(q->threads, &regs);
}

/* How many can be made by one system call. */
static unsigned int run_length(const struct syslet_queue *q)
{
	unsigned int n = q->prepared - q->flushed;
	unsigned int room = q->entries - (q->flushed & (q->entries - 1));
	unsigned int i;

	if (n > room)
		n = room;
	if (!q->canceled && !q->threads_pending)
		return n;
	for (i = 0; i < n && !is_apart(q, &next_call(q)[i]); i++)
		;
	return i;
}

static void after_submit(struct syslet_queue *q, const struct syslet_call *call,
			 unsigned int n)
{
	const struct syslet_call *end = call + n;
	unsigned int blocked = 0;

	for (; call < end; call++)
		blocked += call->result == -ESYSLETPENDING;
	q->batches++;
	q->flushed += n;
	q->calls += n;
	q->kernel_pending += blocked;
	q->blocked += blocked;
	q->results += n - blocked;
}

static int made_one(struct syslet_queue *q, struct syslet_call *call, long result)
{
	call->result = result;
	q->flushed++;
	if (result != -ESYSLETPENDING)
		q->results++;
	return 1;
}

/* One that is not for the kernel, or cancelled. */
static int flush_one(struct syslet_queue *q)
{
	struct syslet_call *call = next_call(q);
	struct indirect_registers regs = call_regs(call);

	if (!q->canceled || !call_is_canceled(call))
		return made_one(q, call, queue_call(q, call->caller_data, &regs));
	q->canceled--;
	return made_one(q, call, -ECANCELED);
}

/* The kernel did not begin with it, because @why. */
static int flush_refused(struct syslet_queue *q, long why)
{
	struct syslet_call *call = next_call(q);
	struct indirect_registers regs = call_regs(call);

	q->calls++;
	return made_one(q, call, queue_call_refused(q, call->caller_data, &regs, why));
}

/* How many were made; -EINTR */
static int flush_some(struct syslet_queue *q)
{
	unsigned int n = run_length(q);
	struct syslet_call *first = next_call(q);
	int ret;

	if (!n || !syslet_is_async(q))
		return flush_one(q);
	ret = sys_submit(first, n, queue_batch_params(q));
	if (ret > 0)
		after_submit(q, first, (unsigned int)ret);
	else if (ret != -EINTR)
		return flush_refused(q, ret ? ret : -EAGAIN);
	return ret;
}

/* All that was made has blocked, or was taken: see syslet_peek(). */
static void rewind_batch(struct syslet_queue *q)
{
	q->taken = q->flushed;
	if (q->flushed == q->prepared)
		q->taken = q->flushed = q->prepared = 0;
}

/* All that is prepared: 0; -EINTR: some of it. */
int flush_all(struct syslet_queue *q)
{
	uint32_t results = q->results;
	int ret = 0;

	while (q->flushed != q->prepared && ret >= 0)
		ret = flush_some(q);
	if (q->results != results)
		event_signal(q->event);
	if (!q->results)
		rewind_batch(q);
	return ret < 0 ? ret : 0;
}

int syslet_flush(struct syslet_queue *q)
{
	uint32_t prepared;
	int ret;

	if (queue_is_dead(q))
		return -ENXIO;
	prepared = q->prepared - q->flushed;
	ret = flush_all(q);
	prepared -= q->prepared - q->flushed;
	return prepared ? (int)prepared : ret;
}
