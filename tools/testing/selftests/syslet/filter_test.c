// SPDX-License-Identifier: GPL-2.0-only
/*
 * Filters and time: what is installed, rewritten or interrupted while calls are
 * held by those who decide, in flight, or in the middle of a batch.
 */
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "batch.h"
#include "caught.h"
#include "cgroup.h"
#include "filter.h"
#include "gate.h"
#include "raw.h"
#include "threads.h"

THREADS_FIXTURE(filter)

static bool dir_is_there(const char *dir)
{
	return !access(dir, F_OK);
}

/* --- the outer call -------------------------------------------------------------- */

THREADS_TEST(filter, nothing_runs_if_the_outer_call_is_forbidden)
{
	struct syslet_call calls[2];
	struct blocker b;
	int fd[2];

	CHECK(!pipe(fd) && blocker_begin(&b, ring, 0) == -ESYSLETPENDING);
	CHECK(!forbid(0, __NR_indirect) && !forbid(0, __NR_syslet_submit));
	CHECK(call_plain(CALL(__NR_write, fd[1], P("x"), 1)) == -FORBIDDEN);
	CHECK(submit(ring, CALL(__NR_write, fd[1], P("x"), 1), 0) == -FORBIDDEN);
	CHECK(submit_args(CALL(__NR_write, fd[1], P("x"), 1), (struct syslet_args){
		.completion_ring_ptr = P(ring), .flags = SYSLET_SYNC_OK }) == -FORBIDDEN);
	calls[0] = calls[1] = PUT(0, fd);
	CHECK(BATCH(ring, calls) == -FORBIDDEN && calls[0].result == NO_RESULT);
	CHECK(!pipe_bytes(fd));
	/* what was under way before comes to its end */
	CHECK(blocker_end(&b, ring) == 1);
	return NULL;
}

/* Some have only one of the two. */
THREADS_TEST(filter, each_way_of_calling_has_a_number_of_its_own)
{
	struct syslet_call calls[1];
	int fd[2];

	CHECK(!pipe(fd) && !forbid(0, __NR_indirect));
	calls[0] = PUT(0, fd);
	CHECK(BATCH(ring, calls) == 1 && calls[0].result == 1);
	CHECK(submit(ring, CALL(__NR_write, fd[1], P("x"), 1), 0) == -FORBIDDEN);
	CHECK(pipe_bytes(fd) == 1);
	return NULL;
}

/* The call that will be made is the one that sets the flags. */
THREADS_TEST(filter, sees_the_flags_that_are_added_for_new_descriptors)
{
	struct indirect_params params = { .file_flags = O_CLOEXEC };
	struct indirect_registers open_null = CALL(__NR_open, P("/dev/null"), O_RDONLY);
	int fd[2] = { -1, -1 };
	struct indirect_registers make_pipe = CALL(__NR_pipe, P(fd));
	long ret;

	CHECK(!filter_arg(0, AUDIT_ARCH_X86_64, __NR_open, 1, O_RDONLY | O_CLOEXEC,
			  SECCOMP_RET_ERRNO | FORBIDDEN));
	CHECK(!forbid(0, __NR_pipe2));
	CHECK(sys_indirect(&open_null, &params, sizeof(params), 0) == -FORBIDDEN);
	CHECK(sys_indirect(&make_pipe, &params, sizeof(params), 0) == -FORBIDDEN && fd[0] == -1);
	params.file_flags = O_NONBLOCK;
	ret = sys_indirect(&open_null, &params, sizeof(params), 0);
	CHECK(ret >= 0 && !close(ret));
	CHECK(!call_plain(make_pipe));
	return NULL;
}

/* --- rewritten while it is held ---------------------------------------------------- */

/* All that can be rewritten; shared with a tracer. */
struct held {
	struct indirect_registers	regs;
	struct indirect_params		params;
	struct syslet_call		calls[3];
	pid_t				tid;
};

#define HELD_FD		200
#define EVIL_DIR	"/tmp/evil"

/* Something else than what is to be decided upon. */
static void rewrite(struct held *h)
{
	struct indirect_registers evil = CALL(__NR_mkdir, P(EVIL_DIR), 0700);

	h->regs = evil;
	h->calls[1].nr = evil.nr;
	memcpy(h->calls[1].args, evil.args, sizeof(evil.args));
	h->params = (struct indirect_params){ .file_flags = O_APPEND };
}

/* What a supervisor is to do with the next call. */
struct rewriter {
	int		fd;
	struct held	*h;
};

/* Let the call go on, when all that it was made from is different. */
static long hold_and_rewrite(void *arg)
{
	struct seccomp_notif_resp resp = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
	struct seccomp_notif req = {};
	struct rewriter *r = arg;

	if (ioctl(r->fd, SECCOMP_IOCTL_NOTIF_RECV, &req))
		return -errno;
	rewrite(r->h);
	resp.id = req.id;
	return syslet_ret(ioctl(r->fd, SECCOMP_IOCTL_NOTIF_SEND, &resp));
}

/* Call number i of those that are held: single, armed, or in the middle of a batch. */
static long held_call(struct held *h, int i, struct syslet_ring *ring,
		      struct indirect_registers regs)
{
	long ret;

