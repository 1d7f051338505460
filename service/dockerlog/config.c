/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "bus-error.h"
#include "endpoint.h"

#define SINCE_MAX ((uint64_t) INT64_MAX / 1000) /* it is used in nanoseconds */

/* It becomes a part of a path of the engine's API. */
static const char *invalid_container(const void *field)
{
        const char *id = *(char *const *) field;

        if (strlen(id) > CONTAINER_ID_LENGTH_MAX)
                return "is too long";
        if (!g_ascii_isalnum(*id) ||
                        strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
                                        strlen(id))
                return "must be the id or the name of a container";

        return NULL;
}

static const char *invalid_since(const void *field)
{
        return *(const uint64_t *) field > SINCE_MAX ? "must be microseconds since 1970" : NULL;
}

#define FIELD(member) offsetof(ContainerConfig, member)

const Option container_config_table[] = {
        { "ContainerID", &option_type_string, FIELD(container), invalid_container, OPTION_REQUIRED },
        { "Endpoint", &option_type_string, FIELD(endpoint), NULL, 0 },
        { "Tty", &option_type_bool, FIELD(tty), NULL, 0 },
        { "Since", &option_type_uint64, FIELD(since), invalid_since, 0 },
        { "TLSCertificate", &option_type_string, FIELD(certificate), option_invalid_unless_absolute, 0 },
        { "TLSKey", &option_type_string, FIELD(key), option_invalid_unless_absolute, 0 },
        { "TLSCA", &option_type_string, FIELD(ca), option_invalid_unless_absolute, 0 },
        LOG_OUTPUT_OPTIONS(FIELD(log)),
};
const size_t container_config_table_size = G_N_ELEMENTS(container_config_table);

void container_config_init(ContainerConfig *config)
{
        *config = (ContainerConfig){};
        log_config_init(&config->log);
}

void container_config_clear(ContainerConfig *config)
{
        options_clear(container_config_table, container_config_table_size, config);
}

int container_config_read(sd_bus_message *m, ContainerConfig *config, sd_bus_error *error)
{
        g_auto(Endpoint) endpoint = {};
        int r;

        r = options_read(
                        m, container_config_table, container_config_table_size, config, &config->set, error);
        if (r < 0)
                return r;

        if (!config->certificate != !config->key)
                return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC,
                                "TLSCertificate and TLSKey are given one without the other");
        if (endpoint_parse(container_config_endpoint(config), config->certificate, config->key, config->ca,
                            &endpoint) < 0)
                return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC,
                                "Endpoint must be 'unix:///path', without TLS keys, or 'tcp://host:port'");
        if (!config->log.user && (config->log.group || config->log.groups))
                return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC,
                                "User is required with Group and SupplementaryGroups");

        return 0;
}

JsonNode *container_config_to_json(const ContainerConfig *config)
{
        return options_to_json(container_config_table, container_config_table_size, config, config->set);
}

int container_config_from_json(JsonObject *object, ContainerConfig *config)
{
        return options_from_json(
                        object, container_config_table, container_config_table_size, config, &config->set);
}

const char *container_config_endpoint(const ContainerConfig *config)
{
        return config->endpoint ? config->endpoint : ENDPOINT_DEFAULT;
}

bool container_config_same_container(const ContainerConfig *a, const ContainerConfig *b)
{
        return strcmp(a->container, b->container) == 0 &&
                        strcmp(container_config_endpoint(a), container_config_endpoint(b)) == 0;
}

static uint64_t table_bit(const char *key)
{
        const Option *option = options_find(container_config_table, container_config_table_size, key);

        g_assert(option);
        return UINT64_C(1) << (option - container_config_table);
}

void container_config_update(ContainerConfig *config, const ContainerConfig *newer)
{
        uint64_t files = table_bit("LogMaxFiles"), size = table_bit("LogMaxFileSize");

        if (newer->set & files)
                config->log.max_files = newer->log.max_files;
        if (newer->set & size)
                config->log.max_file_size = newer->log.max_file_size;
        config->set |= newer->set & (files | size);
}

int container_config_append_log(sd_bus_message *m, const ContainerConfig *config)
{
        int r;

        for (size_t i = 0; i < container_config_table_size; i++) {
                const Option *option = container_config_table + i;

                if (!(config->set & (UINT64_C(1) << i)) || option->offset < FIELD(log))
                        continue;
                r = option_append_entry(m, option, config);
                if (r < 0)
                        return r;
        }

        return 0;
}
