/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * lsr: walk a directory tree as "find" or "ls -lR" without sorting do: read
 * every directory, lstat() every entry, sum the sizes.
 *
 *	lsr [-b plain|pool|io_uring|syslet] [-j N] [-l LABEL] DIRECTORY
 *
 * Prints one JSON object: backend, cache (LABEL), ns, entries, bytes, blocked
 * (calls that went on without us; for the pool and io_uring: calls handed to
 * others). All backends find the same entries and the same sum.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <inttypes.h>
#include <liburing.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "syslet.h"

struct linux_dirent64 {
	uint64_t	d_ino;
	int64_t		d_off;
	unsigned short	d_reclen;
	unsigned char	d_type;
	char		d_name[];
};

#define DIR_FLAGS	(O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define DENTS_SIZE	32768

struct sum {
	uint64_t	entries;
	uint64_t	bytes;
	uint64_t	blocked;
};

static void die(const char *what, const char *name, long err)
{
	fprintf(stderr, "lsr: %s %s: %s\n", what, name, strerror((int)-err));
	exit(1);
}

static void *alloc(size_t len)
{
	void *p = malloc(len);

	if (!p)
		die("malloc", "", -ENOMEM);
	return p;
}

static bool is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* Directories that are still to be read, a stack. */
struct dir {
	struct dir	*next;
	char		path[];
};

static struct dir *dir_new(const char *parent, const char *name)
{
	size_t len = strlen(parent);
	struct dir *dir = alloc(sizeof(*dir) + len + strlen(name) + 2);

	memcpy(dir->path, parent, len);
	if (len && *name)
		dir->path[len++] = '/';
	strcpy(dir->path + len, name);
	dir->next = NULL;
	return dir;
}

static void dir_push(struct dir **stack, struct dir *dir)
{
	dir->next = *stack;
	*stack = dir;
}

static struct dir *dir_pop(struct dir **stack)
{
	struct dir *dir = *stack;

	if (dir)
		*stack = dir->next;
	return dir;
}

/* --- plain: one call after the other --------------------------------------- */

static void plain_dir(const char *path, char *buf, struct sum *sum,
		      void (*found)(void *arg, struct dir *dir), void *arg)
{
	int fd = open(path, DIR_FLAGS);
	struct stat st;
	long n, off;

	if (fd < 0)
		die("open", path, -errno);
	while ((n = syscall(SYS_getdents64, fd, buf, DENTS_SIZE)) > 0) {
		for (off = 0; off < n;) {
			struct linux_dirent64 *d = (void *)(buf + off);

			off += d->d_reclen;
			if (is_dot(d->d_name))
				continue;
			if (fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW))
				die("lstat", d->d_name, -errno);
			sum->entries++;
			sum->bytes += st.st_size;
			if (S_ISDIR(st.st_mode))
				found(arg, dir_new(path, d->d_name));
		}
	}
	if (n < 0)
		die("getdents64", path, -errno);
	close(fd);
}

static void plain_found(void *arg, struct dir *dir)
{
	dir_push(arg, dir);
}

static void walk_plain(const char *root, struct sum *sum)
{
	struct dir *todo = dir_new(root, ""), *dir;
	char *buf = alloc(DENTS_SIZE);

	while ((dir = dir_pop(&todo))) {
		plain_dir(dir->path, buf, sum, plain_found, &todo);
		free(dir);
	}
	free(buf);
}

/* --- pool: threads take directories, and do plain calls --------------------- */

struct pool {
	pthread_mutex_t	lock;
	pthread_cond_t	more;
	struct dir	*todo;
	unsigned int	busy;
	unsigned int	waiting;
	struct sum	sum;
};

static void pool_found(void *arg, struct dir *dir)
{
	struct pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	dir_push(&pool->todo, dir);
	if (pool->waiting)
		pthread_cond_signal(&pool->more);
	pthread_mutex_unlock(&pool->lock);
}

static void *pool_main(void *arg)
{
	struct pool *pool = arg;
	char *buf = alloc(DENTS_SIZE);
	struct dir *dir;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		struct sum sum = {};

		while (!pool->todo && pool->busy) {
			pool->waiting++;
			pthread_cond_wait(&pool->more, &pool->lock);
			pool->waiting--;
		}
		dir = dir_pop(&pool->todo);
		if (!dir)
			break;
		pool->busy++;
		pthread_mutex_unlock(&pool->lock);

		plain_dir(dir->path, buf, &sum, pool_found, pool);
		free(dir);

		pthread_mutex_lock(&pool->lock);
		pool->busy--;
		pool->sum.entries += sum.entries;
		pool->sum.bytes += sum.bytes;
		pool->sum.blocked++;
	}
	pthread_cond_broadcast(&pool->more);
	pthread_mutex_unlock(&pool->lock);
	free(buf);
	return NULL;
}

