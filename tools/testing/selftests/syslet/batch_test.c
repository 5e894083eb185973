// SPDX-License-Identifier: GPL-2.0-only
/* Many calls with one entry: arguments, order, and entries that block. */
#include <sys/file.h>

#include "batch.h"
#include "raw.h"
#include "threads.h"

THREADS_FIXTURE(batch)

/* --- arguments --------------------------------------------------------------- */

/* Entries that would leave a trace: one byte each, if they are run. */
struct traces {
	int fd[2];
	struct syslet_call calls[3];
};

static bool traces_begin(struct traces *t)
{
	if (pipe(t->fd))
		return false;
	for (unsigned int i = 0; i < ARRAY_LEN(t->calls); i++)
		t->calls[i] = PUT(i, t->fd);
	return true;
}

/* Nothing was run, and no result was written. */
static bool traces_none(struct traces *t)
{
	for (unsigned int i = 0; i < ARRAY_LEN(t->calls); i++)
		if (t->calls[i].result != NO_RESULT)
			return false;
	return !pipe_bytes(t->fd);
}

THREADS_TEST(batch, of_no_entries_is_zero)
{
	struct indirect_params params = { .syslet.completion_ring_ptr = P(ring) };

	CHECK(batch(ring, NULL, 0) == 0);
	CHECK(batch(ring, (void *)-1l, 0) == 0);
	CHECK(sys_submit(NULL, 0, NULL, 0, 0) == 0);
	CHECK(sys_submit(NULL, 0, &params, sizeof(params), 1u << 31) == -EINVAL);
	return NULL;
}

THREADS_TEST(batch, flags_that_are_unknown_are_refused)
{
	struct traces t;

	CHECK(traces_begin(&t));
	for (int bit = 3; bit < 32; bit++)
		CHECK(BATCH_FLAGS(ring, t.calls, 1u << bit) == -EINVAL);
	CHECK(traces_none(&t));
	CHECK(BATCH_FLAGS(ring, t.calls, 3) == 3 && pipe_bytes(t.fd) == 3);
	return NULL;
}

static long with_params(struct traces *t, struct indirect_params params)
{
	return sys_submit(t->calls, ARRAY_LEN(t->calls), &params, sizeof(params), 0);
}

THREADS_TEST(batch, params_that_make_no_sense_are_refused)
{
	static const struct indirect_params bad[] = {
		{ .syslet.caller_data = 1 },
		{ .syslet.frame = { 4096, 4096 } },
		{ .syslet.frame.ip = 4096 },
		{ .syslet.frame.sp = 4096 },
		{ .syslet.flags = SYSLET_SYNC_OK << 1 },
		{ .syslet.flags = 1u << 31 },
		{ .file_flags = O_APPEND },
		{ .__reserved = 1 },
	};
	struct traces t;

	CHECK(traces_begin(&t));
	for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
		struct indirect_params params = bad[i];

		CHECK(with_params(&t, params) == -EINVAL);
		params.syslet.completion_ring_ptr = P(ring);
		CHECK(with_params(&t, params) == -EINVAL);
	}
	CHECK(traces_none(&t));
	return NULL;
}

THREADS_TEST(batch, params_of_other_sizes)
{
	struct { struct indirect_params params; char more[5000]; } big = {
		.params.syslet.completion_ring_ptr = P(ring) };
	struct traces t;
	char c;

	CHECK(traces_begin(&t));
	/* from the future */
	CHECK(sys_submit(t.calls, 3, &big.params, sizeof(big), 0) == -E2BIG);
	big.more[99] = 1;
	CHECK(sys_submit(t.calls, 3, &big.params, sizeof(big.params) + 100, 0) == -E2BIG);
	CHECK(sys_submit(t.calls, 3, NULL, sizeof(big.params), 0) == -EFAULT);
	CHECK(sys_submit(t.calls, 3, (void *)-4096l, 8, 0) == -EFAULT);
	CHECK(traces_none(&t));
	CHECK(sys_submit(t.calls, 3, &big.params, sizeof(big.params) + 99, 0) == 3);
	/* none at all: synchronous */
	CHECK(sys_submit(t.calls, 3, NULL, 0, 0) == 3 && pipe_bytes(t.fd) == 6);
	CHECK(pipe_drain(t.fd));
	/* of the past: a ring, and no more */
	t.calls[0] = TAKE(7, t.fd, &c);
	CHECK(sys_submit(t.calls, 3, &big.params, 8, 0) == 3);
	CHECK(t.calls[0].result == -ESYSLETPENDING && reap_one(ring, 7, 1));
	return NULL;
}

/* A page, and one behind it that is not as it should be. */
static char *two_pages(int prot)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	memset(p, 0, 8192);
	return mprotect(p + 4096, 4096, prot) ? NULL : p;
}

/*
 * Entries up to the end of the page are run, and the first that is not wholly
 * in it is not, wherever it is cut: behind its arguments, before its result.
 */
static const char *check_cut(struct syslet_ring *ring, int prot)
{
	char *page = two_pages(prot);
	int fd[2];

	CHECK(page && !pipe(fd));
	for (unsigned int start = 0; start <= sizeof(struct syslet_call); start += 8) {
		struct syslet_call *calls = (void *)(page + start);
		unsigned int n = (4096 - start) / sizeof(*calls);

		for (unsigned int i = 0; i < n; i++)
			calls[i] = PUT(i, fd);
		/* the one that is cut, as far as it can be written */
		if (prot == PROT_NONE || prot == PROT_READ) {
			struct syslet_call cut = PUT(n, fd);

			memcpy(&calls[n], &cut, 4096 - start - n * sizeof(*calls));
		}
		CHECK(batch(ring, calls, 0xffffffff) == n);
		CHECK(pipe_bytes(fd) == n && pipe_drain(fd));
		for (unsigned int i = 0; i < n; i++)
			CHECK(calls[i].result == 1);
		CHECK(batch(ring, &calls[n], 1) == -EFAULT && !pipe_bytes(fd));
		CHECK(sys_submit(&calls[n], 1, NULL, 0, 0) == -EFAULT && !pipe_bytes(fd));
	}
	pipe_close(fd);
	return NULL;
}

