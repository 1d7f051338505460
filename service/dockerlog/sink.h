/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "stream-kind.h"

G_BEGIN_DECLS

/* What a stage is to have room for. The kernel gives less where a user has many pipes; one page is the
 * least. */
#define SINK_SIZE (64U * 1024U)

/* The way of one stream to logmon: two pipes, the stage, both of whose ends are ours, and the one that
 * logmon reads. systemd keeps them while this process is away. */
typedef struct Sink Sink;

typedef struct SinkHandler {
        /* The stage, which was stuck, is empty. */
        void (*emptied)(Sink *sink, void *userdata);
        /* -EPIPE: logmon does not read any more. */
        void (*failed)(Sink *sink, int error, void *userdata);
        void *userdata;
} SinkHandler;

struct Sink {
        SinkHandler handler;
        sd_event *event;
        char *stage_name; /* in the fd store */
        char *pipe_name;
        int stage;
        size_t capacity;                /* of the stage when it is empty */
        int pipe;                       /* -1: logmon is to be given one */
        uint64_t *moved;                /* counts what has gone to logmon */
        bool stage_stored, pipe_stored; /* systemd has them */
        sd_event_source *io;
};

/* Nothing is opened yet. LABEL and KIND name the pipes in the fd store, "stage.LABEL.stdout" and
 * "pipe.LABEL.stdout". */
Sink *sink_new(sd_event *event, const char *label, StreamKind kind, uint64_t *moved,
                const SinkHandler *handler);
/* Closes our copies of the pipes. */
Sink *sink_free(Sink *sink);

/* A new stage. */
int sink_open_stage(Sink *sink);

/* A new pipe to logmon; RET_READ is its other end. */
int sink_open_pipe(Sink *sink, int *ret_read);

/* Gives those pipes to systemd that it does not have. */
int sink_store(Sink *sink);

/* Takes over a pipe that systemd has kept, if its name is one of this sink. */
bool sink_adopt(Sink *sink, const char *name, int fd);

/* What the stage holds. */
size_t sink_staged(const Sink *sink);

/* Throws that away. */
int sink_discard(Sink *sink);

/* Fills the empty stage. */
int sink_fill(Sink *sink, const char *data, size_t size);

/* Moves what logmon's pipe takes; the rest follows by itself, and SinkHandler says when. */
int sink_flush(Sink *sink);

/* The end of the stream, for logmon too. The stage goes as well. */
void sink_close(Sink *sink);

/* Logmon's pipe is of no use any more. */
void sink_close_pipe(Sink *sink);

G_END_DECLS
