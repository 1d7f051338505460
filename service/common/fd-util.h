/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dirent.h>
#include <glib.h>

G_BEGIN_DECLS

/* "device:inode", the same for all descriptors of a pipe; NULL if FD is none. */
char *fd_identity(int fd);

/* For reading the directory that DIR_FD is, which stays as it is. */
int fd_open_dir(int dir_fd, DIR **ret);

/* A close-on-exec pipe. */
int fd_make_pipe(int *ret_read, int *ret_write);

/* A close-on-exec pair of sockets that keep messages apart. */
int fd_make_socket_pair(int *ret_one, int *ret_other);

/* A close-on-exec pipe both of whose ends are one descriptor, that does not block. */
int fd_make_pipe_in_one(int *ret);

G_END_DECLS
