// SPDX-License-Identifier: GPL-2.0-only
/*
 * The races of a handoff, provoked: one point after the other takes its time
 * (CONFIG_DEBUG_SYSLET, see kernel/syslet_delay.c) while others send signals,
 * stop, trace, kill, contend for locks, exit, cancel.
 */
#include "batch.h"
#include "cancel.h"

#define DELAY	"/sys/kernel/debug/syslet/delay"

static bool set_delay(const char *name, unsigned int usecs)
{
	int fd = open(DELAY, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && dprintf(fd, usecs ? "%s %u" : "off", name, usecs) > 0;

	close(fd);
	return ok;
}

/* How often the point was passed since its delay was set. */
static long times_passed(const char *name)
{
	FILE *f = fopen(DELAY, "r");
	char line[64], point[32];
	long passed, found = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%31s %*u %ld", point, &passed) == 2 && !strcmp(point, name))
			found = passed;
	if (f)
		fclose(f);
	return found;
}

/* --- signals to a thread that is being handed off ----------------------- */

static atomic_int caught;

static void on_signal(int sig)
{
	caught++;
}

static void *send_signals(void *arg)
{
	int n = rounds(200);
	pid_t tid = (long)arg;

	for (int i = 0; i < n; i++) {
		if (tgkill(getpid(), tid, SIGRTMIN))
			return "tgkill";
		sched_yield();
	}
	return NULL;
}

static const char *signals(struct syslet_ring *ring)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pthread_t t;
	void *err;

	caught = 0;
	CHECK(!sigaction(SIGRTMIN, &sa, NULL));
	CHECK(!pthread_create(&t, NULL, send_signals, (void *)(long)gettid()));
	while (pthread_tryjoin_np(t, &err))
		CHECK(!force_handoff(ring));
	CHECK(!err);
	while (caught < rounds(200))
		CHECK(!force_handoff(ring));
	CHECK(caught == rounds(200));
	return NULL;
}

/* --- a main thread that goes back to the group leader ----------------------- */

/* A spare that has another priority refuses the adoption: it is to be tried again. */
static void *disturb_main_thread(void *arg)
{
	int n = rounds(200);

	for (int i = 0; i < n; i++) {
		if (setpriority(PRIO_PROCESS, getpid(), i & 1) ||
		    tgkill(getpid(), getpid(), SIGRTMIN))
			return "setpriority, tgkill";
		sched_yield();
	}
	return NULL;
}

static const char *goes_back(struct syslet_ring *ring)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct blocker b;
	pthread_t t;
	void *err;
	long ret;

	CHECK(!sigaction(SIGRTMIN, &sa, NULL));
	CHECK(!pthread_create(&t, NULL, disturb_main_thread, NULL));
	while (pthread_tryjoin_np(t, &err)) {
		ret = blocker_begin(&b, ring, 0);
		CHECK(ret == -ESYSLETPENDING || ret == -EAGAIN);
		if (ret == -ESYSLETPENDING)
			CHECK(blocker_end(&b, ring) == 1);
		/* with us in another task, or not */
		CHECK(!unshare(CLONE_FS));
		if (ret == -EAGAIN)
			pipe_close(b.fd);
	}
	CHECK(!err && !setpriority(PRIO_PROCESS, getpid(), 0));
	return NULL;
}

/* --- calls that end while they are handed off ---------------------------- */

static int racing_pipe[2];
static atomic_int racing;

static void *end_calls(void *arg)
{
	for (int i = 1; ; i++) {
		while (racing != i)
			if (racing < 0)
				return NULL;
		if (write(racing_pipe[1], "x", 1) != 1)
			return "write";
	}
}

