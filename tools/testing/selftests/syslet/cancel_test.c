// SPDX-License-Identifier: GPL-2.0-only
/*
 * syslet_cancel(): calls under way are asked to come to an end. What slept as if
 * a signal could interrupt it has not happened, all else comes to its end,
 * and either is told, once.
 */
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>

#include "cancel.h"
#include "missing.h"
#include "raw.h"
#include "threads.h"

THREADS_FIXTURE(cancel)

#define CANCEL_ALL	SYSLET_CANCEL_ALL
#define FUTEX_32	2	/* futex2: FUTEX2_SIZE_U32 */
#define NR_FUTEX_WAIT	455
#define NR_FUTEX_WAITV	449

/* Calls that nobody will end but we. */
static bool begin_all(struct blocker *b, unsigned int n, struct syslet_ring *ring, uint64_t data)
{
	for (unsigned int i = 0; i < n; i++)
		if (blocker_begin(&b[i], ring, data) != -ESYSLETPENDING)
			return false;
	return true;
}

/* The next completion is that, and there is no other. */
static bool reap_only(struct syslet_ring *ring, uint64_t data, long status)
{
	struct syslet_completion comp = {};

	return !ring_reap(ring, &comp) && comp.caller_data == data &&
	       (long)comp.status == status && !ring_count(ring);
}

/* What waits in a blocker's pipe, with one byte more: cancelled calls took none. */
static bool is_untouched(struct blocker *b)
{
	char c = 0;

	return !b->c && write(b->fd[1], "y", 1) == 1 && pipe_count(b->fd[0]) == 1 &&
	       read(b->fd[0], &c, 1) == 1 && c == 'y';
}

/*
 * All of them were cancelled. A call that was asked, and has not noticed yet,
 * may still take what comes: nothing comes before all have ended.
 */
static bool reap_cancelled(struct blocker *b, unsigned int n, struct syslet_ring *ring,
			   uint64_t data)
{
	struct syslet_completion comp = {};
	bool ok = true;

	for (unsigned int i = 0; i < n; i++)
		ok &= !ring_reap(ring, &comp) && comp.caller_data == data &&
		      (long)comp.status == -ECANCELED;
	ok &= !ring_count(ring);
	for (unsigned int i = 0; i < n; i++) {
		ok &= is_untouched(&b[i]);
		close(b[i].fd[0]);
		close(b[i].fd[1]);
	}
	return ok;
}

/* The thread, and the task that was asked, are as good as before. */
static bool is_well(struct syslet_ring *ring)
{
	struct timespec ts = { .tv_nsec = 1 };
	struct blocker b[3];
	bool ok = true;

	/* a sleep that nothing is to interrupt any more */
	ok &= !nanosleep(&ts, NULL);
	for (int i = 0; i < 3; i++)
		ok &= blocker_begin(&b[i], ring, i) == -ESYSLETPENDING;
	ok &= !ring_count(ring);
	for (int i = 0; i < 3; i++)
		ok &= blocker_end(&b[i], ring) == 1;
	return ok && !ring_count(ring);
}

/* The call sleeps; asked to end, it has -ECANCELED, once. */
static const char *is_cancelled(struct syslet_ring *ring, struct indirect_registers regs)
{
	CHECK(submit(ring, regs, 77) == -ESYSLETPENDING);
	CHECK(sys_cancel(ring, 77, 0) == 0);
	CHECK(reap_only(ring, 77, -ECANCELED));
	CHECK(is_well(ring));
	return NULL;
}

#define CHECK_CANCELLED(ring, ...) do {					\
	const char *err_ = is_cancelled(ring, CALL(__VA_ARGS__));	\
									\
	if (err_) {							\
		printf("# line %d: %s\n", __LINE__, #__VA_ARGS__);	\
		return err_;						\
	}								\
} while (0)

/* --- what it returns ------------------------------------------------------------ */

THREADS_TEST(cancel, unknown_flags_are_invalid_and_ask_nobody)
{
	struct blocker b;

	CHECK(blocker_begin(&b, ring, 5) == -ESYSLETPENDING);
	for (int bit = 1; bit < 32; bit++)
		CHECK(sys_cancel(ring, 5, 1u << bit) == -EINVAL);
	CHECK(sys_cancel(ring, 0, CANCEL_ALL | 2) == -EINVAL);
	CHECK(sys_cancel(ring, 5, ~0u) == -EINVAL);
	CHECK(blocker_end(&b, ring) == 1);
	return NULL;
}

THREADS_TEST(cancel, all_with_caller_data_is_invalid_and_asks_nobody)
{
	struct blocker b;

	CHECK(blocker_begin(&b, ring, 5) == -ESYSLETPENDING);
	CHECK(sys_cancel(ring, 5, CANCEL_ALL) == -EINVAL);
	CHECK(sys_cancel(ring, 1ull << 63, CANCEL_ALL) == -EINVAL);
	CHECK(sys_cancel(ring, 1ull << 32, CANCEL_ALL) == -EINVAL);
	CHECK(blocker_end(&b, ring) == 1);
	return NULL;
}

THREADS_TEST(cancel, nothing_is_found_where_nothing_was_begun)
{
	/* before the thread has made a syslet, and after */
	for (int i = 0; i < 2; i++) {
		CHECK(sys_cancel(ring, 0, 0) == -ENOENT);
		CHECK(sys_cancel(ring, 0, CANCEL_ALL) == -ENOENT);
		/* an address is compared, and not looked at */
		CHECK(sys_cancel(NULL, 0, CANCEL_ALL) == -ENOENT);
		CHECK(sys_cancel((void *)4, 1, 0) == -ENOENT);
		CHECK(sys_cancel((void *)0xffff888000000000ul, 0, CANCEL_ALL) == -ENOENT);
		CHECK(!force_handoff(ring));
	}
	return NULL;
}

THREADS_TEST(cancel, other_rings_and_numbers_are_not_found)
{
	struct syslet_ring *other = ring_alloc(4);
	struct blocker b;

	CHECK(blocker_begin(&b, ring, 5) == -ESYSLETPENDING);
	CHECK(sys_cancel(ring, 4, 0) == -ENOENT);
	CHECK(sys_cancel(ring, 5 | 1ull << 32, 0) == -ENOENT);
	/* 0 is a number as any other */
	CHECK(sys_cancel(ring, 0, 0) == -ENOENT);
	CHECK(sys_cancel(other, 5, 0) == -ENOENT);
	CHECK(sys_cancel(other, 0, CANCEL_ALL) == -ENOENT);
	CHECK(blocker_end(&b, ring) == 1);
	return NULL;
}

/* An eventfd that takes its time to signal: many are told. */
static int slow_eventfd(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int efd[8], ep;

	efd[0] = eventfd(0, 0);
	for (unsigned int i = 1; i < ARRAY_LEN(efd); i++)
		efd[i] = dup(efd[0]);
	for (int i = 0; i < 100; i++) {
		ep = epoll_create1(0);
		for (unsigned int j = 0; j < ARRAY_LEN(efd); j++)
			if (epoll_ctl(ep, EPOLL_CTL_ADD, efd[j], &ev))
				return -1;
	}
	return efd[0];
}

/* On another CPU than the runner, if there is one: take it, and ask for it. */
struct taker {
	struct servant			*s;
	struct syslet_ring		*ring;
	struct syslet_completion	comp;
};

static long take_and_ask(void *arg)
{
	struct taker *t = arg;
	int ret;

	/* not by a wait, which takes its time */
	UNTIL(!ring_take(t->ring, &t->comp));
	ret = sys_cancel(t->ring, t->comp.caller_data, 0);
	return ret == -ENOENT ? sys_cancel(t->ring, 0, CANCEL_ALL) : ret;
}

