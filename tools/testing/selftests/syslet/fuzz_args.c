// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the fuzzer's calls are made of: numbers, pointers, descriptors; calls that
 * sleep, with arguments that have some sense; and any calls at all.
 */
#include "fuzz.h"

#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

struct arena arena;

static void arena_fill(void);

/* --- what there is ------------------------------------------------------------ */

/* What came before has used up what there is: nothing is wrong. */
static void __attribute__((noreturn)) give_up(void)
{
	_exit(0);
}

static void *low_arena(void)
{
	char *p = mmap(NULL, ARENA_SIZE + ARENA_GUARD, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (p == MAP_FAILED || mmap(p, ARENA_SIZE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != p)
		give_up();
	return p;
}

static void open_sockets(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, &arena.fd[F_SOCK_A]))
		give_up();
	arena.fd[F_LISTEN] = socket(AF_UNIX, SOCK_STREAM, 0);
	/* in a network namespace of our own */
	snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "fuzz.%d", getpid());
	if (bind(arena.fd[F_LISTEN], (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(arena.fd[F_LISTEN], 2))
		give_up();
}

static void open_files(void)
{
	char name[32];

	snprintf(name, sizeof(name), "file.%d", getpid());
	arena.fd[F_FILE] = open(name, O_RDWR | O_CREAT, 0600);
	arena.fd[F_FILE2] = open(name, O_RDWR);
	unlink(name);
	snprintf(name, sizeof(name), "fifo.%d", getpid());
	if (mkfifo(name, 0600))
		give_up();
	arena.fd[F_FIFO] = open(name, O_RDWR);
	unlink(name);
	arena.fd[F_MEMFD] = memfd_create("fuzz", 0);
	if (ftruncate(arena.fd[F_FILE], 8 * PAGE) || ftruncate(arena.fd[F_MEMFD], ARENA_SIZE))
		give_up();
}

void arena_init(bool harmless)
{
	struct epoll_event ev = { .events = EPOLLIN };

	arena.harmless = harmless;
	arena.base = low_arena();
	if (pipe(&arena.fd[F_PIPE_R]))
		give_up();
	open_sockets();
	open_files();
	arena.fd[F_EVENT] = eventfd(0, 0);
	arena.fd[F_EPOLL] = epoll_create1(0);
	arena.fd[F_TIMER] = timerfd_create(CLOCK_MONOTONIC, 0);
	arena.fd[F_INOTIFY] = inotify_init();
	epoll_ctl(arena.fd[F_EPOLL], EPOLL_CTL_ADD, arena.fd[F_EVENT], &ev);
	arena.sem = semget(IPC_PRIVATE, 4, 0600);
	arena.msg = msgget(IPC_PRIVATE, 0600);
	arena_fill();
}

/* --- numbers -------------------------------------------------------------------- */

uint64_t any_word(struct rng *r)
{
	static const uint64_t edges[] = {
		0, 1, 2, 3, 7, 8, 16, 31, 32, 40, 47, 48, 49, 56, 72, 127, 128, 255, 256, 4095,
		4096, 4097, 65535, 65536, 0x7ffffffe, 0x7fffffff, 0x80000000, 0xfffffffe,
		0xffffffff, 0x100000000, 0x7ffffffff000, 0x7fffffffffff, 0x800000000000,
		0x7fffffffffffffff, 0x8000000000000000, 0xffff800000000000,
		0xffff888000001000, 0xffffffff81000000, 0xfffffffffffff000, -4095, -134, -8, -1,
	};

	switch (rnd(r, 4)) {
	case 0:
		return rnd(r, 64);
	case 1:
		return rnd64(r) >> rnd(r, 64);
	case 2:
		return 1ull << rnd(r, 64);
	default:
		return edges[rnd(r, ARRAY_LEN(edges))];
	}
}

uint64_t any_pointer(struct rng *r)
{
	uint64_t p = P(arena.base) + rnd(r, ARENA_PAGES) * PAGE;

	switch (rnd(r, arena.harmless ? 6 : 8)) {
	case 0 ... 2:
		return p;
	case 3 ... 4:
		return p + rnd(r, PAGE / 8) * 8;
	case 5:
		/* across the end of the page */
		return p + PAGE - rnd(r, 80);
	case 6:
		return P(arena.base) + ARENA_SIZE - rnd(r, 64);
	default:
		return any_word(r);
	}
}

static uint64_t any_fd(struct rng *r)
{
	return rnd(r, 4) ? (uint64_t)arena.fd[rnd(r, F_NR)] : rnd(r, 40);
}

/* --- calls that sleep --------------------------------------------------------------- */

/* What an argument is: one of enum F_*, or of these. */
enum {
	A_ZERO = F_NR, A_ONE, A_EIGHT, A_BUF, A_SIZE, A_BIG, A_TIME, A_MS, A_FD,
	A_SEM, A_MSG, A_MINUS1, A_SMALL, A_CWD, A_PATH, A_POLL, A_WORD, A_SEMBUF, A_OVER,
	A_LOCK, A_ANON,
};

struct sleeper {
	const char *name;
	unsigned short nr, nr32;	/* 0: none that has these arguments */
	unsigned char arg[6];
};

#define SLEEPER(name, nr32, ...)	{ #name, __NR_##name, nr32, { __VA_ARGS__ } }

static const struct sleeper sleepers[] = {
	SLEEPER(read, 3, F_PIPE_R, A_BUF, A_EIGHT),
	SLEEPER(read, 3, F_EVENT, A_BUF, A_EIGHT),
	SLEEPER(read, 3, F_TIMER, A_BUF, A_EIGHT),
	SLEEPER(read, 3, F_INOTIFY, A_BUF, A_SIZE),
	SLEEPER(read, 3, F_FIFO, A_BUF, A_SIZE),
	SLEEPER(read, 3, A_FD, A_BUF, A_SIZE),
	SLEEPER(write, 4, F_PIPE_W, A_BUF, A_BIG),
	SLEEPER(write, 4, F_SOCK_A, A_BUF, A_BIG),
	SLEEPER(write, 4, F_FILE, A_BUF, A_SIZE),
	SLEEPER(readv, 145, A_FD, A_BUF, A_SMALL),
	SLEEPER(writev, 146, A_FD, A_BUF, A_SMALL),
	SLEEPER(poll, 168, A_POLL, A_ONE, A_MS),
	SLEEPER(ppoll, 414, A_POLL, A_ONE, A_TIME, A_ZERO, A_EIGHT),
	SLEEPER(select, 142, A_SMALL, A_BUF, A_BUF, A_ZERO, A_TIME),
	SLEEPER(epoll_wait, 256, F_EPOLL, A_BUF, A_ONE, A_MS),
	SLEEPER(epoll_pwait, 319, F_EPOLL, A_BUF, A_ONE, A_MS, A_ZERO, A_EIGHT),
	SLEEPER(nanosleep, 162, A_TIME, A_BUF),
	SLEEPER(clock_nanosleep, 407, A_ONE, A_ZERO, A_TIME, A_BUF),
	SLEEPER(futex, 422, A_WORD, A_ZERO, A_ZERO, A_TIME),
	SLEEPER(futex, 422, A_WORD, A_ZERO, A_ZERO, A_ZERO),
	SLEEPER(accept4, 364, F_LISTEN, A_ZERO, A_ZERO, A_ZERO),
	SLEEPER(recvfrom, 371, F_SOCK_B, A_BUF, A_SIZE, A_ZERO, A_ZERO, A_ZERO),
	SLEEPER(recvmsg, 372, F_SOCK_B, A_BUF, A_ZERO),
	SLEEPER(sendmsg, 370, F_SOCK_A, A_BUF, A_ZERO),
	SLEEPER(flock, 143, F_FILE, A_LOCK),
	SLEEPER(flock, 143, F_FILE2, A_LOCK),
	SLEEPER(wait4, 114, A_MINUS1, A_BUF, A_ZERO, A_ZERO),
	SLEEPER(waitid, 284, A_ZERO, A_ZERO, A_BUF, A_SMALL, A_BUF),
	SLEEPER(semop, 0, A_SEM, A_SEMBUF, A_ONE),
	SLEEPER(semtimedop, 420, A_SEM, A_SEMBUF, A_ONE, A_TIME),
	SLEEPER(msgrcv, 401, A_MSG, A_BUF, A_EIGHT, A_ZERO, A_ZERO),
	SLEEPER(splice, 313, F_PIPE_R, A_ZERO, A_FD, A_ZERO, A_SIZE, A_ZERO),
	SLEEPER(tee, 315, F_PIPE_R, F_PIPE_W, A_SIZE, A_ZERO),
	SLEEPER(vmsplice, 316, F_PIPE_W, A_BUF, A_SMALL, A_ZERO),
	SLEEPER(sendfile, 187, F_SOCK_A, F_FILE, A_ZERO, A_BIG),
	SLEEPER(fsync, 118, F_FILE),
	SLEEPER(sync, 36, A_ZERO),
	SLEEPER(openat, 295, A_CWD, A_PATH, A_SMALL, A_SMALL),
	SLEEPER(close, 6, A_FD),
	SLEEPER(mmap, 0, A_ZERO, A_SIZE, A_SMALL, A_ANON, A_MINUS1, A_ZERO),
	SLEEPER(rt_sigtimedwait, 421, A_BUF, A_BUF, A_TIME, A_EIGHT),
	SLEEPER(pause, 29, A_ZERO),
	SLEEPER(getrandom, 355, A_BUF, A_SIZE, A_ZERO),
	SLEEPER(process_vm_readv, 347, A_SMALL, A_BUF, A_SMALL, A_BUF, A_SMALL, A_ZERO),
	SLEEPER(pselect6, 413, A_SMALL, A_BUF, A_ZERO, A_ZERO, A_TIME, A_ZERO),
	SLEEPER(io_getevents, 0, A_BUF, A_ONE, A_ONE, A_BUF, A_TIME),
	SLEEPER(getdents64, 220, A_FD, A_BUF, A_BIG),
	SLEEPER(fcntl, 221, A_FD, A_SMALL, A_BUF),
	SLEEPER(dup3, 330, A_FD, A_OVER, A_ZERO),
};

/* Small times, where nobody else writes in a harmless run: see arena_fill(). */
static uint64_t any_time(struct rng *r)
{
	return P(arena.base) + rnd(r, 64) * 16;
}

static uint64_t argument(unsigned char what, struct rng *r)
{
	if (what < F_NR)
		return arena.fd[what];
	switch (what) {
	case A_ONE:
		return 1;
	case A_EIGHT:
		return 8;
	case A_BUF:
		return any_pointer(r);
	case A_SIZE:
		return rnd(r, 512);
	case A_BIG:
		return rnd(r, 1 << 17);
	case A_TIME:
		return any_time(r);
	case A_MS:
		return rnd(r, 3) ? rnd(r, 8) : (uint64_t)-1;
	case A_FD:
		return any_fd(r);
	case A_SEM:
		return arena.sem;
	case A_MSG:
		return arena.msg;
	case A_MINUS1:
		return -1;
	case A_SMALL:
		return rnd(r, 16);
	case A_CWD:
		return (uint32_t)AT_FDCWD;
	case A_PATH:
		return P(arena.base) + PAGE + rnd(r, 4) * 64;
	case A_POLL:
		return P(arena.base) + PAGE + 1024 + rnd(r, F_NR) * 8;
	case A_WORD:
		return P(arena.base) + 2 * PAGE - 64 + rnd(r, 8) * 4;
	case A_SEMBUF:
		return P(arena.base) + PAGE + 2048 + rnd(r, 4) * 8;
	case A_OVER:
		return 40 + rnd(r, 8);
	case A_LOCK:
		return rnd(r, 2) ? LOCK_EX : LOCK_UN;
	case A_ANON:
		return MAP_PRIVATE | MAP_ANONYMOUS;
	}
	return 0;
}

/* What some of these arguments point to: the first two pages. */
static void arena_fill(void)
{
	static const char * const paths[] = { ".", "/proc/self/status", "/dev/zero", "/mnt/none" };
	char *p = arena.base + PAGE;
	struct timespec *ts = (void *)arena.base;
	struct pollfd *polls = (void *)(p + 1024);
	struct sembuf *sem = (void *)(p + 2048);

	for (int i = 0; i < 64; i++)
		ts[i] = (struct timespec){ .tv_nsec = i * i * 2000 };
	for (int i = 0; i < ARRAY_LEN(paths); i++)
		strcpy(p + i * 64, paths[i]);
	for (int i = 0; i < F_NR; i++)
		polls[i] = (struct pollfd){ .fd = arena.fd[i], .events = POLLIN };
	for (int i = 0; i < 4; i++)
		sem[i] = (struct sembuf){ .sem_num = i, .sem_op = i == 3 ? 1 : -1 };
}

/* --- any calls --------------------------------------------------------------------- */

/* To other processes of the worker: what a run is about would end at once. */
static const unsigned short deadly[] = { 62, 200, 234, 129, 297, 424 };
static const unsigned short deadly32[] = { 37, 238, 270, 178, 335, 424 };
/*
 * Not harmless: memory, thread pointer, signals and limits of the program; what
 * makes the kernel refuse its calls from then on.
 */
static const unsigned short harmful[] = {
	9, 10, 11, 12, 13, 14, 25, 28, 30, 67, 73, 97, 101, 109, 112, 131, 134, 135, 149, 150,
	151, 152, 154, 157, 158, 160, 186, 205, 216, 218, 237, 238, 239, 256, 273, 279, 282,
	289, 298, 302, 310, 311, 317, 323, 325, 329, 334, 425, 426, 427, 440, 453, 462,
	/* file descriptors of the run's own book-keeping and where its messages go */
	161,
};
static const unsigned short harmful32[] = {
	11, 26, 45, 48, 57, 66, 67, 68, 69, 72, 75, 86, 90, 91, 117, 119, 123, 125, 126, 134,
	136, 150, 151, 152, 153, 163, 172, 173, 174, 175, 179, 186, 192, 203, 219, 243, 257,
	258, 274, 275, 276, 294, 311, 317, 321, 327, 336, 340, 347, 348, 354, 374, 376, 380,
	384, 386, 397, 425, 426, 427, 440, 453, 462, 54, 61,
};

static bool is_in(const unsigned short *list, unsigned int n, uint64_t nr)
{
	for (unsigned int i = 0; i < n; i++)
		if (list[i] == (uint32_t)nr)
			return true;
	return false;
}

static bool is_allowed(uint64_t nr, bool i386)
{
	if (i386 ? is_in(deadly32, ARRAY_LEN(deadly32), nr) : is_in(deadly, ARRAY_LEN(deadly), nr))
		return false;
	if (!arena.harmless)
		return true;
	return i386 ? !is_in(harmful32, ARRAY_LEN(harmful32), nr) :
		      !is_in(harmful, ARRAY_LEN(harmful), nr);
}

static uint64_t any_argument(struct rng *r)
{
	switch (rnd(r, 8)) {
	case 0 ... 2:
		return any_pointer(r);
	case 3 ... 4:
		return any_fd(r);
	case 5:
		return argument(A_TIME, r);
	default:
		return any_word(r);
	}
}

static struct indirect_registers any_number(struct rng *r, bool i386)
{
	struct indirect_registers regs;

	do {
		regs.nr = once_in(r, 40) ? any_word(r) : rnd(r, 486);
	} while (!is_allowed(regs.nr, i386));
	for (int i = 0; i < 6; i++)
		regs.args[i] = any_argument(r);
	return regs;
}

struct indirect_registers any_call(struct rng *r, bool i386)
{
	const struct sleeper *s = &sleepers[rnd(r, ARRAY_LEN(sleepers))];
	struct indirect_registers regs = {};

	if (once_in(r, 3) || (i386 && !s->nr32))
		return any_number(r, i386);
	regs.nr = i386 ? s->nr32 : s->nr;
	for (int i = 0; i < 6; i++)
		regs.args[i] = argument(s->arg[i], r);
	if (!arena.harmless && once_in(r, 8))
		regs.args[rnd(r, 6)] = any_word(r);
	return regs;
}

/* --- and their end ------------------------------------------------------------------ */

void end_something(struct rng *r)
{
	struct itimerspec its = { .it_value.tv_nsec = 1 + rnd(r, 1000000) };
	struct msgbuf { long type; char text[8]; } msg = { 1, "x" };
	struct sembuf up = { .sem_num = rnd(r, 3), .sem_op = 1, .sem_flg = IPC_NOWAIT };
	static const char text[4096];
	char sink[4096];
	struct iovec iov;
	uint64_t one = 1;

	switch (rnd(r, 10)) {
	case 0:
		send(arena.fd[F_SOCK_A], text, rnd(r, sizeof(text)), MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 1:
		recv(arena.fd[F_SOCK_B], sink, sizeof(sink), MSG_DONTWAIT);
		break;
	case 2:
		timerfd_settime(arena.fd[F_TIMER], 0, &its, NULL);
		break;
	case 3:
		syscall(__NR_futex, argument(A_WORD, r), FUTEX_WAKE, 1 + rnd(r, 3), NULL);
		break;
	case 4:
		semop(arena.sem, &up, 1);
		break;
	case 5:
		msgsnd(arena.msg, &msg, 8, IPC_NOWAIT);
		break;
	case 6:
		flock(arena.fd[F_FILE], LOCK_UN);
		flock(arena.fd[F_FILE2], LOCK_UN);
		break;
	/* whatever these are by now, and others do with them meanwhile: never wait */
	case 7 ... 8:
		iov = (struct iovec){ (void *)text, 1 + rnd(r, 16) };
		pwritev2(arena.fd[F_PIPE_W], &iov, 1, -1, RWF_NOWAIT);
		break;
	case 9:
		iov = (struct iovec){ sink, sizeof(sink) };
		preadv2(arena.fd[F_PIPE_R], &iov, 1, -1, RWF_NOWAIT);
		break;
	}
	if (once_in(r, 4) && poll(&(struct pollfd){ arena.fd[F_EVENT], POLLOUT }, 1, 0) == 1)
		one = write(arena.fd[F_EVENT], &one, sizeof(one));
}
