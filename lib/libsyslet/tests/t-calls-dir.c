/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Description: calls that make, name, list and remove files and directories */
#define _GNU_SOURCE
#include <linux/openat2.h>
#include "test.h"

/* Not all file systems have handles, and not everybody may open them. */
static void test_handles(struct syslet_queue *q, const char *path)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} h = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int fd = open(path, O_RDONLY), mount_id = -1;
	struct stat a, b;
	long ret;

	CHECK(fd >= 0 && !fstat(fd, &a));
	ret = CALL(name_to_handle_at, AT_FDCWD, path, &h.handle, &mount_id, 0);
	/* Not on this file system, or not in this container. */
	CHECK(ret == -EOPNOTSUPP || ret == -EPERM || (!ret && mount_id >= 0));
	if (!ret) {
		ret = CALL(open_by_handle_at, fd, &h.handle, O_RDONLY);
		CHECK(ret >= 0 || ret == -EPERM);
	}
	if (ret >= 0) {
		CHECK(!fstat((int)ret, &b) && a.st_ino == b.st_ino);
		close((int)ret);
	}
	close(fd);
}

static void test(struct syslet_queue *q)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY };
	char dir[32], buf[64] = "", dents[512];
	long fd;

	enter_tmp(dir);
	CHECK_EQ(0, CALL(mkdir, "a", 0700));
	CHECK_EQ(-EEXIST, CALL(mkdirat, AT_FDCWD, "a", 0700));
	fd = CALL(openat2, AT_FDCWD, "a", &how, sizeof(how));
	CHECK(fd >= 0 || fd == -ENOSYS);
	if (fd == -ENOSYS)
		fd = CALL(openat, AT_FDCWD, "a", O_RDONLY | O_DIRECTORY, 0);
	CHECK_EQ(0, CALL(mknod, "a/file", S_IFREG | 0600, 0));
	CHECK_EQ(-EEXIST, CALL(mknodat, (int)fd, "file", S_IFREG | 0600, 0));
	test_handles(q, "a/file");
	CHECK_EQ(0, CALL(link, "a/file", "a/other"));
	CHECK_EQ(0, CALL(linkat, (int)fd, "file", (int)fd, "third", 0));
	CHECK_EQ(0, CALL(symlink, "target", "a/sym"));
	CHECK_EQ(-EEXIST, CALL(symlinkat, "target", (int)fd, "sym"));
	CHECK_EQ(6, CALL(readlink, "a/sym", buf, sizeof(buf)));
	CHECK(!strcmp(buf, "target"));
	CHECK_EQ(3, CALL(readlinkat, (int)fd, "sym", buf, 3));
	CHECK(CALL(getdents64, (int)fd, dents, sizeof(dents)) > 0);
	CHECK_EQ(0, CALL(getdents64, (int)fd, dents, sizeof(dents)));
	CHECK_EQ(0, CALL(rename, "a/file", "a/renamed"));
	CHECK_EQ(-EEXIST, CALL(renameat2, (int)fd, "renamed", (int)fd, "other", 1));
	CHECK_EQ(-ENOTEMPTY, CALL(rmdir, "a"));
	CHECK_EQ(0, CALL(unlink, "a/renamed"));
	CHECK_EQ(0, CALL(unlinkat, (int)fd, "other", 0));
	CHECK_EQ(0, CALL(unlink, "a/third"));
	CHECK_EQ(0, CALL(unlink, "a/sym"));
	CHECK_EQ(0, CALL(close, (int)fd));
	CHECK_EQ(0, CALL(rmdir, "a"));
	leave_tmp(dir);
}

int main(void)
{
	for_each_way(test, 4);
	return PASS;
}
