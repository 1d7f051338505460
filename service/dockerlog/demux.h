/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "entry.h"
#include "timestamp.h"

G_BEGIN_DECLS

/* A frame begins with the stream's number, three zero bytes, and its size in four bytes, the highest
 * first. */
#define DEMUX_HEADER_SIZE 8U

/* What is kept of a message of the engine's own, which comes on a stream of its own. */
#define DEMUX_MESSAGE_MAX 1024U

/* The form in which an engine sends the log of a container without a terminal: frames, each of which is an
 * entry. Takes it at any cut, and keeps no more of it than a header, a time stamp and a message. */
typedef struct Demux {
        EntryHandler handler;
        unsigned char header[DEMUX_HEADER_SIZE];
        size_t n_header;
        int stream;    /* that of the frame: 0 to 3 */
        uint32_t left; /* of the frame */
        char stamp[TIMESTAMP_SIZE_MAX];
        size_t n_stamp;
        bool in_entry; /* the frame's time stamp is complete */
        GString *message;
} Demux;

void demux_init(Demux *demux, const EntryHandler *handler);
void demux_clear(Demux *demux);

/* -EBADMSG: this is no such form. -EREMOTEIO: the engine has sent a message, which demux->message has. */
int demux_feed(Demux *demux, const char *data, size_t size);

G_END_DECLS
