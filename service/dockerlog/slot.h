/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "position.h"

G_BEGIN_DECLS

/* What was taken from the engine up to some moment. */
typedef struct Checkpoint {
        Position positions[STREAM_MAX];
        uint64_t bytes[STREAM_MAX]; /* that came of it in all */
        uint64_t skip[STREAM_MAX];  /* bytes of what follows that logmon has already, see slot_recover() */
} Checkpoint;

/* What one container's log has come to, a slot of the file "positions": its layout is that of the file. What
 * is taken from the engine goes into a pipe of our own first, the stage, and from there into logmon's. Only
 * an empty stage is filled, between slot_begin() and slot_commit(), so that at any moment it is known what
 * the stage holds: nothing of value while it is being filled, else what lies between moved[] and the
 * checkpoint. docs/dockerlog.md has the argument. */
typedef struct Slot {
        uint64_t used;
        uint64_t state; /* which checkpoint holds, and whether a stage is being filled */
        Checkpoint checkpoints[2];
        uint64_t moved[STREAM_MAX]; /* bytes that have left the stage for logmon */
        uint64_t connections;       /* that the engine has accepted */
} Slot;

/* The checkpoint that holds. */
const Checkpoint *slot_current(const Slot *slot);

/* The stages, which are empty, are about to be filled. */
void slot_begin(Slot *slot);

/* They are filled: CHECKPOINT holds from now on. One store, so that it has happened or has not. */
void slot_commit(Slot *slot, const Checkpoint *checkpoint);

/* Of a process that died: a stage was being filled, what it holds was not committed. */
bool slot_is_filling(const Slot *slot);

/* The stages have been emptied after that. */
void slot_abandon(Slot *slot);

/* The stages are gone, with what they held: goes back to the checkpoint before and remembers how much of
 * what follows had left them by then. */
void slot_recover(Slot *slot);

/* Another container: begins anew, from its first entry on. Counters stay. */
void slot_restart(Slot *slot);

G_END_DECLS
