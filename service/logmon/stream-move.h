/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stream.h"

G_BEGIN_DECLS

/* A stream moves no more than about this at a time, then it is the turn of the others. To make or to remove
 * a file takes as long as to move so many bytes. */
#define MOVE_BUDGET    (256U * 1024U)
#define MOVE_FILE_COST (8U * 1024U)

/* Who takes what is written while a larger piece is moved slows the writer down: pipes have one lock. */
#define MOVE_WORTHWHILE 4096

typedef enum MoveResult {
        MOVE_EMPTY,        /* nothing is left that could be moved before more is written */
        MOVE_MOST,         /* what may be left came while the rest was moved */
        MOVE_MORE,         /* there is more */
        MOVE_END,          /* all writers are gone, and everything has been moved */
        MOVE_WAIT_JOURNAL, /* the journal is slow */
        MOVE_WAIT_DISK,    /* files cannot be written, and nothing is to be dropped */
} MoveResult;

/* Moves bytes from the pipe to the sinks. Never blocks, except for the disk itself. */
MoveResult stream_move(Stream *stream, size_t *ret_moved);

/* What is left, in the pipe or in memory, is a last line without a newline: MOVE_END, or
 * MOVE_WAIT_JOURNAL. */
MoveResult stream_finish_journal(Stream *stream);

/* At the end of the stream: marks what had to be dropped last, if files can be written by now. */
void stream_mark_gap(Stream *stream);

G_END_DECLS
