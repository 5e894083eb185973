// SPDX-License-Identifier: GPL-2.0-only
/*
 * A worker of the stress program: threads that make calls and disturb each
 * other. A janitor, which makes no syslets, ends calls and takes completions,
 * so that a thread may block in a call that was not handed off; and replaces
 * threads that left.
 */
#include "stress.h"

#include <grp.h>

#define SHARED_RINGS	2
#define RINGS		(SHARED_RINGS + MAX_THREADS)

struct ring {
	struct syslet_ring *ring;
	atomic_flag busy;		/* someone takes completions */
};

enum { RUNNING, WANTS_CANCEL, CANCELLED, GONE, DONE };

struct thread {
	unsigned int idx, life, left;	/* threads before it; steps to do */
	pthread_t pthread;
	pid_t tid;
	_Atomic int phase;
	struct rng rng;
	struct ring *own;
	/* what a handoff must not change */
	uint64_t canary;
	unsigned int mxcsr;
	sigset_t mask;
	void *robust_list;
	pthread_mutex_t mutex;		/* robust */
};

static struct slot *slot;
static unsigned int my_nr, my_serial, nr_threads;
static bool quick;
static struct thread threads[MAX_THREADS];
static struct ring rings[RINGS];
static __thread struct thread *self;
static __thread uint64_t canary;

/* How it ends: decided in the beginning. */
static enum { END_CLEAN, END_MAIN_FIRST, END_EXIT, END_EXEC } ending;
static unsigned int ending_thread;

static _Atomic uint64_t generation;
static int eventfd_all;			/* completions with SYSLET_EVENTFD */
static _Atomic uint64_t eventfd_wanted;
static _Atomic unsigned int rt_sent, rt_caught, rt_main_sent, rt_main_caught;

static void count(enum count what)
{
	shared->count[what]++;
}

/* --- completions --------------------------------------------------------------- */

static void take_one(const struct syslet_completion *comp)
{
	unsigned int i = comp->caller_data % ALL_CALLS;
	struct call *c = &calls[i];
	int state;

	if (c->data != comp->caller_data)
		fail("a completion of call %#lx, which is not under way (%#lx is): %ld",
		     (long)comp->caller_data, (long)c->data, (long)comp->status);
	c->status = comp->status;
	state = atomic_fetch_or(&c->state, CALL_POSTED);
	if (!(state & CALL_USED) || (state & CALL_POSTED))
		fail("another completion of call %#lx, %s, state %d: %ld",
		     (long)comp->caller_data, call_name(c), state, (long)comp->status);
	if (state & CALL_PENDING)
		call_finish(c);
}

/* One taker at a time; the others have better things to do. */
static unsigned int take_completions(struct ring *r)
{
	struct syslet_completion comp[64];
	unsigned int n = 0, i;

	if (atomic_flag_test_and_set(&r->busy))
		return 0;
	while (n < ARRAY_LEN(comp) && !ring_take(r->ring, &comp[n]))
		n++;
	atomic_flag_clear(&r->busy);
	for (i = 0; i < n; i++) {
		count(comp[i].status == (uint64_t)-ECANCELED ? C_cancelled : C_completed);
		take_one(&comp[i]);
	}
	slot->progress += n;
	return n;
}

static unsigned int take_all(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < RINGS; i++)
		n += take_completions(&rings[i]);
	return n;
}

/* --- the thread is what it was ---------------------------------------------------- */

static void note_identity(struct thread *t)
{
	size_t len;

	t->tid = syscall(__NR_gettid);
	t->canary = canary = rnd64(&t->rng);
	/* another rounding mode for each */
	t->mxcsr = 0x1f80 | t->idx << 13;
	__builtin_ia32_ldmxcsr(t->mxcsr);
	pthread_sigmask(SIG_SETMASK, NULL, &t->mask);
	if (syscall(__NR_get_robust_list, 0, &t->robust_list, &len))
		fail("get_robust_list: %m");
}

