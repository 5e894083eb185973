// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hostile run of the fuzzer: submitters, with all that they use in one arena;
 * scribblers, who write to it and take its pages away; both disturb the process
 * as a whole.
 * The memory is in fuzz_memory.c, the process in fuzz_disturb.c.
 */
#include "fuzz_hostile.h"

static struct rng thread_rng[MAX_THREADS];
static _Atomic int nr_threads;
_Atomic pid_t tids[MAX_THREADS];

/* --- submitters -------------------------------------------------------------------- */

static uint64_t any_ring(struct rng *r)
{
	if (once_in(r, 12))
		return any_pointer(r);
	/* the second page of each two is that of the entries */
	return P(page(RING_PAGE + rnd(r, RING_PAGES))) + (once_in(r, 3) ? PAGE - 16 : 0);
}

static uint32_t any_length(struct rng *r)
{
	static const uint32_t lengths[] = { 0, 1, 32, 40, 47, 49, 56, 64, 4096, 4097, -1 };

	return once_in(r, 10) ? lengths[rnd(r, ARRAY_LEN(lengths))] : sizeof(struct indirect_params);
}

/* Where the thread of a frame begins: it ends itself. */
static void __attribute__((naked)) frame_entry(void)
{
	asm volatile("mov $60, %eax; xor %edi, %edi; syscall; hlt");
}

static struct indirect_params any_params(struct rng *r)
{
	struct indirect_params p = { .syslet.completion_ring_ptr = any_ring(r) };

	p.syslet.caller_data = rnd(r, 16);
	p.syslet.flags = rnd(r, 4) ? rnd(r, 2) * SYSLET_SYNC_OK : rnd(r, 4);
	p.syslet.eventfd = arena.fd[once_in(r, 8) ? rnd(r, F_NR) : F_EVENT];
	if (once_in(r, 16)) {
		p.syslet.frame.ip = P(frame_entry);
		p.syslet.frame.sp = P(page(40 + rnd(r, 8)));
	}
	if (once_in(r, 12))
		((uint64_t *)&p)[rnd(r, sizeof(p) / 8)] = any_word(r);
	return p;
}

static void *put_regs(struct rng *r, bool i386)
{
	struct indirect_registers regs = any_call(r, i386), *to = (void *)page(REGS_PAGE);

	to += rnd(r, 16);
	poke(to, &regs, sizeof(regs));
	return once_in(r, 20) ? (void *)any_pointer(r) : to;
}

static void *put_params(struct rng *r)
{
	struct indirect_params params = any_params(r), *to = (void *)page(PARAMS_PAGE);

	to += rnd(r, 16);
	poke(to, &params, sizeof(params));
	return once_in(r, 20) ? (void *)any_pointer(r) : to;
}

static struct syslet_call any_entry(struct rng *r, bool i386)
{
	struct indirect_registers regs = any_call(r, i386);
	struct syslet_call call = { .nr = regs.nr, .caller_data = rnd(r, 16), .result = rnd(r, 9) };

	memcpy(call.args, regs.args, sizeof(call.args));
	return call;
}

static struct syslet_call *batch_entry(unsigned int nr)
{
	return (struct syslet_call *)page(BATCH_PAGE) +
	       nr % (BATCH_PAGES * PAGE / sizeof(struct syslet_call));
}

static void do_indirect(struct rng *r, bool i386)
{
	long ret = sys_any(i386, __NR_indirect, P(put_regs(r, i386)), P(put_params(r)),
			   any_length(r), once_in(r, 50) ? any_word(r) : 0, 0);

	count(C_calls);
	if (ret == -ESYSLETPENDING)
		count(C_pending);
	else if (ret == -EAGAIN)
		count(C_refused);
}

static void do_submit(struct rng *r, bool i386)
{
	unsigned int first = rnd(r, 200), n = rnd(r, 40);
	struct syslet_call *batch = batch_entry(first);
	long ret;

	for (unsigned int i = 0; i < n; i++) {
		struct syslet_call call = any_entry(r, i386);

		poke(batch_entry(first + i), &call, sizeof(call));
	}
	if (once_in(r, 20))
		n = any_word(r);
	if (once_in(r, 20))
		batch = (void *)any_pointer(r);
	ret = sys_any(i386, __NR_syslet_submit, P(batch), n, P(put_params(r)), any_length(r),
		      once_in(r, 40) ? any_word(r) : rnd(r, 8));
	/* a tracer may have changed it */
	if (ret > 0 && ret <= 40)
		shared->count[C_calls] += ret;
}

static void do_wait(struct rng *r, bool i386)
{
	uint64_t ring = any_ring(r);
	uint32_t head = 0;

	poke(&head, (void *)ring, 4);
	sys_any(i386, __NR_syslet_ring_wait, ring, once_in(r, 8) ? any_word(r) : head - rnd(r, 3),
		once_in(r, 8) ? any_word(r) : rnd(r, 4),
		once_in(r, 20) ? any_pointer(r) : P(arena.base) + rnd(r, 64) * 16,
		once_in(r, 8) ? any_word(r) : 0);
}

