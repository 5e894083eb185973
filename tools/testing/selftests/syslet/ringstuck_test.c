// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of a ring that keep whoever wants them waiting until the test gives
 * them: behind userfaultfd, or in a file on a FUSE file system whose server
 * withholds the answer.
 */
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include "fuse.h"
#include "ringmem.h"

/* A page of the file that looks as the first one. */
#define OTHER_PAGE	18

struct stuck {
	bool			fuse;
	/* The page of the head, or that of the next entry. */
	bool			head;
	struct syslet_ring	*ring;
	int			uffd;
	struct fuse_file	file;
};

static char *stuck_page(struct stuck *s)
{
	return (char *)s->ring + (s->head ? 0 : RING_ENTRY * PAGE);
}

static bool stuck_copy(struct stuck *s, char *to, const void *page)
{
	struct uffdio_copy copy = { .dst = P(to), .src = P(page), .len = PAGE };

	return !ioctl(s->uffd, UFFDIO_COPY, &copy);
}

static bool stuck_zero(struct stuck *s, char *to)
{
	struct uffdio_zeropage zero = { .range = { .start = P(to), .len = PAGE } };

	return !ioctl(s->uffd, UFFDIO_ZEROPAGE, &zero);
}

static bool stuck_open_uffd(struct stuck *s)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	s->ring = mmap(NULL, RING_PAGES * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	s->uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	reg.range.start = P(s->ring);
	reg.range.len = RING_PAGES * PAGE;
	return s->ring != MAP_FAILED && s->uffd >= 0 && !ioctl(s->uffd, UFFDIO_API, &api) &&
	       !ioctl(s->uffd, UFFDIO_REGISTER, &reg) &&
	       stuck_copy(s, (char *)s->ring, ring_first_page()) &&
	       (!s->head || stuck_zero(s, (char *)s->ring + RING_ENTRY * PAGE));
}

static bool stuck_open_fuse(struct stuck *s)
{
	if (!fuse_open(&s->file))
		return false;
	memcpy(s->file.data->page[0], ring_first_page(), PAGE);
	memcpy(s->file.data->page[OTHER_PAGE], ring_first_page(), PAGE);
	s->file.data->withheld = s->head ? OTHER_PAGE : RING_ENTRY;
	s->ring = mmap(NULL, RING_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       s->file.fd, 0);
	return s->ring != MAP_FAILED;
}

/* A ring that can be used, but must not be posted to yet. */
static bool stuck_open(struct stuck *s)
{
	return s->fuse ? stuck_open_fuse(s) : stuck_open_uffd(s);
}

/* With calls in flight: from now on the next post will find that page missing. */
static bool stuck_begin(struct stuck *s)
{
	if (!s->head)
		return true;
	if (!s->fuse)
		return !madvise(s->ring, PAGE, MADV_DONTNEED);
	return mmap(s->ring, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->file.fd,
		    OTHER_PAGE * PAGE) == s->ring;
}

/* Wait until somebody waits for it. */
static bool stuck_seen(struct stuck *s)
{
	struct uffd_msg msg;

	if (s->fuse)
		return kid_hear(&s->file.server);
	return read(s->uffd, &msg, sizeof(msg)) == sizeof(msg) &&
	       msg.event == UFFD_EVENT_PAGEFAULT &&
	       (msg.arg.pagefault.address & ~(PAGE - 1ul)) == P(stuck_page(s));
}

static bool stuck_end(struct stuck *s)
{
	if (!s->fuse)
		return s->head ? stuck_copy(s, stuck_page(s), ring_first_page()) :
				 stuck_zero(s, stuck_page(s));
	s->file.data->withheld = -1;
	return kid_tell(&s->file.server);
}

static bool have_stuck(bool fuse)
{
	int fd;

	if (fuse)
		return have_fuse();
	fd = syscall(__NR_userfaultfd, O_CLOEXEC);
	close(fd);
	return fd >= 0;
}

FIXTURE(stuck)
{
	struct stuck s;
	struct syslet_ring *other;
};

FIXTURE_VARIANT(stuck)
{
	bool fuse, head;
};

