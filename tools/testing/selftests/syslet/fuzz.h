/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the fuzzer share. The story is in fuzz.c. */
#ifndef __SYSLET_FUZZ_H
#define __SYSLET_FUZZ_H

#define SYSLET_NO_HARNESS
#include "chance.h"
#include "raw.h"

#define MAX_WORKERS	8
#define PAGE		4096ul
#define ARENA_PAGES	64
#define ARENA_SIZE	(ARENA_PAGES * PAGE)
/* Nothing of ours lies within reach of a call that goes past the end. */
#define ARENA_GUARD	(16ul << 20)

#define COUNTS(X) \
	X(calls) X(pending) X(refused) X(completed) X(runs) X(checked) X(restarts)

enum count {
#define X(name) C_##name,
	COUNTS(X)
#undef X
	C_NR
};

/* By all processes of all workers; mapped anew after exec. */
struct shared {
	uint64_t seed;
	bool slow;			/* the kernel is one for debugging */
	_Atomic bool stop;
	_Atomic bool failed;
	char message[512];		/* why */
	_Atomic unsigned long count[C_NR];
	_Atomic unsigned int next_run[MAX_WORKERS];
	_Atomic unsigned long beat[MAX_WORKERS];
};

extern struct shared *shared;
extern int shared_fd;
extern unsigned int worker, run;

static inline void count(enum count what)
{
	shared->count[what]++;
}

/* Says why, and which run that was; ends the process. */
void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *fmt, ...);

/* --- fuzz_outer.c: what happens to all runs ------------------------------------ */

#define CGROUP		"/sys/fs/cgroup/fuzz-own"
#define PIDS_MAX	"500"
/* Of a kernel for debugging. */
#define DELAY		"/sys/kernel/debug/syslet/delay"

bool write_file(const char *path, const char *text);
void outer_begin(struct rng *r);
/* One thing, or nothing. */
void outer_disturb(struct rng *r);
void outer_end(void);

/* --- fuzz_args.c: what calls are made of ------------------------------------ */

enum { F_PIPE_R, F_PIPE_W, F_SOCK_A, F_SOCK_B, F_EVENT, F_EPOLL, F_TIMER, F_INOTIFY,
       F_LISTEN, F_FILE, F_FILE2, F_MEMFD, F_FIFO, F_NR };

/* Where the arguments of calls come from. */
struct arena {
	char	*base;			/* low memory: both ABIs can use it */
	int	fd[F_NR];
	int	sem, msg;
	/* only what leaves the program's own memory and signals alone */
	bool	harmless;
};

extern struct arena arena;

void arena_init(bool harmless);
/* Numbers that are at some edge, or have some sense. */
uint64_t any_word(struct rng *r);
uint64_t any_pointer(struct rng *r);
/* A call of the ABI of its submitter; and what it may point to. */
struct indirect_registers any_call(struct rng *r, bool i386);
/* Get what is blocked out of its sleep, in a way that it understands. */
void end_something(struct rng *r);

/* --- fuzz_check.c, fuzz_hostile.c: what a run does ------------------------------ */

/* They do not return. */
void __attribute__((noreturn)) run_checked(struct rng *r);
void __attribute__((noreturn)) run_hostile(struct rng *r, bool again);

static inline long sys_any(bool i386, long nr, long a, long b, long c, long d, long e)
{
	long ret;

	if (i386)
		return i386_call(nr, a, b, c, d, e);
	ret = syscall(nr, a, b, c, d, e);
	return ret < 0 ? -errno : ret;
}

/* --- fuzz_box.c: where runs live --------------------------------------------- */

/* One run after the other, in namespaces of its own, as nobody. */
void __attribute__((noreturn)) box_main(unsigned int nr);

#endif /* __SYSLET_FUZZ_H */
