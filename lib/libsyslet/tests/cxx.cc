/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Description: the header is good for C++ and C; calls can be made */
#include <stdio.h>
#include <unistd.h>

#include <syslet.h>

static int called;

static void done(struct syslet_queue *q, struct syslet_callback *cb, long result)
{
	(void)q;
	called = result == 1 && cb->arg == &called;
}

int main(void)
{
	struct syslet_queue q;
	struct syslet_callback cb = { done, &called };
	struct syslet_completion c;
	int fd[2], ret;
	char buf = 0;

	if (pipe(fd) || syslet_queue_init(&q, 4, 0))
		return 1;
	ret = syslet_prep_read(&q, SYSLET_PTR(&cb), fd[0], &buf, 1);
	if (ret || syslet_flush(&q) != 1 || syslet_peek(&q, &c) != -EAGAIN)
		return 1;
	if (write(fd[1], "x", 1) != 1 || syslet_dispatch(&q, NULL) != 1)
		return 1;
	ret = syslet_call(&q, 0, SYS_getpid, 0, 0, 0, 0, 0, 0) == getpid();
	syslet_queue_exit(&q);
	return !(called && ret && buf == 'x' && syslet_version() == SYSLET_VERSION);
}
