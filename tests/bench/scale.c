/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The same with ever more tasks. */

#include "control.h"
#include "cost.h"
#include "floor.h"
#include "logs.h"
#include "tasks.h"

#define WINDOW        32
#define SINGLE_STARTS 31
#define SLICES        30
#define LOG_SECONDS   2.0
#define LOG_KEEP      ((size_t) 5 << 30)

static const char *const pause_arguments[] = { "pause", NULL };
static const size_t steps[] = { 1, 10, 100, 1000, 3000 };

static size_t n_steps(const Bench *bench)
{
        return bench->quick ? 3 : G_N_ELEMENTS(steps);
}

static void emit_all(const char *measure, const char *subject, size_t step, const GArray *latencies)
{
        for (guint i = 0; i < latencies->len; i++)
                bench_emit(measure, subject, (double) step, g_array_index(latencies, double, i) * 1e3);
}

/* One at a time, with so many live already. */
static void start_singly(const Bench *bench, size_t live, const char *subject)
{
        Tasks tasks = { .prefix = "single", .command = BENCH_TASK, .arguments = pause_arguments };
        g_autoptr(GArray) latencies = g_array_new(FALSE, FALSE, sizeof(double));

        for (unsigned i = 0; i < bench_repeat(bench, SINGLE_STARTS); i++) {
                bench_calm();
                (void) tasks_start(bench, &tasks, 1, 1, latencies);
                tasks_stop(bench, &tasks);
        }
        emit_all("scale-start", subject, live, latencies);
}

static void start_floor_singly(const Bench *bench, size_t live)
{
        g_autoptr(GArray) latencies = g_array_new(FALSE, FALSE, sizeof(double));
        g_autoptr(Floor) base = floor_new(bench, "single");

        for (unsigned i = 0; i < bench_repeat(bench, SINGLE_STARTS); i++) {
                bench_calm();
                (void) floor_start(base, 1, 1, latencies);
                floor_stop(base);
        }
        emit_all("scale-start", "floor", live, latencies);
}

static void scale_tasks(const Bench *bench)
{
        Tasks tasks = { .prefix = "scale", .command = BENCH_TASK, .arguments = pause_arguments };

        start_singly(bench, 0, "nomad-executor");
        for (size_t i = 0; i < n_steps(bench); i++) {
                size_t more = steps[i] - tasks.n_live;
                double seconds = tasks_start(bench, &tasks, more, WINDOW, NULL);

                bench_settle(bench);
                bench_emit("scale-rate", "nomad-executor", (double) steps[i], (double) more / seconds);
                bench_emit("scale-memory", "nomad-executor", (double) steps[i],
                                cost_memory_kib(bench) / 1024);
                start_singly(bench, steps[i], "nomad-executor");
                bench_emit("scale-adoption", "nomad-executor", (double) steps[i],
                                control_adopt(bench) * 1e3);
                bench_settle(bench);
        }
        tasks_stop(bench, &tasks);
}

/* What systemd does for each unit of a slice it does for fewer. */
static void scale_slices(const Bench *bench)
{
        Tasks tasks = {
                .prefix = "spread", .command = BENCH_TASK, .arguments = pause_arguments, .n_slices = SLICES
        };
        size_t n = steps[n_steps(bench) - 1];

        (void) tasks_start(bench, &tasks, n, WINDOW, NULL);
        bench_settle(bench);
        start_singly(bench, n, "in slices");
        tasks_stop(bench, &tasks);
}

static void scale_floor(const Bench *bench)
{
        g_autoptr(Floor) base = floor_new(bench, "floor");
        size_t live = 0;

        start_floor_singly(bench, 0);
        for (size_t i = 0; i < n_steps(bench); i++) {
                size_t more = steps[i] - live;
                double seconds = floor_start(base, more, WINDOW, NULL);

                bench_settle(bench);
                live = steps[i];
                bench_emit("scale-rate", "floor", (double) live, (double) more / seconds);
                start_floor_singly(bench, live);
        }
        floor_stop(base);
}

static void scale_logs(const Bench *bench)
{
        for (size_t i = 0; i < n_steps(bench); i++) {
                Loudness loudness = logs_flood(bench, steps[i], 65536, LOG_SECONDS, LOG_KEEP);

                bench_emit("scale-logs", "nomad-executor", (double) steps[i],
                                loudness.bytes_per_second / 1e6);
        }
}

void measure_scale(Bench *bench)
{
        scale_floor(bench);
        scale_tasks(bench);
        scale_slices(bench);
        scale_logs(bench);
}
