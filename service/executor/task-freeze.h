/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "task.h"

G_BEGIN_DECLS

/* Calls that may wait at once for one task to be frozen or thawed. */
#define TASK_FREEZE_WAITERS_MAX 64U

/* A process in an uninterruptible wait freezes when that is over. */
#define TASK_FREEZE_TIMEOUT_USEC UINT64_C(10000000)

/* Freezes or thaws the task and answers MESSAGE when that is so, or when it will not be. -ESRCH: the task
 * does not run; -EDQUOT: too many wait. */
int task_freeze(Task *task, bool frozen, sd_bus_message *message);

/* So that a signal reaches a frozen task. Those who wait for it to be frozen are told so. */
void task_freeze_undo(Task *task);

/* The task is about to end. */
void task_freeze_end(Task *task);

G_END_DECLS
