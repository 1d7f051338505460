/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "container-log.h"

#include <errno.h>
#include <string.h>

#include "bus-error.h"
#include "cleanup.h"
#include "fault.h"
#include "log.h"

typedef struct Waiter {
        ContainerStopped stopped;
        void *userdata;
} Waiter;

const char *container_state_to_string(ContainerState state)
{
        static const char *const names[] = {
                [CONTAINER_ENDED] = "ended",
                [CONTAINER_CONNECTING] = "connecting",
                [CONTAINER_FOLLOWING] = "following",
                [CONTAINER_WAITING] = "waiting",
                [CONTAINER_DRAINING] = "draining",
        };

        return names[state];
}

static const char *const result_names[] = {
        [CONTAINER_RESULT_NONE] = "",
        [CONTAINER_RESULT_EXITED] = "exited",
        [CONTAINER_RESULT_STOPPED] = "stopped",
        [CONTAINER_RESULT_NOT_FOUND] = "not-found",
        [CONTAINER_RESULT_UNREADABLE] = "unreadable",
};

const char *container_result_to_string(ContainerResult result)
{
        return result_names[result];
}

ContainerResult container_result_from_string(const char *name)
{
        for (ContainerResult result = 0; result < CONTAINER_RESULT_MAX; result++)
                if (g_strcmp0(name, result_names[result]) == 0)
                        return result;

        return CONTAINER_RESULT_NONE;
}

ContainerLog *container_log_new(Manager *manager, const char *id, const char *label, uint32_t slot_index)
{
        ContainerLog *log = g_new0(ContainerLog, 1);

        log->manager = manager;
        log->id = g_strdup(id);
        log->label = g_strdup(label);
        log->last_error = g_strdup("");
        log->slot_index = slot_index;
        log->slot = slot_file_get(manager->slots, slot_index);
        log->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
        for (size_t i = 0; i < STREAM_MAX; i++)
                log->read_fds[i] = -1;
        container_config_init(&log->config);
        return log;
}

ContainerLog *container_log_free(ContainerLog *log)
{
        if (!log)
                return NULL;

        container_log_cancel(log);
        sd_event_source_disable_unref(log->timer);
        logmon_call_free(log->call);
        for (size_t i = 0; i < STREAM_MAX; i++) {
                sink_free(log->sinks[i]);
                safe_close(log->read_fds[i]);
        }
        g_array_unref(log->waiters);
        container_config_clear(&log->config);
        endpoint_clear(&log->endpoint);
        g_free(log->container_id);
        g_free(log->last_error);
        g_free(log->run);
        g_free(log->drained);
        g_free(log->id);
        g_free(log->label);
        g_free(log);
        return NULL;
}

void container_log_set_state(ContainerLog *log, ContainerState state)
{
        if (log->state == state)
                return;

        log->state = state;
        log_debug("Log '%s' is %s", log->id, container_state_to_string(state));
        container_log_emit_changed(log, "State");
}

void container_log_set_error(ContainerLog *log, const char *message)
{
        if (g_strcmp0(log->last_error, message) == 0)
                return;

        g_free(log->last_error);
        log->last_error = g_strdup(message ? message : "");
        container_log_emit_changed(log, "LastError");
}

static void call_waiters(ContainerLog *log)
{
        g_autoptr(GArray) waiters = g_steal_pointer(&log->waiters);

        log->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
        for (guint i = 0; i < waiters->len; i++) {
                Waiter *waiter = &g_array_index(waiters, Waiter, i);

                waiter->stopped(waiter->userdata);
        }
}

/* Logmon's files are complete, or it does not answer. */
static void on_logmon_stopped(ContainerLog *log, const sd_bus_error *error, G_GNUC_UNUSED void *userdata)
{
        int r;

        if (error)
                container_log_set_error(log, error->message);

        log->state = CONTAINER_ENDED;
        log->finishing = false;
        r = container_log_save(log);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot save the state of log '%s'", log->id);
        fault_point(FAULT_CONTAINER_ENDED);

        log_debug("Log '%s' has ended: %s", log->id, container_result_to_string(log->result));
        container_log_emit_changed(log, "Result");
        container_log_emit_changed(log, "State");
        call_waiters(log);
}

void container_log_end(ContainerLog *log)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        int r;

        container_log_close_output(log);
        fault_point(FAULT_CONTAINER_CLOSED);
        r = container_log_call_logmon(log, "Stop", on_logmon_stopped, NULL);
        if (r < 0) {
                (void) sd_bus_error_set_errno(&error, r);
                on_logmon_stopped(log, &error, NULL);
        }
}

int container_log_stop(ContainerLog *log, ContainerStopped stopped, void *userdata)
{
        Waiter waiter = { stopped, userdata };

        if (log->state == CONTAINER_ENDED && !log->member) {
                stopped(userdata);
                return 0;
        }
        if (log->waiters->len >= CONTAINER_STOP_WAITERS_MAX)
                return -EDQUOT;

        g_array_append_val(log->waiters, waiter);
        if (!log->stopping)
                container_log_begin_stop(log);
        return 0;
}

/* Start() of one that runs: sizes may change, the container may not. */
static int update(ContainerLog *log, const ContainerConfig *config, ContainerDone done, void *userdata,
                sd_bus_error *error)
{
        int r;

        if (!container_config_same_container(&log->config, config))
                return sd_bus_error_setf(error, BUS_ERROR_TASK_RUNNING, "Log '%s' is that of container %s",
                                log->id, log->config.container);
        if (log->stopping || log->finishing || log->member)
                return sd_bus_error_setf(error, BUS_ERROR_TASK_RUNNING,
                                "Log '%s' is being started or stopped", log->id);

        container_config_update(&log->config, config);
        r = container_log_save(log);
        if (r < 0)
                return r;
        if (!container_log_output_is_open(log)) {
                /* logmon hears of it with the pipes */
                done(log, NULL, userdata);
                return 0;
        }

        return container_log_open_output(log, done, userdata);
}

