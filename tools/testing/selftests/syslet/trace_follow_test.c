// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tracer follows its thread, whichever task carries it: events, interrupts,
 * stops, single steps, the end of either of the two.
 */
#include "filter.h"
#include "raw.h"
#include "tracer.h"

TRACED_FIXTURE(follow)

static int data[2];
static char buf[16];

/* --- events --------------------------------------------------------------------------- */

static struct blocker under_way[3];

static void begin_calls(struct syslet_ring *ring)
{
	KID_CHECK(!force_handoff(ring));
	for (unsigned int i = 0; i < ARRAY_LEN(under_way); i++)
		KID_CHECK(blocker_begin(&under_way[i], ring, i) == -ESYSLETPENDING);
}

static void end_calls(struct syslet_ring *ring)
{
	for (unsigned int i = 0; i < ARRAY_LEN(under_way); i++)
		KID_CHECK(blocker_end(&under_way[i], ring) == 1);
}

/* The next stop that is none of a system call, or of a signal that passes by. */
static bool to_event(struct tracee *t, struct seen *s)
{
	int sig = 0;

	do {
		if (!tracee_step(t, PTRACE_SYSCALL, sig, s))
			return false;
		sig = signal_of(s);
	} while (!s->event);
	return true;
}

static unsigned long event_message(struct tracee *t)
{
	unsigned long message = -1;

	return ptrace(PTRACE_GETEVENTMSG, t->tid, 0, &message) ? -1 : message;
}

static void forks(struct shared *sh, struct syslet_ring *ring)
{
	int status;
	pid_t pid;

	begin_calls(ring);
	pid = fork();
	if (!pid)
		_exit(getpid() == gettid() ? 17 : 18);
	KID_CHECK(!force_handoff(ring));
	KID_CHECK(waitpid(pid, &status, __WALL) == pid && WEXITSTATUS(status) == 17);
	end_calls(ring);
}

TRACED_TEST(follow, child_of_a_thread_that_was_handed_off_is_traced)
{
	struct tracee t, child = {};
	struct seen s;
	int sig = 0;

	CHECK(tracee_begin(&t, forks, thread, how, PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE));
	CHECK(to_event(&t, &s) && (s.event == PTRACE_EVENT_FORK || s.event == PTRACE_EVENT_CLONE));
	child.pid = child.tid = event_message(&t);
	CHECK(waitpid(child.tid, &child.status, __WALL) == child.tid);
	CHECK(WIFSTOPPED(child.status) && tracee_look(&child, &s));
	CHECK(status_num(child.pid, child.tid, "TracerPid") == getpid());
	/* plainly, and as often as not: entry and exit */
	for (bool entry = true; tracee_step(&child, PTRACE_SYSCALL, sig, &s); ) {
		sig = signal_of(&s);
		if (!is_syscall_stop(&s))
			continue;
		CHECK(is_entry(&s) == entry);
		entry = !entry;
	}
	CHECK(WIFEXITED(child.status) && WEXITSTATUS(child.status) == 17);
	CHECK(tracee_end(&t));
	return NULL;
}

static void *nothing_main(void *arg)
{
	return arg;
}

static void clones(struct shared *sh, struct syslet_ring *ring)
{
	pthread_t other;

	begin_calls(ring);
	KID_CHECK(!pthread_create(&other, NULL, nothing_main, NULL));
	KID_CHECK(!pthread_join(other, NULL));
	end_calls(ring);
}

/* The only one that is cloned as far as the program, and so a tracer, knows. */
TRACED_TEST(follow, clone_is_told_of_threads_and_not_of_spares)
{
	struct tracee t, other = {};
	struct seen s;

	CHECK(tracee_begin(&t, clones, thread, how, PTRACE_O_TRACECLONE));
	CHECK(to_event(&t, &s) && s.event == PTRACE_EVENT_CLONE);
	other.pid = t.pid;
	other.tid = event_message(&t);
	CHECK(waitpid(other.tid, &other.status, __WALL) == other.tid);
	CHECK(WIFSTOPPED(other.status) && !ptrace(PTRACE_CONT, other.tid, 0, 0));
	CHECK(waitpid(other.tid, &other.status, __WALL) == other.tid && !other.status);
	CHECK(!to_event(&t, &s));
	/* to_event() has gone on to the end of the thread */
	if (thread)
		CHECK(waitpid(t.pid, &t.status, __WALL) == t.pid);
	CHECK(t.status == TRACEE_STATUS);
	return NULL;
}

