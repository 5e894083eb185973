// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hostile run of the fuzzer: submitters, with all that they use in one arena;
 * scribblers, who write to it and take its pages away; both disturb the process
 * as a whole.
 *
 * The program reads and writes the arena by poke(), which survives that there
 * is nothing.
 */
#include "fuzz.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <sys/ioctl.h>
#include <sys/personality.h>

#define MAX_THREADS	8
/* Pages of the arena: see fuzz_args.c for the first two. */
#define RING_PAGE	4
#define RING_PAGES	8
#define REGS_PAGE	16
#define PARAMS_PAGE	17
#define BATCH_PAGE	18
#define BATCH_PAGES	4

static struct rng thread_rng[MAX_THREADS];
static _Atomic int nr_threads;
static _Atomic pid_t tids[MAX_THREADS];
static int uffd = -1;
static __thread sigjmp_buf *escape;

static char *page(unsigned int nr)
{
	return arena.base + nr * PAGE;
}

/* --- memory that may not be there ------------------------------------------------- */

static void on_fault(int sig)
{
	if (escape)
		siglongjmp(*escape, 1);
	_exit(1);
}

static bool poke(void *to, const void *from, size_t len)
{
	sigjmp_buf here;
	bool ok = false;

	if (!sigsetjmp(here, 0)) {
		escape = &here;
		memcpy(to, from, len);
		ok = true;
	}
	escape = NULL;
	return ok;
}

/* --- submitters -------------------------------------------------------------------- */

static uint64_t any_ring(struct rng *r)
{
	if (once_in(r, 12))
		return any_pointer(r);
	/* the second page of each two is that of the entries */
	return P(page(RING_PAGE + rnd(r, RING_PAGES))) + (once_in(r, 3) ? PAGE - 16 : 0);
}

static uint32_t any_length(struct rng *r)
{
	static const uint32_t lengths[] = { 0, 1, 32, 40, 47, 49, 56, 64, 4096, 4097, -1 };

	return once_in(r, 10) ? lengths[rnd(r, ARRAY_LEN(lengths))] : sizeof(struct indirect_params);
}

/* Where the thread of a frame begins: it ends itself. */
static void __attribute__((naked)) frame_entry(void)
{
	asm volatile("mov $60, %eax; xor %edi, %edi; syscall; hlt");
}

static struct indirect_params any_params(struct rng *r)
{
	struct indirect_params p = { .syslet.completion_ring_ptr = any_ring(r) };

	p.syslet.caller_data = rnd(r, 16);
	p.syslet.flags = rnd(r, 4) ? rnd(r, 2) * SYSLET_SYNC_OK : rnd(r, 4);
	p.syslet.eventfd = arena.fd[once_in(r, 8) ? rnd(r, F_NR) : F_EVENT];
	if (once_in(r, 16)) {
		p.syslet.frame.ip = P(frame_entry);
		p.syslet.frame.sp = P(page(40 + rnd(r, 8)));
	}
	if (once_in(r, 12))
		((uint64_t *)&p)[rnd(r, sizeof(p) / 8)] = any_word(r);
	return p;
}

static void *put_regs(struct rng *r, bool i386)
{
	struct indirect_registers regs = any_call(r, i386), *to = (void *)page(REGS_PAGE);

	to += rnd(r, 16);
	poke(to, &regs, sizeof(regs));
	return once_in(r, 20) ? (void *)any_pointer(r) : to;
}

static void *put_params(struct rng *r)
{
	struct indirect_params params = any_params(r), *to = (void *)page(PARAMS_PAGE);

	to += rnd(r, 16);
	poke(to, &params, sizeof(params));
	return once_in(r, 20) ? (void *)any_pointer(r) : to;
}

static struct syslet_call any_entry(struct rng *r, bool i386)
{
	struct indirect_registers regs = any_call(r, i386);
	struct syslet_call call = { .nr = regs.nr, .caller_data = rnd(r, 16), .result = rnd(r, 9) };

	memcpy(call.args, regs.args, sizeof(call.args));
	return call;
}

static struct syslet_call *batch_entry(unsigned int nr)
{
	return (struct syslet_call *)page(BATCH_PAGE) +
	       nr % (BATCH_PAGES * PAGE / sizeof(struct syslet_call));
}

