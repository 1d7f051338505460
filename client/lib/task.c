/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "task.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cleanup.h"
#include "encode.h"
#include "error.h"
#include "export.h"
#include "spec.h"

nx_task *task_new(nx_connection *connection, const char *id, const char *path)
{
        nx_task *task = g_new0(nx_task, 1);

        task->n_ref = 1;
        task->connection = nx_connection_ref(connection);
        task->id = g_strdup(id);
        task->path = g_strdup(path);
        return task;
}

EXPORT nx_task *nx_task_ref(nx_task *task)
{
        task->n_ref++;
        return task;
}

EXPORT nx_task *nx_task_unref(nx_task *task)
{
        if (task && --task->n_ref == 0) {
                nx_connection_unref(task->connection);
                g_free(task->id);
                g_free(task->path);
                g_free(task);
        }
        return NULL;
}

EXPORT const char *nx_task_get_id(const nx_task *task)
{
        return task->id;
}

EXPORT const char *nx_task_get_object_path(const nx_task *task)
{
        return task->path;
}

static int read_task(nx_connection *connection, sd_bus_message *reply, const char *id, nx_task **ret,
                nx_error **ret_error)
{
        const char *path;
        int r;

        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);

        *ret = task_new(connection, id, path);
        return 0;
}

EXPORT int nx_task_start(nx_connection *connection, const char *id, const nx_spec *spec, nx_task **ret,
                nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        r = connection_new_call(connection, EXECUTOR_PATH, MANAGER_INTERFACE, "StartTask", &m, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", id);
        if (r >= 0)
                r = spec_append(spec, m);
        if (r >= 0)
                r = sd_bus_message_append(m, "t", UINT64_C(0));
        if (r < 0)
                return error_set(ret_error, NX_ERROR_INVALID_SPEC, "The id or the spec is not UTF-8");

        r = connection_call(connection, m, CALL_TIMEOUT_USEC, &reply, ret_error);
        return r < 0 ? r : read_task(connection, reply, id, ret, ret_error);
}

EXPORT int nx_task_open(nx_connection *connection, const char *id, nx_task **ret, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        r = connection_new_call(connection, EXECUTOR_PATH, MANAGER_INTERFACE, "GetTask", &m, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", id);
        if (r < 0)
                return error_set(ret_error, NX_ERROR_NO_SUCH_TASK, "The id is not UTF-8");

        r = connection_call_again(connection, m, CALL_TIMEOUT_USEC, &reply, ret_error);
        return r < 0 ? r : read_task(connection, reply, id, ret, ret_error);
}

EXPORT int nx_task_open_pidfd(nx_connection *connection, int pidfd, nx_task **ret, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        g_autofree char *id = NULL;
        const char *path;
        int r;

        r = connection_new_call(
                        connection, EXECUTOR_PATH, MANAGER_INTERFACE, "GetTaskByPIDFD", &m, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "h", pidfd);
        if (r < 0)
                return error_set_errno(ret_error, r, "Cannot pass the descriptor");
        r = connection_call_again(connection, m, CALL_TIMEOUT_USEC, &reply, ret_error);
        if (r < 0)
                return r;

        r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0)
                r = sd_bus_path_decode(path, TASK_PATH, &id);
        if (r <= 0)
                return error_set_bus(ret_error, NULL, r < 0 ? r : -EBADMSG);

        *ret = task_new(connection, id, path);
        return 0;
}

EXPORT int nx_task_get_properties(nx_task *task, nx_values **ret, nx_error **ret_error)
{
        return connection_get_all(task->connection, task->path, TASK_INTERFACE, ret, ret_error);
}

int task_new_call(nx_task *task, const char *member, sd_bus_message **ret, nx_error **ret_error)
{
        return connection_new_call(task->connection, task->path, TASK_INTERFACE, member, ret, ret_error);
}

int task_call_strings(nx_task *task, const char *member, const char *first, const char *second,
                nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = task_new_call(task, member, &m, ret_error);
        if (r < 0)
                return r;
        if (first)
                r = sd_bus_message_append(m, "s", first);
        if (r >= 0 && second)
                r = sd_bus_message_append(m, "s", second);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);

        return connection_call(task->connection, m, CALL_TIMEOUT_USEC, NULL, ret_error);
}

int task_call_fd(nx_task *task, sd_bus_message *m, int *ret_fd, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) reply = NULL;
        int fd, r;

        r = connection_call_again(task->connection, m, CALL_TIMEOUT_USEC, &reply, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "h", &fd);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the message keeps its own */
        if (fd < 0)
                return error_set_errno(ret_error, -errno, "Cannot keep the descriptor");

        *ret_fd = fd;
        return 0;
}

EXPORT int nx_task_stop(nx_task *task, const char *signal, uint64_t grace_usec, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = task_new_call(task, "Stop", &m, ret_error);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "st", signal ? signal : "", grace_usec);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);

        return connection_call_again(task->connection, m, CALL_TIMEOUT_USEC, NULL, ret_error);
}

EXPORT int nx_task_kill(nx_task *task, const char *whom, const char *signal, nx_error **ret_error)
{
        return task_call_strings(task, "Kill", whom, signal, ret_error);
}

EXPORT int nx_task_freeze(nx_task *task, nx_error **ret_error)
{
        return task_call_strings(task, "Freeze", NULL, NULL, ret_error);
}

EXPORT int nx_task_thaw(nx_task *task, nx_error **ret_error)
{
        return task_call_strings(task, "Thaw", NULL, NULL, ret_error);
}

/* What systemd can change of a unit that runs. */
static int check_resources(const nx_spec *spec, nx_error **ret_error)
{
        g_autoptr(GString) known = g_string_new(NULL);

        for (size_t i = 0; i < n_resource_options; i++)
                g_string_append_printf(known, "%s%s", i > 0 ? ", " : "", resource_options[i].key);
        for (size_t i = 0; i < n_task_spec_options; i++)
                if (spec->values.set & UINT64_C(1) << i &&
                                !options_find(resource_options, n_resource_options,
                                                task_spec_options[i].key))
                        return error_set(ret_error, NX_ERROR_INVALID_SPEC,
                                        "%s cannot be changed while the task runs; these can: %s",
                                        task_spec_options[i].key, known->str);

        return 0;
}

EXPORT int nx_task_set_resources(nx_task *task, const nx_spec *spec, nx_error **ret_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = check_resources(spec, ret_error);
        if (r < 0)
                return r;
        r = task_new_call(task, "SetResources", &m, ret_error);
        if (r < 0)
                return r;
        r = spec_append(spec, m);
        if (r < 0)
                return error_set_bus(ret_error, NULL, r);

        return connection_call_again(task->connection, m, CALL_TIMEOUT_USEC, NULL, ret_error);
}

EXPORT int nx_task_release(nx_task *task, nx_error **ret_error)
{
        return task_call_strings(task, "Release", NULL, NULL, ret_error);
}
