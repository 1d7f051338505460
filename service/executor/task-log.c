/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "bus-error.h"
#include "cleanup.h"
#include "log.h"
#include "protocol.h"
#include "task-launch.h"

#define LOGMON_NAME    "org.nomad.Logmon"
#define LOGMON_PATH    "/org/nomad/Logmon"
#define LOGMON_MANAGER "org.nomad.Logmon.Manager"
#define LOGMON_LOG     "org.nomad.Logmon.Log"

/* Logmon may be killed at any moment. D-Bus starts it again for the next call, and its calls may be repeated. */
#define LOGMON_ATTEMPTS_MAX 5U

/* Longer than logmon waits for a pipe that somebody outside the task holds open. */
#define LOGMON_TIMEOUT_USEC UINT64_C(30000000)

static int new_call(const Task *task, sd_bus_message **ret, const char *member)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = sd_bus_message_new_method_call(
                        task->manager->service.bus, &m, LOGMON_NAME, LOGMON_PATH, LOGMON_MANAGER, member);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", task->id);
        if (r < 0)
                return r;

        *ret = g_steal_pointer(&m);
        return 0;
}

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

/* Files in a directory of the client's choice are opened as the task's user, never as root on behalf of one. */
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

static int append_config(sd_bus_message *m, const Task *task, int stdout_fd, int stderr_fd)
{
        g_autofree char *pid_file = task_state_path(task, MAIN_PID_FILE);
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        if (stdout_fd >= 0) {
                r = sd_bus_message_append(m, "{sv}", "Stdout", "h", stdout_fd);
                if (r < 0)
                        return r;
        }
        if (stderr_fd >= 0) {
                r = sd_bus_message_append(m, "{sv}", "Stderr", "h", stderr_fd);
                if (r < 0)
                        return r;
        }
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

static int on_started(sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        const sd_bus_error *failure = sd_bus_message_get_error(reply);
        Task *task = userdata;
        TaskLaunch *launch = task->launch;

        if (!launch || task_launch_has_failed(task))
                return 0;
        if (!failure) {
                task_launch_log_ready(task);
                return 0;
        }

        if (bus_error_peer_died(failure) && ++launch->log_attempts < LOGMON_ATTEMPTS_MAX) {
                launch->log_call = bus_call_free(launch->log_call);
                if (task_log_start(task, launch->stdout_fd, launch->stderr_fd, &launch->log_call) >= 0)
                        return 0;
        }

        /* what logmon refuses about the spec is a mistake in the spec */
        if (sd_bus_error_has_names(failure, BUS_ERROR_INVALID_SPEC, BUS_ERROR_LIMIT_EXCEEDED))
                task_launch_fail(task, failure->name, "%s", failure->message);
        else
                task_launch_fail(task, BUS_ERROR_LOG_FAILED, "%s", failure->message);
        return 0;
}

int task_log_start(Task *task, int stdout_fd, int stderr_fd, BusCall **ret)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = new_call(task, &m, "Start");
        if (r < 0)
                return r;
        r = append_config(m, task, stdout_fd, stderr_fd);
        if (r < 0)
                return r;

        return bus_queue_call(&task->manager->calls, m, on_started, task, LOGMON_TIMEOUT_USEC, ret);
}

static int call_log(Task *task);

static int on_answered(sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        const sd_bus_error *failure = sd_bus_message_get_error(reply);
        Task *task = userdata;

        if (failure && bus_error_peer_died(failure) && ++task->log_call.attempts < LOGMON_ATTEMPTS_MAX &&
                        call_log(task) >= 0)
                return 0;

        /* the task may be freed by it */
        task->log_call.done(task, failure);
        return 0;
}

static int call_log(Task *task)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = new_call(task, &m, task->log_call.member);
        if (r < 0)
                return r;

        task->log_call.call = bus_call_free(task->log_call.call);
        return bus_queue_call(&task->manager->calls, m, on_answered, task, LOGMON_TIMEOUT_USEC,
                        &task->log_call.call);
}

static int begin_call(Task *task, const char *member, TaskLogDone done)
{
        task->log_call.member = member;
        task->log_call.done = done;
        task->log_call.attempts = 0;
        return call_log(task);
}

int task_log_stop(Task *task, TaskLogDone done)
{
        return begin_call(task, "Stop", done);
}

int task_log_release(Task *task, TaskLogDone done)
{
        return begin_call(task, "Release", done);
}

int task_log_discard(Task *task, TaskLogDone done)
{
        return begin_call(task, "Discard", done);
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

        return bus_queue_call(&task->manager->calls, m, handler, userdata, LOGMON_TIMEOUT_USEC, NULL);
}
