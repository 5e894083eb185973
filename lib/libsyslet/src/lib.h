/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Internal to libsyslet. */
#ifndef LIBSYSLET_LIB_H
#define LIBSYSLET_LIB_H

#include <pthread.h>

#include "syslet.h"

#pragma GCC visibility push(hidden)

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

/*
 * In place of the number of a prepared call that was cancelled; its first argument is
 * its own address then, as the program may have strange numbers, too.
 */
#define NR_CANCELED		((uint64_t)1 << 63)

static inline bool call_is_canceled(const struct syslet_call *call)
{
	return call->nr == NR_CANCELED && call->args[0] == SYSLET_PTR(call);
}

static inline void call_set_canceled(struct syslet_call *call)
{
	call->nr = NR_CANCELED;
	call->args[0] = SYSLET_PTR(call);
}

/* A thread of the program is not cancelled in the midst of what we do. */
#define CANCEL_OFF(state)						\
	int state;							\
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state)
#define CANCEL_BACK(state)	pthread_setcancelstate(state, NULL)

/* A time of CLOCK_MONOTONIC in nanoseconds; or no limit. */
#define FOREVER			INT64_MAX

/* syscall.c: as the kernel returns them, errors as -errno; -ESYSLETPENDING is -EIO */
long sys_call(const struct indirect_registers *regs);
#if defined(__x86_64__) && !defined(LIBSYSLET_FAKE_KERNEL)
/*
 * The hot path: inline, and without the detour through errno. The registers of
 * the arguments are lost when a filter traps the call that is asked for.
 */
static inline long sys_indirect(const struct indirect_registers *regs,
				const struct indirect_params *params)
{
	size_t size = sizeof(*params);
	register long r10 __asm__("r10") = 0;
	long ret;

	__asm__ volatile("syscall"
			 : "=a" (ret), "+D" (regs), "+S" (params), "+d" (size), "+r" (r10)
			 : "a" ((long)__NR_indirect)
			 : "rcx", "r8", "r9", "r11", "memory");
	return ret;
}
#else
long sys_indirect(const struct indirect_registers *regs,
		  const struct indirect_params *params);
#endif
int sys_ring_wait(struct syslet_ring *ring, uint32_t idx, unsigned int nr, int64_t until);
int sys_cancel(struct syslet_ring *ring, uint64_t data, unsigned int flags);
int sys_submit(struct syslet_call *calls, unsigned int nr,
	       const struct indirect_params *params);
int sys_futex_wait(uint32_t *word, uint32_t val, int64_t until);
void sys_futex_wake(uint32_t *word, int nr);
void sys_eventfd_signal(int fd);
void sys_close(int fd);
bool sys_is_writable(int fd);
struct pollfd;
bool sys_poll_now(struct pollfd *pfd);
bool sys_is_filtered(void);

/* time.c: NULL is FOREVER; false if it is no time */
bool time_after(const syslet_timespec *timeout, int64_t *until);
bool time_at(const syslet_timespec *deadline, int64_t *until);
int64_t time_left(int64_t until);
int64_t time_now(void);

/* ring.c: rings in memory that children do not see */
int ring_alloc(struct syslet_ring **ring, unsigned int elements, size_t extra);
int ring_wait(struct syslet_ring *ring, uint32_t idx, unsigned int nr, int64_t until);
void ring_free(struct syslet_ring *ring, unsigned int elements, size_t extra);
size_t ring_size(unsigned int elements);
int ring_take(struct syslet_ring *ring, struct syslet_completion *c);
void ring_add(struct syslet_ring *ring, uint64_t status, uint64_t data);
uint32_t ring_ready(const struct syslet_ring *ring);

/* queue.c */
long queue_call(struct syslet_queue *q, uint64_t data,
		const struct indirect_registers *regs);
long queue_call_refused(struct syslet_queue *q, uint64_t data,
			const struct indirect_registers *regs, long why);
const struct indirect_params *queue_batch_params(const struct syslet_queue *q);

/* batch.c */
int flush_all(struct syslet_queue *q);

/* The ring reads as zeros in a child of fork(); there is none after an exit. */
static inline bool queue_is_dead(const struct syslet_queue *q)
{
	return !q->ring || !q->ring->elements;
}

/* event.c: the eventfd of a queue; NULL: it has none */
struct syslet_event;
int event_new(struct syslet_event **event, int fd);
int event_fd(const struct syslet_event *event);
struct syslet_event *event_get(struct syslet_event *event);
void event_put(struct syslet_event *event);
void event_forget(struct syslet_event *event);
void event_signal(const struct syslet_event *event);

/* Does the kernel have calls of it, or may it get some? */
static inline bool queue_needs_relay(const struct syslet_queue *q)
{
	return syslet_is_async(q) || q->kernel_pending;
}

/* bell.c: tells a waiting program that there is something new, for any source */
struct bell {
	uint32_t	rings;		/* futex word: counts */
	uint32_t	waiters;
};

uint32_t bell_listen(const struct bell *bell);
void bell_ring(struct bell *bell);
int bell_wait(struct bell *bell, uint32_t heard, int64_t until);

/* relay.c: a thread that rings the bell when the kernel has posted */
struct relay;
struct relay *relay_start(struct bell *bell);
void relay_stop(struct relay *relay);
void relay_watch(struct relay *relay, struct syslet_ring *ring);

/* threads.c: calls on threads of our own, which post to a ring of their own */
struct syslet_threads *threads_start(const struct syslet_queue *q);
void threads_stop(struct syslet_threads *t);
void threads_forget(struct syslet_threads *t);
int threads_submit(struct syslet_threads *t, const struct indirect_registers *regs,
		   uint64_t data, struct syslet_event *event);
int threads_cancel(struct syslet_threads *t, const uint64_t *data);
int threads_wait(struct syslet_threads *t, uint32_t heard, struct syslet_ring *kernel,
		 int64_t until);
uint32_t threads_listen(const struct syslet_threads *t);
void threads_set_signal(struct syslet_threads *t, int sig);
bool threads_have_before(struct syslet_threads *t, const struct indirect_registers *regs);
void threads_limit(struct syslet_threads *t, unsigned int max);
struct syslet_ring *threads_ring(const struct syslet_threads *t);

/* thread.c: joinable, all signals blocked, a small stack; 0 or -errno */
int thread_start(pthread_t *thread, void *(*fn)(void *arg), void *arg);

/* class.c: calls that are about their thread, or cannot be made for others */
enum call_class { CALL_REFUSE, CALL_HERE, CALL_BOUND, CALL_ANY_THREAD };
enum call_class call_classify(const struct indirect_registers *regs);
bool call_is_finite(const struct indirect_registers *regs);

/* order.c: which calls must not overtake each other */
bool call_ends_descriptor(const struct indirect_registers *regs);
bool calls_are_ordered(const struct indirect_registers *a,
		       const struct indirect_registers *b);
int call_sleeps(int tid, const struct indirect_registers *regs);

/* nowait.c */
bool call_without_waiting(const struct indirect_registers *regs, long *ret);

/* probe.c: also what filters say */
int probe_error(void);
bool probe_knows(long nr);

#pragma GCC visibility pop

#endif /* LIBSYSLET_LIB_H */
