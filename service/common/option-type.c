/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "option-table.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "cleanup.h"

static bool holds(JsonNode *node, GType type)
{
        return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type;
}

static int string_read(sd_bus_message *m, void *field)
{
        const char *value;
        int r;

        r = sd_bus_message_read(m, "s", &value);
        if (r < 0)
                return r;

        g_free(*(char **) field);
        *(char **) field = g_strdup(value);
        return 0;
}

static int string_append(sd_bus_message *m, const void *field)
{
        const char *value = *(char *const *) field;

        return sd_bus_message_append(m, "s", value ? value : "");
}

static JsonNode *string_to_json(const void *field)
{
        const char *value = *(char *const *) field;

        return value ? json_node_init_string(json_node_alloc(), value) : NULL;
}

static int string_from_json(JsonNode *node, void *field)
{
        if (!holds(node, G_TYPE_STRING))
                return -EINVAL;

        g_free(*(char **) field);
        *(char **) field = json_node_dup_string(node);
        return 0;
}

static void string_clear(void *field)
{
        g_clear_pointer((char **) field, g_free);
}

static char *string_refused(const void *field, G_GNUC_UNUSED OptionCheck check)
{
        return g_strdup(*(char *const *) field);
}

static int strv_read(sd_bus_message *m, void *field)
{
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
        const char *value;
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "s", &value)) > 0)
                g_strv_builder_add(builder, value);
        if (r < 0)
                return r;

        g_strfreev(*(char ***) field);
        *(char ***) field = g_strv_builder_end(builder);
        return sd_bus_message_exit_container(m);
}

static int strv_append(sd_bus_message *m, const void *field)
{
        return sd_bus_message_append_strv(m, *(char **const *) field);
}

static JsonNode *strv_to_json(const void *field)
{
        g_autoptr(JsonArray) array = json_array_new();
        char **value = *(char **const *) field;

        if (!value)
                return NULL;

        for (char **s = value; *s; s++)
                json_array_add_string_element(array, *s);
        return json_node_init_array(json_node_alloc(), array);
}

static int strv_from_json(JsonNode *node, void *field)
{
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
        JsonArray *array;

        if (!JSON_NODE_HOLDS_ARRAY(node))
                return -EINVAL;

        array = json_node_get_array(node);
        for (guint i = 0; i < json_array_get_length(array); i++) {
                JsonNode *element = json_array_get_element(array, i);

                if (!holds(element, G_TYPE_STRING))
                        return -EINVAL;
                g_strv_builder_add(builder, json_node_get_string(element));
        }

        g_strfreev(*(char ***) field);
        *(char ***) field = g_strv_builder_end(builder);
        return 0;
}

static void strv_clear(void *field)
{
        g_clear_pointer((char ***) field, g_strfreev);
}

/* The first one that is refused alone; the list may also be so as a whole. */
static char *strv_refused(const void *field, OptionCheck check)
{
        for (char **entry = *(char **const *) field; entry && *entry; entry++) {
                char *one[] = { *entry, NULL }, **list = one;

                if (check(&list))
                        return g_strdup(*entry);
        }

        return NULL;
}

static int bool_read(sd_bus_message *m, void *field)
{
        int value, r;

        r = sd_bus_message_read(m, "b", &value);
        if (r < 0)
                return r;

        *(bool *) field = value;
        return 0;
}

static int bool_append(sd_bus_message *m, const void *field)
{
        return sd_bus_message_append(m, "b", *(const bool *) field);
}

static JsonNode *bool_to_json(const void *field)
{
        return json_node_init_boolean(json_node_alloc(), *(const bool *) field);
}

static int bool_from_json(JsonNode *node, void *field)
{
        if (!holds(node, G_TYPE_BOOLEAN))
                return -EINVAL;

        *(bool *) field = json_node_get_boolean(node);
        return 0;
}

/* A JSON integer is signed and 64 bits wide; a uint64_t above its range (UINT64_MAX, "infinity") wraps and
 * wraps back. */
#define DEFINE_INTEGER_TYPE(name, c_type, sig, format)                                           \
        static int name##_read(sd_bus_message *m, void *field)                                   \
        {                                                                                        \
                return sd_bus_message_read_basic(m, (sig)[0], field);                            \
        }                                                                                        \
        static int name##_append(sd_bus_message *m, const void *field)                           \
        {                                                                                        \
                return sd_bus_message_append_basic(m, (sig)[0], field);                          \
        }                                                                                        \
        static JsonNode *name##_to_json(const void *field)                                       \
        {                                                                                        \
                return json_node_init_int(json_node_alloc(), (gint64) * (const c_type *) field); \
        }                                                                                        \
        static int name##_from_json(JsonNode *node, void *field)                                 \
        {                                                                                        \
                if (!holds(node, G_TYPE_INT64))                                                  \
                        return -EINVAL;                                                          \
                if ((gint64) (c_type) json_node_get_int(node) != json_node_get_int(node))        \
                        return -EINVAL;                                                          \
                *(c_type *) field = (c_type) json_node_get_int(node);                            \
                return 0;                                                                        \
        }                                                                                        \
        static char *name##_refused(const void *field, G_GNUC_UNUSED OptionCheck check)          \
        {                                                                                        \
                return g_strdup_printf("%" format, *(const c_type *) field);                     \
        }                                                                                        \
        const OptionType option_type_##name = {                                                  \
                .signature = (sig),                                                              \
                .read = name##_read,                                                             \
                .append = name##_append,                                                         \
                .to_json = name##_to_json,                                                       \
                .from_json = name##_from_json,                                                   \
                .refused = name##_refused,                                                       \
        }

