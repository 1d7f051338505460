/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long a start takes, and how many a second there can be. */

#include "floor.h"
#include "peer.h"
#include "process.h"
#include "tasks.h"

#define START_REPETITIONS 400
#define PEER_EVERY        20
#define RATE_REPETITIONS  7
#define RATE_N            400
#define RATE_WINDOW       32

static const char *const pause_arguments[] = { "pause", NULL };

static void emit_all(const char *measure, const char *subject, const GArray *latencies)
{
        for (guint i = 0; i < latencies->len; i++)
                bench_emit(measure, subject, 0, g_array_index(latencies, double, i) * 1e3);
}

static void start_peers(const Bench *bench)
{
        bench_emit("start", "systemd-run --scope", 0, peer_scope_start() * 1e3);
        bench_settle(bench);
        bench_emit("start", "systemd-run --wait", 0, peer_service_start() * 1e3);
        bench_settle(bench);
        bench_emit("start", "conmon + crun", 0, peer_container_start() * 1e3);
        bench_settle(bench);
}

void measure_start(Bench *bench)
{
        Tasks tasks = { .prefix = "start", .command = BENCH_TASK, .arguments = pause_arguments };
        g_autoptr(GArray) raw = g_array_new(FALSE, FALSE, sizeof(double));
        g_autoptr(GArray) ours = g_array_new(FALSE, FALSE, sizeof(double));
        g_autoptr(Floor) base = floor_new(bench, "floor");
        unsigned n = bench_repeat(bench, START_REPETITIONS);

        peer_prepare_container();
        for (unsigned i = 0; i < n; i++) {
                bench_calm();
                (void) floor_start(base, 1, 1, raw);
                floor_stop(base);
                bench_calm();
                (void) tasks_start(bench, &tasks, 1, 1, ours);
                tasks_stop(bench, &tasks);
                if (i % PEER_EVERY == 0)
                        start_peers(bench);
        }

        emit_all("start", "floor", raw);
        emit_all("start", "nomad-executor", ours);
}

/* Whose work a start is. */
typedef struct Shares {
        double seconds[8];
} Shares;

static const char *const sharers[] = { "systemd", "dbus-daemon", "nomad-executord", "nomad-spawner",
        "nomad-logmon", "systemd-journald", "nomad-supervisor", "the task" };

/* The kernel keeps 15 characters of a name. */
static const char *const sharer_names[] = { NULL, "dbus-daemon", "nomad-executord", "nomad-spawner",
        "nomad-logmon", "systemd-journal", "nomad-superviso", "bench-task" };

static Shares shares_now(void)
{
        Shares shares = { { process_cpu_seconds(1) } };

        for (size_t i = 1; i < G_N_ELEMENTS(sharers); i++) {
                g_autoptr(GArray) pids = processes_named(sharer_names[i]);

                for (guint k = 0; k < pids->len; k++)
                        shares.seconds[i] += process_cpu_seconds(g_array_index(pids, pid_t, k));
        }
        return shares;
}

static void emit_shares(const char *measure, const Shares *before, unsigned n)
{
        Shares after = shares_now();

        for (size_t i = 0; i < G_N_ELEMENTS(sharers); i++)
                bench_emit(measure, sharers[i], 0, (after.seconds[i] - before->seconds[i]) * 1e3 / n);
}

void measure_rate(Bench *bench)
{
        Tasks tasks = { .prefix = "rate", .command = BENCH_TASK, .arguments = pause_arguments };
        g_autoptr(Floor) base = floor_new(bench, "floor");
        unsigned n = bench->quick ? 50 : RATE_N;

        for (unsigned i = 0; i < bench_repeat(bench, RATE_REPETITIONS); i++) {
                Shares before = shares_now();

                bench_emit("rate", "floor", 0, n / floor_start(base, n, RATE_WINDOW, NULL));
                emit_shares("share-floor", &before, n);
                floor_stop(base);

                before = shares_now();
                bench_emit("rate", "nomad-executor", 0,
                                n / tasks_start(bench, &tasks, n, RATE_WINDOW, NULL));
                emit_shares("share-nomad", &before, n);
                tasks_stop(bench, &tasks);
        }
}
