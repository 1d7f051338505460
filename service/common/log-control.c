/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-control.h"

#include <errno.h>
#include <string.h>

#include "log.h"

#define UNUSED G_GNUC_UNUSED

static int get_level(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface,
                UNUSED const char *property, sd_bus_message *reply, UNUSED void *userdata,
                UNUSED sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", log_level_to_string(log_get_level()));
}

static int set_level(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface,
                UNUSED const char *property, sd_bus_message *value, UNUSED void *userdata,
                sd_bus_error *error)
{
        const char *name;
        int level, r;

        r = sd_bus_message_read(value, "s", &name);
        if (r < 0)
                return r;

        level = log_level_from_string(name);
        if (level < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Unknown log level '%s'", name);

        log_set_level(level);
        return 0;
}

static int get_target(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface,
                UNUSED const char *property, sd_bus_message *reply, UNUSED void *userdata,
                UNUSED sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", "console");
}

static int set_target(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface,
                UNUSED const char *property, sd_bus_message *value, UNUSED void *userdata,
                sd_bus_error *error)
{
        const char *name;
        int r;

        r = sd_bus_message_read(value, "s", &name);
        if (r < 0)
                return r;
        if (strcmp(name, "console") != 0 && strcmp(name, "auto") != 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_NOT_SUPPORTED,
                                "Messages go to standard error, which systemd forwards to the journal");

        return 0;
}

static int get_identifier(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface,
                UNUSED const char *property, sd_bus_message *reply, UNUSED void *userdata,
                UNUSED sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", g_get_prgname());
}

static const sd_bus_vtable log_control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, 0),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0, 0),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, 0),
        SD_BUS_VTABLE_END,
};

int log_control_register(sd_bus *bus)
{
        return sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/LogControl1",
                        "org.freedesktop.LogControl1", log_control_vtable, NULL);
}
