// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits: a call that would need one task too many is refused before it ran,
 * those in flight go on, and what was counted is given back. And who may make
 * syslets at all: kernel.syslet_disabled.
 */
#include <grp.h>
#include <linux/capability.h>

#include "cgroup.h"
#include "fuse.h"

/* Users that nobody else is. */
#define USER_A		61001
#define USER_B		61002
#define MEMBERS		61003	/* a group */

/* --- turns: parent and child by eventfds, which need no memory -------------------- */

struct turn {
	pid_t	pid;
	int	pidfd, go, done;
};

static bool turn_tell(int fd)
{
	uint64_t one = 1;

	return write(fd, &one, sizeof(one)) == sizeof(one);
}

static bool turn_take(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n);
}

static pid_t turn_fork(struct turn *t)
{
	t->go = eventfd(0, 0);
	t->done = eventfd(0, 0);
	t->pid = fork();
	if (!t->pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	else
		t->pidfd = syscall(__NR_pidfd_open, t->pid, 0);
	return t->pid;
}

/* In the parent: the child has come to its next turn; false if it has ended. */
static bool turn_wait(struct turn *t)
{
	struct pollfd pfd[] = {
		{ .fd = t->done, .events = POLLIN }, { .fd = t->pidfd, .events = POLLIN },
	};

	while (poll(pfd, 2, -1) < 0)
		;
	return (pfd[0].revents & POLLIN) && turn_take(t->done);
}

/* In the child: the parent's turn, then ours. */
static void turn_pass(struct turn *t)
{
	KID_CHECK(turn_tell(t->done) && turn_take(t->go));
}

static int turn_status(struct turn *t)
{
	int status = -1;

	waitpid(t->pid, &status, 0);
	close(t->pidfd);
	close(t->go);
	close(t->done);
	return status;
}

/* --- causes ------------------------------------------------------------------------- */

static void become(uid_t uid)
{
	/* back to all rights first; the user stays owner of its files in /proc */
	KID_CHECK(!setresuid(-1, 0, -1) && !setresuid(uid, uid, 0));
	KID_CHECK(!prctl(PR_SET_DUMPABLE, 1) && !prctl(PR_SET_PDEATHSIG, SIGKILL));
}

static void become_user(const struct cgroup *g)
{
	become(USER_A);
}

static void enter_group(const struct cgroup *g)
{
	KID_CHECK(cgroup_enter(g));
}

/* Nobody is there to be killed for memory. */
static void enter_group_unkillable(const struct cgroup *g)
{
	KID_CHECK(!write_text("/proc/self/oom_score_adj", "-1000"));
	enter_group(g);
}

static void enter_user_namespace(const struct cgroup *g)
{
	KID_CHECK(!unshare(CLONE_NEWUSER) && !write_text("/proc/self/uid_map", "0 0 1"));
	KID_CHECK(!prctl(PR_SET_DUMPABLE, 1));
}

static void stay(const struct cgroup *g)
{
}

/* @tasks: how many helpers the process may have; -1: as many as it likes. */
static bool limit_nproc(pid_t pid, const struct cgroup *g, int tasks)
{
	struct rlimit lim;

	if (prlimit(pid, RLIMIT_NPROC, NULL, &lim))
		return false;
	lim.rlim_cur = tasks < 0 ? lim.rlim_max : tasks + 1;
	return !prlimit(pid, RLIMIT_NPROC, &lim, NULL);
}

static bool limit_pids(pid_t pid, const struct cgroup *g, int tasks)
{
	return !(tasks < 0 ? cgroup_write(g, "pids.max", "max") :
			     cgroup_write_num(g, "pids.max", tasks + 1));
}

/* As much as it has now; cannot be told in tasks. */
static bool limit_memory(pid_t pid, const struct cgroup *g, int tasks)
{
	return !(tasks < 0 ? cgroup_write(g, "memory.max", "max") :
			     cgroup_write_num(g, "memory.max", cgroup_num(g, "memory.current")));
}

static bool limit_max_spares(pid_t pid, const struct cgroup *g, int tasks)
{
	return !set_num(MAX_SPARES, tasks < 0 ? 16384 : tasks);
}

static bool limit_max_syslets(pid_t pid, const struct cgroup *g, int tasks)
{
	return !set_num(MAX_SYSLETS, tasks < 0 ? 16384 : tasks);
}

struct cause {
	void (*enter)(const struct cgroup *g);
	bool (*set)(pid_t pid, const struct cgroup *g, int tasks);
	/* By the process itself: it has it alone. */
	bool inside;
};

static const struct cause nproc = { become_user, limit_nproc, .inside = true };
static const struct cause pids = { enter_group, limit_pids };
static const struct cause memory = { enter_group_unkillable, limit_memory };
static const struct cause max_spares = { stay, limit_max_spares };
static const struct cause max_syslets = { become_user, limit_max_syslets };
static const struct cause max_syslets_of_root = { stay, limit_max_syslets };
static const struct cause max_syslets_of_the_namespace = {
	enter_user_namespace, limit_max_syslets, .inside = true };
static const struct cause max_syslets_outside_the_namespace = {
	enter_user_namespace, limit_max_syslets };

struct state {
	struct cgroup		group;
	struct saved_settings	settings;
	struct console		console;
};

static bool state_save(struct state *s)
{
	return console_quiet(&s->console) && settings_save(&s->settings) &&
	       cgroup_make(&s->group, "syslet-limit");
}

static void state_restore(const struct state *s)
{
	settings_restore(&s->settings);
	cgroup_remove(&s->group);
	console_restore(&s->console);
}

FIXTURE(limit) { struct state state; };
FIXTURE_VARIANT(limit) { const struct cause *cause; };
FIXTURE_VARIANT_ADD(limit, nproc) { .cause = &nproc };
FIXTURE_VARIANT_ADD(limit, pids) { .cause = &pids };
FIXTURE_VARIANT_ADD(limit, memory) { .cause = &memory };
FIXTURE_VARIANT_ADD(limit, max_spares) { .cause = &max_spares };
FIXTURE_VARIANT_ADD(limit, max_syslets) { .cause = &max_syslets };
FIXTURE_VARIANT_ADD(limit, max_syslets_of_root) { .cause = &max_syslets_of_root };
FIXTURE_VARIANT_ADD(limit, max_syslets_of_the_namespace) {
	.cause = &max_syslets_of_the_namespace };
FIXTURE_VARIANT_ADD(limit, max_syslets_outside_the_namespace) {
	.cause = &max_syslets_outside_the_namespace };

FIXTURE_SETUP(limit)
{
	ASSERT_TRUE(state_save(&self->state));
}

FIXTURE_TEARDOWN_PARENT(limit)
{
	state_restore(&self->state);
}

/* --- refused, then not any more ------------------------------------------------------ */

#define READY	7

/* All that is possible: what others free meanwhile may be enough for one more. */
static void begin_all(struct syslet_ring *ring, struct pool *p)
{
	long ret;

	while ((ret = pool_begin(p, ring)) == -ESYSLETPENDING)
		;
	KID_CHECK(ret == -EAGAIN);
}

/*
 * A read that could be made at once is refused, and not made; if it may be
 * synchronous it is.
 */
static void check_refused(struct syslet_ring *ring, struct pool *p, int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t value = 0;
	struct indirect_registers regs = CALL(__NR_read, fd, P(&value), sizeof(value));
	long ret;

	do {
		begin_all(ring, p);
		value = READY;
		KID_CHECK(write(fd, &value, sizeof(value)) == sizeof(value));
		value = 0;
		ret = submit(ring, regs, 99);
	} while (ret == sizeof(value));
	KID_CHECK(ret == -EAGAIN);
	KID_CHECK(!value && poll(&pfd, 1, 0) == 1 && !ring_count(ring));
	KID_CHECK(submit_args(regs, (struct syslet_args){
		.completion_ring_ptr = P(ring), .flags = SYSLET_SYNC_OK }) == sizeof(value));
	KID_CHECK(value == READY && !poll(&pfd, 1, 0) && !ring_count(ring));
}

#define POOL		200
#define IN_FLIGHT	3

/* Shared with the parent. */
static unsigned int *nr_running;

static void set_inside(const struct cause *cause, const struct cgroup *g, int tasks)
{
	KID_CHECK(!cause->inside || cause->set(getpid(), g, tasks));
}

static void limited_main(struct turn *t, const struct cause *cause, const struct cgroup *g)
{
	struct syslet_ring *ring = ring_alloc(256);
	struct syslet_completion comp = {};
	struct pool p;
	int ready;
	long ret;

	KID_CHECK(!mlockall(MCL_CURRENT | MCL_FUTURE));
	cause->enter(g);
	ready = eventfd(0, 0);
	KID_CHECK(ready >= 0 && ring && pool_make(&p, POOL) && !force_handoff(ring));
	KID_CHECK(pool_begin_many(&p, ring, IN_FLIGHT) == -ESYSLETPENDING);

	turn_pass(t);
	set_inside(cause, g, 0);
	check_refused(ring, &p, ready);
	*nr_running = p.nr;

	turn_pass(t);
	/* one that ends leaves its task for the next */
	KID_CHECK(pool_post(&p, 0) && !ring_reap(ring, &comp));
	KID_CHECK(comp.status == 8 && !comp.caller_data && p.value[0] == 1);
	UNTIL((ret = pool_begin(&p, ring)) != -EAGAIN);
	KID_CHECK(ret == -ESYSLETPENDING);
	begin_all(ring, &p);

	turn_pass(t);
	set_inside(cause, g, -1);
	KID_CHECK(pool_begin_many(&p, ring, 5) == -ESYSLETPENDING);
	*nr_running = p.nr - 1;

	turn_pass(t);
	KID_CHECK(pool_end(&p, 1, ring));
	KID_CHECK(!force_handoff(ring));
	_exit(0);
}

TEST_F_TIMEOUT(limit, call_that_needs_one_more_task_is_refused_until_it_may, 120)
{
	const struct cause *cause = variant->cause;
	struct counts before, limited, raised;
	struct turn t;

	nr_running = mmap(NULL, sizeof(*nr_running), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)nr_running);
	if (!turn_fork(&t))
		limited_main(&t, cause, &self->state.group);

	ASSERT_TRUE(turn_wait(&t));
	ASSERT_TRUE(counts_read(&before, t.pid, t.pid));
	EXPECT_EQ(IN_FLIGHT, before.running);
	EXPECT_EQ(0, before.limited);
	ASSERT_TRUE(cause->inside || cause->set(t.pid, &self->state.group, 0));
	turn_tell(t.go);

	ASSERT_TRUE(turn_wait(&t));
	ASSERT_TRUE(counts_read(&limited, t.pid, t.pid));
	EXPECT_EQ(*nr_running, limited.running);
	/* the first that was refused, the one that could have been made, and that was */
	EXPECT_LE(cause == &memory ? 2 : 3, limited.limited);
	EXPECT_EQ(before.refused + limited.limited, limited.refused);
	turn_tell(t.go);

	ASSERT_TRUE(turn_wait(&t));
	ASSERT_TRUE(counts_read(&limited, t.pid, t.pid));
	ASSERT_TRUE(cause->inside || cause->set(t.pid, &self->state.group, -1));
	turn_tell(t.go);

	ASSERT_TRUE(turn_wait(&t));
	ASSERT_TRUE(counts_read(&raised, t.pid, t.pid));
	EXPECT_EQ(*nr_running, raised.running);
	EXPECT_EQ(limited.limited, raised.limited);
	EXPECT_EQ(limited.refused, raised.refused);
	EXPECT_EQ(limited.handoffs + 5, raised.handoffs);
	turn_tell(t.go);
	ASSERT_EQ(0, turn_status(&t));
}

