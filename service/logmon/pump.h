/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* The size that the pipes of tasks are given where that is allowed: fewer wake-ups, at the cost of memory
 * only while there is something in them. */
#define PUMP_PIPE_SIZE (256U * 1024U)

/* What moving bytes out of pipes needs, once for all streams. */
typedef struct Pump {
        int scratch[2]; /* a pipe to tee(2) into, always left empty */
        int null_fd;
        char *buffer;
        size_t buffer_size;
        unsigned n_backlogs; /* of all streams, see backlog.h */
} Pump;

int pump_init(Pump *pump);
void pump_clear(Pump *pump);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pump, pump_clear)

/* Copies what is at the front of a pipe without taking it out. Returns how much it is; 0 at the end, when
 * all writers are gone; -EAGAIN when there is nothing. The data is valid until the next call. */
ssize_t pump_peek(Pump *pump, int pipe_fd, const char **ret_data);

/* Whether whoever writes to a pipe would have to wait. */
bool pump_is_full(int pipe_fd);

/* Takes up to N bytes out of a pipe and forgets them; returns as pump_peek(). */
ssize_t pump_discard(Pump *pump, int pipe_fd, size_t n);

G_END_DECLS
