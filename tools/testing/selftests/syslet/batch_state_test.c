// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program cannot tell that a batch was handed off in the middle: what the
 * thread is, and state that one entry changes and the next ones find.
 */
#include <sys/utsname.h>
#include <sys/sem.h>

#include "batch.h"
#include "gate.h"
#include "threads.h"

THREADS_FIXTURE(batch_state)

/* --- what the thread is --------------------------------------------------------- */

static __thread int tls_var;

/* Reads that block, and others between them; begin checks that they block. */
struct mix {
	int			fd[2];
	char			c[4];
	struct syslet_call	calls[8];
};

static bool mix_prepare(struct mix *m)
{
	*m = (struct mix){};
	if (pipe(m->fd))
		return false;
	for (int i = 0; i < 4; i++) {
		m->calls[2 * i] = TAKE(i, m->fd, &m->c[i]);
		m->calls[2 * i + 1] = ENTRY(i, __NR_gettid);
	}
	return true;
}

static bool mix_end(struct mix *m, struct syslet_ring *ring)
{
	long status[4];

	for (int i = 0; i < 4; i++)
		if (m->calls[2 * i].result != -ESYSLETPENDING ||
		    m->calls[2 * i + 1].result != gettid())
			return false;
	if (write(m->fd[1], "abcd", 4) != 4 || !reap_each(ring, 0, 4, status))
		return false;
	pipe_close(m->fd);
	return status[0] == 1 && status[1] == 1 && status[2] == 1 && status[3] == 1;
}

THREADS_TEST(batch_state, tid_mask_stack_errno_and_tls_stay)
{
	stack_t ss = { .ss_sp = malloc(65536), .ss_size = 65536 }, now;
	pid_t tid = gettid(), pid = getpid();
	sigset_t set, old;
	struct mix m;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 3);
	CHECK(!sigaltstack(&ss, NULL));
	CHECK(!pthread_sigmask(SIG_SETMASK, &set, NULL));
	tls_var = tid;
	for (int i = 0; i < 10; i++) {
		CHECK(mix_prepare(&m));
		errno = 77;
		CHECK(BATCH(ring, m.calls) == 8);
		CHECK(errno == 77 && tls_var == tid);
		CHECK(gettid() == tid && getpid() == pid && !tgkill(pid, tid, 0));
		CHECK(!pthread_sigmask(SIG_BLOCK, NULL, &old) && !memcmp(&old, &set, 8));
		CHECK(!sigaltstack(NULL, &now) && now.ss_sp == ss.ss_sp && !now.ss_flags);
		CHECK(mix_end(&m, ring) && tls_var == tid);
	}
	return NULL;
}

/* General registers and SSE, around the system call. */
struct regs {
	uint64_t general[8];	/* rbx rbp r8 r9 r12 r13 r14 r15; offsets below */
	uint8_t sse[16 * 16];
	uint32_t mxcsr;
	uint16_t cw;
};

