// SPDX-License-Identifier: GPL-2.0-only
/*
 * What filters say of a call, however it is made: the same table of verdicts
 * for a plain call, for one through indirect(2), with and without a ring, that
 * blocks or not, and for entries of batches, of both ABIs. All that can be seen
 * of it is to be as for the plain call.
 *
 *	child			filters one call; makes it; dies of it, or not
 *	  another thread	answers to USER_NOTIF
 *	test			traces the child's thread; looks at what is left
 */
#include <sys/ioctl.h>
#include <sys/user.h>
#include <ucontext.h>

#include "batch.h"
#include "filter.h"
#include "raw.h"
#include "threads.h"

/* The filtered call is the one that has this descriptor. */
#define VICTIM_FD	200
/* Other entries of a batch write here. */
#define SIDE_FD		201
#define ADDED_FD	202

/* What answers, handlers and tracers put as the result. */
#define ANSWER		0x123
/* Data of the filter. */
#define DATA		0x2a

/* --- ways to make a call ------------------------------------------------------- */

enum how { PLAIN, INNER, ARMED, BATCH_FIRST, BATCH_MIDDLE };

struct way {
	const char	*name;
	enum how	how;
	bool		i386;
	/* Reads what is not there yet, and is pending if there is a ring. */
	bool		blocks;
};

static const struct way ways[] = {
	{ "plain write",	PLAIN, },
	{ "indirect",		INNER, },
	{ "armed",		ARMED, },
	{ "first of a batch",	BATCH_FIRST, },
	{ "middle of a batch",	BATCH_MIDDLE, },
	{ "plain read",		PLAIN,		.blocks = true },
	{ "armed, blocks",	ARMED,		.blocks = true },
	{ "first, blocks",	BATCH_FIRST,	.blocks = true },
	{ "middle, blocks",	BATCH_MIDDLE,	.blocks = true },
	{ "i386 write",		PLAIN,		.i386 = true },
	{ "i386 indirect",	INNER,		.i386 = true },
	{ "i386 armed",		ARMED,		.i386 = true },
	{ "i386 first",		BATCH_FIRST,	.i386 = true },
	{ "i386 middle",	BATCH_MIDDLE,	.i386 = true },
	{ "i386 read",		PLAIN,		.i386 = true, .blocks = true },
	{ "i386 armed, blocks",	ARMED,		.i386 = true, .blocks = true },
	{ "i386 first, blocks",	BATCH_FIRST,	.i386 = true, .blocks = true },
	{ "i386 middle, blocks", BATCH_MIDDLE,	.i386 = true, .blocks = true },
};

static bool in_batch(const struct way *way)
{
	return way->how == BATCH_FIRST || way->how == BATCH_MIDDLE;
}

static uint32_t way_arch(const struct way *way)
{
	return way->i386 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;
}

static uint32_t way_nr(const struct way *way)
{
	if (way->i386)
		return way->blocks ? 3 : 4;
	return way->blocks ? __NR_read : __NR_write;
}

/* --- what is seen of it -------------------------------------------------------- */

/* Shared with the child, and addressed by both ABIs. */
struct seen {
	pid_t			tid;
	int			done;		/* the call has returned */
	int			pending;
	long			ret;
	long			side;		/* what other entries wrote */
	long			effect;		/* bytes that were written or read */
	int			status;		/* of the process */

	/* a handler of SIGSYS */
	int			signals;
	int			code, err, nr;
	uint32_t		arch;
	uint64_t		addr;
	uint64_t		ax, args[3];

	/* who is asked: a tracer, or a supervisor */
	int			asked;
	uint64_t		msg;
	struct seccomp_data	data;
	int			flag_of_fd;	/* of the one that was added */
};

struct low {
	struct seen		seen;
	struct indirect_registers regs;
	struct indirect_params	params;
	struct syslet_call	calls[3];
	char			buf[4];
	char			out[4];
};

static struct low *low;

/* --- handlers -------------------------------------------------------------------- */

