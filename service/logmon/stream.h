/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "counters.h"
#include "journal-sink.h"
#include "pump.h"
#include "rotator.h"
#include "stream-kind.h"

G_BEGIN_DECLS

/* One output of one task: a pipe, and where its bytes go. */
typedef struct Stream Stream;

typedef struct StreamHandler {
        void (*ended)(Stream *stream, void *userdata);
        void (*moved)(Stream *stream, void *userdata);
        /* What went wrong last, as one line for people. */
        void (*failed)(Stream *stream, const char *message, void *userdata);
        /* What is to be in the journal about it, besides its output. Only with a journal. */
        void (*warned)(Stream *stream, const char *message, void *userdata);
        void *userdata;
} StreamHandler;

struct Stream {
        StreamKind kind;
        sd_event *event;
        Pump *pump; /* not owned */
        Counters *counters;
        StreamHandler handler;

        int fd; /* -1: the stream has ended */
        size_t capacity;
        bool fifo;     /* by path: writers come and go */
        bool draining; /* the end of the data is the end of the stream, for a FIFO too */
        bool blocks;   /* when files cannot be written, wait instead of dropping */

        Rotator *rotator;      /* NULL: no files */
        gint64 retry_time;     /* files cannot be written; when to try again. 0: they can */
        size_t spent;          /* what of MOVE_BUDGET has gone into other work than moving bytes */
        JournalSink *journal;  /* NULL: not to the journal */
        bool journal_is_full;  /* it did not take all of what it was shown last */
        bool journal_progress; /* the backlog has become shorter */
        size_t journalled;     /* how much of what is in the pipe the journal has already */

        sd_event_source *io;
        sd_event_source *timer;
        uint64_t journal_delay; /* between two attempts to shorten the backlog */
        uint64_t delay;         /* between two looks at the pipe while it is busy */
        uint64_t last_wake;     /* when there was something in it */
        bool waits_for_journal; /* what it did last, and then */
        bool waits_for_disk;
};

Stream *stream_new(StreamKind kind, sd_event *event, Pump *pump, Counters *counters,
                const StreamHandler *handler);
Stream *stream_free(Stream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stream, stream_free)

/* Takes over the read end of a pipe and begins. Sinks are set before. */
int stream_start(Stream *stream, int fd, bool fifo);

/* Looks at the pipe now, and for the end of it from now on. */
int stream_drain(Stream *stream);

/* Moves what is there at this moment and ends, whoever else may hold the pipe: waits neither for the journal
 * nor for files that cannot be written, but drops and counts. */
void stream_finish(Stream *stream);

/* The head of an unfinished line was in the memory of the process before this one: takes it from the file
 * again. */
void stream_recover_partial(Stream *stream);

static inline bool stream_is_open(const Stream *stream)
{
        return stream && stream->fd >= 0;
}

G_END_DECLS
