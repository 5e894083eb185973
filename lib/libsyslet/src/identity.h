/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* identity.c: who makes a call */
#ifndef LIBSYSLET_IDENTITY_H
#define LIBSYSLET_IDENTITY_H

#include "lib.h"

struct identity {
	uint64_t	groups, caps, cpus;
	uint32_t	uids[4], gids[4];
	int32_t		sched[4];
	int32_t		securebits;
	int32_t		is_known;
};

#pragma GCC visibility push(hidden)

void identity_get(struct identity *id);
bool identity_is_same(const struct identity *a, const struct identity *b, int tid);

#pragma GCC visibility pop

#endif /* LIBSYSLET_IDENTITY_H */
