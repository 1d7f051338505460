/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fetch.h"

#include <errno.h>

#include "container-log.h"
#include "fault.h"

#define NSEC_PER_USEC 1000

static void on_begin(StreamKind stream, int64_t nsec, void *userdata)
{
        Fetch *fetch = userdata;

        position_begin(fetch->next.positions + stream, fetch->filters + stream, nsec);
}

static void on_entry_data(StreamKind stream, const char *data, size_t size, void *userdata)
{
        Fetch *fetch = userdata;
        size_t old = position_data(fetch->next.positions + stream, fetch->filters + stream, data, size);
        size_t skipped = (size_t) MIN(fetch->next.skip[stream], size - old);

        fetch->next.skip[stream] -= skipped;
        old += skipped;
        if (old == size || !fetch->log->sinks[stream])
                return;

        g_string_append_len(fetch->batches[stream], data + old, (gssize) (size - old));
        fetch->next.bytes[stream] += size - old;
        fetch->n_new += size - old;
}

static void on_end(StreamKind stream, void *userdata)
{
        Fetch *fetch = userdata;

        position_end(fetch->next.positions + stream, fetch->filters + stream);
}

static bool has_batch(const Fetch *fetch)
{
        return fetch->batches[STREAM_STDOUT]->len > 0 || fetch->batches[STREAM_STDERR]->len > 0;
}

/* Puts the batches into the stage. -EAGAIN: that is not empty. */
static int commit(Fetch *fetch)
{
        ContainerLog *log = fetch->log;
        int r = 0;

        if (!has_batch(fetch))
                return 0;
        if (!container_log_is_flushed(log))
                return -EAGAIN;

        slot_begin(log->slot);
        for (size_t i = 0; r >= 0 && i < STREAM_MAX; i++) {
                if (log->sinks[i])
                        r = sink_fill(log->sinks[i], fetch->batches[i]->str, fetch->batches[i]->len);
                g_string_truncate(fetch->batches[i], 0);
        }
        if (r < 0)
                return r;
        fault_point(FAULT_CONTAINER_FILLED);
        slot_commit(log->slot, &fetch->next);
        fault_point(FAULT_CONTAINER_COMMITTED);
        return container_log_flush(log);
}

/* How much of the engine's reply may be looked at before the stage has no room for what is in it. */
static size_t batch_room(const Fetch *fetch)
{
        size_t room = SINK_SIZE;

        for (size_t i = 0; i < STREAM_MAX; i++) {
                const Sink *sink = fetch->log->sinks[i];
                /* what a parser may have kept back */
                size_t used = fetch->batches[i]->len + TIMESTAMP_SIZE_MAX;

                if (sink)
                        room = MIN(room, sink->capacity > used ? sink->capacity - used : 0);
        }

        return room;
}

static int parse(Fetch *fetch, const char *data, size_t size)
{
        int r;

        if (fetch->form == FETCH_FORM_UNKNOWN)
                fetch->form = g_ascii_isdigit(*data) ? FETCH_FORM_RAW : FETCH_FORM_FRAMES;
        r = fetch->form == FETCH_FORM_RAW ? raw_feed(&fetch->raw, data, size)
                                          : demux_feed(&fetch->demux, data, size);
        fetch->error = MIN(r, 0);
        return fetch->error;
}

/* Takes what there is room for. RET_TAKEN: how much that is, all of it unless -EAGAIN or another error is
 * returned. */
static int take(Fetch *fetch, const char *data, size_t size, size_t *ret_taken)
{
        *ret_taken = 0;
        while (*ret_taken < size) {
                size_t n = MIN(batch_room(fetch), size - *ret_taken);
                int r;

                if (n == 0)
                        r = commit(fetch);
                else
                        r = parse(fetch, data + *ret_taken, n);
                if (r < 0)
                        return r;
                *ret_taken += n;
        }

        return 0;
}

static int on_data(G_GNUC_UNUSED EngineRequest *request, const char *data, size_t size, void *userdata)
{
        Fetch *fetch = userdata;
        size_t taken = 0;
        int r;

        if (fetch->rest->len > 0)
                return -EAGAIN;

        r = take(fetch, data, size, &taken);
        if (r == -EAGAIN) {
                g_string_append_len(fetch->rest, data + taken, (gssize) (size - taken));
                return 0;
        }
        return r;
}

static bool is_parse_error(int error)
{
        return error == -EBADMSG || error == -EREMOTEIO;
}

static int take_rest(Fetch *fetch)
{
        size_t taken = 0;
        int r;

        if (fetch->rest->len == 0)
                return 0;

        r = take(fetch, fetch->rest->str, fetch->rest->len, &taken);
        g_string_erase(fetch->rest, 0, (gssize) (is_parse_error(r) ? fetch->rest->len : taken));
        return r;
}

