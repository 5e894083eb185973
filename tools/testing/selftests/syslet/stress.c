// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once: calls of many kinds, by processes of many threads, that
 * are stopped, traced, frozen, moved and killed meanwhile.
 *
 * A parent (this file; what it does to them is in stress_outer.c) keeps some
 * workers running (stress_worker.c), which make calls (stress_calls.c) until
 * they end by themselves or are killed. A worker checks that each call that
 * was pending is completed once, with a result that is possible; the parent,
 * that workers end as they have to, make progress, and leave nothing behind.
 *
 * What a worker decides depends on the seed and on its serial number. When it
 * happens does not: a failure comes again often, not always.
 */
#include "stress.h"

#include <stdarg.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

/* A worker that does nothing for so long hangs. */
#define HANG_MS		240000
/* How long things may take to vanish after the last worker. */
#define VANISH_MS	60000

struct shared *shared;
int shared_fd = -1;
char who[32] = "parent";
struct worker workers[MAX_WORKERS];

static unsigned int nr_workers = 6, next_serial;

static const char * const disturbance_names[] = {
#define X(name) #name,
	DISTURBANCES(X)
#undef X
};

static const char * const count_names[] = {
#define X(name) #name,
	COUNTS(X)
#undef X
};

void fail(const char *fmt, ...)
{
	char msg[512];
	int err = errno, n;
	va_list ap;

	n = snprintf(msg, sizeof(msg), "stress: seed %lu, %s: ", shared->seed, who);
	va_start(ap, fmt);
	errno = err;
	n += vsnprintf(msg + n, sizeof(msg) - n - 1, fmt, ap);
	va_end(ap);
	n = n < (int)sizeof(msg) - 1 ? n : (int)sizeof(msg) - 2;
	msg[n++] = '\n';
	if (write(2, msg, n) != n)
		n = 0;
	shared->failed = true;
	_exit(1);
}

/* --- what is there before and after ---------------------------------------------- */

struct census {
	long tasks, files, task_structs;
	int threads, fds;
};

static long read_number(const char *path, const char *format)
{
	FILE *f = fopen(path, "re");
	char line[256];
	long n = -1;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, format, &n) == 1)
			break;
	fclose(f);
	return n;
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static struct census take_census(void)
{
	return (struct census){
		.tasks = read_number("/proc/loadavg", "%*s %*s %*s %*d/%ld"),
		.files = read_number("/proc/sys/fs/file-nr", "%ld"),
		.task_structs = read_number("/proc/slabinfo", "task_struct %ld"),
		.threads = count_threads(),
		.fds = count_fds(),
	};
}

/*
 * Kernel threads come and go, and file-nr is not exact, by 32 for each CPU:
 * near is good enough, a leak is much more.
 */
static bool is_near(const struct census *a, const struct census *b)
{
	return b->tasks <= a->tasks + 12 && b->files <= a->files + 64 * sysconf(_SC_NPROCESSORS_ONLN) &&
	       b->task_structs <= a->task_structs + 64 &&
	       b->threads == a->threads && b->fds == a->fds;
}

static void compare_census(const struct census *before)
{
	uint64_t begun = now_ms();
	struct census after;

	for (;;) {
		after = take_census();
		if (is_near(before, &after))
			return;
		if (now_ms() - begun > VANISH_MS)
			fail("left behind: tasks %ld -> %ld, files %ld -> %ld, task_structs %ld -> %ld, own threads %d -> %d, fds %d -> %d",
			     before->tasks, after.tasks, before->files, after.files,
			     before->task_structs, after.task_structs,
			     before->threads, after.threads, before->fds, after.fds);
		sleep_us(20000);
	}
}

/* --- workers ------------------------------------------------------------------------ */

static void remove_ipc(struct slot *s)
{
	semctl(s->sem, 0, IPC_RMID);
	msgctl(s->msg, IPC_RMID, NULL);
}

static void make_ipc(struct slot *s)
{
	unsigned short zero[ALL_CALLS] = {};

	s->sem = semget(IPC_PRIVATE, ALL_CALLS, 0600);
	s->msg = msgget(IPC_PRIVATE, 0600);
	if (s->sem < 0 || s->msg < 0 || semctl(s->sem, 0, SETALL, zero))
		fail("SysV IPC: %m");
}

