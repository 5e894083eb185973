/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Calls by name. For each SYSLET_DEFINE_(name, number, (parameters),
 * arguments) below there are
 *
 *	long syslet_name(struct syslet_queue *q, uint64_t data, parameters);
 *	int syslet_prep_name(struct syslet_queue *q, uint64_t data, parameters);
 *
 * that do what syslet_call() and syslet_prep() do. Parameters, results and
 * errors are those of the system call of that name, in its manual page; offsets
 * have 64 bits everywhere, times are syslet_timespec. What a pointer points to
 * has to stay until the call has its result.
 *
 * What a machine's ABI has no number for is not here, and neither are calls
 * whose structs the C library has in a form of its own; in 32-bit programs
 * these are stat() and its family: use syslet_statx().
 */
#ifndef LIBSYSLET_CALLS_H
#define LIBSYSLET_CALLS_H

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include <linux/futex.h>

#include "syslet.h"

#ifdef __cplusplus
extern "C" {
#endif

struct epoll_event;
struct file_handle;
struct futex_waitv;
struct mmsghdr;
struct open_how;
struct rusage;
struct sembuf;
struct statfs;
struct statx;

/* Parameters without their brackets; six arguments, zeros for those not given. */
#define SYSLET_BARE_(...)	__VA_ARGS__
#define SYSLET_SIX_(a, b, c, d, e, f, ...)				\
	(uint64_t)(a), (uint64_t)(b), (uint64_t)(c),			\
	(uint64_t)(d), (uint64_t)(e), (uint64_t)(f)
#define SYSLET_ARGS_(...)	SYSLET_SIX_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

#define SYSLET_DEFINE_(name, nr, params, ...)				\
SYSLET_INLINE long syslet_##name(struct syslet_queue *q, uint64_t data,	\
				 SYSLET_BARE_ params)			\
{									\
	return syslet_call(q, data, nr, SYSLET_ARGS_(__VA_ARGS__));	\
}									\
SYSLET_INLINE int syslet_prep_##name(struct syslet_queue *q,		\
				     uint64_t data, SYSLET_BARE_ params) \
{									\
	return syslet_prep(q, data, nr, SYSLET_ARGS_(__VA_ARGS__));	\
}

/*
 * An offset as arguments: one, or on 32-bit machines two, in the order of the
 * machine. Some want the first of the two to have an even place: there is an
 * empty one before it if it is the second or fourth argument (ODD).
 */
#define SYSLET_LOW_(x)	((uint64_t)(x) & 0xffffffff)
#define SYSLET_HIGH_(x)	((uint64_t)(x) >> 32)
#ifdef __LP64__
#define SYSLET_OFFSET_(x)	(x)
#define SYSLET_OFFSET_ODD_(x)	(x)
/* preadv() and its kin: low and high, everywhere */
#define SYSLET_LOW_HIGH_(x)	(x), 0
#else
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SYSLET_OFFSET_(x)	SYSLET_LOW_(x), SYSLET_HIGH_(x)
#else
#define SYSLET_OFFSET_(x)	SYSLET_HIGH_(x), SYSLET_LOW_(x)
#endif
#if defined(__arm__) || defined(__mips__) || defined(__powerpc__)
#define SYSLET_OFFSET_ODD_(x)	0, SYSLET_OFFSET_(x)
#else
#define SYSLET_OFFSET_ODD_(x)	SYSLET_OFFSET_(x)
#endif
#define SYSLET_LOW_HIGH_(x)	SYSLET_LOW_(x), SYSLET_HIGH_(x)
#endif

/* The number for 64-bit offsets, or for 64-bit seconds. */
#ifdef __LP64__
#define SYSLET_NR_64_(name)	SYS_##name
#define SYSLET_NR_TIME64_(name)	SYS_##name
#else
#define SYSLET_NR_64_(name)	SYS_##name##64
#define SYSLET_NR_TIME64_(name)	SYS_##name##_time64
#endif

