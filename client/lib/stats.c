/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cleanup.h"
#include "error.h"
#include "export.h"
#include "task.h"
#include "values.h"

EXPORT int nx_task_get_stats(nx_task *task, nx_values **ret, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        r = task_new_call(task, "GetStats", &m, ret_error);
        if (r < 0)
                return r;
        r = connection_call_again(task->connection, m, CALL_TIMEOUT_USEC, &reply, ret_error);
        if (r < 0)
                return r;

        r = values_read(reply, ret);
        return r < 0 ? error_set_bus(ret_error, NULL, r) : 0;
}

EXPORT int nx_task_stream_stats(nx_task *task, uint64_t interval_usec, int *ret_fd, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = task_new_call(task, "StreamStats", &m, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "t", interval_usec);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);

        return task_call_fd(task, m, ret_fd, ret_error);
}