	h->regs = regs;
	h->params = (struct indirect_params){ .syslet.completion_ring_ptr = i ? P(ring) : 0 };
	if (i < 2)
		return sys_indirect(&h->regs, &h->params, sizeof(h->params), 0);
	h->calls[0] = h->calls[2] = ENTRY(1, __NR_getpid);
	h->calls[1] = ENTRY(0, regs.nr);
	memcpy(h->calls[1].args, regs.args, sizeof(regs.args));
	ret = sys_submit(h->calls, 3, &h->params, sizeof(h->params), 0);
	return ret == 3 && h->calls[2].result == getpid() ? h->calls[1].result : -EPROTO;
}

THREADS_TEST(filter, call_that_is_rewritten_while_a_supervisor_holds_it_is_the_old_one)
{
	static struct held h;
	struct rewriter r = { .h = &h };
	struct servant *s = servant_start();
	int fd[2];
	char c = 0;

	CHECK(s && !pipe(fd) && !force_handoff(ring));
	CHECK(dup2(fd[1], HELD_FD) == HELD_FD && dup2(fd[0], HELD_FD + 1) == HELD_FD + 1);
	r.fd = filter_arg(SECCOMP_FILTER_FLAG_NEW_LISTENER, AUDIT_ARCH_X86_64, __NR_write, 0,
			     HELD_FD, SECCOMP_RET_USER_NOTIF);
	CHECK(r.fd >= 0);
	for (int i = 0; i < 3; i++) {
		servant_tell(s, hold_and_rewrite, &r);
		CHECK(held_call(&h, i, ring, CALL(__NR_write, HELD_FD, P("x"), 1)) == 1);
		CHECK(!servant_wait(s));
		CHECK(pipe_bytes(fd) == 1 && pipe_drain(fd) && !dir_is_there(EVIL_DIR));
	}
	/* one that blocks then: also the ring is that of the beginning */
	CHECK(!close(r.fd));
	r.fd = filter_arg(SECCOMP_FILTER_FLAG_NEW_LISTENER, AUDIT_ARCH_X86_64, __NR_read, 0,
			     HELD_FD + 1, SECCOMP_RET_USER_NOTIF);
	CHECK(r.fd >= 0);
	for (int i = 1; i < 3; i++) {
		servant_tell(s, hold_and_rewrite, &r);
		CHECK(held_call(&h, i, ring, CALL(__NR_read, HELD_FD + 1, P(&c), 1)) ==
		      -ESYSLETPENDING);
		CHECK(!servant_wait(s) && write(fd[1], "y", 1) == 1);
		CHECK(reap_one(ring, 0, 1) && c == 'y' && !dir_is_there(EVIL_DIR));
	}
	return NULL;
}

/* The thread that a tracer holds in its calls; with its pipe in between. */
static void held_by_tracer(struct held *h, struct kid *k, const int *fd)
{
	struct syslet_ring *ring = ring_alloc(4);

	KID_CHECK(!force_handoff(ring) && dup2(fd[1], HELD_FD) == HELD_FD);
	KID_CHECK(kid_tell(k) && kid_hear(k));
	KID_CHECK(!filter_arg(0, AUDIT_ARCH_X86_64, __NR_write, 0, HELD_FD, SECCOMP_RET_TRACE));
	KID_CHECK(!force_handoff(ring));
	for (int i = 0; i < 3; i++) {
		KID_CHECK(held_call(h, i, ring, CALL(__NR_write, HELD_FD, P("x"), 1)) == 1);
		KID_CHECK(pipe_bytes(fd) == 1 && pipe_drain(fd) && !dir_is_there(EVIL_DIR));
	}
	_exit(0);
}

TEST(call_that_is_rewritten_while_a_tracer_holds_it_is_the_old_one)
{
	struct held *h = mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd[2], status, held = 0;
	struct kid k;

	ASSERT_NE(MAP_FAILED, h);
	ASSERT_EQ(0, pipe(fd));
	if (!kid_fork(&k))
		held_by_tracer(h, &k, fd);
	ASSERT_TRUE(kid_hear(&k));
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, k.pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL));
	ASSERT_TRUE(kid_tell(&k));
	for (;;) {
		ASSERT_EQ(k.pid, waitpid(k.pid, &status, __WALL));
		if (!WIFSTOPPED(status))
			break;
		ASSERT_EQ(SIGTRAP | PTRACE_EVENT_SECCOMP << 8, status >> 8);
		rewrite(h);
		held++;
		ASSERT_EQ(0, ptrace(PTRACE_CONT, k.pid, 0, 0));
	}
	ASSERT_EQ(0, status);
	ASSERT_EQ(3, held);
}

/* --- interrupted while it is held -------------------------------------------------- */

struct disturber {
	int	fd;
	pid_t	tid;
	int	asked;
};