static bool taker_start(struct taker *t, struct syslet_ring *ring)
{
	cpu_set_t cpus;

	*t = (struct taker){ .s = servant_start(), .ring = ring };
	if (!t->s)
		return false;
	if (!have_cpus())
		return true;
	only_cpu(&cpus, 1);
	if (sched_setaffinity(t->s->tid, sizeof(cpus), &cpus))
		return false;
	only_cpu(&cpus, 0);
	return !sched_setaffinity(0, sizeof(cpus), &cpus);
}

/*
 * A runner has things to do after its post, here for long: whoever took the
 * completion must not find the call any more.
 */
THREADS_TEST(cancel, a_completion_that_was_taken_is_not_found)
{
	int efd = slow_eventfd();
	struct taker t;

	CHECK(efd >= 0 && taker_start(&t, ring));
	for (uint64_t i = 0; i < 100; i++) {
		long ret;
		int fd[2];
		char c;

		CHECK(!pipe(fd));
		CHECK(submit_args(CALL(__NR_read, fd[0], P(&c), 1), (struct syslet_args){
			.completion_ring_ptr = P(ring), .caller_data = i,
			.flags = SYSLET_EVENTFD, .eventfd = efd }) == -ESYSLETPENDING);
		servant_tell(t.s, take_and_ask, &t);
		CHECK(write(fd[1], "x", 1) == 1);
		ret = servant_wait(t.s);
		CHECK(ret != -EALREADY);
		CHECK(ret == -ENOENT);
		CHECK(t.comp.caller_data == i && t.comp.status == 1);
		close(fd[0]);
		close(fd[1]);
	}
	return NULL;
}

THREADS_TEST(cancel, a_cancelled_call_that_was_taken_is_not_found)
{
	struct taker t;

	CHECK(taker_start(&t, ring));
	for (uint64_t i = 0; i < 100; i++) {
		struct blocker b;
		long ret;

		CHECK(blocker_begin(&b, ring, i) == -ESYSLETPENDING);
		servant_tell(t.s, take_and_ask, &t);
		CHECK(sys_cancel(ring, i, 0) == 0);
		ret = servant_wait(t.s);
		CHECK(ret != -EALREADY);
		CHECK(ret == -ENOENT);
		CHECK(t.comp.caller_data == i && (long)t.comp.status == -ECANCELED);
		CHECK(is_untouched(&b));
		close(b.fd[0]);
		close(b.fd[1]);
	}
	return NULL;
}

/* What is claimed to be in the ring leaves no room. */
static void fill_ring(struct syslet_ring *ring)
{
	__atomic_store_n(&ring->user_tail, ring->user_tail - ring->elements, __ATOMIC_RELEASE);
}

static void empty_ring(struct syslet_ring *ring)
{
	__atomic_store_n(&ring->user_tail, ring->user_tail + ring->elements, __ATOMIC_RELEASE);
}

/* Until the call has finished it is asked, which comes too late to matter. */
static bool until_already(struct syslet_ring *ring, uint64_t data, unsigned int flags)
{
	long ret;

	do
		ret = sys_cancel(ring, data, flags);
	while (!ret);
	return ret == -EALREADY;
}

THREADS_TEST(cancel, a_result_that_waits_for_room_is_already_there)
{
	struct blocker b;

	CHECK(blocker_begin(&b, ring, 5) == -ESYSLETPENDING);
	fill_ring(ring);
	CHECK(write(b.fd[1], "x", 1) == 1);
	UNTIL(!pipe_count(b.fd[0]));
	CHECK(until_already(ring, 5, 0));
	/* it stays like that */
	for (int i = 0; i < 100; i++) {
		CHECK(sys_cancel(ring, 5, 0) == -EALREADY);
		CHECK(sys_cancel(ring, 0, CANCEL_ALL) == -EALREADY);
		CHECK(sys_cancel(ring, 6, 0) == -ENOENT);
	}
	empty_ring(ring);
	CHECK(reap_only(ring, 5, 1) && b.c == 'x');
	CHECK(is_well(ring));
	return NULL;
}

/* -ECANCELED is a result as well, which waits for room. */
THREADS_TEST(cancel, a_cancelled_call_that_waits_for_room_is_already_over)
{
	struct blocker b;

	CHECK(blocker_begin(&b, ring, 5) == -ESYSLETPENDING);
	fill_ring(ring);
	CHECK(sys_cancel(ring, 5, 0) == 0);
	CHECK(until_already(ring, 5, 0));
	CHECK(sys_cancel(ring, 5, 0) == -EALREADY);
	empty_ring(ring);
	CHECK(reap_only(ring, 5, -ECANCELED) && is_untouched(&b));
	CHECK(is_well(ring));
	return NULL;
}

THREADS_TEST(cancel, one_that_can_be_asked_is_enough_for_success)
{
	struct syslet_completion comp = {};
	struct blocker b[2];
	int done = 0;

	CHECK(begin_all(b, 2, ring, 5));
	fill_ring(ring);
	CHECK(write(b[0].fd[1], "x", 1) == 1);
	UNTIL(!pipe_count(b[0].fd[0]));
	/* one has, or will have, its result, the other one is asked */
	CHECK(sys_cancel(ring, 5, 0) == 0);
	CHECK(until_already(ring, 5, 0));
	empty_ring(ring);
	for (int i = 0; i < 2; i++) {
		CHECK(!ring_reap(ring, &comp) && comp.caller_data == 5);
		CHECK((long)comp.status == 1 || (long)comp.status == -ECANCELED);
		done += comp.status == 1;
	}
	CHECK(done == 1 && b[0].c == 'x' && is_untouched(&b[1]));
	CHECK(is_well(ring));
	return NULL;
}

/* The post is stuck in a page fault: the call is over for certain. */
THREADS_TEST_IF(cancel, a_result_whose_page_is_missing_is_already_there, have_userfaultfd(),
		"no userfaultfd")
{
	struct syslet_ring *away;
	struct uffd_msg msg;
	struct uffdio_zeropage zero = {};
	struct missing m;
	struct blocker b;

	CHECK(missing_page(&m));
	away = (void *)m.page;
	zero.range.start = P(away);
	zero.range.len = MISSING_SIZE;
	CHECK(!ioctl(m.fd, UFFDIO_ZEROPAGE, &zero));
	away->elements = 4;
	CHECK(blocker_begin(&b, away, 5) == -ESYSLETPENDING);
	CHECK(!madvise(away, MISSING_SIZE, MADV_DONTNEED));
	CHECK(write(b.fd[1], "x", 1) == 1);
	CHECK(read(m.fd, &msg, sizeof(msg)) == sizeof(msg));
	for (int i = 0; i < 10; i++) {
		CHECK(sys_cancel(away, 5, 0) == -EALREADY);
		CHECK(sys_cancel(away, 0, CANCEL_ALL) == -EALREADY);
		CHECK(sys_cancel(ring, 0, CANCEL_ALL) == -ENOENT);
	}
	/* other rings are not held up, nor are their calls */
	CHECK(is_well(ring));
	/* the ring lost its size with its page: written where it is again */
	{
		char page[MISSING_SIZE] __attribute__((aligned(MISSING_SIZE))) = "";
		struct uffdio_copy copy = {
			.dst = P(away), .src = P(page), .len = MISSING_SIZE,
		};

		((struct syslet_ring *)page)->elements = 4;
		CHECK(!ioctl(m.fd, UFFDIO_COPY, &copy));
	}
	CHECK(reap_only(away, 5, 1) && b.c == 'x');
	return NULL;
}

/* --- which calls ------------------------------------------------------------------ */

