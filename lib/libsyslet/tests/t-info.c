/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Description: versions, what the kernel has, and statistics are told */
#define _GNU_SOURCE
#include "test.h"

static void test(struct syslet_queue *q)
{
	struct syslet_stats st;
	struct blocked b;

	block(q, &b, 1);
	CHECK_EQ(0, syslet_prep(q, 2, SYS_gettid, 0, 0, 0, 0, 0, 0));
	CHECK_EQ(1, syslet_flush(q));
	CHECK_EQ(getpid(), syslet_call(q, 3, SYS_getpid, 0, 0, 0, 0, 0, 0));
	CHECK_EQ(0, syslet_prep_close(q, 4, -1));
	syslet_queue_stats(q, &st);
	CHECK_EQ(3, st.calls);
	CHECK_EQ(2, st.at_once);
	CHECK_EQ(1, st.blocked);
	CHECK_EQ(3, st.pending);
	CHECK_EQ(syslet_is_async(q) ? 0 : 1, st.on_threads);
	CHECK_EQ(syslet_is_async(q) ? 0 : 2, st.synchronous);
	CHECK_EQ(0, st.refused);
	CHECK(st.batches <= (syslet_is_async(q) ? 1 : 0));
	unblock(&b);
	CHECK_EQ(0, syslet_wait_nr(q, 3, NULL));
	close_blocked(&b);
}

int main(void)
{
	struct syslet_support support;
	struct syslet_queue none = { .ring = NULL };

	CHECK_EQ(SYSLET_VERSION, syslet_version());
	CHECK_EQ(!syslet_get_support(&support), syslet_probe());
	printf("# kernel: %d, features %#x, filtered %u\n", support.error,
	       support.features, support.filtered);
#ifndef LIBSYSLET_FAKE_KERNEL
	/* Without syslets there is nothing; with them there is all. */
	if (support.error == -ENOSYS)
		CHECK_EQ(0, support.features);
	if (!support.error)
		CHECK_EQ(7, support.features);
#endif
	syslet_queue_exit(&none);
	for_each_backend(test, 4);
	return PASS;
}
