/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "held-calls.h"

#include "bus-error.h"

static void message_unref(void *message)
{
        sd_bus_message_unref(message);
}

static int hold(HeldCalls *self, sd_bus_message *m, sd_bus_error *error)
{
        int r;

        if (self->messages.length >= HELD_CALLS_MAX)
                return sd_bus_error_setf(error, BUS_ERROR_LIMIT_EXCEEDED,
                                "%u calls wait already for the service to have started", HELD_CALLS_MAX);

        if (self->released) {
                r = sd_bus_enqueue_for_read(self->bus, m);
                if (r < 0)
                        return r;
        }
        g_queue_push_tail(&self->messages, sd_bus_message_ref(m));
        return 1;
}

/* After the release a call that was in the queue of the connection before that goes behind those that had
 * come earlier. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        HeldCalls *self = userdata;

        if (!sd_bus_message_is_method_call(m, NULL, NULL))
                return 0;
        if (!self->released)
                return hold(self, m, error);
        if (g_queue_is_empty(&self->messages))
                return 0;
        if (m != g_queue_peek_head(&self->messages))
                return hold(self, m, error);

        message_unref(g_queue_pop_head(&self->messages));
        return 0;
}

int held_calls_init(HeldCalls *self, sd_bus *bus)
{
        *self = (HeldCalls){ .bus = bus };
        g_queue_init(&self->messages);
        return sd_bus_add_filter(bus, &self->filter, on_message, self);
}

void held_calls_clear(HeldCalls *self)
{
        self->filter = sd_bus_slot_unref(self->filter);
        g_queue_clear_full(&self->messages, message_unref);
}

int held_calls_release(HeldCalls *self)
{
        self->released = true;
        for (GList *link = self->messages.head; link; link = link->next) {
                int r = sd_bus_enqueue_for_read(self->bus, link->data);

                if (r < 0)
                        return r;
        }

        return 0;
}
