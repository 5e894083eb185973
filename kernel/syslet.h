/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Internal to the syslet code. The story is at the head of syslet.c.
 */
#ifndef _KERNEL_SYSLET_H
#define _KERNEL_SYSLET_H

#include <linux/completion.h>
#include <linux/jump_label.h>
#include <linux/indirect.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/syslet.h>
#include <linux/workqueue.h>

struct eventfd_ctx;
struct syslet_kring;

/* A call that restart_syscall(2) will continue, with another stack. */
struct syslet_restart {
	struct pt_regs			regs;
	struct syslet_args		args;
	long				(*fn)(struct restart_block *rb);
};

/**
 * struct syslet_batch - the calls of a syslet_submit(2)
 * @calls: its entries
 * @nr: how many
 * @done: how many of them have been run, or are with runners
 * @flags: SYSLET_SUBMIT_*
 * @prepared: the next call may go async without a look at ring and spare: they
 *	      were looked at for this batch, and nothing has changed since
 * @refused: the current entry has been, and -EAGAIN is not its own result
 * @left: it is not to be gone on with: the task does not carry the thread any
 *	  more, see syslet_evict(), or a tracer has sent that elsewhere
 * @params: as for indirect(2); caller_data is that of the current entry
 *
 * On the stack of the carrier. A spare that takes over copies it, and goes on
 * with the entries behind the one that blocked.
 */
struct syslet_batch {
	struct syslet_call __user	*calls;
	unsigned int			nr;
	unsigned int			done;
	unsigned int			flags;
	bool				prepared;
	bool				refused;
	bool				left;
	struct indirect_params		params;
};

/* Of the adoption that an offer leads to. */
enum syslet_adoption {
	SYSLET_UNDER_WAY,	/* or not begun */
	SYSLET_AWAITED,		/* the submitter sleeps until it is over */
	SYSLET_ADOPTION_OVER,	/* or refused */
};

/**
 * struct syslet_call_state - a call that is armed, or being finished by a runner
 * @regs: number and arguments, see asm/syslet.h; on the stack of the task,
 *	  copied from the user once
 * @args: how it is to be made asynchronous; as well
 * @batch: what it is an entry of, or NULL
 * @ring: where its completion goes; a reference and a reservation, from the
 *	  handoff to the post
 * @eventfd: signalled after the post, or NULL; a reference
 * @node: in syslet_ctx.running while a runner has it; under syslet_ctx.lock
 * @adoption: exchanged by the spare when it has taken all that it takes, and by
 *	      the submitter before it waits for that
 * @adopted: completed then, if the submitter waits
 * @offered: token of the offer of the user side, until the submitter knows what
 *	     became of it; 0: none was made
 * @blocked: signal mask of the thread; what the handler does to that of its task
 *	     is its own affair
 * @rseq_cpu: CPU that the thread's rseq area has, or -1 if that is not known
 * @rseq_mm_cid: and the concurrency ID
 * @refused: written before @adoption is over: the spare did not take over
 * @evict: no call yet: the group leader wants another task to make it
 * @left: how often the task has given its thread away to be rid of it
 * @since: when it was handed off, in jiffies
 * @cancelled: written by syslet_cancel(2): do not begin to sleep again
 * @adopted_pending: what the handler returns is what syslet_park() returned to
 *		     it: of another call, which is pending
 * @keep_result: -EINTR is its result, also if it was cancelled
 * @finished: written by the runner: the handler has returned for good
 * @posted: written by the runner: the program may have seen the completion
 * @restart: how to continue an interrupted call (-ERESTART_RESTARTBLOCK),
 *	     allocated when that happens first
 *
 * Written by the task that makes the call, but for what is said above.
 */
struct syslet_call_state {
	struct pt_regs			*regs;
	const struct syslet_args	*args;
	struct syslet_batch		*batch;
	struct syslet_kring		*ring;
	struct eventfd_ctx		*eventfd;
	struct list_head		node;
	unsigned long			offered;
	enum syslet_adoption		adoption;
	struct completion		adopted;
	sigset_t			blocked;
#ifdef CONFIG_RSEQ
	int				rseq_cpu;
	int				rseq_mm_cid;
#endif
	bool				refused;
	bool				evict;
	bool				cancelled;
	bool				adopted_pending;
	bool				keep_result;
	bool				finished;
	bool				posted;
	unsigned long			since;
	unsigned long			left;
	struct syslet_restart		*restart;
};

