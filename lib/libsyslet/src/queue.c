/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>

#include "lib.h"

#define MAX_ENTRIES	(1U << 20)
#define BACKEND_FLAGS	(SYSLET_QUEUE_THREADS | SYSLET_QUEUE_NO_THREADS)
#define QUEUE_FLAGS	(BACKEND_FLAGS | SYSLET_QUEUE_SYNC_OK)

/* Programs that were compiled with it know its size. */
#if defined(__x86_64__)
_Static_assert(sizeof(struct syslet_queue) == 264, "ABI");
#elif defined(__i386__)
_Static_assert(sizeof(struct syslet_queue) == 244, "ABI");
#endif

static unsigned int round_up_pow2(unsigned int n)
{
	unsigned int p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static size_t batch_size(const struct syslet_queue *q)
{
	return q->entries * sizeof(*q->batch);
}

static size_t extra_size(const struct syslet_queue *q)
{
	return batch_size(q) + sizeof(*q->params);
}

/* One mapping: the ring, the batch, and what all calls have in common. */
static int alloc_ring(struct syslet_queue *q)
{
	int err = ring_alloc(&q->ring, q->entries, extra_size(q));

	if (err)
		return err;
	q->batch = (void *)((char *)q->ring + ring_size(q->entries));
	q->params = (void *)((char *)q->batch + batch_size(q));
	q->params->syslet.completion_ring_ptr = SYSLET_PTR(q->ring);
	return 0;
}

static void free_ring(struct syslet_queue *q)
{
	ring_free(q->ring, q->entries, extra_size(q));
}

static int choose_backend(struct syslet_queue *q)
{
	int err = q->flags & SYSLET_QUEUE_THREADS ? -ENOSYS : probe_error();

	if (!err)
		return 0;
	if (q->flags & SYSLET_QUEUE_NO_THREADS)
		return err;
	q->flags |= SYSLET_QUEUE_THREADS;
	q->threads = threads_start(q);
	return q->threads ? 0 : -ENOMEM;
}

static int init(struct syslet_queue *q, unsigned int entries, unsigned int flags)
{
	int err;

	memset(q, 0, sizeof(*q));
	if (!entries || entries > MAX_ENTRIES)
		return -EINVAL;
	if ((flags & ~QUEUE_FLAGS) || (flags & BACKEND_FLAGS) == BACKEND_FLAGS)
		return -EINVAL;
	q->entries = round_up_pow2(entries);
	q->max_threads = UINT32_MAX;
	q->flags = flags;
	err = alloc_ring(q);
	if (!err) {
		err = choose_backend(q);
		if (err)
			free_ring(q);
	}
	if (err)
		memset(q, 0, sizeof(*q));
	return err;
}

int syslet_queue_init(struct syslet_queue *q, unsigned int entries, unsigned int flags)
{
	int saved = errno, err = init(q, entries, flags);

	errno = saved;
	return err;
}

/* Nobody is there to see what they would do. */
static void drop_prepared(struct syslet_queue *q)
{
	q->pending -= q->prepared - q->flushed;
	q->prepared = q->flushed;
}

static void finish(struct syslet_queue *q)
{
	struct syslet_completion c;

	drop_prepared(q);
	while (q->pending)
		syslet_wait(q, &c, NULL);
	if (q->threads)
		threads_stop(q->threads);
	event_put(q->event);
}

/* In a child of fork(): memory only. */
static void forget(struct syslet_queue *q)
{
	if (q->threads)
		threads_forget(q->threads);
	event_forget(q->event);
}

void syslet_queue_exit(struct syslet_queue *q)
{
	int saved = errno;

	if (!q->ring)
		return;
	if (!queue_is_dead(q))
		finish(q);
	else
		forget(q);
	free_ring(q);
	memset(q, 0, sizeof(*q));
	errno = saved;
}

int syslet_queue_eventfd(struct syslet_queue *q, int fd)
{
	struct syslet_event *event = NULL;
	int err;

	if (queue_is_dead(q))
		return -ENXIO;
	err = fd == -1 ? 0 : event_new(&event, fd);
	if (err)
		return err;
	event_put(q->event);
	q->event = event;
	q->params->syslet.flags = event ? SYSLET_EVENTFD : 0;
	q->params->syslet.eventfd = event_fd(event);
	return 0;
}

int syslet_queue_max_threads(struct syslet_queue *q, unsigned int max)
{
	if (queue_is_dead(q))
		return -ENXIO;
	if (!max)
		return -EINVAL;
	q->max_threads = max < q->entries ? max : q->entries;
	if (q->threads)
		threads_limit(q->threads, q->max_threads);
	return 0;
}

static void on_cancel_signal(int sig)
{
	(void)sig;
}

/* Without SA_RESTART: it is there to end calls. */
static int claim_signal(int sig)
{
	struct sigaction sa = { .sa_handler = on_cancel_signal }, old;

	if (sig < SIGRTMIN || sig > SIGRTMAX || sigaction(sig, NULL, &old))
		return -EINVAL;
	if (old.sa_handler == on_cancel_signal)
		return 0;
	if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN)
		return -EBUSY;
	return sigaction(sig, &sa, NULL) ? -EINVAL : 0;
}

