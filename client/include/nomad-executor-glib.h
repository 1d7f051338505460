/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NOMAD_EXECUTOR_GLIB_H
#define NOMAD_EXECUTOR_GLIB_H

#include <glib.h>
#include <nomad-executor.h>

G_BEGIN_DECLS

/* A source that dispatches what the connection receives, so that the handlers of _async functions are called
 * from a GLib main loop. It holds a reference of the connection. Attach it with g_source_attach(), end it
 * with g_source_destroy(), drop the caller's reference with g_source_unref(). Not together with
 * nx_connection_attach_event(). */
GSource *nx_source_new(nx_connection *connection);

G_END_DECLS

#endif
