/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A kernel with syslets, played by threads: make FAKE=1 builds the library upon
 * it, so that the sanitizers see both sides of a ring on any machine.
 *
 * A call runs on a thread of its own. Its submitter looks on until the call has
 * ended, or sleeps (/proc tells); then one of them wins: ENDED, the result is
 * returned; PENDING, the thread will post it.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../src/lib.h"
#include "fake-kernel.h"

struct fake_faults fake_faults;

enum job_state { RUNNING, ENDED, PENDING };

struct job {
	struct indirect_registers regs;
	struct syslet_args	args;
	enum job_state		state;
	int			tid;
	int			eventfd;
	long			ret;
};

static pthread_mutex_t post_lock = PTHREAD_MUTEX_INITIALIZER;

static void free_job(struct job *job)
{
	if (job->eventfd >= 0)
		sys_close(job->eventfd);
	free(job);
}

static void post(struct job *job)
{
	struct syslet_ring *ring = (void *)(uintptr_t)job->args.completion_ring_ptr;

	pthread_mutex_lock(&post_lock);
	ring_add(ring, (uint64_t)job->ret, job->args.caller_data);
	sys_futex_wake(&ring->kernel_head, INT_MAX);
	pthread_mutex_unlock(&post_lock);
	if (job->eventfd >= 0 && sys_is_writable(job->eventfd))
		sys_eventfd_signal(job->eventfd);
	free_job(job);
}

/* Did it become @state? Else it was not RUNNING any more. */
static bool settle(struct job *job, enum job_state state)
{
	enum job_state running = RUNNING;

	return __atomic_compare_exchange_n(&job->state, &running, state, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static void *job_main(void *arg)
{
	struct job *job = arg;

	__atomic_store_n(&job->tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
	job->ret = sys_call(&job->regs);
	if (!settle(job, ENDED))
		post(job);
	return NULL;
}

static long watch(struct job *job)
{
	long ret;

	for (;;) {
		int tid = __atomic_load_n(&job->tid, __ATOMIC_ACQUIRE);

		if (__atomic_load_n(&job->state, __ATOMIC_ACQUIRE) == ENDED)
			break;
		if (tid && call_sleeps(tid, &job->regs) > 0 && settle(job, PENDING))
			return -ESYSLETPENDING;
		sched_yield();
	}
	ret = job->ret;
	free_job(job);
	return ret;
}

/* False: it is refused, and has not run. */
static bool make_call(const struct indirect_registers *regs,
		      const struct indirect_params *params, long *ret)
{
	struct job *job;
	pthread_t thread;

	if (fake_faults.refuse && fake_faults.refuse(regs))
		return false;
	switch (call_classify(regs)) {
	case CALL_REFUSE:
		*ret = -EINVAL;
		return true;
	case CALL_HERE:
		*ret = sys_call(regs);
		return true;
	case CALL_BOUND:
		return false;
	case CALL_ANY_THREAD:
		break;
	}
	job = calloc(1, sizeof(*job));
	if (!job)
		return false;
	job->regs = *regs;
	job->args = params->syslet;
	job->eventfd = job->args.flags & SYSLET_EVENTFD ? dup(job->args.eventfd) : -1;
	if (thread_start(&thread, job_main, job)) {
		free_job(job);
		return false;
	}
	pthread_detach(thread);
	*ret = watch(job);
	return true;
}

long sys_indirect(const struct indirect_registers *regs,
		  const struct indirect_params *params)
{
	long ret;

	return make_call(regs, params, &ret) ? ret : -EAGAIN;
}

/* Stops before one that is refused, as the library always wants it. */
int sys_submit(struct syslet_call *calls, unsigned int nr,
	       const struct indirect_params *params)
{
	int max = fake_faults.submit ? fake_faults.submit(nr) : (int)nr;
	struct indirect_params p = *params;
	int i;

	if (p.syslet.caller_data)
		return -EINVAL;
	for (i = 0; i < max; i++) {
		struct indirect_registers regs = { .nr = calls[i].nr };
		long ret;

		memcpy(regs.args, calls[i].args, sizeof(regs.args));
		p.syslet.caller_data = calls[i].caller_data;
		if (!make_call(&regs, &p, &ret))
			return i ? i : -EAGAIN;
		calls[i].result = ret;
	}
	return max;
}

int sys_ring_wait(struct syslet_ring *ring, uint32_t idx, unsigned int nr, int64_t until)
{
	int fault = __atomic_load_n(&fake_faults.ring_wait, __ATOMIC_RELAXED);

	if (fault)
		return fault;
	for (;;) {
		uint32_t head = __atomic_load_n(&ring->kernel_head, __ATOMIC_ACQUIRE);
		int ret;

		if (head - idx >= nr)
			return 0;
		ret = sys_futex_wait(&ring->kernel_head, head, until);
		if (ret)
			return ret;
	}
}

int sys_cancel(struct syslet_ring *ring, uint64_t data, unsigned int flags)
{
	(void)ring;
	(void)data;
	(void)flags;
	return -ENOSYS;
}
