/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "export.h"
#include "text.h"

/* No more of a value is repeated in a message. */
#define SHOWN_MAX 60U

EXPORT nx_spec *nx_spec_new(const char *command)
{
        nx_spec *spec = g_new0(nx_spec, 1);

        task_spec_init(&spec->values);
        if (command)
                (void) nx_spec_set_string(spec, "Command", command, NULL);
        return spec;
}

EXPORT nx_spec *nx_spec_free(nx_spec *spec)
{
        if (spec) {
                task_spec_clear(&spec->values);
                g_free(spec);
        }
        return NULL;
}

/* Negative, as an analyzer that sees one file at a time is to know. */
static int refuse(nx_error **ret_error, const char *message)
{
        int r = error_set(ret_error, NX_ERROR_INVALID_SPEC, "%s", message);

        return MIN(r, -1);
}

int spec_find(const char *key, const Option **ret, nx_error **ret_error)
{
        const Option *option = options_find(task_spec_options, n_task_spec_options, key);
        g_autofree char *unknown = NULL;

        if (option) {
                *ret = option;
                return 0;
        }

        unknown = options_describe_unknown(task_spec_options, n_task_spec_options, key);
        return refuse(ret_error, unknown);
}

void *spec_field(nx_spec *spec, const Option *option)
{
        return (char *) &spec->values + option->offset;
}

static uint64_t bit_of(const Option *option)
{
        return UINT64_C(1) << (option - task_spec_options);
}

void spec_mark(nx_spec *spec, const Option *option)
{
        spec->values.set |= bit_of(option);
}

EXPORT int nx_spec_has(const nx_spec *spec, const char *key)
{
        const Option *option = options_find(task_spec_options, n_task_spec_options, key);

        return option && spec->values.set & bit_of(option);
}

const char *spec_form(const Option *option)
{
        static const struct {
                const OptionType *type;
                const char *form;
        } forms[] = {
                { &option_type_string, "a string" },
                { &option_type_strv, "a list of strings" },
                { &option_type_dict, "names and values" },
                { &option_type_fd, "a descriptor" },
                { &option_type_bool, "true or false" },
                { &option_type_limits, "limits by name, each a number or [soft, hard]" },
                { &option_type_mounts, "a list of [source, destination, [option, ...]]" },
                { &option_type_devices, "a list of [path, destination, permissions]" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(forms); i++)
                if (forms[i].type == option->type)
                        return forms[i].form;

        return number_form(option->key);
}

static bool is_number(const Option *option)
{
        return strlen(option->type->signature) == 1 && strchr("tuqi", *option->type->signature);
}

/* The option of KEY, which has to be of this D-Bus type, or of the other one unless that is NULL. */
static int find_typed(const char *key, const char *type, const char *other, const Option **ret,
                nx_error **ret_error)
{
        const Option *option;
        int r;

        r = spec_find(key, &option, ret_error);
        if (r < 0)
                return r;
        if (strcmp(option->type->signature, type) != 0 && g_strcmp0(option->type->signature, other) != 0) {
                g_autofree char *message = g_strdup_printf(
                                "%s is %s", key, is_number(option) ? "a number" : spec_form(option));

                return refuse(ret_error, message);
        }

        *ret = option;
        return 0;
}

static bool is_text(const Option *option, const char *value, nx_error **ret_error)
{
        g_autofree char *shown = NULL;

        if (!value || g_utf8_validate(value, -1, NULL))
                return true;

        shown = text_shorten(value, SHOWN_MAX);
        (void) error_set(ret_error, NX_ERROR_INVALID_SPEC, "%s: '%s' is not UTF-8", option->key, shown);
        return false;
}

static bool are_texts(const Option *option, const char *const *values, nx_error **ret_error)
{
        for (; values && *values; values++)
                if (!is_text(option, *values, ret_error))
                        return false;

        return true;
}

EXPORT int nx_spec_set_string(nx_spec *spec, const char *key, const char *value, nx_error **ret_error)
{
        const Option *option;
        int r;

        r = find_typed(key, "s", NULL, &option, ret_error);
        if (r < 0)
                return r;

        if (!is_text(option, value, ret_error))
                return -EINVAL;

        g_free(*(char **) spec_field(spec, option));
        *(char **) spec_field(spec, option) = g_strdup(value);
        spec_mark(spec, option);
        return 0;
}

EXPORT int nx_spec_set_strv(nx_spec *spec, const char *key, const char *const *values, nx_error **ret_error)
{
        const Option *option;
        int r;

        r = find_typed(key, "as", NULL, &option, ret_error);
        if (r < 0)
                return r;

        if (!are_texts(option, values, ret_error))
                return -EINVAL;

        g_strfreev(*(char ***) spec_field(spec, option));
        *(char ***) spec_field(spec, option) = g_strdupv((char **) values);
        spec_mark(spec, option);
        return 0;
}

EXPORT int nx_spec_set_uint64(nx_spec *spec, const char *key, uint64_t value, nx_error **ret_error)
{
        const Option *option;
        int r;

        r = find_typed(key, "t", "u", &option, ret_error);
        if (r < 0)
                return r;

        if (option->type == &option_type_uint64)
                *(uint64_t *) spec_field(spec, option) = value;
        else if (value > UINT32_MAX)
                return error_set(ret_error, NX_ERROR_INVALID_SPEC,
                                "%s must be at most %" G_GUINT32_FORMAT ", not %" G_GUINT64_FORMAT, key,
                                UINT32_MAX, value);
        else
                *(uint32_t *) spec_field(spec, option) = (uint32_t) value;
        spec_mark(spec, option);
        return 0;
}

EXPORT int nx_spec_set_int(nx_spec *spec, const char *key, int value, nx_error **ret_error)
{
        const Option *option;
        int r;

        r = find_typed(key, "i", NULL, &option, ret_error);
        if (r < 0)
                return r;

        *(int32_t *) spec_field(spec, option) = value;
        spec_mark(spec, option);
        return 0;
}

EXPORT int nx_spec_set_fd(nx_spec *spec, const char *key, int fd, nx_error **ret_error)
{
        const Option *option;
        int copy = -1, r;

        r = find_typed(key, "h", NULL, &option, ret_error);
        if (r < 0)
                return r;
        if (fd >= 0) {
                copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                if (copy < 0)
                        return error_set_errno(ret_error, -errno, key);
        }

        safe_close(*(int *) spec_field(spec, option));
        *(int *) spec_field(spec, option) = copy;
        spec_mark(spec, option);
        if (copy < 0)
                spec->values.set &= ~bit_of(option);
        return 0;
}

EXPORT int nx_spec_set_entry(
                nx_spec *spec, const char *key, const char *name, const char *value, nx_error **ret_error)
{
        const Option *option;
        GHashTable **dict;
        int r;

        r = find_typed(key, "a{ss}", NULL, &option, ret_error);
        if (r < 0)
                return r;

        if (!is_text(option, name, ret_error) || !is_text(option, value, ret_error))
                return -EINVAL;

        dict = spec_field(spec, option);
        if (!*dict)
                *dict = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_hash_table_replace(*dict, g_strdup(name), g_strdup(value));
        spec_mark(spec, option);
        return 0;
}

int spec_append(const nx_spec *spec, sd_bus_message *m)
{
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        for (size_t i = 0; r >= 0 && i < n_task_spec_options; i++)
                if (spec->values.set & UINT64_C(1) << i)
                        r = option_append_entry(m, task_spec_options + i, &spec->values);

        return r < 0 ? r : sd_bus_message_close_container(m);
}
