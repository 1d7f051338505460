/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "stream-kind.h"

G_BEGIN_DECLS

/* What one log has counted, a slot of the file "counters": its layout is that of the file. */
typedef struct Counters {
        uint64_t used;
        uint64_t bytes[STREAM_MAX];    /* read from the streams */
        uint64_t unmarked[STREAM_MAX]; /* dropped, and not yet told of in the file */
        uint64_t dropped_bytes;
        uint64_t journal_dropped;
        uint64_t rotations;
        uint64_t ended[STREAM_MAX]; /* inode of a pipe of which all is passed on, and that may lie on a shelf yet */
} Counters;

G_END_DECLS
