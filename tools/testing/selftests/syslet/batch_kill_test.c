// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batches that come to an end by force, and those that others interfere with:
 * kill, exit, exec, tracers, memory that is rewritten. Filters: filter_test.c.
 */
#include "batch.h"
#include "gate.h"
#include "threads.h"

THREADS_FIXTURE(batch_kill)

/* --- ends ----------------------------------------------------------------------------- */

/*
 * A batch with calls in flight at its end: reads of a pipe of which the test has
 * the other end, so it is told when nobody has it open any more.
 */
struct doomed {
	struct syslet_ring	*ring;
	int			in[2];
	char			c[4];
	struct syslet_call	calls[8];
};

static void doomed_prepare(struct doomed *d)
{
	for (int i = 0; i < 4; i++) {
		d->calls[2 * i] = TAKE(i, d->in, &d->c[i]);
		d->calls[2 * i + 1] = ENTRY(i, __NR_getpid);
	}
}

static void doomed_submit(struct doomed *d)
{
	doomed_prepare(d);
	KID_CHECK(BATCH(d->ring, d->calls) == 8);
	for (int i = 0; i < 4; i++)
		KID_CHECK(d->calls[2 * i].result == -ESYSLETPENDING);
}

/* What the process does with calls of a batch in flight. */
static void end_by_exit_group(struct doomed *d)
{
	_exit(33);
}

static void end_by_exit(struct doomed *d)
{
	syscall(__NR_exit, 33);
}

static void end_by_exec(struct doomed *d)
{
	char *args[] = { "sh", "-c", "exit 33", NULL };

	execv("/bin/sh", args);
}

static void end_by_signal(struct doomed *d)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static void end_by_fault(struct doomed *d)
{
	char *volatile p = (char *)8;

	*p = 1;
}

static void end_by_abort(struct doomed *d)
{
	abort();
}

/* In the batch itself, which cannot go on then. */
static void end_in_the_batch(struct doomed *d)
{
	struct syslet_call calls[] = {
		TAKE(0, d->in, &d->c[0]), ENTRY(1, __NR_tgkill, getpid(), gettid(), SIGKILL),
		PUT(2, d->in),
	};

	BATCH(d->ring, calls);
}

struct end_job {
	void (*fn)(struct doomed *d);
	struct doomed *d;
};

static void *end_main(void *arg)
{
	struct end_job *job = arg;

	job->fn(job->d);
	return NULL;
}

static void *doomed_main(void *arg)
{
	struct end_job *job = arg;

	doomed_submit(job->d);
	job->fn(job->d);
	return NULL;
}

