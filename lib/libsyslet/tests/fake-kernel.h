/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What a test can make the played kernel do, see fake-kernel.c: NULL or 0 is normal. */
#ifndef FAKE_KERNEL_H
#define FAKE_KERNEL_H

#include <stdbool.h>
#include <linux/indirect.h>

struct fake_faults {
	/* Refuse this call? */
	bool	(*refuse)(const struct indirect_registers *regs);
	/* A batch of @nr calls: how many to run at most; less than 0: -errno */
	int	(*submit)(unsigned int nr);
	/* What syslet_ring_wait(2) says, always. */
	int	ring_wait;
};

extern struct fake_faults fake_faults;

#endif /* FAKE_KERNEL_H */
