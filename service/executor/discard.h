/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/* Calls of StartTask that wait for one id. */
#define DISCARD_HELD_MAX 16U

typedef struct Manager Manager;

/* What is left of tasks that were not started, for as long as nomad-logmon takes to discard their logs: the
 * state on disk, so that the next service does it if this one does not come to it, and the id, which another
 * task can have after that. */
typedef struct Discards {
        Manager *manager;
        GHashTable *table; /* label to Discard, owned */
} Discards;

void discards_init(Discards *self, Manager *manager);
void discards_clear(Discards *self);
unsigned discards_count(const Discards *self);

/* Discards the log of the task, and then removes its state. */
void discard_begin(Discards *self, const char *id, const char *label);

/* Returns 0 when the id is free, and 1 when it is not: M is handled when it is. -EDQUOT: too many wait for
 * that already. */
int discards_hold(Discards *self, const char *label, sd_bus_message *m);

G_END_DECLS
