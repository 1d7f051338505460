/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "ctl.h"
#include "pager.h"
#include "table.h"

typedef struct ShowOptions {
        char **names; /* NULL: all */
        gboolean value_only;
        JsonArray *array;
} ShowOptions;

static bool is_wanted(const ShowOptions *options, const char *name)
{
        return !options->names || g_strv_contains((const char *const *) options->names, name);
}

/* One line without surprises: strings as they are, lists with spaces between, dictionaries as NAME=VALUE. */
static char *to_text(JsonNode *node)
{
        GString *text;

        if (JSON_NODE_HOLDS_NULL(node))
                return g_strdup("[not set]");
        if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING)
                return text_clean(json_node_get_string(node));
        if (JSON_NODE_HOLDS_VALUE(node))
                return json_to_string(node, FALSE);

        text = g_string_new(NULL);
        if (JSON_NODE_HOLDS_ARRAY(node)) {
                JsonArray *array = json_node_get_array(node);

                for (guint i = 0; i < json_array_get_length(array); i++) {
                        g_autofree char *element = to_text(json_array_get_element(array, i));

                        g_string_append_printf(text, "%s%s", i > 0 ? " " : "", element);
                }
        } else {
                JsonObjectIter iter;
                const char *name;
                JsonNode *value;

                json_object_iter_init_ordered(&iter, json_node_get_object(node));
                while (json_object_iter_next_ordered(&iter, &name, &value)) {
                        g_autofree char *element = to_text(value);

                        g_string_append_printf(text, "%s%s=%s", text->len > 0 ? " " : "", name, element);
                }
        }

        return g_string_free(text, FALSE);
}

static void print_properties(const ShowOptions *options, JsonObject *object)
{
        g_autoptr(GList) names = g_list_sort(json_object_get_members(object), (GCompareFunc) g_strcmp0);

        for (GList *name = names; name; name = name->next) {
                g_autofree char *text = to_text(json_object_get_member(object, name->data));

                if (!is_wanted(options, name->data))
                        continue;
                if (options->value_only)
                        (void) printf("%s\n", text);
                else
                        (void) printf("%s=%s\n", (const char *) name->data, text);
        }
}

static void drop_unwanted(const ShowOptions *options, JsonObject *object)
{
        g_autoptr(GList) names = json_object_get_members(object);

        for (GList *name = names; name; name = name->next)
                if (!is_wanted(options, name->data))
                        json_object_remove_member(object, name->data);
}

static int show_task(Ctl *ctl, nx_task *task, const ShowOptions *options)
{
        g_autoptr(nx_values) values = NULL;
        g_autoptr(nx_error) error = NULL;
        g_autoptr(JsonNode) node = NULL;

        if (nx_task_get_properties(task, &values, &error) < 0)
                return ctl_fail(ctl, error);

        node = ctl_values_to_json(values);
        for (char **name = options->names; name && *name; name++)
                if (!json_object_has_member(json_node_get_object(node), *name))
                        return ctl_fail_text(ctl, STATUS_FAILED,
                                        "There is no property '%s'; '" PROGRAM
                                        " show %s' shows those there are",
                                        *name, nx_task_get_id(task));
        if (ctl->json == JSON_OFF) {
                print_properties(options, json_node_get_object(node));
        } else {
                drop_unwanted(options, json_node_get_object(node));
                json_array_add_element(options->array, g_steal_pointer(&node));
        }
        return STATUS_OK;
}

int verb_show(Ctl *ctl, int argc, char **argv)
{
        g_auto(GStrv) names = NULL;
        g_autoptr(JsonArray) array = json_array_new();
        g_autoptr(JsonNode) root = json_node_new(JSON_NODE_ARRAY);
        ShowOptions options = { .array = array };
        const GOptionEntry entries[] = {
                { "property", 'p', 0, ARG_TEXT_ARRAY, &names, "Only this property; can be given again",
                                "NAME" },
                { "value", 0, 0, G_OPTION_ARG_NONE, &options.value_only, "Values without names", NULL },
                G_OPTION_ENTRY_NULL,
        };
        g_autoptr(GPtrArray) tasks = NULL;
        int status;

        if (!ctl_parse(ctl, entries, false, 1, G_MAXINT, &argc, &argv))
                return STATUS_USAGE;
        options.names = names;
        if (ctl->json == JSON_OFF)
                pager_open(ctl);

        tasks = ctl_find_tasks(ctl, argv + 1, TASKS_ALL, &status);
        for (guint i = 0; i < tasks->len; i++) {
                int one;

                if (i > 0 && ctl->json == JSON_OFF)
                        (void) printf("\n");
                one = show_task(ctl, tasks->pdata[i], &options);
                if (status == STATUS_OK)
                        status = one;
        }
        if (ctl->json != JSON_OFF) {
                json_node_set_array(root, array);
                ctl_print_json(ctl, root);
        }
        return status;
}
