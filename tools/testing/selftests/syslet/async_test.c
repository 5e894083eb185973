// SPDX-License-Identifier: GPL-2.0-only
/* Calls that block go on without their caller; calls that do not, return. */
#include "common.h"

FIXTURE(async)
{
	struct syslet_ring *ring;
	struct syslet_completion comp;
};

FIXTURE_SETUP(async)
{
	self->ring = ring_alloc(64);
	ASSERT_NE(NULL, self->ring);
}

FIXTURE_TEARDOWN(async)
{
}

TEST_F(async, call_that_does_not_block_returns_its_result)
{
	struct stat st;

	ASSERT_EQ(getppid(), submit(self->ring, CALL(__NR_getppid), 1));
	ASSERT_EQ(0, submit(self->ring, CALL(__NR_lstat, P("/"), P(&st)), 1));
	ASSERT_TRUE(S_ISDIR(st.st_mode));
	ASSERT_EQ(-ENOENT, submit(self->ring, CALL(__NR_lstat, P("/nix"), P(&st)), 1));
	ASSERT_EQ(0, ring_count(self->ring));
}

TEST_F(async, pipe_read_is_pending_until_written)
{
	struct blocker b;

	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, self->ring, 0x1234));
	ASSERT_EQ(0, ring_count(self->ring));
	ASSERT_EQ(1, write(b.fd[1], "y", 1));
	ASSERT_EQ(0, ring_reap(self->ring, &self->comp));
	ASSERT_EQ(1, self->comp.status);
	ASSERT_EQ(0x1234, self->comp.caller_data);
	ASSERT_EQ('y', b.c);
}

TEST_F(async, nanosleep)
{
	struct timespec ts = { .tv_nsec = 20 * 1000 * 1000 };
	long ret = submit(self->ring, CALL(__NR_nanosleep, P(&ts), 0), 7);

	/* Pending, unless this thread was kept from running for long. */
	if (ret == -ESYSLETPENDING) {
		ASSERT_EQ(0, ring_reap(self->ring, &self->comp));
		ret = self->comp.status;
	}
	ASSERT_EQ(0, ret);
}

TEST_F(async, futex_wait)
{
	uint32_t word = 0;

	ASSERT_EQ(-EAGAIN, submit(self->ring, CALL(__NR_futex, P(&word), FUTEX_WAIT, 1, 0), 7));
	ASSERT_EQ(-ESYSLETPENDING,
		  submit(self->ring, CALL(__NR_futex, P(&word), FUTEX_WAIT, 0, 0), 7));
	while (syscall(__NR_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0) != 1)
		sched_yield();
	ASSERT_EQ(0, ring_reap(self->ring, &self->comp));
	ASSERT_EQ(0, self->comp.status);
	ASSERT_EQ(7, self->comp.caller_data);
}

TEST_F(async, poll)
{
	struct pollfd pfd = { .events = POLLIN };
	int fd[2];

	ASSERT_EQ(0, pipe(fd));
	pfd.fd = fd[0];
	ASSERT_EQ(-ESYSLETPENDING, submit(self->ring, CALL(__NR_poll, P(&pfd), 1, -1), 7));
	ASSERT_EQ(1, write(fd[1], "x", 1));
	ASSERT_EQ(0, ring_reap(self->ring, &self->comp));
	ASSERT_EQ(1, self->comp.status);
	ASSERT_EQ(POLLIN, pfd.revents);
}

TEST_F(async, accept)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "\0syslet-accept" };
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 14;
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	int c = socket(AF_UNIX, SOCK_STREAM, 0);
	char b[3];

	ASSERT_EQ(0, bind(s, (struct sockaddr *)&sun, len));
	ASSERT_EQ(0, listen(s, 1));
	ASSERT_EQ(-ESYSLETPENDING, submit(self->ring, CALL(__NR_accept, s, 0, 0), 7));
	ASSERT_EQ(0, connect(c, (struct sockaddr *)&sun, len));
	ASSERT_EQ(0, ring_reap(self->ring, &self->comp));
	ASSERT_LT(c, (int)self->comp.status);
	ASSERT_EQ(2, write(c, "hi", 2));
	ASSERT_EQ(2, read(self->comp.status, b, 2));
}

