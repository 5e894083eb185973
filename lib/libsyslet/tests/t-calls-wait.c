/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Description: calls that wait: polls, futexes, clocks, children, queues */
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include "test.h"

static void test_poll(struct syslet_queue *q)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 5 }, got;
	syslet_timespec zero = { .tv_sec = 0 };
	struct pollfd pfd = { .events = POLLIN };
	int fd[2], ep = epoll_create1(0);

	CHECK(pipe(fd) == 0 && ep >= 0);
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd[0], &ev) == 0);
	pfd.fd = fd[0];
	CHECK_EQ(0, CALL(ppoll, &pfd, 1, &zero));
	CHECK_EQ(-ESYSLETPENDING, syslet_poll(q, 1, &pfd, 1, -1));
	CHECK(write(fd[1], "x", 1) == 1);
	CHECK_EQ(1, finish(q, -ESYSLETPENDING, 1));
	CHECK_EQ(POLLIN, pfd.revents);
	CHECK_EQ(1, CALL(epoll_wait, ep, &got, 1, -1));
	CHECK_EQ(5, got.data.u32);
	close(ep);
	close(fd[0]);
	close(fd[1]);
}

static void test_futex(struct syslet_queue *q)
{
	syslet_timespec soon = { .tv_nsec = 1000 };
	static uint32_t word;

	word = 1;
	CHECK_EQ(-EAGAIN, CALL(futex_wait, &word, 2, FUTEX_PRIVATE_FLAG, NULL));
	CHECK_EQ(-ETIMEDOUT, CALL(futex_wait, &word, 1, FUTEX_PRIVATE_FLAG, &soon));
	CHECK_EQ(0, CALL(futex_wake, &word, 1, 0));
	CHECK_EQ(-ESYSLETPENDING, syslet_futex_wait(q, 3, &word, 1, 0, NULL));
	/* Pending does not say that it sleeps already. */
	__atomic_store_n(&word, 0, __ATOMIC_SEQ_CST);
	do {
		struct syslet_completion c;

		syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
		if (!syslet_peek(q, &c)) {
			CHECK(c.caller_data == 3);
			CHECK(syslet_status(&c) == 0 || syslet_status(&c) == -EAGAIN);
		}
	} while (q->pending);
}

#ifdef FUTEX_32
static void test_futex_vector(struct syslet_queue *q)
{
	syslet_timespec past = { .tv_sec = 1 };
	uint32_t words[2] = { 1, 2 };
	struct futex_waitv waits[2] = {
		{ .val = 1, .uaddr = SYSLET_PTR(&words[0]), .flags = FUTEX_32 },
		{ .val = 2, .uaddr = SYSLET_PTR(&words[1]), .flags = FUTEX_32 },
	};
	long ret = CALL(futex_waitv, waits, 2, 0, &past, CLOCK_MONOTONIC);

	CHECK(ret == -ETIMEDOUT || ret == -ENOSYS);
	words[1] = 3;
	CHECK_EQ(ret == -ENOSYS ? ret : -EAGAIN,
		 CALL(futex_waitv, waits, 2, 0, NULL, CLOCK_MONOTONIC));
}
#else
static void test_futex_vector(struct syslet_queue *q)
{
	(void)q;
}
#endif

static void test_clock(struct syslet_queue *q)
{
	syslet_timespec soon = { .tv_nsec = 1000 }, past = { .tv_sec = 1 };

	CHECK_EQ(0, CALL(nanosleep, &soon));
	CHECK_EQ(0, CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, &soon));
	CHECK_EQ(0, CALL(clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &past));
	CHECK_EQ(-EINVAL, CALL(clock_nanosleep, 4711, 0, &soon));
}

static void test_child(struct syslet_queue *q)
{
	siginfo_t info = { .si_code = 0 };
	pid_t pid = fork();

	if (!pid)
		_exit(3);
	CHECK(pid > 0);
	CHECK_EQ(0, CALL(waitid, P_PID, (unsigned int)pid, &info, WEXITED));
	CHECK_EQ(pid, info.si_pid);
	CHECK_EQ(3, info.si_status);
	CHECK_EQ(-ECHILD, CALL(waitid, P_PID, (unsigned int)pid, &info, WEXITED));
#ifdef __LP64__
	pid = fork();
	if (!pid)
		_exit(4);
	int status;

	CHECK_EQ(pid, CALL(wait4, pid, &status, 0, NULL));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 4);
#endif
}

static void test_ipc(struct syslet_queue *q)
{
	struct { long type; char text[4]; } msg = { 1, "abc" }, got = { 0, "" };
	struct sembuf up = { 0, 1, 0 }, down = { 0, -1, 0 };
	int id = msgget(IPC_PRIVATE, 0600), sem = semget(IPC_PRIVATE, 1, 0600);

	if (id < 0 || sem < 0) {
		CHECK(errno == ENOSYS);
		return;
	}
	CHECK_EQ(-ESYSLETPENDING, syslet_msgrcv(q, 4, id, &got, 4, 0, 0));
	CHECK(msgsnd(id, &msg, 4, 0) == 0);
	CHECK_EQ(4, finish(q, -ESYSLETPENDING, 4));
	CHECK(!strcmp(got.text, "abc"));
	CHECK_EQ(0, CALL(msgsnd, id, &msg, 4, 0));
	CHECK_EQ(-ESYSLETPENDING, syslet_semtimedop(q, 5, sem, &down, 1, NULL));
	CHECK(semop(sem, &up, 1) == 0);
	CHECK_EQ(0, finish(q, -ESYSLETPENDING, 5));
	CHECK(msgctl(id, IPC_RMID, NULL) == 0);
	CHECK(semctl(sem, 0, IPC_RMID) == 0);
}

static void test(struct syslet_queue *q)
{
	test_poll(q);
	test_futex(q);
	test_futex_vector(q);
	test_clock(q);
	test_child(q);
	test_ipc(q);
}

int main(void)
{
	for_each_way(test, 4);
	return PASS;
}
