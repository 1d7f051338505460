/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rotator.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "directory.h"
#include "hole.h"
#include "line.h"
#include "log.h"

/* How many names in a row may be taken by something that is not ours to write, such as a directory. */
#define TAKEN_MAX 64

Rotator *rotator_new(const char *directory, const char *name)
{
        Rotator *rotator = g_new0(Rotator, 1);

        rotator->directory = g_strdup(directory);
        rotator->name = g_strdup(name);
        rotator->readers = (gid_t) -1;
        rotator->max_files = UINT32_MAX;
        rotator->max_size = UINT64_MAX;
        rotator->fd = -1;
        rotator->older = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        return rotator;
}

Rotator *rotator_free(Rotator *rotator)
{
        if (!rotator)
                return NULL;

        rotator_close(rotator);
        g_array_unref(rotator->older);
        g_free(rotator->directory);
        g_free(rotator->name);
        g_free(rotator);
        return NULL;
}

void rotator_close(Rotator *rotator)
{
        rotator->fd = safe_close(rotator->fd);
}

static char *file_name(const Rotator *rotator, uint64_t index)
{
        return g_strdup_printf("%s.%" PRIu64, rotator->name, index);
}

static int open_directory(const Rotator *rotator, int *ret_fd)
{
        return rotator->make_directory ? directory_open_or_make(rotator->directory, rotator->readers, ret_fd)
                                       : directory_open(rotator->directory, ret_fd);
}

/* EAGAIN: somebody has a lease on the file, and would have to be waited for. */
static bool is_taken(int error)
{
        return error == EISDIR || error == ELOOP || error == ENXIO || error == EAGAIN;
}

/* -EMEDIUMTYPE: there is something of that name that is no regular file, or cannot be had now. */
static int open_file(const Rotator *rotator, int dir_fd, uint64_t index, int *ret_fd, uint64_t *ret_size)
{
        g_autofree char *name = file_name(rotator, index);
        _cleanup_close_ int fd = -1;
        struct stat st;

        /* No O_APPEND, which splice(2) refuses; readable, for looking at the last line. */
        fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
        if (fd < 0)
                return is_taken(errno) ? -EMEDIUMTYPE : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EMEDIUMTYPE;

        *ret_fd = take_fd(&fd);
        *ret_size = (uint64_t) st.st_size;
        return 0;
}

/* Those that cannot be removed stay among the older ones. */
static void remove_older(Rotator *rotator, int dir_fd, guint n)
{
        guint kept = 0;

        rotator->remove_error = 0;
        for (guint i = 0; i < n; i++) {
                uint64_t index = g_array_index(rotator->older, uint64_t, i);
                g_autofree char *name = file_name(rotator, index);

                if (unlinkat(dir_fd, name, 0) >= 0 || errno == ENOENT)
                        continue;
                rotator->remove_error = -errno;
                g_array_index(rotator->older, uint64_t, kept++) = index;
        }
        if (n > kept)
                g_array_remove_range(rotator->older, kept, n - kept);
}

static void purge(Rotator *rotator, int dir_fd)
{
        if (rotator->older->len >= rotator->max_files)
                remove_older(rotator, dir_fd, rotator->older->len - rotator->max_files + 1);
}

/* Opens INDEX or the next one that can be had. FULL: a file of that size is not gone on with, unless it is
 * the first choice. */
static int open_from(Rotator *rotator, int dir_fd, uint64_t index, uint64_t full)
{
        int fd = -1, r = -EEXIST;
        uint64_t size = 0;

        for (unsigned i = 0; i < TAKEN_MAX && index <= DIRECTORY_INDEX_MAX; i++, index++) {
                r = open_file(rotator, dir_fd, index, &fd, &size);
                if (r == -EMEDIUMTYPE)
                        continue;
                if (r < 0)
                        return r;
                if (size >= full) {
                        g_array_append_val(rotator->older, index);
                        safe_close(fd);
                        r = -EEXIST;
                        continue;
                }

                rotator_close(rotator);
                rotator->fd = fd;
                rotator->opened = true;
                rotator->index = index;
                rotator->size = size;
                rotator->line_start = -1;
                return 0;
        }

        return r == -EMEDIUMTYPE ? -EEXIST : r;
}

