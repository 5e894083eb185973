// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings that several processes share, and rings whose memory is not there, or
 * is another one, when a call completes.
 */
#include <linux/falloc.h>

#include "ringmem.h"

static int open_memfd(void)
{
	return memfd_create("ring", MFD_CLOEXEC);
}

static int open_tmpfs(void)
{
	return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* At @at, if that is not NULL; of no file if there is none. */
static void *map(void *at, int fd, int flags)
{
	void *p = mmap(at, RING_LEN, PROT_READ | PROT_WRITE,
		       flags | (fd < 0 ? MAP_ANONYMOUS : 0) | (at ? MAP_FIXED : 0), fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int open_file(int (*fn)(void))
{
	int fd = fn ? fn() : -1;

	return fd >= 0 && ftruncate(fd, RING_LEN) ? -1 : fd;
}

/* --- processes -------------------------------------------------------------------- */

FIXTURE(share)
{
	int fd;
	struct syslet_ring *ring;
};

FIXTURE_VARIANT(share)
{
	int (*open)(void);
};

FIXTURE_VARIANT_ADD(share, memory_inherited_by_fork) { .open = NULL };
FIXTURE_VARIANT_ADD(share, memfd) { .open = open_memfd };
FIXTURE_VARIANT_ADD(share, file_on_tmpfs) { .open = open_tmpfs };

FIXTURE_SETUP(share)
{
	self->fd = open_file(variant->open);
	self->ring = map(NULL, self->fd, MAP_SHARED);
	ASSERT_NE(NULL, self->ring);
	self->ring->elements = 4;
}

FIXTURE_TEARDOWN(share)
{
}

/* Where a child looks at it: elsewhere, if that is possible. */
static struct syslet_ring *child_view(int fd, struct syslet_ring *ring)
{
	struct syslet_ring *r = fd < 0 ? ring : map(NULL, fd, MAP_SHARED);

	KID_CHECK(r && (fd < 0 || r != ring));
	return r;
}

TEST_F(share, call_of_one_process_wakes_a_waiter_of_another)
{
	struct syslet_ring *r = self->ring;
	struct blocker b;
	struct kid k;

	if (!kid_fork(&k)) {
		r = child_view(self->fd, r);
		KID_CHECK(kid_tell(&k));
		KID_CHECK(!sys_ring_wait(r, 0, 1, NULL, 0));
		KID_CHECK(r->kernel_head == 1);
		KID_CHECK(r->comp[0].caller_data == 7 && r->comp[0].status == 1);
		/* and the other way round */
		KID_CHECK(blocker_begin(&b, r, 8) == -ESYSLETPENDING);
		KID_CHECK(kid_tell(&k));
		UNTIL(task_state(getppid(), getppid()) == 'S');
		KID_CHECK(end_call(&b));
		/* the exit of a thread cancels its calls */
		KID_CHECK(kid_hear(&k));
		_exit(0);
	}
	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, r, 7));
	ASSERT_TRUE(kid_hear(&k));
	UNTIL(task_state(k.pid, k.pid) == 'S');
	ASSERT_TRUE(end_call(&b));
	ASSERT_TRUE(kid_hear(&k));
	ASSERT_EQ(0, sys_ring_wait(r, 1, 1, NULL, 0));
	ASSERT_EQ(8, r->comp[1].caller_data);
	ASSERT_EQ(1, r->comp[1].status);
	ASSERT_TRUE(kid_tell(&k));
	ASSERT_EQ(0, kid_status(&k));
}

TEST_F(share, waiters_in_several_processes_are_woken_each_in_time)
{
	struct pollfd heard = { .events = POLLIN };
	struct blocker b[3];
	struct kid k[3];

	for (int i = 2; i >= 0; i--) {
		if (!kid_fork(&k[i])) {
			struct syslet_ring *r = child_view(self->fd, self->ring);

			KID_CHECK(kid_tell(&k[i]));
			KID_CHECK(!sys_ring_wait(r, 0, i + 1, NULL, 0));
			KID_CHECK(kid_tell(&k[i]));
			_exit(0);
		}
		ASSERT_TRUE(kid_hear(&k[i]));
		UNTIL(task_state(k[i].pid, k[i].pid) == 'S');
	}
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[i], self->ring, i));
	for (int i = 0; i < 3; i++) {
		ASSERT_TRUE(end_call(&b[i]));
		ASSERT_TRUE(kid_hear(&k[i]));
		for (int j = i + 1; j < 3; j++) {
			heard.fd = k[j].from;
			ASSERT_EQ(0, poll(&heard, 1, 0));
		}
		ASSERT_EQ(0, kid_status(&k[i]));
	}
}

