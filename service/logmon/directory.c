/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd-util.h"
#include "log.h"

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

gid_t directory_readers(void)
{
        const struct group *entry = geteuid() == 0 ? getgrnam(DIRECTORY_READERS) : NULL;

        return entry ? entry->gr_gid : (gid_t) -1;
}

void directory_give_to(int fd, gid_t readers)
{
        if (readers != (gid_t) -1 && fchown(fd, (uid_t) -1, readers) < 0)
                (void) log_errno(LOG_WARNING, -errno, "Cannot give a log directory to group '%s'",
                                DIRECTORY_READERS);
}

static int make(int parent_fd, const char *name, gid_t readers, int *ret_fd)
{
        bool made = mkdirat(parent_fd, name, 0750) >= 0;
        _cleanup_close_ int fd = -1;

        if (!made && errno != EEXIST)
                return -errno;
        fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (made)
                directory_give_to(fd, readers);

        *ret_fd = take_fd(&fd);
        return 0;
}

int directory_open_or_make(const char *path, gid_t readers, int *ret_fd)
{
        g_autofree char *parent = NULL, *name = NULL;
        _cleanup_close_ int parent_fd = -1;
        int r;

        r = directory_open(path, ret_fd);
        if (r != -ENOENT || strcmp(path, "/") == 0)
                return r;

        parent = g_path_get_dirname(path);
        name = g_path_get_basename(path);
        r = directory_open_or_make(parent, readers, &parent_fd); // NOLINT(misc-no-recursion)
        if (r < 0)
                return r;

        return make(parent_fd, name, readers, ret_fd);
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
