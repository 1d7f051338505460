/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#define LAUNCH_RLIMITS_MAX 16

typedef struct LaunchLimit {
        int resource;
        struct rlimit limit;
} LaunchLimit;

/* What to run and as whom. Strings point into the launch block, which is mapped privately. */
typedef struct Launch {
        char *block;
        size_t block_size;
        const char *command;
        const char *path; /* the PATH among the environment, or NULL */
        const char *directory;
        const char *stdout_path;
        const char *stderr_path;
        const char *runtime_pid; /* the command is an OCI runtime, see protocol.h; or NULL */
        char **argv;
        char **environment;
        gid_t *groups;
        size_t n_groups;
        uid_t uid;
        gid_t gid;
        mode_t umask;
        int oom_score_adjust;
        LaunchLimit limits[LAUNCH_RLIMITS_MAX];
        size_t n_limits;
        int stop_signal;
        uint64_t stop_usec;
        uint64_t runtime_max_usec; /* UINT64_MAX: none */
        bool terminal; /* standard input is to be the controlling terminal; or the runtime makes one */
} Launch;

/* Maps a launch block and parses it. -EBADMSG for one of another shape. launch_clear() unmaps, also after a
 * failure. */
int launch_map(Launch *launch, int fd);
void launch_clear(Launch *launch);
