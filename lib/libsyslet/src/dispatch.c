/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "lib.h"

static void run_callback(struct syslet_queue *q, const struct syslet_completion *c)
{
	struct syslet_callback *cb = (void *)(uintptr_t)c->caller_data;

	if (cb)
		cb->fn(q, cb, syslet_status(c));
}

int syslet_dispatch(struct syslet_queue *q, const syslet_timespec *timeout)
{
	int ret = syslet_wait_nr(q, 1, timeout);
	struct syslet_completion c;
	unsigned int i, n;

	if (ret)
		return ret;
	/* Not what callbacks add: they could keep us here forever. */
	n = syslet_ready(q);
	for (i = 0; i < n && !syslet_peek(q, &c); i++)
		run_callback(q, &c);
	return (int)i;
}
