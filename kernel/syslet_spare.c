// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contexts, and the spares in them: created before a call that may block,
 * parked, chosen, retired.
 */
#include <linux/freezer.h>
#include <linux/iocontext.h>
#include <linux/posix-timers.h>
#include <linux/perf_event.h>
#include <linux/ptrace.h>
#include <linux/sched/deadline.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/task_work.h>
#include <linux/uprobes.h>

#include <asm/syslet.h>

#include "syslet.h"

#include <trace/events/syslet.h>

/* Spares that nobody needed for this long retire, but for one. */
#define SYSLET_IDLE		(2 * HZ)

/* --- contexts --------------------------------------------------------- */

static void syslet_ctx_put(struct syslet_ctx *ctx)
{
	if (!refcount_dec_and_test(&ctx->refs))
		return;
	if (ctx->cred)
		put_cred(ctx->cred);
	kfree_rcu(ctx, rcu);
}

static struct syslet_task *syslet_task_alloc(struct syslet_ctx *ctx)
{
	struct syslet_task *st = kzalloc(sizeof(*st), GFP_KERNEL_ACCOUNT);

	if (!st)
		return NULL;
	INIT_LIST_HEAD(&st->node);
	INIT_LIST_HEAD(&st->call.node);
	init_completion(&st->call.adopted);
	st->ctx = ctx;
	refcount_inc(&ctx->refs);
	return st;
}

static void syslet_task_free(struct syslet_task *st)
{
	syslet_uncharge(st);
	syslet_ctx_put(st->ctx);
	kfree(st->call.restart);
	kfree_rcu(st, rcu);
}

/*
 * The leader lives as long as its process. And the exit of a task destroys
 * the shared memory that it made, with kernel.shm_rmid_forced, and signals
 * the children that it was given just when it handed its thread off.
 */
static bool syslet_may_retire(struct task_struct *tsk)
{
	if (!list_empty_careful(&tsk->children))
		return false;
#ifdef CONFIG_SYSVIPC
	if (!list_empty_careful(&tsk->sysvshm.shm_clist))
		return false;
#endif
	return !thread_group_leader(tsk);
}

static void __syslet_retire(struct syslet_task *st)
{
	lockdep_assert_held(&st->ctx->lock);

	list_del_init(&st->node);
	st->ctx->nr_parked--;
	st->retire = true;
	wake_up_process(st->task);
}

/*
 * Every SYSLET_IDLE: retire as many spares as were parked all the time, the
 * ones that were parked first. One is always left.
 */
static void syslet_reap(struct work_struct *work)
{
	struct syslet_ctx *ctx = container_of(to_delayed_work(work),
					      struct syslet_ctx, reap);
	struct syslet_task *st, *tmp;
	unsigned int idle;
	bool again;

	spin_lock(&ctx->lock);
	idle = ctx->low_parked;
	list_for_each_entry_safe_reverse(st, tmp, &ctx->parked, node) {
		if (idle <= 1 || ctx->dead)
			break;
		if (st == ctx->next || !syslet_may_retire(st->task))
			continue;
		__syslet_retire(st);
		idle--;
	}
	ctx->low_parked = ctx->nr_parked;
	/* Not queued if it is being cancelled. */
	again = ctx->nr_parked > 1 && !ctx->dead &&
		schedule_delayed_work(&ctx->reap, SYSLET_IDLE);
	ctx->reap_queued = again;
	spin_unlock(&ctx->lock);
	/* Otherwise the queued work has our reference. */
	if (!again)
		syslet_ctx_put(ctx);
}

static struct syslet_ctx *syslet_ctx_alloc(void)
{
	struct syslet_ctx *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);

	if (!ctx)
		return NULL;
	refcount_set(&ctx->refs, 1);
	spin_lock_init(&ctx->lock);
	seqcount_init(&ctx->seq);
	INIT_LIST_HEAD(&ctx->parked);
	INIT_LIST_HEAD(&ctx->running);
	INIT_DELAYED_WORK(&ctx->reap, syslet_reap);
	ctx->nr_tasks = 1;
	ctx->exit_code = -1;
	return ctx;
}

/**
 * syslet_enter - the current thread makes its first syslet
 *
 * Context: Process context; may sleep.
 * Return: the current task's part in it; NULL without memory.
 */
struct syslet_task *syslet_enter(void)
{
	struct syslet_task *st;
	struct syslet_ctx *ctx;

	ctx = syslet_ctx_alloc();
	if (!ctx)
		return NULL;
	st = syslet_task_alloc(ctx);
	syslet_ctx_put(ctx);
	if (!st)
		return NULL;
	st->task = current;
	ctx->carrier = current;

