/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "values.h"

#include <errno.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

#include "cleanup.h"
#include "export.h"

struct nx_values {
        GHashTable *table; /* name to GVariant */
};

static int read_value(sd_bus_message *m, GVariant **ret);

static int read_basic(sd_bus_message *m, char type, GVariant **ret)
{
        union {
                const char *s;
                uint8_t y;
                uint16_t q;
                int16_t n;
                int32_t i;
                uint32_t u;
                int64_t x;
                uint64_t t;
                double d;
        } value;
        int r;

        r = sd_bus_message_read_basic(m, type, &value);
        if (r < 0)
                return r;

        switch (type) {
        case SD_BUS_TYPE_STRING:
                *ret = g_variant_new_string(value.s);
                break;
        case SD_BUS_TYPE_OBJECT_PATH:
                *ret = g_variant_new_object_path(value.s);
                break;
        case SD_BUS_TYPE_SIGNATURE:
                *ret = g_variant_new_signature(value.s);
                break;
        case SD_BUS_TYPE_BYTE:
                *ret = g_variant_new_byte(value.y);
                break;
        case SD_BUS_TYPE_BOOLEAN:
                *ret = g_variant_new_boolean(value.i);
                break;
        case SD_BUS_TYPE_INT16:
                *ret = g_variant_new_int16(value.n);
                break;
        case SD_BUS_TYPE_UINT16:
                *ret = g_variant_new_uint16(value.q);
                break;
        case SD_BUS_TYPE_INT32:
                *ret = g_variant_new_int32(value.i);
                break;
        case SD_BUS_TYPE_UINT32:
                *ret = g_variant_new_uint32(value.u);
                break;
        case SD_BUS_TYPE_INT64:
                *ret = g_variant_new_int64(value.x);
                break;
        case SD_BUS_TYPE_UINT64:
                *ret = g_variant_new_uint64(value.t);
                break;
        case SD_BUS_TYPE_DOUBLE:
                *ret = g_variant_new_double(value.d);
                break;
        default: /* a descriptor in a property says nothing */
                return -EBADMSG;
        }

        return 0;
}

