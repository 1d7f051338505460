/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "resources.h"

#include <stdlib.h>
#include <string.h>

#include "bus-error.h"
#include "cleanup.h"

/* systemd's range for CPUWeight= and IOWeight=, the kernel's for the files behind them. */
#define WEIGHT_MAX 10000U

/* What a task of one process needs. */
#define TASKS_MAX_MIN 2U

/* Bits in the mask that systemd is sent; far above what Linux supports today. */
#define CPUS_MAX 8192U

const Option resource_options[] = { RESOURCE_OPTIONS(Resources, ) };
const size_t n_resource_options = G_N_ELEMENTS(resource_options);

/* In the order of the table. */
static const char *const needed_controllers[] = {
        "memory",
        "memory",
        "memory",
        "memory",
        "cpu",
        "cpu",
        "cpuset",
        "io",
        "pids",
};
G_STATIC_ASSERT(G_N_ELEMENTS(needed_controllers) == G_N_ELEMENTS(resource_options));

void resources_clear(Resources *resources)
{
        options_clear(resource_options, n_resource_options, resources);
}

const char *resource_invalid_weight(const void *field)
{
        uint64_t value = *(const uint64_t *) field;

        return value < 1 || value > WEIGHT_MAX ? "is not between 1 and 10000" : NULL;
}

/* The supervisor is one of them. */
const char *resource_invalid_tasks(const void *field)
{
        return *(const uint64_t *) field < TASKS_MAX_MIN
                        ? "must be at least 2, as the task's supervisor counts"
                        : NULL;
}

/* One of "N" and "N-M"; false if TEXT is neither, or more than CPUS_MAX. */
static bool parse_range(const char *text, unsigned long *ret_first, unsigned long *ret_last)
{
        char *end;

        if (!g_ascii_isdigit(*text))
                return false;
        *ret_first = *ret_last = strtoul(text, &end, 10);
        if (*end == '-') {
                if (!g_ascii_isdigit(end[1]))
                        return false;
                *ret_last = strtoul(end + 1, &end, 10);
        }

        return *end == '\0' && *ret_first <= *ret_last && *ret_last < CPUS_MAX;
}

/* "0-3,5" to a mask of bytes, CPU 0 the lowest bit of the first; NULL if it is not such a list. */
static GByteArray *parse_cpus(const char *text)
{
        g_autoptr(GByteArray) mask = g_byte_array_new();
        g_auto(GStrv) ranges = g_strsplit(text, ",", -1);

        for (char **range = ranges; *range; range++) {
                unsigned long first, last;

                if (!parse_range(g_strstrip(*range), &first, &last))
                        return NULL;
                while (mask->len <= last / 8)
                        g_byte_array_append(mask, (const guint8 *) "", 1);
                for (unsigned long cpu = first; cpu <= last; cpu++)
                        mask->data[cpu / 8] |= (guint8) (1U << cpu % 8);
        }

        return mask->len > 0 ? g_steal_pointer(&mask) : NULL;
}

const char *resource_invalid_cpus(const void *field)
{
        g_autoptr(GByteArray) mask = parse_cpus(*(char *const *) field);

        return mask ? NULL : "is not a list of CPUs such as \"0-3,5\"";
}

int resources_check_controllers(uint64_t set, char **controllers, sd_bus_error *error)
{
        for (size_t i = 0; i < n_resource_options; i++)
                if (set & UINT64_C(1) << i &&
                                !g_strv_contains((const char *const *) controllers, needed_controllers[i]))
                        return sd_bus_error_setf(error, BUS_ERROR_UNSUPPORTED,
                                        "%s needs the cgroup controller '%s', which this system does not have",
                                        resource_options[i].key, needed_controllers[i]);

        return 0;
}

static int append_cpus(sd_bus_message *m, const char *cpus)
{
        g_autoptr(GByteArray) mask = parse_cpus(cpus);
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_STRUCT, "sv");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", "AllowedCPUs");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, SD_BUS_TYPE_VARIANT, "ay");
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(m, 'y', mask->data, mask->len);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;

        return sd_bus_message_close_container(m);
}

int resources_append(sd_bus_message *m, const Resources *resources, uint64_t set)
{
        for (size_t i = 0; i < n_resource_options; i++) {
                const void *field = (const char *) resources + resource_options[i].offset;
                int r;

                if (!(set & UINT64_C(1) << i))
                        continue;
                if (resource_options[i].type == &option_type_string)
                        r = append_cpus(m, resources->allowed_cpus);
                else
                        r = sd_bus_message_append(
                                        m, "(sv)", resource_options[i].key, "t", *(const uint64_t *) field);
                if (r < 0)
                        return r;
        }

        return 0;
}
