/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container.h"
#include "fault.h"
#include "log.h"
#include "task-dbus.h"
#include "task-freeze.h"
#include "task-launch.h"
#include "task-stats.h"

/* What has to be gone or complete before a task has ended for its clients. */
struct TaskEnding {
        bool unit_gone;
        bool log_complete;
        bool scope_stopped; /* by us, because it did not go by itself */
        BusCall *unit_call;
        sd_event_source *unit_source;
        Manager *watching; /* systemd's units, or NULL */
};

TaskEnding *task_ending_free(TaskEnding *ending)
{
        if (!ending)
                return NULL;

        bus_call_free(ending->unit_call);
        sd_event_source_disable_unref(ending->unit_source);
        if (ending->watching)
                manager_unwatch_units(ending->watching);
        g_free(ending);
        return NULL;
}

static int reply_failure(sd_bus_message *message, const void *failure)
{
        return sd_bus_reply_method_error(message, failure);
}

static void forget(Task *task)
{
        Manager *manager = task->manager;
        g_autofree char *label = g_strdup(task->label);

        task_state_remove(manager, label);
        (void) g_hash_table_remove(manager->tasks, label);
}

static void on_failed_log_discarded(Task *task, const sd_bus_error *log_failure)
{
        g_autoptr(sd_bus_message) message = sd_bus_message_ref(task->launch->message);
        g_auto(sd_bus_error) failure = SD_BUS_ERROR_NULL;

        if (log_failure)
                log_warning("Logmon did not discard the log of task '%s', ignoring: %s", task->id,
                                log_failure->message);

        (void) sd_bus_error_copy(&failure, &task->launch->failure);
        if (!message)
                log_notice("Task '%s' was not started: %s", task->id, failure.message);
        waiter_list_reply(&task->waiters, reply_failure, &failure);
        forget(task);
        if (message)
                (void) sd_bus_reply_method_error(message, &failure);
}

/* A task that was not started leaves nothing, not even a log that is known to logmon. */
static void finish_failed(Task *task)
{
        if (!task->launch->log_requested || task_log_discard(task, on_failed_log_discarded) < 0)
                on_failed_log_discarded(task, NULL);
}

static uint64_t now_realtime(void)
{
        return (uint64_t) g_get_real_time();
}

static void finish(Task *task)
{
        bool known;
        int r;

        known = task_read_exit_record(task) >= 0;
        container_remove(task);

        task_scope_release_controller(task);
        task->progress.ended = true;
        if (!known)
                task->exit_timestamp = task->progress.lost_timestamp = now_realtime();
        task->state = known ? TASK_EXITED : TASK_LOST;

        /* Without room for it the next service finds the exit record and comes to the same end. */
        r = task_state_save(task);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot save the end of task '%s', ignoring", task->id);
        if (!known)
                log_warning("The supervisor of task '%s' is gone without a record: the exit status is lost",
                                task->id);

        fault_point(FAULT_END_SAVED);
        task->ending = task_ending_free(task->ending);
        task->runtime_source = sd_event_source_disable_unref(task->runtime_source);
        task_emit_ended(task);
        waiter_list_reply(&task->waiters, task_reply_wait, task);
}

static void finish_when_complete(Task *task)
{
        if (!task->ending->unit_gone || !task->ending->log_complete)
                return;

        if (task->launch)
                finish_failed(task);
        else
                finish(task);
}

void task_ending_unit_gone(Task *task)
{
        if (!task->ending || task->ending->unit_gone)
                return;

        task->ending->unit_gone = true;
        task->ending->unit_source = sd_event_source_disable_unref(task->ending->unit_source);
        finish_when_complete(task);
}

void task_ending_log_complete(Task *task)
{
        if (!task->ending || task->ending->log_complete)
                return;

        task->ending->log_complete = true;
        fault_point(FAULT_END_LOG_COMPLETE);
        finish_when_complete(task);
}

