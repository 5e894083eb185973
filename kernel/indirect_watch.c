// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who watches the system calls of a thread (tracers, seccomp, tracepoints,
 * audit) sees the call that was asked for, under its own number and arguments.
 *
 * When it is known which call that is, indirect(2) or syslet_submit(2) has
 * entered already, and passed. From then on the thread does not enter twice:
 * for those who watch the outer call is over, its result is 0, and the inner
 * ones follow it, each with an entry and an exit of its own:
 *
 *	indirect()	entry	as of any system call
 *			exit	0
 *	read()		entry	number and arguments in the real registers
 *			exit	its result, or -ESYSLETPENDING
 *
 * Nothing more is told when the outer call returns to user space: that is what
 * SYSCALL_WORK_SYSCALL_INDIRECT says. A handoff takes it along, so the spare
 * tells of the exit with -ESYSLETPENDING. But for audit, which keeps what a
 * call touches in a task: there the runner tells of the exit, with the result.
 *
 * Syscall user dispatch goes by the instruction that makes a call, and a single
 * step ends with it: both are about the outer call.
 */
#include <linux/audit.h>
#include <linux/entry-common.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/signal.h>

#include <asm/syscall.h>
#include <asm/syslet.h>

#include "syslet.h"

/* About the instruction, or told once on the way back to user space. */
#define INDIRECT_WORK_OUTER	(SYSCALL_WORK_SYSCALL_USER_DISPATCH | \
				 SYSCALL_WORK_SYSCALL_EXIT_TRAP | \
				 SYSCALL_WORK_SYSCALL_INDIRECT)

static unsigned long indirect_watchers(void)
{
	return READ_ONCE(current_thread_info()->syscall_work) & ~INDIRECT_WORK_OUTER;
}

/* False if a tracer wants the thread to go on somewhere else. */
static bool indirect_exit_outer(struct pt_regs *uregs)
{
	unsigned long ip = instruction_pointer(uregs);
	int nr = syscall_get_nr(current, uregs);

	if (test_syscall_work(SYSCALL_INDIRECT))
		return true;
	syscall_set_return_value(current, uregs, 0, 0);
	syscall_exit_work(uregs, indirect_watchers());
	set_syscall_work(SYSCALL_INDIRECT);
	return instruction_pointer(uregs) == ip && syscall_get_nr(current, uregs) == nr;
}

/* SECCOMP_RET_TRAP has put the number where a handler looks for it. */
static bool indirect_was_trapped(struct pt_regs *uregs)
{
	return syscall_get_return_value(current, uregs) == syscall_get_nr(current, uregs) &&
	       sigismember(&current->pending.signal, SIGSYS);
}

/**
 * indirect_watch_enter - tell those who watch of the entry of a call
 * @regs: the call, in the registers of its ABI; changed if they change it
 * @batch: what it is an entry of, or NULL
 * @ret: its result if it is not to be made
 *
 * SECCOMP_RET_TRAP leaves number and arguments of the call in the thread's
 * registers, for a signal handler that makes the call itself: the argument
 * registers of indirect(2) are lost then. From the middle of a batch there is
 * no way to a handler and back: such an entry is refused.
 *
 * Context: Process context of the carrier, in indirect(2) or syslet_submit(2),
 * with nothing held; may stop.
 * Return: true if the call is to be made.
 */
bool indirect_watch_enter(struct pt_regs *regs, struct syslet_batch *batch, long *ret)
{
	struct pt_regs *uregs = current_pt_regs();
	struct pt_regs outer;
	bool trapped;
	long nr;

	if (batch && seccomp_peek(regs) == SECCOMP_RET_TRAP) {
		*ret = syslet_refused(batch);
		return false;
	}

	if (!indirect_exit_outer(uregs)) {
		*ret = syscall_get_return_value(current, uregs);
		if (batch)
			syslet_leave_batch(batch);
		return false;
	}
	outer = *uregs;
	arch_indirect_copy_call(uregs, regs);
	syscall_set_return_value(current, uregs, -ENOSYS, 0);
	nr = syscall_trace_enter(uregs, syscall_get_nr(current, uregs), indirect_watchers());
	arch_indirect_copy_call(regs, uregs);

	/* Filters may have changed since they were asked. */
	trapped = nr == -1 && indirect_was_trapped(uregs);
	if (likely(!trapped || batch))
		arch_indirect_copy_args(uregs, &outer);
	if (nr != -1)
		return true;
	*ret = syscall_get_return_value(current, uregs);
	/* A filter's idea of an error is not why a batch is made again. */
	if (batch && (trapped || (syslet_is_restart(*ret) && !signal_pending(current))))
		*ret = -EINTR;
	*ret = syslet_result(indirect_watch_exit(*ret, batch));
	return false;
}

