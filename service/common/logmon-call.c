/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "logmon-call.h"

#include <time.h>

#include "call-again.h"
#include "cleanup.h"
#include "log.h"

struct LogmonCall {
        BusQueue *queue;
        const char *member;
        char *id;
        LogmonCallAppend append;
        LogmonCallDone done;
        void *userdata;
        CallAgain again;
        BusCall *call;           /* while an attempt is under way */
        sd_event_source *source; /* between two attempts */
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LogmonCall, logmon_call_free)

LogmonCall *logmon_call_free(LogmonCall *call)
{
        if (!call)
                return NULL;

        bus_call_free(call->call);
        sd_event_source_disable_unref(call->source);
        g_free(call->id);
        g_free(call);
        return NULL;
}

static int send_call(LogmonCall *call);

static void fail(LogmonCall *call, int error)
{
        g_auto(sd_bus_error) failure = SD_BUS_ERROR_NULL;

        (void) sd_bus_error_set_errno(&failure, error);
        call->done(&failure, call->userdata);
}

static int on_delay_over(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        LogmonCall *call = userdata;
        int r;

        call->source = sd_event_source_disable_unref(call->source);
        r = send_call(call);
        if (r < 0)
                fail(call, r);
        return 0;
}

static int send_later(LogmonCall *call, uint64_t delay_usec)
{
        return sd_event_add_time_relative(sd_bus_get_event(call->queue->bus), &call->source, CLOCK_MONOTONIC,
                        delay_usec, 0, on_delay_over, call);
}

static int on_answered(sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        const sd_bus_error *failure = sd_bus_message_get_error(reply);
        LogmonCall *call = userdata;
        uint64_t delay;
        int r;

        call->call = bus_call_free(call->call);
        if (failure && call_again_after(&call->again, failure, &delay)) {
                log_debug("nomad-logmon died during %s of '%s', calling it again", call->member, call->id);
                r = delay > 0 ? send_later(call, delay) : send_call(call);
                if (r >= 0)
                        return 0;
        }

        call->done(failure, call->userdata);
        return 0;
}

static int send_call(LogmonCall *call)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = sd_bus_message_new_method_call(
                        call->queue->bus, &m, LOGMON_NAME, LOGMON_PATH, LOGMON_MANAGER, call->member);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", call->id);
        if (r < 0)
                return r;
        r = call->append ? call->append(m, call->userdata) : 0;
        if (r < 0)
                return r;

        return bus_queue_call(call->queue, m, on_answered, call, call_again_send(&call->again), &call->call);
}

int logmon_call_new(BusQueue *queue, const char *member, const char *id, LogmonCallAppend append,
                LogmonCallDone done, void *userdata, LogmonCall **ret)
{
        g_autoptr(LogmonCall) call = g_new(LogmonCall, 1);
        int r;

        *call = (LogmonCall){
                .queue = queue,
                .member = member,
                .id = g_strdup(id),
                .append = append,
                .done = done,
                .userdata = userdata,
                .again = call_again_begin(LOGMON_TIMEOUT_USEC),
        };
        r = send_call(call);
        if (r < 0)
                return r;

        *ret = g_steal_pointer(&call);
        return 0;
}