/* Numbers that differ between machines in ways of their own. */
#ifdef SYS_futex_time64
#define SYSLET_NR_FUTEX_	SYS_futex_time64
#else
#define SYSLET_NR_FUTEX_	SYS_futex
#endif
#ifdef SYS_fcntl64
#define SYSLET_NR_FCNTL_	SYS_fcntl64
#else
#define SYSLET_NR_FCNTL_	SYS_fcntl
#endif
#ifdef SYS_fchown32
#define SYSLET_NR_FCHOWN_	SYS_fchown32
#else
#define SYSLET_NR_FCHOWN_	SYS_fchown
#endif
#ifdef __LP64__
#define SYSLET_NR_FADVISE_	SYS_fadvise64
#else
#define SYSLET_NR_FADVISE_	SYS_fadvise64_64
#endif
/* Younger than some headers; the same on all machines that are here. */
#define SYSLET_NR_OPENAT2_	437
#define SYSLET_NR_FACCESSAT2_	439
#define SYSLET_NR_FUTEX_WAITV_	449
#define SYSLET_NR_FCHMODAT2_	452

/* What headers hide from programs in strict ISO C. */
#define SYSLET_AT_FDCWD_	(-100)
#define SYSLET_AT_NOFOLLOW_	0x100
#define SYSLET_AT_REMOVEDIR_	0x200
#define SYSLET_CLOCK_REALTIME_	0
/* What the C library adds to the flags of open() for 64-bit offsets. */
#if defined(__LP64__)
#define SYSLET_O_LARGEFILE_	0
#elif defined(__arm__)
#define SYSLET_O_LARGEFILE_	0400000
#elif defined(__powerpc__)
#define SYSLET_O_LARGEFILE_	0200000
#elif defined(__mips__)
#define SYSLET_O_LARGEFILE_	020000
#else
#define SYSLET_O_LARGEFILE_	0100000
#endif
/* A path, as two arguments. */
#define SYSLET_AT_(path)	SYSLET_AT_FDCWD_, SYSLET_PTR(path)

/* --- reading and writing --------------------------------------------------- */

SYSLET_DEFINE_(read, SYS_read, (int fd, void *buf, size_t count),
	fd, SYSLET_PTR(buf), count)
SYSLET_DEFINE_(write, SYS_write, (int fd, const void *buf, size_t count),
	fd, SYSLET_PTR(buf), count)
SYSLET_DEFINE_(readv, SYS_readv, (int fd, const struct iovec *iov, int iovcnt),
	fd, SYSLET_PTR(iov), iovcnt)
SYSLET_DEFINE_(writev, SYS_writev, (int fd, const struct iovec *iov, int iovcnt),
	fd, SYSLET_PTR(iov), iovcnt)
SYSLET_DEFINE_(pread, SYS_pread64, (int fd, void *buf, size_t count, int64_t offset),
	fd, SYSLET_PTR(buf), count, SYSLET_OFFSET_ODD_(offset))
SYSLET_DEFINE_(pwrite, SYS_pwrite64,
	(int fd, const void *buf, size_t count, int64_t offset),
	fd, SYSLET_PTR(buf), count, SYSLET_OFFSET_ODD_(offset))
SYSLET_DEFINE_(preadv, SYS_preadv,
	(int fd, const struct iovec *iov, int iovcnt, int64_t offset),
	fd, SYSLET_PTR(iov), iovcnt, SYSLET_LOW_HIGH_(offset))
SYSLET_DEFINE_(pwritev, SYS_pwritev,
	(int fd, const struct iovec *iov, int iovcnt, int64_t offset),
	fd, SYSLET_PTR(iov), iovcnt, SYSLET_LOW_HIGH_(offset))
SYSLET_DEFINE_(preadv2, SYS_preadv2,
	(int fd, const struct iovec *iov, int iovcnt, int64_t offset, int flags),
	fd, SYSLET_PTR(iov), iovcnt, SYSLET_LOW_HIGH_(offset), flags)
SYSLET_DEFINE_(pwritev2, SYS_pwritev2,
	(int fd, const struct iovec *iov, int iovcnt, int64_t offset, int flags),
	fd, SYSLET_PTR(iov), iovcnt, SYSLET_LOW_HIGH_(offset), flags)
