// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sum the first 64 KiB of all files: 64 of them are under way in an io_uring.
 * fstat() and close() are plain calls. A statx request would go to a worker
 * thread each time, also if there is nothing to wait for.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
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
	const char	*name;
	bool		reading;
	int		fd;
	unsigned char	buf[SIZE];
};

static unsigned int errors, under_way;
static struct io_uring ring;
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

/* The ring has an entry for each job: it is never full. */
static void start(struct job *job)
{
	struct io_uring_sqe *sqe;

	if (!*next_name)
		return;
	sqe = io_uring_get_sqe(&ring);
	job->name = *next_name++;
	job->reading = false;
	io_uring_prep_openat(sqe, AT_FDCWD, job->name, O_RDONLY | O_CLOEXEC, 0);
	io_uring_sqe_set_data(sqe, job);
	under_way++;
}

/* False: there is nothing to read. */
static bool opened(struct job *job, int fd)
{
	struct io_uring_sqe *sqe;
	struct stat st;

	if (fd < 0) {
		failed(job->name, strerror(-fd));
		return false;
	}
	if (fstat(fd, &st)) {
		failed(job->name, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		failed(job->name, "not a regular file");
	} else {
		sqe = io_uring_get_sqe(&ring);
		job->fd = fd;
		job->reading = true;
		io_uring_prep_read(sqe, fd, job->buf, SIZE, 0);
		io_uring_sqe_set_data(sqe, job);
		return true;
	}
	close(fd);
	return false;
}

static void have_read(struct job *job, int n)
{
	if (n < 0)
		failed(job->name, strerror(-n));
	add(job->buf, n);
	close(job->fd);
}

static void complete(struct io_uring_cqe *cqe)
{
	struct job *job = io_uring_cqe_get_data(cqe);
	int res = cqe->res;

	io_uring_cqe_seen(&ring, cqe);
	if (!job->reading && opened(job, res))
		return;
	if (job->reading)
		have_read(job, res);
	under_way--;
	start(job);
}

int main(int argc, char **argv)
{
	unsigned int flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	struct job *jobs = calloc(JOBS, sizeof(*jobs));
	unsigned int workers[2] = { JOBS, JOBS };
	struct io_uring_cqe *cqe;
	int i, ret;

	if (!jobs)
		die("calloc", errno);
	ret = io_uring_queue_init(JOBS, &ring, flags);
	/* Before Linux 6.1 */
	if (ret == -EINVAL)
		ret = io_uring_queue_init(JOBS, &ring, 0);
	if (ret)
		die("io_uring_queue_init", -ret);
	/* The default is 4 for each CPU. */
	ret = io_uring_register_iowq_max_workers(&ring, workers);
	if (ret)
		die("io_uring_register_iowq_max_workers", -ret);
	next_name = argv + 1;
	for (i = 0; i < JOBS; i++)
		start(&jobs[i]);
	while (under_way) {
		ret = io_uring_submit_and_wait(&ring, 1);
		if (ret < 0 && ret != -EINTR)
			die("io_uring_submit_and_wait", -ret);
		while (!io_uring_peek_cqe(&ring, &cqe))
			complete(cqe);
	}
	io_uring_queue_exit(&ring);
	free(jobs);
	printf("%d files, %u errors, sum %ju\n", argc - 1, errors, (uintmax_t)sum);
	return errors ? 1 : 0;
}
