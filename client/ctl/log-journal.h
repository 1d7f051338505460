/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"

G_BEGIN_DECLS

typedef struct LogJournalOptions {
        bool streams[2]; /* standard output, standard error */
        gint64 lines;    /* the last so many of each; -1: all */
        bool follow;     /* until the task ends, or nobody reads any more */
} LogJournalOptions;

/* Prints what the journal has of a task's output since its start, for one without log files. -ENODATA:
 * nothing, and nothing is to come. */
int log_journal_print(Ctl *ctl, nx_task *task, const LogJournalOptions *options);

G_END_DECLS
