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

/* How long a character is whose first byte this is. */
static size_t character_length(unsigned char first)
{
        if (first >= 0xc2 && first <= 0xdf)
                return 2;
        if (first >= 0xe0 && first <= 0xef)
                return 3;

        return first >= 0xf0 && first <= 0xf4 ? 4 : 1;
}

static bool is_continuation(char byte)
{
        return ((unsigned char) byte & 0xc0) == 0x80;
}

/* How many bytes of the last character are missing after HEAD and SIZE bytes of DATA; 0 too where it is not
 * UTF-8. */
static size_t character_rest(const char *head, size_t head_size, const char *data, size_t size)
{
        for (size_t back = 1; back <= 3 && back <= head_size + size; back++) {
                char byte = back <= size ? data[size - back] : head[head_size + size - back];
                size_t length;

                if (is_continuation(byte))
                        continue;
                length = character_length((unsigned char) byte);
                return length > back ? length - back : 0;
        }

        return 0;
}

bool line_piece(const char *head, size_t head_size, const char *data, size_t size, size_t max, size_t *ret)
{
        size_t left = head_size < max ? max - head_size : 0, length, rest;

        length = left > 0 ? line_length(data, size, left) : 0;
        if (left > 0 && length == 0)
                return false;
        if (length == left) {
                rest = character_rest(head, head_size, data, length);
                for (; rest > 0 && length < size && is_continuation(data[length]); rest--)
                        length++;
                if (rest > 0 && length == size)
                        return false;
        }

        *ret = length;
        return true;
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
