/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>

#include "lib.h"

int syslet_version(void)
{
	return SYSLET_VERSION;
}

/*
 * 0, or why not: see struct syslet_support. Asked with a call that can be asynchronous
 * in earnest, and has its result at once.
 */
int probe_error(void)
{
	/* with one entry */
	union {
		struct syslet_ring	ring;
		uint64_t		room[4];
	} none = { .ring.elements = 1 };
	struct syslet_call call = { .nr = SYS_close, .args = { UINT64_MAX } };
	struct indirect_params params = {
		.syslet.completion_ring_ptr = SYSLET_PTR(&none),
	};
	int ret = sys_submit(&call, 1, &params);

	return ret < 0 ? ret : 0;
}

int syslet_probe(void)
{
	return !probe_error();
}

/* In 32-bit programs the data of the call to be cancelled takes two arguments. */
#ifdef __i386__
#define CANCEL_FLAGS	3
#else
#define CANCEL_FLAGS	2
#endif

static unsigned int flags_place(long nr)
{
	switch (nr) {
	case __NR_syslet_cancel:
		return CANCEL_FLAGS;
	case __NR_indirect:
		return 3;
	default:
		return 4;
	}
}

/* Each of them knows that this flag is none; a filter would not say -EINVAL. */
bool probe_knows(long nr)
{
	struct indirect_registers regs = { .nr = (uint64_t)nr };

	regs.args[flags_place(nr)] = 1U << 31;
	return sys_call(&regs) == -EINVAL;
}

int syslet_get_support(struct syslet_support *support)
{
	memset(support, 0, sizeof(*support));
	support->error = probe_error();
	if (probe_knows(__NR_indirect))
		support->features |= SYSLET_HAS_INDIRECT;
	if (probe_knows(__NR_syslet_cancel))
		support->features |= SYSLET_HAS_CANCEL;
	if (probe_knows(__NR_syslet_submit))
		support->features |= SYSLET_HAS_SUBMIT;
	support->filtered = sys_is_filtered();
	return support->error;
}
