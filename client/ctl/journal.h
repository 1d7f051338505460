/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-journal.h>

#include "ctl.h"

G_BEGIN_DECLS

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_journal, sd_journal_close)

/* Opens the journal at its end, for the entries that the unit SERVICE has written and that match both MATCH
 * and, unless it is NULL, OTHER. None but the service is believed: anybody may write an entry with the id of
 * a task. */
int journal_open_of_service(
                const Ctl *ctl, const char *service, const char *match, const char *other, sd_journal **ret);

/* And in addition those of another unit. */
int journal_add_service(sd_journal *journal, const Ctl *ctl, const char *service, const char *match,
                const char *other);

/* The value of a field of the current entry, which is valid until the next call. It has no NUL at its
 * end. */
int journal_get_field(sd_journal *journal, const char *name, const char **ret, size_t *ret_size);

G_END_DECLS