TEST_F(async, wait4_of_child)
{
	int status = -1, fd[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(fd));
	pid = fork();
	if (!pid) {
		close(fd[1]);
		_exit(read(fd[0], &c, 1) == 0 ? 42 : 1);
	}
	close(fd[0]);
	ASSERT_EQ(-ESYSLETPENDING, submit(self->ring, CALL(__NR_wait4, pid, P(&status), 0, 0), 7));
	close(fd[1]);
	ASSERT_EQ(0, ring_reap(self->ring, &self->comp));
	ASSERT_EQ(pid, self->comp.status);
	ASSERT_EQ(42, WEXITSTATUS(status));
}

TEST_F(async, many_at_once_complete_once_each)
{
	struct blocker b[32];
	uint64_t seen = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(b); i++)
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[i], self->ring, i));
	for (i = ARRAY_LEN(b); i-- > 0;)
		ASSERT_EQ(1, write(b[i].fd[1], "x", 1));
	for (i = 0; i < ARRAY_LEN(b); i++) {
		ASSERT_EQ(0, ring_reap(self->ring, &self->comp));
		ASSERT_EQ(1, self->comp.status);
		ASSERT_EQ(0, seen & 1ull << self->comp.caller_data);
		seen |= 1ull << self->comp.caller_data;
	}
	ASSERT_EQ(-EAGAIN, ring_take(self->ring, &self->comp));
	ASSERT_EQ(0xffffffff, seen);
}

TEST_F(async, status_is_carried_as_long)
{
	struct blocker b;
	int fd = memfd_create("big", 0);

	/* a result of more than 32 bits, inline */
	ASSERT_EQ(0x123456789ab,
		  submit(self->ring, CALL(__NR_lseek, fd, 0x123456789ab, SEEK_SET), 1));
	/* and -errno in a completion */
	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, self->ring, 0));
	close(b.fd[1]);
	ASSERT_EQ(0, ring_reap(self->ring, &self->comp));
	ASSERT_EQ(0, self->comp.status);
}

TEST_F_TIMEOUT(async, idle_spares_retire, 120)
{
	struct blocker b[32];
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(b); i++)
		ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b[i], self->ring, i));
	for (i = 0; i < ARRAY_LEN(b); i++)
		ASSERT_EQ(1, blocker_end(&b[i], self->ring));
	ASSERT_LT(ARRAY_LEN(b), count_threads());
	/* us, one spare, and the group leader, which stays */
	while (count_threads() > 3)
		sched_yield();
	ASSERT_EQ(0, force_handoff(self->ring));
}

TEST_F_TIMEOUT(async, hundred_thousand_blocking_calls_and_few_tasks, 600)
{
	unsigned int i, pending = 0, n = getenv("SYSLET_QUICK") ? 10000 : 100000;
	int fd[2], most = 0;
	char c;

	ASSERT_EQ(0, pipe(fd));
	for (i = 0; i < n; i++) {
		long ret = submit(self->ring, CALL(__NR_read, fd[0], P(&c), 1), i);

		ASSERT_EQ(-ESYSLETPENDING, ret);
		pending++;
		ASSERT_EQ(1, write(fd[1], "x", 1));
		ASSERT_EQ(0, ring_reap(self->ring, &self->comp));
		ASSERT_EQ(i, self->comp.caller_data);
		ASSERT_EQ(1, self->comp.status);
		if (i % 1000 == 0 && count_threads() > most)
			most = count_threads();
	}
	ASSERT_EQ(n, pending);
	/* runners that have posted may not have parked yet: a few, not n */
	ASSERT_GE(10, most);
}

TEST_HARNESS_MAIN
