/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "identity.h"

G_BEGIN_DECLS

/* Opens the FIFO of that absolute path for reading, made (0600) if there is none, without waiting for a
 * writer. What is there and is no FIFO is -EEXIST, a symlink anywhere in the path -ELOOP. */
int fifo_open(const char *path, const Identity *identity, int *ret_fd);

G_END_DECLS
