/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The architecture's part of indirect(2) and of syslets: its ABIs, and the
 * state of a thread that is in registers.
 */
#ifndef _ASM_X86_SYSLET_H
#define _ASM_X86_SYSLET_H

#include <linux/compat.h>
#include <linux/indirect.h>
#include <linux/nospec.h>

#include <asm/syscall.h>
#include <asm/unistd.h>
#ifdef CONFIG_IA32_EMULATION
#include <asm/unistd_32_ia32.h>
#endif

struct task_struct;

/* The ABI that the current system call came through. */

/* An enum syslet_class for each call, in arch/x86/kernel/indirect.c. */
extern const u8 syslet_class_64[NR_syscalls];
#ifdef CONFIG_IA32_EMULATION
extern const u8 syslet_class_32[IA32_NR_syscalls];
#endif

static inline bool indirect_is_ia32(void)
{
	return IS_ENABLED(CONFIG_IA32_EMULATION) && in_ia32_syscall();
}

static inline unsigned int indirect_nr_syscalls(void)
{
#ifdef CONFIG_IA32_EMULATION
	if (indirect_is_ia32())
		return IA32_NR_syscalls;
#endif
	return NR_syscalls;
}

/*
 * Is there such a system call? Its number is bounded for speculation too. The
 * ABI of x32 is not supported.
 */
static inline bool arch_indirect_nr_is_valid(struct indirect_registers *regs)
{
	unsigned int max = indirect_nr_syscalls();

	if (regs->nr >= max || in_x32_syscall())
		return false;
	regs->nr = array_index_nospec((unsigned long)regs->nr, max);
	return true;
}

/* What may be done with a call of a valid number: an enum syslet_class. */
static inline unsigned int arch_syslet_class(u64 nr)
{
#ifdef CONFIG_IA32_EMULATION
	if (indirect_is_ia32())
		return syslet_class_32[nr];
#endif
	return syslet_class_64[nr];
}

/* Make the call, of a valid number; its result. */
static inline long arch_indirect_dispatch(const struct indirect_registers *iregs)
{
	/*
	 * Handlers read their six arguments in it and nothing else: those that
	 * want the user's registers use the real ones, or are refused. Most of
	 * it is not worth being cleared for each call.
	 */
	struct pt_regs regs __uninitialized;

	regs.orig_ax = iregs->nr;
#ifdef CONFIG_IA32_EMULATION
	if (indirect_is_ia32()) {
		regs.bx = (u32)iregs->args[0];
		regs.cx = (u32)iregs->args[1];
		regs.dx = (u32)iregs->args[2];
		regs.si = (u32)iregs->args[3];
		regs.di = (u32)iregs->args[4];
		regs.bp = (u32)iregs->args[5];
		/* a handler returns unsigned int where it means int */
		return (int)ia32_sys_call(&regs, iregs->nr);
	}
#endif
	regs.di = iregs->args[0];
	regs.si = iregs->args[1];
	regs.dx = iregs->args[2];
	regs.r10 = iregs->args[3];
	regs.r8 = iregs->args[4];
	regs.r9 = iregs->args[5];
	return x64_sys_call(&regs, iregs->nr);
}

int arch_indirect_add_file_flags(struct indirect_registers *regs, u32 flags);

bool arch_syslet_is_movable(struct task_struct *tsk);
void arch_syslet_save(struct task_struct *tsk);
void arch_syslet_adopt(struct task_struct *from);
long arch_syslet_repeat(void);
void arch_syslet_set_frame(const struct syslet_frame *frame);

#endif /* _ASM_X86_SYSLET_H */