/**
 * struct syslet_task - a task that takes part in one thread's syslets
 * @ctx: the thread's context; a reference
 * @task: the task; this object lives from its entry to its release
 * @node: in syslet_ctx.parked while it is a spare; under syslet_ctx.lock
 * @token: the last offer that was made to this spare; by the carrier
 * @retire: set under syslet_ctx.lock: the spare shall exit
 * @ucounts: whose syslets it is counted with, or NULL; a reference. Under
 *	     siglock when the task has begun.
 * @call: what it is doing for the user
 * @usage: what to add to the task's counters to have the thread's; written
 *	   under siglock, see syslet_usage.c
 * @rcu: freed by RCU, as the hook looks at @task without a lock
 *
 * Pointed to by task_struct.syslet, which is set and cleared under siglock.
 */
struct syslet_task {
	struct syslet_ctx	*ctx;
	struct task_struct	*task;
	struct list_head	node;
	unsigned long		token;
	bool			retire;
	struct ucounts		*ucounts;
	struct syslet_call_state	call;
	u64			usage[SYSLET_NR_USAGE];
	struct rcu_head		rcu;
};

/**
 * struct syslet_ctx - a thread as the program knows it, whoever carries it
 * @refs: one for each syslet_task, one for queued @reap
 * @carrier: the task that has the user side; under siglock, read by others
 *	     with READ_ONCE(). NULL when the thread has exited.
 * @tid: the struct pid that a carrier left when it joined the group leader's;
 *	 under siglock. Held for the carrier, without a task meanwhile.
 * @offer: the handoff slot: the token of an offer, or 0. Whoever exchanges it
 *	   for 0 owns the user side: the spare that it was made to, or the
 *	   submitter to keep it. See syslet.c.
 * @offers: counts offers, for tokens that are never used again. Carrier only.
 * @next: the spare that an offer is for; chosen by the carrier when it arms,
 *	  cleared when it leaves the parked state. Written under @lock.
 * @seq: readers of TIDs and usage see a handoff; written under siglock
 * @exit_code: of the thread, when it has exited; -1 before
 * @cred: of a main thread that has exited, for the group leader; see
 *	  __syslet_exit(). Under siglock.
 * @lock: protects what follows; never taken inside siglock or in interrupts
 * @parked: spares, the latest first
 * @running: calls that runners have
 * @nr_parked: length of @parked
 * @nr_tasks: all tasks of this context
 * @shown: the last reading of /proc that has shown it, see syslet_show()
 * @low_parked: the least @nr_parked since the last @reap: what was not needed
 * @reap_queued: @reap is pending
 * @dead: the thread has exited or has called execve(): no one parks any more
 * @reap: retires spares that nobody needed for a while
 * @handoffs: calls that were handed off. Carrier only, as the next two.
 * @refused: calls that were not made, or made synchronously
 * @limited: spares that could not be made
 * @ring: the ring last used, looked up once; a reference. Carrier only.
 * @ring_addr: its address; 0 by a runner that found another ring there: to be
 *	       looked up again
 * @rcu: freed by RCU, for syslet_is_helper()
 */
struct syslet_ctx {
	refcount_t		refs;
	struct task_struct	*carrier;
	struct pid		*tid;
	unsigned long		offer;
	unsigned long		offers;
	struct syslet_task	*next;
	seqcount_t		seq;
	long			exit_code;
	const struct cred	*cred;

	/* Protects the rest, but for the ring. */
	spinlock_t		lock;
	struct list_head	parked;
	struct list_head	running;
	unsigned int		nr_parked;
	unsigned int		nr_tasks;
	unsigned int		low_parked;
	bool			reap_queued;
	bool			dead;

	struct delayed_work	reap;
	unsigned long		shown;
	unsigned long		handoffs;
	unsigned long		refused;
	unsigned long		limited;
	struct syslet_kring	*ring;
	u64			ring_addr;
	struct rcu_head		rcu;
};

