/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container.h"
#include "discard.h"
#include "exec-dbus.h"
#include "fault.h"
#include "log.h"
#include "protocol.h"
#include "state-file.h"
#include "task-dbus.h"
#include "task-freeze.h"
#include "task-launch.h"
#include "task-stats.h"

/* What has to be gone or complete before a task has ended for its clients. */
struct TaskEnding {
        bool unit_gone;
        bool log_settled;   /* complete, or not waited for any longer */
        bool scope_stopped; /* by us, because it did not go by itself */
        bool scope_stays;   /* with processes that cannot be killed: not waited for */
        BusCall *unit_call;
        sd_event_source *unit_source;
        sd_event_source *log_source;
        Manager *watching;    /* systemd's units, or NULL */
        ReadAgain read_again; /* while the exit record cannot be read */
};

TaskEnding *task_ending_free(TaskEnding *ending)
{
        if (!ending)
                return NULL;

        bus_call_free(ending->unit_call);
        sd_event_source_disable_unref(ending->unit_source);
        sd_event_source_disable_unref(ending->log_source);
        sd_event_source_disable_unref(ending->read_again.source);
        if (ending->watching)
                manager_unwatch_units(ending->watching);
        g_free(ending);
        return NULL;
}

static int reply_failure(sd_bus_message *message, const void *failure)
{
        return sd_bus_reply_method_error(message, failure);
}

/* The task leaves nothing but, for a moment, its log; see discard.h. */
static void finish_failed(Task *task)
{
        g_autoptr(sd_bus_message) message = sd_bus_message_ref(task->launch->message);
        g_auto(sd_bus_error) failure = SD_BUS_ERROR_NULL;
        Manager *manager = task->manager;

        (void) sd_bus_error_copy(&failure, &task->launch->failure);
        if (!message)
                log_notice("Task '%s' was not started: %s", task->id, failure.message);
        waiter_list_reply(&task->waiters, reply_failure, &failure);

        if (task->launch->log_requested)
                discard_begin(&manager->discards, task->id, task->label);
        else
                task_state_remove(manager, task->label);
        (void) g_hash_table_remove(manager->tasks, task->label);
        if (message)
                (void) sd_bus_reply_method_error(message, &failure);
}

static uint64_t now_realtime(void)
{
        return (uint64_t) g_get_real_time();
}

static void finish(Task *task, bool known)
{
        int r;

        container_remove(task);

        task_scope_release_controller(task);
        task->progress.ended = true;
        if (!known)
                task->exit_timestamp = task->progress.lost_timestamp = now_realtime();
        task->state = known ? TASK_EXITED : TASK_LOST;

        /* before it is on disk: rather twice than never */
        task_journal_end(task);

        /* Without room for it the next service finds the exit record and comes to the same end. */
        r = task_state_save(task);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot save the end of task '%s', ignoring", task->id);
        if (!known)
                log_warning("The supervisor of task '%s' is gone without a record: the exit status is lost",
                                task->id);

        fault_point(FAULT_END_SAVED);
        task->ending = task_ending_free(task->ending);
        task_emit_ended(task);
        waiter_list_reply(&task->waiters, task_reply_wait, task);
}

static void read_status(Task *task);

static int on_read_again(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        read_status(userdata);
        return 0;
}

/* Nobody is told anything meanwhile: the record is there. */
static void read_again_later(Task *task, int error)
{
        int r;

        r = task_read_again_later(task, &task->ending->read_again, EXIT_RECORD, error, on_read_again);
        if (r < 0)
                (void) log_errno(LOG_ERR, r, "The status of task '%s' is not known before the next start",
                                task->id);
}

static void read_status(Task *task)
{
        int r;

        r = task_read_exit_record(task);
        if (task_record_is_unread(r))
                read_again_later(task, r);
        else
                finish(task, r >= 0);
}

static void finish_when_complete(Task *task)
{
        if (!task->ending->unit_gone || !task->ending->log_settled)
                return;

        if (task->launch)
                finish_failed(task);
        else
                read_status(task);
}

void task_ending_unit_gone(Task *task)
{
        if (!task->ending || task->ending->unit_gone)
                return;

        task->ending->unit_gone = true;
        task->ending->unit_source = sd_event_source_disable_unref(task->ending->unit_source);
        finish_when_complete(task);
}

