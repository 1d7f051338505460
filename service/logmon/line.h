/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

G_BEGIN_DECLS

/* Lines up to this long are not split across rotated files. */
#define LINE_WHOLE_MAX (32U * 1024U)

/* A longer line becomes several journal entries; journald's own default for the output of services. */
#define LINE_ENTRY_MAX (48U * 1024U)

/* The length of the first line of DATA, its newline included. When there is no newline among the first MAX
 * bytes: MAX if there are as many, else 0, the line is not complete. */
size_t line_length(const char *data, size_t size, size_t max);

/* The part of DATA that ends an entry which begins with HEAD: to the end of the line, its newline included,
 * or, of a longer line, until there are MAX bytes and no character of UTF-8 is cut, which may be three bytes
 * more. False: that is not there yet. */
bool line_piece(const char *head, size_t head_size, const char *data, size_t size, size_t max, size_t *ret);

/* The length of all complete lines at the start of DATA. */
size_t line_complete(const char *data, size_t size);

/* How many lines DATA has, one that has no newline at its end included. */
size_t line_count(const char *data, size_t size);

/* Takes a "<N>" prefix, N from 0 to 7, off the line; -1 if there is none. */
int line_take_priority(const char **data, size_t *size);

G_END_DECLS