/* --- what was counted is given back -------------------------------------------------- */

#define TASKS	6

/* What is counted in tasks. */
FIXTURE(counted) { struct state state; };
FIXTURE_VARIANT(counted) { const struct cause *cause; };
FIXTURE_VARIANT_ADD(counted, nproc) { .cause = &nproc };
FIXTURE_VARIANT_ADD(counted, pids) { .cause = &pids };
FIXTURE_VARIANT_ADD(counted, max_spares) { .cause = &max_spares };
FIXTURE_VARIANT_ADD(counted, max_syslets) { .cause = &max_syslets };
FIXTURE_VARIANT_ADD(counted, max_syslets_of_root) { .cause = &max_syslets_of_root };
FIXTURE_VARIANT_ADD(counted, max_syslets_of_the_namespace) {
	.cause = &max_syslets_of_the_namespace };
FIXTURE_VARIANT_ADD(counted, max_syslets_outside_the_namespace) {
	.cause = &max_syslets_outside_the_namespace };

FIXTURE_SETUP(counted)
{
	ASSERT_TRUE(state_save(&self->state));
}

FIXTURE_TEARDOWN_PARENT(counted)
{
	state_restore(&self->state);
}

/* All that it may have, and no more. */
static void use_up(struct syslet_ring *ring, struct pool *p)
{
	KID_CHECK(pool_begin_many(p, ring, TASKS) == -ESYSLETPENDING);
	KID_CHECK(pool_begin(p, ring) == -EAGAIN);
}

