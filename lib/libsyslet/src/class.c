/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Which calls may run on another thread than the caller's: the kernel's own
 * table, so that both backends agree.
 */
#include "lib.h"

#ifdef __x86_64__

enum {
	/* as the table says */
	SYSLET_REFUSE = 1, SYSLET_SYNC, SYSLET_BOUND, SYSLET_ASYNC,
	SYSLET_BY_SIGMASK3, SYSLET_BY_SIGMASK4, SYSLET_BY_SIGMASK5,
	SYSLET_BY_FUTEX_OP, SYSLET_BY_WAIT2, SYSLET_BY_WAIT3, SYSLET_BY_CLOCK,
	SYSLET_BY_URING,
};

#define SYSLET_CALL(nr, name, class)	[nr] = SYSLET_##class,

static const uint8_t classes[] = {
#include "syslet_class_64.h"
};

enum call_class call_classify(uint64_t nr)
{
	if (nr >= sizeof(classes))
		return CALL_SYNC;
	switch (classes[nr]) {
	case SYSLET_REFUSE:
		return CALL_REFUSE;
	case SYSLET_SYNC:
		return CALL_SYNC;
	default:
		return CALL_ANY_THREAD;
	}
}

#else

enum call_class call_classify(uint64_t nr)
{
	(void)nr;
	return CALL_ANY_THREAD;
}

#endif
