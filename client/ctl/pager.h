/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "ctl.h"

G_BEGIN_DECLS

/* From here on standard output goes into $NOMAD_PAGER, $PAGER or less(1), if it is a terminal and --no-pager
 * is not given. */
void pager_open(const Ctl *ctl);
bool pager_is_open(void);
unsigned pager_width(void); /* of the terminal behind it */
/* Waits until the user has seen enough. */
void pager_close(void);

G_END_DECLS
