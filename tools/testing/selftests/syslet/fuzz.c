// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fuzzer for indirect(2), syslet_submit(2), syslet_ring_wait(2) and
 * syslet_cancel(2):
 *
 *	fuzz [-t seconds] [-s seed] [-n workers] [-r worker.run]
 *
 * Workers make one run after the other, each a process that is unprivileged, in
 * namespaces and a cgroup (fuzz_box.c). There are two kinds of runs:
 *
 *   checked	calls at random, of both ABIs, that leave the program's own memory
 *		alone. Each that is pending has to be completed once, none else
 *		may be (fuzz_check.c)
 *   hostile	the same with arguments at their edges, while other threads
 *		rewrite rings, structs and batches, take their memory away, and
 *		fork, exec, kill, trace and change the process. All that is asked
 *		for is that the kernel does not mind, and the processes die
 *		(fuzz_hostile.c)
 *
 * What a thread does depends on the seed and on the numbers of worker, run and
 * thread; when it happens does not. -r begins with one run, which has all its
 * threads again. fuzz_outer.c has what happens meanwhile from outside.
 */
#include "fuzz.h"

#include <stdarg.h>

/* A worker that makes no progress for so long hangs. */
#define HANG_MS	(shared->slow ? 600000 : 240000)

struct shared *shared;
int shared_fd = -1;
unsigned int worker, run;

static pid_t pids[MAX_WORKERS];
static unsigned int nr_workers = 5;

void fail(const char *fmt, ...)
{
	bool no = false;
	va_list ap;
	int n;

	/* the first one tells */
	if (atomic_compare_exchange_strong(&shared->failed, &no, true)) {
		n = snprintf(shared->message, sizeof(shared->message),
			     "seed %lu, worker.run %u.%u: ", shared->seed, worker, run);
		va_start(ap, fmt);
		vsnprintf(shared->message + n, sizeof(shared->message) - n, fmt, ap);
		va_end(ap);
	}
	_exit(1);
}

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "fuzz: %s: %m\n", what);
	exit(2);
}

/* --- limits ---------------------------------------------------------------- */

static void cgroup_make(void)
{
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory +pids");
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		die(CGROUP);
	if (!write_file(CGROUP "/pids.max", PIDS_MAX) ||
	    !write_file(CGROUP "/memory.max", "700M"))
		die("limits of " CGROUP);
}

static bool cgroup_is_empty(void)
{
	char text[128] = "";
	int fd = open(CGROUP "/cgroup.events", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		die(CGROUP "/cgroup.events");
	close(fd);
	return strstr(text, "populated 0");
}

/* What all tasks of the workers do. */
static void dump(void)
{
	/* of those that have not gone meanwhile */
	if (system("for t in $(cat " CGROUP "/cgroup.threads); do"
		   " echo \"task $t: $(grep -e Name -e State -e SigPnd -e SigBlk /proc/$t/status |"
		   " tr '\\n' ' '), system call $(cat /proc/$t/syscall)\";"
		   " cat /proc/$t/stack; done 2>/dev/null"))
		fprintf(stderr, "fuzz: no tasks to tell of\n");
}

static bool end_all(void)
{
	uint64_t begun = now_ms();

	write_file(CGROUP "/cgroup.kill", "1");
	while (!cgroup_is_empty()) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (now_ms() - begun > HANG_MS / 4) {
			fprintf(stderr, "fuzz: seed %lu: tasks that do not die:\n", shared->seed);
			dump();
			return false;
		}
		sleep_us(20000);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return true;
}

/* --- workers ---------------------------------------------------------------- */

static void start_worker(unsigned int nr)
{
	pids[nr] = fork();
	if (pids[nr] < 0)
		die("fork");
	if (pids[nr])
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!write_file(CGROUP "/cgroup.procs", "0"))
		die(CGROUP "/cgroup.procs");
	box_main(nr);
}

static void restart_dead(void)
{
	pid_t pid = waitpid(-1, NULL, WNOHANG);

	for (unsigned int i = 0; pid > 0 && i < nr_workers; i++) {
		if (pids[i] == pid) {
			count(C_restarts);
			start_worker(i);
		}
	}
}

