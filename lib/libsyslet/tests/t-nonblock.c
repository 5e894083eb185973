/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Description: a descriptor that does not wait says -EAGAIN at once, on any backend */
#define _GNU_SOURCE
#include "test.h"

static void test(struct syslet_queue *q)
{
	struct syslet_completion c;
	int fd[2], sv[2];
	char buf[4];

	CHECK(pipe2(fd, O_NONBLOCK) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
	CHECK_EQ(-EAGAIN, syslet_read(q, 1, fd[0], buf, 4));
	CHECK_EQ(-EAGAIN, syslet_recv(q, 1, sv[0], buf, 4, MSG_DONTWAIT));
	CHECK_EQ(0, q->pending);
	CHECK_EQ(0, syslet_prep_read(q, 2, fd[0], buf, 4));
	CHECK_EQ(1, syslet_flush(q));
	CHECK_EQ(0, syslet_peek(q, &c));
	CHECK_EQ(-EAGAIN, syslet_status(&c));
	CHECK_EQ(2, syslet_write(q, 1, fd[1], "ab", 2));
	CHECK_EQ(2, syslet_read(q, 1, fd[0], buf, 4));
	CHECK_EQ(0, q->blocked);
	close(fd[0]);
	close(fd[1]);
	close(sv[0]);
	close(sv[1]);
}

int main(void)
{
	for_each_backend(test, 4);
	return PASS;
}