static void walk_pool(const char *root, unsigned int threads, struct sum *sum)
{
	struct pool pool = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.more = PTHREAD_COND_INITIALIZER,
		.todo = dir_new(root, ""),
	};
	pthread_t *t = alloc(threads * sizeof(*t));
	unsigned int i;

	for (i = 0; i < threads; i++) {
		int err = pthread_create(&t[i], NULL, pool_main, &pool);

		if (err)
			die("pthread_create", "", -err);
	}
	for (i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	*sum = pool.sum;
	free(t);
}

/* --- io_uring: lstat()s overlap; there is no getdents ----------------------- */

struct uring_op {
	struct uring_op	*next;
	struct statx	stx;
	char		name[256];
};

struct uring_walk {
	struct io_uring	ring;
	struct uring_op	*free;
	unsigned int	pending;
	struct dir	*todo;
	struct sum	*sum;
};

static void uring_reap(struct uring_walk *w, const char *path, unsigned int leave)
{
	struct io_uring_cqe *cqe;
	struct uring_op *op;
	int ret;

	while (w->pending > leave) {
		ret = io_uring_submit_and_wait(&w->ring, 1);
		if (ret < 0 && ret != -EINTR)
			die("io_uring_submit_and_wait", "", ret);
		while (!io_uring_peek_cqe(&w->ring, &cqe)) {
			op = io_uring_cqe_get_data(cqe);
			if (cqe->res < 0)
				die("statx", op->name, cqe->res);
			io_uring_cqe_seen(&w->ring, cqe);
			w->sum->entries++;
			w->sum->bytes += op->stx.stx_size;
			if (S_ISDIR(op->stx.stx_mode))
				dir_push(&w->todo, dir_new(path, op->name));
			op->next = w->free;
			w->free = op;
			w->pending--;
		}
	}
}

static void uring_dir(struct uring_walk *w, const char *path, char *buf)
{
	int fd = open(path, DIR_FLAGS);
	struct io_uring_sqe *sqe;
	struct uring_op *op;
	long n, off;

	if (fd < 0)
		die("open", path, -errno);
	while ((n = syscall(SYS_getdents64, fd, buf, DENTS_SIZE)) > 0) {
		for (off = 0; off < n;) {
			struct linux_dirent64 *d = (void *)(buf + off);

			off += d->d_reclen;
			if (is_dot(d->d_name))
				continue;
			while (!w->free)
				uring_reap(w, path, w->pending - 1);
			op = w->free;
			w->free = op->next;
			strcpy(op->name, d->d_name);
			sqe = io_uring_get_sqe(&w->ring);
			io_uring_prep_statx(sqe, fd, op->name, AT_SYMLINK_NOFOLLOW,
					    STATX_BASIC_STATS, &op->stx);
			io_uring_sqe_set_data(sqe, op);
			w->pending++;
			w->sum->blocked++;
		}
	}
	if (n < 0)
		die("getdents64", path, -errno);
	uring_reap(w, path, 0);
	close(fd);
}

static void walk_uring(const char *root, unsigned int depth, struct sum *sum)
{
	struct uring_op *ops = calloc(depth, sizeof(*ops));
	struct uring_walk w = { .todo = dir_new(root, ""), .sum = sum };
	unsigned int workers[2] = { depth, depth };
	char *buf = alloc(DENTS_SIZE);
	struct dir *dir;
	unsigned int i;
	int ret;

	ret = io_uring_queue_init(depth, &w.ring, 0);
	if (!ops || ret)
		die("io_uring_queue_init", "", ret ? ret : -ENOMEM);
	/* 4 for each CPU would be the default */
	io_uring_register_iowq_max_workers(&w.ring, workers);
	for (i = 0; i < depth; i++) {
		ops[i].next = w.free;
		w.free = &ops[i];
	}
	while ((dir = dir_pop(&w.todo))) {
		uring_dir(&w, dir->path, buf);
		free(dir);
	}
	io_uring_queue_exit(&w.ring);
	free(ops);
	free(buf);
}

/* --- syslet: every call goes on without us if it blocks --------------------- */

/*
 * A directory that is being read: open, getdents64 until it says 0.
 * Entries keep it until their lstat() is done, as they are relative to it.
 */
struct sdir {
	struct sop {
		enum { OP_OPEN, OP_DENTS, OP_LSTAT } type;
		struct sdir *sdir;
	}		op;
	struct dir	*dir;
	struct sdir	*next;
	int		fd;
	unsigned int	refs;
	char		buf[DENTS_SIZE];
};

