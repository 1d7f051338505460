/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/* Calls of ours that wait for a reply at the same time. dbus-daemon allows 128 on a connection, and refuses more. */
#define BUS_QUEUE_IN_FLIGHT_MAX 96U

/* Sends method calls in order, as many at a time as the bus allows. */
typedef struct BusQueue {
        sd_bus *bus;
        GQueue waiting, sent; /* of BusCall */
} BusQueue;

/* One of them, until it is answered or called off. */
typedef struct BusCall BusCall;

void bus_queue_init(BusQueue *queue, sd_bus *bus);
/* Drops what has not been sent, and what has been without its reply. */
void bus_queue_clear(BusQueue *queue);

/* Sends M when its turn comes, and gives HANDLER the reply, or the error for which it could not be sent.
 * TIMEOUT_USEC counts from then, 0 is sd-bus's default. RET, if not NULL, gets the call, which then is the
 * caller's to free, in the handler or before it; else it frees itself. */
int bus_queue_call(BusQueue *queue, sd_bus_message *m, sd_bus_message_handler_t handler, void *userdata,
                uint64_t timeout_usec, BusCall **ret);

/* The handler will not be called any more; a reply that is on its way is ignored. Returns NULL. */
BusCall *bus_call_free(BusCall *call);

G_END_DECLS