static void do_indirect(struct rng *r, bool i386)
{
	long ret = sys_any(i386, __NR_indirect, P(put_regs(r, i386)), P(put_params(r)),
			   any_length(r), once_in(r, 50) ? any_word(r) : 0, 0);

	count(C_calls);
	if (ret == -ESYSLETPENDING)
		count(C_pending);
	else if (ret == -EAGAIN)
		count(C_refused);
}

static void do_submit(struct rng *r, bool i386)
{
	unsigned int first = rnd(r, 200), n = rnd(r, 40);
	struct syslet_call *batch = batch_entry(first);
	long ret;

	for (unsigned int i = 0; i < n; i++) {
		struct syslet_call call = any_entry(r, i386);

		poke(batch_entry(first + i), &call, sizeof(call));
	}
	if (once_in(r, 20))
		n = any_word(r);
	if (once_in(r, 20))
		batch = (void *)any_pointer(r);
	ret = sys_any(i386, __NR_syslet_submit, P(batch), n, P(put_params(r)), any_length(r),
		      once_in(r, 40) ? any_word(r) : rnd(r, 8));
	if (ret > 0)
		shared->count[C_calls] += ret;
}

static void do_wait(struct rng *r, bool i386)
{
	uint64_t ring = any_ring(r);
	uint32_t head = 0;

	poke(&head, (void *)ring, 4);
	sys_any(i386, __NR_syslet_ring_wait, ring, once_in(r, 8) ? any_word(r) : head - rnd(r, 3),
		once_in(r, 8) ? any_word(r) : rnd(r, 4),
		once_in(r, 20) ? any_pointer(r) : P(arena.base) + rnd(r, 64) * 16,
		once_in(r, 8) ? any_word(r) : 0);
}

static void do_cancel(struct rng *r, bool i386)
{
	uint64_t ring = any_ring(r), data = once_in(r, 8) ? any_word(r) : rnd(r, 16);

	if (once_in(r, 4))
		sys_any(i386, __NR_syslet_cancel, ring, 0, i386 ? 0 : 1, 1, 0);
	else if (i386)
		sys_any(true, __NR_syslet_cancel, ring, (uint32_t)data, data >> 32, 0, 0);
	else
		sys_any(false, __NR_syslet_cancel, ring, data, rnd(r, 16) ? 0 : any_word(r), 0, 0);
}

/* --- rings that are written to, and go away ------------------------------------------- */

static uint32_t any_count(struct rng *r)
{
	return once_in(r, 2) ? rnd(r, 70) : any_word(r);
}

static void make_ring(struct rng *r, char *at)
{
	struct syslet_ring head = { .elements = 1u << rnd(r, 9) };

	if (once_in(r, 4))
		head.kernel_head = head.user_tail = any_word(r);
	poke(at, &head, sizeof(head));
}

static void scribble_ring(struct rng *r)
{
	char *at = page(RING_PAGE + rnd(r, RING_PAGES)) + (once_in(r, 3) ? PAGE - 16 : 0);
	uint32_t value = any_count(r), head = 0;

	switch (rnd(r, 6)) {
	case 0:
		poke(at, &value, 4);
		break;
	case 1:
		poke(at + 4, &value, 4);
		break;
	case 2:
		value = once_in(r, 2) ? 1u << rnd(r, 32) : value;
		poke(at + 8, &value, 4);
		break;
	case 3 ... 4:
		/* all taken */
		poke(&head, at, 4);
		poke(at + 4, &head, 4);
		break;
	case 5:
		make_ring(r, at);
		break;
	}
}

static void map_ring(struct rng *r, char *at, size_t len, int flags)
{
	int fd = flags & MAP_SHARED ? arena.fd[F_MEMFD] : -1;

	/* the same page may be at two places */
	mmap(at, len, PROT_READ | PROT_WRITE, MAP_FIXED | flags, fd,
	     fd < 0 ? 0 : rnd(r, RING_PAGES) * PAGE);
	if (!once_in(r, 4))
		make_ring(r, at);
}

