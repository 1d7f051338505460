/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream-kind.h"

G_BEGIN_DECLS

/* How much later an engine may write an entry of one stream than an entry of the other that has a later time
 * stamp. */
#define POSITION_SKEW_NSEC INT64_C(2000000000)

/* The place in a stream up to which everything was taken. Time stamps are not unique, since the pieces of a
 * long line have the same, as has with some engines all that was written in a second: an entry is known by
 * its time and its number among those of that time. The layout is that of the slot file. */
typedef struct Position {
        int64_t nsec;     /* time of the last entry; 0: there was none */
        uint64_t count;   /* entries of that time that were taken whole */
        uint64_t partial; /* bytes taken of the next of them */
        int64_t max_nsec; /* the highest time of any entry: more than the last one's after the clock was set back */
        uint64_t mid_line; /* what was taken last did not end with a newline */
} Position;

/* Goes through the entries of a stream that is listed again, from a time before the position: says what of
 * them is new. */
typedef struct PositionFilter {
        Position anchor; /* where the listing before has ended */
        bool resuming;   /* the anchor has not been come to yet */
        uint64_t seen;   /* entries of the anchor's time */
        bool skip;       /* the entry that is being read was taken before */
        uint64_t drop;   /* bytes of it that were */
} PositionFilter;

void position_filter_init(PositionFilter *filter, const Position *position);

/* An entry begins. POSITION is moved to it, unless it was taken before. */
void position_begin(Position *position, PositionFilter *filter, int64_t nsec);

/* Advances POSITION by what of DATA is new, and returns how many bytes at its start are not. */
size_t position_data(Position *position, PositionFilter *filter, const char *data, size_t size);

void position_end(Position *position, PositionFilter *filter);

/* The time from which on a log with these positions is to be listed, so that everything new is in it, and of
 * each stream the last entry if it is needed to find the place. At least SINCE. */
int64_t positions_since(const Position positions[STREAM_MAX], bool stdout_only, int64_t since);

G_END_DECLS
