// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registers of a thread whose system call blocked: saved by the task that
 * blocks, taken over by the spare.
 */
#include <linux/sched.h>
#include <linux/ptrace.h>
#include <linux/sched/task_stack.h>
#include <linux/thread_info.h>

#include <asm/desc.h>
#include <asm/fpu/api.h>
#include <asm/fpu/sched.h>
#include <asm/fsgsbase.h>
#include <asm/pkru.h>
#include <asm/segment.h>
#include <asm/shstk.h>
#include <asm/gsseg.h>
#include <asm/syslet.h>

/* Per-thread modes of the CPU, which a handoff does not carry over. */
#define SYSLET_TIF_BOUND	(_TIF_NOTSC | _TIF_NOCPUID | _TIF_IO_BITMAP | \
				 _TIF_SSBD | _TIF_SPEC_IB | _TIF_SPEC_L1D_FLUSH | \
				 _TIF_BLOCKSTEP)

/**
 * arch_syslet_is_movable - the architecture's part of syslet_is_movable()
 * @tsk: the current task
 *
 * Context: Process context.
 * Return: true if all its register state can be handed off.
 */
bool arch_syslet_is_movable(struct task_struct *tsk)
{
	const struct thread_struct *thread = &tsk->thread;

	if (read_task_thread_flags(tsk) & SYSLET_TIF_BOUND)
		return false;
	/* Tiles of AMX live in memory of their own; KVM lends its guest's. */
	if (thread->fpu.fpstate != &thread->fpu.__fpstate)
		return false;
#ifdef CONFIG_X86_IOPL_IOPERM
	if (thread->iopl_emul)
		return false;
#endif
#ifdef CONFIG_X86_USER_SHADOW_STACK
	if (thread->features | thread->features_locked)
		return false;
#endif
	return true;
}

/**
 * arch_syslet_save - put into memory what is in registers
 * @tsk: the current task
 *
 * Until it returns to user space the task leaves that memory alone: with
 * TIF_NEED_FPU_LOAD set neither a switch nor kernel_fpu_begin() saves again,
 * and a switch that saves segment bases saves the same.
 *
 * Context: Preemption off.
 */
void arch_syslet_save(struct task_struct *tsk)
{
	struct thread_struct *thread = &tsk->thread;
	unsigned long flags;

	/* Soft interrupts use the FPU as well. */
	local_irq_save(flags);
	if (!test_thread_flag(TIF_NEED_FPU_LOAD)) {
		set_thread_flag(TIF_NEED_FPU_LOAD);
		save_fpregs_to_fpstate(&thread->fpu);
		thread->fpu.last_cpu = smp_processor_id();
	}
	local_irq_restore(flags);

	current_save_fsgs();
	savesegment(es, thread->es);
	savesegment(ds, thread->ds);
	thread->pkru = read_pkru();
}

/* The spare has never been in user space, or handed its registers off. */
static void syslet_adopt_fpu(struct fpu *to, const struct fpu *from)
{
	WARN_ON_ONCE(!test_thread_flag(TIF_NEED_FPU_LOAD));
	memcpy(&to->fpstate->regs, &from->fpstate->regs, to->fpstate->size);
	to->last_cpu = -1;
}

/*
 * Before the bases, which this changes. Zero, as in most 64-bit programs, and
 * zero already is no news to the CPU but costs much.
 */
static void syslet_load_selectors(const struct thread_struct *to)
{
	u16 sel;

	savesegment(es, sel);
	if (sel | to->es)
		loadsegment(es, to->es);
	savesegment(ds, sel);
	if (sel | to->ds)
		loadsegment(ds, to->ds);
	savesegment(fs, sel);
	if (sel | to->fsindex)
		loadsegment(fs, to->fsindex);
	savesegment(gs, sel);
	if (sel | to->gsindex)
		load_gs_index(to->gsindex);
}

static void syslet_adopt_segments(struct thread_struct *to,
				  const struct thread_struct *from)
{
	memcpy(to->tls_array, from->tls_array, sizeof(to->tls_array));
	to->es = from->es;
	to->ds = from->ds;
	to->fsindex = from->fsindex;
	to->gsindex = from->gsindex;
	to->fsbase = from->fsbase;
	to->gsbase = from->gsbase;

	load_TLS(to, smp_processor_id());
	syslet_load_selectors(to);
	if (to->fsindex <= 3 || cpu_feature_enabled(X86_FEATURE_FSGSBASE))
		x86_fsbase_write_cpu(to->fsbase);
	if (to->gsindex <= 3 || cpu_feature_enabled(X86_FEATURE_FSGSBASE))
		x86_gsbase_write_cpu_inactive(to->gsbase);
}

/* A tracer wants to see the next instruction, that behind the system call. */
static void syslet_adopt_step(struct task_struct *from)
{
	set_thread_flag(TIF_SINGLESTEP);
	set_syscall_work(SYSCALL_EXIT_TRAP);
	if (test_tsk_thread_flag(from, TIF_FORCED_TF))
		set_thread_flag(TIF_FORCED_TF);
	user_disable_single_step(from);
}

/**
 * arch_syslet_adopt - take over what arch_syslet_save() saved
 * @from: the task that did; it may be running in the kernel
 *
 * Context: Process context of the spare.
 */
void arch_syslet_adopt(struct task_struct *from)
{
	struct thread_struct *to_thread = &current->thread;
	struct thread_struct *from_thread = &from->thread;

	*task_pt_regs(current) = *task_pt_regs(from);
	current_thread_info()->status = task_thread_info(from)->status & TS_COMPAT;
	to_thread->trap_nr = from_thread->trap_nr;
	to_thread->cr2 = from_thread->cr2;
	to_thread->error_code = from_thread->error_code;
	to_thread->virtual_dr6 = from_thread->virtual_dr6;
	if (unlikely(test_tsk_thread_flag(from, TIF_SINGLESTEP)))
		syslet_adopt_step(from);

	/* As on a switch: the next return to user space loads the FPU. */
	preempt_disable();
	syslet_adopt_fpu(&to_thread->fpu, &from_thread->fpu);
	syslet_adopt_segments(to_thread, from_thread);
	to_thread->pkru = from_thread->pkru;
	write_pkru(to_thread->pkru);
	preempt_enable();
}

/**
 * arch_syslet_set_frame - where the current task returns to user space
 * @frame: instruction and stack pointer
 *
 * Context: Process context.
 */
void arch_syslet_set_frame(const struct syslet_frame *frame)
{
	struct pt_regs *regs = current_pt_regs();

	regs->ip = frame->ip;
	regs->sp = frame->sp;
	/* It has made no system call that could be repeated. */
	regs->orig_ax = -1;
}
