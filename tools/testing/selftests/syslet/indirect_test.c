// SPDX-License-Identifier: GPL-2.0-only
/* indirect(2): arguments, sizes, numbers, flags of new descriptors, refusals. */
#include "common.h"

#include <sys/inotify.h>
#include <sys/signalfd.h>

FIXTURE(indirect)
{
	struct syslet_ring *ring;
	struct indirect_params params;
	struct indirect_registers regs;
};

FIXTURE_SETUP(indirect)
{
	self->ring = ring_alloc(4);
	ASSERT_NE(NULL, self->ring);
	self->regs = CALL(__NR_getpid);
	self->params.syslet.completion_ring_ptr = P(self->ring);
}

FIXTURE_TEARDOWN(indirect)
{
}

TEST_F(indirect, plain_call_without_params)
{
	ASSERT_EQ(getpid(), sys_indirect(&self->regs, NULL, 0, 0));
	self->regs = CALL(__NR_read, -1, 0, 0);
	ASSERT_EQ(-EBADF, sys_indirect(&self->regs, NULL, 0, 0));
}

TEST_F(indirect, all_six_arguments_arrive)
{
	void *p;

	self->regs = CALL(__NR_mmap, 0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = (void *)sys_indirect(&self->regs, NULL, 0, 0);
	ASSERT_EQ(0, munmap(p, 8192));
	self->regs.args[5] = 1;
	ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, NULL, 0, 0));
}

TEST_F(indirect, flags_are_reserved)
{
	ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, NULL, 0, 1));
	ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, NULL, 0, 0x80000000));
}

TEST_F(indirect, bad_pointers)
{
	long page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_EQ(0, munmap(p + page, page));
	ASSERT_EQ(-EFAULT, sys_indirect(NULL, NULL, 0, 0));
	ASSERT_EQ(-EFAULT, sys_indirect((void *)(p + page - 8), NULL, 0, 0));
	ASSERT_EQ(-EFAULT, sys_indirect((void *)~0xfful, NULL, 0, 0));
	ASSERT_EQ(-EFAULT, sys_indirect(&self->regs, NULL, sizeof(self->params), 0));
	ASSERT_EQ(-EFAULT, sys_indirect(&self->regs, (void *)(p + page - 8),
					sizeof(self->params), 0));
	ASSERT_EQ(-EFAULT, sys_indirect(&self->regs, (void *)0xffff888000000000ul,
					sizeof(self->params), 0));
	ASSERT_EQ(-EFAULT, sys_indirect(&self->regs, (void *)0xffff888000000000ul, 8, 0));
}

TEST_F(indirect, params_are_extensible)
{
	size_t size = sizeof(self->params), n;
	char big[8192] = {};

	memcpy(big, &self->params, size);
	/* shorter: padded with zeros */
	for (n = 0; n <= size; n++)
		ASSERT_EQ(getpid(), sys_indirect(&self->regs, (void *)big, n, 0)) TH_LOG("%zu", n);
	/* longer: zeros only */
	for (n = size; n <= 4096; n += 8)
		ASSERT_EQ(getpid(), sys_indirect(&self->regs, (void *)big, n, 0)) TH_LOG("%zu", n);
	ASSERT_EQ(-E2BIG, sys_indirect(&self->regs, (void *)big, 4097, 0));
	ASSERT_EQ(-E2BIG, sys_indirect(&self->regs, (void *)big, ~0ul, 0));
	big[size] = 1;
	ASSERT_EQ(-E2BIG, sys_indirect(&self->regs, (void *)big, size + 1, 0));
	ASSERT_EQ(getpid(), sys_indirect(&self->regs, (void *)big, size, 0));
	big[size] = 0;
	big[4095] = 1;
	ASSERT_EQ(-E2BIG, sys_indirect(&self->regs, (void *)big, 4096, 0));
}

TEST_F(indirect, unknown_bits_and_padding)
{
	struct indirect_params *p = &self->params;
	unsigned int bit;

	for (bit = 2; bit < 32; bit++) {
		p->syslet.flags = 1u << bit;
		ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, p, sizeof(*p), 0));
	}
	p->syslet.flags = 0;
	p->__reserved = 1;
	ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, p, sizeof(*p), 0));
	p->__reserved = 0;
	p->syslet.frame.ip = 1;
	ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, p, sizeof(*p), 0));
	p->syslet.frame.ip = 0;
	p->syslet.frame.sp = 1;
	ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, p, sizeof(*p), 0));
	p->syslet.frame.sp = 0;
	p->file_flags = O_APPEND;
	ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, p, sizeof(*p), 0));
	p->file_flags = 0;
	ASSERT_EQ(getpid(), sys_indirect(&self->regs, p, sizeof(*p), 0));
}

