/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "launch.h"

/* Sent over the exec pipe when the task could not be started. */
typedef struct ChildError {
        int error; /* positive errno */
        char stage[32];
} ChildError;

/* In the child: becomes the task, or reports through ERROR_FD (close-on-exec) and exits. */
void child_run(const Launch *launch, int error_fd) __attribute__((__noreturn__));