static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	struct seen *s = &low->seen;

	s->signals++;
	s->code = info->si_code;
	s->err = info->si_errno;
	s->nr = info->si_syscall;
	s->arch = info->si_arch;
	s->addr = P(info->si_call_addr);
	s->ax = regs[REG_RAX];
	s->args[0] = regs[s->arch == AUDIT_ARCH_I386 ? REG_RBX : REG_RDI];
	s->args[1] = regs[s->arch == AUDIT_ARCH_I386 ? REG_RCX : REG_RSI];
	s->args[2] = regs[REG_RDX];
	regs[REG_RAX] = ANSWER;
}

static bool catch_sigsys(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };

	return !sigaction(SIGSYS, &sa, NULL);
}

/* --- supervisors ------------------------------------------------------------------ */

struct supervisor {
	sem_t	ready;
	int	fd;
	void	(*answer)(int fd, struct seccomp_notif_resp *resp);
};

static struct supervisor supervisor;

static void answer_error(int fd, struct seccomp_notif_resp *resp)
{
	resp->error = -FORBIDDEN;
}

static void answer_value(int fd, struct seccomp_notif_resp *resp)
{
	resp->val = ANSWER;
}

static void answer_continue(int fd, struct seccomp_notif_resp *resp)
{
	resp->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
}

/* A descriptor for the thread, which is the result too. */
static void answer_addfd(int fd, struct seccomp_notif_resp *resp)
{
	struct seccomp_notif_addfd add = {
		.id = resp->id, .srcfd = SIDE_FD, .newfd = ADDED_FD, .newfd_flags = O_CLOEXEC,
		.flags = SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND,
	};

	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add) != ADDED_FD)
		low->seen.asked = -errno;
	resp->id = 0;
}

static void *supervise(void *arg)
{
	struct supervisor *s = arg;
	struct seccomp_notif_resp resp;
	struct seccomp_notif req;

	sem_take(&s->ready);
	for (;;) {
		memset(&req, 0, sizeof(req));
		if (ioctl(s->fd, SECCOMP_IOCTL_NOTIF_RECV, &req))
			return NULL;
		low->seen.asked++;
		low->seen.data = req.data;
		low->seen.msg = (pid_t)req.pid == low->seen.tid;
		resp = (struct seccomp_notif_resp){ .id = req.id };
		s->answer(s->fd, &resp);
		if (resp.id && ioctl(s->fd, SECCOMP_IOCTL_NOTIF_SEND, &resp))
			low->seen.asked = -errno;
	}
}

/* --- tracers ---------------------------------------------------------------------- */

static void trace_number(const struct way *way, struct user_regs_struct *regs)
{
	regs->orig_rax = way->i386 ? 64 : __NR_getppid;
}

static void trace_args(const struct way *way, struct user_regs_struct *regs)
{
	regs->rdx = 1;
}

static void trace_result(const struct way *way, struct user_regs_struct *regs)
{
	regs->orig_rax = -1;
	regs->rax = ANSWER;
}

static void trace_nothing(const struct way *way, struct user_regs_struct *regs)
{
}

/* What a tracer sees of the call, as a filter would. */
static void trace_look(const struct way *way, const struct user_regs_struct *regs)
{
	const unsigned long long args[2][6] = {
		{ regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9 },
		{ regs->rbx, regs->rcx, regs->rdx, regs->rsi, regs->rdi, regs->rbp },
	};
	struct seccomp_data *data = &low->seen.data;

	data->nr = regs->orig_rax;
	data->instruction_pointer = regs->rip;
	for (int i = 0; i < 6; i++)
		data->args[i] = args[way->i386][i];
	low->seen.asked++;
}

/* --- verdicts ---------------------------------------------------------------------- */

struct verdict {
	uint32_t	action;
	/* of the plain call: the status of its process, its result if it lives */
	int		status;
	long		ret;
	long		effect;
	bool		handler;
	void		(*answer)(int fd, struct seccomp_notif_resp *resp);
	void		(*trace)(const struct way *way, struct user_regs_struct *regs);
};