FIXTURE_VARIANT_ADD(stuck, userfaultfd_head) { .fuse = false, .head = true };
FIXTURE_VARIANT_ADD(stuck, userfaultfd_entry) { .fuse = false, .head = false };
FIXTURE_VARIANT_ADD(stuck, fuse_head) { .fuse = true, .head = true };
FIXTURE_VARIANT_ADD(stuck, fuse_entry) { .fuse = true, .head = false };

FIXTURE_SETUP(stuck)
{
	if (!have_stuck(variant->fuse))
		SKIP(return, "no userfaultfd or FUSE");
	self->s = (struct stuck){ .fuse = variant->fuse, .head = variant->head };
	self->other = ring_alloc(8);
	ASSERT_NE(NULL, self->other);
}

FIXTURE_TEARDOWN(stuck)
{
}

/* Calls, a wait that has to sleep, and one that has not to. */
static const char *use_ring(struct syslet_ring *ring, struct servant *s)
{
	struct __kernel_timespec none = {};
	struct blocker b;

	ring->kernel_head = ring->user_tail = 0;
	for (int i = 0; i < 3; i++)
		CHECK(!force_handoff(ring));
	CHECK(sys_ring_wait(ring, 3, 1, &none, 0) == -ETIME);
	CHECK(!sys_ring_wait(ring, 2, 1, &none, 0));
	ring->kernel_head = ring->user_tail = 0;
	if (!s)
		return NULL;
	CHECK(blocker_begin(&b, ring, 1) == -ESYSLETPENDING);
	servant_tell(s, wait_for_first, ring);
	UNTIL(servant_sleeps(s));
	CHECK(blocker_end(&b, ring) == 1 && !servant_wait(s));
	return NULL;
}

/* Rings enough to be in all buckets of the kernel's table: none of them is locked. */
static const char *look_for_many_rings(void)
{
	struct __kernel_timespec none = {};
	struct syslet_ring *r = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(r != MAP_FAILED);
	for (unsigned int i = 0; i < 4 * PAGE / sizeof(*r); i++) {
		r[i].elements = 4;
		CHECK(sys_ring_wait(&r[i], 0, 1, &none, 0) == -ETIME);
	}
	return NULL;
}

/* Where only an entry is missing: no lock is held by who waits for that. */
static const char *use_stuck_ring(struct syslet_ring *ring)
{
	struct __kernel_timespec none = {};
	struct stat st;

	CHECK(sys_ring_wait(ring, RING_HEAD, 1, &none, 0) == -ETIME);
	CHECK(!submit(ring, CALL(__NR_lstat, P("/"), P(&st)), 0));
	return NULL;
}

static long wait_for_two(void *ring)
{
	return sys_ring_wait(ring, RING_HEAD, 2, NULL, 0);
}

TEST_F(stuck, only_its_own_calls_wait_for_a_page_and_arrive_once)
{
	struct servant *waits = servant_start(), *helps = servant_start();
	struct syslet_completion comp = {};
	struct stuck *s = &self->s;
	long before = lost();
	struct blocker b[2];
	const char *err;
	int seen = 0;
	struct kid k;

	ASSERT_TRUE(waits && helps);
	ASSERT_TRUE(stuck_open(s));
	if (!kid_fork(&k)) {
		/* its private memory is a copy */
		KID_CHECK(kid_hear(&k));
		err = use_ring(self->other, NULL);
		if (!err && !s->head)
			err = use_stuck_ring(s->ring);
		if (err)
			fprintf(stderr, "# %s\n", err);
		KID_CHECK(!err && kid_tell(&k));
		_exit(0);
	}
	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[0], s->ring, 5));
	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[1], s->ring, 6));
	/* what was mapped when it began to wait decides for a waiter */
	if (!s->fuse || !s->head) {
		servant_tell(waits, wait_for_two, s->ring);
		UNTIL(servant_sleeps(waits));
	}
	ASSERT_TRUE(stuck_begin(s));
	ASSERT_TRUE(end_call(&b[0]) && end_call(&b[1]));
	ASSERT_TRUE(stuck_seen(s));

	err = use_ring(self->other, helps) ?: look_for_many_rings();
	if (!err && !s->head)
		err = use_stuck_ring(s->ring);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
	ASSERT_TRUE(kid_tell(&k) && kid_hear(&k));
	ASSERT_EQ(0, kid_status(&k));
	if (!s->head)
		ASSERT_EQ(RING_HEAD, s->ring->kernel_head);

	ASSERT_TRUE(stuck_end(s));
	if (!s->fuse || !s->head)
		ASSERT_EQ(0, servant_wait(waits));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, ring_reap(s->ring, &comp));
		ASSERT_EQ(1, comp.status);
		seen |= 1 << comp.caller_data;
	}
	ASSERT_EQ(1 << 5 | 1 << 6, seen);
	ASSERT_EQ(0, force_handoff(self->other));
	ASSERT_EQ(RING_HEAD + 2, s->ring->kernel_head);
	ASSERT_EQ(0, force_handoff(s->ring));
	ASSERT_EQ(before, lost());
}

