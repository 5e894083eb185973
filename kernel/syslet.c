// SPDX-License-Identifier: GPL-2.0-only
/*
 * Syslets: a system call that blocks goes on without its caller.
 *
 * READ this before attempting to hack on syslets!
 *
 * A thread, as the program knows it, is a user side (registers, FPU, thread
 * pointer, TID, signal mask, credentials ...) that some task carries. Most of
 * the time that is one task for life. A thread that makes syslets has a
 * context (struct syslet_ctx) and several tasks:
 *
 *   submitter  carries the user side and makes the call; "carrier" where it
 *              matters that this is a role that moves
 *   spare      waits in the kernel, parked, with no user side of its own
 *   runner     the task that blocked in a call and stays with it until it is
 *              finished; the user side was handed off to a spare meanwhile
 *
 * The life of a call that blocks:
 *
 *   task P (submitter, then runner)      task C (spare, then carrier)
 *   --------------------------------     ---------------------------------
 *   indirect_call()
 *     syslet_prepare(): may it go async? syslet_park()
 *     has the ring room? is C fresh?       set_current_state()
 *     syslet_arm(), dispatch                [A]
 *   schedule()                             ctx->offer? no: schedule()
 *     sched_submit_work()
 *       syslet_block()                     ...
 *         save FPU and segments
 *         ctx->offer = token               woken
 *         [A] wake up C                    syslet_adopt()
 *   ... sleeps, wakes, works on ...          cmpxchg(&ctx->offer, token, 0) [B]
 *                                            TID, signals   (siglock)
 *   syslet_disarm()                          all the rest
 *     cmpxchg(&ctx->offer, token, 0) [B]     cmpxchg(&call->adoption) [C]
 *     failed: C was first                  goes on with the batch, or
 *   syslet_finish()                        returns to user space with
 *     wait for call->adoption [C]          -ESYSLETPENDING
 *     restart the call if it was
 *     interrupted, post the result
 *     syslet_park()
 *
 * [A] The offer is stored before the wake-up, and the spare sets its state
 *     before it looks at the offer: one of them sees the other. The barriers
 *     are those of set_current_state() and try_to_wake_up().
 * [B] The slot decides. Each offer has a token of its own: a runner that comes
 *     back late must not take the offer of a later carrier for its own, nor a
 *     spare that was replaced take what was meant for another. If P exchanges
 *     first, then the call was over before anyone took the user side: the
 *     handoff is cancelled and the result returned as usual. So a call that
 *     slept is not always pending.
 *     If C is first it cannot fail any more: nothing in an adoption allocates,
 *     faults or waits for P. Adoptions that must not take place (P got waiters
 *     on a PI futex, or attributes that C has not) are refused before anything
 *     was moved. P keeps its user side; its sleep is interrupted and the call
 *     refused with -EAGAIN, unless it may wait.
 * [C] P does not touch its user side after the hook before it has seen that
 *     the adoption is over, and C does not touch P after saying so; but to
 *     wake it up. P sleeps only if it comes first, and then until it is woken
 *     up, however often it looks; whoever exchanges second knows of the other.
 * [D] A thread that exits gives its children to another one of the process:
 *     it links them to a task, then looks whether that is a carrier. C first
 *     becomes the carrier, then looks for children of P. One of them sees the
 *     other; both have a full barrier in between.
 *
 * A batch (syslet_submit(2)) is in the hands of the carrier: a spare that takes
 * over in the middle of one copies it before [C], and makes the calls that are
 * left, before it returns to user space; so it may become a runner at once. P
 * returns to the place where it entered the kernel, or where it parked, before
 * it parks: its stack does not grow with the calls that it made.
 *
 * The hook may run with any sleeping lock held and in a page fault: it does
 * not allocate, fault or sleep. What it needs was prepared when arming: this
 * is where clones are made, before the path that is about to block. There is
 * no spare without a fresh look: syslet_prepare_spare() compares what a clone
 * took over (namespaces, files, scheduling ...) and replaces what is stale.
 *
 * Whose TID is it?  The TID belongs to the user side. Ordinary threads
 * exchange TIDs with the spare. The group leader does not give its TID away,
 * as the process is known by it in the process tree: the carrier joins the
 * leader's struct pid in front of it, so that look-ups find the carrier, and
 * everything that asks the leader for the PID of the process is still right.
 * See syslet_tid.c. As a rule: the TID and the task of a thread are stable
 * under siglock.
 *
 * What is not moved makes the call be refused with -EAGAIN before anything
 * ran, or run synchronously if the caller allows (SYSLET_SYNC_OK).
 * See syslet_is_movable().
 *
 * Locks:
 *
 *   ctx->lock		lists and counts of a context
 *     siglock		task_struct.syslet, syslet_ctx.carrier, syslet_ctx.tid,
 *			TIDs within the thread group
 *       task->pi_lock	TID against attach_to_pi_owner() while adopting
 *   kring->lock	posting to and waiting for one ring; user memory is
 *			accessed with page faults disabled, faulted in outside
 *     bucket->lock	the hash table of rings, reference counts reaching 0
 *
 * tasklist_lock is taken outside siglock, and only to move children, or the
 * thread in the list of its tracer.
 */