THREADS_TEST(cancel, all_calls_with_the_number_are_asked_and_no_others)
{
	struct blocker one, two[3], big;

	CHECK(blocker_begin(&one, ring, 1) == -ESYSLETPENDING);
	CHECK(begin_all(two, 3, ring, 2));
	CHECK(blocker_begin(&big, ring, 2 | 1ull << 63) == -ESYSLETPENDING);
	CHECK(sys_cancel(ring, 2, 0) == 0);
	CHECK(reap_cancelled(two, 3, ring, 2));
	CHECK(is_well(ring));
	CHECK(sys_cancel(ring, 2 | 1ull << 63, 0) == 0);
	CHECK(reap_only(ring, 2 | 1ull << 63, -ECANCELED));
	CHECK(is_well(ring));
	CHECK(blocker_end(&one, ring) == 1);
	CHECK(is_untouched(&big));
	return NULL;
}

THREADS_TEST(cancel, all_calls_of_a_ring_are_asked_and_none_of_another)
{
	struct syslet_ring *other = ring_alloc(8);
	struct blocker b[4], c[4];
	unsigned int seen = 0;

	for (int i = 0; i < 4; i++) {
		CHECK(blocker_begin(&b[i], ring, i) == -ESYSLETPENDING);
		CHECK(blocker_begin(&c[i], other, i) == -ESYSLETPENDING);
	}
	CHECK(sys_cancel(other, 0, CANCEL_ALL) == 0);
	for (int i = 0; i < 4; i++) {
		struct syslet_completion comp = {};

		CHECK(!ring_reap(other, &comp) && (long)comp.status == -ECANCELED);
		seen |= 1u << comp.caller_data;
	}
	CHECK(seen == 15 && !ring_count(other));
	CHECK(is_well(other) && is_well(ring));
	for (int i = 0; i < 4; i++)
		CHECK(is_untouched(&c[i]) && blocker_end(&b[i], ring) == 1);
	return NULL;
}

/* Another thread, with calls of its own that are not meant. */
struct job {
	struct syslet_ring	*ring;
	struct blocker		b;
	uint64_t		data;
};

static long job_begin(void *arg)
{
	struct job *job = arg;

	return blocker_begin(&job->b, job->ring, job->data);
}

static long job_cancel(void *arg)
{
	struct job *job = arg;

	return sys_cancel(job->ring, job->data, 0);
}

THREADS_TEST(cancel, another_thread_of_the_process_may_ask)
{
	struct servant *s = servant_start();
	struct job job = { .ring = ring, .data = 6 };
	struct blocker b;

	CHECK(s);
	CHECK(blocker_begin(&b, ring, 5) == -ESYSLETPENDING);
	/* one that never made a syslet, and one that did */
	for (int i = 0; i < 2; i++) {
		job.data = 5;
		CHECK(servant_do(s, job_cancel, &job) == 0);
		CHECK(reap_only(ring, 5, -ECANCELED) && is_untouched(&b));
		job.data = 6;
		CHECK(servant_do(s, job_begin, &job) == -ESYSLETPENDING);
		CHECK(sys_cancel(ring, 6, 0) == 0);
		CHECK(reap_only(ring, 6, -ECANCELED) && is_untouched(&job.b));
		CHECK(blocker_begin(&b, ring, 5) == -ESYSLETPENDING);
	}
	CHECK(blocker_end(&b, ring) == 1);
	return NULL;
}

THREADS_TEST(cancel, calls_of_several_threads_with_one_number_are_all_asked)
{
	struct servant *s = servant_start();
	struct job job = { .ring = ring, .data = 5 };
	struct blocker b;

	CHECK(s);
	CHECK(blocker_begin(&b, ring, 5) == -ESYSLETPENDING);
	CHECK(servant_do(s, job_begin, &job) == -ESYSLETPENDING);
	CHECK(sys_cancel(ring, 5, 0) == 0);
	for (int i = 0; i < 2; i++) {
		struct syslet_completion comp = {};

		CHECK(!ring_reap(ring, &comp));
		CHECK(comp.caller_data == 5 && (long)comp.status == -ECANCELED);
	}
	CHECK(is_untouched(&b) && is_untouched(&job.b) && is_well(ring));
	return NULL;
}

/* In the process that shares the ring. */
static void share_ring(struct kid *k, struct syslet_ring *shared)
{
	struct blocker b;

	KID_CHECK(sys_cancel(shared, 5, 0) == -ENOENT);
	KID_CHECK(sys_cancel(shared, 0, CANCEL_ALL) == -ENOENT);
	KID_CHECK(blocker_begin(&b, shared, 5) == -ESYSLETPENDING);
	KID_CHECK(sys_cancel(shared, 5, 0) == 0);
	KID_CHECK(reap_only(shared, 5, -ECANCELED) && is_untouched(&b));
	KID_CHECK(blocker_begin(&b, shared, 6) == -ESYSLETPENDING);
	KID_CHECK(sys_cancel(shared, 0, CANCEL_ALL) == 0);
	KID_CHECK(reap_only(shared, 6, -ECANCELED) && is_untouched(&b));
	KID_CHECK(blocker_begin(&b, shared, 7) == -ESYSLETPENDING);
	KID_CHECK(kid_tell(k) && kid_hear(k));
	KID_CHECK(blocker_end(&b, shared) == 1);
	_exit(0);
}

THREADS_TEST(cancel, calls_of_another_process_are_not_found_on_a_shared_ring)
{
	struct syslet_ring *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct blocker b;
	struct kid k;

	CHECK(shared != MAP_FAILED);
	shared->elements = 8;
	CHECK(blocker_begin(&b, shared, 5) == -ESYSLETPENDING);
	if (!kid_fork(&k))
		share_ring(&k, shared);
	CHECK(kid_hear(&k));
	/* nor is theirs, by us */
	CHECK(sys_cancel(shared, 7, 0) == -ENOENT);
	CHECK(kid_tell(&k) && !kid_status(&k));
	CHECK(!ring_count(shared) && !b.c);
	CHECK(blocker_end(&b, shared) == 1);
	return NULL;
}

static int ask_from_outside(void *arg)
{
	struct job *job = arg;

	return sys_cancel(job->ring, 5, 0) == -ENOENT &&
	       sys_cancel(job->ring, 0, CANCEL_ALL) == -ENOENT ? 0 : 1;
}

/* A process of its own in the same memory, as after vfork(). */
THREADS_TEST(cancel, a_process_that_shares_the_memory_does_not_find_them)
{
	static char stack[65536] __attribute__((aligned(16)));
	struct job job = { .ring = ring };
	struct blocker b;
	int status;
	pid_t pid;

	CHECK(blocker_begin(&b, ring, 5) == -ESYSLETPENDING);
	pid = clone(ask_from_outside, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD,
		    &job);
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && !status);
	CHECK(blocker_end(&b, ring) == 1);
	return NULL;
}

/* --- sleeps that signals interrupt --------------------------------------------- */

THREADS_TEST(cancel, cancelled_read_of_a_pipe_took_nothing)
{
	char c = 0, d = 0;
	int fd[2];

	CHECK(!pipe(fd));
	CHECK_CANCELLED(ring, __NR_read, fd[0], P(&c), 1);
	CHECK(write(fd[1], "x", 1) == 1 && pipe_count(fd[0]) == 1);
	CHECK(read(fd[0], &d, 1) == 1 && d == 'x' && !c);
	return NULL;
}

THREADS_TEST(cancel, cancelled_write_to_a_full_pipe_put_nothing)
{
	static char buf[4096];
	int fd[2];

	CHECK(!pipe(fd) && fcntl(fd[1], F_SETPIPE_SZ, 4096) == 4096);
	CHECK(write(fd[1], buf, 4096) == 4096);
	CHECK_CANCELLED(ring, __NR_write, fd[1], P("x"), 1);
	CHECK(pipe_count(fd[0]) == 4096);
	return NULL;
}

