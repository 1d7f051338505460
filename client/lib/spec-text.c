/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "export.h"
#include "spec.h"
#include "text.h"

/* No more of a value is repeated in a message. */
#define SHOWN_MAX 60U

typedef struct Unit {
        const char *name;
        uint64_t factor;
} Unit;

static const Unit time_units[] = {
        { "", 1 },
        { "us", 1 },
        { "usec", 1 },
        { "ms", 1000 },
        { "msec", 1000 },
        { "s", G_USEC_PER_SEC },
        { "sec", G_USEC_PER_SEC },
        { "m", 60 * UINT64_C(1000000) },
        { "min", 60 * UINT64_C(1000000) },
        { "h", 3600 * UINT64_C(1000000) },
        { "hr", 3600 * UINT64_C(1000000) },
        { "d", 86400 * UINT64_C(1000000) },
        { "w", 7 * 86400 * UINT64_C(1000000) },
        { NULL, 0 },
};

static const Unit quota_units[] = {
        { "%", 10000 },
        { NULL, 0 },
};

static const Unit size_units[] = {
        { "", 1 },
        { "B", 1 },
        { "K", UINT64_C(1) << 10 },
        { "M", UINT64_C(1) << 20 },
        { "G", UINT64_C(1) << 30 },
        { "T", UINT64_C(1) << 40 },
        { NULL, 0 },
};

static const Unit no_units[] = {
        { "", 1 },
        { NULL, 0 },
};

static const Unit *units_of(const char *key, const char *text)
{
        if (strcmp(key, "CPUQuotaPerSecUSec") == 0 && strchr(text, '%'))
                return quota_units;
        if (g_str_has_suffix(key, "USec"))
                return time_units;
        if (g_str_has_prefix(key, "Memory") || strcmp(key, "LogMaxFileSize") == 0 ||
                        strcmp(key, "RunOutputMax") == 0 || strcmp(key, "ResourceLimits") == 0)
                return size_units;

        return no_units;
}

const char *number_form(const char *key)
{
        const Unit *units = units_of(key, "");

        if (strcmp(key, "UMask") == 0)
                return "an octal number such as 0022";
        if (strcmp(key, "CPUQuotaPerSecUSec") == 0)
                return "a percentage of one CPU such as 150%, or a time such as 500ms";
        if (units == time_units)
                return "a number of microseconds, or one with a unit such as 500ms, 5s or 1min 30s";
        if (units == size_units)
                return "a number of bytes, or one with K, M, G or T";

        return "a number";
}

/* One number and its unit; TEXT is moved behind them. */
static int parse_term(const char **text, const Unit *units, uint64_t *ret)
{
        const char *unit;
        uint64_t number;
        char *end;
        size_t length;

        if (!g_ascii_isdigit(**text))
                return -EINVAL;
        errno = 0;
        number = g_ascii_strtoull(*text, &end, 10);
        if (errno != 0)
                return -ERANGE;

        unit = end;
        length = strcspn(unit, " 0123456789");
        *text = unit + length + strspn(unit + length, " ");
        for (; units->name; units++)
                if (strlen(units->name) == length && strncmp(units->name, unit, length) == 0)
                        return __builtin_mul_overflow(number, units->factor, ret) ? -ERANGE : 0;

        return -EINVAL;
}

/* Units may be added up: "1min 30s". */
static int parse_sum(const char *text, const Unit *units, uint64_t *ret)
{
        uint64_t sum = 0, term;
        bool first = true;

        while (*text != '\0') {
                int r;

                if (!first && units != time_units)
                        return -EINVAL;
                r = parse_term(&text, units, &term);
                if (r < 0)
                        return r;
                if (__builtin_add_overflow(sum, term, &sum))
                        return -ERANGE;
                first = false;
        }
        if (first)
                return -EINVAL;

        *ret = sum;
        return 0;
}

static int parse_octal(const char *text, uint64_t *ret)
{
        char *end;

        if (*text < '0' || *text > '7')
                return -EINVAL;
        errno = 0;
        *ret = g_ascii_strtoull(text, &end, 8);
        if (errno != 0)
                return -ERANGE;

        return *end == '\0' ? 0 : -EINVAL;
}

int number_from_text(const char *key, const char *text, uint64_t *ret)
{
        if (strcmp(text, "infinity") == 0) {
                *ret = UINT64_MAX;
                return 0;
        }
        if (strcmp(key, "UMask") == 0)
                return parse_octal(text, ret);

        return parse_sum(text, units_of(key, text), ret);
}

