/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: under a filter that does not know indirect(2), set before or after
 * the queue was made, calls run on threads with the same results; under one that
 * does, they are asynchronous, and it says of each what it would say of a plain one
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <ucontext.h>
#include "test.h"

/* System calls of which @op is true, with @nr, come to @action. */
static void filter_calls(unsigned short op, unsigned int nr, unsigned int action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | op | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = 4, .filter = code };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(SKIP);
}

/* System calls from 480 on give @err. */
static void filter(int err)
{
	filter_calls(BPF_JGE, __NR_indirect, SECCOMP_RET_ERRNO | (unsigned int)err);
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
	filter_calls(BPF_JEQ, __NR_indirect, SECCOMP_RET_ERRNO | (unsigned int)err);
	use(&q);
	syslet_queue_exit(&q);
}

/* One that is filtered, among others that are not; alone, and in a batch. */
static void use_filtered(struct syslet_queue *q, long want)
{
	struct syslet_completion c;
	struct blocked b;

	block(q, &b, 2);
	CHECK_EQ(want, finish(q, syslet_call(q, 3, SYS_umask, 0, 0, 0, 0, 0, 0), 3));
	CHECK_EQ(0, syslet_prep(q, 4, SYS_umask, 0, 0, 0, 0, 0, 0));
	CHECK_EQ(0, syslet_prep_close(q, 5, -1));
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(0, syslet_wait(q, &c, NULL));
		CHECK(c.caller_data == 4 || c.caller_data == 5);
		CHECK_EQ(c.caller_data == 4 ? want : -EBADF, syslet_status(&c));
	}
	unblock(&b);
	CHECK_EQ(0, syslet_wait(q, &c, NULL));
	CHECK(c.caller_data == 2);
	CHECK_EQ(1, syslet_status(&c));
	close_blocked(&b);
}

static void forbidden(int err)
{
	int async = syslet_probe();
	struct syslet_queue q;

	filter_calls(BPF_JEQ, SYS_umask, SECCOMP_RET_ERRNO | (unsigned int)err);
	CHECK_EQ(async, syslet_probe());
	CHECK_EQ(0, syslet_queue_init(&q, 4, 0));
	CHECK_EQ(async, syslet_is_async(&q));
	use_filtered(&q, -err);
	CHECK(!async || !q.on_threads);
	syslet_queue_exit(&q);
}

#if defined(__x86_64__) && defined(REG_RAX)
static void emulate(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = info->si_syscall == SYS_umask ? 99 : -1;
}

/* A handler makes the call: in a batch that cannot be, so it is made otherwise. */
static void trapped(int err)
{
	struct sigaction sa = { .sa_sigaction = emulate, .sa_flags = SA_SIGINFO };
	struct syslet_queue q;

	(void)err;
	CHECK(sigaction(SIGSYS, &sa, NULL) == 0);
	filter_calls(BPF_JEQ, SYS_umask, SECCOMP_RET_TRAP);
	CHECK_EQ(0, syslet_queue_init(&q, 4, 0));
	use_filtered(&q, 99);
	syslet_queue_exit(&q);
}
#else
static void trapped(int err)
{
	(void)err;
}
#endif

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
	in_child(forbidden, EUCLEAN);
	in_child(forbidden, EPERM);
	in_child(forbidden, ENOSYS);
	in_child(forbidden, EAGAIN);
	in_child(trapped, 0);
	return PASS;
}
