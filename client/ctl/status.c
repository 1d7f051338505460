/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "format.h"
#include "pager.h"
#include "table.h"
#include "terminal.h"

#define LOG_LINES 5

static void print_line(const char *label, const char *text)
{
        unsigned width = terminal_width();
        g_autofree char *clean = text_clean(text);
        g_autofree char *shown = width > 0 ? text_ellipsize(clean, MAX(width, 14U) - 12) : g_strdup(clean);

        (void) printf("%10s: %s\n", label, shown);
}

static void print_head(const char *id, const nx_values *p)
{
        const char *state = value_string(p, "State"), *description = value_string(p, "Description");
        const char *colour = colour_of_end(p) ? colour_of_end(p) : colour_of_state(state);
        g_autofree char *clean_id = text_clean(id);
        g_autofree char *clean = text_clean(description);

        (void) printf("%s%s%s %s%s%s%s%s\n", terminal_colour(colour), terminal_is_utf8() ? "●" : "*",
                        terminal_colour(COLOUR_OFF), terminal_colour(COLOUR_BOLD), clean_id,
                        terminal_colour(COLOUR_OFF), strcmp(id, description) == 0 ? "" : " - ",
                        strcmp(id, description) == 0 ? "" : clean);
}

static void print_state(const nx_values *p)
{
        bool ended = has_ended(p);
        uint64_t start = value_uint64(p, "StartTimestamp"), end = value_uint64(p, "ExitTimestamp");
        g_autofree char *since = format_timestamp(ended ? end : start);
        g_autofree char *how = format_end(p);
        g_autofree char *span = format_span(
                        ended ? (end < start ? 0 : end - start) : (uint64_t) g_get_real_time() - start);
        g_autofree char *text = g_strdup_printf("%s%s%s%s since %s; %s%s", value_string(p, "State"),
                        how ? " (" : "", how ? how : "", how ? ")" : "", since ? since : "?",
                        ended ? "ran " : "", span ? span : "?");

        print_line("State", text);
}

static void print_usage(nx_task *task, const nx_values *p)
{
        g_autoptr(nx_values) stats = NULL;
        g_autofree char *cpu = NULL;
        g_autofree char *memory = NULL;
        g_autofree char *peak = NULL;
        g_autofree char *text = NULL;
        uint64_t tasks = UINT64_MAX;

        if (!has_ended(p) && nx_task_get_stats(task, &stats, NULL) >= 0) {
                cpu = format_cpu_time(value_uint64(stats, "CPUUsageNSec"));
                memory = format_bytes(value_uint64(stats, "MemoryCurrent"));
                peak = format_bytes(value_uint64(stats, "MemoryPeak"));
                tasks = value_uint64(stats, "TasksCurrent");
        } else {
                cpu = format_cpu_time(value_uint64(p, "CPUUsageNSec"));
                peak = format_bytes(value_uint64(p, "MemoryPeak"));
        }

        if (tasks != UINT64_MAX) {
                text = g_strdup_printf("%" PRIu64, tasks);
                print_line("Tasks", text);
        }
        if (memory || peak) {
                g_autofree char *both = g_strdup_printf("%s%s%s%s", memory ? memory : "",
                                peak && memory ? " (" : "", peak ? "peak " : "", peak ? peak : "");
                g_autofree char *closed = g_strconcat(both, peak && memory ? ")" : "", NULL);

                print_line("Memory", closed);
        }
        if (cpu)
                print_line("CPU", cpu);
}

static void print_log(nx_task *task, const char *stream, int lines)
{
        unsigned width = terminal_width();
        g_autofree char *line = NULL;
        size_t size = 0;
        bool first = true;
        ssize_t n;
        FILE *file;
        int fd;

        if (lines <= 0 || nx_task_open_log(task, stream, NX_LOG_LINES, (uint64_t) lines, &fd, NULL) < 0)
                return;
        file = fdopen(fd, "r");
        if (!file) {
                (void) close(fd);
                return;
        }
        while ((n = getline(&line, &size, file)) >= 0) {
                g_autofree char *clean = NULL;
                g_autofree char *shown = NULL;

                if (n > 0 && line[n - 1] == '\n')
                        line[n - 1] = '\0';
                clean = text_clean(line);
                shown = width > 0 ? text_ellipsize(clean, MAX(width, 3U) - 2) : g_strdup(clean);
                if (first)
                        (void) printf("\n%s%s:%s\n", terminal_colour(COLOUR_DIM), stream,
                                        terminal_colour(COLOUR_OFF));
                (void) printf("  %s\n", shown);
                first = false;
        }
        (void) fclose(file);
}

