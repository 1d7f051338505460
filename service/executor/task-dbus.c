/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "task-dbus.h"

#include <stddef.h>
#include <string.h>
#include <systemd/sd-id128.h>

#include "bus-error.h"
#include "cleanup.h"
#include "encode.h"
#include "exec-dbus.h"
#include "fault.h"
#include "forward-dbus.h"
#include "log.h"

#define TASK_INTERFACE    "org.nomad.Executor.Task"
#define MANAGER_INTERFACE "org.nomad.Executor.Manager"
#define UNUSED            G_GNUC_UNUSED

static int not_running(const Task *task, sd_bus_error *error)
{
        return sd_bus_error_setf(error, BUS_ERROR_NOT_RUNNING, "Task '%s' is not running", task->id);
}

static int read_signal(const char *name, int *ret, sd_bus_error *error)
{
        int signal;

        signal = signal_from_string(name);
        if (signal < 0)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "Unknown signal '%s'", name);

        *ret = signal;
        return 0;
}

int task_reply_wait(sd_bus_message *message, const void *userdata)
{
        const Task *task = userdata;

        return sd_bus_reply_method_return(message, "siib", task_result(task), task->exit_code,
                        task->exit_signal, task->oom_killed);
}

static int method_wait(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Task *task = userdata;
        int r;

        if (task_has_ended(task))
                return task_reply_wait(m, task);

        r = waiter_list_add(&task->waiters, m, TASK_WAITERS_MAX);
        if (r == -EDQUOT)
                return sd_bus_error_setf(error, BUS_ERROR_LIMIT_EXCEEDED,
                                "%u callers wait for task '%s' already", TASK_WAITERS_MAX, task->id);
        if (r < 0)
                return r;

        return 1;
}

static int method_stop(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Task *task = userdata;
        uint64_t grace_usec;
        const char *name;
        int signal = 0, save_error, r;

        r = sd_bus_message_read(m, "st", &name, &grace_usec);
        if (r < 0)
                return r;
        if (*name != '\0') {
                r = read_signal(name, &signal, error);
                if (r < 0)
                        return r;
        }

        r = task_stop(task, signal, grace_usec, &save_error);
        if (r < 0)
                return sd_bus_error_set_errnof(
                                error, r, "Cannot stop task '%s': %s", task->id, g_strerror(-r));
        if (save_error < 0)
                return sd_bus_error_set_errnof(error, save_error,
                                "Task '%s' is being stopped, but that cannot be saved, and is forgotten if the "
                                "service is restarted before it has ended: %s",
                                task->id, g_strerror(-save_error));

        return sd_bus_reply_method_return(m, NULL);
}

static int method_kill(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Task *task = userdata;
        const char *whom, *name;
        int signal = 0, r;

        r = sd_bus_message_read(m, "ss", &whom, &name);
        if (r < 0)
                return r;
        r = read_signal(name, &signal, error);
        if (r < 0)
                return r;

        if (strcmp(whom, "main") == 0)
                r = task_kill_main(task, signal);
        else if (strcmp(whom, "all") == 0)
                r = task_kill_all(task, signal);
        else
                return sd_bus_error_setf(
                                error, BUS_ERROR_INVALID_SPEC, "'%s' is neither 'main' nor 'all'", whom);
        if (r == -ESRCH)
                return not_running(task, error);
        if (r < 0)
                return r;

        return sd_bus_reply_method_return(m, NULL);
}

static void on_log_released(Task *task, const sd_bus_error *failure);

static void on_log_stopped(Task *task, const sd_bus_error *failure)
{
        if (failure || task_log_release(task, on_log_released) < 0)
                on_log_released(task, failure);
}

