/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process-stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cgroup.h"
#include "cleanup.h"
#include "proc-file.h"

#define PROC_FILE_SIZE_MAX 8192U

#define NSEC_PER_SEC UINT64_C(1000000000)

static uint64_t ticks_to_nsec(const char *ticks)
{
        return g_ascii_strtoull(ticks, NULL, 10) * (NSEC_PER_SEC / (uint64_t) sysconf(_SC_CLK_TCK));
}

int process_stats_parse_stat(const char *text, ProcessStats *ret)
{
        /* the name may hold spaces and parentheses itself */
        const char *open = strchr(text, '('), *close = strrchr(text, ')');
        const char *user, *system;
        size_t length;

        if (!open || !close || close < open)
                return -EBADMSG;
        user = proc_stat_field(text, PROC_STAT_UTIME);
        system = proc_stat_field(text, PROC_STAT_STIME);
        if (!user || !system)
                return -EBADMSG;

        length = MIN((size_t) (close - open - 1), sizeof ret->name - 1);
        (void) memcpy(ret->name, open + 1, length);
        ret->name[length] = '\0';
        ret->user_nsec = ticks_to_nsec(user);
        ret->system_nsec = ticks_to_nsec(system);
        return 0;
}

static uint64_t status_kib(const char *text, const char *key)
{
        const char *line = strstr(text, key);

        return line ? g_ascii_strtoull(line + strlen(key), NULL, 10) * 1024 : UINT64_MAX;
}

void process_stats_parse_status(const char *text, ProcessStats *ret)
{
        ret->memory_rss = status_kib(text, "\nVmRSS:");
        ret->memory_swap = status_kib(text, "\nVmSwap:");
}

/* The open directory stays that of one process, and the cgroup read from it last says that it is one of
 * ours, so that a pid that was used again between the steps is not taken for it. */
static int read_process(pid_t pid, const char *path, ProcessStats *ret)
{
        char name[32], text[PROC_FILE_SIZE_MAX];
        _cleanup_close_ int fd = -1;
        const char *cgroup;
        size_t length;
        int r;

        (void) snprintf(name, sizeof name, "/proc/%d", (int) pid);
        fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        r = read_text_at(fd, "stat", text, sizeof text);
        if (r >= 0)
                r = process_stats_parse_stat(text, ret);
        if (r < 0)
                return r;
        r = read_text_at(fd, "status", text, sizeof text);
        if (r < 0)
                return r;
        process_stats_parse_status(text, ret);

        r = read_text_at(fd, "cgroup", text, sizeof text);
        if (r < 0)
                return r;
        cgroup = proc_cgroup_path(text, &length);
        if (!cgroup)
                return -ENODATA;
        text[cgroup - text + (ptrdiff_t) length] = '\0';
        ret->pid = pid;
        return cgroup_contains(path, cgroup) ? 0 : -ESRCH;
}

int process_stats_read(int cgroup_fd, const char *path, GArray *processes)
{
        g_autoptr(GArray) pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
        int r;

        r = cgroup_pids(cgroup_fd, pids);
        if (r < 0)
                return r;
        if (pids->len > PROCESS_STATS_MAX)
                return -EDQUOT;

        for (guint i = 0; i < pids->len; i++) {
                ProcessStats process;

                /* one that ends meanwhile is no longer a process of the task */
                if (read_process(g_array_index(pids, pid_t, i), path, &process) >= 0)
                        g_array_append_val(processes, process);
        }

        return 0;
}
