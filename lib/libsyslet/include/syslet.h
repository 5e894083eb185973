/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libsyslet: any system call, asynchronous if it blocks.
 *
 * A call is made at once, by the calling thread. If it does not block its
 * result is returned as from the system call itself, but with errors as
 * -errno. If it does, -ESYSLETPENDING is returned, and its result comes as a
 * completion with the caller's data.
 *
 *	struct syslet_queue q;
 *	struct syslet_completion c;
 *	long ret;
 *
 *	if (syslet_queue_init(&q, 64, 0) < 0)
 *		...
 *	ret = syslet_pread(&q, 42, fd, buf, sizeof(buf), 0);
 *	if (ret == -ESYSLETPENDING) {
 *		...do something else...
 *		syslet_wait(&q, &c, NULL);	c.caller_data is 42
 *		ret = syslet_status(&c);
 *	}
 *	syslet_queue_exit(&q);
 *
 * Memory that a pending call uses (buffers, names, the queue itself) has to
 * stay until its completion was taken.
 *
 * Threads: a queue may be used by one thread at a time; any number of threads
 * may have queues. Signals: nothing here may be called from a signal handler.
 * fork: a child must not use the queues of its parent.
 *
 * Kernels without syslets: the calls run on threads of the library instead,
 * with the same results through the same functions. syslet_is_async() tells.
 */
#ifndef LIBSYSLET_H
#define LIBSYSLET_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include <linux/indirect.h>
#include <linux/syslet.h>

