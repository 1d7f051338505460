/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "task-freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#include "bus-error.h"
#include "cgroup.h"
#include "cleanup.h"
#include "log.h"

/* Calls that wait for the kernel. The frozen state itself is nowhere here: the kernel keeps it. */
struct TaskFreeze {
        Task *task;
        bool frozen; /* what is awaited */
        GPtrArray *messages;
        int events_fd;
        sd_event_source *events_source;
        sd_event_source *deadline_source;
};

static void message_unref(void *message)
{
        sd_bus_message_unref(message);
}

TaskFreeze *task_freeze_free(TaskFreeze *freeze)
{
        if (!freeze)
                return NULL;

        sd_event_source_disable_unref(freeze->events_source);
        sd_event_source_disable_unref(freeze->deadline_source);
        safe_close(freeze->events_fd);
        g_ptr_array_unref(freeze->messages);
        g_free(freeze);
        return NULL;
}

/* Answers all, with ERROR if there is one. */
static void finish(Task *task, const sd_bus_error *error)
{
        TaskFreeze *freeze = task->freeze;

        task->freeze = NULL;
        for (guint i = 0; i < freeze->messages->len; i++) {
                sd_bus_message *message = g_ptr_array_index(freeze->messages, i);
                int r = error ? sd_bus_reply_method_error(message, error)
                              : sd_bus_reply_method_return(message, NULL);

                if (r < 0)
                        (void) log_errno(LOG_WARNING, r, "Cannot answer a Freeze or Thaw of task '%s'",
                                        task->id);
        }
        task_freeze_free(freeze);
}

G_GNUC_PRINTF(3, 4) static void fail(Task *task, const char *name, const char *format, ...)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        va_list ap;

        if (!task->freeze)
                return;

        va_start(ap, format);
        (void) sd_bus_error_setfv(&error, name, format, ap);
        va_end(ap);
        finish(task, &error);
}

static int on_events(
                G_GNUC_UNUSED sd_event_source *source, int fd, G_GNUC_UNUSED uint32_t events, void *userdata)
{
        Task *task = userdata;
        bool frozen = false;
        int r;

        r = cgroup_events_read(fd, "frozen", &frozen);
        if (r < 0)
                fail(task, BUS_ERROR_NOT_RUNNING, "Task '%s' has ended", task->id);
        else if (frozen == task->freeze->frozen)
                finish(task, NULL);
        return 0;
}

static int set_own_frozen(const Task *task, bool frozen)
{
        _cleanup_close_ int fd = -1;
        int r;

        r = task_open_cgroup(task, &fd);
        if (r >= 0)
                r = cgroup_set_frozen(fd, frozen);
        return r == -ENOENT ? -ESRCH : r;
}

static int on_deadline(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        Task *task = userdata;
        bool frozen = task->freeze->frozen;

        /* half of a task frozen is of no use to anybody */
        if (frozen)
                (void) set_own_frozen(task, false);
        fail(task, SD_BUS_ERROR_TIMEOUT, "Task '%s' could not be %s within %u s", task->id,
                        frozen ? "frozen" : "thawed", (unsigned) (TASK_FREEZE_TIMEOUT_USEC / 1000000));
        return 0;
}

static int watch(TaskFreeze *freeze)
{
        sd_event *event = freeze->task->manager->service.event;
        int r;

        r = sd_event_add_io(
                        event, &freeze->events_source, freeze->events_fd, EPOLLPRI, on_events, freeze->task);
        if (r < 0)
                return r;

        return sd_event_add_time_relative(event, &freeze->deadline_source, CLOCK_MONOTONIC,
                        TASK_FREEZE_TIMEOUT_USEC, 0, on_deadline, freeze->task);
}

/* A task is thawed whoever froze its scope. */
static int set_frozen(Task *task, bool frozen)
{
        return frozen ? set_own_frozen(task, true) : task_thaw(task);
}

/* The last step is the one that has an effect. */
static int begin(Task *task, bool frozen)
{
        TaskFreeze *freeze;
        _cleanup_close_ int cgroup_fd = -1, events_fd = -1;
        int r;

        r = task_open_cgroup(task, &cgroup_fd);
        if (r < 0)
                return r;
        events_fd = openat(cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        if (events_fd < 0)
                return -errno;

        freeze = g_new(TaskFreeze, 1);
        *freeze = (TaskFreeze){
                .task = task,
                .frozen = frozen,
                .messages = g_ptr_array_new_with_free_func(message_unref),
                .events_fd = take_fd(&events_fd),
        };
        r = watch(freeze);
        if (r >= 0)
                r = set_frozen(task, frozen);
        if (r < 0) {
                task_freeze_free(freeze);
                return r;
        }

        task->freeze = freeze;
        return 0;
}

int task_freeze(Task *task, bool frozen, sd_bus_message *message)
{
        bool now_frozen = false;
        int r;

        if (!task_is_live(task) || (frozen && task->state == TASK_STOPPING))
                return -ESRCH;
        if (task->freeze && task->freeze->frozen != frozen)
                fail(task, SD_BUS_ERROR_FAILED, "Task '%s' is being %s by another caller", task->id,
                                frozen ? "frozen" : "thawed");
        if (task->freeze && task->freeze->messages->len >= TASK_FREEZE_WAITERS_MAX)
                return -EDQUOT;

        if (!task->freeze) {
                r = begin(task, frozen);
                if (r < 0)
                        return r == -ENOENT || r == -ENODEV ? -ESRCH : r;
                g_assert(task->freeze);
        }

        g_ptr_array_add(task->freeze->messages, sd_bus_message_ref(message));
        r = cgroup_events_read(task->freeze->events_fd, "frozen", &now_frozen);
        if (r < 0)
                fail(task, BUS_ERROR_NOT_RUNNING, "Task '%s' has ended", task->id);
        else if (now_frozen == frozen)
                finish(task, NULL);
        return 0;
}

void task_freeze_undo(Task *task)
{
        int r;

        r = task_thaw(task);
        if (r < 0 && r != -ESRCH)
                (void) log_errno(LOG_WARNING, r, "Cannot thaw task '%s', which is to stop", task->id);
        if (task->freeze && task->freeze->frozen)
                fail(task, BUS_ERROR_NOT_RUNNING, "Task '%s' is being stopped", task->id);
}

void task_freeze_end(Task *task)
{
        fail(task, BUS_ERROR_NOT_RUNNING, "Task '%s' has ended", task->id);
}
