// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs that want what they may not have: the kernel's memory, rights that
 * their thread has given up, other processes' calls, more memory than they may.
 */
#include <linux/sched.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>

#include "cgroup.h"
#include "ringmem.h"

THREADS_FIXTURE(attack)

/* --- addresses of the kernel ---------------------------------------------------------- */

static const uint64_t kernel_addresses[] = {
	0x00007fffffffffe8,	/* past what a program may have */
	0x0000800000000000,	/* not an address */
	0xffff7ffffffffff8,
	0xffff888000000000,	/* all memory */
	0xffffc90000000000,	/* where stacks are */
	0xffffffff81000000,	/* code */
	0xffffffffff600000,	/* readable once */
	0xfffffffffffffff8,
};

/* Nothing comes back from there, and nothing is made. */
static const char *address_is_bad(struct syslet_ring *ring, uint64_t addr)
{
	struct indirect_registers regs = CALL(__NR_getpid);
	struct indirect_params params = { .syslet.completion_ring_ptr = P(ring) };
	struct syslet_call call = { .nr = __NR_getpid, .result = 77 };
	struct __kernel_timespec none = {};
	void *p = (void *)addr;

	CHECK(sys_indirect(p, NULL, 0, 0) == -EFAULT);
	CHECK(sys_indirect(p, &params, sizeof(params), 0) == -EFAULT);
	CHECK(sys_indirect(&regs, p, sizeof(params), 0) == -EFAULT);
	CHECK(sys_indirect(&regs, p, 4096, 0) == -EFAULT);
	CHECK(sys_submit(p, 1, &params, sizeof(params), 0) == -EFAULT);
	CHECK(sys_submit(&call, 1, p, sizeof(params), 0) == -EFAULT && call.result == 77);
	CHECK(sys_ring_wait(p, 0, 1, NULL, 0) == -EFAULT);
	CHECK(sys_ring_wait(ring, 0, 1, p, 0) == -EFAULT);
	CHECK(sys_ring_wait(ring, 0, 1, &none, 0) == -ETIME);
	CHECK(sys_cancel(p, 0, 0) < 0);

	CHECK(submit(p, CALL(__NR_read, -1, 0, 0), 0) == -EFAULT);
	params.syslet.completion_ring_ptr = addr;
	CHECK(sys_submit(&call, 1, &params, sizeof(params), 0) == 1);
	CHECK(call.result == -EFAULT || call.result == getpid());
	CHECK(!ring_count(ring));
	return NULL;
}

THREADS_TEST(attack, addresses_of_the_kernel_are_faults)
{
	for (unsigned int i = 0; i < ARRAY_LEN(kernel_addresses); i++) {
		const char *err = address_is_bad(ring, kernel_addresses[i]);

		if (err) {
			fprintf(stderr, "# %#lx\n", (long)kernel_addresses[i]);
			return err;
		}
	}
	CHECK(!force_handoff(ring));
	return NULL;
}

/* What a runner finds out when its thread has long gone on. */
static const char *runner_gets_fault(struct syslet_ring *ring, uint64_t addr)
{
	struct {
		long type;
		char text[8];
	} msg = { .type = 1 };
	int queue = msgget(IPC_PRIVATE, 0600);
	struct kid k;

	CHECK(queue >= 0);
	CHECK(submit(ring, CALL(__NR_msgrcv, queue, addr, 8, 0, 0), 1) == -ESYSLETPENDING);
	CHECK(!msgsnd(queue, &msg, 8, 0) && reap_status(ring) == -EFAULT);
	CHECK(!msgctl(queue, IPC_RMID, NULL));

	if (!kid_fork(&k))
		kid_live(&k);
	CHECK(submit(ring, CALL(__NR_wait4, k.pid, addr, 0, 0), 1) == -ESYSLETPENDING);
	kid_forget(&k);
	CHECK(reap_status(ring) == -EFAULT);
	return NULL;
}

THREADS_TEST(attack, calls_in_flight_do_not_write_to_the_kernel)
{
	const char *err = NULL;

	for (unsigned int i = 0; i < ARRAY_LEN(kernel_addresses) && !err; i++)
		err = runner_gets_fault(ring, kernel_addresses[i]);
	return err;
}

