// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a thread is confined to, whichever task carries it: filters, namespaces,
 * directories. All of it is changed here after spares were made.
 */
#include <dirent.h>
#include <linux/keyctl.h>
#include <sys/personality.h>
#include <sys/utsname.h>

#include "filter.h"
#include "threads.h"

THREADS_FIXTURE(confine)

/* --- filters --------------------------------------------------------------- */

static long forbid_for_me(void *arg)
{
	return forbid(0, __NR_mkdir);
}

static long forbid_for_all(void *spin)
{
	for (volatile long n = (long)spin; n; n--)
		;
	return forbid(SECCOMP_FILTER_FLAG_TSYNC, __NR_mkdir);
}

static const char *dir_name(void)
{
	static __thread char name[64];

	snprintf(name, sizeof(name), "/tmp/dir.%d.%d", getpid(), gettid());
	return name;
}

static long make_dir(void *arg)
{
	return syslet_ret(syscall(__NR_mkdir, dir_name(), 0700)) ?:
	       syslet_ret(rmdir(dir_name()));
}

/* However it is made. */
static const char *mkdir_is_forbidden(struct syslet_ring *ring)
{
	struct indirect_registers regs = CALL(__NR_mkdir, P(dir_name()), 0700);

	CHECK(make_dir(NULL) == -FORBIDDEN);
	CHECK(call_plain(regs) == -FORBIDDEN && submit(ring, regs, 0) == -FORBIDDEN);
	CHECK(submit_args(regs, (struct syslet_args){ .completion_ring_ptr = P(ring),
						      .flags = SYSLET_SYNC_OK }) == -FORBIDDEN);
	CHECK(access(dir_name(), F_OK) && errno == ENOENT);
	CHECK(status_num(getpid(), gettid(), "Seccomp") == SECCOMP_MODE_FILTER);
	CHECK(status_num(getpid(), gettid(), "NoNewPrivs") == 1);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	return NULL;
}

/* In all tasks, also those that are not known as threads. */
static bool all_tasks_are_filtered(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *d;
	bool ret = dir;
	long mode;

	while (ret && (d = readdir(dir))) {
		if (!atoi(d->d_name))
			continue;
		mode = status_num(getpid(), atoi(d->d_name), "Seccomp");
		/* -1: it has exited since */
		ret = mode == SECCOMP_MODE_FILTER || mode == -1;
	}
	closedir(dir);
	return ret;
}

THREADS_TEST(confine, no_new_privs_set_after_spares_were_made)
{
	struct flight f;

	CHECK(flight_begin(&f, ring));
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
	CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	for (int i = 0; i < 4; i++) {
		CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
		CHECK(status_num(getpid(), gettid(), "NoNewPrivs") == 1);
		CHECK(i != 2 || flight_end(&f, ring));
		CHECK(!force_handoff(ring));
	}
	return NULL;
}

static long handoff_and_make_dir(void *arg)
{
	return force_handoff(arg) ?: make_dir(NULL);
}

THREADS_TEST(confine, filter_of_a_thread_with_calls_in_flight)
{
	struct servant *s = servant_start();
	struct flight f;
	const char *err;

	CHECK(s && flight_begin(&f, ring));
	CHECK(make_dir(NULL) == 0 && forbid_for_me(NULL) == 0);
	err = mkdir_is_forbidden(ring);
	CHECK(flight_end(&f, ring));
	/* and of that one only */
	CHECK(servant_do(s, handoff_and_make_dir, ring_alloc(4)) == 0);
	return err ?: mkdir_is_forbidden(ring);
}

THREADS_TEST(confine, filter_from_another_thread_with_calls_in_flight)
{
	struct servant *s = servant_start();
	struct flight f;
	const char *err;

	CHECK(s && flight_begin(&f, ring));
	CHECK(make_dir(NULL) == 0 && servant_do(s, forbid_for_all, NULL) == 0);
	err = mkdir_is_forbidden(ring);
	CHECK(all_tasks_are_filtered());
	CHECK(flight_end(&f, ring));
	return err ?: mkdir_is_forbidden(ring);
}

static long filter_spin;

