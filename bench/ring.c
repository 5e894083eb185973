// SPDX-License-Identifier: GPL-2.0-only
/*
 * The completion ring: what a post and a reap cost when nobody sleeps, how
 * long a sleeping waiter takes to come back, completions per second with few
 * and many calls in flight, and a wait of the library that finds work. Told to
 * with the word "rings": completions per second by the number of rings alone.
 *
 * The time of a post is that between the stamps of two trace events of the
 * runner, the end of the call and the post. Between them lie the post and what
 * one event costs; the latter shows between the stamps of one event that is
 * written to two trace buffers. (A reference that a post drops after its event
 * is not in it: 115 instructions when they were counted.)
 */
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <x86intrin.h>

#include "syslet.h"

#define ELEMENTS	256
#define MAX_FLIGHT	64
#define MAX_ROUNDS	200
#define WARM_UP		3

static const char *unit = "ns";

static void ring_result(const char *name, const char *peer, const char *metric,
			double value, const char *what)
{
	result("ring", name, peer, metric, value, what);
}

/* As a library does it. */
static __attribute__((__noinline__)) bool take(struct syslet_ring *ring,
					       struct syslet_completion *c)
{
	uint32_t tail = ring->user_tail;

	if (__atomic_load_n(&ring->kernel_head, __ATOMIC_ACQUIRE) == tail)
		return false;
	*c = ring->comp[tail & (ring->elements - 1)];
	__atomic_store_n(&ring->user_tail, tail + 1, __ATOMIC_RELEASE);
	return true;
}

/* --- a call that blocks until we end it: a read of an empty pipe ----------- */

struct lane {
	struct indirect_registers regs;
	struct indirect_params params;
	int fd[2];
	char c;
};

static void lane_init(struct lane *l, struct syslet_ring *ring, uint64_t data)
{
	if (pipe(l->fd))
		die("pipe: %m");
	l->regs = (struct indirect_registers){
		.nr = SYS_read, .args = { l->fd[0], P(&l->c), 1 } };
	l->params = (struct indirect_params){
		.syslet = { .completion_ring_ptr = P(ring), .caller_data = data } };
}

static long lane_submit(struct lane *l)
{
	return raw(__NR_indirect, P(&l->regs), P(&l->params), sizeof(l->params), 0, 0);
}

static void lane_begin(struct lane *l)
{
	long ret = lane_submit(l);

	if (ret != -ESYSLETPENDING)
		die("a read that blocks returned %ld", ret);
}

static void lane_end(struct lane *l)
{
	if (raw(SYS_write, l->fd[1], P("x"), 1, 0, 0) != 1)
		die("write failed");
}

static void lane_exit(struct lane *l)
{
	close(l->fd[0]);
	close(l->fd[1]);
}

/* --- rounds of them, in threads --------------------------------------------- */

/*
 * In a round each thread makes @depth calls that block, ends them, and waits
 * until all that its ring is to get in this round is there. Of the threads that
 * share a ring the first one takes what it has; @threads is a multiple of @rings.
 */
struct crew {
	unsigned int threads, rings, depth, rounds;
	void (*wait)(struct syslet_ring *ring, uint32_t idx, unsigned int nr);

	pthread_barrier_t start;
	/* When the rounds of all threads ended. */
	uint64_t ends[MAX_FLIGHT * MAX_ROUNDS];
};

struct worker {
	struct crew *crew;
	struct syslet_ring *ring;
	unsigned int nr;
	bool reaps;
	struct lane lanes[MAX_FLIGHT];
	uint64_t *ends;
	pthread_t thread;
};

static void wait_asleep(struct syslet_ring *ring, uint32_t idx, unsigned int nr)
{
	long ret = ring_wait(ring, idx, nr);

	if (ret)
		die("syslet_ring_wait: %ld", ret);
}

/* Let the runners run, but do not be woken by them. */
static void wait_awake(struct syslet_ring *ring, uint32_t idx, unsigned int nr)
{
	while (__atomic_load_n(&ring->kernel_head, __ATOMIC_ACQUIRE) - idx < nr)
		raw(SYS_sched_yield, 0, 0, 0, 0, 0);
}

