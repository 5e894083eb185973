// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the runs of the fuzzer live: a worker is PID 1 of its own PID namespace,
 * so that nothing that a run leaves behind outlives it; it is nobody, and
 * nothing of it can be traced or signalled by its runs.
 */
#include "fuzz.h"

#include <grp.h>
#include <sys/mount.h>

#define NOBODY	65534

static void become_nobody(void)
{
	struct rlimit files = { 1024, 1024 }, size = { 1 << 20, 1 << 20 };
	struct rlimit space = { 256 << 20, 256 << 20 }, core = { 1 << 16, 1 << 16 };

	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_FSIZE, &size);
	setrlimit(RLIMIT_CORE, &core);
	setrlimit(RLIMIT_AS, &space);
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		fail("not nobody: %m");
}

static void own_mounts(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/mnt", "tmpfs", 0, "size=8m,mode=1777") ||
	    mount("proc", "/proc", "proc", 0, NULL) || chdir("/mnt"))
		fail("mounts: %m");
}

static void __attribute__((noreturn)) run_main(void)
{
	struct rng r = rng_of(shared->seed, worker, run);
	int null = open("/dev/null", O_RDWR);
	bool checked = once_in(&r, 3);

	/* it may be traced, it may write to any descriptor of its own */
	prctl(PR_SET_DUMPABLE, 1);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	count(C_runs);
	if (checked)
		run_checked(&r);
	run_hostile(&r, false);
}

/* The time that a run may take; a checked one has to end by itself. */
static uint64_t time_for(bool checked)
{
	if (checked)
		return shared->slow ? 400000 : 200000;
	return shared->slow ? 5000 : 2000;
}

/* All that is left of a run, orphans too. */
static void bury(void)
{
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		shared->beat[worker]++;
}

static void watch(pid_t pid)
{
	struct rng r = rng_of(shared->seed, worker, run);
	bool checked = once_in(&r, 3);
	uint64_t end = now_ms() + time_for(checked);
	pid_t dead;

	while (now_ms() < end) {
		dead = waitpid(-1, NULL, WNOHANG);
		if (dead == pid)
			return;
		if (dead <= 0)
			sleep_us(2000);
		shared->beat[worker]++;
	}
	if (checked)
		fail("a checked run does not end");
}

static void __attribute__((noreturn)) box_init(void)
{
	pid_t pid;

	own_mounts();
	become_nobody();
	while (!shared->stop && !shared->failed) {
		run = shared->next_run[worker]++;
		pid = fork();
		if (!pid)
			run_main();
		if (pid > 0)
			watch(pid);
		bury();
	}
	_exit(0);
}

void box_main(unsigned int nr)
{
	pid_t pid;

	worker = nr;
	if (unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS))
		fail("namespaces: %m");
	pid = fork();
	if (pid < 0)
		fail("fork: %m");
	if (!pid)
		box_init();
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	_exit(0);
}
