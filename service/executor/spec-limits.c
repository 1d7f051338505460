/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spec.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"

static const struct {
        const char *name;
        int resource;
} limit_names[] = {
        { "AS", RLIMIT_AS },
        { "CORE", RLIMIT_CORE },
        { "CPU", RLIMIT_CPU },
        { "DATA", RLIMIT_DATA },
        { "FSIZE", RLIMIT_FSIZE },
        { "LOCKS", RLIMIT_LOCKS },
        { "MEMLOCK", RLIMIT_MEMLOCK },
        { "MSGQUEUE", RLIMIT_MSGQUEUE },
        { "NICE", RLIMIT_NICE },
        { "NOFILE", RLIMIT_NOFILE },
        { "NPROC", RLIMIT_NPROC },
        { "RSS", RLIMIT_RSS },
        { "RTPRIO", RLIMIT_RTPRIO },
        { "RTTIME", RLIMIT_RTTIME },
        { "SIGPENDING", RLIMIT_SIGPENDING },
        { "STACK", RLIMIT_STACK },
};

static int limit_from_name(const char *name)
{
        for (size_t i = 0; i < G_N_ELEMENTS(limit_names); i++)
                if (strcmp(limit_names[i].name, name) == 0)
                        return limit_names[i].resource;

        return -1;
}

const char *resource_limit_name(int resource)
{
        for (size_t i = 0; i < G_N_ELEMENTS(limit_names); i++)
                if (limit_names[i].resource == resource)
                        return limit_names[i].name;

        return "";
}

static const char *name_of(const ResourceLimit *limit)
{
        return limit->resource < 0 ? limit->unknown : resource_limit_name(limit->resource);
}

static bool has_limit(const GArray *limits, int resource)
{
        for (guint i = 0; i < limits->len; i++)
                if (g_array_index(limits, ResourceLimit, i).resource == resource)
                        return true;

        return false;
}

static int limits_read(sd_bus_message *m, void *field)
{
        g_autoptr(GArray) limits = g_array_new(FALSE, TRUE, sizeof(ResourceLimit));
        ResourceLimit limit;
        const char *name;
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{s(tt)}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "{s(tt)}", &name, &limit.soft, &limit.hard)) > 0) {
                /* an unknown name is kept, as -1, for the check that follows */
                limit.resource = limit_from_name(name);
                (void) g_strlcpy(limit.unknown, limit.resource < 0 ? name : "", sizeof limit.unknown);
                if (limit.resource >= 0 && has_limit(limits, limit.resource))
                        return -ENOTUNIQ;
                g_array_append_val(limits, limit);
        }
        if (r < 0)
                return r;

        g_clear_pointer((GArray **) field, g_array_unref);
        *(GArray **) field = g_steal_pointer(&limits);
        return sd_bus_message_exit_container(m);
}

static int limits_append(sd_bus_message *m, const void *field)
{
        GArray *limits = *(GArray *const *) field;
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{s(tt)}");
        if (r < 0)
                return r;

        for (guint i = 0; limits && i < limits->len; i++) {
                const ResourceLimit *limit = &g_array_index(limits, ResourceLimit, i);

                r = sd_bus_message_append(m, "{s(tt)}", name_of(limit), limit->soft, limit->hard);
                if (r < 0)
                        return r;
        }

        return sd_bus_message_close_container(m);
}

static JsonNode *limits_to_json(const void *field)
{
        GArray *limits = *(GArray *const *) field;
        g_autoptr(JsonObject) object = json_object_new();

        for (guint i = 0; limits && i < limits->len; i++) {
                const ResourceLimit *limit = &g_array_index(limits, ResourceLimit, i);
                JsonArray *pair = json_array_new();

                json_array_add_int_element(pair, (gint64) limit->soft);
                json_array_add_int_element(pair, (gint64) limit->hard);
                json_object_set_array_member(object, name_of(limit), pair);
        }

        return json_node_init_object(json_node_alloc(), object);
}

static int limits_from_json(JsonNode *node, void *field)
{
        g_autoptr(GArray) limits = g_array_new(FALSE, TRUE, sizeof(ResourceLimit));
        JsonObjectIter iter;
        const char *name;
        JsonNode *value;

        if (!JSON_NODE_HOLDS_OBJECT(node))
                return -EINVAL;

        json_object_iter_init(&iter, json_node_get_object(node));
        while (json_object_iter_next(&iter, &name, &value)) {
                JsonArray *pair = JSON_NODE_HOLDS_ARRAY(value) ? json_node_get_array(value) : NULL;
                ResourceLimit limit = { .resource = limit_from_name(name) };

                (void) g_strlcpy(limit.unknown, limit.resource < 0 ? name : "", sizeof limit.unknown);
                if (!pair || json_array_get_length(pair) != 2)
                        return -EINVAL;
                for (guint i = 0; i < 2; i++)
                        if (!JSON_NODE_HOLDS_VALUE(json_array_get_element(pair, i)))
                                return -EINVAL;
                limit.soft = (uint64_t) json_array_get_int_element(pair, 0);
                limit.hard = (uint64_t) json_array_get_int_element(pair, 1);
                g_array_append_val(limits, limit);
        }

        g_clear_pointer((GArray **) field, g_array_unref);
        *(GArray **) field = g_steal_pointer(&limits);
        return 0;
}

static void limits_clear(void *field)
{
        g_clear_pointer((GArray **) field, g_array_unref);
}

static char *limits_refused(const void *field, OptionCheck check)
{
        GArray *limits = *(GArray *const *) field;
        g_autoptr(GArray) one = g_array_new(FALSE, FALSE, sizeof(ResourceLimit));

        for (guint i = 0; i < limits->len; i++) {
                const ResourceLimit *limit = &g_array_index(limits, ResourceLimit, i);

                g_array_set_size(one, 0);
                g_array_append_vals(one, limit, 1);
                if (check(&one))
                        return g_strdup(name_of(limit));
        }

        return NULL;
}

const OptionType option_type_limits = {
        .signature = "a{s(tt)}",
        .read = limits_read,
        .append = limits_append,
        .to_json = limits_to_json,
        .from_json = limits_from_json,
        .clear = limits_clear,
        .refused = limits_refused,
};

const char *spec_invalid_limits(const void *field)
{
        GArray *limits = *(GArray *const *) field;

        for (guint i = 0; i < limits->len; i++) {
                const ResourceLimit *limit = &g_array_index(limits, ResourceLimit, i);

                if (limit->resource < 0)
                        return "names a limit that setrlimit(2) does not have";
                if (limit->soft > limit->hard)
                        return "has a soft limit above the hard limit";
        }

        return NULL;
}
