/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "demux.h"
#include "raw.h"

/* The first byte says in what pieces the rest is fed to both parsers. Whatever it is, it is the same as in
 * one piece, each entry begins before it has data and ends once, and nothing comes out that did not go
 * in. */

namespace
{

struct Log {
        std::string text; /* what came, entry by entry */
        size_t n_data = 0;
        bool in_entry[STREAM_MAX] = {};
        EntryHandler handler = { begin, data, end, this };

        static void begin(StreamKind stream, int64_t nsec, void *userdata)
        {
                auto *log = static_cast<Log *>(userdata);

                if (nsec < 0 || stream >= STREAM_MAX)
                        abort();
                log->in_entry[stream] = true;
                log->text += "[" + std::to_string(stream) + " " + std::to_string(nsec) + " ";
        }
        static void data(StreamKind stream, const char *bytes, size_t size, void *userdata)
        {
                auto *log = static_cast<Log *>(userdata);

                if (!log->in_entry[stream] || size == 0)
                        abort();
                log->text.append(bytes, size);
                log->n_data += size;
        }
        static void end(StreamKind stream, void *userdata)
        {
                auto *log = static_cast<Log *>(userdata);

                if (!log->in_entry[stream])
                        abort();
                log->in_entry[stream] = false;
                log->text += "]";
        }
};

template <class Feed> int feed(const uint8_t *input, size_t size, size_t step, Feed one)
{
        for (size_t at = 0; at < size; at += step) {
                const std::vector<char> piece(input + at, input + std::min(at + step, size));
                const int r = one(piece.data(), piece.size());

                if (r > 0)
                        abort();
                if (r < 0)
                        return r;
        }
        return 0;
}

std::string demux(const uint8_t *input, size_t size, size_t step)
{
        Log log;
        Demux demux;

        demux_init(&demux, &log.handler);
        const int r = feed(input, size, step,
                        [&](const char *data, size_t n) { return demux_feed(&demux, data, n); });
        if (log.n_data > size || demux.message->len > DEMUX_MESSAGE_MAX)
                abort();
        if (r != 0 && r != -EBADMSG && r != -EREMOTEIO)
                abort();
        log.text += std::to_string(r) + demux.message->str;
        demux_clear(&demux);
        return log.text;
}

std::string raw(const uint8_t *input, size_t size, size_t step)
{
        Log log;
        Raw raw;

        raw_init(&raw, &log.handler);
        const int r = feed(input, size, step,
                        [&](const char *data, size_t n) { return raw_feed(&raw, data, n); });
        if (r == 0)
                raw_finish(&raw);
        if (log.n_data > size || (r != 0 && r != -EBADMSG))
                abort();
        return log.text + std::to_string(r);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
        if (size < 2)
                return 0;

        const size_t step = 1 + input[0];

        if (demux(input + 1, size - 1, step) != demux(input + 1, size - 1, size))
                abort();
        if (raw(input + 1, size - 1, step) != raw(input + 1, size - 1, size))
                abort();
        return 0;
}
