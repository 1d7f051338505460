/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dirent.h>
#include <glib.h>
#include <stdio.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* "device:inode", the same for all descriptors of a pipe; NULL if FD is none. */
char *fd_identity(int fd);

/* For reading the directory that DIR_FD is, which stays as it is. */
int fd_open_dir(int dir_fd, DIR **ret);

/* A close-on-exec pipe. */
int fd_make_pipe(int *ret_read, int *ret_write);

/* Pipes for a standard stream of a program of user UID, who may open its end again as /dev/stdout. So may a
 * user that the program becomes later: nobody finds a pipe that he does not have open already. */
int fd_make_input_pipe(uid_t uid, int *ret_read, int *ret_write);
int fd_make_output_pipe(uid_t uid, int *ret_read, int *ret_write);

/* A close-on-exec pair of sockets that keep messages apart. */
int fd_make_socket_pair(int *ret_one, int *ret_other);

/* A file in memory with that content. */
int fd_make_memory_file(const char *name, const void *data, size_t size, int *ret);

/* A copy of the rest of the file, of which reading neither waits nor changes. -EFBIG above MAX bytes;
 * -ENODATA: it is empty. */
int fd_copy_to_stream(int fd, size_t max, FILE **ret);

/* A close-on-exec pipe both of whose ends are one descriptor, that does not block. */
int fd_make_pipe_in_one(int *ret);

G_END_DECLS