TEST_F(share, places_are_counted_for_all_processes_and_freed_by_the_dead)
{
	struct syslet_ring *r = self->ring;
	struct blocker b[4], none;
	struct kid k;

	for (int round = 0; round < 3; round++) {
		/* the child: all of it, or half of it */
		int mine = round % 2 ? 2 : 0;

		for (int i = 0; i < mine; i++)
			ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[i], r, i));
		if (!kid_fork(&k)) {
			r = child_view(self->fd, r);
			for (int i = mine; i < 4; i++)
				KID_CHECK(blocker_begin(&b[i], r, i) == -ESYSLETPENDING);
			KID_CHECK(blocker_begin(&none, r, 9) == -EAGAIN);
			KID_CHECK(kid_tell(&k));
			kid_hear(&k);
			_exit(1);
		}
		ASSERT_TRUE(kid_hear(&k));
		ASSERT_EQ(-EAGAIN, blocker_begin(&none, r, 9));
		ASSERT_EQ(0, kill(k.pid, SIGKILL));
		ASSERT_EQ(SIGKILL, WTERMSIG(kid_status(&k)));
		/* they have not completed, and nobody is waited for */
		ASSERT_EQ(0, ring_count(r));
		for (int i = mine; i < 4; i++)
			ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[i], r, i));
		ASSERT_EQ(-EAGAIN, blocker_begin(&none, r, 9));
		for (int i = 0; i < 4; i++)
			ASSERT_EQ(1, blocker_end(&b[i], r));
	}
}

struct producer {
	struct syslet_ring *ring;
	atomic_int *all_taken;
	int n, base;
};

static void *producer_main(void *arg)
{
	struct producer *p = arg;
	static __thread char c;
	int i, fd[2];

	KID_CHECK(!pipe(fd));
	for (i = 0; i < p->n;) {
		long ret = submit(p->ring, CALL(__NR_read, fd[0], P(&c), 1), p->base + i);

		if (ret == -EAGAIN) {
			sched_yield();
			continue;
		}
		/* 1: it took at once what an earlier one is waiting for */
		KID_CHECK(ret == -ESYSLETPENDING || ret == 1);
		KID_CHECK(write(fd[1], "x", 1) == 1);
		i += ret == -ESYSLETPENDING;
	}
	/* the exit of a thread cancels its calls */
	while (!*p->all_taken)
		sched_yield();
	return NULL;
}

TEST_F_TIMEOUT(share, completions_of_many_producers_arrive_once, 120)
{
	enum { KIDS = 3, THREADS = 2, EACH = 500 };
	static unsigned char seen[KIDS * THREADS * EACH];
	struct syslet_completion comp = {};
	atomic_int *all_taken = map(NULL, -1, MAP_SHARED);
	int each = rounds(EACH), all = KIDS * THREADS * each;
	struct producer p[THREADS];
	pthread_t t[THREADS];
	struct kid k[KIDS];

	ASSERT_NE(NULL, all_taken);
	for (int i = 0; i < KIDS; i++) {
		if (kid_fork(&k[i]))
			continue;
		for (int j = 0; j < THREADS; j++) {
			p[j] = (struct producer){
				.ring = child_view(self->fd, self->ring),
				.all_taken = all_taken, .n = each,
				.base = (i * THREADS + j) * each,
			};
			KID_CHECK(!pthread_create(&t[j], NULL, producer_main, &p[j]));
		}
		for (int j = 0; j < THREADS; j++)
			pthread_join(t[j], NULL);
		_exit(0);
	}
	for (int i = 0; i < all; i++) {
		ASSERT_EQ(0, ring_reap(self->ring, &comp));
		ASSERT_EQ(1, comp.status);
		ASSERT_GT(all, comp.caller_data);
		ASSERT_EQ(0, seen[comp.caller_data]++);
	}
	*all_taken = 1;
	for (int i = 0; i < KIDS; i++)
		ASSERT_EQ(0, kid_status(&k[i]));
	ASSERT_EQ(all, self->ring->kernel_head);
	ASSERT_EQ(0, ring_count(self->ring));
}

