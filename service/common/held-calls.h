/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/* As many calls as there may be tasks that somebody waits for; those beyond it fail. */
#define HELD_CALLS_MAX 8192U

/* Method calls that arrive while the service has its name and cannot answer yet. They are answered later, in
 * their order. */
typedef struct HeldCalls {
        sd_bus *bus;
        sd_bus_slot *filter;
        GQueue messages; /* of sd_bus_message */
        bool released;   /* the messages are in the queue of the connection again */
} HeldCalls;

int held_calls_init(HeldCalls *self, sd_bus *bus);
void held_calls_clear(HeldCalls *self);

/* From here on calls are handled: first those that were held, then the others. */
int held_calls_release(HeldCalls *self);

G_END_DECLS
