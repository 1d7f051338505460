/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "demux.h"

#include <errno.h>
#include <string.h>

/* The numbers of the streams; what came in on standard input is, as Docker's own client has it, output
 * too. */
enum {
        FRAME_STDIN,
        FRAME_STDOUT,
        FRAME_STDERR,
        FRAME_MESSAGE,
        FRAME_MAX,
};

void demux_init(Demux *demux, const EntryHandler *handler)
{
        *demux = (Demux){ .handler = *handler, .message = g_string_new(NULL) };
}

void demux_clear(Demux *demux)
{
        if (demux->message)
                g_string_free(g_steal_pointer(&demux->message), TRUE);
}

static StreamKind stream_of(const Demux *demux)
{
        return demux->stream == FRAME_STDERR ? STREAM_STDERR : STREAM_STDOUT;
}

static int take_header(Demux *demux, const char *data, size_t size, size_t *ret_taken)
{
        size_t n = MIN(size, DEMUX_HEADER_SIZE - demux->n_header);
        const unsigned char *header = demux->header;

        memcpy(demux->header + demux->n_header, data, n);
        demux->n_header += n;
        *ret_taken = n;
        /* garbage is refused by its first byte, whatever it would have for a size */
        for (size_t i = 0; i < MIN(demux->n_header, 4U); i++)
                if (header[i] >= (i == 0 ? FRAME_MAX : 1))
                        return -EBADMSG;
        if (demux->n_header < DEMUX_HEADER_SIZE)
                return 0;

        demux->stream = header[0];
        demux->left = (uint32_t) header[4] << 24 | (uint32_t) header[5] << 16 | (uint32_t) header[6] << 8 |
                        header[7];
        demux->n_stamp = 0;
        demux->in_entry = false;
        return 0;
}

static int frame_done(Demux *demux)
{
        demux->n_header = 0;
        if (demux->stream == FRAME_MESSAGE)
                return -EREMOTEIO;
        if (demux->in_entry)
                demux->handler.end(stream_of(demux), demux->handler.userdata);
        else if (demux->n_stamp > 0)
                return -EBADMSG;

        return 0;
}

static int take_stamp(Demux *demux, const char *data, size_t size, size_t *ret_taken)
{
        size_t before = demux->n_stamp, n = MIN(size, sizeof demux->stamp - before);
        int64_t nsec;
        int r;

        memcpy(demux->stamp + before, data, n);
        r = timestamp_parse(demux->stamp, before + n, &nsec);
        if (r < 0)
                return r;
        if (r == 0 && before + n == sizeof demux->stamp)
                return -EBADMSG;

        demux->n_stamp = r > 0 ? (size_t) r : before + n;
        *ret_taken = demux->n_stamp - before;
        if (r > 0) {
                demux->in_entry = true;
                demux->handler.begin(stream_of(demux), nsec, demux->handler.userdata);
        }
        return 0;
}

static int take_body(Demux *demux, const char *data, size_t size, size_t *ret_taken)
{
        if (demux->stream == FRAME_MESSAGE) {
                if (demux->message->len < DEMUX_MESSAGE_MAX)
                        g_string_append_len(demux->message, data,
                                        (gssize) MIN(size, DEMUX_MESSAGE_MAX - demux->message->len));
        } else if (!demux->in_entry)
                return take_stamp(demux, data, size, ret_taken);
        else
                demux->handler.data(stream_of(demux), data, size, demux->handler.userdata);

        *ret_taken = size;
        return 0;
}

int demux_feed(Demux *demux, const char *data, size_t size)
{
        while (size > 0) {
                size_t taken = 0;
                int r;

                if (demux->n_header < DEMUX_HEADER_SIZE)
                        r = take_header(demux, data, size, &taken);
                else {
                        r = take_body(demux, data, MIN(size, demux->left), &taken);
                        demux->left -= (uint32_t) taken;
                }
                if (r >= 0 && demux->n_header == DEMUX_HEADER_SIZE && demux->left == 0)
                        r = frame_done(demux);
                if (r < 0)
                        return r;

                data += taken;
                size -= taken;
        }

        return 0;
}
