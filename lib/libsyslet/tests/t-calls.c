/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Description: calls by name and by number give what the system calls give */
#define _GNU_SOURCE
#include "test.h"

static long number(struct syslet_queue *q, long nr)
{
	return finish(q, syslet_call(q, 12, nr, 0, 0, 0, 0, 0, 0), 12);
}

static void test(struct syslet_queue *q)
{
	char name[] = "/tmp/libsyslet-XXXXXX", buf[8] = "", link[8];
	struct iovec iov = { buf, sizeof(buf) };
	int fd = mkstemp(name), fd2;

	CHECK(fd >= 0);
	errno = 4711;
	CHECK_EQ(5, CALL(write, fd, "hello", 5));
	CHECK_EQ(1, CALL(pwrite, fd, "J", 1, 0));
	CHECK_EQ(5, CALL(pread, fd, buf, sizeof(buf), 0));
	CHECK(!memcmp(buf, "Jello", 5));
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	CHECK_EQ(5, CALL(readv, fd, &iov, 1));
	CHECK_EQ(5, CALL(writev, fd, &(struct iovec){ buf, 5 }, 1));
	CHECK_EQ(-EINVAL, CALL(readlink, name, link, 8));
	fd2 = (int)CALL(open, name, O_RDONLY, 0);
	CHECK(fd2 >= 0);
	CHECK_EQ(0, CALL(close, fd2));
	CHECK_EQ(-EBADF, CALL(close, fd2));
	CHECK_EQ(0, CALL(unlink, name));
	CHECK_EQ(-ENOENT, CALL(unlink, name));
	CHECK_EQ(8, CALL(getrandom, buf, 8, 0));
	CHECK_EQ(0, CALL(mlock, buf, sizeof(buf)));
	CHECK_EQ(getpid(), number(q, SYS_getpid));
	CHECK_EQ(syscall(SYS_gettid), number(q, SYS_gettid));
	CHECK_EQ(-EINVAL, number(q, SYS_execve));
	CHECK_EQ(-ENOSYS, number(q, 100000));
	CHECK_EQ(4711, errno);
	CHECK_EQ(0, q->pending);
	close(fd);
}

int main(void)
{
	for_each_way(test, 8);
	return PASS;
}
