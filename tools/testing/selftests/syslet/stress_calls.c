// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls of the stress program. Each kind has prep(), which fills in the
 * call; end(), for those that wait for us; and fin(), which tells whether a
 * result is possible and puts things back.
 *
 * fin() sees every result, also errors that are nobody's fault (the call was
 * refused, interrupted or cancelled): then the call may or may not have taken
 * what it was ended with, and what it used is thrown away.
 */
#include "stress.h"

#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/timerfd.h>

#define PATTERN_SIZE	65536
#define BIG_WRITE	98304

struct call calls[ALL_CALLS];

static struct slot *my_slot;
static char my_tag[48];
static char my_dir[2][64];	/* on tmpfs, on a disk */
static int data_fd[2];		/* files of a known pattern there */
static char big[BIG_WRITE];

struct kind {
	const char *name;
	unsigned int weight;
	bool (*prep)(struct call *c, struct rng *r);
	void (*end)(struct call *c);
	bool (*fin)(struct call *c);
	/* a result that is no success, and can be */
	long may_be;
	/* as a plain call on Linux, see signal(7): stopping interrupts it */
	bool stop_is_eintr;
};

static void call_set(struct call *c, struct indirect_registers regs)
{
	c->regs = regs;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_pair(int *fd)
{
	close_fd(&fd[0]);
	close_fd(&fd[1]);
}

static bool need_pipe(struct call *c)
{
	return c->fd[0] >= 0 || !pipe2(c->fd, O_CLOEXEC);
}

static void expect_written(long ret, long want)
{
	if (ret != want)
		fail("ending a call: %ld instead of %ld, %m", ret, want);
}

/* --- waits that we end ------------------------------------------------------- */

static bool pipe_read_prep(struct call *c, struct rng *r)
{
	call_set(c, CALL(__NR_read, c->fd[0], P(&c->u.val), 8));
	c->end = END_WANTED;
	return true;
}

static bool prep_pipe_read(struct call *c, struct rng *r)
{
	return need_pipe(c) && pipe_read_prep(c, r);
}

static void end_pipe_read(struct call *c)
{
	expect_written(write(c->fd[1], &c->data, 8), 8);
}

static bool fin_pipe_read(struct call *c)
{
	if (c->status == 8)
		return c->ended && c->u.val == c->data;
	close_pair(c->fd);
	return false;
}

static bool prep_pipe_write(struct call *c, struct rng *r)
{
	if (!need_pipe(c))
		return false;
	call_set(c, CALL(__NR_write, c->fd[1], P(big), BIG_WRITE));
	c->end = END_WANTED;
	return true;
}

/* Not all at once: how much there will be we do not know. */
static void end_pipe_write(struct call *c)
{
	static char sink[65536];
	struct pollfd p = { .fd = c->fd[0], .events = POLLIN };

	if (poll(&p, 1, 0) == 1 && read(c->fd[0], sink, sizeof(sink)) < 0)
		fail("pipe_write: read: %m");
}

static bool fin_pipe_write(struct call *c)
{
	close_pair(c->fd);
	/* a signal or a stop ends it when a part was written */
	return c->status > 0 && c->status <= BIG_WRITE;
}

static bool prep_poll(struct call *c, struct rng *r)
{
	int timeout = rnd(r, 6);

	if (!need_pipe(c))
		return false;
	c->variant = timeout == 5;
	c->u.poll = (struct pollfd){ .fd = c->fd[0], .events = POLLIN };
	call_set(c, CALL(__NR_poll, P(&c->u.poll), 1, c->variant ? -1 : timeout));
	c->end = END_WANTED;
	return true;
}

static bool fin_poll(struct call *c)
{
	if (c->ended)
		close_pair(c->fd);
	if (c->status == 1)
		return c->ended && c->u.poll.revents == POLLIN;
	return !c->status && !c->variant;
}

static bool prep_epoll(struct call *c, struct rng *r)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = c->index };
	int timeout = rnd(r, 6);

	if (c->ep[0] < 0) {
		c->ep[0] = epoll_create1(EPOLL_CLOEXEC);
		c->ep[1] = eventfd(0, EFD_CLOEXEC);
		if (c->ep[0] < 0 || c->ep[1] < 0 ||
		    epoll_ctl(c->ep[0], EPOLL_CTL_ADD, c->ep[1], &ev)) {
			close_pair(c->ep);
			return false;
		}
	}
	c->variant = timeout == 5;
	call_set(c, CALL(__NR_epoll_wait, c->ep[0], P(&c->u.ev), 1, c->variant ? -1 : timeout));
	c->end = END_WANTED;
	return true;
}

