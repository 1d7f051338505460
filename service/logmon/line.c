/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "line.h"

#include <string.h>

size_t line_length(const char *data, size_t size, size_t max)
{
        const char *newline;

        if (size == 0)
                return 0;

        newline = memchr(data, '\n', MIN(size, max));
        if (newline)
                return (size_t) (newline - data) + 1;

        return size >= max ? max : 0;
}

size_t line_complete(const char *data, size_t size)
{
        const char *newline = size > 0 ? memrchr(data, '\n', size) : NULL;

        return newline ? (size_t) (newline - data) + 1 : 0;
}

size_t line_count(const char *data, size_t size)
{
        size_t n = 0;

        while (size > 0) {
                const char *newline = memchr(data, '\n', size);
                size_t length = newline ? (size_t) (newline - data) + 1 : size;

                data += length;
                size -= length;
                n++;
        }

        return n;
}

int line_take_priority(const char **data, size_t *size)
{
        const char *s = *data;

        if (*size < 3 || s[0] != '<' || s[1] < '0' || s[1] > '7' || s[2] != '>')
                return -1;

        *data += 3;
        *size -= 3;
        return s[1] - '0';
}
