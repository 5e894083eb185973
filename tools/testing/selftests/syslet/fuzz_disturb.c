// SPDX-License-Identifier: GPL-2.0-only
/* Hostile runs of the fuzzer: what happens to the process as a whole. */
#include "fuzz_hostile.h"

#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/ptrace.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/user.h>

void signal_someone(struct rng *r)
{
	static const int signals[] = { SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD, SIGIO, SIGPIPE, 34, 40 };
	pid_t tid = tids[rnd(r, MAX_THREADS)];
	int sig = signals[rnd(r, ARRAY_LEN(signals))];

	if (once_in(r, 3))
		kill(getpid(), sig);
	else if (tid)
		syscall(__NR_tgkill, getpid(), tid, sig);
}

/* What a debugger may do to a thread that has stopped. */
static void change_stopped(pid_t tid, struct rng *r)
{
	struct ptrace_syscall_info info;
	struct user_regs_struct regs;

	switch (rnd(r, 8)) {
	case 0 ... 2:
		ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info);
		break;
	case 3 ... 4:
		if (!ptrace(PTRACE_GETREGS, tid, 0, &regs))
			ptrace(PTRACE_SETREGS, tid, 0, &regs);
		break;
	case 5:
		/* another call, or none */
		ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, orig_rax),
		       rnd(r, 4) ? rnd(r, 64) : (uint64_t)-1);
		break;
	case 6:
		ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, rax), any_word(r));
		break;
	}
}

static void let_go_on(pid_t tid, struct rng *r)
{
	static const int how[] = {
		PTRACE_SYSCALL, PTRACE_SYSCALL, PTRACE_SYSCALL, PTRACE_CONT, PTRACE_SINGLESTEP,
		PTRACE_SYSEMU, PTRACE_LISTEN,
	};

	ptrace(how[rnd(r, ARRAY_LEN(how))], tid, 0, once_in(r, 30) ? SIGUSR1 : 0);
}

/* Trace a thread for a while; our end detaches, or that of the whole process. */
static void trace_one(pid_t tid, struct rng *r)
{
	unsigned long options = rnd(r, 2) * PTRACE_O_TRACESYSGOOD | rnd(r, 256) << 1;
	int status;

	if (once_in(r, 8))
		options |= PTRACE_O_EXITKILL;
	if (once_in(r, 4) ? ptrace(PTRACE_ATTACH, tid, 0, 0) :
			    ptrace(PTRACE_SEIZE, tid, 0, options))
		return;
	ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	for (int i = rnd(r, 100); i-- > 0;) {
		if (waitpid(tid, &status, __WALL | WNOHANG) == tid) {
			if (WIFEXITED(status) || WIFSIGNALED(status))
				return;
			change_stopped(tid, r);
			let_go_on(tid, r);
		} else if (once_in(r, 20)) {
			ptrace(PTRACE_INTERRUPT, tid, 0, 0);
		}
		sleep_us(rnd(r, 300));
	}
	if (once_in(r, 2))
		ptrace(PTRACE_DETACH, tid, 0, 0);
}

/* Stop, or trace, the parent for a moment. */
static void bother_parent(struct rng *r)
{
	pid_t parent = getppid();

	if (once_in(r, 3)) {
		kill(parent, SIGSTOP);
		sleep_us(rnd(r, 5000));
		kill(parent, SIGCONT);
		return;
	}
	for (int i = 1 + rnd(r, 2); i-- > 0;)
		trace_one(tids[rnd(r, MAX_THREADS)] ?: parent, r);
}

void exec_again(void)
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

static void have_child(struct rng *r)
{
	struct rng mine = rng_of(rnd64(r), 7, 7);

	if (fork())
		return;
	if (once_in(&mine, 2))
		bother_parent(&mine);
	for (int i = rnd(&mine, 30); i-- > 0;)
		hostile_step(&mine);
	if (once_in(&mine, 3))
		exec_again();
	_exit(0);
}

/* Answers for those who wait for an answer. */
static void *answer(void *arg)
{
	struct seccomp_notif_resp resp;
	struct seccomp_notif req;
	int fd = (intptr_t)arg;

	for (int i = 0; i < 100; i++) {
		memset(&req, 0, sizeof(req));
		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req))
			break;
		resp = (struct seccomp_notif_resp){ .id = req.id };
		if (i % 3)
			resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		else
			resp.error = -EPERM;
		ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &resp);
	}
	close(fd);
	return NULL;
}

/* One number, of whatever ABI, is treated in some way. */
static void filter_calls(struct rng *r)
{
	static const uint32_t actions[] = {
		SECCOMP_RET_ALLOW, SECCOMP_RET_LOG, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_TRAP,
		SECCOMP_RET_TRACE, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_KILL_THREAD,
	};
	static const uint32_t numbers[] = { 0, 3, 7, 4, 162, 202, 61, 240, 480, 483 };
	uint32_t action = actions[rnd(r, ARRAY_LEN(actions))];
	uint32_t number = numbers[rnd(r, ARRAY_LEN(numbers))];
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = ARRAY_LEN(filter), .filter = filter };
	bool notify = action == SECCOMP_RET_USER_NOTIF;
	pthread_t t;
	long fd;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	fd = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
		     notify ? SECCOMP_FILTER_FLAG_NEW_LISTENER : SECCOMP_FILTER_FLAG_TSYNC, &prog);
	if (notify && fd >= 0 && pthread_create(&t, NULL, answer, (void *)fd))
		close(fd);
}

/* By a selector in memory that is scribbled on. */
static void dispatch_calls(struct rng *r)
{
	prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0,
	      page(RING_PAGE + rnd(r, 2 * RING_PAGES)) + rnd(r, 64));
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

	switch (rnd(r, 15)) {
	case 0:
		filter_calls(r);
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
	case 14:
		dispatch_calls(r);
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

void disturb(struct rng *r)
{
	switch (rnd(r, 40)) {
	case 0 ... 13:
		signal_someone(r);
		break;
	case 14 ... 19:
		have_child(r);
		break;
	case 20 ... 23:
		hostile_thread(r);
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