static void end_epoll(struct call *c)
{
	uint64_t one = 1;

	expect_written(write(c->ep[1], &one, 8), 8);
}

static bool fin_epoll(struct call *c)
{
	if (c->ended)
		close_pair(c->ep);
	if (c->status == 1)
		return c->ended && c->u.ev.data == c->index;
	return !c->status && !c->variant;
}

static bool prep_eventfd(struct call *c, struct rng *r)
{
	if (c->ep[0] < 0) {
		c->ep[0] = epoll_create1(EPOLL_CLOEXEC);
		c->ep[1] = eventfd(0, EFD_CLOEXEC);
		close_fd(&c->ep[0]);
		if (c->ep[1] < 0)
			return false;
	}
	call_set(c, CALL(__NR_read, c->ep[1], P(&c->u.val), 8));
	c->end = END_WANTED;
	return true;
}

static void end_eventfd(struct call *c)
{
	uint64_t val = c->index + 1;

	expect_written(write(c->ep[1], &val, 8), 8);
}

static bool fin_eventfd(struct call *c)
{
	bool ok = c->status == 8 && c->ended && c->u.val == c->index + 1;

	/* not an eventfd that epoll looks at */
	close_pair(c->ep);
	return ok;
}

static bool prep_futex(struct call *c, struct rng *r)
{
	c->word = 0;
	c->variant = once_in(r, 2);
	c->timeout = (struct timespec){ .tv_nsec = rnd(r, 3000000) };
	call_set(c, CALL(__NR_futex, P(&c->word), FUTEX_WAIT | (once_in(r, 2) ? 128 : 0), 0,
			 c->variant ? 0 : P(&c->timeout)));
	c->end = END_WANTED;
	return true;
}

