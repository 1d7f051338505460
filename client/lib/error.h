/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <nomad-executor.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/* Each fills RET, if it is not NULL, and returns the negative errno that goes with the code. */
int error_set(nx_error **ret, nx_error_code code, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* From the reply to a call: R is what the call returned, BUS_ERROR may be unset. */
int error_set_bus(nx_error **ret, const sd_bus_error *bus_error, int r);
/* For what can only be a failure of this process: no memory, no descriptors. */
int error_set_errno(nx_error **ret, int r, const char *what);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(nx_error, nx_error_free)

G_END_DECLS
