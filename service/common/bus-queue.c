/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-queue.h"

#include <errno.h>
#include <stdbool.h>

#include "cleanup.h"
#include "log.h"

struct BusCall {
        BusQueue *queue;
        sd_bus_message *message; /* NULL once it is sent */
        sd_bus_message_handler_t handler;
        void *userdata;
        uint64_t timeout_usec;
        sd_bus_slot *slot;
        GList link;  /* in the queue's waiting or sent */
        bool queued; /* in one of them, that is, not answered */
        bool owned;  /* by the caller */
};

static void send_waiting(BusQueue *queue);

void bus_queue_init(BusQueue *queue, sd_bus *bus)
{
        *queue = (BusQueue){ .bus = bus };
        g_queue_init(&queue->waiting);
        g_queue_init(&queue->sent);
}

static void push_call(GQueue *queue, BusCall *call)
{
        call->link.data = call;
        call->queued = true;
        g_queue_push_tail_link(queue, &call->link);
}

static BusCall *pop_call(GQueue *queue)
{
        GList *link = g_queue_pop_head_link(queue);
        BusCall *call = link ? link->data : NULL;

        if (call)
                call->queued = false;
        return call;
}

static void unlink_call(GQueue *queue, BusCall *call)
{
        g_queue_unlink(queue, &call->link);
        call->queued = false;
}

static void call_destroy(BusCall *call)
{
        sd_bus_message_unref(call->message);
        sd_bus_slot_unref(call->slot);
        g_free(call);
}

void bus_queue_clear(BusQueue *queue)
{
        GQueue *const queues[] = { &queue->waiting, &queue->sent };
        BusCall *call;

        for (size_t i = 0; i < G_N_ELEMENTS(queues); i++)
                while ((call = pop_call(queues[i])))
                        if (!call->owned)
                                call_destroy(call);
}

BusCall *bus_call_free(BusCall *call)
{
        if (!call)
                return NULL;

        if (call->queued && !call->message) {
                /* Sent: the bus counts it until it is answered, whether or not anybody is still interested. */
                call->handler = NULL;
                call->owned = false;
                return NULL;
        }
        if (call->queued)
                unlink_call(&call->queue->waiting, call);
        call_destroy(call);
        return NULL;
}

/* The call is in no queue any more, and may be freed by its handler. */
static int handle_reply(BusCall *call, sd_bus_message *reply, sd_bus_error *error)
{
        sd_bus_message_handler_t handler = call->handler;
        void *userdata = call->userdata;

        if (!call->owned)
                call_destroy(call);
        return handler ? handler(reply, userdata, error) : 0;
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        BusCall *call = userdata;
        BusQueue *queue = call->queue;
        int r;

        unlink_call(&queue->sent, call);
        r = handle_reply(call, reply, error);
        send_waiting(queue);
        return r;
}

static int send_call(BusCall *call, sd_bus_message *message)
{
        int r;

        r = sd_bus_call_async(call->queue->bus, &call->slot, message, on_reply, call, call->timeout_usec);
        if (r >= 0)
                push_call(&call->queue->sent, call);
        return r;
}

static int make_error(sd_bus_message *call, int error, sd_bus_message **ret)
{
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        /* sd-bus answers, and reads, only what has a number; one that was sealed has it */
        r = sd_bus_message_seal(call, 1, 0);
        if (r < 0 && r != -EPERM)
                return r;
        r = sd_bus_message_new_method_errno(call, &reply, error, NULL);
        if (r < 0)
                return r;
        r = sd_bus_message_seal(reply, 1, 0);
        if (r < 0)
                return r;

        *ret = g_steal_pointer(&reply);
        return 0;
}

/* Whoever waits for an answer gets one. */
static void answer_unsent(BusCall *call, sd_bus_message *message, int error)
{
        g_auto(sd_bus_error) ignored = SD_BUS_ERROR_NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        (void) log_errno(LOG_ERR, error, "Cannot send a call");
        r = make_error(message, error, &reply);
        if (r < 0)
                (void) log_errno(LOG_ERR, r, "Cannot tell that a call was not sent");
        else
                (void) handle_reply(call, reply, &ignored);
}

static bool may_send(const BusQueue *queue)
{
        return queue->sent.length < BUS_QUEUE_IN_FLIGHT_MAX;
}

static void send_waiting(BusQueue *queue)
{
        while (may_send(queue) && !g_queue_is_empty(&queue->waiting)) {
                BusCall *call = pop_call(&queue->waiting);
                g_autoptr(sd_bus_message) message = g_steal_pointer(&call->message);
                int r = send_call(call, message);

                if (r < 0)
                        answer_unsent(call, message, r);
        }
}

int bus_queue_call(BusQueue *queue, sd_bus_message *m, sd_bus_message_handler_t handler, void *userdata,
                uint64_t timeout_usec, BusCall **ret)
{
        BusCall *call = g_new(BusCall, 1);
        int r;

        *call = (BusCall){
                .queue = queue,
                .handler = handler,
                .userdata = userdata,
                .timeout_usec = timeout_usec,
                .owned = ret != NULL,
        };

        if (may_send(queue) && g_queue_is_empty(&queue->waiting)) {
                r = send_call(call, m);
                if (r < 0) {
                        call_destroy(call);
                        return r;
                }
        } else {
                call->message = sd_bus_message_ref(m);
                push_call(&queue->waiting, call);
        }

        if (ret)
                *ret = call;
        return 0;
}