	spin_lock_irq(syslet_siglock(current));
	WRITE_ONCE(current->syslet, st);
	WRITE_ONCE(current->signal->makes_syslets, true);
	spin_unlock_irq(syslet_siglock(current));
	return st;
}

/* --- what can be moved ------------------------------------------------ */

#ifdef CONFIG_PERF_EVENTS
/* A context without events stays with the task, and does not matter. */
static bool syslet_has_events(struct task_struct *tsk)
{
	struct perf_event_context *ctx = READ_ONCE(tsk->perf_event_ctxp);

	/* Those that it made for others are its own, too. */
	if (unlikely(!list_empty(&tsk->perf_event_list)))
		return true;
	return unlikely(ctx) && (READ_ONCE(ctx->nr_events) || READ_ONCE(ctx->pin_count));
}
#endif

/* State that belongs to a thread and that the handoff does not move. */
static __always_inline bool __syslet_is_movable(struct task_struct *tsk)
{
	/* Its tracees know its task. */
	if (!list_empty(&tsk->ptraced))
		return false;
	/* A parent in vfork() waits for this task. */
	if (tsk->vfork_done)
		return false;
	/* Cannot be cloned, or the clone differs. */
	if (dl_task(tsk) || tsk->sched_reset_on_fork)
		return false;
#ifdef CONFIG_FUTEX
	/* Waiters on PI futexes boost this task. */
	if (!list_empty(&tsk->pi_state_list))
		return false;
#endif
#ifdef CONFIG_IO_URING
	if (tsk->io_uring)
		return false;
#endif
#ifdef CONFIG_UPROBES
	/* Return addresses on the user stack were replaced. */
	if (tsk->utask && (tsk->utask->return_instances || tsk->utask->active_uprobe))
		return false;
#endif
#ifdef CONFIG_PERF_EVENTS
	if (syslet_has_events(tsk))
		return false;
#endif
#ifdef CONFIG_KCOV
	if (tsk->kcov)
		return false;
#endif
#ifdef CONFIG_BPF_SYSCALL
	/* Policies of BPF programs keep there what they know of the task. */
	if (rcu_access_pointer(tsk->bpf_storage))
		return false;
#endif
#ifdef CONFIG_NUMA
	/* Freed by exiting tasks, so spares' cannot be looked at. */
	if (tsk->mempolicy)
		return false;
#endif
#ifdef CONFIG_POSIX_TIMERS
	if (!RB_EMPTY_ROOT(&tsk->posix_cputimers.bases[CPUCLOCK_PROF].tqhead.rb_root.rb_root) ||
	    !RB_EMPTY_ROOT(&tsk->posix_cputimers.bases[CPUCLOCK_VIRT].tqhead.rb_root.rb_root) ||
	    !RB_EMPTY_ROOT(&tsk->posix_cputimers.bases[CPUCLOCK_SCHED].tqhead.rb_root.rb_root))
		return false;
#endif
	return arch_syslet_is_movable(tsk);
}

/**
 * syslet_is_movable - can the user side of a task be handed off?
 * @tsk: the task that has it
 *
 * State that belongs to a thread and that the handoff does not move.
 *
 * Context: The task itself; or siglock and pi_lock held, for a final answer.
 * Return: true if there is none.
 */
bool syslet_is_movable(struct task_struct *tsk)
{
	return __syslet_is_movable(tsk);
}

static bool syslet_same_io(struct task_struct *a, struct task_struct *b)
{
#ifdef CONFIG_BLOCK
	return a->io_context == b->io_context;
#else
	return true;
#endif
}

/* A handoff shares it with a spare that has none. */
static bool syslet_same_undo(struct task_struct *spare, struct task_struct *tsk)
{
#ifdef CONFIG_SYSVIPC
	return !spare->sysvsem.undo_list ||
	       spare->sysvsem.undo_list == tsk->sysvsem.undo_list;
#else
	return true;
#endif
}

static bool syslet_same_cgroups(struct task_struct *a, struct task_struct *b)
{
#ifdef CONFIG_CGROUPS
	return rcu_access_pointer(a->cgroups) == rcu_access_pointer(b->cgroups);
#else
	return true;
#endif
}

static bool syslet_same_clamp(struct task_struct *a, struct task_struct *b)
{
#ifdef CONFIG_UCLAMP_TASK
	return !memcmp(a->uclamp_req, b->uclamp_req, sizeof(a->uclamp_req));
#else
	return true;
#endif
}

/* The slice that was asked for, see sched_setattr(2). */
static bool syslet_same_slice(struct task_struct *a, struct task_struct *b)
{
	return a->se.custom_slice == b->se.custom_slice &&
	       (likely(!a->se.custom_slice) || a->se.slice == b->se.slice);
}

