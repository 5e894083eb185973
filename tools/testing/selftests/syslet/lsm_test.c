// SPDX-License-Identifier: GPL-2.0-only
/*
 * What security modules keep for a thread, whichever task carries it: Landlock
 * domains, which are credentials; AppArmor profiles, of which a part is not.
 * Calls through indirect(2) are denied as plain ones are.
 *
 * AppArmor has to be on the command line of the kernel (lsm=landlock,apparmor);
 * its profiles are in apparmor.policy beside the test.
 */
#include <linux/landlock.h>
#include <sys/mount.h>

#include "batch.h"
#include "threads.h"

THREADS_FIXTURE(lsm)

/* Opened for writing through all ways: what each of them comes to. */
static long open_plain(const char *name)
{
	long fd = syslet_ret(open(name, O_RDWR | O_CLOEXEC));

	return fd < 0 ? fd : close(fd);
}

static const char *opens_to(struct syslet_ring *ring, const char *name, long want)
{
	struct indirect_registers regs = CALL(__NR_open, P(name), O_RDWR | O_CLOEXEC);
	struct syslet_call calls[3];
	long ret;

	CHECK(open_plain(name) == want);
	for (int how = 0; how < 2; how++) {
		ret = how ? submit(ring, regs, 0) : call_plain(regs);
		CHECK(want ? ret == want : ret >= 0 && !close(ret));
	}
	calls[0] = calls[2] = ENTRY(0, __NR_getpid);
	calls[1] = ENTRY(1, regs.nr);
	memcpy(calls[1].args, regs.args, sizeof(regs.args));
	CHECK(BATCH(ring, calls) == 3 && calls[2].result == getpid());
	CHECK(want ? calls[1].result == want : calls[1].result >= 0 && !close(calls[1].result));
	return NULL;
}

static bool make_file(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd >= 0 && !close(fd);
}

static long servant_opens(void *name)
{
	return open_plain(name);
}

/* --- Landlock ------------------------------------------------------------------------ */

#define LOCKED_DIR	"/tmp/lsm"
#define LOCKED		LOCKED_DIR "/locked"
#define FREE		"/dev/null"

static int landlock_create(const struct landlock_ruleset_attr *attr, size_t size, uint32_t flags)
{
	return syscall(__NR_landlock_create_ruleset, attr, size, flags);
}

static bool have_landlock(void)
{
	return landlock_create(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

/* Nothing may be written, but below a directory. */
static int landlock_writes_only(const char *dir)
{
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_WRITE_FILE };
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE };
	int fd = landlock_create(&attr, sizeof(attr), 0);

	beneath.parent_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || syscall(__NR_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0))
		return -1;
	close(beneath.parent_fd);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -1 : fd;
}

static bool landlock_restrict(int fd)
{
	return fd >= 0 && !syscall(__NR_landlock_restrict_self, fd, 0) && !close(fd);
}

static bool landlock_files(void)
{
	mkdir(LOCKED_DIR, 0700);
	return make_file(LOCKED) && make_file("/tmp/lsm.other");
}

THREADS_TEST_IF(lsm, landlock_domain_entered_with_calls_in_flight, have_landlock(), "no Landlock")
{
	struct servant *s = servant_start();
	const char *err = NULL;
	struct flight f;

	CHECK(s && landlock_files() && flight_begin(&f, ring));
	err = opens_to(ring, LOCKED, 0);
	CHECK(!err && landlock_restrict(landlock_writes_only("/dev")));
	for (int i = 0; i < 4 && !err; i++) {
		err = opens_to(ring, LOCKED, -EACCES) ?: opens_to(ring, FREE, 0);
		CHECK(i != 1 || flight_end(&f, ring));
		CHECK(!force_handoff(ring));
	}
	/* and only that thread */
	CHECK(servant_do(s, servant_opens, LOCKED) == 0);
	return err;
}

THREADS_TEST_IF(lsm, landlock_domains_are_stacked, have_landlock(), "no Landlock")
{
	const char *err;

	CHECK(landlock_files() && !force_handoff(ring));
	CHECK(landlock_restrict(landlock_writes_only("/tmp")) && !force_handoff(ring));
	err = opens_to(ring, LOCKED, 0) ?: opens_to(ring, FREE, -EACCES);
	CHECK(!err);
	CHECK(landlock_restrict(landlock_writes_only(LOCKED_DIR)) && !force_handoff(ring));
	return opens_to(ring, LOCKED, 0) ?: opens_to(ring, "/tmp/lsm.other", -EACCES);
}

