/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: a call that the kernel refuses to make asynchronous runs on a
 * thread, beside calls that the kernel has
 */
#define _GNU_SOURCE
#include <signal.h>
#include "test.h"

static void test(struct syslet_queue *q)
{
	struct pollfd pfd = { .events = POLLIN };
	struct syslet_completion c;
	int fd[2], seen = 0, i;
	sigset_t set;
	char b;

	CHECK(pipe(fd) == 0);
	pfd.fd = fd[0];
	sigemptyset(&set);
	/* a mask: it depends on its task */
	CHECK(syslet_call(q, 1, SYS_ppoll, SYSLET_PTR(&pfd), 1, 0, SYSLET_PTR(&set), 8, 0) ==
	      -ESYSLETPENDING);
	CHECK(syslet_read(q, 2, fd[0], &b, 1) == -ESYSLETPENDING);
	CHECK(q->on_threads == (syslet_is_async(q) ? 1 : 2));
	/* one for the read, one that poll() sees */
	CHECK(write(fd[1], "xy", 2) == 2);
	for (i = 0; i < 2; i++) {
		CHECK(syslet_wait(q, &c, NULL) == 0);
		CHECK(syslet_status(&c) == 1);
		seen |= (int)c.caller_data;
	}
	CHECK(seen == 3);
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
	for_each_backend(test, 4);
	return PASS;
}
