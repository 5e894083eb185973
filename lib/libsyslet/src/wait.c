/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "lib.h"

static bool take_kernel(struct syslet_queue *q, struct syslet_completion *c)
{
	if (!q->kernel_pending || ring_take(q->ring, c))
		return false;
	q->kernel_pending--;
	return true;
}

static bool take_threads(struct syslet_queue *q, struct syslet_completion *c)
{
	if (!q->threads_pending || ring_take(threads_ring(q->threads), c))
		return false;
	q->threads_pending--;
	return true;
}

int __syslet_peek_ring(struct syslet_queue *q, struct syslet_completion *c)
{
	if (queue_is_dead(q))
		return -ENXIO;
	if (!take_kernel(q, c) && !take_threads(q, c))
		return -EAGAIN;
	q->pending--;
	return 0;
}

unsigned int syslet_peek_batch(struct syslet_queue *q, struct syslet_completion *c,
			       unsigned int max)
{
	unsigned int n;

	for (n = 0; n < max && !syslet_peek(q, &c[n]); n++)
		;
	return n;
}

unsigned int syslet_ready(const struct syslet_queue *q)
{
	unsigned int n = q->results;

	if (queue_is_dead(q))
		return 0;
	if (q->kernel_pending)
		n += ring_ready(q->ring);
	if (q->threads_pending)
		n += ring_ready(threads_ring(q->threads));
	return n;
}

/*
 * Until something has changed, maybe less than @nr: 0, or an error. Only the
 * kernel can be told how many; with threads around the bell rings for each.
 */
static int wait_some(struct syslet_queue *q, unsigned int nr, int64_t until)
{
	uint32_t heard;

	if (!q->threads_pending)
		return ring_wait(q->ring, q->ring->user_tail, nr - q->results, until);
	heard = threads_listen(q->threads);
	if (syslet_ready(q) >= nr)
		return 0;
	return threads_wait(q->threads, heard, q->kernel_pending ? q->ring : NULL,
			    until);
}

static int wait_ready(struct syslet_queue *q, unsigned int nr, int64_t until)
{
	int ret;

	if (queue_is_dead(q))
		return -ENXIO;
	/* -EINTR: what was not made must not be waited for. */
	ret = q->prepared == q->flushed ? 0 : flush_all(q);
	while (syslet_ready(q) < nr) {
		/* Also what happened while we waited in vain counts. */
		if (ret < 0)
			return ret;
		if (nr > q->pending)
			return -ENOENT;
		ret = wait_some(q, nr, until);
	}
	return 0;
}

int syslet_wait_nr(struct syslet_queue *q, unsigned int nr, const syslet_timespec *timeout)
{
	int64_t until;

	if (!time_after(timeout, &until))
		return -EINVAL;
	return wait_ready(q, nr, until);
}

int syslet_wait_nr_until(struct syslet_queue *q, unsigned int nr,
			 const syslet_timespec *deadline)
{
	int64_t until;

	if (!time_at(deadline, &until))
		return -EINVAL;
	return wait_ready(q, nr, until);
}

int syslet_wait(struct syslet_queue *q, struct syslet_completion *c,
		const syslet_timespec *timeout)
{
	int ret = syslet_wait_nr(q, 1, timeout);

	return ret ? ret : syslet_peek(q, c);
}

int syslet_wait_until(struct syslet_queue *q, struct syslet_completion *c,
		      const syslet_timespec *deadline)
{
	int ret = syslet_wait_nr_until(q, 1, deadline);

	return ret ? ret : syslet_peek(q, c);
}