struct sentry {
	struct sop	op;
	struct sentry	*next;
	struct sentry	*followers;
	uint64_t	group;
	struct stat	st;
	/* NAME_MAX, and what pads a directory entry */
	char		name[256 + 8];
};

/*
 * Inodes that a file system keeps in one block. While one of them is on its
 * way from the disk there is no use in blocking on the others as well: they
 * follow when it is there. Not so if nothing has blocked for a while.
 */
#define GROUP(ino)	((ino) / 16)
#define GROUPS		4096
#define A_WHILE		256

/* lstat()s that are enough for a batch. */
#define BATCH		64

struct syslet_walk {
	struct syslet_queue q;
	unsigned int	depth;
	struct sentry	*free;
	struct sentry	*ready;
	/* entries whose lstat() is not made yet; those of them in the next batch */
	unsigned int	held;
	unsigned int	prepared;
	/* counters of the queue when a call has blocked */
	uint64_t	blocked;
	uint64_t	calls;
	struct sentry	*coming[GROUPS];
	struct sdir	*sdirs;
	struct dir	*todo;
	struct sum	*sum;
};

static void sdir_put(struct syslet_walk *w, struct sdir *sdir)
{
	if (--sdir->refs)
		return;
	/* There is nothing to wait for in closing a directory. */
	close(sdir->fd);
	free(sdir->dir);
	sdir->next = w->sdirs;
	w->sdirs = sdir;
}

static struct sentry *sentry_new(struct syslet_walk *w, struct sdir *sdir,
				 const struct linux_dirent64 *d)
{
	struct sentry *e = w->free;

	if (e)
		w->free = e->next;
	else
		e = alloc(sizeof(*e));
	e->op.type = OP_LSTAT;
	e->op.sdir = sdir;
	e->group = GROUP(d->d_ino);
	e->followers = NULL;
	/* A pending call uses its name after we have gone on. */
	memcpy(e->name, d->d_name, d->d_reclen - offsetof(struct linux_dirent64, d_name));
	sdir->refs++;
	w->held++;
	return e;
}

static void sentry_push(struct syslet_walk *w, struct sentry *e)
{
	e->next = w->ready;
	w->ready = e;
}

/* There is room for the directories' calls as well. */
static bool sentry_has_room(const struct syslet_walk *w)
{
	return w->q.pending < w->depth + w->depth / 2;
}

static void sentry_prep(struct syslet_walk *w, struct sentry *e)
{
	syslet_prep_fstatat(&w->q, SYSLET_PTR(&e->op), e->op.sdir->fd, e->name,
			    &e->st, AT_SYMLINK_NOFOLLOW);
	w->prepared++;
}

/* For the next batch, or behind another one. */
static void sentry_add(struct syslet_walk *w, struct sentry *e)
{
	struct sentry **leader = &w->coming[e->group % GROUPS];

	if (w->q.calls - w->calls >= A_WHILE && sentry_has_room(w)) {
		sentry_prep(w, e);
		return;
	}
	if (*leader && (*leader)->group == e->group) {
		e->next = (*leader)->followers;
		(*leader)->followers = e;
		return;
	}
	if (!*leader)
		*leader = e;
	sentry_push(w, e);
}

static void sentry_prep_ready(struct syslet_walk *w)
{
	struct sentry *e;

	while ((e = w->ready) && sentry_has_room(w)) {
		w->ready = e->next;
		sentry_prep(w, e);
	}
}

static void sentry_done(struct syslet_walk *w, struct sentry *e, long ret)
{
	struct sentry **leader = &w->coming[e->group % GROUPS];
	struct sdir *sdir = e->op.sdir;
	struct sentry *f;

	if (ret < 0)
		die("lstat", e->name, ret);
	w->sum->entries++;
	w->sum->bytes += e->st.st_size;
	if (S_ISDIR(e->st.st_mode))
		dir_push(&w->todo, dir_new(sdir->dir->path, e->name));
	if (*leader == e)
		*leader = NULL;
	while ((f = e->followers)) {
		e->followers = f->next;
		sentry_push(w, f);
	}
	e->next = w->free;
	w->free = e;
	sdir_put(w, sdir);
}

static void sdir_entries(struct syslet_walk *w, struct sdir *sdir, long n)
{
	long off;

	for (off = 0; off < n;) {
		struct linux_dirent64 *d = (void *)(sdir->buf + off);

		off += d->d_reclen;
		if (!is_dot(d->d_name))
			sentry_add(w, sentry_new(w, sdir, d));
	}
}

