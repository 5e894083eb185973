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

/* Locked a second time from the same place: by nobody else. */
static void test_ofd(struct syslet_queue *q, int a, int b)
{
	syslet_file_lock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1000,
			   .l_len = 10 };
	syslet_file_lock u = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = 1000,
			   .l_len = 10 };
	syslet_file_lock seen = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	CHECK_EQ(0, CALL(fcntl_lock, a, F_OFD_SETLK, &l));
	CHECK_EQ(0, CALL(fcntl_lock, b, F_OFD_GETLK, &seen));
	CHECK_EQ(F_WRLCK, seen.l_type);
	CHECK_EQ(1000, seen.l_start);
	CHECK_EQ(10, seen.l_len);
	CHECK_EQ(-ESYSLETPENDING, syslet_fcntl_lock(q, 2, b, F_OFD_SETLKW, &l));
	CHECK_EQ(0, finish(q, syslet_fcntl_lock(q, 3, a, F_OFD_SETLK, &u), 3));
	CHECK_EQ(0, finish(q, -ESYSLETPENDING, 2));
	CHECK_EQ(-EAGAIN, CALL(fcntl_lock, a, F_OFD_SETLK, &l));
	CHECK_EQ(0, CALL(fcntl_lock, b, F_OFD_SETLKW, &u));
}

/* It belongs to the process, whichever task made the call. */
static void test_posix(struct syslet_queue *q, int a)
{
	syslet_file_lock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
			   .l_start = (int64_t)5 << 30, .l_len = 1 };

	CHECK_EQ(0, CALL(fcntl_lock, a, F_SETLKW, &l));
	CHECK_EQ(0, CALL(fcntl_lock, a, F_GETLK, &l));
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
