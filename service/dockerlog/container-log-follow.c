/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <time.h>

#include "backoff.h"
#include "container-log.h"
#include "log.h"

#define STATUS_NOT_FOUND       404L
#define STATUS_NOT_IMPLEMENTED 501L

#define TIMER_ACCURACY_USEC 10000U

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

/* There is one timer, since there is one thing at a time to wait for. */
static void set_timer(ContainerLog *log, uint64_t usec)
{
        int r;

        if (log->timer) {
                r = sd_event_source_set_time_relative(log->timer, usec);
                if (r >= 0)
                        r = sd_event_source_set_enabled(log->timer, SD_EVENT_ONESHOT);
        } else
                r = sd_event_add_time_relative(log->manager->event, &log->timer, CLOCK_MONOTONIC, usec,
                                TIMER_ACCURACY_USEC, on_timer, log);
        if (r < 0)
                (void) log_errno(LOG_ERR, r, "Cannot set a timer");
}

static void stop_timer(ContainerLog *log)
{
        if (log->timer)
                (void) sd_event_source_set_enabled(log->timer, SD_EVENT_OFF);
}

void container_log_cancel(ContainerLog *log)
{
        stop_timer(log);
        log->inspection = engine_request_free(log->inspection);
        log->fetch = fetch_free(log->fetch);
}

static uint64_t now_usec(void)
{
        return (uint64_t) g_get_monotonic_time();
}

static uint64_t bytes_taken(const ContainerLog *log)
{
        const Checkpoint *checkpoint = slot_current(log->slot);

        return checkpoint->bytes[STREAM_STDOUT] + checkpoint->bytes[STREAM_STDERR] +
                        log->slot->moved[STREAM_STDOUT] + log->slot->moved[STREAM_STDERR];
}

/* Waits a while. A log that is being stopped has nothing to wait for. */
void container_log_retry(ContainerLog *log, const char *message)
{
        container_log_cancel(log);
        container_log_set_error(log, message);
        if (log->stopping) {
                container_log_finish(log, CONTAINER_RESULT_STOPPED);
                return;
        }

        log->backoff = backoff_next(log->backoff);
        log_info("Log '%s': %s; trying again in %.1f s", log->id, message, (double) log->backoff / 1e6);
        container_log_set_state(log, CONTAINER_WAITING);
        set_timer(log, log->backoff);
}

static void begin_fetch(ContainerLog *log, FetchMode mode)
{
        int r;

        r = fetch_new(log, mode, &log->fetch);
        if (r < 0) {
                container_log_retry(log, g_strerror(-r));
                return;
        }

        log->idle_bytes = bytes_taken(log);
        set_timer(log, log->stopping ? CONTAINER_STOP_USEC : CONTAINER_IDLE_USEC);
}

void container_log_fetch_started(ContainerLog *log)
{
        if (log->fetch->mode != FETCH_FOLLOW)
                return;

        log->slot->connections++;
        container_log_set_state(log, CONTAINER_FOLLOWING);
}

static void drain(ContainerLog *log)
{
        container_log_set_state(log, CONTAINER_DRAINING);
        begin_fetch(log, FETCH_LIST);
}

static void end_of_container(ContainerLog *log, const Inspection *inspection)
{
        uint64_t grace = inspection->restarts ? CONTAINER_RESTART_GRACE_USEC : CONTAINER_GRACE_USEC;

        if (g_strcmp0(log->drained, inspection->run) != 0) {
                log->grace_end = 0;
                drain(log);
                return;
        }

        if (log->grace_end == 0)
                log->grace_end = now_usec() + grace;
        if (now_usec() >= log->grace_end)
                container_log_finish(log, CONTAINER_RESULT_EXITED);
        else
                set_timer(log, CONTAINER_POLL_USEC);
}

static void follow(ContainerLog *log)
{
        g_clear_pointer(&log->drained, g_free);
        if (log->unproductive) {
                log->unproductive = false;
                container_log_retry(log, "The engine has ended the log of a container that runs");
                return;
        }

        if (log->state != CONTAINER_FOLLOWING)
                container_log_set_state(log, CONTAINER_CONNECTING);
        begin_fetch(log, FETCH_FOLLOW);
}

/* What the engine says of the container, while nothing is being fetched. */
static void decide(ContainerLog *log, const Inspection *inspection)
{
        if (inspection->running)
                follow(log);
        else if (inspection->created) {
                container_log_set_state(log, CONTAINER_WAITING);
                set_timer(log, CONTAINER_POLL_USEC);
        } else
                end_of_container(log, inspection);
}

static void remember(ContainerLog *log, Inspection *inspection)
{
        /* A name may belong to another container later. */
        if (!log->container_id) {
                log->container_id = g_steal_pointer(&inspection->id);
                (void) container_log_save(log);
                container_log_emit_changed(log, "ContainerID");
        }
        g_free(log->run);
        log->run = g_strdup(inspection->run ? inspection->run : "");
}

static void on_inspected(EngineRequest *request, void *userdata)
{
        g_auto(Inspection) inspection = {};
        g_autofree char *message = g_strdup(request->message);
        ContainerLog *log = userdata;
        int error = request->error;
        long status = request->status;

        if (error == 0) {
                error = inspection_parse(request->reply->str, request->reply->len, &inspection);
                if (error < 0)
                        message = g_strdup("The engine's description of the container cannot be read");
        }
        log->inspection = engine_request_free(request);

        if (error == -EREMOTEIO && status == STATUS_NOT_FOUND) {
                container_log_cancel(log);
                container_log_set_error(log, message);
                container_log_finish(log, CONTAINER_RESULT_NOT_FOUND);
        } else if (error < 0)
                container_log_retry(log, message);
        else {
                remember(log, &inspection);
                /* The idle check: a container that runs may be silent. One that does not is at the end of
                 * its log. */
                if (log->fetch && inspection.running) {
                        set_timer(log, CONTAINER_IDLE_USEC);
                        return;
                }
                log->fetch = fetch_free(log->fetch);
                decide(log, &inspection);
        }
}