#include <linux/eventfd.h>
#include <linux/preempt.h>
#include <linux/resume_user_mode.h>
#include <linux/rseq.h>
#include <linux/seccomp.h>
#include <linux/sem.h>
#include <linux/sched/cputime.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/user.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include <asm/syslet.h>

#include "syslet.h"

#define CREATE_TRACE_POINTS
#include <trace/events/syslet.h>

/* --- arm ------------------------------------------------------------- */

/**
 * syslet_call_put - drop what the call of a task still holds
 * @st: the task
 *
 * Context: The task itself, or nobody else uses it any more.
 */
void syslet_call_put(struct syslet_task *st)
{
	struct syslet_call_state *call = &st->call;
	struct syslet_ctx *ctx = st->ctx;

	if (!list_empty(&call->node)) {
		spin_lock(&ctx->lock);
		list_del_init(&call->node);
		spin_unlock(&ctx->lock);
	}
	if (call->eventfd) {
		eventfd_ctx_put(call->eventfd);
		call->eventfd = NULL;
	}
	if (call->ring) {
		/* Died before it could post. */
		syslet_ring_unreserve(call->ring);
		call->ring = NULL;
	}
}

static void syslet_reset_call(struct syslet_call_state *call)
{
	call->offered = 0;
	call->blocked = current->blocked;
	call->refused = false;
	call->evict = false;
	call->cancelled = false;
	call->keep_result = false;
	call->finished = false;
	call->posted = false;
	call->adoption = SYSLET_UNDER_WAY;
	reinit_completion(&call->adopted);
}

static int syslet_use_ring(struct syslet_ctx *ctx, u64 addr)
{
	struct syslet_kring *ring = syslet_ring_get(addr);

	if (IS_ERR(ring))
		return PTR_ERR(ring) == -ENOMEM ? -EAGAIN : PTR_ERR(ring);
	if (ctx->ring)
		syslet_ring_put(ctx->ring);
	ctx->ring = ring;
	WRITE_ONCE(ctx->ring_addr, addr);
	/* After an execve(), which nobody else has survived. */
	if (unlikely(ctx->dead))
		syslet_revive(ctx);
	return 0;
}

/*
 * Check that a call may go async now, and note all that its completion will
 * need, so that finishing it cannot fail. -EAGAIN if it may not; nothing has
 * run then, and the restart codes can be returned as well.
 */
static __always_inline int syslet_prepare_call(struct syslet_task *st,
					       struct pt_regs *regs,
					       const struct syslet_args *args)
{
	struct syslet_ctx *ctx = st->ctx;
	struct syslet_call_state *call = &st->call;
	int err;

	if (unlikely(READ_ONCE(ctx->ring_addr) != args->completion_ring_ptr)) {
		err = syslet_use_ring(ctx, args->completion_ring_ptr);
		if (err)
			return err;
	}
	err = syslet_ring_has_room(ctx->ring, u64_to_user_ptr(args->completion_ring_ptr));
	if (err)
		return err;
	err = syslet_prepare_spare(ctx);
	if (err)
		return err;

	if (unlikely(args->flags & SYSLET_EVENTFD)) {
		struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->eventfd);

		if (IS_ERR(eventfd))
			return PTR_ERR(eventfd);
		call->eventfd = eventfd;
	}
	call->regs = regs;
	call->args = args;
	syslet_reset_call(call);
	return 0;
}

/* --- block: the scheduler hook --------------------------------------- */

/*
 * What the rseq area of the thread says, if that is known: it is written when
 * the thread returns to user space, and nothing has asked for that since. No
 * handler that may be armed writes it by itself: ioctl, of which KVM does, may
 * not.
 */
static void syslet_save_rseq(struct syslet_call_state *call)
{
#ifdef CONFIG_RSEQ
	call->rseq_cpu = test_thread_flag(TIF_NOTIFY_RESUME) ? -1 : smp_processor_id();
	call->rseq_mm_cid = task_mm_cid(current);
#endif
}

