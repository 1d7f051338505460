/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "last-end.h"

#include "format.h"
#include "journal.h"

/* Of the entry about the end of a task, see nomad-executord(8). */
#define MATCH_ENDED "MESSAGE_ID=b5e4240917024698b70ebf9901dd7798"

#define EXECUTOR_UNIT "nomad-executor.service"

char *last_end(const Ctl *ctl, const char *id)
{
        g_autofree char *task = g_strconcat("NOMAD_TASK=", id, NULL);
        g_autoptr(sd_journal) journal = NULL;
        g_autofree char *time = NULL;
        const char *message;
        uint64_t usec = 0;
        size_t size;

        if (journal_open_of_service(ctl, EXECUTOR_UNIT, MATCH_ENDED, task, &journal) < 0 ||
                        sd_journal_previous(journal) <= 0 ||
                        journal_get_field(journal, "MESSAGE", &message, &size) < 0)
                return NULL;

        (void) sd_journal_get_realtime_usec(journal, &usec);
        time = format_timestamp(usec);
        return g_strdup_printf("%s: %.*s", time ? time : "?", (int) size, message);
}

int last_end_add(sd_journal *journal, const Ctl *ctl, const char *id)
{
        g_autofree char *task = g_strconcat("NOMAD_TASK=", id, NULL);

        return journal_add_service(journal, ctl, EXECUTOR_UNIT, MATCH_ENDED, task);
}