/* Disturb the thread whose call is held, once; answer when it asks again. */
static long hold_and_disturb(void *arg)
{
	struct disturber *d = arg;
	struct seccomp_notif_resp resp = { .val = 0x77 };
	struct seccomp_notif req;

	for (d->asked = 0;;) {
		memset(&req, 0, sizeof(req));
		if (ioctl(d->fd, SECCOMP_IOCTL_NOTIF_RECV, &req))
			return -errno;
		if (++d->asked == 2)
			break;
		if (syscall(__NR_tgkill, getpid(), d->tid, SIGUSR1))
			return -errno;
	}
	resp.id = req.id;
	return syslet_ret(ioctl(d->fd, SECCOMP_IOCTL_NOTIF_SEND, &resp));
}

/* Made plainly, and through indirect(). */
static long disturbed_call(int i, struct syslet_ring *ring)
{
	static struct held h;

	return i ? held_call(&h, i - 1, ring, CALL(__NR_write, HELD_FD, P("x"), 1)) :
		   syslet_ret(write(HELD_FD, "x", 1));
}

THREADS_TEST(filter, signal_while_a_supervisor_holds_the_call_makes_it_ask_again)
{
	struct servant *s = servant_start();
	struct disturber d = { .tid = gettid() };
	int fd[2];

	CHECK(s && !pipe(fd) && !force_handoff(ring) && dup2(fd[1], HELD_FD) == HELD_FD);
	d.fd = filter_arg(SECCOMP_FILTER_FLAG_NEW_LISTENER, AUDIT_ARCH_X86_64, __NR_write, 0,
			  HELD_FD, SECCOMP_RET_USER_NOTIF);
	CHECK(d.fd >= 0);
	for (int i = 0; i < 3; i++) {
		CHECK(catch_signal(SIGUSR1, SA_RESTART));
		servant_tell(s, hold_and_disturb, &d);
		CHECK(disturbed_call(i, ring) == 0x77 && !servant_wait(s));
		CHECK(d.asked == 2 && caught == 1 && caught_by == gettid() && !pipe_bytes(fd));
	}
	return NULL;
}

/* --- between calls ------------------------------------------------------------------ */