/* A ring that begins in our memory and goes on past the end of it. */
THREADS_TEST(attack, ring_that_reaches_into_the_kernel_is_not_posted_there)
{
	static const unsigned int elements[] = { 2, 16, 1 << 20 };
	struct syslet_ring *bad;
	unsigned long end = 0;
	char line[256];
	struct blocker b;
	long before;
	FILE *f = fopen("/proc/self/maps", "r");

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "[stack]"))
			sscanf(line, "%*x-%lx", &end);
	fclose(f);
	CHECK(end);
	/* nothing of ours is behind that: the end of the stack */
	bad = (void *)(end - sizeof(*bad));
	for (unsigned int i = 0; i < ARRAY_LEN(elements); i++) {
		*bad = (struct syslet_ring){ .kernel_head = elements[i] - 1,
					     .user_tail = elements[i] - 1,
					     .elements = elements[i] };
		before = lost();
		CHECK(blocker_begin(&b, bad, 1) == -ESYSLETPENDING);
		CHECK(write(b.fd[1], "x", 1) == 1);
		UNTIL(lost() == before + 1);
		CHECK(b.c == 'x' && bad->kernel_head == elements[i] - 1);
		CHECK(!force_handoff(ring));
		close(b.fd[0]);
		close(b.fd[1]);
	}
	return NULL;
}

static char frame_stack[65536] __attribute__((aligned(16)));

/* The runner goes to @ip, with @sp, as asked; and the process dies of that. */
static int die_at(struct syslet_ring *ring, uint64_t ip, uint64_t sp)
{
	struct rlimit lim = {};
	struct kid k;
	int fd[2];
	char c;

	if (!kid_fork(&k)) {
		KID_CHECK(!setrlimit(RLIMIT_CORE, &lim) && !pipe(fd));
		KID_CHECK(submit_args(CALL(__NR_read, fd[0], P(&c), 1), (struct syslet_args){
			.completion_ring_ptr = P(ring), .frame = { ip, sp } }) == -ESYSLETPENDING);
		KID_CHECK(write(fd[1], "x", 1) == 1);
		for (;;)
			pause();
	}
	return WTERMSIG(kid_status(&k));
}

static void __attribute__((noreturn, naked)) frame_push(void)
{
	asm volatile("1: push %rax\n\tjmp 1b");
}

static const char *frames_kill(struct syslet_ring *ring)
{
	uint64_t stack = P(frame_stack + sizeof(frame_stack) - 8);
	int sig;

	for (unsigned int i = 0; i < ARRAY_LEN(kernel_addresses); i++) {
		CHECK(die_at(ring, kernel_addresses[i], stack) == SIGSEGV);
		sig = die_at(ring, P(frame_push), kernel_addresses[i]);
		/* a stack that is not at an address at all */
		CHECK(sig == SIGSEGV || sig == SIGBUS);
	}
	return NULL;
}

THREADS_TEST(attack, frame_in_the_kernel_kills_its_process)
{
	struct console console;
	const char *err;

	/* it tells of programs that die so */
	CHECK(console_quiet(&console));
	err = frames_kill(ring);
	console_restore(&console);
	return err;
}

/* --- eventfds -------------------------------------------------------------------------- */

THREADS_TEST(attack, numbers_that_are_not_eventfds_of_the_process_are_refused)
{
	int fd[2], efd = eventfd(0, EFD_NONBLOCK), n, status;
	int bad[] = { -1, INT32_MIN, INT32_MAX, 1 << 20, 0, 0 };
	struct kid k;
	char c = 0;

	CHECK(!pipe2(fd, O_NONBLOCK) && write(fd[1], "x", 1) == 1);
	bad[4] = fd[0];
	/* another process has it, and not this one */
	bad[5] = efd;
	if (!kid_fork(&k)) {
		close(efd);
		for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
			long ret = submit_args(CALL(__NR_read, fd[0], P(&c), 1),
				(struct syslet_args){ .completion_ring_ptr = P(ring),
					.flags = SYSLET_EVENTFD, .eventfd = bad[i] });

			KID_CHECK((ret == -EBADF || ret == -EINVAL) && !c);
		}
		_exit(0);
	}
	status = kid_status(&k);
	CHECK(!status);
	CHECK(read(fd[0], &c, 1) == 1);
	CHECK(read(efd, &n, sizeof(n)) == -1);
	return NULL;
}

THREADS_TEST(attack, eventfd_is_the_one_that_had_the_number_when_the_call_was_made)
{
	int efd = eventfd(0, EFD_NONBLOCK), same = dup(efd), other = eventfd(0, EFD_NONBLOCK);
	struct pollfd pfd = { .fd = same, .events = POLLIN };
	int fd[2];
	uint64_t n;
	char c;

	CHECK(!pipe(fd));
	CHECK(submit_args(CALL(__NR_read, fd[0], P(&c), 1), (struct syslet_args){
		.completion_ring_ptr = P(ring), .flags = SYSLET_EVENTFD,
		.eventfd = efd }) == -ESYSLETPENDING);
	CHECK(dup2(other, efd) == efd);
	CHECK(write(fd[1], "x", 1) == 1 && poll(&pfd, 1, -1) == 1);
	CHECK(read(same, &n, sizeof(n)) == sizeof(n) && n == 1);
	CHECK(read(efd, &n, sizeof(n)) == -1 && errno == EAGAIN);
	CHECK(reap_status(ring) == 1);
	return NULL;
}

