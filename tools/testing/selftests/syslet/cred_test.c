// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a thread may do, whichever task carries it: credentials, keyrings,
 * filters, namespaces. All of it is changed here after spares were made.
 */
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/personality.h>

#include "missing.h"
#include "threads.h"

THREADS_FIXTURE(cred)

#define SOMEBODY	1000

/* A file that only its owner can open; its name. */
static const char *private_file(uid_t owner)
{
	static __thread char name[32];
	int fd;

	strcpy(name, "/tmp/private.XXXXXX");
	fd = mkstemp(name);
	return fd >= 0 && !fchmod(fd, 0600) && !fchown(fd, owner, -1) && !close(fd) ? name : NULL;
}

static int may_open(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : close(fd);
}

static int may_open_indirect(struct syslet_ring *ring, const char *name)
{
	long fd = result(ring, CALL(__NR_openat, AT_FDCWD, P(name), O_RDONLY | O_CLOEXEC));

	return fd < 0 ? fd : close(fd);
}

/* setresuid() of this thread alone: glibc's is for all. */
static bool set_uids(uid_t ruid, uid_t euid, uid_t suid)
{
	return !syscall(__NR_setresuid, ruid, euid, suid);
}

static bool has_uids(uid_t ruid, uid_t euid, uid_t suid)
{
	uid_t r = -2, e = -2, s = -2;
	char want[64], fs[16];

	snprintf(want, sizeof(want), "%u\t%u\t%u\t", ruid, euid, suid);
	snprintf(fs, sizeof(fs), "%u", (unsigned int)setfsuid(-1));
	strcat(want, fs);
	return !syscall(__NR_getresuid, &r, &e, &s) && r == ruid && e == euid && s == suid &&
	       syscall(__NR_geteuid) == euid &&
	       !strcmp(status_field(getpid(), gettid(), "Uid"), want);
}

THREADS_TEST(cred, ids_and_groups_set_with_calls_in_flight)
{
	gid_t groups[] = { 7, 8, 9 }, got[4], r, e, s;
	struct flight f;

	CHECK(flight_begin(&f, ring));
	CHECK(!syscall(__NR_setgroups, 3, groups));
	CHECK(!syscall(__NR_setresgid, 10, 11, 12));
	CHECK(set_uids(SOMEBODY, SOMEBODY + 1, 0));
	CHECK(setfsuid(SOMEBODY) == SOMEBODY + 1);
	for (int i = 0; i < 4; i++) {
		CHECK(has_uids(SOMEBODY, SOMEBODY + 1, 0));
		CHECK(setfsuid(-1) == SOMEBODY);
		CHECK(!syscall(__NR_getresgid, &r, &e, &s) && r == 10 && e == 11 && s == 12);
		CHECK(getgroups(4, got) == 3 && !memcmp(got, groups, sizeof(groups)));
		CHECK(i != 2 || flight_end(&f, ring));
		CHECK(!force_handoff(ring));
	}
	CHECK(set_uids(0, 0, 0));
	CHECK(!force_handoff(ring) && has_uids(0, 0, 0));
	return NULL;
}

/* glibc makes each thread do it, by a signal. */
struct crowd {
	pthread_barrier_t together;
	const char *name;
};

static const char *loses_rights(struct crowd *crowd, struct syslet_ring *ring, bool leads)
{
	struct flight f;
	const char *err = flight_begin(&f, ring) ? NULL : "flight_begin";

	pthread_barrier_wait(&crowd->together);
	if (leads && setresuid(SOMEBODY, SOMEBODY, SOMEBODY))
		err = "setresuid";
	pthread_barrier_wait(&crowd->together);
	if (err)
		return err;
	for (int i = 0; i < 3; i++) {
		CHECK(has_uids(SOMEBODY, SOMEBODY, SOMEBODY));
		CHECK(may_open(crowd->name) == -EACCES);
		CHECK(may_open_indirect(ring, crowd->name) == -EACCES);
		CHECK(i != 1 || flight_end(&f, ring));
		CHECK(!force_handoff(ring));
	}
	return NULL;
}

static long crowd_main(void *arg)
{
	return (long)loses_rights(arg, ring_alloc(16), false);
}