/* What is there already, and one more. */
static void add_to_list(nx_spec *spec, const Option *option, const char *value)
{
        char ***field = spec_field(spec, option);
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

        if (*value != '\0') {
                if (*field)
                        g_strv_builder_addv(builder, (const char **) *field);
                g_strv_builder_add(builder, value);
        }
        g_strfreev(*field);
        *field = g_strv_builder_end(builder);
}

static int add_entry(nx_spec *spec, const Option *option, const char *value, nx_error **ret_error)
{
        const char *equals = strchr(value, '=');
        g_autofree char *shown = text_shorten(value, SHOWN_MAX);
        g_autofree char *name = NULL;

        if (!equals)
                return error_set(ret_error, NX_ERROR_INVALID_SPEC, "%s is set by %s=NAME=VALUE, not '%s'",
                                option->key, option->key, shown);

        name = g_strndup(value, (gsize) (equals - value));
        return nx_spec_set_entry(spec, option->key, name, equals + 1, ret_error);
}

/* NAME=SOFT:HARD, or one for both, laid over the limits that are there. */
static int add_limit(nx_spec *spec, const Option *option, const char *value, nx_error **ret_error)
{
        g_autoptr(JsonNode) node = option->type->to_json(spec_field(spec, option));
        g_auto(GStrv) sides = g_strsplit(value, "=", 2);
        g_autofree char *shown = text_shorten(value, SHOWN_MAX);
        JsonArray *pair = json_array_new();
        g_auto(GStrv) numbers = NULL;

        numbers = g_strsplit(g_strv_length(sides) == 2 ? sides[1] : "", ":", 2);
        for (guint i = 0; i < 2; i++) {
                uint64_t number;
                int r;

                r = number_from_text(option->key, numbers[0] ? numbers[numbers[1] ? i : 0] : "", &number);
                if (r < 0) {
                        json_array_unref(pair);
                        return error_set(ret_error, NX_ERROR_INVALID_SPEC,
                                        "%s is set by %s=NAME=SOFT:HARD, not '%s'", option->key, option->key,
                                        shown);
                }
                json_array_add_int_element(pair, (gint64) number);
        }
        json_object_set_array_member(json_node_get_object(node), sides[0], pair);
        if (option->type->from_json(node, spec_field(spec, option)) < 0)
                return error_set(ret_error, NX_ERROR_INVALID_SPEC, "%s cannot be '%s'", option->key, value);

        return 0;
}

/* SOURCE:DESTINATION[:OPTION,...] of Mounts, PATH[:DESTINATION[:PERMISSIONS]] of Devices; NULL for what is
 * neither. */
static JsonArray *binding_from_text(const Option *option, const char *value)
{
        bool is_mount = option->type == &option_type_mounts;
        g_auto(GStrv) parts = g_strsplit(value, ":", -1), options = NULL;
        guint n = g_strv_length(parts);
        JsonArray *entry;

        if (n < (is_mount ? 2 : 1) || n > 3 || *parts[0] == '\0' || (n > 1 && *parts[1] == '\0'))
                return NULL;

        entry = json_array_new();
        json_array_add_string_element(entry, parts[0]);
        json_array_add_string_element(entry, n > 1 ? parts[1] : parts[0]);
        if (is_mount) {
                options = g_strsplit(n > 2 ? parts[2] : "", ",", -1);
                json_array_add_element(entry, option_type_strv.to_json(&options));
        } else
                json_array_add_string_element(entry, n > 2 ? parts[2] : "rwm");
        return entry;
}

/* One more of those that are there already; none where VALUE is empty. */
static int add_binding(nx_spec *spec, const Option *option, const char *value, nx_error **ret_error)
{
        g_autoptr(JsonNode) node = option->type->to_json(spec_field(spec, option));
        JsonArray *entry;

        if (*value == '\0') {
                option->type->clear(spec_field(spec, option));
                return 0;
        }

        entry = binding_from_text(option, value);
        if (!entry)
                return error_set(ret_error, NX_ERROR_INVALID_SPEC, "%s is set by %s=%s, not '%s'",
                                option->key, option->key,
                                option->type == &option_type_mounts ? "SOURCE:DESTINATION[:OPTION,...]"
                                                                    : "PATH[:DESTINATION[:PERMISSIONS]]",
                                value);

        json_array_add_array_element(json_node_get_array(node), entry);
        return option->type->from_json(node, spec_field(spec, option));
}