/* Once the filter is there it stays there, for calls of both kinds. */
static const char *handoffs_until_filtered(struct syslet_ring *ring)
{
	long plain, indirect;
	struct blocker b;
	struct servant *s = servant_start();

	CHECK(s && !force_handoff(ring));
	servant_tell(s, forbid_for_all, (void *)filter_spin);
	do {
		plain = make_dir(NULL);
		CHECK(blocker_begin(&b, ring, 0) == -ESYSLETPENDING);
		indirect = submit(ring, CALL(__NR_mkdir, P("/"), 0700), 0);
		CHECK(plain == -FORBIDDEN ? indirect == -FORBIDDEN : !plain);
		CHECK(indirect == -FORBIDDEN || indirect == -EEXIST);
		CHECK(blocker_end(&b, ring) == 1);
	} while (indirect != -FORBIDDEN);
	CHECK(servant_wait(s) == 0);
	CHECK(all_tasks_are_filtered() && !force_handoff(ring) && all_tasks_are_filtered());
	return mkdir_is_forbidden(ring);
}

TEST_F_TIMEOUT(confine, filter_that_comes_in_a_storm_of_handoffs, 120)
{
	int n = getenv("SYSLET_QUICK") ? 10 : 60;
	const char *err;
	struct kid k;

	for (int i = 0; i < n; i++) {
		filter_spin = i * 7919 % 100003;
		if (!kid_fork(&k)) {
			err = threads_run(variant->thread, handoffs_until_filtered);
			if (err)
				fprintf(stderr, "# %s\n", err);
			_exit(!!err);
		}
		ASSERT_EQ(0, kid_status(&k));
	}
}

/* --- namespaces ------------------------------------------------------------ */

static const struct {
	int flag;
	const char *name;
} spaces[] = {
	{ CLONE_NEWUTS, "uts" },
	{ CLONE_NEWIPC, "ipc" },
	{ CLONE_NEWNET, "net" },
	{ CLONE_NEWCGROUP, "cgroup" },
	{ CLONE_NEWNS, "mnt" },
	{ 0x80 /* CLONE_NEWTIME */, "time_for_children" },
};

/* Both ways to see it show the same; "" if not. */
static const char *space(const char *name)
{
	static __thread char own[64], by_tid[64];
	char path[64];
	ssize_t n, m;

	snprintf(path, sizeof(path), "/proc/thread-self/ns/%s", name);
	n = readlink(path, own, sizeof(own) - 1);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/ns/%s", getpid(), gettid(), name);
	m = readlink(path, by_tid, sizeof(by_tid) - 1);
	if (n <= 0 || n != m || memcmp(own, by_tid, n))
		return "";
	own[n] = 0;
	return own;
}

static bool is_in(const char *name, const char *id)
{
	return *id && !strcmp(space(name), id);
}

/* Its old and its new one, by descriptors and by names. */
struct move {
	int fd;
	char before[64], after[64];
};

static bool space_leave(struct move *m, int flag, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/thread-self/ns/%s", name);
	m->fd = open(path, O_RDONLY | O_CLOEXEC);
	strcpy(m->before, space(name));
	if (m->fd < 0 || unshare(flag))
		return false;
	strcpy(m->after, space(name));
	return *m->before && *m->after && strcmp(m->before, m->after);
}

THREADS_TEST(confine, namespaces_left_with_calls_in_flight)
{
	struct flight f;
	struct move m;

	CHECK(flight_begin(&f, ring));
	for (unsigned int i = 0; i < ARRAY_LEN(spaces); i++) {
		const char *name = spaces[i].name;

		if (!*space(name))
			continue;	/* not in this kernel */
		printf("# %s\n", name);
		CHECK(space_leave(&m, spaces[i].flag, name));
		CHECK(!force_handoff(ring) && is_in(name, m.after));
		CHECK(!force_handoff(ring) && is_in(name, m.after));
		/* the others go back in a test of their own, or not at all */
		if (spaces[i].flag == CLONE_NEWNS || spaces[i].flag == 0x80)
			continue;
		CHECK(!setns(m.fd, spaces[i].flag) && is_in(name, m.before));
		CHECK(!force_handoff(ring) && is_in(name, m.before));
	}
	CHECK(flight_end(&f, ring) && !force_handoff(ring));
	return NULL;
}

