/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "container-config.h"
#include "container-seccomp-resource.h"

#define PROFILE "/org/nomad/Executor/container-seccomp.json"

/* The parts of the profile: "allow" and "deny" are names of system calls; "allow-with" has more of them by the capability
 * that they need, without which they fail with EPERM; "rules" and "rules-without" a capability are entries as OCI has them. What
 * is nowhere named is unknown to the container, as it is to an older kernel: ENOSYS. */

static JsonNode *load_profile(void)
{
        g_autoptr(JsonParser) parser = json_parser_new();
        g_autoptr(GBytes) bytes = NULL;
        size_t size;
        const char *text;

        bytes = g_resource_lookup_data(
                        container_seccomp_get_resource(), PROFILE, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
        g_assert(bytes); /* it is part of this program */
        text = g_bytes_get_data(bytes, &size);
        if (!json_parser_load_from_data(parser, text, (gssize) size, NULL))
                g_assert_not_reached();

        return json_parser_steal_root(parser);
}

static JsonArray *architectures(void)
{
        static const char *const names[] = {
#if defined(__x86_64__)
                "SCMP_ARCH_X86_64",
                "SCMP_ARCH_X86",
                "SCMP_ARCH_X32",
#elif defined(__aarch64__)
                "SCMP_ARCH_AARCH64",
                "SCMP_ARCH_ARM",
#endif
                NULL,
        };
        JsonArray *array = json_array_new();

        for (size_t i = 0; names[i]; i++)
                json_array_add_string_element(array, names[i]);
        return array;
}

static void add_names(GHashTable *set, JsonArray *names)
{
        for (guint i = 0; i < json_array_get_length(names); i++)
                (void) g_hash_table_add(set, (void *) json_array_get_string_element(names, i));
}

/* One entry for all of them, in the order of the alphabet. */
static void add_rule(JsonArray *rules, GHashTable *names, const char *action, int errno_value)
{
        g_autoptr(GList) sorted = g_list_sort(g_hash_table_get_keys(names), (GCompareFunc) (void *) strcmp);
        JsonObject *rule = json_object_new();
        JsonArray *array = json_array_new();

        for (GList *name = sorted; name; name = name->next)
                json_array_add_string_element(array, name->data);
        json_object_set_array_member(rule, "names", array);
        json_object_set_string_member(rule, "action", action);
        if (errno_value != 0)
                json_object_set_int_member(rule, "errnoRet", errno_value);
        json_array_add_object_element(rules, rule);
}

/* Also takes their names out of what is refused without a condition. */
static void add_entries(JsonArray *rules, JsonArray *entries, GHashTable *refused)
{
        for (guint i = 0; i < json_array_get_length(entries); i++) {
                JsonObject *entry = json_array_get_object_element(entries, i);
                JsonArray *names = json_object_get_array_member(entry, "names");

                for (guint k = 0; k < json_array_get_length(names); k++)
                        (void) g_hash_table_remove(refused, json_array_get_string_element(names, k));
                json_array_add_object_element(rules, json_object_ref(entry));
        }
}

static JsonArray *make_rules(JsonObject *profile, char **capabilities)
{
        g_autoptr(GHashTable) allowed = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GHashTable) refused = g_hash_table_new(g_str_hash, g_str_equal);
        JsonArray *rules = json_array_new();
        const char *capability, *name;
        GHashTableIter names;
        JsonObjectIter iter;
        JsonNode *node;

        add_names(allowed, json_object_get_array_member(profile, "allow"));
        add_names(refused, json_object_get_array_member(profile, "deny"));
        json_object_iter_init(&iter, json_object_get_object_member(profile, "allow-with"));
        while (json_object_iter_next(&iter, &capability, &node))
                add_names(g_strv_contains((const char *const *) capabilities, capability) ? allowed
                                                                                          : refused,
                                json_node_get_array(node));

        add_entries(rules, json_object_get_array_member(profile, "rules"), refused);
        json_object_iter_init(&iter, json_object_get_object_member(profile, "rules-without"));
        while (json_object_iter_next(&iter, &capability, &node))
                if (!g_strv_contains((const char *const *) capabilities, capability))
                        add_entries(rules, json_node_get_array(node), refused);

        /* one of several capabilities is enough */
        g_hash_table_iter_init(&names, allowed);
        while (g_hash_table_iter_next(&names, (void **) &name, NULL))
                (void) g_hash_table_remove(refused, name);

        add_rule(rules, allowed, "SCMP_ACT_ALLOW", 0);
        add_rule(rules, refused, "SCMP_ACT_ERRNO", EPERM);
        return rules;
}

JsonObject *container_seccomp(char **capabilities)
{
        g_autoptr(JsonNode) profile = load_profile();
        JsonObject *seccomp = json_object_new();

        json_object_set_string_member(seccomp, "defaultAction", "SCMP_ACT_ERRNO");
        json_object_set_int_member(seccomp, "defaultErrnoRet", ENOSYS);
        json_object_set_array_member(seccomp, "architectures", architectures());
        json_object_set_array_member(
                        seccomp, "syscalls", make_rules(json_node_get_object(profile), capabilities));
        return seccomp;
}
