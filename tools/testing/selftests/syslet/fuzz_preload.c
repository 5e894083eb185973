// SPDX-License-Identifier: GPL-2.0-only
/*
 * Make every program a syslet program: LD_PRELOAD=fuzz_preload.so sends the
 * system calls that it makes through the C library's functions below, and
 * through syscall(3), by way of indirect(2).
 *
 * A call that is pending is waited for, as nobody else could make use of its
 * result; with SYSLET_PRELOAD=leave it is waited for for a moment, and then left
 * to itself: the program is told EINPROGRESS. That is for fuzzers, which do not
 * care.
 *
 * SYSLET_COUNTS names a file where struct counts is kept.
 *
 * The functions are declared with six longs, as registers are all the same to
 * system calls, and have names of their own until they are linked, as headers
 * declare them differently.
 */
#include <asm/unistd.h>
#include <errno.h>
#include <linux/indirect.h>
#include <linux/time_types.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define O_RDWR			2
#define PROT_RW			3
#define MAP_SHARED		1
#define MAP_PRIVATE_ANONYMOUS	0x22
#define MADV_WIPEONFORK		18
#define SLOTS			64
#define LEAVE_NS		2000000

struct counts {
	unsigned long calls, pending, left, cancelled;
};

/* A call that is pending, told by caller_data. */
struct slot {
	uint64_t	data;		/* 0: free */
	long		status;
	bool		done;
};

/*
 * Of a thread. Zeros after fork(): the calls of the parent are not those of
 * the child.
 */
struct state {
	struct slot		slot[SLOTS];
	uint64_t		serial;
	struct syslet_ring	ring;
	struct syslet_completion comp[SLOTS];
};

/* Calls that would be refused are made plainly. */
enum { REFUSE = 1 };
#define SYNC		0
#define BOUND		0
#define ASYNC		0
#define BY_SIGMASK3	0
#define BY_SIGMASK4	0
#define BY_SIGMASK5	0
#define BY_FUTEX_OP	0
#define BY_WAIT2	0
#define BY_WAIT3	0
#define BY_CLOCK	0
#define BY_URING	0
#define SYSLET_CALL(nr, name, class)	[nr] = class,
static const unsigned char plainly[512] = {
#include "syslet_class_64.h"
};

static __thread struct state *state;
static struct counts no_counts, *counts = &no_counts;
static pthread_key_t key;
static bool leave, have_key;

static long raw(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = f;
	long ret;

	asm volatile("syscall" : "=a" (ret)
		     : "a" (nr), "D" (a), "S" (b), "d" (c), "r" (r10), "r" (r8), "r" (r9)
		     : "rcx", "r11", "memory");
	return ret;
}

static void __attribute__((noreturn)) fail(const char *what)
{
	static const char head[] = "fuzz_preload: ";

	raw(__NR_write, 2, (long)head, sizeof(head) - 1, 0, 0, 0);
	raw(__NR_write, 2, (long)what, strlen(what), 0, 0, 0);
	raw(__NR_write, 2, (long)"\n", 1, 0, 0, 0);
	abort();
}