static int take_config(ContainerLog *log, ContainerConfig *config, sd_bus_error *error)
{
        Endpoint endpoint;
        int r;

        r = endpoint_parse(container_config_endpoint(config), config->certificate, config->key, config->ca,
                        &endpoint);
        if (r < 0)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC,
                                "Endpoint '%s' is neither 'unix:///path' nor 'tcp://host:port'",
                                container_config_endpoint(config));

        /* A log that is started again goes on where it was, unless it is about something else now. */
        if (log->container_id && container_config_same_container(&log->config, config))
                slot_recover(log->slot);
        else {
                slot_restart(log->slot);
                g_clear_pointer(&log->container_id, g_free);
        }
        endpoint_clear(&log->endpoint);
        log->endpoint = endpoint;
        container_config_clear(&log->config);
        log->config = *config;
        container_config_init(config);
        return 0;
}

static void reset(ContainerLog *log)
{
        log->result = CONTAINER_RESULT_NONE;
        log->stopping = log->finishing = log->unproductive = false;
        log->backoff = log->grace_end = 0;
        g_clear_pointer(&log->drained, g_free);
        container_log_set_error(log, "");
}

typedef struct Starting {
        ContainerDone done;
        void *userdata;
} Starting;

/* Nothing is left of a start that has failed; the caller forgets a log that was new. */
static void start_failed(ContainerLog *log, Starting *starting, const sd_bus_error *error)
{
        container_log_close_output(log);
        log->state = CONTAINER_ENDED;
        log->started = false;
        call_waiters(log);
        starting->done(log, error, starting->userdata);
}

static void on_opened(ContainerLog *log, const sd_bus_error *error, void *userdata)
{
        g_autofree Starting *starting = userdata;
        g_auto(sd_bus_error) failure = SD_BUS_ERROR_NULL;
        int r;

        if (error) {
                start_failed(log, starting, error);
                return;
        }

        log->started = true;
        r = container_log_save(log);
        if (r < 0) {
                (void) sd_bus_error_setf(&failure, BUS_ERROR_LOG_FAILED,
                                "Cannot save the state of log '%s': %s", log->id, g_strerror(-r));
                start_failed(log, starting, &failure);
                return;
        }

        fault_point(FAULT_CONTAINER_STARTED);
        starting->done(log, NULL, starting->userdata);
        container_log_connect(log);
}

int container_log_start(ContainerLog *log, ContainerConfig *config, ContainerDone done, void *userdata,
                sd_bus_error *error)
{
        Starting *starting;
        int r;

        if (log->state != CONTAINER_ENDED)
                return update(log, config, done, userdata, error);
        if (log->member)
                return sd_bus_error_setf(
                                error, BUS_ERROR_TASK_RUNNING, "Log '%s' is being released", log->id);

        r = take_config(log, config, error);
        if (r < 0)
                return r;
        reset(log);
        log->started = false;
        log->state = CONTAINER_CONNECTING;
        container_log_make_sinks(log);

        r = container_log_save(log);
        if (r < 0) {
                log->state = CONTAINER_ENDED;
                return sd_bus_error_setf(error, BUS_ERROR_LOG_FAILED,
                                "Cannot save the state of log '%s': %s", log->id, g_strerror(-r));
        }
        fault_point(FAULT_CONTAINER_START_SAVED);

        starting = g_new(Starting, 1);
        *starting = (Starting){ done, userdata };
        r = container_log_open_output(log, on_opened, starting);
        if (r < 0) {
                g_free(starting);
                container_log_close_output(log);
                log->state = CONTAINER_ENDED;
                return sd_bus_error_setf(error, BUS_ERROR_LOG_FAILED,
                                "Cannot open the pipes of log '%s': %s", log->id, g_strerror(-r));
        }
        return 0;
}

/* What the stages of the process before hold is either not committed, or still to be moved. When one is
 * gone, so is what it held, and it is fetched again. */
static void recover_stages(ContainerLog *log)
{
        const Checkpoint *checkpoint = slot_current(log->slot);
        bool lost = false;

        for (size_t i = 0; i < STREAM_MAX; i++) {
                Sink *sink = log->sinks[i];

                if (!sink)
                        continue;
                lost = lost || sink->stage < 0;
                if (slot_is_filling(log->slot) && sink->stage >= 0)
                        (void) sink_discard(sink);
                else if (sink->stage >= 0)
                        log->slot->moved[i] = checkpoint->bytes[i] - sink_staged(sink);
        }

        if (slot_is_filling(log->slot))
                slot_abandon(log->slot);
        if (!lost)
                return;
        for (size_t i = 0; i < STREAM_MAX; i++)
                if (log->sinks[i] && log->sinks[i]->stage >= 0)
                        (void) sink_discard(log->sinks[i]);
        slot_recover(log->slot);
}

void container_log_resume(ContainerLog *log)
{
        int r;

        recover_stages(log);
        r = container_log_flush(log);
        if (r < 0)
                container_log_output_failed(log, r);
        else if (container_log_output_is_open(log))
                container_log_connect(log);
        else
                container_log_retry(log, "The pipes to nomad-logmon are gone");
}