/* This program again. */
static __attribute__((constructor)) void after_exec(void)
{
	const char *what = getenv("LIMIT_TEST");
	struct syslet_ring *ring;
	struct pool p;

	if (!what)
		return;
	ring = ring_alloc(64);
	KID_CHECK(ring && pool_make(&p, 64));
	if (!strcmp(what, "use_up")) {
		use_up(ring, &p);
	} else if (!strcmp(what, "not_allowed")) {
		KID_CHECK(submit(ring, CALL(__NR_getpid), 0) == -EPERM);
	} else if (!strcmp(what, "goes_on")) {
		/* allowed when it began, and then not */
		KID_CHECK(!force_handoff(ring) && !set_num(DISABLED, 2));
		KID_CHECK(!force_handoff(ring));
	} else {
		_exit(2);
	}
	_exit(0);
}

static void exec_self(const char *what)
{
	char env[64];
	char *args[] = { "limit_test", NULL }, *envs[] = { env, NULL };

	snprintf(env, sizeof(env), "LIMIT_TEST=%s", what);
	execve("/proc/self/exe", args, envs);
	_exit(3);
}

enum way { BY_EXIT, BY_KILL, BY_EXEC, BY_THREAD_EXIT, NR_WAYS };

static void used_up_main(struct kid *k, const struct cause *cause, const struct cgroup *g, enum way way)
{
	struct syslet_ring *ring = ring_alloc(64);
	struct pool p;

	cause->enter(g);
	set_inside(cause, g, TASKS);
	KID_CHECK(pool_make(&p, 64));
	use_up(ring, &p);
	switch (way) {
	case BY_EXIT:
		_exit(0);
	case BY_KILL:
		KID_CHECK(kid_tell(k));
		kid_live(k);
		break;
	case BY_EXEC:
		exec_self("use_up");
		break;
	default:
		syscall(__NR_exit, 0);
	}
}

