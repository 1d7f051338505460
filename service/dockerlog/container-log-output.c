/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "bus-error.h"
#include "cleanup.h"
#include "container-log.h"
#include "fault.h"
#include "log.h"

#define LOGMON_NAME    "org.nomad.Logmon"
#define LOGMON_PATH    "/org/nomad/Logmon"
#define LOGMON_MANAGER "org.nomad.Logmon.Manager"

/* Logmon may be killed at any moment. D-Bus starts it again for the next call, and its calls may be repeated. */
#define LOGMON_ATTEMPTS_MAX 5U

#define LOGMON_TIMEOUT_USEC UINT64_C(30000000)

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

static int append_start(sd_bus_message *m, const ContainerLog *log)
{
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

        log->call = bus_call_free(log->call);
        log->member = NULL;
        if (called)
                called(log, error, log->called_userdata); /* the log may be freed by it */
}

static int send_call(ContainerLog *log);

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

static int on_answered(sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *ret_error)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        ContainerLog *log = userdata;
        int r;

        (void) sd_bus_error_copy(&error, sd_bus_message_get_error(reply));
        if (sd_bus_error_is_set(&error) && bus_error_peer_died(&error) &&
                        ++log->attempts < LOGMON_ATTEMPTS_MAX && send_call(log) >= 0)
                return 0;

        if (is_start(log) && sd_bus_error_is_set(&error))
                drop_pipes(log);
        else if (is_start(log)) {
                fault_point(FAULT_CONTAINER_START_OPENED);
                r = store_pipes(log);
                if (r < 0)
                        (void) sd_bus_error_setf(&error, BUS_ERROR_LOG_FAILED,
                                        "systemd does not keep the pipes: %s", g_strerror(-r));
        }
        call_done(log, sd_bus_error_is_set(&error) ? &error : NULL);
        return 0;
}

static int send_call(ContainerLog *log)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = sd_bus_message_new_method_call(
                        log->manager->bus, &m, LOGMON_NAME, LOGMON_PATH, LOGMON_MANAGER, log->member);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", log->id);
        if (r < 0)
                return r;
        if (is_start(log)) {
                r = append_start(m, log);
                if (r < 0)
                        return r;
        }

        log->call = bus_call_free(log->call);
        return bus_queue_call(&log->manager->calls, m, on_answered, log, LOGMON_TIMEOUT_USEC, &log->call);
}

int container_log_call_logmon(ContainerLog *log, const char *member, ContainerDone done, void *userdata)
{
        int r;

        if (log->member)
                return -EBUSY;

        log->member = member;
        log->called = done;
        log->called_userdata = userdata;
        log->attempts = 0;
        r = send_call(log);
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
