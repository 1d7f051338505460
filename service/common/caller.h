/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/* Tells when the caller of a method leaves the bus. One match serves all: sd_bus_track(3) would take one of
 * the few that a connection may have, and a blocking call, for each caller. */
typedef struct CallerRegistry {
        GHashTable *watches; /* unique name to GPtrArray of CallerWatch */
} CallerRegistry;

typedef struct CallerWatch CallerWatch;
typedef void (*CallerGone)(void *userdata);

/* Before the loop runs: the match is installed by a blocking call. */
int caller_registry_init(CallerRegistry *registry, sd_bus *bus);
void caller_registry_clear(CallerRegistry *registry);

/* GONE is called once, and may free the watch. A caller that has left already is noticed too: the bus tells
 * of it after the call that it made. */
CallerWatch *caller_watch_new(
                CallerRegistry *registry, sd_bus_message *call, CallerGone gone, void *userdata);
CallerWatch *caller_watch_free(CallerWatch *watch);

G_END_DECLS
