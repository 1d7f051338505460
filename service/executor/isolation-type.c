/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "isolation.h"

#include <errno.h>

#include "cleanup.h"

/* The last member of an entry is a list of strings on the bus and in JSON, or one string. */
typedef enum ModeType {
        MODE_LIST,
        MODE_STRING,
} ModeType;

static void binding_free(void *userdata)
{
        Binding *binding = userdata;

        g_free(binding->source);
        g_free(binding->destination);
        g_free(binding->mode);
        g_free(binding);
}

static void add_binding(GPtrArray *bindings, const char *source, const char *destination, const char *mode)
{
        Binding *binding = g_new(Binding, 1);

        *binding = (Binding){ g_strdup(source), g_strdup(destination), g_strdup(mode) };
        g_ptr_array_add(bindings, binding);
}

static void replace(void *field, GPtrArray *bindings)
{
        g_clear_pointer((GPtrArray **) field, g_ptr_array_unref);
        *(GPtrArray **) field = bindings;
}

static int read_mode(sd_bus_message *m, ModeType type, char **ret)
{
        g_auto(GStrv) list = NULL;
        const char *mode;
        int r;

        if (type == MODE_LIST) {
                r = option_type_strv.read(m, &list);
                if (r >= 0)
                        *ret = g_strjoinv(",", list);
                return r;
        }

        r = sd_bus_message_read(m, "s", &mode);
        if (r >= 0)
                *ret = g_strdup(mode);
        return r;
}

static int read_bindings(sd_bus_message *m, const char *entry, ModeType type, void *field)
{
        g_autoptr(GPtrArray) bindings = g_ptr_array_new_with_free_func(binding_free);
        g_autofree char *element = g_strdup_printf("(%s)", entry);
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, element);
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_STRUCT, entry)) > 0) {
                const char *source, *destination;
                g_autofree char *mode = NULL;

                r = sd_bus_message_read(m, "ss", &source, &destination);
                if (r >= 0)
                        r = read_mode(m, type, &mode);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
                add_binding(bindings, source, destination, mode);
        }
        if (r < 0)
                return r;

        replace(field, g_steal_pointer(&bindings));
        return sd_bus_message_exit_container(m);
}

static char **split_mode(const Binding *binding)
{
        return g_strsplit(binding->mode, ",", -1);
}

static int append_binding(sd_bus_message *m, const Binding *binding, ModeType type)
{
        g_auto(GStrv) list = split_mode(binding);
        int r;

        r = sd_bus_message_append(m, "ss", binding->source, binding->destination);
        if (r < 0)
                return r;

        return type == MODE_LIST ? sd_bus_message_append_strv(m, list)
                                 : sd_bus_message_append(m, "s", binding->mode);
}

static int append_bindings(sd_bus_message *m, const char *entry, ModeType type, const void *field)
{
        const GPtrArray *bindings = *(GPtrArray *const *) field;
        g_autofree char *element = g_strdup_printf("(%s)", entry);
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, element);
        for (guint i = 0; r >= 0 && bindings && i < bindings->len; i++) {
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_STRUCT, entry);
                if (r >= 0)
                        r = append_binding(m, g_ptr_array_index(bindings, i), type);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }

        return r < 0 ? r : sd_bus_message_close_container(m);
}

static JsonNode *bindings_to_json(const void *field, ModeType type)
{
        const GPtrArray *bindings = *(GPtrArray *const *) field;
        g_autoptr(JsonArray) array = json_array_new();

        for (guint i = 0; bindings && i < bindings->len; i++) {
                const Binding *binding = g_ptr_array_index(bindings, i);
                g_auto(GStrv) list = split_mode(binding);
                JsonArray *entry = json_array_new();

                json_array_add_string_element(entry, binding->source);
                json_array_add_string_element(entry, binding->destination);
                if (type == MODE_LIST)
                        json_array_add_element(entry, option_type_strv.to_json(&list));
                else
                        json_array_add_string_element(entry, binding->mode);
                json_array_add_array_element(array, entry);
        }

        return json_node_init_array(json_node_alloc(), array);
}

