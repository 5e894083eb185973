/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#define _GNU_SOURCE
#include <signal.h>

#include "lib.h"

/* They make system calls, and nothing else. */
#define STACK_SIZE	(64 * 1024)

static int start(pthread_t *thread, size_t stack, void *(*fn)(void *arg), void *arg)
{
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	if (stack)
		pthread_attr_setstacksize(&attr, stack);
	err = pthread_create(thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return -err;
}

/* The program's signals are for its own threads. */
int thread_start(pthread_t *thread, void *(*fn)(void *arg), void *arg)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = start(thread, STACK_SIZE, fn, arg);
	/* Thread-local variables of the program may need more. */
	if (err == -EINVAL)
		err = start(thread, 0, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}
