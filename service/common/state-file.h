/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

G_BEGIN_DECLS

#define STATE_FILE_SIZE_MAX (16U * 1024U * 1024U)

/* Writes OBJECT as NAME below DIR_FD: to a temporary name, then renamed, mode 0600. On error the old file,
 * if any, is as it was. No fsync: the state lives in /run and does not outlive the kernel. */
int state_file_write(int dir_fd, const char *name, JsonObject *object);

/* -ENOENT: no such file; -EBADMSG: damaged, which is no JSON object, or no regular file; any other error: it
 * could not be read this time. The object returned is the caller's. */
int state_file_read(int dir_fd, const char *name, JsonObject **ret);

/* Whether a state was written by a version that this one knows: -EPROTONOSUPPORT above KNOWN, -EBADMSG: it
 * is no version. */
int state_check_version(JsonObject *object, int64_t known);

/* Renames what cannot be used, so that it is told once and does no more harm. REASON goes on after "State
 * 'NAME'". The failure has been logged. */
int state_set_aside(int dir_fd, const char *name, const char *reason);
bool state_is_set_aside(const char *name);
bool state_was_set_aside(int dir_fd, const char *name);
/* What could not be loaded for ERROR is set aside if it never can be, and this is told. False where that is
 * a shortage of descriptors or memory, which may pass. */
bool state_reading_failed(int dir_fd, const char *name, int error);

/* Reads a whole regular file below DIR_FD, NUL-terminated; -EFBIG above MAX bytes, -EISDIR, -ELOOP or -ENXIO
 * for what is no regular file. */
int read_file_at(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_size);

/* The KEY=VALUE lines of the supervisor's records. */
GHashTable *record_parse(const char *text);
/* The errors of state_file_read(). */
int record_file_read(int dir_fd, const char *name, GHashTable **ret);
/* 1, or 0 where the record has no such key; -EBADMSG: it is no decimal number up to MAX. */
int record_get_uint64(GHashTable *record, const char *key, uint64_t max, uint64_t *ret);

/* A directory of our own: created with MODE below DIR_FD if missing, opened without following a symlink. */
int open_or_make_dir_at(int dir_fd, const char *name, mode_t mode, int *ret_fd);

/* Removes NAME below DIR_FD with all that is in it. No error if there is none. */
int remove_tree_at(int dir_fd, const char *name);

G_END_DECLS