#ifdef __cplusplus
extern "C" {
#endif

struct syslet_threads;
struct statx;

/**
 * struct syslet_queue - where calls are made and completions are taken
 *
 * Its fields are for the inline functions below only, but for the counters:
 * @calls: calls made
 * @pending: calls whose completion has not been taken
 * @blocked: calls that returned -ESYSLETPENDING so far
 * @on_threads: those of them that ran on a thread of the library
 */
struct syslet_queue {
	struct syslet_ring	*ring;
	struct syslet_threads	*threads;
	unsigned int		flags;
	unsigned int		entries;
	unsigned int		pending;
	unsigned int		threads_pending;
	uint64_t		calls;
	uint64_t		blocked;
	uint64_t		on_threads;
};

/* syslet_queue_init(): use threads even if the kernel has syslets. */
#define SYSLET_QUEUE_THREADS	(1U << 0)

/*
 * 1 if the kernel makes calls of this thread asynchronous; 0 if the library
 * would use threads.
 */
int syslet_probe(void);

/*
 * A queue for at most @entries pending calls (1 to 2^20; rounded up to a power
 * of two). 0, -EINVAL or -ENOMEM.
 */
int syslet_queue_init(struct syslet_queue *q, unsigned int entries, unsigned int flags);

/*
 * Waits for pending calls, which are lost otherwise, and frees what the queue
 * has allocated.
 */
void syslet_queue_exit(struct syslet_queue *q);

/* Does the kernel make the calls of this queue asynchronous? */
static inline bool syslet_is_async(const struct syslet_queue *q)
{
	return !(q->flags & SYSLET_QUEUE_THREADS);
}

/*
 * Any system call. Its result, or -ESYSLETPENDING; -EBUSY if the queue has as
 * many pending calls as it has entries: take completions first.
 */
long syslet_call(struct syslet_queue *q, uint64_t data, long nr,
		 uint64_t a0, uint64_t a1, uint64_t a2,
		 uint64_t a3, uint64_t a4, uint64_t a5);

/* Take a completion if there is one: 0 or -EAGAIN. */
int syslet_peek(struct syslet_queue *q, struct syslet_completion *c);

/*
 * Take a completion; wait for it, @timeout at most (relative, NULL: without a
 * limit). 0, -ETIME, -EINTR, or -ENOENT if no call is pending.
 */
int syslet_wait(struct syslet_queue *q, struct syslet_completion *c,
		const struct timespec *timeout);

/* Result of the call that a completion is for. */
static inline long syslet_status(const struct syslet_completion *c)
{
	return (long)c->status;
}

/* --- calls by name: as their system calls, and the data for a completion --- */

#define SYSLET_PTR(p)	((uint64_t)(uintptr_t)(p))

static inline long syslet_read(struct syslet_queue *q, uint64_t data,
			       int fd, void *buf, size_t count)
{
	return syslet_call(q, data, SYS_read, fd, SYSLET_PTR(buf), count, 0, 0, 0);
}

static inline long syslet_write(struct syslet_queue *q, uint64_t data,
				int fd, const void *buf, size_t count)
{
	return syslet_call(q, data, SYS_write, fd, SYSLET_PTR(buf), count, 0, 0, 0);
}

static inline long syslet_readv(struct syslet_queue *q, uint64_t data,
				int fd, const struct iovec *iov, int iovcnt)
{
	return syslet_call(q, data, SYS_readv, fd, SYSLET_PTR(iov), iovcnt, 0, 0, 0);
}

static inline long syslet_writev(struct syslet_queue *q, uint64_t data,
				 int fd, const struct iovec *iov, int iovcnt)
{
	return syslet_call(q, data, SYS_writev, fd, SYSLET_PTR(iov), iovcnt, 0, 0, 0);
}

#ifdef __x86_64__
static inline long syslet_pread(struct syslet_queue *q, uint64_t data,
				int fd, void *buf, size_t count, off_t offset)
{
	return syslet_call(q, data, SYS_pread64, fd, SYSLET_PTR(buf), count, offset, 0, 0);
}

static inline long syslet_pwrite(struct syslet_queue *q, uint64_t data,
				 int fd, const void *buf, size_t count, off_t offset)
{
	return syslet_call(q, data, SYS_pwrite64, fd, SYSLET_PTR(buf), count, offset, 0, 0);
}

/* The kernel's struct stat is that of the C library. */
static inline long syslet_fstatat(struct syslet_queue *q, uint64_t data, int dirfd,
				  const char *path, struct stat *st, int flags)
{
	return syslet_call(q, data, SYS_newfstatat, dirfd, SYSLET_PTR(path),
			   SYSLET_PTR(st), flags, 0, 0);
}

static inline long syslet_lstat(struct syslet_queue *q, uint64_t data,
				const char *path, struct stat *st)
{
	return syslet_fstatat(q, data, AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

static inline long syslet_stat(struct syslet_queue *q, uint64_t data,
			       const char *path, struct stat *st)
{
	return syslet_fstatat(q, data, AT_FDCWD, path, st, 0);
}
#endif

static inline long syslet_statx(struct syslet_queue *q, uint64_t data, int dirfd,
				const char *path, int flags, unsigned int mask,
				struct statx *stx)
{
	return syslet_call(q, data, SYS_statx, dirfd, SYSLET_PTR(path), flags, mask,
			   SYSLET_PTR(stx), 0);
}

static inline long syslet_openat(struct syslet_queue *q, uint64_t data, int dirfd,
				 const char *path, int flags, mode_t mode)
{
	return syslet_call(q, data, SYS_openat, dirfd, SYSLET_PTR(path), flags, mode, 0, 0);
}

static inline long syslet_close(struct syslet_queue *q, uint64_t data, int fd)
{
	return syslet_call(q, data, SYS_close, fd, 0, 0, 0, 0, 0);
}

/* Fills @buf with struct linux_dirent64; see getdents64(2). */
static inline long syslet_getdents64(struct syslet_queue *q, uint64_t data,
				     int fd, void *buf, size_t len)
{
	return syslet_call(q, data, SYS_getdents64, fd, SYSLET_PTR(buf), len, 0, 0, 0);
}

static inline long syslet_fsync(struct syslet_queue *q, uint64_t data, int fd)
{
	return syslet_call(q, data, SYS_fsync, fd, 0, 0, 0, 0, 0);
}

static inline long syslet_fdatasync(struct syslet_queue *q, uint64_t data, int fd)
{
	return syslet_call(q, data, SYS_fdatasync, fd, 0, 0, 0, 0, 0);
}

static inline long syslet_unlinkat(struct syslet_queue *q, uint64_t data,
				   int dirfd, const char *path, int flags)
{
	return syslet_call(q, data, SYS_unlinkat, dirfd, SYSLET_PTR(path), flags, 0, 0, 0);
}

static inline long syslet_renameat2(struct syslet_queue *q, uint64_t data,
				    int olddirfd, const char *oldpath,
				    int newdirfd, const char *newpath,
				    unsigned int flags)
{
	return syslet_call(q, data, SYS_renameat2, olddirfd, SYSLET_PTR(oldpath),
			   newdirfd, SYSLET_PTR(newpath), flags, 0);
}

static inline long syslet_mkdirat(struct syslet_queue *q, uint64_t data,
				  int dirfd, const char *path, mode_t mode)
{
	return syslet_call(q, data, SYS_mkdirat, dirfd, SYSLET_PTR(path), mode, 0, 0, 0);
}

static inline long syslet_readlinkat(struct syslet_queue *q, uint64_t data, int dirfd,
				     const char *path, char *buf, size_t len)
{
	return syslet_call(q, data, SYS_readlinkat, dirfd, SYSLET_PTR(path),
			   SYSLET_PTR(buf), len, 0, 0);
}

#ifdef SYS_accept4
static inline long syslet_accept4(struct syslet_queue *q, uint64_t data, int fd,
				  struct sockaddr *addr, socklen_t *addrlen, int flags)
{
	return syslet_call(q, data, SYS_accept4, fd, SYSLET_PTR(addr),
			   SYSLET_PTR(addrlen), flags, 0, 0);
}

static inline long syslet_connect(struct syslet_queue *q, uint64_t data, int fd,
				  const struct sockaddr *addr, socklen_t addrlen)
{
	return syslet_call(q, data, SYS_connect, fd, SYSLET_PTR(addr), addrlen, 0, 0, 0);
}

static inline long syslet_recvmsg(struct syslet_queue *q, uint64_t data,
				  int fd, struct msghdr *msg, int flags)
{
	return syslet_call(q, data, SYS_recvmsg, fd, SYSLET_PTR(msg), flags, 0, 0, 0);
}

static inline long syslet_sendmsg(struct syslet_queue *q, uint64_t data,
				  int fd, const struct msghdr *msg, int flags)
{
	return syslet_call(q, data, SYS_sendmsg, fd, SYSLET_PTR(msg), flags, 0, 0, 0);
}
#endif

#ifdef SYS_poll
static inline long syslet_poll(struct syslet_queue *q, uint64_t data,
			       struct pollfd *fds, nfds_t nfds, int timeout)
{
	return syslet_call(q, data, SYS_poll, SYSLET_PTR(fds), nfds, (uint64_t)timeout, 0, 0, 0);
}
#endif

#ifdef __x86_64__
static inline long syslet_nanosleep(struct syslet_queue *q, uint64_t data,
				    const struct timespec *ts)
{
	return syslet_call(q, data, SYS_nanosleep, SYSLET_PTR(ts), 0, 0, 0, 0, 0);
}
#endif

#ifdef __cplusplus
}
#endif

#endif /* LIBSYSLET_H */
