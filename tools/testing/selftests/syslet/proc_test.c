// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /proc tells of calls under way, and of the tasks that work on them:
 * /proc/PID/syslets, and syscall, comm, stat, status, wchan, stack of each task.
 */
#include "batch.h"
#include "raw.h"
#include "threads.h"

THREADS_FIXTURE(proc)

/* --- /proc/PID/syslets ------------------------------------------------------------- */

struct thread_line {
	pid_t		tid;
	unsigned int	parked, running;
	unsigned long	handoffs, refused, limited;
};

struct call_line {
	pid_t		runner, tid;
	int		nr;
	unsigned long	data, ring;
	unsigned int	age;
};

/* The file, parsed; false if there is anything that does not belong there. */
struct syslets {
	struct thread_line	threads[8];
	struct call_line	calls[64];
	int			nr_threads, nr_calls;
};

static bool parse_line(struct syslets *s, const char *line)
{
	struct thread_line t;
	struct call_line c;
	int n = 0;

	if (sscanf(line, "thread %d parked %u running %u handoffs %lu refused %lu limited %lu%n",
		   &t.tid, &t.parked, &t.running, &t.handoffs, &t.refused, &t.limited, &n) == 6) {
		if (s->nr_threads == 8)
			return false;
		s->threads[s->nr_threads++] = t;
		return !line[n];
	}
	/* behind the thread that it belongs to */
	if (sscanf(line, "call %d thread %d nr %d data 0x%lx ring 0x%lx age_ms %u%n", &c.runner,
		   &c.tid, &c.nr, &c.data, &c.ring, &c.age, &n) == 6) {
		if (s->nr_calls == 64 || !s->nr_threads ||
		    s->threads[s->nr_threads - 1].tid != c.tid)
			return false;
		s->calls[s->nr_calls++] = c;
		return !line[n];
	}
	return false;
}

static bool read_syslets(pid_t pid, struct syslets *s)
{
	char name[64], *text = calloc(1, 16384), *line, *save;
	unsigned int running = 0;
	bool ok;

	*s = (struct syslets){};
	snprintf(name, sizeof(name), "/proc/%d/syslets", pid);
	ok = text && read_text(name, text, 16384) >= 0;
	for (line = strtok_r(text, "\n", &save); ok && line; line = strtok_r(NULL, "\n", &save))
		ok = parse_line(s, line);
	for (int i = 0; i < s->nr_threads; i++)
		running += s->threads[i].running;
	free(text);
	return ok && running == s->nr_calls;
}

/* Of the only thread of this process that makes syslets. */
static bool own_syslets(struct syslets *s)
{
	return read_syslets(getpid(), s) && s->nr_threads == 1 && s->threads[0].tid == gettid();
}

static struct call_line *find_call(struct syslets *s, unsigned long data)
{
	for (int i = 0; i < s->nr_calls; i++)
		if (s->calls[i].data == data)
			return &s->calls[i];
	return NULL;
}

THREADS_TEST(proc, nothing_is_listed_of_who_makes_no_syslets)
{
	struct syslets s;

	CHECK(read_syslets(getpid(), &s) && !s.nr_threads);
	CHECK(call_plain(CALL(__NR_getppid)) == getppid());
	CHECK(read_syslets(getpid(), &s) && !s.nr_threads);
	CHECK(!force_handoff(ring));
	CHECK(own_syslets(&s) && s.threads[0].handoffs == 1);
	return NULL;
}

