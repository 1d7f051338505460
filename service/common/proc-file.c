/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proc-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int read_text_at(int dir_fd, const char *name, char *buffer, size_t size)
{
        ssize_t n;
        int fd, r;

        fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        n = read(fd, buffer, size - 1);
        r = n < 0 ? -errno : (int) n;
        (void) close(fd);
        if (r >= 0)
                buffer[r] = '\0';
        return r;
}

const char *proc_stat_field(const char *text, int number)
{
        const char *field = strrchr(text, ')');

        for (int i = 2; field && i < number; i++)
                field = strchr(field + 1, ' ');
        return field ? field + 1 : NULL;
}

const char *proc_cgroup_path(const char *text, size_t *ret_length)
{
        const char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
        const char *path = line ? strchr(line, '/') : NULL;
        const char *end = path ? strchr(path, '\n') : NULL;

        if (!end)
                return NULL;

        *ret_length = (size_t) (end - path);
        return path;
}
