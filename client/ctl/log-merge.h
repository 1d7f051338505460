/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"

G_BEGIN_DECLS

/* A line of a log as its file has it, with its newline where it has one. */
typedef struct LogLine {
        const char *text;
        size_t size;
        int stream;         /* 0: standard output, 1: standard error */
        uint64_t time_usec; /* since 1970, when the journal got it; 0: not known */
} LogLine;

/* The lines of both logs of a task, which the two of TEXTS have, in the order in which they were written as
 * far as the journal knows it and may be read by us; of the others those of standard output come first. The
 * result, of LogLine, points into TEXTS. */
GArray *log_merge(const Ctl *ctl, const char *id, GString *const *texts);

G_END_DECLS
