// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a tracer sees of calls that are made through indirect(2), and what it
 * changes: as with the same calls made plainly.
 */
#include <sys/utsname.h>

#include "filter.h"
#include "raw.h"
#include "tracer.h"

TRACED_FIXTURE(trace)

/* The way of the program that was forked last, and its memory: the same in all. */
static enum way the_way;
static char buf[256];
static int data[2];

#define THE_CALLS(calls)	make_calls(sh, ring, the_way, calls, ARRAY_LEN(calls))

/*
 * Run a program in each of the ways, with a tracer that changes things, and
 * compare what was seen and what came of it with the plain one.
 */
static const char *compare_ways(program_fn *fn, bool thread, enum attach how,
				change_fn *change, void *arg)
{
	static struct seen_log logs[WAYS];
	long results[WAYS][64];
	int outer, nr[WAYS], flag[WAYS];
	const char *err;
	struct tracee t;

	CHECK(!pipe(data));
	for (the_way = PLAINLY; the_way < WAYS; the_way++) {
		printf("# %s\n", way_names[the_way]);
		fflush(stdout);
		CHECK(tracee_begin(&t, fn, thread, how, 0));
		if (!tracee_record(&t, &logs[the_way], change, arg)) {
			log_print(&logs[the_way]);
			return "entries and exits do not alternate";
		}
		nr[the_way] = t.sh->nr;
		flag[the_way] = t.sh->flag;
		memcpy(results[the_way], t.sh->result, sizeof(results[0]));
		CHECK(tracee_end(&t));

		err = log_strip(&logs[the_way], &outer);
		if (err) {
			log_print(&logs[the_way]);
			return err;
		}
		CHECK(log_same(&logs[PLAINLY], &logs[the_way]));
		CHECK(nr[the_way] == nr[PLAINLY] && flag[the_way] == flag[PLAINLY]);
		for (int i = 0; i < nr[the_way]; i++)
			CHECK(results[the_way][i] == results[PLAINLY][i]);
		CHECK(outer == (the_way == PLAINLY ? 0 : the_way == AS_BATCH ? 1 : nr[the_way]));
	}
	pipe_close(data);
	return NULL;
}

/* --- seen ------------------------------------------------------------------------ */

/* No argument is like another; errors, no such call, and one that makes a process. */
static void various_calls(struct shared *sh, struct syslet_ring *ring)
{
	static struct utsname uts;
	static struct timespec bad = { .tv_nsec = -1 };
	const struct indirect_registers calls[] = {
		CALL(__NR_write, data[1], P("xyz"), 3, 4, 5, 6),
		CALL(__NR_read, data[0], P(buf), 3, 14, 15, 16),
		CALL(__NR_getppid),
		CALL(__NR_openat, AT_FDCWD, P("/nonexistent"), O_RDONLY, 0777),
		CALL(__NR_close, -1),
		CALL(__NR_lseek, data[0], 1, SEEK_SET),
		CALL(100000, 1, 2, 3, 4, 5, 6),
		CALL(__NR_fcntl, data[0], F_GETFL, 0x123456789),
		CALL(__NR_uname, P(&uts)),
		CALL(__NR_mmap, 0, 0, 3, 0x22, -1, 6),
		CALL(__NR_clock_nanosleep, CLOCK_MONOTONIC, 0, P(&bad), 0),
		CALL(__NR_futex, P(buf), FUTEX_WAKE, 1, 0, 0, 7),
		CALL(__NR_sched_yield),
		CALL(__NR_readlinkat, -1, 0xdead0000, 0xdead1000, 9),
	};

	THE_CALLS(calls);
}

TRACED_TEST(trace, inner_calls_are_seen_as_plain_ones)
{
	return compare_ways(various_calls, thread, how, NULL, NULL);
}

