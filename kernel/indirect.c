// SPDX-License-Identifier: GPL-2.0-only
/*
 * indirect(2) and syslet_submit(2): enter, check, dispatch.
 *
 * Any system call, through the architecture's own dispatcher, with arguments
 * that the call itself does not take: as a syslet (syslet.c), and flags for
 * new descriptors. Or many calls with one entry into the kernel.
 */
#include <linux/entry-common.h>
#include <linux/fcntl.h>
#include <linux/resume_user_mode.h>
#include <linux/sched.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>

#include <asm/syslet.h>

#include "syslet.h"

#include <trace/events/syslet.h>

#define INDIRECT_FILE_FLAGS	(O_CLOEXEC | O_NONBLOCK)
#define INDIRECT_SUBMIT_FLAGS	(SYSLET_SUBMIT_STOP_ERROR |	\
				 SYSLET_SUBMIT_STOP_PENDING |	\
				 SYSLET_SUBMIT_STOP_REFUSED)

static void indirect_build_check_abi(void)
{
	BUILD_BUG_ON(sizeof(struct indirect_registers) != 56);
	BUILD_BUG_ON(sizeof(struct syslet_args) != 40);
	BUILD_BUG_ON(offsetof(struct syslet_args, flags) != 32);
	BUILD_BUG_ON(sizeof(struct indirect_params) != INDIRECT_PARAMS_SIZE_VER0);
	BUILD_BUG_ON(sizeof(struct syslet_call) != 72);
	BUILD_BUG_ON(sizeof(struct syslet_ring) != 16);
	BUILD_BUG_ON(sizeof(struct syslet_completion) != 16);
}

static int indirect_copy_registers(struct pt_regs *regs,
				   const struct indirect_registers __user *uregs)
{
	bool ok;

	if (!user_read_access_begin(uregs, sizeof(*uregs)))
		return -EFAULT;
	ok = arch_indirect_get_call(regs, &uregs->nr);
	user_read_access_end();
	return ok ? 0 : -EFAULT;
}

/*
 * The struct of the size that we know. Word by word, and not by
 * copy_from_user(): these few are read for each call.
 */
static int indirect_copy_params_ver0(struct indirect_params *params,
				     const struct indirect_params __user *uparams)
{
	const u64 __user *from = (const u64 __user *)uparams;
	bool ok;

	BUILD_BUG_ON(sizeof(*params) != 48);

	if (!user_read_access_begin(uparams, sizeof(*uparams)))
		return -EFAULT;
	ok = arch_indirect_get_word(params, 0, &from[0]) &&
	     arch_indirect_get_word(params, 8, &from[1]) &&
	     arch_indirect_get_word(params, 16, &from[2]) &&
	     arch_indirect_get_word(params, 24, &from[3]) &&
	     arch_indirect_get_word(params, 32, &from[4]) &&
	     arch_indirect_get_word(params, 40, &from[5]);
	user_read_access_end();
	return ok ? 0 : -EFAULT;
}

