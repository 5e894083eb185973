// SPDX-License-Identifier: GPL-2.0-only
/*
 * The completion ring: post, wait.
 *
 * A ring lives in user memory, and what it says is believed there and then:
 * the kernel reads the counts anew whenever it posts, so a program that
 * scribbles on its ring harms itself alone. What the kernel keeps for a ring
 * (struct syslet_kring) exists while calls, waiters or threads use it, and is
 * found by the key that a futex at that address would have: address space and
 * address, or inode and offset in shared memory. Processes that share a ring
 * see it at addresses of their own.
 *
 * A thread looks its ring up once. What is mapped at that address may be
 * another object when a call ends, so a post compares the key. That is not
 * needed while no mapping has changed at all: mm->mm_lock_seq counts that.
 *
 * kring->lock orders posts, and posts against waits. User memory is accessed
 * under it with page faults disabled; a page that is not there is faulted in
 * without the lock, and the step repeated. So a page that takes its time
 * (FUSE, userfaultfd) stops those who want it, and nobody else.
 *
 *   runner                                 program
 *   -------------------------------------  ---------------------------------
 *   lock
 *   read user_tail: is there room?  [F]    read kernel_head               [E]
 *   write the entry                        read the entries before it
 *     [E]                                    [F]
 *   write kernel_head                      write user_tail
 *   look for waiters who are satisfied     syslet_ring_wait():
 *   unlock                                   lock; read kernel_head;
 *                                            not enough: queue; unlock
 *
 * [E] Entries are there before they are counted: smp_wmb() here, an acquire
 *     load in the program.
 * [F] An entry was read before its place is written again: a release store in
 *     the program; here a control dependency, as all stores of a post depend
 *     on the value read.
 *
 * No wake-up is missed: a waiter reads kernel_head under the lock before it
 * queues itself, a post writes it under the lock before it looks for waiters.
 */
#include <linux/hrtimer.h>
#include <linux/jhash.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/syscalls.h>
#include <linux/sysctl.h>
#include <linux/time_namespace.h>
#include <linux/uaccess.h>

#include <asm/syslet.h>

#include "futex/futex.h"
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

/* Results that had nowhere to go, since the boot. */
static atomic_long_t syslet_lost;

/**
 * struct syslet_kring - the kernel's side of a ring
 * @node: in its bucket
 * @refs: users; reaching zero is under the bucket's lock
 * @key: what memory it is in
 * @seq: mm->mm_lock_seq when its address had that key; memory of one address
 *	 space only. Odd: not known.
 * @reserved: calls that were handed off and have not posted yet
 * @lock: see the head of this file
 * @waiters: struct syslet_waiter, under @lock
 * @room: runners that found the ring full
 */
struct syslet_kring {
	struct hlist_node		node;
	refcount_t			refs;
	union futex_key			key;
	unsigned int			seq;
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

/* Memory that no other address space has, as seen without a look at its page. */
static bool syslet_ring_is_private(unsigned long addr)
{
#ifdef CONFIG_PER_VMA_LOCK
	struct vm_area_struct *vma = lock_vma_under_rcu(current->mm, addr);
	bool private;

	if (!vma)
		return false;
	private = (vma->vm_flags & (VM_MAYSHARE | VM_WRITE)) == VM_WRITE;
	vma_end_read(vma);
	return private;
#else
	return false;
#endif
}

/*
 * That of a futex there. Private memory has the key of a private futex, however
 * it was found to be private.
 */
static int syslet_ring_key(struct syslet_ring __user *uring, union futex_key *key)
{
	u32 __user *word = (u32 __user *)&uring->kernel_head;
	int err;

	if (!IS_ALIGNED((uintptr_t)uring, sizeof(u64)))
		return -EINVAL;
	*key = FUTEX_KEY_INIT;
	if (unlikely(!syslet_ring_is_private((uintptr_t)word))) {
		/* Also sees whether there is memory that may be written. */
		err = get_futex_key(word, FLAGS_SIZE_32 | FLAGS_SHARED, key, FUTEX_WRITE);
		if (err || (key->both.offset & FUT_OFF_INODE))
			return err;
	}
	return get_futex_key(word, FLAGS_SIZE_32, key, FUTEX_WRITE);
}

/* To be read before the look-up. It is odd while mappings are being changed. */
static unsigned int syslet_ring_seq(void)
{
#ifdef CONFIG_PER_VMA_LOCK
	/* Pairs with mm_lock_seqcount_begin() and _end(). */
	return smp_load_acquire(&current->mm->mm_lock_seq.sequence);
#else
	return 1;
#endif
}

/* The key was found at the ring's address; no mapping had changed since @seq. */
static void syslet_ring_seen(struct syslet_kring *kring, unsigned int seq)
{
	if (!(kring->key.both.offset & (FUT_OFF_INODE | FUT_OFF_MMSHARED)))
		WRITE_ONCE(kring->seq, seq);
}

/*
 * Is the ring still where it was, @seq being that of now? For one that was found
 * in this address space.
 * Whoever changes mappings meanwhile cannot tell what comes first, in any case.
 */
static bool syslet_ring_is_there(const struct syslet_kring *kring, unsigned int seq)
{
	return !(seq & 1) && seq == READ_ONCE(kring->seq);
}

static struct syslet_ring_bucket *syslet_ring_bucket(const union futex_key *key)
{
	u32 hash = jhash2((const u32 *)key, offsetof(typeof(*key), both.offset) / 4,
			  key->both.offset);

