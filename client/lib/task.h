/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "connection.h"

G_BEGIN_DECLS

struct nx_task {
        unsigned n_ref;
        nx_connection *connection;
        char *id;
        char *path;
};

nx_task *task_new(nx_connection *connection, const char *id, const char *path);

int task_new_call(nx_task *task, const char *member, sd_bus_message **ret, nx_error **ret_error);
/* A call whose arguments are strings, without a reply worth reading. */
int task_call_strings(nx_task *task, const char *member, const char *first, const char *second,
                nx_error **ret_error);
/* Sends M and takes the descriptor of the reply. */
int task_call_fd(nx_task *task, sd_bus_message *m, int *ret_fd, nx_error **ret_error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_task, nx_task_unref)

G_END_DECLS
