/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"

G_BEGIN_DECLS

/* Prints what comes from FDS, the descriptors of a task's two streams, of which one may be -1, until they
 * end or nobody reads any more. What comes at the same time is put in the order of its writing, as by
 * log_merge(). The exit status. */
int log_follow(Ctl *ctl, const char *id, const int *fds);

G_END_DECLS
