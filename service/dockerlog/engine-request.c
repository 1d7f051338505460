/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine-request.h"

#include <errno.h>
#include <string.h>

#include "inspect.h"

static bool is_success(long status)
{
        return status >= 200 && status < 300;
}

static void begin_reply(EngineRequest *request)
{
        if (request->has_started)
                return;

        request->has_started = true;
        (void) curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &request->status);
        if (is_success(request->status) && request->handler.started)
                request->handler.started(request, request->handler.userdata);
}

/* Also tells of the end of the headers: a stream may have nothing to say for long. */
static size_t on_header(char *data, size_t size, size_t n, void *userdata)
{
        EngineRequest *request = userdata;
        long status = 0;

        request->n_headers += size * n;
        if (request->n_headers > ENGINE_HEADERS_MAX)
                return 0;

        (void) curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
        if (size * n == strlen("\r\n") && *data == '\r' && status >= 200)
                begin_reply(request);
        return size * n;
}

static size_t on_data(char *data, G_GNUC_UNUSED size_t size, size_t n, void *userdata)
{
        EngineRequest *request = userdata;
        int r;

        begin_reply(request);
        if (!request->handler.data || !is_success(request->status)) {
                if (request->reply->len + n > ENGINE_REPLY_MAX) {
                        request->data_error = -EFBIG;
                        return 0;
                }
                g_string_append_len(request->reply, data, (gssize) n);
                return n;
        }

        request->has_data = true;
        r = request->handler.data(request, data, n, request->handler.userdata);
        if (r == -EAGAIN) {
                request->paused = true;
                return CURL_WRITEFUNC_PAUSE;
        }

        request->data_error = MIN(r, 0);
        return r < 0 ? 0 : n;
}

/* What an engine takes long for is a reply that is not a stream; a stream may be silent for ever. */
static void set_options(EngineRequest *request)
{
        CURL *easy = request->easy;
        bool stream = request->handler.data;

        (void) curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
        (void) curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        (void) curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
        (void) curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
        (void) curl_easy_setopt(easy, CURLOPT_PROXY, "");
        (void) curl_easy_setopt(easy, CURLOPT_USERAGENT, "nomad-dockerlog/" PROJECT_VERSION);
        (void) curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error_buffer);
        (void) curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
        (void) curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
        (void) curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
        (void) curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
        (void) curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, ENGINE_CONNECT_TIMEOUT_SEC);
        (void) curl_easy_setopt(easy, CURLOPT_TIMEOUT, stream ? 0L : ENGINE_REPLY_TIMEOUT_SEC);
        (void) curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
        (void) curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, stream ? 64L * 1024L : 16L * 1024L);
}

int engine_request_new(Engine *engine, const Endpoint *endpoint, const char *path,
                const EngineHandler *handler, EngineRequest **ret)
{
        EngineRequest *request = g_new0(EngineRequest, 1);
        int r;

        request->engine = engine;
        request->handler = *handler;
        request->reply = g_string_new(NULL);
        request->easy = curl_easy_init();
        r = request->easy ? endpoint_apply(endpoint, request->easy, path) : -ENOMEM;
        if (r >= 0) {
                set_options(request);
                if (curl_multi_add_handle(engine->multi, request->easy) != CURLM_OK)
                        r = -ENOMEM;
        }
        g_ptr_array_add(engine->requests, request);
        if (r < 0) {
                engine_request_free(request);
                return r;
        }

        *ret = request;
        return 0;
}

EngineRequest *engine_request_free(EngineRequest *request)
{
        if (!request)
                return NULL;

        (void) g_ptr_array_remove(request->engine->requests, request);
        if (request->easy) {
                (void) curl_multi_remove_handle(request->engine->multi, request->easy);
                curl_easy_cleanup(request->easy);
        }
        g_string_free(request->reply, TRUE);
        g_free(request->message);
        g_free(request);
        return NULL;
}

void engine_request_resume(EngineRequest *request)
{
        Engine *engine = request->engine;

        if (!request->paused)
                return;

        request->paused = false;
        (void) curl_easy_pause(request->easy, CURLPAUSE_CONT);
        engine_dispatch(engine);
}

static int code_to_errno(CURLcode code)
{
        switch (code) {
        case CURLE_OK:
                return 0;
        case CURLE_COULDNT_CONNECT:
        case CURLE_COULDNT_RESOLVE_HOST:
                return -ECONNREFUSED;
        case CURLE_OPERATION_TIMEDOUT:
                return -ETIMEDOUT;
        default:
                return -ECONNRESET;
        }
}

static void set_http_error(EngineRequest *request)
{
        request->error = -EREMOTEIO;
        request->message = engine_error_parse(request->reply->str, request->reply->len);
        if (!request->message)
                request->message = g_strdup_printf("The engine replied with status %li", request->status);
}

void engine_request_finished(EngineRequest *request, CURLcode code)
{
        begin_reply(request);
        if (request->data_error < 0)
                request->error = request->data_error;
        else if (code == CURLE_OK && is_success(request->status))
                request->error = 0;
        else if (code == CURLE_OK)
                set_http_error(request);
        else {
                request->error = code_to_errno(code);
                request->message = g_strdup(
                                request->error_buffer[0] ? request->error_buffer : curl_easy_strerror(code));
        }
        if (request->error < 0 && !request->message)
                request->message = g_strdup(g_strerror(-request->error));

        request->handler.done(request, request->handler.userdata);
}
