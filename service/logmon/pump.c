/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "cleanup.h"

int pump_init(Pump *pump)
{
        int size;

        *pump = (Pump){ .scratch = { -1, -1 }, .null_fd = -1 };

        if (pipe2(pump->scratch, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        size = fcntl(pump->scratch[1], F_SETPIPE_SZ, PUMP_PIPE_SIZE);
        if (size < 0)
                size = fcntl(pump->scratch[1], F_GETPIPE_SZ);
        if (size < 0)
                return -errno;

        pump->null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (pump->null_fd < 0)
                return -errno;

        pump->buffer_size = (size_t) size;
        pump->buffer = g_malloc(pump->buffer_size);
        return 0;
}

void pump_clear(Pump *pump)
{
        safe_closep(pump->scratch);
        safe_closep(pump->scratch + 1);
        safe_closep(&pump->null_fd);
        g_clear_pointer(&pump->buffer, g_free);
}

ssize_t pump_peek(Pump *pump, int pipe_fd, const char **ret_data)
{
        ssize_t n, copied = 0;

        do
                n = tee(pipe_fd, pump->scratch[1], pump->buffer_size, SPLICE_F_NONBLOCK);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;

        while (copied < n) {
                ssize_t k = read(pump->scratch[0], pump->buffer + copied, (size_t) (n - copied));

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return -EIO;
                copied += k;
        }

        *ret_data = pump->buffer;
        return n;
}

/* It has room for so many pieces, not bytes, and only its writing end knows. */
bool pump_is_full(int pipe_fd)
{
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%i", pipe_fd);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

        return fd >= 0 && poll(&pollfd, 1, 0) == 0;
}

ssize_t pump_discard(Pump *pump, int pipe_fd, size_t n)
{
        ssize_t moved;

        do
                moved = splice(pipe_fd, NULL, pump->null_fd, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        while (moved < 0 && errno == EINTR);

        return moved < 0 ? -errno : moved;
}
