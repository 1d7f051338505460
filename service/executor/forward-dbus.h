/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/* Handlers of the Task interface that another service answers: systemd, or logmon. Their reply, or their
 * error under a name of ours, is passed on. */
int resources_method_set(sd_bus_message *m, void *userdata, sd_bus_error *error);
int log_method_open(sd_bus_message *m, void *userdata, sd_bus_error *error);

G_END_DECLS