static void worker_round(struct worker *w, uint32_t idx)
{
	struct crew *crew = w->crew;
	struct syslet_completion c;

	for (unsigned int i = 0; i < crew->depth; i++)
		lane_begin(&w->lanes[i]);
	for (unsigned int i = 0; i < crew->depth; i++)
		lane_end(&w->lanes[i]);
	crew->wait(w->ring, idx, w->nr);
	for (unsigned int i = 0; w->reaps && i < w->nr; i++)
		if (!take(w->ring, &c) || c.status != 1)
			die("a completion is wrong");
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct crew *crew = w->crew;
	uint32_t idx = 0;

	for (unsigned int i = 0; i < crew->depth; i++)
		lane_init(&w->lanes[i], w->ring, P(&w->lanes[i]));
	for (unsigned int i = 0; i < WARM_UP; i++, idx += w->nr)
		worker_round(w, idx);
	pthread_barrier_wait(&crew->start);

	for (unsigned int i = 0; i < crew->rounds; i++, idx += w->nr) {
		worker_round(w, idx);
		w->ends[i] = now();
	}

	pthread_barrier_wait(&crew->start);
	for (unsigned int i = 0; i < crew->depth; i++)
		lane_exit(&w->lanes[i]);
	return NULL;
}

static void crew_run(struct crew *crew)
{
	struct worker *workers = calloc(crew->threads, sizeof(*workers));

	if (!workers || pthread_barrier_init(&crew->start, NULL, crew->threads))
		die("no memory for %u threads", crew->threads);
	for (unsigned int i = 0; i < crew->threads; i++) {
		struct worker *w = &workers[i];

		w->crew = crew;
		w->reaps = i < crew->rings;
		w->ring = w->reaps ? ring_alloc(ELEMENTS) : workers[i % crew->rings].ring;
		w->nr = crew->threads / crew->rings * crew->depth;
		w->ends = &crew->ends[i * crew->rounds];
		if (pthread_create(&w->thread, NULL, worker_main, w))
			die("no thread");
	}
	for (unsigned int i = 0; i < crew->threads; i++)
		pthread_join(workers[i].thread, NULL);
	free(workers);
}

/*
 * Time of a completion: the median over stretches of as many rounds as there
 * are threads, as a host that has other things to do stops a guest at times.
 */
static double crew_time(struct crew *crew)
{
	static uint64_t d[MAX_ROUNDS];
	unsigned int n = 0, threads = crew->threads, all = threads * crew->rounds;

	crew_run(crew);
	qsort(crew->ends, all, sizeof(crew->ends[0]), compare);
	for (unsigned int i = threads; i < all; i += threads)
		d[n++] = crew->ends[i] - crew->ends[i - threads];
	return (double)median(d, n) / (threads * crew->depth);
}

/* --- trace events ------------------------------------------------------------- */

#define TRACING	"/sys/kernel/tracing/"

/* A second buffer that events are written to. */
#define SECOND	TRACING "instances/second/"

