/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The inline functions of the headers once more, for those who link to them. */
#define _GNU_SOURCE
#define SYSLET_INLINE

#include "syslet.h"
