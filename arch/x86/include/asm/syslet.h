/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The architecture's part of indirect(2) and of syslets: its ABIs, and the
 * state of a thread that is in registers.
 */
#ifndef _ASM_X86_SYSLET_H
#define _ASM_X86_SYSLET_H

#include <linux/compat.h>
#include <linux/indirect.h>
#include <linux/kmsan-checks.h>
#include <linux/nospec.h>
#include <linux/ptrace.h>

#include <asm/asm.h>
#include <asm/syscall.h>
#include <asm/unistd.h>
#ifdef CONFIG_IA32_EMULATION
#include <asm/unistd_32_ia32.h>
#endif

struct task_struct;

/* An enum syslet_class for each call, in arch/x86/kernel/indirect.c. */
extern const u8 syslet_class_64[NR_syscalls];
#ifdef CONFIG_IA32_EMULATION
extern const u8 syslet_class_32[IA32_NR_syscalls];
#endif

/* The ABI that the current system call came through. */
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
 * A call is kept as its handler reads it: its number in orig_ax, its arguments
 * in the registers of the ABI. Nothing else of the struct is set or read:
 * handlers that want the user's registers use the real ones, or are refused.
 */

/*
 * A word from user space to an offset of kernel memory, after
 * user_access_begin(). unsafe_get_user() tests each word anew if the compiler
 * does not know asm goto with outputs.
 */
static __always_inline bool arch_indirect_get_word(void *base, size_t off,
						   const u64 __user *from)
{
	asm goto("1: mov %[_from], %%rax\n"
		 "mov %%rax, %c[_off](%[_base])\n"
		 _ASM_EXTABLE_UA(1b, %l[efault])
		 : : [_from] "m" (*(const u64 __force *)from),
		     [_base] "r" (base), [_off] "i" (off)
		 : "rax", "memory" : efault);
	kmsan_unpoison_memory(base + off, sizeof(*from));
	return true;
efault:
	return false;
}

/* Number and arguments of a call, which follow each other. */
static __always_inline bool arch_indirect_get_call(struct pt_regs *regs,
						   const u64 __user *from)
{
	return arch_indirect_get_word(regs, offsetof(struct pt_regs, orig_ax), from) &&
	       arch_indirect_get_word(regs, offsetof(struct pt_regs, di), from + 1) &&
	       arch_indirect_get_word(regs, offsetof(struct pt_regs, si), from + 2) &&
	       arch_indirect_get_word(regs, offsetof(struct pt_regs, dx), from + 3) &&
	       arch_indirect_get_word(regs, offsetof(struct pt_regs, r10), from + 4) &&
	       arch_indirect_get_word(regs, offsetof(struct pt_regs, r8), from + 5) &&
	       arch_indirect_get_word(regs, offsetof(struct pt_regs, r9), from + 6);
}

void arch_indirect_to_ia32(struct pt_regs *regs);

/*
 * Put the arguments, as they were read, where the ABI of the caller has them.
 * False if that is x32, which is not supported.
 */
static __always_inline bool arch_indirect_to_abi(struct pt_regs *regs)
{
	if (unlikely(indirect_is_ia32()))
		arch_indirect_to_ia32(regs);
	return !in_x32_syscall();
}

/*
 * False if there is no such system call. Otherwise its number is bounded for
 * speculation too.
 */
static __always_inline bool arch_indirect_accept(struct pt_regs *regs)
{
	unsigned int max = indirect_nr_syscalls();

	if (regs->orig_ax >= max)
		return false;
	regs->orig_ax = array_index_nospec(regs->orig_ax, max);
	return true;
}

static inline void arch_indirect_set_nr(struct pt_regs *regs, unsigned long nr)
{
	regs->orig_ax = nr;
}

void arch_indirect_copy_args(struct pt_regs *to, const struct pt_regs *from);
void arch_indirect_copy_call(struct pt_regs *to, const struct pt_regs *from);

/* What may be done with a call: an enum syslet_class. */
static __always_inline unsigned int arch_syslet_class(const struct pt_regs *regs)
{
#ifdef CONFIG_IA32_EMULATION
	if (unlikely(indirect_is_ia32()))
		return syslet_class_32[regs->orig_ax];
#endif
	return syslet_class_64[regs->orig_ax];
}

/* Make the call; its result. */
static __always_inline long arch_indirect_dispatch(const struct pt_regs *regs)
{
#ifdef CONFIG_IA32_EMULATION
	/* a handler returns unsigned int where it means int */
	if (unlikely(indirect_is_ia32()))
		return (int)ia32_sys_call(regs, regs->orig_ax);
#endif
	return x64_sys_call(regs, regs->orig_ax);
}

int arch_indirect_add_file_flags(struct pt_regs *regs, u32 flags);

bool arch_syslet_is_movable(struct task_struct *tsk);
void arch_syslet_save(struct task_struct *tsk);
void arch_syslet_adopt(struct task_struct *from);
void arch_syslet_set_frame(const struct syslet_frame *frame);

#endif /* _ASM_X86_SYSLET_H */
