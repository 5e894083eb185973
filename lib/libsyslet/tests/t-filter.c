/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: under a filter that does not know indirect(2), set before or after
 * the queue was made, calls run on threads with the same results
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "test.h"

/* System calls from 480 on give @err; or only the first of them. */
static void filter_some(int err, bool one)
{
	unsigned short test = one ? BPF_JEQ : BPF_JGE;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | test | BPF_K, __NR_indirect, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = 4, .filter = code };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(SKIP);
}

static void filter(int err)
{
	filter_some(err, false);
}

static void use(struct syslet_queue *q)
{
	struct syslet_completion c;
	struct blocked b;

	CHECK_EQ(getpid(), finish(q, syslet_call(q, 1, SYS_getpid, 0, 0, 0, 0, 0, 0), 1));
	CHECK_EQ(-EBADF, finish(q, syslet_close(q, 1, -1), 1));
	block(q, &b, 2);
	CHECK_EQ(0, syslet_prep_close(q, 3, -1));
	CHECK_EQ(0, syslet_wait(q, &c, NULL));
	CHECK(c.caller_data == 3);
	unblock(&b);
	CHECK_EQ(0, syslet_wait(q, &c, NULL));
	CHECK(c.caller_data == 2);
	CHECK_EQ(1, syslet_status(&c));
	CHECK(q->on_threads > 0 && !syslet_is_async(q));
	close_blocked(&b);
}

static void before(int err)
{
	struct syslet_support support;
	struct syslet_queue q;

	filter(err);
	CHECK_EQ(-err, syslet_get_support(&support));
	CHECK_EQ(1, support.filtered);
	CHECK_EQ(0, syslet_probe());
	CHECK_EQ(-err, syslet_queue_init(&q, 4, SYSLET_QUEUE_NO_THREADS));
	CHECK_EQ(0, syslet_queue_init(&q, 4, 0));
	CHECK(!syslet_is_async(&q));
	use(&q);
	syslet_queue_exit(&q);
}

static void after(int err)
{
	struct syslet_queue q;

	CHECK_EQ(0, syslet_queue_init(&q, 4, 0));
	filter(err);
	use(&q);
	syslet_queue_exit(&q);
}

/* Batches would go on, single calls do not. */
static void after_one(int err)
{
	struct syslet_queue q;

	CHECK_EQ(0, syslet_queue_init(&q, 4, 0));
	filter_some(err, true);
	use(&q);
	syslet_queue_exit(&q);
}

static void in_child(void (*fn)(int err), int err)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		fn(err);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIP)
		exit(SKIP);
	CHECK_EQ(0, status);
}

int main(void)
{
	in_child(before, ENOSYS);
	in_child(before, EPERM);
	in_child(after, ENOSYS);
	in_child(after, EPERM);
	in_child(after_one, ENOSYS);
	in_child(after_one, EPERM);
	return PASS;
}