THREADS_TEST(cancel, cancelled_open_of_a_fifo_opened_nothing)
{
	char name[] = "/tmp/cancelXXXXXX";

	CHECK(mkdtemp(name));
	strcat(name, "/f");
	CHECK(!mkfifo(name, 0600));
	CHECK_CANCELLED(ring, __NR_open, P(name), O_RDONLY);
	/* there is no reader */
	CHECK(open(name, O_WRONLY | O_NONBLOCK) < 0 && errno == ENXIO);
	return NULL;
}

THREADS_TEST(cancel, sleeps_until_a_time_are_cancelled)
{
	struct timespec hour = { .tv_sec = 3600 }, never;

	CHECK_CANCELLED(ring, __NR_nanosleep, P(&hour), 0);
	CHECK_CANCELLED(ring, __NR_nanosleep, P(&hour), P(&hour));
	CHECK_CANCELLED(ring, __NR_clock_nanosleep, CLOCK_MONOTONIC, 0, P(&hour), 0);
	CHECK(!clock_gettime(CLOCK_MONOTONIC, &never));
	never.tv_sec += 3600;
	CHECK_CANCELLED(ring, __NR_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, P(&never), 0);
	return NULL;
}

THREADS_TEST(cancel, polls_and_selects_are_cancelled)
{
	struct timespec hour = { .tv_sec = 3600 };
	struct timeval tv = { .tv_sec = 3600 };
	struct pollfd pfd = { .events = POLLIN };
	fd_set set;
	int fd[2];

	CHECK(!pipe(fd));
	pfd.fd = fd[0];
	FD_ZERO(&set);
	FD_SET(fd[0], &set);
	CHECK_CANCELLED(ring, __NR_poll, P(&pfd), 1, -1);
	/* with a time it would go on by a restart block */
	CHECK_CANCELLED(ring, __NR_poll, P(&pfd), 1, 3600000);
	CHECK_CANCELLED(ring, __NR_ppoll, P(&pfd), 1, 0, 0, 0);
	CHECK_CANCELLED(ring, __NR_ppoll, P(&pfd), 1, P(&hour), 0, 0);
	CHECK_CANCELLED(ring, __NR_select, fd[0] + 1, P(&set), 0, 0, 0);
	FD_SET(fd[0], &set);
	CHECK_CANCELLED(ring, __NR_select, fd[0] + 1, P(&set), 0, 0, P(&tv));
	FD_SET(fd[0], &set);
	CHECK_CANCELLED(ring, __NR_pselect6, fd[0] + 1, P(&set), 0, 0, P(&hour), 0);
	CHECK(!pfd.revents);
	return NULL;
}

THREADS_TEST(cancel, cancelled_epoll_wait_took_no_event)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = 9 }, got = {};
	struct timespec hour = { .tv_sec = 3600 };
	int ep = epoll_create1(0), efd = eventfd(0, 0);

	CHECK(ep >= 0 && efd >= 0 && !epoll_ctl(ep, EPOLL_CTL_ADD, efd, &ev));
	CHECK_CANCELLED(ring, __NR_epoll_wait, ep, P(&got), 1, -1);
	CHECK_CANCELLED(ring, __NR_epoll_wait, ep, P(&got), 1, 3600000);
	CHECK_CANCELLED(ring, __NR_epoll_pwait2, ep, P(&got), 1, P(&hour), 0, 0);
	CHECK(!got.data.u64 && !eventfd_write(efd, 1));
	/* the only one there will be */
	CHECK(epoll_wait(ep, &got, 1, 0) == 1 && got.data.u64 == 9);
	return NULL;
}

THREADS_TEST(cancel, cancelled_futex_waits_are_not_woken)
{
	struct timespec hour = { .tv_sec = 3600 };
	static struct futex_waitv waitv;
	static uint32_t word;

	waitv = (struct futex_waitv){ .uaddr = P(&word), .flags = FUTEX_32 };
	CHECK_CANCELLED(ring, __NR_futex, P(&word), FUTEX_WAIT, 0, 0);
	CHECK_CANCELLED(ring, __NR_futex, P(&word), FUTEX_WAIT, 0, P(&hour));
	CHECK_CANCELLED(ring, __NR_futex, P(&word), FUTEX_WAIT_BITSET, 0, 0, 0, 1);
	CHECK_CANCELLED(ring, NR_FUTEX_WAIT, P(&word), 0, ~0u, FUTEX_32, 0, 0);
	CHECK_CANCELLED(ring, NR_FUTEX_WAITV, P(&waitv), 1, 0, 0, 0);
	CHECK(syscall(__NR_futex, &word, FUTEX_WAKE, INT32_MAX) == 0);
	return NULL;
}

/* Three times the same file, each opened for itself. */
static bool open_files(int *fd)
{
	char name[] = "/tmp/cancelXXXXXX";

	fd[0] = mkstemp(name);
	fd[1] = open(name, O_RDWR);
	fd[2] = open(name, O_RDWR);
	return fd[0] >= 0 && fd[1] >= 0 && fd[2] >= 0;
}

THREADS_TEST(cancel, cancelled_flock_does_not_have_the_lock)
{
	int fd[3];

	CHECK(open_files(fd) && !flock(fd[0], LOCK_EX));
	CHECK_CANCELLED(ring, __NR_flock, fd[1], LOCK_EX);
	CHECK_CANCELLED(ring, __NR_flock, fd[1], LOCK_SH);
	CHECK(!flock(fd[0], LOCK_UN));
	CHECK(!flock(fd[2], LOCK_EX | LOCK_NB));
	return NULL;
}

THREADS_TEST(cancel, cancelled_lock_of_an_open_file_does_not_have_the_lock)
{
	struct flock fl = { .l_type = F_WRLCK, .l_len = 1 };
	int fd[3];

	CHECK(open_files(fd) && !fcntl(fd[0], F_OFD_SETLK, &fl));
	CHECK_CANCELLED(ring, __NR_fcntl, fd[1], F_OFD_SETLKW, P(&fl));
	fl.l_type = F_UNLCK;
	CHECK(!fcntl(fd[0], F_OFD_SETLK, &fl));
	fl.l_type = F_WRLCK;
	CHECK(!fcntl(fd[2], F_OFD_GETLK, &fl) && fl.l_type == F_UNLCK);
	return NULL;
}

static void hold_record(struct kid *k, int fd)
{
	struct flock fl = { .l_type = F_WRLCK, .l_len = 1 };

	KID_CHECK(!fcntl(fd, F_SETLK, &fl));
	KID_CHECK(kid_tell(k) && kid_hear(k));
	fl.l_type = F_UNLCK;
	KID_CHECK(!fcntl(fd, F_SETLK, &fl));
	fl.l_type = F_WRLCK;
	/* the parent would be in our way */
	KID_CHECK(!fcntl(fd, F_GETLK, &fl) && fl.l_type == F_UNLCK);
	_exit(0);
}

THREADS_TEST(cancel, cancelled_record_lock_is_not_held_by_the_process)
{
	struct flock fl = { .l_type = F_WRLCK, .l_len = 1 };
	struct kid k;
	int fd[3];

	CHECK(open_files(fd));
	if (!kid_fork(&k))
		hold_record(&k, fd[0]);
	CHECK(kid_hear(&k));
	CHECK_CANCELLED(ring, __NR_fcntl, fd[1], F_SETLKW, P(&fl));
	CHECK(kid_tell(&k) && !kid_status(&k));
	return NULL;
}

