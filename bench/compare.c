// SPDX-License-Identifier: GPL-2.0-only
/*
 * Run one of the programs in bench/compare on the files of a list, and tell
 * what that took:  bench-compare hot|cold|tasks CASE PEER LIST OUTPUT
 *
 * hot: what each file costs once things are under way (all files against half of
 * them), and what a run for one file costs; all from the cache.
 * cold: the run as it is.
 * tasks: how many tasks the program has at most. Looking takes time, so nothing
 * else is told of that run.
 *
 * What the program prints goes to the file OUTPUT.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define MAX_FILES	65536
#define LOOK_NS		500000

struct run {
	uint64_t	ns;
	long		switches;
	long		resident;
	long		tasks;
};

static char *files[MAX_FILES + 2];
static unsigned int nr_files;
static const char *output, *name, *peer;
static char program[256];

static void read_list(const char *list)
{
	FILE *f = fopen(list, "r");
	char line[4096];

	if (!f)
		die("%s: %m", list);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (nr_files == MAX_FILES)
			die("%s: too long", list);
		files[++nr_files] = strdup(line);
	}
	fclose(f);
	if (nr_files < 2)
		die("%s: too short", list);
}

static long tasks_of(pid_t pid)
{
	char file[64], line[256];
	long tasks = 0;
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/status", pid);
	f = fopen(file, "r");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f) && !sscanf(line, "Threads: %ld", &tasks))
		;
	fclose(f);
	return tasks;
}

static void look(pid_t pid, struct run *r)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };
	siginfo_t info;
	long tasks;

	do {
		tasks = tasks_of(pid);
		if (tasks > r->tasks)
			r->tasks = tasks;
		nanosleep(&pause, NULL);
		info.si_pid = 0;
		if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT))
			die("waitid: %m");
	} while (!info.si_pid);
}

static struct run run(unsigned int n, int looking)
{
	char *after = files[n + 1], *no_env[] = { NULL };
	posix_spawn_file_actions_t actions;
	struct run r = { .tasks = 0 };
	struct rusage usage;
	int err, status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, output,
					 O_WRONLY | O_CREAT | O_TRUNC, 0666);
	files[0] = program;
	files[n + 1] = NULL;
	r.ns = now();
	err = posix_spawnp(&pid, program, &actions, NULL, files, no_env);
	if (err)
		die("%s: %s", program, strerror(err));
	if (looking)
		look(pid, &r);
	if (wait4(pid, &status, 0, &usage) != pid)
		die("wait4: %m");
	r.ns = now() - r.ns;
	files[n + 1] = after;
	posix_spawn_file_actions_destroy(&actions);
	if (status)
		die("%s: status %x", program, status);
	r.switches = usage.ru_nvcsw + usage.ru_nivcsw;
	r.resident = usage.ru_maxrss;
	return r;
}

static void hot(void)
{
	unsigned int half = nr_files / 2;
	struct run all, some, one;

	run(nr_files, 0);
	one = run(1, 0);
	some = run(half, 0);
	all = run(nr_files, 0);
	result("compare", name, peer, "each file",
	       ((double)all.ns - (double)some.ns) / (nr_files - half), "ns");
	result("compare", name, peer, "one file, with start and end", one.ns, "ns");
	result("compare", name, peer, "context switches, all files", all.switches, "");
}

static void cold(void)
{
	struct run r = run(nr_files, 0);

	result("compare", name, peer, "all files", r.ns / 1e3, "us");
	result("compare", name, peer, "context switches, all files", r.switches, "");
	result("compare", name, peer, "memory of the program at most", r.resident, "KiB");
}

static void tasks(void)
{
	result("compare", name, peer, "tasks at most", run(nr_files, 1).tasks, "");
}

int main(int argc, char **argv)
{
	if (argc != 6)
		die("usage: bench-compare hot|cold|tasks CASE PEER LIST OUTPUT");
	name = argv[2];
	peer = argv[3];
	output = argv[5];
	snprintf(program, sizeof(program), "compare-%s", peer);
	read_list(argv[4]);
	if (!strcmp(argv[1], "hot"))
		hot();
	else if (!strcmp(argv[1], "cold"))
		cold();
	else
		tasks();
	return 0;
}
