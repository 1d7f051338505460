/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "spawner.h"

G_BEGIN_DECLS

/* For the spawner's own use. */

struct SpawnCall {
        Spawner *spawner;
        SpawnKind kind;
        char *name;
        int fds[SPAWN_FDS_MAX]; /* ours, so that the call outlives a spawner that dies before its turn */
        int numbers[SPAWN_FDS_MAX];
        size_t n_fds;
        uint64_t sequence;    /* 0: not sent yet */
        SpawnHandler handler; /* NULL: nobody waits for the child any more */
        void *userdata;
        SpawnCall **slot; /* the caller's pointer to this, or NULL */
};

/* Keeps copies of the descriptors. SLOT is where the caller of spawner_spawn() keeps the call, or NULL. */
int spawn_call_new(Spawner *spawner, const Spawn *spawn, SpawnHandler handler, void *userdata,
                SpawnCall **slot, SpawnCall **ret);
void spawn_call_destroy(SpawnCall *call);

/* These call the handler and free the call, which is no longer in the queue. PID is that of a child which
 * has not been waited for, so that it cannot be anybody else's. */
void spawn_call_complete(SpawnCall *call, int error, pid_t pid, int pidfd);
void spawn_call_complete_with_child(SpawnCall *call, pid_t pid);

G_END_DECLS