THREADS_TEST(filter, installed_by_an_indirect_call_is_for_the_next_one)
{
	struct sock_filter insns[] = FILTER_CALL(__NR_mkdir, SECCOMP_RET_ERRNO | FORBIDDEN);
	struct sock_fprog prog = { ARRAY_LEN(insns), insns };
	struct flight f;

	CHECK(flight_begin(&f, ring));
	CHECK(!submit(ring, CALL(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0));
	CHECK(!submit(ring, CALL(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, P(&prog)), 0));
	CHECK(submit(ring, CALL(__NR_mkdir, P(EVIL_DIR), 0700), 0) == -FORBIDDEN);
	CHECK(mkdir(EVIL_DIR, 0700) == -1 && errno == FORBIDDEN);
	CHECK(!force_handoff(ring) && flight_end(&f, ring));
	CHECK(submit(ring, CALL(__NR_mkdir, P(EVIL_DIR), 0700), 0) == -FORBIDDEN);
	CHECK(!dir_is_there(EVIL_DIR));
	return NULL;
}

/* Filters on filters, each of them before a handoff. */
THREADS_TEST(filter, stack_of_filters_is_kept_in_handoffs)
{
	static const int calls[] = { __NR_mkdir, __NR_rmdir, __NR_unlink, __NR_chdir };

	for (unsigned int i = 0; i < ARRAY_LEN(calls); i++) {
		CHECK(submit(ring, CALL(calls[i], P("/tmp/none/x"), 0), 0) == -ENOENT);
		CHECK(!forbid(0, calls[i]) && !force_handoff(ring));
		for (unsigned int j = 0; j < ARRAY_LEN(calls); j++) {
			long want = j <= i ? -FORBIDDEN : -ENOENT;

			CHECK(submit(ring, CALL(calls[j], P("/tmp/none/x"), 0), 0) == want);
			CHECK(syslet_ret(syscall(calls[j], "/tmp/none/x", 0)) == want);
		}
		CHECK(status_num(getpid(), gettid(), "Seccomp_filters") == i + 1);
	}
	return NULL;
}

/* --- entries of a batch ---------------------------------------------------------------- */

/* All entries are seen: none that may go async, and none behind it. */
THREADS_TEST(filter, forbids_entries_one_by_one)
{
	struct syslet_call calls[6];
	int fd[2], in[2];
	char c;

	CHECK(!pipe(fd) && !pipe(in) && !force_handoff(ring) && !forbid(0, __NR_mkdir));
	for (int how = 0; how < 3; how++) {
		calls[0] = PUT(0, fd);
		calls[1] = ENTRY(1, __NR_mkdir, P(EVIL_DIR), 0700);
		calls[2] = how ? TAKE(2, in, &c) : PUT(2, fd);
		calls[3] = ENTRY(3, __NR_mkdir, P(EVIL_DIR), 0700);
		calls[4] = ENTRY(4, __NR_getpid);
		calls[5] = PUT(5, fd);
		CHECK((how == 2 ? BATCH_FLAGS(ring, calls, SYSLET_SUBMIT_STOP_REFUSED) :
				  BATCH(how ? ring : NULL, calls)) == 6);
		CHECK(calls[0].result == 1 && calls[1].result == -FORBIDDEN);
		CHECK(calls[2].result == (how ? -ESYSLETPENDING : 1));
		CHECK(calls[3].result == -FORBIDDEN && calls[4].result == getpid());
		CHECK(pipe_bytes(fd) == (how ? 2 : 3) && pipe_drain(fd));
		CHECK(!dir_is_there(EVIL_DIR));
		CHECK(!how || (write(in[1], "x", 1) == 1 && reap_one(ring, 2, 1)));
	}
	return NULL;
}

/* There is no way from there to a handler and back: the call is to be made otherwise. */
THREADS_TEST(filter, trap_in_a_batch_is_a_refusal_that_ends_it_if_that_is_wanted)
{
	struct syslet_call calls[3];
	int fd[2];

	CHECK(!pipe(fd) && !force_handoff(ring) && catch_signal(SIGSYS, 0));
	CHECK(!filter_call(0, __NR_mkdir, SECCOMP_RET_TRAP));
	for (int sync = 0; sync < 2; sync++) {
		calls[0] = calls[2] = PUT(0, fd);
		calls[1] = ENTRY(1, __NR_mkdir, P(EVIL_DIR), 0700);
		CHECK((sync ? BATCH_SYNC_OK(ring, calls) : BATCH(ring, calls)) == 3);
		CHECK(calls[1].result == -EAGAIN && pipe_bytes(fd) == 2 && pipe_drain(fd));
		calls[1].result = NO_RESULT;
		CHECK(BATCH_FLAGS(ring, calls, SYSLET_SUBMIT_STOP_REFUSED) == 1);
		CHECK(pipe_bytes(fd) == 1 && pipe_drain(fd));
		CHECK(BATCH_FLAGS(ring, calls, SYSLET_SUBMIT_STOP_ERROR) == 2);
		CHECK(calls[1].result == -EAGAIN && pipe_bytes(fd) == 1 && pipe_drain(fd));
	}
	CHECK(!caught && !dir_is_there(EVIL_DIR));
	return NULL;
}

THREADS_TEST(filter, installed_by_an_entry_is_for_those_behind_it)
{
	struct sock_filter insns[] = FILTER_CALL(__NR_write, SECCOMP_RET_ERRNO | FORBIDDEN);
	struct sock_fprog prog = { ARRAY_LEN(insns), insns };
	struct syslet_call calls[8];
	int fd[2], in[2];
	long status[2];
	char c[2];

	CHECK(!pipe(fd) && !pipe(in));
	calls[0] = TAKE(0, in, &c[0]);
	calls[1] = ENTRY(1, __NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	calls[2] = PUT(2, fd);
	calls[3] = ENTRY(3, __NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, P(&prog));
	calls[4] = PUT(4, fd);
	/* also by the task that takes over then */
	calls[5] = TAKE(1, in, &c[1]);
	calls[6] = PUT(6, fd);
	calls[7] = ENTRY(7, __NR_getpid);
	CHECK(BATCH(ring, calls) == 8);
	CHECK(calls[0].result == -ESYSLETPENDING && !calls[3].result);
	CHECK(calls[4].result == -FORBIDDEN && calls[5].result == -ESYSLETPENDING);
	CHECK(calls[6].result == -FORBIDDEN && calls[7].result == getpid());
	CHECK(pipe_bytes(fd) == 1);
	CHECK(status_num(getpid(), gettid(), "Seccomp") == SECCOMP_MODE_FILTER);
	/* by a call that is not filtered */
	CHECK(writev(in[1], &(struct iovec){ "xx", 2 }, 1) == 2);
	CHECK(reap_each(ring, 0, 2, status) && status[0] == 1 && status[1] == 1);
	return NULL;
}

static bool forbid_for_all(void *arg)
{
	return !forbid(SECCOMP_FILTER_FLAG_TSYNC, __NR_mkdir);
}

/* Also if tasks have changed in the meantime: behind a handoff in the batch. */
THREADS_TEST_IF(filter, from_another_thread_is_for_the_entries_behind,
		have_userfaultfd(), "no userfaultfd")
{
	struct syslet_call head[3], tail[4];
	int fd[2], in[2];
	long status[2];
	struct gate g;
	char c[2];

	CHECK(!pipe(fd) && !pipe(in) && !force_handoff(ring));
	head[0] = PUT(0, fd);
	head[1] = TAKE(0, in, &c[0]);
	head[2] = PUT(2, fd);
	tail[0] = ENTRY(3, __NR_mkdir, P(EVIL_DIR), 0700);
	tail[1] = TAKE(1, in, &c[1]);
	tail[2] = ENTRY(5, __NR_mkdir, P(EVIL_DIR), 0700);
	tail[3] = PUT(6, fd);
	CHECK(gate_begin(&g, head, 3, tail, 4, forbid_for_all, NULL));
	CHECK(gate_submit(&g, ring, SYSLET_SYNC_OK) == 7 && gate_end(&g));
	CHECK(g.calls[1].result == -ESYSLETPENDING && g.calls[3].result == -FORBIDDEN);
	CHECK(g.calls[4].result == -ESYSLETPENDING && g.calls[5].result == -FORBIDDEN);
	CHECK(pipe_bytes(fd) == 3 && !dir_is_there(EVIL_DIR));
	CHECK(mkdir(EVIL_DIR, 0700) == -1 && errno == FORBIDDEN);
	CHECK(write(in[1], "xx", 2) == 2 && reap_each(ring, 0, 2, status));
	CHECK(status[0] == 1 && status[1] == 1);
	return NULL;
}

static long filter_spin;

static long forbid_after_a_while(void *arg)
{
	for (volatile long n = filter_spin; n; n--)
		;
	return forbid(SECCOMP_FILTER_FLAG_TSYNC, __NR_mkdir);
}

/* Batches in which the task changes; once there is the filter it is there for all entries. */
static const char *batches_until_filtered(struct syslet_ring *ring)
{
	struct servant *s = servant_start();
	struct syslet_call calls[5];
	bool forbidden = false;
	int in[2];
	char c;

	CHECK(s && !pipe(in) && !force_handoff(ring));
	servant_tell(s, forbid_after_a_while, NULL);
	while (!forbidden) {
		calls[0] = calls[2] = calls[4] = ENTRY(1, __NR_mkdir, P("/"), 0700);
		calls[1] = TAKE(0, in, &c);
		calls[3] = PUT(3, in);
		CHECK(BATCH(ring, calls) == 5 && calls[1].result == -ESYSLETPENDING);
		for (int i = 0; i < 5; i += 2) {
			CHECK(calls[i].result == -FORBIDDEN ||
			      (calls[i].result == -EEXIST && !forbidden));
			forbidden = calls[i].result == -FORBIDDEN;
		}
		CHECK(calls[3].result == 1 && reap_one(ring, 0, 1));
	}
	return servant_wait(s) ? "forbid" : NULL;
}

TEST_F_TIMEOUT(filter, that_comes_in_a_storm_of_batches, 120)
{
	const char *err;
	struct kid k;

	for (int i = 0; i < rounds(40); i++) {
		filter_spin = i * 7919 % 100003;
		if (!kid_fork(&k)) {
			err = threads_run(variant->thread, batches_until_filtered);
			if (err)
				fprintf(stderr, "# %s\n", err);
			_exit(!!err);
		}
		ASSERT_EQ(0, kid_status(&k));
	}
}

/* For a moment the main thread is on its first task: with the filters of now. */
THREADS_TEST(filter, is_kept_by_who_has_to_let_its_spares_go)
{
	struct syslet_call calls[4];
	int fd[2];

	CHECK(!force_handoff(ring) && !forbid(0, __NR_mkdir));
	CHECK(!call_plain(CALL(__NR_unshare, CLONE_FILES)));
	CHECK(submit(ring, CALL(__NR_mkdir, P(EVIL_DIR), 0700), 0) == -FORBIDDEN);
	CHECK(!force_handoff(ring) && !pipe(fd));
	calls[0] = calls[3] = PUT(0, fd);
	calls[1] = ENTRY(1, __NR_unshare, CLONE_FILES);
	calls[2] = ENTRY(2, __NR_mkdir, P(EVIL_DIR), 0700);
	CHECK(batch_all(ring, calls, 4, SYSLET_SYNC_OK) > 0);
	CHECK(!calls[1].result && calls[2].result == -FORBIDDEN && pipe_bytes(fd) == 2);
	CHECK(!force_handoff(ring) && !forbid(0, __NR_unshare));
	CHECK(call_plain(CALL(__NR_unshare, CLONE_FILES)) == -FORBIDDEN);
	CHECK(syslet_ret(unshare(CLONE_FILES)) == -FORBIDDEN && !force_handoff(ring));
	return NULL;
}

/* --- calls in flight that are repeated -------------------------------------------------- */

/* What becomes of the filters of a thread while its call is in flight. */
enum since {
	SAME, ALLOWED, LOGGED, OWN_LATER, ALL_LATER_ALLOWED, ALL_LATER_FORBIDDEN, CRED_LATER,
	/* a call of i386, and a filter for that number of one of the two ABIs */
	I386_ALLOWED, I386_FORBIDDEN,
};

#define READ_FD		203
#define I386_READ	3

static bool filter_read(unsigned int flags, uint32_t action)
{
	return !filter_arg(flags, AUDIT_ARCH_X86_64, __NR_read, 0, READ_FD, action);
}

static bool before_flight(enum since since)
{
	if (since == ALLOWED)
		return !forbid(0, __NR_mkdir);
	return since != LOGGED || filter_read(0, SECCOMP_RET_LOG);
}

static long all_later(void *action)
{
	return !filter_read(SECCOMP_FILTER_FLAG_TSYNC, (uintptr_t)action);
}

static long all_later_i386(void *arch)
{
	return filter_arg(SECCOMP_FILTER_FLAG_TSYNC, (uintptr_t)arch, I386_READ, 0, READ_FD,
			  SECCOMP_RET_ERRNO | FORBIDDEN);
}

static bool in_flight(enum since since, struct servant *s)
{
	switch (since) {
	case OWN_LATER:
		return !filter_nothing(0);
	case ALL_LATER_ALLOWED:
		return !servant_do(s, all_later, (void *)SECCOMP_RET_LOG);
	case ALL_LATER_FORBIDDEN:
		return !servant_do(s, all_later, (void *)(SECCOMP_RET_ERRNO | FORBIDDEN));
	case CRED_LATER:
		return !syscall(__NR_setresgid, 1, -1, -1);
	case I386_ALLOWED:
		return !servant_do(s, all_later_i386, (void *)AUDIT_ARCH_X86_64);
	case I386_FORBIDDEN:
		return !servant_do(s, all_later_i386, (void *)AUDIT_ARCH_I386);
	default:
		return true;
	}
}

static bool is_repeated(enum since since)
{
	return since != OWN_LATER && since != ALL_LATER_FORBIDDEN && since != CRED_LATER &&
	       since != I386_FORBIDDEN;
}

FIXTURE(repeat)
{
	struct cgroup group;
};
FIXTURE_VARIANT(repeat) { enum since since; };
#define REPEAT(name, _since) FIXTURE_VARIANT_ADD(repeat, name) { .since = _since }
REPEAT(without_filters, SAME);
REPEAT(allowed, ALLOWED);
REPEAT(logged, LOGGED);
REPEAT(filter_of_the_thread_since, OWN_LATER);
REPEAT(filter_of_all_since_allows_it, ALL_LATER_ALLOWED);
REPEAT(filter_of_all_since_forbids_it, ALL_LATER_FORBIDDEN);
REPEAT(other_credentials_since, CRED_LATER);
REPEAT(filter_of_the_other_abi, I386_ALLOWED);
REPEAT(filter_of_the_i386_abi, I386_FORBIDDEN);
FIXTURE_SETUP(repeat)
{
	if (variant->since >= I386_ALLOWED && !have_ia32())
		SKIP(return, "no IA32 emulation");
}
FIXTURE_TEARDOWN(repeat)
{
	if (self->group.dir[0])
		cgroup_remove(&self->group);
}

struct repeat_job {
	enum since	since;
	struct kid	k;
	struct servant	*s;
};

/* What both ABIs can address. */
struct low {
	struct indirect_registers	regs;
	struct indirect_params		params;
	struct syslet_ring		ring;
	struct syslet_completion	comp[4];
	char				c;
};

static long repeat_submit(struct repeat_job *job, struct low *low)
{
	low->regs = CALL(__NR_read, READ_FD, P(&low->c), 1);
	low->params.syslet.completion_ring_ptr = P(&low->ring);
	low->params.syslet.caller_data = 5;
	if (job->since < I386_ALLOWED)
		return sys_indirect(&low->regs, &low->params, sizeof(low->params), 0);
	low->regs.nr = I386_READ;
	return i386_call(__NR_indirect, P(&low->regs), P(&low->params), sizeof(low->params), 0);
}

/* The child: a call in flight while the parent stops all of us. */
static void *repeat_main(void *arg)
{
	struct syslet_ring *ring = ring_alloc(4);
	struct repeat_job *job = arg;
	struct low *low = low_memory();
	int fd[2];

	KID_CHECK(low && !pipe(fd) && dup2(fd[0], READ_FD) == READ_FD);
	low->ring.elements = ARRAY_LEN(low->comp);
	KID_CHECK(!force_handoff(ring) && before_flight(job->since));
	KID_CHECK(repeat_submit(job, low) == -ESYSLETPENDING);
	KID_CHECK(in_flight(job->since, job->s));
	KID_CHECK(kid_tell(&job->k) && kid_hear(&job->k));
	if (is_repeated(job->since)) {
		KID_CHECK(write(fd[1], "z", 1) == 1 && reap_one(&low->ring, 5, 1));
		KID_CHECK(low->c == 'z');
	} else {
		KID_CHECK(reap_one(&low->ring, 5, -EINTR) && !low->c);
	}
	_exit(0);
}

static void repeat_child(struct repeat_job *job, bool thread)
{
	pthread_t t;

	job->s = servant_start();
	if (!thread)
		repeat_main(job);
	KID_CHECK(!pthread_create(&t, NULL, repeat_main, job));
	pthread_join(t, NULL);
}

TEST_F(repeat, after_a_stop_is_what_the_filters_of_now_allow)
{
	struct repeat_job job = { .since = variant->since };
	int status;

	for (int thread = 0; thread < 2; thread++) {
		if (!kid_fork(&job.k))
			repeat_child(&job, thread);
		ASSERT_TRUE(kid_hear(&job.k));
		/* told when all its tasks have stopped, so the call was interrupted */
		ASSERT_EQ(0, kill(job.k.pid, SIGSTOP));
		ASSERT_EQ(job.k.pid, waitpid(job.k.pid, &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status));
		ASSERT_EQ(0, kill(job.k.pid, SIGCONT));
		ASSERT_TRUE(kid_tell(&job.k));
		ASSERT_EQ(0, kid_status(&job.k));
	}
}

TEST_F(repeat, after_the_freezer_is_what_the_filters_of_now_allow)
{
	struct repeat_job job = { .since = variant->since };

	ASSERT_TRUE(cgroup_make(&self->group, "repeat"));
	for (int thread = 0; thread < 2; thread++) {
		if (!kid_fork(&job.k)) {
			/* spares are clones: moved before them */
			KID_CHECK(cgroup_enter(&self->group));
			repeat_child(&job, thread);
		}
		ASSERT_TRUE(kid_hear(&job.k));
		ASSERT_EQ(0, cgroup_write(&self->group, "cgroup.freeze", "1"));
		UNTIL(cgroup_key(&self->group, "cgroup.events", "frozen") == 1);
		ASSERT_EQ(0, cgroup_write(&self->group, "cgroup.freeze", "0"));
		ASSERT_TRUE(kid_tell(&job.k));
		ASSERT_EQ(0, kid_status(&job.k));
	}
}

/* Who was asked about it, and said yes, is not asked again; so it is not repeated. */
static void *yes_once_main(void *arg)
{
	struct seccomp_notif req = {};
	struct seccomp_notif_resp resp = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
	int fd = *(int *)arg;

	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req))
		return "recv";
	resp.id = req.id;
	return ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &resp) ? "send" : NULL;
}

