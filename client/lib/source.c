/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nomad-executor-glib.h>

#include "connection.h"
#include "export.h"

typedef struct BusSource {
        GSource source;
        nx_connection *connection;
        void *tag;
} BusSource;

static gboolean is_ready(BusSource *source)
{
        uint64_t usec;

        /* 0: something is in the queue already */
        return (sd_bus_get_timeout(source->connection->bus, &usec) >= 0 &&
                               usec <= (uint64_t) g_source_get_time(&source->source)) ||
                        g_source_query_unix_fd(&source->source, source->tag) != 0;
}

static gboolean prepare(GSource *base, int *timeout_msec)
{
        BusSource *source = (BusSource *) base;
        int events = sd_bus_get_events(source->connection->bus);
        uint64_t usec, now = (uint64_t) g_source_get_time(base);

        g_source_modify_unix_fd(base, source->tag, events < 0 ? G_IO_IN : (GIOCondition) events);
        *timeout_msec = -1;
        if (sd_bus_get_timeout(source->connection->bus, &usec) < 0 || usec == UINT64_MAX)
                return FALSE;
        if (usec <= now)
                return TRUE;

        *timeout_msec = (int) MIN((usec - now + 999) / 1000, G_MAXINT);
        return FALSE;
}

static gboolean check(GSource *base)
{
        return is_ready((BusSource *) base);
}

static gboolean dispatch(GSource *base, G_GNUC_UNUSED GSourceFunc callback, G_GNUC_UNUSED gpointer userdata)
{
        BusSource *source = (BusSource *) base;

        /* a connection that is gone has nothing more to tell, once its calls have been answered with that */
        return sd_bus_process(source->connection->bus, NULL) >= 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void finalize(GSource *base)
{
        nx_connection_unref(((BusSource *) base)->connection);
}

static GSourceFuncs functions = {
        .prepare = prepare,
        .check = check,
        .dispatch = dispatch,
        .finalize = finalize,
};

EXPORT GSource *nx_source_new(nx_connection *connection)
{
        GSource *base = g_source_new(&functions, sizeof(BusSource));
        BusSource *source = (BusSource *) base;

        source->connection = nx_connection_ref(connection);
        source->tag = g_source_add_unix_fd(base, sd_bus_get_fd(connection->bus), G_IO_IN);
        g_source_set_name(base, "nomad-executor");
        return base;
}