FIXTURE(batch_end) { };
FIXTURE_VARIANT(batch_end)
{
	void (*fn)(struct doomed *d);
	int status;
};
#define END(name, _status)	\
	FIXTURE_VARIANT_ADD(batch_end, name) { .fn = end_##name, .status = _status }
END(by_exit_group, 33 << 8);
END(by_exit, 33 << 8);
END(by_exec, 33 << 8);
END(by_signal, SIGKILL);
END(by_fault, SIGSEGV);
END(by_abort, SIGABRT);
END(in_the_batch, SIGKILL);
FIXTURE_SETUP(batch_end) { }
FIXTURE_TEARDOWN(batch_end) { }

/* Who ends: the thread that has the calls, in the main thread or not; another one. */
static void doomed_process(struct end_job *job, int who)
{
	struct rlimit lim = {};
	pthread_t t;

	setrlimit(RLIMIT_CORE, &lim);
	switch (who) {
	case 0:
		doomed_main(job);
		break;
	case 1:
		pthread_create(&t, NULL, doomed_main, job);
		pthread_join(t, NULL);
		break;
	case 2:
		doomed_submit(job->d);
		pthread_create(&t, NULL, end_main, job);
		for (;;)
			pause();
	}
}

TEST_F(batch_end, leaves_nothing_behind)
{
	struct doomed d = {};
	struct end_job job = { variant->fn, &d };
	struct kid k;
	int told[2];
	char c;

	for (int i = 0; i < 9; i++) {
		/* exit() of one thread is not the end of the others */
		if (variant->fn == end_by_exit && i % 3)
			continue;
		d.ring = ring_alloc(16);
		ASSERT_EQ(0, pipe2(d.in, O_CLOEXEC));
		/* the write end that only the child has: over when it, and all of it, is gone */
		ASSERT_EQ(0, pipe2(told, O_CLOEXEC));
		if (!kid_fork(&k)) {
			doomed_process(&job, i % 3);
			_exit(99);
		}
		close(told[1]);
		ASSERT_EQ(variant->status, kid_status(&k));
		ASSERT_EQ(0, read(told[0], &c, 1));
		ASSERT_EQ(-1, kill(k.pid, 0));
		/* nobody took what is written now */
		ASSERT_TRUE(pipe_drain(d.in));
		ASSERT_EQ(1, write(d.in[1], "x", 1));
		ASSERT_EQ(1, pipe_bytes(d.in));
		pipe_close(d.in);
		close(told[0]);
	}
}

/* The first and the last word of a child that runs batches for ever. */
static void batches_for_ever(struct syslet_ring *ring, struct kid *k)
{
	struct tally t;

	KID_CHECK(tally_begin(&t, ring));
	KID_CHECK(!tally_round(&t) && kid_tell(k));
	for (;;)
		tally_round(&t);
}

static void *batches_main(void *arg)
{
	batches_for_ever(ring_alloc(64), arg);
	return NULL;
}

TEST_F_TIMEOUT(batch_kill, killed_at_any_instant, 240)
{
	int n = rounds(200), status;
	pthread_t t;
	struct kid k;

	for (int i = 0; i < n; i++) {
		if (!kid_fork(&k)) {
			if (!variant->thread)
				batches_main(&k);
			pthread_create(&t, NULL, batches_main, &k);
			for (;;)
				pause();
		}
		ASSERT_TRUE(kid_hear(&k));
		for (volatile unsigned int spin = i * 7919 % 50021; spin; spin--)
			;
		ASSERT_EQ(0, kill(k.pid, i & 1 ? SIGKILL : SIGTERM));
		ASSERT_EQ(k.pid, waitpid(k.pid, &status, 0));
		ASSERT_EQ(i & 1 ? SIGKILL : SIGTERM, status);
		kid_forget(&k);
	}
}

static void *exec_main(void *arg)
{
	char *args[] = { "true", NULL };

	for (volatile unsigned int spin = *(int *)arg; spin; spin--)
		;
	execv("/bin/true", args);
	_exit(3);
}

TEST_F_TIMEOUT(batch_kill, exec_by_another_thread_at_any_instant, 240)
{
	int n = rounds(60), spin;
	pthread_t t;
	struct kid k;

	for (int i = 0; i < n; i++) {
		if (!kid_fork(&k)) {
			struct kid none = { .to = open("/dev/null", O_WRONLY) };

			spin = i * 7919 % 50021;
			pthread_create(&t, NULL, exec_main, &spin);
			if (!variant->thread)
				batches_main(&none);
			pthread_create(&t, NULL, batches_main, &none);
			for (;;)
				pause();
		}
		ASSERT_EQ(0, kid_status(&k));
	}
}

static void *leave_main(void *arg)
{
	doomed_submit(arg);
	return NULL;
}

THREADS_TEST(batch_kill, calls_of_a_thread_that_exits_are_cancelled_each_once)
{
	struct doomed d = { .ring = ring };
	int threads = count_threads();
	long status[4];
	pthread_t t;

	for (int i = 0; i < 10; i++) {
		CHECK(!pipe(d.in));
		CHECK(!pthread_create(&t, NULL, leave_main, &d) && !pthread_join(t, NULL));
		CHECK(reap_each(ring, 0, 4, status));
		for (int j = 0; j < 4; j++)
			CHECK(status[j] == -ECANCELED && !d.c[j]);
		pipe_close(d.in);
	}
	UNTIL(count_threads() == threads);
	return NULL;
}

THREADS_TEST(batch_kill, child_that_is_forked_has_no_part_in_it)
{
	struct doomed d = { .ring = ring };
	long status[4];
	struct kid k;

	CHECK(!pipe(d.in));
	doomed_prepare(&d);
	CHECK(BATCH(ring, d.calls) == 8);
	if (!kid_fork(&k)) {
		KID_CHECK(count_threads() == 1 && getpid() == gettid());
		KID_CHECK(!tally_rounds(ring_alloc(64), 3));
		_exit(0);
	}
	CHECK(!kid_status(&k));
	CHECK(write(d.in[1], "xxxx", 4) == 4 && reap_each(ring, 0, 4, status));
	return NULL;
}

/* --- in the middle of one --------------------------------------------------------------- */

static bool exec_true(void *arg)
{
	char *args[] = { "true", NULL };

	execv("/bin/true", args);
	return false;
}

static bool kill_all(void *arg)
{
	kill(getpid(), SIGKILL);
	return false;
}

static bool exit_all(void *arg)
{
	_exit(44);
}

/* While the thread waits for an entry: before, and behind, one that blocked. */
THREADS_TEST_IF(batch_kill, in_the_middle_it_ends_there, have_userfaultfd(), "no userfaultfd")
{
	static const struct { bool (*fn)(void *arg); int status; } how[] = {
		{ exec_true, 0 }, { kill_all, SIGKILL }, { exit_all, 44 << 8 },
	};
	struct syslet_call head[2], tail[2];
	int fd[2], in[2];
	struct gate g;
	struct kid k;
	char c;

	for (unsigned int i = 0; i < 2 * ARRAY_LEN(how); i++) {
		CHECK(!pipe2(fd, O_CLOEXEC) && !pipe2(in, O_CLOEXEC));
		head[0] = PUT(0, fd);
		head[1] = i % 2 ? TAKE(1, in, &c) : PUT(1, fd);
		tail[0] = tail[1] = PUT(2, fd);
		if (!kid_fork(&k)) {
			KID_CHECK(gate_begin(&g, head, 2, tail, 2, how[i / 2].fn, NULL));
			gate_submit(&g, ring, 0);
			for (;;)
				pause();
		}
		CHECK(kid_status(&k) == how[i / 2].status);
		CHECK(pipe_bytes(fd) == (i % 2 ? 1 : 2));
		pipe_close(fd);
		pipe_close(in);
	}
	return NULL;
}

/* --- those who watch ---------------------------------------------------------------------- */

/* A child that traces the thread on demand. */
struct tracer {
	struct kid k;
	pid_t tid;
};

static bool tracer_begin(struct tracer *t)
{
	t->tid = gettid();
	if (!kid_fork(&t->k)) {
		KID_CHECK(kid_hear(&t->k));
		KID_CHECK(!ptrace(PTRACE_SEIZE, t->tid, 0, 0) && kid_tell(&t->k));
		/* until we are told to go, which detaches */
		kid_hear(&t->k);
		_exit(0);
	}
	return t->k.pid > 0;
}

static bool tracer_attach(void *arg)
{
	struct tracer *t = arg;

	return kid_tell(&t->k) && kid_hear(&t->k);
}

THREADS_TEST_IF(batch_kill, tracer_that_comes_in_the_middle_follows_the_thread,
		have_userfaultfd(), "no userfaultfd")
{
	struct syslet_call head[2], tail[3];
	struct tracer t;
	struct gate g;
	int fd[2], in[2];
	long status[2];
	char c[2];

	CHECK(!pipe(fd) && !pipe(in) && !force_handoff(ring) && tracer_begin(&t));
	head[0] = TAKE(0, in, &c[0]);
	head[1] = PUT(1, fd);
	tail[0] = PUT(2, fd);
	tail[1] = TAKE(1, in, &c[1]);
	tail[2] = PUT(4, fd);
	CHECK(gate_begin(&g, head, 2, tail, 3, tracer_attach, &t));
	CHECK(gate_submit(&g, ring, 0) == 5 && gate_end(&g));
	CHECK(g.calls[0].result == -ESYSLETPENDING && g.calls[3].result == -ESYSLETPENDING);
	CHECK(pipe_bytes(fd) == 3);
	CHECK(status_num(getpid(), gettid(), "TracerPid") == t.k.pid);
	CHECK(kid_tell(&t.k) && !kid_status(&t.k));
	CHECK(status_num(getpid(), gettid(), "TracerPid") == 0);
	CHECK(write(in[1], "xx", 2) == 2 && reap_each(ring, 0, 2, status));
	CHECK(status[0] == 1 && status[1] == 1 && !force_handoff(ring));
	return NULL;
}

/* A tracer that comes and goes all the time: calls are told of as they were. */
static const char *traced(void)
{
	int n = rounds(100), status;
	struct kid k;
	pid_t tid;

	if (!kid_fork(&k)) {
		struct tally t;
		const char *err = NULL;
		struct pollfd pfd = { .fd = k.from, .events = POLLIN };

		KID_CHECK(tally_begin(&t, ring_alloc(64)) && kid_tell(&k));
		while (!err && !poll(&pfd, 1, 0))
			err = tally_round(&t);
		if (err)
			fprintf(stderr, "# %s\n", err);
		_exit(!!err);
	}
	CHECK(kid_hear(&k));
	tid = k.pid;
	for (int i = 0; i < n; i++) {
		CHECK(!ptrace(PTRACE_SEIZE, tid, 0, 0));
		CHECK(!ptrace(PTRACE_INTERRUPT, tid, 0, 0));
		CHECK(waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status));
		CHECK(!ptrace(PTRACE_DETACH, tid, 0, 0));
		for (volatile unsigned int spin = i * 7919 % 20011; spin; spin--)
			;
	}
	CHECK(kid_tell(&k));
	return kid_status(&k) ? "in the child" : NULL;
}

