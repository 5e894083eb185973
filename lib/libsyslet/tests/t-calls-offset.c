/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Description: offsets and lengths beyond 4 GiB arrive, on 32-bit machines as well */
#define _GNU_SOURCE
#include "test.h"

#define FAR	((int64_t)5 << 30)

static int64_t size(struct syslet_queue *q, int fd)
{
	struct statx stx;

	CHECK_EQ(0, CALL(statx, fd, "", AT_EMPTY_PATH, STATX_SIZE, &stx));
	return (int64_t)stx.stx_size;
}

static void test_vectors(struct syslet_queue *q, int fd)
{
	char buf[8] = "";
	struct iovec iov = { buf, 3 };

	CHECK_EQ(3, CALL(preadv, fd, &iov, 1, FAR));
	CHECK(!memcmp(buf, "far", 3));
	CHECK_EQ(3, CALL(pwritev, fd, &iov, 1, FAR + 3));
	memset(buf, 0, sizeof(buf));
	CHECK_EQ(3, CALL(preadv2, fd, &iov, 1, FAR + 3, 0));
	CHECK(!memcmp(buf, "far", 3));
	CHECK_EQ(3, CALL(pwritev2, fd, &iov, 1, FAR + 6, 0));
	CHECK_EQ(-EOPNOTSUPP, CALL(preadv2, fd, &iov, 1, FAR, 0x4000000));
	CHECK(size(q, fd) == FAR + 9);
}

static void test_copies(struct syslet_queue *q, int fd)
{
	int64_t in = FAR, out = FAR + 9;
	int p[2];
	long ret;

	ret = CALL(copy_file_range, fd, &in, fd, &out, 9, 0);
	CHECK(ret == 9 || ret == -EXDEV || ret == -EOPNOTSUPP || ret == -EINVAL);
	CHECK(pipe(p) == 0);
	in = FAR;
	CHECK_EQ(3, CALL(splice, fd, &in, p[1], NULL, 3, 0));
	CHECK(in == FAR + 3);
	CHECK_EQ(3, CALL(sendfile, p[1], fd, &in, 3));
	CHECK(in == FAR + 6);
	close(p[0]);
	close(p[1]);
}

static void test_storage(struct syslet_queue *q, int fd)
{
	long ret;

	ret = CALL(readahead, fd, FAR, 4096);
	CHECK(ret == 0 || ret == -EINVAL);
	CHECK_EQ(0, CALL(fadvise, fd, FAR, FAR, POSIX_FADV_NORMAL));
	ret = CALL(sync_file_range, fd, FAR, FAR, 0);
	CHECK(ret == 0 || ret == -ESPIPE);
	CHECK_EQ(-EINVAL, CALL(sync_file_range, fd, -FAR, FAR, 0));
	ret = CALL(fallocate, fd, FALLOC_FL_KEEP_SIZE, FAR, 4096);
	CHECK(ret == 0 || ret == -EOPNOTSUPP);
	CHECK_EQ(0, CALL(fsync, fd));
	CHECK_EQ(0, CALL(fdatasync, fd));
	CHECK_EQ(0, CALL(syncfs, fd));
}

static void test(struct syslet_queue *q)
{
	char name[] = "/tmp/libsyslet-XXXXXX", buf[8] = "";
	int tmp = mkstemp(name);
	int fd = (int)CALL(open, name, O_RDWR, 0);

	CHECK(tmp >= 0 && fd >= 0);
	close(tmp);
	CHECK_EQ(3, CALL(pwrite, fd, "far", 3, FAR));
	CHECK(size(q, fd) == FAR + 3);
	CHECK_EQ(3, CALL(pread, fd, buf, sizeof(buf), FAR));
	CHECK(!strcmp(buf, "far"));
	test_vectors(q, fd);
	test_copies(q, fd);
	test_storage(q, fd);
	CHECK_EQ(0, CALL(ftruncate, fd, FAR + 1));
	CHECK(size(q, fd) == FAR + 1);
	CHECK_EQ(0, CALL(truncate, name, FAR + 2));
	CHECK(size(q, fd) == FAR + 2);
	close(fd);
	CHECK(unlink(name) == 0);
}

int main(void)
{
	for_each_way(test, 4);
	return PASS;
}
