// SPDX-License-Identifier: GPL-2.0-only
/*
 * A checked run of the fuzzer: any calls, alone and in batches, by some threads
 * and both ABIs, with rings that nobody else writes to. A call that was pending
 * is completed once; no other is; a thread stays what it was.
 */
#include "fuzz.h"

#define THREADS		3
#define RINGS		2
#define CALLS		64		/* of one thread */
#define BATCH		8
/* For a call to complete when it has been cancelled again and again. */
#define LOST_MS		(shared->slow ? 180000 : 90000)

/* Bits of call.state */
#define USED	1
#define PENDING	2
#define POSTED	4

struct checked {
	_Atomic unsigned int state;
	_Atomic uint64_t data;
	_Atomic uint64_t nr;
	bool i386;
};

struct thread {
	pthread_t pthread;
	pid_t tid;
	struct rng rng;
	struct checked *calls;
	uint64_t generation;
	unsigned int left;
	_Atomic bool done;
};

/* Low memory, for both ABIs; not of the arena. */
static struct low {
	struct indirect_registers regs;
	struct indirect_params params;
	struct syslet_call batch[BATCH];
	struct __kernel_timespec ts;
} *low[THREADS];

static struct checked calls[THREADS * CALLS];
static struct thread threads[THREADS];
static struct {
	struct syslet_ring *ring;
	atomic_flag busy;
} rings[RINGS];
static unsigned int nr_threads;
static __thread struct thread *self;

static void *low_pages(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (p == MAP_FAILED)
		fail("low memory: %m");
	return p;
}

static const char *abi(const struct checked *c)
{
	return c->i386 ? "i386" : "64-bit";
}

/* --- completions --------------------------------------------------------------- */

static void take_one(const struct syslet_completion *comp)
{
	struct checked *c = &calls[comp->caller_data % ARRAY_LEN(calls)];
	unsigned int state;

	if (c->data != comp->caller_data)
		fail("a completion of %#lx, which is not under way (but %#lx): %ld",
		     (long)comp->caller_data, (long)c->data, (long)comp->status);
	state = atomic_fetch_or(&c->state, POSTED);
	if (!(state & USED) || (state & POSTED))
		fail("another completion of call %lu (%s), state %u: %ld", (long)c->nr, abi(c),
		     state, (long)comp->status);
	count(C_completed);
	if (state & PENDING)
		c->state = 0;
}

static void take(unsigned int nr)
{
	struct syslet_completion comp[32];
	unsigned int n = 0;

	if (atomic_flag_test_and_set(&rings[nr].busy))
		return;
	while (n < ARRAY_LEN(comp) && !ring_take(rings[nr].ring, &comp[n]))
		n++;
	atomic_flag_clear(&rings[nr].busy);
	for (unsigned int i = 0; i < n; i++)
		take_one(&comp[i]);
}

static void take_all(void)
{
	for (unsigned int i = 0; i < RINGS; i++)
		take(i);
}

/* --- calls ------------------------------------------------------------------------ */

static struct checked *call_alloc(struct thread *t, uint64_t nr, bool i386)
{
	for (unsigned int i = 0; i < CALLS; i++) {
		struct checked *c = &t->calls[i];

		if (c->state)
			continue;
		c->data = ++t->generation * ARRAY_LEN(calls) + (c - calls);
		c->nr = nr;
		c->i386 = i386;
		c->state = USED;
		return c;
	}
	return NULL;
}

/* Not run, or with a result: there is no completion. */
static void call_over(struct checked *c, long ret)
{
	if (c->state & POSTED)
		fail("call %lu (%s) returned %ld, and was completed", (long)c->nr, abi(c), ret);
	if (ret == -EAGAIN)
		count(C_refused);
	c->state = 0;
}

static void call_pending(struct checked *c)
{
	count(C_pending);
	if (atomic_fetch_or(&c->state, PENDING) & POSTED)
		c->state = 0;
}

static void call_told(struct checked *c, long ret)
{
	if (ret == -ESYSLETPENDING)
		call_pending(c);
	else
		call_over(c, ret);
}

static void params_set(struct indirect_params *p, struct rng *r)
{
	*p = (struct indirect_params){
		.syslet.completion_ring_ptr = P(rings[rnd(r, RINGS)].ring),
	};
	if (!once_in(r, 4))
		p->syslet.flags |= SYSLET_SYNC_OK;
	if (once_in(r, 4)) {
		p->syslet.flags |= SYSLET_EVENTFD;
		p->syslet.eventfd = arena.fd[F_EVENT];
	}
	if (once_in(r, 30))
		p->syslet.flags |= 1u << rnd(r, 32);
	if (once_in(r, 30))
		p->file_flags = once_in(r, 2) ? O_CLOEXEC : any_word(r);
}

static void one_call(struct thread *t)
{
	bool i386 = once_in(&t->rng, 3);
	struct low *l = low[t - threads];
	struct checked *c;

	l->regs = any_call(&t->rng, i386);
	c = call_alloc(t, l->regs.nr, i386);
	if (!c)
		return;
	params_set(&l->params, &t->rng);
	l->params.syslet.caller_data = c->data;
	count(C_calls);
	call_told(c, sys_any(i386, __NR_indirect, P(&l->regs), P(&l->params),
			     sizeof(l->params), 0, 0));
}

/* Entries behind those that were run have no completions. */
static void batch_told(struct checked **c, unsigned int n, const struct syslet_call *batch,
		       long ret)
{
	if (ret > (long)n)
		fail("a batch of %u, and %ld were run", n, ret);
	for (unsigned int i = 0; i < n; i++)
		call_told(c[i], (long)i < ret ? batch[i].result : ret);
}