SYSLET_DEFINE_(splice, SYS_splice,
	(int fd_in, int64_t *off_in, int fd_out, int64_t *off_out, size_t len,
	 unsigned int flags),
	fd_in, SYSLET_PTR(off_in), fd_out, SYSLET_PTR(off_out), len, flags)
SYSLET_DEFINE_(tee, SYS_tee, (int fd_in, int fd_out, size_t len, unsigned int flags),
	fd_in, fd_out, len, flags)
SYSLET_DEFINE_(vmsplice, SYS_vmsplice,
	(int fd, const struct iovec *iov, size_t nr_segs, unsigned int flags),
	fd, SYSLET_PTR(iov), nr_segs, flags)
SYSLET_DEFINE_(sendfile, SYSLET_NR_64_(sendfile),
	(int out_fd, int in_fd, int64_t *offset, size_t count),
	out_fd, in_fd, SYSLET_PTR(offset), count)
SYSLET_DEFINE_(copy_file_range, SYS_copy_file_range,
	(int fd_in, int64_t *off_in, int fd_out, int64_t *off_out, size_t len,
	 unsigned int flags),
	fd_in, SYSLET_PTR(off_in), fd_out, SYSLET_PTR(off_out), len, flags)
SYSLET_DEFINE_(ioctl, SYS_ioctl, (int fd, unsigned long request, uint64_t arg),
	fd, request, arg)

/* --- files and directories ------------------------------------------------- */

SYSLET_DEFINE_(open, SYS_openat, (const char *path, int flags, mode_t mode),
	SYSLET_AT_(path), flags | SYSLET_O_LARGEFILE_, mode)
SYSLET_DEFINE_(openat, SYS_openat,
	(int dirfd, const char *path, int flags, mode_t mode),
	dirfd, SYSLET_PTR(path), flags | SYSLET_O_LARGEFILE_, mode)
SYSLET_DEFINE_(openat2, SYSLET_NR_OPENAT2_,
	(int dirfd, const char *path, const struct open_how *how, size_t size),
	dirfd, SYSLET_PTR(path), SYSLET_PTR(how), size)
SYSLET_DEFINE_(close, SYS_close, (int fd),
	fd)
/* Fills @buf with struct linux_dirent64; see getdents64(2). */
SYSLET_DEFINE_(getdents64, SYS_getdents64, (int fd, void *buf, size_t len),
	fd, SYSLET_PTR(buf), len)
SYSLET_DEFINE_(mkdir, SYS_mkdirat, (const char *path, mode_t mode),
	SYSLET_AT_(path), mode)
SYSLET_DEFINE_(mkdirat, SYS_mkdirat, (int dirfd, const char *path, mode_t mode),
	dirfd, SYSLET_PTR(path), mode)
SYSLET_DEFINE_(mknod, SYS_mknodat, (const char *path, mode_t mode, unsigned int dev),
	SYSLET_AT_(path), mode, dev)
SYSLET_DEFINE_(mknodat, SYS_mknodat,
	(int dirfd, const char *path, mode_t mode, unsigned int dev),
	dirfd, SYSLET_PTR(path), mode, dev)
SYSLET_DEFINE_(unlink, SYS_unlinkat, (const char *path),
	SYSLET_AT_(path), 0)
SYSLET_DEFINE_(rmdir, SYS_unlinkat, (const char *path),
	SYSLET_AT_(path), SYSLET_AT_REMOVEDIR_)
SYSLET_DEFINE_(unlinkat, SYS_unlinkat, (int dirfd, const char *path, int flags),
	dirfd, SYSLET_PTR(path), flags)
SYSLET_DEFINE_(rename, SYS_renameat2, (const char *oldpath, const char *newpath),
	SYSLET_AT_(oldpath), SYSLET_AT_(newpath), 0)
