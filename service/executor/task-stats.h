/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "process-stats.h"
#include "stats.h"
#include "task.h"

G_BEGIN_DECLS

/* Readers of StreamStats for one task. */
#define STATS_READERS_MAX 32U

#define STATS_INTERVAL_MIN_USEC     UINT64_C(10000)
#define STATS_INTERVAL_DEFAULT_USEC UINT64_C(1000000)

/* A sample, without CPUPercent. Its files stay open while the task has a stream. -ESRCH: the task does not
 * run. */
int task_stats_sample(Task *task, StatsSample *ret);

/* A sample for GetStats. -ESRCH: the task does not run. */
int task_stats_get(Task *task, StatsSample *ret);

/* Appends to PROCESSES (of ProcessStats). -ESRCH: the task does not run; -EDQUOT: there are more than
 * PROCESS_STATS_MAX. */
int task_stats_processes(const Task *task, GArray *processes);

/* --- task-stats-stream.c --- */

/* A reader that gets a line now and every INTERVAL_USEC; RET_FD is its end, of the caller. -ESRCH: the task
 * does not run; -EDQUOT: there are too many readers. */
int task_stats_stream(Task *task, uint64_t interval_usec, int *ret_fd);

/* The task is about to end: end of file for every reader. */
void task_stats_end(Task *task);

G_END_DECLS