THREADS_TEST(confine, mount_namespace_left_and_entered_again)
{
	struct move m;

	CHECK(!force_handoff(ring));
	CHECK(space_leave(&m, CLONE_NEWNS, "mnt"));
	CHECK(!force_handoff(ring) && is_in("mnt", m.after));
	/* needs a file system context of its own, which the thread has */
	CHECK(!setns(m.fd, CLONE_NEWNS) && is_in("mnt", m.before));
	CHECK(!force_handoff(ring) && is_in("mnt", m.before));
	return NULL;
}

static bool host_is(const char *name)
{
	struct utsname uts;

	return !uname(&uts) && !strcmp(uts.nodename, name);
}

static long host_is_unchanged(void *old)
{
	return host_is(old);
}

THREADS_TEST(confine, host_name_is_set_in_the_namespace_of_the_thread)
{
	char old[HOST_NAME_MAX + 1];
	struct servant *s = servant_start();

	CHECK(s && !gethostname(old, sizeof(old)));
	CHECK(!force_handoff(ring) && !unshare(CLONE_NEWUTS) && !force_handoff(ring));
	CHECK(!sethostname("plain", 5) && host_is("plain"));
	CHECK(!force_handoff(ring) && host_is("plain"));
	CHECK(result(ring, CALL(__NR_sethostname, P("indirect"), 8)) == 0);
	CHECK(host_is("indirect") && !force_handoff(ring) && host_is("indirect"));
	CHECK(servant_do(s, host_is_unchanged, old));
	return NULL;
}

/* Tasks of one process are in one PID namespace: there can be no spare. */
THREADS_TEST(confine, refused_while_children_would_be_in_another_pid_namespace)
{
	int fd = open("/proc/self/ns/pid", O_RDONLY);

	CHECK(fd >= 0 && !force_handoff(ring) && !is_refused(ring));
	CHECK(!unshare(CLONE_NEWPID));
	CHECK(is_refused(ring));
	CHECK(!setns(fd, CLONE_NEWPID));
	CHECK(!force_handoff(ring));
	return NULL;
}

/* --- files and directories ------------------------------------------------- */

struct view {
	char cwd[64];
	int fd;
	bool has_fd;
	mode_t mask;
};

static long look(void *arg)
{
	struct view *v = arg;

	v->mask = umask(0);
	umask(v->mask);
	v->has_fd = fcntl(v->fd, F_GETFD) >= 0;
	return getcwd(v->cwd, sizeof(v->cwd)) ? 0 : -errno;
}

static bool sees(struct view *v, const char *cwd, mode_t mask, bool has_fd)
{
	return !strcmp(v->cwd, cwd) && v->mask == mask && v->has_fd == has_fd;
}

static long change_view(void *arg)
{
	umask(077);
	return chdir("/sys");
}

THREADS_TEST(confine, directory_umask_and_files_unshared_by_the_thread)
{
	struct view mine, others;
	struct servant *s = servant_start();
	struct flight f;

	CHECK(s && !chdir("/tmp"));
	umask(022);
	CHECK(flight_begin(&f, ring));
	CHECK(!unshare(CLONE_FS | CLONE_FILES));
	umask(027);
	CHECK(!chdir("/proc"));
	others.fd = mine.fd = eventfd(0, 0);
	CHECK(mine.fd >= 0);
	for (int i = 0; i < 6; i++) {
		CHECK(!force_handoff(ring));
		CHECK(!look(&mine) && sees(&mine, "/proc", 027, true));
		CHECK(!servant_do(s, look, &others));
		CHECK(sees(&others, i < 2 ? "/tmp" : "/sys", i < 2 ? 022 : 077, false));
		CHECK(i != 1 || !servant_do(s, change_view, NULL));
		CHECK(i != 3 || flight_end(&f, ring));
	}
	return NULL;
}

THREADS_TEST(confine, directory_and_umask_changed_with_calls_in_flight)
{
	struct view mine = { .fd = -1 }, others = { .fd = -1 };
	struct servant *s = servant_start();
	struct flight f;

	CHECK(s && flight_begin(&f, ring));
	CHECK(!chdir("/proc"));
	umask(027);
	CHECK(!force_handoff(ring) && !look(&mine) && sees(&mine, "/proc", 027, false));
	/* shared: by threads, and by the calls that they make */
	CHECK(!servant_do(s, look, &others) && sees(&others, "/proc", 027, false));
	CHECK(!servant_do(s, change_view, NULL) && !force_handoff(ring));
	CHECK(!look(&mine) && sees(&mine, "/sys", 077, false));
	CHECK(flight_end(&f, ring) && !force_handoff(ring));
	CHECK(!look(&mine) && sees(&mine, "/sys", 077, false));
	return NULL;
}