TEST_F(share, wait_group_has_no_meaning)
{
	struct syslet_ring *r = self->ring, *other = ring_alloc(4);
	struct blocker b;
	struct kid k;

	ASSERT_NE(NULL, other);
	srand(1);
	for (int i = 0; i < 10; i++) {
		uint32_t group = i ? (uint32_t)rand() * 3 : -1u;

		/* one that others have; it changes while they wait */
		r->wait_group = other->wait_group = group;
		if (!kid_fork(&k)) {
			r = child_view(self->fd, r);
			KID_CHECK(kid_tell(&k));
			KID_CHECK(!sys_ring_wait(r, i, 1, NULL, 0));
			_exit(r->kernel_head != i + 1);
		}
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, r, i));
		ASSERT_TRUE(kid_hear(&k));
		UNTIL(task_state(k.pid, k.pid) == 'S');
		ASSERT_EQ(0, force_handoff(other));
		ASSERT_EQ('S', task_state(k.pid, k.pid));
		r->wait_group = ~group;
		ASSERT_EQ(1, blocker_end(&b, r));
		ASSERT_EQ(0, kid_status(&k));
		ASSERT_EQ(~group, r->wait_group);
	}
}

/* A private ring of parent and child, at the same address. */
static const char *check_private(int fd)
{
	struct syslet_ring *r = map(NULL, fd, MAP_PRIVATE);
	atomic_int *over = map(NULL, -1, MAP_SHARED);
	struct blocker mine[3], b[3];
	struct kid k;
	int end[2];
	char c;

	CHECK(r && over && !pipe(end));
	r->elements = 4;
	for (int i = 0; i < 3; i++)
		CHECK(blocker_begin(&mine[i], r, i) == -ESYSLETPENDING);
	if (!kid_fork(&k)) {
		/* there is room for all of its calls */
		for (int i = 0; i < 3; i++)
			KID_CHECK(blocker_begin(&b[i], r, i) == -ESYSLETPENDING);
		KID_CHECK(submit(r, CALL(__NR_read, end[0], P(&c), 1), 42) == -ESYSLETPENDING);
		KID_CHECK(submit(r, CALL(__NR_read, end[0], P(&c), 1), 43) == -EAGAIN);
		KID_CHECK(kid_tell(&k));
		KID_CHECK(!sys_ring_wait(r, 0, 1, NULL, 0));
		*over = 1;
		KID_CHECK(r->kernel_head == 1 && r->comp[0].caller_data == 42);
		_exit(0);
	}
	CHECK(kid_hear(&k));
	UNTIL(task_state(k.pid, k.pid) == 'S');
	for (int i = 0; i < 3; i++)
		CHECK(blocker_end(&mine[i], r) == 1);
	/* its wait is not over, and its ring is empty */
	CHECK(task_state(k.pid, k.pid) == 'S' && !*over);
	CHECK(write(end[1], "x", 1) == 1);
	CHECK(!kid_status(&k));
	CHECK(r->kernel_head == 3 && !ring_count(r));
	return NULL;
}

TEST(private_rings_of_parent_and_child_do_not_meet)
{
	const char *err = check_private(-1) ?: check_private(open_file(open_memfd));

	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

TEST(one_process_may_have_a_ring_at_two_addresses)
{
	int fd = open_file(open_memfd);
	struct syslet_ring *a = map(NULL, fd, MAP_SHARED), *b = map(NULL, fd, MAP_SHARED);
	struct servant *s = servant_start();
	struct blocker call[2], none;

	ASSERT_TRUE(a && b && s);
	a->elements = 2;
	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&call[0], a, 0));
	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&call[1], b, 1));
	ASSERT_EQ(-EAGAIN, blocker_begin(&none, a, 2));
	servant_tell(s, wait_for_first, b);
	UNTIL(servant_sleeps(s));
	ASSERT_EQ(1, blocker_end(&call[0], a));
	ASSERT_EQ(0, servant_wait(s));
	ASSERT_EQ(1, blocker_end(&call[1], a));
	ASSERT_EQ(1, a->comp[1].caller_data);
}

