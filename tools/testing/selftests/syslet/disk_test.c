// SPDX-License-Identifier: GPL-2.0-only
/*
 * Metadata from a cold disk: directories and inodes that have to be read. The
 * disk is /dev/vda, with an ext4 file system of directories of files whose
 * size is their name.
 */
#include "common.h"

#include <sys/mount.h>

#define MNT	"/mnt/disk"
#define MAX	4096

FIXTURE(disk)
{
	struct syslet_ring *ring;
};

static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd >= 0) {
		if (write(fd, "3", 1) != 1)
			perror("drop_caches");
		close(fd);
	}
}

FIXTURE_SETUP(disk)
{
	mkdir(MNT, 0700);
	if (mount("/dev/vda", MNT, "ext4", MS_RDONLY, "inode_readahead_blks=1"))
		SKIP(return, "no test disk /dev/vda");
	drop_caches();
	self->ring = ring_alloc(MAX);
	ASSERT_NE(NULL, self->ring);
}

FIXTURE_TEARDOWN(disk)
{
	umount(MNT);
}

static char names[MAX][64];
static struct stat stats[MAX];

TEST_F(disk, cold_lstat_and_getdents)
{
	struct syslet_completion comp = {};
	int dir, file, n = 0, pending = 0, inline_done = 0;
	char path[32], dents[4096];
	long ret;

	for (dir = 0; dir < 40; dir++) {
		int fd;

		snprintf(path, sizeof(path), MNT "/%d", dir);
		fd = open(path, O_RDONLY | O_DIRECTORY);
		ASSERT_LE(0, fd);
		ret = submit(self->ring, CALL(__NR_getdents64, fd, P(dents), sizeof(dents)), MAX);
		if (ret == -ESYSLETPENDING) {
			pending++;
			ASSERT_EQ(0, ring_reap(self->ring, &comp));
			ASSERT_EQ(MAX, comp.caller_data);
			ret = comp.status;
		}
		ASSERT_LT(0, ret);
		close(fd);
	}
	drop_caches();
	for (dir = 0; dir < 40; dir++) {
		for (file = 1; file <= 20; file++, n++) {
			snprintf(names[n], sizeof(names[n]), MNT "/%d/%d", dir, file);
			ret = submit(self->ring, CALL(__NR_lstat, P(names[n]), P(&stats[n])), n);
			if (ret == -ESYSLETPENDING) {
				pending++;
				continue;
			}
			ASSERT_EQ(0, ret);
			ASSERT_EQ(file, stats[n].st_size);
			inline_done++;
		}
	}
	while (inline_done < n) {
		ASSERT_EQ(0, ring_reap(self->ring, &comp));
		ASSERT_EQ(0, comp.status);
		ASSERT_GT(n, comp.caller_data);
		ASSERT_EQ(comp.caller_data % 20 + 1, stats[comp.caller_data].st_size) {
			TH_LOG("entry %lld, %s, inode %ld", comp.caller_data,
			       names[comp.caller_data], (long)stats[comp.caller_data].st_ino);
		}
		inline_done++;
	}
	ASSERT_EQ(0, ring_count(self->ring));
	/* not each of them, but a cold disk keeps someone waiting */
	ASSERT_LT(0, pending);
	TH_LOG("%d calls blocked", pending);
}

TEST_F(disk, hot_lstat_is_inline)
{
	struct stat st;
	int i, ret;

	ASSERT_EQ(0, lstat(MNT "/3/7", &st));
	for (i = 0; i < 1000; i++) {
		ret = submit(self->ring, CALL(__NR_lstat, P(MNT "/3/7"), P(&st)), i);
		ASSERT_EQ(0, ret);
	}
	ASSERT_EQ(7, st.st_size);
}

TEST_HARNESS_MAIN