/* Looks at what there is. */
static int open_highest(Rotator *rotator, int dir_fd)
{
        g_autoptr(GArray) indexes = NULL;
        uint64_t highest = 0;
        int r;

        r = directory_indexes(dir_fd, rotator->name, &indexes);
        if (r < 0)
                return r;

        if (indexes->len > 0) {
                highest = g_array_index(indexes, uint64_t, indexes->len - 1);
                g_array_set_size(indexes, indexes->len - 1);
        }
        g_array_unref(rotator->older);
        rotator->older = g_steal_pointer(&indexes);

        return open_from(rotator, dir_fd, highest, UINT64_MAX);
}

int rotator_open(Rotator *rotator)
{
        g_auto(IdentityGuard) guard = {};
        _cleanup_close_ int dir_fd = -1;
        int r;

        r = identity_enter(rotator->identity, &guard);
        if (r < 0)
                return r;
        r = open_directory(rotator, &dir_fd);
        if (r < 0)
                return r;

        /* Never back to a lower number while somebody may follow, nor through a directory that is perhaps
         * large. */
        r = rotator->opened ? open_from(rotator, dir_fd, rotator->index + 1, rotator->max_size) : -EEXIST;
        if (r == -EEXIST)
                r = open_highest(rotator, dir_fd);
        if (r < 0)
                return r;

        purge(rotator, dir_fd);
        return 0;
}

int rotator_rotate(Rotator *rotator)
{
        g_auto(IdentityGuard) guard = {};
        _cleanup_close_ int dir_fd = -1;
        uint64_t old = rotator->index;
        guint n_older = rotator->older->len;
        int r;

        r = identity_enter(rotator->identity, &guard);
        if (r < 0)
                return r;
        r = open_directory(rotator, &dir_fd);
        if (r < 0)
                return r;

        g_array_append_val(rotator->older, old);
        r = open_from(rotator, dir_fd, old + 1, rotator->max_size);
        if (r < 0) {
                g_array_set_size(rotator->older, n_older);
                return r;
        }

        purge(rotator, dir_fd);
        return 0;
}

static int change_directory_files(Rotator *rotator, void (*change)(Rotator *rotator, int dir_fd))
{
        g_auto(IdentityGuard) guard = {};
        _cleanup_close_ int dir_fd = -1;
        int r;

        r = identity_enter(rotator->identity, &guard);
        if (r < 0)
                return r;
        r = open_directory(rotator, &dir_fd);
        if (r < 0)
                return r;

        change(rotator, dir_fd);
        return 0;
}

void rotator_purge(Rotator *rotator)
{
        (void) change_directory_files(rotator, purge);
}

static void remove_empty(const Rotator *rotator, int dir_fd)
{
        g_autoptr(GArray) indexes = NULL;

        if (directory_indexes(dir_fd, rotator->name, &indexes) < 0)
                return;

        for (guint i = 0; i < indexes->len; i++) {
                g_autofree char *name = file_name(rotator, g_array_index(indexes, uint64_t, i));
                struct stat st;

                if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0 && S_ISREG(st.st_mode) &&
                                st.st_size == 0)
                        (void) unlinkat(dir_fd, name, 0);
        }
}

void rotator_remove_empty(Rotator *rotator)
{
        g_auto(IdentityGuard) guard = {};
        _cleanup_close_ int dir_fd = -1;

        if (identity_enter(rotator->identity, &guard) < 0 || directory_open(rotator->directory, &dir_fd) < 0)
                return;

        remove_empty(rotator, dir_fd);
        /* nobody but us can put a link in the way there */
        if (rotator->make_directory)
                (void) rmdir(rotator->directory);
}

static void remove_oldest(Rotator *rotator, int dir_fd)
{
        remove_older(rotator, dir_fd, 1);
}

bool rotator_remove_oldest(Rotator *rotator)
{
        guint n = rotator->older->len;

        return n > 0 && change_directory_files(rotator, remove_oldest) >= 0 && rotator->older->len < n;
}

int rotator_check(Rotator *rotator)
{
        struct stat st;

        if (rotator->fd < 0)
                return -ESTALE;
        if (fstat(rotator->fd, &st) < 0)
                return -errno;
        if (st.st_nlink == 0) {
                rotator_close(rotator);
                return -ESTALE;
        }
        if ((uint64_t) st.st_size == rotator->size)
                return 0;

        rotator->size = (uint64_t) st.st_size;
        rotator->line_start = -1;
        return 0;
}