TEST_F_TIMEOUT(counted, is_given_back_when_processes_end, 120)
{
	const struct cause *cause = variant->cause;
	int n = rounds(8);
	struct kid k;

	ASSERT_TRUE(cause->inside || cause->set(0, &self->state.group, TASKS));
	for (int i = 0; i < n * NR_WAYS; i++) {
		if (!kid_fork(&k))
			used_up_main(&k, cause, &self->state.group, i % NR_WAYS);
		if (i % NR_WAYS == BY_KILL) {
			ASSERT_TRUE(kid_hear(&k));
			ASSERT_EQ(0, kill(k.pid, SIGKILL));
		}
		ASSERT_EQ(i % NR_WAYS == BY_KILL ? SIGKILL : 0, kid_status(&k))
			TH_LOG("round %d", i);
	}
}

static void *thread_main(void *arg)
{
	struct syslet_ring *ring = ring_alloc(64);
	struct pool *p = arg;
	long ret;

	/* the last thread's may not have gone yet */
	for (int i = 0; i < TASKS / 2; i++) {
		UNTIL((ret = pool_begin(p, ring)) != -EAGAIN);
		KID_CHECK(ret == -ESYSLETPENDING);
	}
	return NULL;
}

static void threads_kid(const struct cause *cause, const struct cgroup *g)
{
	pthread_t t;
	struct pool p;

	cause->enter(g);
	set_inside(cause, g, TASKS);
	KID_CHECK(pool_make(&p, TASKS));
	for (int i = 0; i < 20; i++) {
		p.nr = 0;
		KID_CHECK(!pthread_create(&t, NULL, thread_main, &p));
		KID_CHECK(!pthread_join(t, NULL));
	}
	_exit(0);
}