THREADS_TEST_IF(lsm, landlock_domain_entered_in_a_batch, have_landlock(), "no Landlock")
{
	struct syslet_call calls[6];
	int in[2], domain;
	char c;

	CHECK(landlock_files() && !pipe(in) && !force_handoff(ring));
	domain = landlock_writes_only("/dev");
	calls[0] = TAKE(0, in, &c);
	calls[1] = ENTRY(1, __NR_open, P(LOCKED), O_RDWR | O_CLOEXEC);
	calls[2] = ENTRY(2, __NR_landlock_restrict_self, domain, 0);
	calls[3] = ENTRY(3, __NR_open, P(LOCKED), O_RDWR | O_CLOEXEC);
	calls[4] = TAKE(4, in, &c);
	calls[5] = ENTRY(5, __NR_open, P(LOCKED), O_RDWR | O_CLOEXEC);
	CHECK(BATCH(ring, calls) == 6);
	CHECK(calls[0].result == -ESYSLETPENDING && calls[1].result >= 0 && !calls[2].result);
	CHECK(calls[3].result == -EACCES && calls[4].result == -ESYSLETPENDING);
	CHECK(calls[5].result == -EACCES);
	return opens_to(ring, LOCKED, -EACCES);
}

/* --- AppArmor ------------------------------------------------------------------------- */

#define SECURITYFS	"/sys/kernel/security"
#define CONFINED	"/tmp/lsm.confined"
#define HAT		"/tmp/lsm.hat"
#define OTHER		"/tmp/lsm.other"
#define ATTR		"/proc/thread-self/attr/apparmor/"

static bool have_apparmor(void)
{
	char list[128];

	mount("securityfs", SECURITYFS, "securityfs", 0, NULL);
	return read_text(SECURITYFS "/lsm", list, sizeof(list)) > 0 && strstr(list, "apparmor");
}

/* As the compiler has made them: they come from beside the program. */
static bool load_profiles(void)
{
	char name[256] = "", policy[1 << 16];
	ssize_t n, len;
	int fd;

	n = readlink("/proc/self/exe", name, sizeof(name) - 32);
	if (n <= 0)
		return false;
	strcpy(strrchr(name, '/'), "/apparmor.policy");
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		printf("# %s: %m; it is made by vm/tests.sh\n", name);
		return false;
	}
	len = read(fd, policy, sizeof(policy));
	close(fd);
	fd = open(SECURITYFS "/apparmor/.replace", O_WRONLY | O_CLOEXEC);
	n = write(fd, policy, len);
	close(fd);
	return len > 0 && n == len && make_file(CONFINED) && make_file(HAT) && make_file(OTHER);
}

/* Both ways to see it. */
static bool attr_is(const char *attr, const char *label)
{
	char name[64], own[128] = "", by_tid[128] = "";

	snprintf(name, sizeof(name), ATTR "%s", attr);
	read_text(name, own, sizeof(own));
	snprintf(name, sizeof(name), "/proc/%d/task/%d/attr/apparmor/%s", getpid(), gettid(), attr);
	read_text(name, by_tid, sizeof(by_tid));
	if (!strcmp(own, label) && !strcmp(by_tid, label))
		return true;
	printf("# %s is '%s' and '%s'\n", attr, own, by_tid);
	return false;
}

static int attr_set(const char *attr, const char *text)
{
	char name[64];

	snprintf(name, sizeof(name), ATTR "%s", attr);
	return write_text(name, text);
}

static long servant_loads(void *arg)
{
	return load_profiles() ? 0 : -EIO;
}

#define APPARMOR_TEST(name)	\
	THREADS_TEST_IF(lsm, name, have_apparmor(), "no lsm=...,apparmor")

APPARMOR_TEST(apparmor_profile_entered_with_calls_in_flight)
{
	struct servant *s = servant_start();
	const char *err;
	struct flight f;

	CHECK(s && load_profiles() && flight_begin(&f, ring));
	err = opens_to(ring, CONFINED, 0);
	CHECK(!err && !attr_set("current", "changeprofile syslet-confined"));
	for (int i = 0; i < 4 && !err; i++) {
		CHECK(attr_is("current", "syslet-confined (enforce)"));
		err = opens_to(ring, CONFINED, -EACCES) ?: opens_to(ring, OTHER, 0);
		CHECK(i != 1 || flight_end(&f, ring));
		/* by a newer version of the same profile, too */
		CHECK(i != 2 || servant_do(s, servant_loads, NULL) == 0);
		CHECK(!force_handoff(ring));
	}
	CHECK(servant_do(s, servant_opens, CONFINED) == 0);
	return err;
}

/* What cat says of two files tells which profile it has. */
static int exec_label(const char *name)
{
	char *args[] = { "cat", (char *)name, NULL };
	int null = open("/dev/null", O_WRONLY);

	dup2(null, 2);
	execv("/bin/cat", args);
	return 99;
}

/* Set for the next execve(), with handoffs in between, in a child that makes it. */
static void change_onexec(struct syslet_ring *ring, const char *file)
{
	struct flight f;

	KID_CHECK(flight_begin(&f, ring));
	KID_CHECK(!attr_set("exec", "exec syslet-confined"));
	for (int i = 0; i < 3; i++) {
		KID_CHECK(attr_is("exec", "syslet-confined (enforce)"));
		KID_CHECK(attr_is("current", "unconfined"));
		KID_CHECK(!force_handoff(ring));
	}
	KID_CHECK(flight_end(&f, ring));
	_exit(exec_label(file));
}

