/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <nomad-executor.h>

G_BEGIN_DECLS

/* What a task uses, by one look at its figures and the one before. */
typedef struct Usage {
        char *id;
        nx_values *stats;
        uint64_t time_usec, cpu_nsec; /* UINT64_MAX: not known, as below */
        double cpu_percent;           /* of one CPU, since the look before; 0 in the first */
        uint64_t memory, memory_peak, swap, tasks, read_bytes, write_bytes;
} Usage;

/* One look at TASKS, nx_task, or at all that run if that is NULL. BEFORE, an array of Usage or NULL, is what
 * the look before gave. */
int usage_look(nx_connection *connection, const GPtrArray *tasks, const GArray *before, GArray **ret,
                nx_error **ret_error);

G_END_DECLS