TEST_F(indirect, numbers)
{
	static const uint64_t bad[] = {
		470, 479, 500, 511, 512, 547, 10000, 0x40000000, 0x40000001,
		0x7fffffff, 0x80000000, 0xffffffff, 0x100000027, -1ul, 1ul << 63,
	};

	for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
		self->regs.nr = bad[i];
		ASSERT_EQ(-ENOSYS, sys_indirect(&self->regs, NULL, 0, 0)) TH_LOG("%lx", bad[i]);
		ASSERT_EQ(-ENOSYS, sys_indirect(&self->regs, &self->params,
						sizeof(self->params), 0));
	}
}

TEST_F(indirect, refused_calls)
{
	static const int nr[] = {
		__NR_rt_sigreturn, __NR_clone, __NR_fork, __NR_vfork, __NR_execve,
		__NR_exit, __NR_reboot, __NR_restart_syscall, __NR_exit_group,
		__NR_kexec_load, __NR_execveat, __NR_clone3, __NR_indirect,
		__NR_syslet_ring_wait,
	};

	for (unsigned int i = 0; i < ARRAY_LEN(nr); i++) {
		self->regs.nr = nr[i];
		ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, NULL, 0, 0));
		ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, &self->params,
						sizeof(self->params), 0));
	}
	ASSERT_EQ(0, ring_count(self->ring));
}

/* Calls that may wait but depend on their task: not async, and not silently sync. */
TEST_F(indirect, bound_calls_are_refused_unless_sync_is_ok)
{
	struct indirect_params *p = &self->params;
	struct pollfd pfd = { .fd = -1 };
	sigset_t set;
	int n = -1, fd[2];

	ASSERT_EQ(0, pipe(fd));
	sigemptyset(&set);
	self->regs = CALL(__NR_ioctl, fd[0], 0x541b /* FIONREAD */, P(&n));
	ASSERT_EQ(-EAGAIN, sys_indirect(&self->regs, p, sizeof(*p), 0));
	ASSERT_EQ(-1, n);
	p->syslet.flags = SYSLET_SYNC_OK;
	ASSERT_EQ(0, sys_indirect(&self->regs, p, sizeof(*p), 0));
	ASSERT_EQ(0, n);
	p->syslet.flags = 0;
	/* not a syslet: just made */
	ASSERT_EQ(0, sys_indirect(&self->regs, NULL, 0, 0));

	self->regs = CALL(__NR_ppoll, P(&pfd), 1, 0, P(&set), 8);
	ASSERT_EQ(-EAGAIN, sys_indirect(&self->regs, p, sizeof(*p), 0));
	self->regs = CALL(__NR_futex, P(&n), FUTEX_LOCK_PI, 0, 0, 0, 0);
	ASSERT_EQ(-EAGAIN, sys_indirect(&self->regs, p, sizeof(*p), 0));
	self->regs = CALL(__NR_pause);
	ASSERT_EQ(-EAGAIN, sys_indirect(&self->regs, p, sizeof(*p), 0));
}

TEST_F(indirect, bad_rings)
{
	struct indirect_params *p = &self->params;
	struct { struct syslet_ring r; char more[64]; } mem = {};
	static const unsigned int bad[] = { 0, 3, 5, 6, 7, 100, 0x7fffffff, 0x80000000, ~0u };
	struct stat st;

	self->regs = CALL(__NR_lstat, P("/"), P(&st));
	for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
		self->ring->elements = bad[i];
		ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, p, sizeof(*p), 0));
	}
	self->ring->elements = 4;
	ASSERT_EQ(0, sys_indirect(&self->regs, p, sizeof(*p), 0));
	for (unsigned int i = 1; i < 8; i++) {
		p->syslet.completion_ring_ptr = P(&mem) + i;
		ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, p, sizeof(*p), 0));
	}
	p->syslet.completion_ring_ptr = 8;
	ASSERT_EQ(-EFAULT, sys_indirect(&self->regs, p, sizeof(*p), 0));
	p->syslet.completion_ring_ptr = 0xffff888000000000ul;
	ASSERT_EQ(-EFAULT, sys_indirect(&self->regs, p, sizeof(*p), 0));
	p->syslet.completion_ring_ptr = P(self->ring);
	p->syslet.flags = SYSLET_EVENTFD;
	p->syslet.eventfd = -1;
	ASSERT_EQ(-EBADF, sys_indirect(&self->regs, p, sizeof(*p), 0));
	p->syslet.eventfd = 0;
	ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, p, sizeof(*p), 0));
}

static bool has_flags(int fd, int flags)
{
	if (!!(fcntl(fd, F_GETFD) & FD_CLOEXEC) != !!(flags & O_CLOEXEC))
		return false;
	return !!(fcntl(fd, F_GETFL) & O_NONBLOCK) == !!(flags & O_NONBLOCK);
}

