// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a thread has used, of CPU time, I/O and so on, whichever tasks it used.
 *
 * The counters are in the tasks and stay there: the sums of the process are
 * made of them. Each task has what is to be added to them when they are shown
 * as those of a thread. A handoff exchanges what is shown by the two tasks, so
 * clocks of the thread go on where they were, and the sum over all tasks stays
 * what it is.
 *
 *	shown = counter + st->usage[]	  (modulo 2^64; shown >= 0)
 */
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sched/cputime.h>
#include <linux/sched/task.h>
#include <linux/syslet.h>
#include <linux/task_io_accounting_ops.h>

#include "syslet.h"

/*
 * Times that were shown once must not get smaller: see cputime_adjust(). Both
 * locks, in any order: it is siglock that keeps other handoffs away.
 */
static void syslet_swap_prev_cputime(struct prev_cputime *a, struct prev_cputime *b)
{
#ifndef CONFIG_VIRT_CPU_ACCOUNTING_NATIVE
	raw_spin_lock(&a->lock);
	raw_spin_lock_nested(&b->lock, SINGLE_DEPTH_NESTING);
	swap(a->utime, b->utime);
	swap(a->stime, b->stime);
	raw_spin_unlock(&b->lock);
	raw_spin_unlock(&a->lock);
#endif
}

/* Of a task that may be running, and counting. Each counter is one word. */
#define syslet_counter(counter)	data_race(counter)

/* Exchange what is shown of one counter, which is @f in @from and @t in @to. */
static __always_inline void syslet_pass_counter(struct syslet_task *from,
						struct syslet_task *to,
						enum syslet_usage what, u64 f, u64 t)
{
	u64 more = f + from->usage[what] - (t + to->usage[what]);

	/* After the counters were read: pairs with __syslet_usage() */
	WRITE_ONCE(to->usage[what], to->usage[what] + more);
	WRITE_ONCE(from->usage[what], from->usage[what] - more);
}

/**
 * syslet_pass_usage - let a task show what another has used, and vice versa
 * @from: the carrier until now; it may be running
 * @to: the current task
 * @runtime: what @from has run; task_sched_runtime()
 *
 * What the current task has run since it was woken is the thread's.
 *
 * Context: siglock held, interrupts off.
 */
void syslet_pass_usage(struct syslet_task *from, struct syslet_task *to, u64 runtime)
{
	struct task_struct *f = from->task, *t = to->task;
	u64 f_utime, f_stime, t_utime, t_stime;

	task_cputime(f, &f_utime, &f_stime);
	task_cputime(t, &t_utime, &t_stime);

	syslet_pass_counter(from, to, SYSLET_RUNTIME, runtime, t->se.sum_exec_runtime);
	syslet_pass_counter(from, to, SYSLET_UTIME, f_utime, t_utime);
	syslet_pass_counter(from, to, SYSLET_STIME, f_stime, t_stime);
	syslet_pass_counter(from, to, SYSLET_GTIME, syslet_counter(f->gtime), t->gtime);
	syslet_pass_counter(from, to, SYSLET_MIN_FLT, syslet_counter(f->min_flt), t->min_flt);
	syslet_pass_counter(from, to, SYSLET_MAJ_FLT, syslet_counter(f->maj_flt), t->maj_flt);
	syslet_pass_counter(from, to, SYSLET_NVCSW, syslet_counter(f->nvcsw), t->nvcsw);
	syslet_pass_counter(from, to, SYSLET_NIVCSW, syslet_counter(f->nivcsw), t->nivcsw);
#ifdef CONFIG_SCHED_INFO
	syslet_pass_counter(from, to, SYSLET_RUN_DELAY,
			    syslet_counter(f->sched_info.run_delay), t->sched_info.run_delay);
	syslet_pass_counter(from, to, SYSLET_PCOUNT,
			    syslet_counter(f->sched_info.pcount), t->sched_info.pcount);
#endif
#ifdef CONFIG_TASK_XACCT
	syslet_pass_counter(from, to, SYSLET_RCHAR, syslet_counter(f->ioac.rchar), t->ioac.rchar);
	syslet_pass_counter(from, to, SYSLET_WCHAR, syslet_counter(f->ioac.wchar), t->ioac.wchar);
	syslet_pass_counter(from, to, SYSLET_SYSCR, syslet_counter(f->ioac.syscr), t->ioac.syscr);
	syslet_pass_counter(from, to, SYSLET_SYSCW, syslet_counter(f->ioac.syscw), t->ioac.syscw);
#endif
#ifdef CONFIG_TASK_IO_ACCOUNTING
	syslet_pass_counter(from, to, SYSLET_READ_BYTES,
			    syslet_counter(f->ioac.read_bytes), t->ioac.read_bytes);
	syslet_pass_counter(from, to, SYSLET_WRITE_BYTES,
			    syslet_counter(f->ioac.write_bytes), t->ioac.write_bytes);
	syslet_pass_counter(from, to, SYSLET_CANCELLED_BYTES,
			    syslet_counter(f->ioac.cancelled_write_bytes),
			    t->ioac.cancelled_write_bytes);
#endif
	syslet_swap_prev_cputime(&f->prev_cputime, &t->prev_cputime);
}