THREADS_TEST(proc, calls_in_flight_are_listed_with_number_data_and_ring)
{
	struct syslet_ring *other = ring_alloc(16);
	unsigned int age;
	struct syslets s;
	int fd[3][2];
	long status;
	char c[3];

	CHECK(!force_handoff(ring));
	for (int i = 0; i < 3; i++)
		CHECK(!pipe(fd[i]));
	CHECK(submit(ring, CALL(__NR_read, fd[0][0], P(&c[0]), 1), 0x1111) == -ESYSLETPENDING);
	CHECK(submit(other, CALL(__NR_read, fd[1][0], P(&c[1]), 1), 0x123456789abcdef0) ==
	      -ESYSLETPENDING);
	CHECK(submit(ring, CALL(__NR_splice, fd[2][0], 0, fd[0][1], 0, 1, 0), 0) ==
	      -ESYSLETPENDING);
	CHECK(own_syslets(&s) && s.nr_calls == 3 && s.threads[0].handoffs == 4);
	CHECK(find_call(&s, 0x1111)->nr == __NR_read && find_call(&s, 0x1111)->ring == P(ring));
	CHECK(find_call(&s, 0x123456789abcdef0)->ring == P(other));
	CHECK(find_call(&s, 0)->nr == __NR_splice);
	/* different tasks; the thread's TID is that of the leader, too, which is parked */
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < i; j++)
			CHECK(s.calls[i].runner != s.calls[j].runner);
	/* it grows */
	age = find_call(&s, 0x1111)->age;
	do
		CHECK(own_syslets(&s) && s.nr_calls == 3 && find_call(&s, 0x1111)->age >= age);
	while (find_call(&s, 0x1111)->age == age);

	/* one feeds the other */
	CHECK(write(fd[2][1], "x", 1) == 1);
	CHECK(reap_status(ring) == 1 && reap_status(ring) == 1 && c[0] == 'x');
	CHECK(write(fd[1][1], "x", 1) == 1 && reap_each(other, 0x123456789abcdef0, 1, &status));
	/* posted; it leaves the list right after */
	do
		CHECK(own_syslets(&s));
	while (s.nr_calls);
	CHECK(s.threads[0].running == 0 && s.threads[0].parked > 0);
	return NULL;
}

THREADS_TEST(proc, calls_of_a_batch_are_listed)
{
	int fd[3][2];
	struct syslet_call calls[3];
	struct syslets s;
	long status[3];
	char c[3];

	for (int i = 0; i < 3; i++) {
		CHECK(!pipe(fd[i]));
		calls[i] = TAKE(0x50 + i, fd[i], &c[i]);
	}
	CHECK(BATCH(ring, calls) == 3);
	CHECK(own_syslets(&s) && s.nr_calls == 3);
	for (int i = 0; i < 3; i++)
		CHECK(find_call(&s, 0x50 + i) && find_call(&s, 0x50 + i)->nr == __NR_read);
	for (int i = 0; i < 3; i++)
		CHECK(write(fd[i][1], "x", 1) == 1);
	CHECK(reap_each(ring, 0x50, 3, status));
	return NULL;
}

/* Something that cannot be handed off. */
static int made_timer(timer_t *timer)
{
	struct itimerspec in_an_hour = { .it_value.tv_sec = 3600 };

	return timer_create(CLOCK_THREAD_CPUTIME_ID, NULL, timer) ||
	       timer_settime(*timer, 0, &in_an_hour, NULL);
}

THREADS_TEST(proc, handoffs_and_refused_calls_are_counted)
{
	struct syslets s;
	timer_t timer;

	for (int i = 0; i < 5; i++)
		CHECK(!force_handoff(ring));
	CHECK(own_syslets(&s) && s.threads[0].handoffs == 5 && !s.threads[0].refused);
	CHECK(!made_timer(&timer));
	CHECK(is_refused(ring) && is_refused(ring));
	CHECK(own_syslets(&s) && s.threads[0].handoffs == 5 && s.threads[0].refused == 2);
	CHECK(!timer_delete(timer));
	CHECK(!force_handoff(ring));
	CHECK(own_syslets(&s) && s.threads[0].handoffs == 6 && s.threads[0].refused == 2);
	CHECK(s.threads[0].limited == 0);
	return NULL;
}

#define MAX_SPARES	"/proc/sys/kernel/syslet_max_spares"

static bool have_max_spares(void)
{
	return !access(MAX_SPARES, W_OK);
}

THREADS_TEST_IF(proc, calls_that_a_limit_refuses_are_counted, have_max_spares(),
		"no kernel.syslet_max_spares")
{
	struct blocker b, refused;
	struct syslets s;
	char before[32];
	long ret;

	CHECK(read_text(MAX_SPARES, before, sizeof(before)) > 0 && !write_text(MAX_SPARES, "1"));
	ret = blocker_begin(&b, ring, 1);
	if (ret == -ESYSLETPENDING)
		ret = blocker_begin(&refused, ring, 2);
	CHECK(!write_text(MAX_SPARES, before));
	CHECK(ret == -EAGAIN);
	CHECK(own_syslets(&s) && s.nr_calls == 1);
	CHECK(s.threads[0].handoffs == 1 && s.threads[0].refused == 1);
	CHECK(s.threads[0].limited == 1);
	CHECK(blocker_end(&b, ring) == 1);
	return NULL;
}

