/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A tracer, and a process of which it follows one thread from system call to
 * system call. What it sees is a log, so that the same calls can be made
 * plainly and through indirect(2), and be compared.
 */
#ifndef __SYSLET_TRACER_H
#define __SYSLET_TRACER_H

#include <sys/user.h>

#include "batch.h"
#include "threads.h"

/* What the program tells the tracer, which sees the rest. */
struct shared {
	pid_t	tid;
	long	result[64];
	int	nr;
	atomic_int flag;
};

struct tracee {
	pid_t		pid, tid;
	struct kid	kid;
	struct shared	*sh;
	int		status;		/* of the last wait() */
	int		marks;
};

/* The part of its life that is compared lies between two of these. */
#define MARK_NR		__NR_getpgid
#define MARK_ARG	0x7a8b9c

static inline void mark(void)
{
	syscall(MARK_NR, MARK_ARG);
}

typedef void program_fn(struct shared *sh, struct syslet_ring *ring);

enum attach { BY_TRACEME, BY_ATTACH, BY_SEIZE };

struct tracee_job {
	struct tracee	*t;
	program_fn	*fn;
	enum attach	how;
};

/* How it ends, if all is well. */
#define TRACEE_STATUS	(33 << 8)

static inline void *tracee_main(void *arg)
{
	struct tracee_job *job = arg;
	struct tracee *t = job->t;
	struct syslet_ring *ring = ring_alloc(64);

	t->sh->tid = gettid();
	KID_CHECK(ring && kid_tell(&t->kid) && kid_hear(&t->kid));
	if (job->how == BY_TRACEME) {
		KID_CHECK(!ptrace(PTRACE_TRACEME, 0, 0, 0));
		KID_CHECK(!tgkill(getpid(), gettid(), SIGSTOP));
	}
	mark();
	job->fn(t->sh, ring);
	mark();
	return NULL;
}

/* Begin to be its tracer: it is stopped then. */
static inline bool tracee_attach(struct tracee *t, enum attach how, long options)
{
	switch (how) {
	case BY_TRACEME:
		if (!kid_tell(&t->kid))
			return false;
		break;
	case BY_ATTACH:
		if (ptrace(PTRACE_ATTACH, t->tid, 0, 0))
			return false;
		break;
	case BY_SEIZE:
		if (ptrace(PTRACE_SEIZE, t->tid, 0, options) ||
		    ptrace(PTRACE_INTERRUPT, t->tid, 0, 0))
			return false;
		break;
	}
	/* a thread is not ours before it has asked for it */
	while (waitpid(t->tid, &t->status, __WALL) != t->tid)
		if (how != BY_TRACEME || errno != ECHILD)
			return false;
	if (!WIFSTOPPED(t->status))
		return false;
	return !ptrace(PTRACE_SETOPTIONS, t->tid, 0, options);
}

/* A process, of which the main thread or another one runs fn(), when told to. */
static inline bool tracee_fork(struct tracee *t, program_fn *fn, bool thread, enum attach how)
{
	struct tracee_job job = { t, fn, how };

	*t = (struct tracee){};
	t->sh = mmap(NULL, sizeof(*t->sh), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t->sh == MAP_FAILED)
		return false;
	if (!kid_fork(&t->kid)) {
		pthread_t other;

		/* a test that failed does not end it */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (thread) {
			KID_CHECK(!pthread_create(&other, NULL, tracee_main, &job));
			KID_CHECK(!pthread_join(other, NULL));
		} else {
			tracee_main(&job);
		}
		_exit(WEXITSTATUS(TRACEE_STATUS));
	}
	t->pid = t->kid.pid;
	if (t->pid < 0 || !kid_hear(&t->kid))
		return false;
	t->tid = t->sh->tid;
	return true;
}

/* The same, traced, and on its way to fn() as soon as it is let go. */
static inline bool tracee_begin(struct tracee *t, program_fn *fn, bool thread, enum attach how,
				long options)
{
	return tracee_fork(t, fn, thread, how) &&
	       tracee_attach(t, how, options | PTRACE_O_TRACESYSGOOD) &&
	       (how == BY_TRACEME || kid_tell(&t->kid));
}

/* --- what the tracer sees ------------------------------------------------------ */

/* A stop. op, nr, args, rval are those of PTRACE_GET_SYSCALL_INFO. */
struct seen {
	int		sig, event;
	int		op;
	long		nr;		/* of the entry, for an exit */
	uint64_t	args[6];
	long		rval;
	bool		is_error;
	struct user_regs_struct regs;
};

static inline bool is_syscall_stop(const struct seen *s)
{
	return s->sig == (SIGTRAP | 0x80);
}

static inline bool is_entry(const struct seen *s)
{
	return is_syscall_stop(s) && s->op == PTRACE_SYSCALL_INFO_ENTRY;
}

static inline bool is_exit(const struct seen *s)
{
	return is_syscall_stop(s) && s->op == PTRACE_SYSCALL_INFO_EXIT;
}

static inline bool is_outer(long nr)
{
	return nr == __NR_indirect || nr == __NR_syslet_submit;
}

