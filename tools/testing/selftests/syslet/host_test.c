// SPDX-License-Identifier: GPL-2.0-only
/*
 * Syslets and event loops: completions as events of another loop (eventfd,
 * epoll), and waits of other interfaces as syslets (epoll, poll, select, futex,
 * io_uring), so that one ring has them all.
 */
#include <sys/epoll.h>
#include <sys/select.h>

#include "uring.h"

THREADS_FIXTURE(host)

#define FUTEX_32	2	/* futex2: FUTEX2_SIZE_U32 */
#define NR_FUTEX_WAIT	455
#define NR_FUTEX_WAITV	449

/* --- completions as events ------------------------------------------------------ */

/* As blocker_begin(), and signals an eventfd. */
static long signaller_begin(struct blocker *b, struct syslet_ring *ring, int efd)
{
	if (pipe(b->fd))
		return -errno;
	b->c = 0;
	return submit_args(CALL(__NR_read, b->fd[0], P(&b->c), 1), (struct syslet_args){
		.completion_ring_ptr = P(ring), .flags = SYSLET_EVENTFD, .eventfd = efd });
}

#define N	5

/* All pending, and no event yet. */
static bool signallers_begin(struct blocker *b, struct syslet_ring *ring, int efd)
{
	struct pollfd pfd = { .fd = efd, .events = POLLIN };

	for (int i = 0; i < N; i++)
		if (signaller_begin(&b[i], ring, efd) != -ESYSLETPENDING)
			return false;
	return poll(&pfd, 1, 0) == 0;
}

static bool all_complete(struct syslet_ring *ring, int n)
{
	struct syslet_completion comp = {};

	for (int i = 0; i < n; i++)
		if (ring_take(ring, &comp) || comp.status != 1)
			return false;
	return !ring_count(ring);
}

/* A sum of n: reads until it is reached. More would never come. */
static bool read_sum(int efd, uint64_t n)
{
	uint64_t sum = 0, one;

	while (sum < n) {
		if (read(efd, &one, 8) != 8)
			return false;
		sum += one;
	}
	return sum == n;
}

static bool is_empty(int efd)
{
	uint64_t n;

	return !fcntl(efd, F_SETFL, O_NONBLOCK) && read(efd, &n, 8) < 0 && errno == EAGAIN;
}

THREADS_TEST(host, eventfd_counts_completions)
{
	int efd = eventfd(0, 0);
	struct blocker b[N];

	CHECK(signallers_begin(b, ring, efd));
	for (int i = 0; i < N; i++)
		CHECK(write(b[i].fd[1], "x", 1) == 1);
	CHECK(read_sum(efd, N));
	/* each was in the ring before it was counted */
	CHECK(all_complete(ring, N) && is_empty(efd));
	return NULL;
}

THREADS_TEST(host, semaphore_eventfd_is_read_once_for_each_completion)
{
	int efd = eventfd(0, EFD_SEMAPHORE);
	struct blocker b[N];
	uint64_t one;

	CHECK(signallers_begin(b, ring, efd));
	for (int i = 0; i < N; i++)
		CHECK(write(b[i].fd[1], "x", 1) == 1);
	for (int i = 0; i < N; i++) {
		struct syslet_completion comp = {};

		CHECK(read(efd, &one, 8) == 8 && one == 1);
		CHECK(!ring_take(ring, &comp) && comp.status == 1);
	}
	CHECK(!ring_count(ring) && is_empty(efd));
	return NULL;
}

/* As many workers as completions: each is let in by one of them. */
struct worker {
	pthread_t		thread;
	int			efd;
	atomic_int		*in;
};

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	uint64_t one = 0;

	if (read(w->efd, &one, 8) != 8 || one != 1)
		return "read";
	++*w->in;
	return NULL;
}

THREADS_TEST(host, semaphore_eventfd_lets_one_reader_in_for_each_completion)
{
	int efd = eventfd(0, EFD_SEMAPHORE);
	struct worker w[N];
	atomic_int in = 0;
	struct blocker b[N];

	CHECK(signallers_begin(b, ring, efd));
	for (int i = 0; i < N; i++) {
		w[i] = (struct worker){ .efd = efd, .in = &in };
		CHECK(!pthread_create(&w[i].thread, NULL, worker_main, &w[i]));
	}
	for (int i = 0; i < N; i++) {
		CHECK(in == i);
		CHECK(write(b[i].fd[1], "x", 1) == 1);
		UNTIL(in > i);
	}
	for (int i = 0; i < N; i++) {
		void *err;

		CHECK(!pthread_join(w[i].thread, &err) && !err);
	}
	CHECK(in == N && all_complete(ring, N) && is_empty(efd));
	return NULL;
}

