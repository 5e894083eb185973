// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program for tracers and debuggers to look at: vm/guest-tools.sh.
 *
 *	traced numbers	the numbers of indirect() and syslet_submit()
 *	traced once	calls of all kinds, between lseek(-1, 1000) and (-1, 2000)
 *	traced storm	calls in flight and handoffs until SIGTERM
 *
 * It checks its own results, and exits with 33 if all are right.
 */
#define SYSLET_NO_HARNESS
#include "batch.h"

#define GOOD	33

#define MUST(cond)							\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "traced:%d: %s\n", __LINE__, #cond);	\
			_exit(1);					\
		}							\
	} while (0)

static volatile sig_atomic_t ended;

static void on_term(int sig)
{
	ended = 1;
}

/* With names for a debugger: the instruction, and the next one. */
static __attribute__((noinline)) long named_indirect(const struct indirect_registers *regs,
						     const struct indirect_params *params)
{
	register long r10 asm("r10") = 0;
	long ret;

	asm volatile(".globl traced_call, traced_next\n"
		     "traced_call:\n\t"
		     "syscall\n"
		     "traced_next:\n\t"
		     "nop\n\t"
		     : "=a" (ret)
		     : "a" (__NR_indirect), "D" (regs), "S" (params), "d" (sizeof(*params)),
		       "r" (r10)
		     : "rcx", "r11", "memory");
	return ret;
}

static void once(struct syslet_ring *ring)
{
	struct indirect_params params = { .syslet.completion_ring_ptr = P(ring) };
	struct indirect_registers parent = CALL(__NR_getppid), waits;
	struct syslet_call calls[3];
	int fd[2][2];
	long status;
	char c[2];

	MUST(!pipe(fd[0]) && !pipe(fd[1]));
	lseek(-1, 1000, SEEK_SET);
	MUST(named_indirect(&parent, &params) == getppid());
	MUST(submit(ring, CALL(__NR_lseek, -1, 4711, SEEK_SET), 1) == -EBADF);
	waits = CALL(__NR_read, fd[0][0], P(&c[0]), 1);
	MUST(named_indirect(&waits, &params) == -ESYSLETPENDING);
	calls[0] = ENTRY(1, __NR_getuid);
	calls[1] = TAKE(2, fd[1], &c[1]);
	calls[2] = ENTRY(3, __NR_lseek, -1, 4712, SEEK_SET);
	MUST(BATCH(ring, calls) == 3);
	lseek(-1, 2000, SEEK_SET);
	MUST(calls[0].result == 0 && calls[1].result == -ESYSLETPENDING &&
	     calls[2].result == -EBADF);
	MUST(write(fd[0][1], "a", 1) == 1 && reap_each(ring, 0, 1, &status));
	MUST(status == 1 && c[0] == 'a');
	MUST(write(fd[1][1], "b", 1) == 1 && reap_each(ring, 2, 1, &status));
	MUST(status == 1 && c[1] == 'b');
}

#define IN_FLIGHT	3

static void *storm(void *arg)
{
	struct syslet_ring *ring = ring_alloc(64);
	struct blocker b[IN_FLIGHT];
	pid_t tid = gettid();
	long status;

	MUST(ring && !force_handoff(ring));
	for (int i = 0; i < IN_FLIGHT; i++)
		MUST(blocker_begin(&b[i], ring, i) == -ESYSLETPENDING);
	if (arg)
		MUST(write(1, "ready\n", 6) == 6);
	while (!ended) {
		struct blocker now;
		long ret = blocker_begin(&now, ring, IN_FLIGHT);

		/* SIGTERM ends a call before it is pending; a spare may be traced just now */
		MUST(ret == -ESYSLETPENDING || ret == -EINTR || ret == -EAGAIN);
		MUST(gettid() == tid);
		if (ret != -ESYSLETPENDING) {
			pipe_close(now.fd);
			continue;
		}
		MUST(write(now.fd[1], "x", 1) == 1);
		MUST(reap_each(ring, IN_FLIGHT, 1, &status) && status == 1 && now.c == 'x');
		pipe_close(now.fd);
	}
	for (int i = 0; i < IN_FLIGHT; i++)
		MUST(blocker_end(&b[i], ring) == 1);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_term };
	const char *what = argc > 1 ? argv[1] : "";
	pthread_t other;

	if (!strcmp(what, "numbers")) {
		printf("%#x %#x\n", __NR_indirect, __NR_syslet_submit);
	} else if (!strcmp(what, "once")) {
		once(ring_alloc(16));
	} else if (!strcmp(what, "storm")) {
		MUST(!sigaction(SIGTERM, &sa, NULL));
		MUST(!pthread_create(&other, NULL, storm, NULL));
		storm(&other);
		MUST(!pthread_join(other, NULL));
	} else {
		fprintf(stderr, "usage: traced numbers|once|storm\n");
		return 2;
	}
	return GOOD;
}