/* Is a call to be repeated, or to say that it was interrupted? */
static inline bool syslet_is_restart(long ret)
{
	switch (ret) {
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND:
	case -ERESTART_RESTARTBLOCK:
		return true;
	}
	return false;
}

/* Nothing was run: -EAGAIN, and in a batch a mark that says why. */
static inline long syslet_refused(struct syslet_batch *batch)
{
	if (batch)
		batch->refused = true;
	return -EAGAIN;
}

/*
 * A handler has no such error, but a FUSE server could invent it: the program
 * would wait for a completion that does not come. It does come if the task has
 * left in the handler, and is back with another thread.
 */
static inline long syslet_result(long ret)
{
	if (likely(ret != -ESYSLETPENDING))
		return ret;
	if (!current->syslet || !current->syslet->call.adopted_pending)
		return -EIO;
	current->syslet->call.adopted_pending = false;
	return ret;
}

/* The current task begins, or goes on, with a batch; NULL: it is done with it. */
static inline void syslet_set_batch(struct syslet_batch *batch)
{
	if (current->syslet)
		current->syslet->call.batch = batch;
}

/*
 * How often the current task has given its thread away, in the middle of a call,
 * and come back with another one: what is returned then is of that one's call.
 */
static inline unsigned long syslet_times_left(void)
{
	return current->syslet ? current->syslet->call.left : 0;
}

/* The batch is over, and what the entry returned is what the system call returns. */
static inline void syslet_leave_batch(struct syslet_batch *batch)
{
	batch->left = true;
	syslet_set_batch(NULL);
}

/* Are the calls of two tasks filtered in the same way? */
static inline bool syslet_same_seccomp(struct task_struct *a, struct task_struct *b)
{
#ifdef CONFIG_SECCOMP
	return a->seccomp.mode == b->seccomp.mode && a->seccomp.filter == b->seccomp.filter;
#else
	return true;
#endif
}

/* Of a task that is not released yet, and so keeps its sighand. */
static inline spinlock_t *syslet_siglock(struct task_struct *tsk)
{
	return &rcu_dereference_protected(tsk->sighand, true)->siglock;
}

/* indirect.c: enter, check, dispatch. */
long indirect_dispatch_here(struct pt_regs *regs);
bool indirect_continue_batch(struct syslet_batch *batch, long *ret);

/* indirect_watch.c: who watches sees the call that was asked for. */
bool indirect_watch_enter(struct pt_regs *regs, struct syslet_batch *batch, long *ret);
long indirect_watch_exit(long ret, bool batched);
void indirect_watch_finish(long ret);
void indirect_move_watchers(struct task_struct *from);

/* syslet_limit.c: who may make syslets, and how many. */
DECLARE_STATIC_KEY_FALSE(syslet_restricted);

bool __syslet_allowed(void);
bool syslet_charge(struct syslet_task *st);
void syslet_uncharge(struct syslet_task *st);

static __always_inline bool syslet_allowed(void)
{
	return !static_branch_unlikely(&syslet_restricted) || __syslet_allowed();
}

/* syslet_class.c: which calls may be asynchronous. */
bool syslet_is_bound(enum syslet_class class, struct pt_regs *regs);

/* syslet.c: arm, hand off, finish. */
bool syslet_prepare(struct pt_regs *regs, const struct syslet_args *args,
		    struct syslet_batch *batch, long *ret);
bool __syslet_disarm(long *ret);

/* The hook in schedule() offers the user side of the current task from here on. */
static __always_inline void syslet_arm(void)
{
	/* Others may read the flags meanwhile, but not this one. */
	data_race(current->flags |= PF_SYSLET_ARMED);
}

static __always_inline void syslet_clear_armed(void)
{
	/* see syslet_arm() */
	data_race(current->flags &= ~PF_SYSLET_ARMED);
}

/*
 * The handler of an armed call has returned. False if the user side was handed
 * off meanwhile, and the call has been posted; else *@ret is the result.
 */