static const char *ends(struct syslet_ring *ring)
{
	struct syslet_completion comp = {};
	int i, n = rounds(300);
	pthread_t t;
	void *err;
	long ret;
	char c;

	racing = 0;
	CHECK(!pipe(racing_pipe));
	CHECK(!pthread_create(&t, NULL, end_calls, NULL));
	for (i = 1; i <= n; i++) {
		c = 0;
		racing = i;
		ret = submit(ring, CALL(__NR_read, racing_pipe[0], P(&c), 1), i);
		if (ret == -ESYSLETPENDING) {
			CHECK(!ring_reap(ring, &comp));
			CHECK(comp.caller_data == i && comp.status == 1);
		} else {
			CHECK(ret == 1);
		}
		CHECK(c == 'x' && !ring_count(ring));
	}
	racing = -1;
	CHECK(!pthread_join(t, &err) && !err);
	return NULL;
}

/* --- a child that hands off all the time --------------------------------- */

/*
 * A child that runs once(), says that it has begun, and runs again() for ever. That
 * returns an exit status if something is wrong.
 */
static pid_t busy_child(struct syslet_ring *ring, bool (*once)(struct syslet_ring *ring),
			int (*again)(struct syslet_ring *ring))
{
	int ready[2], status;
	pid_t pid;
	char c;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		close(ready[0]);
		if (!once(ring) || write(ready[1], "x", 1) != 1)
			_exit(1);
		close(ready[1]);
		while (!(status = again(ring)))
			;
		_exit(status);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		return -1;
	close(ready[0]);
	return pid;
}

static bool hand_off_once(struct syslet_ring *ring)
{
	return !force_handoff(ring);
}

static int hand_off_again(struct syslet_ring *ring)
{
	struct blocker b[2];

	/* traced or not */
	for (int i = 0; i < 2; i++)
		if (blocker_begin(&b[i], ring, i) != -ESYSLETPENDING)
			return 2;
	for (int i = 0; i < 2; i++)
		if (blocker_end(&b[i], ring) != 1)
			return 3;
	return 0;
}

/* Returns when it has begun. */
static pid_t handing_off(struct syslet_ring *ring)
{
	return busy_child(ring, hand_off_once, hand_off_again);
}

static void spin(unsigned int n)
{
	for (volatile unsigned int i = n; i; i--)
		;
}

static const char *killed(struct syslet_ring *ring)
{
	int i, status, n = rounds(24);
	pid_t pid;

	for (i = 0; i < n; i++) {
		pid = handing_off(ring);
		CHECK(pid > 0);
		spin((i * 7919) % 20011);
		CHECK(!kill(pid, i & 1 ? SIGKILL : SIGTERM));
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(status == (i & 1 ? SIGKILL : SIGTERM));
		CHECK(kill(pid, 0) && errno == ESRCH);
	}
	return NULL;
}

static const char *stopped(struct syslet_ring *ring)
{
	int i, status, n = rounds(24);
	pid_t pid = handing_off(ring);

	CHECK(pid > 0);
	for (i = 0; i < n; i++) {
		CHECK(!kill(pid, SIGSTOP));
		CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
		CHECK(!kill(pid, SIGCONT));
		CHECK(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
	}
	CHECK(!kill(pid, SIGKILL));
	CHECK(waitpid(pid, &status, 0) == pid && status == SIGKILL);
	return NULL;
}

static const char *traced(struct syslet_ring *ring)
{
	int i, status, n = rounds(24);
	pid_t pid = handing_off(ring);

	CHECK(pid > 0);
	for (i = 0; i < n; i++) {
		CHECK(!ptrace(PTRACE_SEIZE, pid, 0, 0));
		CHECK(!ptrace(PTRACE_INTERRUPT, pid, 0, 0));
		CHECK(waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status));
		CHECK(!ptrace(PTRACE_DETACH, pid, 0, 0));
		spin((i * 7919) % 20011);
	}
	CHECK(!kill(pid, SIGKILL));
	CHECK(waitpid(pid, &status, 0) == pid && status == SIGKILL);
	return NULL;
}

