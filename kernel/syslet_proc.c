// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /proc tells of syslets: /proc/PID/syslets, and the names of helpers.
 */
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/ptrace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>

#include <asm/syscall.h>

#include "syslet.h"

/* The call that a task is finishing, under syslet_ctx.lock; or NULL. */
static const struct syslet_call_state *syslet_running_call(struct syslet_task *st)
{
	return list_empty(&st->call.node) ? NULL : &st->call;
}

/**
 * syslet_helper_comm - a name that tells what a helper is for
 * @buf: where to put it
 * @size: of @buf
 * @tsk: the helper; it may be dying
 *
 * The name of the program, and "/spare", or the number of the call for those
 * who may know it. What is traced and audited has the program's.
 *
 * Context: Process context.
 */
void syslet_helper_comm(char *buf, size_t size, struct task_struct *tsk)
{
	const struct syslet_call_state *call;
	char comm[TASK_COMM_LEN];
	struct syslet_ctx *ctx;
	struct syslet_task *st;
	int nr = -1;

	get_task_comm(comm, tsk);
	scoped_guard(rcu) {
		st = READ_ONCE(tsk->syslet);
		ctx = st ? READ_ONCE(st->ctx) : NULL;
		if (ctx) {
			spin_lock(&ctx->lock);
			call = syslet_running_call(st);
			if (call)
				nr = syscall_get_nr(tsk, call->regs);
			spin_unlock(&ctx->lock);
		}
	}
	if (nr < 0)
		snprintf(buf, size, "%s/spare", comm);
	else if (ptrace_may_access(tsk, PTRACE_MODE_READ_FSCREDS | PTRACE_MODE_NOAUDIT))
		snprintf(buf, size, "%s/call-%d", comm, nr);
	else
		snprintf(buf, size, "%s/call", comm);
}

static void syslet_show_call(struct seq_file *m, struct pid_namespace *ns,
			     struct syslet_task *st, pid_t tid)
{
	const struct syslet_call_state *call = &st->call;

	seq_printf(m, "call %d thread %d nr %d data 0x%llx ring 0x%llx age_ms %u\n",
		   task_pid_nr_ns(st->task, ns), tid,
		   syscall_get_nr(st->task, call->regs),
		   call->args->caller_data, call->args->completion_ring_ptr,
		   jiffies_to_msecs(jiffies - call->since));
}

/* A handoff may be moving it; 0 if the thread has exited. */
static pid_t syslet_tid(struct syslet_ctx *ctx, struct pid_namespace *ns)
{
	struct task_struct *carrier;
	unsigned int seq;
	pid_t tid;

	do {
		seq = read_seqcount_begin(&ctx->seq);
		carrier = READ_ONCE(ctx->carrier);
		tid = carrier ? task_pid_nr_ns(carrier, ns) : 0;
	} while (read_seqcount_retry(&ctx->seq, seq));
	return tid;
}

static void syslet_show_thread(struct seq_file *m, struct pid_namespace *ns,
			       struct syslet_ctx *ctx)
{
	struct syslet_task *st;
	pid_t tid = syslet_tid(ctx, ns);

	/* It has exited. */
	if (!tid)
		return;

	spin_lock(&ctx->lock);
	seq_printf(m, "thread %d parked %u running %zu handoffs %lu refused %lu limited %lu\n",
		   tid, ctx->nr_parked, list_count_nodes(&ctx->running),
		   READ_ONCE(ctx->handoffs), READ_ONCE(ctx->refused), READ_ONCE(ctx->limited));
	list_for_each_entry(st, &ctx->running, call.node) {
		/* It will be read again, into more memory. */
		if (seq_has_overflowed(m))
			break;
		syslet_show_call(m, ns, st, tid);
	}
	spin_unlock(&ctx->lock);
}

/**
 * syslet_show - the threads of a process that make syslets, and their calls
 * @m: where to
 * @ns: whose TIDs
 * @tsk: a task of the process
 *
 * A thread is found by any of its tasks, as it may pass from one to another
 * meanwhile; and shown once.
 *
 * Context: Process context; may sleep.
 */
void syslet_show(struct seq_file *m, struct pid_namespace *ns, struct task_struct *tsk)
{
	static unsigned long readings;
	static DEFINE_MUTEX(lock);
	struct syslet_task *st;
	struct syslet_ctx *ctx;
	struct task_struct *t;

	guard(mutex)(&lock);
	readings++;
	guard(rcu)();
	for_each_thread(tsk, t) {
		st = READ_ONCE(t->syslet);
		ctx = st ? READ_ONCE(st->ctx) : NULL;
		if (!ctx || ctx->shown == readings)
			continue;
		ctx->shown = readings;
		syslet_show_thread(m, ns, ctx);
	}
}
