/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call-again.h"

#include "bus-error.h"
#include "cleanup.h"

static uint64_t now_usec(void)
{
        return (uint64_t) g_get_monotonic_time();
}

static uint64_t left_usec(const CallAgain *self)
{
        uint64_t passed = now_usec() - self->begin_usec;

        if (self->timeout_usec == UINT64_MAX)
                return UINT64_MAX;
        return self->timeout_usec > passed ? self->timeout_usec - passed : 0;
}

CallAgain call_again_begin(uint64_t timeout_usec)
{
        uint64_t now = now_usec();

        return (CallAgain){ .begin_usec = now, .sent_usec = now, .timeout_usec = timeout_usec };
}

uint64_t call_again_send(CallAgain *self)
{
        self->sent_usec = now_usec();
        return MAX(left_usec(self), 1U);
}

bool call_again_after(CallAgain *self, const sd_bus_error *error, uint64_t *ret_delay_usec)
{
        uint64_t delay;

        if (!bus_error_peer_died(error))
                return false;

        if (self->timeout_usec == UINT64_MAX && now_usec() - self->sent_usec >= CALL_AGAIN_INNOCENT_USEC)
                self->attempts = 0;
        if (++self->attempts >= CALL_ATTEMPTS_MAX)
                return false;

        /* sd-bus reports its own time-out as the bus reports a death; only after that nothing is left */
        delay = self->attempts == 1 ? 0 : CALL_AGAIN_MIN_USEC << (self->attempts - 2);
        if (left_usec(self) <= delay)
                return false;

        *ret_delay_usec = delay;
        return true;
}

int call_again_copy(sd_bus *bus, sd_bus_message *m, sd_bus_message **ret)
{
        g_autoptr(sd_bus_message) copy = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &copy, sd_bus_message_get_destination(m),
                        sd_bus_message_get_path(m), sd_bus_message_get_interface(m),
                        sd_bus_message_get_member(m));
        if (r < 0)
                return r;
        r = sd_bus_message_rewind(m, true);
        if (r < 0)
                return r;
        r = sd_bus_message_copy(copy, m, true);
        if (r < 0)
                return r;

        *ret = g_steal_pointer(&copy);
        return 0;
}
