/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bench.h"

G_BEGIN_DECLS

/* dbus-daemon allows 128 calls on a connection that wait for a reply. */
#define CALLS_WINDOW_MAX 100U

typedef struct CallSeries {
        size_t n;
        size_t window; /* how many wait for a reply at a time */
        /* The call number I. */
        sd_bus_message *(*make)(const Bench *bench, size_t i, void *userdata);
        /* Its reply, which is no error; may be NULL. */
        void (*replied)(size_t i, sd_bus_message *reply, void *userdata);
        void *userdata;
        GArray *latencies; /* of double, seconds, in the order of the replies; may be NULL */
} CallSeries;

/* Sends all of them, and returns how many seconds it took until the last was answered. */
double calls_run(const Bench *bench, const CallSeries *series);

/* A call without arguments yet. */
sd_bus_message *call_new(const Bench *bench, const char *path, const char *interface, const char *member);

G_END_DECLS
