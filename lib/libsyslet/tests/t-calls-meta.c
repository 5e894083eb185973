/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Description: calls about metadata: stat and its kin, modes, owners, times, xattrs */
#define _GNU_SOURCE
#include <sys/vfs.h>
#include "test.h"

#if defined(__LP64__)
static void test_stat(struct syslet_queue *q, int fd)
{
	struct stat st, st2;
	struct statfs sfs;

	CHECK(fstat(fd, &st2) == 0);
	CHECK_EQ(0, CALL(stat, "f", &st));
	CHECK(st.st_ino == st2.st_ino);
	CHECK_EQ(0, CALL(lstat, "sym", &st));
	CHECK(S_ISLNK(st.st_mode));
	CHECK_EQ(0, CALL(fstat, fd, &st));
	CHECK(st.st_ino == st2.st_ino);
	CHECK_EQ(-ENOENT, CALL(fstatat, AT_FDCWD, "sym", &st, 0));
	CHECK_EQ(0, CALL(statfs, ".", &sfs));
	CHECK(sfs.f_bsize > 0);
	CHECK_EQ(0, CALL(fstatfs, fd, &sfs));
}
#else
static void test_stat(struct syslet_queue *q, int fd)
{
	(void)q;
	(void)fd;
}
#endif

static void test_modes(struct syslet_queue *q, int fd)
{
	syslet_timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 5000000000 } };
	struct statx stx;
	long ret;

	CHECK_EQ(0, CALL(chmod, "f", 0400));
	CHECK_EQ(0, CALL(access, "f", R_OK));
	ret = CALL(faccessat, AT_FDCWD, "none", R_OK, 0);
	CHECK(ret == -ENOENT || ret == -ENOSYS);
	CHECK_EQ(0, CALL(fchmod, fd, 0640));
	CHECK_EQ(0, CALL(chown, "f", getuid(), getgid()));
	CHECK_EQ(0, CALL(lchown, "sym", getuid(), getgid()));
	CHECK_EQ(0, CALL(fchown, fd, getuid(), getgid()));
	CHECK_EQ(0, CALL(fchownat, AT_FDCWD, "f", getuid(), getgid(), 0));
	CHECK_EQ(0, CALL(utimensat, AT_FDCWD, "f", times, 0));
	CHECK_EQ(0, CALL(statx, AT_FDCWD, "f", 0, STATX_BASIC_STATS, &stx));
	CHECK_EQ(0640, stx.stx_mode & 0777);
	CHECK_EQ(getuid(), stx.stx_uid);
	CHECK(stx.stx_atime.tv_sec == 1);
	CHECK(stx.stx_mtime.tv_sec > 1);
}

/* A file system need not have them. */
static void test_xattrs(struct syslet_queue *q, int fd)
{
	char buf[64] = "";
	long ret = CALL(setxattr, "f", "user.t", "abc", 3, 0);

	if (ret == -EOPNOTSUPP)
		return;
	CHECK_EQ(0, ret);
	CHECK_EQ(3, CALL(getxattr, "f", "user.t", buf, sizeof(buf)));
	CHECK(!strcmp(buf, "abc"));
	CHECK(CALL(listxattr, "f", buf, sizeof(buf)) >= 7);
	CHECK_EQ(3, CALL(fgetxattr, fd, "user.t", buf, sizeof(buf)));
	CHECK(CALL(flistxattr, fd, buf, sizeof(buf)) >= 7);
	CHECK_EQ(0, CALL(fsetxattr, fd, "user.t", "de", 2, 0));
	CHECK_EQ(2, CALL(lgetxattr, "f", "user.t", buf, sizeof(buf)));
	CHECK_EQ(0, CALL(removexattr, "f", "user.t"));
	CHECK_EQ(-ENODATA, CALL(fremovexattr, fd, "user.t"));
	CHECK_EQ(-ENODATA, CALL(lremovexattr, "f", "user.t"));
	CHECK(CALL(llistxattr, "f", buf, sizeof(buf)) >= 0);
	CHECK(CALL(lsetxattr, "sym", "user.t", "x", 1, 0) < 0);
}

static void test(struct syslet_queue *q)
{
	char dir[32];
	int fd;

	enter_tmp(dir);
	fd = open("f", O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0 && symlink("none", "sym") == 0);
	test_stat(q, fd);
	test_modes(q, fd);
	test_xattrs(q, fd);
	close(fd);
	CHECK(unlink("f") == 0 && unlink("sym") == 0);
	leave_tmp(dir);
}

int main(void)
{
	for_each_way(test, 4);
	return PASS;
}