THREADS_TEST(batch, ends_where_entries_cannot_be_read)
{
	return check_cut(ring, PROT_NONE);
}

THREADS_TEST(batch, ends_where_results_cannot_be_written)
{
	return check_cut(ring, PROT_READ);
}

THREADS_TEST(batch, entries_at_addresses_of_the_kernel_are_not_run)
{
	CHECK(batch(ring, (void *)0xffff888000000000ul, 1) == -EFAULT);
	CHECK(batch(ring, (void *)0x7ffffffff000ul, 1) == -EFAULT);
	CHECK(batch(ring, (void *)-72l, 2) == -EFAULT);
	CHECK(batch(ring, NULL, 1) == -EFAULT);
	return NULL;
}

THREADS_TEST(batch, entry_that_unmaps_the_entries_is_the_last_one)
{
	struct syslet_call *calls = (void *)two_pages(PROT_READ | PROT_WRITE);
	int fd[2];

	CHECK(calls && !pipe(fd));
	calls[0] = PUT(0, fd);
	calls[1] = ENTRY(1, __NR_munmap, P(calls), 8192);
	calls[2] = PUT(2, fd);
	CHECK(batch(ring, calls, 3) == 2 && pipe_bytes(fd) == 1);
	return NULL;
}

/* What the kernel says before a call may be seen; what it says after counts. */
THREADS_TEST(batch, entries_in_memory_that_calls_write_to)
{
	struct syslet_call calls[3];
	int fd[2];

	CHECK(!pipe(fd) && write(fd[1], "12345678", 8) == 8);
	calls[0] = ENTRY(0, __NR_read, fd[0], P(&calls[0].result), 4);
	/* the next one is what was read there, not what was there before */
	calls[1] = ENTRY(1, __NR_read, fd[0], P(&calls[2].caller_data), 4);
	calls[2] = ENTRY(~0ul, __NR_getpid);
	CHECK(BATCH(ring, calls) == 3);
	CHECK(calls[0].result == 4 && calls[1].result == 4 && calls[2].result == getpid());
	CHECK(!memcmp(&calls[2].caller_data, "5678", 4));
	return NULL;
}

THREADS_TEST(batch, goes_on_behind_numbers_that_do_not_exist)
{
	static const uint64_t bad[] = {
		100000, ~0ull, 1ull << 32 | __NR_write, 1ull << 63 | __NR_write,
		0x40000000 | __NR_write, 0x80000000 | __NR_write,
	};
	struct syslet_call calls[2 * ARRAY_LEN(bad)];
	int fd[2], n = ARRAY_LEN(bad);

	CHECK(!pipe(fd));
	for (int with_ring = 0; with_ring < 2; with_ring++) {
		for (int i = 0; i < n; i++) {
			calls[2 * i] = ENTRY(i, bad[i], fd[1], P("b"), 1);
			calls[2 * i + 1] = PUT(i, fd);
		}
		CHECK(BATCH(with_ring ? ring : NULL, calls) == 2 * n);
		for (int i = 0; i < n; i++)
			CHECK(calls[2 * i].result == -ENOSYS && calls[2 * i + 1].result == 1);
		CHECK(pipe_bytes(fd) == n && pipe_drain(fd));
	}
	return NULL;
}

THREADS_TEST(batch, goes_on_behind_calls_that_cannot_be_made_in_this_way)
{
	static const int refused[] = {
		__NR_fork, __NR_vfork, __NR_clone, __NR_clone3, __NR_execve, __NR_execveat,
		__NR_exit, __NR_exit_group, __NR_rt_sigreturn, __NR_restart_syscall,
		__NR_indirect, __NR_syslet_ring_wait, __NR_syslet_submit,
	};
	struct syslet_call calls[ARRAY_LEN(refused) + 1];
	unsigned int n = ARRAY_LEN(refused);

	for (int how = 0; how < 3; how++) {
		for (unsigned int i = 0; i < n; i++)
			calls[i] = ENTRY(i, refused[i]);
		calls[n] = ENTRY(n, __NR_gettid);
		CHECK((how == 2 ? BATCH_SYNC_OK(ring, calls) :
				  BATCH(how ? ring : NULL, calls)) == n + 1);
		for (unsigned int i = 0; i < n; i++)
			CHECK(calls[i].result == -EINVAL);
		CHECK(calls[n].result == gettid());
	}
	return NULL;
}

/* Calls that may wait but depend on their task. */
THREADS_TEST(batch, bound_calls_are_refused_or_synchronous)
{
	struct timespec none = {};
	uint64_t set = 1ul << (SIGUSR1 - 1);
	struct syslet_call calls[3];

	block_signal(SIGUSR1);
	for (int how = 0; how < 3; how++) {
		long want = how == 0 ? -EAGAIN : SIGUSR1;

		CHECK(!tgkill(getpid(), gettid(), SIGUSR1));
		calls[0] = ENTRY(0, __NR_gettid);
		calls[1] = ENTRY(1, __NR_rt_sigtimedwait, P(&set), 0, P(&none), 8);
		calls[2] = ENTRY(2, __NR_gettid);
		CHECK((how == 0 ? BATCH(ring, calls) :
		       how == 1 ? BATCH_SYNC_OK(ring, calls) : BATCH(NULL, calls)) == 3);
		CHECK(calls[0].result == gettid() && calls[2].result == gettid());
		CHECK(calls[1].result == want);
		CHECK(status_has_signal(getpid(), gettid(), "SigPnd", SIGUSR1) == (how == 0));
	}
	return NULL;
}

