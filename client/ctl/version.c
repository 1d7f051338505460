/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl.h"
#include "format.h"

int verb_version(Ctl *ctl, int argc, char **argv)
{
        g_autoptr(nx_values) properties = NULL;
        g_autoptr(nx_error) error = NULL;
        g_autoptr(JsonNode) node = NULL;

        if (!ctl_parse(ctl, NULL, false, 0, 0, &argc, &argv))
                return STATUS_USAGE;
        if (!ctl_connect(ctl))
                return STATUS_FAILED;
        if (nx_connection_get_properties(ctl->connection, &properties, &error) < 0)
                return ctl_fail(ctl, error);

        node = ctl_values_to_json(properties);
        if (ctl->json != JSON_OFF) {
                json_object_set_string_member(json_node_get_object(node), "ClientVersion", nx_version());
                ctl_print_json(ctl, node);
                return STATUS_OK;
        }
        (void) printf(PROGRAM " %s\nnomad-executord %s (API %d)\n", nx_version(),
                        value_string(properties, "Version"), (int) value_uint64(properties, "APIVersion"));
        return STATUS_OK;
}