static void on_log_released(Task *task, const sd_bus_error *failure)
{
        g_autoptr(sd_bus_message) message = NULL;

        /* at its end logmon could not be had, and a log that goes on would be in the way of the next one of
         * this id */
        if (failure && sd_bus_error_has_name(failure, BUS_ERROR_TASK_RUNNING) && !task->log_stopped_again) {
                task->log_stopped_again = true;
                if (task_log_stop(task, on_log_stopped) >= 0)
                        return;
        }

        message = g_steal_pointer(&task->release_message);
        if (failure)
                log_warning("Logmon did not release the log of task '%s', ignoring: %s", task->id,
                                failure->message);

        fault_point(FAULT_RELEASE_LOG_RELEASED);
        task_emit_removed(task);
        task_state_remove(task->manager, task->label);
        fault_point(FAULT_RELEASE_STATE_REMOVED);
        (void) g_hash_table_remove(task->manager->tasks, task->label);
        (void) sd_bus_reply_method_return(message, NULL);
}

static int method_release(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Task *task = userdata;
        int r;

        if (!task_has_ended(task))
                return sd_bus_error_setf(error, BUS_ERROR_TASK_RUNNING, "Task '%s' has not ended", task->id);
        if (task->release_message)
                return sd_bus_error_setf(error, BUS_ERROR_TASK_RUNNING,
                                "Task '%s' is already being released", task->id);

        fault_point(FAULT_RELEASE_BEGIN);
        task->release_message = sd_bus_message_ref(m);
        if (!task_has_log(task)) {
                on_log_released(task, NULL);
                return 1;
        }
        r = task_log_release(task, on_log_released);
        if (r < 0) {
                task->release_message = sd_bus_message_unref(task->release_message);
                return r;
        }

        return 1;
}

#define DEFINE_GETTER(name, signature, expression)                                                       \
        static int get_##name(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface, \
                        UNUSED const char *property, sd_bus_message *reply, void *userdata,              \
                        UNUSED sd_bus_error *error)                                                      \
        {                                                                                                \
                const Task *task = userdata;                                                             \
                                                                                                         \
                return sd_bus_message_append(reply, signature, expression);                              \
        }

DEFINE_GETTER(description, "s", task->spec.description ? task->spec.description : task->id)
DEFINE_GETTER(control_group, "s", task->cgroup ? task->cgroup : "")
DEFINE_GETTER(main_pid, "u", (uint32_t) task->main.pid)
DEFINE_GETTER(command, "s", task->spec.command)
DEFINE_GETTER(state, "s", task_state_to_string(task->state))
DEFINE_GETTER(result, "s", task_result(task))
DEFINE_GETTER(oom_killed, "b", task->oom_killed)
DEFINE_GETTER(log_complete, "b", task_has_ended(task) && !task->progress.log_incomplete)

static int get_invocation_id(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface,
                UNUSED const char *property, sd_bus_message *reply, void *userdata,
                UNUSED sd_bus_error *error)
{
        const Task *task = userdata;
        sd_id128_t id = SD_ID128_NULL;

        if (task->progress.invocation_id)
                (void) sd_id128_from_string(task->progress.invocation_id, &id);
        return sd_bus_message_append_array(reply, 'y', &id, sizeof id);
}

static int get_log_directory(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface,
                UNUSED const char *property, sd_bus_message *reply, void *userdata,
                UNUSED sd_bus_error *error)
{
        g_autofree char *directory = task_log_directory(userdata);

        return sd_bus_message_append(reply, "s", directory);
}

static int get_labels(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface,
                UNUSED const char *property, sd_bus_message *reply, void *userdata,
                UNUSED sd_bus_error *error)
{
        const Task *task = userdata;

        return option_type_dict.append(reply, &task->spec.labels);
}

#define CONST_GETTER(name, signature, getter) \
        SD_BUS_PROPERTY(name, signature, getter, 0, SD_BUS_VTABLE_PROPERTY_CONST)
#define CONST_MEMBER(name, signature, member) \
        SD_BUS_PROPERTY(name, signature, NULL, offsetof(Task, member), SD_BUS_VTABLE_PROPERTY_CONST)
