/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of syslets share: calls, a ring, and waiting for the event
 * that a test is about instead of for some time.
 *
 * A call that sleeps need not be pending: it may be over before a spare took
 * the thread over. Tests that need a call to be pending block it on something
 * that only they can end (SUBMIT_PENDING).
 */
#ifndef __SYSLET_COMMON_H
#define __SYSLET_COMMON_H

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/indirect.h>
#include <linux/time_types.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The stress program is not made of tests. */
#ifndef SYSLET_NO_HARNESS
#include "../kselftest_harness.h"
#endif

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

/* Result of the system call, -errno for an error. */
static inline long syslet_ret(long ret)
{
	return ret < 0 ? -errno : ret;
}

static inline long sys_indirect(const struct indirect_registers *regs,
				const struct indirect_params *params,
				size_t len, unsigned int flags)
{
	return syslet_ret(syscall(__NR_indirect, regs, params, len, flags));
}

static inline long sys_ring_wait(struct syslet_ring *ring, unsigned long idx,
				 unsigned int nr,
				 const struct __kernel_timespec *timeout,
				 unsigned int flags)
{
	return syslet_ret(syscall(__NR_syslet_ring_wait, ring, idx, nr, timeout, flags));
}

static inline long sys_cancel(struct syslet_ring *ring, uint64_t data, unsigned int flags)
{
	return syslet_ret(syscall(__NR_syslet_cancel, ring, data, flags));
}

static inline long sys_submit(struct syslet_call *calls, unsigned int nr,
			      const struct indirect_params *params, size_t len,
			      unsigned int flags)
{
	return syslet_ret(syscall(__NR_syslet_submit, calls, nr, params, len, flags));
}

/* A call: CALL(__NR_read, fd, buf, len). */
#define CALL(_nr, ...) \
	((struct indirect_registers){ .nr = (_nr), .args = { __VA_ARGS__ } })
#define P(p) ((uint64_t)(uintptr_t)(p))

static inline struct syslet_ring *ring_alloc(unsigned int elements)
{
	size_t len = sizeof(struct syslet_ring) + elements * sizeof(struct syslet_completion);
	struct syslet_ring *ring = mmap(NULL, len, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ring == MAP_FAILED)
		return NULL;
	ring->elements = elements;
	return ring;
}

static inline long call_plain(struct indirect_registers regs)
{
	return sys_indirect(&regs, NULL, 0, 0);
}

static inline long submit_args(struct indirect_registers regs, struct syslet_args args)
{
	struct indirect_params params = { .syslet = args };

	return sys_indirect(&regs, &params, sizeof(params), 0);
}

static inline long submit(struct syslet_ring *ring, struct indirect_registers regs,
			  uint64_t data)
{
	return submit_args(regs, (struct syslet_args){
		.completion_ring_ptr = P(ring), .caller_data = data });
}

static inline uint32_t ring_count(struct syslet_ring *ring)
{
	return __atomic_load_n(&ring->kernel_head, __ATOMIC_ACQUIRE) - ring->user_tail;
}

/* Take one completion; 0, or -EAGAIN if there is none. */
static inline int ring_take(struct syslet_ring *ring, struct syslet_completion *comp)
{
	uint32_t tail = ring->user_tail;

	if (!ring_count(ring))
		return -EAGAIN;
	*comp = ring->comp[tail & (ring->elements - 1)];
	__atomic_store_n(&ring->user_tail, tail + 1, __ATOMIC_RELEASE);
	return 0;
}

/* Wait for one and take it. */
static inline int ring_reap(struct syslet_ring *ring, struct syslet_completion *comp)
{
	long ret;

	while (ring_take(ring, comp)) {
		ret = sys_ring_wait(ring, ring->user_tail, 1, NULL, 0);
		if (ret && ret != -EINTR)
			return ret;
	}
	return 0;
}

/* How often to do something at random; slow kernels have SYSLET_QUICK set. */
static inline int rounds(int n)
{
	return getenv("SYSLET_QUICK") ? (n + 3) / 4 : n;
}

/* Threads: of /proc/self/status, helpers included. */
static inline int count_threads(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	int n = -1;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Threads: %d", &n) == 1)
			break;
	fclose(f);
	return n;
}

/*
 * A call that stays blocked until the test ends it: a read of an empty pipe.
 * _begin returns -ESYSLETPENDING, or what else came.
 */
