/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "task-stats.h"

#include <errno.h>

#include "cgroup.h"
#include "cleanup.h"

int task_stats_sample(Task *task, StatsSample *ret)
{
        StatsFiles *files = &task->stats_files;
        int r = 0;

        if (!task_is_live(task))
                return -ESRCH;

        /* the scope's: limits are set there, and with them the counts of periods that were throttled */
        if (files->cgroup_fd < 0)
                r = cgroup_open(task->cgroup, &files->cgroup_fd);
        if (r >= 0)
                r = stats_files_read(files, ret);
        if (!task->stats_stream)
                stats_files_close(files);
        return r == -ENOENT ? -ESRCH : r;
}

int task_stats_get(Task *task, StatsSample *ret)
{
        int r;

        r = task_stats_sample(task, ret);
        if (r < 0)
                return r;

        stats_set_percent(ret, &task->stats_previous);
        return 0;
}

int task_stats_processes(const Task *task, GArray *processes)
{
        g_autofree char *path = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        if (!task_is_live(task))
                return -ESRCH;

        path = task_cgroup_path(task);
        r = cgroup_open(path, &fd);
        if (r >= 0)
                r = process_stats_read(fd, path, processes);
        return r == -ENOENT ? -ESRCH : r;
}
