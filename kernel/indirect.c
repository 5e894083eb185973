// SPDX-License-Identifier: GPL-2.0-only
/*
 * indirect(2): enter, check, dispatch.
 *
 * Any system call, through the architecture's own dispatcher, with arguments
 * that the call itself does not take: as a syslet (syslet.c), and flags for
 * new descriptors.
 */
#include <linux/entry-common.h>
#include <linux/fcntl.h>
#include <linux/sched.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>

#include <asm/syslet.h>

#include "syslet.h"

#define INDIRECT_FILE_FLAGS	(O_CLOEXEC | O_NONBLOCK)

static void indirect_build_check_abi(void)
{
	BUILD_BUG_ON(sizeof(struct indirect_registers) != 56);
	BUILD_BUG_ON(sizeof(struct syslet_args) != 40);
	BUILD_BUG_ON(offsetof(struct syslet_args, flags) != 32);
	BUILD_BUG_ON(sizeof(struct indirect_params) != INDIRECT_PARAMS_SIZE_VER0);
	BUILD_BUG_ON(sizeof(struct syslet_ring) != 16);
	BUILD_BUG_ON(sizeof(struct syslet_completion) != 16);
}

/*
 * Field by field, and not by copy_from_user(): these few words are read for
 * each call.
 */
static int indirect_copy_registers(struct indirect_registers *regs,
				   const struct indirect_registers __user *uregs)
{
	if (!user_read_access_begin(uregs, sizeof(*uregs)))
		return -EFAULT;
	unsafe_get_user(regs->nr, &uregs->nr, efault);
	unsafe_get_user(regs->args[0], &uregs->args[0], efault);
	unsafe_get_user(regs->args[1], &uregs->args[1], efault);
	unsafe_get_user(regs->args[2], &uregs->args[2], efault);
	unsafe_get_user(regs->args[3], &uregs->args[3], efault);
	unsafe_get_user(regs->args[4], &uregs->args[4], efault);
	unsafe_get_user(regs->args[5], &uregs->args[5], efault);
	user_read_access_end();
	return 0;

efault:
	user_read_access_end();
	return -EFAULT;
}

/* The struct of the size that we know. */
static int indirect_copy_params_ver0(struct indirect_params *params,
				     const struct indirect_params __user *uparams)
{
	struct syslet_args *args = &params->syslet;

	if (!user_read_access_begin(uparams, sizeof(*uparams)))
		return -EFAULT;
	unsafe_get_user(args->completion_ring_ptr, &uparams->syslet.completion_ring_ptr, efault);
	unsafe_get_user(args->caller_data, &uparams->syslet.caller_data, efault);
	unsafe_get_user(args->frame.ip, &uparams->syslet.frame.ip, efault);
	unsafe_get_user(args->frame.sp, &uparams->syslet.frame.sp, efault);
	unsafe_get_user(args->flags, &uparams->syslet.flags, efault);
	unsafe_get_user(args->eventfd, &uparams->syslet.eventfd, efault);
	unsafe_get_user(params->file_flags, &uparams->file_flags, efault);
	unsafe_get_user(params->__reserved, &uparams->__reserved, efault);
	user_read_access_end();
	return 0;

efault:
	user_read_access_end();
	return -EFAULT;
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

/**
 * indirect_is_watched - does anyone look at the system calls of a task?
 * @tsk: the task
 *
 * The entry work for the call that was asked for (seccomp, tracers, audit,
 * tracepoints, syscall user dispatch) has seen sys_indirect() only. Where any
 * of them is interested, nothing is run behind its back.
 *
 * Context: Any.
 * Return: true if there is entry work for system calls.
 */
bool indirect_is_watched(struct task_struct *tsk)
{
	return READ_ONCE(task_thread_info(tsk)->syscall_work) & SYSCALL_WORK_ENTER;
}

/**
 * sys_indirect - make a system call, maybe asynchronously
 * @uregs: the call
 * @uparams: what to add to it; may be NULL if @paramslen is 0
 * @paramslen: size of *@uparams
 * @flags: zero
 *
 * Return: the result of the call; -ESYSLETPENDING: it will be posted;
 * -EAGAIN: the call cannot be made asynchronous, or not be made in this way at
 * all because the thread is watched, and has not run; -EINVAL, -E2BIG,
 * -EFAULT, -EBADF: bad arguments, it has not run either.
 */
SYSCALL_DEFINE4(indirect, const struct indirect_registers __user *, uregs,
		const struct indirect_params __user *, uparams,
		size_t, paramslen, unsigned int, flags)
{
	/* All of both is read from the user: no need to clear them first. */
	struct indirect_registers regs __uninitialized;
	struct indirect_params params __uninitialized;
	enum syslet_class class;
	int err;

	indirect_build_check_abi();

	if (flags)
		return -EINVAL;
	err = indirect_copy_registers(&regs, uregs);
	if (err)
		return err;
	err = indirect_copy_params(&params, uparams, paramslen);
	if (err)
		return err;
	err = indirect_check_params(&params);
	if (err)
		return err;
	if (!arch_indirect_nr_is_valid(&regs))
		return -ENOSYS;
	if (unlikely(indirect_is_watched(current)))
		return -EAGAIN;
	if (unlikely(params.file_flags)) {
		err = arch_indirect_add_file_flags(&regs, params.file_flags);
		if (err)
			return err;
	}

	class = syslet_classify(&regs);
	if (unlikely(class == SYSLET_REFUSE))
		return -EINVAL;
	if (!params.syslet.completion_ring_ptr || class == SYSLET_SYNC)
		return arch_indirect_dispatch(&regs);
	if (class == SYSLET_BOUND)
		return params.syslet.flags & SYSLET_SYNC_OK ?
		       arch_indirect_dispatch(&regs) : -EAGAIN;
	return syslet_call(&regs, &params.syslet);
}