SYSLET_DEFINE_(renameat2, SYS_renameat2,
	(int olddirfd, const char *oldpath, int newdirfd, const char *newpath,
	 unsigned int flags),
	olddirfd, SYSLET_PTR(oldpath), newdirfd, SYSLET_PTR(newpath), flags)
SYSLET_DEFINE_(link, SYS_linkat, (const char *oldpath, const char *newpath),
	SYSLET_AT_(oldpath), SYSLET_AT_(newpath), 0)
SYSLET_DEFINE_(linkat, SYS_linkat,
	(int olddirfd, const char *oldpath, int newdirfd, const char *newpath,
	 int flags),
	olddirfd, SYSLET_PTR(oldpath), newdirfd, SYSLET_PTR(newpath), flags)
SYSLET_DEFINE_(symlink, SYS_symlinkat, (const char *target, const char *path),
	SYSLET_PTR(target), SYSLET_AT_(path))
SYSLET_DEFINE_(symlinkat, SYS_symlinkat,
	(const char *target, int dirfd, const char *path),
	SYSLET_PTR(target), dirfd, SYSLET_PTR(path))
SYSLET_DEFINE_(readlink, SYS_readlinkat, (const char *path, char *buf, size_t len),
	SYSLET_AT_(path), SYSLET_PTR(buf), len)
SYSLET_DEFINE_(readlinkat, SYS_readlinkat,
	(int dirfd, const char *path, char *buf, size_t len),
	dirfd, SYSLET_PTR(path), SYSLET_PTR(buf), len)
SYSLET_DEFINE_(name_to_handle_at, SYS_name_to_handle_at,
	(int dirfd, const char *path, struct file_handle *handle, int *mount_id,
	 int flags),
	dirfd, SYSLET_PTR(path), SYSLET_PTR(handle), SYSLET_PTR(mount_id), flags)
SYSLET_DEFINE_(open_by_handle_at, SYS_open_by_handle_at,
	(int mountfd, struct file_handle *handle, int flags),
	mountfd, SYSLET_PTR(handle), flags | SYSLET_O_LARGEFILE_)
SYSLET_DEFINE_(mount, SYS_mount,
	(const char *source, const char *target, const char *type,
	 unsigned long flags, const void *options),
	SYSLET_PTR(source), SYSLET_PTR(target), SYSLET_PTR(type), flags,
	SYSLET_PTR(options))
SYSLET_DEFINE_(umount2, SYS_umount2, (const char *target, int flags),
	SYSLET_PTR(target), flags)

/* --- metadata -------------------------------------------------------------- */

/* Where the kernel's struct stat is that of the C library. */
#if defined(__LP64__) && \
	(defined(__x86_64__) || defined(__aarch64__) || defined(__riscv))
SYSLET_DEFINE_(stat, SYS_newfstatat, (const char *path, struct stat *st),
	SYSLET_AT_(path), SYSLET_PTR(st), 0)
SYSLET_DEFINE_(lstat, SYS_newfstatat, (const char *path, struct stat *st),
	SYSLET_AT_(path), SYSLET_PTR(st), SYSLET_AT_NOFOLLOW_)
SYSLET_DEFINE_(fstat, SYS_fstat, (int fd, struct stat *st),
	fd, SYSLET_PTR(st))
SYSLET_DEFINE_(fstatat, SYS_newfstatat,
	(int dirfd, const char *path, struct stat *st, int flags),
	dirfd, SYSLET_PTR(path), SYSLET_PTR(st), flags)
#endif
SYSLET_DEFINE_(statx, SYS_statx,
	(int dirfd, const char *path, int flags, unsigned int mask,
	 struct statx *stx),
	dirfd, SYSLET_PTR(path), flags, mask, SYSLET_PTR(stx))
#ifdef __LP64__
SYSLET_DEFINE_(statfs, SYS_statfs, (const char *path, struct statfs *buf),
	SYSLET_PTR(path), SYSLET_PTR(buf))
SYSLET_DEFINE_(fstatfs, SYS_fstatfs, (int fd, struct statfs *buf),
	fd, SYSLET_PTR(buf))
