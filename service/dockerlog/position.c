/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "position.h"

/* Some engines read the fraction of a second as floating point, with an error of a quarter of a
 * microsecond. */
#define SINCE_SLACK_NSEC 1000

void position_filter_init(PositionFilter *filter, const Position *position)
{
        *filter = (PositionFilter){ .anchor = *position, .resuming = position->nsec != 0 };
}

/* While the place is looked for: whether the entry that begins was taken before, as a whole or in part. */
static bool was_taken(PositionFilter *filter, int64_t nsec)
{
        const Position *anchor = &filter->anchor;

        if (nsec != anchor->nsec) {
                /* Later than anything before: the engine does not have the anchor any more. */
                filter->resuming = nsec <= anchor->max_nsec;
                filter->skip = filter->resuming;
                return filter->skip;
        }

        if (filter->seen == anchor->count) {
                filter->resuming = false;
                filter->drop = anchor->partial;
                return true;
        }

        /* After the last of them everything is new, whatever its time. */
        filter->seen++;
        filter->resuming = filter->seen < anchor->count || anchor->partial > 0;
        filter->skip = true;
        return true;
}

void position_begin(Position *position, PositionFilter *filter, int64_t nsec)
{
        filter->skip = false;
        filter->drop = 0;
        if (filter->resuming && was_taken(filter, nsec))
                return;

        if (nsec != position->nsec)
                position->count = 0;
        position->nsec = nsec;
        position->max_nsec = MAX(position->max_nsec, nsec);
        position->partial = 0;
}

size_t position_data(Position *position, PositionFilter *filter, const char *data, size_t size)
{
        size_t old = filter->skip ? size : (size_t) MIN(filter->drop, size);

        filter->drop -= filter->skip ? 0 : old;
        if (old < size) {
                position->partial += size - old;
                position->mid_line = data[size - 1] != '\n';
        }
        return old;
}

void position_end(Position *position, PositionFilter *filter)
{
        if (filter->skip)
                return;

        position->count++;
        position->partial = 0;
}

/* The lowest time that an entry of the stream can have that is still to come. */
static int64_t lowest_to_come(const Position *position, const Position *other)
{
        int64_t others = other->nsec - POSITION_SKEW_NSEC;

        /* the rest of a line has the time of its beginning, however long that is ago */
        return position->mid_line ? position->nsec : MAX(position->nsec, others);
}

int64_t positions_since(const Position positions[STREAM_MAX], bool stdout_only, int64_t since)
{
        const Position *out = &positions[STREAM_STDOUT], *err = &positions[STREAM_STDERR];
        int64_t lowest = lowest_to_come(out, err);

        if (!stdout_only)
                lowest = MIN(lowest, lowest_to_come(err, out));
        return MAX(lowest - SINCE_SLACK_NSEC, since);
}