struct blocker {
	int fd[2];
	char c;
};

static inline long blocker_begin(struct blocker *b, struct syslet_ring *ring, uint64_t data)
{
	if (pipe(b->fd))
		return -errno;
	b->c = 0;
	return submit(ring, CALL(__NR_read, b->fd[0], P(&b->c), 1), data);
}

/* End it and reap it; its status. */
static inline long blocker_end(struct blocker *b, struct syslet_ring *ring)
{
	struct syslet_completion comp = {};

	if (write(b->fd[1], "x", 1) != 1)
		return -errno;
	if (ring_reap(ring, &comp))
		return -EIO;
	close(b->fd[0]);
	close(b->fd[1]);
	return b->c == 'x' ? (long)comp.status : -EIO;
}

/* One handoff of the current thread: its user side is on another task after. */
static inline long force_handoff(struct syslet_ring *ring)
{
	struct blocker b;
	long ret = blocker_begin(&b, ring, 0);

	if (ret != -ESYSLETPENDING)
		return ret ? ret : -EIO;
	return blocker_end(&b, ring) == 1 ? 0 : -EIO;
}

/* A call that could do something is refused with -EAGAIN, and has not done it. */
static inline bool is_refused(struct syslet_ring *ring)
{
	bool ret = false;
	int fd[2];
	char c = 0;

	if (pipe(fd))
		return false;
	if (write(fd[1], "z", 1) == 1 &&
	    submit(ring, CALL(__NR_read, fd[0], P(&c), 1), 0) == -EAGAIN && !c)
		ret = read(fd[0], &c, 1) == 1 && c == 'z';
	close(fd[0]);
	close(fd[1]);
	return ret;
}

/*
 * Tests that run twice, in the main thread and in another one:
 *
 *	THREADS_FIXTURE(name)
 *	THREADS_TEST(name, what) { CHECK(...); return NULL; }
 *
 * The body has a ring, and returns NULL or what went wrong. THREADS_TEST_IF
 * has a condition, and says why it is skipped if that is not met.
 */
struct threads_job {
	const char *(*fn)(struct syslet_ring *ring);
	struct syslet_ring *ring;
	sigset_t mask;
};

static inline void *threads_main(void *arg)
{
	struct threads_job *job = arg;

	pthread_sigmask(SIG_SETMASK, &job->mask, NULL);
	return (void *)job->fn(job->ring);
}

static inline const char *threads_run(bool thread,
				      const char *(*fn)(struct syslet_ring *ring))
{
	struct threads_job job = { .fn = fn, .ring = ring_alloc(64) };
	sigset_t all;
	pthread_t t;
	void *ret;

	if (!job.ring)
		return "ring_alloc";
	if (!thread)
		return fn(job.ring);
	/* What is sent to the process is for the thread; the main thread would take it. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &job.mask);
	if (pthread_create(&t, NULL, threads_main, &job))
		return "pthread_create";
	if (pthread_join(t, &ret))
		return "pthread_join";
	pthread_sigmask(SIG_SETMASK, &job.mask, NULL);
	return ret;
}

#define CHECK_STR(x)	#x
#define CHECK_LINE(x)	CHECK_STR(x)
#define CHECK(cond) \
	do { if (!(cond)) return __FILE__ ":" CHECK_LINE(__LINE__) ": " #cond; } while (0)

#define THREADS_FIXTURE(fixture)					\
	FIXTURE(fixture) { };						\
	FIXTURE_VARIANT(fixture) { bool thread; };			\
	FIXTURE_VARIANT_ADD(fixture, main_thread) { .thread = false };	\
	FIXTURE_VARIANT_ADD(fixture, other_thread) { .thread = true };	\
	FIXTURE_SETUP(fixture) { }					\
	FIXTURE_TEARDOWN(fixture) { }

#define THREADS_TEST_IF(fixture, name, cond, why)			\
	static const char *name(struct syslet_ring *ring);		\
	TEST_F(fixture, name)						\
	{								\
		const char *err;					\
									\
		if (!(cond))						\
			SKIP(return, "%s", why);			\
		err = threads_run(variant->thread, name);		\
		ASSERT_EQ(NULL, err) TH_LOG("%s", err);			\
	}								\
	static const char *name(struct syslet_ring *ring)

#define THREADS_TEST(fixture, name)	THREADS_TEST_IF(fixture, name, true, "")

#endif /* __SYSLET_COMMON_H */
