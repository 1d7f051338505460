/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

G_BEGIN_DECLS

/* At most MAX characters of TEXT, as UTF-8, for a message of one line. */
char *text_shorten(const char *text, size_t max);

/* Whether TEXT is NAME but for a slip of the finger, and nearer to it than DISTANCE, which begins as
 * SIZE_MAX. */
bool text_is_near(const char *text, const char *name, size_t *distance);

G_END_DECLS