static void check_identity(struct thread *t)
{
	void *robust_list;
	sigset_t mask;
	size_t len;

	if (self != t || canary != t->canary)
		fail("thread-local storage of thread %u is %p, %#lx", t->idx, self, (long)canary);
	if (syscall(__NR_gettid) != t->tid)
		fail("TID of thread %u: %ld instead of %d", t->idx, syscall(__NR_gettid), t->tid);
	if (__builtin_ia32_stmxcsr() >> 13 != t->mxcsr >> 13)
		fail("mxcsr of thread %u: %#x", t->idx, __builtin_ia32_stmxcsr());
	if (!once_in(&t->rng, 8))
		return;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (memcmp(&mask, &t->mask, 8))
		fail("signal mask of thread %u changed", t->idx);
	if (syscall(__NR_get_robust_list, 0, &robust_list, &len) || robust_list != t->robust_list)
		fail("robust list of thread %u changed", t->idx);
}

/* --- calls ------------------------------------------------------------------------- */

static struct call *call_alloc(struct thread *t)
{
	for (unsigned int i = 0; i < MAX_CALLS; i++) {
		struct call *c = &calls[t->idx * MAX_CALLS + i];
		int free = 0;

		if (atomic_compare_exchange_strong(&c->state, &free, CALL_USED)) {
			c->data = ++generation * ALL_CALLS + c->index;
			return c;
		}
	}
	return NULL;
}

static void submitted_pending(struct thread *t, struct call *c, bool with_eventfd)
{
	count(C_pending);
	if (with_eventfd)
		eventfd_wanted++;
	if (atomic_fetch_or(&c->state, CALL_PENDING) & CALL_POSTED)
		call_finish(c);
	check_identity(t);
}

static bool make_call(struct thread *t)
{
	struct syslet_args args = {};
	struct call *c = call_alloc(t);
	struct ring *r;
	long ret;

	if (!c)
		return false;
	if (!call_prepare(c, &t->rng)) {
		c->state = 0;
		return true;
	}
	r = once_in(&t->rng, 2) ? t->own : &rings[rnd(&t->rng, SHARED_RINGS)];
	args.completion_ring_ptr = P(r->ring);
	args.caller_data = c->data;
	if (once_in(&t->rng, 4))
		args.flags |= SYSLET_SYNC_OK;
	if (once_in(&t->rng, 4)) {
		args.flags |= SYSLET_EVENTFD;
		args.eventfd = eventfd_all;
	}

	count(C_calls);
	ret = submit_args(c->regs, args);
	slot->progress++;
	if (ret == -ESYSLETPENDING) {
		submitted_pending(t, c, args.flags & SYSLET_EVENTFD);
		return true;
	}
	if (c->state & CALL_POSTED)
		fail("call %#lx, %s, returned %ld and was completed", (long)c->data,
		     call_name(c), ret);
	c->status = ret;
	count(ret == -EAGAIN ? C_refused : C_inline);
	call_finish(c);
	if (once_in(&t->rng, 4))
		check_identity(t);
	return true;
}

static void wait_ring(struct thread *t, struct ring *r)
{
	struct __kernel_timespec ts = { .tv_nsec = rnd(&t->rng, 3000000) };
	long ret = sys_ring_wait(r->ring, r->ring->user_tail,
				 rnd(&t->rng, 1 + r->ring->elements), &ts, 0);

	if (ret && ret != -ETIME && ret != -EINTR)
		fail("syslet_ring_wait: %ld", ret);
	take_completions(r);
}

/* Calls of a thread that is about to exit: they may be cancelled. */
static void leave_calls(struct thread *t)
{
	for (unsigned int i = 0; i < MAX_CALLS; i++) {
		struct call *c = &calls[t->idx * MAX_CALLS + i];

		if (c->state)
			c->leaving = true;
	}
}

/* --- signals ------------------------------------------------------------------------ */

static void on_signal(int sig)
{
	int saved = errno;

	if (self && self->tid && syscall(__NR_gettid) != self->tid)
		fail("signal %d: TID is %ld instead of %d", sig, syscall(__NR_gettid), self->tid);
	if (sig == SIGRTMIN)
		rt_caught++;
	if (sig == SIGRTMIN + 1) {
		if (syscall(__NR_gettid) != getpid())
			fail("a signal for the main thread came elsewhere");
		rt_main_caught++;
	}
	errno = saved;
}

