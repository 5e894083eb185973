// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation on the way to a syslet fails once: the call is refused then,
 * and has not run.
 */
#include "batch.h"

#define DEBUGFS	"/sys/kernel/debug"

static bool write_file(const char *name, const char *value)
{
	int fd = open(name, O_WRONLY);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return ok;
}

/*
 * Of the current thread. Open before it is needed: to open it allocates, to
 * read and write it does not.
 */
static int fail_fd(void)
{
	return open("/proc/thread-self/fail-nth", O_RDWR);
}

/* Let the n-th allocation of this thread from now on fail; 0: none. */
static bool fail_nth(int fd, unsigned int n)
{
	char value[16];
	int len = snprintf(value, sizeof(value), "%u", n);

	return pwrite(fd, value, len, 0) == len;
}

/* How many there are left. */
static unsigned int failures_left(int fd)
{
	char value[16] = "";

	return pread(fd, value, sizeof(value) - 1, 0) > 0 ? atoi(value) : -1;
}

/*
 * Was it made? If the call is pending then what is left is in the task that
 * runs it, which takes over the thread again before long.
 */
static bool has_failed(int fail, struct syslet_ring *ring, struct blocker *b, bool pending)
{
	struct syslet_completion comp;
	unsigned int left = failures_left(fail);

	fail_nth(fail, 0);
	for (int i = 0; pending && !left && i < 4; i++) {
		if (submit(ring, CALL(__NR_read, b->fd[0], P(&b->c), 1), 0) != -ESYSLETPENDING)
			break;
		left = failures_left(fail);
		fail_nth(fail, 0);
		if (write(b->fd[1], "x", 1) != 1 || ring_reap(ring, &comp))
			break;
	}
	return !left;
}

FIXTURE(fault)
{
	int unused;
};

FIXTURE_SETUP(fault)
{
	if (access("/proc/self/fail-nth", W_OK))
		SKIP(return, "no CONFIG_FAULT_INJECTION");
	ASSERT_TRUE(write_file(DEBUGFS "/failslab/ignore-gfp-wait", "N"));
	ASSERT_TRUE(write_file(DEBUGFS "/failslab/verbose", "0"));
	ASSERT_TRUE(write_file(DEBUGFS "/fail_page_alloc/ignore-gfp-wait", "N"));
	ASSERT_TRUE(write_file(DEBUGFS "/fail_page_alloc/min-order", "0"));
	ASSERT_TRUE(write_file(DEBUGFS "/fail_page_alloc/verbose", "0"));
}

FIXTURE_TEARDOWN(fault)
{
}

struct fault_job {
	unsigned int nth;
	unsigned int flags;
	bool failed;
	int refused;
	const char *err;
};

/* A thread's first syslet, with one failure on the way. */
static void *fault_main(void *arg)
{
	struct fault_job *job = arg;
	struct syslet_ring *ring = ring_alloc(8);
	struct syslet_completion comp = {};
	struct syslet_args args = { .completion_ring_ptr = P(ring), .caller_data = 3,
				    .flags = job->flags };
	int fail = fail_fd();
	struct blocker b;
	long ret;

	job->err = "cannot begin";
	if (!ring || pipe(b.fd))
		return NULL;
	/* a synchronous run must not wait for ever */
	if ((job->flags & SYSLET_SYNC_OK) && write(b.fd[1], "y", 1) != 1)
		return NULL;
	if (!fail_nth(fail, job->nth))
		return NULL;
	ret = submit_args(CALL(__NR_read, b.fd[0], P(&b.c), 1), args);

	if (job->flags & SYSLET_SYNC_OK) {
		job->failed = has_failed(fail, ring, &b, false);
		job->err = ret == 1 && b.c == 'y' && !ring_count(ring) ? NULL : "wrong result";
	} else if (ret == -EAGAIN) {
		job->failed = has_failed(fail, ring, &b, false);
		/* it has not run: what is written now is ours */
		job->refused++;
		job->err = write(b.fd[1], "z", 1) == 1 && read(b.fd[0], &b.c, 1) == 1 &&
			   b.c == 'z' && !ring_count(ring) ? NULL : "refused, but it ran";
	} else if (ret == -ESYSLETPENDING) {
		job->err = write(b.fd[1], "z", 1) == 1 && !ring_reap(ring, &comp) &&
			   comp.status == 1 && b.c == 'z' ? NULL : "wrong completion";
		job->failed = has_failed(fail, ring, &b, true);
	} else {
		job->err = strerror(-ret);
	}
	/* and nothing is broken for the next one */
	if (!job->err && force_handoff(ring))
		job->err = "no handoff after the failure";
	close(b.fd[0]);
	close(b.fd[1]);
	close(fail);
	return NULL;
}

