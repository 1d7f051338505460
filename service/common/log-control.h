/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/* org.freedesktop.LogControl1 at its fixed path, for "systemctl service-log-level". */
int log_control_register(sd_bus *bus);

G_END_DECLS
