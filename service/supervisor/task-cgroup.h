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

int task_cgroup_kill(const TaskCgroup *cgroup);
/* So that a signal reaches what Freeze has stopped. */
int task_cgroup_thaw(const TaskCgroup *cgroup);

/* Kills until nothing is left of the task, whoever is its parent. */
void task_cgroup_empty(const TaskCgroup *cgroup);

/* Reads a number from FILE of the scope's cgroup, or the one behind KEY. False where there is none. */
bool task_cgroup_read(const TaskCgroup *cgroup, const char *file, const char *key, uint64_t *ret);