static void exits_with_44(struct shared *sh, struct syslet_ring *ring)
{
	begin_calls(ring);
	_exit(44);
}

TRACED_TEST(follow, exit_is_told_with_its_status)
{
	struct tracee t;
	struct seen s;

	CHECK(tracee_begin(&t, exits_with_44, thread, how, PTRACE_O_TRACEEXIT));
	CHECK(to_event(&t, &s) && s.event == PTRACE_EVENT_EXIT);
	CHECK(event_message(&t) == 44 << 8);
	CHECK(!to_event(&t, &s) && t.status == 44 << 8);
	if (thread)
		CHECK(waitpid(t.pid, &t.status, __WALL) == t.pid && t.status == 44 << 8);
	/* nothing of it is left to wait for */
	CHECK(waitpid(-1, &t.status, __WALL) == -1 && errno == ECHILD);
	return NULL;
}

static void *exits_last_main(void *arg)
{
	char c;

	KID_CHECK(read(data[0], &c, 1) == 1);
	_exit(WEXITSTATUS(TRACEE_STATUS));
}

static void exits_first(struct shared *sh, struct syslet_ring *ring)
{
	pthread_t other;

	KID_CHECK(!pthread_create(&other, NULL, exits_last_main, NULL));
	begin_calls(ring);
	syscall(__NR_exit, 7);
}

/* A main thread is waited for when all are gone; another one right away. */
TRACED_TEST(follow, thread_that_exits_before_others_is_told_of_as_always)
{
	struct tracee t;
	struct seen s;

	CHECK(!pipe(data));
	CHECK(tracee_begin(&t, exits_first, thread, how, PTRACE_O_TRACEEXIT));
	CHECK(to_event(&t, &s) && s.event == PTRACE_EVENT_EXIT && event_message(&t) == 7 << 8);
	CHECK(!ptrace(PTRACE_CONT, t.tid, 0, 0));
	if (thread) {
		CHECK(waitpid(t.tid, &t.status, __WALL) == t.tid);
		/* that of the process, if the main thread, which has joined it, was faster */
		CHECK(t.status == 7 << 8 || t.status == TRACEE_STATUS);
	} else {
		UNTIL(task_state(t.pid, t.pid) == 'Z');
		CHECK(waitpid(t.pid, &t.status, __WALL | WNOHANG) == 0);
	}
	CHECK(write(data[1], "x", 1) == 1);
	CHECK(waitpid(t.pid, &t.status, __WALL) == t.pid && t.status == TRACEE_STATUS);
	CHECK(waitpid(-1, &t.status, __WALL) == -1 && errno == ECHILD);
	return NULL;
}

static void dies_of_a_signal(struct shared *sh, struct syslet_ring *ring)
{
	begin_calls(ring);
	tgkill(getpid(), gettid(), SIGTERM);
	_exit(1);
}

TRACED_TEST(follow, death_by_a_signal_is_told)
{
	struct tracee t;
	struct seen s;
	int sig = 0;

	CHECK(tracee_begin(&t, dies_of_a_signal, thread, how, 0));
	do {
		CHECK(tracee_step(&t, PTRACE_SYSCALL, sig, &s));
		sig = signal_of(&s);
	} while (sig != SIGTERM);
	CHECK(!tracee_step(&t, PTRACE_SYSCALL, SIGTERM, &s) && t.status == SIGTERM);
	if (thread)
		CHECK(waitpid(t.pid, &t.status, __WALL) == t.pid && t.status == SIGTERM);
	return NULL;
}

static void execs(struct shared *sh, struct syslet_ring *ring)
{
	char *args[] = { "true", NULL };

	begin_calls(ring);
	execv("/bin/true", args);
}