THREADS_TEST(confine, chroot_with_calls_in_flight)
{
	char name[] = "/tmp/jail.XXXXXX";
	struct flight f;
	struct stat st;

	CHECK(mkdtemp(name) && flight_begin(&f, ring));
	CHECK(!chdir(name) && !mkdir("inside", 0700));
	CHECK(!chroot(".") && !chdir("/"));
	for (int i = 0; i < 4; i++) {
		CHECK(!force_handoff(ring));
		CHECK(!stat("/inside", &st) && !stat("inside", &st));
		CHECK(stat("/proc", &st) && errno == ENOENT);
		CHECK(stat("/../proc", &st) && errno == ENOENT);
		CHECK(result(ring, CALL(__NR_stat, P("/proc"), P(&st))) == -ENOENT);
		CHECK(result(ring, CALL(__NR_stat, P("/inside"), P(&st))) == 0);
		CHECK(i != 2 || flight_end(&f, ring));
	}
	return NULL;
}

THREADS_TEST(confine, personality_set_with_calls_in_flight)
{
	unsigned long want = ADDR_NO_RANDOMIZE | MMAP_PAGE_ZERO | 0x0020000 /* UNAME26 */;
	struct utsname uts;
	struct flight f;

	CHECK(flight_begin(&f, ring));
	CHECK(personality(want) >= 0);
	for (int i = 0; i < 4; i++) {
		CHECK((unsigned long)personality(0xffffffff) == want);
		CHECK(!uname(&uts) && !strncmp(uts.release, "2.6.", 4));
		CHECK(i != 2 || flight_end(&f, ring));
		CHECK(!force_handoff(ring));
	}
	return NULL;
}

/* --- what a program with one thread may do ---------------------------------- */

static int leave_user_namespace(void)
{
	return unshare(CLONE_NEWUSER) ? errno : 0;
}

static int enter_mount_namespace(void)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY);

	return setns(fd, CLONE_NEWNS) ? errno : 0;
}

static int enter_time_namespace(void)
{
	int fd = open("/proc/self/ns/time", O_RDONLY);

	return setns(fd, 0x80) ? errno : 0;
}

static int unshare_thread(void)
{
	return unshare(CLONE_THREAD) ? errno : 0;
}

static int die_by_filter(void)
{
	struct rlimit lim = { 1 << 20, 1 << 20 };

	if (chdir("/tmp") || setrlimit(RLIMIT_CORE, &lim))
		return 100;
	return filter_call(0, __NR_mkdir, SECCOMP_RET_KILL_THREAD) ? 101 : (int)make_dir(NULL);
}

FIXTURE(alone) { };
FIXTURE_VARIANT(alone) { int (*fn)(void); };
FIXTURE_VARIANT_ADD(alone, unshare_user) { .fn = leave_user_namespace };
FIXTURE_VARIANT_ADD(alone, unshare_thread) { .fn = unshare_thread };
FIXTURE_VARIANT_ADD(alone, setns_mount) { .fn = enter_mount_namespace };
FIXTURE_VARIANT_ADD(alone, setns_time) { .fn = enter_time_namespace };
FIXTURE_VARIANT_ADD(alone, seccomp_kill) { .fn = die_by_filter };
FIXTURE_SETUP(alone) { }
FIXTURE_TEARDOWN(alone) { }

TEST_F(alone, has_the_same_result_as_without_spares)
{
	int status[2];
	struct kid k;

	for (int spares = 0; spares < 2; spares++) {
		if (!kid_fork(&k)) {
			if (spares)
				KID_CHECK(!force_handoff(ring_alloc(4)));
			_exit(variant->fn());
		}
		status[spares] = kid_status(&k);
	}
	ASSERT_EQ(status[0], status[1]);
}

TEST_HARNESS_MAIN
