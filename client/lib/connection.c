/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection.h"

#include <errno.h>
#include <stdbool.h>

#include "call-again.h"
#include "cleanup.h"
#include "error.h"
#include "export.h"
#include "values.h"

EXPORT const char *nx_version(void)
{
        return PROJECT_VERSION;
}

EXPORT int nx_connection_open(nx_bus kind, nx_connection **ret, nx_error **ret_error)
{
        g_autoptr(nx_connection) connection = NULL;
        int r;

        connection = g_new0(nx_connection, 1);
        connection->n_ref = 1;
        connection->kind = kind;
        r = kind == NX_BUS_USER ? sd_bus_open_user(&connection->bus) : sd_bus_open_system(&connection->bus);
        if (r == -ENOMEDIUM)
                return error_set(ret_error, NX_ERROR_NO_SERVICE,
                                "There is no user bus: neither $DBUS_SESSION_BUS_ADDRESS nor $XDG_RUNTIME_DIR is set; "
                                "log in as that user");
        if (r < 0)
                return error_set(ret_error, NX_ERROR_NO_SERVICE, "Cannot connect to the %s bus: %s",
                                kind == NX_BUS_USER ? "user" : "system", g_strerror(-r));

        *ret = g_steal_pointer(&connection);
        return 0;
}

int connection_open_like(const nx_connection *connection, nx_connection **ret, nx_error **ret_error)
{
        return nx_connection_open(connection->kind, ret, ret_error);
}

EXPORT nx_connection *nx_connection_ref(nx_connection *connection)
{
        connection->n_ref++;
        return connection;
}

EXPORT nx_connection *nx_connection_unref(nx_connection *connection)
{
        if (connection && --connection->n_ref == 0) {
                sd_bus_flush_close_unref(connection->bus);
                g_free(connection);
        }
        return NULL;
}

EXPORT int nx_connection_attach_event(nx_connection *connection, sd_event *event, int64_t priority)
{
        return sd_bus_attach_event(connection->bus, event, (int) priority);
}

EXPORT int nx_connection_detach_event(nx_connection *connection)
{
        return sd_bus_detach_event(connection->bus);
}

EXPORT int nx_connection_get_fd(nx_connection *connection)
{
        return sd_bus_get_fd(connection->bus);
}

EXPORT int nx_connection_get_events(nx_connection *connection)
{
        return sd_bus_get_events(connection->bus);
}

EXPORT int nx_connection_get_timeout(nx_connection *connection, uint64_t *ret_usec)
{
        return sd_bus_get_timeout(connection->bus, ret_usec);
}

EXPORT int nx_connection_process(nx_connection *connection)
{
        return sd_bus_process(connection->bus, NULL);
}

EXPORT int nx_connection_get_properties(nx_connection *connection, nx_values **ret, nx_error **ret_error)
{
        return connection_get_all(connection, EXECUTOR_PATH, MANAGER_INTERFACE, ret, ret_error);
}

int connection_new_call(nx_connection *connection, const char *path, const char *interface,
                const char *member, sd_bus_message **ret, nx_error **ret_error)
{
        int r;

        r = sd_bus_message_new_method_call(connection->bus, ret, EXECUTOR_NAME, path, interface, member);
        return r < 0 ? error_set_bus(ret_error, NULL, r) : 0;
}

int connection_call(nx_connection *connection, sd_bus_message *m, uint64_t timeout_usec,
                sd_bus_message **ret, nx_error **ret_error)
{
        g_auto(sd_bus_error) bus_error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_call(connection->bus, m, timeout_usec, &bus_error, ret);
        return r < 0 ? error_set_bus(ret_error, &bus_error, r) : 0;
}

int connection_call_again(nx_connection *connection, sd_bus_message *m, uint64_t timeout_usec,
                sd_bus_message **ret, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) call = sd_bus_message_ref(m);
        CallAgain again = call_again_begin(timeout_usec);

        for (;;) {
                g_auto(sd_bus_error) bus_error = SD_BUS_ERROR_NULL;
                g_autoptr(sd_bus_message) copy = NULL;
                uint64_t delay;
                int r;

                r = sd_bus_call(connection->bus, call, call_again_send(&again), &bus_error, ret);
                if (r >= 0)
                        return 0;
                if (!call_again_after(&again, &bus_error, &delay))
                        return error_set_bus(ret_error, &bus_error, r);

                g_usleep(delay);
                r = call_again_copy(connection->bus, call, &copy);
                if (r < 0)
                        return error_set_bus(ret_error, NULL, r);
                sd_bus_message_unref(call);
                call = g_steal_pointer(&copy);
        }
}

int connection_get_all(nx_connection *connection, const char *path, const char *interface, nx_values **ret,
                nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        r = connection_new_call(
                        connection, path, "org.freedesktop.DBus.Properties", "GetAll", &m, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", interface);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);
        r = connection_call_again(connection, m, CALL_TIMEOUT_USEC, &reply, ret_error);
        if (r < 0)
                return r;

        r = values_read(reply, ret);
        return r < 0 ? error_set_bus(ret_error, NULL, r) : 0;
}
