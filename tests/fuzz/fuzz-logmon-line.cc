/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "line.h"

/* The first byte is the maximum; the rest is cut into lines as the journal sink does it. */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
        if (size < 1)
                return 0;

        const size_t max = 1 + input[0];
        const char *data = reinterpret_cast<const char *>(input) + 1;
        size_t done = 0, lines = 0, cuts = 0;

        size--;
        for (;;) {
                const size_t length = line_length(data + done, size - done, max);

                if (length == 0)
                        break;
                if (length > max || length > size - done)
                        abort();
                if (memchr(data + done, '\n', length - 1))
                        abort();
                if (data[done + length - 1] != '\n' && length != max)
                        abort();

                const char *line = data + done;
                size_t rest = length;
                const int priority = line_take_priority(&line, &rest);

                if (priority < -1 || priority > 7 || rest != length - (priority < 0 ? 0 : 3) ||
                                line + rest != data + done + length)
                        abort();
                cuts += data[done + length - 1] != '\n';
                done += length;
                lines++;
        }

        if (size - done >= max || memchr(data + done, '\n', size - done))
                abort();
        if (line_count(data, size) > lines + 1 || lines > line_count(data, size) + cuts)
                abort();

        const size_t complete = line_complete(data, size);

        if (complete > size || (complete > 0 && data[complete - 1] != '\n') ||
                        memchr(data + complete, '\n', size - complete))
                abort();
        return 0;
}