static int mode_from_json(JsonNode *node, ModeType type, char **ret)
{
        g_auto(GStrv) list = NULL;
        int r;

        if (type == MODE_STRING)
                return option_type_string.from_json(node, ret);

        r = option_type_strv.from_json(node, &list);
        if (r >= 0)
                *ret = g_strjoinv(",", list);
        return r;
}

static int binding_from_json(JsonNode *node, ModeType type, GPtrArray *bindings)
{
        JsonArray *entry = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
        g_autofree char *source = NULL, *destination = NULL, *mode = NULL;
        int r;

        if (!entry || json_array_get_length(entry) != 3)
                return -EINVAL;
        r = option_type_string.from_json(json_array_get_element(entry, 0), &source);
        if (r >= 0)
                r = option_type_string.from_json(json_array_get_element(entry, 1), &destination);
        if (r >= 0)
                r = mode_from_json(json_array_get_element(entry, 2), type, &mode);
        if (r >= 0)
                add_binding(bindings, source, destination, mode);
        return r;
}

static int bindings_from_json(JsonNode *node, ModeType type, void *field)
{
        g_autoptr(GPtrArray) bindings = g_ptr_array_new_with_free_func(binding_free);
        JsonArray *array;

        if (!JSON_NODE_HOLDS_ARRAY(node))
                return -EINVAL;

        array = json_node_get_array(node);
        for (guint i = 0; i < json_array_get_length(array); i++) {
                int r = binding_from_json(json_array_get_element(array, i), type, bindings);

                if (r < 0)
                        return r;
        }

        replace(field, g_steal_pointer(&bindings));
        return 0;
}

static void bindings_clear(void *field)
{
        replace(field, NULL);
}

static int mounts_read(sd_bus_message *m, void *field)
{
        return read_bindings(m, "ssas", MODE_LIST, field);
}

static int mounts_append(sd_bus_message *m, const void *field)
{
        return append_bindings(m, "ssas", MODE_LIST, field);
}

static JsonNode *mounts_to_json(const void *field)
{
        return bindings_to_json(field, MODE_LIST);
}

static int mounts_from_json(JsonNode *node, void *field)
{
        return bindings_from_json(node, MODE_LIST, field);
}

static int devices_read(sd_bus_message *m, void *field)
{
        return read_bindings(m, "sss", MODE_STRING, field);
}

static int devices_append(sd_bus_message *m, const void *field)
{
        return append_bindings(m, "sss", MODE_STRING, field);
}

static JsonNode *devices_to_json(const void *field)
{
        return bindings_to_json(field, MODE_STRING);
}

static int devices_from_json(JsonNode *node, void *field)
{
        return bindings_from_json(node, MODE_STRING, field);
}

static char *bindings_refused(const void *field, OptionCheck check)
{
        const GPtrArray *bindings = *(GPtrArray *const *) field;
        g_autoptr(GPtrArray) one = g_ptr_array_new();

        for (guint i = 0; i < bindings->len; i++) {
                const Binding *binding = g_ptr_array_index(bindings, i);

                g_ptr_array_set_size(one, 0);
                g_ptr_array_add(one, (void *) binding);
                if (check(&one))
                        return g_strdup_printf(
                                        "%s:%s:%s", binding->source, binding->destination, binding->mode);
        }

        return NULL;
}

const OptionType option_type_mounts = {
        .signature = "a(ssas)",
        .read = mounts_read,
        .append = mounts_append,
        .to_json = mounts_to_json,
        .from_json = mounts_from_json,
        .clear = bindings_clear,
        .refused = bindings_refused,
};

const OptionType option_type_devices = {
        .signature = "a(sss)",
        .read = devices_read,
        .append = devices_append,
        .to_json = devices_to_json,
        .from_json = devices_from_json,
        .clear = bindings_clear,
        .refused = bindings_refused,
};
