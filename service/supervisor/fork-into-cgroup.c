/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fork-into-cgroup.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* musl's headers have neither. */
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP UINT64_C(0x200000000)
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif

struct clone3_arguments {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
                        set_tid_size, cgroup;
};

pid_t fork_into_cgroup(int cgroup_fd, uint64_t flags)
{
        struct clone3_arguments arguments = {
                .flags = flags | (cgroup_fd < 0 ? 0 : CLONE_INTO_CGROUP),
                /* a sibling has ours */
                .exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD,
                .cgroup = cgroup_fd < 0 ? 0 : (uint64_t) cgroup_fd,
        };
        long pid;

        pid = syscall(SYS_clone3, &arguments, sizeof arguments);
        return pid < 0 ? -errno : (pid_t) pid;
}