static void end_futex(struct call *c)
{
	__atomic_store_n(&c->word, 1, __ATOMIC_SEQ_CST);
	syscall(__NR_futex, &c->word, c->regs.args[1] | FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Spurious wake-ups are allowed, but nobody makes any. */
static bool fin_futex(struct call *c)
{
	if (!c->status || c->status == -EAGAIN)
		return c->ended;
	return c->status == -ETIMEDOUT && !c->variant;
}

static bool prep_recv(struct call *c, struct rng *r)
{
	if (c->sock[0] < 0 &&
	    socketpair(AF_UNIX, (once_in(r, 2) ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC,
		       0, c->sock))
		return false;
	call_set(c, CALL(__NR_recvfrom, c->sock[0], P(&c->u.val), 8, 0, 0, 0));
	c->end = END_WANTED;
	return true;
}

static void end_recv(struct call *c)
{
	expect_written(send(c->sock[1], &c->data, 8, 0), 8);
}

static bool fin_recv(struct call *c)
{
	if (c->status == 8)
		return c->ended && c->u.val == c->data;
	close_pair(c->sock);
	return false;
}

static socklen_t accept_name(struct call *c, struct sockaddr_un *sun)
{
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return offsetof(struct sockaddr_un, sun_path) + 1 +
	       sprintf(sun->sun_path + 1, "stress-%s-%u", my_tag, c->index);
}

static bool prep_accept(struct call *c, struct rng *r)
{
	struct sockaddr_un sun;
	socklen_t len = accept_name(c, &sun);

	if (c->listener < 0) {
		c->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		/* the name may still be there: a cancelled call has the socket */
		if (c->listener < 0 || bind(c->listener, (struct sockaddr *)&sun, len) ||
		    listen(c->listener, 4)) {
			close_fd(&c->listener);
			return false;
		}
	}
	call_set(c, CALL(__NR_accept4, c->listener, 0, 0, SOCK_CLOEXEC));
	c->end = END_WANTED;
	return true;
}

static void end_accept(struct call *c)
{
	struct sockaddr_un sun;
	socklen_t len = accept_name(c, &sun);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (s < 0 || connect(s, (struct sockaddr *)&sun, len))
		fail("ending accept: %m");
	close(s);
}

static bool fin_accept(struct call *c)
{
	int fd = c->status;

	if (c->status >= 0) {
		if (close(fd))
			fail("accept returned %d: close: %m", fd);
		return c->ended;
	}
	close_fd(&c->listener);
	return false;
}

static bool prep_semop(struct call *c, struct rng *r)
{
	c->u.sem.num = c->index;
	c->u.sem.op = -1;
	c->u.sem.flags = once_in(r, 4) ? SEM_UNDO : 0;
	call_set(c, CALL(__NR_semop, my_slot->sem, P(&c->u.sem), 1));
	c->end = END_WANTED;
	return true;
}

static void end_semop(struct call *c)
{
	struct sembuf op = { .sem_num = c->index, .sem_op = 1, .sem_flg = IPC_NOWAIT };

	if (semop(my_slot->sem, &op, 1))
		fail("semop: %m");
}

static bool fin_semop(struct call *c)
{
	int val = semctl(my_slot->sem, c->index, GETVAL);

	/* takes back what SEM_UNDO would do as well */
	if (semctl(my_slot->sem, c->index, SETVAL, 0))
		fail("semctl: %m");
	return !c->status && c->ended && !val;
}

static bool prep_msgrcv(struct call *c, struct rng *r)
{
	call_set(c, CALL(__NR_msgrcv, my_slot->msg, P(&c->u.msg), 8, c->index + 1, 0));
	c->end = END_WANTED;
	return true;
}

static void end_msgrcv(struct call *c)
{
	struct { long type; uint64_t val; } m = { c->index + 1, c->data };

	if (msgsnd(my_slot->msg, &m, 8, IPC_NOWAIT))
		fail("msgsnd: %m");
}

static bool fin_msgrcv(struct call *c)
{
	struct { long type; uint64_t val; } m;

	if (c->status == 8)
		return c->ended && c->u.msg.val == c->data && c->u.msg.type == c->index + 1;
	if (c->ended)
		msgrcv(my_slot->msg, &m, 8, c->index + 1, IPC_NOWAIT);
	return false;
}

static bool prep_waitid(struct call *c, struct rng *r)
{
	char b;

	if (!need_pipe(c))
		return false;
	memset(&c->u.info, 0, sizeof(c->u.info));
	c->pid = fork();
	if (!c->pid) {
		while (read(c->fd[0], &b, 1) < 0 && errno == EINTR)
			;
		_exit(7);
	}
	if (c->pid < 0)
		return false;
	call_set(c, CALL(__NR_waitid, P_PID, c->pid, P(&c->u.info), WEXITED, 0));
	c->end = END_WANTED;
	return true;
}

static void end_waitid(struct call *c)
{
	expect_written(write(c->fd[1], "x", 1), 1);
}

static bool fin_waitid(struct call *c)
{
	int status;

	if (!c->status)
		return c->ended && c->u.info.si_pid == c->pid &&
		       c->u.info.si_code == CLD_EXITED && c->u.info.si_status == 7;
	if (!c->ended)
		end_waitid(c);
	while (waitpid(c->pid, &status, 0) < 0)
		if (errno != EINTR)
			fail("waitid %ld, then waitpid: %m", c->status);
	close_pair(c->fd);
	return false;
}

/* --- waits that end themselves ------------------------------------------------- */

static bool prep_nanosleep(struct call *c, struct rng *r)
{
	c->u.ts = (struct timespec){ .tv_nsec = rnd(r, 3000000) };
	if (once_in(r, 2)) {
		call_set(c, CALL(__NR_nanosleep, P(&c->u.ts), 0));
		return true;
	}
	clock_gettime(CLOCK_MONOTONIC, &c->u.ts);
	c->u.ts.tv_nsec += rnd(r, 3000000);
	if (c->u.ts.tv_nsec >= 1000000000) {
		c->u.ts.tv_nsec -= 1000000000;
		c->u.ts.tv_sec++;
	}
	call_set(c, CALL(__NR_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, P(&c->u.ts), 0));
	return true;
}

static bool fin_zero(struct call *c)
{
	return !c->status;
}

static bool prep_timerfd(struct call *c, struct rng *r)
{
	c->u.its = (struct itimerspec){ .it_value.tv_nsec = 1 + rnd(r, 3000000) };
	if (c->timer < 0)
		c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (c->timer < 0 || timerfd_settime(c->timer, 0, &c->u.its, NULL))
		return false;
	call_set(c, CALL(__NR_read, c->timer, P(&c->u.val), 8));
	return true;
}

static bool fin_timerfd(struct call *c)
{
	return c->status == 8 && c->u.val == 1;
}

/* Others that have the lock have been granted it, and will be finished. */
static bool prep_flock(struct call *c, struct rng *r)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/lock", my_dir[0]);
	if (c->lock < 0)
		c->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (c->lock < 0)
		return false;
	call_set(c, CALL(__NR_flock, c->lock, once_in(r, 4) ? LOCK_SH : LOCK_EX));
	return true;
}

static bool fin_flock(struct call *c)
{
	if (c->status)
		return false;
	if (flock(c->lock, LOCK_UN))
		fail("LOCK_UN: %m");
	return true;
}

static bool prep_ofd_lock(struct call *c, struct rng *r)
{
	if (!prep_flock(c, r))
		return false;
	c->u.flock = (struct flock){ .l_type = F_WRLCK, .l_start = rnd(r, 4), .l_len = 2 };
	call_set(c, CALL(__NR_fcntl, c->lock, F_OFD_SETLKW, P(&c->u.flock)));
	return true;
}

static bool fin_ofd_lock(struct call *c)
{
	if (c->status)
		return false;
	c->u.flock.l_type = F_UNLCK;
	if (fcntl(c->lock, F_OFD_SETLK, &c->u.flock))
		fail("F_OFD_SETLK: %m");
	return true;
}

/* Contended by the other workers: all threads here own the same. */
static bool prep_posix_lock(struct call *c, struct rng *r)
{
	char name[96];

	snprintf(name, sizeof(name), "%s/lock", shared->dir);
	if (c->posix < 0)
		c->posix = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (c->posix < 0)
		return false;
	c->u.flock = (struct flock){ .l_type = F_WRLCK, .l_start = rnd(r, 4), .l_len = 1 };
	call_set(c, CALL(__NR_fcntl, c->posix, F_SETLKW, P(&c->u.flock)));
	return true;
}

static bool fin_posix_lock(struct call *c)
{
	if (c->status)
		return false;
	c->u.flock.l_type = F_UNLCK;
	if (fcntl(c->posix, F_SETLK, &c->u.flock))
		fail("F_SETLK: %m");
	return true;
}

/* --- files --------------------------------------------------------------------- */

static const char *scratch_name(struct call *c, struct rng *r)
{
	snprintf(c->name, sizeof(c->name), "%s/s%u", my_dir[once_in(r, 2)], c->index);
	return c->name;
}

static bool prep_open(struct call *c, struct rng *r)
{
	call_set(c, CALL(__NR_openat, AT_FDCWD, P(scratch_name(c, r)),
			 O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	return true;
}

static bool fin_open(struct call *c)
{
	if (c->status < 0)
		return false;
	if (write(c->status, "x", 1) != 1)
		fail("open returned %ld: write: %m", c->status);
	return !close(c->status);
}

/* Does not exist: also not in the cache of directory entries. */
static bool prep_lstat(struct call *c, struct rng *r)
{
	c->variant = once_in(r, 2);
	snprintf(c->name, sizeof(c->name), "%s%s%u", my_dir[once_in(r, 2)],
		 c->variant ? "/none" : "/../", c->variant ? rnd(r, 1000) : 0);
	if (!c->variant)
		*strrchr(c->name, '0') = 0;
	call_set(c, CALL(__NR_lstat, P(c->name), P(&c->u.st)));
	return true;
}

static bool fin_lstat(struct call *c)
{
	return c->variant ? c->status == -ENOENT : !c->status && S_ISDIR(c->u.st.st_mode);
}

static bool prep_getdents(struct call *c, struct rng *r)
{
	close_fd(&c->dir);
	c->dir = open(my_dir[once_in(r, 2)], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dir < 0)
		return false;
	call_set(c, CALL(__NR_getdents64, c->dir, P(c->u.bytes), sizeof(c->u.bytes)));
	return true;
}

static bool fin_positive(struct call *c)
{
	return c->status > 0;
}

static bool open_scratch(struct call *c, struct rng *r)
{
	close_fd(&c->scratch);
	c->scratch = open(scratch_name(c, r), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return c->scratch >= 0;
}

static bool prep_fsync(struct call *c, struct rng *r)
{
	if (!open_scratch(c, r) || write(c->scratch, big, 5000) < 0)
		return false;
	call_set(c, CALL(once_in(r, 2) ? __NR_fsync : __NR_fdatasync, c->scratch));
	return true;
}

static bool prep_ftruncate(struct call *c, struct rng *r)
{
	if (!open_scratch(c, r))
		return false;
	call_set(c, CALL(__NR_ftruncate, c->scratch, rnd(r, 20000)));
	return true;
}

static bool prep_rename(struct call *c, struct rng *r)
{
	if (!open_scratch(c, r))
		return false;
	snprintf(c->new_name, sizeof(c->new_name), "%s.new", c->name);
	call_set(c, CALL(__NR_rename, P(c->name), P(c->new_name)));
	return true;
}

static bool prep_close(struct call *c, struct rng *r)
{
	int fd = open(scratch_name(c, r), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return false;
	c->variant = fd;
	call_set(c, CALL(__NR_close, fd));
	return true;
}

static bool fin_close(struct call *c)
{
	/* refused: still open */
	if (c->status)
		close(c->regs.args[0]);
	return !c->status;
}

static bool pattern_is_right(const void *buf, size_t pos, size_t len)
{
	const uint64_t *p = buf;
	size_t i;

	for (i = 0; i < len / 8; i++)
		if (p[i] != (pos / 8 + i) * 0x9e3779b97f4a7c15)
			return false;
	return true;
}

static bool prep_pread(struct call *c, struct rng *r)
{
	int fd = data_fd[once_in(r, 2)];

	if (once_in(r, 4))
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	memset(c->u.bytes, 0, sizeof(c->u.bytes));
	call_set(c, CALL(__NR_pread64, fd, P(c->u.bytes), sizeof(c->u.bytes),
			 rnd(r, (PATTERN_SIZE - sizeof(c->u.bytes)) / 8) * 8));
	return true;
}

static bool fin_pread(struct call *c)
{
	return c->status == sizeof(c->u.bytes) &&
	       pattern_is_right(c->u.bytes, c->regs.args[3], sizeof(c->u.bytes));
}

/* --- memory ---------------------------------------------------------------------- */

static bool prep_mmap(struct call *c, struct rng *r)
{
	call_set(c, CALL(__NR_mmap, 0, 65536, PROT_READ,
			 MAP_SHARED | (once_in(r, 2) ? MAP_POPULATE : 0),
			 data_fd[once_in(r, 2)], 0));
	return true;
}

static bool fin_mmap(struct call *c)
{
	bool ok;

	if (c->status < 0)
		return false;
	ok = pattern_is_right((void *)c->status + 8192, 8192, 4096);
	if (munmap((void *)c->status, 65536))
		fail("munmap of what mmap returned: %m");
	return ok;
}

static bool prep_map(struct call *c, int fd)
{
	c->map = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
		      fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
	if (c->map == MAP_FAILED)
		return false;
	return true;
}

static bool fin_map(struct call *c)
{
	if (munmap(c->map, 65536))
		fail("munmap: %m");
	return !c->status;
}

static bool prep_munmap(struct call *c, struct rng *r)
{
	if (!prep_map(c, -1))
		return false;
	memset(c->map, 1, 8192);
	call_set(c, CALL(__NR_munmap, P(c->map), 65536));
	return true;
}

static bool fin_munmap(struct call *c)
{
	/* refused: still there */
	if (c->status)
		munmap(c->map, 65536);
	return !c->status;
}

static bool prep_mprotect(struct call *c, struct rng *r)
{
	if (!prep_map(c, -1))
		return false;
	memset(c->map, 1, 8192);
	if (once_in(r, 2))
		call_set(c, CALL(__NR_mprotect, P(c->map), 4096, PROT_READ));
	else
		call_set(c, CALL(__NR_madvise, P(c->map), 65536,
				 once_in(r, 2) ? MADV_DONTNEED : MADV_FREE));
	return true;
}

/* The kernel faults in the shared page of a file to write to it. */
static bool prep_fault(struct call *c, struct rng *r)
{
	bool disk = once_in(r, 2);

	if (!open_scratch(c, r) || ftruncate(c->scratch, 65536) || !prep_map(c, c->scratch))
		return false;
	if (once_in(r, 2)) {
		c->map[8192] = 1;
		madvise(c->map, 65536, MADV_DONTNEED);
		fsync(c->scratch);
		posix_fadvise(c->scratch, 0, 0, POSIX_FADV_DONTNEED);
	}
	call_set(c, CALL(__NR_pread64, data_fd[disk], P(c->map + 8192), 4096, 4096));
	return true;
}

static bool fin_fault(struct call *c)
{
	bool ok = c->status == 4096 && pattern_is_right(c->map + 8192, 4096, 4096);

	if (munmap(c->map, 65536))
		fail("munmap: %m");
	return ok;
}

/* --- calls that are never handed off ----------------------------------------------- */

static bool prep_getpid(struct call *c, struct rng *r)
{
	c->variant = once_in(r, 2);
	call_set(c, c->variant ? CALL(__NR_getpid) : CALL(__NR_gettid));
	return true;
}

static bool fin_getpid(struct call *c)
{
	return c->status == syscall(c->regs.nr);
}

static const struct kind kinds[] = {
	{ "pipe_read", 12, prep_pipe_read, end_pipe_read, fin_pipe_read },
	{ "pipe_write", 3, prep_pipe_write, end_pipe_write, fin_pipe_write },
	{ "poll", 5, prep_poll, end_pipe_read, fin_poll },
	{ "epoll", 4, prep_epoll, end_epoll, fin_epoll, .stop_is_eintr = true },
	{ "eventfd", 3, prep_eventfd, end_eventfd, fin_eventfd },
	{ "futex", 5, prep_futex, end_futex, fin_futex },
	{ "recv", 4, prep_recv, end_recv, fin_recv },
	{ "accept", 3, prep_accept, end_accept, fin_accept },
	{ "semop", 3, prep_semop, end_semop, fin_semop, .stop_is_eintr = true },
	{ "msgrcv", 3, prep_msgrcv, end_msgrcv, fin_msgrcv },
	{ "waitid", 1, prep_waitid, end_waitid, fin_waitid },
	{ "nanosleep", 8, prep_nanosleep, NULL, fin_zero },
	{ "timerfd", 3, prep_timerfd, NULL, fin_timerfd },
	{ "flock", 4, prep_flock, NULL, fin_flock },
	{ "ofd_lock", 4, prep_ofd_lock, NULL, fin_ofd_lock },
	{ "posix_lock", 3, prep_posix_lock, NULL, fin_posix_lock, .may_be = -EDEADLK },
	{ "open", 4, prep_open, NULL, fin_open },
	{ "lstat", 4, prep_lstat, NULL, fin_lstat },
	{ "getdents", 3, prep_getdents, NULL, fin_positive },
	{ "fsync", 3, prep_fsync, NULL, fin_zero },
	{ "ftruncate", 2, prep_ftruncate, NULL, fin_zero },
	{ "rename", 2, prep_rename, NULL, fin_zero },
	{ "close", 2, prep_close, NULL, fin_close },
	{ "pread", 8, prep_pread, NULL, fin_pread },
	{ "mmap", 3, prep_mmap, NULL, fin_mmap },
	{ "munmap", 2, prep_munmap, NULL, fin_munmap },
	{ "mprotect", 3, prep_mprotect, NULL, fin_map },
	{ "fault", 3, prep_fault, NULL, fin_fault },
	{ "getpid", 3, prep_getpid, NULL, fin_getpid },
};

int kind_by_name(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return i;
	return -1;
}

const char *call_name(struct call *c)
{
	return c->kind ? c->kind->name : "nothing";
}

static int make_data(const char *dir)
{
	uint64_t block[512];
	char name[96];
	int fd, i, j;

	snprintf(name, sizeof(name), "%s/data", dir);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		fail("%s: %m", name);
	for (i = 0; i < PATTERN_SIZE / 4096; i++) {
		for (j = 0; j < 512; j++)
			block[j] = (i * 512 + j) * 0x9e3779b97f4a7c15;
		if (write(fd, block, 4096) != 4096)
			fail("%s: %m", name);
	}
	fsync(fd);
	return fd;
}

/* What a worker left that was killed. */
static void empty_dir(const char *name)
{
	struct dirent *d;
	DIR *dir = opendir(name);

	while (dir && (d = readdir(dir)))
		unlinkat(dirfd(dir), d->d_name, 0);
	if (dir)
		closedir(dir);
}

void calls_init(struct slot *slot, unsigned int nr, const char *tag)
{
	const char *dirs[2] = { shared->dir, shared->disk };
	struct call *c;
	int i;

	my_slot = slot;
	snprintf(my_tag, sizeof(my_tag), "%s", tag);
	for (i = 0; i < 2; i++) {
		snprintf(my_dir[i], sizeof(my_dir[i]), "%.40s/w%u", dirs[i], nr);
		if (mkdir(my_dir[i], 0700) && errno != EEXIST)
			fail("%s: %m", my_dir[i]);
		empty_dir(my_dir[i]);
		data_fd[i] = make_data(my_dir[i]);
	}
	for (i = 0; i < ALL_CALLS; i++) {
		c = &calls[i];
		c->index = i;
		c->fd[0] = c->fd[1] = c->sock[0] = c->sock[1] = c->ep[0] = c->ep[1] = -1;
		c->listener = c->lock = c->posix = c->timer = c->scratch = c->dir = -1;
	}
}

static const struct kind *choose_kind(struct rng *r)
{
	static unsigned int sum;
	unsigned int i, n;

	if (!sum)
		for (i = 0, n = 0; i < ARRAY_LEN(kinds); i++)
			n += kinds[i].weight, sum = n;
	n = rnd(r, sum);
	for (i = 0; n >= kinds[i].weight; i++)
		n -= kinds[i].weight;
	return shared->calls_off & 1ull << i ? NULL : &kinds[i];
}

bool call_prepare(struct call *c, struct rng *r)
{
	c->kind = choose_kind(r);
	c->leaving = false;
	c->ended = false;
	c->begun = now_ms();
	if (!c->kind)
		return false;
	if (c->kind->prep(c, r))
		return true;
	c->end = END_NO;
	return false;
}

/* Some wait until they are asked again, and are all ended after a while. */
void calls_end(bool all)
{
	uint64_t now = now_ms();

	for (int i = 0; i < ALL_CALLS; i++) {
		struct call *c = &calls[i];
		int wanted = END_WANTED;

		if (c->end != END_WANTED || (!all && now - c->begun < c->data % 23))
			continue;
		if (!atomic_compare_exchange_strong(&c->end, &wanted, END_UNDERWAY))
			continue;
		c->kind->end(c);
		c->ended = true;
		c->end = c->kind->end == end_pipe_write ? END_WANTED : END_NO;
	}
}

/* Keep others from ending it any more. */
static void settle_end(struct call *c)
{
	int wanted = END_WANTED;

	while (!atomic_compare_exchange_strong(&c->end, &wanted, END_NO) && wanted != END_NO) {
		wanted = END_WANTED;
		sched_yield();
	}
}

static bool is_excused(struct call *c)
{
	bool posted = c->state & CALL_POSTED;

	switch (c->status) {
	case -EAGAIN:
		return !posted;
	case -EINTR:
		/* of a handler; a call that is posted has no handlers */
		return !posted || c->leaving || c->kind->stop_is_eintr;
	case -ECANCELED:
		return posted && c->leaving;
	}
	return c->status && c->status == c->kind->may_be;
}

void call_finish(struct call *c)
{
	bool excused = is_excused(c);

	settle_end(c);
	if (!c->kind->fin(c) && !excused)
		fail("%s %s %ld, call %#lx, ended %d, leaving %d, after %lu ms", c->kind->name,
		     c->state & CALL_POSTED ? "completed with" : "returned", c->status,
		     c->data, c->ended, c->leaving, now_ms() - c->begun);
	c->state = 0;
}
