/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of a hostile run share. */
#ifndef __SYSLET_FUZZ_HOSTILE_H
#define __SYSLET_FUZZ_HOSTILE_H

#include "fuzz.h"

#define MAX_THREADS	8
/* Pages of the arena: see fuzz_args.c for the first two. */
#define RING_PAGE	4
#define RING_PAGES	8
#define REGS_PAGE	16
#define PARAMS_PAGE	17
#define BATCH_PAGE	18
#define BATCH_PAGES	4
#define SPARE_PAGE	50

/* Submitters, by number; 0: none. */
extern _Atomic pid_t tids[MAX_THREADS];

static inline char *page(unsigned int nr)
{
	return arena.base + nr * PAGE;
}

/* --- fuzz_memory.c ------------------------------------------------------------ */

/* A copy to or from memory that may not be there; false then. */
bool poke(void *to, const void *from, size_t len);
/* Handler of SIGSEGV and SIGBUS: poke() comes back from it, else the run ends. */
void on_fault(int sig);
void make_ring(struct rng *r, char *at);
void scribble_ring(struct rng *r);
void take_ring_away(struct rng *r);
void open_userfaultfd(struct rng *r);

/* --- fuzz_disturb.c ------------------------------------------------------------- */

void signal_someone(struct rng *r);
void disturb(struct rng *r);
void __attribute__((noreturn)) exec_again(void);

/* --- fuzz_hostile.c --------------------------------------------------------------- */

/* What a submitter does once. */
void hostile_step(struct rng *r);
/* One submitter more. */
void hostile_thread(struct rng *r);

#endif /* __SYSLET_FUZZ_HOSTILE_H */
