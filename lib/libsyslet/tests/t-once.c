/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: a call whose own result is -EAGAIN is made once, in its turn: not
 * again when its descriptor is another file's, or when there is something to read
 */
#define _GNU_SOURCE
#include "test.h"

static int secret(char name[])
{
	int fd = mkstemp(name);

	CHECK(fd >= 0 && write(fd, "secret", 6) == 6);
	return fd;
}

static void test_reuse(struct syslet_queue *q)
{
	char name[] = "/tmp/libsyslet-XXXXXX", buf[8] = "";
	struct syslet_completion c;
	int fd[2], other = secret(name);

	CHECK(pipe2(fd, O_NONBLOCK) == 0);
	CHECK_EQ(0, syslet_prep_read(q, 1, fd[0], buf, 6));
	CHECK_EQ(0, syslet_prep(q, 2, SYS_dup3, (uint64_t)other, (uint64_t)fd[0], 0, 0, 0, 0));
	CHECK_EQ(0, syslet_wait_nr(q, 2, NULL));
	while (!syslet_peek(q, &c))
		CHECK_EQ(c.caller_data == 1 ? -EAGAIN : fd[0], syslet_status(&c));
	CHECK_EQ(0, buf[0]);
	close(fd[0]);
	close(fd[1]);
	close(other);
	unlink(name);
}

static void test_later(struct syslet_queue *q)
{
	struct syslet_completion c;
	char buf[8] = "";
	int fd[2];

	CHECK(pipe2(fd, O_NONBLOCK) == 0);
	CHECK_EQ(0, syslet_prep_read(q, 1, fd[0], buf, 5));
	CHECK_EQ(0, syslet_prep_write(q, 2, fd[1], "later", 5));
	CHECK_EQ(2, syslet_flush(q));
	CHECK_EQ(0, syslet_wait_nr(q, 2, NULL));
	while (!syslet_peek(q, &c))
		CHECK_EQ(c.caller_data == 1 ? -EAGAIN : 5, syslet_status(&c));
	CHECK_EQ(5, read(fd[0], buf, 8));
	close(fd[0]);
	close(fd[1]);
}

static void test(struct syslet_queue *q)
{
	uint64_t refused = q->refused;

	test_reuse(q);
	test_later(q);
	CHECK_EQ(0, q->refused - refused);
}

int main(void)
{
	for_each_backend(test, 4);
	return PASS;
}