/* Offer the user side of the current task to the chosen spare. */
static void syslet_offer(struct syslet_task *st)
{
	struct syslet_ctx *ctx = st->ctx;
	struct syslet_task *spare;

	/*
	 * Stay on this CPU until schedule() switches: a preemption in between
	 * would only put the spare off. RCU keeps the spare's task around.
	 */
	preempt_disable();
	arch_syslet_save(st->task);
	syslet_save_rseq(&st->call);
	syslet_delay(SYSLET_POINT_OFFER);
	spare = READ_ONCE(ctx->next);
	if (likely(spare)) {
		st->call.offered = ++ctx->offers;
		WRITE_ONCE(spare->token, st->call.offered);
		/* [A] pairs with set_current_state() in syslet_park() */
		smp_store_release(&ctx->offer, st->call.offered);
		syslet_delay(SYSLET_POINT_WAKE);
		/*
		 * We are about to schedule(), which clears this: the wake-up
		 * need not find out whether the spare preempts us.
		 */
		if (likely(!st->call.evict))
			set_tsk_need_resched(current);
		wake_up_process(spare->task);
		syslet_delay(SYSLET_POINT_SLEEP);
	}
	preempt_enable_no_resched();
}

/**
 * __syslet_block - an armed task is about to sleep
 * @tsk: the current task
 *
 * Context: schedule(), before the run queue is locked. Any sleeping lock may
 * be held. Must not allocate, fault, sleep or change the state of the task.
 */
void __syslet_block(struct task_struct *tsk)
{
	unsigned int state = READ_ONCE(tsk->__state);

	/* Not a sleep that ends the call's use of the CPU. */
	if (!(state & TASK_NORMAL) || (state & (TASK_FROZEN | TASK_RTLOCK_WAIT)))
		return;
	if (signal_pending_state(state, tsk) || test_restore_sigmask())
		return;

	syslet_clear_armed();
	trace_syslet_block(&tsk->syslet->call, state);
	syslet_offer(tsk->syslet);
	if (likely(tsk->syslet->call.offered))
		WRITE_ONCE(tsk->indirect_regs, tsk->syslet->call.regs);
}

/**
 * syslet_stay - the current call is about the task that makes it
 *
 * For handlers that do not wait for long, but would do it to the wrong task
 * in a runner: from here on the call is synchronous.
 *
 * Context: Process context; may wait for an adoption under way.
 * Return: 0; -EAGAIN if the thread has been handed off already.
 */
int syslet_stay(void)
{
	struct syslet_task *st = current->syslet;

	might_sleep();
	syslet_clear_armed();
	if (!st || (syslet_withdraw(st) && !syslet_is_helper(current)))
		return 0;
	return -EAGAIN;
}

/**
 * syslet_refuse_block - the current call must not leave its task
 *
 * For handlers that find out late that their call depends on the task, and
 * have done nothing yet that cannot be repeated.
 *
 * Context: Process context.
 * Return: -EAGAIN if the call is armed, or in a runner, and has to fail with it;
 * 0 if it may go on, synchronously.
 */
int syslet_refuse_block(void)
{
	struct syslet_task *st = current->syslet;

	/* An offer stands if the call has slept before: leave it alone. */
	if (((current->flags & PF_SYSLET_ARMED) || (st && st->call.offered)) &&
	    !(st->call.args->flags & SYSLET_SYNC_OK))
		return syslet_refused(st->call.batch);
	return syslet_stay();
}

/**
 * syslet_refuse_offered - the current call must not have left its task
 *
 * For handlers that give the task something for good, which the thread takes
 * along if it leaves later.
 *
 * Context: Process context.
 * Return: 0 if the call is where its thread is; -EAGAIN, and it has to fail.
 */
int syslet_refuse_offered(void)
{
	struct syslet_task *st = current->syslet;

	return st && st->call.offered ? syslet_refuse_block() : 0;
}

/* --- hand off: the spare adopts the user side ------------------------ */

/* The mask of a runner. */
static void syslet_block_signals(struct task_struct *tsk)
{
	lockdep_assert_held(syslet_siglock(tsk));

	siginitsetinv(&tsk->blocked, sigmask(SIGKILL) | sigmask(SIGSTOP));
}

/*
 * Signals for the thread follow its user side; those that are for the whole
 * process are found by the recalculation.
 */
static void syslet_move_signals(struct task_struct *from)
{
	struct task_struct *to = current;
	sigset_t kill, moved;

	lockdep_assert_held(syslet_siglock(to));

	siginitset(&kill, sigmask(SIGKILL));
	sigandnsets(&moved, &from->pending.signal, &kill);
	sigorsets(&to->pending.signal, &to->pending.signal, &moved);
	sigandsets(&from->pending.signal, &from->pending.signal, &kill);
	list_splice_tail_init(&from->pending.list, &to->pending.list);

	to->blocked = from->syslet->call.blocked;
	syslet_block_signals(from);
	recalc_sigpending();

	to->sas_ss_sp = from->sas_ss_sp;
	to->sas_ss_size = from->sas_ss_size;
	to->sas_ss_flags = from->sas_ss_flags;
	sas_ss_reset(from);

	to->pdeath_signal = from->pdeath_signal;
	from->pdeath_signal = 0;
}

