/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "bus-error.h"
#include "cleanup.h"
#include "container.h"
#include "encode.h"
#include "task-dbus.h"

#define MANAGER_INTERFACE "org.nomad.Executor.Manager"
#define UNUSED            G_GNUC_UNUSED

/* Optional abilities of this build, for clients that meet several versions. Only ever added to. */
static const char *const features[] = {
        "container",
        "exec",
        "freeze",
        "log-files",
        "log-journal",
        "resources",
        "run",
        "stats",
        NULL,
};

static int no_such_task(const char *id, sd_bus_error *error)
{
        return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_TASK, "There is no task '%s'", id);
}

/* Returns 1 when M is to wait: the id is about to be free. */
static int read_task(Manager *manager, sd_bus_message *m, Task **ret, sd_bus_error *error)
{
        g_autoptr(Task) task = NULL;
        const char *id;
        uint64_t flags;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        r = task_new(manager, id, &task, error);
        if (r < 0)
                return r;
        if (manager_find_task(manager, task->label))
                return sd_bus_error_setf(error, BUS_ERROR_TASK_EXISTS, "There is a task '%s' already", id);
        r = discards_hold(&manager->discards, task->label, m);
        if (r == -EDQUOT)
                return sd_bus_error_setf(error, BUS_ERROR_LIMIT_EXCEEDED,
                                "%u calls wait already until the log of the failed task '%s' is discarded",
                                DISCARD_HELD_MAX, id);
        if (r != 0)
                return r;

        r = task_spec_read(&task->spec, m, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "t", &flags);
        if (r < 0)
                return r;
        if (flags != 0)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "Unknown flags 0x%" PRIx64, flags);

        *ret = g_steal_pointer(&task);
        return 0;
}

static int method_start_task(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        g_autoptr(Task) task = NULL;
        Manager *manager = userdata;
        Task *started;
        int r;

        if (g_hash_table_size(manager->tasks) + discards_count(&manager->discards) >= TASKS_MAX)
                return sd_bus_error_setf(
                                error, BUS_ERROR_LIMIT_EXCEEDED, "There are %u tasks already", TASKS_MAX);

        r = read_task(manager, m, &task, error);
        if (r != 0)
                return r;
        g_assert(task);
        r = resources_check_controllers(task_spec_resources_set(&task->spec), manager->controllers, error);
        if (r < 0)
                return r;
        r = task_is_container(task) ? container_inspect(task, error) : 0;
        if (r < 0)
                return r;

        /* in the table first: the launch may already fail, and remove it there, before it returns */
        started = g_steal_pointer(&task);
        g_hash_table_insert(manager->tasks, started->label, started);
        r = task_launch(started, m, error);
        if (r < 0) {
                (void) g_hash_table_remove(manager->tasks, started->label);
                return r;
        }

        return 1;
}

static int method_get_task(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        g_autofree char *label = NULL;
        Manager *manager = userdata;
        const char *id;
        Task *task;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        if (label_from_id(id, &label) < 0)
                return no_such_task(id, error);

        task = manager_find_task(manager, label);
        if (!task)
                return no_such_task(id, error);

        return sd_bus_reply_method_return(m, "o", task->path);
}

static int method_get_task_by_pidfd(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Manager *manager = userdata;
        Task *task;
        int pidfd, r;

        /* the message's own, and closed with it */
        r = sd_bus_message_read(m, "h", &pidfd);
        if (r < 0)
                return r;

        r = manager_find_task_by_pidfd(manager, pidfd, &task);
        if (r == -EBADF)
                return sd_bus_error_set(
                                error, BUS_ERROR_INVALID_SPEC, "pidfd is not the descriptor of a process");
        if (r == -ESRCH)
                return sd_bus_error_set(error, BUS_ERROR_NO_SUCH_TASK, "The process is of no task");
        if (r < 0)
                return r;

        return sd_bus_reply_method_return(m, "o", task->path);
}

static int method_list_tasks(sd_bus_message *m, void *userdata, UNUSED sd_bus_error *error)
{
        g_autoptr(sd_bus_message) reply = NULL;
        const Manager *manager = userdata;
        GHashTableIter iter;
        void *value;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "(sso)");
        if (r < 0)
                return r;

        g_hash_table_iter_init(&iter, manager->tasks);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                const Task *task = value;

                r = sd_bus_message_append(
                                reply, "(sso)", task->id, task_state_to_string(task->state), task->path);
                if (r < 0)
                        return r;
        }

        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_message_send(reply);
}

static int get_version(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface,
                UNUSED const char *property, sd_bus_message *reply, UNUSED void *userdata,
                UNUSED sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", PROJECT_VERSION);
}

static int get_api_version(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface,
                UNUSED const char *property, sd_bus_message *reply, UNUSED void *userdata,
                UNUSED sd_bus_error *error)
{
        return sd_bus_message_append(reply, "u", API_VERSION);
}

static int get_features(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface,
                UNUSED const char *property, sd_bus_message *reply, UNUSED void *userdata,
                UNUSED sd_bus_error *error)
{
        return sd_bus_message_append_strv(reply, (char **) features);
}

static int get_controllers(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface,
                UNUSED const char *property, sd_bus_message *reply, void *userdata,
                UNUSED sd_bus_error *error)
{
        const Manager *manager = userdata;

        return sd_bus_message_append_strv(reply, manager->controllers);
}

/* Who may call is decided by the bus policy in dbus/: asking for the sender's privileges here would be a
 * blocking call. */
static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("StartTask", SD_BUS_ARGS("s", id, "a{sv}", spec, "t", flags),
                        SD_BUS_RESULT("o", task), method_start_task, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetTask", SD_BUS_ARGS("s", id), SD_BUS_RESULT("o", task), method_get_task,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetTaskByPIDFD", SD_BUS_ARGS("h", pidfd), SD_BUS_RESULT("o", task),
                        method_get_task_by_pidfd, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListTasks", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sso)", tasks),
                        method_list_tasks, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("APIVersion", "u", get_api_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Features", "as", get_features, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Controllers", "as", get_controllers, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_SIGNAL_WITH_ARGS("TaskNew", SD_BUS_ARGS("s", id, "o", task), 0),
        SD_BUS_SIGNAL_WITH_ARGS("TaskRemoved", SD_BUS_ARGS("s", id, "o", task), 0),
        SD_BUS_VTABLE_END,
};

int manager_register(Manager *manager)
{
        int r;

        r = sd_bus_add_object_manager(manager->service.bus, NULL, MANAGER_PATH);
        if (r < 0)
                return r;

        r = sd_bus_add_object_vtable(manager->service.bus, NULL, MANAGER_PATH, MANAGER_INTERFACE,
                        manager_vtable, manager);
        if (r < 0)
                return r;

        return task_objects_register(manager);
}