TEST(repeat_of_a_call_that_a_supervisor_has_let_pass)
{
	struct syslet_ring *ring = ring_alloc(4);
	int fd[2], listener, status;
	pthread_t t;
	struct kid k;
	void *err;
	char c = 0;

	if (!kid_fork(&k)) {
		KID_CHECK(!pipe(fd) && dup2(fd[0], READ_FD) == READ_FD);
		listener = filter_arg(SECCOMP_FILTER_FLAG_NEW_LISTENER, AUDIT_ARCH_X86_64,
				      __NR_read, 0, READ_FD, SECCOMP_RET_USER_NOTIF);
		KID_CHECK(listener >= 0 && !pthread_create(&t, NULL, yes_once_main, &listener));
		KID_CHECK(submit(ring, CALL(__NR_read, READ_FD, P(&c), 1), 5) == -ESYSLETPENDING);
		KID_CHECK(!pthread_join(t, &err) && !err);
		KID_CHECK(kid_tell(&k) && kid_hear(&k));
		KID_CHECK(reap_one(ring, 5, -EINTR) && !c);
		_exit(0);
	}
	ASSERT_TRUE(kid_hear(&k));
	ASSERT_EQ(0, kill(k.pid, SIGSTOP));
	ASSERT_EQ(k.pid, waitpid(k.pid, &status, WUNTRACED));
	ASSERT_EQ(0, kill(k.pid, SIGCONT));
	ASSERT_TRUE(kid_tell(&k));
	ASSERT_EQ(0, kid_status(&k));
}

