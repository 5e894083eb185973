/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Description: a server and a client talk; what waits for the other one is pending */
#define _GNU_SOURCE
#include <sys/un.h>
#include "test.h"

static struct sockaddr_un address(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "libsyslet-%d", getpid());
	return a;
}

static void talk(struct syslet_queue *q, int a, int b)
{
	char buf[8] = "";
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct mmsghdr mmsg = { .msg_hdr = msg };
	struct iovec out = { (char *)"ab", 2 };
	struct msghdr smsg = { .msg_iov = &out, .msg_iovlen = 1 };
	struct mmsghdr sends = { .msg_hdr = smsg };

	CHECK_EQ(-ESYSLETPENDING, syslet_recv(q, 1, b, buf, sizeof(buf), 0));
	CHECK_EQ(-EAGAIN, syslet_recv(q, 2, a, buf, sizeof(buf), MSG_DONTWAIT));
	CHECK(send(a, "one", 3, 0) == 3);
	CHECK_EQ(3, finish(q, -ESYSLETPENDING, 1));
	CHECK(!strcmp(buf, "one"));
	CHECK_EQ(2, CALL(send, a, "ab", 2, 0));
	CHECK_EQ(2, CALL(recvmsg, b, &msg, 0));
	CHECK_EQ(2, CALL(sendmsg, a, &smsg, 0));
	CHECK_EQ(2, CALL(recvfrom, b, buf, sizeof(buf), 0, NULL, NULL));
	CHECK_EQ(2, CALL(sendto, a, "ab", 2, 0, NULL, 0));
	CHECK_EQ(1, CALL(recvmmsg, b, &mmsg, 1, 0, NULL));
	CHECK_EQ(1, CALL(sendmmsg, a, &sends, 1, 0));
	CHECK_EQ(0, CALL(shutdown, a, SHUT_WR));
	CHECK_EQ(2, CALL(recv, b, buf, sizeof(buf), 0));
	CHECK_EQ(0, CALL(recv, b, buf, sizeof(buf), 0));
}

static void test(struct syslet_queue *q)
{
	struct sockaddr_un addr = address();
	long server, client, conn;

	server = CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	client = CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CHECK(server >= 0 && client >= 0);
	CHECK_EQ(0, CALL(bind, (int)server, (void *)&addr, sizeof(addr)));
	CHECK_EQ(0, CALL(listen, (int)server, 1));
	CHECK_EQ(-ESYSLETPENDING, syslet_accept(q, 7, (int)server, NULL, NULL));
	CHECK(connect((int)client, (void *)&addr, sizeof(addr)) == 0);
	conn = finish(q, -ESYSLETPENDING, 7);
	CHECK(conn >= 0);
	talk(q, (int)client, (int)conn);
	close((int)conn);
	close((int)client);
	client = CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CHECK_EQ(0, CALL(connect, (int)client, (void *)&addr, sizeof(addr)));
	conn = CALL(accept4, (int)server, NULL, NULL, SOCK_CLOEXEC);
	CHECK(conn >= 0);
	close((int)conn);
	close((int)client);
	close((int)server);
}

int main(void)
{
	for_each_way(test, 4);
	return PASS;
}