static void fail_each(struct __test_metadata *_metadata, unsigned int flags, bool thread)
{
	struct fault_job job;
	pthread_t t;
	int refused = 0, status;

	for (unsigned int nth = 1; nth < 1000; nth++) {
		job = (struct fault_job){ .nth = nth, .flags = flags };
		if (thread) {
			ASSERT_EQ(0, pthread_create(&t, NULL, fault_main, &job));
			ASSERT_EQ(0, pthread_join(t, NULL));
		} else {
			/* the first syslet of a main thread: in a child */
			pid_t pid = fork();

			if (!pid) {
				fault_main(&job);
				if (job.err)
					fprintf(stderr, "# %s\n", job.err);
				_exit(job.err ? 1 : job.failed ? job.refused ? 2 : 3 : 0);
			}
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
			ASSERT_TRUE(WIFEXITED(status));
			job.err = WEXITSTATUS(status) == 1 ? "in the child" : NULL;
			job.failed = WEXITSTATUS(status) >= 2;
			job.refused = WEXITSTATUS(status) == 2;
		}
		ASSERT_EQ(NULL, job.err) TH_LOG("allocation %u: %s", nth, job.err);
		if (!job.failed) {
			/*
			 * All have failed once. The context, its ring and a task for the
			 * spare are needed, at least; stacks may be some that were kept.
			 */
			if (!(flags & SYSLET_SYNC_OK))
				ASSERT_LE(3, refused);
			return;
		}
		refused += job.refused;
	}
	ASSERT_TRUE(false) TH_LOG("allocations without end");
}

TEST_F_TIMEOUT(fault, refuses_the_first_call_of_a_thread, 300)
{
	fail_each(_metadata, 0, true);
}

TEST_F_TIMEOUT(fault, refuses_the_first_call_of_a_process, 300)
{
	fail_each(_metadata, 0, false);
}

TEST_F_TIMEOUT(fault, runs_synchronously_where_that_is_allowed, 300)
{
	fail_each(_metadata, SYSLET_SYNC_OK, true);
}

/* A failure in the call itself is the call's: reported as plainly. */
TEST_F_TIMEOUT(fault, in_the_call_is_its_result, 300)
{
	struct syslet_ring *ring = ring_alloc(8);
	int seen = 0, fd, fail = fail_fd();
	long ret;

	ASSERT_EQ(0, force_handoff(ring));
	for (unsigned int nth = 1; nth < 100; nth++) {
		bool failed;

		ASSERT_TRUE(fail_nth(fail, nth));
		ret = submit(ring, CALL(__NR_memfd_create, P("x"), 0), 1);
		failed = has_failed(fail, ring, NULL, false);
		fd = ret;
		if (ret < 0) {
			ASSERT_TRUE(ret == -ENOMEM || ret == -ENFILE || ret == -ENOSPC)
				TH_LOG("%ld", ret);
			seen++;
		} else {
			close(fd);
		}
		ASSERT_EQ(0, ring_count(ring));
		if (!failed)
			break;
	}
	ASSERT_LT(0, seen);
	ASSERT_EQ(0, force_handoff(ring));
}

/*
 * A thread's first batch. Which of its tasks the failure comes to is open; those
 * that are left over are for the rounds behind it.
 */
struct fault_batch {
	unsigned int nth;
	struct tally t;
	const char *err;
};

static void *fault_batch_main(void *arg)
{
	struct fault_batch *job = arg;
	int fail = fail_fd(), handoffs = 0;

	job->err = "cannot begin";
	if (!tally_begin(&job->t, ring_alloc(64)) || fail < 0)
		return NULL;
	job->t.may_fail = true;
	tally_prepare(&job->t);
	if (!fail_nth(fail, job->nth))
		return NULL;
	job->t.submits = batch_all(job->t.ring, job->t.calls, TALLY_CALLS, 0);
	fail_nth(fail, 0);
	job->err = job->t.submits > 0 ? tally_check(&job->t) : "submit";
	for (int i = 0; i < 8 && !job->err; i++) {
		fail_nth(fail, 0);
		job->err = tally_round(&job->t);
	}
	for (int i = 0; i < 8; i++) {
		fail_nth(fail, 0);
		handoffs += !force_handoff(job->t.ring);
	}
	if (!job->err && !handoffs)
		job->err = "no handoff after the failure";
	tally_end(&job->t);
	close(fail);
	return NULL;
}

TEST_F_TIMEOUT(fault, of_a_batch_refuses_entries_and_makes_none_twice, 300)
{
	int n = getenv("SYSLET_QUICK") ? 60 : 150, refused = 0;
	struct fault_batch job;
	pthread_t t;

	for (int nth = 1; nth <= n; nth++) {
		job = (struct fault_batch){ .nth = nth };
		ASSERT_EQ(0, pthread_create(&t, NULL, fault_batch_main, &job));
		ASSERT_EQ(0, pthread_join(t, NULL));
		ASSERT_EQ(NULL, job.err) TH_LOG("allocation %u: %s", nth, job.err);
		refused += !!job.t.refused;
	}
	ASSERT_LT(5, refused);
}

TEST_HARNESS_MAIN
