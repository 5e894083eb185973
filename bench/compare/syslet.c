// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sum the first 64 KiB of all files: 64 of them are under way as syslets. For
 * each file one call follows the other. close() is a plain call: there is
 * nothing to wait for after a read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslet.h>
#include <unistd.h>

#define SIZE	65536
#define JOBS	64

struct job {
	struct syslet_callback	cb;
	struct stat		st;
	const char		*name;
	int			fd;
	unsigned char		buf[SIZE];
};

static unsigned int errors;
static char **next_name;
static uint64_t sum;

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

static void opened(struct syslet_queue *q, struct syslet_callback *cb, long fd);

/* The queue has an entry for each job: it is never full. */
static void start(struct syslet_queue *q, struct job *job)
{
	if (!*next_name)
		return;
	job->name = *next_name++;
	job->cb.fn = opened;
	syslet_prep_open(q, SYSLET_PTR(job), job->name, O_RDONLY | O_CLOEXEC, 0);
}

static void have_read(struct syslet_queue *q, struct syslet_callback *cb, long n)
{
	struct job *job = (struct job *)cb;

	if (n < 0)
		failed(job->name, strerror(-n));
	add(job->buf, n);
	close(job->fd);
	start(q, job);
}

static void have_stat(struct syslet_queue *q, struct syslet_callback *cb, long err)
{
	struct job *job = (struct job *)cb;

	if (err) {
		failed(job->name, strerror(-err));
	} else if (!S_ISREG(job->st.st_mode)) {
		failed(job->name, "not a regular file");
	} else {
		job->cb.fn = have_read;
		syslet_prep_read(q, SYSLET_PTR(job), job->fd, job->buf, SIZE);
		return;
	}
	close(job->fd);
	start(q, job);
}

static void opened(struct syslet_queue *q, struct syslet_callback *cb, long fd)
{
	struct job *job = (struct job *)cb;

	if (fd < 0) {
		failed(job->name, strerror(-fd));
		start(q, job);
		return;
	}
	job->fd = fd;
	job->cb.fn = have_stat;
	syslet_prep_fstat(q, SYSLET_PTR(job), fd, &job->st);
}

int main(int argc, char **argv)
{
	struct job *jobs = calloc(JOBS, sizeof(*jobs));
	struct syslet_queue q;
	int i, ret;

	if (!jobs)
		die("calloc", errno);
	ret = syslet_queue_init(&q, JOBS, 0);
	if (ret)
		die("syslet_queue_init", -ret);
	next_name = argv + 1;
	for (i = 0; i < JOBS; i++)
		start(&q, &jobs[i]);
	while (q.pending) {
		ret = syslet_dispatch(&q, NULL);
		if (ret < 0 && ret != -EINTR)
			die("syslet_dispatch", -ret);
	}
	syslet_queue_exit(&q);
	free(jobs);
	printf("%d files, %u errors, sum %ju\n", argc - 1, errors, (uintmax_t)sum);
	return errors ? 1 : 0;
}
