/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

/* fork(2), with the child born in the cgroup whose directory CGROUP_FD is, or in ours for -1. The child may do what it may after vfork(2). */
pid_t fork_into_cgroup(int cgroup_fd);