struct run {
	const struct way	*way;
	const struct verdict	*v;
	bool			thread;
	int			victim[2], side[2];
	struct syslet_ring	*ring;	/* addressed by both ABIs */
	struct kid		k;
};

#define DUMPED	0x80
#define KILLED	(SIGSYS | DUMPED)
/* The main thread goes on, and says so. */
#define SURVIVED	(7 << 8)

/* Write two bytes, or read two. */
static void run_args(const struct run *run, __u64 *args)
{
	args[0] = VICTIM_FD;
	args[1] = P(run->way->blocks ? low->buf : low->out);
	args[2] = 2;
}

/* Number and six arguments: the same instruction makes all calls of an ABI. */
static __attribute__((noinline)) long gate_64(long nr, const __u64 *args)
{
	return syslet_ret(syscall(nr, args[0], args[1], args[2], args[3], args[4], args[5]));
}

/* Registers of arguments are lost if a handler returns: see SECCOMP_RET_TRAP. */
static __attribute__((noinline)) long gate_32(long nr, const __u64 *args)
{
	uint64_t b = args[0], c = args[1], d = args[2], si = args[3], di = args[4];
	int ret;

	asm volatile("push %%rbp\n\t"
		     "mov %[bp], %%rbp\n\t"
		     "int $0x80\n\t"
		     "pop %%rbp"
		     : "=a" (ret), "+b" (b), "+c" (c), "+d" (d), "+S" (si), "+D" (di)
		     : "a" (nr), [bp] "r" (args[5])
		     : "r8", "r9", "r10", "r11", "memory", "cc");
	return ret;
}

static long run_gate(const struct run *run, long nr, const __u64 *args)
{
	return run->way->i386 ? gate_32(nr, args) : gate_64(nr, args);
}

static long run_indirect(const struct run *run)
{
	const __u64 args[6] = {
		P(&low->regs), P(&low->params), sizeof(low->params), 0,
	};

	low->regs = (struct indirect_registers){ .nr = way_nr(run->way) };
	run_args(run, low->regs.args);
	low->params = (struct indirect_params){
		.syslet.completion_ring_ptr = run->way->how == ARMED ? P(run->ring) : 0 };
	return run_gate(run, __NR_indirect, args);
}

static long run_batch(const struct run *run)
{
	const __u64 args[6] = {
		P(low->calls), ARRAY_LEN(low->calls), P(&low->params), sizeof(low->params), 0,
	};
	int victim = run->way->how == BATCH_MIDDLE;
	long ret;

	for (int i = 0; i < 3; i++)
		low->calls[i] = ENTRY(i, run->way->i386 ? 4 : __NR_write, SIDE_FD, P(low->out), 1);
	low->calls[victim].nr = way_nr(run->way);
	run_args(run, low->calls[victim].args);
	low->params = (struct indirect_params){ .syslet.completion_ring_ptr = P(run->ring) };
	ret = run_gate(run, __NR_syslet_submit, args);
	return ret == 3 ? low->calls[victim].result : -EPROTO;
}

static long run_plain(const struct run *run)
{
	__u64 args[6] = {};

	run_args(run, args);
	return run_gate(run, way_nr(run->way), args);
}

/* Bytes to read: before a call that would wait for them for ever. */
static void run_feed(const struct run *run)
{
	KID_CHECK(!run->way->blocks || write(run->victim[1], "ab", 2) == 2);
}

static void run_call(const struct run *run)
{
	struct seen *s = &low->seen;

	switch (run->way->how) {
	case PLAIN:
		run_feed(run);
		s->ret = run_plain(run);
		break;
	case INNER:
	case ARMED:
		s->ret = run_indirect(run);
		break;
	default:
		s->ret = run_batch(run);
	}
	if (s->ret == -ESYSLETPENDING) {
		s->pending = 1;
		run_feed(run);
		s->ret = reap_status(run->ring);
	}
	s->flag_of_fd = fcntl(ADDED_FD, F_GETFD);
	s->done = 1;
}

