/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * epoll: files sent to whoever connects, by an event loop. Sockets are watched by
 * epoll_wait(); files, which epoll cannot watch, are read by syslets, whose
 * eventfd is one more descriptor of the loop.
 *
 *	epoll PORT FILE		serve FILE on 127.0.0.1:PORT until killed
 *	epoll --test FILE	serve it once, to itself, and print it
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "syslet.h"

/* Somebody who gets the file, one buffer after the other. */
struct client {
	struct syslet_callback	read_done;
	int			sock;
	int			file;
	int64_t			offset;
	char			buf[4096];
};

static int served;

static int check(int ret, const char *what)
{
	if (ret < 0) {
		perror(what);
		exit(1);
	}
	return ret;
}

static void client_end(struct client *cl)
{
	close(cl->sock);
	close(cl->file);
	free(cl);
	served++;
}

/* The program need not know whether it comes from the cache or from the disk. */
static void client_read(struct syslet_queue *q, struct client *cl)
{
	if (syslet_prep_pread(q, SYSLET_PTR(&cl->read_done), cl->file, cl->buf,
			      sizeof(cl->buf), cl->offset))
		client_end(cl);
}

static void client_read_done(struct syslet_queue *q, struct syslet_callback *cb, long n)
{
	struct client *cl = cb->arg;

	/* A server for more than an example waits for EPOLLOUT as well. */
	if (n <= 0 || send(cl->sock, cl->buf, (size_t)n, MSG_NOSIGNAL) != n) {
		client_end(cl);
		return;
	}
	cl->offset += n;
	client_read(q, cl);
}

static void client_start(struct syslet_queue *q, int sock, const char *name)
{
	struct client *cl = calloc(1, sizeof(*cl));

	if (!cl || sock < 0)
		exit(1);
	cl->read_done.fn = client_read_done;
	cl->read_done.arg = cl;
	cl->sock = sock;
	cl->file = check(open(name, O_RDONLY | O_CLOEXEC), name);
	client_read(q, cl);
}

static int listen_on(unsigned short port, struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int sock = check(socket(AF_INET, SOCK_STREAM, 0), "socket");

	*addr = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	check(bind(sock, (struct sockaddr *)addr, len), "bind");
	check(listen(sock, 8), "listen");
	check(getsockname(sock, (struct sockaddr *)addr, &len), "getsockname");
	return sock;
}

static void watch(int ep, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	check(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), "epoll_ctl");
}

/* Until @clients have been served; 0: forever. */
static void serve(int sock, const char *name, int clients)
{
	int ep = check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
	int done = check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
	syslet_timespec now = { .tv_sec = 0 };
	struct syslet_queue q;
	struct epoll_event ev;
	eventfd_t n;

	if (syslet_queue_init(&q, 64, 0) || syslet_queue_eventfd(&q, done))
		exit(1);
	watch(ep, sock);
	watch(ep, done);
	while (!clients || served < clients) {
		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		if (ev.data.fd == sock) {
			client_start(&q, accept(sock, NULL, NULL), name);
		} else {
			eventfd_read(done, &n);
			syslet_dispatch(&q, &now);
		}
		/* What was prepared starts here, all at once. */
		syslet_flush(&q);
	}
	syslet_queue_exit(&q);
	close(done);
	close(ep);
}

static int print_all(const struct sockaddr_in *addr)
{
	int sock = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
	char buf[4096];
	ssize_t n;

	check(connect(sock, (const struct sockaddr *)addr, sizeof(*addr)), "connect");
	while ((n = read(sock, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)n, stdout);
	return fflush(stdout) || n < 0;
}

static int test(const char *name)
{
	struct sockaddr_in addr;
	int sock = listen_on(0, &addr), status = 1;
	pid_t pid = check(fork(), "fork");

	if (!pid)
		_exit(print_all(&addr));
	serve(sock, name, 1);
	close(sock);
	waitpid(pid, &status, 0);
	return status != 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr;

	if (argc != 3) {
		fprintf(stderr, "usage: epoll PORT|--test FILE\n");
		return 2;
	}
	if (!strcmp(argv[1], "--test"))
		return test(argv[2]);
	serve(listen_on((unsigned short)atoi(argv[1]), &addr), argv[2], 0);
	return 0;
}