/* --- strict mode -------------------------------------------------------------------------- */

/* Which allows read, write, exit and sigreturn; by whatever task. */
struct strict {
	struct syslet_ring	*ring;
	struct syslet_call	calls[4];
	int			fd[2], in[2];
	char			c;
};

static void strict_single(struct strict *s)
{
	struct indirect_registers regs = CALL(__NR_write, s->fd[1], P("x"), 1);

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) ||
	    raw(__NR_write, s->fd[1], (long)"x", 1, 0) != 1)
		return;
	raw(__NR_indirect, (long)&regs, 0, 0, 0);
	/* not reached, as indirect() itself is not allowed */
	raw(__NR_write, s->fd[1], (long)"x", 1, 0);
}

/* Those behind the entry that sets it. */
static void strict_batch(struct strict *s)
{
	s->calls[0] = ENTRY(0, __NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	s->calls[1] = PUT(1, s->fd);
	s->calls[2] = ENTRY(2, __NR_mkdir, P(EVIL_DIR), 0700);
	s->calls[3] = PUT(3, s->fd);
	BATCH_SYNC_OK(s->ring, s->calls);
}

/* Nobody else could take over, and be as strict: what might block is refused. */
static void strict_handoff(struct strict *s)
{
	s->calls[0] = ENTRY(0, __NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	s->calls[1] = TAKE(1, s->in, &s->c);
	s->calls[2] = PUT(2, s->fd);
	s->calls[3] = ENTRY(3, __NR_mkdir, P(EVIL_DIR), 0700);
	BATCH(s->ring, s->calls);
}

FIXTURE(strict) { };
FIXTURE_VARIANT(strict)
{
	void	(*fn)(struct strict *s);
	int	written;
};
FIXTURE_VARIANT_ADD(strict, single) { .fn = strict_single, .written = 1 };
FIXTURE_VARIANT_ADD(strict, batch) { .fn = strict_batch, .written = 1 };
FIXTURE_VARIANT_ADD(strict, batch_that_would_block) { .fn = strict_handoff };
FIXTURE_SETUP(strict) { }
FIXTURE_TEARDOWN(strict) { }

TEST_F(strict, mode_kills_who_makes_another_call)
{
	struct strict s = {};
	struct kid k;

	ASSERT_EQ(0, pipe(s.fd));
	ASSERT_EQ(0, pipe(s.in));
	rmdir(EVIL_DIR);
	if (!kid_fork(&k)) {
		s.ring = ring_alloc(4);
		KID_CHECK(!force_handoff(s.ring));
		variant->fn(&s);
		raw(__NR_exit, 1, 0, 0, 0);
	}
	ASSERT_EQ(SIGKILL, kid_status(&k));
	ASSERT_EQ(variant->written, pipe_bytes(s.fd));
	ASSERT_FALSE(dir_is_there(EVIL_DIR));
}

/* --- threads -------------------------------------------------------------------------------- */

static long forbid_all_of(void *arg)
{
	return forbid(SECCOMP_FILTER_FLAG_TSYNC, __NR_mkdir);
}

static long own_filter_and_handoff(void *arg)
{
	struct syslet_ring *ring = arg;

	/* its first task has another TID then, and comes first */
	return filter_nothing(0) ?: force_handoff(ring);
}

/* One that has filters which others have not cannot be synchronized: it is named. */
THREADS_TEST(filter, thread_that_prevents_tsync_is_named_by_its_tid)
{
	struct servant *s = servant_start(), *other = servant_start();

	CHECK(s && other && !servant_do(s, own_filter_and_handoff, ring));
	CHECK(servant_do(other, forbid_all_of, NULL) == s->tid);
	CHECK(!mkdir("/tmp/tsync", 0700) && !rmdir("/tmp/tsync"));
	return NULL;
}

struct mortal {
	struct syslet_ring	*ring;
	int			in[2];
	char			c[2];
};

/* Killed by its filter with two calls in flight. */
static void *mortal_main(void *arg)
{
	struct mortal *m = arg;

	if (filter_call(0, __NR_mkdir, SECCOMP_RET_KILL_THREAD))
		return "filter_call";
	for (int i = 0; i < 2; i++)
		if (submit(m->ring, CALL(__NR_read, m->in[0], P(&m->c[i]), 1), i) !=
		    -ESYSLETPENDING)
			return "submit";
	submit(m->ring, CALL(__NR_mkdir, P(EVIL_DIR), 0700), 2);
	return "not killed";
}

THREADS_TEST(filter, thread_that_is_killed_leaves_none_of_its_calls)
{
	struct mortal m = { .ring = ring };
	int threads = count_threads();
	long status[2];
	pthread_t t;
	void *err;

	CHECK(!pipe(m.in));
	CHECK(!pthread_create(&t, NULL, mortal_main, &m) && !pthread_join(t, &err) && !err);
	CHECK(reap_each(ring, 0, 2, status));
	CHECK(status[0] == -ECANCELED && status[1] == -ECANCELED && !dir_is_there(EVIL_DIR));
	UNTIL(count_threads() == threads);
	return NULL;
}

static void *listened_main(void *arg)
{
	struct syslet_ring *ring = ring_alloc(4);
	int *listener = arg;

	*listener = filter_call(SECCOMP_FILTER_FLAG_NEW_LISTENER, __NR_mkdir,
				SECCOMP_RET_USER_NOTIF);
	return (void *)(*listener < 0 ? -1L : force_handoff(ring));
}

THREADS_TEST(filter, supervisor_is_told_when_the_thread_is_gone)
{
	struct pollfd pfd = {};
	pthread_t t;
	void *ret;

	CHECK(!pthread_create(&t, NULL, listened_main, &pfd.fd) && !pthread_join(t, &ret) && !ret);
	CHECK(poll(&pfd, 1, -1) == 1 && pfd.revents & POLLHUP);
	return NULL;
}

/* Nobody but the kernel can promise a completion. */
THREADS_TEST(filter, error_that_would_mean_pending_is_none_that_a_filter_can_give)
{
	struct syslet_call calls[1];

	CHECK(!filter_call(0, __NR_mkdir, SECCOMP_RET_ERRNO | ESYSLETPENDING));
	CHECK(submit(ring, CALL(__NR_mkdir, P(EVIL_DIR), 0700), 0) == -EIO);
	calls[0] = ENTRY(0, __NR_mkdir, P(EVIL_DIR), 0700);
	CHECK(BATCH(ring, calls) == 1 && calls[0].result == -EIO);
	CHECK(!dir_is_there(EVIL_DIR));
	return NULL;
}

/* No call returns that to a program, but one that was filtered. */
THREADS_TEST(filter, error_that_would_mean_a_restart_does_not_hold_up_a_batch)
{
	static const int codes[] = { 512, 513, 514, 516 };
	struct syslet_call calls[3];

	for (unsigned int i = 0; i < ARRAY_LEN(codes); i++) {
		CHECK(!filter_arg(0, AUDIT_ARCH_X86_64, __NR_mkdir, 1, codes[i],
				  SECCOMP_RET_ERRNO | codes[i]));
		CHECK(syslet_ret(syscall(__NR_mkdir, EVIL_DIR, codes[i])) == -codes[i]);
		CHECK(submit(ring, CALL(__NR_mkdir, P(EVIL_DIR), codes[i]), 0) == -codes[i]);
		calls[0] = calls[2] = ENTRY(0, __NR_getpid);
		calls[1] = ENTRY(1, __NR_mkdir, P(EVIL_DIR), codes[i]);
		CHECK(BATCH(ring, calls) == 3 && calls[1].result == -EINTR);
		CHECK(BATCH(ring, calls) == 3 && calls[2].result == getpid());
		CHECK(!force_handoff(ring));
	}
	CHECK(!dir_is_there(EVIL_DIR));
	return NULL;
}

TEST_HARNESS_MAIN