static int indirect_copy_params(struct indirect_params *params,
				const struct indirect_params __user *uparams,
				size_t paramslen)
{
	if (likely(paramslen == sizeof(*params)))
		return indirect_copy_params_ver0(params, uparams);
	if (paramslen > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(params, sizeof(*params), uparams, paramslen);
}

static int indirect_check_params(const struct indirect_params *params)
{
	const struct syslet_args *args = &params->syslet;

	if (params->__reserved || (params->file_flags & ~INDIRECT_FILE_FLAGS))
		return -EINVAL;
	if (args->flags & ~(SYSLET_EVENTFD | SYSLET_SYNC_OK))
		return -EINVAL;
	if (!args->frame.ip != !args->frame.sp)
		return -EINVAL;
	return 0;
}

/*
 * Does anyone look at the system calls of the current task? They have seen
 * that of indirect(2), and want to see the one that was asked for.
 */
static __always_inline bool indirect_is_watched(void)
{
	return READ_ONCE(current_thread_info()->syscall_work) & SYSCALL_WORK_ENTER;
}

/**
 * indirect_dispatch_here - make a call that stays with its task
 * @regs: the call
 *
 * Context: Process context, with nothing held.
 * Return: its result.
 */
long indirect_dispatch_here(struct pt_regs *regs)
{
	long ret;

	WRITE_ONCE(current->indirect_regs, regs);
	ret = syslet_result(arch_indirect_dispatch(regs));
	WRITE_ONCE(current->indirect_regs, NULL);
	return ret;
}

/* A call that has to be, or may be, synchronous. */
static long indirect_call_here(struct pt_regs *regs, enum syslet_class class,
			       const struct syslet_args *args,
			       struct syslet_batch *batch)
{
	/* It may change what was looked at. */
	if (batch)
		batch->prepared = false;
	if (unlikely(class == SYSLET_REFUSE))
		return -EINVAL;
	/* It may wait, and its caller does not want to. */
	if (class != SYSLET_SYNC && args->completion_ring_ptr &&
	    !(args->flags & SYSLET_SYNC_OK))
		return syslet_refused(batch);
	return indirect_dispatch_here(regs);
}

/* A call that has passed all checks, and may go async: see indirect_call(). */
static __always_inline bool indirect_call_armed(struct pt_regs *regs, long *ret)
{
	trace_syslet_arm(&current->syslet->call);
	syslet_delay(SYSLET_POINT_ARM);
	syslet_arm();
	*ret = arch_indirect_dispatch(regs);
	return syslet_disarm(ret);
}

/* The same as indirect_call(), when all who watch have seen it. */
static __always_inline bool indirect_call_seen(struct pt_regs *regs,
					       const struct indirect_params *params,
					       struct syslet_batch *batch, long *ret)
{
	enum syslet_class class;

	if (unlikely(!arch_indirect_accept(regs))) {
		*ret = -ENOSYS;
		return true;
	}
	class = arch_syslet_class(regs);
	if (unlikely(class > SYSLET_ASYNC))
		class = syslet_is_bound(class, regs) ? SYSLET_BOUND : SYSLET_ASYNC;
	if (class != SYSLET_ASYNC || !params->syslet.completion_ring_ptr) {
		*ret = indirect_call_here(regs, class, &params->syslet, batch);
		return true;
	}
	if (unlikely(!syslet_prepare(regs, &params->syslet, batch, ret)))
		return true;
	return indirect_call_armed(regs, ret);
}

static noinline bool indirect_call_watched(struct pt_regs *regs,
					   const struct indirect_params *params,
					   struct syslet_batch *batch, long *ret)
{
	unsigned long left;

	/* They may change it, and take their time, in which all may change. */
	if (batch)
		batch->prepared = false;
	if (!indirect_watch_enter(regs, batch, ret))
		return true;
	left = syslet_times_left();
	if (!indirect_call_seen(regs, params, batch, ret))
		return false;
	/* Otherwise this is the result of another call, which has been told. */
	if (likely(syslet_times_left() == left))
		*ret = syslet_result(indirect_watch_exit(*ret, batch));
	return true;
}

/*
 * Make a call; returns true, and its result. False: it blocked, and it has been
 * posted since. Then the current task is a runner whose work is done.
 */
static __always_inline bool indirect_call(struct pt_regs *regs,
					  const struct indirect_params *params,
					  struct syslet_batch *batch, long *ret)
{
	if (unlikely(params->file_flags)) {
		*ret = arch_indirect_add_file_flags(regs, params->file_flags);
		if (*ret)
			return true;
	}
	if (unlikely(indirect_is_watched()))
		return indirect_call_watched(regs, params, batch, ret);
	return indirect_call_seen(regs, params, batch, ret);
}

/**
 * sys_indirect - make a system call, maybe asynchronously
 * @uregs: the call
 * @uparams: what to add to it; may be NULL if @paramslen is 0
 * @paramslen: size of *@uparams
 * @flags: zero
 *
 * Return: the result of the call; -ESYSLETPENDING: it will be posted;
 * -EAGAIN: the call cannot be made asynchronous, and has not run; -EPERM: not
 * allowed here, see kernel.syslet_disabled; -EINVAL, -E2BIG, -EFAULT, -EBADF: bad
 * arguments; it has not run either.
 */
SYSCALL_DEFINE4(indirect, const struct indirect_registers __user *, uregs,
		const struct indirect_params __user *, uparams,
		size_t, paramslen, unsigned int, flags)
{
	/* All that is used of both is read from the user. */
	struct pt_regs regs __uninitialized;
	struct indirect_params params __uninitialized;
	long ret;
	int err;

	indirect_build_check_abi();

	if (flags)
		return -EINVAL;
	if (unlikely(!syslet_allowed()))
		return -EPERM;
	err = indirect_copy_registers(&regs, uregs);
	if (err)
		return err;
	err = indirect_copy_params(&params, uparams, paramslen);
	if (err)
		return err;
	err = indirect_check_params(&params);
	if (err)
		return err;

	if (unlikely(!arch_indirect_to_abi(&regs)))
		return -ENOSYS;
	if (likely(indirect_call(&regs, &params, NULL, &ret)))
		return ret;
	return syslet_go_on(&params.syslet);
}

/* --- batches --------------------------------------------------------------- */

/*
 * An entry; and what will be true if its call blocks. That also shows that its
 * result can be written, before the call is made.
 */
static __always_inline int indirect_copy_call(struct pt_regs *regs, u64 *caller_data,
					      struct syslet_call __user *ucall)
{
	if (!user_access_begin(ucall, sizeof(*ucall)))
		return -EFAULT;
	if (!arch_indirect_get_call(regs, &ucall->nr) ||
	    !arch_indirect_get_word(caller_data, 0, &ucall->caller_data))
		goto efault;
	unsafe_put_user(-ESYSLETPENDING, &ucall->result, efault);
	user_access_end();
	return 0;

efault:
	user_access_end();
	return -EFAULT;
}

static __always_inline int indirect_put_result(struct syslet_call __user *ucall, s64 result)
{
	if (!user_write_access_begin(&ucall->result, sizeof(ucall->result)))
		return -EFAULT;
	unsafe_put_user(result, &ucall->result, efault);
	user_write_access_end();
	return 0;

efault:
	user_write_access_end();
	return -EFAULT;
}

#define INDIRECT_TIF_WORK	(_TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL | \
				 _TIF_NOTIFY_RESUME | _TIF_NEED_RESCHED)

