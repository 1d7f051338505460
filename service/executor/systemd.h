/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

#define SYSTEMD_NAME      "org.freedesktop.systemd1"
#define SYSTEMD_PATH      "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER   "org.freedesktop.systemd1.Manager"
#define SYSTEMD_SCOPE     "org.freedesktop.systemd1.Scope"
#define SYSTEMD_UNIT      "org.freedesktop.systemd1.Unit"
#define SYSTEMD_UNIT_PATH "/org/freedesktop/systemd1/unit"

#define SYSTEMD_ERROR_UNIT_EXISTS  "org.freedesktop.systemd1.UnitExists"
#define SYSTEMD_ERROR_NO_SUCH_UNIT "org.freedesktop.systemd1.NoSuchUnit"

/* A call of systemd's manager object, to be filled and sent. */
static inline int systemd_new_call(sd_bus *bus, sd_bus_message **ret, const char *member)
{
        return sd_bus_message_new_method_call(bus, ret, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, member);
}

G_END_DECLS
