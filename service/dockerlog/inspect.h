/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

G_BEGIN_DECLS

/* What an engine says of a container. */
typedef struct Inspection {
        char *id;
        bool running;  /* or about to run again by itself */
        bool created;  /* it has not run yet */
        bool restarts; /* the engine starts it again, whatever its exit status */
        char *run;     /* tells its runs apart: when it was started */
} Inspection;

/* -EBADMSG: that is no answer to such a question. */
int inspection_parse(const char *json, size_t size, Inspection *ret);
void inspection_clear(Inspection *inspection);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Inspection, inspection_clear)

/* The words of an engine's error reply; NULL when it has none. */
char *engine_error_parse(const char *json, size_t size);

/* Whether what it says means that this container's log cannot be read at all, now or later. */
bool engine_error_is_terminal(const char *message);

G_END_DECLS