static void take_ring_away(struct rng *r)
{
	char *at = page(RING_PAGE + rnd(r, RING_PAGES));
	size_t len = PAGE << rnd(r, 2);
	struct uffdio_register reg = {
		.range = { P(at), PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	switch (rnd(r, 10)) {
	case 0:
		munmap(at, len);
		break;
	case 1:
		mprotect(at, len, rnd(r, 4) & (PROT_READ | PROT_WRITE));
		break;
	case 2:
		/* away, and back */
		mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page(50));
		sleep_us(rnd(r, 500));
		mremap(page(50), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at);
		break;
	case 3:
		madvise(at, len, once_in(r, 2) ? MADV_DONTNEED : MADV_REMOVE);
		break;
	case 4:
		fallocate(arena.fd[F_MEMFD], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  rnd(r, RING_PAGES) * PAGE, PAGE);
		break;
	case 5:
		ftruncate(arena.fd[F_MEMFD], rnd(r, RING_PAGES) * PAGE) ?:
			ftruncate(arena.fd[F_MEMFD], ARENA_SIZE);
		break;
	case 6:
		madvise(at, PAGE, MADV_DONTNEED);
		ioctl(uffd, UFFDIO_REGISTER, &reg);
		break;
	default:
		map_ring(r, at, len, once_in(r, 2) ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS);
	}
}

/* Faults of userfaultfd are answered after a while, or not. */
static void *pager(void *arg)
{
	struct rng *r = arg;
	struct uffdio_range range = { P(arena.base), ARENA_SIZE };

	for (;;) {
		struct uffdio_zeropage zero = { .range.len = PAGE };
		struct uffd_msg msg;

		if (read(uffd, &msg, sizeof(msg)) != sizeof(msg)) {
			sleep_us(1000);
			continue;
		}
		sleep_us(rnd(r, 4) ? rnd(r, 300) : rnd(r, 100000));
		zero.range.start = msg.arg.pagefault.address & ~(PAGE - 1);
		if (!once_in(r, 16))
			ioctl(uffd, UFFDIO_ZEROPAGE, &zero);
		else
			ioctl(uffd, UFFDIO_UNREGISTER, &range);
	}
	return NULL;
}

static void open_userfaultfd(struct rng *r)
{
	struct uffdio_api api = { .api = UFFD_API };
	pthread_t t;

	uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	if (uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api))
		pthread_create(&t, NULL, pager, r);
}

/* --- structs that change while they are used -------------------------------------------- */

static void rewrite(struct rng *r)
{
	struct syslet_call call;
	uint64_t word = any_word(r);
	bool i386 = once_in(r, 3);

	switch (rnd(r, 6)) {
	case 0:
		put_regs(r, i386);
		break;
	case 1:
		put_params(r);
		break;
	case 2 ... 3:
		call = any_entry(r, i386);
		poke(batch_entry(rnd(r, 240)), &call, sizeof(call));
		break;
	case 4:
		poke(page(BATCH_PAGE) + rnd(r, BATCH_PAGES * PAGE / 8) * 8, &word, 8);
		break;
	case 5:
		poke(page(rnd(r, 24)) + rnd(r, PAGE / 8) * 8, &word, 8);
		break;
	}
}

/* --- disturbances of the whole ------------------------------------------------------------ */

static void *thread_main(void *arg);

static void start_thread(struct rng *r)
{
	int nr = nr_threads++;
	pthread_t t;

	if (nr >= MAX_THREADS) {
		nr_threads--;
		return;
	}
	thread_rng[nr] = rng_of(rnd64(r), nr, 0);
	if (!pthread_create(&t, NULL, thread_main, &thread_rng[nr]))
		pthread_detach(t);
}

static void signal_someone(struct rng *r)
{
	static const int signals[] = { SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD, SIGIO, SIGPIPE, 34, 40 };
	pid_t tid = tids[rnd(r, MAX_THREADS)];
	int sig = signals[rnd(r, ARRAY_LEN(signals))];

	if (once_in(r, 3))
		kill(getpid(), sig);
	else if (tid)
		syscall(__NR_tgkill, getpid(), tid, sig);
}

