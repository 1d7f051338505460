/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "directory.h"

int fifo_open(const char *path, const Identity *identity, int *ret_fd)
{
        g_autofree char *parent = g_path_get_dirname(path), *name = g_path_get_basename(path);
        _cleanup_close_ int dir_fd = -1, fd = -1;
        g_auto(IdentityGuard) guard = {};
        struct stat st;
        int r;

        r = identity_enter(identity, &guard);
        if (r < 0)
                return r;
        r = directory_open(parent, &dir_fd);
        if (r < 0)
                return r;

        if (mkfifoat(dir_fd, name, 0600) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISFIFO(st.st_mode))
                return -EEXIST;

        *ret_fd = take_fd(&fd);
        return 0;
}