static int on_unit_late(sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        Task *task = userdata;

        if (task->ending->scope_stopped || task_scope_stop(task) < 0) {
                log_warning("%s does not go, ignoring", task->unit);
                task_ending_unit_gone(task);
                return 0;
        }

        task->ending->scope_stopped = true;
        (void) sd_event_source_set_time_relative(source, TASK_UNIT_GONE_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void end_unit(Task *task)
{
        int r;

        if (task->launch && !task->launch->scope_requested) {
                task_ending_unit_gone(task);
                return;
        }

        r = sd_event_add_time_relative(task->manager->service.event, &task->ending->unit_source,
                        CLOCK_MONOTONIC, TASK_UNIT_GONE_USEC, 0, on_unit_late, task);
        /* A supervisor that ended without a word may have done so before systemd had it, and a scope that started out empty
         * does not go by itself. */
        if (r >= 0 && task->launch && task->launch->status->len == 0)
                r = task_scope_notice_empty(task);
        if (r >= 0)
                r = manager_watch_units(task->manager);
        if (r >= 0) {
                task->ending->watching = task->manager;
                r = task_scope_query(task, &task->ending->unit_call);
        }
        if (r < 0) {
                (void) log_errno(LOG_WARNING, r, "Cannot ask systemd for %s, ignoring", task->unit);
                task_ending_unit_gone(task);
        }
}

static void on_log_stopped(Task *task, const sd_bus_error *failure)
{
        if (failure)
                log_warning("The log of task '%s' may be incomplete: %s", task->id, failure->message);

        task_ending_log_complete(task);
}

static void end_log(Task *task)
{
        int r;

        if (!task_has_log(task) || (task->launch && !task->launch->log_requested)) {
                task_ending_log_complete(task);
                return;
        }

        r = task_log_stop(task, on_log_stopped);
        if (r < 0) {
                (void) log_errno(LOG_WARNING, r, "Cannot call logmon for task '%s', ignoring", task->id);
                task_ending_log_complete(task);
        }
}

/* A supervisor that was killed leaves its task behind: its status is lost, but it does not stay. */
static void kill_leftovers(const Task *task)
{
        _cleanup_close_ int fd = -1;
        int r;

        /* without a start record only systemd knows where it is */
        if (task->cgroup) {
                r = cgroup_open(task->cgroup, &fd);
                if (r >= 0)
                        r = cgroup_kill(fd);
        } else
                r = task->launch && !task->launch->scope_requested ? 0 : task_scope_kill(task);
        if (r < 0 && r != -ENOENT)
                (void) log_errno(LOG_WARNING, r, "Cannot kill what is left of task '%s'", task->id);
}

void task_begin_ending(Task *task)
{
        if (task->ending)
                return;

        fault_point(FAULT_END_BEGIN);
        task->ending = g_new0(TaskEnding, 1);
        task_freeze_end(task);
        task_stats_end(task);
        /* a supervisor that was killed may have left something, whether or not it had recorded the end */
        kill_leftovers(task);

        /* both may complete at once, and with the second the task may be gone */
        if (task_has_log(task)) {
                end_unit(task);
                end_log(task);
        } else {
                task->ending->log_complete = true;
                end_unit(task);
        }
}

void task_supervisor_gone(Task *task)
{
        if (task->launch)
                task_launch_conclude(task);
        else
                task_begin_ending(task);
}

static int on_supervisor_gone(sd_event_source *source, int fd, G_GNUC_UNUSED uint32_t events, void *userdata)
{
        Task *task = userdata;
        siginfo_t info;

        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        if (task->launch)
                task_launch_keep_supervisor(task);
        else {
                /* -ECHILD for one that was adopted */
                (void) waitid(P_PIDFD, (id_t) fd, &info, WEXITED | WNOHANG);
                task->supervisor_pidfd = safe_close(task->supervisor_pidfd);
        }
        task_supervisor_gone(task);
        return 0;
}

int task_watch_supervisor(Task *task, int pidfd)
{
        int r;

        r = sd_event_add_io(task->manager->service.event, &task->supervisor_source, pidfd, EPOLLIN,
                        on_supervisor_gone, task);
        if (r < 0) {
                safe_close(pidfd);
                return r;
        }

        task->supervisor_pidfd = pidfd;
        return 0;
}
