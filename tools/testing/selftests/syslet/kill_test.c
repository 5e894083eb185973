// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that end with thousands of calls in flight, in all ways and at any
 * time: when wait() tells of it nothing of them is left.
 */
#include <netinet/in.h>
#include <sys/file.h>

#include "cgroup.h"
#include "core.h"

/* How many, of all kinds. */
#define CALLS		2000

/* Shared by the process that is to end and the one that looks. */
struct scene {
	struct cgroup	cgroup;
	struct kid	k, second;
	int		tty;
	int		dies[2];	/* it has the end to read from alone */
	int		told[2];	/* it has the end to write to alone */
	char		locked[64], fifo[64];
	unsigned int	*futex;
	in_port_t	*port;
	pid_t		*tid;		/* of its other thread */
	bool		at_once;	/* not when all calls are in flight */
	unsigned int	spin;
};

FIXTURE(end)
{
	struct scene	scene;
	struct console	console;
	char		core_pattern[256];
};

FIXTURE_VARIANT(end)
{
	/* By the process itself, in another thread than the main thread. */
	void (*end)(struct scene *s);
	/* By us. */
	bool (*kill)(struct scene *s);
	/* Before all that. */
	bool (*prepare)(struct scene *s);
	int sig, status;
	bool core, exec, second;
};

/* --- calls ------------------------------------------------------------------------- */

static struct {
	int fd, locked, listens;
	char c;
	struct flock lock;
	struct timespec long_time;
} own;

/* Has all locks, and another way to ask for them. */
static void calls_prepare(struct scene *s)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int has;

	own.lock = (struct flock){ .l_type = F_WRLCK, .l_len = 1 };
	own.long_time.tv_sec = 100000;
	has = open(s->locked, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	own.locked = open(s->locked, O_RDWR | O_CLOEXEC);
	KID_CHECK(!flock(has, LOCK_EX) && !fcntl(has, F_OFD_SETLK, &own.lock));
	/* another byte, for the process */
	own.lock.l_start = 1;
	KID_CHECK(!fcntl(has, F_SETLK, &own.lock));
	own.lock.l_start = 0;

	own.listens = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	KID_CHECK(!bind(own.listens, (void *)&addr, len) && !listen(own.listens, 1));
	KID_CHECK(!getsockname(own.listens, (void *)&addr, &len));
	*s->port = addr.sin_port;
}

static long call_begin(struct scene *s, struct syslet_ring *ring, unsigned int i)
{
	struct indirect_registers kinds[] = {
		CALL(__NR_read, s->dies[0], P(&own.c), 1),
		CALL(__NR_flock, own.locked, LOCK_EX),
		CALL(__NR_fcntl, own.locked, F_OFD_SETLKW, P(&own.lock)),
		CALL(__NR_accept, own.listens, 0, 0),
		CALL(__NR_open, P(s->fifo), O_RDONLY | O_CLOEXEC),
		CALL(__NR_futex, P(s->futex), FUTEX_WAIT, 0, 0),
		CALL(__NR_nanosleep, P(&own.long_time), 0),
	};

	return submit(ring, kinds[i % ARRAY_LEN(kinds)], i);
}

static void calls_begin(struct scene *s, unsigned int nr)
{
	struct syslet_ring *ring = ring_alloc(4096);
	long ret;

	KID_CHECK(ring && nr <= 4096);
	for (unsigned int i = 0; i < nr; i++) {
		/* no thread can be made while another one is in execve() */
		UNTIL((ret = call_begin(s, ring, i)) != -EAGAIN || !s->at_once);
		KID_CHECK(ret == -ESYSLETPENDING);
	}
}

/* --- the process -------------------------------------------------------------------- */

struct other {
	struct scene	*s;
	void		(*end)(struct scene *s);
	pthread_t	thread;
	sem_t		may_end;
};

static void spin(unsigned int n)
{
	for (volatile unsigned int i = n; i; i--)
		;
}

