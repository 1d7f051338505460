/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* A process that stays the one meant: a pid alone may by now belong to somebody else. */
typedef struct ProcessId {
        pid_t pid;
        uint64_t start_time; /* field 22 of /proc/PID/stat, in clock ticks since boot */
} ProcessId;

/* -ESRCH when there is no such process. A zombie has a start time as well. */
int process_start_time(pid_t pid, uint64_t *ret);

/* Opens a pidfd and then checks the start time and, unless it is NULL, that the process is in the cgroup of
 * that path or below: the descriptor is of the process meant, or the result is -ESRCH. */
int process_open(const ProcessId *process, const char *cgroup, int *ret_pidfd);

/* The same for a process that must be a child of PARENT, whose pid the caller knows to be its own. It may be
 * in any cgroup. */
int process_open_child(const ProcessId *process, pid_t parent, int *ret_pidfd);

/* The pid behind a pidfd, -ESRCH once it has been reaped, -EBADF if it is no pidfd. */
int pidfd_get_pid(int pidfd, pid_t *ret);

int pidfd_kill(int pidfd, int signal);

/* Whether the process has ended, with all of its threads. */
bool pidfd_has_ended(int pidfd);

/* How a process ended that nobody has reaped yet, as waitpid(2) would tell it. -EAGAIN: it has not ended;
 * -ESRCH: it has been reaped. */
int pidfd_wait_status(int pidfd, pid_t pid, int *ret);

/* The path of the process's cgroup below the root of the unified hierarchy ("/nomad.slice/…"). */
int process_cgroup(pid_t pid, char **ret);

/* A pidfd of a process that is in the cgroup of that path or below. -ESRCH: it is not, or is gone. */
int process_open_in_cgroup(pid_t pid, const char *path, int *ret_pidfd);

/* The kernel's boot id, 32 hexadecimal digits. */
int boot_id(char ret[33]);

/* "INT", "SIGINT" or "2" to 2, in 1 … SIGRTMAX; -EINVAL otherwise. */
int signal_from_string(const char *name);

G_END_DECLS