static void send_signal(struct thread *t)
{
	struct thread *to = &threads[rnd(&t->rng, nr_threads)];
	int sig = once_in(&t->rng, 2) ? SIGUSR1 : SIGUSR2;
	pid_t tid = to->tid;

	if (!disturb(D_signal))
		return;
	if (once_in(&t->rng, 3))
		kill(getpid(), sig);
	else if (tid)
		tgkill(getpid(), tid, sig);
}

static void send_rtsignal(struct thread *t)
{
	if (!disturb(D_rtsignal))
		return;
	/* before: the handler may run at once */
	if (once_in(&t->rng, 2) || ending == END_MAIN_FIRST) {
		rt_sent++;
		if (kill(getpid(), SIGRTMIN))
			rt_sent--;
	} else {
		rt_main_sent++;
		if (tgkill(getpid(), getpid(), SIGRTMIN + 1))
			rt_main_sent--;
	}
}

static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGRTMIN, &sa, NULL);
	sigaction(SIGRTMIN + 1, &sa, NULL);
	sa.sa_flags = 0;
	sigaction(SIGUSR2, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* --- processes ------------------------------------------------------------------------ */

static void exec_self(unsigned int nr_slot)
{
	char fd[16], nr[16], serial[16];
	char *args[] = { "stress", "-r", fd, nr, serial, NULL };

	/* What is pending would kill the new program before it has handlers. */
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGRTMIN, SIG_IGN);
	signal(SIGRTMIN + 1, SIG_IGN);
	snprintf(fd, sizeof(fd), "%d", shared_fd);
	snprintf(nr, sizeof(nr), "%u", nr_slot);
	snprintf(serial, sizeof(serial), "%u", my_serial);
	fcntl(shared_fd, F_SETFD, 0);
	execv("/proc/self/exe", args);
	fail("exec: %m");
}

/*
 * Blocked until it is written to, but not for ever: if it cannot be handed off
 * any more when it blocks nobody is there to write.
 */
struct wait {
	int fd[2];
	struct pollfd poll;
};

static long wait_begin(struct wait *w, struct syslet_args args)
{
	if (w->fd[1] <= 0 && pipe2(w->fd, O_CLOEXEC))
		fail("pipe: %m");
	w->poll = (struct pollfd){ .fd = w->fd[0], .events = POLLIN };
	return submit_args(CALL(__NR_poll, P(&w->poll), 1, 50), args);
}

static void wait_end(struct wait *w)
{
	if (write(w->fd[1], "x", 1) != 1)
		fail("write to a pipe: %m");
}

static void wait_close(struct wait *w)
{
	close(w->fd[0]);
	close(w->fd[1]);
}

/* In a child: some syslets on its own. */
static void child_calls(struct rng *r, struct syslet_ring *ring, uid_t uid)
{
	struct syslet_completion comp = {};
	long ret;
	int i;

	for (i = rnd(r, 5); i >= 0; i--) {
		struct wait w = {};

		ret = wait_begin(&w, (struct syslet_args){
			.completion_ring_ptr = P(ring), .caller_data = i });
		if (ret == -ESYSLETPENDING) {
			if (geteuid() != uid)
				fail("child: effective UID is %u", geteuid());
			wait_end(&w);
			if (ring_reap(ring, &comp) || comp.caller_data != i || comp.status > 1)
				fail("child: poll completed with %ld, data %ld",
				     (long)comp.status, (long)comp.caller_data);
		} else if (ret && ret != -EAGAIN) {
			fail("child: poll of an empty pipe returned %ld", ret);
		}
		wait_close(&w);
	}
}

static void change_credentials(struct rng *r, struct syslet_ring *ring)
{
	gid_t group = 77;

	child_calls(r, ring, 0);
	if (seteuid(1) || geteuid() != 1)
		fail("seteuid: %m");
	child_calls(r, ring, 1);
	if (seteuid(0) || setgroups(1, &group) || setegid(5))
		fail("seteuid, setgroups, setegid: %m");
	child_calls(r, ring, 0);
	if (setresgid(6, 6, 6) || setresuid(7, 7, 7) || getuid() != 7 || getegid() != 6)
		fail("setresuid, setresgid: %m");
	child_calls(r, ring, 7);
}