/* --- what is mapped there now -------------------------------------------------------- */

FIXTURE(moved)
{
	int fd;
	struct syslet_ring *ring, *fresh;
	struct servant *s;
};

FIXTURE_VARIANT(moved)
{
	int (*from)(void);	/* NULL: private memory */
	int (*to)(void);
	bool in_flight;
};

FIXTURE_VARIANT_ADD(moved, private_to_shared_in_flight) {
	.from = NULL, .to = open_memfd, .in_flight = true };
FIXTURE_VARIANT_ADD(moved, private_to_shared_between_calls) {
	.from = NULL, .to = open_memfd, .in_flight = false };
FIXTURE_VARIANT_ADD(moved, shared_to_shared_in_flight) {
	.from = open_tmpfs, .to = open_memfd, .in_flight = true };
FIXTURE_VARIANT_ADD(moved, shared_to_shared_between_calls) {
	.from = open_memfd, .to = open_memfd, .in_flight = false };
FIXTURE_VARIANT_ADD(moved, shared_to_private_in_flight) {
	.from = open_memfd, .to = NULL, .in_flight = true };
FIXTURE_VARIANT_ADD(moved, shared_to_private_between_calls) {
	.from = open_memfd, .to = NULL, .in_flight = false };

static void *map_kind(void *at, int fd)
{
	return map(at, fd, fd < 0 ? MAP_PRIVATE : MAP_SHARED);
}

FIXTURE_SETUP(moved)
{
	self->fd = open_file(variant->to);
	self->ring = map_kind(NULL, open_file(variant->from));
	ASSERT_NE(NULL, self->ring);
	self->ring->elements = 4;
	self->s = servant_start();
	ASSERT_NE(NULL, self->s);
}

FIXTURE_TEARDOWN(moved)
{
}

/* Whoever waits on the new memory is woken, and finds the result there. */
TEST_F(moved, completion_goes_to_the_memory_that_is_there_when_it_comes)
{
	struct syslet_ring *r = self->ring, *at;
	long before = lost();
	struct blocker b;
	struct kid k;

	/* the thread has looked it up */
	ASSERT_EQ(0, force_handoff(r));
	if (variant->in_flight)
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, r, 5));
	at = map_kind(r, self->fd);
	ASSERT_EQ(r, at);
	r->elements = 4;
	if (!variant->in_flight)
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, r, 5));

	if (variant->to && !kid_fork(&k)) {
		at = map(NULL, self->fd, MAP_SHARED);
		KID_CHECK(at && at != r && kid_tell(&k));
		KID_CHECK(!sys_ring_wait(at, 0, 1, NULL, 0));
		_exit(at->kernel_head != 1 || at->comp[0].caller_data != 5);
	}
	servant_tell(self->s, wait_for_first, r);
	UNTIL(servant_sleeps(self->s));
	if (variant->to) {
		ASSERT_TRUE(kid_hear(&k));
		UNTIL(task_state(k.pid, k.pid) == 'S');
	}
	ASSERT_TRUE(end_call(&b));
	ASSERT_EQ(0, servant_wait(self->s));
	if (variant->to)
		ASSERT_EQ(0, kid_status(&k));
	ASSERT_EQ(1, r->kernel_head);
	ASSERT_EQ(5, r->comp[0].caller_data);
	ASSERT_EQ(1, r->comp[0].status);
	r->user_tail = 1;
	/* all of it can be used: no place is taken for good */
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(0, force_handoff(r));
	ASSERT_EQ(before, lost());
}

/* In .data: a private mapping of a file, where nothing has been written yet. */
static struct {
	struct syslet_ring ring;
	struct syslet_completion comp[4];
} in_data = { .ring = { .elements = 4 } };

