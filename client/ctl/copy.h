/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

G_BEGIN_DECLS

/* Copies what comes from one descriptor to another, as an event source. */
typedef struct Copy Copy;

typedef enum CopyFlags {
        COPY_TAKES_IN = 1 << 0,  /* the one to read is closed when it ends, and may be made non-blocking */
        COPY_TAKES_OUT = 1 << 1, /* so is the one to write */
        COPY_TERMINAL = 1 << 2,  /* at end of file ^D is written, for a terminal has no end to close */
        COPY_WATCHES_OUT = 1
                        << 3, /* ends when nobody reads any more, not at the next write; not with COPY_TAKES_OUT */
} CopyFlags;

/* Called once, when there is nothing left to copy: 0, or the negative errno of what went wrong; -EPIPE when
 * nobody reads any more. */
typedef void (*CopyDone)(Copy *copy, int r, void *userdata);
/* Sees what is read before it is written; false ends the copy with -ECANCELED. */
typedef bool (*CopyFilter)(const uint8_t *bytes, size_t n, void *userdata);

int copy_new(sd_event *event, int in, int out, CopyFlags flags, CopyDone done, void *userdata, Copy **ret);
void copy_set_filter(Copy *copy, CopyFilter filter, void *userdata);
bool copy_is_done(const Copy *copy);
/* Copies what is there now, and what was read already, and ends it. Only with COPY_TAKES_IN. */
void copy_drain(Copy *copy);
Copy *copy_free(Copy *copy);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Copy, copy_free)

G_END_DECLS