static void __attribute__((noreturn)) child_main(struct thread *t, enum disturbance d)
{
	struct syslet_ring *ring = ring_alloc(16);
	struct rng r = t->rng;
	struct wait w[3] = {};
	unsigned int i;

	t->tid = 0;
	if (getpid() != gettid())
		fail("child: PID is %d, TID %d", getpid(), gettid());
	if (d == D_cred) {
		change_credentials(&r, ring);
		_exit(0);
	}
	child_calls(&r, ring, 0);
	/* exit or exec with calls in flight */
	for (i = rnd(&r, 4); i-- > 0;)
		wait_begin(&w[i], (struct syslet_args){ .completion_ring_ptr = P(ring) });
	if (!quick && once_in(&r, 3) && disturb(D_exec))
		exec_self(my_nr + 1 + t->idx);
	_exit(0);
}

static void have_child(struct thread *t, enum disturbance d)
{
	pid_t pid;
	int status;

	if (!disturb(d))
		return;
	pid = fork();
	if (!pid)
		child_main(t, d);
	if (pid < 0)
		fail("fork: %m");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fail("waitpid: %m");
	if (status && status != SIGKILL)
		fail("a child ended with status %#x", status);
}

/* --- rings that are taken away --------------------------------------------------------- */

/*
 * Where mmap() puts nothing by itself: no one else's memory shall come where
 * a ring has been, as completions are written to what is there.
 */
static void *lost_ring_address(struct thread *t)
{
	return (void *)(0x100000000000ul + t->idx * 0x1000000ul);
}

static void lose_ring(struct thread *t)
{
	struct syslet_ring *ring = lost_ring_address(t), *moved = NULL;
	int efd, i, n = 0, want = 1 + rnd(&t->rng, 6), how = rnd(&t->rng, 4);
	uint64_t got, sum = 0;
	struct wait w = {};
	long ret;

	if (!disturb(D_lostring))
		return;
	efd = eventfd(0, EFD_CLOEXEC);
	if (efd < 0 || mmap(ring, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
			    MAP_FIXED_NOREPLACE, -1, 0) != ring)
		fail("a ring to lose: %m");
	ring->elements = 16;
	for (i = 0; i < want; i++) {
		ret = wait_begin(&w, (struct syslet_args){
			.completion_ring_ptr = P(ring), .caller_data = i,
			.flags = SYSLET_EVENTFD, .eventfd = efd });
		if (ret == -ESYSLETPENDING)
			n++;
		else if (ret && ret != -EAGAIN && ret != -EINTR)
			fail("poll of an empty pipe returned %ld", ret);
	}
	if (how == 0)
		munmap(ring, 4096);
	else if (how == 1)
		mprotect(ring, 4096, PROT_READ);
	else if (how == 2)
		mprotect(ring, 4096, PROT_NONE);
	else
		moved = mremap(ring, 8192, 8192, MREMAP_MAYMOVE | MREMAP_FIXED,
			       (char *)ring + 0x800000);
	wait_end(&w);
	shared->count[C_lost] += n;
	/* that they are over we can still learn */
	while (sum < n) {
		if (read(efd, &got, 8) == 8)
			sum += got;
		else if (errno != EINTR)
			fail("eventfd: %m");
	}
	if (sum != n)
		fail("%d calls to a lost ring made %lu events", n, sum);
	munmap(ring, 8192);
	if (moved)
		munmap(moved, 8192);
	close(efd);
	wait_close(&w);
}

/* --- threads ------------------------------------------------------------------------------ */

static void leave(void *arg)
{
	struct thread *t = arg;

	leave_calls(t);
	t->phase = GONE;
	slot->progress++;
}