TEST_F_TIMEOUT(counted, is_given_back_when_threads_end, 120)
{
	const struct cause *cause = variant->cause;
	struct kid k;

	ASSERT_TRUE(cause->inside || cause->set(0, &self->state.group, TASKS));
	if (!kid_fork(&k))
		threads_kid(cause, &self->state.group);
	ASSERT_EQ(0, kid_status(&k));
}

static void retire_kid(const struct cause *cause, const struct cgroup *g)
{
	struct syslet_ring *ring = ring_alloc(64);
	struct pool p;
	long ret;

	cause->enter(g);
	set_inside(cause, g, 2);
	KID_CHECK(pool_make(&p, 1));
	for (int nice = 1; nice < 19; nice++) {
		/* spares of before are of no use, and make room for another one */
		KID_CHECK(!setpriority(PRIO_PROCESS, 0, nice));
		UNTIL((ret = pool_begin(&p, ring)) != -EAGAIN);
		KID_CHECK(ret == -ESYSLETPENDING);
		p.value[0] = 0;
		KID_CHECK(pool_end(&p, 0, ring));
	}
	_exit(0);
}

TEST_F_TIMEOUT(counted, is_given_back_when_spares_retire, 120)
{
	const struct cause *cause = variant->cause;
	struct kid k;

	ASSERT_TRUE(cause->inside || cause->set(0, &self->state.group, 2));
	if (!kid_fork(&k))
		retire_kid(cause, &self->state.group);
	ASSERT_EQ(0, kid_status(&k));
}

/* --- users -------------------------------------------------------------------------- */

FIXTURE(user)
{
	struct saved_settings	settings;
};

FIXTURE_VARIANT(user)
{
	bool nproc;
};

FIXTURE_VARIANT_ADD(user, nproc) { .nproc = true };
FIXTURE_VARIANT_ADD(user, max_syslets) { .nproc = false };

FIXTURE_SETUP(user)
{
	ASSERT_TRUE(settings_save(&self->settings));
}

FIXTURE_TEARDOWN_PARENT(user)
{
	settings_restore(&self->settings);
}

static void two_users_main(bool nproc, bool killed, struct kid *k)
{
	struct syslet_ring *ring = ring_alloc(64);
	struct pool p;

	KID_CHECK(pool_make(&p, 64) && (!nproc || limit_nproc(0, NULL, TASKS)));
	become(USER_A);
	use_up(ring, &p);
	become(USER_B);
	/* the calls in flight are still the first one's */
	use_up(ring, &p);
	become(USER_A);
	KID_CHECK(pool_begin(&p, ring) == -EAGAIN);
	if (killed) {
		KID_CHECK(kid_tell(k));
		kid_live(k);
	}
	KID_CHECK(pool_end(&p, 0, ring));
	_exit(0);
}

/* One that is counted for the wrong user is missed by the next process. */
TEST_F_TIMEOUT(user, has_what_was_counted_for_it_whoever_the_thread_is_then, 120)
{
	int n = rounds(12);
	struct kid k;

	ASSERT_TRUE(variant->nproc || limit_max_syslets(0, NULL, TASKS));
	for (int i = 0; i < n; i++) {
		if (!kid_fork(&k))
			two_users_main(variant->nproc, i & 1, &k);
		if (i & 1) {
			ASSERT_TRUE(kid_hear(&k));
			ASSERT_EQ(0, kill(k.pid, SIGKILL));
		}
		ASSERT_EQ(i & 1 ? SIGKILL : 0, kid_status(&k));
	}
}

TEST_F(user, does_not_use_up_what_another_one_may_have)
{
	struct kid k[2];

	ASSERT_TRUE(variant->nproc || limit_max_syslets(0, NULL, TASKS));
	for (int i = 0; i < 2; i++) {
		if (!kid_fork(&k[i])) {
			struct syslet_ring *ring = ring_alloc(64);
			struct pool p;

			KID_CHECK(pool_make(&p, 64));
			KID_CHECK(!variant->nproc || limit_nproc(0, NULL, TASKS));
			become(USER_A + i);
			use_up(ring, &p);
			KID_CHECK(kid_tell(&k[i]));
			kid_live(&k[i]);
		}
		ASSERT_TRUE(kid_hear(&k[i]));
	}
	ASSERT_TRUE(kid_end(&k[1]));
	ASSERT_TRUE(kid_end(&k[0]));
}

