// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks on files and System V semaphores that a call waits for: it is pending
 * until it has them, and then the process has them.
 */
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/sem.h>

#include "threads.h"

THREADS_FIXTURE(filelock)

static int file_make(void)
{
	char name[] = "/tmp/lock.XXXXXX";

	return mkstemp(name);
}

/* The same file, opened once more. */
static int file_again(int fd, int flags)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return open(name, flags | O_CLOEXEC);
}

/* Byte @at of a file. */
static struct flock byte(int type, off_t at)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
}

static int lock_byte(int fd, int cmd, int type, off_t at)
{
	struct flock fl = byte(type, at);

	return fcntl(fd, cmd, &fl) ? -errno : 0;
}

/* Who has it? 0: nobody that is in the way. */
static pid_t holder(int fd, off_t at)
{
	struct flock fl = byte(F_WRLCK, at);

	if (fcntl(fd, F_GETLK, &fl))
		return -1;
	return fl.l_type == F_UNLCK ? 0 : fl.l_pid;
}

/* A process waits for a lock of this file: see /proc/locks in proc(5). */
static bool is_waiting(int fd, pid_t pid)
{
	char line[256], ino[32];
	bool ret = false;
	struct stat st;
	int owner;
	FILE *f;

	if (fstat(fd, &st))
		return false;
	snprintf(ino, sizeof(ino), ":%lu ", (unsigned long)st.st_ino);
	f = fopen("/proc/locks", "r");
	while (f && !ret && fgets(line, sizeof(line), f))
		ret = strstr(line, ino) &&
		      sscanf(line, "%*d: -> %*s %*s %*s %d", &owner) == 1 && owner == pid;
	if (f)
		fclose(f);
	return ret;
}

/* A child that locks, and unlocks when it is told to. */
static void hold_byte(struct kid *k, int fd)
{
	KID_CHECK(!lock_byte(fd, F_SETLK, F_WRLCK, 0) && kid_tell(k));
	KID_CHECK(kid_hear(k) && !lock_byte(fd, F_SETLK, F_UNLCK, 0));
}

THREADS_TEST(filelock, record_lock_is_pending_until_granted_to_the_process)
{
	struct flock fl = byte(F_WRLCK, 0);
	int fd = file_make();
	pid_t pid = getpid();
	struct flight f;
	struct kid k;

	CHECK(fd >= 0);
	if (!kid_fork(&k)) {
		hold_byte(&k, fd);
		/* until the process that got it unlocks it */
		KID_CHECK(kid_hear(&k) && holder(fd, 0) == pid && kid_tell(&k));
		KID_CHECK(kid_hear(&k) && holder(fd, 0) == 0);
		_exit(0);
	}
	CHECK(kid_hear(&k) && flight_begin(&f, ring) && holder(fd, 0) == k.pid);
	CHECK(submit(ring, CALL(__NR_fcntl, fd, F_SETLKW, P(&fl)), 0) == -ESYSLETPENDING);
	UNTIL(is_waiting(fd, pid));
	CHECK(!force_handoff(ring));
	CHECK(kid_tell(&k) && reap_status(ring) == 0);
	CHECK(retire_spares(ring));
	CHECK(kid_tell(&k) && kid_hear(&k));
	/* as if we had taken it: once more is no news, and we can unlock it */
	CHECK(!lock_byte(fd, F_SETLK, F_WRLCK, 0) && !lock_byte(fd, F_SETLK, F_UNLCK, 0));
	CHECK(kid_tell(&k) && kid_status(&k) == 0);
	CHECK(flight_end(&f, ring));
	return NULL;
}

