/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The architecture's part of indirect(2) and of syslets: its ABIs, and the
 * state of a thread that is in registers.
 */
#ifndef _ASM_X86_SYSLET_H
#define _ASM_X86_SYSLET_H

#include <linux/indirect.h>

struct task_struct;

/* The ABI that the current system call came through. */
bool arch_indirect_nr_is_valid(struct indirect_registers *regs);
int arch_indirect_add_file_flags(struct indirect_registers *regs, u32 flags);
long arch_indirect_dispatch(const struct indirect_registers *regs);
unsigned int arch_syslet_class(u64 nr);

bool arch_syslet_is_movable(struct task_struct *tsk);
void arch_syslet_save(struct task_struct *tsk);
void arch_syslet_adopt(struct task_struct *from);
long arch_syslet_repeat(void);
void arch_syslet_set_frame(const struct syslet_frame *frame);

#endif /* _ASM_X86_SYSLET_H */