/* The log is complete, or the status does not wait for it any longer. */
static void log_settled(Task *task)
{
        if (!task->ending || task->ending->log_settled)
                return;

        task->ending->log_settled = true;
        task->ending->log_source = sd_event_source_disable_unref(task->ending->log_source);
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

        if (task->ending->scope_stays || (task->launch && !task->launch->scope_requested)) {
                task_ending_unit_gone(task);
                return;
        }

        r = sd_event_add_time_relative(task->manager->service.event, &task->ending->unit_source,
                        CLOCK_MONOTONIC, TASK_UNIT_GONE_USEC, 0, on_unit_late, task);
        /* A supervisor that ended without a word may have done so before systemd had it, and a scope that
         * started out empty does not go by itself. */
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

/* It may have told of the unit's end while nobody could hear it. */
void task_ending_systemd_returned(Task *task)
{
        if (task->ending->unit_gone)
                return;

        task->ending->unit_call = bus_call_free(task->ending->unit_call);
        (void) task_scope_query(task, &task->ending->unit_call);
}

/* Told to the journal once for a task. */
static void log_is_incomplete(Task *task, const char *why)
{
        if (task->progress.log_incomplete)
                return;

        task->progress.log_incomplete = true;
        log_warning("The log of task '%s' may be incomplete: %s", task->id, why);
}

/* After all: clients may know already that the task has ended. */
static void log_became_complete(Task *task)
{
        int r;

        task->progress.log_incomplete = false;
        log_notice("The log of task '%s' is complete now", task->id);
        if (!task_has_ended(task))
                return;

        r = task_state_save(task);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot save the state of task '%s', ignoring", task->id);
        task_emit_log_complete(task);
}

static void on_log_stopped(Task *task, const sd_bus_error *failure)
{
        if (failure)
                log_is_incomplete(task, failure->message);
        else if (task->progress.log_incomplete)
                log_became_complete(task);

        log_settled(task);
}

static int on_log_late(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        log_is_incomplete(userdata, "nomad-logmon has not finished it yet");
        log_settled(userdata);
        return 0;
}

static int stop_log(Task *task)
{
        int r;

        r = sd_event_add_time_relative(task->manager->service.event, &task->ending->log_source,
                        CLOCK_MONOTONIC, TASK_LOG_COMPLETE_USEC, 0, on_log_late, task);
        if (r < 0)
                return r;

        return task_log_stop(task, on_log_stopped);
}

/* That of a task which was not started is discarded, whatever is in it. */
static void end_log(Task *task)
{
        int r;

        if (!task_has_log(task) || task->launch) {
                log_settled(task);
                return;
        }

        r = stop_log(task);
        if (r < 0) {
                log_is_incomplete(task, g_strerror(-r));
                log_settled(task);
        }
}

/* A supervisor that was killed leaves its task behind: its status is lost, but it does not stay. */
static void kill_leftovers(Task *task)
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

        /* after its cgroup: a supervisor that lives, of a task whose state is damaged, is to record
         * nothing */
        task_kill_known(task);
}

/* Once: the record goes with it. Whether the scope has processes that stay is returned. */
static bool tell_what_is_left(const Task *task)
{
        g_autoptr(GHashTable) record = NULL;
        const char *stragglers, *outside;

        if (record_file_read(task->state_fd, LEFT_RECORD, &record) < 0)
                return false;

        (void) unlinkat(task->state_fd, LEFT_RECORD, 0);
        stragglers = g_hash_table_lookup(record, LEFT_STRAGGLERS);
        outside = g_hash_table_lookup(record, LEFT_OUTSIDE);
        if (stragglers)
                log_warning("Task '%s' has ended, but cannot be rid of its processes %s: %s stays until they end",
                                task->id, stragglers, task->unit);
        if (outside)
                log_notice("Task '%s' has ended, and its processes %s, which are in other cgroups, go on",
                                task->id, outside);
        return stragglers != NULL;
}

void task_begin_ending(Task *task)
{
        if (task->ending)
                return;

        fault_point(FAULT_END_BEGIN);
        task->ending = g_new0(TaskEnding, 1);
        task->progress.log_incomplete = false;
        task_freeze_end(task);
        task_stop_end(task);
        task_stats_end(task);
        exec_calls_end(task);
        /* a supervisor that was killed may have left something, whether or not it had recorded the end */
        kill_leftovers(task);
        task->ending->scope_stays = tell_what_is_left(task);

        /* both may complete at once, and with the second the task may be gone */
        if (task_has_log(task)) {
                end_unit(task);
                end_log(task);
        } else {
                task->ending->log_settled = true;
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
