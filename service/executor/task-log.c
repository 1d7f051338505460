/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "bus-error.h"
#include "cleanup.h"
#include "logmon-call.h"
#include "protocol.h"
#include "task-launch.h"

/* The Log keys of the task's spec have the same names there. */
static int append_spec(sd_bus_message *m, const TaskSpec *spec)
{
        static const char *const keys[] = {
                "LogTargets",
                "LogDirectory",
                "LogName",
                "LogMaxFiles",
                "LogMaxFileSize",
                "LogFields",
                "LogOverflow",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
                const Option *option = options_find(task_spec_options, n_task_spec_options, keys[i]);
                int r;

                if (!task_spec_is_set(spec, keys[i]))
                        continue;
                r = option_append_entry(m, option, spec);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* Files in a directory of the client's choice are opened as the task's user, never as root on behalf of
 * one. */
static int append_user(sd_bus_message *m, const Task *task)
{
        g_autofree char *uid = g_strdup_printf("%u", task->credentials.uid);
        g_autofree char *gid = g_strdup_printf("%u", task->credentials.gid);
        int r;

        r = sd_bus_message_append(m, "{sv}{sv}", "User", "s", uid, "Group", "s", gid);
        if (r < 0)
                return r;

        /* the key has the same name in both tables */
        return option_append_entry(m,
                        options_find(credentials_options, n_credentials_options, "SupplementaryGroups"),
                        &task->credentials);
}

static int append_pipe(sd_bus_message *m, const char *key, int fd)
{
        return fd >= 0 ? sd_bus_message_append(m, "{sv}", key, "h", fd) : 0;
}

/* The pipes are those of the launch. */
static int append_config(sd_bus_message *m, void *userdata)
{
        const Task *task = userdata;
        g_autofree char *pid_file = task_state_path(task, MAIN_PID_FILE);
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        r = append_pipe(m, "Stdout", task->launch->stdout_fd);
        if (r < 0)
                return r;
        r = append_pipe(m, "Stderr", task->launch->stderr_fd);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "{sv}", "Unit", "s", task->unit);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "{sv}", "MainPIDFile", "s", pid_file);
        if (r < 0)
                return r;
        r = append_spec(m, &task->spec);
        if (r < 0)
                return r;
        if (task->spec.log_directory) {
                r = append_user(m, task);
                if (r < 0)
                        return r;
        }

        return sd_bus_message_close_container(m);
}

static void on_started(const sd_bus_error *failure, void *userdata)
{
        Task *task = userdata;

        if (!task->launch || task_launch_has_failed(task))
                return;

        if (!failure)
                task_launch_log_ready(task);
        /* what logmon refuses about the spec is a mistake in the spec */
        else if (sd_bus_error_has_names(failure, BUS_ERROR_INVALID_SPEC, BUS_ERROR_LIMIT_EXCEEDED))
                task_launch_fail(task, failure->name, "%s", failure->message);
        else
                task_launch_fail(task, BUS_ERROR_LOG_FAILED, "%s", failure->message);
}

int task_log_start(Task *task, LogmonCall **ret)
{
        return logmon_call_new(&task->manager->logmon_calls, "Start", task->id, append_config, on_started,
                        task, ret);
}

static void on_answered(const sd_bus_error *failure, void *userdata)
{
        Task *task = userdata;

        task->log_call.call = logmon_call_free(task->log_call.call);
        /* the task may be freed by it */
        task->log_call.done(task, failure);
}

static int begin_call(Task *task, const char *member, TaskLogDone done)
{
        task->log_call.call = logmon_call_free(task->log_call.call);
        task->log_call.done = done;
        return logmon_call_new(&task->manager->logmon_calls, member, task->id, NULL, on_answered, task,
                        &task->log_call.call);
}

int task_log_stop(Task *task, TaskLogDone done)
{
        return begin_call(task, "Stop", done);
}

int task_log_release(Task *task, TaskLogDone done)
{
        return begin_call(task, "Release", done);
}

int task_log_open(Task *task, sd_bus_message *call, sd_bus_message_handler_t handler, void *userdata)
{
        g_autofree char *path = g_strdup_printf("%s/log/%s", LOGMON_PATH, task->label);
        sd_bus *bus = task->manager->service.bus;
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, LOGMON_NAME, path, LOGMON_LOG, "Open");
        if (r < 0)
                return r;
        r = sd_bus_message_copy(m, call, true);
        if (r < 0)
                return r;

        return bus_queue_call(&task->manager->logmon_calls, m, handler, userdata, LOGMON_TIMEOUT_USEC, NULL);
}
