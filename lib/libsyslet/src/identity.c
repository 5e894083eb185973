/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Who makes a call: what a thread inherits from the one that made it, and either of
 * them may change later. A thread of ours that is left over from an earlier call
 * is used again only for somebody who is the same.
 *
 * Some of it cannot be seen, or not at a price below that of a new thread: which
 * filters and Landlock domains there are (they need no_new_privs, or
 * CAP_SYS_ADMIN), and namespaces (CAP_SYS_ADMIN). Who has one of these is not
 * known to be the same as anybody, and has a new thread for each call.
 */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "identity.h"

static long make(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
	struct indirect_registers regs = { .nr = nr, .args = { a0, a1, a2 } };

	return sys_call(&regs);
}

static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len--)
		hash = (hash ^ *p++) * 0x100000001b3;
	return hash;
}

#ifdef SYS_getresuid32
#define NR_ID(name)	SYS_##name##32
#else
#define NR_ID(name)	SYS_##name
#endif

static void get_ids(struct identity *id)
{
	make(NR_ID(getresuid), SYSLET_PTR(&id->uids[0]), SYSLET_PTR(&id->uids[1]),
	     SYSLET_PTR(&id->uids[2]));
	make(NR_ID(getresgid), SYSLET_PTR(&id->gids[0]), SYSLET_PTR(&id->gids[1]),
	     SYSLET_PTR(&id->gids[2]));
	/* No such ID: it stays, and is returned. */
	id->uids[3] = (uint32_t)make(NR_ID(setfsuid), UINT32_MAX, 0, 0);
	id->gids[3] = (uint32_t)make(NR_ID(setfsgid), UINT32_MAX, 0, 0);
}

/* False: there are too many to look at them. */
static bool get_groups(struct identity *id)
{
	uint32_t groups[64] = { 0 };
	long n = make(NR_ID(getgroups), 64, SYSLET_PTR(groups), 0);

	if (n >= 0)
		id->groups = mix((uint64_t)n, groups, (size_t)n * sizeof(*groups));
	return n >= 0;
}

static bool get_caps(struct identity *id)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct caps[2] = { { 0 } };

	if (make(SYS_capget, SYSLET_PTR(&header), SYSLET_PTR(caps), 0))
		return false;
	id->caps = mix(0, caps, sizeof(caps));
	return !(caps[0].effective & (1U << CAP_SYS_ADMIN));
}

static void get_scheduling(struct identity *id)
{
	unsigned long cpus[128] = { 0 };
	long len = make(SYS_sched_getaffinity, 0, sizeof(cpus), SYSLET_PTR(cpus));

	id->cpus = mix(0, cpus, len > 0 ? (size_t)len : 0);
	id->sched[0] = (int32_t)make(SYS_sched_getscheduler, 0, 0, 0);
	id->sched[1] = (int32_t)make(SYS_getpriority, PRIO_PROCESS, 0, 0);
	id->sched[2] = (int32_t)make(SYS_ioprio_get, 1, 0, 0);
}

static bool is_free(void)
{
	return !make(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0) &&
	       !make(SYS_prctl, PR_GET_SECCOMP, 0, 0);
}

void identity_get(struct identity *id)
{
	memset(id, 0, sizeof(*id));
	id->is_known = is_free() && get_caps(id) && get_groups(id);
	if (!id->is_known)
		return;
	get_ids(id);
	get_scheduling(id);
	id->sched[3] = (int32_t)make(SYS_personality, UINT32_MAX, 0, 0);
	id->securebits = (int32_t)make(SYS_prctl, PR_GET_SECUREBITS, 0, 0);
}

static bool has_same(int tid, int type)
{
	uint64_t me = (uint64_t)make(SYS_gettid, 0, 0, 0);
	struct indirect_registers regs = {
		.nr = SYS_kcmp, .args = { me, (uint64_t)tid, (uint64_t)type },
	};

	return sys_call(&regs) == 0;
}

/* Is the caller, who is @a, as thread @tid is, who is @b? */
bool identity_is_same(const struct identity *a, const struct identity *b, int tid)
{
	return a->is_known && !memcmp(a, b, sizeof(*a)) &&
	       has_same(tid, KCMP_FILES) && has_same(tid, KCMP_FS);
}