/*
 * What a return to user space would do between two calls. False if that is
 * needed, to take a signal.
 */
static bool __indirect_between_calls(void)
{
	/* A file that was put is closed before the next call, for one. */
	if (test_thread_flag(TIF_NOTIFY_RESUME))
		resume_user_mode_work(NULL);
	cond_resched();
	return !signal_pending(current);
}

static __always_inline bool indirect_between_calls(void)
{
	return likely(!(read_thread_flags() & INDIRECT_TIF_WORK)) ||
	       __indirect_between_calls();
}

/* Shall the batch end with this result? */
static bool indirect_stops(const struct syslet_batch *batch, long result)
{
	return (batch->flags & SYSLET_SUBMIT_STOP_ERROR) && IS_ERR_VALUE(result);
}

/*
 * The same as indirect_call(), for an entry. The short way is for those behind
 * the first one that may go async.
 */
static __always_inline bool indirect_call_entry(struct pt_regs *regs,
						struct syslet_batch *batch, long *ret)
{
	if (likely(batch->prepared && !batch->params.file_flags &&
		   !indirect_is_watched() && arch_indirect_accept(regs) &&
		   arch_syslet_class(regs) == SYSLET_ASYNC))
		return indirect_call_armed(regs, ret);
	return indirect_call(regs, &batch->params, batch, ret);
}

/*
 * Run the entries that are left. True, and what the system call returns; or
 * false: one blocked, and has been posted since. The spare that took over goes
 * on with the entries behind it: indirect_continue_batch().
 */
