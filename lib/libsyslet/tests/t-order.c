/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: what ends a descriptor does not overtake calls on it, nor is it
 * overtaken, also by calls that the kernel refused; it does not wait for what blocks
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "test.h"
#include "refuse.h"

#define ROUNDS	200

/* A call for a thread, in either backend. */
static void thread_write(struct syslet_queue *q, int fd)
{
	refuse_all(true);
	CHECK_EQ(-ESYSLETPENDING, syslet_write(q, 1, fd, "x", 1));
	refuse_all(false);
}

static long take_all(struct syslet_queue *q)
{
	struct syslet_completion c;
	long ret = 1;

	while (q->pending) {
		CHECK_EQ(0, syslet_wait(q, &c, NULL));
		if (c.caller_data == 1)
			ret = syslet_status(&c);
		else
			CHECK(syslet_status(&c) >= 0);
	}
	return ret;
}

static void test_close(struct syslet_queue *q, const char *name)
{
	int i, fd;

	for (i = 0; i < ROUNDS; i++) {
		fd = open(name, O_WRONLY | O_TRUNC);
		CHECK(fd >= 0);
		if (i % 2) {
			thread_write(q, fd);
			syslet_close(q, 2, fd);
		} else {
			CHECK_EQ(0, syslet_prep_write(q, 1, fd, "x", 1));
			CHECK_EQ(0, syslet_prep_close(q, 2, fd));
		}
		CHECK_EQ(1, take_all(q));
	}
}

static void test_batch(struct syslet_queue *q, const char *name)
{
	int i, fd;

	for (i = 0; i < ROUNDS; i++) {
		fd = open(name, O_WRONLY | O_TRUNC);
		CHECK(fd >= 0);
		thread_write(q, fd);
		CHECK_EQ(0, syslet_prep(q, 3, SYS_getpid, 0, 0, 0, 0, 0, 0));
		CHECK_EQ(0, syslet_prep_close(q, 2, fd));
		CHECK_EQ(1, take_all(q));
	}
}

/* Nor is a call that is made at once, as its descriptor does not wait. */
static void test_nonblock(struct syslet_queue *q)
{
	struct syslet_completion c;
	int i, fds[2];

	for (i = 0; i < ROUNDS; i++) {
		CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
		CHECK_EQ(0, syslet_prep_close(q, 2, fds[0]));
		CHECK_EQ(0, syslet_prep_send(q, 1, fds[0], "x", 1, MSG_NOSIGNAL));
		while (q->pending) {
			CHECK_EQ(0, syslet_wait(q, &c, NULL));
			CHECK_EQ(c.caller_data == 2 ? 0 : -EBADF, syslet_status(&c));
		}
		close(fds[1]);
	}
}

/* What is made behind a dup3() goes to the new file. */
static void test_dup(struct syslet_queue *q, const char *name)
{
	int i, fd, out, fds[2];
	char buf;

	CHECK(pipe(fds) == 0);
	for (i = 0; i < ROUNDS; i++) {
		fd = open(name, O_WRONLY | O_TRUNC);
		out = dup(fds[1]);
		CHECK(fd >= 0 && out >= 0);
		CHECK_EQ(0, syslet_prep(q, 2, SYS_dup3, (uint64_t)fds[1], (uint64_t)fd, 0,
					0, 0, 0));
		CHECK_EQ(0, syslet_prep_write(q, 1, fd, "x", 1));
		CHECK_EQ(1, take_all(q));
		CHECK(read(fds[0], &buf, 1) == 1);
		close(fd);
		close(out);
	}
	close(fds[0]);
	close(fds[1]);
}

#ifdef SYS_close_range
static void test_range(struct syslet_queue *q, const char *name)
{
	int i, fd;

	for (i = 0; i < ROUNDS; i++) {
		fd = open(name, O_WRONLY | O_TRUNC);
		CHECK_EQ(0, syslet_prep_write(q, 1, fd, "x", 1));
		CHECK_EQ(0, syslet_prep(q, 2, SYS_close_range, (uint64_t)fd, (uint64_t)fd, 0,
					0, 0, 0));
		CHECK_EQ(1, take_all(q));
	}
}
#else
static void test_range(struct syslet_queue *q, const char *name)
{
	(void)q;
	(void)name;
}
#endif