int syslet_queue_cancel_signal(struct syslet_queue *q, int sig)
{
	int err, saved = errno;

	if (queue_is_dead(q))
		return -ENXIO;
	err = sig ? claim_signal(sig) : 0;
	errno = saved;
	if (err)
		return err;
	q->cancel_signal = sig;
	if (q->threads)
		threads_set_signal(q->threads, sig);
	return 0;
}

void syslet_queue_stats(const struct syslet_queue *q, struct syslet_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->calls = q->calls;
	stats->at_once = q->calls - q->blocked;
	stats->blocked = q->blocked;
	stats->on_threads = q->on_threads;
	stats->synchronous = q->synchronous;
	stats->refused = q->refused;
	stats->batches = q->batches;
	stats->pending = q->pending;
}

/* --- a call -------------------------------------------------------------------- */

static long call_here(struct syslet_queue *q, const struct indirect_registers *regs)
{
	q->synchronous++;
	return sys_call(regs);
}

/* It cannot be made but by the caller, who may not want to wait. */
static long call_here_if_ok(struct syslet_queue *q, const struct indirect_registers *regs)
{
	return q->flags & SYSLET_QUEUE_SYNC_OK ? call_here(q, regs) : -EAGAIN;
}

static void start_threads(struct syslet_queue *q)
{
	int saved = errno;

	q->threads = threads_start(q);
	errno = saved;
}

static long call_on_thread(struct syslet_queue *q, uint64_t data,
			   const struct indirect_registers *regs)
{
	if (!q->threads)
		start_threads(q);
	if (!q->threads || threads_submit(q->threads, regs, data, q->event))
		return call_here_if_ok(q, regs);
	q->threads_pending++;
	q->on_threads++;
	q->blocked++;
	return -ESYSLETPENDING;
}

/* A close() on a thread, say, and a call on that descriptor behind it. */
static bool has_to_follow(const struct syslet_queue *q, const struct indirect_registers *regs)
{
	return unlikely(q->threads_pending) && threads_have_before(q->threads, regs);
}

static long call_without_kernel(struct syslet_queue *q, uint64_t data,
				const struct indirect_registers *regs)
{
	long ret;

	switch (call_classify(regs)) {
	case CALL_REFUSE:
		return -EINVAL;
	case CALL_HERE:
		return call_here(q, regs);
	case CALL_BOUND:
		return call_here_if_ok(q, regs);
	case CALL_ANY_THREAD:
		break;
	}
	if (has_to_follow(q, regs) || !call_without_waiting(regs, &ret))
		return call_on_thread(q, data, regs);
	q->synchronous++;
	return ret;
}