static long submit_with_regs(struct mix *m, struct indirect_params *params,
			     const struct regs *in, struct regs *out)
{
	long ret = __NR_syslet_submit, nr = ARRAY_LEN(m->calls);

	/* r8 is an argument: the flags, 0 */
	asm volatile(
		"push %%rbp\n\t"
		"push %%rbx\n\t"
		"push %[out]\n\t"
		"mov 0(%[in]), %%rbx\n\t"
		"mov 8(%[in]), %%rbp\n\t"
		"mov 24(%[in]), %%r9\n\t"
		"mov 32(%[in]), %%r12\n\t"
		"mov 40(%[in]), %%r13\n\t"
		"mov 48(%[in]), %%r14\n\t"
		"mov 56(%[in]), %%r15\n\t"
		".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
		"movdqu 64+16*\\n(%[in]), %%xmm\\n\n\t"
		".endr\n\t"
		"ldmxcsr 320(%[in])\n\t"
		"fldcw 324(%[in])\n\t"
		"mov $48, %%r10d\n\t"
		"xor %%r8d, %%r8d\n\t"
		"syscall\n\t"
		"pop %%rcx\n\t"
		"mov %%rbx, 0(%%rcx)\n\t"
		"mov %%rbp, 8(%%rcx)\n\t"
		"mov %%r8, 16(%%rcx)\n\t"
		"mov %%r9, 24(%%rcx)\n\t"
		"mov %%r12, 32(%%rcx)\n\t"
		"mov %%r13, 40(%%rcx)\n\t"
		"mov %%r14, 48(%%rcx)\n\t"
		"mov %%r15, 56(%%rcx)\n\t"
		".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
		"movdqu %%xmm\\n, 64+16*\\n(%%rcx)\n\t"
		".endr\n\t"
		"stmxcsr 320(%%rcx)\n\t"
		"fnstcw 324(%%rcx)\n\t"
		"pop %%rbx\n\t"
		"pop %%rbp\n\t"
		: "+a" (ret)
		: "D" (m->calls), "S" (nr), "d" (params), [in] "c" (in), [out] "r" (out)
		: "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory",
		  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
		  "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	return ret;
}

THREADS_TEST(batch_state, registers_and_fpu_stay)
{
	struct indirect_params params = { .syslet.completion_ring_ptr = P(ring) };
	static __thread struct regs in, out;
	uint32_t mxcsr = 0x1f80;
	uint16_t cw = 0x037f;
	struct mix m;

	_Static_assert(offsetof(struct regs, mxcsr) == 320, "as the assembler code has it");
	_Static_assert(sizeof(struct indirect_params) == 48, "as well");
	for (int i = 0; i < 6; i++) {
		for (int j = 0; j < 8; j++)
			in.general[j] = 0x0123456789abcdef * (j + 1) + i;
		in.general[2] = 0;
		for (unsigned int j = 0; j < sizeof(in.sse); j++)
			in.sse[j] = j * 7 + i;
		in.mxcsr = 0x1f80 | 0x6000;
		in.cw = 0x0f7f;
		CHECK(mix_prepare(&m));
		CHECK(submit_with_regs(&m, &params, &in, &out) == 8);
		asm volatile("ldmxcsr %0; fldcw %1" : : "m" (mxcsr), "m" (cw));
		CHECK(!memcmp(&in, &out, offsetof(struct regs, cw) + sizeof(in.cw)));
		CHECK(mix_end(&m, ring));
	}
	return NULL;
}

THREADS_TEST(batch_state, mutexes_know_their_owner)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t mutex;
	struct mix m;

	CHECK(!pthread_mutexattr_init(&attr));
	CHECK(!pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK));
	CHECK(!pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
	CHECK(!pthread_mutex_init(&mutex, &attr) && !pthread_mutex_lock(&mutex));
	CHECK(mix_prepare(&m) && BATCH(ring, m.calls) == 8);
	CHECK(pthread_mutex_lock(&mutex) == EDEADLK);
	CHECK(!pthread_mutex_unlock(&mutex) && mix_end(&m, ring));
	return NULL;
}

/* --- what entries change --------------------------------------------------------- */

/*
 * A blocking entry, some that change the thread, another one that blocks, and
 * some that look at it: the second one has to be handed off by what the thread
 * is then.
 */
struct change {
	int			fd[2];
	char			c[2];
	struct syslet_call	calls[12];
	unsigned int		nr;
};

static bool change_begin(struct change *ch)
{
	*ch = (struct change){};
	return !pipe(ch->fd);
}

static void change_add(struct change *ch, struct syslet_call call)
{
	ch->calls[ch->nr++] = call;
}

static void change_block(struct change *ch, int i)
{
	change_add(ch, TAKE(1000 + i, ch->fd, &ch->c[i]));
}

