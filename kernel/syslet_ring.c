// SPDX-License-Identifier: GPL-2.0-only
/*
 * The completion ring: post, wait.
 *
 * A ring lives in user memory, and what it says is believed there and then:
 * the kernel reads the counts anew whenever it posts, so a program that
 * scribbles on its ring harms itself alone. What the kernel keeps for a ring
 * (struct syslet_kring) is found by address space and address; it exists while
 * calls, waiters or threads use it.
 *
 * kring->lock orders posts, and posts against waits: a waiter reads
 * kernel_head under it before it queues itself, a post changes kernel_head
 * under it before it looks for waiters. So no wake-up is missed. User memory
 * is accessed under the lock with page faults disabled; a page that is not
 * there is faulted in without the lock, and the step repeated.
 */
#include <linux/hash.h>
#include <linux/hrtimer.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>

#include "syslet.h"

#include <trace/events/syslet.h>

#define SYSLET_RING_BITS	8
#define SYSLET_RING_MAX		BIT(20)
/* How often a runner looks whether a full ring has room. */
#define SYSLET_RING_FULL_MS	10

struct syslet_ring_bucket {
	/* Protects the list, and reference counts that reach zero. */
	spinlock_t		lock;
	struct hlist_head	rings;
} ____cacheline_aligned_in_smp;

static struct syslet_ring_bucket syslet_rings[BIT(SYSLET_RING_BITS)];

/**
 * struct syslet_kring - the kernel's side of a ring
 * @node: in its bucket
 * @refs: users; reaching zero is under the bucket's lock
 * @mm: address space, a part of the key only
 * @uring: the ring in user memory
 * @reserved: calls that were handed off and have not posted yet
 * @lock: see the head of this file
 * @waiters: struct syslet_waiter, under @lock
 * @room: runners that found the ring full
 */
struct syslet_kring {
	struct hlist_node		node;
	refcount_t			refs;
	struct mm_struct		*mm;
	struct syslet_ring __user	*uring;
	atomic_t			reserved;
	/* Orders posts, and posts against waits. */
	spinlock_t			lock;
	struct list_head		waiters;
	wait_queue_head_t		room;
};

/* On the stack of syslet_ring_wait(2). */
struct syslet_waiter {
	struct list_head	node;
	struct task_struct	*task;
	u32			idx;
	u32			nr;
};

/* --- objects ----------------------------------------------------------- */

static struct syslet_ring_bucket *syslet_ring_bucket(struct mm_struct *mm, u64 addr)
{
	return &syslet_rings[hash_64(addr ^ hash_ptr(mm, 32), SYSLET_RING_BITS)];
}

static struct syslet_kring *syslet_ring_find(struct syslet_ring_bucket *bucket,
					     struct mm_struct *mm, u64 addr)
{
	struct syslet_kring *kring;

	hlist_for_each_entry(kring, &bucket->rings, node) {
		if (kring->mm == mm && (u64)(uintptr_t)kring->uring == addr) {
			refcount_inc(&kring->refs);
			return kring;
		}
	}
	return NULL;
}

static struct syslet_kring *syslet_ring_alloc(struct mm_struct *mm, u64 addr)
{
	struct syslet_kring *kring = kzalloc(sizeof(*kring), GFP_KERNEL_ACCOUNT);

	if (!kring)
		return NULL;
	refcount_set(&kring->refs, 1);
	kring->mm = mm;
	kring->uring = u64_to_user_ptr(addr);
	spin_lock_init(&kring->lock);
	INIT_LIST_HEAD(&kring->waiters);
	init_waitqueue_head(&kring->room);
	return kring;
}

/**
 * syslet_ring_put - drop a reference
 * @kring: a ring
 *
 * Context: Any but interrupts.
 */
void syslet_ring_put(struct syslet_kring *kring)
{
	struct syslet_ring_bucket *bucket =
		syslet_ring_bucket(kring->mm, (uintptr_t)kring->uring);

	if (!refcount_dec_and_lock(&kring->refs, &bucket->lock))
		return;
	hlist_del(&kring->node);
	spin_unlock(&bucket->lock);
	kfree(kring);
}