THREADS_TEST(cred, setresuid_reaches_all_threads_that_have_calls_in_flight)
{
	struct crowd crowd = { .name = private_file(0) };
	struct servant *s[4];
	const char *err, *first;

	CHECK(crowd.name);
	CHECK(!pthread_barrier_init(&crowd.together, NULL, ARRAY_LEN(s) + 1));
	for (unsigned int i = 0; i < ARRAY_LEN(s); i++) {
		s[i] = servant_start();
		CHECK(s[i]);
		servant_tell(s[i], crowd_main, &crowd);
	}
	first = loses_rights(&crowd, ring, true);
	for (unsigned int i = 0; i < ARRAY_LEN(s); i++) {
		err = (const char *)servant_wait(s[i]);
		first = first ?: err;
	}
	return first;
}

static bool set_effective(uint32_t mask, bool on)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (syscall(__NR_capget, &head, data))
		return false;
	data[0].effective = on ? data[0].effective | mask : data[0].effective & ~mask;
	return !syscall(__NR_capset, &head, data);
}

THREADS_TEST(cred, capabilities_dropped_and_raised)
{
	uint32_t dac = 1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH;
	const char *name = private_file(SOMEBODY);
	struct flight f;

	CHECK(name && flight_begin(&f, ring));
	CHECK(may_open(name) == 0 && set_effective(dac, false));
	CHECK(!prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT, 0, 0, 0));
	for (int i = 0; i < 3; i++) {
		CHECK(may_open(name) == -EACCES && may_open_indirect(ring, name) == -EACCES);
		CHECK(prctl(PR_CAPBSET_READ, CAP_SYS_BOOT, 0, 0, 0) == 0);
		CHECK(!(strtoull(status_field(getpid(), gettid(), "CapEff"), NULL, 16) & dac));
		CHECK(!force_handoff(ring));
	}
	CHECK(set_effective(dac, true));
	CHECK(!force_handoff(ring) && may_open(name) == 0 && may_open_indirect(ring, name) == 0);
	CHECK(flight_end(&f, ring) && !force_handoff(ring) && may_open(name) == 0);
	return NULL;
}

/* --- a call has the rights of when it was made ---------------------------- */

/* Open a file of root by a call that was made with one euid, ended with another. */
static const char *open_across(struct syslet_ring *ring, uid_t before, uid_t after)
{
	const char *name = private_file(0);
	struct missing m;
	long fd;

	CHECK(name && missing_page(&m));
	CHECK(!force_handoff(ring) && set_uids(0, before, 0));
	CHECK(submit(ring, CALL(__NR_openat, AT_FDCWD, P(m.page), O_RDONLY), 0) ==
	      -ESYSLETPENDING);
	CHECK(has_uids(0, before, 0) && set_uids(0, after, 0));
	CHECK(!force_handoff(ring));
	CHECK(has_uids(0, after, 0) && may_open(name) == (after ? -EACCES : 0));
	CHECK(give_page(&m, name));
	fd = reap_status(ring);
	CHECK(before ? fd == -EACCES : fd >= 0);
	CHECK(has_uids(0, after, 0) && may_open(name) == (after ? -EACCES : 0));
	return NULL;
}

THREADS_TEST_IF(cred, call_keeps_rights_that_its_thread_drops, have_userfaultfd(),
		"no userfaultfd")
{
	return open_across(ring, 0, SOMEBODY);
}

THREADS_TEST_IF(cred, call_does_not_get_rights_that_its_thread_gains, have_userfaultfd(),
		"no userfaultfd")
{
	return open_across(ring, SOMEBODY, 0);
}

static long open_for_writing(void *name)
{
	return syslet_ret(open(name, O_WRONLY | O_CLOEXEC));
}

THREADS_TEST(cred, fifo_opened_before_setuid_can_be_read)
{
	struct servant *s = servant_start();
	char name[32], c;
	long fd;

	snprintf(name, sizeof(name), "/tmp/fifo.%d", gettid());
	CHECK(s && !mkfifo(name, 0600));
	CHECK(submit(ring, CALL(__NR_openat, AT_FDCWD, P(name), O_RDONLY), 0) == -ESYSLETPENDING);
	CHECK(set_uids(SOMEBODY, SOMEBODY, SOMEBODY));
	CHECK(may_open(name) == -EACCES);
	fd = servant_do(s, open_for_writing, name);
	CHECK(fd >= 0 && write(fd, "x", 1) == 1);
	fd = reap_status(ring);
	CHECK(fd >= 0 && read(fd, &c, 1) == 1 && c == 'x');
	CHECK(may_open(name) == -EACCES && !force_handoff(ring));
	CHECK(has_uids(SOMEBODY, SOMEBODY, SOMEBODY));
	return NULL;
}

