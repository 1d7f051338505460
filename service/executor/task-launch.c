/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/wait.h>

#include "bus-error.h"
#include "cleanup.h"
#include "container.h"
#include "fault.h"
#include "log.h"
#include "protocol.h"
#include "reap.h"
#include "state-file.h"
#include "task-dbus.h"
#include "task-launch.h"

#define STATUS_SIZE_MAX 4096U

TaskLaunch *task_launch_free(TaskLaunch *launch)
{
        siginfo_t info;

        if (!launch)
                return NULL;

        sd_bus_message_unref(launch->message);
        lookup_free(launch->lookup);
        spawn_call_free(launch->spawn_call);
        logmon_call_free(launch->log_call);
        bus_call_free(launch->scope_call);
        bus_call_free(launch->invocation_call);
        sd_event_source_disable_unref(launch->status_source);
        sd_event_source_disable_unref(launch->deadline_source);
        sd_event_source_disable_unref(launch->systemd_source);
        sd_event_source_disable_unref(launch->read_again.source);
        safe_close(launch->gate_fd);
        safe_close(launch->status_fd);
        safe_close(launch->stdout_fd);
        safe_close(launch->stderr_fd);
        /* -ECHILD for one that was adopted */
        if (launch->supervisor_pidfd >= 0)
                (void) waitid(P_PIDFD, (id_t) launch->supervisor_pidfd, &info, WEXITED | WNOHANG);
        safe_close(launch->supervisor_pidfd);
        g_string_free(launch->status, TRUE);
        sd_bus_error_free(&launch->failure);
        g_free(launch->job);
        if (launch->watching)
                manager_unwatch_units(launch->watching);
        g_free(launch);
        return NULL;
}

static TaskLaunch *launch_new(void)
{
        TaskLaunch *launch = g_new(TaskLaunch, 1);

        *launch = (TaskLaunch){
                .gate_fd = -1,
                .status_fd = -1,
                .stdout_fd = -1,
                .stderr_fd = -1,
                .supervisor_pidfd = -1,
                .deadline_usec = (uint64_t) g_get_monotonic_time() + TASK_LAUNCH_TIMEOUT_USEC,
                .status = g_string_new(NULL),
        };
        return launch;
}

bool task_launch_has_failed(const Task *task)
{
        return task->launch && sd_bus_error_is_set(&task->launch->failure);
}

/* The supervisor ends at a gate that is closed. It must not end before systemd has put it into the scope: a
 * scope that starts out empty does not notice that it is. */
static void close_gate_of_failed(Task *task)
{
        TaskLaunch *launch = task->launch;

        if (launch->scope_requested && !launch->scope_settled)
                return;

        launch->gate_fd = safe_close(launch->gate_fd);
        if (task->supervisor_pidfd < 0)
                task_begin_ending(task);
}

void task_launch_fail(Task *task, const char *error_name, const char *format, ...)
{
        va_list ap;

        if (!task->launch || task_launch_has_failed(task))
                return;

        va_start(ap, format);
        (void) sd_bus_error_setfv(&task->launch->failure, error_name, format, ap);
        va_end(ap);

        close_gate_of_failed(task);
}

static void kill_supervisor(const Task *task)
{
        if (task->supervisor_pidfd >= 0)
                (void) pidfd_kill(task->supervisor_pidfd, SIGKILL);
}

/* A client is told of no task that is not saved: without room it is undone, although it runs. One that was
 * adopted goes on, and only lacks the invocation id. False: it is undone, and the task may be gone. */
static bool save_started(Task *task)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        int r;

        r = task_state_save(task);
        if (r >= 0)
                return true;
        if (!task->launch->message) {
                (void) log_errno(LOG_WARNING, r, "Cannot save the state of task '%s', ignoring", task->id);
                return true;
        }

        kill_supervisor(task);
        (void) sd_bus_error_set_errnof(
                        &error, r, "Cannot save the state of task '%s': %s", task->id, g_strerror(-r));
        task_launch_fail(task, error.name, "%s", error.message);
        return false;
}