TRACED_TEST(follow, exec_is_told_and_the_new_program_is_traced)
{
	struct tracee t;
	struct seen s;
	int sig = 0;

	CHECK(tracee_begin(&t, execs, thread, how, PTRACE_O_TRACEEXEC));
	/* it comes from the process: of the main thread, if that is another one */
	CHECK(!ptrace(PTRACE_CONT, t.tid, 0, 0));
	CHECK(waitpid(t.pid, &t.status, __WALL) == t.pid);
	CHECK(t.status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8));
	CHECK(event_message(&(struct tracee){ .tid = t.pid }) == (unsigned long)t.tid);
	t.tid = t.pid;
	CHECK(tracee_step(&t, PTRACE_SYSCALL, 0, &s));
	CHECK(is_exit(&s) && s.rval == 0 && s.regs.orig_rax == __NR_execve);
	for (bool entry = true; tracee_step(&t, PTRACE_SYSCALL, sig, &s); ) {
		sig = signal_of(&s);
		if (!is_syscall_stop(&s))
			continue;
		CHECK(is_entry(&s) == entry);
		entry = !entry;
	}
	CHECK(t.status == 0);
	return NULL;
}

/* --- who else waits ---------------------------------------------------------------------- */

static void hands_off_often(struct shared *sh, struct syslet_ring *ring)
{
	begin_calls(ring);
	for (int i = 0; i < 10; i++)
		KID_CHECK(!force_handoff(ring));
	end_calls(ring);
}

/* Its parent is us, the tracer is somebody else. */
TEST_F(follow, parent_that_does_not_trace_sees_the_exit_and_no_stops)
{
	siginfo_t info = {};
	struct tracee t;
	struct kid tracer;

	if (variant->how == BY_TRACEME)
		SKIP(return, "the parent would be the tracer");
	ASSERT_TRUE(tracee_fork(&t, hands_off_often, variant->thread, variant->how));
	if (!kid_fork(&tracer)) {
		struct seen s;
		int sig = 0, n = 0;

		KID_CHECK(tracee_attach(&t, variant->how, PTRACE_O_TRACESYSGOOD));
		KID_CHECK(kid_tell(&tracer));
		while (tracee_step(&t, PTRACE_SYSCALL, sig, &s)) {
			sig = signal_of(&s);
			n++;
		}
		KID_CHECK(n > 40);
		KID_CHECK(t.status == TRACEE_STATUS || (variant->thread && !t.status));
		_exit(0);
	}
	ASSERT_TRUE(kid_hear(&tracer));
	ASSERT_TRUE(kid_tell(&t.kid));
	ASSERT_EQ(0, waitid(P_PID, t.pid, &info, WEXITED | WSTOPPED | WCONTINUED));
	ASSERT_EQ(CLD_EXITED, info.si_code);
	ASSERT_EQ(33, info.si_status);
	ASSERT_EQ(0, kid_status(&tracer));
}

TRACED_TEST(follow, parent_that_traces_sees_one_exit)
{
	struct tracee t;

	CHECK(tracee_begin(&t, hands_off_often, thread, how, 0));
	CHECK(tracee_end(&t));
	CHECK(waitpid(-1, &t.status, __WALL) == -1 && errno == ECHILD);
	return NULL;
}

/* --- interrupts, stops ----------------------------------------------------------------------- */

/* For ever; the tracer makes an end. */
static void hands_off_for_ever(struct shared *sh, struct syslet_ring *ring)
{
	for (;;) {
		KID_CHECK(!force_handoff(ring));
		sh->flag++;
	}
}

static bool tracee_kill(struct tracee *t)
{
	if (kill(t->pid, SIGKILL))
		return false;
	if (t->tid != t->pid && waitpid(t->tid, &t->status, __WALL) != t->tid)
		return false;
	return waitpid(t->pid, &t->status, __WALL) == t->pid && t->status == SIGKILL;
}