static void trace_set(const char *where, const char *file, const char *text)
{
	char name[128];
	FILE *f;

	snprintf(name, sizeof(name), "%s%s", where, file);
	f = fopen(name, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		die("%s: %m", name);
}

static void trace_event(const char *where, const char *event, bool on)
{
	char name[64];

	snprintf(name, sizeof(name), "events/syslet/%s/enable", event);
	trace_set(where, name, on ? "1" : "0");
}

static void trace_init(void)
{
	if (mkdir(SECOND, 0700))
		die(SECOND ": %m");
	/* Told as it is, while others are rounded to microseconds. */
	trace_set(TRACING, "trace_clock", "x86-tsc");
	trace_set(SECOND, "trace_clock", "x86-tsc");
	/* Otherwise each event makes a context switch dearer. */
	trace_set(TRACING, "options/record-cmd", "0");
}

static void trace_exit(void)
{
	rmdir(SECOND);
}

struct stamp {
	char event[32];
	uint64_t tsc, data;
};

/* The next event in the trace; its time as a number of the time stamp counter. */
static bool trace_next(FILE *f, struct stamp *s)
{
	char line[256], *event, *data;

	while (fgets(line, sizeof(line), f)) {
		event = strstr(line, ": syslet_");
		data = event ? strstr(event, "data=") : NULL;
		if (!data)
			continue;
		*event = 0;
		s->tsc = strtoull(strrchr(line, ' '), NULL, 10);
		s->data = strtoull(data + 5, NULL, 16);
		if (sscanf(event + 2, "%31[^:]", s->event) == 1)
			return true;
	}
	return false;
}

static FILE *trace_open(const char *where)
{
	char name[128];
	FILE *f;

	snprintf(name, sizeof(name), "%strace", where);
	f = fopen(name, "r");
	if (!f)
		die("%s: %m", name);
	return f;
}

/* Median time from the end of a call to its post, as the trace has it. */
static uint64_t trace_finish_to_post(void)
{
	static uint64_t d[MAX_FLIGHT * MAX_ROUNDS];
	struct stamp s, last = {};
	FILE *f = trace_open(TRACING);
	size_t nr = 0;

	/* A pair that something came between is not one. */
	for (; trace_next(f, &s) && nr < ARRAY_LEN(d); last = s)
		if (!strcmp(s.event, "syslet_post") && s.data == last.data &&
		    !strcmp(last.event, "syslet_finish"))
			d[nr++] = s.tsc - last.tsc;
	fclose(f);
	return median(d, nr);
}

/* Median time between two records of one event. */
static uint64_t trace_first_to_second(void)
{
	static uint64_t d[MAX_FLIGHT * MAX_ROUNDS];
	FILE *f = trace_open(TRACING), *g = trace_open(SECOND);
	struct stamp s, t;
	size_t nr = 0;

	while (nr < ARRAY_LEN(d) && trace_next(f, &s) && trace_next(g, &t))
		d[nr++] = s.tsc < t.tsc ? t.tsc - s.tsc : s.tsc - t.tsc;
	fclose(f);
	fclose(g);
	return median(d, nr);
}

/* --- the cases ------------------------------------------------------------------ */

/* Of one completion that nobody sleeps on. */
static double round_time(unsigned int threads)
{
	return crew_time(&(struct crew){
		.threads = threads, .rings = 1, .depth = 8, .rounds = 21,
		.wait = wait_awake,
	});
}

/* From the time stamp of one event to that of the next, nothing in between. */
static double event_time(void)
{
	trace_event(TRACING, "syslet_finish", true);
	trace_event(SECOND, "syslet_finish", true);
	round_time(1);
	trace_event(TRACING, "syslet_finish", false);
	trace_event(SECOND, "syslet_finish", false);
	return trace_first_to_second();
}

static double post_time(unsigned int threads)
{
	trace_set(TRACING, "trace", "");
	trace_event(TRACING, "syslet_finish", true);
	trace_event(TRACING, "syslet_post", true);
	round_time(threads);
	trace_event(TRACING, "syslet_finish", false);
	trace_event(TRACING, "syslet_post", false);
	return trace_finish_to_post();
}

/* What is measured where nothing is. */
static double clock_time(void)
{
	uint64_t t[21];

	for (int i = 0; i < ARRAY_LEN(t); i++) {
		t[i] = now();
		t[i] = now() - t[i];
	}
	return median(t, ARRAY_LEN(t));
}

static double reap_time(void)
{
	struct syslet_ring *ring = ring_alloc(ELEMENTS);
	struct syslet_completion c;
	uint64_t t[21];

	for (int i = 0; i < ARRAY_LEN(t); i++) {
		uint64_t start;

		ring->kernel_head += ELEMENTS;
		start = now();
		while (take(ring, &c))
			;
		t[i] = now() - start;
	}
	return (double)median(t, ARRAY_LEN(t)) / ELEMENTS;
}

static void bench_post(double event)
{
	static const unsigned int producers[] = { 1, 8 };
	double reap = reap_time();
	char peer[32];

	for (int i = 0; i < ARRAY_LEN(producers); i++) {
		unsigned int n = producers[i];
		double round = round_time(n), post = post_time(n) - event;

		snprintf(peer, sizeof(peer), "%u producer%s", n, n > 1 ? "s" : "");
		ring_result("nobody sleeps", peer, "post", post, unit);
		ring_result("nobody sleeps", peer, "reap", reap, unit);
		ring_result("nobody sleeps", peer, "post and reap", post + reap, unit);
		ring_result("nobody sleeps", peer, "submit, end, post, reap", round, unit);
		ring_result("nobody sleeps", peer, "a trace event (taken off)", event, unit);
	}
}

/*
 * Sleep in the wait until a call ends that nobody has to end, a sleep as well.
 * Fills in when the waits returned, by the data of the calls; how many.
 */
static unsigned int sleep_and_wake(uint64_t *woken, unsigned int nr)
{
	struct timespec ts = { .tv_nsec = 3000000 };
	struct syslet_ring *ring = ring_alloc(ELEMENTS);
	struct syslet_completion c;
	unsigned int n = 0;
	struct lane l;

	lane_init(&l, ring, 0);
	l.regs = (struct indirect_registers){ .nr = SYS_nanosleep, .args = { P(&ts) } };
	for (unsigned int i = 0; i < nr; i++) {
		l.params.syslet.caller_data = n;
		/* May be over before a spare has taken over. */
		if (!lane_submit(&l))
			continue;
		wait_asleep(ring, ring->user_tail, 1);
		woken[n++] = __rdtsc();
		take(ring, &c);
	}
	lane_exit(&l);
	return n;
}

/* From the end of the call, before its post, to the return of the wait. */
static void bench_wake(double ns_per_tick, double event)
{
	uint64_t woken[101], d[101];
	unsigned int nr, n = 0;
	struct stamp s;
	FILE *f;

	trace_set(TRACING, "trace", "");
	trace_event(TRACING, "syslet_finish", true);
	nr = sleep_and_wake(woken, ARRAY_LEN(woken));
	trace_event(TRACING, "syslet_finish", false);
	f = trace_open(TRACING);
	while (n < nr && trace_next(f, &s))
		if (s.data < nr)
			d[n++] = woken[s.data] - s.tsc;
	fclose(f);
	/* Three fifths of an event come after its stamp (counted). */
	ring_result("a waiter sleeps", "syslet", "end of call to return of wait",
		    median(d, n) * ns_per_tick - event * 3 / 5, unit);
}

static void rate(const char *peer, unsigned int flight, struct crew crew)
{
	char name[32];

	crew.wait = wait_asleep;
	crew.rounds = MAX_ROUNDS;
	snprintf(name, sizeof(name), "%u in flight", flight);
	ring_result(name, peer, "completions", 1e9 / crew_time(&crew), "1/s");
}

static void bench_rate(void)
{
	for (unsigned int n = 1; n <= MAX_FLIGHT; n *= 2) {
		rate("one thread", n, (struct crew){ .threads = 1, .rings = 1, .depth = n });
		rate("threads, one ring", n,
		     (struct crew){ .threads = n, .rings = 1, .depth = 1 });
		rate("threads, ring each", n,
		     (struct crew){ .threads = n, .rings = n, .depth = 1 });
	}
}

/* The same threads with fewer and more rings: family scale. */
static void bench_rings(void)
{
	struct crew crew = {
		.threads = 16, .depth = 4, .rounds = MAX_ROUNDS, .wait = wait_asleep };
	char name[32];

	for (crew.rings = 1; crew.rings <= crew.threads; crew.rings *= 2) {
		snprintf(name, sizeof(name), "%u ring%s", crew.rings, crew.rings > 1 ? "s" : "");
		result("scale", name, "syslet", "completions of 16 threads", 1e9 / crew_time(&crew),
		       "1/s");
	}
}

/* --- the library's wait, under a guard that sees system calls --------------- */

static volatile char selector = SYSCALL_DISPATCH_FILTER_ALLOW;
static volatile unsigned int system_calls;

static void on_system_call(int sig)
{
	(void)sig;
	/* The return from here is one as well. */
	selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	system_calls++;
}

static void guard_set(int on)
{
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, on, 0, 0, on ? &selector : NULL))
		die("PR_SET_SYSCALL_USER_DISPATCH: %m");
}

