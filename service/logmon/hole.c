/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

/* File systems know holes by blocks, of which the first one with data has zeroes in front of it. None is
 * larger. */
#define HOLE_BLOCK_MAX (64 * 1024)

/* Where the first byte that is not zero is, from BEGIN on, END if there is none before it, or an error. */
static off_t skip_zeroes(int fd, off_t begin, off_t end)
{
        g_autofree char *data = NULL;
        off_t size = end - begin;
        ssize_t n, i = 0;

        if (size <= 0)
                return end;

        data = g_malloc((gsize) size);
        n = pread(fd, data, (size_t) size, begin);
        if (n < 0)
                return -errno;
        while (i < n && data[i] == '\0')
                i++;
        return i < n ? begin + i : end;
}

bool hole_is_in_front(int fd, off_t begin)
{
        off_t data;

        if (begin == 0)
                return false;
        data = lseek(fd, 0, SEEK_DATA);
        if (data <= 0)
                return false;
        if (data >= begin)
                return true;

        return begin - data < HOLE_BLOCK_MAX && skip_zeroes(fd, data, begin) == begin;
}

off_t hole_close(int fd, off_t begin, off_t end)
{
        g_autofree char *text = NULL;
        off_t data = lseek(fd, 0, SEEK_DATA);
        size_t size;

        if (data < 0)
                return -errno;
        /* truncated while they were added: the first of them have gone with the rest */
        if (data > begin)
                begin = skip_zeroes(fd, data, MIN(data + HOLE_BLOCK_MAX, end));
        if (begin < 0)
                return begin;

        size = (size_t) (end - begin);
        text = g_malloc(size);
        if (pread(fd, text, size, begin) != (ssize_t) size || pwrite(fd, text, size, 0) != (ssize_t) size)
                return -EIO;

        return ftruncate(fd, (off_t) size) < 0 ? -errno : (off_t) size;
}
