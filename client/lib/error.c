/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error.h"

#include <errno.h>

#include "bus-error.h"
#include "cleanup.h"
#include "export.h"

struct nx_error {
        nx_error_code code;
        char *name;
        char *message;
};

static const struct {
        nx_error_code code;
        int error;
        const char *name; /* D-Bus, or NULL for what does not come from there */
} codes[] = {
        { NX_ERROR_NO_SUCH_TASK, ENXIO, BUS_ERROR_NO_SUCH_TASK },
        { NX_ERROR_TASK_EXISTS, EEXIST, BUS_ERROR_TASK_EXISTS },
        { NX_ERROR_INVALID_SPEC, EINVAL, BUS_ERROR_INVALID_SPEC },
        { NX_ERROR_COMMAND_NOT_FOUND, ENOENT, BUS_ERROR_COMMAND_NOT_FOUND },
        { NX_ERROR_EXEC_FAILED, ENOEXEC, BUS_ERROR_EXEC_FAILED },
        { NX_ERROR_SCOPE_FAILED, EREMOTEIO, BUS_ERROR_SCOPE_FAILED },
        { NX_ERROR_LOG_FAILED, EIO, BUS_ERROR_LOG_FAILED },
        { NX_ERROR_NOT_RUNNING, ESRCH, BUS_ERROR_NOT_RUNNING },
        { NX_ERROR_TASK_RUNNING, EBUSY, BUS_ERROR_TASK_RUNNING },
        { NX_ERROR_NO_SUCH_EXEC, ECHILD, BUS_ERROR_NO_SUCH_EXEC },
        { NX_ERROR_UNSUPPORTED, EOPNOTSUPP, BUS_ERROR_UNSUPPORTED },
        { NX_ERROR_LIMIT_EXCEEDED, EDQUOT, BUS_ERROR_LIMIT_EXCEEDED },
        { NX_ERROR_ACCESS_DENIED, EACCES, SD_BUS_ERROR_ACCESS_DENIED },
        { NX_ERROR_ACCESS_DENIED, EACCES, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED },
        { NX_ERROR_NO_SERVICE, EHOSTDOWN, SD_BUS_ERROR_NO_REPLY },
        { NX_ERROR_NO_SERVICE, EHOSTDOWN, SD_BUS_ERROR_SERVICE_UNKNOWN },
        { NX_ERROR_NO_SERVICE, EHOSTDOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER },
        { NX_ERROR_NO_SERVICE, EHOSTDOWN, SD_BUS_ERROR_NO_SERVER },
        { NX_ERROR_NO_SERVICE, EHOSTDOWN, SD_BUS_ERROR_DISCONNECTED },
        { NX_ERROR_NO_SERVICE, EHOSTDOWN,
                        "org.freedesktop.DBus.Error.TimedOut" }, /* it was not there in time */
        { NX_ERROR_NO_SERVICE, EHOSTDOWN, "org.freedesktop.DBus.Error.Spawn.ChildExited" },
        { NX_ERROR_NO_SERVICE, EHOSTDOWN, "org.freedesktop.DBus.Error.Spawn.ExecFailed" },
        { NX_ERROR_NO_SERVICE, EHOSTDOWN, "org.freedesktop.systemd1.UnitMasked" },
        { NX_ERROR_NO_SERVICE, EHOSTDOWN, "org.freedesktop.systemd1.NoSuchUnit" },
        { NX_ERROR_TIMEOUT, ETIMEDOUT, SD_BUS_ERROR_TIMEOUT },
        { NX_ERROR_NO_HANDLE, ENODATA, NULL },
        { NX_ERROR_BAD_HANDLE, EBADMSG, NULL },
        { NX_ERROR_HANDLE_VERSION, EPROTONOSUPPORT, NULL },
        { NX_ERROR_OTHER_BUS, EXDEV, NULL },
        { NX_ERROR_OTHER_BOOT, ESTALE, NULL },
        { NX_ERROR_OTHER_TASK, EREMCHG, NULL },
};

static int errno_of(nx_error_code code)
{
        for (size_t i = 0; i < G_N_ELEMENTS(codes); i++)
                if (codes[i].code == code)
                        return codes[i].error;

        return EPROTO;
}

static void set(nx_error **ret, nx_error_code code, const char *name, const char *message)
{
        if (!ret)
                return;

        *ret = g_new0(nx_error, 1);
        (*ret)->code = code;
        (*ret)->name = g_strdup(name ? name : "");
        (*ret)->message = g_strdup(message);
}

int error_set(nx_error **ret, nx_error_code code, const char *format, ...)
{
        g_autofree char *message = NULL;
        va_list arguments;

        va_start(arguments, format);
        message = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        set(ret, code, NULL, message);
        return -errno_of(code);
}

int error_set_errno(nx_error **ret, int r, const char *what)
{
        (void) error_set(ret, NX_ERROR_FAILED, "%s: %s", what, g_strerror(-r));
        return r;
}

/* Without a reply: what this side of the bus found. */
static int set_local(nx_error **ret, int r)
{
        switch (-r) {
        case ETIMEDOUT:
                return error_set(ret, NX_ERROR_TIMEOUT, "The service did not answer in time");
        case ENOTCONN:
        case ECONNRESET:
        case ECONNREFUSED:
        case EPIPE:
                return error_set(ret, NX_ERROR_NO_SERVICE, "The connection to the bus is gone");
        case EINVAL:
                return error_set(ret, NX_ERROR_INVALID_SPEC, "An argument is not UTF-8");
        case ENXIO:
        case EBADMSG:
                (void) error_set(ret, NX_ERROR_FAILED,
                                "The service's answer is of another form than expected");
                return r;
        default:
                return error_set_errno(ret, r, "The call failed");
        }
}

int error_set_bus(nx_error **ret, const sd_bus_error *bus_error, int r)
{
        if (!sd_bus_error_is_set(bus_error))
                return set_local(ret, r);

        for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
                if (g_strcmp0(codes[i].name, bus_error->name) != 0)
                        continue;
                set(ret, codes[i].code, bus_error->name, bus_error->message ? bus_error->message : "");
                return -codes[i].error;
        }

        set(ret, NX_ERROR_FAILED, bus_error->name,
                        bus_error->message ? bus_error->message : bus_error->name);
        return r < 0 ? r : -EPROTO;
}

EXPORT nx_error_code nx_error_get_code(const nx_error *error)
{
        return error->code;
}

EXPORT const char *nx_error_get_name(const nx_error *error)
{
        return error->name;
}

EXPORT const char *nx_error_get_message(const nx_error *error)
{
        return error->message;
}

EXPORT nx_error *nx_error_free(nx_error *error)
{
        if (error) {
                g_free(error->name);
                g_free(error->message);
                g_free(error);
        }
        return NULL;
}
