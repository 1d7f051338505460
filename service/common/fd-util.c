/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fd-util.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
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

int fd_make_memory_file(const char *name, const void *data, size_t size, int *ret)
{
        _cleanup_close_ int fd = -1;
        ssize_t n;

        fd = memfd_create(name, MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = write(fd, data, size);
        if (n < 0)
                return -errno;
        if ((size_t) n != size)
                return -ENOSPC;

        *ret = take_fd(&fd);
        return 0;
}

static int read_up_to(int fd, size_t max, GByteArray *bytes)
{
        guint8 chunk[4096];
        ssize_t n;

        while ((n = read(fd, chunk, sizeof chunk)) != 0) {
                if (n < 0)
                        return -errno;
                if (bytes->len + (size_t) n > max)
                        return -EFBIG;
                g_byte_array_append(bytes, chunk, (guint) n);
        }

        return 0;
}

int fd_copy_to_stream(int fd, size_t max, FILE **ret)
{
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        FILE *file;
        int r;

        r = read_up_to(fd, max, bytes);
        if (r < 0)
                return r;
        if (bytes->len == 0)
                return -ENODATA;

        file = fmemopen(NULL, bytes->len + 1, "w+e");
        if (!file)
                return -errno;
        if (fwrite(bytes->data, 1, bytes->len, file) != bytes->len || fseek(file, 0, SEEK_SET) < 0) {
                (void) fclose(file);
                return -EIO;
        }

        *ret = file;
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
