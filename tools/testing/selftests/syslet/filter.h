/* SPDX-License-Identifier: GPL-2.0-only */
/* Filters of system calls (seccomp). */
#ifndef __SYSLET_FILTER_H
#define __SYSLET_FILTER_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "common.h"

/* No call that the tests make fails with that, if no filter says so. */
#define FORBIDDEN	EUCLEAN

/* What to do about one call, by its number. */
#define FILTER_CALL(nr_, action) {							\
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),		\
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr_, 0, 1),					\
	BPF_STMT(BPF_RET | BPF_K, action),						\
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),					\
}

/* Returns 0, or what the flags ask for; or -errno. */
static inline long filter_install(unsigned int flags, struct sock_filter *insns,
				  unsigned short len)
{
	struct sock_fprog prog = { len, insns };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return syslet_ret(syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog));
}

/* One that watches, and allows all. */
static inline long filter_nothing(unsigned int flags)
{
	struct sock_filter insns[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };

	return filter_install(flags, insns, ARRAY_LEN(insns));
}

/* For this thread, or for all by SECCOMP_FILTER_FLAG_TSYNC: one call, by its number. */
static inline long filter_call(unsigned int flags, uint32_t nr, uint32_t action)
{
	struct sock_filter insns[] = FILTER_CALL(nr, action);

	return filter_install(flags, insns, ARRAY_LEN(insns));
}

static inline long forbid(unsigned int flags, uint32_t nr)
{
	return filter_call(flags, nr, SECCOMP_RET_ERRNO | FORBIDDEN);
}

/* One call of one ABI, if the lower half of that argument is of this value. */
static inline long filter_arg(unsigned int flags, uint32_t arch, uint32_t nr, unsigned int arg,
			      uint32_t value, uint32_t action)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arch, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[arg])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return filter_install(flags, insns, ARRAY_LEN(insns));
}

#endif /* __SYSLET_FILTER_H */