TEST_F(indirect, file_flags)
{
	static const int all[] = { O_CLOEXEC, O_NONBLOCK, O_CLOEXEC | O_NONBLOCK };
	struct indirect_params *p = &self->params;
	sigset_t set;
	long fd;
	int fds[2];

	sigemptyset(&set);
	p->syslet.completion_ring_ptr = 0;
	for (unsigned int i = 0; i < ARRAY_LEN(all); i++) {
		struct indirect_registers calls[] = {
			CALL(__NR_socket, AF_UNIX, SOCK_STREAM, 0),
			CALL(__NR_eventfd, 0),
			CALL(__NR_eventfd2, 0, 0),
			CALL(__NR_inotify_init),
			CALL(__NR_signalfd, -1, P(&set), 8),
			CALL(__NR_open, P("/"), O_RDONLY),
			CALL(__NR_openat, AT_FDCWD, P("/"), O_RDONLY),
			CALL(__NR_timerfd_create, CLOCK_MONOTONIC, 0),
		};

		p->file_flags = all[i];
		for (unsigned int j = 0; j < ARRAY_LEN(calls); j++) {
			fd = sys_indirect(&calls[j], p, sizeof(*p), 0);
			ASSERT_LE(0, fd) TH_LOG("call %llu", calls[j].nr);
			ASSERT_TRUE(has_flags(fd, all[i])) TH_LOG("call %llu", calls[j].nr);
			close(fd);
		}
		self->regs = CALL(__NR_pipe, P(fds));
		ASSERT_EQ(0, sys_indirect(&self->regs, p, sizeof(*p), 0));
		ASSERT_TRUE(has_flags(fds[0], all[i]) && has_flags(fds[1], all[i]));
		self->regs = CALL(__NR_socketpair, AF_UNIX, SOCK_STREAM, 0, P(fds));
		ASSERT_EQ(0, sys_indirect(&self->regs, p, sizeof(*p), 0));
		ASSERT_TRUE(has_flags(fds[0], all[i]) && has_flags(fds[1], all[i]));
	}

	p->file_flags = O_CLOEXEC;
	self->regs = CALL(__NR_dup2, 1, 100);
	ASSERT_EQ(100, sys_indirect(&self->regs, p, sizeof(*p), 0));
	ASSERT_TRUE(has_flags(100, O_CLOEXEC));
	self->regs = CALL(__NR_epoll_create, 1);
	fd = sys_indirect(&self->regs, p, sizeof(*p), 0);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(has_flags(fd, O_CLOEXEC));
	/* what the other call would not see */
	self->regs = CALL(__NR_epoll_create, 0);
	ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, p, sizeof(*p), 0));
	/* no descriptor */
	self->regs = CALL(__NR_getpid);
	ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, p, sizeof(*p), 0));
	self->regs = CALL(__NR_close, 100);
	ASSERT_EQ(-EINVAL, sys_indirect(&self->regs, p, sizeof(*p), 0));
	ASSERT_TRUE(has_flags(100, O_CLOEXEC));
}

TEST_F(indirect, accept_with_file_flags)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "\0syslet-flags" };
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 13;
	int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
	struct syslet_completion comp = {};

	ASSERT_EQ(0, bind(s, (struct sockaddr *)&sun, len));
	ASSERT_EQ(0, listen(s, 1));
	self->params.file_flags = O_CLOEXEC | O_NONBLOCK;
	self->regs = CALL(__NR_accept, s, 0, 0);
	ASSERT_EQ(-ESYSLETPENDING,
		  sys_indirect(&self->regs, &self->params, sizeof(self->params), 0));
	ASSERT_EQ(0, connect(c, (struct sockaddr *)&sun, len));
	ASSERT_EQ(0, ring_reap(self->ring, &comp));
	ASSERT_TRUE(has_flags(comp.status, O_CLOEXEC | O_NONBLOCK));
}

/* A signalfd is read by whoever has the signals: the thread itself. */
TEST_F(indirect, signalfd_read_is_refused)
{
	struct signalfd_siginfo info;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	fd = signalfd(-1, &set, 0);
	ASSERT_EQ(-EAGAIN, submit(self->ring, CALL(__NR_read, fd, P(&info), sizeof(info)), 1));
	ASSERT_EQ(0, raise(SIGUSR1));
	ASSERT_EQ(sizeof(info),
		  submit(self->ring, CALL(__NR_read, fd, P(&info), sizeof(info)), 1));
	ASSERT_EQ(SIGUSR1, info.ssi_signo);
}

TEST_HARNESS_MAIN
