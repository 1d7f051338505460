/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/* Who owns a well-known name. A match on a well-known sender is checked by the bus for what it broadcasts,
 * and by nobody for what is sent to us alone, so that a handler has to compare the sender with the owner's
 * unique name itself. */
typedef struct NameOwner {
        char *name;
        char *owner;                     /* its unique name, or NULL while there is none */
        unsigned n_owners;               /* that there have been */
        void (*changed)(void *userdata); /* there is another one; may be NULL */
        void *userdata;
        sd_bus_slot *changed_slot;
        sd_bus_slot *query_slot;
} NameOwner;

/* Asks for the owner without waiting. What the owner sends after this is handled after the answer, as the
 * bus keeps the order. */
int name_owner_init(NameOwner *self, sd_bus *bus, const char *name);
void name_owner_clear(NameOwner *self);

/* Whether M is of the name's owner. */
bool name_owner_sent(const NameOwner *self, sd_bus_message *m);

/* Whether M is of the bus itself, whose name nobody else can have. */
bool bus_driver_sent(sd_bus_message *m);

G_END_DECLS