/* The only events, one after the other; for SEEN_EXIT the number is that of the entry. */
#define SEEN_ENTRY(s, n)	(is_entry(s) && (s)->nr == (n))
#define SEEN_EXIT(s, n, ret)	(is_exit(s) && (s)->nr == (n) && (s)->rval == (ret) &&	\
				 (s)->is_error == ((ret) < 0) &&			\
				 (long)(s)->regs.rax == (ret))

#define HANDOFFS	6

static struct blocker blockers[HANDOFFS];

static void blocked_calls(struct shared *sh, struct syslet_ring *ring)
{
	for (sh->nr = 0; sh->nr < HANDOFFS; sh->nr++)
		sh->result[sh->nr] = blocker_begin(&blockers[sh->nr], ring, sh->nr);
	KID_CHECK(gettid() == sh->tid);
	mark();
	for (int i = 0; i < HANDOFFS; i++)
		KID_CHECK(blocker_end(&blockers[i], ring) == 1);
}

/* Tasks of the process that have a tracer. */
static int count_traced(pid_t pid)
{
	struct dirent *d;
	char name[64];
	int n = 0;
	DIR *dir;

	snprintf(name, sizeof(name), "/proc/%d/task", pid);
	dir = opendir(name);
	while (dir && (d = readdir(dir)))
		n += atoi(d->d_name) && status_num(pid, atoi(d->d_name), "TracerPid") > 0;
	if (dir)
		closedir(dir);
	return n;
}

TRACED_TEST(trace, thread_is_followed_through_handoffs)
{
	static struct seen_log log;
	struct tracee t;
	int outer, i = 0;

	CHECK(tracee_begin(&t, blocked_calls, thread, how, 0));
	CHECK(tracee_record(&t, &log, NULL, NULL));
	for (int j = 0; j < HANDOFFS; j++)
		CHECK(t.sh->result[j] == -ESYSLETPENDING);
	/* what is traced is the thread, and no task of its calls */
	CHECK(status_num(t.pid, t.tid, "TracerPid") == getpid());
	CHECK(count_traced(t.pid) == 1);
	CHECK(tracee_end(&t));

	CHECK(!log_strip(&log, &outer) && outer == HANDOFFS);
	for (int j = 0; j < HANDOFFS; j++, i += 4) {
		CHECK(SEEN_ENTRY(&log.seen[i], __NR_pipe) ||
		      SEEN_ENTRY(&log.seen[i], __NR_pipe2));
		CHECK(SEEN_ENTRY(&log.seen[i + 2], __NR_read) && log.seen[i + 2].args[2] == 1);
		CHECK(SEEN_EXIT(&log.seen[i + 3], __NR_read, -ESYSLETPENDING));
		CHECK(log.seen[i + 3].regs.orig_rax == __NR_read);
		/* its own registers but for the result, as they were when it entered */
		CHECK(log.seen[i + 3].regs.rip == log.seen[i + 2].regs.rip &&
		      log.seen[i + 3].regs.rsp == log.seen[i + 2].regs.rsp &&
		      log.seen[i + 3].regs.rbx == log.seen[i + 2].regs.rbx);
	}
	CHECK(SEEN_ENTRY(&log.seen[i], __NR_gettid) && log.nr == i + 2);
	return NULL;
}

static void batch_that_blocks(struct shared *sh, struct syslet_ring *ring)
{
	static char c[2];
	static int in[2][2];
	struct syslet_call calls[6];
	long got[6] = {};

	KID_CHECK(!pipe(in[0]) && !pipe(in[1]));
	mark();
	calls[0] = ENTRY(0, __NR_getppid);
	calls[1] = TAKE(1, in[0], &c[0]);
	calls[2] = PUT(2, in[0]);
	calls[3] = TAKE(3, in[1], &c[1]);
	calls[4] = ENTRY(4, __NR_getuid);
	calls[5] = PUT(5, in[1]);
	sh->result[0] = BATCH(ring, calls);
	mark();
	for (int i = 0; i < 6; i++) {
		struct syslet_completion comp = {};

		if (calls[i].result != -ESYSLETPENDING) {
			got[i] = calls[i].result;
			continue;
		}
		KID_CHECK(!ring_reap(ring, &comp) && comp.caller_data < 6);
		got[comp.caller_data] = comp.status;
	}
	KID_CHECK(got[0] == getppid() && got[1] == 1 && got[2] == 1 && got[3] == 1 &&
		  got[4] == 0 && got[5] == 1 && c[0] == 'x' && c[1] == 'x');
}