static bool all_alive(void)
{
	static unsigned long beat[MAX_WORKERS];
	static uint64_t since[MAX_WORKERS];

	for (unsigned int i = 0; i < nr_workers; i++) {
		if (beat[i] != shared->beat[i] || !since[i]) {
			beat[i] = shared->beat[i];
			since[i] = now_ms();
		} else if (now_ms() - since[i] > HANG_MS) {
			fprintf(stderr, "fuzz: seed %lu: worker %u hangs after run %u:\n",
				shared->seed, i, shared->next_run[i]);
			return false;
		}
	}
	return true;
}

static bool supervise(unsigned int seconds)
{
	uint64_t end = now_ms() + seconds * 1000ull;
	struct rng r = rng_of(shared->seed, 1, 1);

	while (now_ms() < end && !shared->failed) {
		restart_dead();
		if (!all_alive()) {
			dump();
			return false;
		}
		outer_disturb(&r);
		sleep_us(rnd(&r, 40000));
	}
	return true;
}

/* --- begin and end ------------------------------------------------------------ */

static void shared_map(int fd)
{
	shared_fd = fd;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		die("shared memory");
}

static void shared_make(void)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	/* out of the way of random numbers */
	shared_fd = fcntl(fd, F_DUPFD_CLOEXEC, 900);
	if (fd < 0 || shared_fd < 0 || ftruncate(fd, sizeof(*shared)))
		die("shared memory");
	close(fd);
	shared_map(shared_fd);
}

/* After exec: fuzz -x fd worker run. */
static void __attribute__((noreturn)) go_on(char **argv)
{
	struct rng r;

	shared_map(atoi(argv[0]));
	worker = atoi(argv[1]);
	run = atoi(argv[2]);
	r = rng_of(shared->seed, worker, run + 1000000);
	run_hostile(&r, true);
}

static void report(unsigned int seconds)
{
	static const char * const names[] = {
#define X(name) #name,
		COUNTS(X)
#undef X
	};

	printf("fuzz: own: %u seconds", seconds);
	for (unsigned int i = 0; i < C_NR; i++)
		printf(", %lu %s", shared->count[i], names[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	unsigned int seconds = 60, only_worker, only_run;
	uint64_t begun = now_ms();
	struct rng r;
	bool ok;
	int opt;

	if (argc == 5 && !strcmp(argv[1], "-x"))
		go_on(argv + 2);
	shared_make();
	shared->seed = time(NULL);
	shared->slow = !access(DELAY, F_OK);
	while ((opt = getopt(argc, argv, "t:s:n:r:")) >= 0) {
		if (opt == 't') {
			seconds = atoi(optarg);
		} else if (opt == 's') {
			shared->seed = strtoul(optarg, NULL, 0);
		} else if (opt == 'n' && atoi(optarg) > 0 && atoi(optarg) <= MAX_WORKERS) {
			nr_workers = atoi(optarg);
		} else if (opt == 'r' && sscanf(optarg, "%u.%u", &only_worker, &only_run) == 2 &&
			   only_worker < MAX_WORKERS) {
			nr_workers = only_worker + 1;
			shared->next_run[only_worker] = only_run;
		} else {
			fprintf(stderr, "usage: fuzz [-t seconds] [-s seed] [-n workers] [-r worker.run]\n");
			return 2;
		}
	}
	if (getuid()) {
		fprintf(stderr, "fuzz: has to be root, to make namespaces and a cgroup\n");
		return 2;
	}
	cgroup_make();
	printf("fuzz: seed %lu, %u seconds, %u workers\n", shared->seed, seconds, nr_workers);
	fflush(stdout);
	r = rng_of(shared->seed, 2, 2);
	outer_begin(&r);
	for (unsigned int i = 0; i < nr_workers; i++)
		start_worker(i);
	ok = supervise(seconds);
	outer_end();
	if (shared->failed) {
		dump();
		fprintf(stderr, "fuzz: %s\n", shared->message);
		fprintf(stderr, "fuzz: to begin with a run: make guest CMD='/opt/syslet-tests/fuzz -s %lu -r WORKER.RUN'\n",
			shared->seed);
	}
	shared->stop = true;
	ok = end_all() && ok && !shared->failed;
	report((now_ms() - begun) / 1000);
	return ok ? 0 : 1;
}
