/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls that block on a page of theirs until the test gives it (userfaultfd). */
#ifndef __SYSLET_MISSING_H
#define __SYSLET_MISSING_H

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include "common.h"

#define MISSING_SIZE	4096

/*
 * A page that is missing until we give it: a path in it stops open() early, text
 * in it a write.
 */
struct missing {
	int fd;
	char *page;
};

static inline bool missing_page(struct missing *m)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	m->page = mmap(NULL, MISSING_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	m->fd = syscall(__NR_userfaultfd, O_CLOEXEC);
	reg.range.start = P(m->page);
	reg.range.len = MISSING_SIZE;
	return m->page != MAP_FAILED && m->fd >= 0 && !ioctl(m->fd, UFFDIO_API, &api) &&
	       !ioctl(m->fd, UFFDIO_REGISTER, &reg);
}

static inline bool give_page(struct missing *m, const char *text)
{
	static __thread char data[MISSING_SIZE] __attribute__((aligned(MISSING_SIZE)));
	struct uffdio_copy copy = { .dst = P(m->page), .src = P(data), .len = MISSING_SIZE };
	struct uffd_msg msg;

	strcpy(data, text);
	return read(m->fd, &msg, sizeof(msg)) == sizeof(msg) && !ioctl(m->fd, UFFDIO_COPY, &copy);
}

static inline bool have_userfaultfd(void)
{
	struct missing m;

	return missing_page(&m);
}

#endif /* __SYSLET_MISSING_H */
