/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

#include "exec.h"

G_BEGIN_DECLS

/* Handlers of the Task interface, with the task as userdata. */
int exec_method_exec(sd_bus_message *m, void *userdata, sd_bus_error *error);
int exec_method_resize(sd_bus_message *m, void *userdata, sd_bus_error *error);
int exec_method_kill(sd_bus_message *m, void *userdata, sd_bus_error *error);
int exec_method_wait(sd_bus_message *m, void *userdata, sd_bus_error *error);
int run_method_run(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* What both Exec and Run check first: the task is live, there is a program to run, and room for it. */
int exec_read_program(sd_bus_message *m, void *task, char ***ret_argv, sd_bus_error *error);

/* Calls of Exec for which there is no session yet: all of a task that is about to end are answered. */
void exec_call_free(void *call);
void exec_calls_end(Task *task);

/* The D-Bus error of a program that could not be started. */
void exec_set_start_error(const ExecSession *session, const char *command, int error, const char *stage,
                sd_bus_error *ret);

G_END_DECLS