/* A socket that listens, with an address that nobody else has. */
static int listener(struct sockaddr_un *addr, int backlog)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(addr->sun_path + 1, sizeof(addr->sun_path) - 1, "cancel-%d", gettid());
	if (fd < 0 || bind(fd, (void *)addr, sizeof(*addr)) || listen(fd, backlog))
		return -1;
	return fd;
}

THREADS_TEST(cancel, cancelled_accept_took_no_connection)
{
	struct sockaddr_un addr;
	int fd = listener(&addr, 1), client = socket(AF_UNIX, SOCK_STREAM, 0);

	CHECK(fd >= 0 && client >= 0);
	CHECK_CANCELLED(ring, __NR_accept, fd, 0, 0);
	CHECK_CANCELLED(ring, __NR_accept4, fd, 0, 0, SOCK_CLOEXEC);
	CHECK(!connect(client, (void *)&addr, sizeof(addr)));
	CHECK(!fcntl(fd, F_SETFL, O_NONBLOCK) && accept(fd, NULL, NULL) >= 0);
	return NULL;
}

THREADS_TEST(cancel, cancelled_connect_is_not_connected)
{
	struct sockaddr_un addr, peer;
	socklen_t len = sizeof(peer);
	int fd = listener(&addr, 0), client, n = 0;

	CHECK(fd >= 0);
	do {
		client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		n++;
		CHECK(client >= 0 && n < 100);
	} while (!connect(client, (void *)&addr, sizeof(addr)));
	CHECK(errno == EAGAIN);
	CHECK(!fcntl(client, F_SETFL, 0));
	CHECK_CANCELLED(ring, __NR_connect, client, P(&addr), sizeof(addr));
	CHECK(getpeername(client, (void *)&peer, &len) && errno == ENOTCONN);
	/* the others are there, and no more */
	CHECK(!fcntl(fd, F_SETFL, O_NONBLOCK));
	for (; n > 1; n--)
		CHECK(accept(fd, NULL, NULL) >= 0);
	CHECK(accept(fd, NULL, NULL) < 0 && errno == EAGAIN);
	/* and it can be made again */
	CHECK(!connect(client, (void *)&addr, sizeof(addr)));
	return NULL;
}

THREADS_TEST(cancel, cancelled_recv_took_nothing)
{
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	char c = 0, d;

	iov = (struct iovec){ &c, 1 };
	for (unsigned int i = 0; i < ARRAY_LEN(types); i++) {
		int fd[2];

		CHECK(!socketpair(AF_UNIX, types[i], 0, fd));
		CHECK_CANCELLED(ring, __NR_recvfrom, fd[0], P(&c), 1, 0, 0, 0);
		CHECK_CANCELLED(ring, __NR_recvmsg, fd[0], P(&msg), 0);
		CHECK_CANCELLED(ring, __NR_read, fd[0], P(&c), 1);
		CHECK(send(fd[1], "x", 1, 0) == 1);
		CHECK(recv(fd[0], &d, 1, MSG_DONTWAIT) == 1 && d == 'x' && !c);
	}
	return NULL;
}

THREADS_TEST(cancel, cancelled_waits_took_no_child)
{
	siginfo_t info = {};
	struct kid k;
	int status = 0;

	if (!kid_fork(&k))
		_exit(kid_hear(&k) ? 3 : 1);
	CHECK_CANCELLED(ring, __NR_wait4, k.pid, P(&status), 0, 0);
	CHECK_CANCELLED(ring, __NR_wait4, -1, P(&status), __WALL, 0);
	CHECK_CANCELLED(ring, __NR_waitid, P_PID, k.pid, P(&info), WEXITED, 0);
	CHECK(!status && !info.si_pid);
	CHECK(kid_tell(&k) && kid_status(&k) == 3 << 8);
	return NULL;
}

THREADS_TEST(cancel, cancelled_semop_changed_nothing)
{
	struct sembuf down = { .sem_op = -1 }, up = { .sem_op = 1 };
	struct timespec hour = { .tv_sec = 3600 };
	int id = semget(IPC_PRIVATE, 1, 0600), left, waiting;
	const char *err;

	CHECK(id >= 0);
	err = is_cancelled(ring, CALL(__NR_semop, id, P(&down), 1)) ?:
	      is_cancelled(ring, CALL(__NR_semtimedop, id, P(&down), 1, P(&hour)));
	waiting = semctl(id, 0, GETNCNT);
	left = semop(id, &up, 1) ? -1 : semctl(id, 0, GETVAL);
	semctl(id, 0, IPC_RMID);
	CHECK(left == 1 && waiting == 0);
	return err;
}

THREADS_TEST(cancel, cancelled_msgrcv_took_no_message)
{
	struct { long type; char text; } in = { 1, 'x' }, out = {};
	int id = msgget(IPC_PRIVATE, 0600);
	const char *err;
	bool ok;

	CHECK(id >= 0);
	err = is_cancelled(ring, CALL(__NR_msgrcv, id, P(&out), 1, 0, 0));
	ok = !out.text && !msgsnd(id, &in, 1, 0) &&
	     msgrcv(id, &out, 1, 0, IPC_NOWAIT) == 1 && out.text == 'x';
	msgctl(id, IPC_RMID, NULL);
	CHECK(ok);
	return err;
}

THREADS_TEST(cancel, cancelled_calls_of_a_message_queue_did_nothing)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 1 };
	struct timespec never;
	char name[32], c = 0;
	mqd_t mq;

	snprintf(name, sizeof(name), "/cancel-%d", gettid());
	mq = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	CHECK(mq >= 0 && !mq_unlink(name));
	CHECK(!clock_gettime(CLOCK_REALTIME, &never));
	never.tv_sec += 3600;
	CHECK_CANCELLED(ring, __NR_mq_timedreceive, mq, P(&c), 1, 0, 0);
	CHECK_CANCELLED(ring, __NR_mq_timedreceive, mq, P(&c), 1, 0, P(&never));
	CHECK(!c && !mq_send(mq, "x", 1, 0));
	CHECK_CANCELLED(ring, __NR_mq_timedsend, mq, P("y"), 1, 0, 0);
	CHECK(!mq_getattr(mq, &attr) && attr.mq_curmsgs == 1);
	CHECK(mq_receive(mq, &c, 1, NULL) == 1 && c == 'x');
	CHECK(!mq_getattr(mq, &attr) && attr.mq_curmsgs == 0);
	return NULL;
}

THREADS_TEST(cancel, cancelled_read_of_an_eventfd_took_nothing)
{
	int fd = eventfd(0, 0);
	uint64_t n = 0;

	CHECK_CANCELLED(ring, __NR_read, fd, P(&n), 8);
	CHECK(!n && !eventfd_write(fd, 3));
	CHECK(read(fd, &n, 8) == 8 && n == 3);
	return NULL;
}

THREADS_TEST(cancel, cancelled_splice_moved_nothing)
{
	int in[2], out[2];

	CHECK(!pipe(in) && !pipe(out));
	CHECK_CANCELLED(ring, __NR_splice, in[0], 0, out[1], 0, 1, 0);
	CHECK_CANCELLED(ring, __NR_tee, in[0], out[1], 1, 0);
	CHECK(write(in[1], "x", 1) == 1);
	CHECK(pipe_count(in[0]) == 1 && pipe_count(out[0]) == 0);
	return NULL;
}

THREADS_TEST(cancel, cancelled_wait_for_aio_is_over)
{
	aio_context_t ctx = 0;
	struct io_event ev;

	if (syscall(__NR_io_setup, 1, &ctx))
		return errno == ENOSYS ? NULL : "io_setup";
	CHECK_CANCELLED(ring, __NR_io_getevents, ctx, 1, 1, P(&ev), 0);
	CHECK(!syscall(__NR_io_destroy, ctx));
	return NULL;
}

/* --- what cannot be interrupted, or has begun already -------------------------- */

