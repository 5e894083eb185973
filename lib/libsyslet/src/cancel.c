/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "lib.h"

/* Not made yet: flushing gives them -ECANCELED. */
static int cancel_prepared(struct syslet_queue *q, const uint64_t *data)
{
	int ret = -ENOENT;
	uint32_t i;

	for (i = q->flushed; i != q->prepared; i++) {
		struct syslet_call *call = &q->batch[i & (q->entries - 1)];

		if (data && call->caller_data != *data)
			continue;
		if (!q->canceled || !call_is_canceled(call)) {
			call_set_canceled(call);
			q->canceled++;
		}
		ret = 0;
	}
	return ret;
}

static int cancel_kernel(struct syslet_queue *q, const uint64_t *data)
{
	int ret;

	if (!q->kernel_pending)
		return -ENOENT;
	ret = sys_cancel(q->ring, data ? *data : 0, data ? 0 : SYSLET_CANCEL_ALL);
	/* A kernel, or a filter, that has no way to stop them. */
	return ret == 0 || ret == -ENOENT ? ret : -EALREADY;
}

static int cancel_threads(struct syslet_queue *q, const uint64_t *data)
{
	return q->threads_pending ? threads_cancel(q->threads, data) : -ENOENT;
}

/* Of two answers the one that tells more. */
static int either(int a, int b)
{
	if (!a || !b)
		return 0;
	return a == -EALREADY ? a : b;
}

static int cancel(struct syslet_queue *q, const uint64_t *data)
{
	int ret;

	if (queue_is_dead(q))
		return -ENXIO;
	ret = cancel_prepared(q, data);
	ret = either(ret, cancel_kernel(q, data));
	return either(ret, cancel_threads(q, data));
}

int syslet_cancel(struct syslet_queue *q, uint64_t data)
{
	return cancel(q, &data);
}

int syslet_cancel_all(struct syslet_queue *q)
{
	return cancel(q, NULL);
}
