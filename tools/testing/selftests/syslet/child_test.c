// SPDX-License-Identifier: GPL-2.0-only
/* Parents and children: who waits for whom, who is told of whose end. */
#include "peer.h"

THREADS_FIXTURE(child)

THREADS_TEST(child, waits_find_children_of_before_and_after)
{
	static const int options[] = { 0, __WALL, __WNOTHREAD, __WNOTHREAD | __WALL };
	struct flight f;
	siginfo_t info;
	int status;

	for (unsigned int i = 0; i < ARRAY_LEN(options); i++) {
		struct kid k[4];

		for (int j = 0; j < 4; j++) {
			/* two of before, two of after */
			CHECK(j != 2 || flight_begin(&f, ring));
			if (!kid_fork(&k[j])) {
				kid_hear(&k[j]);
				_exit(40 + j);
			}
		}
		CHECK(!force_handoff(ring));
		for (int j = 0; j < 4; j++) {
			info.si_pid = 0;
			CHECK(wait4(k[j].pid, &status, WNOHANG | options[i], NULL) == 0);
			CHECK(!waitid(P_PID, k[j].pid, &info, WEXITED | WNOHANG | options[i]));
			CHECK(info.si_pid == 0);
			CHECK(kid_tell(&k[j]));
			if (j % 2) {
				CHECK(wait4(k[j].pid, &status, options[i], NULL) == k[j].pid);
				CHECK(status == (40 + j) << 8);
			} else {
				CHECK(!waitid(P_PID, k[j].pid, &info, WEXITED | options[i]));
				CHECK(info.si_pid == k[j].pid && info.si_status == 40 + j);
			}
			kid_forget(&k[j]);
		}
		CHECK(flight_end(&f, ring));
	}
	CHECK(waitpid(-1, &status, __WALL) == -1 && errno == ECHILD);
	return NULL;
}

static void *not_the_parent(void *arg)
{
	pid_t pid = *(pid_t *)arg;

	/* the process' child, but not this thread's */
	CHECK(waitpid(pid, NULL, WNOHANG) == 0);
	CHECK(waitpid(pid, NULL, WNOHANG | __WNOTHREAD) == -1 && errno == ECHILD);
	return NULL;
}

THREADS_TEST(child, wnothread_tells_the_owner_from_other_threads)
{
	struct kid k[2];
	struct flight f;
	pthread_t t;
	void *err;
	int status;

	for (int i = 0; i < 2; i++) {
		if (!kid_fork(&k[i])) {
			kid_hear(&k[i]);
			_exit(45);
		}
		CHECK(i || flight_begin(&f, ring));
	}
	for (int i = 0; i < 2; i++) {
		CHECK(!pthread_create(&t, NULL, not_the_parent, &k[i].pid));
		CHECK(!pthread_join(t, &err) && !err);
		CHECK(kid_tell(&k[i]));
		CHECK(waitpid(k[i].pid, &status, __WNOTHREAD) == k[i].pid && status == 45 << 8);
	}
	CHECK(flight_end(&f, ring));
	return NULL;
}

THREADS_TEST(child, wait_as_a_syslet)
{
	struct syslet_completion comp = {};
	int status = -1;
	struct kid k;

	if (!kid_fork(&k)) {
		kid_hear(&k);
		_exit(46);
	}
	/* __WNOTHREAD depends on the task */
	CHECK(submit(ring, CALL(__NR_wait4, k.pid, P(&status), __WNOTHREAD, 0), 1) == -EAGAIN);
	CHECK(submit(ring, CALL(__NR_wait4, k.pid, P(&status), 0, 0), 1) == -ESYSLETPENDING);
	CHECK(!force_handoff(ring) && status == -1);
	CHECK(kid_tell(&k) && !ring_reap(ring, &comp));
	CHECK((long)comp.status == k.pid && status == 46 << 8);
	return NULL;
}

/* A child that was handed off ends: what do SIGCHLD and waitid() tell? */
static const char *check_end(struct syslet_ring *ring, void (*end)(void), int code, int status)
{
	siginfo_t info, wait_info = {};
	struct flight f, g;
	struct kid k;

	block_signal(SIGCHLD);
	CHECK(flight_begin(&f, ring));
	if (!kid_fork(&k)) {
		KID_CHECK(flight_begin(&g, ring_alloc(16)));
		KID_CHECK(!setresuid(NOBODY, NOBODY, NOBODY));
		end();
	}
	CHECK(take_signal(SIGCHLD, &info) == SIGCHLD);
	CHECK(!waitid(P_PID, k.pid, &wait_info, WEXITED));
	CHECK(wait_info.si_pid == k.pid && wait_info.si_uid == NOBODY);
	CHECK(wait_info.si_code == code && wait_info.si_status == status);
	CHECK(info.si_pid == k.pid && info.si_uid == NOBODY);
	CHECK(info.si_code == code);
	CHECK(info.si_status == status);
	CHECK(flight_end(&f, ring));
	return NULL;
}