#define CHANGING_GETTER(name, signature, getter) \
        SD_BUS_PROPERTY(name, signature, getter, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)
#define CHANGING_MEMBER(name, signature, member) \
        SD_BUS_PROPERTY(name, signature, NULL, offsetof(Task, member), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

/* Who may call is decided by the bus policy in dbus/: asking for the sender's privileges here would be a
 * blocking call. */
static const sd_bus_vtable task_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Wait", SD_BUS_NO_ARGS,
                        SD_BUS_RESULT("s", result, "i", exit_code, "i", exit_signal, "b", oom_killed),
                        method_wait, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_ARGS("s", signal, "t", grace_usec), SD_BUS_NO_RESULT,
                        method_stop, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Kill", SD_BUS_ARGS("s", whom, "s", signal), SD_BUS_NO_RESULT, method_kill,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetStats", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", stats),
                        task_method_get_stats, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetProcessStats", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", processes),
                        task_method_get_process_stats, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("StreamStats", SD_BUS_ARGS("t", interval_usec), SD_BUS_RESULT("h", stream),
                        task_method_stream_stats, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Freeze", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, task_method_freeze,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Thaw", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, task_method_thaw,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_release,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Run", SD_BUS_ARGS("as", argv, "t", timeout_usec),
                        SD_BUS_RESULT("i", exit_code, "i", exit_signal, "b", timed_out, "b", truncated, "ay",
                                        output),
                        run_method_run, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Exec", SD_BUS_ARGS("as", argv, "a{sv}", options),
                        SD_BUS_RESULT("t", session, "h", stdin, "h", stdout, "h", stderr), exec_method_exec,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ResizeExec", SD_BUS_ARGS("t", session, "q", rows, "q", columns),
                        SD_BUS_NO_RESULT, exec_method_resize, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("KillExec", SD_BUS_ARGS("t", session, "s", signal), SD_BUS_NO_RESULT,
                        exec_method_kill, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("WaitExec", SD_BUS_ARGS("t", session),
                        SD_BUS_RESULT("i", exit_code, "i", exit_signal), exec_method_wait,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetResources", SD_BUS_ARGS("a{sv}", resources), SD_BUS_NO_RESULT,
                        resources_method_set, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenLog", SD_BUS_ARGS("s", stream, "a{sv}", options),
                        SD_BUS_RESULT("h", fd), log_method_open, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS(
                        "ExecExited", SD_BUS_ARGS("t", session, "i", exit_code, "i", exit_signal), 0),
        CONST_MEMBER("Id", "s", id),
        CONST_GETTER("Description", "s", get_description),
        CONST_MEMBER("Unit", "s", unit),
        CONST_GETTER("InvocationID", "ay", get_invocation_id),
        CONST_GETTER("ControlGroup", "s", get_control_group),
        CONST_GETTER("MainPID", "u", get_main_pid),
        CONST_MEMBER("UID", "u", credentials.uid),
        CONST_GETTER("Command", "s", get_command),
        CONST_GETTER("LogDirectory", "s", get_log_directory),
        CONST_GETTER("Labels", "a{ss}", get_labels),
        CONST_MEMBER("StartTimestamp", "t", start_timestamp),
        CHANGING_GETTER("State", "s", get_state),
        CHANGING_GETTER("Result", "s", get_result),
        CHANGING_MEMBER("ExitCode", "i", exit_code),
        CHANGING_MEMBER("ExitSignal", "i", exit_signal),
        CHANGING_GETTER("OOMKilled", "b", get_oom_killed),
        CHANGING_MEMBER("ExitTimestamp", "t", exit_timestamp),
        CHANGING_MEMBER("CPUUsageNSec", "t", cpu_usage_nsec),
        CHANGING_MEMBER("MemoryPeak", "t", memory_peak),
        CHANGING_GETTER("LogComplete", "b", get_log_complete),
        SD_BUS_VTABLE_END,
};

static int find_task(UNUSED sd_bus *bus, const char *path, UNUSED const char *interface, void *userdata,
                void **ret_found, UNUSED sd_bus_error *error)
{
        Manager *manager = userdata;
        const char *label;
        Task *task;

        if (label_from_path(path, TASK_PREFIX, &label) < 0)
                return 0;
        task = manager_find_task(manager, label);
        if (!task)
                return 0;

        *ret_found = task;
        return 1;
}

/* Before the vtable, which knows its own methods only: what calls a task that is gone learns that, whatever
 * it calls. */
static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *path = sd_bus_message_get_path(m), *label;
        Manager *manager = userdata;

        if (g_str_equal(path, TASK_PREFIX))
                return 0;
        if (label_from_path(path, TASK_PREFIX, &label) < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_OBJECT, "Unknown object '%s'.", path);
        if (!manager_find_task(manager, label))
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_TASK, "There is no task at %s", path);

        return 0;
}