/* --- calls that outlive their thread ---------------------------------------------------- */

/* What is read; the first one that is withheld, and the second. */
#define HELD_PAGE	5
static atomic_int page;

/* Its call has begun, and is not to be interrupted: its first task stays, not its thread. */
static void *held_thread(void *arg)
{
	struct syslet_ring *ring = ring_alloc(64);
	static char buf[FUSE_PAGE];
	struct fuse_file *f = arg;

	return (void *)submit(ring, CALL(__NR_pread64, f->fd, P(buf), sizeof(buf),
					 atomic_load(&page) * FUSE_PAGE), 0);
}

static long held_call(struct fuse_file *f)
{
	pthread_t t;
	void *ret;

	KID_CHECK(!pthread_create(&t, NULL, held_thread, f) && !pthread_join(t, &ret));
	return (long)ret;
}

TEST(call_that_outlives_its_thread_is_counted)
{
	struct saved_settings s;
	struct fuse_file f;
	struct kid k;
	long ret;

	if (!have_fuse())
		SKIP(return, "no FUSE (CONFIG_FUSE_FS)");
	ASSERT_TRUE(settings_save(&s));
	if (!kid_fork(&k)) {
		KID_CHECK(limit_max_syslets(0, NULL, TASKS) && fuse_open(&f));
		page = HELD_PAGE;
		f.data->withheld = page;
		for (int i = 0; i < TASKS; i++) {
			KID_CHECK(held_call(&f) == -ESYSLETPENDING);
			KID_CHECK(i || kid_hear(&f.server));
		}
		KID_CHECK(held_call(&f) == -EAGAIN);
		/* when the calls are over, all of them come back */
		f.data->withheld = -1;
		KID_CHECK(kid_tell(&f.server));
		UNTIL((ret = held_call(&f)) != -EAGAIN);
		KID_CHECK(ret == FUSE_PAGE || ret == -ESYSLETPENDING);
		page++;
		f.data->withheld = page;
		for (int i = 0; i < TASKS; i++) {
			UNTIL((ret = held_call(&f)) != -EAGAIN);
			KID_CHECK(ret == -ESYSLETPENDING);
		}
		KID_CHECK(held_call(&f) == -EAGAIN);
		_exit(0);
	}
	EXPECT_EQ(0, kid_status(&k));
	settings_restore(&s);
}

/* --- who may at all --------------------------------------------------------------------- */

FIXTURE(disabled)
{
	struct saved_settings	settings;
	struct syslet_ring	*ring;
};

FIXTURE_SETUP(disabled)
{
	ASSERT_TRUE(settings_save(&self->settings));
	ASSERT_EQ(0, set_num(DISABLED, 0));
	self->ring = ring_alloc(64);
	ASSERT_NE(NULL, self->ring);
}

FIXTURE_TEARDOWN_PARENT(disabled)
{
	settings_restore(&self->settings);
}

static void drop_capability(int cap)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};

	KID_CHECK(!syscall(__NR_capget, &head, data));
	data[CAP_TO_INDEX(cap)].effective &= ~CAP_TO_MASK(cap);
	data[CAP_TO_INDEX(cap)].permitted &= ~CAP_TO_MASK(cap);
	KID_CHECK(!syscall(__NR_capset, &head, data));
}

static void is_root(void)
{
}

static void is_root_without_capability(void)
{
	drop_capability(CAP_SYS_ADMIN);
}

static void is_nobody(void)
{
	KID_CHECK(!setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, NOBODY));
	KID_CHECK(!setresuid(USER_A, USER_A, USER_A));
}

static void is_member(void)
{
	gid_t groups[] = { NOBODY, MEMBERS };

	KID_CHECK(!setgroups(2, groups) && !setresgid(NOBODY, NOBODY, NOBODY));
	KID_CHECK(!setresuid(USER_A, USER_A, USER_A));
}

static void is_of_the_group(void)
{
	KID_CHECK(!setgroups(0, NULL) && !setresgid(MEMBERS, MEMBERS, MEMBERS));
	KID_CHECK(!setresuid(USER_A, USER_A, USER_A));
}

/* All rights there, which are none here. */
static void is_root_of_a_namespace(void)
{
	is_nobody();
	KID_CHECK(!unshare(CLONE_NEWUSER));
}

