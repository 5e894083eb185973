/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hooks of the syslet code in fork, exec, exit, signal, ptrace and the
 * scheduler. Without CONFIG_SYSLET they compile to nothing.
 */
#ifndef _LINUX_SYSLET_H
#define _LINUX_SYSLET_H

#include <linux/list.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <uapi/linux/syslet.h>

/* What may be done with a call, by its number; see kernel/syslet_class.c. */
enum syslet_class {
	SYSLET_UNKNOWN,		/* not in the table: as SYSLET_BOUND */
	SYSLET_REFUSE,		/* cannot be made through indirect() at all */
	SYSLET_SYNC,		/* does not wait for long: runs synchronously */
	SYSLET_BOUND,		/* may wait, but cannot leave its task */
	SYSLET_ASYNC,		/* may go async */
	/* depends on arguments: async or bound */
	SYSLET_BY_SIGMASK3,	/* bound if args[3] gives a signal mask */
	SYSLET_BY_SIGMASK4,	/* the same with args[4] */
	SYSLET_BY_SIGMASK5,	/* the same with args[5] */
	SYSLET_BY_FUTEX_OP,	/* PI operations are bound */
	SYSLET_BY_WAIT2,	/* args[2]: __WNOTHREAD is bound */
	SYSLET_BY_WAIT3,	/* args[3]: __WNOTHREAD is bound */
	SYSLET_BY_CLOCK,	/* CPU clocks are bound */
	SYSLET_BY_URING,	/* all but a plain wait is bound */
};

/* What a thread has used, see kernel/syslet_usage.c. Times are in ns. */
enum syslet_usage {
	SYSLET_RUNTIME,
	SYSLET_UTIME,
	SYSLET_STIME,
	SYSLET_GTIME,
	SYSLET_MIN_FLT,
	SYSLET_MAJ_FLT,
	SYSLET_NVCSW,
	SYSLET_NIVCSW,
	SYSLET_RCHAR,
	SYSLET_WCHAR,
	SYSLET_SYSCR,
	SYSLET_SYSCW,
	SYSLET_READ_BYTES,
	SYSLET_WRITE_BYTES,
	SYSLET_CANCELLED_BYTES,
	SYSLET_RUN_DELAY,
	SYSLET_PCOUNT,
	SYSLET_NR_USAGE
};

struct rusage;
struct seq_file;

#ifdef CONFIG_SYSLET

void __syslet_block(struct task_struct *tsk);
void __syslet_release(struct task_struct *tsk);
void __syslet_exit(struct task_struct *tsk, long *code);
void __syslet_exec(struct task_struct *tsk);
void __syslet_group_exit(struct task_struct *tsk);
bool __syslet_is_helper(struct task_struct *tsk);
struct task_struct *__syslet_user_side(struct task_struct *tsk);
long __syslet_missed(struct task_struct *tsk, pid_t nr, struct pid *pid, long ret);
void __syslet_reparented(struct task_struct *reaper);
unsigned int __syslet_usage_begin(struct task_struct *tsk);
bool __syslet_usage_retry(struct task_struct *tsk, struct pid *pid, unsigned int seq);
u64 __syslet_usage(struct task_struct *tsk, enum syslet_usage what);
void __syslet_add_rusage(struct task_struct *tsk, struct rusage *r);
void syslet_read_io(struct task_struct *tsk, struct task_io_accounting *io);
bool __syslet_usage_changed(struct task_struct *tsk, unsigned int seq);
void __syslet_pass_tracer(struct task_struct *tsk);
int syslet_refuse_block(void);
int syslet_refuse_offered(void);
int syslet_stay(void);
int __syslet_alone(void);
void __syslet_keep_result(void);
void syslet_mask(bool block);
void syslet_helper_comm(char *buf, size_t size, struct task_struct *tsk);
void syslet_show(struct seq_file *m, struct pid_namespace *ns, struct task_struct *tsk);

/*
 * Called by sched_submit_work() with the PF_* flags that it has read, when
 * @tsk is about to sleep and its plugged I/O has been submitted.
 */
static inline void syslet_block(struct task_struct *tsk, unsigned int flags)
{
	if (unlikely(flags & PF_SYSLET_ARMED))
		__syslet_block(tsk);
}

/* Called for a new task: it is nobody's spare yet. */
static inline void syslet_fork(struct task_struct *tsk)
{
	tsk->syslet = NULL;
	tsk->indirect_regs = NULL;
	tsk->flags &= ~PF_SYSLET_ARMED;
	/* Its return from the call is that of the call that was asked for. */
	if (unlikely(test_task_syscall_work(tsk, SYSCALL_INDIRECT)))
		clear_task_syscall_work(tsk, SYSCALL_INDIRECT);
}

/* Called first thing in do_exit(); may change the exit code. */
static inline void syslet_exit(struct task_struct *tsk, long *code)
{
	if (unlikely(tsk->syslet))
		__syslet_exit(tsk, code);
}

/* Called by release_task() with tasklist_lock held, before the TID is gone. */
static inline void syslet_release(struct task_struct *tsk)
{
	if (unlikely(tsk->syslet))
		__syslet_release(tsk);
}

