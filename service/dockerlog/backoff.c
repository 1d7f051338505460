/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backoff.h"

uint64_t backoff_next(uint64_t previous)
{
        double factor = 1.15 * g_random_double_range(1, 2);
        double next = (double) MAX(previous, BACKOFF_MIN_USEC) * factor;

        return (uint64_t) CLAMP(next, (double) BACKOFF_MIN_USEC, (double) BACKOFF_MAX_USEC);
}