TRACED_TEST(trace, each_entry_of_a_batch_is_seen_once)
{
	static const long nr[] = { __NR_getppid, __NR_read, __NR_write, __NR_read, __NR_getuid,
				   __NR_write };
	static struct seen_log log;
	struct tracee t;
	int outer;

	CHECK(tracee_begin(&t, batch_that_blocks, thread, how, 0));
	t.marks = -1;
	CHECK(tracee_record(&t, &log, NULL, NULL));
	CHECK(t.sh->result[0] == 6);
	CHECK(tracee_end(&t));
	CHECK(!log_strip(&log, &outer) && outer == 1 && log.nr == 12);
	for (int i = 0; i < 6; i++) {
		long ret = log.seen[2 * i + 1].rval;

		CHECK(SEEN_ENTRY(&log.seen[2 * i], nr[i]));
		CHECK(SEEN_EXIT(&log.seen[2 * i + 1], nr[i], ret));
		if (nr[i] == __NR_read)
			CHECK(ret == -ESYSLETPENDING);
		else
			CHECK(ret >= 0 && (nr[i] != __NR_write || ret == 1));
	}
	return NULL;
}

/* Calls that cannot be made in this way fail as such, and are seen to. */
static void refused_calls(struct shared *sh, struct syslet_ring *ring)
{
	static const long nr[] = { __NR_fork, __NR_execve, __NR_exit_group };

	for (sh->nr = 0; sh->nr < (int)ARRAY_LEN(nr); sh->nr++)
		sh->result[sh->nr] = call_plain(CALL(nr[sh->nr], 1, 2, 3));
}

TRACED_TEST(trace, calls_that_make_processes_are_seen_to_fail)
{
	static struct seen_log log;
	struct tracee t;
	int outer;

	CHECK(tracee_begin(&t, refused_calls, thread, how,
			   PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE));
	CHECK(tracee_record(&t, &log, NULL, NULL));
	for (int i = 0; i < 3; i++)
		CHECK(t.sh->result[i] == -EINVAL);
	CHECK(tracee_end(&t));
	CHECK(!log_strip(&log, &outer) && outer == 3 && log.nr == 6);
	CHECK(SEEN_ENTRY(&log.seen[0], __NR_fork) && log.seen[0].args[2] == 3);
	CHECK(SEEN_EXIT(&log.seen[1], __NR_fork, -EINVAL));
	CHECK(SEEN_ENTRY(&log.seen[2], __NR_execve));
	CHECK(SEEN_EXIT(&log.seen[3], __NR_execve, -EINVAL));
	CHECK(SEEN_ENTRY(&log.seen[4], __NR_exit_group));
	CHECK(SEEN_EXIT(&log.seen[5], __NR_exit_group, -EINVAL));
	return NULL;
}

/* Numbers and arguments of the other ABI: getppid, and one that waits. */
#define I386_READ	3
#define I386_GETPPID	64

static void i386_calls(struct shared *sh, struct syslet_ring *ring)
{
	struct {
		struct indirect_registers regs[2];
		struct indirect_params params;
		char c;
	} *low = low_memory();
	int fd[2];

	KID_CHECK(low && !pipe(fd) && !force_handoff(ring));
	low->regs[0] = CALL(I386_GETPPID, 0xf0000001, 2, 3, 4, 5, 6);
	low->regs[1] = CALL(I386_READ, fd[0], P(&low->c), 1);
	low->params.syslet.completion_ring_ptr = P(ring);
	mark();
	for (sh->nr = 0; sh->nr < 2; sh->nr++)
		sh->result[sh->nr] = i386_call(__NR_indirect, P(&low->regs[sh->nr]),
					       P(&low->params), sizeof(low->params), 0);
	mark();
	KID_CHECK(write(fd[1], "x", 1) == 1 && reap_one(ring, 0, 1) && low->c == 'x');
}

