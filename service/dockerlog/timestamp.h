/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

G_BEGIN_DECLS

/* "2006-01-02T15:04:05.000000000+07:00", the longest form, with the space that follows it. */
#define TIMESTAMP_SIZE_MAX 36U

/* The one form that the Docker Engine writes: nine digits of fraction, UTC. */
#define TIMESTAMP_FINE_SIZE 31U

/* Parses an RFC 3339 time stamp and the space that follows it at the start of TEXT, into nanoseconds since
 * 1970. Returns the size of both, 0 when TEXT could still become one, -EBADMSG when not. */
int timestamp_parse(const char *text, size_t size, int64_t *ret_nsec);

/* Whether TEXT is the beginning of a time stamp in the engine's form, or all of one. */
bool timestamp_is_fine_prefix(const char *text, size_t size);

/* Seconds and nanoseconds, as the "since" and "until" of the engine's API want them. */
char *timestamp_to_api(int64_t nsec);

G_END_DECLS