/* Called past the point of no return of execve(), before de_thread(). */
static inline void syslet_exec(struct task_struct *tsk)
{
	if (unlikely(tsk->syslet))
		__syslet_exec(tsk);
}

/* Called after de_thread(): no other thread makes syslets any more. */
static inline void syslet_exec_alone(struct task_struct *tsk)
{
	WRITE_ONCE(tsk->signal->makes_syslets, false);
}

/*
 * Called under siglock when the last thread that the program knows of exits:
 * what still works for the program in the kernel must go with it.
 */
static inline void syslet_group_exit(struct task_struct *tsk)
{
	if (unlikely(!list_is_singular(&tsk->signal->thread_head)))
		__syslet_group_exit(tsk);
}

/*
 * Is @tsk a spare or a runner, a task that the program does not know as one of
 * its threads? Stable under siglock.
 */
static inline bool syslet_is_helper(struct task_struct *tsk)
{
	return unlikely(READ_ONCE(tsk->syslet)) && __syslet_is_helper(tsk);
}

/*
 * The task that has the user side of the thread for which @tsk works; @tsk
 * itself if that is not a helper. Called under siglock, or RCU.
 */
static inline struct task_struct *syslet_user_side(struct task_struct *tsk)
{
	return likely(!READ_ONCE(tsk->syslet)) ? tsk : __syslet_user_side(tsk);
}

/*
 * Called by system calls that ask whether the current thread is alone, or the
 * only user of its files or directories: let the spares go. Returns 0, or what
 * the call has to return to be made again.
 */
static inline int syslet_alone(void)
{
	return likely(!current->syslet) ? 0 : __syslet_alone();
}

/*
 * Number and arguments of the call that a blocked task makes through
 * indirect(2), or NULL; on its stack.
 */
static inline struct pt_regs *indirect_regs(struct task_struct *tsk)
{
	return READ_ONCE(tsk->indirect_regs);
}

/* What the current call was asked for is done, although it may say -EINTR. */
static inline void syslet_keep_result(void)
{
	if (unlikely(current->syslet))
		__syslet_keep_result();
}

/* Could @tsk be a helper, or become one? */
static inline bool syslet_takes_part(struct task_struct *tsk)
{
	return unlikely(READ_ONCE(tsk->syslet));
}

/* Is @tsk the task of the current thread? */
static inline bool syslet_is_self(struct task_struct *tsk)
{
	guard(rcu)();
	return tsk == syslet_user_side(current);
}

/*
 * Around what reads the state of @tsk, for which it was looked up by @pid: was
 * there a handoff meanwhile? Then look it up again.
 */
static inline unsigned int syslet_usage_begin(struct task_struct *tsk)
{
	return likely(!READ_ONCE(tsk->syslet)) ? 0 : __syslet_usage_begin(tsk);
}

static inline bool syslet_usage_retry(struct task_struct *tsk, struct pid *pid,
				      unsigned int seq)
{
	return unlikely(READ_ONCE(tsk->syslet)) && __syslet_usage_retry(tsk, pid, seq);
}

/*
 * @tsk was looked up by @nr: has the TID moved to another task since? Called
 * under siglock or pi_lock, which a handoff takes both.
 */
static inline bool syslet_lost_tid(struct task_struct *tsk, pid_t nr)
{
	guard(rcu)();
	return unlikely(READ_ONCE(tsk->syslet)) && find_task_by_vpid(nr) != tsk;
}

/* Does @tsk take part in syslets, or may it have, before it exited? */
static inline bool syslet_was_part(struct task_struct *tsk)
{
	return unlikely(READ_ONCE(tsk->syslet) || (READ_ONCE(tsk->flags) & PF_EXITING));
}

/*
 * @tsk was looked up by @nr, or is the current task if that is 0, and something
 * was changed that a handoff compares. If the TID has moved meanwhile then it
 * was the wrong task: let the system call be made again. Otherwise returns @ret.
 */
static inline long syslet_missed(struct task_struct *tsk, pid_t nr, long ret)
{
	return !syslet_was_part(tsk) || !nr ? ret : __syslet_missed(tsk, nr, NULL, ret);
}

/* The same for a look-up by @pid. */
static inline long syslet_missed_pid(struct task_struct *tsk, struct pid *pid, long ret)
{
	return !syslet_was_part(tsk) ? ret : __syslet_missed(tsk, 0, pid, ret);
}

/* The TID of the current thread, for what tells others who made a request. */
static inline pid_t syslet_pid_nr_ns(struct pid_namespace *ns)
{
	guard(rcu)();
	return task_pid_nr_ns(syslet_user_side(current), ns);
}

static inline pid_t syslet_pid_vnr(void)
{
	return syslet_pid_nr_ns(task_active_pid_ns(current));
}

/* Is there one thread, as far as the program knows? */
static inline bool syslet_is_only_thread(struct signal_struct *signal)
{
	return READ_ONCE(signal->quick_threads) == 1;
}

/*
 * Called with tasklist_lock held for writing, after @reaper was given the
 * children of an exiting thread: they belong to a thread that the program
 * knows, which @reaper may have handed off meanwhile.
 */
