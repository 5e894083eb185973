// SPDX-License-Identifier: GPL-2.0-only
/* What the parent of the stress program does to its workers. */
#include "stress.h"

#define CGROUPS		"/sys/fs/cgroup"
/* Stops and freezes have to come in this time, however slow the machine is. */
#define PATIENCE_MS	240000

static cpu_set_t all_cpus;

/* --- files ------------------------------------------------------------------ */

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* Its length; 0 if it is not there. */
static size_t read_file(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, len - 1);

	if (fd >= 0)
		close(fd);
	buf[n < 0 ? 0 : n] = 0;
	return n < 0 ? 0 : n;
}

void cgroup_path(char *path, size_t len, struct worker *w, unsigned int which, const char *file)
{
	snprintf(path, len, CGROUPS "/stress.%u.%u%s%s", (unsigned int)(w - workers), which,
		 *file ? "/" : "", file);
}

void outer_init(void)
{
	sched_getaffinity(0, sizeof(all_cpus), &all_cpus);
	write_file("/proc/sys/kernel/core_pattern", "/tmp/stress.core.%p");
	write_file("/proc/sys/kernel/core_uses_pid", "0");
}

void outer_core_remove(pid_t pid)
{
	char name[64];

	snprintf(name, sizeof(name), "/tmp/stress.core.%d", pid);
	unlink(name);
}

/* --- tasks ------------------------------------------------------------------- */

/* TIDs of a process; how many. */
static unsigned int list_tasks(pid_t pid, pid_t *tids, unsigned int max)
{
	char name[64];
	struct dirent *d;
	unsigned int n = 0;
	DIR *dir;

	snprintf(name, sizeof(name), "/proc/%d/task", pid);
	dir = opendir(name);
	if (!dir)
		return 0;
	while (n < max && (d = readdir(dir)))
		if (atoi(d->d_name))
			tids[n++] = atoi(d->d_name);
	closedir(dir);
	return n;
}

static pid_t random_task(struct worker *w, struct rng *r)
{
	pid_t tids[512];
	unsigned int n = list_tasks(w->pid, tids, ARRAY_LEN(tids));

	return n ? tids[rnd(r, n)] : w->pid;
}

static const char * const task_files[] = {
	"comm", "wchan", "stack", "syscall", "status",
	"stat", "io", "sched", "limits", "cgroup", "children", "personality", "auxv",
};

static void read_tasks(struct worker *w, struct rng *r)
{
	static char buf[16384];
	pid_t tids[512];
	unsigned int n = list_tasks(w->pid, tids, ARRAY_LEN(tids)), i, j;
	char name[96];

	for (i = 0; i < n; i++) {
		for (j = 0; j < ARRAY_LEN(task_files); j++) {
			if (!once_in(r, 3))
				continue;
			snprintf(name, sizeof(name), "/proc/%d/task/%d/%s", w->pid, tids[i],
				 task_files[j]);
			read_file(name, buf, sizeof(buf));
		}
	}
	snprintf(name, sizeof(name), "/proc/%d/%s", w->pid, once_in(r, 2) ? "maps" : "stat");
	read_file(name, buf, sizeof(buf));
}

void outer_dump(pid_t pid)
{
	static char buf[16384];
	pid_t tids[512];
	unsigned int n = list_tasks(pid, tids, ARRAY_LEN(tids)), i, j;
	char name[96];

	for (i = 0; i < n; i++) {
		fprintf(stderr, "--- task %d of %d\n", tids[i], pid);
		for (j = 0; j < 5; j++) {
			snprintf(name, sizeof(name), "/proc/%d/task/%d/%s", pid, tids[i],
				 task_files[j]);
			read_file(name, buf, sizeof(buf));
			fprintf(stderr, "%s: %s\n", task_files[j], buf);
		}
	}
}

/* --- ptrace -------------------------------------------------------------------- */

static void note_death(struct worker *w, int status)
{
	w->dead = true;
	w->status = status;
}

static bool is_zombie(pid_t pid)
{
	char name[32], state = 0;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/stat", pid);
	f = fopen(name, "r");
	if (!f)
		return false;
	/* The name of a worker has no spaces. */
	if (fscanf(f, "%*d %*s %c", &state) != 1)
		state = 0;
	fclose(f);
	return state == 'Z';
}

/*
 * Attach to any task, a helper too, interrupt it, let it go. It may exit, or
 * another thread may call execve(), which leaves us with the leader's TID.
 */
static void trace(struct worker *w, pid_t tid)
{
	uint64_t begun = now_ms();
	int status;
	pid_t got;

	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL))
		return;
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) && errno != ESRCH)
		fail("PTRACE_INTERRUPT: %m");
	for (;;) {
		got = waitpid(tid, &status, __WALL | WNOHANG);
		if (got < 0 && errno == ECHILD) {
			if (tid == w->pid)
				return;
			tid = w->pid;
			if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL))
				return;
			continue;
		}
		if (got == tid && WIFSTOPPED(status))
			break;
		if (got == tid) {
			if (tid == w->pid)
				note_death(w, status);
			return;
		}
		/* A main thread that exited is reported when all have. */
		if (tid == w->pid && is_zombie(tid))
			return;
		if (now_ms() - begun > PATIENCE_MS) {
			outer_dump(w->pid);
			fail("worker %u: task %d was interrupted and does not stop",
			     w->serial, tid);
		}
		sleep_us(200);
	}
	/* A signal that was on its way is not to be lost. */
	if (ptrace(PTRACE_DETACH, tid, NULL,
		   status >> 16 ? 0 : (long)WSTOPSIG(status)) && errno != ESRCH)
		fail("PTRACE_DETACH: %m");
}

