/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Where TEXT, which json-glib has refused with ERROR, is not JSON: "line 1, character 2 cannot be 'b'". Its
 * parser tells of the token before the one that is wrong. */
char *json_describe_error(const char *text, const GError *error);

/* What TEXT, which is JSON, has that json-glib takes for something else and says nothing: a NUL character,
 * where it ends the string, or an integer of more than 64 bits, of which it makes another one. NULL:
 * nothing. */
char *json_describe_misread(const char *text);

G_END_DECLS
