/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/* The one rule for repeating a call: it is made again when the service that had it died, and for nothing
 * else. A service that is slow has the call still, so that a call which timed out is over. */

/* How often one call is made in all. */
#define CALL_ATTEMPTS_MAX 5U

/* The second attempt follows at once, the third after this, and each later one after twice as long. */
#define CALL_AGAIN_MIN_USEC UINT64_C(100000)

/* A service that dies later than this after it got a call without a time-out has not died of that call: the
 * attempts are counted anew. */
#define CALL_AGAIN_INNOCENT_USEC UINT64_C(1000000)

/* A call and its repeats. The time-out is that of all of them together. */
typedef struct CallAgain {
        uint64_t begin_usec; /* CLOCK_MONOTONIC */
        uint64_t sent_usec;  /* the attempt that is under way */
        uint64_t timeout_usec;
        unsigned attempts; /* that failed */
} CallAgain;

/* TIMEOUT_USEC may be UINT64_MAX for none. */
CallAgain call_again_begin(uint64_t timeout_usec);

/* What is left of the time-out for the next attempt, which is about to be sent. At least 1, since 0 has
 * another meaning for sd-bus. */
uint64_t call_again_send(CallAgain *self);

/* Whether the call that failed with ERROR is made again, and how long after this. */
bool call_again_after(CallAgain *self, const sd_bus_error *error, uint64_t *ret_delay_usec);

/* What is sent the next time: a message that was sent is sealed and numbered. The copy is the caller's. */
int call_again_copy(sd_bus *bus, sd_bus_message *m, sd_bus_message **ret);

G_END_DECLS
