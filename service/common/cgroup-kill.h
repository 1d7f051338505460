/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/* The end of everything in a cgroup. Plain C, since the supervisor has no GLib. */

/* How deep below a cgroup processes are looked for. */
#define CGROUP_DEPTH_MAX 256U

/* How many processes of a cgroup and those below it one call of cgroup_signal_each() reaches. */
#define CGROUP_SIGNAL_MAX 4096U

/* SIGKILLs every process in the cgroup and below, forks under way included; no error if it is gone. The
 * kernel's cgroup.kill misses a process whose first thread has ended while others run, and does not exist in
 * a threaded cgroup, so that kill(2) follows for each process that is still listed, CGROUP_SIGNAL_MAX at
 * most: whoever waits for the end calls it again. */
int cgroup_kill(int cgroup_fd);

/* Sends SIGNAL to the processes that are in the cgroup and below, in one pass: one that is forked meanwhile
 * may be missed. */
void cgroup_signal_each(int cgroup_fd, int signal);

#ifdef __cplusplus
}
#endif