/* The last call for a directory gave @ret: make the next ones. */
static void sdir_step(struct syslet_walk *w, struct sdir *sdir, long ret)
{
	for (;;) {
		if (ret < 0)
			die("directory", sdir->dir->path, ret);
		if (sdir->op.type == OP_OPEN) {
			sdir->fd = (int)ret;
			sdir->op.type = OP_DENTS;
		} else if (ret) {
			sdir_entries(w, sdir, ret);
		} else {
			sdir_put(w, sdir);
			return;
		}
		ret = syslet_getdents64(&w->q, SYSLET_PTR(&sdir->op), sdir->fd,
					sdir->buf, sizeof(sdir->buf));
		if (ret == -ESYSLETPENDING)
			return;
	}
}

static void sdir_start(struct syslet_walk *w, struct dir *dir)
{
	struct sdir *sdir = w->sdirs;
	long ret;

	if (sdir)
		w->sdirs = sdir->next;
	else
		sdir = alloc(sizeof(*sdir));
	sdir->op.type = OP_OPEN;
	sdir->op.sdir = sdir;
	sdir->dir = dir;
	sdir->refs = 1;
	ret = syslet_open(&w->q, SYSLET_PTR(&sdir->op), dir->path, DIR_FLAGS, 0);
	if (ret != -ESYSLETPENDING)
		sdir_step(w, sdir, ret);
}

/* Take what there is, at least one, and do what comes after it. */
static void syslet_reap(struct syslet_walk *w)
{
	struct syslet_completion c;
	struct sop *op;
	int ret;

	ret = syslet_wait_nr(&w->q, 1, NULL);
	if (ret == -EINTR)
		return;
	if (ret)
		die("syslet_wait_nr", "", ret);
	w->held -= w->prepared;
	w->prepared = 0;
	if (w->q.blocked != w->blocked) {
		w->blocked = w->q.blocked;
		w->calls = w->q.calls;
	}
	while (!syslet_peek(&w->q, &c)) {
		op = (void *)(uintptr_t)c.caller_data;
		if (op->type == OP_LSTAT)
			sentry_done(w, (struct sentry *)op, syslet_status(&c));
		else
			sdir_step(w, op->sdir, syslet_status(&c));
	}
}

static void syslet_free(struct syslet_walk *w)
{
	struct sentry *e;
	struct sdir *sdir;

	syslet_queue_exit(&w->q);
	while ((e = w->free)) {
		w->free = e->next;
		free(e);
	}
	while ((sdir = w->sdirs)) {
		w->sdirs = sdir->next;
		free(sdir);
	}
}

static bool has_batch(const struct syslet_walk *w)
{
	return w->held >= BATCH && (w->ready || w->prepared);
}

static void walk_syslet(const char *root, unsigned int depth, struct sum *sum)
{
	struct syslet_walk w = { .todo = dir_new(root, ""), .depth = depth, .sum = sum };
	int ret;

	ret = syslet_queue_init(&w.q, 2 * depth, 0);
	if (ret)
		die("syslet_queue_init", "", ret);
	while (w.todo || w.ready || w.q.pending) {
		/* Directories first, if the batch would be small. */
		if (w.todo && w.q.pending < depth && !has_batch(&w)) {
			sdir_start(&w, dir_pop(&w.todo));
			continue;
		}
		sentry_prep_ready(&w);
		syslet_reap(&w);
	}
	sum->blocked = w.q.blocked;
	syslet_free(&w);
}

/* ------------------------------------------------------------------------------ */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void usage(void)
{
	fprintf(stderr, "usage: lsr [-b plain|pool|io_uring|syslet] [-j N] [-l LABEL] "
		"DIRECTORY\n");
	exit(2);
}

int main(int argc, char **argv)
{
	const char *backend = "syslet", *label = "";
	unsigned int depth = 0;
	struct sum sum = {};
	uint64_t start;
	int c;

	while ((c = getopt(argc, argv, "b:j:l:")) != -1) {
		switch (c) {
		case 'b':
			backend = optarg;
			break;
		case 'j':
			depth = atoi(optarg);
			break;
		case 'l':
			label = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind != argc - 1)
		usage();

	start = now_ns();
	if (!strcmp(backend, "plain"))
		walk_plain(argv[optind], &sum);
	else if (!strcmp(backend, "pool"))
		walk_pool(argv[optind], depth ? depth : 32, &sum);
	else if (!strcmp(backend, "io_uring"))
		walk_uring(argv[optind], depth ? depth : 64, &sum);
	else if (!strcmp(backend, "syslet"))
		walk_syslet(argv[optind], depth ? depth : 256, &sum);
	else
		usage();
	printf("{\"backend\": \"%s\", \"cache\": \"%s\", \"ns\": %" PRIu64
	       ", \"entries\": %" PRIu64 ", \"bytes\": %" PRIu64
	       ", \"blocked\": %" PRIu64 "}\n",
	       backend, label, now_ns() - start, sum.entries, sum.bytes, sum.blocked);
	return 0;
}