TRACED_TEST(trace, inner_calls_of_i386_are_seen_with_their_numbers)
{
	static const uint64_t args[] = { 0xf0000001, 2, 3, 4, 5, 6 };
	static struct seen_log log;
	struct tracee t;

	if (!have_ia32())
		return NULL;
	CHECK(tracee_begin(&t, i386_calls, thread, how, 0));
	t.marks = -1;
	CHECK(tracee_record(&t, &log, NULL, NULL));
	CHECK(t.sh->result[0] == getpid() && t.sh->result[1] == -ESYSLETPENDING);
	CHECK(tracee_end(&t));
	CHECK(log.nr == 8);
	CHECK(SEEN_ENTRY(&log.seen[0], __NR_indirect) && SEEN_EXIT(&log.seen[1], __NR_indirect, 0));
	CHECK(SEEN_ENTRY(&log.seen[2], I386_GETPPID));
	CHECK(!memcmp(log.seen[2].args, args, sizeof(args)));
	CHECK(log.seen[2].regs.rbx == args[0] && log.seen[2].regs.rbp == 6);
	CHECK(SEEN_EXIT(&log.seen[3], I386_GETPPID, getpid()));
	/* its own argument registers again: rbx has the address of what it made */
	CHECK(log.seen[3].regs.rbx == log.seen[0].regs.rbx &&
	      log.seen[3].regs.rbp == log.seen[0].regs.rbp);
	CHECK(SEEN_ENTRY(&log.seen[6], I386_READ) && log.seen[6].args[2] == 1);
	CHECK(SEEN_EXIT(&log.seen[7], I386_READ, -ESYSLETPENDING));
	return NULL;
}

/* --- changed ----------------------------------------------------------------------- */

#define REG(name)	offsetof(struct user_regs_struct, name)

static void poke(struct tracee *t, size_t reg, unsigned long value)
{
	ptrace(PTRACE_POKEUSER, t->tid, reg, value);
}

static void calls_to_change(struct shared *sh, struct syslet_ring *ring)
{
	const struct indirect_registers calls[] = {
		CALL(__NR_getuid, 1, 2, 3, 4, 5, 6),
		CALL(__NR_write, data[1], P("abcdef"), 6),
		CALL(__NR_getgid),
		CALL(__NR_read, data[0], P(buf), 6),
		CALL(__NR_sched_yield),
		CALL(__NR_geteuid),
		CALL(__NR_getegid),
		CALL(__NR_getppid),
	};

	memset(buf, 0, sizeof(buf));
	THE_CALLS(calls);
	sh->flag = buf[0];
}

static int change_calls(struct tracee *t, const struct seen *s, void *arg)
{
	switch (s->nr) {
	case __NR_getuid:	/* another call */
		if (is_entry(s)) {
			poke(t, REG(orig_rax), __NR_lseek);
			poke(t, REG(rdi), -1);
		}
		break;
	case __NR_write:	/* other arguments */
		if (is_entry(s)) {
			poke(t, REG(rsi), s->args[1] + 5);
			poke(t, REG(rdx), 1);
		}
		break;
	case __NR_getgid:	/* another result */
		if (is_exit(s))
			poke(t, REG(rax), 4711);
		break;
	case __NR_read:		/* what it has read */
		if (is_exit(s))
			ptrace(PTRACE_POKEDATA, t->tid, P(buf), 'x');
		break;
	case __NR_sched_yield:	/* not made */
		if (is_entry(s))
			poke(t, REG(orig_rax), -1);
		break;
	case __NR_geteuid:	/* not made, with a result */
		if (is_entry(s)) {
			poke(t, REG(orig_rax), -1);
			poke(t, REG(rax), -EDOM);
		}
		break;
	case __NR_getegid:	/* another error than there is */
		if (is_exit(s))
			poke(t, REG(rax), -ELOOP);
		break;
	}
	return signal_of(s);
}

