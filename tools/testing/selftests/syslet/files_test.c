// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open files that a thread has closed are closed, although the spares of its
 * syslets had the same table.
 */
#include <linux/close_range.h>

#include "threads.h"

/* How the thread gets a table of its own, without the file. */
static long close_by_range(int fd)
{
	return syslet_ret(close_range(fd, fd, CLOSE_RANGE_UNSHARE));
}

static long close_all_but_rest(int fd)
{
	return syslet_ret(close_range(3, ~0u, CLOSE_RANGE_UNSHARE));
}

static long unshare_and_close(int fd)
{
	return syslet_ret(unshare(CLONE_FILES)) ?: syslet_ret(close(fd));
}

FIXTURE(files) { };
FIXTURE_VARIANT(files) { long (*fn)(int fd); bool thread; };
FIXTURE_VARIANT_ADD(files, range_main_thread) { close_by_range, false };
FIXTURE_VARIANT_ADD(files, range_other_thread) { close_by_range, true };
FIXTURE_VARIANT_ADD(files, all_main_thread) { close_all_but_rest, false };
FIXTURE_VARIANT_ADD(files, all_other_thread) { close_all_but_rest, true };
FIXTURE_VARIANT_ADD(files, unshare_main_thread) { unshare_and_close, false };
FIXTURE_VARIANT_ADD(files, unshare_other_thread) { unshare_and_close, true };
FIXTURE_SETUP(files) { }
FIXTURE_TEARDOWN(files) { }

static long (*how)(int fd);

/* Another process reads to the end of what only the thread has open. */
static void read_to_the_end(int fd[2])
{
	char c;

	close(fd[1]);
	KID_CHECK(read(fd[0], &c, 1) == 1 && c == 'x');
	KID_CHECK(read(fd[0], &c, 1) == 0);
	_exit(0);
}

static const char *closes_a_pipe(struct syslet_ring *ring)
{
	int fd[2], status;
	struct flight f;
	pid_t pid;

	/* not the table of the main thread: that keeps what is open in it */
	CHECK(!unshare(CLONE_FILES) && !pipe(fd));
	pid = fork();
	if (!pid)
		read_to_the_end(fd);
	CHECK(pid > 0 && !close(fd[0]));
	/* some spares, all of them parked; they share the table */
	CHECK(flight_begin(&f, ring) && flight_end(&f, ring));
	CHECK(write(fd[1], "x", 1) == 1 && !how(fd[1]));
	CHECK(fcntl(fd[1], F_GETFD) == -1 && errno == EBADF);
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	CHECK(!force_handoff(ring) && fcntl(fd[1], F_GETFD) == -1);
	return NULL;
}

TEST_F(files, reader_of_a_pipe_sees_its_end)
{
	const char *err;

	how = variant->fn;
	err = threads_run(variant->thread, closes_a_pipe);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

static const char *closes_a_locked_file(struct syslet_ring *ring)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct flight f;
	char name[32];
	int fd, status;
	pid_t pid;

	snprintf(name, sizeof(name), "/tmp/files.%d", gettid());
	CHECK(!unshare(CLONE_FILES));
	fd = open(name, O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0 && !fcntl(fd, F_SETLK, &lock));
	CHECK(flight_begin(&f, ring) && flight_end(&f, ring));
	CHECK(!how(fd));
	pid = fork();
	if (!pid) {
		fd = open(name, O_RDWR);
		KID_CHECK(fd >= 0 && !fcntl(fd, F_SETLKW, &lock));
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status && !unlink(name));
	return NULL;
}

TEST_F(files, record_lock_of_the_thread_is_gone)
{
	const char *err;

	how = variant->fn;
	err = threads_run(variant->thread, closes_a_locked_file);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

/* Files that are left open are the same in both tables, before and after. */
static const char *keeps_other_files(struct syslet_ring *ring)
{
	int fd[2], keep[2];
	struct flight f;
	char c = 0;

	CHECK(!unshare(CLONE_FILES) && !pipe(keep) && !pipe(fd));
	CHECK(flight_begin(&f, ring) && flight_end(&f, ring));
	CHECK(!how(fd[1]));
	if (how != close_all_but_rest) {
		CHECK(write(keep[1], "k", 1) == 1);
		CHECK(result(ring, CALL(__NR_read, keep[0], P(&c), 1)) == 1 && c == 'k');
	}
	CHECK(!force_handoff(ring));
	return NULL;
}

TEST_F(files, rest_is_left_open_and_calls_go_on)
{
	const char *err;

	how = variant->fn;
	err = threads_run(variant->thread, keeps_other_files);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

TEST_HARNESS_MAIN