static bool syslet_same_resctrl(struct task_struct *a, struct task_struct *b)
{
#ifdef CONFIG_X86_CPU_RESCTRL
	return a->closid == b->closid && a->rmid == b->rmid;
#else
	return true;
#endif
}

/* The rules of audit for new tasks may have changed since the thread began. */
static bool syslet_is_audited(struct task_struct *tsk, struct task_struct *spare)
{
#ifdef CONFIG_AUDITSYSCALL
	return !tsk->audit_context || spare->audit_context;
#else
	return true;
#endif
}

static bool syslet_same_cookie(struct task_struct *a, struct task_struct *b)
{
#ifdef CONFIG_SCHED_CORE
	return a->core_cookie == b->core_cookie;
#else
	return true;
#endif
}

/* prctl()s that are kept in PF_*, with no writer but the thread. */
#define SYSLET_PF_SAME	(PF_MCE_PROCESS | PF_MCE_EARLY | PF_LOCAL_THROTTLE)
#define SYSLET_PFA_SAME	(~(1UL << PFA_NO_NEW_PRIVS))

/*
 * What the spare took over when it was cloned, or kept from its last call, may
 * have changed since. Adoption moves the rest.
 */
static __always_inline bool __syslet_is_fresh(struct task_struct *tsk,
					      struct task_struct *spare)
{
	return !spare->ptrace &&
	       spare->fs == tsk->fs &&
	       spare->files == tsk->files &&
	       spare->nsproxy == tsk->nsproxy &&
	       spare->policy == tsk->policy &&
	       spare->static_prio == tsk->static_prio &&
	       spare->rt_priority == tsk->rt_priority &&
	       cpumask_equal(&spare->cpus_mask, &tsk->cpus_mask) &&
	       !spare->user_cpus_ptr == !tsk->user_cpus_ptr &&
	       syslet_same_cgroups(spare, tsk) &&
	       !((spare->atomic_flags ^ tsk->atomic_flags) & SYSLET_PFA_SAME) &&
	       /* Others of its flags may change: not those that are compared. */
	       !((data_race(spare->flags) ^ tsk->flags) & SYSLET_PF_SAME) &&
	       syslet_same_clamp(spare, tsk) &&
	       syslet_same_cookie(spare, tsk) &&
	       syslet_same_slice(spare, tsk) &&
	       syslet_same_resctrl(spare, tsk) &&
	       syslet_same_seccomp(spare, tsk) &&
	       syslet_is_audited(tsk, spare) &&
	       syslet_same_undo(spare, tsk) &&
	       syslet_same_io(spare, tsk);
}

/**
 * syslet_is_fresh - could this spare be the task of this thread?
 * @tsk: who has the user side
 * @spare: a spare of that thread
 *
 * Compares, and follows no pointer: the spare may be exiting.
 *
 * Context: RCU, siglock, or syslet_ctx.lock held.
 * Return: true if nothing of that is different.
 */
bool syslet_is_fresh(struct task_struct *tsk, struct task_struct *spare)
{
	return __syslet_is_fresh(tsk, spare);
}

/* --- making and choosing ----------------------------------------------- */

static int syslet_spare_main(void *arg)
{
	/*
	 * PF_USER_WORKER is for threads that never have a user side. It made
	 * copy_process() block all signals; stops and deaths of the group, and
	 * the FPU, are to be handled as in any thread.
	 */
	current->flags &= ~PF_USER_WORKER;
	return syslet_park(arg);
}

/* Clone one and choose it. */
static bool syslet_clone_spare(struct syslet_ctx *ctx)
{
	struct kernel_clone_args args = {
		.flags		= CLONE_VM | CLONE_FS | CLONE_FILES |
				  CLONE_SIGHAND | CLONE_THREAD |
				  CLONE_IO | CLONE_UNTRACED,
		.fn		= syslet_spare_main,
		.user_worker	= 1,
	};
	struct syslet_task *st;
	struct task_struct *tsk;
	unsigned int exceeded;
	bool fresh;

	st = syslet_task_alloc(ctx);
	if (!st || !syslet_charge(st))
		goto limited;
	args.fn_arg = st;
	/* A clone clears it, which execve() is to find: see setuid(2). */
	exceeded = current->flags & PF_NPROC_EXCEEDED;
	tsk = create_syslet_spare(&args);
	if (unlikely(exceeded))
		current->flags |= exceeded;
	if (IS_ERR(tsk)) {
		/* That is no limit: it is taken first. */
		if (!signal_pending(current))
			goto limited;
		syslet_task_free(st);
		return false;
	}
	st->task = tsk;

	spin_lock_irq(syslet_siglock(current));
	WRITE_ONCE(tsk->syslet, st);
	/* The program does not know it: see synchronize_group_exit(). */
	current->signal->quick_threads--;
	spin_unlock_irq(syslet_siglock(current));

	/* The cgroup of the clone, for one, is not the parent's decision. */
	fresh = syslet_is_fresh(current, tsk);
	spin_lock(&ctx->lock);
	ctx->nr_tasks++;
	st->retire = !fresh;
	if (fresh) {
		list_add(&st->node, &ctx->parked);
		ctx->nr_parked++;
		WRITE_ONCE(ctx->next, st);
	}
	spin_unlock(&ctx->lock);

	trace_syslet_clone(tsk);
	syslet_delay(SYSLET_POINT_CLONE);
	wake_up_new_task(tsk);
	return fresh;

limited:
	WRITE_ONCE(ctx->limited, ctx->limited + 1);
	if (st)
		syslet_task_free(st);
	return false;
}

