// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asking calls under way to come to an end.
 *
 * A runner is told as by a signal: a sleep that signals interrupt ends, and
 * the call is not repeated. Whatever it returns is posted; what became of it,
 * and whether it was too late, the completion tells.
 */
#include <linux/compat.h>
#include <linux/sched/signal.h>
#include <linux/syscalls.h>

#include "syslet.h"

#include <trace/events/syslet.h>

/* Which calls are meant. */
struct syslet_cancel {
	u64	ring;
	u64	caller_data;
	bool	all;
};

static bool syslet_is_meant(const struct syslet_args *args,
			    const struct syslet_cancel *what)
{
	return args->completion_ring_ptr == what->ring &&
	       (what->all || args->caller_data == what->caller_data);
}

/* The same results as for the whole: what is said of the calls of one task. */
static int syslet_cancel_task(struct syslet_task *st, const struct syslet_cancel *what)
{
	struct syslet_ctx *ctx = READ_ONCE(st->ctx);
	struct syslet_call_state *call = &st->call;
	int ret = -ENOENT;

	spin_lock(&ctx->lock);
	/* While it is listed its arguments are there. */
	if (!list_empty(&call->node) && syslet_is_meant(call->args, what)) {
		if (!READ_ONCE(call->finished)) {
			WRITE_ONCE(call->cancelled, true);
			syslet_interrupt(st->task);
			trace_syslet_cancel(call);
			ret = 0;
		} else if (!READ_ONCE(call->posted)) {
			ret = -EALREADY;
		}
	}
	spin_unlock(&ctx->lock);
	return ret;
}

/*
 * Through all tasks of the process, as a call belongs to the thread that made
 * it, and any thread may cancel it. Who was told that a call is pending finds
 * it: the runner is a task of the process, and has been listed before.
 */
static int syslet_cancel(const struct syslet_cancel *what)
{
	struct syslet_task *st;
	struct task_struct *t;
	int ret = -ENOENT, one;

	guard(rcu)();
	for_each_thread(current, t) {
		st = READ_ONCE(t->syslet);
		if (!st)
			continue;
		one = syslet_cancel_task(st, what);
		if (!one || ret == -ENOENT)
			ret = one;
	}
	return ret;
}

static int do_syslet_cancel(struct syslet_ring __user *ring, u64 caller_data,
			    unsigned int flags)
{
	struct syslet_cancel what = {
		.ring		= (uintptr_t)ring,
		.caller_data	= caller_data,
		.all		= flags & SYSLET_CANCEL_ALL,
	};

	if (flags & ~SYSLET_CANCEL_ALL)
		return -EINVAL;
	/* Which calls, then? */
	if (what.all && caller_data)
		return -EINVAL;
	return syslet_cancel(&what);
}

/**
 * sys_syslet_cancel - ask calls under way to come to an end
 * @ring: their ring, at the address that was given with the calls
 * @caller_data: of the calls; 0 with SYSLET_CANCEL_ALL
 * @flags: SYSLET_CANCEL_ALL: all calls of the ring
 *
 * For calls of the current process. Their completions arrive as if nothing had
 * been asked; a call that slept, and that a signal would have interrupted,
 * has the status -ECANCELED.
 *
 * Return: 0: asked; -ENOENT: no such call is under way; -EALREADY: all those
 * have finished, and their completions are about to be posted; -EINVAL.
 */
#ifndef CONFIG_ARCH_SPLIT_ARG64
SYSCALL_DEFINE3(syslet_cancel, struct syslet_ring __user *, ring,
		u64, caller_data, unsigned int, flags)
{
	return do_syslet_cancel(ring, caller_data, flags);
}
#endif

#if defined(CONFIG_ARCH_SPLIT_ARG64) || defined(CONFIG_COMPAT)
SYSCALL32_DEFINE4(syslet_cancel, struct syslet_ring __user *, ring,
		  SC_ARG64(caller_data), unsigned int, flags)
{
	return do_syslet_cancel(ring, SC_VAL64(u64, caller_data), flags);
}
#endif
