/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/* Calls of one queue that wait for a reply at the same time. dbus-daemon allows 128 on a connection, which
 * may have two queues, and refuses more. */
#define BUS_QUEUE_IN_FLIGHT_MAX 56U

/* How long a callee that has left the bus may be away before those who wait for an answer are told. */
#define BUS_QUEUE_AWAY_USEC UINT64_C(10000000)

/* Sends method calls in order, as many at a time as the bus allows. */
typedef struct BusQueue {
        sd_bus *bus;
        GQueue waiting, sent, lost; /* of BusCall */
        unsigned n_returns;         /* of the callee whose queries are repeated */
        sd_event_source *away_source;
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

/* As bus_queue_call(), for what may be asked twice: an answer that is lost because the callee has left the
 * bus is asked for again by bus_queue_callee_returned(), and HANDLER gets the error if that does not come
 * within BUS_QUEUE_AWAY_USEC. */
int bus_queue_query(BusQueue *queue, sd_bus_message *m, sd_bus_message_handler_t handler, void *userdata,
                uint64_t timeout_usec, BusCall **ret);
void bus_queue_callee_returned(BusQueue *queue);

/* The handler will not be called any more; a reply that is on its way is ignored. Returns NULL. */
BusCall *bus_call_free(BusCall *call);

G_END_DECLS
