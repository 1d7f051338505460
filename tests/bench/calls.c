/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "calls.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct Run {
        const Bench *bench;
        const CallSeries *series;
        size_t sent;
        size_t answered;
} Run;

typedef struct Call {
        Run *run;
        size_t index;
        uint64_t sent_nsec;
} Call;

static int on_reply(sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        g_autofree Call *call = userdata;
        const CallSeries *series = call->run->series;
        double seconds = (double) (bench_now_nsec() - call->sent_nsec) / 1e9;

        if (sd_bus_message_is_method_error(reply, NULL)) {
                (void) fprintf(stderr, "Call %zu: %s\n", call->index,
                                sd_bus_message_get_error(reply)->message);
                exit(EXIT_FAILURE);
        }

        if (series->latencies)
                g_array_append_val(series->latencies, seconds);
        if (series->replied)
                series->replied(call->index, reply, series->userdata);
        call->run->answered++;
        return 0;
}

static void send_next(Run *run)
{
        g_autoptr(sd_bus_message) m = NULL;
        Call *call = g_new(Call, 1);

        *call = (Call){ .run = run, .index = run->sent++, .sent_nsec = bench_now_nsec() };
        m = run->series->make(run->bench, call->index, run->series->userdata);
        (void) bench_check(sd_bus_call_async(run->bench->bus, NULL, m, on_reply, call, 0), "call");
}

double calls_run(const Bench *bench, const CallSeries *series)
{
        Run run = { .bench = bench, .series = series };
        uint64_t start = bench_now_nsec();

        while (run.answered < series->n) {
                while (run.sent < series->n && run.sent - run.answered < series->window)
                        send_next(&run);
                (void) bench_check(sd_event_run(bench->event, UINT64_MAX), "event loop");
        }

        return (double) (bench_now_nsec() - start) / 1e9;
}

sd_bus_message *call_new(const Bench *bench, const char *path, const char *interface, const char *member)
{
        sd_bus_message *m;

        (void) bench_check(sd_bus_message_new_method_call(
                                           bench->bus, &m, EXECUTOR_NAME, path, interface, member),
                        member);
        return m;
}