/* What nobody may, or all may, is the same in each way to ask. */
static bool may_make(struct syslet_ring *ring)
{
	char c = 0;
	int fd[2], ok;
	struct syslet_call call = { .nr = __NR_write, .args = { 0, P("x"), 1 }, .result = 77 };
	struct indirect_params params = { .syslet.completion_ring_ptr = P(ring) };

	KID_CHECK(!pipe2(fd, O_NONBLOCK));
	call.args[0] = fd[1];
	ok = call_plain(CALL(__NR_write, fd[1], P("x"), 1)) == 1;
	if (ok) {
		KID_CHECK(submit(ring, CALL(__NR_write, fd[1], P("x"), 1), 0) == 1);
		KID_CHECK(sys_submit(&call, 1, &params, sizeof(params), 0) == 1);
		KID_CHECK(call.result == 1 && !force_handoff(ring));
		return true;
	}
	KID_CHECK(call_plain(CALL(__NR_write, fd[1], P("x"), 1)) == -EPERM);
	KID_CHECK(submit(ring, CALL(__NR_write, fd[1], P("x"), 1), 0) == -EPERM);
	KID_CHECK(submit_args(CALL(__NR_write, fd[1], P("x"), 1), (struct syslet_args){
		.completion_ring_ptr = P(ring), .flags = SYSLET_SYNC_OK }) == -EPERM);
	KID_CHECK(sys_submit(&call, 1, &params, sizeof(params), 0) == -EPERM);
	KID_CHECK(call.result == 77);
	/* and nothing has been done */
	KID_CHECK(read(fd[0], &c, 1) == -1 && errno == EAGAIN);
	close(fd[0]);
	close(fd[1]);
	return false;
}

TEST_F(disabled, is_for_those_that_it_says)
{
	static const struct {
		void (*is)(void);
		/* With 0, 1, and 2; and with 1 while there is no such group. */
		bool may[3], may_without_group;
	} who[] = {
		{ is_root, { true, true, false }, true },
		{ is_root_without_capability, { true, false, false }, false },
		{ is_nobody, { true, false, false }, false },
		{ is_member, { true, true, false }, false },
		{ is_of_the_group, { true, true, false }, false },
		{ is_root_of_a_namespace, { true, false, false }, false },
	};
	struct kid k;

	for (unsigned int i = 0; i < ARRAY_LEN(who); i++) {
		for (int value = 0; value < 4; value++) {
			bool want = value < 3 ? who[i].may[value] : who[i].may_without_group;

			ASSERT_EQ(0, set_num(DISABLED, value < 3 ? value : 1));
			ASSERT_EQ(0, set_num(DISABLED_GROUP, value < 3 ? MEMBERS : -1));
			if (!kid_fork(&k)) {
				who[i].is();
				_exit(may_make(self->ring));
			}
			ASSERT_EQ(want << 8, kid_status(&k))
				TH_LOG("who %u, value %d", i, value);
		}
	}
}

TEST_F(disabled, process_that_makes_syslets_goes_on_and_what_it_starts_does_not)
{
	struct flight f, g;
	struct kid k;
	pid_t pid;
	int status;

	ASSERT_TRUE(flight_begin(&f, self->ring));
	ASSERT_EQ(0, set_num(DISABLED, 2));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, force_handoff(self->ring));
	ASSERT_TRUE(flight_begin(&g, self->ring));
	/* in other threads as well */
	ASSERT_EQ(NULL, threads_run(true, (void *)force_handoff));

	if (!kid_fork(&k))
		_exit(may_make(ring_alloc(64)) ? 1 : 0);
	ASSERT_EQ(0, kid_status(&k));
	pid = vfork();
	if (!pid)
		_exit(syscall(__NR_indirect, &CALL(__NR_getpid), NULL, 0, 0) == -1 &&
		      errno == EPERM ? 0 : 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	if (!kid_fork(&k))
		exec_self("not_allowed");
	ASSERT_EQ(0, kid_status(&k));

	ASSERT_TRUE(flight_end(&f, self->ring));
	ASSERT_TRUE(flight_end(&g, self->ring));
}