/**
 * syslet_ring_get - the kernel's side of a ring of the current process
 * @addr: its address
 *
 * Context: Process context; may sleep.
 * Return: a reference, -EINVAL for an address that is not aligned, -EAGAIN
 * when there is no memory.
 */
struct syslet_kring *syslet_ring_get(u64 addr)
{
	struct mm_struct *mm = current->mm;
	struct syslet_kring *kring, *new;
	struct syslet_ring_bucket *bucket;

	if (!IS_ALIGNED(addr, sizeof(u64)) || addr != (uintptr_t)addr)
		return ERR_PTR(-EINVAL);

	bucket = syslet_ring_bucket(mm, addr);
	spin_lock(&bucket->lock);
	kring = syslet_ring_find(bucket, mm, addr);
	spin_unlock(&bucket->lock);
	if (kring)
		return kring;

	new = syslet_ring_alloc(mm, addr);
	if (!new)
		return ERR_PTR(-EAGAIN);
	spin_lock(&bucket->lock);
	kring = syslet_ring_find(bucket, mm, addr);
	if (!kring) {
		kring = new;
		new = NULL;
		hlist_add_head(&kring->node, &bucket->rings);
	}
	spin_unlock(&bucket->lock);
	kfree(new);
	return kring;
}

/* --- reading what user space says --------------------------------------- */

struct syslet_ring_head {
	u32	kernel_head;
	u32	user_tail;
	u32	elements;
};

/* -EFAULT also if the page is not there and faults are disabled. */
static int syslet_ring_read(struct syslet_ring __user *uring,
			    struct syslet_ring_head *head)
{
	if (!user_access_begin(uring, sizeof(*uring)))
		return -EFAULT;
	unsafe_get_user(head->kernel_head, &uring->kernel_head, efault);
	unsafe_get_user(head->user_tail, &uring->user_tail, efault);
	unsafe_get_user(head->elements, &uring->elements, efault);
	user_access_end();
	return 0;

efault:
	user_access_end();
	return -EFAULT;
}

static bool syslet_ring_is_valid(const struct syslet_ring_head *head)
{
	return is_power_of_2(head->elements) && head->elements <= SYSLET_RING_MAX;
}

/**
 * syslet_ring_has_room - may one more call go async?
 * @kring: a ring of the current process
 *
 * Counts what is in the ring and what will be. Threads that share a ring may
 * get past this together; what is too much then waits for room.
 *
 * Context: Process context; may fault.
 * Return: 0; -EAGAIN if the ring might get full; -EINVAL, -EFAULT for a bad
 * ring.
 */
int syslet_ring_has_room(struct syslet_kring *kring)
{
	struct syslet_ring_head head;

	if (syslet_ring_read(kring->uring, &head))
		return -EFAULT;
	if (!syslet_ring_is_valid(&head))
		return -EINVAL;
	if (head.kernel_head - head.user_tail + atomic_read(&kring->reserved) >= head.elements)
		return -EAGAIN;
	return 0;
}

/**
 * syslet_ring_reserve - a call was handed off
 * @kring: where it will post; takes a reference for it
 *
 * Context: Any.
 */
void syslet_ring_reserve(struct syslet_kring *kring)
{
	refcount_inc(&kring->refs);
	atomic_inc(&kring->reserved);
}

/**
 * syslet_ring_unreserve - a call that was handed off will not post
 * @kring: its ring; the reference is dropped as well
 *
 * Context: Any but interrupts.
 */
void syslet_ring_unreserve(struct syslet_kring *kring)
{
	atomic_dec(&kring->reserved);
	syslet_ring_put(kring);
}

/* --- post ---------------------------------------------------------------- */

