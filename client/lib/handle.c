/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handle.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "cleanup.h"
#include "connection.h"
#include "error.h"
#include "export.h"
#include "json-position.h"
#include "process.h"

static const char *bus_name(nx_bus bus)
{
        return bus == NX_BUS_USER ? "user" : "system";
}

static const char *get_string(JsonObject *object, const char *name)
{
        JsonNode *node = json_object_get_member(object, name);

        return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
                        ? json_node_get_string(node)
                        : NULL;
}

static bool is_id128(const char *text)
{
        return strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
}

static int check_version(JsonObject *object, nx_error **ret_error)
{
        JsonNode *node = json_object_get_member(object, "version");

        if (!node || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64)
                return error_set(ret_error, NX_ERROR_BAD_HANDLE, "The handle has no version");
        if (json_node_get_int(node) != HANDLE_VERSION)
                return error_set(ret_error, NX_ERROR_HANDLE_VERSION,
                                "The handle is of version %" G_GINT64_FORMAT ", not %d",
                                json_node_get_int(node), HANDLE_VERSION);
        return 0;
}

static int read_members(JsonObject *object, const char *prefix, nx_handle **ret, nx_error **ret_error)
{
        g_autoptr(nx_handle) handle = g_new0(nx_handle, 1);
        const char *bus = get_string(object, "bus"), *path = get_string(object, "object_path");
        const char *invocation = get_string(object, "invocation_id");
        g_autofree char *expected = NULL;

        handle->id = g_strdup(get_string(object, "id"));
        handle->object_path = g_strdup(path);
        handle->boot_id = g_strdup(get_string(object, "boot_id"));
        handle->invocation_id = g_strdup(invocation ? invocation : "");
        if (!bus || (strcmp(bus, "system") != 0 && strcmp(bus, "user") != 0))
                return error_set(ret_error, NX_ERROR_BAD_HANDLE,
                                "The handle's bus is neither 'system' nor 'user'");
        if (!handle->id || *handle->id == '\0')
                return error_set(ret_error, NX_ERROR_BAD_HANDLE, "The handle has no id");
        if (!handle->boot_id || !is_id128(handle->boot_id))
                return error_set(ret_error, NX_ERROR_BAD_HANDLE, "The handle has no boot_id");
        if (*handle->invocation_id != '\0' && !is_id128(handle->invocation_id))
                return error_set(ret_error, NX_ERROR_BAD_HANDLE, "The handle's invocation_id is none");
        if (sd_bus_path_encode(prefix, handle->id, &expected) < 0 || g_strcmp0(path, expected) != 0)
                return error_set(ret_error, NX_ERROR_BAD_HANDLE,
                                "The handle's object_path is not that of its id");

        handle->bus = strcmp(bus, "user") == 0 ? NX_BUS_USER : NX_BUS_SYSTEM;
        *ret = g_steal_pointer(&handle);
        return 0;
}

/* Nothing at all, in the ways that programs write it. */
static bool is_nothing(const char *json)
{
        return !json || json[strspn(json, " \t\r\n")] == '\0';
}

int handle_parse(const char *json, const char *prefix, nx_handle **ret, nx_error **ret_error)
{
        g_autoptr(JsonParser) parser = json_parser_new();
        g_autoptr(GError) error = NULL;
        JsonObject *object;
        JsonNode *root;
        int r;

        if (is_nothing(json))
                return error_set(ret_error, NX_ERROR_NO_HANDLE, "There is no handle");
        if (!json_parser_load_from_data(parser, json, -1, &error)) {
                g_autofree char *where = json_describe_error(json, error);

                return error_set(ret_error, NX_ERROR_BAD_HANDLE, "The handle is not JSON: %s", where);
        }
        root = json_parser_get_root(parser);
        if (!root || JSON_NODE_HOLDS_NULL(root))
                return error_set(ret_error, NX_ERROR_NO_HANDLE, "There is no handle");
        if (!JSON_NODE_HOLDS_OBJECT(root))
                return error_set(ret_error, NX_ERROR_BAD_HANDLE, "The handle is not a JSON object");
        object = json_node_get_object(root);
        if (json_object_get_size(object) == 0)
                return error_set(ret_error, NX_ERROR_NO_HANDLE, "There is no handle");

        r = check_version(object, ret_error);
        if (r < 0)
                return r;
        return read_members(object, prefix, ret, ret_error);
}

nx_handle *handle_new(nx_bus bus, const char *id, const char *object_path, const char *invocation_id)
{
        nx_handle *handle = g_new0(nx_handle, 1);
        char boot[33] = "";

        (void) boot_id(boot);
        handle->bus = bus;
        handle->id = g_strdup(id);
        handle->object_path = g_strdup(object_path);
        handle->boot_id = g_strdup(boot);
        handle->invocation_id = g_strdup(invocation_id);
        return handle;
}

int handle_check(const nx_handle *handle, nx_bus bus, nx_error **ret_error)
{
        char boot[33];
        int r;

        if (handle->bus != bus)
                return error_set(ret_error, NX_ERROR_OTHER_BUS,
                                "'%s' is on the %s bus, the connection is to the %s bus", handle->id,
                                bus_name(handle->bus), bus_name(bus));
        r = boot_id(boot);
        if (r < 0)
                return error_set_errno(ret_error, r, "Cannot read the boot id");
        if (strcmp(handle->boot_id, boot) != 0)
                return error_set(ret_error, NX_ERROR_OTHER_BOOT,
                                "'%s' is gone: the machine was booted since it was started", handle->id);

        return 0;
}

EXPORT int nx_handle_parse(const char *json, nx_handle **ret, nx_error **ret_error)
{
        return handle_parse(json, TASK_PATH, ret, ret_error);
}

static void add_string(JsonBuilder *builder, const char *name, const char *value)
{
        json_builder_set_member_name(builder, name);
        json_builder_add_string_value(builder, value);
}

EXPORT int nx_handle_to_json(const nx_handle *handle, char **ret)
{
        g_autoptr(JsonBuilder) builder = json_builder_new();
        g_autoptr(JsonNode) root = NULL;

        json_builder_begin_object(builder);
        json_builder_set_member_name(builder, "version");
        json_builder_add_int_value(builder, HANDLE_VERSION);
        add_string(builder, "bus", bus_name(handle->bus));
        add_string(builder, "id", handle->id);
        add_string(builder, "object_path", handle->object_path);
        add_string(builder, "boot_id", handle->boot_id);
        if (*handle->invocation_id != '\0')
                add_string(builder, "invocation_id", handle->invocation_id);
        json_builder_end_object(builder);

        root = json_builder_get_root(builder);
        *ret = json_to_string(root, FALSE);
        return 0;
}

EXPORT nx_bus nx_handle_get_bus(const nx_handle *handle)
{
        return handle->bus;
}

EXPORT const char *nx_handle_get_id(const nx_handle *handle)
{
        return handle->id;
}

EXPORT const char *nx_handle_get_object_path(const nx_handle *handle)
{
        return handle->object_path;
}

EXPORT const char *nx_handle_get_boot_id(const nx_handle *handle)
{
        return handle->boot_id;
}

EXPORT const char *nx_handle_get_invocation_id(const nx_handle *handle)
{
        return handle->invocation_id;
}

EXPORT nx_handle *nx_handle_free(nx_handle *handle)
{
        if (handle) {
                g_free(handle->id);
                g_free(handle->object_path);
                g_free(handle->boot_id);
                g_free(handle->invocation_id);
                g_free(handle);
        }
        return NULL;
}
