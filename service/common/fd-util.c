/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fd-util.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cleanup.h"

int fd_make_pipe(int *ret_read, int *ret_write)
{
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;

        *ret_read = fds[0];
        *ret_write = fds[1];
        return 0;
}

static int make_pipe_of(uid_t uid, mode_t mode, int *ret_read, int *ret_write)
{
        _cleanup_close_ int read_fd = -1, write_fd = -1;
        int r;

        r = fd_make_pipe(&read_fd, &write_fd);
        if (r < 0)
                return r;
        /* both ends have one inode */
        if (fchown(write_fd, uid, (gid_t) -1) < 0 || fchmod(write_fd, mode) < 0)
                return -errno;

        *ret_read = take_fd(&read_fd);
        *ret_write = take_fd(&write_fd);
        return 0;
}

int fd_make_input_pipe(uid_t uid, int *ret_read, int *ret_write)
{
        return make_pipe_of(uid, 0644, ret_read, ret_write);
}

int fd_make_output_pipe(uid_t uid, int *ret_read, int *ret_write)
{
        return make_pipe_of(uid, 0622, ret_read, ret_write);
}

int fd_make_socket_pair(int *ret_one, int *ret_other)
{
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;

        *ret_one = fds[0];
        *ret_other = fds[1];
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