THREADS_TEST(batch, pause_is_refused)
{
	struct syslet_call calls[] = { ENTRY(0, __NR_pause), ENTRY(1, __NR_getpid) };

	CHECK(BATCH(ring, calls) == 2);
	CHECK(calls[0].result == -EAGAIN && calls[1].result == getpid());
	return NULL;
}

/* The ring is looked at by calls that could use it; the others do not care. */
THREADS_TEST(batch, ring_that_is_none_is_the_result_of_calls_that_need_one)
{
	static char two[64] __attribute__((aligned(8)));
	struct { uint64_t addr; long err; } bad[] = {
		{ 4096, -EFAULT }, { -4096ull, -EFAULT }, { P(two + 4), -EINVAL },
		{ P(two), -EINVAL },	/* no elements */
	};
	struct traces t;

	CHECK(traces_begin(&t));
	for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
		t.calls[1] = ENTRY(1, __NR_getpid);
		CHECK(BATCH((void *)bad[i].addr, t.calls) == 3);
		CHECK(t.calls[0].result == bad[i].err && t.calls[1].result == getpid());
		CHECK(t.calls[2].result == bad[i].err && !pipe_bytes(t.fd));
	}
	CHECK(!force_handoff(ring));
	return NULL;
}

static long lost_results(void)
{
	char text[32];

	return read_text("/proc/sys/kernel/syslet_lost", text, sizeof(text)) > 0 ? atol(text) : -1;
}

/* By a call of the batch itself: told by the next one, or lost and counted. */
THREADS_TEST(batch, ring_that_an_entry_unmaps)
{
	struct syslet_ring *own = ring_alloc(4);
	struct syslet_call calls[5];
	long lost = lost_results();
	int fd[2];
	char c;

	CHECK(own && lost >= 0 && !pipe(fd));
	calls[0] = PUT(0, fd);
	calls[1] = TAKE(1, fd, &c);
	calls[2] = ENTRY(2, __NR_munmap, P(own), 4096);
	calls[3] = TAKE(3, fd, &c);
	calls[4] = ENTRY(4, __NR_getpid);
	CHECK(BATCH(own, calls) == 5);
	CHECK(calls[1].result == 1 && !calls[2].result && calls[4].result == getpid());
	CHECK(calls[3].result == -EFAULT || calls[3].result == -ESYSLETPENDING);
	CHECK(write(fd[1], "x", 1) == 1);
	if (calls[3].result == -ESYSLETPENDING)
		UNTIL(lost_results() > lost);
	CHECK(!force_handoff(ring));
	return NULL;
}

/* --- the i386 ABI ------------------------------------------------------------- */

#define I386_READ	3
#define I386_WRITE	4
#define I386_GETPID	20
#define I386_SETUID	213

struct low {
	struct syslet_call calls[4];
	struct indirect_params params;
	struct syslet_ring ring;
	struct syslet_completion comp[8];
	char c, x;
};

