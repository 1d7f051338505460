/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-error.h"

#include <errno.h>

static const sd_bus_error_map error_map[] = {
        SD_BUS_ERROR_MAP(BUS_ERROR_NO_SUCH_TASK, ENXIO),
        SD_BUS_ERROR_MAP(BUS_ERROR_TASK_EXISTS, EEXIST),
        SD_BUS_ERROR_MAP(BUS_ERROR_INVALID_SPEC, EINVAL),
        SD_BUS_ERROR_MAP(BUS_ERROR_COMMAND_NOT_FOUND, ENOENT),
        SD_BUS_ERROR_MAP(BUS_ERROR_EXEC_FAILED, ENOEXEC),
        SD_BUS_ERROR_MAP(BUS_ERROR_SCOPE_FAILED, EREMOTEIO),
        SD_BUS_ERROR_MAP(BUS_ERROR_LOG_FAILED, EIO),
        SD_BUS_ERROR_MAP(BUS_ERROR_NOT_RUNNING, ESRCH),
        SD_BUS_ERROR_MAP(BUS_ERROR_TASK_RUNNING, EBUSY),
        SD_BUS_ERROR_MAP(BUS_ERROR_NO_SUCH_EXEC, ECHILD),
        SD_BUS_ERROR_MAP(BUS_ERROR_UNSUPPORTED, EOPNOTSUPP),
        SD_BUS_ERROR_MAP(BUS_ERROR_LIMIT_EXCEEDED, EDQUOT),
        SD_BUS_ERROR_MAP_END,
};

bool bus_error_peer_died(const sd_bus_error *error)
{
        return sd_bus_error_has_names(error, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_DISCONNECTED,
                        SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
}

/* By the sender: sd-bus tells of its own time-out by an error of the same name. The last is of dbus-daemon,
 * which tries to start a callee that is not there. */
bool bus_reply_is_lost(sd_bus_message *reply)
{
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        if (!error || g_strcmp0(sd_bus_message_get_sender(reply), "org.freedesktop.DBus") != 0)
                return false;

        return sd_bus_error_has_names(error, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_SERVICE_UNKNOWN,
                               SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
                        g_str_has_prefix(error->name, "org.freedesktop.DBus.Error.Spawn.");
}

int bus_error_register(void)
{
        return sd_bus_error_add_map(error_map);
}