/* Each gives a stop; with PTRACE_SYSCALL that may be one of a call. */
static const char *interrupt_often(bool thread, int request)
{
	int n = rounds(150), interrupted = 0;
	struct tracee t;
	struct seen s;

	CHECK(tracee_begin(&t, hands_off_for_ever, thread, BY_SEIZE, 0));
	for (int i = 0; i < n; i++) {
		int before = t.sh->flag;

		CHECK(!ptrace(request, t.tid, 0, 0));
		/* right away, and at any time behind the next handoff */
		if (i % 2 && request == PTRACE_CONT) {
			UNTIL(t.sh->flag > before);
			for (volatile int j = (i * 7919) % 20011; j; j--)
				;
		}
		CHECK(!ptrace(PTRACE_INTERRUPT, t.tid, 0, 0));
		CHECK(waitpid(t.tid, &t.status, __WALL) == t.tid && WIFSTOPPED(t.status));
		CHECK(tracee_look(&t, &s));
		interrupted += s.event == PTRACE_EVENT_STOP && s.sig == SIGTRAP;
		CHECK(s.event == PTRACE_EVENT_STOP || is_syscall_stop(&s));
		if (request == PTRACE_CONT)
			CHECK(s.event == PTRACE_EVENT_STOP);
	}
	CHECK(interrupted > 0 && (t.sh->flag > 0 || request == PTRACE_SYSCALL));
	CHECK(tracee_kill(&t));
	return NULL;
}

