/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-journal.h>

#include "ctl.h"

G_BEGIN_DECLS

/* How the last task of this id that was released has ended, as the journal has it: "exited with status 7, at
 * …". NULL: not known. */
char *last_end(const Ctl *ctl, const char *id);

/* Has JOURNAL show the entries about the ends of tasks of this id, among others. */
int last_end_add(sd_journal *journal, const Ctl *ctl, const char *id);

G_END_DECLS
