// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who appears under which TID while user sides move between tasks.
 *
 * Ordinary threads: the two tasks exchange their TIDs.
 *
 * Main thread: the group leader L keeps the TID that is also the PID of the
 * process. The carrier C joins L's struct pid as its first task, so pid_task()
 * finds C. The struct pid that C left has no task (ESRCH) and is kept in
 * syslet_ctx.tid until C gives the other one up:
 *
 *	handoff		PID's list	C1's TID	C2's TID	kept
 *	-		L		C1		C2		-
 *	L -> C1		C1, L		-		C2		C1's
 *	C1 -> C2	C2, L		-		C1		C1's own
 *
 *	C2 -> L		L		as the second line backwards
 *
 * All lists that are changed here belong to threads of one group: they are
 * under its siglock, as their other writers hold it too (copy_process(),
 * __exit_signal()). Readers use RCU and look at the first entry only.
 */
#include <linux/pid.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "syslet.h"

/* Unlike change_pid() this leaves the old struct pid alone if it is unused. */
static void syslet_set_tid(struct task_struct *tsk, struct pid *pid)
{
	hlist_del_rcu(&tsk->pid_links[PIDTYPE_PID]);
	/* For RCU readers: as in exchange_tids(). */
	smp_store_release(&tsk->thread_pid, pid);
	WRITE_ONCE(tsk->pid, pid_nr(pid));
	hlist_add_head_rcu(&tsk->pid_links[PIDTYPE_PID], &pid->tasks[PIDTYPE_PID]);
}

/**
 * syslet_pass_tid - let a task appear under the TID of another
 * @ctx: the thread of both
 * @from: its carrier until now
 * @to: its carrier from now on
 *
 * Context: siglock held.
 */
void syslet_pass_tid(struct syslet_ctx *ctx, struct task_struct *from,
		     struct task_struct *to)
{
	struct task_struct *leader = from->group_leader;
	struct pid *main_tid = task_pid(leader);
	struct pid *left;

	lockdep_assert_held(syslet_siglock(from));

	if (task_pid(from) != main_tid) {
		exchange_tids(from, to);
		return;
	}

	if (to == leader) {
		/* It never gave it away. */
		syslet_set_tid(from, ctx->tid);
		ctx->tid = NULL;
		return;
	}

	/* Join first: the main thread's TID finds a task at any time. */
	left = task_pid(to);
	syslet_set_tid(to, main_tid);
	if (from == leader)
		ctx->tid = left;
	else
		syslet_set_tid(from, left);
}

/**
 * syslet_return_tid - a carrier gives the main thread's TID back to the leader
 * @ctx: its thread
 * @tsk: the carrier; any other task is left as it is
 *
 * Context: siglock held.
 */
void syslet_return_tid(struct syslet_ctx *ctx, struct task_struct *tsk)
{
	lockdep_assert_held(syslet_siglock(tsk));

	if (!syslet_shares_tgid(tsk))
		return;
	syslet_set_tid(tsk, ctx->tid);
	ctx->tid = NULL;
}

/**
 * __syslet_missed - see syslet_missed()
 * @tsk: a task; it may be dying
 * @nr: the TID by which it was found, or 0
 * @pid: if @nr is 0, the struct pid by which it was found
 * @ret: what to return if it still is
 *
 * A handoff compares and moves the TID in one section under siglock. With that
 * taken once, the handoff has seen the change, or we see the move.
 *
 * Context: Process context, of a system call.
 * Return: @ret, or for the system call to be made again.
 */
long __syslet_missed(struct task_struct *tsk, pid_t nr, struct pid *pid, long ret)
{
	struct task_struct *now;
	unsigned long flags;

	/* If that fails then the task was left long ago. */
	if (lock_task_sighand(tsk, &flags))
		unlock_task_sighand(tsk, &flags);

	guard(rcu)();
	now = nr ? find_task_by_vpid(nr) : pid_task(pid, PIDTYPE_PID);
	/* Not if the number was given to somebody else. */
	if (now && now != tsk && same_thread_group(now, tsk))
		return restart_syscall();
	return ret;
}
