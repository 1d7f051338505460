/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <curl/curl.h>
#include <glib.h>
#include <systemd/sd-event.h>

G_BEGIN_DECLS

/* Connections that are kept for the next request. */
#define ENGINE_IDLE_CONNECTIONS_MAX 8L

/* All transfers, in one event loop. */
typedef struct Engine {
        sd_event *event;
        CURLM *multi;
        sd_event_source *timer;
        GPtrArray *requests; /* of EngineRequest, those that run */
} Engine;

int engine_init(Engine *engine, sd_event *event);
/* There are no requests any more. */
void engine_clear(Engine *engine);

/* After something was done to a transfer: hands out what it has come to. */
void engine_dispatch(Engine *engine);

G_END_DECLS