/* The server holds the answer, so the dead wait for it, as for any page of FUSE. */
TEST_F(stuck, process_can_be_killed_and_leaves_nothing_behind)
{
	struct stuck *s = &self->s;
	struct blocker b[4];
	struct kid k;
	uint32_t head;

	/* places: three */
	if (s->fuse) {
		ASSERT_TRUE(stuck_open(s));
		s->ring->user_tail = RING_HEAD - (RING_ELEMENTS - 3);
	}
	if (!kid_fork(&k)) {
		KID_CHECK(s->fuse || stuck_open(s));
		for (int i = 0; i < 3; i++)
			KID_CHECK(blocker_begin(&b[i], s->ring, i) == -ESYSLETPENDING);
		KID_CHECK(stuck_begin(s));
		for (int i = 0; i < 3; i++)
			KID_CHECK(end_call(&b[i]));
		KID_CHECK(s->fuse || stuck_seen(s));
		KID_CHECK(kid_tell(&k));
		kid_hear(&k);
		_exit(1);
	}
	ASSERT_TRUE(kid_hear(&k));
	if (s->fuse) {
		ASSERT_TRUE(stuck_seen(s));
		ASSERT_EQ(-EAGAIN, blocker_begin(&b[3], s->ring, 3));
	}
	ASSERT_EQ(0, kill(k.pid, SIGKILL));
	if (s->fuse)
		ASSERT_TRUE(stuck_end(s));
	ASSERT_EQ(SIGKILL, WTERMSIG(kid_status(&k)));
	ASSERT_EQ(0, force_handoff(self->other));
	if (!s->fuse)
		return;
	/* one may have got the page before it died */
	s->ring->user_tail = s->ring->kernel_head - (RING_ELEMENTS - 3);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[i], s->ring, i));
	ASSERT_EQ(-EAGAIN, blocker_begin(&b[3], s->ring, 3));
	head = s->ring->kernel_head;
	for (int i = 0; i < 3; i++)
		ASSERT_TRUE(end_call(&b[i]));
	ASSERT_EQ(0, sys_ring_wait(s->ring, head, 3, NULL, 0));
}

/* The head is missing, which a wait looks at. */
static const char *kill_waiter(struct stuck *s)
{
	struct kid k;

	CHECK(!s->fuse || stuck_open(s));
	if (!kid_fork(&k)) {
		KID_CHECK(s->fuse || stuck_open(s));
		KID_CHECK(stuck_begin(s));
		KID_CHECK(kid_tell(&k));
		sys_ring_wait(s->ring, RING_HEAD, 1, NULL, 0);
		_exit(1);
	}
	CHECK(kid_hear(&k));
	if (s->fuse)
		CHECK(stuck_seen(s));
	else
		UNTIL(strchr("SD", task_state(k.pid, k.pid)));
	CHECK(!kill(k.pid, SIGKILL));
	CHECK(!s->fuse || stuck_end(s));
	CHECK(WTERMSIG(kid_status(&k)) == SIGKILL);
	return NULL;
}

TEST(waiter_for_a_page_can_be_killed)
{
	const char *err;

	for (int fuse = 0; fuse < 2; fuse++) {
		if (!have_stuck(fuse))
			SKIP(return, "no userfaultfd or FUSE");
		err = kill_waiter(&(struct stuck){ .fuse = fuse, .head = true });
		ASSERT_EQ(NULL, err) TH_LOG("%s", err);
	}
}

TEST_HARNESS_MAIN
