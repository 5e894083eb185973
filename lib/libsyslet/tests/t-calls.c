/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Description: calls by name give what the system calls give */
#define _GNU_SOURCE
#include "test.h"

static void test(struct syslet_queue *q)
{
	char name[] = "/tmp/libsyslet-XXXXXX", buf[8], link[8];
	struct iovec iov = { buf, sizeof(buf) };
	struct stat st, st2;
	int fd = mkstemp(name), fd2;

	CHECK(fd >= 0);
	errno = 4711;
	CHECK(finish(q, syslet_write(q, 1, fd, "hello", 5), 1) == 5);
	CHECK(finish(q, syslet_pwrite(q, 2, fd, "J", 1, 0), 2) == 1);
	CHECK(finish(q, syslet_pread(q, 3, fd, buf, sizeof(buf), 0), 3) == 5);
	CHECK(!memcmp(buf, "Jello", 5));
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	CHECK(finish(q, syslet_readv(q, 4, fd, &iov, 1), 4) == 5);
	CHECK(finish(q, syslet_fsync(q, 5, fd), 5) == 0);
	CHECK(finish(q, syslet_stat(q, 6, name, &st), 6) == 0);
	CHECK(fstat(fd, &st2) == 0);
	CHECK(st.st_ino == st2.st_ino && st.st_size == 5);
	CHECK(finish(q, syslet_lstat(q, 7, "/nonexistent", &st), 7) == -ENOENT);
	CHECK(finish(q, syslet_readlinkat(q, 8, AT_FDCWD, name, link, 8), 8) == -EINVAL);
	fd2 = (int)finish(q, syslet_openat(q, 9, AT_FDCWD, name, O_RDONLY, 0), 9);
	CHECK(fd2 >= 0);
	CHECK(finish(q, syslet_close(q, 10, fd2), 10) == 0);
	CHECK(finish(q, syslet_close(q, 10, fd2), 10) == -EBADF);
	CHECK(finish(q, syslet_unlinkat(q, 11, AT_FDCWD, name, 0), 11) == 0);
	CHECK(finish(q, syslet_call(q, 12, SYS_getpid, 0, 0, 0, 0, 0, 0), 12) == getpid());
	CHECK(finish(q, syslet_call(q, 13, SYS_gettid, 0, 0, 0, 0, 0, 0), 13) == syscall(SYS_gettid));
	CHECK(finish(q, syslet_call(q, 14, SYS_execve, 0, 0, 0, 0, 0, 0), 14) == -EINVAL);
	CHECK(finish(q, syslet_call(q, 15, 100000, 0, 0, 0, 0, 0, 0), 15) == -ENOSYS);
	CHECK(errno == 4711);
	CHECK(q->pending == 0);
	close(fd);
}

int main(void)
{
	for_each_backend(test, 8);
	return PASS;
}
