/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The small texts of /proc and of cgroups. Plain C, since the supervisor has no GLib. */

/* One read of NAME below DIR_FD into BUFFER, NUL-terminated and cut at SIZE - 1. Returns the length. */
int read_text_at(int dir_fd, const char *name, char *buffer, size_t size);

/* Field NUMBER, from 3, of a text of /proc/PID/stat, or NULL. The second, the name, may hold spaces and
 * parentheses itself. */
#define PROC_STAT_STATE      3
#define PROC_STAT_PARENT     4
#define PROC_STAT_FLAGS      9
#define PROC_STAT_UTIME      14
#define PROC_STAT_STIME      15
#define PROC_STAT_START_TIME 22
#define PROC_STAT_EXIT_CODE  52
const char *proc_stat_field(const char *text, int number);

/* The path in a text of /proc/PID/cgroup, below the root of the unified hierarchy, which need not be the
 * only one; or NULL. It ends with the line, RET_LENGTH bytes on. */
const char *proc_cgroup_path(const char *text, size_t *ret_length);

#ifdef __cplusplus
}
#endif