/**
 * __syslet_usage_begin - see syslet_usage_begin()
 * @tsk: a task; it may be dying
 *
 * Context: Any.
 * Return: for __syslet_usage_retry().
 */
unsigned int __syslet_usage_begin(struct task_struct *tsk)
{
	struct syslet_task *st;

	guard(rcu)();
	st = READ_ONCE(tsk->syslet);
	return st ? read_seqcount_begin(&st->ctx->seq) : 0;
}

/**
 * __syslet_usage_retry - see syslet_usage_retry()
 * @tsk: a task; it may be dying
 * @pid: by which it was found
 * @seq: what __syslet_usage_begin() returned
 *
 * Context: Any.
 * Return: true if what was read may be a mixture.
 */
bool __syslet_usage_retry(struct task_struct *tsk, struct pid *pid, unsigned int seq)
{
	struct syslet_task *st;

	guard(rcu)();
	st = READ_ONCE(tsk->syslet);
	/* The look-up came before @seq was read. */
	return st && (read_seqcount_retry(&st->ctx->seq, seq) ||
		      pid_task(pid, PIDTYPE_PID) != tsk);
}

/**
 * __syslet_usage_changed - see syslet_usage_changed()
 * @tsk: a task; it may be dying
 * @seq: what __syslet_usage_begin() returned
 *
 * Context: Any.
 * Return: true if there was a handoff.
 */
bool __syslet_usage_changed(struct task_struct *tsk, unsigned int seq)
{
	struct syslet_task *st;

	guard(rcu)();
	st = READ_ONCE(tsk->syslet);
	return st && read_seqcount_retry(&st->ctx->seq, seq);
}

/**
 * __syslet_usage - see syslet_usage()
 * @tsk: a task; it may be dying
 * @what: which counter
 *
 * Context: Any.
 * Return: what to add to the counter of the task.
 */
u64 __syslet_usage(struct task_struct *tsk, enum syslet_usage what)
{
	struct syslet_task *st;

	u64 more = 0;

	scoped_guard(rcu) {
		st = READ_ONCE(tsk->syslet);
		if (st)
			more = READ_ONCE(st->usage[what]);
	}
	/* Before the counter: it is at least what syslet_pass_usage() has read. */
	smp_rmb();
	return more;
}

/**
 * __syslet_add_rusage - see syslet_add_rusage()
 * @tsk: a task
 * @r: what getrusage() tells about it alone
 *
 * Context: Any.
 */
void __syslet_add_rusage(struct task_struct *tsk, struct rusage *r)
{
	r->ru_nvcsw += __syslet_usage(tsk, SYSLET_NVCSW);
	r->ru_nivcsw += __syslet_usage(tsk, SYSLET_NIVCSW);
	r->ru_minflt += __syslet_usage(tsk, SYSLET_MIN_FLT);
	r->ru_majflt += __syslet_usage(tsk, SYSLET_MAJ_FLT);
#ifdef CONFIG_TASK_IO_ACCOUNTING
	/* In blocks: round what is shown, not what it is made of. */
	r->ru_inblock = (tsk->ioac.read_bytes +
			 __syslet_usage(tsk, SYSLET_READ_BYTES)) >> 9;
	r->ru_oublock = (tsk->ioac.write_bytes +
			 __syslet_usage(tsk, SYSLET_WRITE_BYTES)) >> 9;
#endif
}

/**
 * syslet_read_io - what a thread has read and written
 * @tsk: a task
 * @io: set to that of its thread
 *
 * Context: Any.
 */
void syslet_read_io(struct task_struct *tsk, struct task_io_accounting *io)
{
	struct task_io_accounting more = {};

#ifdef CONFIG_TASK_XACCT
	more.rchar = syslet_usage(tsk, SYSLET_RCHAR);
	more.wchar = syslet_usage(tsk, SYSLET_WCHAR);
	more.syscr = syslet_usage(tsk, SYSLET_SYSCR);
	more.syscw = syslet_usage(tsk, SYSLET_SYSCW);
#endif
#ifdef CONFIG_TASK_IO_ACCOUNTING
	more.read_bytes = syslet_usage(tsk, SYSLET_READ_BYTES);
	more.write_bytes = syslet_usage(tsk, SYSLET_WRITE_BYTES);
	more.cancelled_write_bytes = syslet_usage(tsk, SYSLET_CANCELLED_BYTES);
#endif
	*io = tsk->ioac;
	task_io_accounting_add(io, &more);
}
