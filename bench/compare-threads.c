// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linked with compare/syslet.c, makes it run as on a kernel without syslets: with
 * the threads of the library.
 */
#include <syslet.h>

int __real_syslet_queue_init(struct syslet_queue *q, unsigned int entries, unsigned int flags);
int __wrap_syslet_queue_init(struct syslet_queue *q, unsigned int entries, unsigned int flags);

int __wrap_syslet_queue_init(struct syslet_queue *q, unsigned int entries, unsigned int flags)
{
	return __real_syslet_queue_init(q, entries, flags | SYSLET_QUEUE_THREADS);
}