/* All was run, in one submit; both blocked and end. */
static const char *change_check(struct change *ch, struct syslet_ring *ring)
{
	unsigned int pending = 0;
	long status[2];

	CHECK(batch(ring, ch->calls, ch->nr) == ch->nr);
	for (unsigned int i = 0; i < ch->nr; i++) {
		if (ch->calls[i].caller_data < 1000)
			continue;
		CHECK(ch->calls[i].result == -ESYSLETPENDING);
		pending++;
	}
	CHECK(pending == 2 && write(ch->fd[1], "xx", 2) == 2);
	CHECK(reap_each(ring, 1000, 2, status) && status[0] == 1 && status[1] == 1);
	pipe_close(ch->fd);
	return NULL;
}

THREADS_TEST(batch_state, priority_set_by_an_entry)
{
	struct change ch;
	const char *err;

	CHECK(change_begin(&ch));
	change_block(&ch, 0);
	change_add(&ch, ENTRY(0, __NR_setpriority, PRIO_PROCESS, 0, 7));
	change_block(&ch, 1);
	change_add(&ch, ENTRY(1, __NR_getpriority, PRIO_PROCESS, 0));
	err = change_check(&ch, ring);
	if (err)
		return err;
	CHECK(ch.calls[1].result == 0 && ch.calls[3].result == 20 - 7);
	CHECK(getpriority(PRIO_PROCESS, 0) == 7);
	return NULL;
}

THREADS_TEST(batch_state, affinity_and_policy_set_by_entries)
{
	cpu_set_t one, now;
	struct sched_param sp = { .sched_priority = 3 };
	struct change ch;
	const char *err;

	only_cpu(&one, 0);
	CPU_ZERO(&now);
	CHECK(change_begin(&ch));
	change_block(&ch, 0);
	change_add(&ch, ENTRY(0, __NR_sched_setaffinity, 0, sizeof(one), P(&one)));
	change_add(&ch, ENTRY(1, __NR_sched_setscheduler, 0, SCHED_RR, P(&sp)));
	change_block(&ch, 1);
	change_add(&ch, ENTRY(2, __NR_sched_getaffinity, 0, sizeof(now), P(&now)));
	change_add(&ch, ENTRY(3, __NR_sched_getscheduler, 0));
	err = change_check(&ch, ring);
	if (err)
		return err;
	CHECK(ch.calls[1].result == 0 && ch.calls[2].result == 0);
	CHECK(CPU_COUNT(&now) == 1 && CPU_ISSET(0, &now) && has_cpu(gettid(), 0));
	CHECK(ch.calls[5].result == SCHED_RR && sched_getscheduler(0) == SCHED_RR);
	return NULL;
}

