/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* Whether the file, to whose end at BEGIN bytes have just been added, was truncated to nothing in between:
 * then there is nothing but a hole in front of them. */
bool hole_is_in_front(int fd, off_t begin);

/* Moves what is behind the hole to the front of the file, and ends it there. The size that it has then, or
 * an error. */
off_t hole_close(int fd, off_t begin, off_t end);

G_END_DECLS