THREADS_TEST(cancel, a_write_that_has_put_a_part_tells_how_much)
{
	static char buf[8192];
	int fd[2];

	CHECK(!pipe(fd) && fcntl(fd[1], F_SETPIPE_SZ, 4096) == 4096);
	CHECK(submit(ring, CALL(__NR_write, fd[1], P(buf), 8192), 5) == -ESYSLETPENDING);
	CHECK(sys_cancel(ring, 5, 0) == 0);
	CHECK(reap_only(ring, 5, 4096) && pipe_count(fd[0]) == 4096);
	CHECK(is_well(ring));
	return NULL;
}

THREADS_TEST(cancel, a_recv_that_has_taken_a_part_tells_how_much)
{
	char buf[8] = "";
	int fd[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	CHECK(send(fd[1], "abc", 3, 0) == 3);
	CHECK(submit(ring, CALL(__NR_recvfrom, fd[0], P(buf), 8, MSG_WAITALL, 0, 0), 5) ==
	      -ESYSLETPENDING);
	CHECK(sys_cancel(ring, 5, 0) == 0);
	CHECK(reap_only(ring, 5, 3) && !strcmp(buf, "abc"));
	CHECK(is_well(ring));
	return NULL;
}

/*
 * A write that waits for its own data has the lock of the file, for which the
 * second one waits, uninterruptibly.
 */
struct stuck {
	struct missing	m;
	int		file;
};

static bool stuck_begin(struct stuck *s, struct syslet_ring *ring, uint64_t first,
			uint64_t second)
{
	s->file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	return s->file >= 0 && missing_page(&s->m) &&
	       submit(ring, CALL(__NR_pwrite64, s->file, P(s->m.page), 1, 0), first) ==
			-ESYSLETPENDING &&
	       submit(ring, CALL(__NR_pwrite64, s->file, P("y"), 1, 1), second) ==
			-ESYSLETPENDING;
}

/* Both have done what they were to do. */
static const char *stuck_end(struct stuck *s, struct syslet_ring *ring, uint64_t sum)
{
	struct syslet_completion comp[2] = {};
	char buf[3];

	CHECK(!ring_count(ring));
	CHECK(give_page(&s->m, "x"));
	CHECK(!ring_reap(ring, &comp[0]) && !ring_reap(ring, &comp[1]));
	CHECK(comp[0].status == 1 && comp[1].status == 1);
	CHECK(comp[0].caller_data + comp[1].caller_data == sum);
	CHECK(pread(s->file, buf, 3, 0) == 2 && buf[0] == 'x' && buf[1] == 'y');
	return NULL;
}

THREADS_TEST_IF(cancel, a_wait_for_a_lock_in_the_kernel_comes_to_its_end, have_userfaultfd(),
		"no userfaultfd")
{
	const char *err;
	struct stuck s;

	CHECK(stuck_begin(&s, ring, 5, 6));
	for (int i = 0; i < 10; i++)
		CHECK(sys_cancel(ring, 6, 0) == 0);
	/* time for others, none for it */
	CHECK(is_well(ring_alloc(8)));
	CHECK(sys_cancel(ring, 6, 0) == 0);
	err = stuck_end(&s, ring, 11);
	if (err)
		return err;
	CHECK(is_well(ring));
	return NULL;
}

THREADS_TEST_IF(cancel, a_page_fault_in_the_kernel_comes_to_its_end, have_userfaultfd(),
		"no userfaultfd")
{
	const char *err;
	struct stuck s;

	CHECK(stuck_begin(&s, ring, 5, 6));
	CHECK(sys_cancel(ring, 0, CANCEL_ALL) == 0);
	CHECK(is_well(ring_alloc(8)));
	err = stuck_end(&s, ring, 11);
	if (err)
		return err;
	CHECK(is_well(ring));
	return NULL;
}

/* Its calls are asked to end because of its exit; these two cannot. */
struct exiting {
	struct syslet_ring	*ring;
	struct stuck		s;
	struct blocker		b;
};

static void *exit_stuck(void *arg)
{
	struct exiting *e = arg;

	if (!stuck_begin(&e->s, e->ring, 5, 6) ||
	    blocker_begin(&e->b, e->ring, 7) != -ESYSLETPENDING)
		return "begin";
	return NULL;
}

THREADS_TEST_IF(cancel, calls_of_a_thread_that_has_exited_are_found, have_userfaultfd(),
		"no userfaultfd")
{
	struct exiting e = { .ring = ring };
	const char *msg;
	pthread_t t;
	void *err;

	CHECK(!pthread_create(&t, NULL, exit_stuck, &e));
	CHECK(!pthread_join(t, &err) && !err);
	CHECK(reap_only(ring, 7, -ECANCELED) && is_untouched(&e.b));
	CHECK(sys_cancel(ring, 7, 0) == -ENOENT);
	CHECK(sys_cancel(ring, 6, 0) == 0);
	CHECK(sys_cancel(ring, 0, CANCEL_ALL) == 0);
	msg = stuck_end(&e.s, ring, 11);
	if (msg)
		return msg;
	CHECK(sys_cancel(ring, 0, CANCEL_ALL) == -ENOENT);
	CHECK(is_well(ring));
	return NULL;
}

/* A disk in memory that takes its time; it is the test's own. */
#define DISK	"/sys/kernel/config/nullb/nullb7"
#define DISK_READS	8

static bool disk_set(const char *name, const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), DISK "/%s", name);
	return !write_text(path, value);
}

static void disk_remove(void)
{
	disk_set("power", "0");
	rmdir(DISK);
}

static bool disk_make(void)
{
	mkdir("/sys/kernel/config", 0700);
	mount("configfs", "/sys/kernel/config", "configfs", 0, NULL);
	disk_remove();
	return !mkdir(DISK, 0700) && disk_set("memory_backed", "1") && disk_set("size", "8") &&
	       disk_set("irqmode", "2") && disk_set("completion_nsec", "200000000") &&
	       disk_set("hw_queue_depth", "64") && disk_set("power", "1");
}

/* All reads are under way when they are cancelled, or some are over: all arrive. */
static const char *read_disk(struct syslet_ring *ring, int fd, char (*buf)[4096])
{
	struct syslet_completion comp = {};
	unsigned int pending = 0, asked = 0;
	long ret;

	memset(buf, 0xee, DISK_READS * 4096);
	for (unsigned int i = 0; i < DISK_READS; i++) {
		ret = submit(ring, CALL(__NR_pread64, fd, P(buf[i]), 4096, i * 4096), i);
		CHECK(ret == 4096 || ret == -ESYSLETPENDING);
		pending += ret == -ESYSLETPENDING;
		ret = sys_cancel(ring, i, 0);
		CHECK(cancel_may_say(ret));
		asked += !ret;
	}
	printf("# %u reads pending, %u asked to end\n", pending, asked);
	while (pending--) {
		CHECK(!ring_reap(ring, &comp));
		CHECK(comp.status == 4096 && comp.caller_data < DISK_READS);
	}
	CHECK(!ring_count(ring));
	for (unsigned int i = 0; i < DISK_READS; i++)
		CHECK(!buf[i][0] && !buf[i][4095]);
	CHECK(is_well(ring));
	return NULL;
}

THREADS_TEST_IF(cancel, reads_of_a_disk_come_to_their_end, disk_make(), "no null_blk in configfs")
{
	static char buf[DISK_READS][4096] __attribute__((aligned(4096)));
	const char *err = "no /dev/nullb7";
	int fd = open("/dev/nullb7", O_RDONLY | O_DIRECT);

	if (fd >= 0) {
		err = read_disk(ring, fd, buf);
		close(fd);
	}
	disk_remove();
	return err;
}

/* --- after it -------------------------------------------------------------------- */