THREADS_TEST(batch_state, prctl_by_entries)
{
	char name[16] = "";
	struct change ch;
	const char *err;

	CHECK(change_begin(&ch));
	change_block(&ch, 0);
	change_add(&ch, ENTRY(0, __NR_prctl, PR_SET_NAME, P("renamed")));
	change_add(&ch, ENTRY(1, __NR_prctl, PR_SET_TIMERSLACK, 12345));
	change_add(&ch, ENTRY(2, __NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	change_block(&ch, 1);
	change_add(&ch, ENTRY(3, __NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	change_add(&ch, ENTRY(4, __NR_prctl, PR_GET_TIMERSLACK));
	change_add(&ch, ENTRY(5, __NR_prctl, PR_GET_NAME, P(name)));
	err = change_check(&ch, ring);
	if (err)
		return err;
	CHECK(ch.calls[5].result == 1 && ch.calls[6].result == 12345 && !strcmp(name, "renamed"));
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHECK(status_num(getpid(), gettid(), "NoNewPrivs") == 1);
	return NULL;
}

THREADS_TEST(batch_state, credentials_set_by_entries)
{
	struct change ch;
	const char *err;

	CHECK(change_begin(&ch));
	change_block(&ch, 0);
	change_add(&ch, ENTRY(0, __NR_setresgid, NOBODY, NOBODY, NOBODY));
	change_add(&ch, ENTRY(1, __NR_setresuid, NOBODY, NOBODY, NOBODY));
	change_block(&ch, 1);
	change_add(&ch, ENTRY(2, __NR_getuid));
	change_add(&ch, ENTRY(3, __NR_geteuid));
	change_add(&ch, ENTRY(4, __NR_getegid));
	change_add(&ch, ENTRY(5, __NR_setresuid, 0, 0, 0));
	change_add(&ch, ENTRY(6, __NR_open, P("/etc/x"), O_CREAT | O_WRONLY, 0600));
	err = change_check(&ch, ring);
	if (err)
		return err;
	CHECK(ch.calls[1].result == 0 && ch.calls[2].result == 0);
	for (int i = 4; i < 7; i++)
		CHECK(ch.calls[i].result == NOBODY);
	CHECK(ch.calls[7].result == -EPERM && ch.calls[8].result == -EACCES);
	CHECK(syscall(__NR_getuid) == NOBODY && syscall(__NR_getegid) == NOBODY);
	return NULL;
}

THREADS_TEST(batch_state, signal_mask_set_by_an_entry)
{
	uint64_t set = 1ul << (SIGUSR2 - 1), now = 0;
	struct change ch;
	const char *err;

	CHECK(change_begin(&ch));
	change_block(&ch, 0);
	change_add(&ch, ENTRY(0, __NR_rt_sigprocmask, SIG_BLOCK, P(&set), 0, 8));
	change_add(&ch, ENTRY(1, __NR_tgkill, getpid(), gettid(), SIGUSR2));
	change_block(&ch, 1);
	change_add(&ch, ENTRY(2, __NR_rt_sigprocmask, SIG_BLOCK, 0, P(&now), 8));
	err = change_check(&ch, ring);
	if (err)
		return err;
	CHECK((now & set) == set);
	CHECK(status_has_signal(getpid(), gettid(), "SigPnd", SIGUSR2));
	CHECK(take_pending(SIGUSR2, NULL) == SIGUSR2);
	return NULL;
}

THREADS_TEST(batch_state, directory_and_umask_set_by_entries)
{
	struct change ch;
	const char *err;
	char cwd[64] = "";

	CHECK(!chdir("/tmp"));
	umask(022);
	CHECK(change_begin(&ch));
	change_block(&ch, 0);
	change_add(&ch, ENTRY(0, __NR_chdir, P("/proc")));
	change_add(&ch, ENTRY(1, __NR_umask, 077));
	change_block(&ch, 1);
	change_add(&ch, ENTRY(2, __NR_umask, 027));
	change_add(&ch, ENTRY(3, __NR_getcwd, P(cwd), sizeof(cwd)));
	err = change_check(&ch, ring);
	if (err)
		return err;
	CHECK(ch.calls[2].result == 022 && ch.calls[4].result == 077 && !strcmp(cwd, "/proc"));
	CHECK(umask(0) == 027);
	return NULL;
}

THREADS_TEST(batch_state, undo_of_semaphores_made_by_an_entry)
{
	int id = semget(IPC_PRIVATE, 1, 0600);
	struct sembuf up = { .sem_op = 1, .sem_flg = SEM_UNDO };
	struct change ch;
	const char *err;

	CHECK(id >= 0 && change_begin(&ch));
	change_block(&ch, 0);
	change_add(&ch, ENTRY(0, __NR_semop, id, P(&up), 1));
	change_block(&ch, 1);
	change_add(&ch, ENTRY(1, __NR_semctl, id, 0, GETVAL));
	err = change_check(&ch, ring);
	CHECK(!semctl(id, 0, IPC_RMID));
	if (err)
		return err;
	CHECK(ch.calls[1].result == 0 && ch.calls[3].result == 1);
	return NULL;
}

/* --- leaving what the threads of a process share ---------------------------------- */

static int open_file(void)
{
	return open("/tmp", O_RDONLY | O_DIRECTORY);
}

/*
 * unshare() as an entry, at first or behind another one; it may end the batch
 * early, so what is left is submitted again, and nothing is done twice.
 */
static const char *check_unshare(struct syslet_ring *ring, unsigned long what, unsigned int at,
				 long want)
{
	struct syslet_call calls[6];
	unsigned int n = 0;
	int fd[2], in[2];
	char c;

	CHECK(!pipe(fd) && !pipe(in));
	for (; n < at; n++)
		calls[n] = PUT(n, fd);
	calls[n++] = ENTRY(99, __NR_unshare, what);
	calls[n++] = PUT(n, fd);
	calls[n++] = TAKE(50, in, &c);
	calls[n++] = PUT(n, fd);
	CHECK(batch_all(ring, calls, n, 0) > 0);
	CHECK(calls[at].result == want);
	CHECK(pipe_bytes(fd) == at + 2);
	CHECK(calls[at + 2].result == -ESYSLETPENDING);
	CHECK(write(in[1], "x", 1) == 1 && reap_one(ring, 50, 1));
	CHECK(gettid() == syscall(__NR_gettid));
	pipe_close(fd);
	pipe_close(in);
	return NULL;
}

THREADS_TEST(batch_state, namespace_left_by_an_entry)
{
	char old[HOST_NAME_MAX + 1] = "", name[64];
	struct syslet_call calls[5];
	struct utsname uts;
	struct stat st[2];
	int fd[2];
	char c;

	snprintf(name, sizeof(name), "/proc/%d/task/%d/ns/uts", getpid(), gettid());
	CHECK(!gethostname(old, sizeof(old)) && !pipe(fd) && !stat(name, &st[0]));
	for (int i = 0; i < 3; i++) {
		calls[0] = TAKE(0, fd, &c);
		calls[1] = ENTRY(1, __NR_unshare, CLONE_NEWUTS);
		calls[2] = ENTRY(2, __NR_sethostname, P("batch"), 5);
		calls[3] = TAKE(1, fd, &c);
		calls[4] = ENTRY(3, __NR_uname, P(&uts));
		CHECK(batch_all(ring, calls, 5, 0) > 0);
		CHECK(calls[0].result == -ESYSLETPENDING && !calls[1].result && !calls[2].result);
		CHECK(calls[3].result == -ESYSLETPENDING && !strcmp(uts.nodename, "batch"));
		CHECK(!stat(name, &st[1]) && st[0].st_ino != st[1].st_ino);
		CHECK(write(fd[1], "xx", 2) == 2 && reap_each(ring, 0, 2, (long[2]){}));
	}
	return NULL;
}

THREADS_TEST(batch_state, files_and_directory_left_by_an_entry)
{
	struct servant *s = servant_start();
	const char *err;

	CHECK(s);
	for (unsigned int at = 0; at < 3; at++) {
		CHECK(!force_handoff(ring));
		err = check_unshare(ring, CLONE_FILES | CLONE_FS, at, 0);
		if (err)
			return err;
		CHECK(!force_handoff(ring) && open_file() >= 0);
	}
	return NULL;
}

/*
 * What is for programs with one thread: the spares go, the leader makes the call.
 * Only the first of them changes something: with no IDs there can be no other
 * namespace in the new one.
 */
static const char *unshare_user(struct syslet_ring *ring, unsigned int at)
{
	const char *err;

	for (int i = 0; i < 12; i++) {
		for (int j = 0; j <= i % 3; j++)
			CHECK(!force_handoff(ring));
		err = check_unshare(ring, i ? CLONE_THREAD : CLONE_NEWUSER, at, 0);
		if (err)
			return err;
		CHECK(!force_handoff(ring) && getpid() == gettid());
	}
	return NULL;
}

FIXTURE(batch_alone) { };
FIXTURE_VARIANT(batch_alone) { unsigned int at; };
FIXTURE_VARIANT_ADD(batch_alone, first_entry) { .at = 0 };
FIXTURE_VARIANT_ADD(batch_alone, second_entry) { .at = 1 };
FIXTURE_VARIANT_ADD(batch_alone, third_entry) { .at = 2 };
FIXTURE_SETUP(batch_alone) { }
FIXTURE_TEARDOWN(batch_alone) { }

TEST_F(batch_alone, leaves_its_user_namespace_as_one_thread)
{
	const char *err = unshare_user(ring_alloc(16), variant->at);

	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

/* With a call under way there are several tasks: as with several threads. */
TEST_F(batch_alone, cannot_leave_with_a_call_of_the_batch_in_flight)
{
	struct syslet_ring *ring = ring_alloc(16);
	struct syslet_call calls[4];
	int fd[2], n = variant->at;
	char c;

	ASSERT_EQ(0, pipe(fd));
	calls[0] = TAKE(0, fd, &c);
	for (int i = 1; i <= n; i++)
		calls[i] = ENTRY(i, __NR_getpid);
	calls[n + 1] = ENTRY(9, __NR_unshare, CLONE_NEWUSER);
	ASSERT_EQ(n + 2, batch(ring, calls, n + 2));
	ASSERT_EQ(-EINVAL, calls[n + 1].result);
	ASSERT_EQ(1, write(fd[1], "x", 1));
	ASSERT_TRUE(reap_one(ring, 0, 1));
	calls[0] = calls[n + 1];
	ASSERT_LT(0, batch_all(ring, calls, 1, 0));
	ASSERT_EQ(0, calls[0].result);
}

/* close_range() of files that only this thread shall have. */
TEST_F(batch_alone, close_range_unshares_for_one_thread)
{
	struct syslet_ring *ring = ring_alloc(16);
	struct syslet_call calls[4];
	int fd[2], n = variant->at;
	char c;

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(0, force_handoff(ring));
	for (int i = 0; i < n; i++)
		calls[i] = PUT(i, fd);
	calls[n] = ENTRY(5, __NR_close_range, fd[1] + 1, ~0u, 2 /* CLOSE_RANGE_UNSHARE */);
	calls[n + 1] = PUT(6, fd);
	ASSERT_LT(0, batch_all(ring, calls, n + 2, 0));
	ASSERT_EQ(0, calls[n].result);
	ASSERT_EQ(n + 1, pipe_bytes(fd));
	for (int i = 0; i <= n; i++)
		ASSERT_EQ(1, read(fd[0], &c, 1));
	ASSERT_EQ(0, force_handoff(ring));
}

/* --- what others change meanwhile ---------------------------------------------------- */

#define ROOT	"/sys/fs/cgroup"

FIXTURE(batch_gate)
{
	char dir[64], procs[128], limit[128];
	struct syslet_ring *ring;
	pid_t tid;
};

/* A group of our own, whose number of tasks can be limited. */
FIXTURE_SETUP(batch_gate)
{
	if (!have_userfaultfd())
		SKIP(return, "no userfaultfd");
	if (access(ROOT "/cgroup.procs", W_OK))
		SKIP(return, "no cgroup2 on " ROOT);
	write_text(ROOT "/cgroup.subtree_control", "+pids");
	snprintf(self->dir, sizeof(self->dir), ROOT "/batch-%d", getpid());
	snprintf(self->procs, sizeof(self->procs), "%s/cgroup.procs", self->dir);
	snprintf(self->limit, sizeof(self->limit), "%s/pids.max", self->dir);
	ASSERT_EQ(0, mkdir(self->dir, 0755));
	if (access(self->limit, W_OK)) {
		rmdir(self->dir);
		SKIP(return, "no pids controller");
	}
	ASSERT_EQ(0, write_text(self->procs, "0"));
	self->ring = ring_alloc(16);
	self->tid = gettid();
}

FIXTURE_TEARDOWN(batch_gate)
{
	write_text(ROOT "/cgroup.procs", "0");
	rmdir(self->dir);
}

/* The spare does not fit any more, and there can be no other one. */
static bool deny_spares(void *arg)
{
	FIXTURE_DATA(batch_gate) *self = arg;

	return !write_text(self->limit, "0") && !setpriority(PRIO_PROCESS, self->tid, 5);
}

static bool change_nice(void *arg)
{
	FIXTURE_DATA(batch_gate) *self = arg;

	return !setpriority(PRIO_PROCESS, self->tid, 5);
}

/*
 * Found by a call that looks again, and so by those behind it: who cannot be
 * handed off must not be left in its sleep.
 */
TEST_F(batch_gate, entries_behind_one_that_found_no_spare_are_refused)
{
	struct syslet_call head[2], tail[4];
	uint32_t word = 0;
	struct gate g;
	int fd[2];
	char c = 0;

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(0, force_handoff(self->ring));
	head[0] = PUT(0, fd);
	head[1] = TAKE(1, fd, &c);
	/* whether it may go async depends on its arguments: it is looked at anew */
	tail[0] = ENTRY(2, __NR_futex, P(&word), FUTEX_WAKE_PRIVATE, 1);
	tail[1] = TAKE(3, fd, &c);
	tail[2] = ENTRY(4, __NR_getpid);
	tail[3] = TAKE(5, fd, &c);
	ASSERT_TRUE(gate_begin(&g, head, 2, tail, 4, deny_spares, self));
	ASSERT_EQ(6, gate_submit(&g, self->ring, 0));
	ASSERT_TRUE(gate_end(&g));
	ASSERT_EQ(1, g.calls[1].result);
	ASSERT_EQ(-EAGAIN, g.calls[2].result);
	ASSERT_EQ(-EAGAIN, g.calls[3].result);
	ASSERT_EQ(getpid(), g.calls[4].result);
	ASSERT_EQ(-EAGAIN, g.calls[5].result);
	/* and as soon as that is possible again: */
	ASSERT_EQ(0, write_text(self->limit, "max"));
	ASSERT_EQ(0, force_handoff(self->ring));
	ASSERT_EQ(5, getpriority(PRIO_PROCESS, 0));
}

/* The same without that call: the entry that blocks finds out itself. */
TEST_F(batch_gate, entry_that_blocks_and_finds_no_spare_is_refused)
{
	struct syslet_call head[2], tail[2];
	struct gate g;
	char c = 0;
	int fd[2];

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(0, force_handoff(self->ring));
	head[0] = PUT(0, fd);
	head[1] = TAKE(1, fd, &c);
	c = 0;
	tail[0] = TAKE(2, fd, &c);
	tail[1] = ENTRY(3, __NR_getpid);
	ASSERT_TRUE(gate_begin(&g, head, 2, tail, 2, deny_spares, self));
	ASSERT_LE(3, gate_submit(&g, self->ring, 0));
	ASSERT_TRUE(gate_end(&g));
	ASSERT_EQ(-EAGAIN, g.calls[2].result);
	ASSERT_EQ(1, write(fd[1], "y", 1));
	ASSERT_EQ(1, pipe_bytes(fd));
	ASSERT_EQ(0, write_text(self->limit, "max"));
	ASSERT_EQ(0, force_handoff(self->ring));
}

/* Refused, or handed off to a spare that fits; not one that does not. */
TEST_F(batch_gate, priority_changed_by_another_thread_in_a_batch)
{
	struct syslet_call head[1], tail[2];
	struct gate g;
	int fd[2];
	char c;

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(0, force_handoff(self->ring));
	head[0] = ENTRY(0, __NR_lseek, fd[0], 0, 0);
	tail[0] = TAKE(1, fd, &c);
	tail[1] = PUT(2, fd);
	ASSERT_TRUE(gate_begin(&g, head, 1, tail, 2, change_nice, self));
	ASSERT_LE(2, gate_submit(&g, self->ring, 0));
	ASSERT_TRUE(gate_end(&g));
	ASSERT_EQ(5, getpriority(PRIO_PROCESS, 0));
	ASSERT_TRUE(g.calls[1].result == -EAGAIN || g.calls[1].result == -ESYSLETPENDING);
	if (g.calls[2].result == NO_RESULT) {
		ASSERT_EQ(1, write(fd[1], "x", 1));
	}
	if (g.calls[1].result == -ESYSLETPENDING) {
		ASSERT_TRUE(reap_one(self->ring, 1, 1));
	} else {
		ASSERT_EQ(1, pipe_bytes(fd));
	}
	ASSERT_EQ(0, force_handoff(self->ring));
	ASSERT_EQ(5, getpriority(PRIO_PROCESS, 0));
}

TEST_HARNESS_MAIN
