/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "log-merge.h"

G_BEGIN_DECLS

/* Writes LINES, of LogLine, to standard output and standard error as they are, or as JSON. */
int log_print(const Ctl *ctl, const GArray *lines);

G_END_DECLS
