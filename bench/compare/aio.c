// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sum the first 64 KiB of all files: 64 reads are under way by POSIX AIO. It has
 * no open and no stat: these are plain calls, one after the other.
 */
#define _GNU_SOURCE
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE	65536
#define JOBS	64

struct job {
	struct aiocb	cb;
	const char	*name;
	unsigned char	buf[SIZE];
};

static const struct aiocb *pending[JOBS];
static unsigned int errors;
static uint64_t sum;

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

/* False if there is nothing to wait for. */
static bool start(struct job *job, const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0) {
		failed(name, strerror(errno));
		return false;
	}
	job->name = name;
	job->cb.aio_fildes = fd;
	job->cb.aio_buf = job->buf;
	job->cb.aio_nbytes = SIZE;
	job->cb.aio_sigevent.sigev_notify = SIGEV_NONE;
	if (fstat(fd, &st))
		failed(name, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		failed(name, "not a regular file");
	else if (aio_read(&job->cb))
		failed(name, strerror(errno));
	else
		return true;
	close(fd);
	return false;
}

/* False if it is not done yet. */
static bool finish(struct job *job)
{
	int err = aio_error(&job->cb);

	if (err == EINPROGRESS)
		return false;
	if (err)
		failed(job->name, strerror(err));
	add(job->buf, aio_return(&job->cb));
	close(job->cb.aio_fildes);
	return true;
}

int main(int argc, char **argv)
{
	struct job *jobs = calloc(JOBS, sizeof(*jobs));
	/* The default is 20 threads. */
	struct aioinit init = { .aio_threads = JOBS, .aio_num = JOBS };
	int i, next = 1, under_way = 0;

	if (!jobs) {
		perror("calloc");
		return 2;
	}
	aio_init(&init);
	while (next < argc || under_way) {
		for (i = 0; i < JOBS; i++) {
			if (pending[i] && finish(&jobs[i])) {
				pending[i] = NULL;
				under_way--;
			}
			while (!pending[i] && next < argc) {
				if (start(&jobs[i], argv[next++])) {
					pending[i] = &jobs[i].cb;
					under_way++;
				}
			}
		}
		if (under_way && aio_suspend(pending, JOBS, NULL) && errno != EINTR) {
			perror("aio_suspend");
			return 2;
		}
	}
	free(jobs);
	printf("%d files, %u errors, sum %ju\n", argc - 1, errors, (uintmax_t)sum);
	return errors ? 1 : 0;
}
