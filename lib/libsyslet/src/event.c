/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The eventfd of a queue: a descriptor of our own, so that the program may close
 * its one when it likes. Threads signal it after the program can take the result,
 * so each of their calls has a reference.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib.h"

struct syslet_event {
	int		fd;
	uint32_t	refs;
};

static bool is_anonymous(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && !(st.st_mode & S_IFMT);
}

/*
 * Of the anonymous files, only eventfds want eight bytes when they are read, and
 * can be written. Nothing is added; who waits for an edge may look in vain.
 */
static bool is_eventfd(int fd)
{
	uint64_t nothing = 0;

	return is_anonymous(fd) && read(fd, NULL, 0) < 0 && errno == EINVAL &&
	       write(fd, &nothing, sizeof(nothing)) == sizeof(nothing);
}

static int event_open(int fd)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own < 0)
		return -errno;
	if (is_eventfd(own))
		return own;
	close(own);
	return -EINVAL;
}

static int event_make(struct syslet_event **event, int fd)
{
	*event = malloc(sizeof(**event));
	if (!*event)
		return -ENOMEM;
	(*event)->refs = 1;
	(*event)->fd = event_open(fd);
	fd = (*event)->fd;
	if (fd >= 0)
		return 0;
	free(*event);
	return fd;
}

int event_new(struct syslet_event **event, int fd)
{
	int saved, err;

	CANCEL_OFF(state);
	saved = errno;
	err = event_make(event, fd);
	errno = saved;
	CANCEL_BACK(state);
	return err;
}

int event_fd(const struct syslet_event *event)
{
	return event ? event->fd : -1;
}

struct syslet_event *event_get(struct syslet_event *event)
{
	if (event)
		__atomic_fetch_add(&event->refs, 1, __ATOMIC_RELAXED);
	return event;
}

void event_put(struct syslet_event *event)
{
	if (!event || __atomic_sub_fetch(&event->refs, 1, __ATOMIC_ACQ_REL))
		return;
	sys_close(event->fd);
	free(event);
}

/* In a child of fork(), where the descriptor may be somebody else's by now. */
void event_forget(struct syslet_event *event)
{
	free(event);
}

/* If its count is at the limit then whoever waits for it is awake. */
void event_signal(const struct syslet_event *event)
{
	if (event && sys_is_writable(event->fd))
		sys_eventfd_signal(event->fd);
}