static void bench_library(void)
{
	struct syslet_completion c;
	struct syslet_queue q;
	uint64_t t[21];
	char byte;
	int fd[2];

	signal(SIGSYS, on_system_call);
	if (pipe(fd) || syslet_queue_init(&q, 8, 0))
		die("no queue");
	for (int i = 0; i < ARRAY_LEN(t); i++) {
		uint64_t start;
		int err;

		if (syslet_read(&q, i, fd[0], &byte, 1) != -ESYSLETPENDING)
			die("a read that blocks did not");
		if (write(fd[1], "x", 1) != 1)
			die("write: %m");
		/* Posted by then; if not, there is a system call to report. */
		usleep(20000);

		guard_set(PR_SYS_DISPATCH_ON);
		selector = SYSCALL_DISPATCH_FILTER_BLOCK;
		start = now();
		err = syslet_wait(&q, &c, NULL);
		t[i] = now() - start;
		selector = SYSCALL_DISPATCH_FILTER_ALLOW;
		guard_set(PR_SYS_DISPATCH_OFF);
		if (err || c.caller_data != i)
			die("syslet_wait: %d", err);
	}
	ring_result("syslet_wait() finds work", "libsyslet", "system calls", system_calls, "calls");
	ring_result("syslet_wait() finds work", "libsyslet", "time",
		    (double)median(t, ARRAY_LEN(t)) - clock_time(), unit);
	syslet_queue_exit(&q);
}

int main(int argc, char **argv)
{
	uint64_t tsc = __rdtsc(), ns = now();
	bool one_cpu = sysconf(_SC_NPROCESSORS_ONLN) == 1;
	double event;

	if (argc > 1 && !strcmp(argv[1], "rings")) {
		bench_rings();
		return 0;
	}
	if (one_cpu)
		unit = "instructions";
	trace_init();
	event = event_time();
	if (one_cpu)
		bench_post(event);
	bench_wake((double)(now() - ns) / (__rdtsc() - tsc), event);
	bench_rate();
	if (one_cpu)
		bench_library();
	trace_exit();
	return 0;
}
