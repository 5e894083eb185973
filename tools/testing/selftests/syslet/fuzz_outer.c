// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to the runs of the fuzzer from outside: someone looks at them,
 * limits change, their cgroup freezes, calls are traced; on a kernel for
 * debugging, delays at the points of a handoff.
 */
#include "fuzz.h"

#define TRACING	"/sys/kernel/tracing/events/"

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == strlen(text);
	close(fd);
	return ok;
}

static void change_delays(struct rng *r)
{
	static const char * const points[] = {
		"arm", "offer", "wake", "sleep", "park", "take", "check", "move", "adopted",
		"withdraw", "finish", "posted", "clone", "retire", "exit", "kill",
	};
	char line[64];

	if (!write_file(DELAY, "off\n"))
		return;
	/* most of the time few and short ones: they take the time of calls */
	for (unsigned int i = rnd(r, 2) * rnd(r, 5); i-- > 0;) {
		snprintf(line, sizeof(line), "%s %u\n", points[rnd(r, ARRAY_LEN(points))],
			 rnd(r, 8) ? rnd(r, 400) : rnd(r, 10000));
		write_file(DELAY, line);
	}
}

/* A task of the workers; 0: there was none. */
static pid_t any_task(struct rng *r)
{
	FILE *f = fopen(CGROUP "/cgroup.threads", "re");
	unsigned int n = 0;
	pid_t tid, chosen = 0;

	if (!f)
		return 0;
	while (fscanf(f, "%d", &tid) == 1)
		if (once_in(r, ++n))
			chosen = tid;
	fclose(f);
	return chosen;
}

/* What ps, perf, gdb and others would read; files that are not there, too. */
static void look_at(pid_t tid, struct rng *r)
{
	static const char * const names[] = {
		"stat", "status", "syscall", "stack", "wchan", "sched", "schedstat", "comm",
		"children", "maps", "smaps_rollup", "io", "limits", "timerslack_ns", "cgroup",
		"syslets", "timers", "environ", "auxv", "ns/pid", "fdinfo/3", "attr/current",
	};
	static char text[65536];
	char path[96];
	int fd;

	for (int i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), once_in(r, 2) ? "/proc/%1$d/%2$s" :
			 "/proc/%1$d/task/%1$d/%2$s",
			 tid, names[rnd(r, ARRAY_LEN(names))]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		while (read(fd, text, sizeof(text)) > 0)
			;
		close(fd);
	}
}

/* For a moment; what was there is put back. */
static void for_a_moment(const char *path, const char *value, const char *usual, struct rng *r)
{
	if (!write_file(path, value))
		return;
	sleep_us(1000 + rnd(r, 30000));
	write_file(path, usual);
}

void outer_disturb(struct rng *r)
{
	pid_t tid;

	switch (rnd(r, 64)) {
	case 0:
		change_delays(r);
		break;
	case 1:
		for_a_moment(CGROUP "/cgroup.freeze", "1", "0", r);
		break;
	case 2:
		for_a_moment(CGROUP "/pids.max", "20", PIDS_MAX, r);
		break;
	case 3:
		for_a_moment("/proc/sys/kernel/syslet_max_spares", "3", "16384", r);
		break;
	case 4 ... 40:
		tid = any_task(r);
		if (tid)
			look_at(tid, r);
		break;
	}
}

/*
 * Before anything runs, and not now and then: with more than one CPU, QEMU 7.2
 * may go on running the breakpoint by which the kernel changes its code for
 * that, after it has gone ("Oops: int3").
 */
void outer_begin(struct rng *r)
{
	if (once_in(r, 4))
		write_file(TRACING "syslet/enable", "1");
	if (once_in(r, 8))
		write_file(TRACING "raw_syscalls/enable", "1");
}

void outer_end(void)
{
	write_file(DELAY, "off\n");
	write_file(TRACING "enable", "0");
}