FIXTURE(batch_traced) { };
FIXTURE_SETUP(batch_traced) { }
FIXTURE_TEARDOWN(batch_traced) { }

TEST_F_TIMEOUT(batch_traced, by_one_that_comes_and_goes_makes_no_call_twice, 240)
{
	const char *err = traced();

	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

/* --- memory that others write ------------------------------------------------------------ */

static struct syslet_call *scribbled;
static unsigned int nr_scribbled;
static int scribble_fd;
static atomic_bool scribbling;

/*
 * Entries are now a write to the pipe, now a call that must not be made through
 * a batch, or one that would be seen; and results are overwritten.
 */
static void *scribble(void *arg)
{
	static const uint64_t forms[] = {
		__NR_write, __NR_exit_group, __NR_fork, 1ull << 40, __NR_pause, __NR_getpid,
	};

	for (unsigned int n = 0; scribbling; n++) {
		volatile struct syslet_call *c = &scribbled[n % nr_scribbled];
		unsigned int f = n * 7 % 13 % ARRAY_LEN(forms);

		c->nr = forms[f];
		c->args[0] = f ? -1 : scribble_fd;
		c->args[1] = f ? 0 : P("x");
		c->args[2] = 1;
		if (n % 3 == 0)
			c->result = -n;
	}
	return NULL;
}

/*
 * Whatever is there when an entry is read is what is checked and run: no call
 * that is refused is made, and none of a number that is none.
 */
static const char *attacked(struct syslet_ring *ring)
{
	enum { N = 64 };
	struct syslet_completion comp;
	int fd[2], n = rounds(2000);
	pid_t pid = getpid();
	long ret, ran = 0;
	pthread_t t;

	scribbled = calloc(N, sizeof(*scribbled));
	nr_scribbled = N;
	CHECK(scribbled && !pipe(fd));
	scribble_fd = fd[1];
	for (int i = 0; i < N; i++)
		scribbled[i] = ENTRY(i, __NR_getpid);
	scribbling = true;
	CHECK(!pthread_create(&t, NULL, scribble, NULL));
	for (int i = 0; i < n; i++) {
		ret = batch(ring, scribbled, N);
		CHECK(ret > 0 && ret <= N);
		CHECK(getpid() == pid);
		CHECK(pipe_bytes(fd) <= N && pipe_drain(fd));
		ran += ret;
		/* a mix of two forms may be a call that blocks */
		while (!ring_take(ring, &comp))
			;
	}
	scribbling = false;
	CHECK(!pthread_join(t, NULL) && ran > 0);
	/* no child was made */
	CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
	return force_handoff(ring) ? "no handoff afterwards" : NULL;
}

TEST_F_TIMEOUT(batch_kill, what_was_checked_is_what_is_run, 120)
{
	const char *err = threads_run(variant->thread, attacked);

	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

/* Results and entries of the past are overwritten while the batch goes on. */
static void *scribble_results(void *arg)
{
	while (scribbling)
		for (unsigned int i = 0; i < nr_scribbled; i++)
			((volatile struct syslet_call *)scribbled)[i].result = 0x1234567890;
	return NULL;
}

THREADS_TEST(batch_kill, results_that_are_overwritten_do_not_matter_to_the_batch)
{
	enum { N = 12 };
	static struct syslet_call calls[N];
	struct syslet_completion comp = {};
	int fd[2], out[2], n = rounds(60);
	unsigned int seen;
	pthread_t t;
	char c[N];

	CHECK(!pipe(fd) && !pipe(out));
	scribbled = calls;
	nr_scribbled = N;
	scribbling = true;
	CHECK(!pthread_create(&t, NULL, scribble_results, NULL));
	for (int round = 0; round < n; round++) {
		for (int i = 0; i < N; i++)
			calls[i] = i % 3 ? PUT(i, out) : TAKE(i, fd, &c[i]);
		CHECK(BATCH_FLAGS(ring, calls, SYSLET_SUBMIT_STOP_ERROR) == N);
		CHECK(pipe_bytes(out) == N - N / 3 && pipe_drain(out));
		CHECK(write(fd[1], "xxxx", N / 3) == N / 3);
		seen = 0;
		for (int i = 0; i < N / 3; i++) {
			CHECK(!ring_reap(ring, &comp) && comp.status == 1);
			CHECK(comp.caller_data % 3 == 0 && !(seen & 1u << comp.caller_data));
			seen |= 1u << comp.caller_data;
		}
		CHECK(!ring_count(ring));
	}
	scribbling = false;
	CHECK(!pthread_join(t, NULL));
	return NULL;
}

TEST_HARNESS_MAIN
