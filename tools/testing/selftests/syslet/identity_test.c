// SPDX-License-Identifier: GPL-2.0-only
/* A program cannot tell that a handoff happened: what a thread is. */
#include <sys/rseq.h>

#include "common.h"

THREADS_FIXTURE(identity)

static __thread int tls_var;

THREADS_TEST(identity, tid_pid_and_tls_stay)
{
	pid_t tid = gettid(), pid = getpid();
	int i;

	tls_var = tid;
	for (i = 0; i < 50; i++) {
		CHECK(!force_handoff(ring));
		CHECK(gettid() == tid);
		CHECK(syscall(SYS_gettid) == tid);
		CHECK(getpid() == pid);
		CHECK(tls_var == tid);
		CHECK(tgkill(pid, tid, 0) == 0);
	}
	return NULL;
}

THREADS_TEST(identity, other_tid_pid_and_tls_stay_while_pending)
{
	struct blocker b[5];
	pid_t tid = gettid();
	int i;

	tls_var = tid;
	for (i = 0; i < 5; i++) {
		CHECK(blocker_begin(&b[i], ring, i) == -ESYSLETPENDING);
		CHECK(gettid() == tid && tls_var == tid);
		errno = 77;
		CHECK(getpid() == syscall(SYS_getpid));
	}
	for (i = 0; i < 5; i++) {
		CHECK(blocker_end(&b[i], ring) == 1);
		CHECK(gettid() == tid && tls_var == tid);
	}
	return NULL;
}

