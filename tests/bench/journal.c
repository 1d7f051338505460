/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lines to the journal, until journald has written the last. */

#include <glib/gstdio.h>
#include <string.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "process.h"
#include "tasks.h"

#define LINE_SIZE   90
#define REPETITIONS 5
#define LINES       "40000"

static const char *const write_arguments[] = { "lines", LINES, NULL };

/* Without its limit of lines a second, which would count lines that were dropped. */
static void lift_limits(void)
{
        static const char *const restart[] = { "systemctl", "restart", "systemd-journald.service", NULL };

        (void) g_mkdir_with_parents("/run/systemd/journald.conf.d", 0755);
        if (!g_file_set_contents("/run/systemd/journald.conf.d/bench.conf",
                            "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nRateLimitBurst=0\nRuntimeMaxUse=1G\n",
                            -1, NULL))
                bench_fail(-EIO, "journald.conf.d");
        child_run(restart);
}

static void check_lines(const char *match)
{
        g_autofree char *command =
                        g_strdup_printf("[ $(journalctl -q -o cat %s | wc -l) -ge " LINES " ]", match);
        const char *argv[] = { "sh", "-c", command, NULL };

        child_run(argv);
}

static void begin(void)
{
        static const char *const rotate[] = { "journalctl", "-q", "--rotate", "--vacuum-size=1", NULL };

        child_run(rotate);
}

static double lines_per_second(uint64_t start)
{
        static const char *const sync[] = { "journalctl", "--sync", NULL };

        child_run(sync);
        return strtod(LINES, NULL) * 1e9 / (double) (bench_now_nsec() - start);
}

static double run_ours(const Bench *bench)
{
        Tasks tasks = { .prefix = "journal",
                .command = BENCH_TASK,
                .arguments = write_arguments,
                .log_target = "journal" };
        uint64_t start;
        double rate;

        begin();
        start = bench_now_nsec();
        (void) tasks_start(bench, &tasks, 1, 1, NULL);
        tasks_wait(bench, &tasks);
        rate = lines_per_second(start);
        tasks_stop(bench, &tasks);
        check_lines("NOMAD_TASK_ID=journal-0");
        return rate;
}

static double run_systemd_cat(void)
{
        static const char *const argv[] = { "systemd-cat", "--identifier=bench-cat", BENCH_TASK, "lines",
                LINES, NULL };
        uint64_t start;
        double rate;

        begin();
        start = bench_now_nsec();
        child_run(argv);
        rate = lines_per_second(start);
        check_lines("SYSLOG_IDENTIFIER=bench-cat");
        return rate;
}

/* The library's way, which waits for journald, with the fields that a task's lines have. */
static double run_library(void)
{
        g_autofree char *line = g_strnfill(LINE_SIZE, 'x');
        const unsigned long n_lines = strtoul(LINES, NULL, 10);
        uint64_t start;
        double rate;

        begin();
        start = bench_now_nsec();
        for (unsigned i = 0; i < n_lines; i++)
                (void) bench_check(sd_journal_send("PRIORITY=6", "SYSLOG_IDENTIFIER=bench-library",
                                                   "NOMAD_TASK_ID=bench-library", "NOMAD_STREAM=stdout",
                                                   "OBJECT_SYSTEMD_UNIT=nomad-task-bench.scope",
                                                   "MESSAGE=%010u%s", i, line, NULL),
                                "journal");
        rate = lines_per_second(start);
        check_lines("SYSLOG_IDENTIFIER=bench-library");
        return rate;
}

void measure_journal(Bench *bench)
{
        lift_limits();
        for (unsigned i = 0; i < bench_repeat(bench, REPETITIONS); i++) {
                bench_emit("journal", "nomad-executor", 0, run_ours(bench));
                bench_emit("journal", "systemd-cat", 0, run_systemd_cat());
                bench_emit("journal", "sd_journal_send()", 0, run_library());
        }
}