/* --- TIDs ---------------------------------------------------------------------------------- */

/* The TID of a runner of the process; -1 if there is none. */
static pid_t runner_tid(void)
{
	char text[4096], *p;

	if (read_text("/proc/self/syslets", text, sizeof(text)) < 0)
		return -1;
	p = strstr(text, "call ");
	return p ? atoi(p + 5) : -1;
}

static atomic_int caught;

static void on_signal(int sig)
{
	caught++;
}

THREADS_TEST(attack, signals_to_the_tid_of_a_runner_do_not_reach_its_call)
{
	struct blocker b;
	struct kid k;
	pid_t tid;
	long ret;

	signal(SIGUSR1, on_signal);
	CHECK(blocker_begin(&b, ring, 1) == -ESYSLETPENDING);
	tid = runner_tid();
	CHECK(tid > 0);
	for (int i = 0; i < 10; i++) {
		caught = 0;
		ret = syslet_ret(syscall(__NR_tgkill, getpid(), tid, SIGUSR1));
		/* to its thread, or to nobody */
		CHECK(ret == 0 ? caught == 1 : ret == -ESRCH && !caught);
		CHECK(!ring_count(ring));
	}
	/* another user, and in the name of another process */
	if (!kid_fork(&k)) {
		pid_t parent = getppid();

		KID_CHECK(syscall(__NR_tgkill, getpid(), tid, 0) == -1 && errno == ESRCH);
		KID_CHECK(!setresuid(NOBODY, NOBODY, NOBODY));
		KID_CHECK(kill(parent, SIGKILL) == -1 && errno == EPERM);
		KID_CHECK(kill(tid, SIGKILL) == -1 && (errno == EPERM || errno == ESRCH));
		KID_CHECK(syscall(__NR_tgkill, parent, tid, SIGKILL) == -1);
		KID_CHECK(errno == EPERM || errno == ESRCH);
		_exit(0);
	}
	CHECK(!kid_status(&k));
	CHECK(!ring_count(ring) && blocker_end(&b, ring) == 1);
	return NULL;
}

/* fork(), with a number of our choice. */
static pid_t fork_as(struct kid *k, pid_t pid)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD, .set_tid = P(&pid), .set_tid_size = 1,
	};
	int up[2], down[2];

	if (pipe2(up, O_CLOEXEC) || pipe2(down, O_CLOEXEC))
		return -1;
	k->pid = syscall(__NR_clone3, &args, sizeof(args));
	k->to = k->pid ? down[1] : up[1];
	k->from = k->pid ? up[0] : down[0];
	close(k->pid ? down[0] : up[0]);
	close(k->pid ? up[1] : down[1]);
	return k->pid;
}

/* A spare's or runner's TID is that of another process when it is gone. */
THREADS_TEST(attack, tid_that_was_a_helpers_is_nothing_to_the_program_any_more)
{
	pid_t me = gettid(), tid;
	struct blocker b, c;
	struct kid k;

	signal(SIGUSR1, on_signal);
	CHECK(!force_handoff(ring) && blocker_begin(&b, ring, 1) == -ESYSLETPENDING);
	/* of the second one: the first is made by the leader, which stays */
	CHECK(blocker_begin(&c, ring, 2) == -ESYSLETPENDING);
	tid = runner_tid();
	CHECK(tid > 0 && tid != getpid());
	CHECK(blocker_end(&b, ring) == 1 && blocker_end(&c, ring) == 1);
	/* spares with another nice value are of no use */
	CHECK(retire_spares(ring));
	UNTIL(syscall(__NR_tgkill, getpid(), tid, 0) && errno == ESRCH);
	UNTIL(fork_as(&k, tid) >= 0 || errno != EEXIST);
	CHECK(k.pid >= 0);
	if (!k.pid) {
		KID_CHECK(getpid() == tid && kid_tell(&k));
		kid_live(&k);
	}
	CHECK(k.pid == tid && kid_hear(&k));
	CHECK(syscall(__NR_tgkill, getpid(), tid, SIGKILL) == -1 && errno == ESRCH);
	for (int i = 0; i < 5; i++) {
		caught = 0;
		CHECK(!force_handoff(ring) && gettid() == me);
		CHECK(!syscall(__NR_tgkill, getpid(), me, SIGUSR1) && caught == 1);
		CHECK(kid_lives(&k));
	}
	CHECK(blocker_begin(&b, ring, 3) == -ESYSLETPENDING && !kill(tid, SIGKILL));
	CHECK(kid_status(&k) == SIGKILL);
	CHECK(!ring_count(ring) && blocker_end(&b, ring) == 1);
	return NULL;
}

