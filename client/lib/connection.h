/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <nomad-executor.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

#define EXECUTOR_NAME     "org.nomad.Executor"
#define EXECUTOR_PATH     "/org/nomad/Executor"
#define TASK_PATH         EXECUTOR_PATH "/task"
#define MANAGER_INTERFACE EXECUTOR_NAME ".Manager"
#define TASK_INTERFACE    EXECUTOR_NAME ".Task"

/* For all calls but those that wait for something to end: longer than anything that the services do
 * takes. */
#define CALL_TIMEOUT_USEC (UINT64_C(90) * G_USEC_PER_SEC)

struct nx_connection {
        unsigned n_ref;
        nx_bus kind;
        sd_bus *bus;
};

/* A second connection to the same bus. */
int connection_open_like(const nx_connection *connection, nx_connection **ret, nx_error **ret_error);

/* A call of the executor at PATH, to be filled. */
int connection_new_call(nx_connection *connection, const char *path, const char *interface,
                const char *member, sd_bus_message **ret, nx_error **ret_error);
/* Sends it and waits for the reply; RET may be NULL. */
int connection_call(nx_connection *connection, sd_bus_message *m, uint64_t timeout_usec,
                sd_bus_message **ret, nx_error **ret_error);
/* For a call that can be made twice without harm: made again, by the rule of call-again.h, when the service
 * died under it. */
int connection_call_again(nx_connection *connection, sd_bus_message *m, uint64_t timeout_usec,
                sd_bus_message **ret, nx_error **ret_error);
int connection_get_all(nx_connection *connection, const char *path, const char *interface, nx_values **ret,
                nx_error **ret_error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_connection, nx_connection_unref)

G_END_DECLS
