// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may make syslets, and how many of them.
 *
 * Spares and runners are tasks, under the limits of tasks: RLIMIT_NPROC, the
 * pids controller, and that of memory for their stacks. Here is what is about
 * syslets alone:
 *
 *	kernel.syslet_disabled		who may begin to use them
 *	kernel.syslet_group		... although others may not
 *	kernel.syslet_max_spares	tasks that work for one thread
 *	user.max_syslets		tasks that work for one user, by namespace
 *
 * A call under way has one of those tasks, so they bound calls, too. What is
 * limited is the making of spares: then the call is refused before it begins.
 */
#include <linux/cred.h>
#include <linux/init.h>
#include <linux/sysctl.h>
#include <linux/user_namespace.h>

#include "syslet.h"

/* As io_uring_disabled: 0 all, 1 those with CAP_SYS_ADMIN or the group, 2 nobody. */
static unsigned int sysctl_syslet_disabled;
static int sysctl_syslet_group = -1;
static unsigned int sysctl_syslet_max_spares = 16384;

/* kernel.syslet_disabled is not 0. */
DEFINE_STATIC_KEY_FALSE(syslet_restricted);

/**
 * __syslet_allowed - may the current task use indirect(2), where not all may?
 *
 * A process that has made syslets goes on with them: it could not tell this
 * refusal from an error of the call that it makes.
 *
 * Context: Process context.
 * Return: true if it may.
 */
bool __syslet_allowed(void)
{
	unsigned int disabled = READ_ONCE(sysctl_syslet_disabled);
	kgid_t group;

	if (!disabled || READ_ONCE(current->signal->makes_syslets))
		return true;
	if (disabled == 2)
		return false;
	group = make_kgid(&init_user_ns, READ_ONCE(sysctl_syslet_group));
	return (gid_valid(group) && in_group_p(group)) || capable(CAP_SYS_ADMIN);
}

/**
 * syslet_charge - count a task that is to be made for the current thread
 * @st: its part in the thread's context
 *
 * Context: Process context, of the carrier.
 * Return: true if there may be one more.
 */
bool syslet_charge(struct syslet_task *st)
{
	/* A bound, not a count: one more or less does not matter. */
	if (data_race(st->ctx->nr_tasks) > READ_ONCE(sysctl_syslet_max_spares))
		return false;
	st->ucounts = inc_ucount(current_user_ns(), current_euid(), UCOUNT_SYSLETS);
	return st->ucounts;
}

/**
 * syslet_uncharge - a task works for its thread no more
 * @st: its part
 *
 * Context: Any.
 */
void syslet_uncharge(struct syslet_task *st)
{
	if (st->ucounts)
		dec_ucount(st->ucounts, UCOUNT_SYSLETS);
	st->ucounts = NULL;
}

#ifdef CONFIG_SYSCTL
static int syslet_set_disabled(const struct ctl_table *table, int write, void *buffer,
			       size_t *lenp, loff_t *ppos)
{
	static DEFINE_MUTEX(lock);
	int err;

	guard(mutex)(&lock);
	err = proc_douintvec_minmax(table, write, buffer, lenp, ppos);
	if (err || !write)
		return err;
	if (sysctl_syslet_disabled)
		static_branch_enable(&syslet_restricted);
	else
		static_branch_disable(&syslet_restricted);
	return 0;
}

static struct ctl_table syslet_limit_table[] = {
	{
		.procname	= "syslet_disabled",
		.data		= &sysctl_syslet_disabled,
		.maxlen		= sizeof(sysctl_syslet_disabled),
		.mode		= 0644,
		.proc_handler	= syslet_set_disabled,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_TWO,
	},
	{
		.procname	= "syslet_group",
		.data		= &sysctl_syslet_group,
		.maxlen		= sizeof(sysctl_syslet_group),
		.mode		= 0644,
		.proc_handler	= proc_dointvec,
	},
	{
		.procname	= "syslet_max_spares",
		.data		= &sysctl_syslet_max_spares,
		.maxlen		= sizeof(sysctl_syslet_max_spares),
		.mode		= 0644,
		.proc_handler	= proc_douintvec,
	},
};

static int __init syslet_limit_init(void)
{
	register_sysctl_init("kernel", syslet_limit_table);
	return 0;
}
late_initcall(syslet_limit_init);
#endif
