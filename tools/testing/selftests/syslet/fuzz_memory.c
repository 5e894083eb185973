// SPDX-License-Identifier: GPL-2.0-only
/* Hostile runs of the fuzzer: memory that is written to, and goes away. */
#include "fuzz_hostile.h"

#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <sys/ioctl.h>

static int uffd = -1;
static __thread sigjmp_buf *escape;

/* --- memory that may not be there ------------------------------------------------- */

void on_fault(int sig)
{
	if (escape)
		siglongjmp(*escape, 1);
	_exit(1);
}

bool poke(void *to, const void *from, size_t len)
{
	sigjmp_buf here;
	bool ok = false;

	if (!sigsetjmp(here, 0)) {
		escape = &here;
		memcpy(to, from, len);
		ok = true;
	}
	escape = NULL;
	return ok;
}

/* --- rings that are written to, and go away ------------------------------------------- */

static uint32_t any_count(struct rng *r)
{
	return once_in(r, 2) ? rnd(r, 70) : any_word(r);
}

void make_ring(struct rng *r, char *at)
{
	struct syslet_ring head = { .elements = 1u << rnd(r, 9) };

	if (once_in(r, 4))
		head.kernel_head = head.user_tail = any_word(r);
	poke(at, &head, sizeof(head));
}

void scribble_ring(struct rng *r)
{
	char *at = page(RING_PAGE + rnd(r, RING_PAGES)) + (once_in(r, 3) ? PAGE - 16 : 0);
	uint32_t value = any_count(r), head = 0;

	switch (rnd(r, 6)) {
	case 0:
		poke(at, &value, 4);
		break;
	case 1:
		poke(at + 4, &value, 4);
		break;
	case 2:
		value = once_in(r, 2) ? 1u << rnd(r, 32) : value;
		poke(at + 8, &value, 4);
		break;
	case 3 ... 4:
		/* all taken */
		poke(&head, at, 4);
		poke(at + 4, &head, 4);
		break;
	case 5:
		make_ring(r, at);
		break;
	}
}

static void map_ring(struct rng *r, char *at, size_t len, int flags)
{
	int fd = flags & MAP_SHARED ? arena.fd[F_MEMFD] : -1;

	/* the same page may be at two places */
	mmap(at, len, PROT_READ | PROT_WRITE, MAP_FIXED | flags, fd,
	     fd < 0 ? 0 : rnd(r, RING_PAGES) * PAGE);
	if (!once_in(r, 4))
		make_ring(r, at);
}

void take_ring_away(struct rng *r)
{
	char *at = page(RING_PAGE + rnd(r, RING_PAGES));
	size_t len = PAGE << rnd(r, 2);
	struct uffdio_register reg = {
		.range = { P(at), PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	switch (rnd(r, 10)) {
	case 0:
		munmap(at, len);
		break;
	case 1:
		mprotect(at, len, rnd(r, 4) & (PROT_READ | PROT_WRITE));
		break;
	case 2:
		/* away, and back */
		mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page(SPARE_PAGE));
		sleep_us(rnd(r, 500));
		mremap(page(SPARE_PAGE), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at);
		break;
	case 3:
		madvise(at, len, once_in(r, 2) ? MADV_DONTNEED : MADV_REMOVE);
		break;
	case 4:
		fallocate(arena.fd[F_MEMFD], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  rnd(r, RING_PAGES) * PAGE, PAGE);
		break;
	case 5:
		ftruncate(arena.fd[F_MEMFD], rnd(r, RING_PAGES) * PAGE) ?:
			ftruncate(arena.fd[F_MEMFD], ARENA_SIZE);
		break;
	case 6:
		madvise(at, PAGE, MADV_DONTNEED);
		ioctl(uffd, UFFDIO_REGISTER, &reg);
		break;
	default:
		map_ring(r, at, len, once_in(r, 2) ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS);
	}
}

/* Faults of userfaultfd are answered after a while, or not. */
static void *pager(void *arg)
{
	struct rng *r = arg;
	struct uffdio_range range = { P(arena.base), ARENA_SIZE };

	for (;;) {
		struct uffdio_zeropage zero = { .range.len = PAGE };
		struct uffd_msg msg;

		if (read(uffd, &msg, sizeof(msg)) != sizeof(msg)) {
			sleep_us(1000);
			continue;
		}
		sleep_us(rnd(r, 4) ? rnd(r, 300) : rnd(r, 100000));
		zero.range.start = msg.arg.pagefault.address & ~(PAGE - 1);
		if (!once_in(r, 16))
			ioctl(uffd, UFFDIO_ZEROPAGE, &zero);
		else
			ioctl(uffd, UFFDIO_UNREGISTER, &range);
	}
	return NULL;
}

void open_userfaultfd(struct rng *r)
{
	struct uffdio_api api = { .api = UFFD_API };
	pthread_t t;

	uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	if (uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api))
		pthread_create(&t, NULL, pager, r);
}
