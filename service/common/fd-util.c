/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fd-util.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <sys/stat.h>

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

static int move_pair_up(const int fds[2], int *ret_one, int *ret_other)
{
        _cleanup_close_ int one = fds[0], other = fds[1];
        int r;

        r = fd_move_up(&one);
        if (r >= 0)
                r = fd_move_up(&other);
        if (r < 0)
                return r;

        *ret_one = take_fd(&one);
        *ret_other = take_fd(&other);
        return 0;
}

int fd_make_pipe(int *ret_read, int *ret_write)
{
        int fds[2];

        return pipe2(fds, O_CLOEXEC) < 0 ? -errno : move_pair_up(fds, ret_read, ret_write);
}

int fd_make_socket_pair(int *ret_one, int *ret_other)
{
        int fds[2];

        return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0
                        ? -errno
                        : move_pair_up(fds, ret_one, ret_other);
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

char *fd_identity(int fd)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return NULL;

        return g_strdup_printf("%" PRIu64 ":%" PRIu64, (uint64_t) st.st_dev, (uint64_t) st.st_ino);
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