static int watch(int fd, uint32_t how)
{
	struct epoll_event ev = { .events = EPOLLIN | how, .data.u64 = 9 };
	int ep = epoll_create1(0);

	return ep >= 0 && !epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) ? ep : -1;
}

static int events(int ep, int timeout)
{
	struct epoll_event got[2] = {};
	int n = epoll_wait(ep, got, 2, timeout);

	return n == 1 && got[0].data.u64 != 9 ? -1 : n;
}

THREADS_TEST(host, level_triggered_epoll_tells_until_the_eventfd_is_read)
{
	int efd = eventfd(0, 0), ep = watch(efd, 0);
	struct blocker b[N];

	CHECK(ep >= 0 && signallers_begin(b, ring, efd));
	CHECK(events(ep, 0) == 0);
	for (int i = 0; i < N; i++) {
		CHECK(write(b[i].fd[1], "x", 1) == 1);
		CHECK(events(ep, -1) == 1 && events(ep, 0) == 1);
		CHECK(all_complete(ring, 1));
		/* what was taken from the ring is not taken from the eventfd */
		CHECK(events(ep, 0) == 1);
		CHECK(read_sum(efd, 1) && events(ep, 0) == 0);
	}
	return NULL;
}

THREADS_TEST(host, edge_triggered_epoll_tells_of_each_completion_once)
{
	int efd = eventfd(0, 0), ep = watch(efd, EPOLLET);
	struct blocker b[N];

	CHECK(ep >= 0 && signallers_begin(b, ring, efd));
	CHECK(events(ep, 0) == 0);
	/* the eventfd need not be read in between */
	for (int i = 0; i < N; i++) {
		CHECK(write(b[i].fd[1], "x", 1) == 1);
		CHECK(events(ep, -1) == 1 && events(ep, 0) == 0);
		CHECK(all_complete(ring, 1));
	}
	CHECK(read_sum(efd, N) && events(ep, 0) == 0);
	return NULL;
}

/*
 * The counter is full when it has been signalled 2^64 - 1 times and never read:
 * nobody gets there. And the kernel does not wait for a reader, as write() does:
 * it does not count any more, poll() tells of that, and results still come.
 */
THREADS_TEST(host, a_full_eventfd_holds_up_nobody)
{
	int efd = eventfd(0, 0);
	struct pollfd pfd = { .fd = efd, .events = POLLIN };
	uint64_t most = UINT64_MAX - 1;
	struct blocker b[N];

	CHECK(signallers_begin(b, ring, efd));
	CHECK(write(efd, &most, 8) == 8);
	for (int i = 0; i < N; i++) {
		CHECK(write(b[i].fd[1], "x", 1) == 1);
		CHECK(reap_status(ring) == 1);
	}
	/* runners that have signalled are there to be used again */
	for (int i = 0; i < N; i++)
		CHECK(!force_handoff(ring));
	CHECK(poll(&pfd, 1, -1) == 1 && pfd.revents == (POLLIN | POLLERR));
	CHECK(read(efd, &most, 8) == 8 && most == UINT64_MAX);
	return NULL;
}

/* The call keeps it, whatever becomes of the descriptor. */
THREADS_TEST(host, an_eventfd_that_was_closed_is_signalled)
{
	int efd = eventfd(0, 0), other = dup(efd), unrelated;
	struct blocker b;

	CHECK(signaller_begin(&b, ring, efd) == -ESYSLETPENDING);
	unrelated = eventfd(0, 0);
	CHECK(dup2(unrelated, efd) == efd);
	CHECK(blocker_end(&b, ring) == 1);
	CHECK(read_sum(other, 1) && is_empty(efd));
	return NULL;
}

