/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "task.h"

G_BEGIN_DECLS

/* One program to be run for a task: the task itself, or what Exec and Run add to it. */
typedef struct Program {
        const char *command;
        char **arguments;   /* argv[0] is the command */
        char **environment; /* of the spec, or laid over the spec's */
        const char *directory;
        const Credentials *credentials;
} Program;

/* What a task runs, and as whom, by its spec. */
Program program_of_task(const Task *task);

/* Its environment: the spec's, PROGRAM's over it, and what the credentials say where neither has it. Nothing
 * else is inherited. Freed by the caller with g_strfreev(). */
char **program_environment(const Task *task, const Program *program);

/* Every resource limit that a process of the task is to have, of ResourceLimit. */
GArray *program_limits(const Task *task);

/* The launch block (protocol.h) of PROGRAM with the task's umask, limits and OOM score. */
GString *program_launch_block(const Task *task, const Program *program);
void launch_block_add(GString *block, const char *key, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The block as a file in memory. */
int program_launch_fd(const GString *block, int *ret);

G_END_DECLS