/* A task that runs has no complete log, which goes without saying, as for a service from before
 * LogComplete. */
static bool log_is_incomplete(const nx_values *p)
{
        int complete;

        return has_ended(p) && nx_values_get_bool(p, "LogComplete", &complete) >= 0 && !complete;
}

static void print_logs(const nx_values *p)
{
        const char *directory = value_string(p, "LogDirectory");
        bool incomplete = log_is_incomplete(p);
        g_autofree char *text = incomplete && *directory != '\0'
                        ? g_strdup_printf("%s (incomplete)", directory)
                        : g_strdup(incomplete ? "incomplete" : directory);

        if (*text != '\0')
                print_line("Logs", text);
}

static void print_task(nx_task *task, const nx_values *p, int lines)
{
        g_autofree char *process = g_strdup_printf("%" PRIu64 " %s (uid %" PRIu64 ")",
                        value_uint64(p, "MainPID"), value_string(p, "Command"), value_uint64(p, "UID"));

        print_head(nx_task_get_id(task), p);
        print_state(p);
        print_line("Unit", value_string(p, "Unit"));
        print_line("Main", process);
        print_usage(task, p);
        print_logs(p);
        print_log(task, "stdout", lines);
        print_log(task, "stderr", lines);
}

/* 0 while it runs, STATUS_ENDED after that, or what went wrong. */
static int show_status(Ctl *ctl, nx_task *task, int lines, JsonArray *array)
{
        g_autoptr(nx_values) properties = NULL;
        g_autoptr(nx_error) error = NULL;

        if (nx_task_get_properties(task, &properties, &error) < 0)
                return ctl_fail(ctl, error);

        if (ctl->json == JSON_OFF)
                print_task(task, properties, lines);
        else
                json_array_add_element(array, ctl_values_to_json(properties));
        return has_ended(properties) ? STATUS_ENDED : STATUS_OK;
}

static int show_all(Ctl *ctl, char **names, int lines)
{
        g_autoptr(JsonArray) array = json_array_new();
        g_autoptr(JsonNode) root = json_node_new(JSON_NODE_ARRAY);
        g_autoptr(GPtrArray) tasks = NULL;
        int status;

        tasks = ctl_find_tasks(ctl, names, TASKS_ALL, &status);
        for (guint i = 0; i < tasks->len; i++) {
                int one;

                if (i > 0 && ctl->json == JSON_OFF)
                        (void) printf("\n");
                one = show_status(ctl, tasks->pdata[i], lines, array);
                if (status == STATUS_OK || (status == STATUS_ENDED && one != STATUS_OK))
                        status = one;
        }
        if (ctl->json != JSON_OFF) {
                json_node_set_array(root, array);
                ctl_print_json(ctl, root);
        }

        return status;
}

/* All that there are; of those no one is asked for in particular, so that none is missed. */
static int show_every(Ctl *ctl, int lines)
{
        g_autoptr(GPtrArray) ids = g_ptr_array_new();
        g_autoptr(nx_task_list) list = NULL;
        g_autoptr(nx_error) error = NULL;

        if (nx_task_list_new(ctl->connection, &list, &error) < 0)
                return ctl_fail(ctl, error);
        for (size_t i = 0; i < nx_task_list_get_size(list); i++)
                g_ptr_array_add(ids, (char *) nx_task_list_get_id(list, i));
        g_ptr_array_add(ids, NULL);
        (void) show_all(ctl, (char **) ids->pdata, lines);
        return STATUS_OK;
}

int verb_status(Ctl *ctl, int argc, char **argv)
{
        int lines = LOG_LINES;
        const GOptionEntry entries[] = {
                { "lines", 'n', 0, G_OPTION_ARG_INT, &lines, "Lines of each log to show (5)", "N" },
                G_OPTION_ENTRY_NULL,
        };

        if (!ctl_parse(ctl, entries, false, 0, G_MAXINT, &argc, &argv))
                return STATUS_USAGE;
        if (lines < 0)
                return ctl_fail_text(ctl, STATUS_USAGE, "--lines must not be negative");
        if (!ctl_connect(ctl))
                return STATUS_FAILED;

        if (ctl->json == JSON_OFF)
                pager_open(ctl);
        return argc > 1 ? show_all(ctl, argv + 1, lines) : show_every(ctl, lines);
}