/* Runners of both kinds become spares, and carry the thread again. */
THREADS_TEST(cred, rights_are_those_of_now_after_each_handoff)
{
	const char *name = private_file(0);
	struct blocker b[4];
	int i;

	CHECK(name);
	for (i = 0; i < 100; i++) {
		uid_t uid = i % 3 ? SOMEBODY : 0;

		CHECK(set_uids(-1, uid, -1));
		CHECK(blocker_begin(&b[i % 4], ring, i) == -ESYSLETPENDING);
		CHECK(syscall(__NR_geteuid) == uid);
		CHECK(may_open(name) == (uid ? -EACCES : 0));
		CHECK(i < 3 || blocker_end(&b[(i + 1) % 4], ring) == 1);
	}
	return NULL;
}

/* --- a call that acts with the rights of another ----------------------------- */

/* An overlay of two directories; a file of the lower one, by both names. */
struct overlay {
	char low[64], name[64];
	int lower;		/* open, with a lease on it */
};

static bool have_overlay(void)
{
	char text[1024];

	return read_text("/proc/filesystems", text, sizeof(text)) > 0 &&
	       strstr(text, "\toverlay");
}

/* Overlayfs opens the lower file as who mounted it, which is us, and root. */
static bool overlay_make(struct overlay *o)
{
	char dir[32], high[40], merged[40], options[160];

	strcpy(dir, "/tmp/overlay.XXXXXX");
	if (!mkdtemp(dir) || chmod(dir, 0755))
		return false;
	snprintf(o->low, sizeof(o->low), "%s/low", dir);
	snprintf(high, sizeof(high), "%s/high", dir);
	snprintf(merged, sizeof(merged), "%s/merged", dir);
	snprintf(options, sizeof(options), "lowerdir=%s:%s", high, o->low);
	if (mkdir(o->low, 0755) || mkdir(high, 0755) || mkdir(merged, 0755))
		return false;
	snprintf(o->name, sizeof(o->name), "%s/file", merged);
	strcat(o->low, "/file");
	o->lower = open(o->low, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	return o->lower >= 0 && !mount("overlay", merged, "overlay", MS_RDONLY, options) &&
	       !fcntl(o->lower, F_SETLEASE, F_WRLCK);
}

THREADS_TEST_IF(cred, rights_that_a_call_acts_with_are_not_those_of_its_thread, have_overlay(),
		"no overlayfs")
{
	const char *name = private_file(0);
	struct overlay o;
	long fd;

	/* the breaking of the lease is told */
	signal(SIGIO, SIG_IGN);
	CHECK(name && overlay_make(&o) && !force_handoff(ring));
	CHECK(set_uids(SOMEBODY, SOMEBODY, 0));
	CHECK(submit(ring, CALL(__NR_openat, AT_FDCWD, P(o.name), O_RDONLY | O_CLOEXEC), 0) ==
	      -ESYSLETPENDING);
	for (int i = 0; i < 3; i++) {
		CHECK(has_uids(SOMEBODY, SOMEBODY, 0));
		CHECK(may_open(name) == -EACCES && may_open_indirect(ring, name) == -EACCES);
		CHECK(!force_handoff(ring));
	}
	CHECK(!close(o.lower));
	fd = reap_status(ring);
	CHECK(fd >= 0 && !close(fd));
	/* also in the task that had them */
	for (int i = 0; i < 3; i++) {
		CHECK(!force_handoff(ring) && has_uids(SOMEBODY, SOMEBODY, 0));
		CHECK(may_open(name) == -EACCES && may_open_indirect(ring, name) == -EACCES);
	}
	return NULL;
}

/* --- keyrings, labels, audit ----------------------------------------------- */

static long keyctl(int op, long a, long b, long c, long d)
{
	return syslet_ret(syscall(__NR_keyctl, op, a, b, c, d));
}

static bool have_keys(void)
{
	return keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1, 0, 0) > 0;
}

static long thread_keyring(void *arg)
{
	return keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 0, 0, 0);
}