#endif
SYSLET_DEFINE_(access, SYS_faccessat, (const char *path, int mode),
	SYSLET_AT_(path), mode)
SYSLET_DEFINE_(faccessat, SYSLET_NR_FACCESSAT2_,
	(int dirfd, const char *path, int mode, int flags),
	dirfd, SYSLET_PTR(path), mode, flags)
SYSLET_DEFINE_(chmod, SYS_fchmodat, (const char *path, mode_t mode),
	SYSLET_AT_(path), mode)
SYSLET_DEFINE_(fchmod, SYS_fchmod, (int fd, mode_t mode),
	fd, mode)
SYSLET_DEFINE_(fchmodat, SYSLET_NR_FCHMODAT2_,
	(int dirfd, const char *path, mode_t mode, unsigned int flags),
	dirfd, SYSLET_PTR(path), mode, flags)
SYSLET_DEFINE_(chown, SYS_fchownat, (const char *path, uid_t owner, gid_t group),
	SYSLET_AT_(path), owner, group, 0)
SYSLET_DEFINE_(lchown, SYS_fchownat, (const char *path, uid_t owner, gid_t group),
	SYSLET_AT_(path), owner, group, SYSLET_AT_NOFOLLOW_)
SYSLET_DEFINE_(fchown, SYSLET_NR_FCHOWN_, (int fd, uid_t owner, gid_t group),
	fd, owner, group)
SYSLET_DEFINE_(fchownat, SYS_fchownat,
	(int dirfd, const char *path, uid_t owner, gid_t group, int flags),
	dirfd, SYSLET_PTR(path), owner, group, flags)
SYSLET_DEFINE_(utimensat, SYSLET_NR_TIME64_(utimensat),
	(int dirfd, const char *path, const syslet_timespec *times, int flags),
	dirfd, SYSLET_PTR(path), SYSLET_PTR(times), flags)
SYSLET_DEFINE_(truncate, SYSLET_NR_64_(truncate), (const char *path, int64_t length),
	SYSLET_PTR(path), SYSLET_OFFSET_ODD_(length))
SYSLET_DEFINE_(ftruncate, SYSLET_NR_64_(ftruncate), (int fd, int64_t length),
	fd, SYSLET_OFFSET_ODD_(length))
SYSLET_DEFINE_(getxattr, SYS_getxattr,
	(const char *path, const char *name, void *value, size_t size),
	SYSLET_PTR(path), SYSLET_PTR(name), SYSLET_PTR(value), size)
SYSLET_DEFINE_(setxattr, SYS_setxattr,
	(const char *path, const char *name, const void *value, size_t size,
	 int flags),
	SYSLET_PTR(path), SYSLET_PTR(name), SYSLET_PTR(value), size, flags)
SYSLET_DEFINE_(listxattr, SYS_listxattr, (const char *path, char *list, size_t size),
	SYSLET_PTR(path), SYSLET_PTR(list), size)
SYSLET_DEFINE_(removexattr, SYS_removexattr, (const char *path, const char *name),
	SYSLET_PTR(path), SYSLET_PTR(name))
SYSLET_DEFINE_(lgetxattr, SYS_lgetxattr,
	(const char *path, const char *name, void *value, size_t size),
	SYSLET_PTR(path), SYSLET_PTR(name), SYSLET_PTR(value), size)
SYSLET_DEFINE_(lsetxattr, SYS_lsetxattr,
	(const char *path, const char *name, const void *value, size_t size,
	 int flags),
	SYSLET_PTR(path), SYSLET_PTR(name), SYSLET_PTR(value), size, flags)
SYSLET_DEFINE_(llistxattr, SYS_llistxattr,
	(const char *path, char *list, size_t size),
	SYSLET_PTR(path), SYSLET_PTR(list), size)
SYSLET_DEFINE_(lremovexattr, SYS_lremovexattr, (const char *path, const char *name),
	SYSLET_PTR(path), SYSLET_PTR(name))
SYSLET_DEFINE_(fgetxattr, SYS_fgetxattr,
	(int fd, const char *name, void *value, size_t size),
	fd, SYSLET_PTR(name), SYSLET_PTR(value), size)