/* One lock that its runner was granted, one that a runner waits for. */
static void die_with_byte(struct kid *k, int fd)
{
	struct flock one = byte(F_WRLCK, 1), two = byte(F_WRLCK, 2);
	struct syslet_ring *ring = ring_alloc(16);
	struct flight f;

	KID_CHECK(submit(ring, CALL(__NR_fcntl, fd, F_SETLKW, P(&one)), 0) == -ESYSLETPENDING);
	UNTIL(is_waiting(fd, getpid()));
	KID_CHECK(kid_tell(k) && reap_status(ring) == 0);
	KID_CHECK(flight_begin(&f, ring));
	KID_CHECK(submit(ring, CALL(__NR_fcntl, fd, F_SETLKW, P(&two)), 0) == -ESYSLETPENDING);
	UNTIL(is_waiting(fd, getpid()));
	KID_CHECK(kid_tell(k) && kid_hear(k));
	_exit(3);
}

THREADS_TEST(filelock, record_locks_end_with_the_process_and_its_runners)
{
	int fd = file_make();
	struct kid k;

	CHECK(fd >= 0 && !force_handoff(ring));
	CHECK(!lock_byte(fd, F_SETLK, F_WRLCK, 1) && !lock_byte(fd, F_SETLK, F_WRLCK, 2));
	if (!kid_fork(&k))
		die_with_byte(&k, fd);
	CHECK(kid_hear(&k) && !lock_byte(fd, F_SETLK, F_UNLCK, 1));
	CHECK(kid_hear(&k) && holder(fd, 1) == k.pid && kid_tell(&k));
	CHECK(kid_status(&k) == 3 << 8);
	CHECK(!lock_byte(fd, F_SETLK, F_WRLCK, 1));
	CHECK(!lock_byte(fd, F_SETLK, F_UNLCK, 2) && !is_waiting(fd, k.pid));
	CHECK(!lock_byte(fd, F_SETLK, F_WRLCK, 2));
	return NULL;
}

/* A child that has byte 0, and a runner that waits for our byte 1. */
static void wait_for_byte(struct kid *k, int fd)
{
	struct syslet_ring *ring = ring_alloc(16);
	struct flock fl = byte(F_WRLCK, 1);

	KID_CHECK(!force_handoff(ring) && !lock_byte(fd, F_SETLK, F_WRLCK, 0));
	KID_CHECK(submit(ring, CALL(__NR_fcntl, fd, F_SETLKW, P(&fl)), 0) == -ESYSLETPENDING);
	UNTIL(is_waiting(fd, getpid()));
	KID_CHECK(kid_tell(k) && reap_status(ring) == 0);
	_exit(0);
}

THREADS_TEST(filelock, deadlock_with_a_runner_is_found)
{
	struct flock fl = byte(F_WRLCK, 0);
	int fd = file_make();
	struct kid k;

	CHECK(fd >= 0 && !force_handoff(ring) && !lock_byte(fd, F_SETLK, F_WRLCK, 1));
	if (!kid_fork(&k))
		wait_for_byte(&k, fd);
	CHECK(kid_hear(&k));
	CHECK(lock_byte(fd, F_SETLKW, F_WRLCK, 0) == -EDEADLK);
	CHECK(result(ring, CALL(__NR_fcntl, fd, F_SETLKW, P(&fl))) == -EDEADLK);
	CHECK(!lock_byte(fd, F_SETLK, F_UNLCK, 1));
	CHECK(kid_status(&k) == 0);
	return NULL;
}

THREADS_TEST(filelock, lock_of_an_open_file_is_pending_until_granted)
{
	struct flock fl = byte(F_WRLCK, 0);
	int a = file_make(), b = file_again(a, O_RDWR);

	CHECK(a >= 0 && b >= 0 && !lock_byte(a, F_OFD_SETLK, F_WRLCK, 0));
	CHECK(submit(ring, CALL(__NR_fcntl, b, F_OFD_SETLKW, P(&fl)), 0) == -ESYSLETPENDING);
	UNTIL(is_waiting(a, -1));
	CHECK(!force_handoff(ring) && !lock_byte(a, F_OFD_SETLK, F_UNLCK, 0));
	CHECK(reap_status(ring) == 0 && retire_spares(ring));
	CHECK(lock_byte(a, F_OFD_SETLK, F_WRLCK, 0) == -EAGAIN);
	CHECK(!close(b) && !lock_byte(a, F_OFD_SETLK, F_WRLCK, 0));
	return NULL;
}

