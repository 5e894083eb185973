// SPDX-License-Identifier: GPL-2.0-only
#include <linux/syscalls.h>

SYSCALL_DEFINE5(syslet_submit, struct syslet_call __user *, calls, unsigned int, nr,
		const struct indirect_params __user *, params, size_t, paramslen,
		unsigned int, flags)
{
	return -ENOSYS;
}
