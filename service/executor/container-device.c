/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "bus-error.h"
#include "cleanup.h"
#include "container-config.h"

/* What the runtime puts into every /dev, terminals, and the making of nodes, which alone opens nothing. */
static const struct {
        const char *node;
        const char *permissions;
} usual_devices[] = {
        { "/dev/null", "rwm" },
        { "/dev/zero", "rwm" },
        { "/dev/full", "rwm" },
        { "/dev/random", "rwm" },
        { "/dev/urandom", "rwm" },
        { "/dev/tty", "rwm" },
        { "/dev/ptmx", "rwm" },
        { "char-pts", "rwm" },
        { "char-*", "m" },
        { "block-*", "m" },
};

int container_check_devices(const Isolation *isolation, sd_bus_error *error)
{
        for (guint i = 0; isolation->devices && i < isolation->devices->len; i++) {
                const Binding *device = g_ptr_array_index(isolation->devices, i);
                struct stat st;

                if (stat(device->source, &st) < 0)
                        return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "Devices: '%s': %s",
                                        device->source, g_strerror(errno));
                if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
                        return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC, "Devices: '%s' is no device",
                                        device->source);
        }

        return 0;
}

static JsonObject *device_node(const Binding *device, const struct stat *st)
{
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "path", device->destination);
        json_object_set_string_member(object, "type", S_ISBLK(st->st_mode) ? "b" : "c");
        json_object_set_int_member(object, "major", (gint64) major(st->st_rdev));
        json_object_set_int_member(object, "minor", (gint64) minor(st->st_rdev));
        json_object_set_int_member(object, "fileMode", (gint64) (st->st_mode & 0777));
        json_object_set_int_member(object, "uid", (gint64) st->st_uid);
        json_object_set_int_member(object, "gid", (gint64) st->st_gid);
        return object;
}

JsonArray *container_devices(const Isolation *isolation)
{
        JsonArray *array = json_array_new();

        for (guint i = 0; isolation->devices && i < isolation->devices->len; i++) {
                const Binding *device = g_ptr_array_index(isolation->devices, i);
                struct stat st;

                if (stat(device->source, &st) >= 0)
                        json_array_add_object_element(array, device_node(device, &st));
        }

        return array;
}

/* By number, since systemd takes paths below /dev only. */
static char *device_specifier(const Binding *device)
{
        struct stat st;

        if (stat(device->source, &st) < 0)
                return NULL;

        return g_strdup_printf("/dev/%s/%u:%u", S_ISBLK(st.st_mode) ? "block" : "char", major(st.st_rdev),
                        minor(st.st_rdev));
}

static int append_rules(sd_bus_message *m, const Isolation *isolation)
{
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "(ss)");
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(usual_devices); i++)
                r = sd_bus_message_append(m, "(ss)", usual_devices[i].node, usual_devices[i].permissions);
        for (guint i = 0; r >= 0 && isolation->devices && i < isolation->devices->len; i++) {
                const Binding *device = g_ptr_array_index(isolation->devices, i);
                g_autofree char *node = device_specifier(device);

                if (node)
                        r = sd_bus_message_append(m, "(ss)", node, device->mode);
        }

        return r < 0 ? r : sd_bus_message_close_container(m);
}

int container_append_device_policy(sd_bus_message *m, const Isolation *isolation)
{
        int r;

        r = sd_bus_message_append(m, "(sv)", "DevicePolicy", "s", "strict");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, SD_BUS_TYPE_STRUCT, "sv");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", "DeviceAllow");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, SD_BUS_TYPE_VARIANT, "a(ss)");
        if (r < 0)
                return r;
        r = append_rules(m, isolation);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;

        return sd_bus_message_close_container(m);
}
