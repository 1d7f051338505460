/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

#include "cleanup.h"
#include "engine-request.h"

static void act(Engine *engine, curl_socket_t fd, int events)
{
        int running;

        (void) curl_multi_socket_action(engine->multi, fd, events, &running);
        engine_dispatch(engine);
}

static int on_io(G_GNUC_UNUSED sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        int events = 0;

        if (revents & EPOLLIN)
                events |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                events |= CURL_CSELECT_OUT;
        if (revents & (EPOLLERR | EPOLLHUP))
                events |= CURL_CSELECT_ERR;

        act(userdata, fd, events);
        return 0;
}

static int on_timer(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        act(userdata, CURL_SOCKET_TIMEOUT, 0);
        return 0;
}

/* libcurl says what it waits for; SOURCE is what it was given for this socket by the call before. */
static int on_socket(G_GNUC_UNUSED CURL *easy, curl_socket_t fd, int what, void *userdata, void *source)
{
        static const uint32_t masks[] = {
                [CURL_POLL_NONE] = 0,
                [CURL_POLL_IN] = EPOLLIN,
                [CURL_POLL_OUT] = EPOLLOUT,
                [CURL_POLL_INOUT] = EPOLLIN | EPOLLOUT,
        };
        Engine *engine = userdata;
        sd_event_source *io = source;

        if (what == CURL_POLL_REMOVE) {
                sd_event_source_disable_unref(io);
                return 0;
        }
        if (io)
                return sd_event_source_set_io_events(io, masks[what]) < 0 ? -1 : 0;

        if (sd_event_add_io(engine->event, &io, fd, masks[what], on_io, engine) < 0)
                return -1;
        return curl_multi_assign(engine->multi, fd, io) == CURLM_OK ? 0 : -1;
}

static int on_timeout(G_GNUC_UNUSED CURLM *multi, long milliseconds, void *userdata)
{
        Engine *engine = userdata;

        if (milliseconds < 0)
                return sd_event_source_set_enabled(engine->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
        if (sd_event_source_set_time_relative(engine->timer, (uint64_t) milliseconds * 1000U) < 0)
                return -1;

        return sd_event_source_set_enabled(engine->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

int engine_init(Engine *engine, sd_event *event)
{
        int r;

        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;

        engine->event = sd_event_ref(event);
        engine->requests = g_ptr_array_new();
        engine->multi = curl_multi_init();
        if (!engine->multi)
                return -ENOMEM;
        r = sd_event_add_time_relative(event, &engine->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, engine);
        if (r < 0)
                return r;

        (void) curl_multi_setopt(engine->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
        (void) curl_multi_setopt(engine->multi, CURLMOPT_SOCKETDATA, engine);
        (void) curl_multi_setopt(engine->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
        (void) curl_multi_setopt(engine->multi, CURLMOPT_TIMERDATA, engine);
        (void) curl_multi_setopt(engine->multi, CURLMOPT_MAXCONNECTS, ENGINE_IDLE_CONNECTIONS_MAX);
        return 0;
}

void engine_clear(Engine *engine)
{
        if (engine->multi)
                (void) curl_multi_cleanup(engine->multi);
        engine->multi = NULL;
        engine->timer = sd_event_source_disable_unref(engine->timer);
        g_clear_pointer(&engine->requests, g_ptr_array_unref);
        engine->event = sd_event_unref(engine->event);
}

static void hand_out_pauses(Engine *engine)
{
        for (guint i = engine->requests->len; i-- > 0;) {
                EngineRequest *request;

                if (i >= engine->requests->len)
                        continue;
                request = g_ptr_array_index(engine->requests, i);
                if (!request->has_data)
                        continue;
                request->has_data = false;
                if (request->handler.pause)
                        request->handler.pause(request, request->handler.userdata);
        }
}

void engine_dispatch(Engine *engine)
{
        CURLMsg *message;
        int left;

        hand_out_pauses(engine);
        while ((message = curl_multi_info_read(engine->multi, &left))) {
                CURL *easy = message->easy_handle;
                CURLcode code = message->data.result;
                char *request = NULL;

                if (message->msg != CURLMSG_DONE)
                        continue;
                (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &request);
                engine_request_finished((EngineRequest *) (void *) request, code);
        }
}