static inline bool tracee_look(struct tracee *t, struct seen *s)
{
	struct __ptrace_syscall_info info = {};

	*s = (struct seen){ .sig = WSTOPSIG(t->status), .event = t->status >> 16, .nr = -1 };
	if (ptrace(PTRACE_GETREGS, t->tid, 0, &s->regs))
		return false;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof(info), &info) <= 0)
		return false;
	s->op = info.op;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		s->nr = info.entry.nr;
		memcpy(s->args, info.entry.args, sizeof(s->args));
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
		s->rval = info.exit.rval;
		s->is_error = info.exit.is_error;
	}
	return true;
}

/* Let it go on to its next stop; false if there is none. */
static inline bool tracee_step(struct tracee *t, int request, int sig, struct seen *s)
{
	return !ptrace(request, t->tid, 0, sig) &&
	       waitpid(t->tid, &t->status, __WALL) == t->tid &&
	       WIFSTOPPED(t->status) && tracee_look(t, s);
}

struct seen_log {
	struct seen	seen[400];
	int		nr;
};

static inline void log_print(const struct seen_log *log)
{
	for (int i = 0; i < log->nr; i++) {
		const struct seen *s = &log->seen[i];

		if (is_entry(s))
			printf("# entry %ld(%#lx, %#lx, %#lx, %#lx, %#lx, %#lx)\n", s->nr,
			       s->args[0], s->args[1], s->args[2], s->args[3], s->args[4],
			       s->args[5]);
		else if (is_exit(s))
			printf("# exit %ld = %ld%s, orig_rax %ld, rax %ld\n", s->nr, s->rval,
			       s->is_error ? " error" : "", (long)s->regs.orig_rax,
			       (long)s->regs.rax);
		else
			printf("# stop %d event %d op %d\n", s->sig, s->event, s->op);
	}
	fflush(stdout);
}

/* A tracer that also does something at a stop; the signal to go on with. */
typedef int change_fn(struct tracee *t, const struct seen *s, void *arg);

/* What it goes on with by itself: signals are delivered. */
static inline int signal_of(const struct seen *s)
{
	return is_syscall_stop(s) || s->event ? 0 : s->sig;
}

/*
 * To the end of the thread, or to the end of what is compared: PTRACE_SYSCALL
 * from stop to stop. False if a stop is not as it has to be.
 */
static inline bool tracee_record(struct tracee *t, struct seen_log *log, change_fn *change,
				 void *arg)
{
	long nr = -1;
	struct seen s;
	int sig = 0;

	log->nr = 0;
	while (t->marks < 2) {
		if (!tracee_step(t, PTRACE_SYSCALL, sig, &s))
			return false;
		sig = signal_of(&s);
		if (is_entry(&s)) {
			/* as often as exits, and one after the other */
			if (t->marks > 0 && nr != -1)
				return false;
			nr = s.nr;
		}
		if (is_exit(&s)) {
			if (t->marks > 0 && nr == -1)
				return false;
			s.nr = nr;
			nr = -1;
		}
		if (is_entry(&s) && s.nr == MARK_NR && s.args[0] == MARK_ARG) {
			t->marks++;
			continue;
		}
		if (t->marks <= 0 || s.nr == MARK_NR)
			continue;
		if (log->nr == ARRAY_LEN(log->seen))
			return false;
		log->seen[log->nr++] = s;
		if (change)
			sig = change(t, &s, arg);
	}
	return true;
}

/* The thread has its own end, and the process the status that it gave itself. */
static inline bool tracee_end(struct tracee *t)
{
	struct seen s;
	int sig = 0;

	while (tracee_step(t, PTRACE_CONT, sig, &s))
		sig = signal_of(&s);
	kid_forget(&t->kid);
	munmap(t->sh, sizeof(*t->sh));
	if (t->tid != t->pid) {
		/* that of the process, if that was faster */
		if (t->status && t->status != TRACEE_STATUS)
			return false;
		if (waitpid(t->pid, &t->status, __WALL) != t->pid)
			return false;
	}
	return t->status == TRACEE_STATUS;
}

/* It goes on without us. */
static inline bool tracee_detach(struct tracee *t)
{
	return !ptrace(PTRACE_DETACH, t->tid, 0, 0);
}

static inline bool tracee_end_untraced(struct tracee *t)
{
	munmap(t->sh, sizeof(*t->sh));
	kid_forget(&t->kid);
	return waitpid(t->pid, &t->status, 0) == t->pid && t->status == TRACEE_STATUS;
}

/* --- the same calls, made in several ways ---------------------------------------- */

enum way { PLAINLY, INDIRECTLY, AS_SYSLETS, AS_BATCH, WAYS };

static const char * const way_names[] = { "plain", "indirect", "syslets", "batch" };

/* A pending one has its result when it was reaped. */
static inline long reaped(struct syslet_ring *ring, long ret)
{
	return ret == -ESYSLETPENDING ? reap_status(ring) : ret;
}

