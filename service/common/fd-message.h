/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Messages with descriptors, over a socket that keeps messages apart; over a stream, what has come by now.
 * Plain C, since the supervisor has no GLib. */

#define FD_MESSAGE_FDS_MAX 8U

/* One message of SIZE bytes, at least one, and N_FDS descriptors, which stay the caller's. FLAGS are those
 * of sendmsg(2); there is no SIGPIPE. Returns 0, or a negative errno. */
int fd_message_send(int socket, int flags, const void *data, size_t size, const int *fds, size_t n_fds);

/* Up to SIZE bytes of the next message. Its descriptors, close-on-exec, are the caller's, *N_FDS at most;
 * *N_FDS becomes their number, which is less than were sent if there was no room for more. FLAGS are those
 * of recvmsg(2). Returns the number of bytes, 0 when the other end is closed, or a negative errno. */
ssize_t fd_message_receive(int socket, int flags, void *data, size_t size, int *fds, size_t *n_fds);

#ifdef __cplusplus
}
#endif
