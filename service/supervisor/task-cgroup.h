/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The scope's cgroup and the two below it: ours and the task's. */
typedef struct TaskCgroup {
        char path[4096]; /* the scope's, below the root of the hierarchy */
        int scope_fd;
        int task_fd;
} TaskCgroup;

/* Finds the cgroup that we are in, makes the two below it and moves us into ours. */
int task_cgroup_enter(TaskCgroup *cgroup);

void task_cgroup_kill(const TaskCgroup *cgroup);
/* SIGCONT for all of the task. */
void task_cgroup_continue(const TaskCgroup *cgroup);
/* So that a signal reaches what Freeze has stopped. */
int task_cgroup_thaw(const TaskCgroup *cgroup);

/* The file that tells by POLLPRI, once it was read, that this has changed. */
int task_cgroup_open_events(const TaskCgroup *cgroup);
bool task_cgroup_is_populated(int events_fd);

/* How long it takes at most to empty the cgroup: where what is left waits and does not heed SIGKILL, and
 * where it runs, as while the kernel takes back a lot of memory. */
#define STRAGGLERS_USEC     UINT64_C(2000000)
#define STRAGGLERS_MAX_USEC UINT64_C(10000000)

/* Kills until nothing is left of the task, whoever is its parent, or until that time is over. */
void task_cgroup_empty(const TaskCgroup *cgroup);
bool task_cgroup_populated(const TaskCgroup *cgroup);
/* Whether the process is in the scope's cgroup or below it. */
bool task_cgroup_contains(const TaskCgroup *cgroup, pid_t pid);

/* Reads a number from FILE of the scope's cgroup, or the one behind KEY. False where there is none. */
bool task_cgroup_read(const TaskCgroup *cgroup, const char *file, const char *key, uint64_t *ret);
