/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "export.h"
#include "handle.h"
#include "task.h"

/* As 32 hexadecimal digits; "" before systemd has given one. */
static int get_invocation_id(nx_task *task, char ret[static 33], nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        const void *bytes = NULL;
        size_t n = 0;
        int r;

        r = connection_new_call(task->connection, task->path, "org.freedesktop.DBus.Properties", "Get", &m,
                        ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "ss", TASK_INTERFACE, "InvocationID");
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);
        r = connection_call_again(task->connection, m, CALL_TIMEOUT_USEC, &reply, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_VARIANT, "ay");
        if (r >= 0)
                r = sd_bus_message_read_array(reply, SD_BUS_TYPE_BYTE, &bytes, &n);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);

        *ret = '\0';
        for (size_t i = 0; n == 16 && i < n; i++)
                (void) g_snprintf(ret + 2 * i, 3, "%02x", ((const uint8_t *) bytes)[i]);
        return 0;
}

EXPORT int nx_task_get_handle(nx_task *task, char **ret, nx_error **ret_error)
{
        g_autoptr(nx_handle) handle = NULL;
        char invocation[33];
        int r;

        r = get_invocation_id(task, invocation, ret_error);
        if (r < 0)
                return r;

        handle = handle_new(task->connection->kind, task->id, task->path, invocation);
        return nx_handle_to_json(handle, ret);
}

EXPORT int nx_task_reattach(nx_connection *connection, const char *json, nx_task **ret, nx_error **ret_error)
{
        g_autoptr(nx_handle) handle = NULL;
        g_autoptr(nx_task) task = NULL;
        char invocation[33];
        int r;

        r = nx_handle_parse(json, &handle, ret_error);
        if (r < 0)
                return r;
        r = handle_check(handle, connection->kind, ret_error);
        if (r < 0)
                return r;
        r = nx_task_open(connection, handle->id, &task, ret_error);
        if (r < 0)
                return r;
        r = get_invocation_id(task, invocation, ret_error);
        if (r < 0)
                return r;
        if (*handle->invocation_id != '\0' && strcmp(handle->invocation_id, invocation) != 0)
                return error_set(ret_error, NX_ERROR_OTHER_TASK,
                                "'%s' is another task now: the one of the handle was released", handle->id);

        *ret = g_steal_pointer(&task);
        return 0;
}