THREADS_TEST(proc, syslets_are_for_the_owner_only)
{
	char name[64], text[256];
	pid_t pid = getpid();
	struct flight f;
	struct stat st;
	struct kid k;

	CHECK(flight_begin(&f, ring));
	snprintf(name, sizeof(name), "/proc/%d/syslets", pid);
	CHECK(!stat(name, &st) && (st.st_mode & 07777) == 0400);
	if (!kid_fork(&k)) {
		int fd = open(name, O_RDONLY);

		KID_CHECK(read_text(name, text, sizeof(text)) > 0);
		KID_CHECK(!setgid(NOBODY) && !setuid(NOBODY));
		KID_CHECK(read_text(name, text, sizeof(text)) == -EACCES);
		/* opened before: it is the reader that is asked, as with syscall */
		KID_CHECK(read(fd, text, sizeof(text)) == -1 && errno == EPERM);
		_exit(0);
	}
	CHECK(kid_status(&k) == 0);
	CHECK(flight_end(&f, ring));
	return NULL;
}

/* --- what a task does ---------------------------------------------------------------- */

/* /proc/PID/task/TID/syscall: -1 is none, -2 is that it runs. */
static int syscall_of(pid_t pid, pid_t tid, unsigned long *args)
{
	char text[256];
	int nr = -3;

	memset(args, 0, 6 * sizeof(*args));
	if (task_text(pid, tid, "syscall", text, sizeof(text)) < 0)
		return -3;
	if (!strcmp(text, "running"))
		return -2;
	sscanf(text, "%d 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx", &nr, &args[0], &args[1], &args[2],
	       &args[3], &args[4], &args[5]);
	return nr;
}

/* Does it name that call, as soon as the task sleeps? */
static bool blocks_in(pid_t pid, pid_t tid, int nr, unsigned long a, unsigned long b,
		      unsigned long c)
{
	unsigned long args[6];
	int got;

	/* between its other calls, or about to sleep */
	do
		got = syscall_of(pid, tid, args);
	while (got != nr && got != __NR_indirect && got >= -2 &&
	       !(got == __NR_syslet_submit) && !sched_yield());
	return got == nr && args[0] == a && args[1] == b && args[2] == c;
}

static char *own_name(char *name)
{
	name[prctl(PR_GET_NAME, name) ? 0 : 16] = 0;
	return name;
}

/* Its name, wherever that is told. */
static bool has_name(pid_t pid, pid_t tid, const char *name)
{
	char text[1024], in_stat[64];

	snprintf(in_stat, sizeof(in_stat), "(%s) ", name);
	return task_text(pid, tid, "comm", text, sizeof(text)) > 0 && !strcmp(text, name) &&
	       task_text(pid, tid, "stat", text, sizeof(text)) > 0 && strstr(text, in_stat) &&
	       !strcmp(status_field(pid, tid, "Name"), name);
}

/* Where it sleeps: one of the functions of its stack, or the one that waits. */
static bool sleeps_in(pid_t pid, pid_t tid, const char *function)
{
	char text[4096];

	if (task_text(pid, tid, "stack", text, sizeof(text)) >= 0)
		return strstr(text, function);
	return task_text(pid, tid, "wchan", text, sizeof(text)) > 0 && strstr(text, function);
}

THREADS_TEST(proc, runner_tells_its_call)
{
	char name[32], want[64];
	struct blocker b;
	struct syslets s;
	struct kid k;
	pid_t runner;

	CHECK(!prctl(PR_SET_NAME, "prog-with-name") && !force_handoff(ring));
	CHECK(blocker_begin(&b, ring, 7) == -ESYSLETPENDING);
	CHECK(own_syslets(&s) && s.nr_calls == 1);
	runner = s.calls[0].runner;
	snprintf(want, sizeof(want), "%s/call-%d", own_name(name), __NR_read);
	CHECK(has_name(getpid(), runner, want));
	CHECK(blocks_in(getpid(), runner, __NR_read, b.fd[0], P(&b.c), 1));
	UNTIL(task_state(getpid(), runner) == 'S');
	CHECK(sleeps_in(getpid(), runner, "pipe_read"));
	/* and the thread has its own */
	CHECK(has_name(getpid(), gettid(), name));
	/* which call that is, is not for everybody */
	snprintf(want, sizeof(want), "%s/call", name);
	if (!kid_fork(&k)) {
		KID_CHECK(!setresuid(NOBODY, NOBODY, NOBODY));
		KID_CHECK(has_name(getppid(), runner, want));
		_exit(0);
	}
	CHECK(!kid_status(&k));
	CHECK(blocker_end(&b, ring) == 1);
	return NULL;
}