THREADS_TEST(host, a_cancelled_call_signals_the_eventfd)
{
	int efd = eventfd(0, 0);
	struct blocker b;

	CHECK(signaller_begin(&b, ring, efd) == -ESYSLETPENDING);
	CHECK(sys_cancel(ring, 0, 0) == 0);
	CHECK(read_sum(efd, 1));
	CHECK(ring_count(ring) == 1 && reap_status(ring) == -ECANCELED);
	return NULL;
}

/* --- waits of others as syslets --------------------------------------------------- */

/* A wait is begun, others go on, the event comes, the wait is over with @want. */
static const char *begin_wait(struct syslet_ring *ring, struct indirect_registers regs)
{
	CHECK(submit(ring, regs, 77) == -ESYSLETPENDING);
	CHECK(!force_handoff(ring) && !ring_count(ring));
	return NULL;
}

static const char *end_wait(struct syslet_ring *ring, long want)
{
	struct syslet_completion comp = {};

	CHECK(!ring_reap(ring, &comp) && comp.caller_data == 77);
	CHECK((long)comp.status == want);
	CHECK(!ring_count(ring) && !force_handoff(ring));
	return NULL;
}

#define BEGIN_WAIT(ring, ...) do {					\
	const char *err_ = begin_wait(ring, CALL(__VA_ARGS__));		\
									\
	if (err_) {							\
		printf("# line %d: %s\n", __LINE__, #__VA_ARGS__);	\
		return err_;						\
	}								\
} while (0)

#define END_WAIT(ring, want) do {					\
	const char *err_ = end_wait(ring, want);			\
									\
	if (err_) {							\
		printf("# line %d\n", __LINE__);			\
		return err_;						\
	}								\
} while (0)

THREADS_TEST(host, epoll_wait_completes_when_the_event_comes)
{
	struct timespec hour = { .tv_sec = 3600 };
	int efd = eventfd(0, 0), ep = watch(efd, 0);
	struct epoll_event got[2];
	struct indirect_registers calls[] = {
		CALL(__NR_epoll_wait, ep, P(got), 2, -1),
		CALL(__NR_epoll_wait, ep, P(got), 2, 3600000),
		CALL(__NR_epoll_pwait, ep, P(got), 2, -1, 0, 8),
		CALL(__NR_epoll_pwait2, ep, P(got), 2, 0, 0, 8),
		CALL(__NR_epoll_pwait2, ep, P(got), 2, P(&hour), 0, 8),
	};

	CHECK(ep >= 0);
	for (unsigned int i = 0; i < ARRAY_LEN(calls); i++) {
		const char *err;

		memset(got, 0, sizeof(got));
		err = begin_wait(ring, calls[i]);
		if (err)
			return err;
		CHECK(!eventfd_write(efd, 1));
		END_WAIT(ring, 1);
		CHECK(got[0].data.u64 == 9 && got[0].events == EPOLLIN && !got[1].data.u64);
		CHECK(read_sum(efd, 1));
		/* inline when it need not wait */
		CHECK(submit(ring, CALL(__NR_epoll_wait, ep, P(got), 2, 0), 0) == 0);
	}
	return NULL;
}

/* The loop's descriptors may change while a syslet waits for them. */
THREADS_TEST(host, epoll_wait_sees_what_is_added_later)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 5 }, got = {};
	int ep = epoll_create1(0), efd = eventfd(0, 0);

	BEGIN_WAIT(ring, __NR_epoll_wait, ep, P(&got), 1, -1);
	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, efd, &ev));
	CHECK(!force_handoff(ring) && !ring_count(ring));
	CHECK(!eventfd_write(efd, 1));
	END_WAIT(ring, 1);
	CHECK(got.data.u64 == 5);
	return NULL;
}

/* Syslets in epoll in syslets. */
THREADS_TEST(host, epoll_wait_hosted_sees_completions_of_other_syslets)
{
	int efd = eventfd(0, 0), ep = watch(efd, EPOLLET);
	struct syslet_ring *inner = ring_alloc(8);
	struct epoll_event got = {};
	struct blocker b;

	CHECK(ep >= 0 && signaller_begin(&b, inner, efd) == -ESYSLETPENDING);
	for (int i = 0; i < 3; i++) {
		BEGIN_WAIT(ring, __NR_epoll_wait, ep, P(&got), 1, -1);
		CHECK(blocker_end(&b, inner) == 1);
		END_WAIT(ring, 1);
		CHECK(got.data.u64 == 9);
		CHECK(signaller_begin(&b, inner, efd) == -ESYSLETPENDING);
	}
	CHECK(blocker_end(&b, inner) == 1);
	return NULL;
}

