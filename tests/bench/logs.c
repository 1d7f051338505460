/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Writing to log files, beside programs that do nothing else. */

#include "logs.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>

#include "process.h"
#include "tasks.h"

#define LOGS_DIRECTORY   BENCH_DIRECTORY "/logs"
#define RESULTS          BENCH_DIRECTORY "/results"
#define REPETITIONS      5
#define SECONDS          1.2
#define LOUD_SECONDS     3.0
#define N_LOUD           50
#define PIPE_SIZE        (1024 * 1024)
#define BEGIN_AFTER      UINT64_C(100000000)
#define BEGIN_AFTER_EACH UINT64_C(8000000)

/* They keep ten files of 10 MiB each, as tasks do by default. */
static const struct {
        const char *name;
        const char *argv[5];
} writers[] = {
        { "copy loop", { "/usr/lib/nomad-executor/tests/bench-copy", LOGS_DIRECTORY, NULL } },
        { "multilog", { "multilog", "s10485760", "n10", LOGS_DIRECTORY, NULL } },
        { "svlogd", { "svlogd", LOGS_DIRECTORY, NULL } },
        { "s6-log", { "s6-log", "n10", "s10485760", LOGS_DIRECTORY, NULL } },
};

static void begin_directory(void)
{
        static const char *const remove[] = { "rm", "-rf", LOGS_DIRECTORY, RESULTS, NULL };

        child_run(remove);
        if (g_mkdir(LOGS_DIRECTORY, 0755) < 0 || g_mkdir(RESULTS, 0755) < 0 ||
                        !g_file_set_contents(LOGS_DIRECTORY "/config", "s10485760\nn10\n", -1, NULL))
                bench_fail(-errno, LOGS_DIRECTORY);
}

static char *result_path(size_t i)
{
        return g_strdup_printf(RESULTS "/%zu", i);
}

static void read_result(size_t i, double *ret_bytes, double *ret_seconds)
{
        g_autofree char *path = result_path(i), *text = NULL;
        unsigned long long bytes, nsec;

        if (!g_file_get_contents(path, &text, NULL, NULL) ||
                        sscanf(text, "%llu %llu", &bytes, &nsec) != 2) // NOLINT(cert-err34-c)
                bench_fail(-ENODATA, path);
        *ret_bytes = (double) bytes;
        *ret_seconds = (double) nsec / 1e9;
}

static char **flood_arguments(size_t i, size_t size, uint64_t begin_nsec, double seconds)
{
        char **argv = g_new0(char *, 6);

        argv[0] = g_strdup("flood");
        argv[1] = g_strdup_printf("%zu", size);
        argv[2] = g_strdup_printf("%" PRIu64, begin_nsec);
        argv[3] = g_strdup_printf("%" PRIu64, (uint64_t) (seconds * 1e9));
        argv[4] = result_path(i);
        return argv;
}

static Loudness gather(size_t n)
{
        double least = G_MAXDOUBLE, most = 0;
        Loudness result = { 0 };

        for (size_t i = 0; i < n; i++) {
                double bytes, seconds;

                read_result(i, &bytes, &seconds);
                result.bytes += bytes;
                result.bytes_per_second += bytes / seconds;
                least = MIN(least, bytes / seconds);
                most = MAX(most, bytes / seconds);
        }

        result.spread = (most - least) * (double) n / result.bytes_per_second;
        return result;
}

Loudness logs_flood(const Bench *bench, size_t n, size_t size, double seconds)
{
        /* all are there before the first begins */
        uint64_t begin = bench_now_nsec() + BEGIN_AFTER + n * BEGIN_AFTER_EACH;
        pid_t logmon = unit_main_pid(bench, LOGMON_UNIT);
        g_autofree Tasks *tasks = g_new0(Tasks, n);
        Loudness result;
        double cpu;

        begin_directory();
        for (size_t i = 0; i < n; i++) {
                g_auto(GStrv) arguments = flood_arguments(i, size, begin, seconds);
                g_autofree char *prefix = g_strdup_printf("flood%zu", i);

                tasks[i] = (Tasks){ .prefix = g_steal_pointer(&prefix),
                        .command = BENCH_TASK,
                        .arguments = (const char *const *) arguments,
                        .log_target = "files",
                        .log_directory = LOGS_DIRECTORY };
                (void) tasks_start(bench, tasks + i, 1, 1, NULL);
        }
        cpu = process_cpu_seconds(logmon);
        for (size_t i = 0; i < n; i++)
                tasks_wait(bench, tasks + i);
        cpu = process_cpu_seconds(logmon) - cpu;
        for (size_t i = 0; i < n; i++) {
                tasks_stop(bench, tasks + i);
                g_free((char *) tasks[i].prefix);
        }

        result = gather(n);
        result.cpu_seconds = cpu;
        return result;
}

static Loudness flood_program(const char *const *program, size_t size)
{
        g_auto(GStrv) arguments = flood_arguments(0, size, bench_now_nsec() + BEGIN_AFTER, SECONDS);
        const char *argv[] = { BENCH_TASK, arguments[0], arguments[1], arguments[2], arguments[3],
                arguments[4], NULL };
        Loudness result;
        pid_t reader, writer;
        double cpu;
        int fds[2];

        begin_directory();
        if (pipe2(fds, O_CLOEXEC) < 0 || fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE) < 0)
                bench_fail(-errno, "pipe");
        reader = child_spawn(&(Child){ program, fds[0], -1 });
        writer = child_spawn(&(Child){ argv, -1, fds[1] });
        (void) close(fds[0]);
        (void) close(fds[1]);
        (void) child_wait(writer, argv[0]);
        cpu = child_wait(reader, program[0]);

        result = gather(1);
        result.cpu_seconds = cpu;
        return result;
}

static void emit_flood(size_t size, const char *subject, const Loudness *result)
{
        const char *rate = size == 100 ? "logs-100" : "logs-64k",
                   *cpu = size == 100 ? "logs-100-cpu" : "logs-64k-cpu";

        bench_emit(rate, subject, 0, result->bytes_per_second / 1e6);
        bench_emit(cpu, subject, 0, result->cpu_seconds / (result->bytes / 1e9));
}

void measure_logs(Bench *bench)
{
        static const size_t sizes[] = { 65536, 100 };

        for (unsigned i = 0; i < bench_repeat(bench, REPETITIONS); i++)
                for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
                        Loudness ours = logs_flood(bench, 1, sizes[s], SECONDS);

                        emit_flood(sizes[s], "nomad-executor", &ours);
                        for (size_t w = 0; w < G_N_ELEMENTS(writers); w++) {
                                Loudness theirs = flood_program(writers[w].argv, sizes[s]);

                                emit_flood(sizes[s], writers[w].name, &theirs);
                        }
                }
        begin_directory();
}

void measure_loud(Bench *bench)
{
        for (unsigned i = 0; i < bench_repeat(bench, REPETITIONS); i++) {
                Loudness one = logs_flood(bench, 1, 65536, LOUD_SECONDS);
                Loudness many = logs_flood(bench, N_LOUD, 65536, LOUD_SECONDS);

                bench_emit("loud", "1 task", 0, one.bytes_per_second / 1e6);
                bench_emit("loud", "50 tasks", 0, many.bytes_per_second / 1e6);
                bench_emit("loud-spread", "50 tasks", 0, many.spread * 100);
        }
        begin_directory();
}
