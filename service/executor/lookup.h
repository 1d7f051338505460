/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "credentials.h"
#include "spawner.h"

G_BEGIN_DECLS

/* How long a look-up may take, its wait for a child included. */
#define LOOKUP_TIMEOUT_USEC (10 * G_TIME_SPAN_SECOND)

/* How long it waits for a child that is at work before it gets another: most answers come sooner. */
#define LOOKUP_PATIENCE_USEC (20 * G_TIME_SPAN_MILLISECOND)

/* Children that are at work, in all and for one caller. When they all have been at one look-up for so
 * long, the next is refused: what they wait for does not answer. */
#define LOOKUP_WORKERS_MAX            16U
#define LOOKUP_WORKERS_PER_CALLER_MAX 4U
#define LOOKUP_STUCK_USEC             G_TIME_SPAN_SECOND

/* Who a user is, and of which groups, is asked of the system's databases by children (nomad-lookup), since
 * a name service may take for ever. A child serves one look-up after the other, and is killed with one that
 * takes too long or that nobody waits for any more. A child that has nothing to do is kept, so that a
 * look-up takes no longer than it did in this process. */
typedef struct Lookups {
        sd_event *event;
        Spawner *spawner; /* borrowed; which forks the children */
        int program_fd;
        GPtrArray *workers; /* of LookupWorker */
        GQueue waiting;     /* of Lookup, oldest first */
        uint64_t last_sequence;
} Lookups;

#define LOOKUPS_NULL ((Lookups){ .program_fd = -1, .waiting = G_QUEUE_INIT })

typedef struct Lookup Lookup;

/* Called once, from the loop. Of the CREDENTIALS the handler may take what it likes; they are NULL when
 * there is an ERROR, which names the user and the group if the time is over. */
typedef void (*LookupHandler)(Credentials *credentials, const sd_bus_error *error, void *userdata);

/* Failures have been logged. */
int lookups_init(Lookups *lookups, sd_event *event, Spawner *spawner);
void lookups_clear(Lookups *lookups);

/* Like credentials_lookup() of the system's databases, for the caller that sent CALL. HANDLER is not
 * called before this has returned. *RET is the caller's until HANDLER is called, before which it becomes
 * NULL. LimitExceeded: too many do not come to an end. */
int lookup_start(Lookups *lookups, sd_bus_message *call, const char *user, const char *group,
                LookupHandler handler, void *userdata, Lookup **ret, sd_bus_error *error);

/* HANDLER will not be called. */
Lookup *lookup_free(Lookup *lookup);

G_END_DECLS
