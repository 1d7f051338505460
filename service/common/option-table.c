/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "option-table.h"

#include <errno.h>
#include <string.h>

#include "bus-error.h"
#include "cleanup.h"
#include "text.h"

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

/* No more are listed to whoever has given another one. */
#define LISTED_MAX 12U

/* No more of a value is repeated in a message. */
#define SHOWN_MAX 60U

static void append_list(GString *text, const Option *table, size_t n)
{
        for (size_t i = 0; i < n; i++)
                g_string_append_printf(text, "%s%s",
                                i == 0                       ? ""
                                                : i + 1 == n ? " and "
                                                             : ", ",
                                table[i].key);
}

char *options_describe_unknown(const Option *table, size_t n, const char *key)
{
        g_autofree char *shown = text_shorten(key, SHOWN_MAX);
        GString *text = g_string_new(NULL);
        const char *nearest = NULL;
        size_t distance = SIZE_MAX;

        g_string_printf(text, "Unknown key '%s'", shown);
        for (size_t i = 0; i < n; i++)
                if (text_is_near(key, table[i].key, &distance))
                        nearest = table[i].key;
        if (nearest)
                g_string_append_printf(text, "; did you mean %s?", nearest);
        else if (n <= LISTED_MAX) {
                g_string_append(text, "; there are ");
                append_list(text, table, n);
        }

        return g_string_free(text, FALSE);
}

char *option_describe_refused(const Option *option, const void *target, const char *reason)
{
        g_autofree char *value = NULL;
        g_autofree char *shown = NULL;

        if (option->type->refused)
                value = option->type->refused(const_member(option, target), option->invalid);
        if (!value || *value == '\0')
                return g_strdup_printf("%s %s", option->key, reason);

        shown = text_shorten(value, SHOWN_MAX);
        return g_strdup_printf("%s %s: '%s'", option->key, reason, shown);
}

static int set_refused(sd_bus_error *error, const Option *option, const void *target, const char *reason)
{
        g_autofree char *text = option_describe_refused(option, target, reason);

        return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC, text);
}

static int set_unknown(sd_bus_error *error, const Option *table, size_t n, const char *key)
{
        g_autofree char *text = options_describe_unknown(table, n, key);

        return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC, text);
}

static size_t basic_bytes(char type, const void *value)
{
        switch (type) {
        case SD_BUS_TYPE_STRING:
        case SD_BUS_TYPE_OBJECT_PATH:
        case SD_BUS_TYPE_SIGNATURE:
                return strlen(*(const char *const *) value) + 1;
        default:
                return sizeof(uint64_t);
        }
}

/* Counts all that the container at the message's position has in it, whatever is made of it later. The depth
 * is that of a signature, of which sd-bus has refused what is too deep. */
static int count_bytes(sd_bus_message *m, size_t *bytes) // NOLINT(misc-no-recursion)
{
        const char *contents;
        char type;
        int r;

        while ((r = sd_bus_message_peek_type(m, &type, &contents)) > 0) {
                union {
                        const char *string;
                        uint64_t number;
                } value = { .number = 0 };

                if (!contents) {
                        r = sd_bus_message_read_basic(m, type, &value);
                        if (r < 0)
                                return r;
                        *bytes += basic_bytes(type, &value);
                        continue;
                }

                r = sd_bus_message_enter_container(m, type, contents);
                if (r < 0)
                        return r;
                r = count_bytes(m, bytes);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }

        return r;
}

static int check_bytes(sd_bus_message *m, size_t *bytes, sd_bus_error *error)
{
        int r;

        r = count_bytes(m, bytes);
        if (r < 0)
                return r;
        if (*bytes > OPTIONS_BYTES_MAX)
                return sd_bus_error_setf(error, BUS_ERROR_LIMIT_EXCEEDED, "The spec is more than %u bytes",
                                OPTIONS_BYTES_MAX);

        return sd_bus_message_rewind(m, false);
}

static int read_value(
                sd_bus_message *m, const Option *option, void *target, size_t *bytes, sd_bus_error *error)
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
        r = check_bytes(m, bytes, error);
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
                return set_refused(error, option, target, reason);

        return sd_bus_message_exit_container(m);
}

static int read_entry(sd_bus_message *m, const Option *table, size_t n, void *target, uint64_t *set,
                size_t *bytes, sd_bus_error *error)
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
                return set_unknown(error, table, n, key);

        bit = UINT64_C(1) << (option - table);
        if (*set & bit)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "%s is given twice", key);
        *set |= bit;

        return read_value(m, option, target, bytes, error);
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
        size_t bytes = 0;
        int r;

        g_assert(n <= OPTIONS_MAX);

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
                r = read_entry(m, table, n, target, &set, &bytes, error);
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