/* wait(__WNOTHREAD) and PR_SET_PDEATHSIG go by the parent's task. */
static void syslet_pass_children(struct task_struct *from, struct task_struct *to)
{
	struct task_struct *child, *t;

	lockdep_assert_held_write(&tasklist_lock);

	/* PTRACE_TRACEME of a child, after this thread was found not to trace. */
	list_for_each_entry(t, &from->ptraced, ptrace_entry)
		RCU_INIT_POINTER(t->parent, to);
	list_splice_tail_init(&from->ptraced, &to->ptraced);
	list_for_each_entry(child, &from->children, sibling) {
		for_each_thread(child, t) {
			if (rcu_access_pointer(t->parent) == from)
				RCU_INIT_POINTER(t->parent, to);
			RCU_INIT_POINTER(t->real_parent, to);
		}
	}
	list_splice_tail_init(&from->children, &to->children);
}

static void syslet_move_children(struct task_struct *from)
{
	/* [D] pairs with __syslet_reparented() */
	smp_mb();
	if (list_empty(&from->children))
		return;

	write_lock_irq(&tasklist_lock);
	syslet_pass_children(from, current);
	write_unlock_irq(&tasklist_lock);
}

/**
 * __syslet_reparented - see syslet_reparented()
 * @reaper: a task that takes part in syslets
 *
 * Context: tasklist_lock held for writing, which also keeps the tasks.
 */
void __syslet_reparented(struct task_struct *reaper)
{
	struct task_struct *to;

	guard(rcu)();
	for (;;) {
		/* [D] pairs with syslet_move_children() */
		smp_mb();
		to = __syslet_user_side(reaper);
		/* One that exits has passed on its children, or will. */
		if (to == reaper || (to->flags & PF_EXITING))
			return;
		syslet_pass_children(reaper, to);
		reaper = to;
	}
}

/**
 * syslet_install_cred - take credentials by reference
 * @new: credentials of another task of the thread; not commit_creds(), which
 *	 acts as if they were changed
 *
 * Context: Process context, with no credentials overridden.
 */
void syslet_install_cred(const struct cred *new)
{
	const struct cred *old = rcu_dereference_protected(current->real_cred, true);

	if (old == new)
		return;

	get_cred(new);
	get_cred(new);
	if (old->ucounts != new->ucounts) {
		inc_rlimit_ucounts(new->ucounts, UCOUNT_RLIMIT_NPROC, 1);
		dec_rlimit_ucounts(old->ucounts, UCOUNT_RLIMIT_NPROC, 1);
	}
	rcu_assign_pointer(current->real_cred, new);
	rcu_assign_pointer(current->cred, new);
	put_cred(old);
	put_cred(old);
}

/*
 * What others read or set, whom they find by the thread's TID. That the call
 * may be running does not matter: none that goes async changes credentials.
 */
static void syslet_move_labels(struct task_struct *from)
{
	struct task_struct *to = current;
	const struct cred *cred;

	/* Padded by whoever sets it: no need to look for its end. */
	if (memcmp(to->comm, from->comm, sizeof(to->comm)))
		memcpy(to->comm, from->comm, sizeof(to->comm));

	to->timer_slack_ns = from->timer_slack_ns;
	to->default_timer_slack_ns = from->default_timer_slack_ns;
	/* The group leader's is that of the process, and stays. */
	if (!thread_group_leader(to)) {
		swap(to->start_time, from->start_time);
		swap(to->start_boottime, from->start_boottime);
	}
	if (thread_group_leader(from)) {
		from->start_time = to->start_time;
		from->start_boottime = to->start_boottime;
	}
	/*
	 * Not ->cred, which the call may have overridden. An LSM may just be
	 * replacing them by the same with a newer label.
	 */
	cred = get_task_cred(from);
	syslet_install_cred(cred);
	put_cred(cred);
}

static void syslet_move_attributes(struct task_struct *from)
{
	struct task_struct *to = current;

	to->personality = from->personality;
	/* The other one may be running, and change others of its flags. */
	if (unlikely(data_race(to->flags ^ from->flags) & PF_NPROC_EXCEEDED)) {
		/* Others read these flags, for other bits. */
		data_race(to->flags ^= PF_NPROC_EXCEEDED);
	}
#ifdef CONFIG_AUDIT
	to->loginuid = from->loginuid;
	to->sessionid = from->sessionid;
#endif
	/* Not before: having one is seen, by kcmp(2). */
	share_semundo(to, from);
	security_task_handoff(to, from);
}

static void syslet_move_rseq(struct task_struct *from)
{
#ifdef CONFIG_RSEQ
	const struct syslet_call_state *call = &from->syslet->call;
	struct task_struct *to = current;

	to->rseq_len = from->rseq_len;
	to->rseq_sig = from->rseq_sig;
	preempt_disable();
	to->rseq = from->rseq;
	WRITE_ONCE(from->rseq, NULL);
	/* The registered CPU number is that of the other task. */
	if (call->rseq_cpu != smp_processor_id() || call->rseq_mm_cid != task_mm_cid(to))
		rseq_migrate(to);
	preempt_enable();
#endif
}

