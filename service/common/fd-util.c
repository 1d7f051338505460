/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fd-util.h"

#include <fcntl.h>

#include "cleanup.h"

int fd_move_up(int *fd)
{
        int moved;

        if (*fd < 0 || *fd >= FD_ABOVE_STDIO)
                return 0;

        moved = fcntl(*fd, F_DUPFD_CLOEXEC, FD_ABOVE_STDIO);
        if (moved < 0)
                return -errno;

        safe_close(*fd);
        *fd = moved;
        return 0;
}

int fd_make_pipe(int *ret_read, int *ret_write)
{
        _cleanup_close_ int read_fd = -1, write_fd = -1;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        read_fd = fds[0];
        write_fd = fds[1];

        r = fd_move_up(&read_fd);
        if (r >= 0)
                r = fd_move_up(&write_fd);
        if (r < 0)
                return r;

        *ret_read = take_fd(&read_fd);
        *ret_write = take_fd(&write_fd);
        return 0;
}

int fd_make_pipe_in_one(int *ret)
{
        _cleanup_close_ int read_fd = -1, write_fd = -1, fd = -1;
        char path[64];
        int r;

        r = fd_make_pipe(&read_fd, &write_fd);
        if (r < 0)
                return r;
        (void) g_snprintf(path, sizeof path, "/proc/self/fd/%i", read_fd);
        fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = fd_move_up(&fd);
        if (r < 0)
                return r;

        *ret = take_fd(&fd);
        return 0;
}

int fd_open_dir(int dir_fd, DIR **ret)
{
        _cleanup_close_ int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir)
                return -errno;

        (void) take_fd(&fd);
        *ret = dir;
        return 0;
}
