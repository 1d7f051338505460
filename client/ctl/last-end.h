/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"

G_BEGIN_DECLS

/* How the last task of this id that was released has ended, as the journal has it: "exited with status 7, at
 * …". NULL: not known. */
char *last_end(const Ctl *ctl, const char *id);

G_END_DECLS
