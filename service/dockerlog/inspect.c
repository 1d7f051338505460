/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inspect.h"

#include <errno.h>
#include <json-glib/json-glib.h>
#include <string.h>

static JsonObject *parse_object(const char *json, size_t size, JsonParser *parser)
{
        JsonNode *root;

        if (!json_parser_load_from_data(parser, json, (gssize) size, NULL))
                return NULL;
        root = json_parser_get_root(parser);
        return root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
}

static JsonObject *get_object(JsonObject *object, const char *key)
{
        JsonNode *node = object ? json_object_get_member(object, key) : NULL;

        return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static const char *get_string(JsonObject *object, const char *key)
{
        JsonNode *node = object ? json_object_get_member(object, key) : NULL;

        return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
                        ? json_node_get_string(node)
                        : NULL;
}

static bool get_bool(JsonObject *object, const char *key)
{
        JsonNode *node = object ? json_object_get_member(object, key) : NULL;

        return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_boolean(node);
}

int inspection_parse(const char *json, size_t size, Inspection *ret)
{
        g_autoptr(JsonParser) parser = json_parser_new_immutable();
        JsonObject *root = parse_object(json, size, parser);
        JsonObject *state = get_object(root, "State");
        const char *id = get_string(root, "Id"), *policy;

        if (!state || !id || *id == '\0')
                return -EBADMSG;

        policy = get_string(get_object(get_object(root, "HostConfig"), "RestartPolicy"), "Name");
        *ret = (Inspection){
                .id = g_strdup(id),
                .running = get_bool(state, "Running") || get_bool(state, "Restarting"),
                .created = g_strcmp0(get_string(state, "Status"), "created") == 0,
                .restarts = g_strcmp0(policy, "always") == 0 || g_strcmp0(policy, "unless-stopped") == 0,
                .run = g_strdup(get_string(state, "StartedAt")),
        };
        return 0;
}

void inspection_clear(Inspection *inspection)
{
        g_clear_pointer(&inspection->id, g_free);
        g_clear_pointer(&inspection->run, g_free);
}

char *engine_error_parse(const char *json, size_t size)
{
        g_autoptr(JsonParser) parser = json_parser_new_immutable();

        return g_strdup(get_string(parse_object(json, size, parser), "message"));
}

bool engine_error_is_terminal(const char *message)
{
        static const char *const terminal[] = {
                "configured logging driver does not support reading", "not implemented",
                "cannot read logs", /* podman */
        };
        g_autofree char *folded = g_ascii_strdown(message, -1);

        for (size_t i = 0; i < G_N_ELEMENTS(terminal); i++)
                if (strstr(folded, terminal[i]))
                        return true;

        return false;
}