static uint32_t run_install(const struct run *run, unsigned int flags)
{
	return filter_arg(flags, way_arch(run->way), way_nr(run->way), 0, VICTIM_FD,
			  run->v->action);
}

/* The thread that makes the call: on another task than its first one, if that can be. */
static void *run_main(void *arg)
{
	const struct run *run = arg;
	struct syslet_ring *ring = ring_alloc(4);
	bool moves = run->way->how != PLAIN;

	KID_CHECK(!moves || !force_handoff(ring));
	if (run->v->answer) {
		supervisor.fd = run_install(run, SECCOMP_FILTER_FLAG_NEW_LISTENER);
		KID_CHECK(supervisor.fd >= 0);
		sem_post(&supervisor.ready);
	} else {
		KID_CHECK(!run_install(run, 0));
	}
	KID_CHECK(!moves || !force_handoff(ring));
	run_call(run);
	return NULL;
}

/* For a tracer to come. */
static void *run_traced(void *arg)
{
	struct run *run = arg;

	low->seen.tid = gettid();
	if (run->v->trace) {
		KID_CHECK(kid_tell(&run->k) && kid_hear(&run->k));
	}
	return run_main(arg);
}

static void run_child(struct run *run)
{
	struct rlimit lim = { 1 << 20, 1 << 20 };
	pthread_t t;

	/* One that dies of it dumps core. */
	KID_CHECK(!chdir("/tmp") && !setrlimit(RLIMIT_CORE, &lim));
	run->ring = low_memory();
	KID_CHECK(run->ring);
	run->ring->elements = 4;
	KID_CHECK(dup2(run->victim[!run->way->blocks], VICTIM_FD) == VICTIM_FD);
	KID_CHECK(dup2(run->side[1], SIDE_FD) == SIDE_FD);
	KID_CHECK(!run->v->handler || catch_sigsys());
	if (run->v->answer) {
		supervisor.answer = run->v->answer;
		KID_CHECK(!sem_init(&supervisor.ready, 0, 0));
		KID_CHECK(!pthread_create(&t, NULL, supervise, &supervisor));
	}
	if (run->thread) {
		KID_CHECK(!pthread_create(&t, NULL, run_traced, run));
		KID_CHECK(!pthread_join(t, NULL));
	} else {
		run_traced(run);
	}
	_exit(7);
}

/* Until the child is gone: its status. */
static int run_trace(struct run *run)
{
	struct user_regs_struct regs;
	unsigned long msg;
	int status = -1;
	pid_t tid;

	if (!kid_hear(&run->k) ||
	    ptrace(PTRACE_SEIZE, low->seen.tid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL) ||
	    !kid_tell(&run->k))
		return -1;
	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		if (!WIFSTOPPED(status)) {
			if (tid == run->k.pid)
				break;
			continue;
		}
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
			if (tid != low->seen.tid || ptrace(PTRACE_GETEVENTMSG, tid, 0, &msg) ||
			    ptrace(PTRACE_GETREGS, tid, 0, &regs))
				return -1;
			low->seen.msg = msg;
			trace_look(run->way, &regs);
			run->v->trace(run->way, &regs);
			ptrace(PTRACE_SETREGS, tid, 0, &regs);
		}
		ptrace(PTRACE_CONT, tid, 0, status >> 16 ? 0 : WSTOPSIG(status));
	}
	kid_forget(&run->k);
	return status;
}

/* One child: what was seen of its call. */
static const char *run_once(struct run *run, struct seen *seen)
{
	CHECK(!pipe2(run->victim, O_CLOEXEC) && !pipe2(run->side, O_CLOEXEC));
	memset(low, 0, sizeof(*low));
	CHECK(kid_fork(&run->k) >= 0);
	if (!run->k.pid)
		run_child(run);
	low->seen.status = run->v->trace ? run_trace(run) : kid_status(&run->k);
	low->seen.side = pipe_bytes(run->side);
	low->seen.effect = run->way->blocks ? (long)strlen(low->buf) : pipe_bytes(run->victim);
	*seen = low->seen;
	pipe_close(run->victim);
	pipe_close(run->side);
	return NULL;
}