static void one_batch(struct thread *t)
{
	bool i386 = once_in(&t->rng, 3);
	struct low *l = low[t - threads];
	unsigned int n, want = rnd(&t->rng, BATCH + 1);
	struct checked *c[BATCH];

	for (n = 0; n < want; n++) {
		struct indirect_registers regs = any_call(&t->rng, i386);

		c[n] = call_alloc(t, regs.nr, i386);
		if (!c[n])
			break;
		l->batch[n] = (struct syslet_call){ .nr = regs.nr, .caller_data = c[n]->data };
		memcpy(l->batch[n].args, regs.args, sizeof(regs.args));
		count(C_calls);
	}
	params_set(&l->params, &t->rng);
	batch_told(c, n, l->batch,
		   sys_any(i386, __NR_syslet_submit, P(l->batch), n, P(&l->params),
			   sizeof(l->params), rnd(&t->rng, 8)));
}

static void wait_ring(struct thread *t)
{
	unsigned int nr = rnd(&t->rng, RINGS);
	struct syslet_ring *ring = rings[nr].ring;
	struct low *l = low[t - threads];
	long ret;

	l->ts = (struct __kernel_timespec){ .tv_nsec = rnd(&t->rng, 2000000) };
	ret = sys_any(once_in(&t->rng, 3), __NR_syslet_ring_wait, P(ring), ring->user_tail,
		      rnd(&t->rng, 4), P(&l->ts), 0);
	if (ret && ret != -ETIME && ret != -EINTR)
		fail("syslet_ring_wait: %ld", ret);
	take(nr);
}

static void cancel_some(struct thread *t)
{
	struct syslet_ring *ring = rings[rnd(&t->rng, RINGS)].ring;
	struct checked *c = &calls[rnd(&t->rng, ARRAY_LEN(calls))];
	long ret;

	if (once_in(&t->rng, 3))
		ret = sys_any(false, __NR_syslet_cancel, P(ring), 0, SYSLET_CANCEL_ALL, 0, 0);
	else if (once_in(&t->rng, 2))
		ret = sys_any(false, __NR_syslet_cancel, P(ring), c->data, 0, 0, 0);
	else
		ret = sys_any(true, __NR_syslet_cancel, P(ring), (uint32_t)c->data,
			      c->data >> 32, 0, 0);
	if (ret && ret != -ENOENT && ret != -EALREADY)
		fail("syslet_cancel: %ld", ret);
}

static void step(struct thread *t)
{
	switch (rnd(&t->rng, 16)) {
	case 0 ... 6:
		one_call(t);
		break;
	case 7 ... 9:
		one_batch(t);
		break;
	case 10:
		wait_ring(t);
		break;
	case 11 ... 12:
		take_all();
		break;
	case 13:
		cancel_some(t);
		break;
	default:
		end_something(&t->rng);
	}
	if (self != t || syscall(__NR_gettid) != t->tid)
		fail("thread %ld is %d, and was %d", (long)(self - threads), gettid(), t->tid);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	self = t;
	t->tid = syscall(__NR_gettid);
	while (t->left-- && !shared->stop)
		step(t);
	t->done = true;
	/* its calls are its own as long as it is there */
	while (!once_in(&t->rng, 3))
		sleep_us(100);
	return NULL;
}

/* --- begin and end ------------------------------------------------------------------ */

static void on_signal(int sig)
{
}

/* Handlers that end what waits; what a call may do to us ends the run. */
static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	for (int i = 1; i < SIGRTMIN + 8; i++)
		if (i != SIGSEGV && i != SIGBUS && i != SIGILL && i != SIGFPE && i != 32 && i != 33)
			sigaction(i, &sa, NULL);
}

static bool all_done(void)
{
	for (unsigned int i = 0; i < nr_threads; i++)
		if (!threads[i].done)
			return false;
	return true;
}

static struct checked *any_pending(void)
{
	for (unsigned int i = 0; i < ARRAY_LEN(calls); i++)
		if (calls[i].state)
			return &calls[i];
	return NULL;
}

/* Threads may be in calls that were synchronous. */
static void pest(struct rng *r)
{
	while (!all_done()) {
		sleep_us(rnd(r, 5000));
		end_something(r);
		pthread_kill(threads[rnd(r, nr_threads)].pthread, SIGUSR1);
	}
}

static void wait_for_all(struct rng *r)
{
	uint64_t begun = now_ms();
	struct checked *c;

	while ((c = any_pending())) {
		for (unsigned int i = 0; i < RINGS; i++)
			sys_cancel(rings[i].ring, 0, SYSLET_CANCEL_ALL);
		take_all();
		end_something(r);
		sleep_us(1000);
		if (now_ms() - begun > LOST_MS)
			fail("call %lu (%s) was pending, and its completion is missing",
			     (long)c->nr, abi(c));
	}
}

void run_checked(struct rng *r)
{
	nr_threads = 1 + rnd(r, THREADS);
	arena_init(true);
	catch_signals();
	for (unsigned int i = 0; i < RINGS; i++) {
		rings[i].ring = low_pages(PAGE);
		rings[i].ring->elements = 4 << rnd(r, 5);
	}
	for (unsigned int i = 0; i < nr_threads; i++) {
		low[i] = low_pages(PAGE);
		threads[i].rng = rng_of(shared->seed, (uint64_t)worker << 32 | run, i);
		threads[i].calls = calls + i * CALLS;
		threads[i].left = 100 + rnd(r, 600);
	}
	/* unless there may be no more tasks */
	for (unsigned int i = 0; i < nr_threads; i++)
		if (pthread_create(&threads[i].pthread, NULL, thread_main, &threads[i]))
			_exit(0);
	pest(r);
	wait_for_all(r);
	count(C_checked);
	_exit(0);
}
