/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: calls on threads get their turn in the order in which they were made,
 * also those of different threads; none waits forever for one that does not wait for
 * it: not for a place that a held up call has, nor for a thread that is busy
 */
#define _GNU_SOURCE
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "test.h"

static void be_nobody(void)
{
	CHECK(geteuid() || syscall(SYS_setresuid, 65534, 65534, 65534) == 0);
}

/* Whose threads are not used for another call. */
static void be_special(void)
{
	be_nobody();
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}

/* Of lower priority: somebody else, as threads see it. */
static void be_nicer(void)
{
	errno = 0;
	CHECK(setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 1) == 0);
}

static void take_all(struct syslet_queue *q)
{
	struct syslet_completion c;

	while (q->pending) {
		CHECK_EQ(0, syslet_wait(q, &c, NULL));
		CHECK(c.caller_data ? syslet_status(&c) >= 0 : syslet_status(&c) == -EBADF);
	}
}

/* A close has no place before what it waits for has had one. */
static void test_close(struct syslet_queue *q, unsigned int limit)
{
	const syslet_timespec moment = { .tv_nsec = 1000000 };
	char name[] = "/tmp/libsyslet-XXXXXX";
	int fd = mkstemp(name);
	unsigned int i;

	CHECK(fd >= 0);
	unlink(name);
	CHECK_EQ(0, syslet_queue_max_threads(q, limit));
	for (i = 0; i < limit; i++)
		CHECK_EQ(0, syslet_prep_nanosleep(q, 1, &moment));
	for (i = 0; i < limit; i++)
		CHECK_EQ(0, syslet_prep_pwrite(q, 1, fd, "x", 1, 0));
	CHECK_EQ(0, syslet_prep_close(q, 1, fd));
	for (i = 0; i < limit; i++)
		CHECK_EQ(0, syslet_prep_pwrite(q, 0, fd, "x", 1, 0));
	take_all(q);
}

static void test_closes(struct syslet_queue *q)
{
	unsigned int i;

	for (i = 0; i < 50; i++)
		test_close(q, 1 + i % 2);
}

/* One place, for which they come from all sides. */
static void test_first_come(struct syslet_queue *q)
{
	struct blocked b;
	char seen[8] = "";
	int fd[2], i;

	CHECK(pipe(fd) == 0);
	CHECK_EQ(0, syslet_queue_max_threads(q, 1));
	block(q, &b, 1);
	for (i = 0; i < 7; i++)
		CHECK_EQ(-ESYSLETPENDING, syslet_write(q, 1, fd[1], &"abcdefg"[i], 1));
	unblock(&b);
	take_all(q);
	CHECK_EQ(7, read(fd[0], seen, 7));
	CHECK(!strcmp("abcdefg", seen));
	close(fd[0]);
	close(fd[1]);
	close_blocked(&b);
}

/* There is a place, but the only thread of its kind does not come back for it. */
static void test_limit(struct syslet_queue *q)
{
	struct syslet_completion c;
	struct blocked a[3], b;
	struct statx stx;
	int i;

	CHECK_EQ(0, syslet_queue_max_threads(q, 4));
	for (i = 0; i < 3; i++)
		block(q, &a[i], 1);
	be_nicer();
	block(q, &b, 2);
	CHECK_EQ(-ESYSLETPENDING, syslet_statx(q, 3, AT_FDCWD, "/", 0, STATX_INO, &stx));
	unblock(&a[0]);
	CHECK_EQ(0, syslet_wait_nr(q, 2, NULL));
	for (i = 0; i < 2; i++) {
		CHECK_EQ(0, syslet_peek(q, &c));
		CHECK_EQ(c.caller_data == 3 ? 0 : 1, syslet_status(&c));
		CHECK(c.caller_data != 2);
	}
	for (i = 1; i < 3; i++)
		unblock(&a[i]);
	unblock(&b);
	take_all(q);
	for (i = 0; i < 3; i++)
		close_blocked(&a[i]);
	close_blocked(&b);
}

static int faults = -1;
static char *page;

/* What writes to this page does not end before it is there. */
static void make_page(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED);
	reg.range.start = (uintptr_t)page;
	reg.range.len = 4096;
	faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (faults >= 0)
		CHECK(!ioctl(faults, UFFDIO_API, &api) &&
		      !ioctl(faults, UFFDIO_REGISTER, &reg));
	be_nobody();
}

static void give_page(void)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)page, 4096 } };

	CHECK(!ioctl(faults, UFFDIO_ZEROPAGE, &zero));
}

/* The same with the limit that there is for calls that end by themselves. */
static void test_no_limit(struct syslet_queue *q)
{
	int zero = open("/dev/zero", O_RDONLY);
	struct syslet_completion c;
	struct blocked b;
	struct statx stx;
	unsigned int i;

	CHECK(zero >= 0);
	if (faults < 0)
		return;
	for (i = 0; i < 64; i++)
		CHECK_EQ(-ESYSLETPENDING, syslet_pread(q, 1, zero, page, 1, 0));
	be_nicer();
	block(q, &b, 2);
	CHECK_EQ(-ESYSLETPENDING, syslet_statx(q, 3, AT_FDCWD, "/", 0, STATX_INO, &stx));
	give_page();
	for (i = 0; i < 65; i++) {
		CHECK_EQ(0, syslet_wait(q, &c, NULL));
		CHECK(c.caller_data != 2 && syslet_status(&c) >= 0);
	}
	unblock(&b);
	take_all(q);
	close_blocked(&b);
	close(zero);
}

static void in_child(void (*be)(void), void (*fn)(struct syslet_queue *q))
{
	struct syslet_queue q;

	if (passed_in_child())
		return;
	if (be)
		be();
	CHECK_EQ(0, syslet_queue_init(&q, 128, SYSLET_QUEUE_THREADS));
	fn(&q);
	syslet_queue_exit(&q);
	_exit(0);
}

int main(void)
{
	in_child(NULL, test_closes);
	in_child(be_nobody, test_closes);
	in_child(be_special, test_closes);
	in_child(NULL, test_first_come);
	in_child(be_nobody, test_first_come);
	in_child(be_special, test_first_come);
	in_child(be_nobody, test_limit);
	in_child(make_page, test_no_limit);
	return PASS;
}
