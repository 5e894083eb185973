/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An io_uring without a library. Threads that use one are refused to make
 * syslets, so a servant has it: see threads.h.
 */
#ifndef __SYSLET_URING_H
#define __SYSLET_URING_H

#include <linux/io_uring.h>

#include "threads.h"

struct uring {
	int			fd;
	struct io_uring_params	p;
	char			*sq, *cq;
	struct io_uring_sqe	*sqes;
	uint64_t		data;	/* of the next request */
};

static inline uint32_t *uring_sq(struct uring *u, uint32_t offset)
{
	return (uint32_t *)(u->sq + offset);
}

static inline uint32_t *uring_cq(struct uring *u, uint32_t offset)
{
	return (uint32_t *)(u->cq + offset);
}

static inline void *uring_map(struct uring *u, size_t len, off_t what)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		       u->fd, what);

	return p == MAP_FAILED ? NULL : p;
}

/* For servant_do(). */
static inline long uring_open(void *arg)
{
	struct uring *u = arg;

	u->fd = syscall(__NR_io_uring_setup, 8, &u->p);
	if (u->fd < 0)
		return -errno;
	u->sq = uring_map(u, u->p.sq_off.array + u->p.sq_entries * 4, IORING_OFF_SQ_RING);
	u->cq = uring_map(u, u->p.cq_off.cqes + u->p.cq_entries * sizeof(struct io_uring_cqe),
			  IORING_OFF_CQ_RING);
	u->sqes = uring_map(u, u->p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	return u->sq && u->cq && u->sqes ? 0 : -ENOMEM;
}

/* A request that does nothing, ready to be submitted. */
static inline void uring_queue_nop(struct uring *u)
{
	uint32_t tail = *uring_sq(u, u->p.sq_off.tail), at = tail & (u->p.sq_entries - 1);

	u->sqes[at] = (struct io_uring_sqe){ .opcode = IORING_OP_NOP, .user_data = u->data };
	uring_sq(u, u->p.sq_off.array)[at] = at;
	__atomic_store_n(uring_sq(u, u->p.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
}

/* What was queued; for servant_do(). */
static inline long uring_submit(void *arg)
{
	struct uring *u = arg;

	return syslet_ret(syscall(__NR_io_uring_enter, u->fd, 1, 0, 0, NULL, 0));
}

static inline long uring_nop(void *arg)
{
	uring_queue_nop(arg);
	return uring_submit(arg);
}

/* How many completions wait to be taken. */
static inline uint32_t uring_count(struct uring *u)
{
	return __atomic_load_n(uring_cq(u, u->p.cq_off.tail), __ATOMIC_ACQUIRE) -
	       *uring_cq(u, u->p.cq_off.head);
}

/* Take the next completion: its user_data. */
static inline uint64_t uring_take(struct uring *u)
{
	uint32_t *head = uring_cq(u, u->p.cq_off.head);
	struct io_uring_cqe *cqes = (void *)(u->cq + u->p.cq_off.cqes);
	uint64_t data = cqes[*head & (u->p.cq_entries - 1)].user_data;

	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return data;
}

/* Wait for @n completions: the call that may be a syslet. */
static inline struct indirect_registers uring_wait(struct uring *u, unsigned int n)
{
	return CALL(__NR_io_uring_enter, u->fd, 0, n, IORING_ENTER_GETEVENTS, 0, 0);
}

/* Asked in a child: that it was used stays with the task. */
static inline bool have_uring(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct uring u = {};

		_exit(uring_open(&u) != 0);
	}
	return waitpid(pid, &status, 0) == pid && !status;
}

#endif /* __SYSLET_URING_H */