static void start_worker(struct worker *w)
{
	unsigned int nr = (w - workers) * WORKER_SLOTS, i;
	char path[96];

	for (i = 0; i < WORKER_SLOTS; i++)
		make_ipc(&shared->slot[nr + i]);
	*w = (struct worker){ .serial = next_serial++, .progress_at = now_ms() };
	w->pid = fork();
	if (w->pid < 0)
		fail("fork: %m");
	if (w->pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, 0);
	cgroup_path(path, sizeof(path), w, 0, "cgroup.procs");
	if (!write_file(path, "0"))
		fail("%s: %m", path);
	worker_main(nr, w->serial, false);
}

/* Note who ended: workers, or orphans of theirs, which are ours. */
static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned int i = 0; i < nr_workers; i++) {
			if (workers[i].pid == pid) {
				workers[i].dead = true;
				workers[i].status = status;
			}
		}
	}
}

/* Its children, wherever they are. */
static void kill_rest(struct worker *w)
{
	uint64_t begun = now_ms();
	char path[96];
	long populated;

	for (unsigned int i = 0; i < 2; i++) {
		cgroup_path(path, sizeof(path), w, i, "cgroup.kill");
		write_file(path, "1");
		cgroup_path(path, sizeof(path), w, i, "cgroup.events");
		while ((populated = read_number(path, "populated %ld"))) {
			if (populated < 0 || now_ms() - begun > VANISH_MS)
				fail("worker %u is dead, its cgroup is not", w->serial);
			reap();
			sleep_us(500);
		}
	}
}

static void bury_worker(struct worker *w)
{
	outer_relax(w, true);
	if (w->status && !(WIFSIGNALED(w->status) &&
			   w->signals & 1u << WTERMSIG(w->status)))
		fail("worker %u ended with status %#x; it was sent signals %#x", w->serial,
		     w->status, w->signals);
	kill_rest(w);
	outer_core_remove(w->pid);
	for (unsigned int i = 0; i < WORKER_SLOTS; i++)
		remove_ipc(&shared->slot[(w - workers) * WORKER_SLOTS + i]);
	w->pid = 0;
}

/* A worker that is stopped or frozen need not make progress. */
static void watch(struct worker *w)
{
	unsigned long sum = 0;

	for (unsigned int i = 0; i < WORKER_SLOTS; i++)
		sum += shared->slot[(w - workers) * WORKER_SLOTS + i].progress;
	if (sum != w->progress) {
		w->progress = sum;
		w->progress_at = now_ms();
	}
	if (w->stopped_until || w->frozen_until || now_ms() - w->progress_at < HANG_MS)
		return;
	outer_dump(w->pid);
	fail("worker %u, PID %d, hangs", w->serial, w->pid);
}

static void supervise(bool restart)
{
	reap();
	for (unsigned int i = 0; i < nr_workers; i++) {
		struct worker *w = &workers[i];

		if (w->pid && w->dead)
			bury_worker(w);
		if (!w->pid && restart)
			start_worker(w);
		if (w->pid) {
			outer_relax(w, false);
			watch(w);
		}
	}
	if (shared->failed)
		fail("a worker failed: see above");
}

static bool any_worker(void)
{
	for (unsigned int i = 0; i < nr_workers; i++)
		if (workers[i].pid)
			return true;
	return false;
}

/* --- begin and end --------------------------------------------------------------------- */

static void make_cgroups(bool make)
{
	char path[96];

	for (unsigned int i = 0; i < nr_workers * 2; i++) {
		cgroup_path(path, sizeof(path), &workers[i / 2], i % 2, "");
		if (make ? mkdir(path, 0755) && errno != EEXIST : rmdir(path))
			fail("%s: %m", path);
	}
}

