/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "endpoint.h"
#include "engine.h"

G_BEGIN_DECLS

#define ENGINE_CONNECT_TIMEOUT_SEC 10L

/* For the whole of a request whose reply is not a stream. */
#define ENGINE_REPLY_TIMEOUT_SEC 30L

#define ENGINE_HEADERS_MAX (64U * 1024U)

/* Of a reply that is collected; more of it is an error. */
#define ENGINE_REPLY_MAX (4U * 1024U * 1024U)

typedef struct EngineRequest EngineRequest;

typedef struct EngineHandler {
        /* The reply has begun, and is no error. Optional, as the two that follow. */
        void (*started)(EngineRequest *request, void *userdata);
        /* A part of the stream; without this one the reply is collected. Returns 0 when it was taken,
         * -EAGAIN for having it again after engine_request_resume(), any other error for an end. The request
         * must not be freed from here. */
        int (*data)(EngineRequest *request, const char *data, size_t size, void *userdata);
        /* What has come up to now has been handed out. */
        void (*pause)(EngineRequest *request, void *userdata);
        /* The end, see the request's ERROR, STATUS and MESSAGE. The request is to be freed, there or
         * later. */
        void (*done)(EngineRequest *request, void *userdata);
        void *userdata;
} EngineHandler;

/* One GET. */
struct EngineRequest {
        Engine *engine;
        CURL *easy;
        EngineHandler handler;
        char error_buffer[CURL_ERROR_SIZE];
        size_t n_headers;
        GString *reply;
        bool has_started;
        bool has_data; /* something was handed out since the last pause */
        bool paused;
        int data_error; /* what the data handler has refused with */

        int error; /* 0: the reply is complete. -EREMOTEIO: it is an error, of STATUS. Else what has gone wrong */
        long status;   /* of HTTP; 0: there was no reply */
        char *message; /* of the error, for people */
};

int engine_request_new(Engine *engine, const Endpoint *endpoint, const char *path,
                const EngineHandler *handler, EngineRequest **ret);
EngineRequest *engine_request_free(EngineRequest *request);

void engine_request_resume(EngineRequest *request);

/* For engine.c: libcurl is done with the transfer. */
void engine_request_finished(EngineRequest *request, CURLcode code);

G_END_DECLS
