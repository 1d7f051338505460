/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "attach.h"

G_BEGIN_DECLS

/* The log of an id is gone on with by the next task of that id: this is where the task that is about to be
 * started begins in it. */
void log_start_after_others(const Ctl *ctl, const char *id, const nx_spec *spec, LogStart *ret);

G_END_DECLS