/* Registers around a raw system call that hands off. */
THREADS_TEST(identity, registers)
{
	static __thread unsigned long in[7], out[7];
	struct blocker b;
	struct indirect_registers regs;
	struct indirect_params params = {
		.syslet.completion_ring_ptr = P(ring),
	};
	long ret;
	int i;

	CHECK(!pipe(b.fd));
	regs = CALL(__NR_read, b.fd[0], P(&b.c), 1);
	for (i = 0; i < 7; i++)
		in[i] = 0x1111111111111111ul * (i + 1);
	asm volatile(
		"push %%rbp\n\t"
		"push %[out]\n\t"
		"mov 0(%[in]), %%rbx\n\t"
		"mov 8(%[in]), %%r12\n\t"
		"mov 16(%[in]), %%r13\n\t"
		"mov 24(%[in]), %%r14\n\t"
		"mov 32(%[in]), %%r15\n\t"
		"mov 40(%[in]), %%rbp\n\t"
		"mov 48(%[in]), %%r9\n\t"
		"xor %%r10d, %%r10d\n\t"
		"syscall\n\t"
		"pop %%rcx\n\t"
		"mov %%rbx, 0(%%rcx)\n\t"
		"mov %%r12, 8(%%rcx)\n\t"
		"mov %%r13, 16(%%rcx)\n\t"
		"mov %%r14, 24(%%rcx)\n\t"
		"mov %%r15, 32(%%rcx)\n\t"
		"mov %%rbp, 40(%%rcx)\n\t"
		"mov %%r9, 48(%%rcx)\n\t"
		"pop %%rbp\n\t"
		: "=a" (ret)
		: "a" ((long)__NR_indirect), "D" (&regs), "S" (&params),
		  "d" (sizeof(params)), [in] "c" (in), [out] "r" (out)
		: "rbx", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory");
	CHECK(ret == -ESYSLETPENDING);
	CHECK(!memcmp(in, out, sizeof(in)));
	CHECK(blocker_end(&b, ring) == 1);
	return NULL;
}

THREADS_TEST(identity, fpu_and_sse)
{
	unsigned int mxcsr = 0x1f80 | 0x6000, mxcsr2;
	unsigned short cw = 0x0f7f, cw2;
	double x87 = 1.0 / 3.0, x87_after;
	unsigned char in[16 * 16], out[16 * 16];
	struct blocker b;
	struct indirect_registers regs;
	struct indirect_params params = {
		.syslet.completion_ring_ptr = P(ring),
	};
	long ret;

	CHECK(!pipe(b.fd));
	regs = CALL(__NR_read, b.fd[0], P(&b.c), 1);
	for (unsigned int i = 0; i < sizeof(in); i++)
		in[i] = i * 7 + 1;
	asm volatile(
		"ldmxcsr %[mxcsr]\n\t"
		"fldcw %[cw]\n\t"
		"fldl %[x87]\n\t"
		".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
		"movdqu 16*\\n(%[in]), %%xmm\\n\n\t"
		".endr\n\t"
		"xor %%r10d, %%r10d\n\t"
		"syscall\n\t"
		".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
		"movdqu %%xmm\\n, 16*\\n(%[out])\n\t"
		".endr\n\t"
		"fstpl %[x87_after]\n\t"
		"fnstcw %[cw2]\n\t"
		"stmxcsr %[mxcsr2]\n\t"
		: "=a" (ret), [mxcsr2] "=m" (mxcsr2), [cw2] "=m" (cw2),
		  [x87_after] "=m" (x87_after)
		: "a" ((long)__NR_indirect), "D" (&regs), "S" (&params),
		  "d" (sizeof(params)), [in] "r" (in), [out] "r" (out),
		  [mxcsr] "m" (mxcsr), [cw] "m" (cw), [x87] "m" (x87)
		: "rcx", "r10", "r11", "memory",
		  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
		  "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	CHECK(ret == -ESYSLETPENDING);
	CHECK(!memcmp(in, out, sizeof(in)));
	CHECK(mxcsr2 == mxcsr);
	CHECK(cw2 == cw);
	CHECK(x87_after == x87);
	/* and the runner's copy did not leak into anything of ours */
	mxcsr = 0x1f80;
	cw = 0x037f;
	asm volatile("ldmxcsr %0; fldcw %1" : : "m" (mxcsr), "m" (cw));
	CHECK(blocker_end(&b, ring) == 1);
	return NULL;
}

THREADS_TEST(identity, signal_mask_and_altstack)
{
	char *stack = malloc(SIGSTKSZ * 4);
	stack_t ss = { .ss_sp = stack, .ss_size = SIGSTKSZ * 4 }, ss2;
	sigset_t set, old, now;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 3);
	CHECK(!pthread_sigmask(SIG_BLOCK, &set, &old));
	CHECK(!sigaltstack(&ss, NULL));
	CHECK(!force_handoff(ring));
	CHECK(!pthread_sigmask(SIG_SETMASK, NULL, &now));
	CHECK(sigismember(&now, SIGUSR1) == 1);
	CHECK(sigismember(&now, SIGRTMIN + 3) == 1);
	CHECK(sigismember(&now, SIGUSR2) == 0);
	CHECK(!sigaltstack(NULL, &ss2));
	CHECK(ss2.ss_sp == stack && ss2.ss_size == ss.ss_size);
	ss.ss_flags = SS_DISABLE;
	CHECK(!sigaltstack(&ss, NULL));
	CHECK(!pthread_sigmask(SIG_SETMASK, &old, NULL));
	free(stack);
	return NULL;
}

THREADS_TEST(identity, mutexes_know_their_owner)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t m, r;

	CHECK(!pthread_mutexattr_init(&attr));
	CHECK(!pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK));
	CHECK(!pthread_mutex_init(&m, &attr));
	CHECK(!pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
	CHECK(!pthread_mutex_init(&r, &attr));
	CHECK(!pthread_mutex_lock(&m));
	CHECK(!pthread_mutex_lock(&r));
	CHECK(!force_handoff(ring));
	CHECK(pthread_mutex_lock(&m) == EDEADLK);
	CHECK(pthread_mutex_lock(&r) == EDEADLK);
	CHECK(!pthread_mutex_unlock(&m));
	CHECK(!pthread_mutex_unlock(&r));
	return NULL;
}

static pthread_mutex_t robust;

static void *robust_main(void *arg)
{
	struct blocker b;

	if (pthread_mutex_lock(&robust) || force_handoff(arg))
		return "force_handoff";
	/* and with a call in flight, whose runner exits with us */
	return blocker_begin(&b, arg, 0) == -ESYSLETPENDING ? NULL : "not pending";
}

