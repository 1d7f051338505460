/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "launch.h"
#include "protocol.h"

/* Sent over the exec pipe when the task could not be started; a session's parent also sends one without an
 * error. */
typedef struct ChildReport {
        int error; /* positive errno, or 0 */
        char stage[STAGE_SIZE];
} ChildReport;

/* In the child: becomes the task, or reports through ERROR_FD (close-on-exec) and exits. */
void child_run(const Launch *launch, int error_fd) __attribute__((__noreturn__));

/* In the child: becomes the runtime, as root. */
void child_run_runtime(const Launch *launch, int error_fd) __attribute__((__noreturn__));
