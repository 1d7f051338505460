/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>

/* A text without end that differs everywhere from itself, so that a gap, a byte too many or a swap shows:
 * lines of SEQUENCE_LINE bytes, "TT-NNNNNNNNNNNN\n", with the number TT of the writer and that of the
 * line. */

const size_t SEQUENCE_LINE = 16;

/* SIZE bytes of it from POSITION on. */
inline void sequence_fill(unsigned tag, uint64_t position, char *data, size_t size)
{
        char line[SEQUENCE_LINE + 1];

        while (size > 0) {
                const size_t skip = position % SEQUENCE_LINE;
                const size_t n = SEQUENCE_LINE - skip < size ? SEQUENCE_LINE - skip : size;
                uint64_t number = position / SEQUENCE_LINE;

                line[0] = (char) ('0' + tag / 10);
                line[1] = (char) ('0' + tag % 10);
                line[2] = '-';
                for (int i = 14; i > 2; i--, number /= 10)
                        line[i] = (char) ('0' + number % 10);
                line[15] = '\n';
                memcpy(data, line + skip, n);
                data += n;
                position += n;
                size -= n;
        }
}
