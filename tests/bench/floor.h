/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bench.h"

G_BEGIN_DECLS

/* The least that it takes to have a program run in a scope of its own: fork, StartTransientUnit, JobRemoved,
 * exec. */
typedef struct Floor Floor;

/* NAME: the scopes are called that, and a number. */
Floor *floor_new(const Bench *bench, const char *name);
void floor_free(Floor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Floor, floor_free)

/* Starts N more processes that stay, WINDOW at a time; returns the seconds until all have executed their
 * program. LATENCIES, if not NULL, gets each one's, in seconds. */
double floor_start(Floor *self, size_t n, size_t window, GArray *latencies);
/* Ends them all, and waits until their scopes are gone. */
void floor_stop(Floor *self);

G_END_DECLS