/* Stop, or trace, the parent for a moment. */
static void bother_parent(struct rng *r)
{
	pid_t parent = getppid(), tid = tids[rnd(r, MAX_THREADS)] ?: parent;
	int status;

	if (once_in(r, 2)) {
		kill(parent, SIGSTOP);
		sleep_us(rnd(r, 5000));
		kill(parent, SIGCONT);
		return;
	}
	if (ptrace(PTRACE_SEIZE, tid, 0, once_in(r, 2) ? PTRACE_O_TRACESYSGOOD : 0))
		return;
	ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	for (int i = rnd(r, 20); i-- > 0;) {
		if (waitpid(tid, &status, __WALL | WNOHANG) == tid)
			ptrace(once_in(r, 2) ? PTRACE_SYSCALL : PTRACE_CONT, tid, 0, 0);
		sleep_us(rnd(r, 500));
	}
	/* else its end detaches */
	if (once_in(r, 2))
		ptrace(PTRACE_DETACH, tid, 0, 0);
}

static void __attribute__((noreturn)) exec_again(void)
{
	char fd[16], w[16], n[16];
	char *args[] = { "fuzz", "-x", fd, w, n, NULL };

	snprintf(fd, sizeof(fd), "%d", shared_fd);
	snprintf(w, sizeof(w), "%u", worker);
	snprintf(n, sizeof(n), "%u", run);
	fcntl(shared_fd, F_SETFD, 0);
	execv("/proc/self/exe", args);
	_exit(0);
}

static void step(struct rng *r);

static void have_child(struct rng *r)
{
	struct rng mine = rng_of(rnd64(r), 7, 7);

	if (fork())
		return;
	if (once_in(&mine, 2))
		bother_parent(&mine);
	for (int i = rnd(&mine, 30); i-- > 0;)
		step(&mine);
	if (once_in(&mine, 3))
		exec_again();
	_exit(0);
}

static void filter_calls(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = { .len = 1, .filter = &allow };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);
}

static void use_cpu_timer(struct rng *r)
{
	struct itimerspec its = { .it_value.tv_nsec = 1000000 * (1 + rnd(r, 20)) };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	timer_t timer;

	if (timer_create(once_in(r, 2) ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID,
			 &ev, &timer))
		return;
	timer_settime(timer, 0, &its, NULL);
	if (once_in(r, 2))
		timer_delete(timer);
}

static void run_on(struct rng *r)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(rnd(r, 2), &cpus);
	if (once_in(r, 2))
		CPU_SET(1, &cpus);
	sched_setaffinity(once_in(r, 2) ? 0 : tids[rnd(r, MAX_THREADS)], sizeof(cpus), &cpus);
}

static void schedule_as(struct rng *r)
{
	struct sched_param param = {};

	sched_setscheduler(0, once_in(r, 2) ? SCHED_BATCH : SCHED_IDLE, &param);
	if (once_in(r, 2))
		sched_setscheduler(0, SCHED_OTHER, &param);
}

static void unshare_some(struct rng *r)
{
	static const int what[] = {
		CLONE_FILES, CLONE_FS, CLONE_SYSVSEM, CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWNS,
		CLONE_NEWUSER | CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWPID,
		CLONE_NEWUSER | CLONE_NEWIPC | CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_NEWTIME,
	};

	unshare(what[rnd(r, ARRAY_LEN(what))]);
}

static void limit_something(struct rng *r)
{
	struct rlimit limit = { rnd(r, 200), 1000 };

	setrlimit(once_in(r, 2) ? RLIMIT_NPROC : RLIMIT_SIGPENDING, &limit);
}

/* Rare ones, which change what comes after them for good. */
static void change_for_good(struct rng *r)
{
	struct io_uring_params uring = {};

	switch (rnd(r, 14)) {
	case 0:
		filter_calls();
		break;
	case 1 ... 2:
		use_cpu_timer(r);
		break;
	case 3:
		syscall(__NR_io_uring_setup, 4, &uring);
		break;
	case 4 ... 5:
		unshare_some(r);
		break;
	case 6:
		limit_something(r);
		break;
	case 7:
		nice(1);
		break;
	case 8:
		schedule_as(r);
		break;
	case 9:
		personality(rnd(r, 2) * ADDR_NO_RANDOMIZE);
		break;
	case 10:
		setresuid(-1, getuid(), -1);
		setresgid(getgid(), -1, -1);
		break;
	case 11:
		prctl(PR_SET_DUMPABLE, rnd(r, 2), 0, 0, 0);
		break;
	case 12:
		prctl(PR_SET_CHILD_SUBREAPER, rnd(r, 2), 0, 0, 0);
		break;
	case 13:
		setsid();
		break;
	}
}

