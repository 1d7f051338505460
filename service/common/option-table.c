/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "option-table.h"

#include <errno.h>
#include <string.h>

#include "bus-error.h"
#include "cleanup.h"

static void *member(const Option *option, void *target)
{
        return (char *) target + option->offset;
}

static const void *const_member(const Option *option, const void *target)
{
        return (const char *) target + option->offset;
}

const Option *options_find(const Option *table, size_t n, const char *key)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(table[i].key, key) == 0)
                        return table + i;

        return NULL;
}

static int read_value(sd_bus_message *m, const Option *option, void *target, sd_bus_error *error)
{
        const char *signature, *reason;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &signature);
        if (r < 0)
                return r;
        if (type != SD_BUS_TYPE_VARIANT || strcmp(signature, option->type->signature) != 0)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "%s is of type '%s', not '%s'",
                                option->key, option->type->signature, signature);

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_VARIANT, signature);
        if (r < 0)
                return r;
        r = option->type->read(m, member(option, target));
        if (r == -ENOTUNIQ)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "%s has a name that is given twice",
                                option->key);
        if (r < 0)
                return r;

        reason = option->invalid ? option->invalid(const_member(option, target)) : NULL;
        if (reason)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "%s %s", option->key, reason);

        return sd_bus_message_exit_container(m);
}

static int read_entry(sd_bus_message *m, const Option *table, size_t n, void *target, uint64_t *set,
                sd_bus_error *error)
{
        const Option *option;
        const char *key;
        uint64_t bit;
        int r;

        r = sd_bus_message_read(m, "s", &key);
        if (r < 0)
                return r;

        option = options_find(table, n, key);
        if (!option)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "Unknown key '%s'", key);

        bit = UINT64_C(1) << (option - table);
        if (*set & bit)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "%s is given twice", key);
        *set |= bit;

        return read_value(m, option, target, error);
}

static int check_required(const Option *table, size_t n, uint64_t set, sd_bus_error *error)
{
        for (size_t i = 0; i < n; i++)
                if ((table[i].flags & OPTION_REQUIRED) && !(set & UINT64_C(1) << i))
                        return sd_bus_error_setf(
                                        error, BUS_ERROR_INVALID_SPEC, "%s is required", table[i].key);

        return 0;
}

int options_read(sd_bus_message *m, const Option *table, size_t n, void *target, uint64_t *ret_set,
                sd_bus_error *error)
{
        uint64_t set = 0;
        int r;

        g_assert(n <= OPTIONS_MAX);

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
                r = read_entry(m, table, n, target, &set, error);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        r = check_required(table, n, set, error);
        if (r < 0)
                return r;

        if (ret_set)
                *ret_set = set;
        return 0;
}

int option_append_entry(sd_bus_message *m, const Option *option, const void *target)
{
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", option->key);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, SD_BUS_TYPE_VARIANT, option->type->signature);
        if (r < 0)
                return r;
        r = option->type->append(m, const_member(option, target));
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;

        return sd_bus_message_close_container(m);
}

JsonNode *options_to_json(const Option *table, size_t n, const void *target, uint64_t set)
{
        g_autoptr(JsonObject) object = json_object_new();
        JsonNode *root;

        for (size_t i = 0; i < n; i++) {
                JsonNode *node;

                if (!(set & UINT64_C(1) << i))
                        continue;
                node = table[i].type->to_json(const_member(table + i, target));
                if (node)
                        json_object_set_member(object, table[i].key, node);
        }

        root = json_node_new(JSON_NODE_OBJECT);
        json_node_set_object(root, object);
        return root;
}

int options_from_json(JsonObject *object, const Option *table, size_t n, void *target, uint64_t *ret_set)
{
        uint64_t set = 0;
        int r;

        for (size_t i = 0; i < n; i++) {
                JsonNode *node = json_object_get_member(object, table[i].key);

                if (!node)
                        continue;
                r = table[i].type->from_json(node, member(table + i, target));
                if (r < 0)
                        return r;
                if (table[i].invalid && table[i].invalid(const_member(table + i, target)))
                        return -EINVAL;
                set |= UINT64_C(1) << i;
        }

        if (ret_set)
                *ret_set = set;
        return 0;
}

void options_clear(const Option *table, size_t n, void *target)
{
        for (size_t i = 0; i < n; i++)
                if (table[i].type->clear)
                        table[i].type->clear(member(table + i, target));
}

const char *option_invalid_if_empty(const void *field)
{
        const char *value = *(char *const *) field;

        return !value || *value == '\0' ? "must not be empty" : NULL;
}

const char *option_invalid_unless_absolute(const void *field)
{
        const char *value = *(char *const *) field;

        return !value || *value != '/' ? "must be an absolute path" : NULL;
}

const char *option_invalid_environment(const void *field)
{
        for (char **entry = *(char **const *) field; entry && *entry; entry++)
                if (**entry == '=' || !strchr(*entry, '='))
                        return "has an entry that is not NAME=VALUE";

        return NULL;
}

const char *option_invalid_if_zero32(const void *field)
{
        return *(const uint32_t *) field == 0 ? "must be greater than 0" : NULL;
}

const char *option_invalid_if_zero64(const void *field)
{
        return *(const uint64_t *) field == 0 ? "must be greater than 0" : NULL;
}
