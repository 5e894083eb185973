/* SPDX-License-Identifier: GPL-2.0-only */
/* Chance that can be repeated, and time: for the stress program and the fuzzer. */
#ifndef __SYSLET_CHANCE_H
#define __SYSLET_CHANCE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct rng {
	uint64_t state;
};

/* splitmix64 */
static inline uint64_t rnd64(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* 0 .. n - 1 */
static inline unsigned int rnd(struct rng *r, unsigned int n)
{
	return rnd64(r) % n;
}

/* True once in n times. */
static inline bool once_in(struct rng *r, unsigned int n)
{
	return !rnd(r, n);
}

static inline struct rng rng_of(uint64_t seed, uint64_t a, uint64_t b)
{
	struct rng r = { seed };

	r.state = rnd64(&r) ^ a;
	r.state = rnd64(&r) ^ b;
	return r;
}

static inline uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

static inline void sleep_us(unsigned int us)
{
	struct timespec ts = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

	nanosleep(&ts, NULL);
}

#endif /* __SYSLET_CHANCE_H */