static void run(unsigned int seconds)
{
	struct rng r = rng_of(shared->seed, 12345, 0);
	uint64_t end = now_ms() + seconds * 1000ull;

	while (now_ms() < end) {
		supervise(true);
		outer_disturb(&workers[rnd(&r, nr_workers)], &r);
		sleep_us(rnd(&r, 6000));
	}
	shared->stop = true;
	while (any_worker()) {
		supervise(false);
		sleep_us(2000);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	if (errno != ECHILD)
		fail("waitpid: %m");
}

static void print_totals(void)
{
	int i;

	printf("stress: seed %lu, %u workers:", shared->seed, next_serial);
	for (i = 0; i < C_NR; i++)
		printf(" %s %lu", count_names[i], shared->count[i]);
	printf(";");
	for (i = 0; i < D_NR; i++)
		printf(" %s %lu", disturbance_names[i], shared->disturbed[i]);
	printf("\n");
}

/* Is the pattern there at all: did the calls that we wanted block? */
static void check_totals(void)
{
	if (!shared->count[C_pending] || !shared->count[C_inline])
		fail("no call was pending, or none was not");
}

static void share(int fd)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED) {
		perror("stress: shared memory");
		exit(1);
	}
	shared_fd = fd;
}

static void turn_off(const char *name)
{
	for (int i = 0; i < D_NR; i++) {
		if (!strcmp(name, disturbance_names[i])) {
			shared->off |= 1ull << i;
			return;
		}
	}
	if (!strcmp(name, "all")) {
		shared->off = ~0ull;
		return;
	}
	if (kind_by_name(name) < 0) {
		fprintf(stderr, "stress: -x %s: no such disturbance or call\n", name);
		exit(2);
	}
	shared->calls_off |= 1ull << kind_by_name(name);
}

static void turn_on(const char *name)
{
	for (int i = 0; i < D_NR; i++)
		if (!strcmp(name, disturbance_names[i]))
			shared->off &= ~(1ull << i);
}

static void __attribute__((noreturn)) usage(void)
{
	fprintf(stderr,
		"stress [-t SECONDS] [-s SEED] [-n WORKERS] [-f FIRST] [-d DIR] [-x NAME]... [-o NAME]...\n"
		"  -f  serial number of the first worker: to repeat it, with -n 1\n"
		"  -d  a directory on a disk; without it /tmp is used\n"
		"  -x  without this disturbance or call, or without all disturbances\n"
		"  -o  with it again\n");
	exit(2);
}

int main(int argc, char **argv)
{
	unsigned int seconds = 60;
	struct census before;
	int opt;

	if (argc == 5 && !strcmp(argv[1], "-r")) {
		share(atoi(argv[2]));
		worker_main(atoi(argv[3]), atoi(argv[4]), true);
	}
	share(memfd_create("stress", MFD_CLOEXEC));
	if (ftruncate(shared_fd, sizeof(*shared)))
		return 1;
	shared->seed = time(NULL);
	strcpy(shared->dir, "/tmp/stress");
	strcpy(shared->disk, "/tmp/stress");
	while ((opt = getopt(argc, argv, "t:s:n:f:d:x:o:")) != -1) {
		switch (opt) {
		case 't':
			seconds = atoi(optarg);
			break;
		case 's':
			shared->seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			nr_workers = atoi(optarg);
			break;
		case 'f':
			next_serial = atoi(optarg);
			break;
		case 'd':
			snprintf(shared->disk, sizeof(shared->disk), "%s", optarg);
			break;
		case 'x':
			turn_off(optarg);
			break;
		case 'o':
			turn_on(optarg);
			break;
		default:
			usage();
		}
	}
	if (optind != argc || !nr_workers || nr_workers > MAX_WORKERS)
		usage();
	printf("stress: seed %lu, %u seconds, %u workers at a time\n", shared->seed, seconds,
	       nr_workers);
	fflush(stdout);

	mkdir(shared->dir, 0700);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* To get to disturb them at all: they keep all CPUs busy. */
	setpriority(PRIO_PROCESS, 0, -10);
	outer_init();
	make_cgroups(true);
	before = take_census();
	run(seconds);
	make_cgroups(false);
	compare_census(&before);
	print_totals();
	check_totals();
	return 0;
}
