/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <unistd.h>

#include "container-log.h"
#include "state-file.h"

/* The position is not in here but in the slot. */
#define STATE_VERSION 1

static char *state_name(const char *label)
{
        return g_strconcat(label, ".json", NULL);
}

int container_log_save(ContainerLog *log)
{
        g_autoptr(JsonObject) object = json_object_new();
        g_autofree char *name = state_name(log->label);

        json_object_set_int_member(object, "Version", STATE_VERSION);
        json_object_set_string_member(object, "Id", log->id);
        json_object_set_int_member(object, "Slot", log->slot_index);
        json_object_set_boolean_member(object, "Started", log->started);
        json_object_set_boolean_member(object, "Ended", log->state == CONTAINER_ENDED);
        json_object_set_boolean_member(object, "Stopping", log->stopping);
        json_object_set_string_member(object, "Result", container_result_to_string(log->result));
        json_object_set_string_member(object, "LastError", log->last_error);
        if (log->container_id)
                json_object_set_string_member(object, "FullContainerID", log->container_id);
        json_object_set_member(object, "Config", container_config_to_json(&log->config));

        return state_file_write(log->manager->state_dir, name, object);
}

void container_log_forget(ContainerLog *log)
{
        g_autofree char *name = state_name(log->label);

        (void) unlinkat(log->manager->state_dir, name, 0);
}

static const char *get_string(JsonObject *object, const char *key)
{
        JsonNode *node = json_object_get_member(object, key);

        return node && json_node_get_value_type(node) == G_TYPE_STRING ? json_node_get_string(node) : NULL;
}

static int64_t get_int(JsonObject *object, const char *key)
{
        JsonNode *node = json_object_get_member(object, key);

        return node && json_node_get_value_type(node) == G_TYPE_INT64 ? json_node_get_int(node) : -1;
}

static bool get_bool(JsonObject *object, const char *key)
{
        JsonNode *node = json_object_get_member(object, key);

        return node && json_node_get_value_type(node) == G_TYPE_BOOLEAN && json_node_get_boolean(node);
}

static int read_config(ContainerLog *log, JsonObject *object)
{
        JsonNode *node = json_object_get_member(object, "Config");
        const ContainerConfig *config = &log->config;
        int r;

        if (!node || !JSON_NODE_HOLDS_OBJECT(node))
                return -EBADMSG;
        r = container_config_from_json(json_node_get_object(node), &log->config);
        if (r < 0)
                return r;
        if (!config->container)
                return -EBADMSG;

        return endpoint_parse(container_config_endpoint(config), config->certificate, config->key,
                        config->ca, &log->endpoint);
}

int container_log_load(Manager *manager, const char *label, ContainerLog **ret)
{
        g_autoptr(JsonObject) object = NULL;
        g_autofree char *name = state_name(label);
        g_autoptr(ContainerLog) log = NULL;
        const char *id, *last_error;
        int64_t slot;
        int r;

        r = state_file_read(manager->state_dir, name, &object);
        if (r < 0)
                return r;
        r = state_check_version(object, STATE_VERSION);
        if (r < 0)
                return r;

        id = get_string(object, "Id");
        slot = get_int(object, "Slot");
        if (!id || slot < 0 || slot >= CONTAINERS_MAX)
                return -EBADMSG;

        log = container_log_new(manager, id, label, (uint32_t) slot);
        r = read_config(log, object);
        if (r < 0)
                return r;

        last_error = get_string(object, "LastError");
        g_free(log->last_error);
        log->last_error = g_strdup(last_error ? last_error : "");
        log->container_id = g_strdup(get_string(object, "FullContainerID"));
        log->result = container_result_from_string(get_string(object, "Result"));
        log->started = get_bool(object, "Started");
        log->stopping = get_bool(object, "Stopping");
        log->state = get_bool(object, "Ended") ? CONTAINER_ENDED : CONTAINER_CONNECTING;
        *ret = g_steal_pointer(&log);
        return 0;
}
