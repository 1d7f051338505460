/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "exec.h"
#include "program.h"
#include "task.h"

G_BEGIN_DECLS

#define CONTAINER_RUNTIME "/usr/bin/crun"

bool task_is_container(const Task *task);

/* Looks at everything that StartTask is to refuse before anything is made: the runtime, the root, the paths
 * in it. Fills the task's credentials from the root's user database, and its container_command. */
int container_inspect(Task *task, sd_bus_error *error);

/* PROGRAM's command as a path of the container, and, for a USER that is not NULL, the credentials of that
 * user there. */
int container_find_program(const Task *task, const char *user, Program *program, char **ret_command,
                Credentials *ret_credentials, sd_bus_error *error);

/* The bundle, in the task's state directory, and the launch block that makes a supervisor start the runtime
 * on it. */
int container_create(const Task *task);
GString *container_launch_block(const Task *task);

/* All that there is of it beside its processes. */
void container_remove(const Task *task);

/* What the runtime said last when the task did not start. Freed by the caller. */
char *container_failure(const Task *task);

/* --- container-session.c: what Exec and Run add to it --- */

/* Opens the cgroup that the sessions of a container are below, given the task's, and closes that. */
int container_session_cgroup(const Task *task, int *fd);
/* Makes the session's directory, which RET_FD is, and the launch block for its parent, which is in
 * CGROUP_FD. */
int container_session_create(const Task *task, uint64_t id, const Program *program, const ExecStdio *stdio,
                int cgroup_fd, GString **ret_block, int *ret_fd);
void container_session_remove(const Task *task, uint64_t id);
/* What a service that was killed left of the sessions that it was about to start. */
void container_session_remove_all(const Task *task);
char *container_session_failure(const Task *task, uint64_t id);

/* --- for both --- */

#define CONTAINER_DIRECTORY "container" /* in the task's state directory */
#define CONTAINER_LOG       "log"
#define CONTAINER_PID       "pid"

/* Below the task's, of a runtime that insists on one of its own: runc. */
#define CONTAINER_CGROUP "container"

/* The state directory of the task, or NAME in it, as a path that the runtime can remember. */
char *container_path(const Task *task, const char *name);
/* The runtime's name and the options that come before its command, in whose log is LOG_PATH. */
GPtrArray *container_arguments(const Task *task, const char *log_path);
/* COMMAND and what goes with it; ARGUMENTS are its. RUNTIME_PID is a file of the supervisor's state
 * directory. */
GString *container_block(const Task *task, const Credentials *credentials, GPtrArray *arguments,
                const char *runtime_pid);
/* A file, complete or not there. */
int container_write(int dir_fd, const char *name, JsonObject *object);
/* The message of the last error in a log. */
char *container_read_failure(const Task *task, int dir_fd);

G_END_DECLS
