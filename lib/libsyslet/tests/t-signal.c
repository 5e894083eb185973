/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: a handler makes and takes calls with a queue of its own that never
 * has threads, whatever it interrupts; without syslets there is no such queue
 */
#define _GNU_SOURCE
#include <signal.h>
#include "test.h"

static struct syslet_queue mine;
static volatile sig_atomic_t handled;
static int fd[2];

static void on_signal(int sig)
{
	struct syslet_completion c;
	static char buf;

	(void)sig;
	CHECK(syslet_read(&mine, 1, fd[0], &buf, 1) == -ESYSLETPENDING);
	CHECK(write(fd[1], "x", 1) == 1);
	CHECK(syslet_prep_close(&mine, 2, -1) == 0);
	CHECK(syslet_wait_nr(&mine, 2, NULL) == 0);
	CHECK(syslet_peek(&mine, &c) == 0 && c.caller_data == 2);
	CHECK(syslet_peek(&mine, &c) == 0 && c.caller_data == 1);
	CHECK(syslet_status(&c) == 1);
	handled++;
}

static void test(struct syslet_queue *q)
{
	struct syslet_completion c;
	struct blocked b;
	int i;

	for (i = 0; i < 100; i++) {
		block(q, &b, (uint64_t)i);
		raise(SIGUSR1);
		unblock(&b);
		CHECK_EQ(0, syslet_wait(q, &c, NULL));
		CHECK_EQ(i, c.caller_data);
		close_blocked(&b);
	}
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct syslet_queue both;
	int ret;

	CHECK_EQ(-EINVAL, syslet_queue_init(&both, 4, SYSLET_QUEUE_THREADS |
					    SYSLET_QUEUE_NO_THREADS));
	ret = syslet_queue_init(&mine, 4, SYSLET_QUEUE_NO_THREADS);
	if (!syslet_probe()) {
		CHECK_EQ(-ENOSYS, ret);
		return SKIP;
	}
	CHECK_EQ(0, ret);
	CHECK(pipe(fd) == 0 && sigaction(SIGUSR1, &sa, NULL) == 0);
	for_each_backend(test, 4);
	CHECK_EQ(200, handled);
	syslet_queue_exit(&mine);
	return PASS;
}
