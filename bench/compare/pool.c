// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sum the first 64 KiB of all files: 64 threads take them one by one, and make
 * plain calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE	65536
#define THREADS	64
#define STACK	65536

static _Atomic unsigned int errors;
static _Atomic uint64_t sum;
static _Atomic int next = 1;
static char **names;
static int end;

static void die(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(err));
	exit(2);
}

static void failed(const char *name, const char *why)
{
	fprintf(stderr, "%s: %s\n", name, why);
	errors++;
}

static void add(const unsigned char *buf, ssize_t n)
{
	uint64_t s = 0;

	while (n > 0)
		s += buf[--n];
	sum += s;
}

static void sum_file(const char *name, unsigned char *buf)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0) {
		failed(name, strerror(errno));
		return;
	}
	if (fstat(fd, &st)) {
		failed(name, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		failed(name, "not a regular file");
	} else {
		n = read(fd, buf, SIZE);
		if (n < 0)
			failed(name, strerror(errno));
		add(buf, n);
	}
	close(fd);
}

static void *work(void *buf)
{
	int i;

	while ((i = next++) < end)
		sum_file(names[i], buf);
	return NULL;
}

int main(int argc, char **argv)
{
	int n = argc - 1 < THREADS ? argc - 1 : THREADS;
	pthread_t threads[THREADS];
	pthread_attr_t attr;
	unsigned char *bufs;
	int i, err;

	names = argv;
	end = argc;
	bufs = malloc((size_t)THREADS * SIZE);
	if (!bufs)
		die("malloc", errno);
	err = pthread_attr_init(&attr);
	if (err)
		die("pthread_attr_init", err);
	err = pthread_attr_setstacksize(&attr, STACK);
	if (err)
		die("pthread_attr_setstacksize", err);
	for (i = 0; i < n; i++) {
		err = pthread_create(&threads[i], &attr, work, bufs + (size_t)i * SIZE);
		if (err)
			break;
	}
	/* With fewer threads than we wanted it takes longer. */
	if (!i && n)
		die("pthread_create", err);
	while (i--)
		pthread_join(threads[i], NULL);
	pthread_attr_destroy(&attr);
	free(bufs);
	printf("%d files, %u errors, sum %ju\n", argc - 1, errors, (uintmax_t)sum);
	return errors ? 1 : 0;
}
