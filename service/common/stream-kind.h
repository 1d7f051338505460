/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum StreamKind {
        STREAM_STDOUT,
        STREAM_STDERR,
        STREAM_MAX,
} StreamKind;

static inline const char *stream_kind_to_string(StreamKind kind)
{
        return kind == STREAM_STDOUT ? "stdout" : "stderr";
}

G_END_DECLS
