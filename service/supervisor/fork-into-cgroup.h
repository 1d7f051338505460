/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* fork(2), with the child born in the cgroup whose directory CGROUP_FD is, or in ours for -1. FLAGS: 0, or
 * CLONE_PARENT, whose child is our parent's. The C library does not hear of it, and keeps thinking of the
 * parent's thread: no more threads in the child. */
pid_t fork_into_cgroup(int cgroup_fd, uint64_t flags);
