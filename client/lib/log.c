/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "cleanup.h"
#include "error.h"
#include "export.h"
#include "task.h"

#define FLAGS_ALL (NX_LOG_FOLLOW | NX_LOG_LINES | NX_LOG_OFFSET | NX_LOG_FROM_END)

EXPORT int nx_task_open_log(nx_task *task, const char *stream, uint64_t flags, uint64_t n, int *ret_fd,
                nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        if (flags & ~FLAGS_ALL || (flags & NX_LOG_LINES && flags & (NX_LOG_OFFSET | NX_LOG_FROM_END)))
                return error_set(ret_error, NX_ERROR_INVALID_SPEC,
                                "These flags for a log cannot be combined: 0x%" G_GINT64_MODIFIER "x",
                                flags);

        r = task_new_call(task, "OpenLog", &m, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", stream);
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0 && flags & NX_LOG_FOLLOW)
                r = sd_bus_message_append(m, "{sv}", "Follow", "b", 1);
        if (r >= 0 && flags & NX_LOG_LINES)
                r = sd_bus_message_append(m, "{sv}", "Lines", "t", n);
        if (r >= 0 && flags & NX_LOG_OFFSET)
                r = sd_bus_message_append(m, "{sv}", "Offset", "t", n);
        if (r >= 0 && flags & NX_LOG_FROM_END)
                r = sd_bus_message_append(m, "{sv}", "FromEnd", "b", 1);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);

        return task_call_fd(task, m, ret_fd, ret_error);
}