static bool indirect_run_batch(struct syslet_batch *batch, long *ret)
{
	struct pt_regs regs __uninitialized;
	struct syslet_call __user *ucall;
	long result = 0;

	while (batch->done < batch->nr) {
		if (batch->done && !indirect_between_calls())
			break;
		ucall = batch->calls + batch->done;
		result = indirect_copy_call(&regs, &batch->params.syslet.caller_data, ucall);
		if (unlikely(result))
			break;
		if (unlikely(!arch_indirect_to_abi(&regs)))
			result = -ENOSYS;
		else if (unlikely(!indirect_call_entry(&regs, batch, &result)))
			return false;
		if (unlikely(batch->left)) {
			*ret = result;
			return true;
		}
		if (unlikely(batch->refused)) {
			batch->refused = false;
			if (batch->flags & SYSLET_SUBMIT_STOP_REFUSED)
				break;
		}
		/* Interrupted before it did anything: it has not been run. */
		if (unlikely(syslet_is_restart(result)))
			break;
		batch->done++;
		if (unlikely(indirect_put_result(ucall, result)))
			break;
		if (unlikely(indirect_stops(batch, result)))
			break;
	}
	/* To be continued in the call: this would not return to the batch. */
	if (unlikely(result == -ERESTART_RESTARTBLOCK))
		result = -ERESTARTNOHAND;
	*ret = batch->done ?: result;
	return true;
}

static bool indirect_batch(struct syslet_batch *batch, long *ret)
{
	bool here;

	batch->prepared = false;
	batch->refused = false;
	batch->left = false;
	syslet_set_batch(batch);
	here = indirect_run_batch(batch, ret);
	if (likely(!batch->left))
		syslet_set_batch(NULL);
	return here;
}

/**
 * indirect_continue_batch - go on behind an entry that is pending
 * @batch: a copy of the batch, for the current task, which has adopted its
 *	   thread
 * @ret: what the system call returns
 *
 * Context: Process context of the new carrier.
 * Return: true if there is something to return; false if the thread was handed
 * off again, and the current task is to park.
 */
bool indirect_continue_batch(struct syslet_batch *batch, long *ret)
{
	batch->done++;
	*ret = batch->done;
	if (batch->flags & SYSLET_SUBMIT_STOP_PENDING)
		return true;
	return indirect_batch(batch, ret);
}

/**
 * sys_syslet_submit - make system calls, one after the other
 * @calls: the calls; their results are stored there
 * @nr: how many
 * @uparams: how, as for indirect(2), with no caller_data and no frame; may be
 *	     NULL if @paramslen is 0
 * @paramslen: size of *@uparams
 * @flags: SYSLET_SUBMIT_*
 *
 * A call that blocks does not hold up those behind it. Ends early for a
 * signal, for memory that cannot be accessed, and as @flags say.
 *
 * Return: how many calls were run, those that are pending included; if that is
 * none: -EINTR, -EFAULT, or -EAGAIN as @flags say; -EPERM: not allowed, see
 * kernel.syslet_disabled; -EINVAL, -E2BIG, -EFAULT for bad @uparams or @flags.
 */
SYSCALL_DEFINE5(syslet_submit, struct syslet_call __user *, calls, unsigned int, nr,
		const struct indirect_params __user *, uparams, size_t, paramslen,
		unsigned int, flags)
{
	struct syslet_batch batch __uninitialized;
	long ret;
	int err;

	if (flags & ~INDIRECT_SUBMIT_FLAGS)
		return -EINVAL;
	if (unlikely(!syslet_allowed()))
		return -EPERM;
	err = indirect_copy_params(&batch.params, uparams, paramslen);
	if (err)
		return err;
	err = indirect_check_params(&batch.params);
	if (err)
		return err;
	/* Each call has its own; and no two tasks can go to one stack. */
	if (batch.params.syslet.caller_data || batch.params.syslet.frame.ip)
		return -EINVAL;

	batch.calls = calls;
	batch.nr = nr;
	batch.done = 0;
	batch.flags = flags;
	if (likely(indirect_batch(&batch, &ret)))
		return ret;
	return syslet_park(current->syslet);
}