/* What user space has told the kernel about the thread's own memory. */
static void syslet_move_user_pointers(struct task_struct *from)
{
	struct task_struct *to = current;

	to->clear_child_tid = from->clear_child_tid;
	from->clear_child_tid = NULL;
#ifdef CONFIG_FUTEX
	to->robust_list = from->robust_list;
	from->robust_list = NULL;
#ifdef CONFIG_COMPAT
	to->compat_robust_list = from->compat_robust_list;
	from->compat_robust_list = NULL;
#endif
#endif
	syslet_move_rseq(from);
}

/*
 * Nothing of @call is touched after this. If it is awaited then that stays: who
 * was interrupted and looks again has to wait for the wake-up all the same.
 */
static void syslet_adoption_over(struct syslet_call_state *call)
{
	/* [C] pairs with syslet_is_under_way() */
	if (cmpxchg(&call->adoption, SYSLET_UNDER_WAY, SYSLET_ADOPTION_OVER) == SYSLET_AWAITED) {
		syslet_delay(SYSLET_POINT_OVER);
		complete_all(&call->adopted);
	}
}

/* Will the runner become a thread in user space, which nobody traces? */
static bool syslet_has_frame(const struct syslet_call_state *call)
{
	return !call->evict && call->args->frame.ip;
}

/* The step that decides, and what signals and look-ups by TID depend on. */
static bool __syslet_take_over(struct syslet_ctx *ctx, struct task_struct *from)
{
	struct task_struct *to = current;
	u64 runtime;
	bool ok;

	lockdep_assert_held(syslet_siglock(from));

	/* Takes pi_lock, if the task has not left its CPU yet. */
	runtime = task_sched_runtime(from);
	raw_spin_lock(&from->pi_lock);
	/* Again: others may have changed what was found when arming. */
	ok = syslet_is_movable(from) && syslet_is_fresh(from, to) &&
	     (!from->ptrace || !syslet_has_frame(&from->syslet->call));
	if (ok) {
		write_seqcount_begin(&ctx->seq);
		syslet_move_labels(from);
		/* After that: syslet_user_side() reads them without a lock. */
		smp_store_release(&ctx->carrier, to);
		syslet_pass_usage(from->syslet, to->syslet, runtime);
		syslet_pass_tid(ctx, from, to);
		write_seqcount_end(&ctx->seq);
	}
	raw_spin_unlock(&from->pi_lock);
	if (ok) {
		indirect_move_watchers(from);
		syslet_move_signals(from);
		/* Only ever set; by TSYNC from other threads too, under this lock. */
		if (task_no_new_privs(from))
			task_set_no_new_privs(to);
	}
	return ok;
}

static bool syslet_take_over(struct syslet_ctx *ctx, struct task_struct *from)
{
	bool traced, ok = false;

	spin_lock_irq(syslet_siglock(from));
	traced = from->ptrace;
	if (likely(!traced))
		ok = __syslet_take_over(ctx, from);
	spin_unlock_irq(syslet_siglock(from));
	if (likely(!traced))
		return ok;

	/* It is in the list of its tracer. */
	write_lock_irq(&tasklist_lock);
	spin_lock(syslet_siglock(from));
	ok = __syslet_take_over(ctx, from);
	spin_unlock(syslet_siglock(from));
	write_unlock_irq(&tasklist_lock);
	return ok;
}

/**
 * syslet_adopt - become the carrier of the thread
 * @st: the current task, a spare that was chosen for it
 * @batch: what to go on with; its @nr is 0 if that was a single call
 * @ret: what the system call returns to user space, then
 *
 * Context: Process context, of the spare.
 * Return: true if there was an offer and it was taken.
 */
bool syslet_adopt(struct syslet_task *st, struct syslet_batch *batch, long *ret)
{
	struct syslet_ctx *ctx = st->ctx;
	/* Once: the carrier may be making the next offer. */
	unsigned long token = READ_ONCE(st->token);
	const struct syslet_batch *running;
	struct syslet_call_state *call;
	struct task_struct *from;
	bool batched;

	/* [B] pairs with syslet_withdraw() */
	if (!token || cmpxchg(&ctx->offer, token, 0) != token)
		return false;

	syslet_delay(SYSLET_POINT_CHECK);
	/* From here on the carrier, which made the offer, waits for us. */
	from = ctx->carrier;
	call = &from->syslet->call;
	if (!syslet_take_over(ctx, from)) {
		call->refused = true;
		/* Who must not wait is to be told: see syslet_withdrawn(). */
		if (!call->evict && !(call->args->flags & SYSLET_SYNC_OK))
			syslet_interrupt(from);
		syslet_adoption_over(call);
		return false;
	}

	syslet_delay(SYSLET_POINT_MOVE);
	if (!call->evict) {
		WRITE_ONCE(ctx->handoffs, ctx->handoffs + 1);
		call->since = jiffies;
		call->ring = ctx->ring;
		syslet_ring_reserve(call->ring);
	}
	syslet_unpark(st, call->evict ? NULL : call);
	syslet_move_children(from);
	syslet_move_attributes(from);
	syslet_move_user_pointers(from);
	arch_syslet_adopt(from);
	*ret = call->evict ? restart_syscall() : -ESYSLETPENDING;
	/* None any more if the other one has died in the call. */
	running = READ_ONCE(call->batch);
	batched = running;
	batch->nr = 0;
	if (running && !call->evict)
		*batch = *running;

	if (!call->evict)
		trace_syslet_handoff(call, from);
	syslet_delay(SYSLET_POINT_ADOPTED);
	syslet_adoption_over(call);
	/* Who watches the thread may stop it here. */
	if (unlikely(test_syscall_work(SYSCALL_INDIRECT)))
		*ret = indirect_watch_exit(*ret, batched);
	return true;
}

