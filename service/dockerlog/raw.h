/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "entry.h"
#include "timestamp.h"

G_BEGIN_DECLS

/* The form in which an engine sends the log of a container with a terminal: one text, with a time stamp
 * before each entry. An entry ends with a newline, except for a piece of a long line, and for the last one
 * of a container that was restarted: what follows those is known by its time stamp, which is that of the
 * piece or a later one that has passed. (A program that writes a time of its own writes one that is past
 * when the engine gets to see it.) Engines with coarse time stamps, that is podman, have no pieces to be
 * told from text that way, so that there an entry ends with a newline only. */
typedef struct Raw {
        EntryHandler handler;
        bool in_entry;
        bool fine;                     /* the time stamps are of the engine's form */
        int64_t nsec;                  /* of the entry */
        char held[TIMESTAMP_SIZE_MAX]; /* bytes that may be the beginning of a time stamp */
        size_t n_held;
} Raw;

void raw_init(Raw *raw, const EntryHandler *handler);

/* -EBADMSG: this is no such form. */
int raw_feed(Raw *raw, const char *data, size_t size);

/* There is no more to come. */
void raw_finish(Raw *raw);

G_END_DECLS
