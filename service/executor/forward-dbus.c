/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forward-dbus.h"

#include "bus-error.h"
#include "cleanup.h"
#include "resources.h"
#include "task.h"

/* The call of ours that waits for the other service's answer. Its userdata is a reference of its own. */
static int on_resources_set(sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        g_autoptr(sd_bus_message) call = userdata;
        const sd_bus_error *failure = sd_bus_message_get_error(reply);

        if (!failure)
                return sd_bus_reply_method_return(call, NULL);

        return sd_bus_reply_method_errorf(
                        call, BUS_ERROR_SCOPE_FAILED, "systemd refused the resources: %s", failure->message);
}

int resources_method_set(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        g_auto(Resources) resources = { 0 };
        Task *task = userdata;
        uint64_t set;
        int r;

        if (!task_is_live(task))
                return sd_bus_error_setf(error, BUS_ERROR_NOT_RUNNING, "Task '%s' is not running", task->id);

        r = options_read(m, resource_options, n_resource_options, &resources, &set, error);
        if (r < 0)
                return r;
        r = resources_check_controllers(set, task->manager->controllers, error);
        if (r < 0)
                return r;

        r = task_scope_set_resources(task, &resources, set, on_resources_set, sd_bus_message_ref(m));
        if (r < 0) {
                sd_bus_message_unref(m);
                return r;
        }
        return 1;
}

static int on_log_open(sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        g_autoptr(sd_bus_message) call = userdata;
        const sd_bus_error *failure = sd_bus_message_get_error(reply);
        int fd, r;

        if (failure && sd_bus_error_has_names(failure, BUS_ERROR_INVALID_SPEC, BUS_ERROR_LIMIT_EXCEEDED))
                return sd_bus_reply_method_error(call, failure);
        if (failure)
                return sd_bus_reply_method_errorf(call, BUS_ERROR_LOG_FAILED, "%s", failure->message);

        r = sd_bus_message_read(reply, "h", &fd);
        if (r < 0)
                return sd_bus_reply_method_errno(call, r, NULL);

        return sd_bus_reply_method_return(call, "h", fd);
}

int log_method_open(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Task *task = userdata;
        int r;

        if (!task_has_log(task))
                return sd_bus_error_setf(error, BUS_ERROR_LOG_FAILED, "Task '%s' has no log", task->id);

        r = task_log_open(task, m, on_log_open, sd_bus_message_ref(m));
        if (r < 0) {
                sd_bus_message_unref(m);
                return r;
        }
        return 1;
}
