/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "option-table.h"

G_BEGIN_DECLS

/* Limits and weights, named and typed as systemd.resource-control(5) does; UINT64_MAX is "infinity". */
typedef struct Resources {
        uint64_t memory_max;
        uint64_t memory_high;
        uint64_t memory_low;
        uint64_t memory_swap_max;
        uint64_t cpu_weight;
        uint64_t cpu_quota_per_sec_usec;
        char *allowed_cpus;
        uint64_t io_weight;
        uint64_t tasks_max;
} Resources;

/* The a{sv} of SetResources. The same keys are part of the spec. */
extern const Option resource_options[];
extern const size_t n_resource_options;

void resources_clear(Resources *resources);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Resources, resources_clear)

/* SET has a bit for each entry of resource_options that is to be applied. */

/* A key whose controller is not among CONTROLLERS gives Unsupported naming both. */
int resources_check_controllers(uint64_t set, char **controllers, sd_bus_error *error);

/* Appends them as (sv) elements to the properties of a unit. */
int resources_append(sd_bus_message *m, const Resources *resources, uint64_t set);

/* The checks of the values, for the two tables. */
const char *resource_invalid_weight(const void *field);
const char *resource_invalid_cpus(const void *field);
const char *resource_invalid_tasks(const void *field);

/* The entries of a table whose struct T has the Resources at MEMBER (empty for Resources itself). */
#define RESOURCE_OPTION(T, k, t, member, check)                                                         \
        {                                                                                               \
                .key = (k), .type = &option_type_##t, .offset = offsetof(T, member), .invalid = (check) \
        }
#define RESOURCE_OPTIONS(T, MEMBER)                                                                        \
        RESOURCE_OPTION(T, "MemoryMax", uint64, MEMBER memory_max, option_invalid_if_zero64),              \
                        RESOURCE_OPTION(T, "MemoryHigh", uint64, MEMBER memory_high,                       \
                                        option_invalid_if_zero64),                                         \
                        RESOURCE_OPTION(T, "MemoryLow", uint64, MEMBER memory_low, NULL),                  \
                        RESOURCE_OPTION(T, "MemorySwapMax", uint64, MEMBER memory_swap_max, NULL),         \
                        RESOURCE_OPTION(T, "CPUWeight", uint64, MEMBER cpu_weight,                         \
                                        resource_invalid_weight),                                          \
                        RESOURCE_OPTION(T, "CPUQuotaPerSecUSec", uint64, MEMBER cpu_quota_per_sec_usec,    \
                                        option_invalid_if_zero64),                                         \
                        RESOURCE_OPTION(T, "AllowedCPUs", string, MEMBER allowed_cpus,                     \
                                        resource_invalid_cpus),                                            \
                        RESOURCE_OPTION(T, "IOWeight", uint64, MEMBER io_weight, resource_invalid_weight), \
                        RESOURCE_OPTION(T, "TasksMax", uint64, MEMBER tasks_max, resource_invalid_tasks)

G_END_DECLS
