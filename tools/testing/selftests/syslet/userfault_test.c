// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that block where they access user memory, and what a runner then does
 * in the name of its thread.
 */
#include "common.h"

#include <linux/landlock.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

THREADS_FIXTURE(userfault)

#define PAGE	4096

/* Pages that are missing until we give them. */
struct missing {
	int fd;
	char *p;
};

static int open_uffd(void)
{
	return syscall(__NR_userfaultfd, O_CLOEXEC);
}

static bool have_userfaultfd(void)
{
	int fd = open_uffd();

	close(fd);
	return fd >= 0;
}

static bool missing_pages(struct missing *m, unsigned int pages)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_THREAD_ID };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	m->p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	m->fd = open_uffd();
	reg.range.start = P(m->p);
	reg.range.len = pages * PAGE;
	return m->p != MAP_FAILED && m->fd >= 0 && !ioctl(m->fd, UFFDIO_API, &api) &&
	       !ioctl(m->fd, UFFDIO_REGISTER, &reg);
}

/* Wait for a fault; where, and in which task. */
static pid_t next_fault(struct missing *m, char **at)
{
	struct uffd_msg msg;

	*at = NULL;
	if (read(m->fd, &msg, sizeof(msg)) != sizeof(msg) ||
	    msg.event != UFFD_EVENT_PAGEFAULT)
		return -1;
	*at = (char *)(uintptr_t)(msg.arg.pagefault.address & ~(PAGE - 1ul));
	return msg.arg.pagefault.feat.ptid;
}

static bool give_page(struct missing *m, char *at, const void *data, size_t len)
{
	char page[PAGE] __attribute__((aligned(PAGE))) = "";
	struct uffdio_copy copy = { .dst = P(at), .src = P(page), .len = PAGE };

	memcpy(page, data, len);
	return !ioctl(m->fd, UFFDIO_COPY, &copy);
}

static bool give_zeros(struct missing *m, char *at)
{
	struct uffdio_zeropage zero = { .range = { .start = P(at), .len = PAGE } };

	return !ioctl(m->fd, UFFDIO_ZEROPAGE, &zero);
}

THREADS_TEST_IF(userfault, call_is_pending_while_its_page_is_missing, have_userfaultfd(),
		"no userfaultfd")
{
	struct syslet_completion comp = {};
	struct missing m;
	int fd[2];
	char *at;

	CHECK(missing_pages(&m, 1));
	CHECK(!pipe(fd));
	for (int i = 0; i < 3; i++) {
		CHECK(write(fd[1], "x", 1) == 1);
		/* the thread itself goes on, and gives the page */
		CHECK(submit(ring, CALL(__NR_read, fd[0], P(m.p + 5), 1), 0) == -ESYSLETPENDING);
		/* the fault was that of the thread, when it made the call */
		CHECK(next_fault(&m, &at) == gettid());
		CHECK(at == m.p);
		CHECK(!ring_count(ring));
		CHECK(i % 2 ? give_page(&m, at, "", 1) : give_zeros(&m, at));
		CHECK(!ring_reap(ring, &comp) && comp.status == 1);
		CHECK(m.p[5] == 'x' && !m.p[4]);
		CHECK(!madvise(m.p, PAGE, MADV_DONTNEED));
	}
	return NULL;
}

THREADS_TEST_IF(userfault, later_faults_of_the_call_are_those_of_the_thread, have_userfaultfd(),
		"no userfaultfd")
{
	struct syslet_completion comp = {};
	struct iovec iov[2];
	struct missing m;
	int fd[2];
	char *at;
	pid_t tid;

	CHECK(missing_pages(&m, 2));
	CHECK(!pipe(fd));
	/* the group leader has the TID of the main thread as a runner, too */
	CHECK(!force_handoff(ring));
	iov[0] = (struct iovec){ m.p, 1 };
	iov[1] = (struct iovec){ m.p + PAGE, 1 };
	CHECK(write(fd[1], "xy", 2) == 2);
	CHECK(submit(ring, CALL(__NR_readv, fd[0], P(iov), 2), 0) == -ESYSLETPENDING);
	CHECK(next_fault(&m, &at) == gettid() && at == m.p);
	CHECK(give_zeros(&m, at));
	tid = next_fault(&m, &at);
	CHECK(tid == gettid() && at == m.p + PAGE);
	CHECK(give_zeros(&m, at));
	CHECK(!ring_reap(ring, &comp) && comp.status == 2);
	CHECK(m.p[0] == 'x' && m.p[PAGE] == 'y');
	return NULL;
}