/* The mutex is locked when it dies; that is found when it is replaced. */
static void exit_thread(struct thread *t)
{
	if (!t->idx || !disturb(D_texit))
		return;
	pthread_mutex_lock(&t->mutex);
	leave(t);
	if (once_in(&t->rng, 2))
		syscall(__NR_sched_yield);
	pthread_exit(NULL);
}

static void be_cancelled(struct thread *t)
{
	if (!t->idx || !disturb(D_cancel))
		return;
	pthread_mutex_lock(&t->mutex);
	pthread_cleanup_push(leave, t);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	t->phase = WANTS_CANCEL;
	/* by the janitor, with the signal that glibc has for that */
	while (1)
		pause();
	pthread_cleanup_pop(1);
}

static void disturb_inner(struct thread *t)
{
	switch (rnd(&t->rng, 24)) {
	case 0 ... 9:
		send_signal(t);
		break;
	case 10 ... 15:
		send_rtsignal(t);
		break;
	case 16 ... 17:
		have_child(t, D_fork);
		break;
	case 18:
		have_child(t, D_cred);
		break;
	case 19 ... 21:
		lose_ring(t);
		break;
	case 22:
		exit_thread(t);
		break;
	case 23:
		be_cancelled(t);
		break;
	}
}

static void step(struct thread *t)
{
	unsigned int i, n;

	switch (rnd(&t->rng, 16)) {
	case 0 ... 8:
		n = once_in(&t->rng, 8) ? MAX_CALLS : rnd(&t->rng, 4);
		for (i = 0; i <= n; i++)
			if (!make_call(t))
				break;
		break;
	case 9 ... 10:
		take_all();
		break;
	case 11:
		calls_end(false);
		break;
	case 12 ... 13:
		wait_ring(t, once_in(&t->rng, 2) ? t->own : &rings[rnd(&t->rng, RINGS)]);
		break;
	case 14:
		if (!pthread_mutex_trylock(&t->mutex)) {
			make_call(t);
			if (pthread_mutex_unlock(&t->mutex))
				fail("unlock of a mutex");
		}
		break;
	case 15:
		disturb_inner(t);
		break;
	}
}

static bool calls_under_way(unsigned int from, unsigned int to)
{
	for (; from < to; from++)
		if (calls[from].state)
			return true;
	return false;
}

static void end_worker(struct thread *t)
{
	if (ending == END_EXEC && disturb(D_exec))
		exec_self(my_nr);
	if (ending == END_EXIT && disturb(D_exit))
		_exit(0);
}

static void run(struct thread *t)
{
	self = t;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	note_identity(t);
	while (t->left && !shared->stop) {
		t->left--;
		step(t);
	}
	if (t->idx == ending_thread)
		end_worker(t);
	if (!t->idx && ending == END_MAIN_FIRST && disturb(D_mainexit)) {
		leave(t);
		pthread_exit(NULL);
	}
	while (calls_under_way(t->idx * MAX_CALLS, (t->idx + 1) * MAX_CALLS)) {
		take_all();
		wait_ring(t, t->own);
	}
	check_identity(t);
	t->phase = DONE;
}

static void *thread_main(void *arg)
{
	run(arg);
	return NULL;
}

static void start_thread(struct thread *t)
{
	t->rng = rng_of(shared->seed, my_serial, t->idx * 1000 + t->life++ + (quick ? 500 : 0));
	t->phase = RUNNING;
	t->tid = 0;
	if (pthread_create(&t->pthread, NULL, thread_main, t))
		fail("pthread_create: %m");
}

static void replace_thread(struct thread *t)
{
	int err;

	if (pthread_join(t->pthread, NULL))
		fail("pthread_join");
	err = pthread_mutex_lock(&t->mutex);
	if (err != EOWNERDEAD)
		fail("mutex of a dead thread: %d", err);
	pthread_mutex_consistent(&t->mutex);
	pthread_mutex_unlock(&t->mutex);
	start_thread(t);
}

/* --- the janitor ----------------------------------------------------------------------------- */

static bool all_done(void)
{
	for (unsigned int i = 0; i < nr_threads; i++)
		if (threads[i].phase != DONE && (i || threads[i].phase != GONE))
			return false;
	return true;
}

