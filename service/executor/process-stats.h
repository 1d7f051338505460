/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* So that one call keeps the loop no longer than some 50 ms. */
#define PROCESS_STATS_MAX 1024U

/* One process, as /proc tells. */
typedef struct ProcessStats {
        pid_t pid;
        char name[64];
        uint64_t user_nsec;
        uint64_t system_nsec;
        uint64_t memory_rss;  /* UINT64_MAX: it has no memory any more */
        uint64_t memory_swap; /* likewise */
} ProcessStats;

/* Takes over /proc/PID/stat and /proc/PID/status. -EBADMSG: the text is not of that kind. */
int process_stats_parse_stat(const char *text, ProcessStats *ret);
void process_stats_parse_status(const char *text, ProcessStats *ret);

/* All processes of the cgroup at CGROUP_FD and PATH and below it, appended to PROCESSES (of ProcessStats).
 * -EDQUOT: there are more than PROCESS_STATS_MAX. */
int process_stats_read(int cgroup_fd, const char *path, GArray *processes);

G_END_DECLS