static __always_inline bool syslet_disarm(long *ret)
{
	struct syslet_call_state *call = &current->syslet->call;

	syslet_clear_armed();
	if (likely(!call->offered && !call->eventfd &&
		   *ret != -ERESTART_RESTARTBLOCK && *ret != -ESYSLETPENDING))
		return true;
	return __syslet_disarm(ret);
}

long syslet_go_on(const struct syslet_args *args);
long syslet_return_to_leader(struct syslet_task *st);
bool syslet_withdraw(struct syslet_task *st);
bool syslet_adopt(struct syslet_task *st, struct syslet_batch *batch, long *ret);
void syslet_call_put(struct syslet_task *st);

/* Is a call to come to an end? */
static inline bool syslet_is_cancelled(struct syslet_task *st)
{
	return READ_ONCE(st->ctx->dead) || READ_ONCE(st->call.cancelled);
}

/* syslet_spare.c: contexts and spares. */
struct syslet_task *syslet_enter(void);
int syslet_prepare_spare(struct syslet_ctx *ctx);
void syslet_unpark(struct syslet_task *st, struct syslet_call_state *call);
void syslet_revive(struct syslet_ctx *ctx);
bool syslet_choose_leader(struct syslet_ctx *ctx);
long syslet_park(struct syslet_task *st);
void syslet_leave(struct syslet_task *st);
bool syslet_is_movable(struct task_struct *tsk);
bool syslet_is_fresh(struct task_struct *tsk, struct task_struct *spare);
void syslet_install_cred(const struct cred *new);
void syslet_handle_signals(void);
void syslet_interrupt(struct task_struct *tsk);

/* syslet_tid.c: who appears under which TID. */
void syslet_pass_tid(struct syslet_ctx *ctx, struct task_struct *from,
		     struct task_struct *to);
void syslet_return_tid(struct syslet_ctx *ctx, struct task_struct *tsk);

/* syslet_usage.c: what a thread has used. */
void syslet_pass_usage(struct syslet_task *from, struct syslet_task *to, u64 runtime);

/* syslet_delay.c: where a test may provoke a race. */
enum syslet_point {
	SYSLET_POINT_ARM,	/* prepared, the call is about to run */
	SYSLET_POINT_OFFER,	/* it is about to block: nothing offered yet */
	SYSLET_POINT_WAKE,	/* offered, the spare is not awake */
	SYSLET_POINT_SLEEP,	/* the spare was woken, the runner is to sleep */
	SYSLET_POINT_PARK,	/* listed as a spare, not asleep yet */
	SYSLET_POINT_TAKE,	/* a spare has seen the offer */
	SYSLET_POINT_CHECK,	/* ... and taken it, nothing is moved */
	SYSLET_POINT_MOVE,	/* the TID has moved, the rest has not */
	SYSLET_POINT_ADOPTED,	/* all has moved, the runner is not told */
	SYSLET_POINT_OVER,	/* the adoption is over, who awaits that is asleep */
	SYSLET_POINT_WITHDRAW,	/* the call is over, the offer stands */
	SYSLET_POINT_FINISH,	/* handed off, not posted */
	SYSLET_POINT_POSTED,	/* posted, not parked */
	SYSLET_POINT_CLONE,	/* cloned and chosen, not running */
	SYSLET_POINT_RETIRE,	/* a spare leaves */
	SYSLET_POINT_EXIT,	/* a task of a thread exits */
	SYSLET_POINT_KILL,	/* the thread exits, its spares do not know */
	SYSLET_NR_POINTS
};

#ifdef CONFIG_DEBUG_SYSLET
void syslet_delay(enum syslet_point point);
#else
static inline void syslet_delay(enum syslet_point point) { }
#endif

/* syslet_ring.c: post, wait. */
struct syslet_kring *syslet_ring_get(u64 addr);
void syslet_ring_put(struct syslet_kring *kring);
int syslet_ring_has_room(struct syslet_kring *kring, struct syslet_ring __user *uring);
void syslet_ring_reserve(struct syslet_kring *kring);
void syslet_ring_unreserve(struct syslet_kring *kring);
bool syslet_ring_post(struct syslet_kring **kring, struct syslet_ring __user *uring,
		      u64 status, u64 caller_data, bool *posted);

#endif /* _KERNEL_SYSLET_H */