static uint64_t space_left(const Rotator *rotator)
{
        return rotator->size < rotator->max_size ? rotator->max_size - rotator->size : 0;
}

bool rotator_needs_lines(const Rotator *rotator)
{
        return space_left(rotator) <= LINE_WHOLE_MAX;
}

static bool at_line_start(Rotator *rotator)
{
        char last = '\n';

        if (rotator->line_start < 0) {
                if (rotator->size > 0 && pread(rotator->fd, &last, 1, (off_t) rotator->size - 1) != 1)
                        last = '\0';
                rotator->line_start = last == '\n';
        }

        return rotator->line_start;
}

size_t rotator_plan(Rotator *rotator, const char *data, size_t available)
{
        uint64_t left = space_left(rotator), line;
        size_t n = (size_t) MIN(left, available), complete;

        if (left == 0)
                return 0;

        /* What begins here, and is not longer than LINE_WHOLE_MAX, ends before the end of the file. */
        if (left > LINE_WHOLE_MAX)
                return (size_t) MIN(left - LINE_WHOLE_MAX, available);

        complete = line_complete(data, n);
        if (complete > 0)
                return complete;

        /* No line ends within what is left here. One that has begun in this file, or has a file to itself,
         * fills it. */
        if (rotator->size == 0 || !at_line_start(rotator))
                return n;

        line = line_length(data, available, available);
        if (line > rotator->max_size)
                return n;

        /* It fits the next file and not this one, or it may do so: its end is not here yet. In files smaller
         * than LINE_WHOLE_MAX an unfinished line stays, else each would begin a file. */
        if (line > left || (rotator->max_size >= LINE_WHOLE_MAX && left < LINE_WHOLE_MAX))
                return 0;

        return n;
}

/* logrotate's "copytruncate" may come between the look at the size and the write, which then is behind a
 * hole. */
static void close_hole(Rotator *rotator, off_t begin)
{
        off_t size;

        if (!hole_is_in_front(rotator->fd, begin))
                return;

        size = hole_close(rotator->fd, begin, (off_t) rotator->size);
        if (size < 0)
                (void) log_errno(LOG_WARNING, (int) size,
                                "Cannot close the hole at the front of %s/%s.%" PRIu64, rotator->directory,
                                rotator->name, rotator->index);
        else
                rotator->size = (uint64_t) size;
}

ssize_t rotator_splice(Rotator *rotator, int pipe_fd, size_t n)
{
        off_t begin = (off_t) rotator->size, offset = begin;
        ssize_t moved;

        do
                moved = splice(pipe_fd, NULL, rotator->fd, &offset, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        while (moved < 0 && errno == EINTR);
        if (moved < 0)
                return -errno;

        if (moved > 0) {
                rotator->size += (uint64_t) moved;
                rotator->line_start = -1;
                close_hole(rotator, begin);
        }
        return moved;
}

/* All or nothing. */
static int append(Rotator *rotator, const char *data, size_t size)
{
        ssize_t n = pwrite(rotator->fd, data, size, (off_t) rotator->size);
        int r = n < 0 ? -errno : -ENOSPC;

        if (n == (ssize_t) size) {
                rotator->size += size;
                rotator->line_start = true;
                return 0;
        }

        if (n > 0 && ftruncate(rotator->fd, (off_t) rotator->size) < 0)
                (void) rotator_check(rotator);
        return r;
}

int rotator_append_line(Rotator *rotator, const char *text)
{
        g_autofree char *line = g_strconcat("\n", text, "\n", NULL);
        size_t size = strlen(line);
        int r;

        if (rotator->size > 0 && size > space_left(rotator)) {
                r = rotator_rotate(rotator);
                if (r < 0)
                        return r;
        }

        return at_line_start(rotator) ? append(rotator, line + 1, size - 1) : append(rotator, line, size);
}

size_t rotator_read_tail(const Rotator *rotator, char *buffer, size_t size)
{
        size_t n = (size_t) MIN(rotator->size, size);
        ssize_t got = pread(rotator->fd, buffer, n, (off_t) (rotator->size - n));

        return got < 0 ? 0 : (size_t) got;
}
