/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/* The error names of the D-Bus contract, shared by the three services and the client. Inside the services
 * each has an errno of its own to map to, so that an sd_bus_error and its negative errno travel together. */
#define BUS_ERROR_NO_SUCH_TASK      "org.nomad.Executor.Error.NoSuchTask"
#define BUS_ERROR_TASK_EXISTS       "org.nomad.Executor.Error.TaskExists"
#define BUS_ERROR_INVALID_SPEC      "org.nomad.Executor.Error.InvalidSpec"
#define BUS_ERROR_COMMAND_NOT_FOUND "org.nomad.Executor.Error.CommandNotFound"
#define BUS_ERROR_EXEC_FAILED       "org.nomad.Executor.Error.ExecFailed"
#define BUS_ERROR_SCOPE_FAILED      "org.nomad.Executor.Error.ScopeFailed"
#define BUS_ERROR_LOG_FAILED        "org.nomad.Executor.Error.LogFailed"
#define BUS_ERROR_NOT_RUNNING       "org.nomad.Executor.Error.NotRunning"
#define BUS_ERROR_TASK_RUNNING      "org.nomad.Executor.Error.TaskRunning"
#define BUS_ERROR_NO_SUCH_EXEC      "org.nomad.Executor.Error.NoSuchExec"
#define BUS_ERROR_UNSUPPORTED       "org.nomad.Executor.Error.Unsupported"
#define BUS_ERROR_LIMIT_EXCEEDED    "org.nomad.Executor.Error.LimitExceeded"

/* Registers the names above with sd-bus; harmless to call twice. */
int bus_error_register(void);

/* Whether the callee ended during the call or before it; the bus starts it again for the next one. */
bool bus_error_peer_died(const sd_bus_error *error);

/* Whether the bus says in REPLY that the callee left it before it had answered, or was not there. What the
 * call asked for may be done. */
bool bus_reply_is_lost(sd_bus_message *reply);

G_END_DECLS
