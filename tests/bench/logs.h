/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bench.h"

G_BEGIN_DECLS

typedef struct Loudness {
        double bytes_per_second; /* of all together */
        double spread;           /* of what each could write: (most - least) / mean */
        double cpu_seconds;      /* of who reads */
        double bytes;
} Loudness;

/* N tasks write to files, SIZE bytes at a time, as much as they can for so long. KEEP: how many bytes of
 * files all of them together keep, which is memory here. No less than they do by default; 0: that. */
Loudness logs_flood(const Bench *bench, size_t n, size_t size, double seconds, size_t keep);

G_END_DECLS