static void end_by_exit_group(void)
{
	_exit(47);
}

static void end_by_exit(void)
{
	syscall(__NR_exit, 48);
}

static void end_by_signal(void)
{
	raise(SIGKILL);
}

THREADS_TEST(child, sigchld_tells_of_exit_group)
{
	return check_end(ring, end_by_exit_group, CLD_EXITED, 47);
}

THREADS_TEST(child, sigchld_tells_of_the_exit_of_the_only_thread)
{
	return check_end(ring, end_by_exit, CLD_EXITED, 48);
}

THREADS_TEST(child, sigchld_tells_of_a_deadly_signal)
{
	return check_end(ring, end_by_signal, CLD_KILLED, SIGKILL);
}

static bool is_change(const siginfo_t *info, pid_t pid, int code, int sig)
{
	return info->si_pid == pid && info->si_uid == NOBODY &&
	       info->si_code == code && info->si_status == sig;
}

THREADS_TEST(child, stop_and_continue_are_told_with_the_credentials_of_the_user_side)
{
	siginfo_t info, wait_info = {};
	struct flight f, g;
	struct kid k;

	block_signal(SIGCHLD);
	CHECK(flight_begin(&f, ring));
	if (!kid_fork(&k)) {
		KID_CHECK(flight_begin(&g, ring_alloc(16)));
		KID_CHECK(!setresuid(NOBODY, NOBODY, NOBODY) && kid_tell(&k));
		kid_hear(&k);
		_exit(48);
	}
	CHECK(kid_hear(&k) && !kill(k.pid, SIGSTOP));
	CHECK(take_signal(SIGCHLD, &info) == SIGCHLD);
	CHECK(!waitid(P_PID, k.pid, &wait_info, WSTOPPED));
	CHECK(info.si_pid == k.pid && wait_info.si_pid == k.pid);
	CHECK(info.si_uid == NOBODY);
	CHECK(is_change(&info, k.pid, CLD_STOPPED, SIGSTOP));
	CHECK(is_change(&wait_info, k.pid, CLD_STOPPED, SIGSTOP));
	CHECK(!kill(k.pid, SIGCONT));
	CHECK(take_signal(SIGCHLD, &info) == SIGCHLD);
	CHECK(!waitid(P_PID, k.pid, &wait_info, WCONTINUED));
	CHECK(is_change(&info, k.pid, CLD_CONTINUED, SIGCONT));
	CHECK(is_change(&wait_info, k.pid, CLD_CONTINUED, SIGCONT));
	CHECK(kid_tell(&k) && kid_status(&k) == 48 << 8);
	CHECK(flight_end(&f, ring));
	return NULL;
}

/* Children that want to die with the thread that forked them. */
struct mortals {
	struct kid	k[2];
	struct kid	self, us;
};

static bool mortal_fork(struct kid *k, struct syslet_ring *ring)
{
	if (!kid_fork(k)) {
		KID_CHECK(!prctl(PR_SET_PDEATHSIG, SIGTERM));
		/* it is the thread's, wherever that is */
		KID_CHECK(!ring || !force_handoff(ring));
		kid_live(k);
	}
	return k->pid > 0;
}

static void *mortals_main(void *arg)
{
	struct mortals *m = arg;
	struct syslet_ring *ring = ring_alloc(16);
	struct flight f;

	CHECK(mortal_fork(&m->k[0], NULL));
	CHECK(flight_begin(&f, ring));
	CHECK(mortal_fork(&m->k[1], ring_alloc(16)));
	CHECK(kid_tell(&m->self) && kid_hear(&m->self));
	CHECK(flight_end(&f, ring));
	/* helpers retire, which have been their parent for a while */
	while (count_threads() > 3)
		sched_yield();
	CHECK(kid_tell(&m->self) && kid_hear(&m->self));
	return NULL;
}

static void mortals_init(struct mortals *m)
{
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		_exit(1);
	m->self = (struct kid){ .to = from[1], .from = to[0] };
	m->us = (struct kid){ .to = to[1], .from = from[0] };
}

