/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>

#include "cleanup.h"
#include "container.h"
#include "log.h"
#include "task.h"

/* A task whose clients have been told of its end already. */
static void adopt_ended(Task *task)
{
        (void) task_read_start_record(task, NULL);
        if (task_read_exit_record(task) >= 0)
                task->state = TASK_EXITED;
        else {
                task->state = TASK_LOST;
                task->exit_timestamp = task->progress.lost_timestamp;
        }
}

static int adopt_live(Task *task)
{
        ProcessId supervisor = {
                .pid = (pid_t) task->progress.supervisor_pid,
                .start_time = task->progress.supervisor_start_time,
        };
        bool started = task_read_start_record(task, NULL) >= 0;
        int pidfd, r;

        container_session_remove_all(task);

        /* in this order: a supervisor that has ended has written all that it will */
        r = process_open(&supervisor, started ? task->cgroup : NULL, &pidfd);
        if (r < 0 && r != -ESRCH)
                return r;
        if (r >= 0) {
                r = task_watch_supervisor(task, pidfd);
                if (r < 0)
                        return r;
        }

        if (!started) {
                r = task_launch_adopt(task);
                if (r < 0)
                        return r;
        } else {
                task->state = task->progress.stopping ? TASK_STOPPING : TASK_RUNNING;
                r = task_arm_runtime_max(task);
                if (r < 0)
                        return r;
                r = task_stop_resume(task);
                if (r < 0)
                        (void) log_errno(LOG_WARNING, r, "Cannot stop task '%s'", task->id);
        }

        if (task->supervisor_pidfd < 0)
                task_supervisor_gone(task);
        return 0;
}

/* As opposed to what could not be read this time, for want of descriptors or memory. */
static bool is_no_state(int error)
{
        switch (error) {
        case -ENOENT:
        case -ENOTDIR:
        case -ELOOP:
        case -ESTALE:
                return true;
        default:
                return false;
        }
}

/* What it runs, and as whom, is not known any more: it cannot go on. One that had started ends, and is lost unless there is an
 * exit record; of one that had not nobody was told. */
static int adopt_damaged(Manager *manager, const char *label)
{
        g_autoptr(Task) loaded = NULL;
        Task *task;
        int r;

        r = task_state_load_damaged(manager, label, &loaded);
        if (r >= 0)
                r = task_read_start_record(loaded, NULL);
        if (r < 0) {
                log_warning("State '%s' is damaged and of no task that had started, removing it", label);
                if (loaded)
                        (void) task_scope_kill(loaded);
                task_state_remove(manager, label);
                return 0;
        }

        log_warning("The state of task '%s' is damaged, ending the task", loaded->id);
        task = g_steal_pointer(&loaded);
        g_hash_table_insert(manager->tasks, task->label, task);
        task->state = TASK_STOPPING;
        task_begin_ending(task);
        return 0;
}

static int adopt(Manager *manager, const char *label)
{
        Task *task;
        int r;

        r = task_state_load(manager, label, &task);
        if (r == -EBADMSG)
                return adopt_damaged(manager, label);
        if (r < 0) {
                if (!is_no_state(r))
                        return log_errno(LOG_ERR, r, "Cannot read the state of task '%s'", label);

                (void) log_errno(LOG_NOTICE, r, "State '%s' is not a task's, removing it", label);
                task_state_remove(manager, label);
                return 0;
        }

        g_hash_table_insert(manager->tasks, task->label, task);
        if (task->progress.ended) {
                adopt_ended(task);
                return 0;
        }

        r = adopt_live(task);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot watch task '%s'", label);
        return 0;
}

int manager_adopt_tasks(Manager *manager)
{
        g_autoptr(GPtrArray) labels = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(DIR) dir = NULL;
        struct dirent *entry;
        int fd;

        fd = openat(manager->tasks_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir) {
                safe_close(fd);
                return -errno;
        }

        while ((entry = readdir(dir)))
                if (*entry->d_name != '.')
                        g_ptr_array_add(labels, g_strdup(entry->d_name));

        /* systemd starts us again after a failure; the tasks can wait for it */
        for (guint i = 0; i < labels->len; i++) {
                int r = adopt(manager, g_ptr_array_index(labels, i));

                if (r < 0)
                        return r;
        }

        if (labels->len > 0)
                log_info("%u tasks found", g_hash_table_size(manager->tasks));
        return 0;
}

static bool has_launches(const Manager *manager)
{
        GHashTableIter iter;
        void *task;

        g_hash_table_iter_init(&iter, manager->tasks);
        while (g_hash_table_iter_next(&iter, NULL, &task))
                if (((Task *) task)->launch)
                        return true;

        return false;
}

int manager_settle_tasks(Manager *manager)
{
        gint64 deadline = g_get_monotonic_time() + MANAGER_SETTLE_USEC;

        while (has_launches(manager) && sd_event_get_state(manager->service.event) != SD_EVENT_FINISHED) {
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
