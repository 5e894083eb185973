/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * cp FROM TO: copy a file; reads and writes of many blocks are under way at the
 * same time.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "syslet.h"

#define DEPTH	16
#define BLOCK	65536

/* A part of the file that is being read, or written. */
struct block {
	int64_t	offset;
	size_t	len, done;
	bool	writing;
	char	buf[BLOCK];
};

static int from, to;
static int64_t next_offset, size;

static void die(const char *what, long err)
{
	fprintf(stderr, "cp: %s: %s\n", what, strerror((int)-err));
	exit(1);
}

static void go_on(struct syslet_queue *q, struct block *b)
{
	char *buf = b->buf + b->done;
	size_t len = b->len - b->done;
	int64_t offset = b->offset + (int64_t)b->done;

	if (b->writing)
		syslet_prep_pwrite(q, SYSLET_PTR(b), to, buf, len, offset);
	else
		syslet_prep_pread(q, SYSLET_PTR(b), from, buf, len, offset);
}

/* The next part that nobody has: false if there is none. */
static bool start(struct syslet_queue *q, struct block *b)
{
	if (next_offset >= size)
		return false;
	b->offset = next_offset;
	b->len = size - next_offset < BLOCK ? (size_t)(size - next_offset) : BLOCK;
	b->done = 0;
	b->writing = false;
	next_offset += (int64_t)b->len;
	go_on(q, b);
	return true;
}

static void step(struct syslet_queue *q, struct block *b, long ret)
{
	if (ret <= 0)
		die(b->writing ? "write" : "read", ret ? ret : -EIO);
	b->done += (size_t)ret;
	if (b->done == b->len) {
		if (b->writing) {
			start(q, b);
			return;
		}
		b->writing = true;
		b->done = 0;
	}
	go_on(q, b);
}

static void copy(struct syslet_queue *q)
{
	struct block *blocks = calloc(DEPTH, sizeof(*blocks));
	struct syslet_completion c;
	int i, ret;

	if (!blocks)
		die("calloc", -ENOMEM);
	for (i = 0; i < DEPTH && start(q, &blocks[i]); i++)
		;
	while (q->pending) {
		ret = syslet_wait(q, &c, NULL);
		if (!ret)
			step(q, (void *)(uintptr_t)c.caller_data, syslet_status(&c));
		else if (ret != -EINTR)
			die("syslet_wait", ret);
	}
	free(blocks);
}

int main(int argc, char **argv)
{
	struct syslet_queue q;
	struct stat st;
	int ret;

	if (argc != 3) {
		fprintf(stderr, "usage: cp FROM TO\n");
		return 2;
	}
	from = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (from < 0 || fstat(from, &st))
		die(argv[1], -errno);
	to = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, st.st_mode & 0777);
	if (to < 0)
		die(argv[2], -errno);
	size = st.st_size;
	ret = syslet_queue_init(&q, DEPTH, 0);
	if (ret)
		die("syslet_queue_init", ret);
	copy(&q);
	syslet_queue_exit(&q);
	return close(to) ? 1 : 0;
}