/* All is over: what was promised is there. Waits are bounded by the parent. */
static void final_checks(void)
{
	uint64_t got, sum = 0;
	unsigned int i;

	for (i = 0; i < RINGS; i++)
		if (ring_count(rings[i].ring))
			fail("completions that nobody has asked for");
	while (sum < eventfd_wanted) {
		if (read(eventfd_all, &got, 8) == 8)
			sum += got;
		sched_yield();
	}
	if (sum != eventfd_wanted || read(eventfd_all, &got, 8) == 8)
		fail("%lu calls with an eventfd, %lu events", eventfd_wanted, sum);
	while (rt_caught != rt_sent || rt_main_caught != rt_main_sent) {
		if (rt_caught > rt_sent || rt_main_caught > rt_main_sent)
			fail("%u + %u queued signals, %u + %u caught", rt_sent, rt_main_sent,
			     rt_caught, rt_main_caught);
		sched_yield();
	}
}

static void *janitor_main(void *arg)
{
	static struct thread janitor = { .idx = MAX_THREADS };
	struct rng r = rng_of(shared->seed, my_serial, 99999);
	unsigned int i;

	self = &janitor;
	janitor.rng = r;
	note_identity(&janitor);
	while (!all_done() || calls_under_way(0, ALL_CALLS)) {
		sleep_us(rnd(&r, 3000));
		calls_end(false);
		take_all();
		for (i = 1; i < nr_threads; i++) {
			if (threads[i].phase == WANTS_CANCEL) {
				threads[i].phase = CANCELLED;
				pthread_cancel(threads[i].pthread);
			} else if (threads[i].phase == GONE) {
				replace_thread(&threads[i]);
			}
		}
	}
	for (i = 1; i < nr_threads; i++)
		if (pthread_join(threads[i].pthread, NULL))
			fail("pthread_join");
	if (threads[0].phase == GONE) {
		if (pthread_join(threads[0].pthread, NULL))
			fail("pthread_join of the main thread");
		final_checks();
		_exit(0);
	}
	return NULL;
}

static void choose(struct rng *r)
{
	unsigned int i;

	nr_threads = 1 + rnd(r, MAX_THREADS);
	ending = rnd(r, quick ? END_EXEC : END_EXEC + 1);
	ending_thread = rnd(r, nr_threads);
	for (i = 0; i < RINGS; i++)
		rings[i].ring = ring_alloc(4 << rnd(r, 5));
	for (i = 0; i < nr_threads; i++)
		threads[i].left = (quick ? 10 : 30) + rnd(r, quick ? 50 : 300);
}

void worker_main(unsigned int nr, unsigned int serial, bool is_quick)
{
	struct rng r = rng_of(shared->seed, serial, is_quick ? 88888 : 77777);
	struct rlimit core = { 1 << 20, 1 << 20 };
	pthread_mutexattr_t attr;
	pthread_t janitor;
	char tag[48];
	unsigned int i;

	my_nr = nr;
	my_serial = serial;
	quick = is_quick;
	slot = &shared->slot[nr];
	snprintf(who, sizeof(who), "worker %u%s", serial, quick ? " after exec" : "");
	snprintf(tag, sizeof(tag), "%d-%u-%d", getpid(), serial, quick);
	setrlimit(RLIMIT_CORE, &core);
	catch_signals();
	calls_init(slot, nr, tag);
	choose(&r);
	eventfd_all = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	for (i = 0; i < nr_threads; i++) {
		threads[i].idx = i;
		threads[i].own = &rings[SHARED_RINGS + i];
		pthread_mutex_init(&threads[i].mutex, &attr);
	}
	threads[0].pthread = pthread_self();
	threads[0].rng = rng_of(shared->seed, serial, 0);
	for (i = 1; i < nr_threads; i++)
		start_thread(&threads[i]);
	if (pthread_create(&janitor, NULL, janitor_main, NULL))
		fail("pthread_create: %m");
	run(&threads[0]);
	if (pthread_join(janitor, NULL))
		fail("pthread_join of the janitor");
	final_checks();
	_exit(0);
}
