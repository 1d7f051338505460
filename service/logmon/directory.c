/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd-util.h"
#include "state-file.h"

int directory_open(const char *path, int *ret_fd)
{
        struct open_how how = {
                .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);

        if (fd < 0)
                return -errno;

        *ret_fd = (int) fd;
        return 0;
}

int directory_open_or_make(const char *path, int *ret_fd)
{
        g_autofree char *parent = NULL, *name = NULL;
        _cleanup_close_ int parent_fd = -1;
        int r;

        r = directory_open(path, ret_fd);
        if (r != -ENOENT || strcmp(path, "/") == 0)
                return r;

        parent = g_path_get_dirname(path);
        name = g_path_get_basename(path);
        r = directory_open_or_make(parent, &parent_fd); // NOLINT(misc-no-recursion)
        if (r < 0)
                return r;

        return open_or_make_dir_at(parent_fd, name, 0755, ret_fd);
}

bool directory_parse_index(const char *entry, const char *name, uint64_t *ret)
{
        size_t length = strlen(name);
        guint64 index;

        if (strncmp(entry, name, length) != 0 || entry[length] != '.')
                return false;
        entry += length + 1;

        /* "007" is not the name of file 7 */
        if (!g_ascii_isdigit(*entry) || (*entry == '0' && entry[1] != '\0'))
                return false;
        if (!g_ascii_string_to_unsigned(entry, 10, 0, DIRECTORY_INDEX_MAX, &index, NULL))
                return false;

        *ret = index;
        return true;
}

static int compare_indexes(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return x < y ? -1 : x > y;
}

int directory_indexes(int dir_fd, const char *name, GArray **ret)
{
        g_autoptr(GArray) indexes = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        g_autoptr(DIR) dir = NULL;
        struct dirent *entry;
        size_t n = 0;
        uint64_t index;
        int r;

        r = fd_open_dir(dir_fd, &dir);
        if (r < 0)
                return r;

        for (errno = 0; (entry = readdir(dir)); errno = 0) {
                if (n++ >= DIRECTORY_ENTRIES_MAX)
                        return -EFBIG;
                if (directory_parse_index(entry->d_name, name, &index))
                        g_array_append_val(indexes, index);
        }
        if (errno != 0)
                return -errno;

        g_array_sort(indexes, compare_indexes);
        *ret = g_steal_pointer(&indexes);
        return 0;
}
