/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fd-message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

typedef union Control {
        struct cmsghdr header; /* alignment */
        char space[CMSG_SPACE(FD_MESSAGE_FDS_MAX * sizeof(int))];
} Control;

int fd_message_send(int socket, int flags, const void *data, size_t size, const int *fds, size_t n_fds)
{
        struct iovec iov = { .iov_base = (void *) data, .iov_len = size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        Control control = { 0 };

        if (n_fds > FD_MESSAGE_FDS_MAX)
                return -E2BIG;
        if (n_fds > 0) {
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                (void) memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
        }

        return sendmsg(socket, &message, flags | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

ssize_t fd_message_receive(int socket, int flags, void *data, size_t size, int *fds, size_t *n_fds)
{
        struct iovec iov = { .iov_base = data, .iov_len = size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        const struct cmsghdr *header;
        Control control = { 0 };
        ssize_t n;

        if (*n_fds > FD_MESSAGE_FDS_MAX)
                return -E2BIG;
        /* without padding, in which the kernel would put one more */
        message.msg_control = &control;
        message.msg_controllen = CMSG_LEN(*n_fds * sizeof(int));

        n = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return -errno;

        *n_fds = 0;
        header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
                *n_fds = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                (void) memcpy(fds, CMSG_DATA(header), *n_fds * sizeof(int));
        }
        return n;
}
