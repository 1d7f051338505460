/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define STATE_FILE_SIZE_MAX (16U * 1024U * 1024U)

/* Writes OBJECT as NAME below DIR_FD: to a temporary name, then renamed, mode 0600. On error the old file, if any,
 * is as it was. No fsync: the state lives in /run and does not outlive the kernel. */
int state_file_write(int dir_fd, const char *name, JsonObject *object);

/* -ENOENT: no such file; -EBADMSG: not a JSON object. The object returned is the caller's. */
int state_file_read(int dir_fd, const char *name, JsonObject **ret);

/* Reads a whole file below DIR_FD, NUL-terminated; -EFBIG above MAX bytes. */
int read_file_at(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_size);

/* The KEY=VALUE lines of the supervisor's records. */
GHashTable *record_parse(const char *text);
int record_file_read(int dir_fd, const char *name, GHashTable **ret);

/* A directory of our own: created with MODE below DIR_FD if missing, opened without following a symlink. */
int open_or_make_dir_at(int dir_fd, const char *name, mode_t mode, int *ret_fd);

/* Removes NAME below DIR_FD with all that is in it. No error if there is none. */
int remove_tree_at(int dir_fd, const char *name);

G_END_DECLS
