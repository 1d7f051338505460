/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is done with tasks that run: statistics, Exec, and finding them again. */

#include "control.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "calls.h"
#include "process.h"
#include "tasks.h"

#define N_STATS           1000
#define N_ADOPTED         2000
#define START_WINDOW      32
#define STATS_WINDOW      64
#define STATS_REPETITIONS 21
#define STATS_PAUSE_USEC  200000
#define STREAM_SECONDS    10
#define EXEC_REPETITIONS  300
#define ADOPTIONS         7

static const char *const pause_arguments[] = { "pause", NULL };

static sd_bus_message *make_get_stats(const Bench *bench, size_t i, void *userdata)
{
        g_autofree char *path = task_path(userdata, i);

        return call_new(bench, path, EXECUTOR_TASK, "GetStats");
}

static sd_bus_message *make_stream_stats(const Bench *bench, size_t i, void *userdata)
{
        g_autofree char *path = task_path(userdata, i);
        sd_bus_message *m = call_new(bench, path, EXECUTOR_TASK, "StreamStats");

        (void) bench_check(sd_bus_message_append(m, "t", UINT64_C(1000000)), path);
        return m;
}

static int *streams;

static void keep_stream(size_t i, sd_bus_message *reply, void *userdata)
{
        int fd;

        (void) userdata;
        (void) bench_check(sd_bus_message_read(reply, "h", &fd), "StreamStats");
        streams[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        (void) bench_check(streams[i] < 0 ? -errno : 0, "StreamStats");
}

/* The pipes hold what comes in so short a time. */
static void measure_streams(const Bench *bench, Tasks *tasks)
{
        pid_t pid = unit_main_pid(bench, EXECUTOR_UNIT);
        unsigned seconds = bench->quick ? 2 : STREAM_SECONDS;
        CallSeries series = { .n = tasks->n_live,
                .window = STATS_WINDOW,
                .make = make_stream_stats,
                .replied = keep_stream,
                .userdata = tasks };
        double cpu;

        streams = g_new(int, tasks->n_live);
        (void) calls_run(bench, &series);
        for (unsigned i = 0; i < bench_repeat(bench, 3); i++) {
                cpu = process_cpu_seconds(pid);
                g_usleep(seconds * G_USEC_PER_SEC);
                bench_emit("stream-stats", "nomad-executor", 0,
                                (process_cpu_seconds(pid) - cpu) / seconds * 100);
        }
        for (size_t i = 0; i < tasks->n_live; i++)
                safe_close(streams[i]);
        g_clear_pointer(&streams, g_free);
}

void measure_stats(Bench *bench)
{
        Tasks tasks = { .prefix = "stats", .command = BENCH_TASK, .arguments = pause_arguments };
        CallSeries series = { .window = STATS_WINDOW, .make = make_get_stats, .userdata = &tasks };
        struct rlimit limit = { 65536, 65536 };

        (void) setrlimit(RLIMIT_NOFILE, &limit);
        (void) tasks_start(bench, &tasks, bench->quick ? 50 : N_STATS, START_WINDOW, NULL);
        bench_settle(bench);
        series.n = tasks.n_live;
        for (unsigned i = 0; i < bench_repeat(bench, STATS_REPETITIONS); i++) {
                /* which of client, bus and service share a processor is decided anew: that makes 45 or 75
                 * ms */
                g_usleep(STATS_PAUSE_USEC);
                bench_emit("get-stats", "nomad-executor", 0, calls_run(bench, &series) * 1e3);
        }
        measure_streams(bench, &tasks);
        tasks_stop(bench, &tasks);
}

static double fork_exec_wait(void)
{
        char *argv[] = { (char *) "true", NULL }, *environment[] = { NULL };
        uint64_t start = bench_now_nsec();
        pid_t pid = fork();

        if (pid == 0) {
                (void) execve("/bin/true", argv, environment);
                _exit(EXIT_FAILURE);
        }
        if (pid < 0 || waitpid(pid, NULL, 0) < 0)
                bench_fail(-errno, "fork");
        return (double) (bench_now_nsec() - start) / 1e9;
}

static int on_exec_exited(G_GNUC_UNUSED sd_bus_message *m, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        bool *exited = userdata;

        *exited = true;
        return 0;
}

/* Until the client knows that it has ended. */
static double exec_true(const Bench *bench, Tasks *tasks, const bool *exited)
{
        g_autofree char *path = task_path(tasks, 0);
        g_autoptr(sd_bus_message) reply = NULL;
        uint64_t start = bench_now_nsec();

        (void) bench_check(sd_bus_call_method(bench->bus, EXECUTOR_NAME, path, EXECUTOR_TASK, "Exec", NULL,
                                           &reply, "asa{sv}", 1, "/bin/true", 0),
                        "Exec");
        while (!*exited)
                (void) bench_check(sd_event_run(bench->event, UINT64_MAX), "event loop");
        return (double) (bench_now_nsec() - start) / 1e9;
}

static double run_true(const Bench *bench, Tasks *tasks)
{
        g_autofree char *path = task_path(tasks, 0);
        uint64_t start = bench_now_nsec();

        (void) bench_check(sd_bus_call_method(bench->bus, EXECUTOR_NAME, path, EXECUTOR_TASK, "Run", NULL,
                                           NULL, "ast", 1, "/bin/true", UINT64_C(10000000)),
                        "Run");
        return (double) (bench_now_nsec() - start) / 1e9;
}

/* What the bus alone costs, there and back. */
static double ping(const Bench *bench)
{
        uint64_t start = bench_now_nsec();

        (void) bench_check(sd_bus_call_method(bench->bus, EXECUTOR_NAME, EXECUTOR_PATH,
                                           "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL),
                        "Ping");
        return (double) (bench_now_nsec() - start) / 1e9;
}

void measure_exec(Bench *bench)
{
        Tasks tasks = { .prefix = "exec", .command = BENCH_TASK, .arguments = pause_arguments };
        g_autoptr(sd_bus_slot) slot = NULL;
        bool exited = false;

        (void) bench_check(sd_bus_match_signal(bench->bus, &slot, EXECUTOR_NAME, NULL, EXECUTOR_TASK,
                                           "ExecExited", on_exec_exited, &exited),
                        "match");
        (void) tasks_start(bench, &tasks, 1, 1, NULL);
        bench_settle(bench);
        for (unsigned i = 0; i < bench_repeat(bench, EXEC_REPETITIONS); i++) {
                bench_emit("exec", "fork + exec + wait", 0, fork_exec_wait() * 1e3);
                exited = false;
                bench_emit("exec", "Exec", 0, exec_true(bench, &tasks, &exited) * 1e3);
                bench_emit("exec", "Run", 0, run_true(bench, &tasks) * 1e3);
                bench_emit("exec", "Ping", 0, ping(bench) * 1e3);
        }
        tasks_stop(bench, &tasks);
}

double control_adopt(const Bench *bench)
{
        pid_t pid = unit_main_pid(bench, EXECUTOR_UNIT);
        uint64_t start = bench_now_nsec();

        if (kill(pid, SIGKILL) < 0)
                bench_fail(-errno, EXECUTOR_UNIT);
        while (kill(pid, 0) == 0)
                g_usleep(100);
        /* starts it again, and waits until it serves */
        (void) bench_check(sd_bus_call_method(bench->bus, EXECUTOR_NAME, EXECUTOR_PATH, EXECUTOR_MANAGER,
                                           "ListTasks", NULL, NULL, NULL),
                        "ListTasks");
        return (double) (bench_now_nsec() - start) / 1e9;
}

void measure_adoption(Bench *bench)
{
        Tasks tasks = { .prefix = "adopted", .command = BENCH_TASK, .arguments = pause_arguments };

        (void) tasks_start(bench, &tasks, bench->quick ? 50 : N_ADOPTED, START_WINDOW, NULL);
        bench_settle(bench);
        for (unsigned i = 0; i < bench_repeat(bench, ADOPTIONS); i++) {
                bench_emit("adoption", "nomad-executor", 0, control_adopt(bench) * 1e3);
                bench_settle(bench);
        }
        tasks_stop(bench, &tasks);
}
