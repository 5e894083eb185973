/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: a call that the kernel refuses to make asynchronous runs on a
 * thread, beside calls that the kernel has; a wait sees both kinds
 */
#define _GNU_SOURCE
#include "test.h"
#include "refuse.h"

struct refused {
	int		fd[2];
	struct pollfd	pfd;
};

static void refuse(struct syslet_queue *q, struct refused *r, uint64_t data)
{
	CHECK(pipe(r->fd) == 0);
	r->pfd = (struct pollfd){ .fd = r->fd[0], .events = POLLIN };
	refuse_all(true);
	CHECK_EQ(-ESYSLETPENDING, syslet_poll(q, data, &r->pfd, 1, -1));
	refuse_all(false);
}

static void go_on(struct refused *r)
{
	CHECK(write(r->fd[1], "x", 1) == 1);
}

static void take(struct syslet_queue *q, uint64_t data)
{
	struct syslet_completion c;

	CHECK_EQ(0, syslet_wait(q, &c, NULL));
	CHECK(c.caller_data == data);
	CHECK_EQ(1, syslet_status(&c));
}

static void test(struct syslet_queue *q)
{
	/* They are in use until the queue's exit. */
	static struct refused r[2];
	static struct blocked b[2];
	syslet_timespec soon = { .tv_nsec = 1000000 };
	struct syslet_completion c;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		refuse(q, &r[i], i);
		block(q, &b[i], 10 + i);
	}
	CHECK_EQ(syslet_is_async(q) ? 2 : 4, q->on_threads);
	CHECK_EQ(syslet_is_async(q) ? 2 : 0, q->refused);
	CHECK_EQ(-ETIME, syslet_wait(q, &c, &soon));
	/* Either kind ends a wait, also one after the other. */
	unblock(&b[0]);
	take(q, 10);
	go_on(&r[0]);
	take(q, 0);
	go_on(&r[1]);
	take(q, 1);
	unblock(&b[1]);
	take(q, 11);

	/* A wait for several counts both. */
	for (i = 0; i < 2; i++) {
		close_blocked(&b[i]);
		close(r[i].fd[0]);
		close(r[i].fd[1]);
		refuse(q, &r[i], i);
		block(q, &b[i], 10 + i);
	}
	for (i = 0; i < 2; i++) {
		go_on(&r[i]);
		unblock(&b[i]);
	}
	CHECK_EQ(0, syslet_wait_nr(q, 4, NULL));
	for (i = 0; i < 4; i++)
		CHECK_EQ(0, syslet_peek(q, &c));
	for (i = 0; i < 2; i++) {
		close_blocked(&b[i]);
		close(r[i].fd[0]);
		close(r[i].fd[1]);
	}
	/* An exit with both kinds under way waits for both. */
	refuse(q, &r[0], 0);
	block(q, &b[0], 10);
	CHECK_EQ(-ETIME, syslet_wait(q, &c, &soon));
	go_on(&r[0]);
	unblock(&b[0]);
}

int main(void)
{
	for_each_backend(test, 4);
	return PASS;
}