static void *other_main(void *arg)
{
	struct other *o = arg;

	*o->s->tid = gettid();
	if (!o->s->at_once) {
		calls_begin(o->s, rounds(CALLS) / 2);
		sem_take(&o->may_end);
	}
	spin(o->s->spin);
	o->end(o->s);
	/* it was for us to wait for the end, then */
	for (;;)
		pause();
	return NULL;
}

static void wait_for_end(struct scene *s)
{
	for (;;)
		pause();
}

static void take_terminal(const char *name)
{
	KID_CHECK(setsid() > 0 && open(name, O_RDWR | O_CLOEXEC) >= 0);
}

static void doomed_main(struct scene *s, void (*end)(struct scene *s), bool core)
{
	struct rlimit lim = { core ? RLIM_INFINITY : 0, RLIM_INFINITY };
	struct other o = { .s = s, .end = end ?: wait_for_end };

	close(s->dies[1]);
	close(s->told[0]);
	take_terminal(ptsname(s->tty));
	KID_CHECK(cgroup_enter(&s->cgroup) && !setrlimit(RLIMIT_CORE, &lim));
	calls_prepare(s);
	if (s->at_once)
		KID_CHECK(kid_tell(&s->k) && kid_hear(&s->k));
	KID_CHECK(!sem_init(&o.may_end, 0, 0));
	KID_CHECK(!pthread_create(&o.thread, NULL, other_main, &o));
	calls_begin(s, rounds(CALLS) / (s->at_once ? 1 : 2));
	if (!s->at_once) {
		KID_CHECK(kid_tell(&s->k) && kid_hear(&s->k));
		sem_post(&o.may_end);
	}
	wait_for_end(s);
}

/* --- ways to end ----------------------------------------------------------------------- */

static bool kill_by_terminal(struct scene *s)
{
	return write(s->tty, "\003", 1) == 1;
}

static bool kill_by_sigkill(struct scene *s)
{
	return !kill(s->k.pid, SIGKILL);
}

static bool kill_by_cgroup(struct scene *s)
{
	return !cgroup_write(&s->cgroup, "cgroup.kill", "1");
}

static void end_by_fault(struct scene *s)
{
	char *volatile p = (char *)8;

	*p = 1;
}

static void end_by_abort(struct scene *s)
{
	abort();
}

static void end_by_exit_group(struct scene *s)
{
	_exit(33);
}

/* More than it may have. */
static void end_by_memory(struct scene *s)
{
	size_t len = 64 << 20;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < len; i += 4096)
		((volatile char *)p)[i] = 1;
}

static bool limit_memory(struct scene *s)
{
	long now = cgroup_num(&s->cgroup, "memory.current");

	return !cgroup_write_num(&s->cgroup, "memory.max", now + (8 << 20));
}

static bool limit_memory_of_all(struct scene *s)
{
	return !cgroup_write(&s->cgroup, "memory.oom.group", "1") && limit_memory(s);
}

/* This program again, with the way to its parent: lives until told. */
static __attribute__((constructor)) void after_exec(void)
{
	const char *text = getenv("KILL_TEST");
	struct kid k = {};

	if (!text)
		return;
	if (sscanf(text, "%d %d", &k.to, &k.from) != 2 || !kid_tell(&k))
		_exit(2);
	kid_hear(&k);
	_exit(34);
}

static void end_by_exec(struct scene *s)
{
	char env[64];
	char *args[] = { "kill_test", NULL }, *envs[] = { env, NULL };

	snprintf(env, sizeof(env), "KILL_TEST=%d %d", s->k.to, s->k.from);
	KID_CHECK(!fcntl(s->k.to, F_SETFD, 0) && !fcntl(s->k.from, F_SETFD, 0));
	execve("/proc/self/exe", args, envs);
}