	return &syslet_rings[hash & (BIT(SYSLET_RING_BITS) - 1)];
}

static struct syslet_kring *syslet_ring_find(struct syslet_ring_bucket *bucket,
					     union futex_key *key)
{
	struct syslet_kring *kring;

	hlist_for_each_entry(kring, &bucket->rings, node) {
		if (futex_match(&kring->key, key)) {
			refcount_inc(&kring->refs);
			return kring;
		}
	}
	return NULL;
}

static struct syslet_kring *syslet_ring_alloc(const union futex_key *key, gfp_t gfp)
{
	struct syslet_kring *kring = kzalloc(sizeof(*kring), gfp);

	if (!kring)
		return NULL;
	refcount_set(&kring->refs, 1);
	kring->key = *key;
	kring->seq = 1;
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
	struct syslet_ring_bucket *bucket;

	/* The thread that uses the ring has a reference, so this is the rule. */
	if (likely(refcount_dec_not_one(&kring->refs)))
		return;
	bucket = syslet_ring_bucket(&kring->key);
	if (!refcount_dec_and_lock(&kring->refs, &bucket->lock))
		return;
	hlist_del(&kring->node);
	spin_unlock(&bucket->lock);
	kfree(kring);
}

/* A reference to the ring with that key; NULL if there is no memory for it. */
static struct syslet_kring *syslet_ring_get_key(union futex_key *key, gfp_t gfp)
{
	struct syslet_ring_bucket *bucket = syslet_ring_bucket(key);
	struct syslet_kring *kring, *new;

	spin_lock(&bucket->lock);
	kring = syslet_ring_find(bucket, key);
	spin_unlock(&bucket->lock);
	if (kring)
		return kring;

	new = syslet_ring_alloc(key, gfp);
	if (!new)
		return NULL;
	spin_lock(&bucket->lock);
	kring = syslet_ring_find(bucket, key);
	if (!kring) {
		kring = new;
		new = NULL;
		hlist_add_head(&kring->node, &bucket->rings);
	}
	spin_unlock(&bucket->lock);
	kfree(new);
	return kring;
}

/**
 * syslet_ring_get - the kernel's side of a ring
 * @addr: its address in the current process
 *
 * Context: Process context; may sleep and fault.
 * Return: a reference; -EINVAL for an address that is not aligned, -EFAULT for
 * one that is not that of memory that can be written, -ENOMEM.
 */
struct syslet_kring *syslet_ring_get(u64 addr)
{
	struct syslet_kring *kring;
	union futex_key key;
	unsigned int seq;
	int err;

