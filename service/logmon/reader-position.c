/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader-position.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "directory.h"

#define CHUNK_SIZE (64U * 1024U)

static int open_index(int dir_fd, const char *name, uint64_t index, int *ret_fd)
{
        g_autofree char *file = g_strdup_printf("%s.%" PRIu64, name, index);
        _cleanup_close_ int fd = -1;
        struct stat st;

        fd = openat(dir_fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EMEDIUMTYPE;

        *ret_fd = take_fd(&fd);
        return 0;
}

int reader_open_file(int dir_fd, const char *name, uint64_t index, uint64_t *ret_index, int *ret_fd)
{
        g_autoptr(GArray) indexes = NULL;
        int r;

        r = open_index(dir_fd, name, index, ret_fd);
        if (r >= 0) {
                *ret_index = index;
                return 0;
        }

        r = directory_indexes(dir_fd, name, &indexes);
        if (r < 0)
                return r;
        for (guint i = 0; i < indexes->len; i++) {
                uint64_t candidate = g_array_index(indexes, uint64_t, i);

                if (candidate <= index || open_index(dir_fd, name, candidate, ret_fd) < 0)
                        continue;
                *ret_index = candidate;
                return 0;
        }

        return -ENOENT;
}

static uint64_t size_of(int fd)
{
        struct stat st;

        return fstat(fd, &st) < 0 ? 0 : (uint64_t) st.st_size;
}

/* The search for a start: over the files one after the other, in one direction, until it is found. */
typedef struct Search {
        const ReaderOptions *options;
        uint64_t left;    /* bytes, or lines */
        uint64_t scanned; /* bytes looked at for lines */
        bool at_end;      /* no byte has been looked at yet */
        bool found;
        uint64_t offset;
} Search;

static void search_forward(Search *search, int fd)
{
        uint64_t size = size_of(fd);

        search->found = search->left < size;
        search->offset = MIN(search->left, size);
        search->left -= search->offset;
}

static void search_backward(Search *search, int fd)
{
        uint64_t size = size_of(fd);

        search->found = search->left <= size;
        search->offset = search->found ? size - search->left : 0;
        search->left -= MIN(search->left, size);
}

/* The newline that ends the last line begins no other. */
static void search_chunk(Search *search, const char *data, size_t size, uint64_t offset)
{
        while (size > 0) {
                const char *newline;

                if (search->at_end && data[size - 1] == '\n')
                        size--;
                search->at_end = false;

                newline = size > 0 ? memrchr(data, '\n', size) : NULL;
                if (!newline)
                        return;
                size = (size_t) (newline - data);
                if (--search->left == 0) {
                        search->found = true;
                        search->offset = offset + size + 1;
                        return;
                }
        }
}

static void search_lines(Search *search, int fd)
{
        g_autofree char *chunk = g_malloc(CHUNK_SIZE);
        uint64_t end = size_of(fd);

        search->offset = end;
        search->found = search->left == 0;
        while (end > 0 && !search->found) {
                size_t size = (size_t) MIN(end, CHUNK_SIZE);

                end -= size;
                if (pread(fd, chunk, size, (off_t) end) != (ssize_t) size)
                        return;
                search->offset = end;
                search_chunk(search, chunk, size, end);
                search->scanned += size;
                search->found = search->found || search->scanned >= READER_LINES_SCAN_MAX;
        }
}

static void search_file(Search *search, int fd)
{
        if (search->options->by_lines)
                search_lines(search, fd);
        else if (search->options->from_end)
                search_backward(search, fd);
        else
                search_forward(search, fd);
}

int reader_find_start(int dir_fd, const char *name, const ReaderOptions *options, uint64_t *ret_index,
                uint64_t *ret_offset)
{
        Search search = { .options = options, .at_end = true };
        bool backward = options->by_lines || options->from_end;
        g_autoptr(GArray) indexes = NULL;
        int r;

        r = directory_indexes(dir_fd, name, &indexes);
        if (r < 0)
                return r;
        if (indexes->len == 0)
                return -ENOENT;

        search.left = options->by_lines ? options->lines : options->offset;
        *ret_index = 0;
        for (guint i = 0; i < indexes->len && !search.found; i++) {
                guint position = backward ? indexes->len - 1 - i : i;
                uint64_t index = g_array_index(indexes, uint64_t, position);
                _cleanup_close_ int fd = -1;

                if (open_index(dir_fd, name, index, &fd) < 0)
                        continue;
                search_file(&search, fd);
                *ret_index = index;
        }

        *ret_offset = search.offset;
        return 0;
}