FIXTURE_VARIANT_ADD(end, by_terminal) { .kill = kill_by_terminal, .sig = SIGINT };
FIXTURE_VARIANT_ADD(end, by_sigkill) { .kill = kill_by_sigkill, .sig = SIGKILL };
FIXTURE_VARIANT_ADD(end, by_cgroup) { .kill = kill_by_cgroup, .sig = SIGKILL };
FIXTURE_VARIANT_ADD(end, by_fault) { .end = end_by_fault, .sig = SIGSEGV, .core = true };
FIXTURE_VARIANT_ADD(end, by_abort) { .end = end_by_abort, .sig = SIGABRT, .core = true };
FIXTURE_VARIANT_ADD(end, by_memory) {
	.end = end_by_memory, .prepare = limit_memory, .sig = SIGKILL };
FIXTURE_VARIANT_ADD(end, by_memory_with_its_group) {
	.end = end_by_memory, .prepare = limit_memory_of_all, .sig = SIGKILL, .second = true };
FIXTURE_VARIANT_ADD(end, by_exit_group) { .end = end_by_exit_group, .status = 33 };
FIXTURE_VARIANT_ADD(end, by_exec) { .end = end_by_exec, .status = 34, .exec = true };

/* --- what is left ------------------------------------------------------------------------ */

static const char *locks_are_free(struct scene *s)
{
	struct flock lock = { .l_type = F_WRLCK, .l_len = 2 };
	int fd = open(s->locked, O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB));
	CHECK(!fcntl(fd, F_OFD_SETLK, &lock));
	close(fd);
	return NULL;
}

static const char *port_is_free(struct scene *s)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = *s->port };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(!bind(fd, (void *)&addr, sizeof(addr)) && !listen(fd, 1));
	close(fd);
	return NULL;
}

/* @tasks: those that are there rightly. */
static const char *nothing_is_left(struct scene *s, int tasks)
{
	const char *err;
	char c;

	CHECK(cgroup_num(&s->cgroup, "pids.current") == tasks);
	CHECK(cgroup_key(&s->cgroup, "cgroup.events", "populated") == !!tasks);
	CHECK(write(s->dies[1], "x", 1) == -1 && errno == EPIPE);
	CHECK(read(s->told[0], &c, 1) == 0);
	err = locks_are_free(s) ?: port_is_free(s);
	if (err)
		return err;
	CHECK(open(s->fifo, O_WRONLY | O_NONBLOCK) == -1 && errno == ENXIO);
	CHECK(syscall(__NR_futex, s->futex, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0) == 0);
	return NULL;
}

/* Memory is freed, and told of, some time later. */
static void memory_is_given_back(struct scene *s)
{
	UNTIL(!cgroup_key(&s->cgroup, "memory.stat", "kernel_stack"));
	UNTIL(!cgroup_key(&s->cgroup, "memory.stat", "anon"));
}

/* --- all of it ------------------------------------------------------------------------------ */

static const char *scene_open(struct scene *s)
{
	s->tty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(s->tty >= 0 && !unlockpt(s->tty));
	CHECK(!pipe2(s->dies, O_CLOEXEC) && !pipe2(s->told, O_CLOEXEC));
	CHECK(!cgroup_write(&s->cgroup, "memory.max", "max"));
	CHECK(!cgroup_write(&s->cgroup, "memory.oom.group", "0"));
	return NULL;
}

static void scene_close(struct scene *s)
{
	close(s->tty);
	close(s->dies[1]);
	close(s->told[0]);
}

/* Another process of the group, with calls in flight, too. */
static const char *second_begin(struct scene *s)
{
	if (!kid_fork(&s->second)) {
		struct flight f;

		close(s->dies[0]);
		close(s->told[1]);
		KID_CHECK(cgroup_enter(&s->cgroup) && flight_begin(&f, ring_alloc(16)));
		KID_CHECK(kid_tell(&s->second));
		kid_live(&s->second);
	}
	CHECK(kid_hear(&s->second));
	return NULL;
}

static bool has_status(const FIXTURE_VARIANT(end) *way, int status)
{
	if (!way->sig)
		return WIFEXITED(status) && WEXITSTATUS(status) == way->status;
	return WIFSIGNALED(status) && WTERMSIG(status) == way->sig &&
	       !!WCOREDUMP(status) == way->core;
}