THREADS_TEST(host, poll_completes_when_the_event_comes)
{
	struct timespec hour = { .tv_sec = 3600 };
	struct pollfd pfd[2];
	struct indirect_registers calls[] = {
		CALL(__NR_poll, P(pfd), 2, -1),
		CALL(__NR_poll, P(pfd), 2, 3600000),
		CALL(__NR_ppoll, P(pfd), 2, 0, 0, 8),
		CALL(__NR_ppoll, P(pfd), 2, P(&hour), 0, 8),
	};
	int efd[2] = { eventfd(0, 0), eventfd(0, 0) };

	for (unsigned int i = 0; i < ARRAY_LEN(calls); i++) {
		const char *err;

		pfd[0] = (struct pollfd){ .fd = efd[0], .events = POLLIN };
		pfd[1] = (struct pollfd){ .fd = efd[1], .events = POLLIN };
		err = begin_wait(ring, calls[i]);
		if (err)
			return err;
		CHECK(!pfd[0].revents && !pfd[1].revents);
		CHECK(!eventfd_write(efd[1], 1));
		END_WAIT(ring, 1);
		CHECK(!pfd[0].revents && pfd[1].revents == POLLIN);
		CHECK(read_sum(efd[1], 1));
	}
	return NULL;
}

THREADS_TEST(host, select_completes_when_the_event_comes)
{
	struct timespec hour = { .tv_sec = 3600 };
	struct timeval tv = { .tv_sec = 3600 };
	int efd = eventfd(0, 0), other = eventfd(0, 0);
	fd_set set;
	struct indirect_registers calls[] = {
		CALL(__NR_select, FD_SETSIZE, P(&set), 0, 0, 0),
		CALL(__NR_select, FD_SETSIZE, P(&set), 0, 0, P(&tv)),
		CALL(__NR_pselect6, FD_SETSIZE, P(&set), 0, 0, 0, 0),
		CALL(__NR_pselect6, FD_SETSIZE, P(&set), 0, 0, P(&hour), 0),
	};

	for (unsigned int i = 0; i < ARRAY_LEN(calls); i++) {
		const char *err;

		FD_ZERO(&set);
		FD_SET(efd, &set);
		FD_SET(other, &set);
		err = begin_wait(ring, calls[i]);
		if (err)
			return err;
		CHECK(FD_ISSET(other, &set) && !eventfd_write(efd, 1));
		END_WAIT(ring, 1);
		CHECK(FD_ISSET(efd, &set) && !FD_ISSET(other, &set));
		CHECK(read_sum(efd, 1));
	}
	/* as always, the time that is left is told */
	CHECK(tv.tv_sec < 3600 && tv.tv_sec > 0);
	return NULL;
}

/* A wait that nothing ends but its time. */
THREADS_TEST(host, waits_complete_when_their_time_is_over)
{
	struct timespec some = { .tv_nsec = 300000000 };
	int efd = eventfd(0, 0), ep = watch(efd, 0);
	struct pollfd pfd = { .fd = efd, .events = POLLIN };
	struct epoll_event got = {};
	static uint32_t word;

	CHECK(result(ring, CALL(__NR_poll, P(&pfd), 1, 300)) == 0);
	CHECK(result(ring, CALL(__NR_ppoll, P(&pfd), 1, P(&some), 0, 8)) == 0);
	CHECK(result(ring, CALL(__NR_epoll_wait, ep, P(&got), 1, 300)) == 0);
	CHECK(result(ring, CALL(__NR_futex, P(&word), FUTEX_WAIT, 0, P(&some))) == -ETIMEDOUT);
	CHECK(!pfd.revents && !got.data.u64);
	return NULL;
}

static long wake(uint32_t *word)
{
	return syscall(__NR_futex, word, FUTEX_WAKE, INT32_MAX);
}

