/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Description: what does not wait has its result at once, on any backend: for its
 * descriptor, or for its arguments; a flag that comes and goes makes nobody wait
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "test.h"

static void test_flags(struct syslet_queue *q)
{
	struct syslet_completion c;
	char buf[4];
	struct iovec iov = { buf, 4 };
	int fd[2], sv[2];

	CHECK(pipe2(fd, O_NONBLOCK) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv) == 0);
	CHECK_EQ(-EAGAIN, syslet_read(q, 1, fd[0], buf, 4));
	CHECK_EQ(-EAGAIN, syslet_readv(q, 1, fd[0], &iov, 1));
	CHECK_EQ(-EAGAIN, syslet_read(q, 1, sv[0], buf, 4));
	CHECK_EQ(-EAGAIN, syslet_recv(q, 1, sv[0], buf, 4, 0));
	CHECK_EQ(0, q->pending);
	CHECK_EQ(0, syslet_prep_read(q, 2, fd[0], buf, 4));
	CHECK_EQ(1, syslet_flush(q));
	CHECK_EQ(0, syslet_peek(q, &c));
	CHECK_EQ(-EAGAIN, syslet_status(&c));
	CHECK_EQ(2, syslet_write(q, 1, fd[1], "ab", 2));
	CHECK_EQ(2, syslet_read(q, 1, fd[0], buf, 4));
	CHECK_EQ(2, syslet_send(q, 1, sv[0], "ab", 2, 0));
	CHECK_EQ(2, syslet_recv(q, 1, sv[1], buf, 4, 0));
	CHECK_EQ(0, q->blocked);
	close(fd[0]);
	close(fd[1]);
	close(sv[0]);
	close(sv[1]);
}

/* To write nothing sends something; to read nothing may be too little. */
static void test_nothing(struct syslet_queue *q)
{
	int sv[2], efd = eventfd(0, EFD_NONBLOCK);
	char buf[4];

	CHECK(efd >= 0 && socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sv) == 0);
	CHECK_EQ(0, CALL(write, sv[0], "", 0));
	CHECK_EQ(0, recv(sv[1], buf, sizeof(buf), 0));
	CHECK(recv(sv[1], buf, sizeof(buf), 0) < 0);
	CHECK_EQ(0, CALL(read, sv[1], buf, 0));
	CHECK_EQ(read(efd, buf, 0) < 0 ? -errno : 0, CALL(read, efd, buf, 0));
	CHECK_EQ(write(efd, buf, 0) < 0 ? -errno : 0, CALL(write, efd, buf, 0));
	close(efd);
	close(sv[0]);
	close(sv[1]);
}

static void test_accept(struct syslet_queue *q)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int p[2], dgram, listening;

	dgram = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK(pipe2(p, O_NONBLOCK) == 0);
	CHECK_EQ(-ENOTSOCK, CALL(accept4, p[0], NULL, NULL, 0));
	CHECK_EQ(-EOPNOTSUPP, CALL(accept4, dgram, NULL, NULL, 0));
	CHECK_EQ(-EINVAL, CALL(accept4, listening, NULL, NULL, 0));
	CHECK(!bind(listening, (struct sockaddr *)&addr, sizeof(sa_family_t)));
	CHECK(!listen(listening, 1));
	CHECK_EQ(-EINVAL, CALL(accept4, listening, NULL, NULL, 1));
	CHECK_EQ(-EAGAIN, CALL(accept4, listening, NULL, NULL, SOCK_CLOEXEC));
	CHECK_EQ(-EAGAIN, CALL(accept, listening, NULL, NULL));
	CHECK_EQ(-EBADF, CALL(accept4, -1, NULL, NULL, 0));
	close(dgram);
	close(listening);
	close(p[0]);
	close(p[1]);
}

static void test_arguments(struct syslet_queue *q)
{
	char name[] = "/tmp/libsyslet-XXXXXX", buf[16];
	int a = mkstemp(name), b = open(name, O_RDWR), sv[2], p[2];
	struct epoll_event ev;
	struct pollfd pfd = { .events = POLLIN };
	struct iovec iov = { buf, 4 };
	struct mmsghdr mmsg = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	static uint32_t word = 1;
	siginfo_t info;
	int id = msgget(IPC_PRIVATE, 0600);
	int ep = epoll_create1(0);

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0 && pipe(p) == 0);
	CHECK(flock(a, LOCK_EX) == 0);
	pfd.fd = sv[0];
	CHECK_EQ(-EAGAIN, syslet_recv(q, 1, sv[0], buf, 4, MSG_DONTWAIT));
	CHECK_EQ(-EAGAIN, syslet_recvmmsg(q, 1, sv[0], &mmsg, 1, MSG_DONTWAIT, NULL));
	CHECK_EQ(-EAGAIN, syslet_preadv2(q, 1, p[0], &iov, 1, -1, RWF_NOWAIT));
	CHECK_EQ(-EAGAIN, syslet_flock(q, 1, b, LOCK_EX | LOCK_NB));
	CHECK_EQ(-EAGAIN, syslet_futex_wait(q, 1, &word, 0, FUTEX_PRIVATE_FLAG, NULL));
	CHECK_EQ(0, syslet_futex_wake(q, 1, &word, 1, 0));
	CHECK_EQ(0, syslet_poll(q, 1, &pfd, 1, 0));
	CHECK_EQ(0, syslet_epoll_wait(q, 1, ep, &ev, 1, 0));
	CHECK_EQ(O_RDWR, syslet_fcntl(q, 1, b, F_GETFL, 0) & O_ACCMODE);
	CHECK_EQ(-ECHILD, syslet_waitid(q, 1, P_ALL, 0, &info, WEXITED | WNOHANG));
	if (id >= 0)
		CHECK_EQ(-ENOMSG, syslet_msgrcv(q, 1, id, buf, 4, 0, IPC_NOWAIT));
	CHECK_EQ(0, q->blocked);
	if (id >= 0)
		CHECK(msgctl(id, IPC_RMID, NULL) == 0);
	close(ep);
	close(a);
	close(b);
	close(sv[0]);
	close(sv[1]);
	close(p[0]);
	close(p[1]);
	unlink(name);
}

static int toggled[2];
static bool stop;

static void *toggle(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		fcntl(toggled[0], F_SETFL, O_NONBLOCK);
		fcntl(toggled[0], F_SETFL, 0);
	}
	return NULL;
}

/* If a read waits here, the test hangs. */
static void test_race(struct syslet_queue *q)
{
	struct syslet_completion c;
	pthread_t thread;
	char buf;
	int i;

	CHECK(pipe(toggled) == 0);
	stop = false;
	CHECK(!pthread_create(&thread, NULL, toggle, NULL));
	for (i = 0; i < 2000; i++) {
		long ret = syslet_read(q, 1, toggled[0], &buf, 1);

		if (ret == -ESYSLETPENDING) {
			CHECK(write(toggled[1], "x", 1) == 1);
			CHECK_EQ(0, syslet_wait(q, &c, NULL));
			ret = syslet_status(&c);
			/* the flag was there when a thread made the call */
			if (ret == -EAGAIN)
				CHECK(read(toggled[0], &buf, 1) == 1);
			continue;
		}
		CHECK_EQ(-EAGAIN, ret);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	close(toggled[0]);
	close(toggled[1]);
}

static void test(struct syslet_queue *q)
{
	test_flags(q);
	test_arguments(q);
	test_race(q);
	test_nothing(q);
	test_accept(q);
}

int main(void)
{
	for_each_backend(test, 4);
	return PASS;
}
