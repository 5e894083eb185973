/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: a call on a thread is made as who makes it now, whoever made calls
 * before: user, filters, working directory, processors
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "test.h"

static void warm_up(struct syslet_queue *q)
{
	CHECK_EQ(0, CALL(access, "/", F_OK));
}

static void test_user(struct syslet_queue *q)
{
	char name[] = "/tmp/libsyslet-XXXXXX";
	int fd = mkstemp(name), owner = geteuid() ? 0 : 65534;

	CHECK(fd >= 0);
	warm_up(q);
	setfsuid((uid_t)owner);
	CHECK_EQ(geteuid() ? 0 : -EACCES, CALL(open, name, O_RDONLY, 0) < 0 ? -EACCES : 0);
	setfsuid(geteuid());
	close(fd);
	unlink(name);
}

static void test_filter(struct syslet_queue *q)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdirat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_filter more[4];
	struct sock_fprog prog = { .len = 4, .filter = code };

	warm_up(q);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	warm_up(q);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return;
	CHECK_EQ(-EXDEV, CALL(mkdir, "/", 0700));
	/* One more, which looks the same from here. */
	memcpy(more, code, sizeof(more));
	more[1].k = SYS_unlinkat;
	prog.filter = more;
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
	CHECK_EQ(-EXDEV, CALL(unlink, "/"));
}

static void test_directory(struct syslet_queue *q)
{
	struct statx here, there;

	warm_up(q);
	CHECK_EQ(0, CALL(statx, AT_FDCWD, ".", 0, STATX_INO, &here));
	CHECK(unshare(CLONE_FS) == 0);
	CHECK(chdir("/proc") == 0);
	CHECK_EQ(0, CALL(statx, AT_FDCWD, ".", 0, STATX_INO, &there));
	CHECK(there.stx_dev_minor != here.stx_dev_minor || there.stx_ino != here.stx_ino);
}

/* One processor only, if there is one more: it is inherited as well. */
static void test_processors(struct syslet_queue *q)
{
	cpu_set_t cpus, one;
	char buf[4096] = "";
	long fd;
	int i;

	CHECK(!sched_getaffinity(0, sizeof(cpus), &cpus));
	CPU_ZERO(&one);
	warm_up(q);
	for (i = 0; !CPU_ISSET(i, &cpus); i++)
		;
	CPU_SET(i, &one);
	CHECK(!sched_setaffinity(0, sizeof(one), &one));
	/* Whose file it is depends on who opens it. */
	fd = CALL(open, "/proc/thread-self/status", O_RDONLY, 0);
	CHECK(fd >= 0);
	/* It may be gone by now: of somebody special, it made this one call. */
	if (read((int)fd, buf, sizeof(buf) - 1) > 0) {
		CHECK(strstr(buf, "Cpus_allowed_list:"));
		CHECK_EQ(i, atoi(strstr(buf, "Cpus_allowed_list:") + 18));
		CHECK(!strpbrk(strtok(strstr(buf, "Cpus_allowed_list:"), "\n"), ",-"));
	}
	close((int)fd);
	CHECK(!sched_setaffinity(0, sizeof(cpus), &cpus));
}

/* Nobody special, so that threads are used again. */
static void be_nobody(struct syslet_queue *q)
{
	CHECK(geteuid() || syscall(SYS_setresuid, 65534, 65534, 65534) == 0);
	test_processors(q);
	test_directory(q);
	test_filter(q);
}

static void in_child(void (*fn)(struct syslet_queue *q), unsigned int flags)
{
	struct syslet_queue q;

	if (passed_in_child())
		return;
	CHECK_EQ(0, syslet_queue_init(&q, 8, flags));
	fn(&q);
	syslet_queue_exit(&q);
	_exit(0);
}

int main(void)
{
	void (*const fns[])(struct syslet_queue *q) = {
		test_user, test_filter, test_directory, test_processors, be_nobody,
	};
	unsigned int i;

	for (i = 0; i < sizeof(fns) / sizeof(*fns); i++)
		in_child(fns[i], SYSLET_QUEUE_THREADS);
	return PASS;
}