/* Choose the latest parked spare that is fresh; stale ones before it retire. */
static bool syslet_choose_parked(struct syslet_ctx *ctx)
{
	struct syslet_task *st, *tmp, *found = NULL;

	spin_lock(&ctx->lock);
	list_for_each_entry_safe(st, tmp, &ctx->parked, node) {
		if (syslet_is_fresh(current, st->task)) {
			found = st;
			break;
		}
		/* It will be fresh again, or stays unused. */
		if (!syslet_may_retire(st->task))
			continue;
		__syslet_retire(st);
	}
	WRITE_ONCE(ctx->next, found);
	spin_unlock(&ctx->lock);
	return found;
}

/**
 * syslet_choose_leader - let the group leader be the next carrier
 * @ctx: the main thread
 *
 * Context: Process context, of the carrier.
 * Return: true if it can be.
 */
bool syslet_choose_leader(struct syslet_ctx *ctx)
{
	struct syslet_task *st = current->group_leader->syslet;
	bool found;

	spin_lock(&ctx->lock);
	found = st && !list_empty(&st->node) && syslet_is_movable(current) &&
		syslet_is_fresh(current, st->task);
	if (found)
		WRITE_ONCE(ctx->next, st);
	spin_unlock(&ctx->lock);
	return found;
}

/**
 * syslet_prepare_spare - see that there is a spare to hand off to
 * @ctx: the current thread
 *
 * Chooses one that is parked, or clones one: here, and not when it is needed.
 *
 * Context: Process context, of the carrier; may sleep.
 * Return: 0; -EAGAIN if there is none, or the thread has state that cannot be
 * handed off; -ERESTARTNOINTR to be called again.
 */
int syslet_prepare_spare(struct syslet_ctx *ctx)
{
	struct syslet_task *next;

	if (!__syslet_is_movable(current))
		return -EAGAIN;

	/*
	 * Only we choose, and a chosen spare leaves only when it adopts, or
	 * when the whole group dies: then the offer will find nobody.
	 */
	scoped_guard(rcu) {
		next = READ_ONCE(ctx->next);
		if (likely(next && __syslet_is_fresh(current, next->task)))
			return 0;
	}
	if (syslet_choose_parked(ctx) || syslet_clone_spare(ctx))
		return 0;
	/* Nothing can be cloned while a signal waits: take that first. */
	return signal_pending(current) ? -ERESTARTNOINTR : -EAGAIN;
}

/* --- parking ----------------------------------------------------------- */

/**
 * syslet_unpark - a spare has become the carrier
 * @st: the current task
 * @call: which a runner has now, or NULL
 *
 * Context: Process context.
 */
void syslet_unpark(struct syslet_task *st, struct syslet_call_state *call)
{
	struct syslet_ctx *ctx = st->ctx;

	spin_lock(&ctx->lock);
	WRITE_ONCE(ctx->next, NULL);
	list_del_init(&st->node);
	ctx->nr_parked--;
	ctx->low_parked = min(ctx->low_parked, ctx->nr_parked);
	if (call)
		list_add_tail(&call->node, &ctx->running);
	spin_unlock(&ctx->lock);
}

static void __syslet_list_spare(struct syslet_ctx *ctx, struct syslet_task *st)
{
	lockdep_assert_held(&ctx->lock);

	list_add(&st->node, &ctx->parked);
	ctx->nr_parked++;
	if (ctx->nr_parked > 1 && !ctx->reap_queued) {
		ctx->reap_queued = true;
		ctx->low_parked = ctx->nr_parked;
		refcount_inc(&ctx->refs);
		/* It may be being cancelled: then the next one to park tries. */
		if (!schedule_delayed_work(&ctx->reap, SYSLET_IDLE)) {
			ctx->reap_queued = false;
			refcount_dec(&ctx->refs);
		}
	}
}

