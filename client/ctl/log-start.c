/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-start.h"

#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>

static const char *get_string(JsonNode *spec, const char *key)
{
        return json_object_get_string_member_with_default(json_node_get_object(spec), key, NULL);
}

static char *default_directory(const Ctl *ctl, const char *label)
{
        return ctl->user ? g_build_filename(g_get_user_state_dir(), "log", "nomad", label, NULL)
                         : g_build_filename("/var/log/nomad", label, NULL);
}

/* NAME.STREAM.N */
static uint64_t sum_sizes(const char *directory, const char *name, const char *stream)
{
        g_autofree char *prefix = g_strdup_printf("%s.%s.", name, stream);
        g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
        uint64_t sum = 0;
        const char *entry;

        while (dir && (entry = g_dir_read_name(dir))) {
                g_autofree char *path = g_build_filename(directory, entry, NULL);
                struct stat st;

                if (g_str_has_prefix(entry, prefix) && lstat(path, &st) >= 0 && S_ISREG(st.st_mode))
                        sum += (uint64_t) st.st_size;
        }

        return sum;
}

void log_start_after_others(const Ctl *ctl, const char *id, const nx_spec *spec, LogStart *ret)
{
        g_autofree char *label = NULL;
        g_autofree char *text = NULL;
        g_autofree char *directory = NULL;
        g_autoptr(JsonNode) node = NULL;
        const char *name;

        if (sd_bus_path_encode("/", id, &label) < 0)
                return; /* the service says what is wrong with it */

        (void) nx_spec_to_json(spec, &text);
        node = json_from_string(text, NULL);
        directory = g_strdup(get_string(node, "LogDirectory"));
        if (!directory)
                directory = default_directory(ctl, label + 1);
        name = get_string(node, "LogName");
        ret->flags = NX_LOG_OFFSET;
        ret->n[0] = sum_sizes(directory, name ? name : label + 1, "stdout");
        ret->n[1] = sum_sizes(directory, name ? name : label + 1, "stderr");
}