TEST(ring_may_be_in_the_data_of_the_program)
{
	struct servant *s = servant_start();
	struct syslet_ring *r = &in_data.ring;
	struct blocker b;
	struct kid k;

	ASSERT_NE(NULL, s);
	servant_tell(s, wait_for_first, r);
	UNTIL(servant_sleeps(s));
	if (!kid_fork(&k)) {
		KID_CHECK(!force_handoff(r));
		_exit(r->kernel_head != 1);
	}
	ASSERT_EQ(0, kid_status(&k));
	ASSERT_EQ(0, r->kernel_head);
	ASSERT_TRUE(servant_sleeps(s));
	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, r, 3));
	ASSERT_EQ(1, blocker_end(&b, r));
	ASSERT_EQ(0, servant_wait(s));
	ASSERT_EQ(3, in_data.comp[0].caller_data);
}

/* Head and entries lie across page borders; pages of entries are not there. */
static const char *check_across(int fd)
{
	char *p = map_kind(NULL, fd);
	struct syslet_ring *r = (void *)(p + PAGE - 8);
	struct syslet_completion comp = {};
	struct blocker b[4];

	CHECK(p);
	r->elements = 512;
	/* the entry across the border is the second one */
	CHECK(P(&r->comp[255]) % PAGE == PAGE - 8);
	r->kernel_head = r->user_tail = 254;
	for (int i = 0; i < 4; i++)
		CHECK(blocker_begin(&b[i], r, 70 + i) == -ESYSLETPENDING);
	for (int i = 0; i < 4; i++) {
		/* what was taken may go */
		if (fd < 0)
			CHECK(!madvise(p + 2 * PAGE, 2 * PAGE, MADV_DONTNEED));
		CHECK(end_call(&b[i]));
		CHECK(!ring_reap(r, &comp) && comp.caller_data == 70 + i && comp.status == 1);
	}
	CHECK(r->kernel_head == 258 && r->user_tail == 258 && r->elements == 512);
	return NULL;
}

TEST(ring_may_lie_across_page_borders)
{
	const char *err = check_across(-1) ?: check_across(open_file(open_memfd));

	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

/* --- memory that is not there ------------------------------------------------------------ */

static bool lose_mapping(int fd, char *p, size_t len)
{
	return !munmap(p, len);
}

static bool lose_write(int fd, char *p, size_t len)
{
	return !mprotect(p, len, PROT_READ);
}

static bool lose_access(int fd, char *p, size_t len)
{
	return !mprotect(p, len, PROT_NONE);
}

/* Zeros: no elements. */
static bool lose_pages(int fd, char *p, size_t len)
{
	return !madvise(p, len, MADV_DONTNEED);
}

static bool lose_blocks(int fd, char *p, size_t len)
{
	return !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, RING_LEN);
}

/* Access is SIGBUS. */
static bool lose_file(int fd, char *p, size_t len)
{
	return !ftruncate(fd, RING_LEN - len);
}

/* Another file, which cannot be written. */
static bool lose_to_file(int fd, char *p, size_t len)
{
	int other = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	void *q = mmap(p, len, PROT_READ, MAP_SHARED | MAP_FIXED, other, 0);

	close(other);
	return q == p;
}

FIXTURE(lost)
{
	int fd;
	char *p;
	struct syslet_ring *ring;
};

FIXTURE_VARIANT(lost)
{
	int (*open)(void);
	int flags;
	bool (*lose)(int fd, char *p, size_t len);
	bool entry;		/* only the pages from that of the next entry on */
};

FIXTURE_VARIANT_ADD(lost, unmapped) {
	.flags = MAP_PRIVATE, .lose = lose_mapping };
FIXTURE_VARIANT_ADD(lost, read_only) {
	.flags = MAP_PRIVATE, .lose = lose_write };
FIXTURE_VARIANT_ADD(lost, no_access) {
	.flags = MAP_PRIVATE, .lose = lose_access };
FIXTURE_VARIANT_ADD(lost, dropped) {
	.flags = MAP_PRIVATE, .lose = lose_pages };
FIXTURE_VARIANT_ADD(lost, read_only_file) {
	.flags = MAP_PRIVATE, .lose = lose_to_file };
FIXTURE_VARIANT_ADD(lost, shared_read_only) {
	.open = open_memfd, .flags = MAP_SHARED, .lose = lose_write };