/* The tracer stays: each interrupt gives a stop, and each call is seen from entry to exit. */
static const char *interrupted(struct syslet_ring *ring)
{
	int i, status, n = rounds(100);
	struct __ptrace_syscall_info info;
	pid_t pid = handing_off(ring);
	bool entry = false;

	CHECK(pid > 0);
	CHECK(!ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD));
	for (i = 0; i < n; i++) {
		CHECK(!ptrace(PTRACE_INTERRUPT, pid, 0, 0));
		CHECK(waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status));
		CHECK(status >> 8 == (SIGTRAP | PTRACE_EVENT_STOP << 8));
		CHECK(!ptrace(PTRACE_CONT, pid, 0, 0));
		spin((i * 7919) % 20011);
	}
	CHECK(!ptrace(PTRACE_INTERRUPT, pid, 0, 0));
	CHECK(waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status));
	for (i = 0; i < 3 * n; i++) {
		CHECK(!ptrace(PTRACE_SYSCALL, pid, 0, 0));
		if (i % 5 == 0)
			CHECK(!ptrace(PTRACE_INTERRUPT, pid, 0, 0));
		CHECK(waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status));
		if (status >> 16 == PTRACE_EVENT_STOP)
			continue;
		CHECK(WSTOPSIG(status) == (SIGTRAP | 0x80));
		CHECK(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0);
		entry = !entry;
		CHECK(info.op == (entry ? PTRACE_SYSCALL_INFO_ENTRY : PTRACE_SYSCALL_INFO_EXIT));
	}
	CHECK(!kill(pid, SIGKILL));
	CHECK(waitpid(pid, &status, 0) == pid && status == SIGKILL);
	return NULL;
}

/* The clock of the thread as others read it. */
static atomic_bool observing;

static void *observe_clock(void *arg)
{
	clockid_t clock = *(clockid_t *)arg;
	unsigned long long last = 0, now;
	struct timespec ts;

	while (observing) {
		if (clock_gettime(clock, &ts))
			return "clock_gettime";
		now = ts.tv_sec * 1000000000ull + ts.tv_nsec;
		if (now < last)
			return "went backwards";
		last = now;
	}
	return NULL;
}

static const char *observed(struct syslet_ring *ring)
{
	int i, n = rounds(200);
	clockid_t clock;
	pthread_t t;
	void *err;

	observing = true;
	CHECK(!pthread_getcpuclockid(pthread_self(), &clock));
	CHECK(!pthread_create(&t, NULL, observe_clock, &clock));
	for (i = 0; i < n; i++)
		CHECK(!force_handoff(ring));
	observing = false;
	CHECK(!pthread_join(t, &err));
	return err;
}

/* --- PI futexes ----------------------------------------------------------- */

static pthread_mutex_t pi;
static int pi_counter;

static void *pi_main(void *arg)
{
	struct syslet_ring *ring = ring_alloc(4);
	int i, n = rounds(60);
	struct blocker b;
	long ret;

	for (i = 0; i < n; i++) {
		int before;

		if (pthread_mutex_lock(&pi))
			return "lock";
		before = pi_counter;
		/* refused if someone waits for us already */
		ret = blocker_begin(&b, ring, i);
		if (ret != -ESYSLETPENDING && ret != -EAGAIN)
			return "begin";
		sched_yield();
		pi_counter = before + 1;
		if (pthread_mutex_unlock(&pi))
			return "unlock";
		if (ret == -ESYSLETPENDING && blocker_end(&b, ring) != 1)
			return "end";
		if (ret == -EAGAIN)
			pipe_close(b.fd);
	}
	return NULL;
}

static const char *contended(struct syslet_ring *ring)
{
	pthread_mutexattr_t attr;
	pthread_t t[3];
	void *err;
	int i;

	pi_counter = 0;
	CHECK(!pthread_mutexattr_init(&attr));
	CHECK(!pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT));
	CHECK(!pthread_mutex_init(&pi, &attr));
	for (i = 0; i < 3; i++)
		CHECK(!pthread_create(&t[i], NULL, pi_main, NULL));
	for (i = 0; i < 3; i++)
		CHECK(!pthread_join(t[i], &err) && !err);
	CHECK(pi_counter == 3 * rounds(60));
	return NULL;
}