/* CONTENTS is what is in the container. */
static int read_container(sd_bus_message *m, char type, const char *contents, GVariant **ret)
{
        g_autofree char *signature = NULL;
        g_autoptr(GVariantBuilder) builder = NULL;
        g_autoptr(GVariantType) variant_type = NULL;
        int r;

        if (type == SD_BUS_TYPE_ARRAY)
                signature = g_strdup_printf("a%s", contents);
        else if (type == SD_BUS_TYPE_VARIANT)
                signature = g_strdup("v");
        else
                signature = g_strdup_printf(type == SD_BUS_TYPE_STRUCT ? "(%s)" : "{%s}", contents);
        variant_type = g_variant_type_new(signature);
        builder = g_variant_builder_new(variant_type);

        r = sd_bus_message_enter_container(m, type, contents);
        if (r < 0)
                return r;
        while ((r = sd_bus_message_at_end(m, false)) == 0) {
                GVariant *element;

                r = read_value(m, &element);
                if (r < 0)
                        return r;
                g_variant_builder_add_value(builder, element);
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = g_variant_builder_end(builder);
        return 0;
}

static int read_value(sd_bus_message *m, GVariant **ret)
{
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;
        if (r == 0)
                return -EBADMSG;

        return contents ? read_container(m, type, contents, ret) : read_basic(m, type, ret);
}

int values_read(sd_bus_message *m, nx_values **ret)
{
        g_autoptr(nx_values) values = g_new0(nx_values, 1);
        int r;

        values->table = g_hash_table_new_full(
                        g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
                g_autoptr(GVariant) boxed = NULL;
                GVariant *variant;
                const char *name;

                r = sd_bus_message_read(m, "s", &name);
                if (r < 0)
                        return r;
                r = read_value(m, &variant);
                if (r < 0)
                        return r;
                boxed = g_variant_ref_sink(variant);
                g_hash_table_replace(values->table, g_strdup(name), g_variant_get_variant(boxed));
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = g_steal_pointer(&values);
        return 0;
}

EXPORT nx_values *nx_values_free(nx_values *values)
{
        if (values) {
                g_hash_table_unref(values->table);
                g_free(values);
        }
        return NULL;
}

/* -ENODATA: it is not there. */
static int get(const nx_values *values, const char *name, GVariant **ret)
{
        GVariant *value = g_hash_table_lookup(values->table, name);

        if (!value)
                return -ENODATA;

        *ret = value;
        return 0;
}

EXPORT int nx_values_get_string(const nx_values *values, const char *name, const char **ret)
{
        GVariant *value;
        int r;

        r = get(values, name, &value);
        if (r < 0)
                return r;
        if (!g_variant_is_of_type(value, G_VARIANT_TYPE_STRING) &&
                        !g_variant_is_of_type(value, G_VARIANT_TYPE_OBJECT_PATH))
                return -EBADMSG;

        *ret = g_variant_get_string(value, NULL);
        return 0;
}

EXPORT int nx_values_get_uint64(const nx_values *values, const char *name, uint64_t *ret)
{
        GVariant *value;
        int r;

        r = get(values, name, &value);
        if (r < 0)
                return r;

        switch (g_variant_classify(value)) {
        case G_VARIANT_CLASS_UINT64:
                *ret = g_variant_get_uint64(value);
                return 0;
        case G_VARIANT_CLASS_UINT32:
                *ret = g_variant_get_uint32(value);
                return 0;
        case G_VARIANT_CLASS_UINT16:
                *ret = g_variant_get_uint16(value);
                return 0;
        default:
                return -EBADMSG;
        }
}

EXPORT int nx_values_get_int(const nx_values *values, const char *name, int *ret)
{
        GVariant *value;
        int r;

        r = get(values, name, &value);
        if (r < 0)
                return r;
        if (!g_variant_is_of_type(value, G_VARIANT_TYPE_INT32))
                return -EBADMSG;

        *ret = g_variant_get_int32(value);
        return 0;
}

EXPORT int nx_values_get_bool(const nx_values *values, const char *name, int *ret)
{
        GVariant *value;
        int r;

        r = get(values, name, &value);
        if (r < 0)
                return r;
        if (!g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN))
                return -EBADMSG;

        *ret = g_variant_get_boolean(value);
        return 0;
}

EXPORT int nx_values_get_double(const nx_values *values, const char *name, double *ret)
{
        GVariant *value;
        uint64_t number;
        int integer, r;

        r = get(values, name, &value);
        if (r < 0)
                return r;

        if (g_variant_is_of_type(value, G_VARIANT_TYPE_DOUBLE))
                *ret = g_variant_get_double(value);
        else if (nx_values_get_uint64(values, name, &number) >= 0)
                *ret = (double) number;
        else if (nx_values_get_int(values, name, &integer) >= 0)
                *ret = integer;
        else
                return -EBADMSG;
        return 0;
}

/* UINT64_MAX says "infinite" or "not known" all over the contract, and is no number that JSON readers agree
 * on. */
static JsonNode *integer_to_json(GVariant *value)
{
        JsonNode *node = json_node_alloc();

        switch (g_variant_classify(value)) {
        case G_VARIANT_CLASS_BYTE:
                return json_node_init_int(node, g_variant_get_byte(value));
        case G_VARIANT_CLASS_INT16:
                return json_node_init_int(node, g_variant_get_int16(value));
        case G_VARIANT_CLASS_UINT16:
                return json_node_init_int(node, g_variant_get_uint16(value));
        case G_VARIANT_CLASS_INT32:
                return json_node_init_int(node, g_variant_get_int32(value));
        case G_VARIANT_CLASS_UINT32:
                return json_node_init_int(node, g_variant_get_uint32(value));
        case G_VARIANT_CLASS_INT64:
                return json_node_init_int(node, g_variant_get_int64(value));
        case G_VARIANT_CLASS_UINT64:
                if (g_variant_get_uint64(value) <= INT64_MAX)
                        return json_node_init_int(node, (gint64) g_variant_get_uint64(value));
                return json_node_init_null(node);
        default:
                return json_node_init_null(node);
        }
}

static char *bytes_to_hex(GVariant *value)
{
        GString *text = g_string_new(NULL);
        const uint8_t *bytes;
        gsize n;

        bytes = g_variant_get_fixed_array(value, &n, 1);
        for (gsize i = 0; i < n; i++)
                g_string_append_printf(text, "%02x", bytes[i]);
        return g_string_free(text, FALSE);
}

static JsonNode *value_to_json(GVariant *value);

static JsonNode *dict_to_json(GVariant *value)
{
        g_autoptr(JsonObject) object = json_object_new();

        for (gsize i = 0; i < g_variant_n_children(value); i++) {
                g_autoptr(GVariant) entry = g_variant_get_child_value(value, i);
                g_autoptr(GVariant) key = g_variant_get_child_value(entry, 0);
                g_autoptr(GVariant) member = g_variant_get_child_value(entry, 1);
                g_autofree char *name = g_variant_is_of_type(key, G_VARIANT_TYPE_STRING)
                                ? g_variant_dup_string(key, NULL)
                                : g_variant_print(key, FALSE);

                json_object_set_member(object, name, value_to_json(member));
        }

        return json_node_init_object(json_node_alloc(), object);
}

static JsonNode *list_to_json(GVariant *value)
{
        g_autoptr(JsonArray) array = json_array_new();

        for (gsize i = 0; i < g_variant_n_children(value); i++) {
                g_autoptr(GVariant) child = g_variant_get_child_value(value, i);

                json_array_add_element(array, value_to_json(child));
        }

        return json_node_init_array(json_node_alloc(), array);
}

static JsonNode *value_to_json(GVariant *value)
{
        g_autoptr(GVariant) inner = NULL;
        g_autofree char *hex = NULL;

        switch (g_variant_classify(value)) {
        case G_VARIANT_CLASS_STRING:
        case G_VARIANT_CLASS_OBJECT_PATH:
        case G_VARIANT_CLASS_SIGNATURE:
                return json_node_init_string(json_node_alloc(), g_variant_get_string(value, NULL));
        case G_VARIANT_CLASS_BOOLEAN:
                return json_node_init_boolean(json_node_alloc(), g_variant_get_boolean(value));
        case G_VARIANT_CLASS_DOUBLE:
                return json_node_init_double(json_node_alloc(), g_variant_get_double(value));
        case G_VARIANT_CLASS_VARIANT:
                inner = g_variant_get_variant(value);
                return value_to_json(inner);
        case G_VARIANT_CLASS_ARRAY:
                if (g_variant_is_of_type(value, G_VARIANT_TYPE_BYTESTRING)) {
                        hex = bytes_to_hex(value);
                        return json_node_init_string(json_node_alloc(), hex);
                }
                return g_variant_type_is_subtype_of(g_variant_get_type(value), G_VARIANT_TYPE_DICTIONARY)
                                ? dict_to_json(value)
                                : list_to_json(value);
        case G_VARIANT_CLASS_TUPLE:
                return list_to_json(value);
        default:
                return integer_to_json(value);
        }
}

static void add_member(const nx_values *values, JsonObject *object, const char *name)
{
        GVariant *value = g_hash_table_lookup(values->table, name);

        if (value)
                json_object_set_member(object, name, value_to_json(value));
}

EXPORT int nx_values_to_json(const nx_values *values, const char *const *names, char **ret)
{
        g_autoptr(JsonObject) object = json_object_new();
        g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);

        if (names) {
                for (; *names; names++)
                        add_member(values, object, *names);
        } else {
                g_autoptr(GList) all =
                                g_list_sort(g_hash_table_get_keys(values->table), (GCompareFunc) g_strcmp0);

                for (GList *name = all; name; name = name->next)
                        add_member(values, object, name->data);
        }

        json_node_set_object(root, object);
        *ret = json_to_string(root, FALSE);
        return 0;
}
