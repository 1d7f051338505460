/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raw.h"

#include <errno.h>
#include <string.h>

#define NSEC_PER_USEC 1000

void raw_init(Raw *raw, const EntryHandler *handler)
{
        *raw = (Raw){ .handler = *handler };
}

static void begin_entry(Raw *raw, int64_t nsec, bool fine)
{
        raw->in_entry = true;
        raw->fine = fine;
        raw->nsec = nsec;
        raw->handler.begin(STREAM_STDOUT, nsec, raw->handler.userdata);
}

static void end_entry(Raw *raw)
{
        raw->in_entry = false;
        raw->handler.end(STREAM_STDOUT, raw->handler.userdata);
}

static void put(Raw *raw, const char *data, size_t size)
{
        if (size > 0)
                raw->handler.data(STREAM_STDOUT, data, size, raw->handler.userdata);
}

/* At the start of a line. Appends to what is held until it is a time stamp. */
static int take_stamp(Raw *raw, const char *data, size_t size, size_t *ret_taken)
{
        size_t before = raw->n_held, n = MIN(size, sizeof raw->held - before);
        int64_t nsec;
        int r;

        memcpy(raw->held + before, data, n);
        r = timestamp_parse(raw->held, before + n, &nsec);
        if (r < 0)
                return r;
        if (r == 0 && before + n == sizeof raw->held)
                return -EBADMSG;
        if (r == 0) {
                raw->n_held += n;
                *ret_taken = n;
                return 0;
        }

        *ret_taken = (size_t) r - before;
        raw->n_held = 0;
        begin_entry(raw, nsec, timestamp_is_fine_prefix(raw->held, (size_t) r));
        return 0;
}

static bool begins_entry(const Raw *raw, const char *text, int64_t *ret_nsec)
{
        int64_t now = g_get_real_time() * NSEC_PER_USEC;

        return timestamp_parse(text, TIMESTAMP_FINE_SIZE, ret_nsec) == (int) TIMESTAMP_FINE_SIZE &&
                        *ret_nsec >= raw->nsec && *ret_nsec <= now;
}

/* The first place in a line where a time stamp begins, or may begin with what is still to come. */
static size_t find_stamp(const char *line, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                const char *two = memchr(line + i, '2', size - i); /* of the years 2000 to 2999 */

                if (!two)
                        return size;
                i = (size_t) (two - line);
                if (timestamp_is_fine_prefix(two, MIN(size - i, TIMESTAMP_FINE_SIZE)))
                        return i;
        }

        return size;
}

/* Within an entry whose pieces are to be looked for. LINE ends with its newline, or is all there is. Returns
 * how much was done; what is left may be the beginning of a time stamp. */
static size_t take_line(Raw *raw, const char *line, size_t size)
{
        size_t done = 0;

        while (done < size) {
                size_t at = done + find_stamp(line + done, size - done);
                int64_t nsec = 0;

                put(raw, line + done, at - done);
                done = at;
                if (size - done < TIMESTAMP_FINE_SIZE)
                        break;
                if (begins_entry(raw, line + done, &nsec)) {
                        end_entry(raw);
                        begin_entry(raw, nsec, true);
                        done += TIMESTAMP_FINE_SIZE;
                } else
                        put(raw, line + done++, 1);
        }

        return done;
}

/* Adds one byte to what is held within an entry, and gives back what can be no time stamp. */
static void extend_held(Raw *raw, char byte)
{
        size_t done;

        raw->held[raw->n_held++] = byte;
        done = take_line(raw, raw->held, raw->n_held);
        raw->n_held -= done;
        memmove(raw->held, raw->held + done, raw->n_held);
        if (raw->n_held == 0 && byte == '\n')
                end_entry(raw);
}

static void take_text(Raw *raw, const char *data, size_t size, size_t *ret_taken)
{
        const char *newline = memchr(data, '\n', size);
        size_t n = newline ? (size_t) (newline - data) + 1 : size;

        if (raw->n_held > 0) {
                extend_held(raw, *data);
                *ret_taken = 1;
                return;
        }

        *ret_taken = n;
        if (!raw->fine)
                put(raw, data, n);
        else {
                size_t done = take_line(raw, data, n);

                raw->n_held = n - done;
                memcpy(raw->held, data + done, raw->n_held);
        }
        if (newline)
                end_entry(raw);
}

int raw_feed(Raw *raw, const char *data, size_t size)
{
        while (size > 0) {
                size_t taken = 0;
                int r = 0;

                if (raw->in_entry)
                        take_text(raw, data, size, &taken);
                else
                        r = take_stamp(raw, data, size, &taken);
                if (r < 0)
                        return r;

                data += taken;
                size -= taken;
        }

        return 0;
}

void raw_finish(Raw *raw)
{
        if (raw->in_entry)
                put(raw, raw->held, raw->n_held);
        raw->n_held = 0;
}