TEST_F_TIMEOUT(follow, each_interrupt_stops_a_thread_that_hands_off, 120)
{
	const char *err;

	if (variant->how != BY_SEIZE)
		SKIP(return, "PTRACE_INTERRUPT is for PTRACE_SEIZE");
	err = interrupt_often(variant->thread, PTRACE_CONT) ?:
	      interrupt_often(variant->thread, PTRACE_SYSCALL);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

/* Told by a handoff in between that the thread runs. */
static bool runs_again(struct tracee *t)
{
	int before = t->sh->flag;

	UNTIL(t->sh->flag > before + 1);
	return true;
}

TEST_F_TIMEOUT(follow, group_stop_is_told_and_listened_to, 60)
{
	struct tracee t;
	struct seen s;

	if (variant->how != BY_SEIZE)
		SKIP(return, "PTRACE_LISTEN is for PTRACE_SEIZE");
	ASSERT_TRUE(tracee_begin(&t, hands_off_for_ever, variant->thread, variant->how, 0));
	ASSERT_EQ(0, ptrace(PTRACE_CONT, t.tid, 0, 0));
	for (int i = 0; i < 10; i++) {
		ASSERT_TRUE(runs_again(&t));
		ASSERT_EQ(0, tgkill(t.pid, t.tid, SIGSTOP));
		/* the signal, then what it does */
		ASSERT_EQ(t.tid, waitpid(t.tid, &t.status, __WALL));
		ASSERT_TRUE(tracee_look(&t, &s));
		ASSERT_EQ(SIGSTOP, s.sig);
		ASSERT_EQ(0, s.event);
		ASSERT_TRUE(tracee_step(&t, PTRACE_CONT, SIGSTOP, &s));
		ASSERT_EQ(PTRACE_EVENT_STOP, s.event);
		ASSERT_EQ(SIGSTOP, s.sig);
		ASSERT_EQ(0, ptrace(PTRACE_LISTEN, t.tid, 0, 0));
		ASSERT_EQ(0, waitpid(t.tid, &t.status, __WALL | WNOHANG));
		/* all of it is stopped: its helpers as well */
		ASSERT_EQ(0, kill(t.pid, SIGCONT));
		ASSERT_EQ(t.tid, waitpid(t.tid, &t.status, __WALL));
		ASSERT_TRUE(tracee_look(&t, &s));
		ASSERT_EQ(PTRACE_EVENT_STOP, s.event);
		ASSERT_EQ(SIGTRAP, s.sig);
		ASSERT_EQ(0, ptrace(PTRACE_CONT, t.tid, 0, 0));
		if (!variant->thread) {
			/* SIGCONT itself */
			ASSERT_EQ(t.tid, waitpid(t.tid, &t.status, __WALL));
			ASSERT_TRUE(tracee_look(&t, &s));
			ASSERT_EQ(SIGCONT, s.sig);
			ASSERT_EQ(0, ptrace(PTRACE_CONT, t.tid, 0, 0));
		}
	}
	ASSERT_TRUE(runs_again(&t));
	ASSERT_TRUE(tracee_kill(&t));
}

/* A tracer sees what is ignored as well, whoever it was sent to. */
static void is_signalled(struct shared *sh, struct syslet_ring *ring)
{
	KID_CHECK(!setpgid(0, 0) && !force_handoff(ring));
	KID_CHECK(!kill(-getpid(), SIGWINCH) && !force_handoff(ring));
	KID_CHECK(!kill(getpid(), SIGWINCH) && !force_handoff(ring));
	KID_CHECK(!tgkill(getpid(), gettid(), SIGWINCH) && !force_handoff(ring));
}

TRACED_TEST(follow, ignored_signals_are_seen)
{
	int sig = 0, seen = 0;
	struct tracee t;
	struct seen s;

	CHECK(tracee_begin(&t, is_signalled, thread, how, 0));
	while (tracee_step(&t, PTRACE_CONT, sig, &s)) {
		sig = signal_of(&s);
		seen += sig == SIGWINCH;
	}
	if (thread)
		CHECK(waitpid(t.pid, &t.status, __WALL) == t.pid);
	CHECK(t.status == TRACEE_STATUS);
	/* those for the process are the main thread's, which is not traced then */
	CHECK(seen == (thread ? 1 : 3));
	return NULL;
}

/* Batches that block in the middle, all the time. */
static void runs_batches(struct shared *sh, struct syslet_ring *ring)
{
	const char *err = tally_rounds(ring, rounds(8));

	if (err)
		fprintf(stderr, "# %s\n", err);
	KID_CHECK(!err);
}

TEST_F_TIMEOUT(follow, storm_of_batches_is_seen_from_entry_to_exit, 60)
{
	int sig = 0, pending = 0, batches = 0;
	struct tracee t;
	struct seen s;
	long nr = -1;

	ASSERT_TRUE(tracee_begin(&t, runs_batches, variant->thread, variant->how, 0));
	while (t.marks < 2) {
		ASSERT_TRUE(tracee_step(&t, PTRACE_SYSCALL, sig, &s));
		sig = signal_of(&s);
		if (is_entry(&s) && s.nr == MARK_NR && s.args[0] == MARK_ARG)
			t.marks++;
		if (!t.marks || !is_syscall_stop(&s))
			continue;
		ASSERT_EQ(nr == -1, is_entry(&s));
		batches += nr == __NR_syslet_submit && s.rval == 0;
		pending += is_exit(&s) && s.rval == -ESYSLETPENDING;
		ASSERT_TRUE(nr == __NR_read || s.rval != -ESYSLETPENDING || is_entry(&s));
		nr = is_entry(&s) ? s.nr : -1;
	}
	ASSERT_LE(rounds(8), batches);
	ASSERT_LT(0, pending);
	ASSERT_TRUE(tracee_end(&t));
}

/* --- the end of the tracing -------------------------------------------------------------------- */

static void calls_in_flight(struct shared *sh, struct syslet_ring *ring)
{
	char c[3] = {};
	int fd[3][2];
	long ret[3], got[3];

	for (int i = 0; i < 3; i++) {
		KID_CHECK(!pipe(fd[i]));
		mark();
		ret[i] = submit(ring, CALL(__NR_read, fd[i][0], P(&c[i]), 1), i);
		KID_CHECK(ret[i] == -ESYSLETPENDING);
		mark();
		KID_CHECK(gettid() == sh->tid);
	}
	for (int i = 0; i < 3; i++)
		KID_CHECK(write(fd[i][1], "x", 1) == 1);
	KID_CHECK(reap_each(ring, 0, 3, got));
	for (int i = 0; i < 3; i++)
		KID_CHECK(got[i] == 1 && c[i] == 'x');
	KID_CHECK(!force_handoff(ring));
}

/* Behind the entry of the n'th mark, at the stop'th stop of a call. */
static bool to_stop(struct tracee *t, int n, int stop)
{
	struct seen s;
	int sig = 0;

	while (n) {
		if (!tracee_step(t, PTRACE_SYSCALL, sig, &s))
			return false;
		sig = signal_of(&s);
		n -= is_entry(&s) && s.nr == MARK_NR;
	}
	for (int i = 0; i <= stop; i++)
		if (!tracee_step(t, PTRACE_SYSCALL, 0, &s) || !is_syscall_stop(&s))
			return false;
	return true;
}

/* The exit of the mark; entry and exit of the outer call, of the inner one; ... */
TRACED_TEST(follow, detached_at_any_stop_with_calls_in_flight)
{
	struct tracee t;

	for (int n = 2; n <= 4; n += 2) {
		for (int stop = 0; stop < 6; stop++) {
			CHECK(tracee_begin(&t, calls_in_flight, thread, how, 0));
			CHECK(to_stop(&t, n, stop));
			CHECK(tracee_detach(&t));
			CHECK(tracee_end_untraced(&t));
		}
	}
	return NULL;
}

/* A tracer that dies; with PTRACE_O_EXITKILL it takes the thread's process along. */
static const char *tracer_dies(bool thread, enum attach how, long options)
{
	struct tracee t;
	struct kid tracer;

	for (int stop = 0; stop < 6; stop++) {
		CHECK(tracee_fork(&t, calls_in_flight, thread, how));
		if (!kid_fork(&tracer)) {
			KID_CHECK(tracee_attach(&t, how, options | PTRACE_O_TRACESYSGOOD));
			KID_CHECK(kid_tell(&tracer));
			KID_CHECK(to_stop(&t, 4, stop));
			_exit(0);
		}
		CHECK(kid_hear(&tracer) && kid_tell(&t.kid));
		CHECK(kid_status(&tracer) == 0);
		if (options & PTRACE_O_EXITKILL)
			CHECK(waitpid(t.pid, &t.status, 0) == t.pid && t.status == SIGKILL);
		else
			CHECK(tracee_end_untraced(&t));
	}
	return NULL;
}

TEST_F(follow, tracer_that_dies_leaves_the_thread_as_it_is)
{
	const char *err;

	if (variant->how == BY_TRACEME)
		SKIP(return, "the parent would be the tracer");
	err = tracer_dies(variant->thread, variant->how, 0);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

TEST_F(follow, tracer_that_dies_kills_the_thread_if_it_wants_to)
{
	const char *err;

	if (variant->how == BY_TRACEME)
		SKIP(return, "the parent would be the tracer");
	err = tracer_dies(variant->thread, variant->how, PTRACE_O_EXITKILL);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

/* --- single steps ---------------------------------------------------------------------------------- */

/*
 * int3, the call, and some instructions to step over. What the kernel returns
 * in rcx and r11 is not compared, but what is told of the step is.
 */
static __attribute__((noinline)) long stepped(long nr, long a, long b, long c, long d, long e)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	long ret;

	asm volatile("int3\n\t"
		     "syscall\n\t"
		     "nop\n\t"
		     "nop\n\t"
		     : "=a" (ret)
		     : "a" (nr), "D" (a), "S" (b), "d" (c), "r" (r10), "r" (r8)
		     : "rcx", "r11", "memory");
	return ret;
}

enum stepped { STEP_PLAIN, STEP_HIT, STEP_PENDING, STEP_BATCH, STEP_REFUSED };

static enum stepped the_step;

/* A filter looks at the calls, too. */
static bool step_filtered;

static void steps(struct shared *sh, struct syslet_ring *ring)
{
	struct indirect_params params = { .syslet.completion_ring_ptr = P(ring) };
	struct indirect_registers hit = CALL(__NR_getppid);
	struct indirect_registers fork_call = CALL(__NR_fork);
	struct indirect_registers waits = CALL(__NR_read, data[0], P(buf), 1);
	struct syslet_call calls[] = {
		ENTRY(1, __NR_getppid), TAKE(2, data, buf), ENTRY(3, __NR_getppid),
	};
	long status = 0;

	KID_CHECK(!step_filtered || !filter_call(0, __NR_reboot, SECCOMP_RET_KILL_PROCESS));
	KID_CHECK(!force_handoff(ring));
	switch (the_step) {
	case STEP_PLAIN:
		sh->result[0] = stepped(__NR_getppid, 0, 0, 0, 0, 0);
		break;
	case STEP_HIT:
		sh->result[0] = stepped(__NR_indirect, P(&hit), P(&params), sizeof(params), 0, 0);
		break;
	case STEP_PENDING:
		sh->result[0] = stepped(__NR_indirect, P(&waits), P(&params), sizeof(params), 0, 0);
		KID_CHECK(write(data[1], "x", 1) == 1);
		KID_CHECK(reap_each(ring, 0, 1, &status) && status == 1);
		break;
	case STEP_BATCH:
		sh->result[0] = stepped(__NR_syslet_submit, P(calls), ARRAY_LEN(calls), P(&params),
					sizeof(params), 0);
		KID_CHECK(calls[0].result == getppid());
		if (calls[1].result == -ESYSLETPENDING) {
			KID_CHECK(write(data[1], "x", 1) == 1);
			KID_CHECK(reap_each(ring, 2, 1, &status) && status == 1);
		}
		break;
	case STEP_REFUSED:
		sh->result[0] = stepped(__NR_indirect, P(&fork_call), 0, 0, 0, 0);
		break;
	}
}

struct step {
	int		sig, code;
	unsigned long	offset, rax;	/* from the int3 */
};

/* Three steps from the int3 on. */
static const char *take_steps(struct tracee *t, int request, struct step *steps)
{
	unsigned long start;
	siginfo_t info;
	struct seen s;
	int sig = 0;

	do {
		CHECK(tracee_step(t, PTRACE_CONT, sig, &s));
		sig = signal_of(&s);
	} while (s.sig != SIGTRAP);
	start = s.regs.rip;
	for (int i = 0; i < 3; i++) {
		CHECK(tracee_step(t, request, 0, &s));
		CHECK(!ptrace(PTRACE_GETSIGINFO, t->tid, 0, &info));
		steps[i] = (struct step){ s.sig, info.si_code, s.regs.rip - start, s.regs.rax };
	}
	return NULL;
}

static const char *compare_steps(bool thread, enum attach how)
{
	struct step plain[3], now[3];
	const char *err;
	struct tracee t;

	for (the_step = STEP_PLAIN; the_step <= STEP_REFUSED; the_step++) {
		long want = the_step == STEP_PENDING ? -ESYSLETPENDING :
			    the_step == STEP_BATCH ? 3 :
			    the_step == STEP_REFUSED ? -EINVAL : getpid();

		printf("# step %d\n", the_step);
		fflush(stdout);
		CHECK(!pipe(data));
		CHECK(tracee_begin(&t, steps, thread, how, 0));
		err = take_steps(&t, PTRACE_SINGLESTEP, now);
		if (err)
			return err;
		if (the_step == STEP_PLAIN)
			memcpy(plain, now, sizeof(now));
		for (int i = 0; i < 3; i++) {
			CHECK(now[i].sig == plain[i].sig && now[i].code == plain[i].code);
			CHECK(now[i].offset == plain[i].offset);
			CHECK((long)now[i].rax == want);
		}
		CHECK(now[0].sig == SIGTRAP && now[0].offset == 2);
		CHECK(now[1].offset == 3 && now[2].offset == 4);
		CHECK(tracee_end(&t));
		pipe_close(data);
	}
	return NULL;
}

TRACED_TEST(follow, steps_over_calls_are_as_over_plain_ones)
{
	step_filtered = false;
	return compare_steps(thread, how);
}

TRACED_TEST(follow, steps_over_filtered_calls_are_as_over_plain_ones)
{
	step_filtered = true;
	return compare_steps(thread, how);
}

/* --- the thread that the tracer sees is the one that the program has ---------------------------------- */

static void waits_with_registers(struct shared *sh, struct syslet_ring *ring)
{
	long saved;

	for (int i = 0; i < 5; i++) {
		KID_CHECK(!force_handoff(ring));
		asm volatile("mov %1, %%r15\n\t"
			     "int3\n\t"
			     "mov %%r15, %0\n\t"
			     : "=r" (saved) : "r" (0x1000L + i) : "r15");
		sh->result[sh->nr++] = saved;
	}
}

TRACED_TEST(follow, registers_are_read_and_written_after_handoffs)
{
	struct tracee t;
	struct seen s;
	int sig = 0;

	CHECK(tracee_begin(&t, waits_with_registers, thread, how, 0));
	for (int i = 0; i < 5; i++) {
		do {
			CHECK(tracee_step(&t, PTRACE_CONT, sig, &s));
			sig = signal_of(&s);
		} while (s.sig != SIGTRAP);
		sig = 0;
		CHECK(s.regs.r15 == 0x1000 + i);
		s.regs.r15 = 0x2000 + i;
		CHECK(!ptrace(PTRACE_SETREGS, t.tid, 0, &s.regs));
		CHECK(ptrace(PTRACE_PEEKDATA, t.tid, P(&t.sh->nr), 0) == i);
	}
	CHECK(tracee_step(&t, PTRACE_SYSCALL, 0, &s));
	for (int i = 0; i < 5; i++)
		CHECK(t.sh->result[i] == 0x2000 + i);
	CHECK(tracee_end(&t));
	return NULL;
}

/* A frame of 2007: where a runner becomes a thread of its own, in user space. */
int frame_tid, frame_stop;

asm(".pushsection .text\n"
    "frame_entry:\n\t"
    "mov $186, %eax\n\t"	/* gettid */
    "syscall\n\t"
    "mov %eax, frame_tid(%rip)\n"
    "1:\tpause\n\t"
    "cmpl $0, frame_stop(%rip)\n\t"
    "je 1b\n\t"
    "mov $60, %eax\n\t"	/* exit */
    "xor %edi, %edi\n\t"
    "syscall\n\t"
    ".popsection\n");

extern char frame_entry[];

static void makes_thread_at_a_frame(struct shared *sh, struct syslet_ring *ring)
{
	struct syslet_args args = {
		.completion_ring_ptr = P(ring), .frame = { P(frame_entry), P(buf + sizeof(buf)) },
	};

	KID_CHECK(!force_handoff(ring));
	sh->result[0] = submit_args(CALL(__NR_read, data[0], P(buf), 1), args);
	if (sh->result[0] != -ESYSLETPENDING)
		return;
	KID_CHECK(write(data[1], "x", 1) == 1 && reap_one(ring, 0, 1));
	UNTIL(__atomic_load_n(&frame_tid, __ATOMIC_ACQUIRE));
	sh->result[1] = status_num(getpid(), frame_tid, "TracerPid");
	__atomic_store_n(&frame_stop, 1, __ATOMIC_RELEASE);
}

/* Either it is traced, as one that was cloned, or there is none. */
TRACED_TEST(follow, thread_at_a_frame_does_not_escape_its_tracer)
{
	struct tracee t;
	long ret, tracer;
	struct seen s;
	int sig = 0;

	CHECK(!pipe(data));
	CHECK(tracee_begin(&t, makes_thread_at_a_frame, thread, how, PTRACE_O_TRACECLONE));
	while (t.marks < 2) {
		CHECK(tracee_step(&t, PTRACE_SYSCALL, sig, &s));
		sig = signal_of(&s);
		t.marks += is_entry(&s) && s.nr == MARK_NR && s.args[0] == MARK_ARG;
	}
	ret = t.sh->result[0];
	tracer = t.sh->result[1];
	CHECK(tracee_end(&t));
	CHECK(ret == -EAGAIN || (ret == -ESYSLETPENDING && tracer == getpid()));
	return NULL;
}

/* A debug register is an event of its task, which is not moved. */
static void is_it_refused(struct shared *sh, struct syslet_ring *ring)
{
	sh->result[0] = force_handoff(ring);
	mark();
	sh->result[1] = is_refused(ring);
	mark();
}

#define DEBUGREG(n)	offsetof(struct user, u_debugreg[n])

TRACED_TEST(follow, refused_with_a_hardware_breakpoint)
{
	struct tracee t;

	CHECK(tracee_begin(&t, is_it_refused, thread, how, 0));
	CHECK(to_stop(&t, 2, 0));
	if (ptrace(PTRACE_POKEUSER, t.tid, DEBUGREG(0), P(buf)) ||
	    ptrace(PTRACE_POKEUSER, t.tid, DEBUGREG(7), 1 | 1 << 16)) {
		printf("# no hardware breakpoints: %m\n");
		return tracee_kill(&t) ? NULL : "kill";
	}
	CHECK(to_stop(&t, 1, 0));
	CHECK(t.sh->result[0] == 0 && t.sh->result[1] == 1);
	CHECK(tracee_end(&t));
	return NULL;
}

TEST_HARNESS_MAIN
