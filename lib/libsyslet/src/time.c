/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Times of CLOCK_MONOTONIC, as nanoseconds. */
#include "lib.h"

#define NS_PER_S	1000000000LL

int64_t time_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/*
 * In 32-bit programs the upper half may be padding of a struct timespec, depending on
 * how they were compiled: not looked at, as the kernel does.
 */
static int64_t nanoseconds(const syslet_timespec *ts)
{
	return (long)ts->tv_nsec;
}

bool time_at(const syslet_timespec *ts, int64_t *until)
{
	int64_t nsec;

	*until = FOREVER;
	if (!ts)
		return true;
	nsec = nanoseconds(ts);
	if (ts->tv_sec < 0 || nsec < 0 || nsec >= NS_PER_S)
		return false;
	/* 292 years are without a limit. */
	if (ts->tv_sec < FOREVER / NS_PER_S)
		*until = ts->tv_sec * NS_PER_S + nsec;
	return true;
}

bool time_after(const syslet_timespec *timeout, int64_t *until)
{
	if (!time_at(timeout, until))
		return false;
	if (__builtin_add_overflow(*until, *until == FOREVER ? 0 : time_now(), until))
		*until = FOREVER;
	return true;
}

int64_t time_left(int64_t until)
{
	int64_t left = until - time_now();

	return left < 0 ? 0 : left;
}
