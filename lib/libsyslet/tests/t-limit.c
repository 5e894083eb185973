/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: a call for which no thread can be had says -EAGAIN and is not made;
 * others go on
 */
#define _GNU_SOURCE
#include <sys/resource.h>
#include <sys/wait.h>
#include "test.h"

/* Limits do not hold for root. */
static void no_threads(void)
{
	struct rlimit none = { 0, 0 };

	CHECK(geteuid() || syscall(SYS_setresuid, 65534, 65534, 65534) == 0);
	CHECK(setrlimit(RLIMIT_NPROC, &none) == 0);
}

static void test(void)
{
	struct syslet_completion c;
	struct syslet_queue q;
	int fd[2];
	char buf;

	no_threads();
	CHECK(pipe(fd) == 0 && write(fd[1], "x", 1) == 1);
	CHECK_EQ(0, syslet_queue_init(&q, 4, SYSLET_QUEUE_THREADS));
	CHECK_EQ(-EAGAIN, syslet_read(&q, 1, fd[0], &buf, 1));
	CHECK_EQ(0, q.pending);
	CHECK_EQ(0, syslet_prep_read(&q, 2, fd[0], &buf, 1));
	CHECK_EQ(0, syslet_prep(&q, 3, SYS_getpid, 0, 0, 0, 0, 0, 0));
	CHECK_EQ(2, syslet_flush(&q));
	CHECK_EQ(0, syslet_peek(&q, &c));
	CHECK_EQ(-EAGAIN, syslet_status(&c));
	CHECK_EQ(0, syslet_peek(&q, &c));
	CHECK_EQ(getpid(), syslet_status(&c));
	syslet_queue_exit(&q);
	CHECK(read(fd[0], &buf, 1) == 1);
}

/* In a child: what sanitizers do at an exit needs threads. */
int main(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		test();
		_exit(PASS);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(PASS, status);
	return PASS;
}
