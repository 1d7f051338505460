/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "ctl.h"
#include "format.h"
#include "table.h"
#include "terminal.h"
#include "usage.h"

static const Column columns[] = {
        { .title = "ID", .shrink = 8 },
        { .title = "CPU%", .right = true },
        { .title = "CPU", .right = true },
        { .title = "MEMORY", .right = true },
        { .title = "PEAK", .right = true },
        { .title = "SWAP", .right = true },
        { .title = "TASKS", .right = true },
        { .title = "READ", .right = true },
        { .title = "WRITTEN", .right = true },
};

static void add_row(Table *table, const Usage *usage)
{
        table_add(table, g_strdup(usage->id), COLOUR_BOLD);
        table_add(table, g_strdup_printf("%.1f", usage->cpu_percent), NULL);
        table_add(table, format_cpu_time(usage->cpu_nsec), NULL);
        table_add(table, format_bytes(usage->memory), NULL);
        table_add(table, format_bytes(usage->memory_peak), NULL);
        table_add(table, format_bytes(usage->swap), NULL);
        table_add(table, usage->tasks == UINT64_MAX ? NULL : g_strdup_printf("%" PRIu64, usage->tasks),
                        NULL);
        table_add(table, format_bytes(usage->read_bytes), NULL);
        table_add(table, format_bytes(usage->write_bytes), NULL);
}

static void print_json(const Ctl *ctl, const GArray *usages)
{
        g_autoptr(JsonArray) array = json_array_new();
        g_autoptr(JsonNode) root = json_node_new(JSON_NODE_ARRAY);

        for (guint i = 0; i < usages->len; i++) {
                const Usage *usage = &g_array_index(usages, Usage, i);
                JsonNode *node = ctl_values_to_json(usage->stats);

                json_object_set_string_member(json_node_get_object(node), "Id", usage->id);
                json_array_add_element(array, node);
        }
        json_node_set_array(root, array);
        ctl_print_json(ctl, root);
}

static void print_table(const GArray *usages, bool legend)
{
        g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));
        g_autoptr(GString) text = NULL;

        for (guint i = 0; i < usages->len; i++)
                add_row(table, &g_array_index(usages, Usage, i));
        text = table_format(table, terminal_width(), legend);
        (void) fputs(text->str, stdout);
}

static int show(Ctl *ctl, const GPtrArray *tasks, bool watch, uint64_t usec)
{
        g_autoptr(GArray) before = NULL;

        for (bool first = true; first || watch; first = false) {
                g_autoptr(nx_error) error = NULL;
                g_autoptr(GArray) now = NULL;

                if (!first)
                        g_usleep(usec);
                if (usage_look(ctl->connection, tasks, before, &now, &error) < 0)
                        return first || nx_error_get_code(error) != NX_ERROR_NOT_RUNNING
                                        ? ctl_fail(ctl, error)
                                        : STATUS_OK;
                if (ctl->json == JSON_OFF)
                        print_table(now, !ctl->no_legend);
                else
                        print_json(ctl, now);
                (void) fflush(stdout);
                g_clear_pointer(&before, g_array_unref);
                before = g_steal_pointer(&now);
        }

        return STATUS_OK;
}

int verb_stats(Ctl *ctl, int argc, char **argv)
{
        g_autofree char *interval = NULL;
        gboolean watch = FALSE;
        const GOptionEntry entries[] = {
                { "watch", 'w', 0, G_OPTION_ARG_NONE, &watch,
                                "Again and again, until a task that is named ends", NULL },
                { "interval", 0, 0, ARG_TEXT, &interval, "Time between two looks (1s)", "TIME" },
                G_OPTION_ENTRY_NULL,
        };
        g_autoptr(GPtrArray) tasks = NULL;
        uint64_t usec = G_USEC_PER_SEC;
        int status = STATUS_OK, shown;

        if (!ctl_parse(ctl, entries, false, 0, G_MAXINT, &argc, &argv))
                return STATUS_USAGE;
        if (interval && (!parse_seconds(interval, &usec) || usec < 10000))
                return ctl_fail_text(ctl, STATUS_USAGE, "'%s' is not a time of at least 10ms", interval);
        if (!ctl_connect(ctl))
                return STATUS_FAILED;
        if (argc > 1)
                tasks = ctl_find_tasks(ctl, argv + 1, TASKS_RUNNING, &status);
        if (tasks && tasks->len == 0)
                return status;

        shown = show(ctl, tasks, watch, usec);
        return status == STATUS_OK ? shown : status;
}
