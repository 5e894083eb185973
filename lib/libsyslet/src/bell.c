/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Who waits:	heard = bell_listen(); look; bell_wait(heard)
 * Who has news:	make it visible; bell_ring()
 *
 * News before bell_listen() are seen by the look, later ones end the wait. The
 * futex call is saved if nobody waits: then either the waiter is seen here, or
 * it sees the count in the kernel's comparison (both sides write before they
 * read, in one order for all).
 */
#include "lib.h"

uint32_t bell_listen(const struct bell *bell)
{
	return __atomic_load_n(&bell->rings, __ATOMIC_SEQ_CST);
}

void bell_ring(struct bell *bell)
{
	__atomic_fetch_add(&bell->rings, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&bell->waiters, __ATOMIC_SEQ_CST))
		sys_futex_wake(&bell->rings, 1);
}

int bell_wait(struct bell *bell, uint32_t heard, int64_t until)
{
	int ret;

	__atomic_fetch_add(&bell->waiters, 1, __ATOMIC_SEQ_CST);
	ret = sys_futex_wait(&bell->rings, heard, until);
	__atomic_fetch_sub(&bell->waiters, 1, __ATOMIC_SEQ_CST);
	return ret;
}
