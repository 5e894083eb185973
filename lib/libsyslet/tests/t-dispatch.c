/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Description: a callback gets the result of its call, and may make calls */
#define _GNU_SOURCE
#include "test.h"

struct count {
	struct syslet_callback	cb;
	int			left;
	int			calls;
};

/* Prepares the next one, as long as there are any. */
static void next(struct syslet_queue *q, struct syslet_callback *cb, long result)
{
	struct count *count = (struct count *)cb;

	CHECK_EQ(getpid(), result);
	CHECK(cb->arg == count);
	count->calls++;
	if (count->left-- > 0)
		CHECK_EQ(0, syslet_prep(q, SYSLET_PTR(cb), SYS_getpid, 0, 0, 0, 0, 0, 0));
}

static void test(struct syslet_queue *q)
{
	struct count count = { .cb = { .fn = next, .arg = &count }, .left = 5 };
	syslet_timespec zero = { .tv_sec = 0 };
	struct blocked b;
	int n = 0;

	CHECK_EQ(-ENOENT, syslet_dispatch(q, NULL));
	CHECK_EQ(0, syslet_prep(q, SYSLET_PTR(&count), SYS_getpid, 0, 0, 0, 0, 0, 0));
	while (q->pending) {
		CHECK_EQ(1, syslet_dispatch(q, NULL));
		n++;
	}
	CHECK_EQ(6, n);
	CHECK_EQ(6, count.calls);
	/* no data: nothing to be called */
	block(q, &b, 0);
	CHECK_EQ(-ETIME, syslet_dispatch(q, &zero));
	unblock(&b);
	CHECK_EQ(1, syslet_dispatch(q, NULL));
	close_blocked(&b);
}

int main(void)
{
	for_each_backend(test, 4);
	return PASS;
}
