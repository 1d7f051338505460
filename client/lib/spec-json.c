/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "export.h"
#include "json-position.h"
#include "spec.h"
#include "text.h"

#define SIGNATURE_LIMITS "a{s(tt)}"

/* No more of a value is repeated in a message. */
#define SHOWN_MAX 60U

static bool is_number(const Option *option)
{
        return strlen(option->type->signature) == 1 && strchr("tuqi", *option->type->signature);
}

/* The largest number is -1 to the option table, whose JSON is for the services alone. */
static JsonNode *node_from_number(uint64_t value)
{
        return json_node_init_int(json_node_alloc(), (gint64) value);
}

/* A number, or a string that says one; JSON's own are not to be negative where there is no sign. */
static int number_from_node(const char *key, bool has_sign, JsonNode *node, JsonNode **ret)
{
        uint64_t value;
        int r;

        if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64) {
                if (!has_sign && json_node_get_int(node) < 0)
                        return -ERANGE;
                *ret = json_node_copy(node);
                return 0;
        }
        if (has_sign || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_STRING)
                return -EINVAL;

        r = number_from_text(key, json_node_get_string(node), &value);
        if (r < 0)
                return r;
        *ret = node_from_number(value);
        return 0;
}

/* { "NOFILE": [soft, hard] }; one number stands for both. */
static int limits_from_node(const char *key, JsonNode *node, JsonNode **ret)
{
        g_autoptr(JsonObject) limits = json_object_new();
        JsonObjectIter iter;
        const char *name;
        JsonNode *value;

        if (!JSON_NODE_HOLDS_OBJECT(node))
                return -EINVAL;

        json_object_iter_init(&iter, json_node_get_object(node));
        while (json_object_iter_next(&iter, &name, &value)) {
                JsonArray *from = JSON_NODE_HOLDS_ARRAY(value) ? json_node_get_array(value) : NULL;
                g_autoptr(JsonArray) pair = json_array_new();

                if (from && json_array_get_length(from) != 2)
                        return -EINVAL;
                for (guint i = 0; i < 2; i++) {
                        JsonNode *number;
                        int r;

                        r = number_from_node(
                                        key, false, from ? json_array_get_element(from, i) : value, &number);
                        if (r < 0)
                                return r;
                        json_array_add_element(pair, number);
                }
                json_object_set_array_member(limits, name, g_steal_pointer(&pair));
        }

        *ret = json_node_init_object(json_node_alloc(), limits);
        return 0;
}

static int refuse(const Option *option, JsonNode *node, bool out_of_range, nx_error **ret_error)
{
        g_autofree char *text = json_to_string(node, FALSE);
        g_autofree char *shown = text_shorten(text, SHOWN_MAX);

        if (option->type == &option_type_fd)
                return error_set(ret_error, NX_ERROR_INVALID_SPEC,
                                "%s is a descriptor and cannot be given in text", option->key);
        if (out_of_range)
                return error_set(ret_error, NX_ERROR_INVALID_SPEC, "%s: %s is out of range", option->key,
                                shown);

        return error_set(ret_error, NX_ERROR_INVALID_SPEC, "%s must be %s, not %s", option->key,
                        spec_form(option), shown);
}

int spec_set_json(nx_spec *spec, const Option *option, JsonNode *node, nx_error **ret_error)
{
        const char *signature = option->type->signature;
        g_autoptr(JsonNode) value = NULL;
        int r = 0;

        if (is_number(option))
                r = number_from_node(option->key, *signature == 'i', node, &value);
        else if (strcmp(signature, SIGNATURE_LIMITS) == 0)
                r = limits_from_node(option->key, node, &value);
        else
                value = json_node_copy(node);
        if (r >= 0)
                r = option->type->from_json(value, spec_field(spec, option));
        if (r < 0)
                return refuse(option, node, r == -ERANGE, ret_error);

        spec_mark(spec, option);
        return 0;
}

EXPORT int nx_spec_new_from_json(const char *json, nx_spec **ret, nx_error **ret_error)
{
        g_autoptr(nx_spec) spec = nx_spec_new(NULL);
        g_autoptr(JsonParser) parser = json_parser_new();
        g_autoptr(GError) error = NULL;
        g_autofree char *misread = NULL;
        JsonObjectIter iter;
        const char *key;
        JsonNode *node;

        if (!json_parser_load_from_data(parser, json, -1, &error)) {
                g_autofree char *where = json_describe_error(json, error);

                return error_set(ret_error, NX_ERROR_INVALID_SPEC, "The spec is not JSON: %s", where);
        }
        misread = json_describe_misread(json);
        if (misread)
                return error_set(ret_error, NX_ERROR_INVALID_SPEC, "The spec has %s", misread);
        node = json_parser_get_root(parser);
        if (!node || !JSON_NODE_HOLDS_OBJECT(node))
                return error_set(ret_error, NX_ERROR_INVALID_SPEC, "The spec is not a JSON object");

        json_object_iter_init(&iter, json_node_get_object(node));
        while (json_object_iter_next(&iter, &key, &node)) {
                const Option *option;
                int r;

                r = spec_find(key, &option, ret_error);
                if (r < 0)
                        return r;
                r = spec_set_json(spec, option, node, ret_error);
                if (r < 0)
                        return r;
        }

        *ret = g_steal_pointer(&spec);
        return 0;
}

/* -1, where no number has a sign, back to what people and nx_spec_new_from_json() read. */
static void name_infinity(JsonObject *object)
{
        g_autoptr(GList) names = json_object_get_members(object);

        for (GList *name = names; name; name = name->next) {
                JsonNode *node = json_object_get_member(object, name->data);
                const Option *option = options_find(task_spec_options, n_task_spec_options, name->data);

                if (option && option->type == &option_type_uint64 && json_node_get_int(node) < 0)
                        json_object_set_string_member(object, name->data, "infinity");
        }
}

static void name_infinite_limits(JsonObject *object)
{
        g_autoptr(GList) names = json_object_get_members(object);

        for (GList *name = names; name; name = name->next) {
                JsonArray *pair = json_object_get_array_member(object, name->data);
                g_autoptr(JsonArray) named = json_array_new();

                for (guint i = 0; i < json_array_get_length(pair); i++) {
                        if (json_array_get_int_element(pair, i) < 0)
                                json_array_add_string_element(named, "infinity");
                        else
                                json_array_add_int_element(named, json_array_get_int_element(pair, i));
                }
                json_object_set_array_member(object, name->data, g_steal_pointer(&named));
        }
}

EXPORT int nx_spec_to_json(const nx_spec *spec, char **ret)
{
        g_autoptr(JsonNode) root = options_to_json(
                        task_spec_options, n_task_spec_options, &spec->values, spec->values.set);
        JsonObject *object = json_node_get_object(root);

        name_infinity(object);
        if (json_object_has_member(object, "ResourceLimits"))
                name_infinite_limits(json_object_get_object_member(object, "ResourceLimits"));
        *ret = json_to_string(root, FALSE);
        return 0;
}