/* False if the task is not wanted as a spare any more. */
static bool syslet_list_spare(struct syslet_task *st)
{
	struct syslet_ctx *ctx = st->ctx;
	bool wanted;

	spin_lock(&ctx->lock);
	/* A clone was listed, and maybe chosen, before it ran. */
	wanted = !list_empty(&st->node);
	if (!wanted && !ctx->dead && !st->retire) {
		__syslet_list_spare(ctx, st);
		wanted = true;
	}
	spin_unlock(&ctx->lock);
	return wanted;
}

static void syslet_run_task_work(void)
{
	if (!test_thread_flag(TIF_NOTIFY_SIGNAL) && !task_work_pending(current))
		return;
	clear_notify_signal();
	task_work_run();
}

/**
 * syslet_handle_signals - what a helper does instead of returning to user space
 *
 * As any thread: stop with the group, freeze, run task work; or die.
 *
 * Context: Process context, with nothing held that exit does not release.
 */
void syslet_handle_signals(void)
{
	struct ksignal ksig;

	/* Not through get_signal(), to stay out of a core dump. */
	if (fatal_signal_pending(current))
		do_exit(0);
	syslet_run_task_work();
	if (signal_pending(current))
		get_signal(&ksig);
}

/* Only a hint: cmpxchg() in syslet_adopt() decides. */
static bool syslet_is_offered(struct syslet_task *st)
{
	/* [A] pairs with syslet_offer(): our token was stored before */
	unsigned long offer = smp_load_acquire(&st->ctx->offer);

	return offer && offer == READ_ONCE(st->token);
}

