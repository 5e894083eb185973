// SPDX-License-Identifier: GPL-2.0-only
/* Who watches files and system calls of a thread that makes syslets. */
#include <sys/fanotify.h>
#include <sys/inotify.h>

#include "threads.h"

THREADS_FIXTURE(event)

/* A file event that a runner waits for. */
static const char *check_event(struct syslet_ring *ring, int fd, const char *path)
{
	struct syslet_completion comp = {};
	char buf[4096];

	CHECK(submit(ring, CALL(__NR_read, fd, P(buf), sizeof(buf)), 0) == -ESYSLETPENDING);
	close(open(path, O_RDONLY));
	CHECK(!ring_reap(ring, &comp));
	CHECK((long)comp.status > 0);
	close(fd);
	return NULL;
}

THREADS_TEST(event, inotify_is_read_by_a_runner)
{
	int fd = inotify_init();

	CHECK(fd >= 0);
	CHECK(!force_handoff(ring));
	CHECK(inotify_add_watch(fd, "/proc/self", IN_OPEN) >= 0);
	return check_event(ring, fd, "/proc/self");
}

THREADS_TEST(event, fanotify_is_read_by_a_runner)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF, O_RDONLY);

	CHECK(fd >= 0);
	CHECK(!force_handoff(ring));
	CHECK(!fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN | FAN_ONDIR, AT_FDCWD, "/tmp"));
	return check_event(ring, fd, "/tmp");
}

/* --- who has caused an event -------------------------------------------------- */

/* A group that reports TIDs, or PIDs, of who writes to the file. */
static int watch_writes(int file, unsigned int flags)
{
	char name[32];
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | flags, O_RDONLY);

	snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	return fd >= 0 && !fanotify_mark(fd, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, name) ? fd : -1;
}

/* Of the only event; 0 if there is none or more. */
static pid_t next_pid(int fd)
{
	struct fanotify_event_metadata ev[2];

	if (read(fd, ev, sizeof(ev)) != sizeof(ev[0]) || !(ev[0].mask & FAN_MODIFY))
		return 0;
	close(ev[0].fd);
	return ev[0].pid;
}

/* The runner waits for data first, and then writes it. */
THREADS_TEST(event, fanotify_tells_the_tid_of_the_thread_for_its_runners)
{
	int file = open("/tmp", O_TMPFILE | O_RDWR, 0600), by_tid, by_pid, fd[2];
	loff_t pos = 0;

	CHECK(file >= 0 && !pipe(fd));
	by_tid = watch_writes(file, FAN_REPORT_TID);
	by_pid = watch_writes(file, 0);
	CHECK(by_tid >= 0 && by_pid >= 0);
	for (int i = 0; i < 4; i++) {
		CHECK(submit(ring, CALL(__NR_splice, fd[0], 0, file, P(&pos), 1, 0), 0) ==
		      -ESYSLETPENDING);
		CHECK(write(fd[1], "x", 1) == 1 && reap_status(ring) == 1);
		CHECK(next_pid(by_tid) == gettid() && next_pid(by_pid) == getpid());
		/* and for the carrier */
		CHECK(write(file, "y", 1) == 1);
		CHECK(next_pid(by_tid) == gettid() && next_pid(by_pid) == getpid());
	}
	return NULL;
}

/* --- tracepoints of system calls ------------------------------------------------ */

static bool enable_event(const char *event, const char *on)
{
	char name[128];

	snprintf(name, sizeof(name), "/sys/kernel/tracing/events/%s/enable", event);
	return !write_text(name, on);
}

static bool have_event(const char *event)
{
	return enable_event(event, "0");
}

/* It is for all processes: switched off in any case. */
static const char *with_event(const char *event, struct syslet_ring *ring,
			      const char *(*fn)(struct syslet_ring *ring))
{
	const char *err;

	CHECK(enable_event(event, "1"));
	err = fn(ring);
	CHECK(enable_event(event, "0"));
	return err;
}

static const char *is_refused_twice(struct syslet_ring *ring)
{
	CHECK(is_refused(ring) && is_refused(ring));
	return NULL;
}

static const char *refused_with(const char *event, struct syslet_ring *ring)
{
	const char *err;
	struct flight f;

	CHECK(flight_begin(&f, ring));
	for (int i = 0; i < 3; i++) {
		err = with_event(event, ring, is_refused_twice);
		if (err)
			return err;
		/* for all tasks that the thread has by now */
		CHECK(!force_handoff(ring) && !force_handoff(ring));
		CHECK(i != 1 || flight_end(&f, ring));
	}
	return NULL;
}

THREADS_TEST_IF(event, refused_while_entries_of_calls_are_traced,
		have_event("raw_syscalls/sys_enter"), "no such tracepoint")
{
	return refused_with("raw_syscalls/sys_enter", ring);
}

THREADS_TEST_IF(event, refused_while_one_call_is_traced,
		have_event("syscalls/sys_enter_read"), "no CONFIG_FTRACE_SYSCALLS")
{
	return refused_with("syscalls/sys_enter_read", ring);
}

/* What was under way before comes to its end, and is told. */
static struct flight traced;

static const char *end_traced(struct syslet_ring *ring)
{
	CHECK(flight_end(&traced, ring) && is_refused(ring));
	return NULL;
}

THREADS_TEST_IF(event, calls_of_before_complete_while_calls_are_traced,
		have_event("raw_syscalls/sys_enter"), "no such tracepoint")
{
	const char *err;

	CHECK(flight_begin(&traced, ring));
	err = with_event("raw_syscalls/sys_enter", ring, end_traced);
	if (err)
		return err;
	CHECK(!force_handoff(ring));
	return NULL;
}

TEST_HARNESS_MAIN