static long i386_submit(struct low *low, bool with_ring)
{
	register long flags asm("rdi") = 0;
	long ret;

	asm volatile("int $0x80" : "=a" (ret), "+r" (flags)
		     : "a" (__NR_syslet_submit), "b" (low->calls), "c" (ARRAY_LEN(low->calls)),
		       "d" (with_ring ? &low->params : 0),
		       "S" (with_ring ? sizeof(low->params) : 0)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

THREADS_TEST_IF(batch, by_the_i386_gate_goes_on_with_its_numbers, have_ia32(),
		"no IA32 emulation")
{
	struct low *low = low_memory();
	int fd[2];

	CHECK(low && !pipe(fd));
	low->x = 'y';
	low->ring.elements = ARRAY_LEN(low->comp);
	low->params.syslet.completion_ring_ptr = P(&low->ring);
	for (int i = 0; i < 6; i++) {
		/* of 64 bits: fstat, dup2, no such one */
		low->c = 0;
		low->calls[0] = ENTRY(70 + i, I386_READ, fd[0] | 1ul << 32, P(&low->c), 1);
		low->calls[1] = ENTRY(1, I386_GETPID);
		low->calls[2] = ENTRY(2, 1ull << 32 | I386_GETPID);
		low->calls[3] = ENTRY(3, I386_WRITE, fd[1], P(&low->x), 1);
		CHECK(i386_submit(low, true) == 4);
		CHECK(low->calls[0].result == -ESYSLETPENDING);
		CHECK(low->calls[1].result == getpid() && low->calls[2].result == -ENOSYS);
		CHECK(low->calls[3].result == 1);
		CHECK(reap_one(&low->ring, 70 + i, 1) && low->c == 'y');
		/* tasks that came in by one gate leave by the other */
		CHECK(i % 2 || !force_handoff(ring));
	}
	low->calls[0].nr = I386_GETPID;
	low->calls[3].args[0] = -1ul;
	CHECK(i386_submit(low, false) == 4);
	CHECK(low->calls[0].result == getpid() && low->calls[3].result == -EBADF);
	return NULL;
}

/* --- order -------------------------------------------------------------------- */

THREADS_TEST(batch, calls_are_made_in_the_order_of_the_entries)
{
	enum { N = 50 };
	struct syslet_call calls[4 * N];
	int fd = memfd_create("x", 0);
	char in[N], out[N] = "";

	CHECK(fd >= 0);
	for (int with_ring = 0; with_ring < 2; with_ring++) {
		CHECK(!ftruncate(fd, 0));
		for (int i = 0; i < N; i++) {
			in[i] = 'a' + (i + with_ring) % 26;
			calls[4 * i] = ENTRY(0, __NR_lseek, fd, i * 3, SEEK_SET);
			calls[4 * i + 1] = ENTRY(1, __NR_write, fd, P(&in[i]), 1);
			calls[4 * i + 2] = ENTRY(2, __NR_lseek, fd, -1, SEEK_CUR);
			calls[4 * i + 3] = ENTRY(3, __NR_read, fd, P(&out[i]), 1);
		}
		CHECK(BATCH(with_ring ? ring : NULL, calls) == 4 * N);
		for (int i = 0; i < N; i++) {
			/* none of these waits for anybody */
			CHECK(calls[4 * i].result == i * 3 && calls[4 * i + 1].result == 1);
			CHECK(calls[4 * i + 2].result == i * 3 && calls[4 * i + 3].result == 1);
		}
		CHECK(!memcmp(in, out, N) && !ring_count(ring));
	}
	return NULL;
}

THREADS_TEST(batch, calls_about_the_thread_see_each_other)
{
	struct syslet_call calls[6];
	char name[16] = "";

	umask(022);
	calls[0] = ENTRY(0, __NR_umask, 011);
	calls[1] = ENTRY(1, __NR_umask, 033);
	calls[2] = ENTRY(2, __NR_umask, 022);
	calls[3] = ENTRY(3, __NR_prctl, PR_SET_NAME, P("in a batch"));
	calls[4] = ENTRY(4, __NR_prctl, PR_GET_NAME, P(name));
	calls[5] = ENTRY(5, __NR_gettid);
	CHECK(BATCH(ring, calls) == 6);
	CHECK(calls[0].result == 022 && calls[1].result == 011 && calls[2].result == 033);
	CHECK(!calls[3].result && !strcmp(name, "in a batch") && calls[5].result == gettid());
	return NULL;
}

static long feed(void *fd)
{
	return write((long)fd, "x", 1);
}

THREADS_TEST(batch, without_a_ring_waits_for_each_call)
{
	struct servant *s = servant_start();
	struct syslet_call calls[3];
	int fd[2][2];
	char c[2] = "";

	CHECK(s && !pipe(fd[0]) && !pipe(fd[1]));
	calls[0] = TAKE(0, fd[0], &c[0]);
	calls[1] = PUT(1, fd[1]);
	calls[2] = TAKE(2, fd[1], &c[1]);
	servant_tell(s, feed, (void *)(long)fd[0][1]);
	CHECK(BATCH(NULL, calls) == 3 && servant_wait(s) == 1);
	for (int i = 0; i < 3; i++)
		CHECK(calls[i].result == 1);
	CHECK(c[0] == 'x' && c[1] == 'x');
	return NULL;
}

/* What close() leaves to be done is done before the next call. */
/* dup2() leaves the last put of a file to the return to user space. */
THREADS_TEST(batch, file_that_dup2_has_replaced_is_closed_for_the_next_entry)
{
	int fd[2], null = open("/dev/null", O_RDWR);
	struct syslet_call calls[3];
	char c[2];

	for (int with_ring = 0; with_ring < 2; with_ring++) {
		CHECK(!pipe(fd) && null >= 0);
		calls[0] = PUT(0, fd);
		calls[1] = ENTRY(1, __NR_dup2, null, fd[1]);
		calls[2] = ENTRY(2, __NR_read, fd[0], P(c), 1);
		CHECK(BATCH(with_ring ? ring : NULL, calls) == 3);
		CHECK(calls[2].result == 1);
		/* nobody writes any more */
		calls[0] = ENTRY(3, __NR_read, fd[0], P(c), 1);
		CHECK(batch(with_ring ? ring : NULL, calls, 1) == 1 && calls[0].result == 0);
		pipe_close(fd);

		/* and that without a return in between */
		CHECK(!pipe(fd));
		calls[0] = ENTRY(4, __NR_dup2, null, fd[1]);
		calls[1] = ENTRY(5, __NR_read, fd[0], P(c), 1);
		CHECK(batch(with_ring ? ring : NULL, calls, 2) == 2);
		CHECK(calls[0].result == fd[1] && calls[1].result == 0);
		CHECK(!ring_count(ring));
		pipe_close(fd);
	}
	return NULL;
}

THREADS_TEST(batch, close_has_taken_effect_for_the_next_entry)
{
	int fd[2], file[2];
	struct syslet_call calls[7];
	char c[2];

	for (int with_ring = 0; with_ring < 2; with_ring++) {
		file[0] = open("/tmp/batch.lock", O_CREAT | O_RDWR, 0600);
		file[1] = open("/tmp/batch.lock", O_RDWR);
		CHECK(!pipe(fd) && file[0] >= 0 && file[1] >= 0);
		CHECK(!flock(file[0], LOCK_EX));
		calls[0] = PUT(0, fd);
		calls[1] = ENTRY(1, __NR_flock, file[1], LOCK_EX | LOCK_NB);
		calls[2] = ENTRY(2, __NR_close, file[0]);
		calls[3] = ENTRY(3, __NR_flock, file[1], LOCK_EX | LOCK_NB);
		calls[4] = ENTRY(4, __NR_close, fd[1]);
		calls[5] = TAKE(5, fd, &c[0]);
		calls[6] = TAKE(6, fd, &c[1]);
		CHECK(BATCH(with_ring ? ring : NULL, calls) == 7);
		CHECK(calls[0].result == 1 && calls[1].result == -EWOULDBLOCK);
		CHECK(calls[2].result == 0 && calls[3].result == 0 && calls[4].result == 0);
		CHECK(calls[5].result == 1 && calls[6].result == 0);
		CHECK(!ring_count(ring));
		close(fd[0]);
		close(file[1]);
	}
	return NULL;
}

/* Behind a handoff: what the last task has closed, and what the next one does. */
THREADS_TEST(batch, close_behind_an_entry_that_blocked_has_taken_effect)
{
	struct syslet_call calls[4];
	int fd[2], end[2];
	char c[2];

	CHECK(!pipe(fd) && !pipe(end));
	calls[0] = TAKE(0, end, &c[0]);
	calls[1] = ENTRY(1, __NR_close, fd[1]);
	calls[2] = TAKE(2, fd, &c[1]);
	calls[3] = PUT(3, end);
	CHECK(BATCH(ring, calls) == 4);
	CHECK(calls[0].result == -ESYSLETPENDING && calls[2].result == 0);
	CHECK(reap_one(ring, 0, 1));
	return NULL;
}

/* --- entries that block -------------------------------------------------------- */

THREADS_TEST(batch, any_of_its_entries_may_block)
{
	enum { N = 5 };
	struct syslet_call calls[N];
	int fd[N][2], out[2];
	char c[N];

	CHECK(!pipe(out));
	for (int i = 0; i < N; i++)
		CHECK(!pipe(fd[i]));
	/* first, last, all of them, none */
	for (int mask = 0; mask < 1 << N; mask++) {
		for (int i = 0; i < N; i++)
			calls[i] = mask & 1 << i ? TAKE(mask << 8 | i, fd[i], &c[i]) :
						   PUT(mask << 8 | i, out);
		CHECK(BATCH(ring, calls) == N);
		for (int i = 0; i < N; i++)
			CHECK(calls[i].result == (mask & 1 << i ? -ESYSLETPENDING : 1));
		CHECK(pipe_bytes(out) == N - __builtin_popcount(mask) && pipe_drain(out));
		CHECK(!ring_count(ring));
		/* each one has a runner: the later ones end first */
		for (int i = N - 1; i >= 0; i--) {
			if (!(mask & 1 << i))
				continue;
			CHECK(write(fd[i][1], &i, 1) == 1);
			CHECK(reap_one(ring, mask << 8 | i, 1) && c[i] == i);
		}
	}
	return NULL;
}

THREADS_TEST(batch, entry_waits_for_a_later_one)
{
	struct syslet_call calls[2];
	int fd[2];
	char c;

	CHECK(!pipe(fd));
	for (uint64_t i = 1; i <= 20; i++) {
		c = 0;
		calls[0] = TAKE(~i, fd, &c);
		calls[1] = PUT(i, fd);
		CHECK(BATCH(ring, calls) == 2 && calls[1].result == 1);
		CHECK(calls[0].result == -ESYSLETPENDING);
		CHECK(reap_one(ring, ~i, 1) && c == 'x');
	}
	return NULL;
}

/* 300 that block, in turns with calls that do not. */
static const char *check_many(struct syslet_ring *ring)
{
	enum { N = 300 };
	static struct syslet_call calls[2 * N];
	static char c[N];
	static long status[N];
	int fd[2], out[2];

	ring = ring_alloc(512);
	CHECK(ring && !pipe(fd) && !pipe(out));
	for (int round = 0; round < 2; round++) {
		memset(c, 0, sizeof(c));
		for (int i = 0; i < N; i++) {
			calls[2 * i] = TAKE(1000 + i, fd, &c[i]);
			calls[2 * i + 1] = i % 2 ? PUT(i, out) : ENTRY(i, __NR_gettid);
		}
		CHECK(BATCH(ring, calls) == 2 * N && pipe_bytes(out) == N / 2);
		for (int i = 0; i < N; i++) {
			CHECK(calls[2 * i].result == -ESYSLETPENDING);
			CHECK(calls[2 * i + 1].result == (i % 2 ? 1 : gettid()));
		}
		CHECK(!ring_count(ring) && count_threads() > N);
		/* by another batch */
		for (int i = 0; i < N; i++)
			calls[i] = PUT(i, fd);
		CHECK(batch(ring, calls, N) == N);
		CHECK(reap_each(ring, 1000, N, status));
		for (int i = 0; i < N; i++)
			CHECK(status[i] == 1 && c[i] == 'x');
		CHECK(pipe_drain(out) && !pipe_bytes(fd));
	}
	return NULL;
}

TEST_F_TIMEOUT(batch, many_entries_that_block_between_others_that_do_not, 240)
{
	const char *err = threads_run(variant->thread, check_many);

	ASSERT_EQ(NULL, err) TH_LOG("%s", err);
}

THREADS_TEST(batch, rounds_of_it_lose_nothing_and_make_nothing_twice)
{
	return tally_rounds(ring, 40);
}

THREADS_TEST(batch, entry_cancels_one_before_it)
{
	struct syslet_call calls[4];
	int fd[2];
	char c = 0;

	CHECK(!pipe(fd));
	calls[0] = TAKE(8, fd, &c);
	calls[1] = ENTRY(1, __NR_syslet_cancel, P(ring), 8, 0);
	calls[2] = ENTRY(2, __NR_syslet_cancel, P(ring), 9, 0);
	calls[3] = ENTRY(3, __NR_getpid);
	CHECK(BATCH(ring, calls) == 4);
	CHECK(calls[0].result == -ESYSLETPENDING && calls[1].result == 0);
	CHECK(calls[2].result == -ENOENT && calls[3].result == getpid());
	CHECK(reap_one(ring, 8, -ECANCELED) && !c);
	return NULL;
}

THREADS_TEST(batch, calls_that_sleep_come_to_their_ends)
{
	struct timespec ts = { .tv_nsec = 20000000 };
	struct syslet_call calls[5];
	uint32_t word = 0;
	long status[5];
	unsigned int n = 0, due = 0;
	struct syslet_completion comp = {};

	calls[0] = ENTRY(0, __NR_nanosleep, P(&ts), 0);
	calls[1] = ENTRY(1, __NR_ppoll, 0, 0, P(&ts), 0, 8);
	calls[2] = ENTRY(2, __NR_poll, 0, 0, 20);
	calls[3] = ENTRY(3, __NR_futex, P(&word), FUTEX_WAIT_PRIVATE, 0, P(&ts));
	calls[4] = ENTRY(4, __NR_clock_nanosleep, CLOCK_MONOTONIC, 0, P(&ts), 0);
	CHECK(BATCH(ring, calls) == 5);
	/* any of them may have been over before someone took over */
	for (int i = 0; i < 5; i++) {
		status[i] = calls[i].result;
		if (calls[i].result == -ESYSLETPENDING) {
			due |= 1u << i;
			n++;
		}
	}
	for (; n; n--) {
		CHECK(!ring_reap(ring, &comp) && comp.caller_data < 5);
		CHECK(due & 1u << comp.caller_data);
		due &= ~(1u << comp.caller_data);
		status[comp.caller_data] = comp.status;
	}
	CHECK(!due && !ring_count(ring));
	for (int i = 0; i < 5; i++)
		CHECK(status[i] == (i == 3 ? -ETIMEDOUT : 0));
	return NULL;
}

/* --- flags --------------------------------------------------------------------- */

THREADS_TEST(batch, stops_at_the_first_error_if_told_so)
{
	struct syslet_call calls[5];
	int fd[2], in[2];
	char c;

	CHECK(!pipe(fd) && !pipe(in));
	for (int bad = 0; bad < 4; bad++) {
		/* a bad number, a refused one, one that has to wait, one that fails */
		static const int nr[] = { 100000, __NR_fork, __NR_pause, __NR_close };

		calls[0] = PUT(0, fd);
		calls[1] = TAKE(1, in, &c);	/* pending is no error */
		calls[2] = ENTRY(2, nr[bad], -1);
		calls[3] = calls[4] = PUT(3, fd);
		CHECK(BATCH_FLAGS(ring, calls, SYSLET_SUBMIT_STOP_ERROR) == 3);
		CHECK(calls[0].result == 1 && calls[1].result == -ESYSLETPENDING);
		CHECK(calls[2].result < 0 && calls[2].result > -4096);
		CHECK(calls[3].result == NO_RESULT && calls[4].result == NO_RESULT);
		CHECK(pipe_bytes(fd) == 1 && pipe_drain(fd));
		CHECK(write(in[1], "x", 1) == 1 && reap_one(ring, 1, 1));
		/* the first of all; a pause() without a ring would not end */
		if (nr[bad] == __NR_pause)
			continue;
		CHECK(sys_submit(calls + 2, 3, NULL, 0, SYSLET_SUBMIT_STOP_ERROR) == 1);
		CHECK(!pipe_bytes(fd));
	}
	/* a value that looks like one is none */
	calls[0] = ENTRY(0, __NR_lseek, memfd_create("x", 0), 1l << 62, SEEK_SET);
	calls[1] = PUT(1, fd);
	CHECK(batch_args(calls, 2, (struct syslet_args){}, SYSLET_SUBMIT_STOP_ERROR) == 2);
	CHECK(calls[0].result == 1l << 62);
	return NULL;
}

THREADS_TEST(batch, stops_at_the_first_pending_one_if_told_so)
{
	struct syslet_call calls[5];
	int fd[2], in[2];
	char c;

	CHECK(!pipe(fd) && !pipe(in));
	for (int both = 0; both < 2; both++) {
		calls[0] = PUT(0, fd);
		calls[1] = ENTRY(1, both ? __NR_getpid : __NR_pause);
		calls[2] = TAKE(2, in, &c);
		calls[3] = calls[4] = PUT(3, fd);
		CHECK(BATCH_FLAGS(ring, calls, SYSLET_SUBMIT_STOP_PENDING |
				  (both ? SYSLET_SUBMIT_STOP_ERROR : 0)) == 3);
		CHECK(calls[1].result == (both ? getpid() : -EAGAIN));
		CHECK(calls[2].result == -ESYSLETPENDING);
		CHECK(calls[3].result == NO_RESULT && calls[4].result == NO_RESULT);
		CHECK(pipe_bytes(fd) == 1 && pipe_drain(fd));
		CHECK(write(in[1], "x", 1) == 1 && reap_one(ring, 2, 1));
		/* none is pending */
		calls[2] = PUT(2, fd);
		CHECK(BATCH_FLAGS(ring, calls, SYSLET_SUBMIT_STOP_PENDING) == 5);
		CHECK(pipe_bytes(fd) == 4 && pipe_drain(fd));
	}
	return NULL;
}

/* -EAGAIN of a read is its result, that of pause() is not. */
THREADS_TEST(batch, stops_before_a_refused_one_if_told_so)
{
	struct syslet_call calls[4];
	int fd[2], in[2];
	char c;

	CHECK(!pipe(fd) && !pipe2(in, O_NONBLOCK));
	calls[0] = PUT(0, fd);
	calls[1] = TAKE(1, in, &c);
	calls[2] = ENTRY(2, __NR_pause);
	calls[3] = PUT(3, fd);
	CHECK(BATCH_FLAGS(ring, calls, SYSLET_SUBMIT_STOP_REFUSED) == 2);
	CHECK(calls[0].result == 1 && calls[1].result == -EAGAIN);
	CHECK(pipe_bytes(fd) == 1);
	/* none before it: told by the whole */
	CHECK(batch_args(calls + 2, 2, (struct syslet_args){ .completion_ring_ptr = P(ring) },
			 SYSLET_SUBMIT_STOP_REFUSED) == -EAGAIN);
	CHECK(pipe_bytes(fd) == 1);
	/* not told so: it has that result, and the batch goes on */
	CHECK(BATCH(ring, calls) == 4 && calls[2].result == -EAGAIN);
	CHECK(pipe_bytes(fd) == 3);
	/* behind one that is pending, by the spare that goes on */
	CHECK(!fcntl(in[0], F_SETFL, 0));
	CHECK(BATCH_FLAGS(ring, calls, SYSLET_SUBMIT_STOP_REFUSED) == 2);
	CHECK(calls[1].result == -ESYSLETPENDING && pipe_bytes(fd) == 4);
	CHECK(write(in[1], "x", 1) == 1 && reap_one(ring, 1, 1));
	/* and of a call that finds no room in the ring */
	ring->user_tail -= ring->elements;
	CHECK(BATCH_FLAGS(ring, calls, SYSLET_SUBMIT_STOP_REFUSED) == -EAGAIN);
	CHECK(pipe_bytes(fd) == 4);
	return NULL;
}

THREADS_TEST(batch, refuses_from_where_the_ring_is_full)
{
	struct syslet_call calls[8];
	int fd[2], out[2];
	long status[4];
	char c[6];

	ring = ring_alloc(4);
	CHECK(ring && !pipe(fd) && !pipe(out));
	for (int i = 0; i < 6; i++)
		calls[i] = TAKE(i, fd, &c[i]);
	calls[6] = PUT(6, out);
	calls[7] = ENTRY(7, __NR_getpid);
	CHECK(BATCH(ring, calls) == 8);
	for (int i = 0; i < 7; i++)
		CHECK(calls[i].result == (i < 4 ? -ESYSLETPENDING : -EAGAIN));
	CHECK(calls[7].result == getpid() && !pipe_bytes(out));
	CHECK(write(fd[1], "abcdef", 6) == 6 && reap_each(ring, 0, 4, status));
	CHECK(pipe_bytes(fd) == 2 && pipe_drain(fd));

	/* the same, where one may wait: for what a later one of it cannot do */
	for (int i = 0; i < 4; i++)
		calls[i] = TAKE(i, fd, &c[i]);
	calls[4] = PUT(4, out);
	calls[5] = TAKE(5, out, &c[5]);
	calls[6] = PUT(6, fd);
	CHECK(BATCH_SYNC_OK(ring, calls) == 8);
	for (int i = 0; i < 7; i++)
		CHECK(calls[i].result == (i < 4 ? -ESYSLETPENDING : 1));
	CHECK(calls[7].result == getpid() && !pipe_bytes(out));
	CHECK(write(fd[1], "abc", 3) == 3 && reap_each(ring, 0, 4, status));
	return NULL;
}

/*
 * Who looks at the ring and finds it full does so for those behind it. Here it
 * is an entry that makes it full; another thread could.
 */
THREADS_TEST(batch, ring_that_one_entry_finds_full_is_full_for_the_next)
{
	uint32_t full = -4u, word = 0;
	struct syslet_call calls[6];
	int fd[2], tail[2];
	char c = 0;

	ring = ring_alloc(4);
	CHECK(ring && !pipe(fd) && !pipe(tail) && !force_handoff(ring));
	ring->kernel_head = 0;
	ring->user_tail = 0;
	CHECK(write(tail[1], &full, sizeof(full)) == sizeof(full));
	calls[0] = PUT(0, fd);
	calls[1] = TAKE(1, fd, &c);
	calls[2] = ENTRY(2, __NR_read, tail[0], P(&ring->user_tail), sizeof(full));
	/* depends on its arguments, so it looks */
	calls[3] = ENTRY(3, __NR_futex, P(&word), FUTEX_WAKE_PRIVATE, 1);
	calls[4] = TAKE(4, fd, &c);
	calls[5] = ENTRY(5, __NR_getpid);
	CHECK(BATCH(ring, calls) == 6);
	ring->user_tail = 0;
	CHECK(calls[1].result == 1 && calls[2].result == sizeof(full));
	CHECK(calls[3].result == -EAGAIN && calls[5].result == getpid());
	CHECK(calls[4].result == -EAGAIN);
	return NULL;
}

static long batch_eventfd(struct syslet_ring *ring, struct syslet_call *calls,
			  unsigned int nr, int fd)
{
	return batch_args(calls, nr, (struct syslet_args){
		.completion_ring_ptr = P(ring), .flags = SYSLET_EVENTFD, .eventfd = fd }, 0);
}

static uint64_t eventfd_take(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* Signalled after the completion could be seen: so wait for it. */
static bool eventfd_comes_to(int fd, uint64_t n)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t sum = 0;

	while (sum < n && poll(&pfd, 1, -1) == 1)
		sum += eventfd_take(fd);
	return sum == n;
}

THREADS_TEST(batch, eventfd_is_signalled_for_each_pending_one)
{
	struct syslet_call calls[9];
	int fd[2], out[2], ev = eventfd(0, EFD_NONBLOCK);
	long status[9];
	char c[9];

	CHECK(!pipe(fd) && !pipe(out) && ev >= 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 9; i++)
			calls[i] = i >= 6 ? TAKE(i - 3, fd, &c[i]) :
				   i % 2 ? TAKE(i / 2, fd, &c[i]) : PUT(i, out);
		CHECK(batch_eventfd(ring, calls, 9, ev) == 9);
		CHECK(!eventfd_take(ev));
		CHECK(write(fd[1], "abcdef", 6) == 6 && reap_each(ring, 0, 6, status));
		CHECK(eventfd_comes_to(ev, 6) && !eventfd_take(ev));
		CHECK(pipe_bytes(out) == 3 && pipe_drain(out));
	}
	return NULL;
}

THREADS_TEST(batch, eventfd_is_what_the_descriptor_is_when_the_call_is_made)
{
	int fd[2], ev[2] = { eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) };
	int use = dup(ev[0]);
	struct syslet_call calls[5];
	long status[2];
	char c;

	CHECK(!pipe(fd) && ev[0] >= 0 && ev[1] >= 0 && use >= 0);
	calls[0] = PUT(0, fd);
	calls[1] = TAKE(10, (int[]){ fd[0] }, &c);	/* takes what is there */
	calls[2] = ENTRY(2, __NR_dup2, ev[1], use);
	calls[3] = TAKE(11, fd, &c);
	calls[4] = PUT(4, fd);
	CHECK(batch_eventfd(ring, calls, 5, use) == 5);
	CHECK(calls[1].result == 1 && calls[2].result == use);
	CHECK(calls[3].result == -ESYSLETPENDING && reap_one(ring, 11, 1));
	CHECK(eventfd_comes_to(ev[1], 1) && !eventfd_take(ev[0]));

	/* none any more: said by those that need it, and they have not run */
	calls[0] = ENTRY(0, __NR_close, use);
	calls[1] = PUT(1, fd);
	calls[2] = ENTRY(2, __NR_getpid);
	CHECK(batch_eventfd(ring, calls, 3, use) == 3);
	CHECK(calls[0].result == 0 && calls[1].result == -EBADF);
	CHECK(calls[2].result == getpid() && !pipe_bytes(fd));
	CHECK(reap_each(ring, 0, 0, status));
	return NULL;
}