	if (addr != (uintptr_t)addr)
		return ERR_PTR(-EINVAL);
	seq = syslet_ring_seq();
	err = syslet_ring_key(u64_to_user_ptr(addr), &key);
	if (err)
		return ERR_PTR(err);
	kring = syslet_ring_get_key(&key, GFP_KERNEL_ACCOUNT);
	if (!kring)
		return ERR_PTR(-ENOMEM);
	syslet_ring_seen(kring, seq);
	return kring;
}

/* The ring that the current thread used last, if that is the one at @addr. */
static struct syslet_kring *syslet_ring_get_last(u64 addr)
{
	struct syslet_task *st = current->syslet;

	/* Only the carrier may look, and stays it: this call is never armed. */
	if (!addr || !st || READ_ONCE(st->ctx->carrier) != current ||
	    READ_ONCE(st->ctx->ring_addr) != addr ||
	    !syslet_ring_is_there(st->ctx->ring, syslet_ring_seq()))
		return NULL;
	refcount_inc(&st->ctx->ring->refs);
	return st->ctx->ring;
}

/* --- reading what user space says --------------------------------------- */

struct syslet_ring_head {
	u32	kernel_head;
	u32	user_tail;
	u32	elements;
	u32	wait_group;
};

/* -EFAULT also if the page is not there and faults are disabled. */
static __always_inline int syslet_ring_read(struct syslet_ring __user *uring,
					    struct syslet_ring_head *head)
{
	const u64 __user *from = (const u64 __user *)uring;

	bool ok;

	BUILD_BUG_ON(sizeof(*head) != sizeof(*uring));