/* --- threads that exit ------------------------------------------------------ */

static struct blocker left[4];

static void *leave_calls(void *arg)
{
	for (int i = 0; i < 4; i++)
		if (blocker_begin(&left[i], arg, i) != -ESYSLETPENDING)
			return "begin";
	return NULL;
}

static const char *exits(struct syslet_ring *ring)
{
	struct syslet_completion comp = {};
	int i, j, n = rounds(24);
	unsigned int seen;
	pthread_t t;
	void *err;

	for (i = 0; i < n; i++) {
		CHECK(!pthread_create(&t, NULL, leave_calls, ring));
		CHECK(!pthread_join(t, &err) && !err);
		seen = 0;
		for (j = 0; j < 4; j++) {
			CHECK(!ring_reap(ring, &comp));
			CHECK((long)comp.status == -ECANCELED);
			seen |= 1 << comp.caller_data;
		}
		CHECK(seen == 15 && !ring_count(ring));
		for (j = 0; j < 4; j++)
			pipe_close(left[j].fd);
	}
	return NULL;
}

/* Its child is given to another thread, which is just being handed off. */
static atomic_int orphan;

static void *leave_child(void *arg)
{
	pid_t pid = fork();

	if (!pid)
		_exit(9);
	orphan = pid;
	return NULL;
}

static const char *reparented(struct syslet_ring *ring)
{
	int i, status, n = rounds(24);
	pthread_t t;

	for (i = 0; i < n; i++) {
		orphan = 0;
		CHECK(!pthread_create(&t, NULL, leave_child, NULL));
		while (!orphan)
			CHECK(!force_handoff(ring));
		do
			CHECK(!force_handoff(ring));
		while (pthread_tryjoin_np(t, NULL));
		/*
		 * Of this very thread: __WNOTHREAD. The kernel may still be
		 * about to give it to us.
		 */
		while (waitpid(orphan, &status, 0x20000000) != orphan)
			CHECK(errno == ECHILD);
		CHECK(status == 9 << 8);
	}
	return NULL;
}

/* --- exec ------------------------------------------------------------------- */

static void *exec_main(void *arg)
{
	static struct blocker b[2];
	char *args[] = { "true", NULL };

	for (int i = 0; i < 2; i++)
		if (blocker_begin(&b[i], arg, i) != -ESYSLETPENDING)
			_exit(2);
	execv("/bin/true", args);
	_exit(3);
}

static const char *execs(struct syslet_ring *ring)
{
	int i, status, n = rounds(12);
	pid_t pid;

	for (i = 0; i < n; i++) {
		pid = fork();
		if (!pid) {
			pthread_t t;

			if (i & 1)
				exec_main(ring);
			pthread_create(&t, NULL, exec_main, ring_alloc(4));
			for (;;)
				force_handoff(ring);
		}
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(status == 0);
	}
	return NULL;
}

/* --- cancelled calls --------------------------------------------------------- */

static const char *cancels(struct syslet_ring *ring)
{
	return storm_ends(ring, rounds(60));
}

static const char *cancels_and_exits(struct syslet_ring *ring)
{
	return storm_exits(ring, rounds(16));
}

/* --- batches ------------------------------------------------------------------ */

static const char *batches(struct syslet_ring *ring)
{
	return tally_rounds(ring, rounds(80));
}

/* Ended early by signals, at all instants. */
static const char *batches_and_signals(struct syslet_ring *ring)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	const char *err = NULL;
	pthread_t t;
	void *ret;

	CHECK(!sigaction(SIGRTMIN, &sa, NULL));
	CHECK(!pthread_create(&t, NULL, send_signals, (void *)(long)gettid()));
	while (pthread_tryjoin_np(t, &ret))
		if (!err)
			err = tally_rounds(ring, 1);
	return err ?: ret;
}