TRACED_TEST(trace, number_arguments_and_result_are_changed)
{
	return compare_ways(calls_to_change, thread, how, change_calls, NULL);
}

/* A program with one call that blocks, made as a syslet. */
static void one_blocked_call(struct shared *sh, struct syslet_ring *ring)
{
	long ret;

	ret = submit(ring, CALL(__NR_read, data[0], P(buf), 1), 0x77);
	sh->result[sh->nr++] = ret;
	KID_CHECK(gettid() == sh->tid);
	mark();
	KID_CHECK(write(data[1], "x", 1) == 1);
	KID_CHECK(reap_one(ring, 0x77, 1) && buf[0] == 'x');
}

static int change_pending(struct tracee *t, const struct seen *s, void *arg)
{
	if (is_exit(s) && s->rval == -ESYSLETPENDING)
		poke(t, REG(rax), 4712);
	return signal_of(s);
}

TRACED_TEST(trace, result_of_a_pending_call_is_changed)
{
	static struct seen_log log;
	struct tracee t;

	CHECK(!pipe(data));
	CHECK(tracee_begin(&t, one_blocked_call, thread, how, 0));
	CHECK(tracee_record(&t, &log, change_pending, NULL));
	CHECK(t.sh->result[0] == 4712);
	CHECK(tracee_end(&t));
	return NULL;
}

/* A call that would not block, and becomes one that does; and the other way round. */
static void harmless_call(struct shared *sh, struct syslet_ring *ring)
{
	sh->result[0] = submit(ring, CALL(__NR_getppid), 0x78);
	sh->result[1] = submit(ring, CALL(__NR_read, data[0], P(buf), 1), 0x79);
	mark();
	KID_CHECK(write(data[1], "x", 1) == 1);
	KID_CHECK(reap_one(ring, 0x78, 1) && buf[0] == 'x');
}

static int change_blocking(struct tracee *t, const struct seen *s, void *arg)
{
	if (is_entry(s) && s->nr == __NR_getppid) {
		poke(t, REG(orig_rax), __NR_read);
		poke(t, REG(rdi), data[0]);
		poke(t, REG(rsi), P(buf));
		poke(t, REG(rdx), 1);
	} else if (is_entry(s) && s->nr == __NR_read) {
		poke(t, REG(orig_rax), __NR_getppid);
	}
	return signal_of(s);
}

TRACED_TEST(trace, call_that_was_put_there_by_the_tracer_blocks)
{
	static struct seen_log log;
	struct tracee t;

	CHECK(!pipe(data));
	CHECK(tracee_begin(&t, harmless_call, thread, how, 0));
	CHECK(tracee_record(&t, &log, change_blocking, NULL));
	CHECK(t.sh->result[0] == -ESYSLETPENDING && t.sh->result[1] == getpid());
	CHECK(tracee_end(&t));
	return NULL;
}

/* What the tracer says at the exit of the outer call does not matter. */
static int change_outer_exit(struct tracee *t, const struct seen *s, void *arg)
{
	if (is_exit(s) && is_outer(s->nr))
		poke(t, REG(rax), 4713);
	return signal_of(s);
}

TRACED_TEST(trace, result_is_that_of_the_inner_call)
{
	static struct seen_log log;
	struct tracee t;

	the_way = INDIRECTLY;
	CHECK(!pipe(data));
	CHECK(tracee_begin(&t, calls_to_change, thread, how, 0));
	CHECK(tracee_record(&t, &log, change_outer_exit, NULL));
	CHECK(t.sh->result[0] == 0 && t.sh->result[1] == 6 && t.sh->result[7] == getpid());
	CHECK(tracee_end(&t));
	return NULL;
}