/* Spares were made with another one, which is not to come back. */
static void change_onexec_twice(struct syslet_ring *ring, const char *file)
{
	KID_CHECK(!force_handoff(ring) && !attr_set("exec", "exec syslet-other"));
	KID_CHECK(retire_spares(ring));
	KID_CHECK(!attr_set("exec", "exec syslet-confined"));
	for (int i = 0; i < 3; i++) {
		KID_CHECK(!force_handoff(ring));
		KID_CHECK(attr_is("exec", "syslet-confined (enforce)"));
	}
	_exit(exec_label(file));
}

APPARMOR_TEST(apparmor_profile_for_execve_set_before_handoffs)
{
	static void (*const fn[])(struct syslet_ring *ring, const char *file) = {
		change_onexec, change_onexec_twice,
	};
	struct kid k;

	CHECK(load_profiles());
	for (unsigned int i = 0; i < 2 * ARRAY_LEN(fn); i++) {
		if (!kid_fork(&k))
			fn[i / 2](ring_alloc(16), i % 2 ? CONFINED : OTHER);
		CHECK(kid_status(&k) == (i % 2 ? 1 << 8 : 0));
	}
	return NULL;
}

/* A task that has been a runner does not bring back what was set then. */
APPARMOR_TEST(apparmor_profile_for_execve_taken_back)
{
	struct kid k;

	CHECK(load_profiles());
	if (!kid_fork(&k)) {
		ring = ring_alloc(16);
		KID_CHECK(!force_handoff(ring) && !attr_set("exec", "exec syslet-confined"));
		KID_CHECK(!force_handoff(ring) && retire_spares(ring));
		KID_CHECK(attr_is("exec", "syslet-confined (enforce)"));
		/* the own profile, which is no change */
		KID_CHECK(!attr_set("exec", "exec unconfined"));
		for (int i = 0; i < 4; i++) {
			KID_CHECK(attr_is("exec", "unconfined"));
			KID_CHECK(!force_handoff(ring));
		}
		_exit(exec_label(CONFINED));
	}
	CHECK(kid_status(&k) == 0);
	return NULL;
}

APPARMOR_TEST(apparmor_hat_and_the_way_back)
{
	const char *err = NULL;
	struct flight f;

	CHECK(load_profiles() && flight_begin(&f, ring));
	CHECK(!attr_set("current", "changeprofile syslet-confined"));
	for (int i = 0; i < 4 && !err; i++) {
		CHECK(attr_is("current", "syslet-confined (enforce)"));
		CHECK(attr_is("prev", ""));
		CHECK(!attr_set("current", "changehat 000000000000002a^hat"));
		CHECK(!force_handoff(ring));
		CHECK(attr_is("current", "syslet-confined//hat (enforce)"));
		CHECK(attr_is("prev", "syslet-confined (enforce)"));
		err = opens_to(ring, HAT, -EACCES) ?: opens_to(ring, OTHER, 0);
		CHECK(!force_handoff(ring));
		/* with the token that only it knows */
		CHECK(attr_set("current", "changehat 000000000000002a^") == 0);
		CHECK(!force_handoff(ring));
		err = err ?: opens_to(ring, HAT, 0);
		CHECK(i != 1 || flight_end(&f, ring));
	}
	return err;
}

/* A wrong one is deadly: also for who was handed off since. */
APPARMOR_TEST(apparmor_hat_left_with_a_wrong_token)
{
	struct kid k;

	CHECK(load_profiles());
	if (!kid_fork(&k)) {
		ring = ring_alloc(16);
		KID_CHECK(!force_handoff(ring));
		KID_CHECK(!attr_set("current", "changeprofile syslet-confined"));
		KID_CHECK(!attr_set("current", "changehat 000000000000002a^hat"));
		KID_CHECK(!force_handoff(ring));
		attr_set("current", "changehat 000000000000002b^");
		_exit(5);
	}
	CHECK(kid_status(&k) == SIGKILL);
	return NULL;
}

/*
 * With no_new_privs a thread may add profiles and take those away again: but not
 * the one that it had at first, which is kept for its task.
 */
static int stack_and_unstack(struct syslet_ring *ring, bool handoff)
{
	if ((handoff && force_handoff(ring)) ||
	    attr_set("current", "changeprofile syslet-confined") ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    attr_set("current", "stack syslet-other") ||
	    open_plain(OTHER) != -EACCES || open_plain(CONFINED) != -EACCES)
		return 100;
	if (handoff && force_handoff(ring))
		return 101;
	if (attr_set("current", "changeprofile syslet-other") != -EPERM)
		return 102;
	if (handoff && force_handoff(ring))
		return 103;
	if (attr_set("current", "changeprofile syslet-confined"))
		return 104;
	return attr_is("current", "syslet-confined (enforce)") && !open_plain(OTHER) ? 0 : 105;
}

APPARMOR_TEST(apparmor_profiles_that_no_new_privs_allows)
{
	struct kid k;

	CHECK(load_profiles());
	for (int handoff = 0; handoff < 2; handoff++) {
		if (!kid_fork(&k))
			_exit(stack_and_unstack(ring_alloc(4), handoff));
		CHECK(kid_status(&k) == 0);
	}
	return NULL;
}

TEST_HARNESS_MAIN