static inline void syslet_reparented(struct task_struct *reaper)
{
	if (unlikely(READ_ONCE(reaper->syslet)))
		__syslet_reparented(reaper);
}

/* Only whether there was a handoff. */
static inline bool syslet_usage_changed(struct task_struct *tsk, unsigned int seq)
{
	return unlikely(READ_ONCE(tsk->syslet)) && __syslet_usage_changed(tsk, seq);
}

/*
 * What to add to a counter of @tsk to have that of the thread. To be read
 * before the counter, which only grows: with one of then, or of after a
 * handoff, the sum may be of the other task, but it is never negative.
 */
static inline u64 syslet_usage(struct task_struct *tsk, enum syslet_usage what)
{
	return likely(!READ_ONCE(tsk->syslet)) ? 0 : __syslet_usage(tsk, what);
}

/* The same for a struct rusage of @tsk alone. */
static inline void syslet_add_rusage(struct task_struct *tsk, struct rusage *r)
{
	if (unlikely(READ_ONCE(tsk->syslet)))
		__syslet_add_rusage(tsk, r);
}

/*
 * A main thread that is traced exits: the tracer, too, is to see the end of it
 * in the group leader, when all threads are gone.
 */
static inline void syslet_pass_tracer(struct task_struct *tsk)
{
	if (unlikely(tsk->syslet))
		__syslet_pass_tracer(tsk);
}

#else /* !CONFIG_SYSLET */

static inline void syslet_block(struct task_struct *tsk, unsigned int flags) { }
static inline void syslet_fork(struct task_struct *tsk) { }
static inline void syslet_exit(struct task_struct *tsk, long *code) { }
static inline void syslet_release(struct task_struct *tsk) { }
static inline void syslet_exec(struct task_struct *tsk) { }
static inline void syslet_exec_alone(struct task_struct *tsk) { }
static inline void syslet_group_exit(struct task_struct *tsk) { }

static inline bool syslet_is_helper(struct task_struct *tsk)
{
	return false;
}

static inline struct task_struct *syslet_user_side(struct task_struct *tsk)
{
	return tsk;
}

static inline bool syslet_is_self(struct task_struct *tsk)
{
	return tsk == current;
}

static inline unsigned int syslet_usage_begin(struct task_struct *tsk)
{
	return 0;
}

static inline bool syslet_usage_retry(struct task_struct *tsk, struct pid *pid,
				      unsigned int seq)
{
	return false;
}

static inline bool syslet_lost_tid(struct task_struct *tsk, pid_t nr)
{
	return false;
}

static inline long syslet_missed(struct task_struct *tsk, pid_t nr, long ret)
{
	return ret;
}

static inline long syslet_missed_pid(struct task_struct *tsk, struct pid *pid, long ret)
{
	return ret;
}

static inline pid_t syslet_pid_nr_ns(struct pid_namespace *ns)
{
	return task_pid_nr_ns(current, ns);
}

static inline pid_t syslet_pid_vnr(void)
{
	return task_pid_vnr(current);
}

static inline bool syslet_is_only_thread(struct signal_struct *signal)
{
	return atomic_read(&signal->live) == 1;
}

static inline int syslet_alone(void)
{
	return 0;
}

static inline void syslet_reparented(struct task_struct *reaper) { }

static inline u64 syslet_usage(struct task_struct *tsk, enum syslet_usage what)
{
	return 0;
}

static inline void syslet_add_rusage(struct task_struct *tsk, struct rusage *r) { }

static inline bool syslet_usage_changed(struct task_struct *tsk, unsigned int seq)
{
	return false;
}

static inline void syslet_read_io(struct task_struct *tsk, struct task_io_accounting *io)
{
	*io = tsk->ioac;
}

static inline void syslet_pass_tracer(struct task_struct *tsk) { }

static inline struct pt_regs *indirect_regs(struct task_struct *tsk)
{
	return NULL;
}

static inline void syslet_helper_comm(char *buf, size_t size, struct task_struct *tsk) { }

static inline void syslet_keep_result(void) { }
static inline void syslet_mask(bool block) { }

static inline bool syslet_takes_part(struct task_struct *tsk)
{
	return false;
}

static inline int syslet_stay(void)
{
	return 0;
}

static inline int syslet_refuse_block(void)
{
	return 0;
}

static inline int syslet_refuse_offered(void)
{
	return 0;
}

#endif /* CONFIG_SYSLET */

/*
 * Does @tsk appear as the main thread of its process although it is not the
 * group leader? It has joined the leader's struct pid then, and the leader is
 * a helper.
 */
static inline bool syslet_shares_tgid(struct task_struct *tsk)
{
	return IS_ENABLED(CONFIG_SYSLET) && tsk->pid == tsk->tgid &&
	       tsk->group_leader != tsk;
}

/*
 * The task that stands for a process in the process tree: for the result of a
 * look-up by PID that wants the group leader.
 */
static inline struct task_struct *syslet_leader(struct task_struct *tsk)
{
	return tsk && syslet_shares_tgid(tsk) ? READ_ONCE(tsk->group_leader) : tsk;
}

#endif /* _LINUX_SYSLET_H */
