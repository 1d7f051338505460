/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "export.h"
#include "task.h"

static int read_check(sd_bus_message *reply, nx_check *ret, char **ret_output, size_t *ret_size)
{
        nx_check check = { 0 };
        const void *output;
        size_t size;
        int r;

        r = sd_bus_message_read(reply, "iibb", &check.exit_code, &check.exit_signal, &check.timed_out,
                        &check.truncated);
        if (r < 0)
                return r;
        r = sd_bus_message_read_array(reply, SD_BUS_TYPE_BYTE, &output, &size);
        if (r < 0)
                return r;

        if (ret_output) {
                *ret_output = g_malloc0(size + 1);
                if (size > 0)
                        memcpy(*ret_output, output, size);
        }
        if (ret_size)
                *ret_size = size;
        *ret = check;
        return 0;
}

EXPORT int nx_task_run(nx_task *task, const char *const *argv, uint64_t timeout_usec, nx_check *ret,
                char **ret_output, size_t *ret_size, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        r = task_new_call(task, "Run", &m, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_append_strv(m, (char **) argv);
        if (r >= 0)
                r = sd_bus_message_append(m, "t", timeout_usec);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);
        /* the time is the service's to keep */
        r = connection_call(task->connection, m, UINT64_MAX, &reply, ret_error);
        if (r < 0)
                return r;

        r = read_check(reply, ret, ret_output, ret_size);
        return r < 0 ? error_set_bus(ret_error, NULL, r) : 0;
}
