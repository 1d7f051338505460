/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "call-again.h"
#include "cleanup.h"
#include "error.h"
#include "export.h"
#include "task.h"
#include "values.h"

struct nx_wait {
        nx_task *task;
        nx_wait_handler handler;
        void *userdata;
        CallAgain again;
        sd_bus_slot *slot;
};

static int read_exit(sd_bus_message *reply, nx_exit *ret)
{
        nx_exit exit = { 0 };
        const char *result;
        int r;

        r = sd_bus_message_read(
                        reply, "siib", &result, &exit.exit_code, &exit.exit_signal, &exit.oom_killed);
        if (r < 0)
                return r;

        (void) g_strlcpy(exit.result, result, sizeof exit.result);
        *ret = exit;
        return 0;
}

static int wait_on(nx_task *task, nx_connection *connection, uint64_t timeout_usec, nx_exit *ret,
                nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        r = connection_new_call(connection, task->path, TASK_INTERFACE, "Wait", &m, ret_error);
        if (r < 0)
                return r;
        r = connection_call_again(connection, m, timeout_usec, &reply, ret_error);
        if (r < 0)
                return r;
        r = read_exit(reply, ret);
        return r < 0 ? error_set_bus(ret_error, NULL, r) : 0;
}

/* A call that is no longer waited for stays with the service, which has a limit of them, until the
 * connection that made it is closed. */
static int wait_for_a_time(nx_task *task, uint64_t timeout_usec, nx_exit *ret, nx_error **ret_error)
{
        g_autoptr(nx_connection) connection = NULL;
        uint64_t end = (uint64_t) g_get_monotonic_time() + timeout_usec;
        int r;

        r = connection_open_like(task->connection, &connection, ret_error);
        if (r < 0)
                return r;

        for (;;) {
                g_autoptr(nx_error) error = NULL;
                uint64_t now = (uint64_t) g_get_monotonic_time();

                /* 0 would be sd-bus's default */
                r = wait_on(task, connection, end > now ? end - now : 1, ret, &error);
                if (r >= 0)
                        return 0;
                if (nx_error_get_code(error) != NX_ERROR_TIMEOUT) {
                        if (ret_error)
                                *ret_error = g_steal_pointer(&error);
                        return r;
                }
                if ((uint64_t) g_get_monotonic_time() >= end)
                        return error_set(ret_error, NX_ERROR_TIMEOUT, "The task '%s' has not ended in time",
                                        task->id);
        }
}

EXPORT int nx_task_wait(nx_task *task, uint64_t timeout_usec, nx_exit *ret, nx_error **ret_error)
{
        if (timeout_usec > INT64_MAX)
                return wait_on(task, task->connection, UINT64_MAX, ret, ret_error);

        return wait_for_a_time(task, timeout_usec, ret, ret_error);
}

static int call_wait(nx_wait *wait, nx_error **ret_error);

static int on_reply(sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *ret_bus_error)
{
        nx_wait *wait = userdata;
        g_autoptr(nx_task) task = nx_task_ref(wait->task); /* the handler may free the wait */
        g_autoptr(nx_error) error = NULL;
        const sd_bus_error *bus_error = sd_bus_message_get_error(reply);
        nx_exit exit;
        uint64_t delay;
        int r;

        wait->slot = sd_bus_slot_unref(wait->slot);
        if (bus_error && call_again_after(&wait->again, bus_error, &delay)) {
                /* without the delay: a connection has no timer, and the bus starts the service before it
                 * answers */
                r = call_wait(wait, &error);
                if (r >= 0)
                        return 0;
        } else if (bus_error) {
                r = error_set_bus(&error, bus_error, -sd_bus_error_get_errno(bus_error));
        } else {
                r = read_exit(reply, &exit);
                if (r < 0)
                        r = error_set_bus(&error, NULL, r);
        }

        wait->handler(task, r < 0 ? NULL : &exit, error, wait->userdata);
        return 0;
}

static int call_wait(nx_wait *wait, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = task_new_call(wait->task, "Wait", &m, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_call_async(wait->task->connection->bus, &wait->slot, m, on_reply, wait,
                        call_again_send(&wait->again));
        return r < 0 ? error_set_bus(ret_error, NULL, r) : 0;
}

EXPORT int nx_task_wait_async(
                nx_task *task, nx_wait_handler handler, void *userdata, nx_wait **ret, nx_error **ret_error)
{
        nx_wait *wait = g_new0(nx_wait, 1);
        int r;

        wait->task = nx_task_ref(task);
        wait->handler = handler;
        wait->userdata = userdata;
        wait->again = call_again_begin(UINT64_MAX);
        r = call_wait(wait, ret_error);
        if (r < 0) {
                nx_wait_free(wait);
                return r;
        }

        *ret = wait;
        return 0;
}

EXPORT nx_wait *nx_wait_free(nx_wait *wait)
{
        if (wait) {
                sd_bus_slot_unref(wait->slot);
                nx_task_unref(wait->task);
                g_free(wait);
        }
        return NULL;
}
