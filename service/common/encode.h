/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The label is used in file names of 255 bytes together with a prefix, a suffix and an index. */
#define LABEL_LENGTH_MAX 200U

/* The label that names an id's object path, unit, state directory and log files: sd_bus_path_encode(3)'s.
 * -EINVAL for an empty id, -ENAMETOOLONG for a label of more than LABEL_LENGTH_MAX bytes. */
int label_from_id(const char *id, char **ret);

/* "/prefix/LABEL" to the label; -ENXIO when PATH is not directly below PREFIX. The result points into
 * PATH. */
int label_from_path(const char *path, const char *prefix, const char **ret);

G_END_DECLS
