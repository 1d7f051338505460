/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "task.h"

#include <string.h>
#include <unistd.h>

#include "bus-error.h"
#include "cleanup.h"
#include "encode.h"
#include "exec-dbus.h"
#include "exec.h"

static const char *const state_names[] = {
        [TASK_STARTING] = "starting",
        [TASK_RUNNING] = "running",
        [TASK_STOPPING] = "stopping",
        [TASK_EXITED] = "exited",
        [TASK_LOST] = "lost",
};

int task_new(Manager *manager, const char *id, Task **ret, sd_bus_error *error)
{
        g_autofree char *label = NULL;
        Task *task;
        int r;

        r = label_from_id(id, &label);
        if (r == -EINVAL)
                return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC, "The id must not be empty");
        if (r == -ENAMETOOLONG)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC,
                                "The id is longer than %u bytes in its encoded form", LABEL_LENGTH_MAX);
        if (r < 0)
                return r;

        task = g_new(Task, 1);
        *task = (Task){
                .manager = manager,
                .id = g_strdup(id),
                .unit = g_strdup_printf("nomad-task-%s.scope", label),
                .path = g_strdup_printf("%s/%s", TASK_PREFIX, label),
                .state = TASK_STARTING,
                .state_fd = -1,
                .supervisor_pidfd = -1,
                .main_pidfd = -1,
                .exit_code = -1,
                .cpu_usage_nsec = UINT64_MAX,
                .memory_peak = UINT64_MAX,
                .execs = g_ptr_array_new_with_free_func(exec_session_free),
                .exec_calls = g_ptr_array_new_with_free_func(exec_call_free),
                .stats_files = stats_files_none(),
        };
        task->label = g_steal_pointer(&label);
        task_spec_init(&task->spec);
        waiter_list_init(&task->waiters, &manager->callers);

        *ret = task;
        return 0;
}

Task *task_free(Task *task)
{
        if (!task)
                return NULL;

        task_scope_release_controller(task);
        task_launch_free(task->launch);
        task_ending_free(task->ending);
        waiter_list_clear(&task->waiters);
        g_ptr_array_unref(task->execs);
        g_ptr_array_unref(task->exec_calls);
        task_freeze_free(task->freeze);
        task_stats_stream_free(task->stats_stream);
        sd_bus_message_unref(task->release_message);
        logmon_call_free(task->log_call.call);
        sd_event_source_disable_unref(task->supervisor_source);
        sd_event_source_disable_unref(task->main_source);
        sd_event_source_disable_unref(task->runtime_source);
        sd_event_source_disable_unref(task->stop_source);
        safe_close(task->supervisor_pidfd);
        safe_close(task->main_pidfd);
        safe_close(task->state_fd);
        task_spec_clear(&task->spec);
        credentials_clear(&task->credentials);
        g_free(task->container_command);
        g_free(task->progress.invocation_id);
        g_free(task->cgroup);
        g_free(task->path);
        g_free(task->unit);
        g_free(task->label);
        g_free(task->id);
        g_free(task);
        return NULL;
}

const char *task_state_to_string(TaskState state)
{
        return state_names[state];
}

bool task_has_ended(const Task *task)
{
        return task->state == TASK_EXITED || task->state == TASK_LOST;
}

bool task_is_live(const Task *task)
{
        return !task->launch && !task->ending && !task_has_ended(task);
}

const char *task_result(const Task *task)
{
        if (task->state == TASK_LOST)
                return "lost";
        if (task->state != TASK_EXITED)
                return "";
        if (task->oom_killed)
                return "oom-kill";
        if (task->timed_out)
                return "timeout";
        if (task->exit_signal != 0)
                return "signal";

        return task->exit_code == 0 ? "success" : "exit-code";
}

bool task_has_log(const Task *task)
{
        return task_spec_logs_stdout(&task->spec) || task_spec_logs_stderr(&task->spec);
}

static bool logs_to_files(const Task *task)
{
        return !task->spec.log_targets ||
                        g_strv_contains((const char *const *) task->spec.log_targets, "files");
}

char *task_log_directory(const Task *task)
{
        if (!task_has_log(task) || !logs_to_files(task))
                return g_strdup("");
        if (task->spec.log_directory)
                return g_strdup(task->spec.log_directory);

        return g_strdup_printf("/var/log/nomad/%s", task->label);
}