/* Of the child. */
static struct tally child_tally;

static bool batch_once(struct syslet_ring *ring)
{
	return tally_begin(&child_tally, ring) && !tally_round(&child_tally);
}

static int batch_again(struct syslet_ring *ring)
{
	return tally_round(&child_tally) ? 2 : 0;
}

/* A child with batches all the time; returns when it has begun. */
static pid_t batching(struct syslet_ring *ring)
{
	return busy_child(ring, batch_once, batch_again);
}

/* Stopped, traced and killed in the middle; what it says else is that it failed. */
static const char *batches_disturbed(struct syslet_ring *ring)
{
	int i, status, n = rounds(24);
	pid_t pid;

	for (i = 0; i < n; i++) {
		pid = batching(ring);
		CHECK(pid > 0);
		if (i % 3 == 1) {
			CHECK(!kill(pid, SIGSTOP));
			CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
			CHECK(!kill(pid, SIGCONT));
		} else if (i % 3 == 2) {
			CHECK(!ptrace(PTRACE_SEIZE, pid, 0, 0));
			CHECK(!ptrace(PTRACE_INTERRUPT, pid, 0, 0));
			CHECK(waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status));
			CHECK(!ptrace(PTRACE_DETACH, pid, 0, 0));
		}
		spin((i * 7919) % 50021);
		CHECK(!kill(pid, SIGKILL));
		CHECK(waitpid(pid, &status, 0) == pid && status == SIGKILL);
	}
	return NULL;
}

/* ------------------------------------------------------------------------ */

FIXTURE(delay)
{
	struct syslet_ring *ring;
};

FIXTURE_VARIANT(delay)
{
	const char *point;
};

#define POINT(name)	\
	FIXTURE_VARIANT_ADD(delay, name) { .point = #name }

POINT(arm);
POINT(offer);
POINT(wake);
POINT(sleep);
POINT(park);
POINT(take);
POINT(check);
POINT(move);
POINT(adopted);
POINT(over);
POINT(withdraw);
POINT(finish);
POINT(posted);
POINT(clone);
POINT(retire);
POINT(exit);
POINT(kill);

FIXTURE_SETUP(delay)
{
	if (access(DELAY, W_OK))
		SKIP(return, "no CONFIG_DEBUG_SYSLET");
	self->ring = ring_alloc(64);
	ASSERT_NE(NULL, self->ring);
	ASSERT_TRUE(set_delay(variant->point, 300));
}

FIXTURE_TEARDOWN(delay)
{
	set_delay("", 0);
}

TEST_F_TIMEOUT(delay, all_is_as_without_it, 240)
{
	static const struct {
		const char *name;
		const char *(*fn)(struct syslet_ring *ring);
	} storms[] = {
		{ "signals", signals }, { "goes_back", goes_back }, { "ends", ends }, { "killed", killed },
		{ "stopped", stopped }, { "traced", traced }, { "interrupted", interrupted },
		{ "observed", observed },
		{ "contended", contended }, { "exits", exits }, { "reparented", reparented },
		{ "execs", execs }, { "cancels", cancels },
		{ "cancels_and_exits", cancels_and_exits },
		{ "batches", batches }, { "batches_and_signals", batches_and_signals },
		{ "batches_disturbed", batches_disturbed },
	};
	/* only those with this in their names */
	const char *only = getenv("SYSLET_STORM"), *err;

	for (unsigned int i = 0; i < ARRAY_LEN(storms); i++) {
		if (only && !strstr(storms[i].name, only))
			continue;
		printf("# %s: %s\n", variant->point, storms[i].name);
		fflush(stdout);
		err = storms[i].fn(self->ring);
		ASSERT_EQ(NULL, err) TH_LOG("%s: %s", storms[i].name, err);
	}
	/* that the point was passed is part of the test */
	if (!only) {
		ASSERT_LT(0, times_passed(variant->point));
	}
}

TEST_HARNESS_MAIN