static void succeed(Task *task)
{
        TaskLaunch *launch = task->launch;
        int r;

        if (!save_started(task))
                return;

        task->launch = NULL;
        task->state = task->progress.stopping ? TASK_STOPPING : TASK_RUNNING;
        r = task_stop_begin(task);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot set the timer of task '%s'", task->id);

        task_stop_resume(task);

        fault_point(FAULT_LAUNCH_BEFORE_REPLY);
        task_emit_new(task);
        if (launch->message) {
                r = sd_bus_reply_method_return(launch->message, "o", task->path);
                if (r < 0)
                        (void) log_errno(LOG_WARNING, r, "Cannot answer StartTask of '%s'", task->id);
        }
        task_launch_free(launch);
        fault_point(FAULT_LAUNCH_REPLIED);

        /* a short task has ended meanwhile */
        if (task->supervisor_pidfd < 0)
                task_begin_ending(task);
}

static void succeed_when_known(Task *task)
{
        if (task->launch->started && task->launch->invocation_known && !task_launch_has_failed(task))
                succeed(task);
}

void task_launch_invocation_known(Task *task, const char *invocation_id)
{
        if (!task->launch)
                return;

        task->launch->invocation_known = true;
        g_free(task->progress.invocation_id);
        task->progress.invocation_id = g_strdup(invocation_id);
        succeed_when_known(task);
}

/* The start record decides, wherever it came from. */
static void apply_record(Task *task, GHashTable *record)
{
        g_auto(sd_bus_error) failure = SD_BUS_ERROR_NULL;
        int r;

        r = task_apply_start_record(task, record, &failure);
        if (r >= 0) {
                task->launch->started = true;
                fault_point(FAULT_LAUNCH_STARTED);
                succeed_when_known(task);
        } else if (sd_bus_error_is_set(&failure))
                task_launch_fail(task, failure.name, "%s", failure.message);
        else
                task_launch_fail(task, BUS_ERROR_EXEC_FAILED, "The start record of the task is damaged");
}

/* True at end of file. */
static bool read_status(TaskLaunch *launch)
{
        char text[STATUS_SIZE_MAX];
        ssize_t n;

        if (launch->status_fd < 0)
                return true;

        while ((n = read(launch->status_fd, text, sizeof text)) > 0)
                if (launch->status->len + (size_t) n <= STATUS_SIZE_MAX)
                        g_string_append_len(launch->status, text, n);

        return n == 0 || errno != EAGAIN;
}

static int on_status(
                sd_event_source *source, G_GNUC_UNUSED int fd, G_GNUC_UNUSED uint32_t events, void *userdata)
{
        g_autoptr(GHashTable) record = NULL;
        Task *task = userdata;

        if (!read_status(task->launch))
                return 0;

        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        /* without a record the supervisor has died, which on_supervisor_gone() will tell */
        if (task->launch->status->len == 0 || task_launch_has_failed(task))
                return 0;

        record = record_parse(task->launch->status->str);
        apply_record(task, record);
        return 0;
}

static void look_for_record(Task *task);

static int on_read_again(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        Task *task = userdata;

        if (!task->launch->started && !task_launch_has_failed(task))
                look_for_record(task);
        return 0;
}

static void read_again_later(Task *task, int error)
{
        int r;

        r = task_read_again_later(task, &task->launch->read_again, START_RECORD, error, on_read_again);
        if (r < 0)
                (void) log_errno(LOG_ERR, r, "Cannot set the timer of task '%s'", task->id);
}

/* Of a launch that was adopted: the supervisor writes the record, if it does, before it ends. */
static void look_for_record(Task *task)
{
        g_autoptr(GHashTable) record = NULL;
        int r;

        r = record_file_read(task->state_fd, START_RECORD, &record);
        if (r >= 0)
                apply_record(task, record);
        else if (task_record_is_unread(r))
                read_again_later(task, r);
        else if (r == -EBADMSG)
                task_launch_fail(task, BUS_ERROR_EXEC_FAILED, "The start record of the task is damaged");
        else if (task->supervisor_pidfd < 0)
                task_launch_fail(task, BUS_ERROR_EXEC_FAILED, "The supervisor of the task died");
}

