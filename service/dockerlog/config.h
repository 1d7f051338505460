/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "log-config.h"

G_BEGIN_DECLS

#define CONTAINER_ID_LENGTH_MAX 255U

/* The a{sv} of Start(). */
typedef struct ContainerConfig {
        char *endpoint; /* NULL: the default one */
        char *container;
        bool tty;
        uint64_t since; /* microseconds since 1970 */
        char *certificate;
        char *key;
        char *ca;
        LogConfig log;
        uint64_t set; /* which entries of the table were given */
} ContainerConfig;

extern const Option container_config_table[];
extern const size_t container_config_table_size;

void container_config_init(ContainerConfig *config);
void container_config_clear(ContainerConfig *config);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ContainerConfig, container_config_clear)

int container_config_read(sd_bus_message *m, ContainerConfig *config, sd_bus_error *error);
JsonNode *container_config_to_json(const ContainerConfig *config);
int container_config_from_json(JsonObject *object, ContainerConfig *config);

/* Where the container's engine is. */
const char *container_config_endpoint(const ContainerConfig *config);

/* Whether two are about the same container of the same engine. */
bool container_config_same_container(const ContainerConfig *a, const ContainerConfig *b);

/* The values of NEWER that may change while a log runs. */
void container_config_update(ContainerConfig *config, const ContainerConfig *newer);

/* The entries that are logmon's, into an array of {sv} that is open. */
int container_config_append_log(sd_bus_message *m, const ContainerConfig *config);

G_END_DECLS
