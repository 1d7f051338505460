/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fnmatch.h>
#include <string.h>

#include "ctl.h"
#include "format.h"

static bool is_pattern(const char *name)
{
        return strpbrk(name, "*?[") != NULL;
}

bool ctl_matches(char **names, const char *id)
{
        for (; *names; names++)
                if (strcmp(*names, id) == 0 || (is_pattern(*names) && fnmatch(*names, id, 0) == 0))
                        return true;

        return false;
}

static bool is_wanted(const nx_values *properties, TaskFilter filter)
{
        return filter == TASKS_ALL || (filter == TASKS_ENDED) == has_ended(properties);
}

static void add_task(GPtrArray *tasks, nx_task *task)
{
        for (guint i = 0; i < tasks->len; i++)
                if (strcmp(nx_task_get_id(tasks->pdata[i]), nx_task_get_id(task)) == 0) {
                        nx_task_unref(task);
                        return;
                }

        g_ptr_array_add(tasks, task);
}

static int add_by_id(Ctl *ctl, const char *id, GPtrArray *tasks)
{
        int status = STATUS_OK;
        nx_task *task = ctl_open_task(ctl, id, &status);

        if (task)
                add_task(tasks, task);
        return status;
}

/* A task that is released meanwhile does not fit any more. */
static int add_by_pattern(
                Ctl *ctl, const nx_task_list *list, const char *pattern, TaskFilter filter, GPtrArray *tasks)
{
        char *names[] = { (char *) pattern, NULL };
        bool found = false;

        for (size_t i = 0; i < nx_task_list_get_size(list); i++) {
                const char *id = nx_task_list_get_id(list, i);
                g_autoptr(nx_error) error = NULL;
                nx_task *task;

                if (!ctl_matches(names, id) || !is_wanted(nx_task_list_get_properties(list, i), filter))
                        continue;
                found = true;
                if (nx_task_open(ctl->connection, id, &task, &error) >= 0)
                        add_task(tasks, task);
                else if (nx_error_get_code(error) != NX_ERROR_NO_SUCH_TASK)
                        return ctl_fail(ctl, error);
        }

        return found ? STATUS_OK
                     : ctl_fail_text(ctl, ctl->passes_status ? STATUS_PASS_FAILED : STATUS_NO_TASK,
                                       "There is no %stask that '%s' fits; '" PROGRAM
                                       " list' shows those there are",
                                       filter == TASKS_RUNNING                 ? "running "
                                                       : filter == TASKS_ENDED ? "ended "
                                                                               : "",
                                       pattern);
}

static int add_by_name(Ctl *ctl, const char *name, TaskFilter filter, nx_task_list **list, GPtrArray *tasks)
{
        g_autoptr(nx_error) error = NULL;

        if (!is_pattern(name))
                return add_by_id(ctl, name, tasks);
        if (!*list && nx_task_list_new(ctl->connection, list, &error) < 0)
                return ctl_fail(ctl, error);
        /* an id may look like a pattern */
        for (size_t i = 0; i < nx_task_list_get_size(*list); i++)
                if (strcmp(nx_task_list_get_id(*list, i), name) == 0)
                        return add_by_id(ctl, name, tasks);

        return add_by_pattern(ctl, *list, name, filter, tasks);
}

static void unref_task(void *task)
{
        nx_task_unref(task);
}

GPtrArray *ctl_find_tasks(Ctl *ctl, char **names, TaskFilter filter, int *ret_status)
{
        GPtrArray *tasks = g_ptr_array_new_with_free_func(unref_task);
        g_autoptr(nx_task_list) list = NULL;
        int status = STATUS_OK;

        if (!ctl_connect(ctl))
                status = ctl->passes_status ? STATUS_PASS_FAILED : STATUS_FAILED;
        for (; ctl->connection && *names; names++) {
                int one = add_by_name(ctl, *names, filter, &list, tasks);

                if (status == STATUS_OK)
                        status = one;
        }

        *ret_status = status;
        return tasks;
}

int ctl_for_each_task(
                Ctl *ctl, GPtrArray *tasks, int (*function)(nx_task *, void *, nx_error **), void *userdata)
{
        int status = STATUS_OK;

        for (guint i = 0; i < tasks->len;) {
                g_autoptr(nx_error) error = NULL;

                if (function(tasks->pdata[i], userdata, &error) >= 0) {
                        i++;
                        continue;
                }
                if (status == STATUS_OK)
                        status = ctl_fail(ctl, error);
                else
                        (void) ctl_fail(ctl, error);
                g_ptr_array_remove_index(tasks, i);
        }

        return status;
}

int ctl_do(Ctl *ctl, char **names, TaskFilter filter, int (*function)(nx_task *, void *, nx_error **),
                void *userdata)
{
        int found, done;
        g_autoptr(GPtrArray) tasks = ctl_find_tasks(ctl, names, filter, &found);

        done = ctl_for_each_task(ctl, tasks, function, userdata);
        return found != STATUS_OK ? found : done;
}
