/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "usage.h"

#include <string.h>

#include "ctl.h"
#include "format.h"

static void usage_clear(void *data)
{
        Usage *usage = data;

        g_free(usage->id);
        nx_values_free(usage->stats);
}

static void read_values(Usage *usage, const nx_values *stats, const Usage *before)
{
        usage->time_usec = value_uint64(stats, "Timestamp");
        usage->cpu_nsec = value_uint64(stats, "CPUUsageNSec");
        usage->memory = value_uint64(stats, "MemoryCurrent");
        usage->memory_peak = value_uint64(stats, "MemoryPeak");
        usage->swap = value_uint64(stats, "MemorySwapCurrent");
        usage->tasks = value_uint64(stats, "TasksCurrent");
        usage->read_bytes = value_uint64(stats, "IOReadBytes");
        usage->write_bytes = value_uint64(stats, "IOWriteBytes");
        usage->cpu_percent = 0;
        /* not CPUPercent: that is since the last look of anybody */
        if (before && usage->time_usec > before->time_usec && usage->cpu_nsec >= before->cpu_nsec)
                usage->cpu_percent = (double) (usage->cpu_nsec - before->cpu_nsec) / 10.0 /
                                (double) (usage->time_usec - before->time_usec);
}

static const Usage *find(const GArray *usages, const char *id)
{
        for (guint i = 0; usages && i < usages->len; i++)
                if (strcmp(g_array_index(usages, Usage, i).id, id) == 0)
                        return &g_array_index(usages, Usage, i);

        return NULL;
}

static int look_at(nx_task *task, const GArray *before, GArray *usages, nx_error **ret_error)
{
        Usage usage = { 0 };
        int r;

        r = nx_task_get_stats(task, &usage.stats, ret_error);
        if (r < 0)
                return r;

        usage.id = g_strdup(nx_task_get_id(task));
        read_values(&usage, usage.stats, find(before, usage.id));
        g_array_append_val(usages, usage);
        return 0;
}

/* One that ends meanwhile is left out. */
static int look_at_all(nx_connection *connection, const GArray *before, GArray *usages, nx_error **ret_error)
{
        g_autoptr(nx_task_list) list = NULL;
        int r;

        r = nx_task_list_new(connection, &list, ret_error);
        for (size_t i = 0; r >= 0 && i < nx_task_list_get_size(list); i++) {
                g_autoptr(nx_error) error = NULL;
                g_autoptr(nx_task) task = NULL;

                if (has_ended(nx_task_list_get_properties(list, i)))
                        continue;
                r = nx_task_open(connection, nx_task_list_get_id(list, i), &task, &error);
                if (r >= 0)
                        r = look_at(task, before, usages, &error);
                if (r >= 0)
                        continue;
                if (nx_error_get_code(error) == NX_ERROR_NOT_RUNNING ||
                                nx_error_get_code(error) == NX_ERROR_NO_SUCH_TASK)
                        r = 0;
                else
                        *ret_error = g_steal_pointer(&error);
        }

        return r;
}

int usage_look(nx_connection *connection, const GPtrArray *tasks, const GArray *before, GArray **ret,
                nx_error **ret_error)
{
        g_autoptr(GArray) usages = g_array_new(FALSE, TRUE, sizeof(Usage));
        int r = 0;

        g_array_set_clear_func(usages, usage_clear);
        for (guint i = 0; r >= 0 && tasks && i < tasks->len; i++)
                r = look_at(tasks->pdata[i], before, usages, ret_error);
        if (!tasks)
                r = look_at_all(connection, before, usages, ret_error);
        if (r < 0)
                return r;

        *ret = g_steal_pointer(&usages);
        return 0;
}