DEFINE_INTEGER_TYPE(int32, int32_t, "i", PRIi32);
DEFINE_INTEGER_TYPE(uint16, uint16_t, "q", PRIu16);
DEFINE_INTEGER_TYPE(uint32, uint32_t, "u", PRIu32);
DEFINE_INTEGER_TYPE(uint64, uint64_t, "t", PRIu64);

static int fd_read(sd_bus_message *m, void *field)
{
        int fd, r;

        r = sd_bus_message_read(m, "h", &fd);
        if (r < 0)
                return r;

        /* the message keeps its own */
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;

        safe_close(*(int *) field);
        *(int *) field = fd;
        return 0;
}

static int fd_append(sd_bus_message *m, const void *field)
{
        return sd_bus_message_append(m, "h", *(const int *) field);
}

static JsonNode *fd_to_json(G_GNUC_UNUSED const void *field)
{
        return NULL;
}

static int fd_from_json(G_GNUC_UNUSED JsonNode *node, G_GNUC_UNUSED void *field)
{
        return -EINVAL;
}

static void fd_clear(void *field)
{
        safe_closep(field);
}

static int dict_read(sd_bus_message *m, void *field)
{
        g_autoptr(GHashTable) dict = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        const char *key, *value;
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{ss}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "{ss}", &key, &value)) > 0)
                if (!g_hash_table_insert(dict, g_strdup(key), g_strdup(value)))
                        return -ENOTUNIQ;
        if (r < 0)
                return r;

        g_clear_pointer((GHashTable **) field, g_hash_table_unref);
        *(GHashTable **) field = g_steal_pointer(&dict);
        return sd_bus_message_exit_container(m);
}

static int dict_append(sd_bus_message *m, const void *field)
{
        GHashTable *dict = *(GHashTable *const *) field;
        GHashTableIter iter;
        void *key, *value;
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{ss}");
        if (r < 0)
                return r;

        if (dict) {
                g_hash_table_iter_init(&iter, dict);
                while (g_hash_table_iter_next(&iter, &key, &value)) {
                        r = sd_bus_message_append(m, "{ss}", key, value);
                        if (r < 0)
                                return r;
                }
        }

        return sd_bus_message_close_container(m);
}

static JsonNode *dict_to_json(const void *field)
{
        GHashTable *dict = *(GHashTable *const *) field;
        JsonObject *object;
        GHashTableIter iter;
        void *key, *value;
        JsonNode *node;

        if (!dict)
                return NULL;

        object = json_object_new();
        g_hash_table_iter_init(&iter, dict);
        while (g_hash_table_iter_next(&iter, &key, &value))
                json_object_set_string_member(object, key, value);

        node = json_node_init_object(json_node_alloc(), object);
        json_object_unref(object);
        return node;
}

static int dict_from_json(JsonNode *node, void *field)
{
        g_autoptr(GHashTable) dict = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        JsonObjectIter iter;
        const char *key;
        JsonNode *value;

        if (!JSON_NODE_HOLDS_OBJECT(node))
                return -EINVAL;

        json_object_iter_init(&iter, json_node_get_object(node));
        while (json_object_iter_next(&iter, &key, &value)) {
                if (!holds(value, G_TYPE_STRING))
                        return -EINVAL;
                g_hash_table_replace(dict, g_strdup(key), json_node_dup_string(value));
        }

        g_clear_pointer((GHashTable **) field, g_hash_table_unref);
        *(GHashTable **) field = g_steal_pointer(&dict);
        return 0;
}

/* The first name, of a pair that is refused alone. */
static char *dict_refused(const void *field, OptionCheck check)
{
        g_autoptr(GHashTable) one = g_hash_table_new(g_str_hash, g_str_equal);
        GHashTableIter iter;
        void *key, *value;

        g_hash_table_iter_init(&iter, *(GHashTable *const *) field);
        while (g_hash_table_iter_next(&iter, &key, &value)) {
                g_hash_table_remove_all(one);
                g_hash_table_insert(one, key, value);
                if (check(&one))
                        return g_strdup(key);
        }

        return NULL;
}

static void dict_clear(void *field)
{
        g_clear_pointer((GHashTable **) field, g_hash_table_unref);
}

const OptionType option_type_string = {
        .signature = "s",
        .read = string_read,
        .append = string_append,
        .to_json = string_to_json,
        .from_json = string_from_json,
        .clear = string_clear,
        .refused = string_refused,
};

const OptionType option_type_strv = {
        .signature = "as",
        .read = strv_read,
        .append = strv_append,
        .to_json = strv_to_json,
        .from_json = strv_from_json,
        .clear = strv_clear,
        .refused = strv_refused,
};

const OptionType option_type_bool = {
        .signature = "b",
        .read = bool_read,
        .append = bool_append,
        .to_json = bool_to_json,
        .from_json = bool_from_json,
};

const OptionType option_type_fd = {
        .signature = "h",
        .read = fd_read,
        .append = fd_append,
        .to_json = fd_to_json,
        .from_json = fd_from_json,
        .clear = fd_clear,
};

const OptionType option_type_dict = {
        .signature = "a{ss}",
        .read = dict_read,
        .append = dict_append,
        .to_json = dict_to_json,
        .from_json = dict_from_json,
        .clear = dict_clear,
        .refused = dict_refused,
};
