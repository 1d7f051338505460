/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* More files than this in a directory are not looked at: its owner may be a task, and all others wait
 * meanwhile. Both streams of two tasks may have all the files that they can have. */
#define DIRECTORY_ENTRIES_MAX 262144U

/* Higher indexes are nobody's rotated file, and leave room to count up. */
#define DIRECTORY_INDEX_MAX UINT64_C(999999999999999)

/* Opens a directory by its absolute path; a symlink anywhere in it is -ELOOP. */
int directory_open(const char *path, int *ret_fd);

/* Who may read the logs of root's service. */
#define DIRECTORY_READERS "adm"

/* Their group; (gid_t) -1 for a user's own service, and where there is none. */
gid_t directory_readers(void);
void directory_give_to(int fd, gid_t readers);

/* As directory_open(), and makes it and its parents where they are missing, for their owner and READERS
 * only. */
int directory_open_or_make(const char *path, gid_t readers, int *ret_fd);

/* The indexes N of all files "NAME.N" in the directory, ascending: uint64_t. */
int directory_indexes(int dir_fd, const char *name, GArray **ret);

/* "NAME.N" to N; false if the entry is not of that form. */
bool directory_parse_index(const char *entry, const char *name, uint64_t *ret);

G_END_DECLS