TEST_F(disabled, program_executed_by_one_that_makes_syslets_does_not_go_on)
{
	struct kid k;

	if (!kid_fork(&k)) {
		struct flight f;

		KID_CHECK(flight_begin(&f, self->ring) && !set_num(DISABLED, 2));
		KID_CHECK(!force_handoff(self->ring));
		exec_self("not_allowed");
	}
	ASSERT_EQ(0, kid_status(&k));
}

/* Its thread has made syslets before, and is new at it all the same. */
TEST_F(disabled, program_goes_on_that_made_syslets_after_exec)
{
	struct kid k;

	for (int before = 0; before < 2; before++) {
		ASSERT_EQ(0, set_num(DISABLED, 0));
		if (!kid_fork(&k)) {
			KID_CHECK(!before || !force_handoff(self->ring));
			exec_self("goes_on");
		}
		ASSERT_EQ(0, kid_status(&k))
			TH_LOG("before %d", before);
	}
}

/* It has no calls that it would have to go on with. */
TEST_F(disabled, process_that_made_plain_calls_does_not_go_on)
{
	struct kid k;

	if (!kid_fork(&k)) {
		KID_CHECK(call_plain(CALL(__NR_getpid)) == getpid());
		KID_CHECK(!set_num(DISABLED, 2));
		KID_CHECK(call_plain(CALL(__NR_getpid)) == -EPERM);
		_exit(0);
	}
	ASSERT_EQ(0, kid_status(&k));
}

/* Of what is forbidden only the beginning is. */
TEST_F(disabled, waits_and_cancels_work)
{
	size_t len = sizeof(struct syslet_ring) + 16 * sizeof(struct syslet_completion);
	struct syslet_ring *ring = mmap(NULL, len, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct __kernel_timespec none = {};
	struct syslet_completion comp = {};
	struct blocker b;
	struct kid k;

	ASSERT_NE(MAP_FAILED, (void *)ring);
	ring->elements = 16;
	ASSERT_EQ(-ESYSLETPENDING, blocker_begin(&b, ring, 5));
	ASSERT_EQ(0, set_num(DISABLED, 2));
	if (!kid_fork(&k)) {
		KID_CHECK(submit(ring, CALL(__NR_getpid), 0) == -EPERM);
		KID_CHECK(sys_cancel(ring, 5, 0) == -ENOENT);
		KID_CHECK(sys_ring_wait(ring, 0, 1, &none, 0) == -ETIME);
		KID_CHECK(kid_tell(&k) && !sys_ring_wait(ring, 0, 1, NULL, 0));
		_exit(0);
	}
	ASSERT_TRUE(kid_hear(&k));
	ASSERT_EQ(0, sys_cancel(ring, 5, 0));
	ASSERT_EQ(0, ring_reap(ring, &comp));
	ASSERT_EQ(5, comp.caller_data);
	ASSERT_EQ(-ECANCELED, (long)comp.status);
	ASSERT_EQ(0, kid_status(&k));
}

TEST_F(disabled, settings_take_what_they_know_from_who_may)
{
	static const char *const bad[] = { "3", "-1", "4294967296", "x" };
	struct saved_settings now;
	struct kid k;

	for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
		EXPECT_EQ(-EINVAL, write_text(DISABLED, bad[i]))
			TH_LOG("%s", bad[i]);
	}
	EXPECT_EQ(-EINVAL, write_text(MAX_SPARES, "-1"));
	EXPECT_EQ(-EINVAL, write_text(MAX_SPARES, "x"));
	EXPECT_EQ(-EINVAL, write_text(MAX_SYSLETS, "-1"));
	EXPECT_EQ(-EINVAL, write_text(DISABLED_GROUP, "x"));
	if (!kid_fork(&k)) {
		is_root_of_a_namespace();
		KID_CHECK(set_num(DISABLED, 0) == -EACCES && set_num(MAX_SPARES, 1) == -EACCES);
		KID_CHECK(set_num(DISABLED_GROUP, 0) == -EACCES);
		_exit(0);
	}
	EXPECT_EQ(0, kid_status(&k));
	/* and nothing has changed */
	ASSERT_TRUE(settings_save(&now));
	EXPECT_STREQ("0", now.text[0]);
	for (unsigned int i = 1; i < ARRAY_LEN(settings); i++)
		EXPECT_STREQ(self->settings.text[i], now.text[i]);
}

TEST_HARNESS_MAIN