THREADS_TEST_IF(cred, keyrings_are_the_same_after_handoffs, have_keys(), "no keys")
{
	static const int specs[] = { KEY_SPEC_THREAD_KEYRING, KEY_SPEC_PROCESS_KEYRING,
				     KEY_SPEC_SESSION_KEYRING };
	long id[ARRAY_LEN(specs)], key;
	struct servant *s = servant_start();
	struct flight f;
	char text[8];

	CHECK(s && flight_begin(&f, ring));
	CHECK(keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) > 0);
	for (unsigned int i = 0; i < ARRAY_LEN(specs); i++) {
		id[i] = keyctl(KEYCTL_GET_KEYRING_ID, specs[i], 1, 0, 0);
		CHECK(id[i] > 0);
	}
	CHECK(id[0] != id[1] && id[1] != id[2]);
	key = syscall(__NR_add_key, "user", "mine", "secret", 6, KEY_SPEC_THREAD_KEYRING);
	CHECK(key > 0);
	for (int n = 0; n < 4; n++) {
		CHECK(n != 2 || flight_end(&f, ring));
		CHECK(!force_handoff(ring));
		for (unsigned int i = 0; i < ARRAY_LEN(specs); i++)
			CHECK(keyctl(KEYCTL_GET_KEYRING_ID, specs[i], 0, 0, 0) == id[i]);
		CHECK(keyctl(KEYCTL_SEARCH, specs[0], P("user"), P("mine"), 0) == key);
		CHECK(keyctl(KEYCTL_READ, key, P(text), sizeof(text), 0) == 6);
	}
	CHECK(servant_do(s, thread_keyring, NULL) == -ENOKEY);
	return NULL;
}

static bool have_label(void)
{
	char text[256];

	return task_text(getpid(), gettid(), "attr/current", text, sizeof(text)) > 0;
}

THREADS_TEST_IF(cred, label_of_the_security_module_stays, have_label(), "no module with labels")
{
	char before[256], after[256];

	CHECK(task_text(getpid(), gettid(), "attr/current", before, sizeof(before)) > 0);
	CHECK(!force_handoff(ring) && !force_handoff(ring));
	CHECK(read_text("/proc/thread-self/attr/current", after, sizeof(after)) > 0);
	CHECK(!strcmp(before, after));
	return NULL;
}

/* Both ways to see it show the same; -1 if not. */
static long audit_id(const char *what)
{
	char name[64], own[32], by_tid[32];

	snprintf(name, sizeof(name), "/proc/thread-self/%s", what);
	if (read_text(name, own, sizeof(own)) <= 0 ||
	    task_text(getpid(), gettid(), what, by_tid, sizeof(by_tid)) <= 0)
		return -1;
	return strcmp(own, by_tid) ? -1 : atol(own);
}

static bool have_audit(void)
{
	return !access("/proc/self/loginuid", R_OK);
}

THREADS_TEST_IF(cred, audit_ids_follow_the_thread, have_audit(), "no audit")
{
	struct flight f;
	long session;

	CHECK(flight_begin(&f, ring));
	CHECK(!write_text("/proc/thread-self/loginuid", "1234"));
	session = audit_id("sessionid");
	CHECK(session >= 0 && session != AUDIT_SID_UNSET);
	for (int i = 0; i < 4; i++) {
		CHECK(audit_id("loginuid") == 1234 && audit_id("sessionid") == session);
		CHECK(i != 2 || flight_end(&f, ring));
		CHECK(!force_handoff(ring));
	}
	return NULL;
}

static long give_4321(void *arg)
{
	return !give_page(arg, "4321");
}

/* The write is about who writes: it fails, or it is about the thread. */
THREADS_TEST_IF(cred, audit_id_is_not_set_for_a_runner, have_audit() && have_userfaultfd(),
		"no audit or userfaultfd")
{
	struct servant *s = servant_start();
	static struct missing m;
	long ret;
	int fd;

	CHECK(s && missing_page(&m) && !force_handoff(ring));
	fd = open("/proc/thread-self/loginuid", O_WRONLY);
	CHECK(fd >= 0 && !write_text("/proc/thread-self/loginuid", "1234"));
	servant_tell(s, give_4321, &m);
	ret = result(ring, CALL(__NR_write, fd, P(m.page), 4));
	CHECK(ret == 4 || ret == -EAGAIN);
	CHECK(audit_id("loginuid") == (ret == 4 ? 4321 : 1234));
	CHECK(!force_handoff(ring));
	CHECK(audit_id("loginuid") == (ret == 4 ? 4321 : 1234));
	return NULL;
}

TEST_HARNESS_MAIN
