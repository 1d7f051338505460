/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What isolation costs: a start with and without it, and the runtime by itself on the bundle that the
 * service made. */

#include <glib/gstdio.h>
#include <unistd.h>

#include "process.h"
#include "tasks.h"

#define REPETITIONS   60
#define ROOT          BENCH_DIRECTORY "/isolated"
#define BUNDLE        BENCH_DIRECTORY "/alone"
#define RUNTIME_STATE BENCH_DIRECTORY "/crun"
#define TASK_STATE    "/run/nomad-executor/tasks"

static const char *const pause_arguments[] = { "pause", NULL };

static void prepare(void)
{
        static const char *const copy[] = { "cp", BENCH_TASK, ROOT "/bench-task", NULL };

        (void) g_mkdir_with_parents(ROOT, 0755);
        (void) g_mkdir_with_parents(BUNDLE, 0755);
        child_run(copy);
}

static double start_and_stop(const Bench *bench, Tasks *tasks)
{
        double seconds = tasks_start(bench, tasks, 1, 1, NULL);

        tasks_stop(bench, tasks);
        return seconds;
}

static void keep_bundle(const Bench *bench, Tasks *tasks)
{
        g_autofree char *path = NULL, *label = NULL, *config = NULL;

        (void) tasks_start(bench, tasks, 1, 1, NULL);
        path = task_path(tasks, 0);
        label = g_path_get_basename(path);
        config = g_build_filename(TASK_STATE, label, "container", "config.json", NULL);
        child_run((const char *const[]){ "cp", config, BUNDLE "/config.json", NULL });
        tasks_stop(bench, tasks);
}

static double run_alone(void)
{
        static const char *const run[] = { "crun", "--root", RUNTIME_STATE, "--cgroup-manager=disabled",
                "run", "--detach", "--bundle", BUNDLE, "alone", NULL };
        static const char *const delete[] = { "crun", "--root", RUNTIME_STATE, "--cgroup-manager=disabled",
                "delete", "--force", "alone", NULL };
        uint64_t start = bench_now_nsec(), end;

        child_run(run);
        end = bench_now_nsec();
        child_run(delete);
        return (double) (end - start) / 1e9;
}

void measure_isolated(Bench *bench)
{
        Tasks plain = { .prefix = "plain", .command = BENCH_TASK, .arguments = pause_arguments };
        Tasks isolated = {
                .prefix = "isolated",
                .command = "/bench-task",
                .arguments = pause_arguments,
                .root_directory = ROOT,
        };

        prepare();
        keep_bundle(bench, &isolated);
        for (unsigned i = 0; i < bench_repeat(bench, REPETITIONS); i++) {
                bench_calm();
                bench_emit("isolated", "none", 0, start_and_stop(bench, &plain) * 1e3);
                bench_calm();
                bench_emit("isolated", "container", 0, start_and_stop(bench, &isolated) * 1e3);
                bench_calm();
                bench_emit("isolated", "crun run alone", 0, run_alone() * 1e3);
        }
}
