/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "container.h"
#include "fd-util.h"
#include "log.h"
#include "state-file.h"
#include "task.h"

/* A task whose clients have been told of its end already. */
static int adopt_ended(Task *task)
{
        int r;

        (void) task_read_start_record(task);
        r = task_read_exit_record(task);
        if (task_record_is_unread(r))
                return r;

        task->state = r >= 0 ? TASK_EXITED : TASK_LOST;
        if (r < 0)
                task->exit_timestamp = task->progress.lost_timestamp;
        return 0;
}

/* What it runs, where, or as whom, is not known: it cannot go on. */
static void end_damaged(Task *task)
{
        log_warning("The state of task '%s' is damaged, ending the task", task->id);
        task->state = TASK_STOPPING;
        task_tell_main_outside(task);
        task_begin_ending(task);
}

static int adopt_live(Task *task)
{
        ProcessId supervisor = {
                .pid = (pid_t) task->progress.supervisor_pid,
                .start_time = task->progress.supervisor_start_time,
        };
        int pidfd, started, r;

        started = task_read_start_record(task);
        if (started == -EBADMSG) {
                end_damaged(task);
                return 0;
        }
        if (started < 0)
                return started;
        container_session_remove_all(task);

        /* in this order: a supervisor that has ended has written all that it will */
        r = process_open(&supervisor, started ? task->cgroup : NULL, &pidfd);
        if (r < 0 && r != -ESRCH)
                return r;
        if (r >= 0) {
                r = task_watch_supervisor(task, pidfd);
                if (r < 0)
                        return r;
                if (started && task->main_pidfd < 0)
                        task_open_main(task);
        }

        if (!started) {
                r = task_launch_adopt(task);
                if (r < 0)
                        return r;
        } else {
                task->state = task->progress.stopping ? TASK_STOPPING : TASK_RUNNING;
                r = task_stop_begin(task);
                if (r < 0)
                        return r;
                task_stop_resume(task);
        }

        if (task->supervisor_pidfd < 0) {
                task_tell_main_outside(task);
                task_supervisor_gone(task);
        }
        return 0;
}

/* One that had started ends, and is lost unless there is an exit record; of one that had not nobody was
 * told. */
static int adopt_damaged(Manager *manager, const char *label)
{
        g_autoptr(Task) loaded = NULL;
        Task *task;
        int r;

        r = task_state_load_damaged(manager, label, &loaded);
        if (r == -ENOENT) {
                task_state_set_aside(manager, label, "is of no task");
                return 0;
        }
        if (r < 0)
                return r;
        r = task_read_start_record(loaded);
        if (task_record_is_unread(r))
                return r;
        if (r <= 0) {
                (void) task_scope_kill(loaded);
                task_state_set_aside(manager, label, "is damaged, and of no task that had started");
                return 0;
        }

        task = g_steal_pointer(&loaded);
        g_hash_table_insert(manager->tasks, task->label, task);
        end_damaged(task);
        return 0;
}

static int adopt_loaded(Manager *manager, Task *task)
{
        int r;

        g_hash_table_insert(manager->tasks, task->label, task);
        r = task->progress.ended ? adopt_ended(task) : adopt_live(task);
        if (r < 0)
                (void) g_hash_table_remove(manager->tasks, task->label);
        return r;
}

/* An error says that the state could not be read this time, for want of descriptors or memory. */
static int adopt(Manager *manager, const char *label)
{
        Task *task;
        int r;

        r = task_state_load(manager, label, &task);
        if (r >= 0)
                return adopt_loaded(manager, task);

        switch (r) {
        case -EBADMSG:
                return adopt_damaged(manager, label);
        case -EPROTONOSUPPORT:
                task_state_set_aside(manager, label, "was written by a newer version of this service");
                return 0;
        case -ENOTDIR:
        case -ELOOP:
                task_state_set_aside(manager, label, "is no directory");
                return 0;
        case -ENOENT:
        case -ESTALE:
                (void) log_errno(LOG_NOTICE, r, "State '%s' is not a task's, removing it", label);
                task_state_remove(manager, label);
                return 0;
        default:
                return r;
        }
}

static int on_adopt_again(sd_event_source *source, uint64_t usec, void *userdata);

static int adopt_all(Manager *manager, GPtrArray *labels)
{
        Adoption *adoption = &manager->adoption;

        for (guint i = 0; i < labels->len; i++) {
                const char *label = g_ptr_array_index(labels, i);
                int r = adopt(manager, label);

                if (r >= 0)
                        continue;
                if (adoption->delay_usec == 0)
                        (void) log_errno(LOG_WARNING, r, "Cannot read the state of task '%s', trying again",
                                        label);
                g_ptr_array_add(adoption->unread, g_strdup(label));
        }
        if (adoption->unread->len == 0)
                return 0;

        adoption->delay_usec = task_read_again_usec(adoption->delay_usec);
        return sd_event_add_time_relative(manager->service.event, &adoption->source, CLOCK_MONOTONIC,
                        adoption->delay_usec, 0, on_adopt_again, manager);
}

static int on_adopt_again(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        Manager *manager = userdata;
        g_autoptr(GPtrArray) labels = g_steal_pointer(&manager->adoption.unread);

        manager->adoption.unread = g_ptr_array_new_with_free_func(g_free);
        manager->adoption.source = sd_event_source_disable_unref(manager->adoption.source);
        return adopt_all(manager, labels);
}

static int list_labels(Manager *manager, GPtrArray *labels)
{
        g_autoptr(DIR) dir = NULL;
        struct dirent *entry;
        int r;

        r = fd_open_dir(manager->tasks_fd, &dir);
        if (r < 0)
                return r;
        while ((entry = readdir(dir)))
                if (*entry->d_name != '.' && !state_is_set_aside(entry->d_name))
                        g_ptr_array_add(labels, g_strdup(entry->d_name));

        return 0;
}

int manager_adopt_tasks(Manager *manager)
{
        g_autoptr(GPtrArray) labels = g_ptr_array_new_with_free_func(g_free);
        int r;

        r = list_labels(manager, labels);
        if (r < 0)
                return r;
        r = adopt_all(manager, labels);
        if (r < 0)
                return r;

        if (labels->len > 0)
                log_info("%u task%s found", g_hash_table_size(manager->tasks),
                                g_hash_table_size(manager->tasks) == 1 ? "" : "s");
        return 0;
}

static bool is_unsettled(const Manager *manager)
{
        GHashTableIter iter;
        void *task;

        if (manager->adoption.unread->len > 0)
                return true;
        g_hash_table_iter_init(&iter, manager->tasks);
        while (g_hash_table_iter_next(&iter, NULL, &task))
                if (((Task *) task)->launch)
                        return true;

        return false;
}

static int wait_for_launches(Manager *manager)
{
        gint64 deadline = g_get_monotonic_time() + MANAGER_SETTLE_USEC;

        while (is_unsettled(manager) && sd_event_get_state(manager->service.event) != SD_EVENT_FINISHED) {
                gint64 left = deadline - g_get_monotonic_time();
                int r;

                if (left <= 0) {
                        log_warning("Not all tasks are settled yet, going on");
                        return 0;
                }
                r = sd_event_run(manager->service.event, (uint64_t) left);
                if (r < 0)
                        return r;
        }

        return 0;
}

int manager_settle_tasks(Manager *manager)
{
        int r;

        r = wait_for_launches(manager);
        if (r < 0)
                return r;

        return held_calls_release(&manager->held_calls);
}