void task_launch_conclude(Task *task)
{
        g_autoptr(GHashTable) record = NULL;

        if (task_launch_has_failed(task)) {
                close_gate_of_failed(task);
                return;
        }
        /* one that has started is first reported as such, in succeed() */
        if (task->launch->started)
                return;

        (void) read_status(task->launch);
        if (task->launch->status->len == 0) {
                look_for_record(task);
                return;
        }

        record = record_parse(task->launch->status->str);
        apply_record(task, record);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata);

/* Neither what we wait for has come, nor will we wait for it any longer. */
static void give_up(Task *task)
{
        task->launch->scope_settled = true;
        kill_supervisor(task);
        if (task_launch_has_failed(task))
                close_gate_of_failed(task);
        else
                task_launch_fail(task, BUS_ERROR_SCOPE_FAILED, "The task did not start within %u s",
                                (unsigned) (TASK_LAUNCH_TIMEOUT_USEC / 1000000));
}

static int arm_deadline_at(Task *task, uint64_t due)
{
        task->launch->deadline_source = sd_event_source_disable_unref(task->launch->deadline_source);
        return sd_event_add_time(task->manager->service.event, &task->launch->deadline_source,
                        CLOCK_MONOTONIC, due, 1, on_deadline, task);
}

static int arm_deadline(Task *task)
{
        uint64_t kill_at = task->progress.kill_at_usec, due = task->launch->deadline_usec;

        if (kill_at != 0 && !task_launch_has_failed(task))
                due = MIN(due, kill_at);

        return arm_deadline_at(task, due);
}

static int on_deadline(G_GNUC_UNUSED sd_event_source *source, uint64_t usec, void *userdata)
{
        Task *task = userdata;
        TaskLaunch *launch = task->launch;
        int r;

        if (launch->started) {
                task_launch_invocation_known(task, NULL);
                return 0;
        }
        if (usec >= launch->deadline_usec) {
                give_up(task);
                return 0;
        }

        r = arm_deadline_at(task, launch->deadline_usec);
        if (r < 0)
                return r;

        /* a Stop's time is over; a supervisor that is at its gate yet ends when that is closed */
        if (launch->gate_fd < 0)
                kill_supervisor(task);
        /* a task without a supervisor is gone after this */
        task_launch_fail(task, BUS_ERROR_NOT_RUNNING, "Task '%s' was stopped before it had started",
                        task->id);
        return 0;
}

void task_launch_stop(Task *task)
{
        int r;

        r = arm_deadline(task);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot set the timer of task '%s'", task->id);
}

void task_launch_keep_supervisor(Task *task)
{
        task->launch->supervisor_pidfd = take_fd(&task->supervisor_pidfd);
}

static void open_gate_when_ready(Task *task)
{
        TaskLaunch *launch = task->launch;
        _cleanup_close_ int gate_fd = -1;

        if (!launch->scope_ready || !launch->log_ready || launch->gate_fd < 0)
                return;

        /* logmon has them in its store now */
        launch->stdout_fd = safe_close(launch->stdout_fd);
        launch->stderr_fd = safe_close(launch->stderr_fd);

        gate_fd = take_fd(&launch->gate_fd);
        /* the task may be gone after this */
        if (write(gate_fd, "1", 1) != 1)
                task_launch_fail(task, BUS_ERROR_EXEC_FAILED, "The supervisor of the task died");
        fault_point(FAULT_LAUNCH_GATE_OPEN);
}

static void request_invocation(Task *task)
{
        if (task_scope_get_invocation(task, &task->launch->invocation_call) < 0)
                task_launch_invocation_known(task, NULL);
}