THREADS_TEST(host, futex_wait_completes_when_it_is_woken)
{
	struct timespec hour = { .tv_sec = 3600 }, never;
	static uint32_t word;
	struct indirect_registers calls[] = {
		CALL(__NR_futex, P(&word), FUTEX_WAIT, 7, 0),
		CALL(__NR_futex, P(&word), FUTEX_WAIT, 7, P(&hour)),
		CALL(__NR_futex, P(&word), FUTEX_WAIT_BITSET, 7, P(&never), 0, 1),
		CALL(NR_FUTEX_WAIT, P(&word), 7, ~0u, FUTEX_32, 0, 0),
		CALL(NR_FUTEX_WAIT, P(&word), 7, ~0u, FUTEX_32, P(&never), CLOCK_MONOTONIC),
	};

	CHECK(!clock_gettime(CLOCK_MONOTONIC, &never));
	never.tv_sec += 3600;
	for (unsigned int i = 0; i < ARRAY_LEN(calls); i++) {
		const char *err;

		/* not the value: inline, as it does not wait */
		word = 6;
		CHECK(submit(ring, calls[i], 0) == -EAGAIN);
		word = 7;
		err = begin_wait(ring, calls[i]);
		if (err)
			return err;
		CHECK(wake(&word) == 1);
		END_WAIT(ring, 0);
	}
	return NULL;
}

THREADS_TEST(host, futex_waitv_completes_with_the_one_that_was_woken)
{
	static struct futex_waitv waitv[3];
	static uint32_t word[3];

	for (int i = 0; i < 3; i++)
		waitv[i] = (struct futex_waitv){ .uaddr = P(&word[i]), .flags = FUTEX_32 };
	for (int i = 0; i < 3; i++) {
		BEGIN_WAIT(ring, NR_FUTEX_WAITV, P(waitv), 3, 0, 0, 0);
		CHECK(wake(&word[i]) == 1);
		END_WAIT(ring, i);
		/* it does not wait for the others any more */
		CHECK(wake(&word[(i + 1) % 3]) == 0);
	}
	return NULL;
}

/* Those with a signal mask depend on their task. */
THREADS_TEST(host, waits_with_a_signal_mask_are_refused)
{
	/* pselect6() has an argument more than there is room for */
	uint64_t mask = 0, set[2] = { P(&mask), 8 };
	int efd = eventfd(1, 0), ep = watch(efd, 0);
	struct pollfd pfd = { .fd = efd, .events = POLLIN };
	struct epoll_event got = {};
	fd_set fds;

	FD_ZERO(&fds);
	FD_SET(efd, &fds);
	/* the event is there, and would be told */
	CHECK(submit(ring, CALL(__NR_ppoll, P(&pfd), 1, 0, P(&mask), 8), 0) == -EAGAIN);
	CHECK(submit(ring, CALL(__NR_epoll_pwait, ep, P(&got), 1, -1, P(&mask), 8), 0) ==
	      -EAGAIN);
	CHECK(submit(ring, CALL(__NR_pselect6, FD_SETSIZE, 0, P(&fds), 0, 0, P(set)), 0) ==
	      -EAGAIN);
	CHECK(!pfd.revents && !got.data.u64 && FD_ISSET(efd, &fds));
	CHECK(!ring_count(ring) && !force_handoff(ring));
	return NULL;
}

/* --- io_uring ------------------------------------------------------------------------ */

/* An io_uring of another thread. */
static const char *uring_begin(struct uring *u, struct servant **s)
{
	*s = servant_start();
	CHECK(*s && servant_do(*s, uring_open, u) == 0);
	return NULL;
}

THREADS_TEST_IF(host, io_uring_wait_completes_when_another_thread_submits, have_uring(),
		"no io_uring")
{
	struct uring u = { .data = 1 };
	struct servant *s;
	const char *err = uring_begin(&u, &s);

	if (err)
		return err;
	for (unsigned int i = 1; i < 6; i++) {
		err = begin_wait(ring, uring_wait(&u, 1));
		if (err)
			return err;
		CHECK(!uring_count(&u));
		u.data = i;
		CHECK(servant_do(s, uring_nop, &u) == 1);
		END_WAIT(ring, 0);
		CHECK(uring_count(&u) == 1);
		/* it is there: inline */
		CHECK(submit(ring, uring_wait(&u, 1), 0) == 0);
		CHECK(uring_take(&u) == i);
		/* no need to wait for none */
		CHECK(submit(ring, uring_wait(&u, 0), 0) == 0);
	}
	return NULL;
}