static void inspect(ContainerLog *log)
{
        const EngineHandler handler = { .done = on_inspected, .userdata = log };
        g_autofree char *path = g_strdup_printf("/containers/%s/json",
                        log->container_id ? log->container_id : log->config.container);
        int r;

        log->inspection = engine_request_free(log->inspection);
        r = engine_request_new(&log->manager->engine, &log->endpoint, path, &handler, &log->inspection);
        if (r < 0)
                container_log_retry(log, g_strerror(-r));
}

static bool is_terminal(const Fetch *fetch)
{
        return fetch->error == -EREMOTEIO && fetch->message &&
                        (fetch->status == STATUS_NOT_IMPLEMENTED ||
                                        engine_error_is_terminal(fetch->message));
}

static void listing_done(ContainerLog *log, int error, const char *message)
{
        if (error < 0)
                container_log_retry(log, message);
        else if (log->stopping)
                container_log_finish(log, CONTAINER_RESULT_STOPPED);
        else {
                g_free(log->drained);
                log->drained = g_strdup(log->run);
                inspect(log);
        }
}

void container_log_fetch_done(ContainerLog *log)
{
        Fetch *fetch = g_steal_pointer(&log->fetch);
        g_autofree char *message =
                        g_strdup(fetch->message ? fetch->message : "The engine has ended the log");
        int error = fetch->error;
        FetchMode mode = fetch->mode;
        bool terminal = is_terminal(fetch), productive = fetch->n_new > 0;

        log->unproductive = mode == FETCH_FOLLOW && !productive &&
                        now_usec() - fetch->begun_usec < BACKOFF_MIN_USEC;
        fetch_free(fetch);
        stop_timer(log);
        if (productive)
                log->backoff = 0;

        if (terminal) {
                container_log_set_error(log, message);
                container_log_finish(log, CONTAINER_RESULT_UNREADABLE);
        } else if (error == -EPIPE)
                container_log_output_failed(log, error);
        else if (mode == FETCH_LIST)
                listing_done(log, error, message);
        else if (error < 0 && !productive)
                container_log_retry(log, message);
        else {
                /* The container has exited, or the engine has gone: it is asked. */
                if (error < 0)
                        container_log_set_error(log, message);
                inspect(log);
        }
}

void container_log_connect(ContainerLog *log)
{
        container_log_cancel(log);
        if (log->stopping) {
                drain(log);
                return;
        }

        if (log->state != CONTAINER_DRAINING)
                container_log_set_state(log, CONTAINER_CONNECTING);
        inspect(log);
}

void container_log_begin_stop(ContainerLog *log)
{
        int r;

        log->stopping = true;
        r = container_log_save(log);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot save the state of log '%s'", log->id);
        if (!log->finishing && container_log_output_is_open(log))
                container_log_connect(log);
}

static void close_pipes(ContainerLog *log)
{
        for (size_t i = 0; i < STREAM_MAX; i++)
                if (log->sinks[i])
                        sink_close_pipe(log->sinks[i]);
}

/* While the stage is not empty it is waited for logmon to take what is in it, unless that does not read any
 * more. */
void container_log_finish(ContainerLog *log, ContainerResult result)
{
        container_log_cancel(log);
        log->finishing = true;
        log->result = result;
        container_log_set_state(log, CONTAINER_DRAINING);

        if (container_log_flush(log) < 0)
                close_pipes(log);
        if (log->member)
                set_timer(log, CONTAINER_POLL_USEC);
        else if (container_log_is_flushed(log) || !container_log_output_is_open(log))
                container_log_end(log);
        else
                set_timer(log, CONTAINER_STOP_USEC);
}

static void on_reopened(ContainerLog *log, const sd_bus_error *error, G_GNUC_UNUSED void *userdata)
{
        int r;

        if (error) {
                container_log_retry(log, error->message);
                return;
        }

        /* what the stage holds has been waiting for the pipe */
        r = container_log_flush(log);
        if (r < 0)
                container_log_output_failed(log, r);
        else
                container_log_connect(log);
}

void container_log_output_failed(ContainerLog *log, int error)
{
        g_autofree char *message =
                        g_strdup_printf("Cannot hand output to nomad-logmon: %s", g_strerror(-error));

        close_pipes(log);
        if (log->finishing)
                container_log_finish(log, log->result);
        else
                container_log_retry(log, message);
}

/* Nothing has come for long. */
static void on_idle(ContainerLog *log)
{
        bool idle = bytes_taken(log) == log->idle_bytes;

        log->idle_bytes = bytes_taken(log);
        if (log->stopping && idle)
                container_log_retry(log, "The engine did not finish the log in time");
        else if (log->stopping || !idle)
                set_timer(log, log->stopping ? CONTAINER_STOP_USEC : CONTAINER_IDLE_USEC);
        else
                inspect(log);
}

static int on_timer(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        ContainerLog *log = userdata;

        if (log->finishing && log->member)
                container_log_finish(log, log->result);
        else if (log->finishing)
                container_log_end(log);
        else if (log->fetch)
                on_idle(log);
        else if (container_log_output_is_open(log))
                container_log_connect(log);
        else {
                int r = container_log_open_output(log, on_reopened, NULL);

                if (r < 0)
                        container_log_retry(log, g_strerror(-r));
        }
        return 0;
}
