/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "task-cgroup.h"

/* Writes down, for nomad-executord to tell of, which processes of the task go on: those in its cgroup that
 * cannot be killed, and our children in other cgroups. Nothing is written if there are none. */
void left_record(const TaskCgroup *cgroup);
