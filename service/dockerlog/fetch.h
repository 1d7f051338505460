/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "demux.h"
#include "engine-request.h"
#include "position.h"
#include "raw.h"
#include "slot.h"

G_BEGIN_DECLS

typedef struct ContainerLog ContainerLog;

typedef enum FetchMode {
        FETCH_FOLLOW, /* until the container exits */
        FETCH_LIST,   /* what there is */
} FetchMode;

/* In what form the engine sends the log; its first byte tells. */
typedef enum FetchForm {
        FETCH_FORM_UNKNOWN,
        FETCH_FORM_FRAMES,
        FETCH_FORM_RAW,
} FetchForm;

/* One request for a container's log, from its position on, and the way of what is new in it into the
 * sinks. */
typedef struct Fetch {
        ContainerLog *log;
        FetchMode mode;
        EngineRequest *request; /* NULL: it has ended, and what came last is waiting for the stage */
        FetchForm form;
        Demux demux;
        Raw raw;
        PositionFilter filters[STREAM_MAX];
        Checkpoint next;              /* once what is in the batches is in the stage */
        GString *batches[STREAM_MAX]; /* what goes into it */
        GString *rest;                /* what came and does not fit; then no more comes */
        bool started;                 /* the engine has accepted */
        uint64_t n_new;               /* bytes that were not known */
        uint64_t begun_usec;
        int error; /* as of EngineRequest, or -EBADMSG */
        long status;
        char *message;
} Fetch;

/* Its end is told by container_log_fetch_done(), once everything that came is in the stage. */
int fetch_new(ContainerLog *log, FetchMode mode, Fetch **ret);
Fetch *fetch_free(Fetch *fetch);

/* The stages are empty. */
void fetch_resume(Fetch *fetch);

/* container-log-follow.c */
void container_log_fetch_started(ContainerLog *log);
void container_log_fetch_done(ContainerLog *log);
void container_log_output_failed(ContainerLog *log, int error);

G_END_DECLS
