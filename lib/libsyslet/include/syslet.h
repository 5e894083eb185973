/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libsyslet: any system call, asynchronous if it blocks.
 *
 * A call is made at once, by the calling thread. If it does not block its
 * result is returned as from the system call itself, but with errors as
 * -errno. If it does, -ESYSLETPENDING is returned, and its result comes as a
 * completion with the caller's data.
 *
 *	struct syslet_queue q;
 *	struct syslet_completion c;
 *	long ret;
 *
 *	if (syslet_queue_init(&q, 64, 0) < 0)
 *		...
 *	ret = syslet_pread(&q, 42, fd, buf, sizeof(buf), 0);
 *	if (ret == -ESYSLETPENDING) {
 *		...do something else...
 *		syslet_wait(&q, &c, NULL);	c.caller_data is 42
 *		ret = syslet_status(&c);
 *	}
 *	syslet_queue_exit(&q);
 *
 * Calls can be collected, and made by one system call for all. Their results
 * are then taken from the queue, all of them, whether they blocked or not:
 *
 *	for (i = 0; i < n; i++)
 *		syslet_prep_lstat(&q, i, name[i], &st[i]);
 *	while (q.pending) {
 *		syslet_wait(&q, &c, NULL);	makes the calls, too
 *		...st[c.caller_data] is filled if syslet_status(&c) is 0...
 *	}
 *
 * Results: functions return -errno, never -1, and leave errno as it was.
 *
 * Memory that a call uses (buffers, names, structs) has to stay, and what is
 * written must not be read, until the call's result was returned or taken. The
 * queue must not be moved or copied between init and exit.
 *
 * Threads: a queue is for one thread at a time. It may change hands (under a
 * lock of the program, say), calls under way or not; but when a thread exits
 * the kernel cancels the calls that it made. Any number of threads may have
 * queues; they share nothing.
 *
 * Signals: a handler must not use a queue that the code which it interrupts
 * may be using. With a queue that has SYSLET_QUEUE_NO_THREADS, and that is
 * not in use otherwise while the handler may run, all functions but
 * syslet_queue_init(), syslet_queue_exit(), syslet_queue_eventfd() and
 * syslet_queue_cancel_signal() are async-signal-safe. So are
 * syslet_status(), syslet_is_async(), syslet_probe(), syslet_get_support(),
 * syslet_version() and syslet_queue_stats() always. With other queues a
 * handler must not make calls, as the library may create threads for them.
 * Threads of the library have all signals blocked.
 *
 * fork: in the child a queue of the parent is dead. All functions that return
 * errors say -ENXIO, and do nothing; syslet_queue_exit() frees its memory and
 * leaves the parent's calls alone. (Linux 4.14 or later.) A child of vfork()
 * is like a handler: it must not use the queue.
 *
 * Kernels without syslets: the calls run on threads of the library instead,
 * with the same results through the same functions; more of them are pending
 * then. The same happens to single calls that the kernel cannot make
 * asynchronous. syslet_is_async() and syslet_queue_stats() tell. Not given to
 * threads are calls about the thread that makes them (gettid() ...), and those that
 * do not wait, as their arguments say (MSG_DONTWAIT, LOCK_NB, IPC_NOWAIT, WNOHANG,
 * RWF_NOWAIT, a timeout of 0, a futex that has changed ...), or O_NONBLOCK of their
 * socket or pipe: they have their results at once. Threads end when they have been
 * idle for a second, and with the queue; one more is there if the kernel has calls of
 * the queue.
 *
 * A thread is made by the one whose call it runs, and is who that one is: its user,
 * filters, namespaces, directories, processors. It is used again only for a caller
 * that is seen to be the same; who has no_new_privs, seccomp filters or CAP_SYS_ADMIN,
 * with which much can change that is not seen, has a new thread for each call. What
 * is left: labels of security modules that a thread changes for itself, keyrings,
 * memory policies, cgroups of threads. Change these before making calls.
 *
 * Calls on threads may overtake each other, unlike those of the kernel, which start
 * in order: but close(), dup2(), dup3(), close_range() and shutdown() keep their
 * places among the calls of the queue that use the descriptor. setuid() and its kind
 * interrupt the threads of a process (the C library's SIGSETXID): calls on them, as on
 * the program's own, may then end with -EINTR. SIGPIPE, SIGTTIN and SIGTTOU for calls
 * on threads are not delivered.
 *
 * Cancellation: no function is a cancellation point; a thread must not use a queue
 * with asynchronous cancellation.
 *
 * 32-bit programs need Linux 5.1 or later, for times with 64-bit seconds.
 */
#ifndef LIBSYSLET_H
#define LIBSYSLET_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <linux/indirect.h>
#include <linux/syslet.h>
#include <linux/time_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* For those who cannot use inline functions the library exports them as well. */
#ifndef SYSLET_INLINE
#define SYSLET_INLINE	static inline
#endif

/* A pointer as an argument of a call, or as data of the caller; commas are allowed. */
#define SYSLET_PTR(...)	((uint64_t)(uintptr_t)(__VA_ARGS__))

/*
 * Seconds have 64 bits: struct timespec, but in 32-bit programs whose time_t
 * has 32 bits struct __kernel_timespec.
 */
#if defined(__LP64__) || defined(__USE_TIME_BITS64) || \
	(defined(_REDIR_TIME64) && _REDIR_TIME64)
typedef struct timespec		syslet_timespec;
#else
typedef struct __kernel_timespec	syslet_timespec;
#endif

/* --- versions and what the kernel has ---------------------------------------- */

#define SYSLET_VERSION_MAJOR	0
#define SYSLET_VERSION_MINOR	1
#define SYSLET_VERSION_NR(major, minor)	((major) << 16 | (minor))
/* Of this header. */
#define SYSLET_VERSION	SYSLET_VERSION_NR(SYSLET_VERSION_MAJOR, SYSLET_VERSION_MINOR)

/* Version of the library that runs, as SYSLET_VERSION_NR(). */
int syslet_version(void);

/*
 * 1 if the kernel makes calls of this thread asynchronous; 0 if the library
 * would use threads. Makes one system call.
 */
int syslet_probe(void);

/* syslet_support.features: system calls that the kernel has */
#define SYSLET_HAS_INDIRECT	(1U << 0)
#define SYSLET_HAS_CANCEL	(1U << 1)
#define SYSLET_HAS_SUBMIT	(1U << 2)

/**
 * struct syslet_support - what there is for the calling thread
 * @error: 0: its calls can be asynchronous; -ENOSYS: the kernel has no
 *	   syslets (or a filter says so: see @filtered); -EAGAIN: it has, but
 *	   not for this thread as it is now (used io_uring, at a limit ...);
 *	   others, as -EPERM: a filter or kernel.syslet_disabled forbids indirect(2)
 * @features: SYSLET_HAS_*
 * @filtered: 1 if the thread has seccomp filters
 * @reserved: 0
 */
struct syslet_support {
	int32_t		error;
	uint32_t	features;
	uint32_t	filtered;
	uint32_t	reserved[5];
};

/* syslet_probe() with the reasons. Makes some system calls; returns @error. */
int syslet_get_support(struct syslet_support *support);

/* --- queues ---------------------------------------------------------------- */

struct syslet_event;
struct syslet_threads;

/**
 * struct syslet_queue - where calls are made and completions are taken
 *
 * To be read by the program, written by the library only:
 * @entries: how many calls can be pending
 * @pending: calls that were prepared or have blocked, whose results have not
 *	     been taken
 * @calls: calls made so far; this and the following are 64-bit counters
 * @blocked: those of them that returned -ESYSLETPENDING
 * @on_threads: those of them that the library gave to a thread
 * @synchronous: calls that the library made as plain system calls
 * @refused: calls that the kernel answered with -EAGAIN
 * @batches: system calls that made a batch
 *
 * The other fields are for the functions below.
 */
struct syslet_queue {
	struct syslet_ring	*ring;
	struct syslet_call	*batch;
	struct indirect_params	*params;
	struct syslet_threads	*threads;
	struct syslet_event	*event;
	uint32_t		flags;
	uint32_t		entries;
	uint32_t		pending;
	uint32_t		kernel_pending;
	uint32_t		threads_pending;
	uint32_t		results;
	uint32_t		prepared;
	uint32_t		flushed;
	uint32_t		taken;
	uint32_t		canceled;
	uint32_t		max_threads;
	int32_t			cancel_signal;
	uint64_t		calls;
	uint64_t		blocked;
	uint64_t		on_threads;
	uint64_t		synchronous;
	uint64_t		refused;
	uint64_t		batches;
	uint64_t		reserved[16];
};

/* syslet_queue_init() */

/* Use threads even if the kernel has syslets. */
#define SYSLET_QUEUE_THREADS	(1U << 0)
/*
 * Never use threads: the queue fails to be made on a kernel without syslets,
 * and a call that the kernel cannot make asynchronous gives -EAGAIN, not run.
 */
#define SYSLET_QUEUE_NO_THREADS	(1U << 1)
/*
 * Make calls as plain system calls, that may block, where they would not be made
 * and have the result -EAGAIN. That can deadlock: see syslet_call().
 */
#define SYSLET_QUEUE_SYNC_OK	(1U << 2)

/*
 * A queue for at most @entries pending calls (1 to 2^20; rounded up to a power
 * of two). Takes about 90 bytes for each. 0 or
 *
 * -EINVAL	@entries or @flags are bad
 * -ENOMEM	no memory
 * -ENOSYS, -EPERM	Linux before 4.14, or a filter: the queue could not be kept
 *		from children of a fork()
 * -ENOSYS, -EAGAIN, -EPERM	SYSLET_QUEUE_NO_THREADS, and the kernel makes
 *		no syslets for this thread; see struct syslet_support
 */
int syslet_queue_init(struct syslet_queue *q, unsigned int entries, unsigned int flags);

/*
 * WAITS for pending calls: without an end, if one of them never ends. After
 * syslet_cancel_all() the kernel's come to an end if they can; those on threads do if
 * the queue has a syslet_queue_cancel_signal(), else what they wait for has to happen
 * (a write to the pipe, a shutdown() of the socket).
 *
 * Then drops results, and what was prepared but not flushed, and frees what the queue
 * has allocated. A queue of all zeros, and one after its exit, are left alone.
 */
void syslet_queue_exit(struct syslet_queue *q);

/* Does the kernel make the calls of this queue asynchronous? */
SYSLET_INLINE bool syslet_is_async(const struct syslet_queue *q)
{
	return !(q->flags & SYSLET_QUEUE_THREADS);
}

/*
 * The eventfd(2) @fd is signalled when results can be taken: for every call
 * that completes later, and once for a flush in which some completed. For
 * calls made from now on; -1: no longer. The queue has a descriptor of its own
 * for it: @fd may be closed at any time. More signals than results may come, also
 * after the result was taken and now; after one, take all there are. 0;
 * -EBADF, -EINVAL: not a descriptor, not an eventfd; -EMFILE, -ENOMEM; -ENXIO.
 */
int syslet_queue_eventfd(struct syslet_queue *q, int fd);

/*
 * At most @max calls (not 0) run on threads at the same time. Else a call that may wait
 * for what others do runs at once, and 64 at a time of those that end by themselves, as
 * those on files. With a limit calls wait for their turn, in the order in which they
 * were made: a program whose calls wait for other calls of the same queue may then wait
 * forever. 0, -EINVAL or -ENXIO.
 */
int syslet_queue_max_threads(struct syslet_queue *q, unsigned int max);

/*
 * The library may interrupt its threads by the signal @sig, a real-time signal that the
 * program has no other use for, so that calls on threads can be cancelled as those of
 * the kernel can: that makes syslet_cancel() give 0 where it would be -EALREADY. For
 * calls made from now on; 0: no longer. A handler that does nothing is installed for
 * it, for the process. 0; -EINVAL: not a real-time signal; -EBUSY: it has a handler;
 * -ENXIO.
 */
int syslet_queue_cancel_signal(struct syslet_queue *q, int sig);

/**
 * struct syslet_stats - what a queue has done so far
 * @calls: calls made, single or from a batch
 * @at_once: those of them that had their result at once; @blocked are the rest
 * @blocked: see struct syslet_queue for these ...
 * @on_threads: ...
 * @synchronous: ...
 * @refused: ...
 * @batches: ...
 * @pending: calls prepared, or blocked, whose results have not been taken
 * @reserved: 0
 */
struct syslet_stats {
	uint64_t	calls;
	uint64_t	at_once;
	uint64_t	blocked;
	uint64_t	on_threads;
	uint64_t	synchronous;
	uint64_t	refused;
	uint64_t	batches;
	uint64_t	pending;
	uint64_t	reserved[8];
};

void syslet_queue_stats(const struct syslet_queue *q, struct syslet_stats *stats);

/* --- making calls ------------------------------------------------------------ */

/*
 * Any system call, by its number. @data comes back with the completion, if
 * there will be one. The call is made before those that are prepared. Its
 * result, or
 *
 * -ESYSLETPENDING	a completion will come
 * -EBUSY	@q->pending is @q->entries already: take results first
 * -EAGAIN	(with the call's own meaning, or) it depends on the thread that makes
 *		it, and may wait; or no thread can be had. It has not been run, unless
 *		the queue has SYSLET_QUEUE_SYNC_OK
 * -EINVAL	(or) the call cannot be made for another task: fork, exec, exit ...
 * -ENXIO	(or) the queue is from before a fork
 *
 * Calls that depend on their thread are those with a signal mask (ppoll(),
 * pselect(), epoll_pwait() ...), pause() and the waits for signals, PI futexes, CPU
 * clocks, __WNOTHREAD, ptrace(), keyctl(), io_uring_enter() but for plain waits, and
 * some ioctls: those of KVM and Binder on threads, and all of them on syslets, which
 * are therefore given to threads. With SYSLET_QUEUE_SYNC_OK a program that submits
 * such a call, and would do next what ends it, waits for itself.
 */
long syslet_call(struct syslet_queue *q, uint64_t data, long nr,
		 uint64_t a0, uint64_t a1, uint64_t a2,
		 uint64_t a3, uint64_t a4, uint64_t a5);

/*
 * Prepare a call for the next flush. Its result, also if it does not block,
 * will be taken by syslet_wait() and the like. 0; -EBUSY as above; -ENXIO.
 */
SYSLET_INLINE int syslet_prep(struct syslet_queue *q, uint64_t data, long nr,
			      uint64_t a0, uint64_t a1, uint64_t a2,
			      uint64_t a3, uint64_t a4, uint64_t a5)
{
	struct syslet_call *call;

	/* A queue that is not there has no entries, and no ring. */
	if (q->pending >= q->entries || !q->ring->elements)
		return q->ring && q->ring->elements ? -EBUSY : -ENXIO;
	call = &q->batch[q->prepared++ & (q->entries - 1)];
	q->pending++;
	call->nr = (uint64_t)nr;
	call->args[0] = a0;
	call->args[1] = a1;
	call->args[2] = a2;
	call->args[3] = a3;
	call->args[4] = a4;
	call->args[5] = a5;
	call->caller_data = data;
	return 0;
}

/*
 * Make the calls that are prepared: one system call, if the kernel has
 * syslet_submit(2). They start in the order in which they were prepared (but
 * for those that go to threads, see above), and may end in any. Does not wait. How many
 * were made, 0 if none was prepared; results are taken by syslet_wait() and
 * the like. -EINTR, or less than were prepared: a signal came; flush again. -ENXIO.
 *
 * The functions that wait flush first: what is not made never completes.
 */
int syslet_flush(struct syslet_queue *q);

/*
 * Ask for the pending calls with this @data (for all) not to be finished:
 *
 * 0		asked, or not started yet: will most likely end with -ECANCELED
 *		or -EINTR
 * -EALREADY	under way, and not to be stopped: on a thread, see
 *		syslet_queue_cancel_signal()
 * -ENOENT	no such call is under way (any more)
 * -ENXIO	the queue is from before a fork
 *
 * Results still come, and have to be taken. A call that moved data says how
 * much, as it would for a signal.
 */
int syslet_cancel(struct syslet_queue *q, uint64_t data);
int syslet_cancel_all(struct syslet_queue *q);

/* --- taking results ---------------------------------------------------------- */

/* Result of the call that a completion is for. */
SYSLET_INLINE long syslet_status(const struct syslet_completion *c)
{
	return (long)c->status;
}

/* For syslet_peek() only: completions of calls that have blocked. */
int __syslet_peek_ring(struct syslet_queue *q, struct syslet_completion *c);

/*
 * Take a result if there is one: 0, -EAGAIN or -ENXIO. Calls of a batch that
 * did not block come first, in the order in which they were prepared.
 */
SYSLET_INLINE int syslet_peek(struct syslet_queue *q, struct syslet_completion *c)
{
	const struct syslet_call *call;

	if (!q->results || !q->ring->elements)
		return __syslet_peek_ring(q, c);
	do
		call = &q->batch[q->taken++ & (q->entries - 1)];
	while (call->result == -ESYSLETPENDING);
	c->status = (uint64_t)call->result;
	c->caller_data = call->caller_data;
	q->pending--;
	if (!--q->results) {
		q->taken = q->flushed;
		/* From the start again: a batch does not get into two pieces. */
		if (q->flushed == q->prepared)
			q->taken = q->flushed = q->prepared = 0;
	}
	return 0;
}

/* Take up to @max results: how many; 0 if there are none, or after a fork. */
unsigned int syslet_peek_batch(struct syslet_queue *q, struct syslet_completion *c,
			       unsigned int max);

/* How many results can be taken now; 0 after a fork. */
unsigned int syslet_ready(const struct syslet_queue *q);

/*
 * Take a result; flush, and wait for it, @timeout at most (a duration; NULL:
 * without a limit). 0 or
 *
 * -ETIME	the time is over
 * -EINTR	a signal handler ran
 * -ENOENT	nothing is pending
 * -EINVAL	the time is bad
 * -ENXIO	the queue is from before a fork
 */
int syslet_wait(struct syslet_queue *q, struct syslet_completion *c,
		const syslet_timespec *timeout);

/* The same until a time of CLOCK_MONOTONIC. */
int syslet_wait_until(struct syslet_queue *q, struct syslet_completion *c,
		      const syslet_timespec *deadline);

/*
 * Flush, and wait until at least @nr results can be taken, but take none: that
 * is for syslet_peek() and syslet_peek_batch(). Returns as above; -ENOENT:
 * less than @nr calls are pending.
 */
int syslet_wait_nr(struct syslet_queue *q, unsigned int nr,
		   const syslet_timespec *timeout);
int syslet_wait_nr_until(struct syslet_queue *q, unsigned int nr,
			 const syslet_timespec *deadline);

/**
 * struct syslet_callback - what to do with a result
 * @fn: called with the queue, this struct, and the result
 * @arg: for the program
 *
 * Give its address, SYSLET_PTR(&callback), as data of the call. It has to stay
 * until @fn is called, which may free it, make calls, prepare them, or exit the queue
 * (whose struct has to stay until syslet_dispatch() has returned).
 */
struct syslet_callback {
	void	(*fn)(struct syslet_queue *q, struct syslet_callback *cb, long result);
	void	*arg;
};

/*
 * For a queue whose calls all have a syslet_callback (or 0) as data: flush,
 * wait for a result as syslet_wait() does, and call the functions for all
 * results that are there. How many results that were, or an error as from
 * syslet_wait().
 */
int syslet_dispatch(struct syslet_queue *q, const syslet_timespec *timeout);

#ifdef __cplusplus
}
#endif

/* Calls by name need headers that declare much: not all programs want that. */
#ifndef SYSLET_NO_CALLS
#include "syslet_calls.h"
#endif

#endif /* LIBSYSLET_H */