/* Refused at the door. */
static int skip_outer(struct tracee *t, const struct seen *s, void *arg)
{
	if (is_entry(s) && is_outer(s->nr)) {
		poke(t, REG(orig_rax), -1);
		poke(t, REG(rax), -EPERM);
	}
	return signal_of(s);
}

TRACED_TEST(trace, outer_call_that_is_skipped_makes_none)
{
	static struct seen_log log;
	struct tracee t;

	for (the_way = INDIRECTLY; the_way <= AS_SYSLETS; the_way++) {
		CHECK(!pipe(data));
		CHECK(tracee_begin(&t, calls_to_change, thread, how, 0));
		CHECK(tracee_record(&t, &log, skip_outer, NULL));
		for (int i = 0; i < 8; i++)
			CHECK(t.sh->result[i] == -EPERM);
		CHECK(!t.sh->flag && tracee_end(&t));
		for (int i = 0; i < log.nr; i++)
			CHECK(is_outer(log.seen[i].nr));
		CHECK(log.nr == 16 && !pipe_bytes(data));
		pipe_close(data);
	}
	return NULL;
}

/* --- signals ------------------------------------------------------------------------- */

static int handled;

/* Ends the call that it interrupted, if that is made again. */
static void feed(int sig)
{
	handled++;
	if (write(data[1], "s", 1) != 1)
		_exit(99);
}

static void interrupted_call(struct shared *sh, struct syslet_ring *ring)
{
	struct sigaction sa = { .sa_handler = feed, .sa_flags = SA_RESTART };
	const struct indirect_registers calls[] = { CALL(__NR_read, data[0], P(buf), 8) };

	/* nothing can be cloned while a signal waits: have a spare */
	KID_CHECK(!sigaction(SIGUSR1, &sa, NULL) && !force_handoff(ring));
	mark();
	THE_CALLS(calls);
	mark();
	sh->result[sh->nr++] = handled;
	sh->result[sh->nr++] = buf[0];
}

/* At the entry, the exit, of the inner call, once: the n'th such stop. */
struct inject {
	bool entry;
	int n;
};

static int inject_signal(struct tracee *t, const struct seen *s, void *arg)
{
	struct inject *inject = arg;

	if (is_syscall_stop(s) && s->nr == __NR_read && is_entry(s) == inject->entry &&
	    !inject->n++)
		return SIGUSR1;
	return signal_of(s);
}

/* Without what the handler does: that is made with registers as it finds them. */
static void keep_reads(struct seen_log *log)
{
	int n = 0;

	for (int i = 0; i < log->nr; i++)
		if (!is_syscall_stop(&log->seen[i]) || log->seen[i].nr == __NR_read)
			log->seen[n++] = log->seen[i];
	log->nr = n;
}

/* As compare_ways(), where the number of outer calls is that of how often it is made. */
static const char *interrupt_ways(bool thread, enum attach how, bool entry)
{
	static struct seen_log logs[WAYS];
	long results[WAYS][3];
	struct tracee t;
	int outer;

	CHECK(!pipe(data));
	for (the_way = PLAINLY; the_way < AS_BATCH; the_way++) {
		struct inject inject = { .entry = entry };

		if (!entry)
			CHECK(write(data[1], "d", 1) == 1);
		CHECK(tracee_begin(&t, interrupted_call, thread, how, 0));
		t.marks = -1;
		CHECK(tracee_record(&t, &logs[the_way], inject_signal, &inject));
		CHECK(inject.n);
		/* the results are told behind the mark */
		CHECK(!ptrace(PTRACE_DETACH, t.tid, 0, 0));
		CHECK(waitpid(t.pid, &t.status, 0) == t.pid && t.status == TRACEE_STATUS);
		memcpy(results[the_way], t.sh->result, sizeof(results[0]));
		CHECK(!log_strip(&logs[the_way], &outer));
		keep_reads(&logs[the_way]);
		CHECK(logs[the_way].nr == (entry ? 5 : 3));
		CHECK(log_same(&logs[PLAINLY], &logs[the_way]));
		CHECK(!memcmp(results[PLAINLY], results[the_way], sizeof(results[0])));
		CHECK(results[the_way][1] == 1);
		CHECK(results[the_way][2] == (entry ? 's' : 'd'));
		CHECK(pipe_drain(data));
	}
	return NULL;
}

