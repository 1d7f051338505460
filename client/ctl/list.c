/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "ctl.h"
#include "format.h"
#include "pager.h"
#include "table.h"
#include "terminal.h"

static const Column columns[] = {
        { .title = "ID", .shrink = 8 },
        { .title = "STATE" },
        { .title = "END", .shrink = 7 },
        { .title = "PID", .right = true },
        { .title = "TIME", .right = true },
        { .title = "COMMAND", .shrink = 10 },
        { .title = "DESCRIPTION", .shrink = 12 },
};

/* What is told of each in JSON. */
static const char *const members[] = { "Id", "State", "Result", "ExitCode", "ExitSignal", "OOMKilled",
        "MainPID", "StartTimestamp", "ExitTimestamp", "Command", "Description", "Unit", "Labels", NULL };

/* How long it has been running, or ran. */
static char *format_duration(const nx_values *properties)
{
        uint64_t start = value_uint64(properties, "StartTimestamp"), end;

        end = has_ended(properties) ? value_uint64(properties, "ExitTimestamp")
                                    : (uint64_t) g_get_real_time();
        return start == 0 || start == UINT64_MAX || end < start ? NULL : format_span(end - start);
}

static void add_row(Table *table, const char *id, const nx_values *properties)
{
        const char *state = value_string(properties, "State");
        const char *description = value_string(properties, "Description");
        uint64_t pid = value_uint64(properties, "MainPID");

        table_add(table, g_strdup(id), COLOUR_BOLD);
        table_add(table, g_strdup(state), colour_of_state(state));
        table_add(table, format_end(properties), colour_of_end(properties));
        table_add(table, has_ended(properties) || pid == 0 ? NULL : g_strdup_printf("%" PRIu64, pid), NULL);
        table_add(table, format_duration(properties), NULL);
        table_add(table, g_strdup(value_string(properties, "Command")), NULL);
        table_add(table, strcmp(description, id) == 0 ? NULL : g_strdup(description), NULL);
}

static void print_table(const Ctl *ctl, const nx_task_list *list, const GArray *chosen)
{
        g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));
        g_autoptr(GString) text = NULL;

        for (guint i = 0; i < chosen->len; i++) {
                size_t index = g_array_index(chosen, size_t, i);

                add_row(table, nx_task_list_get_id(list, index), nx_task_list_get_properties(list, index));
        }
        pager_open(ctl);
        text = table_format(table, terminal_width(), !ctl->no_legend);
        (void) fputs(text->str, stdout);
        if (!ctl->no_legend)
                (void) printf("\n%zu task%s.\n", table_rows(table), table_rows(table) == 1 ? "" : "s");
}

static void print_json(const Ctl *ctl, const nx_task_list *list, const GArray *chosen)
{
        g_autoptr(JsonArray) array = json_array_new();
        g_autoptr(JsonNode) root = json_node_new(JSON_NODE_ARRAY);

        for (guint i = 0; i < chosen->len; i++) {
                g_autofree char *text = NULL;

                (void) nx_values_to_json(nx_task_list_get_properties(list, g_array_index(chosen, size_t, i)),
                                members, &text);
                json_array_add_element(array, json_from_string(text, NULL));
        }
        json_node_set_array(root, array);
        ctl_print_json(ctl, root);
}

static GArray *choose(const nx_task_list *list, char **patterns, const char *state)
{
        GArray *chosen = g_array_new(FALSE, FALSE, sizeof(size_t));

        for (size_t i = 0; i < nx_task_list_get_size(list); i++) {
                const nx_values *properties = nx_task_list_get_properties(list, i);

                if ((!*patterns || ctl_matches(patterns, nx_task_list_get_id(list, i))) &&
                                (!state || strcmp(state, value_string(properties, "State")) == 0))
                        g_array_append_val(chosen, i);
        }

        return chosen;
}

static const char *const states[] = { "starting", "running", "stopping", "exited", "lost", NULL };

int verb_list(Ctl *ctl, int argc, char **argv)
{
        g_autofree char *state = NULL;
        gboolean quiet = FALSE;
        const GOptionEntry entries[] = {
                { "state", 0, 0, ARG_TEXT, &state, "Only tasks in this state", "STATE" },
                { "quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "Print ids only", NULL },
                G_OPTION_ENTRY_NULL,
        };
        g_autoptr(nx_task_list) list = NULL;
        g_autoptr(GArray) chosen = NULL;
        g_autoptr(nx_error) error = NULL;

        if (!ctl_parse(ctl, entries, false, 0, G_MAXINT, &argc, &argv))
                return STATUS_USAGE;
        if (state && !g_strv_contains(states, state))
                return ctl_fail_text(ctl, STATUS_USAGE,
                                "--state is one of starting, running, stopping, exited and lost, not '%s'",
                                state);
        if (!ctl_connect(ctl))
                return STATUS_FAILED;
        if (nx_task_list_new(ctl->connection, &list, &error) < 0)
                return ctl_fail(ctl, error);

        chosen = choose(list, argv + 1, state);
        if (quiet)
                for (guint i = 0; i < chosen->len; i++)
                        (void) printf("%s\n", nx_task_list_get_id(list, g_array_index(chosen, size_t, i)));
        else if (ctl->json == JSON_OFF)
                print_table(ctl, list, chosen);
        else
                print_json(ctl, list, chosen);
        return STATUS_OK;
}