static void do_cancel(struct rng *r, bool i386)
{
	uint64_t ring = any_ring(r), data = once_in(r, 8) ? any_word(r) : rnd(r, 16);

	if (once_in(r, 4))
		sys_any(i386, __NR_syslet_cancel, ring, 0, i386 ? 0 : 1, 1, 0);
	else if (i386)
		sys_any(true, __NR_syslet_cancel, ring, (uint32_t)data, data >> 32, 0, 0);
	else
		sys_any(false, __NR_syslet_cancel, ring, data, rnd(r, 16) ? 0 : any_word(r), 0, 0);
}

/* --- structs that change while they are used -------------------------------------------- */

static void rewrite(struct rng *r)
{
	struct syslet_call call;
	uint64_t word = any_word(r);
	bool i386 = once_in(r, 3);

	switch (rnd(r, 6)) {
	case 0:
		put_regs(r, i386);
		break;
	case 1:
		put_params(r);
		break;
	case 2 ... 3:
		call = any_entry(r, i386);
		poke(batch_entry(rnd(r, 240)), &call, sizeof(call));
		break;
	case 4:
		poke(page(BATCH_PAGE) + rnd(r, BATCH_PAGES * PAGE / 8) * 8, &word, 8);
		break;
	case 5:
		poke(page(rnd(r, 24)) + rnd(r, PAGE / 8) * 8, &word, 8);
		break;
	}
}

/* --- threads --------------------------------------------------------------------------------- */

void hostile_step(struct rng *r)
{
	bool i386 = once_in(r, 3);

	switch (rnd(r, 32)) {
	case 0 ... 15:
		do_indirect(r, i386);
		break;
	case 16 ... 20:
		do_submit(r, i386);
		break;
	case 21 ... 22:
		do_wait(r, i386);
		break;
	case 23:
		do_cancel(r, i386);
		break;
	case 24 ... 26:
		scribble_ring(r);
		break;
	case 27 ... 29:
		end_something(r);
		break;
	default:
		disturb(r);
	}
}

static void scribble(struct rng *r)
{
	switch (rnd(r, 16)) {
	case 0 ... 6:
		scribble_ring(r);
		break;
	case 7 ... 10:
		rewrite(r);
		break;
	case 11 ... 12:
		if (once_in(r, 4))
			take_ring_away(r);
		break;
	case 13 ... 14:
		end_something(r);
		break;
	case 15:
		signal_someone(r);
		break;
	}
	if (once_in(r, 8))
		sleep_us(rnd(r, 300));
}

static void *thread_main(void *arg)
{
	struct rng *r = arg;
	unsigned int i = r - thread_rng, left = 50 + rnd(r, 1000);

	tids[i] = syscall(__NR_gettid);
	while (left-- && !shared->stop)
		hostile_step(r);
	return NULL;
}

void hostile_thread(struct rng *r)
{
	int nr = nr_threads++;
	pthread_t t;

	if (nr >= MAX_THREADS) {
		nr_threads--;
		return;
	}
	thread_rng[nr] = rng_of(rnd64(r), nr, 0);
	if (!pthread_create(&t, NULL, thread_main, &thread_rng[nr]))
		pthread_detach(t);
}

static void *scribbler_main(void *arg)
{
	while (!shared->stop)
		scribble(arg);
	return NULL;
}

static void on_signal(int sig)
{
}

static void catch_signals(struct rng *r)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct sigaction fault = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };

	for (int i = 1; i < 48; i++) {
		sa.sa_flags = once_in(r, 2) ? SA_RESTART : 0;
		if (i != SIGABRT && i != 32 && i != 33)
			sigaction(i, &sa, NULL);
	}
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	if (once_in(r, 2))
		signal(SIGCHLD, SIG_IGN);
}

void run_hostile(struct rng *r, bool again)
{
	static struct rng scribbler[3];
	unsigned int i, n = 1 + rnd(r, 3), scribblers = 1 + rnd(r, 2);
	pthread_t t;

	arena_init(false);
	catch_signals(r);
	for (i = 0; i < RING_PAGES; i++)
		make_ring(r, page(RING_PAGE + i));
	for (i = 0; i < scribblers; i++) {
		scribbler[i] = rng_of(shared->seed, (uint64_t)worker << 32 | run, 100 + i + again);
		if (pthread_create(&t, NULL, scribbler_main, &scribbler[i]))
			_exit(0);
	}
	if (once_in(r, 3)) {
		scribbler[2] = rng_of(shared->seed, (uint64_t)worker << 32 | run, 99);
		open_userfaultfd(&scribbler[2]);
	}
	nr_threads = 1;
	thread_rng[0] = rng_of(shared->seed, (uint64_t)worker << 32 | run, 50 + again);
	for (i = 1; i < n; i++)
		hostile_thread(r);
	thread_main(&thread_rng[0]);
	/* the main thread may be the first to go */
	if (once_in(r, 3))
		syscall(__NR_exit, 0);
	sleep_us(rnd(r, 20000));
	if (!again && once_in(r, 4))
		exec_again();
	_exit(0);
}
