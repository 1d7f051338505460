/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stdio-util.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than a pipe of an unprivileged user has room for. */
#define DISCARD_MAX (1024U * 1024U)

int stdio_release(void)
{
        int fd;

        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        for (int i = 0; i <= 2; i++)
                if (dup2(fd, i) < 0)
                        return -errno;

        (void) close(fd);
        return 0;
}

static bool is_nothing(int fd)
{
        struct stat st;

        return fstat(fd, &st) < 0 || (S_ISCHR(st.st_mode) && !isatty(fd));
}

static int end_input(void)
{
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        r = dup2(fds[0], STDIN_FILENO) < 0 ? -errno : 0;
        (void) close(fds[0]);
        (void) close(fds[1]);
        return r;
}

int stdio_avoid_devices(const bool discarded[3], int *ret_fd)
{
        int fds[2] = { -1, -1 }, r = 0;

        if (is_nothing(STDIN_FILENO))
                r = end_input();
        for (int i = STDOUT_FILENO; r >= 0 && i <= STDERR_FILENO; i++)
                if (discarded[i] && is_nothing(i) &&
                                ((fds[0] < 0 && pipe2(fds, O_CLOEXEC) < 0) || dup2(fds[1], i) < 0))
                        r = -errno;
        if (fds[1] >= 0)
                (void) close(fds[1]);
        if (r < 0) {
                if (fds[0] >= 0)
                        (void) close(fds[0]);
                return r;
        }

        *ret_fd = fds[0];
        return 0;
}

void stdio_discard(int fd)
{
        (void) splice(fd, NULL, STDOUT_FILENO, NULL, DISCARD_MAX, SPLICE_F_NONBLOCK);
}