static int enumerate_tasks(UNUSED sd_bus *bus, UNUSED const char *prefix, void *userdata, char ***ret_nodes,
                UNUSED sd_bus_error *error)
{
        g_autoptr(GPtrArray) paths = g_ptr_array_new();
        const Manager *manager = userdata;
        GHashTableIter iter;
        void *value;

        g_hash_table_iter_init(&iter, manager->tasks);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                const Task *task = value;

                /* sd-bus frees them with free(3), which is what g_free() is */
                g_ptr_array_add(paths, g_strdup(task->path));
        }

        g_ptr_array_add(paths, NULL);
        *ret_nodes = (char **) g_ptr_array_free(g_steal_pointer(&paths), FALSE);
        return 1;
}

int task_objects_register(Manager *manager)
{
        int r;

        r = sd_bus_add_fallback(manager->service.bus, NULL, TASK_PREFIX, on_call, manager);
        if (r < 0)
                return r;
        r = sd_bus_add_fallback_vtable(manager->service.bus, NULL, TASK_PREFIX, TASK_INTERFACE, task_vtable,
                        find_task, manager);
        if (r < 0)
                return r;

        return sd_bus_add_node_enumerator(manager->service.bus, NULL, TASK_PREFIX, enumerate_tasks, manager);
}

static void emit(const Task *task, int result)
{
        if (result < 0)
                (void) log_errno(LOG_WARNING, result, "Cannot send a signal about task '%s', ignoring",
                                task->id);
}

void task_emit_new(Task *task)
{
        sd_bus *bus = task->manager->service.bus;

        emit(task, sd_bus_emit_object_added(bus, task->path));
        emit(task,
                        sd_bus_emit_signal(bus, MANAGER_PATH, MANAGER_INTERFACE, "TaskNew", "so", task->id,
                                        task->path));
}

void task_emit_removed(Task *task)
{
        sd_bus *bus = task->manager->service.bus;

        emit(task,
                        sd_bus_emit_signal(bus, MANAGER_PATH, MANAGER_INTERFACE, "TaskRemoved", "so",
                                        task->id, task->path));
        emit(task, sd_bus_emit_object_removed(bus, task->path));
}

void task_emit_state(Task *task)
{
        emit(task,
                        sd_bus_emit_properties_changed(task->manager->service.bus, task->path,
                                        TASK_INTERFACE, "State", NULL));
}

void task_emit_log_complete(Task *task)
{
        emit(task,
                        sd_bus_emit_properties_changed(task->manager->service.bus, task->path,
                                        TASK_INTERFACE, "LogComplete", NULL));
}

void task_emit_ended(Task *task)
{
        emit(task,
                        sd_bus_emit_properties_changed(task->manager->service.bus, task->path,
                                        TASK_INTERFACE, "State", "Result", "ExitCode", "ExitSignal",
                                        "OOMKilled", "ExitTimestamp", "CPUUsageNSec", "MemoryPeak",
                                        "LogComplete", NULL));
}
