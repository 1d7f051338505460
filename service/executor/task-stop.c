/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "fault.h"
#include "log.h"
#include "protocol.h"
#include "task-dbus.h"
#include "task-freeze.h"

static uint64_t now_monotonic(void)
{
        return (uint64_t) g_get_monotonic_time();
}

static void enter_stopping(Task *task)
{
        if (task->state != TASK_RUNNING)
                return;

        task->state = TASK_STOPPING;
        task_emit_state(task);
}

/* An earlier kill that is due stays due. */
static void schedule_kill(Task *task, uint64_t grace_usec)
{
        uint64_t now = now_monotonic(), due;

        if (grace_usec >= UINT64_MAX - now)
                return;

        due = now + grace_usec;
        if (task->progress.kill_at_usec == 0 || due < task->progress.kill_at_usec)
                task->progress.kill_at_usec = due;
}

/* A task is stopped whether or not this succeeds. What is lost without it is what a service that starts
 * before the end would go by. */
static int save_stop(Task *task)
{
        int r;

        r = task_state_save(task);
        if (r >= 0) {
                task_state_drop_stop(task);
                return 0;
        }

        /* there is no room for a file */
        return task_state_save_stop(task) >= 0 ? 0 : r;
}

/* Tells the supervisor, so that the grace ends although we may not be there. */
static int send_kill_time(const Task *task, uint64_t now)
{
        uint64_t msec = (task->progress.kill_at_usec - now + 999) / 1000;
        siginfo_t info = { .si_signo = SUPERVISOR_KILL_SIGNAL, .si_code = SI_QUEUE };

        if (task->supervisor_pidfd < 0)
                return -ESRCH;

        info.si_pid = getpid();
        info.si_uid = getuid();
        info.si_value.sival_ptr = GSIZE_TO_POINTER(MIN(msec, UINTPTR_MAX));
        return pidfd_send_signal(task->supervisor_pidfd, SUPERVISOR_KILL_SIGNAL, &info, 0) < 0 ? -errno : 0;
}

/* What fails is tried again, by the timer. */
static int send_stop(Task *task)
{
        int signal = task->progress.stop_signal ? (int) task->progress.stop_signal
                                                : task_spec_stop_signal(&task->spec);
        uint64_t now = now_monotonic(), due = task->progress.kill_at_usec;
        int r = 0;

        if (due != 0 && due <= now)
                r = task_kill_everything(task);
        else {
                if (due != 0)
                        r = send_kill_time(task, now);
                /* our own timer is there for a supervisor that cannot be told */
                if (r < 0 && r != -ESRCH)
                        (void) log_errno(LOG_WARNING, r,
                                        "Cannot tell the supervisor of task '%s' when to kill it, ignoring",
                                        task->id);
                r = task_send_stop_signal(task, signal);
        }
        fault_point(FAULT_STOP_SENT);
        /* it has just ended by itself, which is what was asked for */
        if (r < 0 && r != -ESRCH)
                return r;

        /* after the signal, so that a frozen task does nothing else before it */
        task_freeze_undo(task);
        task->progress.stop_sent = true;
        r = save_stop(task);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot save that task '%s' was sent its signal, ignoring",
                                task->id);
        return 0;
}

static void deliver(Task *task)
{
        int r;

        r = send_stop(task);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot stop task '%s' yet, trying again", task->id);
}

static bool is_frozen(const Task *task)
{
        _cleanup_close_ int fd = -1, events_fd = -1;
        bool frozen = false;

        if (cgroup_open(task->cgroup, &fd) < 0)
                return false;
        events_fd = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        return events_fd >= 0 && cgroup_events_read(events_fd, "frozen", &frozen) >= 0 && frozen;
}

/* Whether the supervisor has had the time for all that it does when the main process has ended. */
static bool supervisor_is_late(Task *task, uint64_t now)
{
        bool recorded = faccessat(task->state_fd, EXIT_RECORD, F_OK, 0) >= 0;

        if (task->main_pidfd < 0 || !pidfd_has_ended(task->main_pidfd))
                return false;
        if (task->main_ended_usec == 0)
                task->main_ended_usec = now;

        return is_frozen(task) ||
                        now - task->main_ended_usec >=
                        (recorded ? STOP_TAKE_OVER_RECORDED_USEC : STOP_TAKE_OVER_USEC);
}

/* The grace has been over or the main process gone for a while: the supervisor is stopped, or frozen with
 * its slice, or there was more to kill than it could in one pass. */
static void enforce(Task *task, uint64_t now)
{
        int r;

        /* before it is thawed, so that it does nothing else */
        r = task_kill_everything(task);
        task_freeze_undo(task);
        if (supervisor_is_late(task, now))
                r = task_take_over(task);
        if (r < 0 && r != -ESRCH && r != -EAGAIN)
                (void) log_errno(LOG_WARNING, r, "Cannot end task '%s' yet, trying again", task->id);
}