static inline void make_calls(struct shared *sh, struct syslet_ring *ring, enum way way,
			      const struct indirect_registers *calls, int n)
{
	struct syslet_call batched[64];
	long done;

	switch (way) {
	case PLAINLY:
		for (int i = 0; i < n; i++) {
			const __u64 *a = calls[i].args;

			sh->result[i] = syslet_ret(syscall(calls[i].nr, a[0], a[1], a[2], a[3],
							   a[4], a[5]));
		}
		break;
	case INDIRECTLY:
		for (int i = 0; i < n; i++)
			sh->result[i] = call_plain(calls[i]);
		break;
	case AS_SYSLETS:
		for (int i = 0; i < n; i++)
			sh->result[i] = submit(ring, calls[i], i);
		break;
	default:
		for (int i = 0; i < n; i++) {
			batched[i] = (struct syslet_call){ .nr = calls[i].nr, .caller_data = i,
							   .result = NO_RESULT };
			memcpy(batched[i].args, calls[i].args, sizeof(calls[i].args));
		}
		done = batch(ring, batched, n);
		for (int i = 0; i < n; i++)
			sh->result[i] = i < done ? batched[i].result : NO_RESULT;
		break;
	}
	sh->nr = n;
}

/*
 * Leave what was seen of the inner calls. The outer ones are to be seen as they
 * are: one entry, with their own arguments, and an exit with 0 behind it. NULL,
 * or what is wrong.
 */
static inline const char *log_strip(struct seen_log *log, int *nr_outer)
{
	int n = 0;

	*nr_outer = 0;
	for (int i = 0; i < log->nr; i++) {
		struct seen *s = &log->seen[i], *next = s + 1;

		if (!is_entry(s) || !is_outer(s->nr)) {
			log->seen[n++] = *s;
			continue;
		}
		CHECK(s->regs.orig_rax == s->nr && s->regs.rdi == s->args[0] &&
		      s->regs.rsi == s->args[1]);
		CHECK(i + 1 < log->nr && is_exit(next) && next->nr == s->nr);
		CHECK(next->rval == 0 && !next->is_error && next->regs.rax == 0);
		CHECK(next->regs.orig_rax == s->nr && next->regs.rdi == s->args[0]);
		(*nr_outer)++;
		i++;
	}
	log->nr = n;
	return NULL;
}

static inline bool seen_same(const struct seen *a, const struct seen *b)
{
	if (a->sig != b->sig || a->event != b->event || a->op != b->op)
		return false;
	if (is_entry(a))
		return a->nr == b->nr && !memcmp(a->args, b->args, sizeof(a->args)) &&
		       a->regs.orig_rax == b->regs.orig_rax && a->regs.rax == b->regs.rax &&
		       a->regs.rdi == b->regs.rdi && a->regs.rsi == b->regs.rsi &&
		       a->regs.rdx == b->regs.rdx && a->regs.r10 == b->regs.r10 &&
		       a->regs.r8 == b->regs.r8 && a->regs.r9 == b->regs.r9;
	if (is_exit(a))
		return a->nr == b->nr && a->rval == b->rval && a->is_error == b->is_error &&
		       a->regs.rax == b->regs.rax;
	return true;
}

/* Of two logs of inner calls. */
static inline bool log_same(const struct seen_log *a, const struct seen_log *b)
{
	bool same = a->nr == b->nr;

	for (int i = 0; same && i < a->nr; i++)
		same = seen_same(&a->seen[i], &b->seen[i]);
	if (!same) {
		printf("# one\n");
		log_print(a);
		printf("# the other\n");
		log_print(b);
	}
	return same;
}

/* --- in all ways to be traced ----------------------------------------------------- */

#define TRACED_FIXTURE(fixture)								\
	FIXTURE(fixture) { };								\
	FIXTURE_VARIANT(fixture) { bool thread; enum attach how; };			\
	FIXTURE_VARIANT_ADD(fixture, main_traceme) { false, BY_TRACEME };		\
	FIXTURE_VARIANT_ADD(fixture, main_attached) { false, BY_ATTACH };		\
	FIXTURE_VARIANT_ADD(fixture, main_seized) { false, BY_SEIZE };			\
	FIXTURE_VARIANT_ADD(fixture, other_traceme) { true, BY_TRACEME };		\
	FIXTURE_VARIANT_ADD(fixture, other_attached) { true, BY_ATTACH };		\
	FIXTURE_VARIANT_ADD(fixture, other_seized) { true, BY_SEIZE };			\
	FIXTURE_SETUP(fixture) { }							\
	FIXTURE_TEARDOWN(fixture) { }

/* TRACED_TEST(fixture, name) { CHECK(...); return NULL; } */
#define TRACED_TEST(fixture, name)							\
	static const char *name(bool thread, enum attach how);				\
	TEST_F(fixture, name)								\
	{										\
		const char *err = name(variant->thread, variant->how);			\
		ASSERT_EQ(NULL, err) TH_LOG("%s", err);					\
	}										\
	static const char *name(bool thread, enum attach how)

#endif /* __SYSLET_TRACER_H */