/* --- finish: the runner ----------------------------------------------- */

/* If it is, then the end of it completes @call->adopted. */
static bool syslet_is_under_way(struct syslet_call_state *call)
{
	/* [C] pairs with syslet_adoption_over() */
	if (smp_load_acquire(&call->adoption) == SYSLET_ADOPTION_OVER)
		return false;
	if (cmpxchg(&call->adoption, SYSLET_UNDER_WAY, SYSLET_AWAITED) != SYSLET_ADOPTION_OVER)
		return true;
	/* A cmpxchg() that fails orders nothing. */
	smp_acquire__after_ctrl_dep();
	return false;
}

/**
 * syslet_withdraw - the call is over: take back the offer of the user side
 * @st: the current task
 *
 * Context: Process context; may wait for an adoption under way.
 * Return: true if the user side is still here; false if it was handed off.
 */
bool syslet_withdraw(struct syslet_task *st)
{
	unsigned long token = st->call.offered;

	if (likely(!token))
		return true;

	/* [B] pairs with syslet_adopt() */
	if (cmpxchg(&st->ctx->offer, token, 0) != token) {
		if (syslet_is_under_way(&st->call))
			wait_for_completion(&st->call.adopted);
		/* The answer stays the same until the call is finished. */
		if (!st->call.refused)
			return false;
	}
	st->call.offered = 0;
	WRITE_ONCE(st->task->indirect_regs, NULL);
	/* The next call is not to find what became of this offer. */
	if (st->call.batch)
		st->call.batch->prepared = false;
	return true;
}

/* A stop that is over may have left no trace. */
#define SYSLET_IDLE_RESTARTS	4

/*
 * A plain restart would enter the system call anew: under the filters and
 * credentials of then. Filters that want to ask somebody are not asked again.
 */
