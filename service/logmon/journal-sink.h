/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backlog.h"
#include "counters.h"
#include "journal.h"

G_BEGIN_DECLS

/* How long a stream that has files but, being one of too many, no backlog waits for a slow journal, at most
 * once in JOURNAL_PATIENCE_INTERVAL_USEC; then it drops. */
#define JOURNAL_PATIENCE_USEC          (50U * G_TIME_SPAN_MILLISECOND)
#define JOURNAL_PATIENCE_INTERVAL_USEC (1U * G_TIME_SPAN_SECOND)

/* And one that goes to the journal alone: as long as journald takes anything at all, as the output of a
 * service does, but no longer than this when it does not. */
#define JOURNAL_ONLY_PATIENCE_USEC (2U * G_TIME_SPAN_SECOND)

/* How long lines wait until it is known which process writes them: that of a container is not known at
 * once. */
#define JOURNAL_PID_PATIENCE_USEC (10U * G_TIME_SPAN_SECOND)

/* Where the pid of the process that writes the streams of a log is told. */
typedef struct PidFile {
        char *path;
        gint64 deadline;     /* lines wait for it until then; 0: there were none yet */
        bool given_up;       /* it will not come any more */
        const void *waiting; /* the sink that has waited longest, which goes first; never dereferenced */
} PidFile;

PidFile *pid_file_new(const char *path);
PidFile *pid_file_unref(PidFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PidFile, pid_file_unref)

/* The way of one stream into the journal: makes entries of lines. When journald does not keep up they go to
 * a backlog, and are dropped and counted when that is full, since nothing else may wait for journald. */
typedef struct JournalSink {
        Journal *journal; /* not owned */
        Counters *counters;
        GString *fields;
        PidFile *pid_file; /* NULL: there is none, or the pid is among the fields */
        int priority;
        size_t entry_max; /* longer lines are several entries */
        bool keeps_partial; /* the caller takes unfinished lines out of the pipe, so their heads are kept here */
        bool hurried;       /* the end: what journald does not take at once is dropped and counted */
        int continued;      /* the priority of a line of which a piece has gone already; -1: a line begins */
        GByteArray *partial; /* the head of the line that is not finished; NULL: none */
        uint64_t dropped;    /* entries not yet told of */
        gint64 patience_end; /* 0: journald keeps up */
        Pump *pump;          /* not owned; NULL: no backlog is to be made, the caller waits instead */
        bool backlog_failed; /* none can be had, as if there were no pump */
        char *backlog_name;  /* in the fd store */
        Backlog *backlog;    /* NULL: journald keeps up */
} JournalSink;

/* Takes over FIELDS. */
JournalSink *journal_sink_new(Journal *journal, Counters *counters, GString *fields, int priority);
JournalSink *journal_sink_free(JournalSink *sink);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalSink, journal_sink_free)

/* FILE, which may be yet to come and is shared by the sinks of a log, has the pid for the field
 * SYSLOG_PID. */
void journal_sink_set_pid_file(JournalSink *sink, PidFile *file);
/* The writer has ended: a file that is not there now will not come. */
void journal_sink_give_up_pid(JournalSink *sink);

/* Sends or drops the lines of DATA. RET_DONE: how far it is done with DATA; what follows is to be given
 * again. -EAGAIN: stopped because of a slow journal, try again soon. */
int journal_sink_feed(JournalSink *sink, const char *data, size_t size, size_t *ret_done);

/* Lets a backlog be made. FD: one that systemd had kept, or -1. */
void journal_sink_set_backlog(JournalSink *sink, Pump *pump, const char *name, int fd);

/* Sends what is in the backlog. -EAGAIN: there is still something; RET_PROGRESS: and it has become less. */
int journal_sink_drain(JournalSink *sink, bool *ret_progress);

/* TAIL, and what is kept of it, becomes an entry without a newline: the stream has ended, or the line has no
 * room where it waits. -EAGAIN as above. */
int journal_sink_finish(JournalSink *sink, const char *tail, size_t size);

/* At the end: what could not be told any more of what is missing, as one line; NULL: nothing is. */
char *journal_sink_take_missing(JournalSink *sink);

/* Appends to the head of the unfinished line. */
void journal_sink_keep(JournalSink *sink, const char *data, size_t size);

G_END_DECLS
