/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a task costs that does nothing: memory, and wake-ups. */

#include "cost.h"

#include <glib/gstdio.h>

#include "process.h"
#include "tasks.h"

#define MEMORY_TASKS        1000
#define IDLE_TASKS          2000
#define IDLE_SECONDS        60
#define WINDOW              32
#define SUPERVISOR          "/usr/libexec/nomad-executor/nomad-supervisor"
#define OTHER_LIBC          "/usr/lib/nomad-executor/tests/nomad-supervisor-glibc"
#define NAME_OF_SUPERVISORS "nomad-superviso" /* the kernel keeps 15 characters */

static const char *const pause_arguments[] = { "pause", NULL };
static const char *const services[] = { EXECUTOR_UNIT, LOGMON_UNIT, "nomad-dockerlog.service" };

static void restart_services(const Bench *bench)
{
        static const char *const reload[] = { "systemctl", "daemon-reload", NULL };

        child_run(reload);
        for (size_t i = 0; i < G_N_ELEMENTS(services); i++)
                if (unit_main_pid(bench, services[i]) > 0) {
                        const char *restart[] = { "systemctl", "restart", services[i], NULL };

                        child_run(restart);
                }
        bench_settle(bench);
}

static double pss_kib(const GArray *pids)
{
        double sum = 0;

        for (guint i = 0; i < pids->len; i++)
                sum += process_pss_kib(g_array_index(pids, pid_t, i));
        return sum;
}

static double service_pss_kib(const Bench *bench, const char *unit)
{
        g_autoptr(GArray) pids = unit_processes(bench, unit);

        return pss_kib(pids);
}

static double services_pss_kib(const Bench *bench)
{
        double sum = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(services); i++)
                sum += service_pss_kib(bench, services[i]);
        return sum;
}

double cost_memory_kib(const Bench *bench)
{
        g_autoptr(GArray) supervisors = processes_named(NAME_OF_SUPERVISORS);

        return services_pss_kib(bench) + pss_kib(supervisors);
}

static void emit_base(const Bench *bench)
{
        for (size_t i = 0; i < G_N_ELEMENTS(services); i++)
                if (unit_main_pid(bench, services[i]) > 0)
                        bench_emit("memory-base", services[i], 0,
                                        service_pss_kib(bench, services[i]) / 1024);
}

static void measure_tasks(const Bench *bench, const char *subject)
{
        Tasks tasks = { .prefix = "memory", .command = BENCH_TASK, .arguments = pause_arguments };
        unsigned n = bench->quick ? 50 : MEMORY_TASKS;
        double base, services_only, all;

        restart_services(bench);
        base = services_pss_kib(bench);
        (void) tasks_start(bench, &tasks, n, WINDOW, NULL);
        bench_settle(bench);
        services_only = services_pss_kib(bench);
        all = cost_memory_kib(bench);
        bench_emit("memory-task", subject, 0, (all - base) / n);
        bench_emit("memory-supervisor", subject, 0, (all - services_only) / n);
        bench_emit("memory-services", subject, 0, (services_only - base) / n);
        tasks_stop(bench, &tasks);
}

void measure_memory(Bench *bench)
{
        for (unsigned i = 0; i < bench_repeat(bench, 3); i++) {
                restart_services(bench);
                emit_base(bench);
                measure_tasks(bench, "as built");
                if (g_access(OTHER_LIBC, X_OK) < 0)
                        continue;
                /* the service holds on to the one that it found when it was started */
                if (g_rename(SUPERVISOR, SUPERVISOR ".kept") < 0 || g_rename(OTHER_LIBC, SUPERVISOR) < 0)
                        bench_fail(-errno, SUPERVISOR);
                measure_tasks(bench, "glibc");
                if (g_rename(SUPERVISOR, OTHER_LIBC) < 0 || g_rename(SUPERVISOR ".kept", SUPERVISOR) < 0)
                        bench_fail(-errno, SUPERVISOR);
        }
        restart_services(bench);
}

static uint64_t wakeups(const GArray *pids)
{
        uint64_t sum = 0;

        for (guint i = 0; i < pids->len; i++)
                sum += process_wakeups(g_array_index(pids, pid_t, i));
        return sum;
}

static uint64_t wakeups_of(const Bench *bench, uint64_t *ret_supervisors)
{
        g_autoptr(GArray) supervisors = processes_named(NAME_OF_SUPERVISORS);
        uint64_t sum = 0;

        *ret_supervisors = wakeups(supervisors);
        for (size_t i = 0; i < G_N_ELEMENTS(services); i++) {
                g_autoptr(GArray) pids = unit_processes(bench, services[i]);

                sum += wakeups(pids);
        }
        return sum;
}

static char *drop_in(const char *unit)
{
        return g_strdup_printf("/run/systemd/system/%s.d/bench.conf", unit);
}

static void set_watchdog(const Bench *bench, bool on)
{
        for (size_t i = 0; i < G_N_ELEMENTS(services); i++) {
                g_autofree char *file = drop_in(services[i]), *directory = g_path_get_dirname(file);

                (void) g_mkdir_with_parents(directory, 0755);
                if (on)
                        (void) g_unlink(file);
                else if (!g_file_set_contents(file, "[Service]\nWatchdogSec=0\n", -1, NULL))
                        bench_fail(-EIO, file);
        }
        restart_services(bench);
}

void measure_idle(Bench *bench)
{
        Tasks tasks = { .prefix = "idle", .command = BENCH_TASK, .arguments = pause_arguments };
        uint64_t before, after, supervisors_before, supervisors_after;

        /* what is then left is ours */
        set_watchdog(bench, false);
        (void) tasks_start(bench, &tasks, bench->quick ? 50 : IDLE_TASKS, WINDOW, NULL);
        bench_settle(bench);
        /* a service stops listening to systemd's signals a moment after it had to */
        g_usleep(10 * G_USEC_PER_SEC);

        before = wakeups_of(bench, &supervisors_before);
        g_usleep((bench->quick ? 5 : IDLE_SECONDS) * G_USEC_PER_SEC);
        after = wakeups_of(bench, &supervisors_after);
        bench_emit("idle", "services", 0, (double) (after - before));
        bench_emit("idle", "supervisors", 0, (double) (supervisors_after - supervisors_before));
        tasks_stop(bench, &tasks);
        set_watchdog(bench, true);
}