static void count(unsigned long *what)
{
	__atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

/* --- completions ----------------------------------------------------------------- */

/* A signal handler may take them as well, in the middle of this. */
static void note(struct state *s, const struct syslet_completion *comp)
{
	struct slot *slot = &s->slot[comp->caller_data % SLOTS];

	if (slot->data == comp->caller_data && !slot->done) {
		slot->status = comp->status;
		slot->done = true;
		return;
	}
	if (!leave)
		fail("a completion of a call that is not under way");
}

static void take_completions(struct state *s)
{
	struct syslet_ring *ring = &s->ring;
	struct syslet_completion comp;
	uint32_t tail;

	for (;;) {
		tail = __atomic_load_n(&ring->user_tail, __ATOMIC_RELAXED);
		if (__atomic_load_n(&ring->kernel_head, __ATOMIC_ACQUIRE) == tail)
			return;
		comp = s->comp[tail % SLOTS];
		/* whoever moves the tail has it */
		if (__atomic_compare_exchange_n(&ring->user_tail, &tail, tail + 1, false,
						__ATOMIC_RELEASE, __ATOMIC_RELAXED))
			note(s, &comp);
	}
}

static struct slot *slot_alloc(struct state *s)
{
	for (int i = 0; i < SLOTS; i++) {
		struct slot *slot = &s->slot[i];
		uint64_t free = 0, data;

		/* what was left, and is over */
		if (leave && slot->data && slot->done) {
			slot->done = false;
			slot->data = 0;
		}
		data = ++s->serial * SLOTS + i;
		if (__atomic_compare_exchange_n(&slot->data, &free, data, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			slot->done = false;
			return slot;
		}
	}
	return NULL;
}

static long slot_free(struct slot *slot, long ret)
{
	slot->done = false;
	slot->data = 0;
	return ret;
}

/* --- calls ------------------------------------------------------------------------- */

static long ring_wait(struct state *s, const struct __kernel_timespec *timeout)
{
	return raw(__NR_syslet_ring_wait, (long)&s->ring, s->ring.user_tail, 1,
		   (long)timeout, 0, 0);
}

static void cancel(struct state *s, struct slot *slot)
{
	count(&counts->cancelled);
	raw(__NR_syslet_cancel, (long)&s->ring, slot->data, 0, 0, 0, 0);
}

/* A handler has run: as if it had interrupted the call. */
static long wait_for(struct state *s, struct slot *slot)
{
	long ret;

	for (;;) {
		take_completions(s);
		if (slot->done)
			break;
		ret = ring_wait(s, NULL);
		if (ret == -EINTR)
			cancel(s, slot);
		else if (ret)
			fail("syslet_ring_wait failed");
	}
	ret = slot->status;
	return slot_free(slot, ret == -ECANCELED ? -EINTR : ret);
}

static long wait_and_leave(struct state *s, struct slot *slot)
{
	struct __kernel_timespec ts = { .tv_nsec = slot->data % 3 ? 0 : LEAVE_NS };

	take_completions(s);
	if (!slot->done)
		ring_wait(s, &ts);
	take_completions(s);
	if (slot->done)
		return slot_free(slot, slot->status);
	if (!(slot->data % 5))
		cancel(s, slot);
	count(&counts->left);
	return -EINPROGRESS;
}

static struct state *state_get(void)
{
	struct state *s = state;
	long ret;

	if (!s) {
		ret = raw(__NR_mmap, 0, sizeof(*s), PROT_RW, MAP_PRIVATE_ANONYMOUS, -1, 0);
		if (ret < 0 && ret > -4096)
			return NULL;
		raw(__NR_madvise, ret, sizeof(*s), MADV_WIPEONFORK, 0, 0, 0);
		s = state = (struct state *)ret;
		if (have_key)
			pthread_setspecific(key, s);
	}
	s->ring.elements = SLOTS;
	return s;
}

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	struct indirect_registers regs = { .nr = nr, .args = { a, b, c, d, e, f } };
	struct indirect_params params = { .syslet.flags = SYSLET_SYNC_OK };
	struct state *s = NULL;
	struct slot *slot = NULL;
	long ret;

	if (nr >= 0 && nr < sizeof(plainly) && !plainly[nr])
		s = state_get();
	if (s)
		slot = slot_alloc(s);
	if (!slot)
		return raw(nr, a, b, c, d, e, f);
	params.syslet.completion_ring_ptr = (uintptr_t)&s->ring;
	params.syslet.caller_data = slot->data;
	count(&counts->calls);
	ret = raw(__NR_indirect, (long)&regs, (long)&params, sizeof(params), 0, 0, 0);
	if (ret == -ESYSLETPENDING) {
		count(&counts->pending);
		return leave ? wait_and_leave(s, slot) : wait_for(s, slot);
	}
	slot_free(slot, 0);
	/* the call's own, or the thread is watched */
	return ret == -EAGAIN ? raw(nr, a, b, c, d, e, f) : ret;
}

static long result(long ret)
{
	if (ret < 0 && ret > -4096) {
		errno = -ret;
		return -1;
	}
	return ret;
}

/* --- begin and end --------------------------------------------------------------- */

/* Calls of a thread that exits are cancelled, and may not be over yet. */
static void thread_exit(void *arg)
{
	struct state *s = arg;

	take_completions(s);
	for (int i = 0; i < SLOTS; i++)
		if (s->slot[i].data && !s->slot[i].done)
			return;
	state = NULL;
	raw(__NR_munmap, (long)s, sizeof(*s), 0, 0, 0, 0);
}

static void __attribute__((constructor)) begin(void)
{
	const char *mode = getenv("SYSLET_PRELOAD"), *path = getenv("SYSLET_COUNTS");
	long fd, ret;

	if (raw(__NR_indirect, 0, 0, 0, 0, 0, 0) == -ENOSYS)
		fail("this kernel has no indirect(2)");
	leave = mode && !strcmp(mode, "leave");
	have_key = !pthread_key_create(&key, thread_exit);
	fd = path ? raw(__NR_open, (long)path, O_RDWR, 0, 0, 0, 0) : -1;
	if (fd < 0)
		return;
	ret = raw(__NR_mmap, 0, sizeof(*counts), PROT_RW, MAP_SHARED, fd, 0);
	if (ret >= 0 || ret <= -4096)
		counts = (struct counts *)ret;
	raw(__NR_close, fd, 0, 0, 0, 0, 0);
}

/* --- what the C library has ------------------------------------------------------ */

#define AS(name, nr)								\
	long wrap_##name(long a, long b, long c, long d, long e, long f) asm(#name); \
	long wrap_##name(long a, long b, long c, long d, long e, long f)	\
	{									\
		return result(call(nr, a, b, c, d, e, f));			\
	}
#define SAME(name)	AS(name, __NR_##name)
/* With arguments that the caller does not give. */
#define REST(name, params, ...)							\
	long wrap_##name params asm(#name);					\
	long wrap_##name params							\
	{									\
		return result(call(__VA_ARGS__));				\
	}

SAME(read) SAME(write) SAME(readv) SAME(writev) SAME(close) SAME(lseek)
SAME(open) SAME(openat) SAME(stat) SAME(lstat) SAME(fstat) SAME(statx) SAME(statfs)
SAME(fstatfs) SAME(access) SAME(fsync) SAME(fdatasync) SAME(sync_file_range) SAME(syncfs)
SAME(truncate) SAME(ftruncate) SAME(fallocate) SAME(flock) SAME(fcntl)
SAME(rename) SAME(renameat) SAME(link) SAME(linkat) SAME(symlink) SAME(symlinkat)
SAME(unlink) SAME(unlinkat) SAME(mkdir) SAME(mkdirat) SAME(rmdir) SAME(readlink)
SAME(readlinkat) SAME(chmod) SAME(fchmod) SAME(chown) SAME(fchown) SAME(lchown)
SAME(utimensat) SAME(setxattr) SAME(getxattr) SAME(listxattr) SAME(removexattr)
SAME(fsetxattr) SAME(fgetxattr) SAME(flistxattr) SAME(fremovexattr)
SAME(dup) SAME(dup2) SAME(dup3) SAME(pipe) SAME(pipe2) SAME(splice) SAME(tee) SAME(vmsplice)
SAME(sendfile) SAME(copy_file_range) SAME(poll) SAME(select) SAME(epoll_wait) SAME(epoll_ctl)
SAME(epoll_create) SAME(epoll_create1) SAME(nanosleep)
SAME(socket) SAME(socketpair) SAME(bind) SAME(listen) SAME(connect) SAME(accept)
SAME(accept4) SAME(shutdown) SAME(sendto) SAME(recvfrom) SAME(sendmsg) SAME(recvmsg)
SAME(setsockopt) SAME(getsockopt) SAME(getsockname) SAME(getpeername)
SAME(recvmmsg) SAME(sendmmsg) SAME(semctl) SAME(shmctl)
SAME(mmap) SAME(munmap) SAME(mremap) SAME(mprotect) SAME(madvise) SAME(msync) SAME(mlock)
SAME(munlock) SAME(mincore) SAME(memfd_create) SAME(getrandom)
SAME(shmget) SAME(shmat) SAME(shmdt) SAME(semget) SAME(semop) SAME(semtimedop)
SAME(msgget) SAME(msgsnd) SAME(msgrcv) SAME(msgctl) SAME(mq_timedsend) SAME(mq_timedreceive)
SAME(inotify_init) SAME(inotify_init1) SAME(inotify_add_watch) SAME(inotify_rm_watch)
SAME(timerfd_create) SAME(timerfd_settime) SAME(timerfd_gettime)
SAME(wait4) SAME(process_vm_readv) SAME(process_vm_writev)
AS(pread, __NR_pread64) AS(pread64, __NR_pread64) AS(pwrite, __NR_pwrite64)
AS(pwrite64, __NR_pwrite64) AS(open64, __NR_open) AS(openat64, __NR_openat)
AS(stat64, __NR_stat) AS(lstat64, __NR_lstat) AS(fstat64, __NR_fstat)
AS(preadv64, __NR_preadv) AS(pwritev64, __NR_pwritev) AS(__read_chk, __NR_read)
AS(__open64_2, __NR_open) AS(creat64, __NR_creat) AS(truncate64, __NR_truncate)
AS(statfs64, __NR_statfs) AS(fstatfs64, __NR_fstatfs)
AS(fstatat, __NR_newfstatat) AS(fstatat64, __NR_newfstatat) AS(lseek64, __NR_lseek)
AS(ftruncate64, __NR_ftruncate) AS(fallocate64, __NR_fallocate) AS(mmap64, __NR_mmap)
AS(fcntl64, __NR_fcntl) AS(sendfile64, __NR_sendfile) AS(eventfd, __NR_eventfd2)
AS(creat, __NR_creat)
REST(send, (long a, long b, long c, long d), __NR_sendto, a, b, c, d, 0, 0)
REST(recv, (long a, long b, long c, long d), __NR_recvfrom, a, b, c, d, 0, 0)
REST(waitpid, (long a, long b, long c), __NR_wait4, a, b, c, 0, 0, 0)
REST(waitid, (long a, long b, long c, long d), __NR_waitid, a, b, c, d, 0, 0)
REST(wait, (long a), __NR_wait4, -1, a, 0, 0, 0, 0)
REST(mq_send, (long a, long b, long c, long d), __NR_mq_timedsend, a, b, c, d, 0, 0)
REST(mq_receive, (long a, long b, long c, long d), __NR_mq_timedreceive, a, b, c, d, 0, 0)
REST(eventfd_read, (long a, long b), __NR_read, a, b, 8, 0, 0, 0)

/* This one returns the error. */
long wrap_clock_nanosleep(long clock, long flags, long time, long rest) asm("clock_nanosleep");
long wrap_clock_nanosleep(long clock, long flags, long time, long rest)
{
	return -call(__NR_clock_nanosleep, clock, flags, time, rest, 0, 0);
}

long wrap_syscall(long nr, long a, long b, long c, long d, long e, long f) asm("syscall");
long wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	return result(call(nr, a, b, c, d, e, f));
}