/* Not from here, which is in the middle of libcurl: the handler of what has failed frees this. */
static void on_pause(G_GNUC_UNUSED EngineRequest *request, void *userdata)
{
        Fetch *fetch = userdata;
        int r = commit(fetch);

        if (r < 0 && r != -EAGAIN)
                container_log_output_failed(fetch->log, r);
}

static void on_started(G_GNUC_UNUSED EngineRequest *request, void *userdata)
{
        Fetch *fetch = userdata;

        fetch->started = true;
        container_log_fetch_started(fetch->log);
}

static void set_message(Fetch *fetch, const char *message)
{
        g_free(fetch->message);
        fetch->message = g_strdup(message);
}

static void explain(Fetch *fetch)
{
        if (fetch->error == -EBADMSG)
                set_message(fetch, "The engine's reply is not a log");
        else if (fetch->error == -EREMOTEIO && fetch->demux.message->len > 0)
                set_message(fetch, fetch->demux.message->str);
}

/* Everything that came is to be in the stage first; fetch_resume() tries again. */
static void end(Fetch *fetch)
{
        int r;

        r = take_rest(fetch);
        if (r >= 0 && fetch->error == 0)
                raw_finish(&fetch->raw);
        if (r >= 0 || is_parse_error(r))
                r = commit(fetch);
        if (r == -EAGAIN)
                return;

        explain(fetch);
        if (r < 0)
                container_log_output_failed(fetch->log, r);
        else
                container_log_fetch_done(fetch->log);
}

static void on_done(EngineRequest *request, void *userdata)
{
        Fetch *fetch = userdata;

        if (fetch->error == 0)
                fetch->error = request->error;
        fetch->status = request->status;
        set_message(fetch, request->message);
        fetch->request = engine_request_free(request);
        end(fetch);
}

static char *make_path(const ContainerLog *log, FetchMode mode)
{
        const Checkpoint *checkpoint = slot_current(log->slot);
        bool stdout_only = !log->sinks[STREAM_STDERR];
        g_autofree char *since = timestamp_to_api(positions_since(
                        checkpoint->positions, stdout_only, (int64_t) log->config.since * NSEC_PER_USEC));
        g_autofree char *until = NULL;

        /* else a container that writes all the time keeps us from stopping */
        if (log->stopping) {
                g_autofree char *now = timestamp_to_api(g_get_real_time() * NSEC_PER_USEC);

                until = g_strconcat("&until=", now, NULL);
        }
        return g_strdup_printf("/containers/%s/logs?follow=%i&stdout=1&stderr=%i&timestamps=1&since=%s%s",
                        log->container_id ? log->container_id : log->config.container, mode == FETCH_FOLLOW,
                        !stdout_only, since, until ? until : "");
}

int fetch_new(ContainerLog *log, FetchMode mode, Fetch **ret)
{
        Fetch *fetch = g_new0(Fetch, 1);
        const EntryHandler entries = { on_begin, on_entry_data, on_end, fetch };
        const EngineHandler handler = { on_started, on_data, on_pause, on_done, fetch };
        g_autofree char *path = make_path(log, mode);
        int r;

        fetch->log = log;
        fetch->mode = mode;
        fetch->next = *slot_current(log->slot);
        fetch->begun_usec = (uint64_t) g_get_monotonic_time();
        demux_init(&fetch->demux, &entries);
        raw_init(&fetch->raw, &entries);
        for (size_t i = 0; i < STREAM_MAX; i++) {
                position_filter_init(fetch->filters + i, fetch->next.positions + i);
                fetch->batches[i] = g_string_new(NULL);
        }
        fetch->rest = g_string_new(NULL);

        r = engine_request_new(&log->manager->engine, &log->endpoint, path, &handler, &fetch->request);
        if (r < 0) {
                fetch_free(fetch);
                return r;
        }

        *ret = fetch;
        return 0;
}

Fetch *fetch_free(Fetch *fetch)
{
        if (!fetch)
                return NULL;

        engine_request_free(fetch->request);
        demux_clear(&fetch->demux);
        for (size_t i = 0; i < STREAM_MAX; i++)
                g_string_free(fetch->batches[i], TRUE);
        g_string_free(fetch->rest, TRUE);
        g_free(fetch->message);
        g_free(fetch);
        return NULL;
}

void fetch_resume(Fetch *fetch)
{
        int r;

        if (!fetch->request) {
                end(fetch);
                return;
        }

        r = commit(fetch);
        if (r >= 0)
                r = take_rest(fetch);
        if (r >= 0)
                engine_request_resume(fetch->request);
        else if (is_parse_error(r)) {
                fetch->request = engine_request_free(fetch->request);
                end(fetch);
        } else if (r != -EAGAIN)
                container_log_output_failed(fetch->log, r);
}