void task_launch_scope_settled(Task *task, bool started)
{
        TaskLaunch *launch = task->launch;

        launch->scope_settled = true;
        if (task_launch_has_failed(task)) {
                close_gate_of_failed(task);
                return;
        }
        if (!started)
                return;

        /* answered while the supervisor is at work */
        request_invocation(task);
        launch->scope_ready = true;
        fault_point(FAULT_LAUNCH_SCOPE_READY);
        open_gate_when_ready(task);
}

void task_launch_log_ready(Task *task)
{
        if (!task->launch)
                return;

        task->launch->log_ready = true;
        fault_point(FAULT_LAUNCH_LOG_READY);
        open_gate_when_ready(task);
}

static int watch_launch(Task *task)
{
        sd_event *event = task->manager->service.event;
        TaskLaunch *launch = task->launch;
        int r;

        if (fcntl(launch->status_fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        r = sd_event_add_io(event, &launch->status_source, launch->status_fd, EPOLLIN, on_status, task);
        if (r < 0)
                return r;

        return arm_deadline(task);
}

/* Logmon and systemd work at the same time; the gate opens when both have answered. */
static void request(Task *task, pid_t supervisor)
{
        TaskLaunch *launch = task->launch;
        int r;

        launch->scope_requested = true;
        r = manager_watch_units(task->manager);
        if (r >= 0) {
                launch->watching = task->manager;
                r = task_scope_start(task, supervisor, &launch->scope_call);
        }
        if (r < 0) {
                launch->scope_requested = false;
                task_launch_fail(task, BUS_ERROR_SCOPE_FAILED, "Cannot ask systemd for the scope: %s",
                                g_strerror(-r));
                return;
        }

        if (!task_has_log(task)) {
                task_launch_log_ready(task);
                return;
        }

        launch->log_requested = true;
        r = task_log_start(task, &launch->log_call);
        if (r < 0)
                task_launch_fail(task, BUS_ERROR_LOG_FAILED, "Cannot ask nomad-logmon for the log: %s",
                                g_strerror(-r));
}

static int remember_supervisor(Task *task, pid_t pid)
{
        int r;

        task->progress.supervisor_pid = (uint32_t) pid;
        r = process_start_time(pid, &task->progress.supervisor_start_time);
        if (r < 0)
                return r;

        return task_state_save(task);
}

static void fail_with_errno(Task *task, int error, const char *what, const char *why)
{
        g_auto(sd_bus_error) failure = SD_BUS_ERROR_NULL;

        (void) sd_bus_error_set_errnof(&failure, error, "%s: %s", what, why);
        task_launch_fail(task, failure.name, "%s", failure.message);
}

static void on_supervisor_spawned(int error, pid_t pid, int pidfd, void *userdata)
{
        Task *task = userdata;
        int r;

        if (error < 0) {
                fail_with_errno(task, error, "Cannot start the supervisor", spawn_error_text(error));
                return;
        }

        fault_point(FAULT_LAUNCH_SPAWNED);
        r = remember_supervisor(task, pid);
        if (r < 0) {
                kill_and_reap_child(task->manager->service.event, pidfd);
                fail_with_errno(task, r, "Cannot save the state of the task", g_strerror(-r));
                return;
        }

        fault_point(FAULT_LAUNCH_SAVED);
        r = task_watch_supervisor(task, pidfd);
        if (r < 0)
                fail_with_errno(task, r, "Cannot watch the supervisor", g_strerror(-r));
        else
                request(task, pid);
        fault_point(FAULT_LAUNCH_REQUESTED);
}

static int start_supervisor(Task *task, sd_bus_error *error)
{
        g_auto(Spawned) spawned = SPAWNED_NULL;
        TaskLaunch *launch = task->launch;
        int r;

        r = task_is_container(task) ? container_create(task) : 0;
        if (r < 0)
                return sd_bus_error_set_errnof(
                                error, r, "Cannot write the bundle of the container: %s", g_strerror(-r));
        r = task_spawn_supervisor(task, on_supervisor_spawned, &launch->spawn_call, &spawned);
        if (r < 0)
                return sd_bus_error_set_errnof(error, r, "Cannot start the supervisor: %s", g_strerror(-r));

        launch->gate_fd = take_fd(&spawned.gate_fd);
        launch->status_fd = take_fd(&spawned.status_fd);
        launch->stdout_fd = take_fd(&spawned.stdout_fd);
        launch->stderr_fd = take_fd(&spawned.stderr_fd);

        /* the client's descriptors are the supervisor's now */
        task->spec.stdin_fd = safe_close(task->spec.stdin_fd);
        task->spec.stdout_fd = safe_close(task->spec.stdout_fd);
        task->spec.stderr_fd = safe_close(task->spec.stderr_fd);

        r = watch_launch(task);
        if (r < 0)
                task_launch_fail(task, BUS_ERROR_EXEC_FAILED, "Cannot watch the task: %s", g_strerror(-r));
        return 0;
}

static void on_looked_up(Credentials *credentials, const sd_bus_error *error, void *userdata)
{
        g_auto(sd_bus_error) failure = SD_BUS_ERROR_NULL;
        Task *task = userdata;
        int r;

        if (error) {
                task_launch_fail(task, error->name, "%s", error->message);
                return;
        }

        task->credentials = *credentials;
        *credentials = (Credentials){ 0 };
        r = start_supervisor(task, &failure);
        if (r < 0)
                task_launch_fail(task, failure.name, "%s", failure.message);
}

static int look_up_user(Task *task, sd_bus_message *message, sd_bus_error *error)
{
        const TaskSpec *spec = &task->spec;
        int r;

        r = lookup_start(&task->manager->lookups, message, spec->user, spec->group, on_looked_up, task,
                        &task->launch->lookup, error);
        if (r < 0)
                return r;

        r = arm_deadline(task);
        return r < 0 ? sd_bus_error_set_errnof(error, r, "Cannot set the timer of task '%s': %s", task->id,
                                       g_strerror(-r))
                     : 0;
}

/* Until this has returned nobody else knows of the task, so that it can be undone on the spot. */
static int prepare(Task *task, sd_bus_message *message, sd_bus_error *error)
{
        const TaskSpec *spec = &task->spec;
        int r;

        fault_point(FAULT_LAUNCH_BEGIN);
        r = task_state_create(task);
        if (r < 0)
                return sd_bus_error_set_errnof(error, r,
                                "Cannot create the state directory of task '%s': %s", task->id,
                                g_strerror(-r));

        if (task_is_container(task) || credentials_lookup_root(spec->user, spec->group, &task->credentials))
                r = start_supervisor(task, error);
        else
                r = look_up_user(task, message, error);
        if (r < 0)
                task_state_remove(task->manager, task->label);
        return r;
}

int task_launch(Task *task, sd_bus_message *message, sd_bus_error *error)
{
        task->launch = launch_new();
        task->launch->message = sd_bus_message_ref(message);
        return prepare(task, message, error);
}

static int on_state_changed(
                G_GNUC_UNUSED sd_event_source *source, const struct inotify_event *event, void *userdata)
{
        Task *task = userdata;

        if (event->len > 0 && strcmp(event->name, START_RECORD) == 0)
                look_for_record(task);
        return 0;
}

int task_launch_adopt(Task *task)
{
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", task->state_fd);
        int r;

        task->launch = launch_new();
        task->launch->scope_requested = task->launch->scope_settled = task->launch->log_requested = true;
        r = sd_event_add_inotify(task->manager->service.event, &task->launch->status_source, path,
                        IN_MOVED_TO, on_state_changed, task);
        if (r < 0)
                return r;

        request_invocation(task);
        r = arm_deadline(task);
        if (r < 0)
                return r;

        /* written before we looked; if the supervisor has ended, task_launch_conclude() looks */
        if (task->supervisor_pidfd >= 0)
                look_for_record(task);
        return 0;
}