THREADS_TEST(filelock, flock_is_pending_until_granted_to_the_open_file)
{
	int a = file_make(), b = file_again(a, O_RDWR), c = dup(b);

	CHECK(a >= 0 && b >= 0 && c >= 0 && !flock(a, LOCK_EX));
	CHECK(submit(ring, CALL(__NR_flock, b, LOCK_EX), 0) == -ESYSLETPENDING);
	UNTIL(is_waiting(a, getpid()));
	CHECK(!force_handoff(ring) && !flock(a, LOCK_UN));
	CHECK(reap_status(ring) == 0 && retire_spares(ring));
	CHECK(flock(a, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK);
	/* any descriptor of it will do, and the last one ends it */
	CHECK(!flock(c, LOCK_UN) && !flock(a, LOCK_EX) && !flock(a, LOCK_UN));
	CHECK(!flock(c, LOCK_EX) && !close(b));
	CHECK(flock(a, LOCK_EX | LOCK_NB) && !close(c) && !flock(a, LOCK_EX | LOCK_NB));
	return NULL;
}

/* --- leases ---------------------------------------------------------------- */

#define LEASE_SIGNAL	(SIGRTMIN + 1)

/* A lease on a file of our own, by the thread before a handoff, which is told. */
static int lease_take(struct syslet_ring *ring)
{
	struct f_owner_ex owner = { F_OWNER_TID, gettid() };
	int fd = file_make();

	block_signal(LEASE_SIGNAL);
	if (fd < 0 || force_handoff(ring) || fcntl(fd, F_SETSIG, LEASE_SIGNAL) ||
	    fcntl(fd, F_SETLEASE, F_WRLCK) ||
	    fcntl(fd, F_SETOWN_EX, &owner) || force_handoff(ring))
		return -1;
	return fd;
}

THREADS_TEST(filelock, breaking_a_lease_of_before_signals_the_thread)
{
	int fd = lease_take(ring);
	struct flight f;
	siginfo_t info;
	struct kid k;

	CHECK(fd >= 0 && flight_begin(&f, ring));
	if (!kid_fork(&k)) {
		KID_CHECK(file_again(fd, O_RDWR | O_NONBLOCK) < 0 && errno == EWOULDBLOCK);
		KID_CHECK(kid_tell(&k) && kid_hear(&k));
		KID_CHECK(file_again(fd, O_RDWR | O_NONBLOCK) >= 0);
		_exit(0);
	}
	CHECK(take_signal(LEASE_SIGNAL, &info) == LEASE_SIGNAL && info.si_fd == fd);
	CHECK(kid_hear(&k) && !fcntl(fd, F_SETLEASE, F_UNLCK) && kid_tell(&k));
	CHECK(kid_status(&k) == 0 && flight_end(&f, ring));
	return NULL;
}

THREADS_TEST(filelock, open_is_pending_until_the_lease_is_given_up)
{
	int fd = lease_take(ring);
	siginfo_t info;
	char name[64];
	long again;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	CHECK(fd >= 0);
	CHECK(submit(ring, CALL(__NR_openat, AT_FDCWD, P(name), O_RDWR), 0) == -ESYSLETPENDING);
	CHECK(take_signal(LEASE_SIGNAL, &info) == LEASE_SIGNAL && info.si_fd == fd);
	CHECK(!force_handoff(ring) && fcntl(fd, F_GETLEASE) == F_UNLCK);
	CHECK(!fcntl(fd, F_SETLEASE, F_UNLCK));
	again = reap_status(ring);
	CHECK(again >= 0 && again != fd && !close(again));
	return NULL;
}

/* --- semaphores of System V ------------------------------------------------ */

static int sem_value(int id)
{
	return semctl(id, 0, GETVAL);
}

static struct sembuf sem_step(short by, short flags)
{
	return (struct sembuf){ .sem_num = 0, .sem_op = by, .sem_flg = flags };
}

/* Takes two with SEM_UNDO: one at once, one by a call that waits. */
static void take_two(struct kid *k, int id, struct syslet_ring *ring)
{
	struct sembuf take = sem_step(-1, SEM_UNDO);
	int before = count_threads();

	KID_CHECK(!force_handoff(ring) && !semop(id, &take, 1) && sem_value(id) == 0);
	KID_CHECK(submit(ring, CALL(__NR_semop, id, P(&take), 1), 0) == -ESYSLETPENDING);
	UNTIL(semctl(id, 0, GETNCNT) == 1);
	KID_CHECK(kid_tell(k) && reap_status(ring) == 0 && sem_value(id) == 0);
	KID_CHECK(semctl(id, 0, GETPID) == getpid());
	/* what ends here is not the process */
	KID_CHECK(retire_spares(ring));
	UNTIL(count_threads() <= before + 3);
	KID_CHECK(sem_value(id) == 0 && kid_tell(k) && kid_hear(k));
	_exit(5);
}

static struct kid sem_kid;
static int sem_id;

static const char *sem_main(struct syslet_ring *ring)
{
	take_two(&sem_kid, sem_id, ring);
	return "no exit";
}

static bool have_sysvipc(void)
{
	int id = semget(IPC_PRIVATE, 1, 0600);

	return id >= 0 && !semctl(id, 0, IPC_RMID);
}

TEST_F(filelock, semaphores_are_undone_once_and_at_process_exit)
{
	struct sembuf give = sem_step(1, 0);

	if (!have_sysvipc())
		SKIP(return, "no System V IPC");
	sem_id = semget(IPC_PRIVATE, 1, 0600);
	ASSERT_LE(0, sem_id);
	ASSERT_EQ(0, semop(sem_id, &give, 1));
	if (!kid_fork(&sem_kid)) {
		fprintf(stderr, "# %s\n", threads_run(variant->thread, sem_main));
		_exit(1);
	}
	ASSERT_TRUE(kid_hear(&sem_kid));
	ASSERT_EQ(0, semop(sem_id, &give, 1));
	ASSERT_TRUE(kid_hear(&sem_kid));
	ASSERT_EQ(0, sem_value(sem_id));
	ASSERT_TRUE(kid_tell(&sem_kid));
	ASSERT_EQ(5 << 8, kid_status(&sem_kid));
	ASSERT_EQ(2, sem_value(sem_id));
	ASSERT_EQ(0, semctl(sem_id, 0, IPC_RMID));
}

#define KCMP_SYSVSEM	6

/* Or none in either. */
static bool same_undo(pid_t a, pid_t b)
{
	return !syscall(__NR_kcmp, a, b, KCMP_SYSVSEM, 0, 0);
}

static bool have_undo(void)
{
	return have_sysvipc() && same_undo(getpid(), getpid());
}

/* A child has none; threads that the C library makes have one. */
THREADS_TEST_IF(filelock, undo_list_is_as_without_syslets, have_undo(),
		"no kcmp(2), or System V IPC")
{
	struct sembuf give = sem_step(1, SEM_UNDO);
	bool had_none;
	struct kid k;
	int id;

	if (!kid_fork(&k))
		kid_live(&k);
	had_none = same_undo(getpid(), k.pid);
	CHECK(!force_handoff(ring));
	CHECK(had_none == same_undo(getpid(), k.pid));

	/* from now on there is one, wherever the thread is */
	id = semget(IPC_PRIVATE, 1, 0600);
	CHECK(!submit(ring, CALL(__NR_semop, id, P(&give), 1), 0));
	CHECK(!same_undo(gettid(), k.pid) && same_undo(gettid(), gettid()));
	CHECK(!force_handoff(ring));
	CHECK(!same_undo(gettid(), k.pid));
	CHECK(!semctl(id, 0, IPC_RMID));
	CHECK(kid_end(&k));
	return NULL;
}

TEST_HARNESS_MAIN