/* Does not return if the task is to retire, or is killed. */
static void syslet_wait_for_offer(struct syslet_task *st, struct syslet_batch *batch,
				  long *ret)
{
	struct syslet_ctx *ctx = st->ctx;

	for (;;) {
		/*
		 * No return to user space will do it: a post may have put a
		 * file. And the next thread is not to be told to end a call.
		 */
		syslet_run_task_work();
		syslet_delay(SYSLET_POINT_PARK);
		/* [A] pairs with syslet_offer() */
		set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		if (syslet_is_offered(st)) {
			__set_current_state(TASK_RUNNING);
			syslet_delay(SYSLET_POINT_TAKE);
			if (syslet_adopt(st, batch, ret))
				return;
			continue;
		}
		if (READ_ONCE(st->retire) || READ_ONCE(ctx->dead))
			break;
		if (signal_pending(current)) {
			__set_current_state(TASK_RUNNING);
			syslet_handle_signals();
			continue;
		}
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	syslet_delay(SYSLET_POINT_RETIRE);
	do_exit(0);
}

/**
 * syslet_park - wait as a spare until there is a user side to adopt
 * @st: the current task
 *
 * If the thread was in the middle of a batch then this goes on with it, and
 * parks again when that blocks once more. Does not return if the task is to
 * retire, or is killed.
 *
 * Context: Process context, with nothing held.
 * Return: what the system call returns, as the new carrier.
 */
long syslet_park(struct syslet_task *st)
{
	struct syslet_batch batch;
	long ret;

	/* For who looks: not in a system call. */
	WRITE_ONCE(current->indirect_regs, NULL);
	arch_indirect_set_nr(current_pt_regs(), -1);
	do {
		if (!syslet_list_spare(st))
			do_exit(0);
		syslet_wait_for_offer(st, &batch, &ret);
	} while (batch.nr && !indirect_continue_batch(&batch, &ret));
	return ret;
}

/* --- leaving ------------------------------------------------------------ */

/**
 * syslet_interrupt - end an interruptible sleep of a call
 * @tsk: a task of the current process that has not exited
 *
 * There is no signal, so signal_pending() has to be made true in both ways:
 * io_uring_enter(2) handles TIF_NOTIFY_SIGNAL and sleeps on, and some file
 * systems clear TIF_SIGPENDING for a while.
 *
 * Context: Any but interrupts; siglock not held.
 */
void syslet_interrupt(struct task_struct *tsk)
{
	set_notify_signal(tsk);
	spin_lock_irq(syslet_siglock(tsk));
	signal_wake_up(tsk, false);
	spin_unlock_irq(syslet_siglock(tsk));
}

/**
 * syslet_mask - the call in a runner does not want to be interrupted, or does
 * @block: it blocks signals, or gives back the mask that it found
 *
 * What syslet_interrupt() did is put off: a file system that has begun to send
 * a request breaks its connection if it cannot send all of it.
 *
 * Context: Process context of a runner.
 */
void syslet_mask(bool block)
{
	if (!block) {
		if (syslet_is_cancelled(current->syslet))
			syslet_interrupt(current);
		return;
	}
	clear_notify_signal();
	spin_lock_irq(syslet_siglock(current));
	recalc_sigpending();
	spin_unlock_irq(syslet_siglock(current));
}

/* The thread is gone: parked spares exit, calls are told to come to an end. */
static void syslet_ctx_kill(struct syslet_ctx *ctx)
{
	struct syslet_task *st;

	spin_lock(&ctx->lock);
	ctx->dead = true;
	list_for_each_entry(st, &ctx->parked, node)
		wake_up_process(st->task);
	list_for_each_entry(st, &ctx->running, call.node)
		syslet_interrupt(st->task);
	spin_unlock(&ctx->lock);

	/* Otherwise it is running, and finds out itself. */
	if (cancel_delayed_work(&ctx->reap)) {
		spin_lock(&ctx->lock);
		ctx->reap_queued = false;
		spin_unlock(&ctx->lock);
		syslet_ctx_put(ctx);
	}
}

/*
 * The task that a thread began with is not counted. If its call outlives the
 * thread then it is, in place of the carrier, which was.
 */
static void syslet_pass_charge(struct syslet_ctx *ctx, struct syslet_task *from)
{
	struct syslet_task *st;

	spin_lock(&ctx->lock);
	list_for_each_entry(st, &ctx->running, call.node) {
		/* Nobody else changes that of a task with a call. */
		if (st->ucounts)
			continue;
		spin_lock_irq(syslet_siglock(current));
		swap(st->ucounts, from->ucounts);
		spin_unlock_irq(syslet_siglock(current));
		break;
	}
	spin_unlock(&ctx->lock);
}

/* Before the address space is gone, which the ring is known by. */
static void syslet_drop_ring(struct syslet_ctx *ctx)
{
	if (ctx->ring)
		syslet_ring_put(ctx->ring);
	ctx->ring = NULL;
	WRITE_ONCE(ctx->ring_addr, 0);
}

/*
 * The dead process is judged by its group leader. That may have been a helper
 * since before the main thread changed its credentials.
 */
static void syslet_inherit_cred(struct syslet_ctx *ctx)
{
	const struct cred *cred;

	/* siglock keeps the carrier, which may be changing its credentials. */
	scoped_guard(spinlock_irq, syslet_siglock(current)) {
		if (ctx->carrier)
			cred = get_task_cred(ctx->carrier);
		else
			cred = ctx->cred ? get_cred(ctx->cred) : NULL;
	}
	if (cred) {
		syslet_install_cred(cred);
		put_cred(cred);
	}
}

/*
 * What a helper exits with is told to nobody, but for the group leader. In the
 * process as the program knows it that is the main thread.
 */
static long syslet_exit_code(struct syslet_ctx *ctx)
{
	struct signal_struct *signal = current->signal;
	long code;

	spin_lock_irq(syslet_siglock(current));
	/* Set by the carrier, which may be exiting at the same time. */
	code = READ_ONCE(ctx->exit_code);
	if (code < 0)
		code = signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code : 0;
	spin_unlock_irq(syslet_siglock(current));
	return code;
}

/**
 * __syslet_exit - a task that takes part in syslets exits
 * @tsk: the current task
 * @code: its exit code; may be replaced
 *
 * Context: do_exit(), may sleep.
 */
void __syslet_exit(struct task_struct *tsk, long *code)
{
	struct syslet_task *st = tsk->syslet;
	struct syslet_ctx *ctx = st->ctx;

	syslet_delay(SYSLET_POINT_EXIT);
	/* It was on the stack that is used again by who dies of an oops. */
	WRITE_ONCE(st->call.batch, NULL);
	/* Dying inside a call, by an oops: let an adoption come to its end. */
	syslet_clear_armed();
	syslet_withdraw(st);

	spin_lock(&ctx->lock);
	if (!list_empty(&st->node)) {
		list_del_init(&st->node);
		ctx->nr_parked--;
	}
	if (ctx->next == st)
		WRITE_ONCE(ctx->next, NULL);
	ctx->nr_tasks--;
	spin_unlock(&ctx->lock);

	syslet_call_put(st);
	if (!__syslet_is_helper(tsk)) {
		syslet_delay(SYSLET_POINT_KILL);
		WRITE_ONCE(ctx->exit_code, *code);
		syslet_pass_charge(ctx, st);
		syslet_ctx_kill(ctx);
		syslet_drop_ring(ctx);
		return;
	}
	/* Not a thread to the program, so not one of its core dump. */
	tsk->flags &= ~PF_SIGNALED;
	*code = syslet_exit_code(ctx);
	/* The last task that exits is the one that is accounted. */
	syslet_inherit_cred(ctx);
}

/**
 * __syslet_release - the last that is seen of a task
 * @tsk: a dead task
 *
 * Up to here it can be found by its TID. If it carried the main thread, then
 * the group leader, which is dead as well or about to be, has it alone now.
 *
 * Context: release_task(), with tasklist_lock held for writing.
 */
void __syslet_release(struct task_struct *tsk)
{
	struct syslet_task *st = tsk->syslet;
	struct syslet_ctx *ctx = st->ctx;

	spin_lock(syslet_siglock(tsk));
	if (syslet_shares_tgid(tsk)) {
		if (!ctx->cred)
			ctx->cred = get_cred(rcu_dereference_protected(tsk->real_cred, 1));
		/* Under its name, too: all that is left of the main thread. */
		strscpy_pad(tsk->group_leader->comm, tsk->comm);
		if (tsk->group_leader->exit_state)
			tsk->group_leader->exit_code = tsk->exit_code;
	}
	syslet_return_tid(ctx, tsk);
	if (ctx->carrier == tsk)
		WRITE_ONCE(ctx->carrier, NULL);
	WRITE_ONCE(tsk->syslet, NULL);
	spin_unlock(syslet_siglock(tsk));
	syslet_task_free(st);
}

/**
 * __syslet_exec - the current thread becomes the only one of its process
 * @tsk: the current task
 *
 * de_thread() kills the others and gives us the leader's TID; this expects
 * each task to have one of its own. What remains is an empty context: the
 * clocks of the thread go on.
 *
 * Context: Past the point of no return of execve(); may sleep.
 */
void __syslet_exec(struct task_struct *tsk)
{
	struct syslet_task *st = tsk->syslet;

	syslet_ctx_kill(st->ctx);
	syslet_drop_ring(st->ctx);
	kfree(st->call.restart);
	st->call.restart = NULL;
	spin_lock_irq(syslet_siglock(tsk));
	/* It was a spare once; now it is no helper, and there is none. */
	syslet_uncharge(st);
	syslet_return_tid(st->ctx, tsk);
	spin_unlock_irq(syslet_siglock(tsk));
}

/**
 * syslet_revive - the thread goes on with its context after an execve()
 * @ctx: its context, in which it is alone
 *
 * Context: Process context, of the carrier.
 */
void syslet_revive(struct syslet_ctx *ctx)
{
	WRITE_ONCE(current->signal->makes_syslets, true);
	spin_lock(&ctx->lock);
	ctx->dead = false;
	spin_unlock(&ctx->lock);
}

/* True if there was nobody to let go, and nobody comes back to park. */
static bool syslet_is_alone(struct syslet_ctx *ctx)
{
	/* One for us; each task keeps its reference until it is released. */
	return refcount_read(&ctx->refs) == 1;
}

/* A call that the program knows to be over may not have left the list yet. */
static bool syslet_has_calls(struct syslet_ctx *ctx)
{
	struct syslet_task *st;
	bool found = false;

	spin_lock(&ctx->lock);
	list_for_each_entry(st, &ctx->running, call.node)
		found |= !READ_ONCE(st->call.posted);
	spin_unlock(&ctx->lock);
	return found;
}

static bool syslet_is_parked(struct syslet_ctx *ctx, struct task_struct *tsk)
{
	bool parked;

	spin_lock(&ctx->lock);
	parked = tsk->syslet && !list_empty(&tsk->syslet->node);
	spin_unlock(&ctx->lock);
	return parked;
}

/* False if there is one that has to stay. */
static bool syslet_retire_all(struct syslet_ctx *ctx)
{
	struct syslet_task *st, *tmp;
	bool queued, all = true;

	queued = cancel_delayed_work_sync(&ctx->reap);
	spin_lock(&ctx->lock);
	WRITE_ONCE(ctx->next, NULL);
	list_for_each_entry_safe(st, tmp, &ctx->parked, node) {
		if (!syslet_may_retire(st->task)) {
			all = false;
			continue;
		}
		__syslet_retire(st);
	}
	if (queued)
		ctx->reap_queued = false;
	spin_unlock(&ctx->lock);
	if (queued)
		syslet_ctx_put(ctx);
	return all;
}

/* Helpers that a tracer has stopped do not go until it lets them. */
static bool syslet_has_traced(struct syslet_ctx *ctx)
{
	struct syslet_task *st;
	struct task_struct *t;

	guard(rcu)();
	for_each_thread(current, t) {
		st = READ_ONCE(t->syslet);
		if (t != current && st && READ_ONCE(st->ctx) == ctx && READ_ONCE(t->ptrace))
			return true;
	}
	return false;
}

/**
 * __syslet_alone - see syslet_alone()
 *
 * With calls under way nothing is done: then there are tasks that go on using
 * what they share. The main thread returns to the group leader first, which
 * cannot retire; it makes the system call again.
 *
 * Context: Process context, in a system call, with nothing held.
 * Return: 0; or what the system call has to return.
 */
int __syslet_alone(void)
{
	struct syslet_task *st = current->syslet;
	struct syslet_ctx *ctx = st->ctx;

	if (syslet_is_helper(current))
		return 0;
	while (syslet_shares_tgid(current) || !syslet_is_alone(ctx)) {
		if (syslet_has_calls(ctx) || syslet_has_traced(ctx))
			return 0;
		if (signal_pending(current))
			return -ERESTARTNOINTR;
		if (!syslet_shares_tgid(current)) {
			if (!syslet_retire_all(ctx))
				return 0;
		} else if (syslet_is_parked(ctx, current->group_leader)) {
			/* The leader would make all calls of the batch again. */
			if (st->call.batch && st->call.batch->done)
				return -ERESTARTNOINTR;
			return syslet_return_to_leader(st);
		}
		schedule_timeout_interruptible(1);
	}
	/* The last one may still be in release_task(). */
	read_lock(&tasklist_lock);
	read_unlock(&tasklist_lock);
	return 0;
}

/**
 * syslet_leave - a runner becomes a thread of its own
 * @st: the current task, which is not the group leader
 *
 * Context: Process context.
 */
void syslet_leave(struct syslet_task *st)
{
	struct syslet_ctx *ctx = st->ctx, *own;

	/* Its clocks begin with what the spare has used, not the thread. */
	own = syslet_ctx_alloc();

	spin_lock(&ctx->lock);
	ctx->nr_tasks--;
	spin_unlock(&ctx->lock);

	spin_lock_irq(syslet_siglock(current));
	current->signal->quick_threads++;
	/* One helper less: the task that the thread began with was not counted. */
	if (!st->ucounts && ctx->carrier)
		swap(st->ucounts, ctx->carrier->syslet->ucounts);
	syslet_uncharge(st);
	if (own) {
		own->carrier = current;
		WRITE_ONCE(st->ctx, own);
	} else {
		WRITE_ONCE(current->syslet, NULL);
	}
	spin_unlock_irq(syslet_siglock(current));
	if (own)
		syslet_ctx_put(ctx);
	else
		syslet_task_free(st);
}

/**
 * __syslet_group_exit - the last thread that the program knows of exits
 * @tsk: the current task
 *
 * Context: siglock held.
 */
void __syslet_group_exit(struct task_struct *tsk)
{
	struct task_struct *t;

	lockdep_assert_held(syslet_siglock(tsk));

	for_other_threads(tsk, t) {
		if (!t->syslet || t->exit_state)
			continue;
		sigaddset(&t->pending.signal, SIGKILL);
		signal_wake_up(t, 1);
	}
}

/**
 * __syslet_is_helper - see syslet_is_helper()
 * @tsk: a task; it may be dying
 *
 * Context: Any.
 * Return: true if it is a spare or a runner.
 */
bool __syslet_is_helper(struct task_struct *tsk)
{
	struct syslet_task *st;

	guard(rcu)();
	st = READ_ONCE(tsk->syslet);
	return st && READ_ONCE(st->ctx->carrier) != tsk;
}

/**
 * __syslet_user_side - see syslet_user_side()
 * @tsk: a task; it may be dying
 *
 * Context: siglock held, for an answer that stays true; or RCU.
 * Return: the carrier of its thread, or @tsk when there is none.
 */
struct task_struct *__syslet_user_side(struct task_struct *tsk)
{
	struct syslet_task *st = READ_ONCE(tsk->syslet);

	return (st ? READ_ONCE(st->ctx->carrier) : NULL) ?: tsk;
}

/**
 * __syslet_pass_tracer - see syslet_pass_tracer()
 * @tsk: the current task, a tracee, which shares the TID of the main thread
 *
 * Context: tasklist_lock held for writing, in exit_notify().
 */
void __syslet_pass_tracer(struct task_struct *tsk)
{
	struct task_struct *leader = tsk->group_leader;

	if (leader->ptrace)
		return;
	__ptrace_link(leader, rcu_dereference_protected(tsk->parent, true),
		      rcu_dereference_protected(tsk->ptracer_cred, true));
	/* Without other options: it has no events of its own to report. */
	spin_lock(syslet_siglock(tsk));
	leader->ptrace = tsk->ptrace & (PT_PTRACED | PT_SEIZED | PT_EXITKILL);
	spin_unlock(syslet_siglock(tsk));
	__ptrace_unlink(tsk);
}