static bool has_flags(int fd, bool cloexec, bool nonblock)
{
	return !(fcntl(fd, F_GETFD) & FD_CLOEXEC) == !cloexec &&
	       !(fcntl(fd, F_GETFL) & O_NONBLOCK) == !nonblock;
}

THREADS_TEST(batch, file_flags_are_for_each_descriptor)
{
	struct indirect_params params = {
		.syslet.completion_ring_ptr = P(ring), .file_flags = O_CLOEXEC | O_NONBLOCK,
	};
	struct syslet_call calls[5];
	int pair[2], trace[2];

	CHECK(!pipe(trace));
	calls[0] = ENTRY(0, __NR_eventfd, 0);
	calls[1] = ENTRY(1, __NR_pipe, P(pair));
	calls[2] = PUT(2, trace);	/* makes none */
	calls[3] = ENTRY(3, __NR_open, P("/tmp"), O_RDONLY);
	calls[4] = ENTRY(4, __NR_socket, AF_UNIX, SOCK_STREAM, 0);
	CHECK(sys_submit(calls, 5, &params, sizeof(params), 0) == 5);
	CHECK(has_flags(calls[0].result, true, true));
	CHECK(!calls[1].result && has_flags(pair[0], true, true) && has_flags(pair[1], true, true));
	CHECK(calls[2].result == -EINVAL && !pipe_bytes(trace));
	CHECK(has_flags(calls[3].result, true, true) && has_flags(calls[4].result, true, true));
	return NULL;
}

