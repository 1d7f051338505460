/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tasks.h"

#include "calls.h"

typedef struct StartRange {
        const Tasks *tasks;
        size_t first;
} StartRange;

static char *task_id(const Tasks *tasks, size_t i)
{
        return g_strdup_printf("%s-%zu", tasks->prefix, i);
}

char *task_path(const Tasks *tasks, size_t i)
{
        g_autofree char *id = task_id(tasks, i);
        g_autofree char *path = NULL;

        (void) bench_check(sd_bus_path_encode(EXECUTOR_PATH "/task", id, &path), id);
        return g_steal_pointer(&path);
}

static int append_arguments(sd_bus_message *m, const Tasks *tasks)
{
        int r;

        r = sd_bus_message_append(m, "{sv}", "Command", "s", tasks->command);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", "Arguments");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, 'v', "as");
        if (r < 0)
                return r;
        r = sd_bus_message_append_strv(m, (char **) tasks->arguments);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

static int append_slice(sd_bus_message *m, const Tasks *tasks, size_t i)
{
        g_autofree char *slice = g_strdup_printf("nomad-%zu.slice", i % MAX(tasks->n_slices, 1));

        return tasks->n_slices > 0 ? sd_bus_message_append(m, "{sv}", "Slice", "s", slice) : 0;
}

static int append_spec(sd_bus_message *m, const Tasks *tasks, size_t i)
{
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        r = append_arguments(m, tasks);
        if (r >= 0 && tasks->log_target)
                r = sd_bus_message_append(m, "{sv}", "LogTargets", "as", 1, tasks->log_target);
        if (r >= 0 && tasks->log_directory)
                r = sd_bus_message_append(m, "{sv}", "LogDirectory", "s", tasks->log_directory);
        if (r >= 0 && tasks->log_max_file_size > 0)
                r = sd_bus_message_append(m, "{sv}", "LogMaxFileSize", "t", tasks->log_max_file_size);
        if (r >= 0 && tasks->root_directory)
                r = sd_bus_message_append(m, "{sv}{sv}", "Isolation", "s", "container", "RootDirectory", "s",
                                tasks->root_directory);
        if (r >= 0)
                r = append_slice(m, tasks, i);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        return sd_bus_message_append(m, "t", UINT64_C(0));
}

static sd_bus_message *make_start(const Bench *bench, size_t i, void *userdata)
{
        const StartRange *range = userdata;
        g_autofree char *id = task_id(range->tasks, range->first + i);
        sd_bus_message *m = call_new(bench, EXECUTOR_PATH, EXECUTOR_MANAGER, "StartTask");

        (void) bench_check(sd_bus_message_append(m, "s", id), id);
        (void) bench_check(append_spec(m, range->tasks, range->first + i), id);
        return m;
}

double tasks_start(const Bench *bench, Tasks *tasks, size_t n, size_t window, GArray *latencies)
{
        StartRange range = { tasks, tasks->n_live };
        CallSeries series = {
                .n = n, .window = window, .make = make_start, .userdata = &range, .latencies = latencies
        };
        double seconds = calls_run(bench, &series);

        tasks->n_live += n;
        return seconds;
}

static sd_bus_message *make_task_call(const Bench *bench, const Tasks *tasks, size_t i, const char *member)
{
        g_autofree char *path = task_path(tasks, i);

        return call_new(bench, path, EXECUTOR_TASK, member);
}

static sd_bus_message *make_stop(const Bench *bench, size_t i, void *userdata)
{
        sd_bus_message *m = make_task_call(bench, userdata, i, "Stop");

        (void) bench_check(sd_bus_message_append(m, "st", "SIGKILL", UINT64_C(0)), "Stop");
        return m;
}

static sd_bus_message *make_wait(const Bench *bench, size_t i, void *userdata)
{
        return make_task_call(bench, userdata, i, "Wait");
}

static sd_bus_message *make_release(const Bench *bench, size_t i, void *userdata)
{
        return make_task_call(bench, userdata, i, "Release");
}

static void call_all(const Bench *bench, const Tasks *tasks,
                sd_bus_message *(*make)(const Bench *bench, size_t i, void *userdata))
{
        CallSeries series = {
                .n = tasks->n_live, .window = CALLS_WINDOW_MAX, .make = make, .userdata = (void *) tasks
        };

        (void) calls_run(bench, &series);
}

void tasks_wait(const Bench *bench, const Tasks *tasks)
{
        call_all(bench, tasks, make_wait);
}

void tasks_stop(const Bench *bench, Tasks *tasks)
{
        call_all(bench, tasks, make_stop);
        call_all(bench, tasks, make_wait);
        call_all(bench, tasks, make_release);
        tasks->n_live = 0;
        bench_settle(bench);
}
