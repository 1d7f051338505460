/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <nomad-executor.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/* Reads the a{sv} at the message's position. */
int values_read(sd_bus_message *m, nx_values **ret);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_values, nx_values_free)

G_END_DECLS