SYSLET_DEFINE_(fsetxattr, SYS_fsetxattr,
	(int fd, const char *name, const void *value, size_t size, int flags),
	fd, SYSLET_PTR(name), SYSLET_PTR(value), size, flags)
SYSLET_DEFINE_(flistxattr, SYS_flistxattr, (int fd, char *list, size_t size),
	fd, SYSLET_PTR(list), size)
SYSLET_DEFINE_(fremovexattr, SYS_fremovexattr, (int fd, const char *name),
	fd, SYSLET_PTR(name))

/* --- storage --------------------------------------------------------------- */

SYSLET_INLINE long syslet_sync(struct syslet_queue *q, uint64_t data)
{
	return syslet_call(q, data, SYS_sync, 0, 0, 0, 0, 0, 0);
}

SYSLET_INLINE int syslet_prep_sync(struct syslet_queue *q, uint64_t data)
{
	return syslet_prep(q, data, SYS_sync, 0, 0, 0, 0, 0, 0);
}

SYSLET_DEFINE_(syncfs, SYS_syncfs, (int fd),
	fd)
SYSLET_DEFINE_(fsync, SYS_fsync, (int fd),
	fd)
SYSLET_DEFINE_(fdatasync, SYS_fdatasync, (int fd),
	fd)
#ifdef SYS_sync_file_range
SYSLET_DEFINE_(sync_file_range, SYS_sync_file_range,
	(int fd, int64_t offset, int64_t count, unsigned int flags),
	fd, SYSLET_OFFSET_ODD_(offset), SYSLET_OFFSET_(count), flags)
#elif defined(SYS_sync_file_range2)
SYSLET_DEFINE_(sync_file_range, SYS_sync_file_range2,
	(int fd, int64_t offset, int64_t count, unsigned int flags),
	fd, flags, SYSLET_OFFSET_(offset), SYSLET_OFFSET_(count))
#endif
SYSLET_DEFINE_(fallocate, SYS_fallocate,
	(int fd, int mode, int64_t offset, int64_t len),
	fd, mode, SYSLET_OFFSET_(offset), SYSLET_OFFSET_(len))
#if defined(__LP64__) || defined(__i386__)
SYSLET_DEFINE_(fadvise, SYSLET_NR_FADVISE_,
	(int fd, int64_t offset, int64_t len, int advice),
	fd, SYSLET_OFFSET_(offset), SYSLET_OFFSET_(len), advice)
#endif
SYSLET_DEFINE_(readahead, SYS_readahead, (int fd, int64_t offset, size_t count),
	fd, SYSLET_OFFSET_ODD_(offset), count)
SYSLET_DEFINE_(madvise, SYS_madvise, (void *addr, size_t len, int advice),
	SYSLET_PTR(addr), len, advice)
SYSLET_DEFINE_(msync, SYS_msync, (void *addr, size_t len, int flags),
	SYSLET_PTR(addr), len, flags)
SYSLET_DEFINE_(mlock, SYS_mlock, (const void *addr, size_t len),
	SYSLET_PTR(addr), len)

/* --- locks ----------------------------------------------------------------- */

SYSLET_DEFINE_(flock, SYS_flock, (int fd, int operation),
	fd, operation)
/*
 * @cmd: F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW ... The struct has 64-bit offsets:
 * struct flock, but in 32-bit programs without _FILE_OFFSET_BITS=64 one of our own
 * with the same fields.
 */
#if defined(__LP64__) || (defined(_FILE_OFFSET_BITS) && _FILE_OFFSET_BITS == 64)
typedef struct flock	syslet_file_lock;
#define SYSLET_LOCK_(cmd)	(cmd)
#else
typedef struct {
	short	l_type;
	short	l_whence;
	int64_t	l_start;
	int64_t	l_len;
	pid_t	l_pid;
} syslet_file_lock;
#define SYSLET_LOCK_(cmd)	((cmd) == F_GETLK ? F_GETLK64 :		\
				 (cmd) == F_SETLK ? F_SETLK64 :		\
				 (cmd) == F_SETLKW ? F_SETLKW64 : (cmd))
