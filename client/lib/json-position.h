/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Where TEXT, which json-glib has refused with ERROR, is not JSON: "line 1, character 2 cannot be 'b'". Its
 * parser tells of the token before the one that is wrong. */
char *json_describe_error(const char *text, const GError *error);

/* Where a string of TEXT, which is JSON, has the escape of a NUL character: json-glib ends the string there and
 * says nothing. NULL when there is none. */
char *json_find_nul(const char *text);

G_END_DECLS
