/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdint.h>

G_BEGIN_DECLS

/* What nomad-executord and nomad-lookup say to each other: a number and an object. The object is in a file
 * in memory, since the groups of a user may be too many for a message. Both ends are always of the same
 * build. */

/* Of a request; a key that is missing is NULL. */
#define LOOKUP_USER  "User"
#define LOOKUP_GROUP "Group"

/* Of an answer: either the first of these, or the others. */
#define LOOKUP_CREDENTIALS "Credentials"
#define LOOKUP_ERROR       "Error"
#define LOOKUP_TEXT        "Text"

/* Neither waits if FLAGS have MSG_DONTWAIT. */
int lookup_message_send(int socket, int flags, uint64_t sequence, JsonObject *object);

/* -ECONNRESET: the other end is closed; -EBADMSG: it has sent something else. */
int lookup_message_receive(int socket, int flags, uint64_t *ret_sequence, JsonObject **ret);

G_END_DECLS