/* --- rights -------------------------------------------------------------------------------- */

#define WAS_ROOT	10
#define WAS_NOBODY	11

/* This program again, from a file that makes its user root. */
static __attribute__((constructor)) void after_exec(void)
{
	if (getenv("ATTACK_TEST"))
		_exit(geteuid() ? WAS_NOBODY : WAS_ROOT);
}

static bool copy_self(const char *name)
{
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int out = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	static char buf[65536];
	ssize_t n;
	bool ok = in >= 0 && out >= 0;

	while (ok && (n = read(in, buf, sizeof(buf))) > 0)
		ok = write(out, buf, n) == n;
	ok = ok && !fchmod(out, 04755);
	close(in);
	close(out);
	return ok;
}

static void exec_setuid(const char *name)
{
	char *args[] = { "attack_test", NULL }, *envs[] = { "ATTACK_TEST=1", NULL };

	execve(name, args, envs);
	_exit(3);
}

/* 0: not at all; before there are spares; with calls in flight. */
static const char *setuid_with_no_new_privs(struct syslet_ring *ring, int when)
{
	char name[64];
	struct flight f;
	struct kid k;
	int status;

	snprintf(name, sizeof(name), "/tmp/syslet-setuid.%d.%d", getpid(), when);
	CHECK(copy_self(name));
	if (!kid_fork(&k)) {
		KID_CHECK(!setresuid(NOBODY, NOBODY, NOBODY));
		KID_CHECK(when != 1 || !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		KID_CHECK(flight_begin(&f, ring));
		KID_CHECK(when != 2 || !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		KID_CHECK(!force_handoff(ring));
		exec_setuid(name);
	}
	status = kid_status(&k);
	unlink(name);
	CHECK(status == (when ? WAS_NOBODY : WAS_ROOT) << 8);
	return NULL;
}

THREADS_TEST(attack, no_new_privs_hold_for_who_executes_after_a_handoff)
{
	const char *err = NULL;

	for (int when = 0; when < 3 && !err; when++)
		err = setuid_with_no_new_privs(ring, when);
	return err;
}

/* What the root of a user namespace may not do outside. */
static const char *namespace_root_may_not(struct syslet_ring *ring, const char *private)
{
	static const struct timespec ts = { .tv_sec = 1 };
	struct indirect_registers calls[] = {
		CALL(__NR_sethostname, P("x"), 1),
		CALL(__NR_mount, P("x"), P("/tmp"), P("tmpfs"), 0, 0),
		CALL(__NR_umount2, P("/tmp"), MNT_DETACH),
		CALL(__NR_clock_settime, CLOCK_REALTIME, P(&ts)),
		CALL(__NR_mknod, P("/tmp/syslet-dev"), S_IFCHR | 0666, 0x101),
		CALL(__NR_open, P(private), O_RDONLY),
		CALL(__NR_chmod, P(private), 0666),
		CALL(__NR_chown, P(private), 0, 0),
		CALL(__NR_kill, 1, SIGTERM),
		CALL(__NR_setpriority, PRIO_PROCESS, 0, -20),
		CALL(__NR_swapon, P("/tmp/x"), 0),
		CALL(__NR_syslog, 5 /* clear */, 0, 0),
		CALL(__NR_iopl, 3),
		CALL(__NR_setns, 0, 0),
		CALL(__NR_acct, 0),
	};

	for (unsigned int i = 0; i < ARRAY_LEN(calls); i++) {
		const __u64 *a = calls[i].args;
		long want = syslet_ret(syscall(calls[i].nr, a[0], a[1], a[2], a[3], a[4], a[5]));

		if (want >= 0 || call_plain(calls[i]) != want)
			fprintf(stderr, "# system call %lld: %ld\n", calls[i].nr, want);
		CHECK(want < 0 && call_plain(calls[i]) == want);
		CHECK(submit_args(calls[i], (struct syslet_args){
			.completion_ring_ptr = P(ring), .flags = SYSLET_SYNC_OK }) == want);
	}
	return NULL;
}

THREADS_TEST(attack, root_of_a_namespace_has_no_rights_outside)
{
	char name[64];
	const char *err;
	struct kid k;
	int fd;

	snprintf(name, sizeof(name), "/tmp/syslet-private.%d", gettid());
	fd = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	close(fd);
	if (!kid_fork(&k)) {
		/* spares with the rights of before */
		KID_CHECK(!force_handoff(ring));
		KID_CHECK(!setresuid(NOBODY, NOBODY, NOBODY) && !prctl(PR_SET_DUMPABLE, 1));
		KID_CHECK(!force_handoff(ring));
		KID_CHECK(!unshare(CLONE_NEWUSER));
		KID_CHECK(!write_text("/proc/self/uid_map", "0 65534 1") && !getuid());
		for (int i = 0; i < 3; i++) {
			KID_CHECK(!force_handoff(ring) && !geteuid());
			err = namespace_root_may_not(ring, name);
			if (err)
				fprintf(stderr, "# %s\n", err);
			KID_CHECK(!err);
		}
		/* and inside it has them, after a handoff as well */
		KID_CHECK(!unshare(CLONE_NEWUTS) && !force_handoff(ring));
		KID_CHECK(result(ring, CALL(__NR_sethostname, P("x"), 1)) == 0);
		_exit(0);
	}
	CHECK(kid_status(&k) == 0);
	unlink(name);
	return NULL;
}

/* --- memory --------------------------------------------------------------------------------- */

FIXTURE(memory)
{
	struct cgroup	group;
};

FIXTURE_SETUP(memory)
{
	ASSERT_TRUE(cgroup_make(&self->group, "syslet-attack"));
}

FIXTURE_TEARDOWN_PARENT(memory)
{
	cgroup_remove(&self->group);
}

#define CALLS		400
#define STACK		16384		/* with KASAN it is twice as much */
#define LITTLE		(1 << 20)

/* So that its limit is one for calls. */
TEST_F_TIMEOUT(memory, of_calls_in_flight_is_that_of_their_group, 60)
{
	struct kid k;

	if (!kid_fork(&k)) {
		struct syslet_ring *ring = ring_alloc(512);
		struct pool p;

		KID_CHECK(cgroup_enter(&self->group) && pool_make(&p, CALLS));
		KID_CHECK(pool_begin_many(&p, ring, CALLS) == -ESYSLETPENDING && kid_tell(&k));
		kid_live(&k);
	}
	ASSERT_TRUE(kid_hear(&k));
	/* each CPU tells of its part from time to time */
	UNTIL(cgroup_key(&self->group, "memory.stat", "kernel_stack") >= CALLS * STACK);
	/* tasks and what belongs to them */
	UNTIL(cgroup_key(&self->group, "memory.stat", "slab") >= CALLS * 4096);
	EXPECT_LE(CALLS * (STACK + 4096), cgroup_num(&self->group, "memory.current"));
	/* and not without bounds: a call has a task, and little else */
	EXPECT_GE(CALLS * 131072, cgroup_num(&self->group, "memory.current"));
	ASSERT_TRUE(kid_end(&k));
}

/* What the kernel keeps of a ring goes when nobody uses it. */
TEST_F_TIMEOUT(memory, of_rings_that_were_used_once_is_not_kept, 60)
{
	size_t len = 40000 * sizeof(struct syslet_ring), n = rounds(40000);
	struct kid k;

	if (!kid_fork(&k)) {
		struct syslet_ring *rings = mmap(NULL, len, PROT_READ | PROT_WRITE,
						 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct blocker b;
		long before;

		KID_CHECK(cgroup_enter(&self->group) && rings != MAP_FAILED);
		memset(rings, 0, len);
		KID_CHECK(!force_handoff(ring_alloc(16)));
		before = cgroup_num(&self->group, "memory.current");
		for (size_t i = 0; i < n; i++) {
			/* in its two words it has no room for a completion, nor needs it */
			rings[i].elements = 1;
			KID_CHECK(submit(&rings[i], CALL(__NR_read, -1, 0, 0), i) == -EBADF);
		}
		KID_CHECK(cgroup_num(&self->group, "memory.current") < before + LITTLE);
		/* those of a wait, as well */
		for (size_t i = 0; i < n; i++) {
			struct __kernel_timespec none = {};

			KID_CHECK(sys_ring_wait(&rings[i], 0, 1, &none, 0) == -ETIME);
		}
		KID_CHECK(cgroup_num(&self->group, "memory.current") < before + LITTLE);
		KID_CHECK(blocker_begin(&b, ring_alloc(16), 0) == -ESYSLETPENDING);
		_exit(0);
	}
	ASSERT_EQ(0, kid_status(&k));
}

TEST_HARNESS_MAIN