static const char *core_is_right(struct scene *s, const FIXTURE_VARIANT(end) *way)
{
	struct notes notes;
	char name[64];

	snprintf(name, sizeof(name), "/tmp/syslet-kill.%d", s->k.pid);
	CHECK(read_core(name, &notes));
	unlink(name);
	CHECK(notes.nr_threads == 2 && notes.sig == way->sig && notes.pid == s->k.pid);
	CHECK(notes.tid[0] == *s->tid && notes.tid[1] == s->k.pid);
	return NULL;
}

static const char *one_end(struct scene *s, const FIXTURE_VARIANT(end) *way)
{
	const char *err = scene_open(s);

	if (!err && way->second)
		err = second_begin(s);
	if (err)
		return err;
	if (!kid_fork(&s->k)) {
		if (way->second)
			kid_forget(&s->second);
		doomed_main(s, way->end, way->core);
	}
	close(s->dies[0]);
	close(s->told[1]);
	CHECK(kid_hear(&s->k));
	CHECK(!way->prepare || way->prepare(s));
	CHECK(kid_tell(&s->k));
	if (way->kill) {
		spin(s->spin);
		CHECK(way->kill(s));
	}
	if (way->exec) {
		CHECK(kid_hear(&s->k));
		err = nothing_is_left(s, 1);
		CHECK(kid_tell(&s->k));
	}
	CHECK(has_status(way, kid_status(&s->k)));
	if (way->second)
		CHECK(kid_status(&s->second) == SIGKILL);
	err = err ?: nothing_is_left(s, 0);
	if (!err && way->core)
		err = core_is_right(s, way);
	scene_close(s);
	return err;
}

FIXTURE_SETUP(end)
{
	struct scene *s = &self->scene;
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, page);
	s->futex = (void *)page;
	s->port = (void *)(page + 64);
	s->tid = (void *)(page + 128);
	snprintf(s->locked, sizeof(s->locked), "/tmp/syslet-kill.%d.lock", getpid());
	snprintf(s->fifo, sizeof(s->fifo), "/tmp/syslet-kill.%d.fifo", getpid());
	signal(SIGPIPE, SIG_IGN);
	ASSERT_EQ(0, mkfifo(s->fifo, 0600));
	ASSERT_TRUE(console_quiet(&self->console));
	ASSERT_LE(0, read_text(CORE_PATTERN, self->core_pattern, sizeof(self->core_pattern)));
	ASSERT_EQ(0, write_text(CORE_PATTERN, "/tmp/syslet-kill.%p"));
	ASSERT_TRUE(cgroup_make(&s->cgroup, "syslet-kill"));
}

FIXTURE_TEARDOWN_PARENT(end)
{
	write_text(CORE_PATTERN, self->core_pattern);
	console_restore(&self->console);
	cgroup_write(&self->scene.cgroup, "cgroup.kill", "1");
	cgroup_remove(&self->scene.cgroup);
	unlink(self->scene.fifo);
	unlink(self->scene.locked);
}

TEST_F_TIMEOUT(end, with_thousands_of_calls_in_flight, 240)
{
	/* *self is in shared memory; the ways between the processes are not */
	struct scene s = self->scene;
	const char *err = one_end(&s, variant);

	ASSERT_EQ(NULL, err)
		TH_LOG("%s", err);
	memory_is_given_back(&s);
}

TEST_F_TIMEOUT(end, while_calls_are_being_made, 300)
{
	struct scene s = self->scene;
	int n = rounds(24);

	s.at_once = true;
	for (int i = 0; i < n; i++) {
		const char *err;

		s.spin = i * 791900u % 10000019;
		err = one_end(&s, variant);
		ASSERT_EQ(NULL, err)
			TH_LOG("round %d: %s", i, err);
	}
	memory_is_given_back(&s);
}

TEST_HARNESS_MAIN