/* The forking thread lives until told: m->us is the way to it. */
static const char *mortals_check(struct mortals *m)
{
	int status;

	for (int i = 0; i < 2; i++) {
		CHECK(kid_hear(&m->us));
		for (int j = 0; j < 2; j++)
			CHECK(kid_lives(&m->k[j]));
		CHECK(kid_tell(&m->us));
	}
	for (int j = 0; j < 2; j++) {
		CHECK(waitpid(m->k[j].pid, &status, 0) == m->k[j].pid);
		CHECK(status == SIGTERM);
	}
	return NULL;
}

TEST(pdeathsig_comes_when_the_forking_thread_exits_and_not_before)
{
	struct mortals m;
	const char *err;
	pthread_t t;
	void *ret;

	mortals_init(&m);
	ASSERT_EQ(0, pthread_create(&t, NULL, mortals_main, &m));
	err = mortals_check(&m);
	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
	ASSERT_EQ(0, pthread_join(t, &ret));
	ASSERT_EQ(NULL, ret);
}

static void *mortals_observe(void *arg)
{
	const char *err = mortals_check(arg);

	if (err)
		fprintf(stderr, "# %s\n", err);
	_exit(err ? 1 : 0);
}

TEST(pdeathsig_of_the_main_threads_children_comes_when_it_exits)
{
	struct mortals m;
	struct kid k;
	pthread_t t;

	if (!kid_fork(&k)) {
		mortals_init(&m);
		KID_CHECK(!pthread_create(&t, NULL, mortals_observe, &m));
		KID_CHECK(!mortals_main(&m));
		pthread_exit(NULL);
	}
	ASSERT_EQ(0, kid_status(&k));
}

THREADS_TEST(child, orphans_come_to_a_subreaper_that_was_handed_off)
{
	struct kid k, orphan;
	struct flight f;
	pid_t pid = getpid(), grandchild;
	int fd[2], status;

	CHECK(!pipe(fd) && !prctl(PR_SET_CHILD_SUBREAPER, 1));
	CHECK(flight_begin(&f, ring));
	if (!kid_fork(&k)) {
		grandchild = kid_fork(&orphan);
		if (!grandchild) {
			while (getppid() != pid)
				sched_yield();
			_exit(49);
		}
		KID_CHECK(write(fd[1], &grandchild, sizeof(grandchild)) == sizeof(grandchild));
		_exit(0);
	}
	CHECK(read(fd[0], &grandchild, sizeof(grandchild)) == sizeof(grandchild));
	CHECK(kid_status(&k) == 0);
	CHECK(!force_handoff(ring));
	CHECK(waitpid(grandchild, &status, 0) == grandchild && status == 49 << 8);
	CHECK(flight_end(&f, ring));
	return NULL;
}

/* exec by a thread that was handed off, and by another one. */
static void exec_shell(struct kid *k)
{
	/* the shell lives as long as its standard input */
	dup2(k->from, 0);
	execl("/bin/sh", "sh", "-c", "read x; exit 50", NULL);
	_exit(102);
}

static void *exec_main(void *arg)
{
	struct flight f;

	KID_CHECK(flight_begin(&f, ring_alloc(16)));
	exec_shell(arg);
	return NULL;
}

