/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: a queue is dead in a child, and its exit leaves the parent's calls
 * alone; a queue of the child's own works
 */
#define _GNU_SOURCE
#include <sys/wait.h>
#include "test.h"

static void child(struct syslet_queue *q)
{
	struct syslet_queue own;
	unsigned int flags;
	struct syslet_completion c;
	struct blocked b;

	flags = q->flags & SYSLET_QUEUE_THREADS;
	check_dead(q);
	syslet_queue_exit(q);

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	/* Their locks may be held forever in a child whose parent has threads. */
	return;
#endif
	CHECK_EQ(0, syslet_queue_init(&own, 4, flags));
	block(&own, &b, 5);
	unblock(&b);
	CHECK_EQ(0, syslet_wait(&own, &c, NULL));
	CHECK(c.caller_data == 5);
	syslet_queue_exit(&own);
	close_blocked(&b);
}

static void test(struct syslet_queue *q)
{
	struct syslet_completion c;
	struct blocked b[2];
	unsigned int i;
	int status;
	pid_t pid;

	block(q, &b[0], 0);
	block(q, &b[1], 1);
	CHECK_EQ(0, syslet_prep_close(q, 2, -1));
	CHECK_EQ(1, syslet_flush(q));
	CHECK_EQ(0, syslet_prep_close(q, 3, -1));
	unblock(&b[0]);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		child(q);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(0, status);
	unblock(&b[1]);
	CHECK_EQ(0, syslet_wait_nr(q, 4, NULL));
	for (i = 0; i < 4; i++) {
		CHECK_EQ(0, syslet_peek(q, &c));
		CHECK_EQ(c.caller_data < 2 ? 1 : -EBADF, syslet_status(&c));
	}
	CHECK_EQ(0, q->pending);
	close_blocked(&b[0]);
	close_blocked(&b[1]);
}

int main(void)
{
	for_each_backend(test, 4);
	return PASS;
}