THREADS_TEST_IF(host, io_uring_wait_completes_when_all_are_there, have_uring(), "no io_uring")
{
	struct uring u = { .data = 1 };
	struct servant *s;
	const char *err = uring_begin(&u, &s) ?: begin_wait(ring, uring_wait(&u, 3));

	if (err)
		return err;
	for (int i = 0; i < 3; i++) {
		CHECK(!ring_count(ring));
		CHECK(servant_do(s, uring_nop, &u) == 1);
		if (i < 2)
			CHECK(!force_handoff(ring) && !ring_count(ring));
	}
	END_WAIT(ring, 0);
	CHECK(uring_count(&u) == 3);
	return NULL;
}

/* A request that is pending itself, and is finished by the task that made it. */
static long uring_poll(void *arg)
{
	struct uring *u = arg;
	uint32_t tail = *uring_sq(u, u->p.sq_off.tail);

	uring_queue_nop(u);
	u->sqes[tail & (u->p.sq_entries - 1)] = (struct io_uring_sqe){
		.opcode = IORING_OP_POLL_ADD, .fd = u->data, .poll32_events = POLLIN,
		.user_data = u->data };
	return uring_submit(u);
}

THREADS_TEST_IF(host, io_uring_wait_completes_with_what_a_request_waited_for, have_uring(),
		"no io_uring")
{
	int efd = eventfd(0, 0);
	struct uring u = { .data = efd };
	struct servant *s;
	const char *err = uring_begin(&u, &s) ?: begin_wait(ring, uring_wait(&u, 1));

	if (err)
		return err;
	CHECK(servant_do(s, uring_poll, &u) == 1);
	CHECK(!force_handoff(ring) && !ring_count(ring) && !uring_count(&u));
	CHECK(!eventfd_write(efd, 1));
	END_WAIT(ring, 0);
	CHECK(uring_count(&u) == 1 && uring_take(&u) == efd);
	return NULL;
}

/* The ring of a child process, which made it after the fork. */
static int open_fd_of(pid_t pid, int fd)
{
	int pidfd = syscall(__NR_pidfd_open, pid, 0);

	return syscall(__NR_pidfd_getfd, pidfd, fd, 0);
}

static void own_uring(struct kid *k, int *fd)
{
	struct uring u = { .data = 3 };

	KID_CHECK(uring_open(&u) == 0);
	*fd = u.fd;
	KID_CHECK(kid_tell(k) && kid_hear(k));
	KID_CHECK(uring_nop(&u) == 1 && uring_count(&u) == 1);
	KID_CHECK(kid_tell(k));
	kid_live(k);
}

THREADS_TEST_IF(host, io_uring_of_another_process_is_waited_for, have_uring(), "no io_uring")
{
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *err;
	struct uring u;
	struct kid k;

	CHECK(shared != MAP_FAILED);
	if (!kid_fork(&k))
		own_uring(&k, shared);
	CHECK(kid_hear(&k));
	u.fd = open_fd_of(k.pid, *shared);
	CHECK(u.fd >= 0);
	err = begin_wait(ring, uring_wait(&u, 1));
	if (err)
		return err;
	CHECK(kid_tell(&k) && kid_hear(&k));
	END_WAIT(ring, 0);
	CHECK(kid_end(&k));
	return NULL;
}