static bool syslet_may_repeat(struct syslet_task *st)
{
	struct task_struct *carrier;
	u32 action;

	scoped_guard(rcu) {
		carrier = READ_ONCE(st->ctx->carrier);
		if (!carrier || !syslet_same_seccomp(carrier, current) ||
		    rcu_access_pointer(carrier->real_cred) !=
		    rcu_access_pointer(current->real_cred))
			return false;
	}
	action = seccomp_peek(st->call.regs);
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

/**
 * __syslet_keep_result - see syslet_keep_result()
 *
 * Context: Process context.
 */
void __syslet_keep_result(void)
{
	struct syslet_call_state *call = &current->syslet->call;

	/* The handoff may still come. */
	if (!(current->flags & PF_SYSLET_ARMED) && !call->offered)
		return;
	call->keep_result = true;
	if (call->batch)
		call->batch->prepared = false;
}

/*
 * A runner has no signals but SIGKILL and SIGSTOP, so a call that was
 * interrupted is to be repeated after the stop or the task work that caused
 * it, unless its thread is gone.
 */
static long syslet_restart(struct syslet_task *st, long ret)
{
	unsigned int idle = 0;

	while (syslet_is_restart(ret)) {
		/* It signalled its process, and wants to be told what came of it. */
		if (signal_pending(current))
			idle = 0;
		else if (++idle > SYSLET_IDLE_RESTARTS)
			return -EINTR;
		if (fatal_signal_pending(current))
			indirect_watch_finish(ret);
		syslet_handle_signals();
		/* After what told us so was cleared: see syslet_ctx_kill(). */
		if (syslet_is_cancelled(st))
			return -ECANCELED;
		if (ret == -ERESTART_RESTARTBLOCK)
			ret = current->restart_block.fn(&current->restart_block);
		else if (syslet_may_repeat(st))
			ret = arch_indirect_dispatch(st->call.regs);
		else
			ret = -EINTR;
	}
	return ret;
}

/*
 * 2007 semantics: the task becomes a thread of its own, in user space. It is
 * not the group leader, see syslet_evict().
 */
static long syslet_to_frame(struct syslet_task *st, const struct syslet_frame *frame)
{
	syslet_leave(st);
	arch_syslet_set_frame(frame);
	return 0;
}

/* Our signal mask was changed by another task; and maybe by the call. */
static void syslet_settle_signals(void)
{
	sigset_t mask;

	siginitsetinv(&mask, sigmask(SIGKILL) | sigmask(SIGSTOP));
	if (likely(sigequalsets(&current->blocked, &mask) && !test_thread_flag(TIF_SIGPENDING)))
		return;
	spin_lock_irq(syslet_siglock(current));
	syslet_block_signals(current);
	recalc_sigpending();
	spin_unlock_irq(syslet_siglock(current));
}

static void syslet_finish(struct syslet_task *st, long ret)
{
	struct syslet_call_state *call = &st->call;

	call->offered = 0;
	syslet_settle_signals();

	ret = syslet_result(syslet_restart(st, ret));
	WRITE_ONCE(call->finished, true);
	/* Some calls do not ask to be repeated. */
	if (ret == -EINTR && syslet_is_cancelled(st) && !call->keep_result)
		ret = -ECANCELED;
	/* What the call left for its return to user space is part of it. */
	if (task_work_pending(current) || test_thread_flag(TIF_NOTIFY_RESUME))
		resume_user_mode_work(NULL);

	indirect_watch_finish(ret);
	trace_syslet_finish(call, ret);
	syslet_delay(SYSLET_POINT_FINISH);
	if (syslet_ring_post(&call->ring, u64_to_user_ptr(call->args->completion_ring_ptr),
			     ret, call->args->caller_data, &call->posted))
		WRITE_ONCE(st->ctx->ring_addr, 0);
	if (call->eventfd)
		eventfd_signal(call->eventfd);
	WRITE_ONCE(current->indirect_regs, NULL);
	syslet_call_put(st);
	syslet_delay(SYSLET_POINT_POSTED);
}

/**
 * syslet_go_on - what a runner does when its call was posted
 * @args: of that call
 *
 * Context: Process context, with nothing held.
 * Return: what the system call returns, of the thread that it carries then.
 */
long syslet_go_on(const struct syslet_args *args)
{
	struct syslet_task *st = current->syslet;

	return args->frame.ip ? syslet_to_frame(st, &args->frame) : syslet_park(st);
}

/* --- the call --------------------------------------------------------- */

static long syslet_restart_call(struct restart_block *rb);

/* Without memory for that the call is continued synchronously. */
static void syslet_save_restart(struct syslet_task *st)
{
	struct syslet_call_state *call = &st->call;
	struct restart_block *rb = &st->task->restart_block;

	if (!call->restart)
		call->restart = kmalloc(sizeof(*call->restart), GFP_KERNEL_ACCOUNT);
	if (!call->restart)
		return;
	call->restart->regs = *call->regs;
	call->restart->args = *call->args;
	call->restart->fn = rb->fn;
	rb->fn = syslet_restart_call;
}

/* @ctx is NULL if there was no memory for it. */
static void syslet_note_refusal(struct syslet_ctx *ctx, struct pt_regs *regs,
				const struct syslet_args *args)
{
	trace_syslet_refuse(regs, args);
	if (ctx)
		WRITE_ONCE(ctx->refused, ctx->refused + 1);
}

/* A call that slept is over, and its user side is still here. */
static long syslet_withdrawn(struct syslet_task *st, long ret)
{
	struct syslet_call_state *call = &st->call;

	/*
	 * Nobody took over: a program that would end this sleep itself must not
	 * be left in it. A call that is to be repeated has done nothing yet; one
	 * that says -EINTR may have (close).
	 */
	if (call->refused && syslet_is_restart(ret) &&
	    !(call->args->flags & SYSLET_SYNC_OK)) {
		syslet_note_refusal(st->ctx, call->regs, call->args);
		return syslet_refused(call->batch);
	}
	return ret;
}

/**
 * __syslet_disarm - see syslet_disarm()
 * @ret: what the handler returned; changed to the result
 *
 * Context: Process context, in the system call, with nothing held.
 * Return: true if there is a result; false if the call has been posted.
 */
bool __syslet_disarm(long *ret)
{
	struct syslet_task *st = current->syslet;
	struct syslet_call_state *call = &st->call;

	*ret = syslet_result(*ret);
	if (call->offered) {
		syslet_delay(SYSLET_POINT_WITHDRAW);
		if (!syslet_withdraw(st)) {
			syslet_finish(st, *ret);
			return false;
		}
		*ret = syslet_withdrawn(st, *ret);
	}
	/* A batch is not continued in the middle of a call. */
	if (*ret == -ERESTART_RESTARTBLOCK && !call->batch)
		syslet_save_restart(st);
	if (call->eventfd)
		syslet_call_put(st);
	return true;
}

/*
 * restart_syscall(2) for a call that was armed: it still may go async. If that
 * is not possible any more it is refused, although it may have slept for some
 * of its time: who makes it again sleeps for longer.
 */
static long syslet_restart_call(struct restart_block *rb)
{
	struct syslet_task *st = current->syslet;
	struct syslet_restart restart;
	long ret;
	int err;

	/*
	 * restart_block outlives fork() and execve(), and any task may call
	 * restart_syscall(2): it need not be the one that was interrupted.
	 */
	if (!st || !st->call.restart)
		return do_no_restart_syscall(rb);
	restart = *st->call.restart;
	err = syslet_prepare_call(st, &restart.regs, &restart.args);
	/* To be called again. */
	if (err == -ERESTARTNOINTR)
		return err;
	kfree(st->call.restart);
	st->call.restart = NULL;

	rb->fn = restart.fn;
	if (err)
		return restart.args.flags & SYSLET_SYNC_OK ? restart.fn(rb) : -EAGAIN;
	trace_syslet_arm(&st->call);
	syslet_arm();
	ret = restart.fn(rb);
	return syslet_disarm(&ret) ? ret : syslet_go_on(&restart.args);
}

/*
 * The group leader does not give its TID away, so it cannot become a thread
 * of its own when its call is done (struct syslet_frame). Let a spare adopt
 * the user side first, and make the same system call again.
 */
static long syslet_evict(struct syslet_task *st)
{
	int err;

	st->call.evict = true;
	syslet_offer(st);
	if (!st->call.offered)
		return -EAGAIN;
	/* A spare that is stopped or dying will not come. */
	err = syslet_is_under_way(&st->call) ?
	      wait_for_completion_interruptible(&st->call.adopted) : 0;
	if (syslet_withdraw(st))
		return err ? -ERESTARTNOINTR : -EAGAIN;
	st->call.offered = 0;
	indirect_watch_finish(-ERESTARTNOINTR);
	/* What comes back is of another system call, maybe of another thread. */
	st->call.left++;
	if (st->call.batch)
		syslet_leave_batch(st->call.batch);
	return syslet_park(st);
}

/**
 * syslet_return_to_leader - the group leader is to make the current system call
 * @st: the current task, which carries the main thread
 *
 * Context: Process context, in a system call, with nothing held.
 * Return: 0 if that is not possible; or what the system call has to return.
 */
long syslet_return_to_leader(struct syslet_task *st)
{
	long ret;

	if (!syslet_choose_leader(st->ctx))
		return 0;
	syslet_reset_call(&st->call);
	ret = syslet_evict(st);
	st->call.adopted_pending = ret == -ESYSLETPENDING;
	return ret == -EAGAIN ? 0 : ret;
}

/*
 * What is refused to a traced thread: a frame, as who returns there would not be
 * traced; and while the others are stopped, spares too, and it alone goes on.
 */
static bool syslet_is_held_back(const struct syslet_args *args)
{
	return args->frame.ip || (READ_ONCE(current->signal->flags) & SIGNAL_STOP_STOPPED);
}

/**
 * syslet_prepare - see that a call can go async
 * @regs: the call, of a class that may go async
 * @args: how; checked, with a ring
 * @batch: what it is an entry of, or NULL; all its entries have the same @regs
 *	   and @args
 * @ret: if that cannot be: -EAGAIN, and it has not run, or its result; -EFAULT,
 *	 -EINVAL, -EBADF for a bad ring or eventfd
 *
 * Context: Process context, in sys_indirect() or sys_syslet_submit(), with
 * nothing held.
 * Return: true if the call is to be armed and dispatched; false if *@ret is all
 * that there is.
 */
bool syslet_prepare(struct pt_regs *regs, const struct syslet_args *args,
		    struct syslet_batch *batch, long *ret)
{
	struct syslet_task *st = current->syslet;
	unsigned long left = syslet_times_left();

	if (batch)
		batch->prepared = false;
	if (unlikely(!st)) {
		st = syslet_enter();
		syslet_set_batch(batch);
	}
	if (unlikely(!st || (current->ptrace && syslet_is_held_back(args))))
		*ret = -EAGAIN;
	else
		*ret = syslet_prepare_call(st, regs, args);
	if (likely(!*ret)) {
		/* The descriptor may be of another file by the next call. */
		if (batch)
			batch->prepared = !st->call.eventfd;
		if (likely(!args->frame.ip || !thread_group_leader(current)))
			return true;
		/* The other task makes the call, and prepares it. */
		syslet_call_put(st);
		*ret = syslet_evict(st);
	}
	if (*ret == -EAGAIN && likely(syslet_times_left() == left)) {
		syslet_note_refusal(st ? st->ctx : NULL, regs, args);
		if (args->flags & SYSLET_SYNC_OK)
			*ret = indirect_dispatch_here(regs);
		else
			*ret = syslet_refused(batch);
	}
	return false;
}