static void end_thread_or_all(struct rng *r)
{
	switch (rnd(r, 8)) {
	case 0:
		exec_again();
	case 1:
		_exit(0);
	case 2:
		kill(getpid(), once_in(r, 2) ? SIGKILL : SIGABRT);
		break;
	default:
		syscall(__NR_exit, 0);
	}
}

static void disturb(struct rng *r)
{
	switch (rnd(r, 40)) {
	case 0 ... 13:
		signal_someone(r);
		break;
	case 14 ... 19:
		have_child(r);
		break;
	case 20 ... 23:
		start_thread(r);
		break;
	case 24 ... 28:
		run_on(r);
		break;
	case 29 ... 32:
		dup2(arena.fd[rnd(r, F_NR)], arena.fd[rnd(r, F_NR)]);
		break;
	case 33:
		close(arena.fd[rnd(r, F_NR)]);
		break;
	case 34 ... 37:
		if (once_in(r, 4))
			change_for_good(r);
		break;
	case 38 ... 39:
		if (once_in(r, 6))
			end_thread_or_all(r);
		break;
	}
}

/* --- threads --------------------------------------------------------------------------------- */

static void step(struct rng *r)
{
	bool i386 = once_in(r, 3);

	switch (rnd(r, 32)) {
	case 0 ... 15:
		do_indirect(r, i386);
		break;
	case 16 ... 20:
		do_submit(r, i386);
		break;
	case 21 ... 22:
		do_wait(r, i386);
		break;
	case 23:
		do_cancel(r, i386);
		break;
	case 24 ... 26:
		scribble_ring(r);
		break;
	case 27 ... 29:
		end_something(r);
		break;
	default:
		disturb(r);
	}
}

static void scribble(struct rng *r)
{
	switch (rnd(r, 16)) {
	case 0 ... 6:
		scribble_ring(r);
		break;
	case 7 ... 10:
		rewrite(r);
		break;
	case 11 ... 12:
		if (once_in(r, 4))
			take_ring_away(r);
		break;
	case 13 ... 14:
		end_something(r);
		break;
	case 15:
		signal_someone(r);
		break;
	}
	if (once_in(r, 8))
		sleep_us(rnd(r, 300));
}

static void *thread_main(void *arg)
{
	struct rng *r = arg;
	unsigned int i = r - thread_rng, left = 50 + rnd(r, 1000);

	tids[i] = syscall(__NR_gettid);
	while (left-- && !shared->stop)
		step(r);
	return NULL;
}

static void *scribbler_main(void *arg)
{
	while (!shared->stop)
		scribble(arg);
	return NULL;
}

static void on_signal(int sig)
{
}

static void catch_signals(struct rng *r)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct sigaction fault = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };

	for (int i = 1; i < 48; i++) {
		sa.sa_flags = once_in(r, 2) ? SA_RESTART : 0;
		if (i != SIGABRT && i != 32 && i != 33)
			sigaction(i, &sa, NULL);
	}
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	if (once_in(r, 2))
		signal(SIGCHLD, SIG_IGN);
}

void run_hostile(struct rng *r, bool again)
{
	static struct rng scribbler[3];
	unsigned int i, n = 1 + rnd(r, 3), scribblers = 1 + rnd(r, 2);
	pthread_t t;

	arena_init(false);
	catch_signals(r);
	for (i = 0; i < RING_PAGES; i++)
		make_ring(r, page(RING_PAGE + i));
	for (i = 0; i < scribblers; i++) {
		scribbler[i] = rng_of(shared->seed, (uint64_t)worker << 32 | run, 100 + i + again);
		if (pthread_create(&t, NULL, scribbler_main, &scribbler[i]))
			_exit(0);
	}
	if (once_in(r, 3)) {
		scribbler[2] = rng_of(shared->seed, (uint64_t)worker << 32 | run, 99);
		open_userfaultfd(&scribbler[2]);
	}
	nr_threads = 1;
	thread_rng[0] = rng_of(shared->seed, (uint64_t)worker << 32 | run, 50 + again);
	for (i = 1; i < n; i++)
		start_thread(r);
	thread_main(&thread_rng[0]);
	/* the main thread may be the first to go */
	if (once_in(r, 3))
		syscall(__NR_exit, 0);
	sleep_us(rnd(r, 20000));
	if (!again && once_in(r, 4))
		exec_again();
	_exit(0);
}