/* --- stop and freeze --------------------------------------------------------------- */

static void set_frozen(struct worker *w, bool on)
{
	char path[96], buf[64];
	uint64_t begun = now_ms();

	cgroup_path(path, sizeof(path), w, w->cgroup, "cgroup.freeze");
	if (!write_file(path, on ? "1" : "0"))
		fail("cgroup.freeze: %m");
	if (!on)
		return;
	cgroup_path(path, sizeof(path), w, w->cgroup, "cgroup.events");
	/* empty ones count as frozen */
	while (read_file(path, buf, sizeof(buf)) && !strstr(buf, "frozen 1")) {
		if (now_ms() - begun > PATIENCE_MS) {
			outer_dump(w->pid);
			fail("worker %u does not freeze", w->serial);
		}
		sleep_us(500);
	}
}

void outer_relax(struct worker *w, bool now)
{
	uint64_t t = now_ms();

	if (w->stopped_until && (now || t >= w->stopped_until)) {
		kill(w->pid, SIGCONT);
		w->stopped_until = 0;
		w->progress_at = t;
	}
	if (w->frozen_until && (now || t >= w->frozen_until)) {
		set_frozen(w, false);
		w->frozen_until = 0;
		w->progress_at = t;
	}
}

/* --- scheduling --------------------------------------------------------------------- */

static void set_affinity(struct worker *w, struct rng *r)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(rnd(r, CPU_COUNT(&all_cpus)), &set);
	sched_setaffinity(random_task(w, r), sizeof(set), once_in(r, 2) ? &set : &all_cpus);
}

static void set_scheduler(struct worker *w, struct rng *r)
{
	static const int policies[] = { SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_OTHER };
	struct sched_param sp = {};
	pid_t tid = random_task(w, r);

	if (!once_in(r, 4)) {
		sched_setscheduler(tid, policies[rnd(r, 4)] | (once_in(r, 8) ?
				   SCHED_RESET_ON_FORK : 0), &sp);
		return;
	}
	/* for a short time: they would keep us from running */
	sp.sched_priority = 1;
	if (sched_setscheduler(tid, once_in(r, 2) ? SCHED_FIFO : SCHED_RR, &sp))
		return;
	sleep_us(rnd(r, 2000));
	sp.sched_priority = 0;
	sched_setscheduler(tid, SCHED_OTHER, &sp);
}

static void move_cgroup(struct worker *w)
{
	char path[96], pid[16];

	if (w->frozen_until)
		return;
	cgroup_path(path, sizeof(path), w, !w->cgroup, "cgroup.procs");
	snprintf(pid, sizeof(pid), "%d", w->pid);
	if (write_file(path, pid))
		w->cgroup = !w->cgroup;
}

/* --- choose --------------------------------------------------------------------------- */

static void end_by_signal(struct worker *w, int sig)
{
	w->signals |= 1u << sig;
	kill(w->pid, sig);
}

void outer_disturb(struct worker *w, struct rng *r)
{
	switch (rnd(r, 100)) {
	case 0 ... 9:
		if (!w->stopped_until && disturb(D_stop)) {
			w->stopped_until = now_ms() + rnd(r, 30);
			kill(w->pid, SIGSTOP);
		}
		break;
	case 10 ... 34:
		if (disturb(D_ptrace))
			trace(w, random_task(w, r));
		break;
	case 35 ... 49:
		if (disturb(D_proc))
			read_tasks(w, r);
		break;
	case 50 ... 59:
		if (!w->frozen_until && disturb(D_freeze)) {
			set_frozen(w, true);
			w->frozen_until = now_ms() + rnd(r, 30);
		}
		break;
	case 60 ... 64:
		if (disturb(D_cgmove))
			move_cgroup(w);
		break;
	case 65 ... 74:
		if (disturb(D_affinity))
			set_affinity(w, r);
		break;
	case 75 ... 79:
		if (disturb(D_nice))
			setpriority(PRIO_PROCESS, random_task(w, r), rnd(r, 20));
		break;
	case 80 ... 87:
		if (disturb(D_sched))
			set_scheduler(w, r);
		break;
	case 88:
		if (disturb(D_caches))
			write_file("/proc/sys/vm/drop_caches", "3");
		break;
	case 89 ... 94:
		if (disturb(D_kill))
			end_by_signal(w, SIGKILL);
		break;
	case 95 ... 96:
		if (disturb(D_core))
			end_by_signal(w, once_in(r, 2) ? SIGQUIT : SIGABRT);
		break;
	}
}
