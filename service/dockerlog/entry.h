/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#include "stream-kind.h"

G_BEGIN_DECLS

/* What an engine keeps a log as: a line, or a piece of a long one, with the time at which it came. The
 * parsers of the two forms in which an engine sends a log say, of each, where it begins, what is in it, in
 * one or more pieces, and where it ends. */
typedef struct EntryHandler {
        void (*begin)(StreamKind stream, int64_t nsec, void *userdata);
        void (*data)(StreamKind stream, const char *data, size_t size, void *userdata);
        void (*end)(StreamKind stream, void *userdata);
        void *userdata;
} EntryHandler;

G_END_DECLS
