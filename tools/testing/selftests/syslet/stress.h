/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the stress program share. The story is in stress.c. */
#ifndef __SYSLET_STRESS_H
#define __SYSLET_STRESS_H

#define SYSLET_NO_HARNESS
#include "chance.h"
#include "common.h"

#define MAX_WORKERS	16
#define MAX_THREADS	4
/* Calls that one thread can have under way. */
#define MAX_CALLS	40
#define ALL_CALLS	(MAX_THREADS * MAX_CALLS)
/* A worker's own, and one for a child of each of its threads. */
#define WORKER_SLOTS	(1 + MAX_THREADS)

/* --- what parent and workers share ----------------------------------------- */

/* Within a worker, then from outside. Each can be turned off: -x name. */
#define DISTURBANCES(X)							\
	X(signal) X(rtsignal) X(fork) X(cred) X(lostring) X(texit)	\
	X(cancel) X(exec) X(exit) X(mainexit)				\
	X(stop) X(ptrace) X(proc) X(freeze) X(cgmove) X(affinity)	\
	X(nice) X(sched) X(caches) X(kill) X(core)

#define COUNTS(X) \
	X(calls) X(inline) X(pending) X(refused) X(completed) X(cancelled) X(lost)

enum disturbance {
#define X(name) D_##name,
	DISTURBANCES(X)
#undef X
	D_NR
};

enum count {
#define X(name) C_##name,
	COUNTS(X)
#undef X
	C_NR
};

struct slot {
	_Atomic unsigned long progress;	/* changes as long as the worker lives */
	int sem, msg;			/* SysV objects, made by the parent */
};

struct shared {
	uint64_t seed;
	uint64_t off;			/* disturbances that are turned off */
	uint64_t calls_off;		/* kinds of calls as well */
	char dir[64];			/* files on tmpfs */
	char disk[64];			/* files on a disk; maybe the same */
	_Atomic bool stop;		/* time is up: workers shall finish */
	_Atomic bool failed;
	_Atomic unsigned long count[C_NR];
	_Atomic unsigned long disturbed[D_NR];
	struct slot slot[MAX_WORKERS * WORKER_SLOTS];
};

extern struct shared *shared;
/* Across exec. */
extern int shared_fd;

static inline bool disturb(enum disturbance d)
{
	if (shared->off & 1ull << d)
		return false;
	shared->disturbed[d]++;
	return true;
}

/* Says why and who, and ends the process. */
void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *fmt, ...);
/* Who that is: for fail(). */
extern char who[32];

/* --- calls: stress_calls.c -------------------------------------------------- */

struct kind;

/* Bits of call.state */
#define CALL_USED	1
#define CALL_PENDING	2	/* the submitter has seen -ESYSLETPENDING */
#define CALL_POSTED	4	/* its completion was taken from a ring */

/* Does the call wait for us to end it? */
enum { END_NO, END_WANTED, END_UNDERWAY };

struct call {
	_Atomic int state;
	_Atomic int end;
	_Atomic bool leaving;		/* its thread was about to exit */
	bool ended;
	uint64_t data;			/* caller_data: generation and index */
	uint64_t begun;
	const struct kind *kind;
	struct indirect_registers regs;
	long status;
	unsigned int index;

	/* what the kinds need; file descriptors are kept, -1 if not there */
	int fd[2], sock[2], ep[2], listener, lock, posix, timer, scratch, dir;
	pid_t pid;
	char *map;
	uint32_t word;
	bool variant;
	union {
		struct timespec ts;
		struct itimerspec its;
		struct pollfd poll;
		struct flock flock;
		struct stat st;
		siginfo_t info;
		uint64_t val;
		char bytes[512];
		struct {
			long type;
			uint64_t val;
		} msg;
		struct {
			unsigned short num;
			short op, flags;
		} sem;
		struct {
			uint32_t events;
			uint64_t data;
		} __attribute__((packed)) ev;
	} u;
	struct timespec timeout;
	char name[96], new_name[104];
};

extern struct call calls[ALL_CALLS];

void calls_init(struct slot *slot, unsigned int nr, const char *tag);
/* Choose what to call; false if that is not possible now. */
bool call_prepare(struct call *c, struct rng *r);
/* End what waits for it; with @all, also what has begun just now. */
void calls_end(bool all);
/* The call is over, with c->status: check that, and leave no traces. */
void call_finish(struct call *c);
/* Bit of the kind, or -1. */
int kind_by_name(const char *name);
const char *call_name(struct call *c);

/* --- workers: stress_worker.c ----------------------------------------------- */

/* Does not return. @quick: less of it, and no exec again. */
void __attribute__((noreturn)) worker_main(unsigned int nr, unsigned int serial, bool quick);

/* --- the parent: stress_outer.c --------------------------------------------- */

struct worker {
	pid_t pid;
	unsigned int serial;
	uint64_t stopped_until, frozen_until;	/* 0: it is not */
	unsigned int cgroup;		/* in which of the two it is */
	unsigned int signals;		/* mask of those that it may die of */
	int status;			/* if ptrace's waits found it dead */
	bool dead;
	unsigned long progress;
	uint64_t progress_at;
};

extern struct worker workers[MAX_WORKERS];

void cgroup_path(char *path, size_t len, struct worker *w, unsigned int which, const char *file);
bool write_file(const char *path, const char *text);
void outer_init(void);
/* One disturbance of a random worker, or none. */
void outer_disturb(struct worker *w, struct rng *r);
/* Undo what has a time limit; with @now, at once. */
void outer_relax(struct worker *w, bool now);
/* What all its tasks do. */
void outer_dump(pid_t pid);
void outer_core_remove(pid_t pid);

#endif /* __SYSLET_STRESS_H */
