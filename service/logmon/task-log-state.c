/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "state-file.h"
#include "task-log.h"

/* Counts are not in here but in the counters' file, under the slot. */
#define STATE_VERSION 1

static const char *const pipe_keys[] = {
        [STREAM_STDOUT] = "StdoutPipe",
        [STREAM_STDERR] = "StderrPipe",
};

static char *state_name(const char *label)
{
        return g_strconcat(label, ".json", NULL);
}

bool task_log_has_state(Manager *manager, const char *label)
{
        g_autofree char *name = state_name(label);

        return faccessat(manager->state_dir, name, F_OK, 0) >= 0 ||
                        state_was_set_aside(manager->state_dir, name);
}

/* What the names of User and Group stood for at the start. A restart does not look them up again: that may
 * take long, or fail, and the log is the same. */
static JsonObject *identity_to_json(const Identity *identity)
{
        JsonObject *object = json_object_new();
        JsonArray *groups = json_array_new();

        for (size_t i = 0; i < identity->n_groups; i++)
                json_array_add_int_element(groups, identity->groups[i]);
        json_object_set_int_member(object, "UID", identity->uid);
        json_object_set_int_member(object, "GID", identity->gid);
        json_object_set_array_member(object, "Groups", groups);
        return object;
}

int task_log_save(TaskLog *log)
{
        g_autoptr(JsonObject) object = json_object_new();
        g_autofree char *name = state_name(log->label);

        json_object_set_int_member(object, "Version", STATE_VERSION);
        json_object_set_string_member(object, "Id", log->id);
        json_object_set_boolean_member(object, "Running", log->state != TASK_LOG_STOPPED);
        json_object_set_int_member(object, "Slot", log->slot);
        json_object_set_string_member(object, "LastError", log->last_error);
        for (size_t i = 0; i < STREAM_MAX; i++)
                if (log->pipes[i])
                        json_object_set_string_member(object, pipe_keys[i], log->pipes[i]);
        json_object_set_member(object, "Config", log_config_to_json(&log->config));
        if (log->identity.other)
                json_object_set_object_member(object, "Identity", identity_to_json(&log->identity));

        return state_file_write(log->manager->state_dir, name, object);
}

void task_log_forget(TaskLog *log)
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

/* uid_t and gid_t are the same type, and their highest value means "none". */
static int node_to_id(JsonNode *node, uid_t *ret)
{
        int64_t value;

        if (!node || json_node_get_value_type(node) != G_TYPE_INT64)
                return -EBADMSG;
        value = json_node_get_int(node);
        if (value < 0 || value >= (uid_t) -1)
                return -EBADMSG;

        *ret = (uid_t) value;
        return 0;
}

static int read_groups(JsonNode *node, Identity *identity)
{
        JsonArray *groups = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
        guint n = groups ? json_array_get_length(groups) : 0;
        int r;

        if (!groups || n > IDENTITY_GROUPS_MAX)
                return -EBADMSG;

        identity->groups = g_new0(gid_t, n);
        identity->n_groups = n;
        for (guint i = 0; i < n; i++) {
                r = node_to_id(json_array_get_element(groups, i), identity->groups + i);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int read_identity(JsonNode *node, Identity *ret)
{
        g_auto(Identity) identity = { .other = true };
        JsonObject *object;
        int r;

        if (!JSON_NODE_HOLDS_OBJECT(node))
                return -EBADMSG;
        object = json_node_get_object(node);
        r = node_to_id(json_object_get_member(object, "UID"), &identity.uid);
        if (r >= 0)
                r = node_to_id(json_object_get_member(object, "GID"), &identity.gid);
        if (r >= 0)
                r = read_groups(json_object_get_member(object, "Groups"), &identity);
        if (r < 0)
                return r;

        *ret = identity;
        identity = (Identity){};
        return 0;
}

static int read_config(TaskLog *log, JsonObject *object)
{
        JsonNode *node = json_object_get_member(object, "Config");
        const char *key;
        int r;

        if (!node || !JSON_NODE_HOLDS_OBJECT(node))
                return -EBADMSG;
        r = log_config_from_json(json_node_get_object(node), &log->config);
        if (r < 0)
                return r;

        node = json_object_get_member(object, "Identity");
        if (node)
                return read_identity(node, &log->identity);
        /* as an earlier version has saved it */
        return identity_resolve(
                        log->config.user, log->config.group, log->config.groups, &log->identity, &key);
}

int task_log_load(Manager *manager, const char *label, TaskLog **ret)
{
        g_autoptr(JsonObject) object = NULL;
        g_autofree char *name = state_name(label);
        g_autoptr(TaskLog) log = NULL;
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
        if (!id || slot < 0 || slot >= LOGS_MAX)
                return -EBADMSG;

        log = task_log_new(manager, id, label, (uint32_t) slot);
        r = read_config(log, object);
        if (r < 0)
                return r;

        last_error = get_string(object, "LastError");
        g_free(log->last_error);
        log->last_error = g_strdup(last_error ? last_error : "");
        log->state = get_bool(object, "Running") ? TASK_LOG_RUNNING : TASK_LOG_STOPPED;
        for (size_t i = 0; i < STREAM_MAX; i++)
                log->pipes[i] = g_strdup(get_string(object, pipe_keys[i]));

        *ret = g_steal_pointer(&log);
        return 0;
}