/* The only helper that there is. */
static pid_t find_spare(const char *name)
{
	struct dirent *d;
	pid_t found = 0;
	char text[64];
	DIR *dir = opendir("/proc/self/task");

	while (dir && (d = readdir(dir))) {
		pid_t tid = atoi(d->d_name);

		if (tid && task_text(getpid(), tid, "comm", text, sizeof(text)) > 0 &&
		    !strcmp(text, name))
			found = tid;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Main thread: the group leader is a spare, without a TID of its own; so have more. */
THREADS_TEST(proc, parked_spare_tells_that_it_is_one)
{
	char name[32], want[64];
	unsigned long args[6];
	struct flight f;
	pid_t spare;

	CHECK(!prctl(PR_SET_NAME, "prog-with-name"));
	CHECK(flight_begin(&f, ring) && flight_end(&f, ring));
	snprintf(want, sizeof(want), "%s/spare", own_name(name));
	UNTIL((spare = find_spare(want)));
	CHECK(spare != gettid() && has_name(getpid(), spare, want));
	UNTIL(task_state(getpid(), spare) == 'S');
	CHECK(syscall_of(getpid(), spare, args) == -1);
	CHECK(sleeps_in(getpid(), spare, "syslet_park") ||
	      sleeps_in(getpid(), spare, "syslet_wait_for_offer"));
	return NULL;
}

/* Synchronously, in the task of the thread: what it does, and not how it came there. */
static struct {
	int		fd[2];
	char		c;
	struct pollfd	pfd;
	sigset_t	mask;
	pid_t		pid, tid;
} blocked;

static const char *blocks_synchronously(struct syslet_ring *ring,
					struct indirect_registers regs,
					struct syslet_args args, long ret)
{
	struct kid k;

	blocked.pid = getpid();
	blocked.tid = gettid();
	if (!kid_fork(&k)) {
		KID_CHECK(blocks_in(blocked.pid, blocked.tid, regs.nr, regs.args[0], regs.args[1],
				    regs.args[2]));
		KID_CHECK(task_state(blocked.pid, blocked.tid) == 'S');
		KID_CHECK(write(blocked.fd[1], "x", 1) == 1);
		_exit(0);
	}
	CHECK(submit_args(regs, args) == ret);
	CHECK(kid_status(&k) == 0);
	return NULL;
}

THREADS_TEST(proc, thread_without_a_ring_tells_the_call_that_it_makes)
{
	CHECK(!force_handoff(ring) && !pipe(blocked.fd));
	return blocks_synchronously(ring, CALL(__NR_read, blocked.fd[0], P(&blocked.c), 1),
				    (struct syslet_args){}, 1);
}

THREADS_TEST(proc, thread_that_may_wait_tells_the_call_that_it_makes)
{
	timer_t timer;

	/* cannot be handed off */
	CHECK(!force_handoff(ring) && !pipe(blocked.fd) && !made_timer(&timer));
	return blocks_synchronously(ring, CALL(__NR_read, blocked.fd[0], P(&blocked.c), 1),
				    (struct syslet_args){ .completion_ring_ptr = P(ring),
							  .flags = SYSLET_SYNC_OK }, 1);
}

THREADS_TEST(proc, thread_in_a_bound_call_tells_it)
{
	CHECK(!force_handoff(ring) && !pipe(blocked.fd));
	blocked.pfd = (struct pollfd){ .fd = blocked.fd[0], .events = POLLIN };
	sigemptyset(&blocked.mask);
	return blocks_synchronously(ring, CALL(__NR_ppoll, P(&blocked.pfd), 1, 0, P(&blocked.mask),
					       8),
				    (struct syslet_args){ .completion_ring_ptr = P(ring),
							  .flags = SYSLET_SYNC_OK }, 1);
}

/* Plainly again: nothing of the last call has stayed. */
THREADS_TEST(proc, carrier_tells_its_own_calls)
{
	struct flight f;
	struct kid k;
	int fd[2];
	char c;

	CHECK(flight_begin(&f, ring) && !pipe(fd));
	CHECK(call_plain(CALL(__NR_getppid)) == getppid());
	blocked.pid = getpid();
	blocked.tid = gettid();
	if (!kid_fork(&k)) {
		KID_CHECK(blocks_in(blocked.pid, blocked.tid, __NR_read, fd[0], P(&c), 1));
		KID_CHECK(write(fd[1], "x", 1) == 1);
		_exit(0);
	}
	CHECK(read(fd[0], &c, 1) == 1 && kid_status(&k) == 0);
	CHECK(flight_end(&f, ring));
	return NULL;
}

/* --- in a storm ------------------------------------------------------------------------ */

#define STORM_THREADS	3

static void *storm_main(void *arg)
{
	struct syslet_ring *ring = ring_alloc(16);
	struct kid *k = arg;
	struct flight f;

	/* each has begun when this is heard */
	KID_CHECK(!force_handoff(ring) && kid_tell(k));
	for (;;)
		KID_CHECK(flight_begin(&f, ring) && flight_end(&f, ring));
	return NULL;
}

/* All threads are listed once, and what is said of each fits together. */
TEST_F_TIMEOUT(proc, syslets_are_consistent_in_a_storm_of_handoffs, 120)
{
	int threads = variant->thread ? STORM_THREADS : 1;
	unsigned long handoffs[STORM_THREADS] = {};
	pid_t tids[STORM_THREADS] = {};
	struct syslets s;
	struct kid k;

	if (!kid_fork(&k)) {
		pthread_t other;

		/* if the test fails */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 1; i < threads; i++)
			KID_CHECK(!pthread_create(&other, NULL, storm_main, &k));
		storm_main(&k);
	}
	for (int i = 0; i < threads; i++)
		ASSERT_TRUE(kid_hear(&k));
	for (int i = 0, n = rounds(4000); i < n; i++) {
		ASSERT_TRUE(read_syslets(k.pid, &s));
		ASSERT_EQ(threads, s.nr_threads);
		for (int j = 0; j < threads; j++) {
			int at = 0;

			while (at < threads && tids[at] && tids[at] != s.threads[j].tid)
				at++;
			ASSERT_GT(threads, at);
			tids[at] = s.threads[j].tid;
			ASSERT_GE(s.threads[j].handoffs, handoffs[at]);
			handoffs[at] = s.threads[j].handoffs;
			/* two, and those that have posted and are not parked yet */
			ASSERT_GE(32, s.threads[j].running);
		}
		for (int j = 0; j < s.nr_calls; j++) {
			ASSERT_EQ(__NR_read, s.calls[j].nr);
			ASSERT_GE(2, s.calls[j].data);
		}
	}
	for (int i = 0; i < threads; i++)
		ASSERT_LT(1, handoffs[i]);
	ASSERT_EQ(0, kill(k.pid, SIGKILL));
	ASSERT_EQ(SIGKILL, kid_status(&k));
}

/* --- of runners that become threads -------------------------------------------------------- */

#define FRAMES		16

static char frame_stacks[FRAMES][4096] __attribute__((aligned(16)));
/* Threads that were there; shared. */
static atomic_uint *framed;

static void __attribute__((noreturn)) framed_main(void)
{
	(*framed)++;
	for (;;)
		raw(__NR_exit, 0, 0, 0, 0);
}

static void frames_main(struct syslet_ring *ring)
{
	struct syslet_completion comp = {};
	struct blocker b;

	KID_CHECK(!pipe(b.fd));
	for (unsigned int i = 0; ; i++) {
		KID_CHECK(submit_args(CALL(__NR_read, b.fd[0], P(&b.c), 1), (struct syslet_args){
			.completion_ring_ptr = P(ring), .caller_data = i,
			.frame.ip = P(framed_main),
			.frame.sp = P(frame_stacks + i % FRAMES + 1) - 8 }) == -ESYSLETPENDING);
		KID_CHECK(write(b.fd[1], "x", 1) == 1);
		KID_CHECK(!ring_reap(ring, &comp) && comp.caller_data == i);
		UNTIL(*framed > i);
	}
}

static void read_all_names(pid_t pid)
{
	char name[64], comm[64];
	struct dirent *d;
	DIR *dir;

	snprintf(name, sizeof(name), "/proc/%d/task", pid);
	dir = opendir(name);
	while (dir && (d = readdir(dir)))
		if (atoi(d->d_name))
			task_text(pid, atoi(d->d_name), "comm", comm, sizeof(comm));
	if (dir)
		closedir(dir);
}

/* A name is made while its task is leaving one thread's context for one of its own. */
TEST_F_TIMEOUT(proc, names_are_read_while_runners_become_threads, 120)
{
	unsigned int n = rounds(2000);
	struct kid k;

	framed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, framed);
	if (!kid_fork(&k)) {
		/* if the test fails */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		frames_main(ring_alloc(16));
	}
	/* that they go on is the test */
	while (*framed < n)
		read_all_names(k.pid);
	ASSERT_EQ(0, kill(k.pid, SIGKILL));
	ASSERT_EQ(SIGKILL, kid_status(&k));
}

TEST_HARNESS_MAIN