/* Tasks that were asked: one request does not outlive its call. */
THREADS_TEST(cancel, later_calls_are_not_cancelled_by_an_old_request)
{
	struct blocker b[3];

	for (int round = 0; round < 20; round++) {
		CHECK(begin_all(b, 3, ring, 5));
		for (int i = 0; i < 3; i++)
			CHECK(cancel_may_say(sys_cancel(ring, 5, 0)));
		for (int i = 0; i < 3; i++) {
			struct syslet_completion comp = {};

			CHECK(!ring_reap(ring, &comp) && (long)comp.status == -ECANCELED);
			/* while it may be about to park */
			CHECK(cancel_may_say(sys_cancel(ring, 5, 0)));
		}
		/* the same number, the same tasks */
		for (int i = 0; i < 3; i++) {
			close(b[i].fd[0]);
			close(b[i].fd[1]);
			CHECK(blocker_begin(&b[i], ring, 5) == -ESYSLETPENDING);
		}
		CHECK(!ring_count(ring));
		for (int i = 0; i < 3; i++)
			CHECK(blocker_end(&b[i], ring) == 1);
	}
	return NULL;
}

/* Waits that end with -EINTR for anything that interrupts them: nothing does. */
THREADS_TEST(cancel, later_waits_are_not_interrupted_by_an_old_request)
{
	struct epoll_event ev = { .events = EPOLLIN }, got;
	int ep = epoll_create1(0), efd = eventfd(0, 0);
	eventfd_t n;

	CHECK(ep >= 0 && efd >= 0 && !epoll_ctl(ep, EPOLL_CTL_ADD, efd, &ev));
	for (int round = 0; round < 20; round++) {
		CHECK(submit(ring, CALL(__NR_epoll_wait, ep, P(&got), 1, -1), 5) ==
		      -ESYSLETPENDING);
		while (sys_cancel(ring, 5, 0) == 0)
			;
		CHECK(reap_only(ring, 5, -ECANCELED));
		/* twice: in this task, and in that which was asked */
		for (int i = 0; i < 2; i++) {
			CHECK(submit(ring, CALL(__NR_epoll_wait, ep, P(&got), 1, -1), 6) ==
			      -ESYSLETPENDING);
			CHECK(!eventfd_write(efd, 1));
			CHECK(reap_only(ring, 6, 1));
			CHECK(!eventfd_read(efd, &n));
			CHECK(epoll_wait(ep, &got, 1, 1) == 0);
		}
	}
	return NULL;
}

/* Someone asks for one number all the time, another one is never asked for. */
static atomic_int asking;

static long keep_asking(void *arg)
{
	long asked = 0, ret;

	while (asking) {
		ret = sys_cancel(arg, 5, 0);
		if (!cancel_may_say(ret))
			return ret;
		asked += !ret;
	}
	return asked;
}

THREADS_TEST(cancel, calls_between_those_that_are_cancelled_are_not)
{
	struct servant *s = servant_start();
	struct epoll_event ev = { .events = EPOLLIN }, got;
	int ep = epoll_create1(0), efd = eventfd(0, 0);
	eventfd_t n;

	CHECK(s && ep >= 0 && !epoll_ctl(ep, EPOLL_CTL_ADD, efd, &ev));
	asking = 1;
	servant_tell(s, keep_asking, ring);
	for (int round = 0; round < 100; round++) {
		struct blocker b;

		/* nobody ends it but the other one */
		CHECK(blocker_begin(&b, ring, 5) == -ESYSLETPENDING);
		CHECK(reap_only(ring, 5, -ECANCELED) && is_untouched(&b));
		CHECK(!close(b.fd[0]) && !close(b.fd[1]));
		CHECK(submit(ring, CALL(__NR_epoll_wait, ep, P(&got), 1, -1), 6) ==
		      -ESYSLETPENDING);
		CHECK(epoll_wait(ep, &got, 1, 1) == 0);
		CHECK(!eventfd_write(efd, 1) && reap_only(ring, 6, 1));
		CHECK(!eventfd_read(efd, &n));
	}
	asking = 0;
	CHECK(servant_wait(s) >= 100);
	return NULL;
}

/* --- stopped processes ------------------------------------------------------------ */

static bool stop_and_go(pid_t pid)
{
	int status;

	return !kill(pid, SIGSTOP) && waitpid(pid, &status, WUNTRACED) == pid &&
	       WIFSTOPPED(status) && !kill(pid, SIGCONT) &&
	       waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status);
}

static void ask_after_stop(struct kid *k, struct syslet_ring *ring)
{
	struct blocker b[3];

	KID_CHECK(begin_all(b, 3, ring, 5));
	KID_CHECK(kid_tell(k) && kid_hear(k));
	KID_CHECK(!ring_count(ring));
	KID_CHECK(sys_cancel(ring, 5, 0) == 0);
	KID_CHECK(reap_cancelled(b, 3, ring, 5));
	KID_CHECK(is_well(ring));
	_exit(0);
}

THREADS_TEST(cancel, calls_that_a_stop_interrupted_are_cancelled)
{
	struct kid k;

	if (!kid_fork(&k))
		ask_after_stop(&k, ring);
	CHECK(kid_hear(&k));
	CHECK(stop_and_go(k.pid) && stop_and_go(k.pid));
	CHECK(kid_tell(&k) && !kid_status(&k));
	return NULL;
}

/* It asks and stops: what is not told before is told after. */
static void ask_and_stop(struct syslet_ring *ring)
{
	for (int i = 0; i < 20; i++) {
		struct blocker b;

		KID_CHECK(blocker_begin(&b, ring, i) == -ESYSLETPENDING);
		KID_CHECK(sys_cancel(ring, i, 0) == 0);
		KID_CHECK(!kill(getpid(), SIGSTOP));
		KID_CHECK(reap_only(ring, i, -ECANCELED) && is_untouched(&b));
		close(b.fd[0]);
		close(b.fd[1]);
	}
	KID_CHECK(is_well(ring));
	_exit(0);
}

THREADS_TEST(cancel, calls_of_a_process_that_stops_meanwhile_are_cancelled)
{
	int status, stops = 0;
	struct kid k;

	if (!kid_fork(&k))
		ask_and_stop(ring);
	while (waitpid(k.pid, &status, WUNTRACED) == k.pid && WIFSTOPPED(status)) {
		CHECK(!kill(k.pid, SIGCONT));
		stops++;
	}
	CHECK(!status && stops == 20);
	return NULL;
}

/* Until it is told to end. */
static void keep_cancelling(struct kid *k, struct syslet_ring *ring)
{
	KID_CHECK(kid_tell(k) && !fcntl(k->from, F_SETFL, O_NONBLOCK));
	for (int i = 0; !kid_hear(k); i++) {
		struct blocker b[2];

		KID_CHECK(begin_all(b, 2, ring, i));
		KID_CHECK(sys_cancel(ring, i, 0) == 0);
		KID_CHECK(reap_cancelled(b, 2, ring, i));
	}
	_exit(0);
}

THREADS_TEST(cancel, stops_at_any_time_change_nothing)
{
	struct kid k;

	if (!kid_fork(&k))
		keep_cancelling(&k, ring);
	CHECK(kid_hear(&k));
	for (int i = 0; i < 50; i++)
		CHECK(stop_and_go(k.pid));
	CHECK(kid_tell(&k) && !kid_status(&k));
	return NULL;
}

/* --- other ways in ------------------------------------------------------------------ */

