/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "child.h"
#include "launch.h"

/* Starts the runtime in the cgroup, or in ours for -1, and waits until what it leaves behind, whose parent
 * we become, runs the program. Returns 0 with its pid, or -1 with the reason. STATE_FD is where the runtime
 * writes the pid. */
int runtime_run(const Launch *launch, int cgroup_fd, int state_fd, pid_t *ret, ChildReport *ret_failure);