TRACED_TEST(trace, signal_that_is_injected_at_the_entry_interrupts_the_call)
{
	return interrupt_ways(thread, how, true);
}

TRACED_TEST(trace, signal_that_is_injected_at_the_exit_comes_behind_the_call)
{
	return interrupt_ways(thread, how, false);
}

/* --- PTRACE_SYSEMU ------------------------------------------------------------------- */

static void three_calls(struct shared *sh, struct syslet_ring *ring)
{
	const struct indirect_registers calls[] = {
		CALL(__NR_getuid), CALL(__NR_write, data[1], P("x"), 1), CALL(__NR_getgid),
	};

	THE_CALLS(calls);
}

/* From the entry of the mark on, which has to be made. */
static bool to_mark(struct tracee *t)
{
	struct seen s;
	int sig = 0;

	do {
		if (!tracee_step(t, PTRACE_SYSCALL, sig, &s))
			return false;
		sig = signal_of(&s);
	} while (!is_entry(&s) || s.nr != MARK_NR || s.args[0] != MARK_ARG);
	return tracee_step(t, PTRACE_SYSCALL, 0, &s);
}

TRACED_TEST(trace, outer_call_is_emulated)
{
	struct tracee t;
	struct seen s;

	CHECK(!pipe(data));
	for (the_way = PLAINLY; the_way < AS_BATCH; the_way++) {
		CHECK(tracee_begin(&t, three_calls, thread, how, 0));
		CHECK(to_mark(&t));
		for (int i = 0; i < 3; i++) {
			CHECK(tracee_step(&t, PTRACE_SYSEMU, 0, &s) && is_entry(&s));
			CHECK(is_outer(s.nr) == (the_way != PLAINLY));
			poke(&t, REG(rax), 100 + i);
		}
		CHECK(tracee_step(&t, PTRACE_SYSEMU, 0, &s) && is_entry(&s));
		CHECK(s.nr == MARK_NR);
		for (int i = 0; i < 3; i++)
			CHECK(t.sh->result[i] == 100 + i);
		CHECK(!pipe_bytes(data));
		CHECK(tracee_end(&t));
	}
	return NULL;
}

/* The outer call is let through, and the inner one is not. */
TRACED_TEST(trace, inner_call_is_emulated)
{
	static const long nr[] = { __NR_getuid, __NR_write, __NR_getgid };
	struct tracee t;
	struct seen s;

	CHECK(!pipe(data));
	for (the_way = INDIRECTLY; the_way <= AS_SYSLETS; the_way++) {
		CHECK(tracee_begin(&t, three_calls, thread, how, 0));
		CHECK(to_mark(&t));
		for (int i = 0; i < 3; i++) {
			CHECK(tracee_step(&t, PTRACE_SYSCALL, 0, &s));
			CHECK(SEEN_ENTRY(&s, __NR_indirect));
			CHECK(tracee_step(&t, PTRACE_SYSEMU, 0, &s));
			CHECK(SEEN_ENTRY(&s, nr[i]));
			poke(&t, REG(rax), 100 + i);
			/* plainly it is the same */
			CHECK(tracee_step(&t, PTRACE_SYSCALL, 0, &s));
			CHECK(is_exit(&s) && s.rval == 100 + i);
		}
		CHECK(tracee_step(&t, PTRACE_SYSCALL, 0, &s) && is_entry(&s));
		CHECK(s.nr == MARK_NR);
		for (int i = 0; i < 3; i++)
			CHECK(t.sh->result[i] == 100 + i);
		CHECK(!pipe_bytes(data));
		CHECK(tracee_end(&t));
	}
	return NULL;
}