/*
 * A filter that was installed after the queue was made may not know indirect(2), or
 * not syslet_submit(2). Or that was the call's own result, which it has but once.
 * Filters do not go again.
 */
static bool is_shut_out(struct syslet_queue *q, long why)
{
	if ((why != -ENOSYS && why != -EPERM) || (q->flags & SYSLET_QUEUE_NO_THREADS))
		return false;
	if (probe_error() != why && !(sys_is_filtered() && !probe_knows(__NR_indirect)))
		return false;
	q->flags |= SYSLET_QUEUE_THREADS;
	return true;
}

/* The kernel did not make it, and says @why: -EAGAIN, or something is wrong. */
long queue_call_refused(struct syslet_queue *q, uint64_t data,
			const struct indirect_registers *regs, long why)
{
	bool threads = !(q->flags & SYSLET_QUEUE_NO_THREADS);

	if (why != -EAGAIN && !is_shut_out(q, why))
		return why;
	q->refused++;
	return threads ? call_without_kernel(q, data, regs) : call_here_if_ok(q, regs);
}

/* Of params that are used by one call at a time. */
static const struct indirect_params *call_params(const struct syslet_queue *q, uint64_t data)
{
	q->params->syslet.caller_data = data;
	return q->params;
}

const struct indirect_params *queue_batch_params(const struct syslet_queue *q)
{
	return call_params(q, 0);
}

static long after_call(struct syslet_queue *q, long ret)
{
	if (ret == -ESYSLETPENDING) {
		q->kernel_pending++;
		q->blocked++;
	}
	return ret;
}

/* -EAGAIN: it was refused, or has that as its result. A batch of one tells. */
static long call_again(struct syslet_queue *q, uint64_t data,
		       const struct indirect_registers *regs)
{
	struct syslet_call call = { .nr = regs->nr, .caller_data = data };
	int ret;

	memcpy(call.args, regs->args, sizeof(call.args));
	do
		ret = sys_submit(&call, 1, queue_batch_params(q));
	while (ret == -EINTR);
	if (ret > 0)
		return after_call(q, call.result);
	return queue_call_refused(q, data, regs, ret ? ret : -EAGAIN);
}

static long call_by_kernel(struct syslet_queue *q, uint64_t data,
			   const struct indirect_registers *regs)
{
	long ret = sys_indirect(regs, call_params(q, data));

	if (ret == -ESYSLETPENDING)
		return after_call(q, ret);
	if (unlikely(ret == -EAGAIN))
		return call_again(q, data, regs);
	if (unlikely(ret == -ENOSYS || ret == -EPERM))
		return queue_call_refused(q, data, regs, ret);
	return ret;
}

/* The caller counts it as pending, in addition to what is done here. */
long queue_call(struct syslet_queue *q, uint64_t data,
		const struct indirect_registers *regs)
{
	q->calls++;
	if (unlikely(!syslet_is_async(q)))
		return call_without_kernel(q, data, regs);
	/* Not before calls of threads that are to use a descriptor it ends. */
	if (has_to_follow(q, regs))
		return call_on_thread(q, data, regs);
	return call_by_kernel(q, data, regs);
}

long syslet_call(struct syslet_queue *q, uint64_t data, long nr,
		 uint64_t a0, uint64_t a1, uint64_t a2,
		 uint64_t a3, uint64_t a4, uint64_t a5)
{
	struct indirect_registers regs = {
		.nr = (uint64_t)nr, .args = { a0, a1, a2, a3, a4, a5 },
	};
	long ret;

	/* A queue that is not there has no entries. */
	if (unlikely(q->pending >= q->entries))
		return queue_is_dead(q) ? -ENXIO : -EBUSY;
	if (unlikely(!q->ring->elements))
		return -ENXIO;
	ret = queue_call(q, data, &regs);
	if (ret == -ESYSLETPENDING)
		q->pending++;
	return ret;
}