/* That of the plain call, of which the table tells. */
static const char *check_plain(const struct run *run, const struct seen *s)
{
	const struct verdict *v = run->v;
	bool lives = v->ret || !v->status;
	int status = v->status ?: SURVIVED;

	/* In a program of two threads that is the end of one of them. */
	if (v->action == SECCOMP_RET_KILL_THREAD && run->thread)
		status = SURVIVED;
	CHECK(s->status == status);
	CHECK(s->done == lives);
	CHECK(!lives || s->ret == (v->trace == trace_number ? getpid() : v->ret));
	CHECK(s->effect == v->effect);
	CHECK(s->signals == v->handler && (!v->handler || (s->code == 1 /* SYS_SECCOMP */ &&
	      s->err == DATA && s->arch == way_arch(run->way) && s->nr == way_nr(run->way) &&
	      s->ax == way_nr(run->way) && s->args[0] == VICTIM_FD && s->args[2] == 2)));
	CHECK(s->asked == (v->answer || v->trace));
	CHECK(!s->asked || (s->data.nr == way_nr(run->way) && s->data.args[0] == VICTIM_FD &&
			    s->data.args[2] == 2 && !s->data.args[3] && !s->data.args[5]));
	CHECK(!v->answer || (s->data.arch == way_arch(run->way) && s->msg));
	CHECK(!v->trace || s->msg == DATA);
	CHECK(v->answer != answer_addfd || s->flag_of_fd == FD_CLOEXEC);
	return NULL;
}

/* There is no way from the middle of a batch to a handler, and back. */
static bool is_refused_in_a_batch(const struct run *run)
{
	return in_batch(run->way) && run->v->action == (SECCOMP_RET_TRAP | DATA);
}

static const char *check_refused(const struct run *run, const struct seen *s)
{
	CHECK(s->status == SURVIVED && s->done && s->ret == -EAGAIN);
	CHECK(!s->pending && !s->effect && !s->signals && s->side == 2);
	return NULL;
}

static const char *check_same(const struct run *run, const struct seen *s, const struct seen *plain)
{
	bool ran = plain->effect;

	CHECK(s->status == plain->status);
	CHECK(s->done == plain->done);
	CHECK(s->ret == plain->ret);
	CHECK(s->effect == plain->effect);
	CHECK(s->signals == plain->signals && s->code == plain->code && s->err == plain->err);
	CHECK(s->nr == plain->nr && s->arch == plain->arch && s->addr == plain->addr);
	CHECK(s->ax == plain->ax && !memcmp(s->args, plain->args, sizeof(s->args)));
	CHECK(s->asked == plain->asked && s->msg == plain->msg);
	CHECK(s->flag_of_fd == plain->flag_of_fd);
	/* number, ABI, instruction, six arguments */
	CHECK(!memcmp(&s->data, &plain->data, sizeof(s->data)));
	/* a call that runs and blocks is pending; none else is */
	CHECK(s->pending == (ran && run->way->blocks && run->way->how != PLAIN));
	/* those before it are made, those behind it if somebody lives to do it */
	if (in_batch(run->way))
		CHECK(s->side == (s->done ? 2 : run->way->how == BATCH_MIDDLE));
	return NULL;
}

static bool is_skipped(const struct way *way)
{
	return way->i386 && !have_ia32();
}

