/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>

#include "lib.h"

int syslet_version(void)
{
	return SYSLET_VERSION;
}

/* 0, or what indirect(2) says: see struct syslet_support. */
int probe_error(void)
{
	struct indirect_registers regs = { .nr = SYS_getpid };
	struct indirect_params params = {
		.syslet = { .flags = SYSLET_SYNC_OK },
	};
	long ret = sys_indirect(&regs, &params);

	return ret < 0 ? (int)ret : 0;
}

int syslet_probe(void)
{
	return !probe_error();
}

static bool has_cancel(void)
{
	return sys_cancel(NULL, 0, 0) != -ENOSYS;
}

static bool has_submit(void)
{
	struct indirect_params params = {};

	return sys_submit(NULL, 0, &params) != -ENOSYS;
}

int syslet_get_support(struct syslet_support *support)
{
	memset(support, 0, sizeof(*support));
	support->error = probe_error();
	if (support->error != -ENOSYS)
		support->features |= SYSLET_HAS_INDIRECT;
	if (has_cancel())
		support->features |= SYSLET_HAS_CANCEL;
	if (has_submit())
		support->features |= SYSLET_HAS_SUBMIT;
	support->filtered = sys_is_filtered();
	return support->error;
}
