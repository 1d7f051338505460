/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "lookup.h"

G_BEGIN_DECLS

/* For the look-ups' own use. */

typedef struct LookupWorker LookupWorker;

/* ERROR is 0 with the ANSWER to the request that was sent last. Otherwise the worker is of no use any
 * more, and is to be freed: -ECONNRESET: it died; or what spawner_spawn() has for errors. */
typedef void (*LookupWorkerHandler)(LookupWorker *worker, int error, JsonObject *answer, void *userdata);

/* A process of nomad-lookup. */
struct LookupWorker {
        sd_event *event;
        SpawnCall *spawn_call; /* until there is the process */
        int pidfd;
        int socket;
        sd_event_source *source;
        uint64_t sequence; /* of the request that was sent last */
        LookupWorkerHandler handler;
        void *userdata;
        Lookup *lookup; /* the owner's: what the worker is at, or NULL */
};

int lookup_worker_new(
                const Lookups *lookups, LookupWorkerHandler handler, void *userdata, LookupWorker **ret);
/* Kills the process. */
void lookup_worker_free(void *worker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LookupWorker, lookup_worker_free)

/* Does not wait. The process need not be there yet. */
int lookup_worker_send(LookupWorker *worker, uint64_t sequence, const char *user, const char *group);

G_END_DECLS