/* Called with the lock held. Sleeping here is what the lock order forbids. */
static int syslet_ring_add(struct syslet_kring *kring, u64 status,
			   u64 caller_data, u32 *new_head)
{
	struct syslet_ring __user *uring = kring->uring;
	struct syslet_completion __user *comp;
	struct syslet_ring_head head;

	if (syslet_ring_read(uring, &head))
		return -EFAULT;
	if (!syslet_ring_is_valid(&head))
		return -EINVAL;
	if (head.kernel_head - head.user_tail >= head.elements)
		return -ENOSPC;

	comp = &uring->comp[head.kernel_head & (head.elements - 1)];
	if (!user_access_begin(comp, sizeof(*comp)))
		return -EINVAL;
	unsafe_put_user(status, &comp->status, efault);
	unsafe_put_user(caller_data, &comp->caller_data, efault);
	/* (D) the entry before the count; pairs with the program's acquire */
	smp_wmb();
	*new_head = head.kernel_head + 1;
	unsafe_put_user(*new_head, &uring->kernel_head, efault);
	user_access_end();
	return 0;

efault:
	user_access_end();
	return -EFAULT;
}

static bool syslet_is_satisfied(u32 head, u32 idx, u32 nr)
{
	return (s32)(head - idx) >= (s32)nr;
}

static void syslet_ring_wake(struct syslet_kring *kring, u32 head)
{
	struct syslet_waiter *w, *tmp;

	list_for_each_entry_safe(w, tmp, &kring->waiters, node) {
		if (!syslet_is_satisfied(head, w->idx, w->nr))
			continue;
		list_del_init(&w->node);
		wake_up_process(w->task);
	}
}

static int syslet_ring_try_post(struct syslet_kring *kring, u64 status,
				u64 caller_data)
{
	u32 head;
	int err;

	spin_lock(&kring->lock);
	pagefault_disable();
	err = syslet_ring_add(kring, status, caller_data, &head);
	pagefault_enable();
	if (!err) {
		/* Before anyone knows: it is in the ring now, and not to come. */
		atomic_dec(&kring->reserved);
		syslet_ring_wake(kring, head);
	}
	spin_unlock(&kring->lock);
	return err;
}

/* Make the pages present that a post needs; false if they are not there. */
static bool syslet_ring_fault_in(struct syslet_kring *kring)
{
	struct syslet_ring __user *uring = kring->uring;
	struct syslet_ring_head head;
	size_t slot;

	if (fault_in_safe_writeable((char __user *)uring, sizeof(*uring)))
		return false;
	if (syslet_ring_read(uring, &head) || !syslet_ring_is_valid(&head))
		return false;
	slot = head.kernel_head & (head.elements - 1);
	return !fault_in_safe_writeable((char __user *)&uring->comp[slot],
					sizeof(uring->comp[0]));
}

/*
 * The tail moves without telling us; who waits on the ring does. A runner that
 * waits here stops and freezes as the rest of its process.
 */