/* All but a plain wait: nothing ran, and the plain wait still works. */
THREADS_TEST_IF(host, io_uring_enter_that_does_more_is_refused, have_uring(), "no io_uring")
{
	uint64_t mask = 0;
	struct io_uring_getevents_arg arg = {};
	struct uring u = { .data = 4 };
	struct servant *s;
	const char *err = uring_begin(&u, &s);
	const uint64_t more[][5] = {
		/* to_submit, min_complete, flags, argument, its size */
		{ 1, 0, 0, 0, 0 },
		{ 1, 0, IORING_ENTER_GETEVENTS, 0, 0 },
		{ 1, 1, IORING_ENTER_GETEVENTS, 0, 0 },
		{ 0, 0, 0, 0, 0 },
		{ 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAKEUP, 0, 0 },
		{ 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAIT, 0, 0 },
		{ 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING, 0, 0 },
		{ 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, P(&arg), sizeof(arg) },
		{ 0, 0, IORING_ENTER_SQ_WAIT, 0, 0 },
		{ 0, 1, IORING_ENTER_GETEVENTS, P(&mask), 8 },
	};

	if (err)
		return err;
	uring_queue_nop(&u);
	for (unsigned int i = 0; i < ARRAY_LEN(more); i++) {
		CHECK(submit(ring, CALL(__NR_io_uring_enter, u.fd, more[i][0], more[i][1],
					more[i][2], more[i][3], more[i][4]), i) == -EAGAIN);
		/* it was not submitted */
		CHECK(*uring_sq(&u, u.p.sq_off.head) == 0 && !uring_count(&u));
	}
	CHECK(!ring_count(ring));
	err = begin_wait(ring, uring_wait(&u, 1));
	if (err)
		return err;
	CHECK(servant_do(s, uring_submit, &u) == 1);
	END_WAIT(ring, 0);
	CHECK(uring_count(&u) == 1 && uring_take(&u) == 4);
	return NULL;
}

/* Where it may block: it then is what it is without a ring. */
THREADS_TEST_IF(host, io_uring_enter_that_does_more_may_be_made_synchronously, have_uring(),
		"no io_uring")
{
	struct uring u = { .data = 4 };
	struct servant *s;
	const char *err = uring_begin(&u, &s);

	if (err)
		return err;
	uring_queue_nop(&u);
	CHECK(submit_args(CALL(__NR_io_uring_enter, u.fd, 1, 1, IORING_ENTER_GETEVENTS, 0, 0),
			  (struct syslet_args){ .completion_ring_ptr = P(ring),
						.flags = SYSLET_SYNC_OK }) == 1);
	CHECK(uring_count(&u) == 1 && uring_take(&u) == 4);
	/* it has used io_uring now */
	CHECK(is_refused(ring));
	return NULL;
}

/* To wait is not to use: the thread may go on making syslets, of all kinds. */
THREADS_TEST_IF(host, waiting_for_an_io_uring_leaves_nothing_with_the_thread, have_uring(),
		"no io_uring")
{
	struct uring u = { .data = 4 };
	struct servant *s;
	const char *err = uring_begin(&u, &s);
	struct flight f;

	if (err)
		return err;
	for (int i = 0; i < 4; i++) {
		CHECK(flight_begin(&f, ring));
		err = begin_wait(ring, uring_wait(&u, i + 1));
		if (err)
			return err;
		CHECK(servant_do(s, uring_nop, &u) == 1);
		END_WAIT(ring, 0);
		CHECK(flight_end(&f, ring) && retire_spares(ring));
	}
	return NULL;
}

THREADS_TEST_IF(host, io_uring_wait_is_cancelled, have_uring(), "no io_uring")
{
	struct uring u = { .data = 4 };
	struct servant *s;
	const char *err = uring_begin(&u, &s);

	if (err)
		return err;
	for (int i = 0; i < 3; i++) {
		err = begin_wait(ring, uring_wait(&u, 1));
		if (err)
			return err;
		CHECK(sys_cancel(ring, 77, 0) == 0);
		END_WAIT(ring, -ECANCELED);
	}
	/* what comes then is not lost */
	CHECK(servant_do(s, uring_nop, &u) == 1);
	CHECK(uring_count(&u) == 1 && uring_take(&u) == 4);
	return NULL;
}

struct leaver {
	struct syslet_ring	*ring;
	struct uring		*u;
};

static void *leave_wait(void *arg)
{
	struct leaver *l = arg;

	return submit(l->ring, uring_wait(l->u, 1), 77) == -ESYSLETPENDING ? NULL : "submit";
}

THREADS_TEST_IF(host, io_uring_wait_ends_when_its_thread_exits, have_uring(), "no io_uring")
{
	struct uring u = { .data = 4 };
	struct leaver l = { ring, &u };
	struct servant *s;
	const char *err = uring_begin(&u, &s);
	pthread_t t;
	void *ret;

	if (err)
		return err;
	CHECK(!pthread_create(&t, NULL, leave_wait, &l));
	CHECK(!pthread_join(t, &ret) && !ret);
	END_WAIT(ring, -ECANCELED);
	return NULL;
}

TEST_HARNESS_MAIN