/* The shutdown is what ends the read; a close does not wait for one either. */
static void test_blocked(struct syslet_queue *q)
{
	struct blocked b;
	int sv[2];
	char buf;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
	CHECK_EQ(-ESYSLETPENDING, syslet_recv(q, 2, sv[0], &buf, 1, 0));
	CHECK_EQ(0, syslet_prep_shutdown(q, 3, sv[0], SHUT_RDWR));
	CHECK_EQ(1, take_all(q));
	close(sv[0]);
	close(sv[1]);

	block(q, &b, 1);
	CHECK_EQ(0, syslet_prep_close(q, 2, b.fd[0]));
	CHECK_EQ(0, syslet_wait_nr(q, 1, NULL));
	unblock(&b);
	CHECK_EQ(1, take_all(q));
	close(b.fd[1]);
}

/* It has begun; what it looks up later it may find closed, as in the kernel. */
static void test_pointers(struct syslet_queue *q)
{
	static char much[1 << 22];
	struct iovec iov = { much, sizeof(much) };
	struct mmsghdr msg = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	struct syslet_completion c;
	int sv[2], fd = dup(0);

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
	CHECK_EQ(-ESYSLETPENDING, syslet_sendmmsg(q, 1, sv[0], &msg, 1, MSG_NOSIGNAL));
	CHECK_EQ(0, syslet_prep_close(q, 2, fd));
	CHECK_EQ(0, syslet_wait(q, &c, NULL));
	CHECK_EQ(2, c.caller_data);
	close(sv[1]);
	CHECK_EQ(0, syslet_wait(q, &c, NULL));
	close(sv[0]);
}

/* Some thread of ours, where that can be seen. */
static bool is_in_call(long nr)
{
	DIR *dir = opendir("/proc/self/task");
	char path[300], line[32];
	struct dirent *d;
	bool ret = false;
	FILE *f;

	CHECK(dir);
	while ((d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/syscall", d->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		ret |= fgets(line, sizeof(line), f) && strncmp(line, "running", 7) &&
		       atol(line) == nr;
		fclose(f);
	}
	closedir(dir);
	return ret;
}

/* A wait that was stopped goes on as another call, which /proc names. */
static void wait_stopped(void)
{
	struct syslet_completion c;
	struct syslet_queue q;
	int p[2];
	struct pollfd pfd = { .events = POLLIN };

	CHECK(pipe(p) == 0);
	pfd.fd = p[0];
	CHECK_EQ(0, syslet_queue_init(&q, 8, SYSLET_QUEUE_THREADS));
	CHECK_EQ(-ESYSLETPENDING, syslet_poll(&q, 1, &pfd, 1, 1000000));
	while (!is_in_call(SYS_poll))
		sched_yield();
	CHECK(raise(SIGSTOP) == 0);
	CHECK_EQ(0, syslet_prep_close(&q, 2, dup(0)));
	CHECK_EQ(0, syslet_wait(&q, &c, NULL));
	CHECK_EQ(2, c.caller_data);
	CHECK(write(p[1], "x", 1) == 1);
	syslet_queue_exit(&q);
	_exit(0);
}

static void test_stopped(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		wait_stopped();
	CHECK(waitpid(pid, &status, WUNTRACED) == pid);
	CHECK(WIFSTOPPED(status));
	CHECK(kill(pid, SIGCONT) == 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(0, status);
}

/* /proc tells its owner only where a thread of this process is. */
static void keep_secret(void)
{
	CHECK(geteuid() || syscall(SYS_setresuid, 65534, 65534, 65534) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
}

/* There is no /proc, if we are allowed to do that. */
static void hide_proc(void)
{
	if (!unshare(CLONE_NEWNS) && !mount("none", "/", "", MS_REC | MS_PRIVATE, NULL))
		CHECK(mount("none", "/proc", "tmpfs", 0, NULL) == 0);
}

static void test_without(void (*proc)(void))
{
	struct syslet_queue q;

	if (passed_in_child())
		return;
	proc();
	CHECK_EQ(0, syslet_queue_init(&q, 8, SYSLET_QUEUE_THREADS));
	test_blocked(&q);
	test_pointers(&q);
	syslet_queue_exit(&q);
	_exit(0);
}

static void test(struct syslet_queue *q)
{
	char name[] = "/tmp/libsyslet-XXXXXX";
	int fd = mkstemp(name);

	CHECK(fd >= 0);
	test_close(q, name);
	test_batch(q, name);
	test_dup(q, name);
	test_nonblock(q);
	test_range(q, name);
	test_blocked(q);
	test_pointers(q);
	close(fd);
	unlink(name);
}

int main(void)
{
	for_each_backend(test, 8);
	test_stopped();
	test_without(keep_secret);
	test_without(hide_proc);
	return PASS;
}