THREADS_TEST(cancel, through_indirect_it_runs_synchronously)
{
	struct blocker b[2];

	CHECK(begin_all(b, 2, ring, 5));
	CHECK(call_plain(CALL(__NR_syslet_cancel, P(ring), 6, 0)) == -ENOENT);
	CHECK(submit(ring, CALL(__NR_syslet_cancel, P(ring), 5, 2), 9) == -EINVAL);
	/* no completion of its own */
	CHECK(submit(ring, CALL(__NR_syslet_cancel, P(ring), 5, 0), 9) == 0);
	CHECK(reap_cancelled(b, 2, ring, 5) && is_well(ring));
	CHECK(begin_all(b, 1, ring, 5));
	CHECK(call_plain(CALL(__NR_syslet_cancel, P(ring), 0, CANCEL_ALL)) == 0);
	CHECK(reap_only(ring, 5, -ECANCELED) && is_untouched(b));
	return NULL;
}

#define HIGH	(1ull << 32)

/* caller_data comes in two arguments: its low half, its high half. */
THREADS_TEST_IF(cancel, i386_callers_give_all_bits_of_the_number, have_ia32(),
		"no IA32 emulation")
{
	struct syslet_ring *low = low_memory();
	struct blocker b[4];

	low->elements = 16;
	CHECK(blocker_begin(&b[0], low, 2) == -ESYSLETPENDING);
	CHECK(blocker_begin(&b[1], low, 2 | HIGH) == -ESYSLETPENDING);
	CHECK(blocker_begin(&b[2], low, 1 | HIGH << 1) == -ESYSLETPENDING);
	CHECK(blocker_begin(&b[3], ring, 2 | HIGH) == -ESYSLETPENDING);

	CHECK(i386_call(__NR_syslet_cancel, P(low), 2, 2, 0) == -ENOENT);
	CHECK(i386_call(__NR_syslet_cancel, P(low), 1, 1, 0) == -ENOENT);
	CHECK(i386_call(__NR_syslet_cancel, P(low), 2, 1, 2) == -EINVAL);
	/* neither half may be there for all */
	CHECK(i386_call(__NR_syslet_cancel, P(low), 0, 1, CANCEL_ALL) == -EINVAL);
	CHECK(i386_call(__NR_syslet_cancel, P(low), 1, 0, CANCEL_ALL) == -EINVAL);
	CHECK(!ring_count(low));

	CHECK(i386_call(__NR_syslet_cancel, P(low), 2, 1, 0) == 0);
	CHECK(reap_only(low, 2 | HIGH, -ECANCELED) && is_untouched(&b[1]));
	CHECK(i386_call(__NR_syslet_cancel, P(low), 1, 2, 0) == 0);
	CHECK(reap_only(low, 1 | HIGH << 1, -ECANCELED) && is_untouched(&b[2]));
	CHECK(is_well(low));
	CHECK(i386_call(__NR_syslet_cancel, P(low), 0, 0, CANCEL_ALL) == 0);
	CHECK(reap_only(low, 2, -ECANCELED) && is_untouched(&b[0]));
	CHECK(i386_call(__NR_syslet_cancel, P(low), 0, 0, CANCEL_ALL) == -ENOENT);
	CHECK(blocker_end(&b[3], ring) == 1);
	return NULL;
}

THREADS_TEST_IF(cancel, i386_callers_cancel_calls_of_their_abi_by_indirect, have_ia32(),
		"no IA32 emulation")
{
	struct indirect_registers *regs = low_memory();
	struct indirect_params *params = low_memory();
	struct syslet_ring *low = low_memory();
	char *c = low_memory();
	int fd[2];

	low->elements = 16;
	CHECK(!pipe(fd));
	params->syslet.completion_ring_ptr = P(low);
	for (int i = 0; i < 3; i++) {
		params->syslet.caller_data = 7 | HIGH;
		/* read */
		*regs = CALL(3, fd[0], P(c), 1);
		CHECK(i386_call(__NR_indirect, P(regs), P(params), sizeof(*params), 0) ==
		      -ESYSLETPENDING);
		*regs = CALL(__NR_syslet_cancel, P(low), 7, 0, 0);
		CHECK(i386_call(__NR_indirect, P(regs), 0, 0, 0) == -ENOENT);
		*regs = CALL(__NR_syslet_cancel, P(low), 7, 1, 0);
		CHECK(i386_call(__NR_indirect, P(regs), P(params), sizeof(*params), 0) == 0);
		CHECK(reap_only(low, 7 | HIGH, -ECANCELED) && !*c);
	}
	CHECK(is_well(low));
	return NULL;
}

/* --- races ------------------------------------------------------------------------- */

FIXTURE(cancel_storm) { struct syslet_ring *ring; };

FIXTURE_SETUP(cancel_storm)
{
	self->ring = ring_alloc(64);
	ASSERT_NE(NULL, self->ring);
}

FIXTURE_TEARDOWN(cancel_storm) { }

#define STORM(name)							\
	static const char *name(struct syslet_ring *ring);		\
	TEST_F_TIMEOUT(cancel_storm, name, 180)				\
	{								\
		const char *err = name(self->ring);			\
									\
		ASSERT_EQ(NULL, err) TH_LOG("%s", err);			\
	}								\
	static const char *name(struct syslet_ring *ring)

STORM(a_call_that_ends_meanwhile_has_its_result_or_was_cancelled)
{
	return storm_ends(ring, rounds(400));
}

STORM(exits_of_threads_that_are_cancelled_meanwhile)
{
	return storm_exits(ring, rounds(60));
}

/* Someone who cancels all calls of the ring until the end. */
static void *cancel_for_ever(void *arg)
{
	long ret;

	do
		ret = sys_cancel(arg, 0, CANCEL_ALL);
	while (asking && cancel_may_say(ret));
	return asking ? "cancel" : NULL;
}

/* The child has a copy of the ring, and no calls. */
STORM(forks_meanwhile)
{
	pthread_t t;
	void *err;

	asking = 1;
	CHECK(!pthread_create(&t, NULL, cancel_for_ever, ring));
	for (int i = 0; i < rounds(60); i++) {
		struct blocker b[2];
		int status;
		pid_t pid;

		CHECK(begin_all(b, 2, ring, i));
		pid = fork();
		if (!pid)
			_exit(sys_cancel(ring, 0, CANCEL_ALL) != -ENOENT ||
			      sys_cancel(ring, i, 0) != -ENOENT);
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && !status);
		CHECK(reap_cancelled(b, 2, ring, i));
	}
	asking = 0;
	CHECK(!pthread_join(t, &err));
	return err;
}

static void *exec_meanwhile(void *arg)
{
	char *args[] = { "true", NULL };
	static struct blocker b[3];

	if (!begin_all(b, 3, arg, 5))
		_exit(2);
	execv("/bin/true", args);
	_exit(3);
}

/* By the main thread, or by another one: then that which asks is the main one. */
STORM(execs_meanwhile)
{
	for (int i = 0; i < rounds(40); i++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			pthread_t t;

			asking = 1;
			pthread_create(&t, NULL, i & 1 ? cancel_for_ever : exec_meanwhile, ring);
			i & 1 ? exec_meanwhile(ring) : cancel_for_ever(ring);
			_exit(4);
		}
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
		CHECK(!status);
	}
	return NULL;
}

/* Nothing is left of a process that is killed while it cancels. */
STORM(kills_meanwhile)
{
	for (int i = 0; i < rounds(40); i++) {
		int status;
		struct kid k;

		if (!kid_fork(&k))
			keep_cancelling(&k, ring);
		CHECK(kid_hear(&k));
		cancel_spin(i * 7919 % 200011);
		CHECK(!kill(k.pid, SIGKILL) && waitpid(k.pid, &status, 0) == k.pid);
		CHECK(status == SIGKILL && kill(k.pid, 0) && errno == ESRCH);
		kid_forget(&k);
	}
	return NULL;
}

TEST_HARNESS_MAIN