/* A ring whose page goes away: the runner waits for it, and the thread does not. */
THREADS_TEST_IF(userfault, completion_waits_for_the_page_of_the_ring, have_userfaultfd(),
		"no userfaultfd")
{
	static const struct syslet_ring empty = { .elements = 4 };
	struct syslet_completion comp = {};
	struct syslet_ring *away;
	struct missing m;
	struct blocker b;
	char *at;

	CHECK(missing_pages(&m, 1));
	CHECK(give_page(&m, m.p, &empty, sizeof(empty)));
	away = (void *)m.p;
	CHECK(blocker_begin(&b, away, 17) == -ESYSLETPENDING);
	CHECK(!madvise(m.p, PAGE, MADV_DONTNEED));
	CHECK(write(b.fd[1], "x", 1) == 1);
	CHECK(next_fault(&m, &at) > 0 && at == m.p);
	CHECK(!force_handoff(ring));
	CHECK(give_page(&m, at, &empty, sizeof(empty)));
	CHECK(!ring_reap(away, &comp));
	CHECK(comp.caller_data == 17 && comp.status == 1 && b.c == 'x');
	return NULL;
}

/* Landlock: what a thread imposed on itself holds for its later runners. */
static long restrict_self(void)
{
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE,
	};
	int fd = syscall(__NR_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (fd < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return syscall(__NR_landlock_restrict_self, fd, 0);
}

static bool have_landlock(void)
{
	return syscall(__NR_landlock_create_ruleset, NULL, 0,
		       LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static long open_errno(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Opened by a runner: the path comes in when the call is pending. */
static const char *begin_open(struct syslet_ring *ring, struct missing *m)
{
	CHECK(missing_pages(m, 1));
	CHECK(submit(ring, CALL(__NR_openat, AT_FDCWD, P(m->p), O_RDONLY), 0) ==
	      -ESYSLETPENDING);
	return NULL;
}

static const char *end_open(struct syslet_ring *ring, struct missing *m, const char *path,
			    long want)
{
	struct syslet_completion comp = {};
	char *at;

	CHECK(next_fault(m, &at) == gettid());
	CHECK(give_page(m, at, path, strlen(path) + 1));
	CHECK(!ring_reap(ring, &comp));
	CHECK(want < 0 ? (long)comp.status == want : (long)comp.status >= 0);
	return NULL;
}

THREADS_TEST_IF(userfault, landlock_domain_holds_in_carriers_and_runners,
		have_userfaultfd() && have_landlock(), "no userfaultfd or no Landlock")
{
	static const char path[] = "/etc/passwd";
	struct missing m, before;
	struct blocker b[3];
	const char *err;

	/* spares that were made before */
	for (int i = 0; i < 3; i++)
		CHECK(blocker_begin(&b[i], ring, i) == -ESYSLETPENDING);
	for (int i = 0; i < 3; i++)
		CHECK(blocker_end(&b[i], ring) == 1);
	CHECK(!open_errno(path));
	err = begin_open(ring, &m) ?: end_open(ring, &m, path, 0);
	if (err)
		return err;
	/* a call that was made before has the credentials of then */
	err = begin_open(ring, &before);
	if (err)
		return err;
	CHECK(!restrict_self());
	CHECK(open_errno(path) == -EACCES);
	for (int i = 0; i < 5; i++) {
		CHECK(submit(ring, CALL(__NR_open, P(path), O_RDONLY), 0) == -EACCES);
		err = begin_open(ring, &m) ?: end_open(ring, &m, path, -EACCES);
		if (err)
			return err;
		CHECK(open_errno(path) == -EACCES);
		CHECK(!force_handoff(ring));
		CHECK(open_errno(path) == -EACCES);
	}
	return end_open(ring, &before, path, 0);
}

TEST_HARNESS_MAIN
