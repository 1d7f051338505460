/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Measures what a task costs, in a booted machine, beside what else does the same work: see tools/bench.
 * Prints one sample a line, "MEASURE<TAB>SUBJECT<TAB>X<TAB>VALUE". */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#include "bench.h"

#define CALL_TIMEOUT_USEC (300 * UINT64_C(1000000))
#define CALM_USEC         (30 * G_TIME_SPAN_MILLISECOND)
#define SETTLE_PINGS      3

static const struct {
        const char *name;
        void (*run)(Bench *bench);
} measures[] = {
        { "start", measure_start },
        { "rate", measure_rate },
        { "isolated", measure_isolated },
        { "exec", measure_exec },
        { "logs", measure_logs },
        { "loud", measure_loud },
        { "journal", measure_journal },
        { "memory", measure_memory },
        { "stats", measure_stats },
        { "adoption", measure_adoption },
        { "scale", measure_scale },
        { "idle", measure_idle },
};

void bench_emit(const char *measure, const char *subject, double x, double value)
{
        (void) printf("%s\t%s\t%g\t%.9g\n", measure, subject, x, value);
        (void) fflush(stdout);
}

unsigned bench_repeat(const Bench *bench, unsigned n)
{
        return bench->quick ? MIN(n, 2U) : n;
}

void bench_fail(int error, const char *what)
{
        (void) fprintf(stderr, "%s: %s\n", what, g_strerror(-error));
        exit(EXIT_FAILURE);
}

int bench_check(int r, const char *what)
{
        if (r < 0)
                bench_fail(r, what);
        return r;
}

uint64_t bench_now_nsec(void)
{
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * UINT64_C(1000000000) + (uint64_t) now.tv_nsec;
}

static void ping(const Bench *bench, const char *name, const char *path)
{
        (void) bench_check(sd_bus_call_method(bench->bus, name, path, "org.freedesktop.DBus.Peer", "Ping",
                                           NULL, NULL, NULL),
                        name);
}

void bench_settle(const Bench *bench)
{
        for (unsigned i = 0; i < SETTLE_PINGS; i++) {
                ping(bench, "org.freedesktop.systemd1", "/org/freedesktop/systemd1");
                ping(bench, EXECUTOR_NAME, EXECUTOR_PATH);
                (void) g_usleep(1000);
        }
}

void bench_calm(void)
{
        g_usleep(CALM_USEC);
}

static void connect_bus(Bench *bench)
{
        (void) bench_check(sd_event_default(&bench->event), "event loop");
        (void) bench_check(sd_bus_open_system(&bench->bus), "system bus");
        (void) bench_check(sd_bus_set_method_call_timeout(bench->bus, CALL_TIMEOUT_USEC), "timeout");
        (void) bench_check(sd_bus_attach_event(bench->bus, bench->event, SD_EVENT_PRIORITY_NORMAL), "bus");
        (void) bench_check(sd_bus_call_method(bench->bus, "org.freedesktop.systemd1",
                                           "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                                           "Subscribe", NULL, NULL, NULL),
                        "Subscribe");
}

static void make_directory(void)
{
        (void) umount2(BENCH_DIRECTORY, MNT_DETACH);
        (void) mkdir(BENCH_DIRECTORY, 0755);
        if (mount("tmpfs", BENCH_DIRECTORY, "tmpfs", 0, "mode=0755") < 0)
                bench_fail(-errno, BENCH_DIRECTORY);
}

static bool is_chosen(char **names, const char *name)
{
        return !names || g_strv_contains((const char *const *) names, name);
}

static void check_names(char **names)
{
        for (char **name = names; name && *name; name++) {
                bool known = false;

                for (size_t i = 0; i < G_N_ELEMENTS(measures); i++)
                        known = known || strcmp(measures[i].name, *name) == 0;
                if (!known)
                        bench_fail(-ENOENT, *name);
        }
}

int main(int argc, char **argv)
{
        g_auto(GStrv) names = NULL;
        gboolean quick = FALSE;
        const GOptionEntry entries[] = {
                { "quick", 0, 0, G_OPTION_ARG_NONE, &quick, "Few repetitions", NULL },
                { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &names, NULL, "[MEASURE…]" },
                G_OPTION_ENTRY_NULL,
        };
        g_autoptr(GOptionContext) context = g_option_context_new(NULL);
        g_autoptr(GError) error = NULL;
        Bench bench = { 0 };

        g_option_context_add_main_entries(context, entries, NULL);
        if (!g_option_context_parse(context, &argc, &argv, &error)) {
                (void) fprintf(stderr, "%s\n", error->message);
                return 2;
        }
        check_names(names);

        bench.quick = quick;
        make_directory();
        connect_bus(&bench);
        bench_settle(&bench);
        for (size_t i = 0; i < G_N_ELEMENTS(measures); i++)
                if (is_chosen(names, measures[i].name)) {
                        (void) fprintf(stderr, "%s …\n", measures[i].name);
                        measures[i].run(&bench);
                }

        (void) sd_bus_flush_close_unref(bench.bus);
        (void) sd_event_unref(bench.event);
        return EXIT_SUCCESS;
}