static int on_stop_time(sd_event_source *source, uint64_t usec, void *userdata);

/* When it is for us to do what is the supervisor's; UINT64_MAX: not yet known. */
static uint64_t backstop(const Task *task)
{
        uint64_t due = task->progress.kill_at_usec, ended = task->main_ended_usec;

        if (ended != 0 && (due == 0 || ended < due))
                due = ended;
        return due == 0 ? UINT64_MAX : due + STOP_BACKSTOP_USEC;
}

/* When there is something to do next; UINT64_MAX: the rest is the task's and the supervisor's. */
static uint64_t next_step(const Task *task, uint64_t now)
{
        uint64_t due = backstop(task);

        if ((task->progress.stopping && !task->progress.stop_sent) || due <= now)
                return now + STOP_AGAIN_USEC;

        return due;
}

static int arm(Task *task)
{
        uint64_t next = next_step(task, now_monotonic());
        int r;

        if (!task->stop_source)
                return sd_event_add_time(task->manager->service.event, &task->stop_source, CLOCK_MONOTONIC,
                                next, 0, on_stop_time, task);

        r = sd_event_source_set_time(task->stop_source, next);
        if (r < 0)
                return r;

        return sd_event_source_set_enabled(task->stop_source, SD_EVENT_ONESHOT);
}

static int on_stop_time(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        Task *task = userdata;
        uint64_t now = now_monotonic();

        /* it has a deadline of its own, and what follows it is task_stop_resume() */
        if (task->launch)
                return 0;

        if (task->progress.stopping && !task->progress.stop_sent)
                deliver(task);
        if (backstop(task) <= now)
                enforce(task, now);
        return arm(task);
}

/* The supervisor stops the task, whether we are there or not. This is for those who watch State, and for a
 * supervisor that does not run. */
static int on_runtime_max(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        Task *task = userdata;

        task->runtime_over = true;
        enter_stopping(task);
        task_freeze_undo(task);
        schedule_kill(task, task->spec.stop_timeout_usec);
        return arm(task);
}

static int arm_runtime_max(Task *task)
{
        uint64_t start = task->start_monotonic, max = task->spec.runtime_max_usec;

        if (max >= UINT64_MAX - start)
                return 0;

        return sd_event_add_time(task->manager->service.event, &task->runtime_source, CLOCK_MONOTONIC,
                        start + max, 1, on_runtime_max, task);
}

/* The supervisor sees it too and ends, unless it does not run. */
static int on_main_ended(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED int fd,
                G_GNUC_UNUSED uint32_t events, void *userdata)
{
        Task *task = userdata;

        task->main_ended_usec = now_monotonic();
        return arm(task);
}

static int watch_main(Task *task)
{
        int r;

        /* one that has been reaped has ended under the eyes of its supervisor */
        if (task->main_pidfd < 0)
                return 0;

        r = sd_event_add_io(task->manager->service.event, &task->main_source, task->main_pidfd, EPOLLIN,
                        on_main_ended, task);
        if (r < 0)
                return r;

        return sd_event_source_set_enabled(task->main_source, SD_EVENT_ONESHOT);
}

int task_stop_begin(Task *task)
{
        int r;

        r = arm_runtime_max(task);
        if (r < 0)
                return r;

        return watch_main(task);
}

void task_stop_resume(Task *task)
{
        int r;

        if (!task->progress.stopping)
                return;

        r = arm(task);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot set the timer of task '%s'", task->id);
        if (!task->progress.stop_sent)
                deliver(task);
        else {
                /* which may be stopped or frozen since then */
                task_continue(task);
                task_freeze_undo(task);
        }
}

void task_stop_end(Task *task)
{
        task->main_source = sd_event_source_disable_unref(task->main_source);
        task->runtime_source = sd_event_source_disable_unref(task->runtime_source);
        task->stop_source = sd_event_source_disable_unref(task->stop_source);
}

int task_stop(Task *task, int signal, uint64_t grace_usec, int *ret_save_error)
{
        int r;

        *ret_save_error = 0;
        if (task_has_ended(task) || task->ending)
                return 0;

        /* all that can fail comes first: from here on the stop is done, sooner or later */
        r = arm(task);
        if (r < 0)
                return r;

        task->progress.stopping = true;
        task->progress.stop_sent = false;
        task->progress.stop_signal = (uint32_t) signal;
        schedule_kill(task, grace_usec == UINT64_MAX ? task->spec.stop_timeout_usec : grace_usec);
        *ret_save_error = save_stop(task);
        fault_point(FAULT_STOP_SAVED);
        if (task->launch) {
                task_launch_stop(task);
                return 0;
        }

        deliver(task);
        enter_stopping(task);
        (void) arm(task);
        return 0;
}
