/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "bus-error.h"
#include "cleanup.h"
#include "container-log.h"
#include "fault.h"
#include "log.h"

static const char *const stream_keys[] = {
        [STREAM_STDOUT] = "Stdout",
        [STREAM_STDERR] = "Stderr",
};

static void on_emptied(G_GNUC_UNUSED Sink *sink, void *userdata)
{
        ContainerLog *log = userdata;

        if (!container_log_is_flushed(log))
                return;
        if (log->finishing)
                container_log_finish(log, log->result);
        else if (log->fetch)
                fetch_resume(log->fetch);
}

static void on_failed(G_GNUC_UNUSED Sink *sink, int error, void *userdata)
{
        container_log_output_failed(userdata, error);
}

void container_log_make_sinks(ContainerLog *log)
{
        const SinkHandler handler = { on_emptied, on_failed, log };

        for (StreamKind kind = 0; kind < STREAM_MAX; kind++) {
                log->sinks[kind] = sink_free(log->sinks[kind]);
                /* a terminal has one output */
                if (kind == STREAM_STDERR && log->config.tty)
                        continue;
                log->sinks[kind] = sink_new(
                                log->manager->event, log->label, kind, log->slot->moved + kind, &handler);
        }
}

bool container_log_output_is_open(const ContainerLog *log)
{
        for (size_t i = 0; i < STREAM_MAX; i++)
                if (log->sinks[i] && (log->sinks[i]->pipe < 0 || log->read_fds[i] >= 0))
                        return false;

        return true;
}

bool container_log_is_flushed(const ContainerLog *log)
{
        for (size_t i = 0; i < STREAM_MAX; i++)
                if (log->sinks[i] && sink_staged(log->sinks[i]) > 0)
                        return false;

        return true;
}

int container_log_flush(ContainerLog *log)
{
        int r = 0;

        /* what is in a pipe that logmon turns out not to take is lost */
        if (!container_log_output_is_open(log))
                return 0;

        for (size_t i = 0; r >= 0 && i < STREAM_MAX; i++)
                if (log->sinks[i])
                        r = sink_flush(log->sinks[i]);
        return r;
}

static int open_pipes(ContainerLog *log)
{
        int r;

        for (size_t i = 0; i < STREAM_MAX; i++) {
                Sink *sink = log->sinks[i];

                if (!sink)
                        continue;
                if (sink->stage < 0) {
                        r = sink_open_stage(sink);
                        if (r < 0)
                                return r;
                }
                if (sink->pipe < 0) {
                        r = sink_open_pipe(sink, log->read_fds + i);
                        if (r < 0)
                                return r;
                }
        }

        return 0;
}

/* Gives up the pipes that logmon has not got. */
static void drop_pipes(ContainerLog *log)
{
        for (size_t i = 0; i < STREAM_MAX; i++)
                if (log->read_fds[i] >= 0) {
                        log->read_fds[i] = safe_close(log->read_fds[i]);
                        sink_close_pipe(log->sinks[i]);
                }
}

static int append_start(sd_bus_message *m, void *userdata)
{
        const ContainerLog *log = userdata;
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        for (size_t i = 0; i < STREAM_MAX; i++) {
                if (log->read_fds[i] < 0)
                        continue;
                r = sd_bus_message_append(m, "{sv}", stream_keys[i], "h", log->read_fds[i]);
                if (r < 0)
                        return r;
        }
        r = container_config_append_log(m, &log->config);
        if (r < 0)
                return r;

        return sd_bus_message_close_container(m);
}

static void call_done(ContainerLog *log, const sd_bus_error *error)
{
        ContainerDone called = g_steal_pointer(&log->called);

        log->call = logmon_call_free(log->call);
        log->member = NULL;
        if (called)
                called(log, error, log->called_userdata); /* the log may be freed by it */
}

static int store_pipes(ContainerLog *log)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < STREAM_MAX; i++) {
                log->read_fds[i] = safe_close(log->read_fds[i]);
                if (log->sinks[i])
                        r = sink_store(log->sinks[i]);
        }

        return r;
}

static bool is_start(const ContainerLog *log)
{
        return g_strcmp0(log->member, "Start") == 0;
}

static void on_answered(const sd_bus_error *failure, void *userdata)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        ContainerLog *log = userdata;
        int r;

        if (failure)
                (void) sd_bus_error_copy(&error, failure);
        if (is_start(log) && failure)
                drop_pipes(log);
        else if (is_start(log)) {
                fault_point(FAULT_CONTAINER_START_OPENED);
                r = store_pipes(log);
                if (r < 0)
                        (void) sd_bus_error_setf(&error, BUS_ERROR_LOG_FAILED,
                                        "systemd does not keep the pipes: %s", g_strerror(-r));
        }
        call_done(log, sd_bus_error_is_set(&error) ? &error : NULL);
}

int container_log_call_logmon(ContainerLog *log, const char *member, ContainerDone done, void *userdata)
{
        int r;

        if (log->member)
                return -EBUSY;

        log->member = member;
        log->called = done;
        log->called_userdata = userdata;
        r = logmon_call_new(&log->manager->calls, member, log->id, is_start(log) ? append_start : NULL,
                        on_answered, log, &log->call);
        if (r < 0) {
                log->member = NULL;
                log->called = NULL;
        }
        return r;
}

int container_log_open_output(ContainerLog *log, ContainerDone opened, void *userdata)
{
        int r;

        if (log->member)
                return -EBUSY;

        r = open_pipes(log);
        if (r >= 0)
                r = container_log_call_logmon(log, "Start", opened, userdata);
        if (r < 0)
                drop_pipes(log);
        return r;
}

void container_log_close_output(ContainerLog *log)
{
        for (size_t i = 0; i < STREAM_MAX; i++) {
                log->read_fds[i] = safe_close(log->read_fds[i]);
                if (log->sinks[i])
                        sink_close(log->sinks[i]);
        }
}