static const char *verdict_run(const struct verdict *v)
{
	static char text[512];
	/* plain calls of both kinds come before what is compared with them */
	struct seen plain[2], seen;
	const char *err;

	for (int i = 0; i < 2 * ARRAY_LEN(ways); i++) {
		struct run run = { .way = &ways[i / 2], .v = v, .thread = i % 2 };

		if (is_skipped(run.way))
			continue;
		err = run_once(&run, &seen);
		if (err) {
			return err;
		} else if (run.way->how == PLAIN) {
			err = check_plain(&run, &seen);
			plain[run.thread] = seen;
		} else if (is_refused_in_a_batch(&run)) {
			err = check_refused(&run, &seen);
		} else {
			err = check_same(&run, &seen, &plain[run.thread]);
		}
		if (err) {
			snprintf(text, sizeof(text), "%s%s: %.256s (ret %ld status %#x effect %ld side %ld)",
				 run.way->name, run.thread ? ", thread" : "", err, seen.ret,
				 seen.status, seen.effect, seen.side);
			return text;
		}
	}
	return NULL;
}

FIXTURE(verdict) { };
FIXTURE_VARIANT(verdict) { struct verdict v; };
#define VERDICT(name, ...) FIXTURE_VARIANT_ADD(verdict, name) { .v = { __VA_ARGS__ } }

VERDICT(allow, SECCOMP_RET_ALLOW, .ret = 2, .effect = 2);
VERDICT(log, SECCOMP_RET_LOG, .ret = 2, .effect = 2);
/* A call that is not made, and successful. */
VERDICT(errno_0, SECCOMP_RET_ERRNO, .ret = 0);
VERDICT(errno_forbidden, SECCOMP_RET_ERRNO | FORBIDDEN, .ret = -FORBIDDEN);
VERDICT(errno_eagain, SECCOMP_RET_ERRNO | EAGAIN, .ret = -EAGAIN);
VERDICT(errno_4095, SECCOMP_RET_ERRNO | 4095, .ret = -4095);
/* cut off by seccomp */
VERDICT(errno_4096, SECCOMP_RET_ERRNO | 4096, .ret = -4095);
VERDICT(errno_65535, SECCOMP_RET_ERRNO | 65535, .ret = -4095);
VERDICT(trap, SECCOMP_RET_TRAP | DATA, .ret = ANSWER, .handler = true);
VERDICT(trap_without_handler, SECCOMP_RET_TRAP | DATA, .status = KILLED);
VERDICT(kill_thread, SECCOMP_RET_KILL_THREAD, .status = KILLED);
VERDICT(kill_process, SECCOMP_RET_KILL_PROCESS, .status = KILLED);
VERDICT(trace_without_tracer, SECCOMP_RET_TRACE | DATA, .ret = -ENOSYS);
VERDICT(trace, SECCOMP_RET_TRACE | DATA, .ret = 2, .effect = 2, .trace = trace_nothing);
VERDICT(trace_number, SECCOMP_RET_TRACE | DATA, .ret = 1, .trace = trace_number);
VERDICT(trace_args, SECCOMP_RET_TRACE | DATA, .ret = 1, .effect = 1, .trace = trace_args);
VERDICT(trace_result, SECCOMP_RET_TRACE | DATA, .ret = ANSWER, .trace = trace_result);
VERDICT(notif_error, SECCOMP_RET_USER_NOTIF, .ret = -FORBIDDEN, .answer = answer_error);
VERDICT(notif_value, SECCOMP_RET_USER_NOTIF, .ret = ANSWER, .answer = answer_value);
VERDICT(notif_continue, SECCOMP_RET_USER_NOTIF, .ret = 2, .effect = 2,
	.answer = answer_continue);
VERDICT(notif_addfd, SECCOMP_RET_USER_NOTIF, .ret = ADDED_FD, .answer = answer_addfd);

FIXTURE_SETUP(verdict)
{
	low = mmap(NULL, sizeof(*low), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, low);
}

FIXTURE_TEARDOWN(verdict)
{
}

TEST_F_TIMEOUT(verdict, is_the_same_however_the_call_is_made, 240)
{
	const char *err = verdict_run(&variant->v);

	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

TEST_HARNESS_MAIN
