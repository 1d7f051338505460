/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
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

char *task_cgroup_path(const Task *task)
{
        return g_strdup_printf("%s/" TASK_CGROUP, task->cgroup);
}

int task_open_cgroup(const Task *task, int *ret)
{
        g_autofree char *path = NULL;

        if (!task->cgroup)
                return -ESRCH;

        path = task_cgroup_path(task);
        return cgroup_open(path, ret);
}

static int kill_cgroup(const Task *task)
{
        _cleanup_close_ int fd = -1;
        int r;

        r = task_open_cgroup(task, &fd);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;

        return cgroup_kill(fd);
}

int task_kill_main(Task *task, int signal)
{
        return task->main_pidfd < 0 ? -ESRCH : pidfd_kill(task->main_pidfd, signal);
}

int task_kill_all(Task *task, int signal)
{
        g_autofree char *path = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        if (signal == SIGKILL)
                return kill_cgroup(task);

        r = task_open_cgroup(task, &fd);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;

        path = task_cgroup_path(task);
        return cgroup_signal(fd, path, signal);
}

static void enter_stopping(Task *task)
{
        if (task->state != TASK_RUNNING)
                return;

        task->state = TASK_STOPPING;
        task_emit_state(task);
}

/* The supervisor stops the task, whether we are there or not. This is for those who watch State. */
static int on_runtime_max(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        Task *task = userdata;

        enter_stopping(task);
        task_freeze_undo(task);
        return 0;
}

int task_arm_runtime_max(Task *task)
{
        uint64_t start = task->start_monotonic, max = task->spec.runtime_max_usec;

        if (max >= UINT64_MAX - start)
                return 0;

        return sd_event_add_time(task->manager->service.event, &task->runtime_source, CLOCK_MONOTONIC,
                        start + max, 1, on_runtime_max, task);
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

/* A task is stopped on a full disk too. What is lost then is what a service that starts before the end would go by. */
static void save_stop(Task *task)
{
        int r;

        r = task_state_save(task);
        if (r < 0)
                (void) log_errno(
                                LOG_WARNING, r, "Cannot save that task '%s' is to stop, ignoring", task->id);
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

static int send_stop(Task *task)
{
        int signal = task->progress.stop_signal ? (int) task->progress.stop_signal
                                                : task_spec_stop_signal(&task->spec);
        uint64_t now = now_monotonic(), due = task->progress.kill_at_usec;
        int r = 0;

        if (due != 0 && due <= now)
                r = kill_cgroup(task);
        else {
                if (due != 0)
                        r = send_kill_time(task, now);
                if (r >= 0)
                        r = task_kill_main(task, signal);
        }
        fault_point(FAULT_STOP_SENT);
        /* it has just ended by itself, which is what was asked for */
        if (r < 0 && r != -ESRCH)
                return r;

        /* after the signal, so that a frozen task does nothing else before it */
        task_freeze_undo(task);
        task->progress.stop_sent = true;
        save_stop(task);
        return 0;
}

int task_stop_resume(Task *task)
{
        return task->progress.stopping && !task->progress.stop_sent ? send_stop(task) : 0;
}

int task_stop(Task *task, int signal, uint64_t grace_usec)
{
        if (task_has_ended(task) || task->ending)
                return 0;

        task->progress.stopping = true;
        task->progress.stop_sent = false;
        task->progress.stop_signal = (uint32_t) signal;
        schedule_kill(task, grace_usec == UINT64_MAX ? task->spec.stop_timeout_usec : grace_usec);
        save_stop(task);
        fault_point(FAULT_STOP_SAVED);
        if (task->launch) {
                task_launch_stop(task);
                return 0;
        }

        enter_stopping(task);
        return send_stop(task);
}
