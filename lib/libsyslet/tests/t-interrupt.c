/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: with a signal for it, calls on threads that block are cancelled, and
 * an exit after that does not hang; idle threads end, but not at once
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include "test.h"

static void other(int sig)
{
	(void)sig;
}

static void test_cancel(struct syslet_queue *q)
{
	struct syslet_completion c;
	struct blocked b[4];
	unsigned int i, round;

	CHECK_EQ(-EINVAL, syslet_queue_cancel_signal(q, SIGUSR1));
	CHECK_EQ(-EINVAL, syslet_queue_cancel_signal(q, 1000));
	CHECK(signal(SIGRTMIN + 1, other) != SIG_ERR);
	CHECK_EQ(-EBUSY, syslet_queue_cancel_signal(q, SIGRTMIN + 1));
	CHECK_EQ(0, syslet_queue_cancel_signal(q, SIGRTMIN));
	CHECK_EQ(0, syslet_queue_cancel_signal(q, SIGRTMIN));
	for (round = 0; round < 50; round++) {
		for (i = 0; i < 4; i++)
			block(q, &b[i], i);
		CHECK_EQ(0, syslet_cancel(q, 2));
		CHECK_EQ(0, syslet_wait(q, &c, NULL));
		CHECK_EQ(2, c.caller_data);
		CHECK_EQ(-ECANCELED, syslet_status(&c));
		CHECK_EQ(0, syslet_cancel_all(q));
		for (i = 0; i < 3; i++) {
			CHECK_EQ(0, syslet_wait(q, &c, NULL));
			CHECK_EQ(-ECANCELED, syslet_status(&c));
		}
		for (i = 0; i < 4; i++)
			close_blocked(&b[i]);
	}
	block(q, &b[0], 0);
	CHECK_EQ(0, syslet_cancel_all(q));
}

static unsigned int count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int n = 0;

	CHECK(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

/* Of an ordinary user: who is special has a new thread for each call anyway. */
static void test_idle(struct syslet_queue *q)
{
	unsigned int before = count_threads();

	CHECK(geteuid() || syscall(SYS_setresuid, 65534, 65534, 65534) == 0);
	CHECK_EQ(0, CALL(access, "/", F_OK));
	while (count_threads() > before)
		usleep(10000);
	CHECK_EQ(0, CALL(access, "/", F_OK));
}

int main(void)
{
	struct syslet_queue q;
	int status;
	pid_t pid;

	CHECK_EQ(0, syslet_queue_init(&q, 4, SYSLET_QUEUE_THREADS));
	test_cancel(&q);
	syslet_queue_exit(&q);
	pid = fork();
	if (!pid) {
		CHECK_EQ(0, syslet_queue_init(&q, 4, SYSLET_QUEUE_THREADS));
		test_idle(&q);
		syslet_queue_exit(&q);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(0, status);
	return PASS;
}
