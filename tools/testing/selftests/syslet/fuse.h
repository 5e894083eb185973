/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file on a FUSE file system whose server, a child process, withholds an
 * answer until the test wants it to be given.
 */
#ifndef __SYSLET_FUSE_H
#define __SYSLET_FUSE_H

#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/uio.h>

#include "peer.h"

#define FUSE_PAGE	4096
#define FUSE_PAGES	20

struct fuse_file {
	struct kid	server;
	int		fd;
	/* Shared with the server. */
	struct fuse_data {
		/* A read of this page is not answered; none if negative. */
		atomic_int	withheld;
		char		page[FUSE_PAGES][FUSE_PAGE];
	} *data;
};

struct fuse_request {
	struct fuse_in_header in;
	union {
		struct fuse_read_in read;
		struct fuse_write_in write;
		char data[1 << 16];
	};
};

static inline void fuse_reply(int dev, uint64_t unique, int err, const void *data, size_t len)
{
	struct fuse_out_header out = {
		.len = sizeof(out) + len, .error = -err, .unique = unique,
	};
	struct iovec iov[2] = { { &out, sizeof(out) }, { (void *)data, len } };

	/* who asked may have gone away */
	KID_CHECK(writev(dev, iov, 2) == out.len || errno == ENOENT);
}

static inline void fuse_reply_attr(int dev, uint64_t unique)
{
	struct fuse_attr_out out = {
		.attr_valid = 3600,
		.attr = { .ino = FUSE_ROOT_ID, .size = FUSE_PAGES * FUSE_PAGE,
			  .mode = S_IFREG | 0600, .nlink = 1, .blksize = FUSE_PAGE },
	};

	fuse_reply(dev, unique, 0, &out, sizeof(out));
}

static inline void fuse_reply_read(int dev, uint64_t unique, const struct fuse_read_in *read,
				   const struct fuse_data *d)
{
	size_t len = read->size, size = sizeof(d->page);

	if (read->offset >= size)
		len = 0;
	else if (len > size - read->offset)
		len = size - read->offset;
	fuse_reply(dev, unique, 0, d->page[0] + read->offset, len);
}

/* Without readahead (max_readahead): a read is for one page. */
static inline void fuse_reply_init(int dev, uint64_t unique)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
		.max_background = 16, .congestion_threshold = 12,
		.max_write = 8 * FUSE_PAGE, .time_gran = 1,
	};

	fuse_reply(dev, unique, 0, &out, sizeof(out));
}

/* Answers one request; true if it was withheld. */
static inline bool fuse_serve_one(int dev, struct fuse_request *req, struct fuse_data *d)
{
	uint64_t unique;

	if (read(dev, req, sizeof(*req)) < (ssize_t)sizeof(req->in)) {
		KID_CHECK(errno == EINTR || errno == EAGAIN || errno == ENOENT ||
			  errno == ENODEV);
		if (errno == ENODEV)
			_exit(0);
		return false;
	}
	unique = req->in.unique;
	switch (req->in.opcode) {
	case FUSE_INIT:
		fuse_reply_init(dev, unique);
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		fuse_reply_attr(dev, unique);
		break;
	case FUSE_OPEN:
		fuse_reply(dev, unique, 0, &(struct fuse_open_out){ },
			   sizeof(struct fuse_open_out));
		break;
	case FUSE_READ:
		if (d->withheld >= 0 && req->read.offset / FUSE_PAGE == (uint64_t)d->withheld)
			return true;
		fuse_reply_read(dev, unique, &req->read, d);
		break;
	case FUSE_WRITE:
		KID_CHECK(req->write.offset + req->write.size <= sizeof(d->page));
		memcpy(d->page[0] + req->write.offset, &req->write + 1, req->write.size);
		fuse_reply(dev, unique, 0, &(struct fuse_write_out){ .size = req->write.size },
			   sizeof(struct fuse_write_out));
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_FSYNC:
		fuse_reply(dev, unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		fuse_reply(dev, unique, ENOSYS, NULL, 0);
	}
	return false;
}

/* Tells its parent of a read that it withholds, and is told to answer it. */
static inline void fuse_serve(int dev, struct kid *k, struct fuse_data *d)
{
	static struct fuse_request req;
	struct pollfd fds[2] = {
		{ .fd = dev, .events = POLLIN }, { .fd = k->from, .events = POLLIN },
	};
	struct fuse_read_in held;
	uint64_t unique = 0;

	for (;;) {
		KID_CHECK(poll(fds, 2, -1) > 0 || errno == EINTR);
		if (fds[1].revents) {
			if (!kid_hear(k))
				_exit(0);
			if (unique)
				fuse_reply_read(dev, unique, &held, d);
			unique = 0;
		}
		if (fds[0].revents && fuse_serve_one(dev, &req, d)) {
			unique = req.in.unique;
			held = req.read;
			KID_CHECK(kid_tell(k));
		}
	}
}

/* The root of the file system is a file, so no names have to be looked up. */
static inline bool fuse_open(struct fuse_file *f)
{
	char name[64], opts[128];
	struct stat st;
	int dev;

	f->data = mmap(NULL, sizeof(*f->data), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	snprintf(name, sizeof(name), "/tmp/fuse.%d", getpid());
	if (f->data == MAP_FAILED || close(open(name, O_CREAT | O_EXCL, 0600)))
		return false;
	f->data->withheld = -1;
	if (!kid_fork(&f->server)) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
		snprintf(opts, sizeof(opts), "fd=%d,rootmode=100600,user_id=0,group_id=0", dev);
		KID_CHECK(dev >= 0 && !mount("fuse", name, "fuse", 0, opts));
		KID_CHECK(kid_tell(&f->server));
		fuse_serve(dev, &f->server, f->data);
	}
	if (f->server.pid < 0 || !kid_hear(&f->server))
		return false;
	f->fd = open(name, O_RDWR | O_CLOEXEC);
	umount2(name, MNT_DETACH);
	unlink(name);
	/* its size is not known before */
	return f->fd >= 0 && !fstat(f->fd, &st) && st.st_size == FUSE_PAGES * FUSE_PAGE;
}

static inline bool have_fuse(void)
{
	return !access("/dev/fuse", F_OK);
}

#endif /* __SYSLET_FUSE_H */