#endif
SYSLET_DEFINE_(fcntl_lock, SYSLET_NR_FCNTL_, (int fd, int cmd, syslet_file_lock *lock),
	fd, SYSLET_LOCK_(cmd), SYSLET_PTR(lock))
SYSLET_DEFINE_(fcntl, SYSLET_NR_FCNTL_, (int fd, int cmd, uint64_t arg),
	fd, cmd, arg)

/* --- sockets --------------------------------------------------------------- */

SYSLET_DEFINE_(socket, SYS_socket, (int domain, int type, int protocol),
	domain, type, protocol)
SYSLET_DEFINE_(bind, SYS_bind,
	(int fd, const struct sockaddr *addr, socklen_t addrlen),
	fd, SYSLET_PTR(addr), addrlen)
SYSLET_DEFINE_(listen, SYS_listen, (int fd, int backlog),
	fd, backlog)
SYSLET_DEFINE_(accept, SYS_accept4,
	(int fd, struct sockaddr *addr, socklen_t *addrlen),
	fd, SYSLET_PTR(addr), SYSLET_PTR(addrlen), 0)
SYSLET_DEFINE_(accept4, SYS_accept4,
	(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags),
	fd, SYSLET_PTR(addr), SYSLET_PTR(addrlen), flags)
SYSLET_DEFINE_(connect, SYS_connect,
	(int fd, const struct sockaddr *addr, socklen_t addrlen),
	fd, SYSLET_PTR(addr), addrlen)
SYSLET_DEFINE_(shutdown, SYS_shutdown, (int fd, int how),
	fd, how)
SYSLET_DEFINE_(send, SYS_sendto, (int fd, const void *buf, size_t len, int flags),
	fd, SYSLET_PTR(buf), len, flags, 0, 0)
SYSLET_DEFINE_(sendto, SYS_sendto,
	(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
	 socklen_t addrlen),
	fd, SYSLET_PTR(buf), len, flags, SYSLET_PTR(addr), addrlen)
SYSLET_DEFINE_(sendmsg, SYS_sendmsg, (int fd, const struct msghdr *msg, int flags),
	fd, SYSLET_PTR(msg), flags)
SYSLET_DEFINE_(sendmmsg, SYS_sendmmsg,
	(int fd, struct mmsghdr *msgs, unsigned int n, int flags),
	fd, SYSLET_PTR(msgs), n, flags)
SYSLET_DEFINE_(recv, SYS_recvfrom, (int fd, void *buf, size_t len, int flags),
	fd, SYSLET_PTR(buf), len, flags, 0, 0)
SYSLET_DEFINE_(recvfrom, SYS_recvfrom,
	(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
	 socklen_t *addrlen),
	fd, SYSLET_PTR(buf), len, flags, SYSLET_PTR(addr), SYSLET_PTR(addrlen))
SYSLET_DEFINE_(recvmsg, SYS_recvmsg, (int fd, struct msghdr *msg, int flags),
	fd, SYSLET_PTR(msg), flags)
SYSLET_DEFINE_(recvmmsg, SYSLET_NR_TIME64_(recvmmsg),
	(int fd, struct mmsghdr *msgs, unsigned int n, int flags,
	 syslet_timespec *timeout),
	fd, SYSLET_PTR(msgs), n, flags, SYSLET_PTR(timeout))

/* --- waiting for something ------------------------------------------------- */

#ifdef SYS_poll
SYSLET_DEFINE_(poll, SYS_poll, (struct pollfd *fds, nfds_t nfds, int timeout),
	SYSLET_PTR(fds), nfds, timeout)
#endif
/* Without a signal mask. The kernel may write what is left to @timeout. */
SYSLET_DEFINE_(ppoll, SYSLET_NR_TIME64_(ppoll),
	(struct pollfd *fds, nfds_t nfds, syslet_timespec *timeout),
	SYSLET_PTR(fds), nfds, SYSLET_PTR(timeout), 0, 0)