static int assign_number(nx_spec *spec, const Option *option, const char *value, nx_error **ret_error)
{
        g_autofree char *shown = text_shorten(value, SHOWN_MAX);
        uint64_t number;
        char *end;
        int r;

        if (option->type == &option_type_int32) {
                gint64 integer = g_ascii_strtoll(value, &end, 10);

                if (*value == '\0' || *end != '\0' || integer < INT32_MIN || integer > INT32_MAX)
                        return error_set(ret_error, NX_ERROR_INVALID_SPEC, "%s: '%s' is not a number",
                                        option->key, shown);
                return nx_spec_set_int(spec, option->key, (int) integer, ret_error);
        }

        r = number_from_text(option->key, value, &number);
        if (r < 0)
                return error_set(ret_error, NX_ERROR_INVALID_SPEC, "%s: '%s' is %s%s", option->key, shown,
                                r == -ERANGE ? "too large" : "not ",
                                r == -ERANGE ? "" : number_form(option->key));
        return nx_spec_set_uint64(spec, option->key, number, ret_error);
}

static int assign_bool(nx_spec *spec, const Option *option, const char *value, nx_error **ret_error)
{
        bool yes = g_str_equal(value, "yes") || g_str_equal(value, "true") || g_str_equal(value, "1");

        if (!yes && !g_str_equal(value, "no") && !g_str_equal(value, "false") && !g_str_equal(value, "0"))
                return error_set(ret_error, NX_ERROR_INVALID_SPEC, "%s: '%s' is neither yes nor no",
                                option->key, value);

        *(bool *) spec_field(spec, option) = yes;
        spec_mark(spec, option);
        return 0;
}

static int assign(nx_spec *spec, const Option *option, const char *value, nx_error **ret_error)
{
        const char *signature = option->type->signature;
        int r = 0;

        if (option->type == &option_type_string)
                return nx_spec_set_string(spec, option->key, value, ret_error);
        if (option->type == &option_type_fd)
                return error_set(ret_error, NX_ERROR_INVALID_SPEC,
                                "%s is a descriptor and cannot be given in text", option->key);
        if (option->type == &option_type_dict)
                return add_entry(spec, option, value, ret_error);
        if (option->type == &option_type_bool)
                return assign_bool(spec, option, value, ret_error);
        if (strlen(signature) == 1)
                return assign_number(spec, option, value, ret_error);

        if (option->type == &option_type_strv)
                add_to_list(spec, option, value);
        else if (strcmp(option->key, "ResourceLimits") == 0)
                r = add_limit(spec, option, value, ret_error);
        else if (option->type == &option_type_mounts || option->type == &option_type_devices)
                r = add_binding(spec, option, value, ret_error);
        else
                r = error_set(ret_error, NX_ERROR_INVALID_SPEC, "%s can be given in JSON only", option->key);
        if (r >= 0)
                spec_mark(spec, option);
        return r;
}

/* What people know from unit files by another name; its value is in percent there. */
static int assign_quota(nx_spec *spec, const char *value, nx_error **ret_error)
{
        g_autofree char *shown = text_shorten(value, SHOWN_MAX);
        g_autofree char *assignment = g_strdup_printf("CPUQuotaPerSecUSec=%s", value);

        if (!g_str_has_suffix(value, "%") && strcmp(value, "infinity") != 0)
                return error_set(ret_error, NX_ERROR_INVALID_SPEC,
                                "CPUQuota: '%s' is not a percentage of one CPU such as 150%%", shown);

        return nx_spec_assign(spec, assignment, ret_error);
}

EXPORT int nx_spec_assign(nx_spec *spec, const char *assignment, nx_error **ret_error)
{
        const char *equals = strchr(assignment, '=');
        g_autofree char *shown = text_shorten(assignment, SHOWN_MAX);
        g_autofree char *key = NULL;
        const Option *option;
        int r;

        if (!g_utf8_validate(assignment, -1, NULL))
                return error_set(ret_error, NX_ERROR_INVALID_SPEC, "'%s' is not UTF-8", shown);
        if (!equals || equals == assignment)
                return error_set(ret_error, NX_ERROR_INVALID_SPEC, "'%s' is not KEY=VALUE", shown);

        key = g_strndup(assignment, (gsize) (equals - assignment));
        if (strcmp(key, "CPUQuota") == 0)
                return assign_quota(spec, equals + 1, ret_error);
        r = spec_find(key, &option, ret_error);
        if (r < 0)
                return r;

        return assign(spec, option, equals + 1, ret_error);
}
