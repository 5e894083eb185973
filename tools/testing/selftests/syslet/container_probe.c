// SPDX-License-Identifier: GPL-2.0-only
/*
 * In a container, see container_test.sh: what is forbidden is forbidden by
 * indirect(2) and in batches with the same error.
 *
 *	container_probe syslets		where they are allowed
 *	container_probe default		where they are not known
 */
#define SYSLET_NO_HARNESS
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sys/utsname.h>

#include "batch.h"

#define die(...)				\
	do {					\
		printf("# " __VA_ARGS__);	\
		printf("\n");			\
		exit(1);			\
	} while (0)

/* By the filter, or by what the container may not. */
static const struct {
	const char *name;
	struct indirect_registers regs;
} forbidden[] = {
	{ "mount", { __NR_mount } },
	{ "umount2", { __NR_umount2 } },
	{ "pivot_root", { __NR_pivot_root } },
	{ "keyctl", { __NR_keyctl } },
	{ "add_key", { __NR_add_key } },
	{ "request_key", { __NR_request_key } },
	{ "unshare", { __NR_unshare, { CLONE_NEWNS } } },
	{ "setns", { __NR_setns, { -1 } } },
	{ "bpf", { __NR_bpf } },
	{ "perf_event_open", { __NR_perf_event_open } },
	{ "userfaultfd", { __NR_userfaultfd } },
	{ "swapon", { __NR_swapon } },
	{ "acct", { __NR_acct } },
	{ "kexec_load", { __NR_kexec_load } },
	{ "init_module", { __NR_init_module } },
	{ "open_by_handle_at", { __NR_open_by_handle_at } },
	{ "clock_settime", { __NR_clock_settime } },
	{ "personality", { __NR_personality, { 0x0200000 } } },
	{ "socket", { __NR_socket, { AF_NETLINK, SOCK_RAW, NETLINK_AUDIT } } },
	{ "a number of nobody", { 1000 } },
};

static long plain(const struct indirect_registers *r)
{
	const __u64 *a = r->args;

	return syslet_ret(syscall(r->nr, a[0], a[1], a[2], a[3], a[4], a[5]));
}

static void check_forbidden(struct syslet_ring *ring, unsigned int i)
{
	struct indirect_registers regs = forbidden[i].regs;
	long want = plain(&regs), ret[4];
	struct syslet_call call = ENTRY(1, regs.nr, regs.args[0], regs.args[1], regs.args[2]);

	if (want >= 0)
		die("%s is not forbidden: %ld", forbidden[i].name, want);
	ret[0] = call_plain(regs);
	ret[1] = submit(ring, regs, 1);
	ret[2] = submit_args(regs, (struct syslet_args){
		.completion_ring_ptr = P(ring), .flags = SYSLET_SYNC_OK });
	ret[3] = batch(ring, &call, 1) == 1 ? call.result : 1;
	for (int j = 0; j < 4; j++)
		if (ret[j] != want)
			die("%s: %ld, and %ld in way %d", forbidden[i].name, want, ret[j], j);
}

static void check_confined(void)
{
	if (prctl(PR_GET_SECCOMP) != SECCOMP_MODE_FILTER)
		die("no filter");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		die("new privileges");
	if (getpid() > 9)
		die("not in a PID namespace: %d", getpid());
	if (access("/sys", F_OK) == 0)
		die("the root is that of the host");
}

static void with_syslets(void)
{
	struct syslet_ring *ring = ring_alloc(64);

	/* the first handoff comes to an end under this filter, too */
	for (int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < ARRAY_LEN(forbidden); i++)
			check_forbidden(ring, i);
		if (force_handoff(ring))
			die("no handoff");
	}
	check_confined();
}

static void without_syslets(void)
{
	struct indirect_registers regs = CALL(__NR_getpid);

	if (call_plain(regs) != -ENOSYS || sys_cancel(NULL, 0, 0) != -ENOSYS ||
	    sys_ring_wait(NULL, 0, 0, NULL, 0) != -ENOSYS ||
	    sys_submit(NULL, 0, NULL, 0, 0) != -ENOSYS)
		die("the filter knows of syslets");
}

int main(int argc, char **argv)
{
	if (argc != 2)
		die("usage: container_probe syslets|default");
	check_confined();
	if (!strcmp(argv[1], "syslets"))
		with_syslets();
	else
		without_syslets();
	return 0;
}
