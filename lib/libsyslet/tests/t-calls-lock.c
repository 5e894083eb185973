/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Description: a lock that another one holds is waited for, and then held */
#define _GNU_SOURCE
#include <sys/file.h>
#include "test.h"

static void test_flock(struct syslet_queue *q, int a, int b)
{
	CHECK(flock(a, LOCK_EX) == 0);
	CHECK_EQ(-ESYSLETPENDING, syslet_flock(q, 1, b, LOCK_EX));
	CHECK(flock(a, LOCK_UN) == 0);
	CHECK_EQ(0, finish(q, -ESYSLETPENDING, 1));
	CHECK(flock(a, LOCK_EX | LOCK_NB) == -1);
	CHECK_EQ(0, CALL(flock, b, LOCK_UN));
}

/* The kernel has 64-bit offsets for these in 32-bit programs as well. */
#if defined(__LP64__) || _FILE_OFFSET_BITS == 64
static void test_ofd(struct syslet_queue *q, int a, int b)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	struct flock u = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_len = 1 };

	CHECK(fcntl(a, F_OFD_SETLK, &l) == 0);
	CHECK_EQ(-ESYSLETPENDING, syslet_fcntl_lock(q, 2, b, F_OFD_SETLKW, &l));
	CHECK(fcntl(a, F_OFD_SETLK, &u) == 0);
	CHECK_EQ(0, finish(q, -ESYSLETPENDING, 2));
	CHECK(fcntl(a, F_OFD_SETLK, &l) == -1);
	CHECK_EQ(0, CALL(fcntl_lock, b, F_OFD_SETLKW, &u));
}
#else
static void test_ofd(struct syslet_queue *q, int a, int b)
{
	(void)q;
	(void)a;
	(void)b;
}
#endif

/* It belongs to the process, whichever task made the call. */
static void test_posix(struct syslet_queue *q, int a)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

	CHECK_EQ(0, CALL(fcntl_lock, a, F_SETLKW, &l));
	CHECK(fcntl(a, F_GETLK, &l) == 0);
	CHECK_EQ(F_UNLCK, l.l_type);
	CHECK_EQ(O_RDWR, CALL(fcntl, a, F_GETFL, 0) & O_ACCMODE);
}

static void test(struct syslet_queue *q)
{
	char name[] = "/tmp/libsyslet-XXXXXX";
	int a = mkstemp(name), b = open(name, O_RDWR);

	CHECK(a >= 0 && b >= 0);
	test_flock(q, a, b);
	test_ofd(q, a, b);
	test_posix(q, a);
	close(a);
	close(b);
	unlink(name);
}

int main(void)
{
	for_each_way(test, 4);
	return PASS;
}