/* --- PTRACE_O_SUSPEND_SECCOMP ---------------------------------------------------------- */

static unsigned int the_verdict;

static void filtered_calls(struct shared *sh, struct syslet_ring *ring)
{
	const struct indirect_registers calls[] = {
		CALL(__NR_getgid), CALL(__NR_getuid), CALL(__NR_getegid),
	};

	KID_CHECK(!filter_call(0, __NR_getuid, the_verdict));
	KID_CHECK(!force_handoff(ring));
	THE_CALLS(calls);
}

TRACED_TEST(trace, filters_are_suspended_for_the_inner_call)
{
	static const unsigned int verdicts[] = {
		SECCOMP_RET_ERRNO | EDOM, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_TRAP,
	};
	static struct seen_log log;
	struct tracee t;

	for (unsigned int i = 0; i < ARRAY_LEN(verdicts); i++) {
		the_verdict = verdicts[i];
		for (the_way = PLAINLY; the_way < WAYS; the_way++) {
			printf("# verdict %#x, %s\n", the_verdict, way_names[the_way]);
			fflush(stdout);
			CHECK(tracee_begin(&t, filtered_calls, thread, how,
					   PTRACE_O_SUSPEND_SECCOMP));
			CHECK(tracee_record(&t, &log, NULL, NULL));
			CHECK(t.sh->nr == 3 && t.sh->result[0] == 0 &&
			      t.sh->result[1] == 0 && t.sh->result[2] == 0);
			CHECK(tracee_end(&t));
		}
	}
	return NULL;
}

/* --- sent somewhere else ------------------------------------------------------------ */

static struct shared *the_shared;

static void write_calls(struct shared *sh, struct syslet_ring *ring)
{
	const struct indirect_registers calls[] = {
		CALL(__NR_write, data[1], P("x"), 1), CALL(__NR_write, data[1], P("y"), 1),
	};

	the_shared = sh;
	THE_CALLS(calls);
}

/* Where it goes on, with a stack, and nowhere to return to. */
static void elsewhere(void)
{
	the_shared->flag = 1;
	mark();
	_exit(WEXITSTATUS(TRACEE_STATUS));
}

/* As a debugger that calls a function of the program. */
static int send_elsewhere(struct tracee *t, const struct seen *s, void *arg)
{
	struct user_regs_struct regs = s->regs;

	if (is_exit(s) && is_outer(s->nr)) {
		regs.rip = P(elsewhere);
		regs.rsp = ((regs.rsp - 256) & ~15ul) - 8;
		regs.orig_rax = -1;
		*(bool *)arg = !ptrace(PTRACE_SETREGS, t->tid, 0, &regs);
	}
	return signal_of(s);
}

/* The outer call is over for the tracer: no inner one is made behind its back. */
TRACED_TEST(trace, thread_that_is_sent_elsewhere_makes_no_inner_call)
{
	struct pollfd pfd = { .events = POLLIN };
	static struct seen_log log;
	struct tracee t;
	bool sent;

	CHECK(!pipe(data));
	pfd.fd = data[0];
	for (the_way = INDIRECTLY; the_way < WAYS; the_way++) {
		sent = false;
		CHECK(tracee_begin(&t, write_calls, thread, how, 0));
		if (!tracee_record(&t, &log, send_elsewhere, &sent) || log.nr != 2) {
			log_print(&log);
			return way_names[the_way];
		}
		CHECK(sent && t.sh->flag == 1 && !poll(&pfd, 1, 0));
		CHECK(tracee_end(&t));
	}
	pipe_close(data);
	return NULL;
}

TEST_HARNESS_MAIN