/**
 * indirect_watch_exit - tell those who watch of the exit of a call
 * @ret: its result
 * @batched: it is an entry of a syslet_submit(2)
 *
 * They see the number of the call with the other registers of the thread. If
 * it is to be repeated then that is done through the outer call: a tracer that
 * saves and puts back the registers is to put back the number of that one.
 *
 * Context: Process context of the carrier, with nothing held; may stop.
 * Return: the result, which a tracer may have changed.
 */
long indirect_watch_exit(long ret, bool batched)
{
	struct pt_regs *uregs = current_pt_regs();
	unsigned long outer = batched ? __NR_syslet_submit : __NR_indirect;
	unsigned long work = indirect_watchers();
	unsigned long stop = 0;
	int nr = syscall_get_nr(current, uregs);

	syscall_set_return_value(current, uregs, 0, ret);
	if (syslet_is_restart(ret))
		stop = work & SYSCALL_WORK_SYSCALL_TRACE;
	syscall_exit_work(uregs, work & ~stop);
	if (syscall_get_nr(current, uregs) == nr)
		arch_indirect_set_nr(uregs, outer);
	if (stop)
		ptrace_report_syscall_exit(uregs, false);
	return syscall_get_return_value(current, uregs);
}

/**
 * indirect_watch_finish - the same for a call that its thread has left
 * @ret: its result
 *
 * Context: Process context of a runner, with nothing held.
 */
void indirect_watch_finish(long ret)
{
	/* Nobody's: those of the thread are with another task. */
	struct pt_regs *uregs = current_pt_regs();

	syscall_set_return_value(current, uregs, 0, ret);
	audit_syscall_exit(uregs);
}

/* The state of the watchers that belongs to the thread, and no more to @from. */
#define INDIRECT_WORK_MOVED	(SYSCALL_WORK_SYSCALL_USER_DISPATCH | \
				 SYSCALL_WORK_SYSCALL_INDIRECT)

static void indirect_move_work(struct task_struct *from, unsigned long work)
{
	struct task_struct *to = current;

	to->syscall_dispatch = from->syscall_dispatch;
	if (work & SYSCALL_WORK_SYSCALL_USER_DISPATCH)
		set_task_syscall_work(to, SYSCALL_USER_DISPATCH);
	else
		clear_task_syscall_work(to, SYSCALL_USER_DISPATCH);
	if (work & SYSCALL_WORK_SYSCALL_INDIRECT)
		set_task_syscall_work(to, SYSCALL_INDIRECT);
	else
		clear_task_syscall_work(to, SYSCALL_INDIRECT);
	clear_task_syscall_work(from, SYSCALL_USER_DISPATCH);
	clear_task_syscall_work(from, SYSCALL_INDIRECT);
}

/* The tracer has the thread in its list, and the next stop is that of @to. */
static void indirect_move_tracer(struct task_struct *from)
{
	struct task_struct *to = current;
	unsigned long traps = from->jobctl & JOBCTL_TRAP_MASK;

	lockdep_assert_held_write(&tasklist_lock);

	to->ptrace = from->ptrace;
	rcu_assign_pointer(to->parent, rcu_dereference_protected(from->parent, true));
	rcu_assign_pointer(to->ptracer_cred,
			   rcu_dereference_protected(from->ptracer_cred, true));
	to->ptrace_message = from->ptrace_message;
	list_replace_init(&from->ptrace_entry, &to->ptrace_entry);
	from->ptrace = 0;
	rcu_assign_pointer(from->parent, rcu_dereference_protected(from->real_parent, true));
	RCU_INIT_POINTER(from->ptracer_cred, NULL);

	from->jobctl &= ~traps;
	to->jobctl |= traps;

	if (test_task_syscall_work(from, SYSCALL_TRACE))
		set_task_syscall_work(to, SYSCALL_TRACE);
	if (test_task_syscall_work(from, SYSCALL_EMU))
		set_task_syscall_work(to, SYSCALL_EMU);
	clear_task_syscall_work(from, SYSCALL_TRACE);
	clear_task_syscall_work(from, SYSCALL_EMU);
}

/**
 * indirect_move_watchers - those who watch a thread follow its user side
 * @from: the task that had it
 *
 * Context: The spare, in an adoption, with siglock held; and tasklist_lock for
 * writing, if the thread is traced.
 */
void indirect_move_watchers(struct task_struct *from)
{
	unsigned long work = READ_ONCE(task_thread_info(from)->syscall_work);
	unsigned long own = READ_ONCE(current_thread_info()->syscall_work);

	if (unlikely((work | own) & INDIRECT_WORK_MOVED))
		indirect_move_work(from, work);
	if (unlikely(from->ptrace))
		indirect_move_tracer(from);
}
