/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>

G_BEGIN_DECLS

#define BACKOFF_MIN_USEC UINT64_C(500000)
#define BACKOFF_MAX_USEC UINT64_C(120000000)

/* How long to wait after a failure, PREVIOUS being how long it was after the one before, or 0: 1.15 to 2.3
 * times as long, at random, and within the limits. */
uint64_t backoff_next(uint64_t previous);

G_END_DECLS