/* accept() blocks; the descriptor that it makes in a runner has the flags. */
THREADS_TEST(batch, file_flags_are_for_calls_that_block_as_well)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct indirect_params params = {
		.syslet.completion_ring_ptr = P(ring), .file_flags = O_CLOEXEC,
	};
	socklen_t len = sizeof(sa_family_t);
	int s = socket(AF_UNIX, SOCK_STREAM, 0), c;
	struct syslet_call calls[2];
	long status[2];

	/* a name that the kernel chooses */
	CHECK(s >= 0 && !bind(s, (void *)&addr, len) && !listen(s, 4));
	len = sizeof(addr);
	CHECK(!getsockname(s, (void *)&addr, &len));
	for (int i = 0; i < 2; i++)
		calls[i] = ENTRY(i, __NR_accept, s, 0, 0);
	CHECK(sys_submit(calls, 2, &params, sizeof(params), 0) == 2);
	for (int i = 0; i < 2; i++) {
		CHECK(calls[i].result == -ESYSLETPENDING);
		c = socket(AF_UNIX, SOCK_STREAM, 0);
		CHECK(c >= 0 && !connect(c, (void *)&addr, len));
	}
	CHECK(reap_each(ring, 0, 2, status));
	CHECK(status[0] >= 0 && has_flags(status[0], true, false));
	CHECK(status[1] >= 0 && has_flags(status[1], true, false));
	return NULL;
}

TEST_HARNESS_MAIN