SYSLET_DEFINE_(epoll_wait, SYS_epoll_pwait,
	(int epfd, struct epoll_event *events, int maxevents, int timeout),
	epfd, SYSLET_PTR(events), maxevents, timeout, 0, 0)
/* @flags: FUTEX_PRIVATE_FLAG or 0 */
SYSLET_DEFINE_(futex_wait, SYSLET_NR_FUTEX_,
	(uint32_t *word, uint32_t val, int flags, const syslet_timespec *timeout),
	SYSLET_PTR(word), FUTEX_WAIT | flags, val, SYSLET_PTR(timeout), 0, 0)
SYSLET_DEFINE_(futex_wake, SYSLET_NR_FUTEX_,
	(uint32_t *word, uint32_t nr_wake, int flags),
	SYSLET_PTR(word), FUTEX_WAKE | flags, nr_wake)
/* @clock: CLOCK_MONOTONIC or CLOCK_REALTIME, of @deadline */
SYSLET_DEFINE_(futex_waitv, SYSLET_NR_FUTEX_WAITV_,
	(struct futex_waitv *words, unsigned int nr, unsigned int flags,
	 const syslet_timespec *deadline, int clock),
	SYSLET_PTR(words), nr, flags, SYSLET_PTR(deadline), clock)
SYSLET_DEFINE_(clock_nanosleep, SYSLET_NR_TIME64_(clock_nanosleep),
	(int clock, int flags, const syslet_timespec *ts),
	clock, flags, SYSLET_PTR(ts), 0)
SYSLET_DEFINE_(nanosleep, SYSLET_NR_TIME64_(clock_nanosleep),
	(const syslet_timespec *ts),
	SYSLET_CLOCK_REALTIME_, 0, SYSLET_PTR(ts), 0)
/* @idtype: P_PID ...; @info: a siginfo_t */
SYSLET_DEFINE_(waitid, SYS_waitid, (int idtype, unsigned int id, void *info, int options),
	idtype, id, SYSLET_PTR(info), options, 0)
#ifdef __LP64__
SYSLET_DEFINE_(wait4, SYS_wait4,
	(pid_t pid, int *status, int options, struct rusage *usage),
	pid, SYSLET_PTR(status), options, SYSLET_PTR(usage))
#endif
SYSLET_DEFINE_(getrandom, SYS_getrandom, (void *buf, size_t len, unsigned int flags),
	SYSLET_PTR(buf), len, flags)

/* --- messages and semaphores ----------------------------------------------- */

SYSLET_DEFINE_(mq_send, SYSLET_NR_TIME64_(mq_timedsend),
	(int mq, const char *msg, size_t len, unsigned int prio,
	 const syslet_timespec *deadline),
	mq, SYSLET_PTR(msg), len, prio, SYSLET_PTR(deadline))
SYSLET_DEFINE_(mq_receive, SYSLET_NR_TIME64_(mq_timedreceive),
	(int mq, char *msg, size_t len, unsigned int *prio,
	 const syslet_timespec *deadline),
	mq, SYSLET_PTR(msg), len, SYSLET_PTR(prio), SYSLET_PTR(deadline))
#ifdef SYS_msgsnd
SYSLET_DEFINE_(msgsnd, SYS_msgsnd, (int id, const void *msg, size_t len, int flags),
	id, SYSLET_PTR(msg), len, flags)
SYSLET_DEFINE_(msgrcv, SYS_msgrcv,
	(int id, void *msg, size_t len, long type, int flags),
	id, SYSLET_PTR(msg), len, type, flags)
#endif
SYSLET_DEFINE_(semtimedop, SYSLET_NR_TIME64_(semtimedop),
	(int id, struct sembuf *ops, size_t nr_ops, const syslet_timespec *timeout),
	id, SYSLET_PTR(ops), nr_ops, SYSLET_PTR(timeout))

#ifdef __cplusplus
}
#endif

#endif /* LIBSYSLET_CALLS_H */