static void syslet_ring_wait_for_room(struct syslet_kring *kring)
{
	DEFINE_WAIT(wait);

	prepare_to_wait(&kring->room, &wait, TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (!signal_pending(current))
		schedule_timeout(msecs_to_jiffies(SYSLET_RING_FULL_MS));
	finish_wait(&kring->room, &wait);
	if (signal_pending(current))
		syslet_handle_signals();
}

/**
 * syslet_ring_post - add a completion
 * @kring: where to; the reservation and the reference of the call are used up
 * @status: result of the call
 * @caller_data: as given with the call
 * @posted: set before the completion can be seen
 *
 * Waits for room if the ring is full. If the ring is not there any more the
 * completion is lost; only the tracepoint tells.
 *
 * Context: Process context of the address space; may sleep.
 */
void syslet_ring_post(struct syslet_kring *kring, u64 status, u64 caller_data,
		      bool *posted)
{
	int err;

	for (;;) {
		WRITE_ONCE(*posted, true);
		err = syslet_ring_try_post(kring, status, caller_data);
		if (!err)
			break;
		WRITE_ONCE(*posted, false);
		if (err == -EFAULT && syslet_ring_fault_in(kring)) {
			cond_resched();
			continue;
		}
		if (err != -ENOSPC)
			break;
		syslet_ring_wait_for_room(kring);
	}
	trace_syslet_post(kring->uring, status, caller_data, err);
	if (err)
		syslet_ring_unreserve(kring);
	else
		syslet_ring_put(kring);
}

/* --- wait ---------------------------------------------------------------- */

/*
 * 0 if satisfied; 1 if the waiter was queued; -EFAULT if the page is not
 * there.
 */
static int syslet_ring_queue(struct syslet_kring *kring, struct syslet_waiter *w)
{
	struct syslet_ring_head head;
	int ret;

	spin_lock(&kring->lock);
	pagefault_disable();
	ret = syslet_ring_read(kring->uring, &head);
	pagefault_enable();
	if (!ret) {
		if (!syslet_ring_is_valid(&head) || w->nr > head.elements) {
			ret = -EINVAL;
		} else if (!syslet_is_satisfied(head.kernel_head, w->idx, w->nr)) {
			list_add_tail(&w->node, &kring->waiters);
			ret = 1;
		}
	}
	spin_unlock(&kring->lock);
	return ret;
}

static int syslet_ring_sleep(struct syslet_kring *kring, struct syslet_waiter *w,
			     ktime_t *expires)
{
	int ret = 0;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		if (list_empty_careful(&w->node))
			break;
		if (signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		if (!schedule_hrtimeout_range(expires, current->timer_slack_ns,
					      HRTIMER_MODE_ABS)) {
			ret = -ETIME;
			break;
		}
	}
	__set_current_state(TASK_RUNNING);

	/* A post may be about to wake us: let it finish with @w. */
	spin_lock(&kring->lock);
	if (list_empty(&w->node))
		ret = 0;
	else
		list_del(&w->node);
	spin_unlock(&kring->lock);
	return ret;
}

static int syslet_ring_do_wait(struct syslet_kring *kring, u32 idx, u32 nr,
			       ktime_t *expires)
{
	struct syslet_waiter w = {
		.task	= current,
		.idx	= idx,
		.nr	= nr,
	};
	struct syslet_ring_head head;
	int ret;

	INIT_LIST_HEAD(&w.node);
	/* Whoever waits has taken what it will take. */
	wake_up(&kring->room);
	for (;;) {
		ret = syslet_ring_queue(kring, &w);
		if (ret != -EFAULT)
			break;
		/* Fault it in, with faults enabled. */
		if (syslet_ring_read(kring->uring, &head))
			return -EFAULT;
	}
	return ret > 0 ? syslet_ring_sleep(kring, &w, expires) : ret;
}

/**
 * sys_syslet_ring_wait - wait for completions
 * @ring: the ring
 * @user_idx: a value of its user_tail
 * @nr: how many completions shall lie past @user_idx; 0 means 1
 * @timeout: relative, on the monotonic clock; NULL: no limit
 * @flags: zero
 *
 * Return: 0; -ETIME, -EINTR, -EINVAL, -EFAULT.
 */
SYSCALL_DEFINE5(syslet_ring_wait, struct syslet_ring __user *, ring,
		unsigned long, user_idx, unsigned int, nr,
		const struct __kernel_timespec __user *, timeout,
		unsigned int, flags)
{
	struct syslet_kring *kring;
	struct timespec64 ts;
	ktime_t expires;
	int ret;

	if (flags || nr > SYSLET_RING_MAX)
		return -EINVAL;
	if (timeout) {
		if (get_timespec64(&ts, timeout))
			return -EFAULT;
		if (!timespec64_valid(&ts))
			return -EINVAL;
		expires = ktime_add_safe(ktime_get(), timespec64_to_ktime(ts));
	}

	kring = syslet_ring_get((uintptr_t)ring);
	if (IS_ERR(kring)) {
		ret = PTR_ERR(kring);
		return ret == -EAGAIN ? -ENOMEM : ret;
	}
	ret = syslet_ring_do_wait(kring, user_idx, nr ?: 1,
				  timeout ? &expires : NULL);
	trace_syslet_wait(ring, user_idx, nr, ret);
	syslet_ring_put(kring);
	return ret;
}

static int __init syslet_ring_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(syslet_rings); i++)
		spin_lock_init(&syslet_rings[i].lock);
	return 0;
}
core_initcall(syslet_ring_init);
