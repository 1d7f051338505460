/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Writing to log files, beside programs that do nothing else. */

#include "logs.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>

#include "process.h"
#include "tasks.h"

#define LOGS_DIRECTORY BENCH_DIRECTORY "/logs"
#define RESULTS        BENCH_DIRECTORY "/results"
#define GATE           BENCH_DIRECTORY "/gate"
#define REPETITIONS    5
#define SECONDS        1.2
#define LOUD_SECONDS   3.0
#define N_LOUD         50
#define N_FILES        10
#define FILE_SIZE      ((size_t) 10 * 1024 * 1024)
#define N_FILLS        100
#define FILL_LINES     10000U
#define PIPE_SIZE      (1024 * 1024)
#define START_WINDOW   32

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
        static const char *const remove[] = { "rm", "-rf", LOGS_DIRECTORY, RESULTS, GATE, NULL };

        child_run(remove);
        if (g_mkdir(LOGS_DIRECTORY, 0755) < 0 || g_mkdir(RESULTS, 0755) < 0 || mkfifo(GATE, 0644) < 0 ||
                        !g_file_set_contents(LOGS_DIRECTORY "/config", "s10485760\nn10\n", -1, NULL))
                bench_fail(-errno, LOGS_DIRECTORY);
}

static void read_result(const char *name, double *ret_bytes, double *ret_seconds)
{
        g_autofree char *path = g_build_filename(RESULTS, name, NULL), *text = NULL;
        unsigned long long bytes, nsec;

        if (!g_file_get_contents(path, &text, NULL, NULL) ||
                        sscanf(text, "%llu %llu", &bytes, &nsec) != 2) // NOLINT(cert-err34-c)
                bench_fail(-ENODATA, path);
        *ret_bytes = (double) bytes;
        *ret_seconds = (double) nsec / 1e9;
}

static char **flood_arguments(size_t size, double seconds)
{
        char **argv = g_new0(char *, 6);

        argv[0] = g_strdup("flood");
        argv[1] = g_strdup_printf("%zu", size);
        argv[2] = g_strdup(GATE);
        argv[3] = g_strdup_printf("%" PRIu64, (uint64_t) (seconds * 1e9));
        argv[4] = g_strdup(RESULTS);
        return argv;
}

static int open_gate(void)
{
        const int fd = open(GATE, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                bench_fail(-errno, GATE);
        return fd;
}

static Loudness gather(size_t n)
{
        g_autoptr(GDir) dir = g_dir_open(RESULTS, 0, NULL);
        double least = G_MAXDOUBLE, most = 0;
        Loudness result = { 0 };
        size_t n_read = 0;

        for (const char *name; dir && (name = g_dir_read_name(dir)); n_read++) {
                double bytes, seconds;

                read_result(name, &bytes, &seconds);
                result.bytes += bytes;
                result.bytes_per_second += bytes / seconds;
                least = MIN(least, bytes / seconds);
                most = MAX(most, bytes / seconds);
        }
        if (n_read != n)
                bench_fail(-ENODATA, RESULTS);

        result.spread = (most - least) * (double) n / result.bytes_per_second;
        return result;
}

Loudness logs_flood(const Bench *bench, size_t n, size_t size, double seconds, size_t keep)
{
        const pid_t logmon = unit_main_pid(bench, LOGMON_UNIT);
        g_auto(GStrv) arguments = flood_arguments(size, seconds);
        Tasks tasks = { .prefix = "flood",
                .command = BENCH_TASK,
                .arguments = (const char *const *) arguments,
                .log_target = "files",
                .log_directory = LOGS_DIRECTORY,
                .log_max_file_size = MAX(keep / N_FILES / n, FILE_SIZE) };
        Loudness result;
        double cpu;
        int gate;

        begin_directory();
        (void) tasks_start(bench, &tasks, n, START_WINDOW, NULL);
        bench_settle(bench);
        cpu = process_cpu_seconds(logmon);
        gate = open_gate();
        tasks_wait(bench, &tasks);
        cpu = process_cpu_seconds(logmon) - cpu;
        (void) close(gate);
        tasks_stop(bench, &tasks);

        result = gather(n);
        result.cpu_seconds = cpu;
        return result;
}

static Loudness flood_program(const char *const *program, size_t size)
{
        g_auto(GStrv) arguments = flood_arguments(size, SECONDS);
        const char *argv[] = { BENCH_TASK, arguments[0], arguments[1], arguments[2], arguments[3],
                arguments[4], NULL };
        Loudness result;
        pid_t reader, writer;
        int fds[2], gate;
        double cpu;

        begin_directory();
        if (pipe2(fds, O_CLOEXEC) < 0 || fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE) < 0)
                bench_fail(-errno, "pipe");
        reader = child_spawn(&(Child){ program, fds[0], -1 });
        writer = child_spawn(&(Child){ argv, -1, fds[1] });
        (void) close(fds[0]);
        (void) close(fds[1]);
        gate = open_gate();
        (void) child_wait(writer, argv[0]);
        cpu = child_wait(reader, program[0]);
        (void) close(gate);

        result = gather(1);
        result.cpu_seconds = cpu;
        return result;
}

/* The writer alone, into pipes that nobody reads: no reader makes it faster. In MB/s. */
static double fill_pipes(void)
{
        static const char line[100] = { 0 };
        uint64_t nsec = 0;

        for (unsigned i = 0; i < N_FILLS; i++) {
                uint64_t begin;
                int fds[2];

                if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0 || fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE) < 0)
                        bench_fail(-errno, "pipe");
                begin = bench_now_nsec();
                for (unsigned k = 0; k < FILL_LINES; k++)
                        if (write(fds[1], line, sizeof(line)) != (ssize_t) sizeof(line))
                                bench_fail(-errno, "pipe");
                nsec += bench_now_nsec() - begin;
                (void) close(fds[0]);
                (void) close(fds[1]);
        }
        return (double) (sizeof(line) * N_FILLS * FILL_LINES) / (double) nsec * 1e3;
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

        for (unsigned i = 0; i < bench_repeat(bench, REPETITIONS); i++) {
                for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
                        Loudness ours = logs_flood(bench, 1, sizes[s], SECONDS, 0);

                        emit_flood(sizes[s], "nomad-executor", &ours);
                        for (size_t w = 0; w < G_N_ELEMENTS(writers); w++) {
                                Loudness theirs = flood_program(writers[w].argv, sizes[s]);

                                emit_flood(sizes[s], writers[w].name, &theirs);
                        }
                }
                bench_emit("logs-100", "nobody reads", 0, fill_pipes());
        }
        begin_directory();
}

void measure_loud(Bench *bench)
{
        for (unsigned i = 0; i < bench_repeat(bench, REPETITIONS); i++) {
                Loudness one = logs_flood(bench, 1, 65536, LOUD_SECONDS, N_LOUD * N_FILES * FILE_SIZE);
                Loudness many = logs_flood(bench, N_LOUD, 65536, LOUD_SECONDS, N_LOUD * N_FILES * FILE_SIZE);

                bench_emit("loud", "1 task", 0, one.bytes_per_second / 1e6);
                bench_emit("loud", "50 tasks", 0, many.bytes_per_second / 1e6);
                bench_emit("loud-spread", "50 tasks", 0, many.spread * 100);
        }
        begin_directory();
}