static int count_tasks(pid_t pid)
{
	char name[64];
	DIR *dir;
	int n = 0;

	snprintf(name, sizeof(name), "/proc/%d/task", pid);
	dir = opendir(name);
	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

TEST(exec_leaves_one_thread_with_the_pid_that_the_parent_knows)
{
	struct pollfd pfd = { .events = POLLIN };
	struct flight f;
	char comm[32];
	struct kid k;
	pthread_t t;

	for (int thread = 0; thread < 2; thread++) {
		if (!kid_fork(&k)) {
			KID_CHECK(kid_hear(&k) && flight_begin(&f, ring_alloc(16)));
			if (!thread)
				exec_shell(&k);
			KID_CHECK(!pthread_create(&t, NULL, exec_main, &k));
			for (;;)
				pause();
		}
		pfd.fd = syscall(__NR_pidfd_open, k.pid, 0);
		ASSERT_LE(0, pfd.fd);
		ASSERT_TRUE(kid_tell(&k));
		do {
			ASSERT_LT(0, task_text(k.pid, k.pid, "comm", comm, sizeof(comm)));
		} while (strcmp(comm, "sh"));
		ASSERT_EQ(1, count_tasks(k.pid));
		ASSERT_EQ(1, status_num(k.pid, k.pid, "Threads"));
		ASSERT_EQ(k.pid, status_num(k.pid, k.pid, "Tgid"));
		ASSERT_EQ(k.pid, status_num(k.pid, k.pid, "Pid"));
		ASSERT_EQ(0, poll(&pfd, 1, 0));
		ASSERT_EQ(0, syscall(__NR_pidfd_send_signal, pfd.fd, 0, NULL, 0));
		ASSERT_EQ(0, waitpid(k.pid, NULL, WNOHANG));
		ASSERT_EQ(1, write(k.to, "\n", 1));
		ASSERT_EQ(1, poll(&pfd, 1, -1));
		ASSERT_EQ(50 << 8, kid_status(&k));
		close(pfd.fd);
	}
}

static void *survivor_main(void *arg)
{
	struct kid *k = arg;

	kid_hear(k);
	_exit(51);
}

/* In clock ticks: field 22 of stat, the 20th after the name. */
static unsigned long long start_time(pid_t pid)
{
	unsigned long long t = 0;
	char text[1024], *p;

	if (task_text(pid, pid, "stat", text, sizeof(text)) <= 0)
		return 0;
	p = strrchr(text, ')');
	for (int i = 0; p && i < 20; i++)
		p = strchr(p + 1, ' ');
	if (p)
		t = strtoull(p, NULL, 10);
	return t;
}

TEST(zombie_has_the_name_and_start_time_of_the_main_thread)
{
	unsigned long long start;
	struct flight f;
	struct kid k;

	if (!kid_fork(&k)) {
		struct timespec now, then;

		/* a spare that is made now is younger by some ticks */
		clock_gettime(CLOCK_MONOTONIC, &then);
		do
			clock_gettime(CLOCK_MONOTONIC, &now);
		while (now.tv_sec == then.tv_sec);
		KID_CHECK(flight_begin(&f, ring_alloc(16)));
		KID_CHECK(!prctl(PR_SET_NAME, "renamed"));
		KID_CHECK(kid_tell(&k));
		kid_hear(&k);
		_exit(53);
	}
	ASSERT_TRUE(kid_hear(&k));
	start = start_time(k.pid);
	ASSERT_NE(0, start);
	ASSERT_TRUE(kid_tell(&k));
	while (task_state(k.pid, k.pid) != 'Z')
		sched_yield();
	EXPECT_EQ(start, start_time(k.pid));
	EXPECT_STREQ("renamed", status_field(k.pid, k.pid, "Name"));
	ASSERT_EQ(53 << 8, kid_status(&k));
}

TEST(main_thread_that_exits_is_a_zombie_until_the_last_thread_goes)
{
	static const int ends[] = { 51 << 8, SIGKILL };
	struct pollfd pfd = { .events = POLLIN };
	struct flight f;
	struct kid k;
	pthread_t t;

	for (unsigned int i = 0; i < ARRAY_LEN(ends); i++) {
		if (!kid_fork(&k)) {
			KID_CHECK(flight_begin(&f, ring_alloc(16)));
			KID_CHECK(!pthread_create(&t, NULL, survivor_main, &k));
			pthread_exit(NULL);
		}
		pfd.fd = syscall(__NR_pidfd_open, k.pid, 0);
		ASSERT_LE(0, pfd.fd);
		while (task_state(k.pid, k.pid) != 'Z')
			ASSERT_EQ(0, waitpid(k.pid, NULL, WNOHANG));
		ASSERT_EQ(0, poll(&pfd, 1, 0));
		ASSERT_EQ(0, waitpid(k.pid, NULL, WNOHANG));
		ASSERT_EQ(0, kill(k.pid, 0));
		ASSERT_TRUE(WIFSIGNALED(ends[i]) ? !kill(k.pid, SIGKILL) : kid_tell(&k));
		ASSERT_EQ(1, poll(&pfd, 1, -1));
		ASSERT_EQ(ends[i], kid_status(&k));
		close(pfd.fd);
	}
}

TEST(children_exit_at_the_same_time_as_their_parent)
{
	int n = getenv("SYSLET_QUICK") ? 30 : 200;
	struct kid k, grandkid[3];
	struct flight f;

	for (int i = 0; i < n; i++) {
		if (!kid_fork(&k)) {
			for (int j = 0; j < 3; j++) {
				if (!kid_fork(&grandkid[j]))
					_exit(!kid_hear(&grandkid[j]));
				KID_CHECK(j || flight_begin(&f, ring_alloc(16)));
			}
			for (int j = 0; j < 3; j++)
				KID_CHECK(kid_tell(&grandkid[j]));
			_exit(52);
		}
		ASSERT_EQ(52 << 8, kid_status(&k));
	}
}

TEST_HARNESS_MAIN
