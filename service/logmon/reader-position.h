/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "reader.h"

G_BEGIN_DECLS

/* Opens the file INDEX of NAME, or the one with the next higher index; -ENOENT: there is none. */
int reader_open_file(int dir_fd, const char *name, uint64_t index, uint64_t *ret_index, int *ret_fd);

/* Where OPTIONS say that reading begins, among the files of NAME that there are; -ENOENT: there are none. */
int reader_find_start(int dir_fd, const char *name, const ReaderOptions *options, uint64_t *ret_index,
                uint64_t *ret_offset);

G_END_DECLS
