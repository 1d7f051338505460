/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "bus-error.h"
#include "cleanup.h"
#include "task-dbus.h"
#include "task-freeze.h"
#include "task-stats.h"

/* What the functions of the object return, as the contract calls it. */
static int set_error(sd_bus_error *error, int r, const Task *task, const char *too_many, unsigned max)
{
        if (r == -ESRCH)
                return sd_bus_error_setf(error, BUS_ERROR_NOT_RUNNING, "Task '%s' is not running", task->id);
        if (r == -EDQUOT)
                return sd_bus_error_setf(error, BUS_ERROR_LIMIT_EXCEEDED, "Task '%s' has %u %s already",
                                task->id, max, too_many);

        return r;
}

/* VALUE is of the field's type. sd_bus_message_append() would read "{sv}" anew for each, which takes half as
 * long again. */
static int append_field(sd_bus_message *reply, const StatsField *field, const void *value)
{
        const char contents[] = { field->type, '\0' };
        int r;

        r = sd_bus_message_open_container(reply, SD_BUS_TYPE_DICT_ENTRY, "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(reply, SD_BUS_TYPE_STRING, field->key);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, SD_BUS_TYPE_VARIANT, contents);
        if (r >= 0)
                r = sd_bus_message_append_basic(reply, field->type, value);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_sample(sd_bus_message *reply, const StatsSample *sample)
{
        int r;

        r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "{sv}");
        for (size_t i = 0; r >= 0 && i < n_stats_fields; i++)
                if (stats_is_known(sample, i))
                        r = append_field(reply, stats_fields + i, &sample->values[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int task_method_get_stats(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        g_autoptr(sd_bus_message) reply = NULL;
        Task *task = userdata;
        StatsSample sample;
        int r;

        r = task_stats_get(task, &sample);
        if (r < 0)
                return set_error(error, r, task, "", 0);

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = append_sample(reply, &sample);
        return r < 0 ? r : sd_bus_message_send(reply);
}

static int append_process(sd_bus_message *reply, const ProcessStats *process)
{
        g_autofree char *name = g_utf8_make_valid(process->name, -1);
        int r;

        r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}", "PID", "u", (uint32_t) process->pid, "Name",
                        "s", name, "CPUUserNSec", "t", process->user_nsec, "CPUSystemNSec", "t",
                        process->system_nsec);
        if (r >= 0 && process->memory_rss != UINT64_MAX)
                r = sd_bus_message_append(reply, "{sv}", "MemoryRSS", "t", process->memory_rss);
        if (r >= 0 && process->memory_swap != UINT64_MAX)
                r = sd_bus_message_append(reply, "{sv}", "MemorySwap", "t", process->memory_swap);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int task_method_get_process_stats(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        g_autoptr(GArray) processes = g_array_new(FALSE, FALSE, sizeof(ProcessStats));
        g_autoptr(sd_bus_message) reply = NULL;
        const Task *task = userdata;
        int r;

        r = task_stats_processes(task, processes);
        if (r == -EDQUOT)
                return sd_bus_error_setf(error, BUS_ERROR_LIMIT_EXCEEDED,
                                "Task '%s' has more than %u processes", task->id, PROCESS_STATS_MAX);
        if (r < 0)
                return set_error(error, r, task, "", 0);

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "a{sv}");
        for (guint i = 0; r >= 0 && i < processes->len; i++)
                r = append_process(reply, &g_array_index(processes, ProcessStats, i));
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_send(reply);
}

int task_method_stream_stats(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_close_ int fd = -1;
        Task *task = userdata;
        uint64_t interval_usec;
        int r;

        r = sd_bus_message_read(m, "t", &interval_usec);
        if (r < 0)
                return r;
        if (interval_usec == 0)
                interval_usec = STATS_INTERVAL_DEFAULT_USEC;
        if (interval_usec < STATS_INTERVAL_MIN_USEC)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC,
                                "interval_usec must be 0 or at least %u",
                                (unsigned) STATS_INTERVAL_MIN_USEC);

        r = task_stats_stream(task, interval_usec, &fd);
        if (r < 0)
                return set_error(error, r, task, "readers of its statistics", STATS_READERS_MAX);

        return sd_bus_reply_method_return(m, "h", fd);
}

static int freeze(sd_bus_message *m, Task *task, bool frozen, sd_bus_error *error)
{
        int r;

        r = task_freeze(task, frozen, m);
        if (r < 0)
                return set_error(error, r, task, "callers of Freeze or Thaw", TASK_FREEZE_WAITERS_MAX);

        return 1;
}

int task_method_freeze(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        return freeze(m, userdata, true, error);
}

int task_method_thaw(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        return freeze(m, userdata, false, error);
}