	if (!user_read_access_begin(uring, sizeof(*uring)))
		return -EFAULT;
	ok = arch_indirect_get_word(head, 0, &from[0]) &&
	     arch_indirect_get_word(head, 8, &from[1]);
	user_read_access_end();
	return ok ? 0 : -EFAULT;
}

static bool syslet_ring_is_valid(const struct syslet_ring_head *head)
{
	return is_power_of_2(head->elements) && head->elements <= SYSLET_RING_MAX;
}

/**
 * syslet_ring_has_room - may one more call go async?
 * @kring: a ring
 * @uring: where the current process has it
 *
 * Counts what is in the ring and what will be. Threads that share a ring may
 * get past this together; what is too much then waits for room.
 *
 * Context: Process context; may fault.
 * Return: 0; -EAGAIN if the ring might get full; -EINVAL, -EFAULT for a bad
 * ring.
 */
int syslet_ring_has_room(struct syslet_kring *kring, struct syslet_ring __user *uring)
{
	struct syslet_ring_head head __uninitialized;

	if (syslet_ring_read(uring, &head))
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

/* What is to be posted, and where. */
struct syslet_post {
	struct syslet_kring		**kring;
	struct syslet_ring __user	*uring;
	u64				status;
	u64				caller_data;
	bool				*posted;
};

/* Called with the lock held. Sleeping here is what the lock order forbids. */
static int syslet_ring_add(const struct syslet_post *post, u32 *new_head)
{
	struct syslet_ring __user *uring = post->uring;
	struct syslet_completion __user *comp;
	struct syslet_ring_head head __uninitialized;

	if (syslet_ring_read(uring, &head))
		return -EFAULT;
	if (!syslet_ring_is_valid(&head))
		return -EINVAL;
	/* [F] pairs with the program's release of user_tail */
	if (head.kernel_head - head.user_tail >= head.elements)
		return -ENOSPC;

	comp = &uring->comp[head.kernel_head & (head.elements - 1)];
	if (!user_access_begin(comp, sizeof(*comp)))
		return -EINVAL;
	unsafe_put_user(post->status, &comp->status, efault);
	unsafe_put_user(post->caller_data, &comp->caller_data, efault);
	WRITE_ONCE(*post->posted, true);
	/* [E] pairs with the program's acquire of kernel_head */
	smp_wmb();
	*new_head = head.kernel_head + 1;
	unsafe_put_user(*new_head, &uring->kernel_head, efault);
	user_access_end();
	return 0;

efault:
	user_access_end();
	WRITE_ONCE(*post->posted, false);
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

static int syslet_ring_try_post(const struct syslet_post *post)
{
	struct syslet_kring *kring = *post->kring;
	u32 head;
	int err;

	spin_lock(&kring->lock);
	pagefault_disable();
	err = syslet_ring_add(post, &head);
	pagefault_enable();
	if (!err) {
		/* Before anyone knows: it is in the ring now, and not to come. */
		atomic_dec(&kring->reserved);
		syslet_ring_wake(kring, head);
	}
	spin_unlock(&kring->lock);
	return err;
}

/*
 * The call has a ring in its hands; what is mapped there decides. Whoever dies
 * while it waits for room gives back what it has then.
 */
static int syslet_ring_follow(struct syslet_post *post)
{
	struct syslet_kring *old = *post->kring;
	unsigned int seq = syslet_ring_seq();
	union futex_key key;
	int err;

	if (likely(syslet_ring_is_there(old, seq)))
		return 0;
	err = syslet_ring_key(post->uring, &key);
	if (err)
		return err;
	if (likely(futex_match(&old->key, &key))) {
		syslet_ring_seen(old, seq);
		return 0;
	}

	*post->kring = syslet_ring_get_key(&key, GFP_KERNEL | __GFP_NOFAIL);
	atomic_inc(&(*post->kring)->reserved);
	syslet_ring_unreserve(old);
	return 0;
}

/* Make the entry present; false if it is not there. */
static bool syslet_ring_fault_in(struct syslet_ring __user *uring)
{
	struct syslet_ring_head head __uninitialized;
	size_t slot;

	/* All of the head: its first word was seen to be there. */
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
 * @kring: where to; the reservation and the reference of the call are used up,
 *	   and it is NULL then
 * @uring: its address
 * @status: result of the call
 * @caller_data: as given with the call
 * @posted: set before the completion can be seen
 *
 * Waits for room if the ring is full. If the ring is not there any more the
 * completion is lost; that is counted (kernel.syslet_lost) and traced.
 *
 * Context: Process context of the address space; may sleep.
 * Return: true if another ring was found at that address.
 */
bool syslet_ring_post(struct syslet_kring **kring, struct syslet_ring __user *uring,
		      u64 status, u64 caller_data, bool *posted)
{
	struct syslet_post post = {
		.kring		= kring,
		.uring		= uring,
		.status		= status,
		.caller_data	= caller_data,
		.posted		= posted,
	};
	const struct syslet_kring *expected = *kring;
	bool moved;
	int err;

	for (;;) {
		err = syslet_ring_follow(&post);
		if (!err) {
			err = syslet_ring_try_post(&post);
			if (err == -EFAULT && syslet_ring_fault_in(uring)) {
				cond_resched();
				continue;
			}
		}
		/* Or its page cannot be had now: in a small memory cgroup, say. */
		if (err != -ENOSPC && err != -ENOMEM)
			break;
		syslet_ring_wait_for_room(*kring);
	}
	moved = *kring != expected;
	if (likely(!err)) {
		syslet_ring_put(*kring);
	} else {
		/* Of a process that was killed nobody misses it. */
		if (!fatal_signal_pending(current))
			atomic_long_inc(&syslet_lost);
		syslet_ring_unreserve(*kring);
	}
	*kring = NULL;
	trace_syslet_post(uring, status, caller_data, err);
	return moved;
}

/* --- wait ---------------------------------------------------------------- */

/*
 * 0 if satisfied; 1 if the waiter was queued; -EFAULT if the page is not
 * there.
 */
static int syslet_ring_queue(struct syslet_kring *kring, struct syslet_ring __user *uring,
			     struct syslet_waiter *w)
{
	struct syslet_ring_head head __uninitialized;
	int ret;

	spin_lock(&kring->lock);
	pagefault_disable();
	ret = syslet_ring_read(uring, &head);
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

static int __syslet_ring_wait(struct syslet_kring *kring, struct syslet_ring __user *uring,
			      u32 idx, u32 nr, ktime_t *expires)
{
	struct syslet_waiter w = {
		.task	= current,
		.idx	= idx,
		.nr	= nr ?: 1,
	};
	struct syslet_ring_head head __uninitialized;
	int ret;

	INIT_LIST_HEAD(&w.node);
	/* Whoever waits has taken what it will take. */
	if (wq_has_sleeper(&kring->room))
		wake_up(&kring->room);
	for (;;) {
		ret = syslet_ring_queue(kring, uring, &w);
		if (ret != -EFAULT)
			break;
		/* Fault it in, with faults enabled. */
		if (syslet_ring_read(uring, &head))
			return -EFAULT;
	}
	return ret > 0 ? syslet_ring_sleep(kring, &w, expires) : ret;
}

static int syslet_ring_wait(struct syslet_ring __user *uring, u32 idx, u32 nr,
			    ktime_t *expires)
{
	struct syslet_kring *kring = syslet_ring_get_last((uintptr_t)uring);
	int ret;

	if (!kring)
		kring = syslet_ring_get((uintptr_t)uring);
	if (IS_ERR(kring))
		return PTR_ERR(kring);
	ret = __syslet_ring_wait(kring, uring, idx, nr, expires);
	trace_syslet_wait(uring, idx, nr, ret);
	syslet_ring_put(kring);
	return ret;
}

/* A wait of so and so long goes on until the time when it would have ended. */
static long syslet_ring_wait_restart(struct restart_block *rb)
{
	ktime_t expires = rb->syslet.expires;
	int ret;

	ret = syslet_ring_wait(rb->syslet.ring, rb->syslet.idx, rb->syslet.nr, &expires);
	return ret == -EINTR ? set_restart_fn(rb, syslet_ring_wait_restart) : ret;
}

static int syslet_ring_timeout(const struct __kernel_timespec __user *timeout,
			       unsigned int flags, ktime_t *expires)
{
	struct timespec64 ts;

	if (get_timespec64(&ts, timeout))
		return -EFAULT;
	if (!timespec64_valid(&ts))
		return -EINVAL;
	*expires = timespec64_to_ktime(ts);
	if (flags & SYSLET_WAIT_ABSTIME)
		*expires = timens_ktime_to_host(CLOCK_MONOTONIC, *expires);
	else
		*expires = ktime_add_safe(ktime_get(), *expires);
	return 0;
}

/**
 * sys_syslet_ring_wait - wait for completions
 * @ring: the ring
 * @user_idx: a value of its user_tail
 * @nr: how many completions shall lie past @user_idx; 0 means 1
 * @timeout: on the monotonic clock, relative unless SYSLET_WAIT_ABSTIME is
 *	     set; NULL: no limit
 * @flags: SYSLET_WAIT_ABSTIME
 *
 * A signal that has a handler ends the wait, also with SA_RESTART, as for
 * poll(2).
 *
 * Return: 0; -ETIME, -EINTR, -EINVAL, -EFAULT, -ENOMEM.
 */
SYSCALL_DEFINE5(syslet_ring_wait, struct syslet_ring __user *, ring,
		unsigned long, user_idx, unsigned int, nr,
		const struct __kernel_timespec __user *, timeout,
		unsigned int, flags)
{
	struct restart_block *rb = &current->restart_block;
	ktime_t expires;
	int ret;

	if ((flags & ~SYSLET_WAIT_ABSTIME) || nr > SYSLET_RING_MAX)
		return -EINVAL;
	if (timeout) {
		ret = syslet_ring_timeout(timeout, flags, &expires);
		if (ret)
			return ret;
	}
	ret = syslet_ring_wait(ring, user_idx, nr, timeout ? &expires : NULL);
	if (ret != -EINTR)
		return ret;
	if (!timeout || (flags & SYSLET_WAIT_ABSTIME))
		return -ERESTARTNOHAND;

	rb->syslet.ring = ring;
	rb->syslet.idx = user_idx;
	rb->syslet.nr = nr;
	rb->syslet.expires = expires;
	return set_restart_fn(rb, syslet_ring_wait_restart);
}

static struct ctl_table syslet_ring_sysctls[] = {
	{
		.procname	= "syslet_lost",
		.data		= &syslet_lost.counter,
		.maxlen		= sizeof(unsigned long),
		.mode		= 0444,
		.proc_handler	= proc_doulongvec_minmax,
	},
};

static int __init syslet_ring_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(syslet_rings); i++)
		spin_lock_init(&syslet_rings[i].lock);
	register_sysctl_init("kernel", syslet_ring_sysctls);
	return 0;
}
core_initcall(syslet_ring_init);