THREADS_TEST(identity, robust_mutex_of_a_thread_that_died_after_a_handoff)
{
	pthread_mutexattr_t attr;
	pthread_t t;
	void *err;

	CHECK(!pthread_mutexattr_init(&attr));
	CHECK(!pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
	CHECK(!pthread_mutex_init(&robust, &attr));
	CHECK(!pthread_create(&t, NULL, robust_main, ring));
	CHECK(!pthread_join(t, &err));
	CHECK(!err);
	CHECK(pthread_mutex_lock(&robust) == EOWNERDEAD);
	CHECK(!pthread_mutex_consistent(&robust));
	CHECK(!pthread_mutex_unlock(&robust));
	return NULL;
}

static void *idle_main(void *arg)
{
	struct blocker *b = arg;
	char c;

	return read(b->fd[0], &c, 1) == 1 ? arg : NULL;
}

THREADS_TEST(identity, pthread_create_join_and_cancel)
{
	struct blocker b;
	pthread_t t;
	void *ret;

	CHECK(!force_handoff(ring));
	CHECK(!pipe(b.fd));
	CHECK(!pthread_create(&t, NULL, idle_main, &b));
	CHECK(!force_handoff(ring));
	CHECK(write(b.fd[1], "x", 1) == 1);
	CHECK(!pthread_join(t, &ret) && ret == &b);

	CHECK(!pthread_create(&t, NULL, idle_main, &b));
	CHECK(!force_handoff(ring));
	CHECK(!pthread_cancel(t));
	CHECK(!pthread_join(t, &ret) && ret == PTHREAD_CANCELED);
	return NULL;
}

static void *handed_off_main(void *arg)
{
	struct blocker b;
	char c;

	if (force_handoff(arg) || pipe(b.fd))
		return NULL;
	/* a cancellation point */
	return read(b.fd[0], &c, 1) < 0 ? NULL : arg;
}

THREADS_TEST(identity, cancel_of_a_thread_that_was_handed_off)
{
	pthread_t t;
	void *ret;

	CHECK(!pthread_create(&t, NULL, handed_off_main, ring));
	CHECK(!pthread_cancel(t));
	CHECK(!pthread_join(t, &ret));
	CHECK(ret == PTHREAD_CANCELED);
	return NULL;
}

THREADS_TEST(identity, credentials_changed_after_the_pool_exists)
{
	int status;
	pid_t pid;

	/* in a child, as this cannot be undone */
	pid = fork();
	if (!pid) {
		if (force_handoff(ring) || setgid(65534) || setuid(65534))
			_exit(1);
		if (force_handoff(ring) || getuid() != 65534 || geteuid() != 65534)
			_exit(2);
		if (force_handoff(ring) || setuid(0) == 0)
			_exit(3);
		if (getegid() != 65534 || open("/etc/hello", O_CREAT | O_WRONLY, 0600) >= 0)
			_exit(4);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(status == 0);
	return NULL;
}

static int read_file(const char *name, char *buf, size_t len)
{
	int fd = open(name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, len - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	buf[n] = 0;
	return n;
}

/* starttime, in clock ticks */
static long long start_time(const char *name)
{
	char buf[1024], *p;
	long long t = -1;
	int i;

	if (read_file(name, buf, sizeof(buf)) < 0)
		return -1;
	p = strrchr(buf, ')');
	for (i = 0; p && i < 20; i++)
		p = strchr(p + 1, ' ');
	if (p)
		sscanf(p, "%lld", &t);
	return t;
}

THREADS_TEST(identity, proc_files)
{
	char name[64], comm[64], link[64], want[64];
	long long start;
	struct blocker b;
	ssize_t n;

	CHECK(!prctl(PR_SET_NAME, "observed"));
	snprintf(name, sizeof(name), "/proc/self/task/%d/stat", gettid());
	start = start_time(name);
	CHECK(start > 0);
	CHECK(blocker_begin(&b, ring, 0) == -ESYSLETPENDING);
	CHECK(start_time(name) == start);

	CHECK(read_file("/proc/thread-self/comm", comm, sizeof(comm)) > 0);
	CHECK(!strcmp(comm, "observed\n"));
	n = readlink("/proc/thread-self", link, sizeof(link) - 1);
	CHECK(n > 0);
	link[n] = 0;
	snprintf(want, sizeof(want), "%d/task/%d", getpid(), gettid());
	CHECK(!strcmp(link, want));
	/* a new name is the thread's, not the task's */
	CHECK(!prctl(PR_SET_NAME, "renamed"));
	CHECK(!force_handoff(ring));
	CHECK(read_file("/proc/thread-self/comm", comm, sizeof(comm)) > 0);
	CHECK(!strcmp(comm, "renamed\n"));
	CHECK(blocker_end(&b, ring) == 1);
	return NULL;
}

THREADS_TEST(identity, task_directory_lists_each_tid_once)
{
	struct blocker b[3];
	struct dirent *d;
	int i, mine = 0, n = 0;
	DIR *dir;

	for (i = 0; i < 3; i++)
		CHECK(blocker_begin(&b[i], ring, i) == -ESYSLETPENDING);
	dir = opendir("/proc/self/task");
	CHECK(dir);
	while ((d = readdir(dir))) {
		if (atoi(d->d_name) == gettid())
			mine++;
		n++;
	}
	closedir(dir);
	CHECK(mine == 1);
	CHECK(n >= 3);
	for (i = 0; i < 3; i++)
		CHECK(blocker_end(&b[i], ring) == 1);
	return NULL;
}

THREADS_TEST(identity, scheduling_attributes)
{
	struct sched_param sp = { .sched_priority = 3 }, sp2;
	cpu_set_t cpus, all;
	int nice;

	CHECK(!sched_getaffinity(0, sizeof(all), &all));
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	CHECK(!force_handoff(ring));
	CHECK(!setpriority(PRIO_PROCESS, 0, 5));
	CHECK(!sched_setaffinity(0, sizeof(cpus), &cpus));
	CHECK(!force_handoff(ring));
	CHECK(!force_handoff(ring));
	nice = getpriority(PRIO_PROCESS, 0);
	CHECK(nice == 5);
	CHECK(!sched_getaffinity(0, sizeof(cpus), &cpus));
	CHECK(CPU_COUNT(&cpus) == 1 && CPU_ISSET(0, &cpus));
	CHECK(!sched_setaffinity(0, sizeof(all), &all));
	CHECK(!setpriority(PRIO_PROCESS, 0, 0));

	CHECK(!sched_setscheduler(0, SCHED_FIFO, &sp));
	CHECK(!force_handoff(ring));
	CHECK(sched_getscheduler(0) == SCHED_FIFO);
	CHECK(!sched_getparam(0, &sp2) && sp2.sched_priority == 3);
	sp.sched_priority = 0;
	CHECK(!sched_setscheduler(0, SCHED_OTHER, &sp));
	CHECK(!force_handoff(ring));
	CHECK(sched_getscheduler(0) == SCHED_OTHER);
	return NULL;
}

/* glibc registers rseq for each thread; its CPU number has to be ours. */
THREADS_TEST(identity, rseq_follows_the_thread)
{
	cpu_set_t cpus, all;
	int i;

	CHECK(!sched_getaffinity(0, sizeof(all), &all));
	for (i = 0; i < 2; i++) {
		CPU_ZERO(&cpus);
		CPU_SET(i, &cpus);
		CHECK(!sched_setaffinity(0, sizeof(cpus), &cpus));
		CHECK(!force_handoff(ring));
		CHECK(sched_getcpu() == i);
	}
	CHECK(!sched_setaffinity(0, sizeof(all), &all));
	return NULL;
}

/* What it says is read when the thread comes back, before anything else sets it right. */
THREADS_TEST(identity, rseq_says_the_cpu_behind_each_handoff)
{
	unsigned int before, says, after;
	struct rseq *rseq;
	int n = rounds(400);

	if (!__rseq_size)
		return NULL;
	rseq = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	for (int i = 0; i < n; i++) {
		struct blocker b;

		CHECK(blocker_begin(&b, ring, i) == -ESYSLETPENDING);
		do {
			says = *(volatile __u32 *)&rseq->cpu_id;
			CHECK(!syscall(__NR_getcpu, &before, NULL, NULL));
			CHECK(!syscall(__NR_getcpu, &after, NULL, NULL));
		} while (before != after || *(volatile __u32 *)&rseq->cpu_id != says);
		CHECK(says == before);
		CHECK(blocker_end(&b, ring) == 1);
	}
	return NULL;
}

TEST_HARNESS_MAIN