FIXTURE_VARIANT_ADD(lost, hole_of_a_private_file) {
	.open = open_tmpfs, .flags = MAP_PRIVATE, .lose = lose_pages };
FIXTURE_VARIANT_ADD(lost, hole_of_a_shared_file) {
	.open = open_memfd, .flags = MAP_SHARED, .lose = lose_blocks };
FIXTURE_VARIANT_ADD(lost, private_file_truncated) {
	.open = open_memfd, .flags = MAP_PRIVATE, .lose = lose_file };
FIXTURE_VARIANT_ADD(lost, shared_file_truncated) {
	.open = open_tmpfs, .flags = MAP_SHARED, .lose = lose_file };
FIXTURE_VARIANT_ADD(lost, entry_unmapped) {
	.flags = MAP_PRIVATE, .lose = lose_mapping, .entry = true };
FIXTURE_VARIANT_ADD(lost, entry_read_only) {
	.flags = MAP_PRIVATE, .lose = lose_write, .entry = true };
FIXTURE_VARIANT_ADD(lost, entry_no_access) {
	.open = open_memfd, .flags = MAP_SHARED, .lose = lose_access, .entry = true };
FIXTURE_VARIANT_ADD(lost, entry_beyond_the_file) {
	.open = open_memfd, .flags = MAP_SHARED, .lose = lose_file, .entry = true };

FIXTURE_SETUP(lost)
{
	self->fd = open_file(variant->open);
	self->p = map(NULL, self->fd, variant->flags);
	ASSERT_NE(NULL, self->p);
}

FIXTURE_TEARDOWN(lost)
{
}

/* As it was in the beginning. */
static struct syslet_ring *restore(int fd, char *p, int flags)
{
	if (fd >= 0 && (ftruncate(fd, 0) || ftruncate(fd, RING_LEN)))
		return NULL;
	if (!map(p, fd, flags))
		return NULL;
	memcpy(p, ring_first_page(), PAGE);
	return (void *)p;
}

TEST_F(lost, result_is_counted_and_all_else_goes_on)
{
	size_t from = variant->entry ? RING_ENTRY * PAGE : 0;
	struct syslet_ring *other = ring_alloc(8), *r;
	struct blocker b[2], bystander;
	int threads = 0, n = 6;
	long before = lost();

	ASSERT_NE(NULL, other);
	ASSERT_LE(0, before);
	for (int i = 0; i < n; i++) {
		r = restore(self->fd, self->p, variant->flags);
		ASSERT_NE(NULL, r);
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&bystander, other, i));
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[0], r, 1));
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[1], r, 2));
		ASSERT_TRUE(variant->lose(self->fd, self->p + from, RING_LEN - from));
		ASSERT_EQ(before + 2 * i, lost());
		ASSERT_TRUE(end_call(&b[0]) && end_call(&b[1]));
		UNTIL(lost() >= before + 2 * i + 2);
		/* the calls themselves have been made */
		ASSERT_EQ('x', b[0].c);
		ASSERT_EQ('x', b[1].c);
		/* the thread goes on, and others of its calls */
		ASSERT_EQ(0, force_handoff(other));
		ASSERT_EQ(1, blocker_end(&bystander, other));
		close(b[0].fd[0]);
		close(b[1].fd[0]);
		/* one may not be parked yet when the next call needs it */
		if (!i)
			threads = count_threads() + 1;
		ASSERT_GE(threads, count_threads());
	}
	ASSERT_EQ(before + 2 * n, lost());
	/* with memory there it works again, with all of its places */
	r = restore(self->fd, self->p, variant->flags);
	ASSERT_NE(NULL, r);
	r->user_tail = RING_HEAD - (RING_ELEMENTS - 1);
	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[0], r, 1));
	ASSERT_EQ(-EAGAIN, blocker_begin(&b[1], r, 2));
	ASSERT_TRUE(end_call(&b[0]));
	ASSERT_EQ(0, sys_ring_wait(r, RING_HEAD, 1, NULL, 0));
	ASSERT_EQ(1, r->comp[RING_HEAD].caller_data);
	ASSERT_EQ(before + 2 * n, lost());
}

TEST_HARNESS_MAIN
