/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "bus-error.h"
#include "cleanup.h"
#include "encode.h"
#include "reader.h"
#include "task-log.h"

#define UNUSED G_GNUC_UNUSED

#define LOG_INTERFACE "org.nomad.Logmon.Log"

char *task_log_path(const TaskLog *log)
{
        return g_strconcat(LOGMON_LOG_PREFIX "/", log->label, NULL);
}

static void on_stopped(void *userdata)
{
        sd_bus_message *call = userdata;

        (void) sd_bus_reply_method_return(call, NULL);
        sd_bus_message_unref(call);
}

int task_log_stop_error(int r, sd_bus_error *error)
{
        if (r == -EDQUOT)
                return sd_bus_error_setf(error, BUS_ERROR_LIMIT_EXCEEDED,
                                "%u calls wait for the end of this log already", TASK_LOG_STOP_WAITERS_MAX);

        return r;
}

int task_log_method_stop(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        int r;

        r = task_log_stop(userdata, on_stopped, sd_bus_message_ref(m));
        if (r >= 0)
                return 1;

        sd_bus_message_unref(m);
        return task_log_stop_error(r, error);
}

static int method_rotate(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        int r;

        r = task_log_rotate(userdata);
        if (r < 0)
                return sd_bus_error_setf(error, BUS_ERROR_LOG_FAILED,
                                "Cannot rotate the files of this log: %s", g_strerror(-r));

        return sd_bus_reply_method_return(m, NULL);
}

static int parse_stream(const char *name, StreamKind *ret, sd_bus_error *error)
{
        for (StreamKind kind = 0; kind < STREAM_MAX; kind++)
                if (strcmp(name, stream_kind_to_string(kind)) == 0) {
                        *ret = kind;
                        return 0;
                }

        return sd_bus_error_setf(error, BUS_ERROR_INVALID_SPEC,
                        "The stream must be 'stdout' or 'stderr', not '%s'", name);
}

static int method_open(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        ReaderOptions options = {};
        _cleanup_close_ int fd = -1;
        const char *stream;
        StreamKind kind = STREAM_STDOUT;
        int r;

        r = sd_bus_message_read(m, "s", &stream);
        if (r < 0)
                return r;
        r = parse_stream(stream, &kind, error);
        if (r < 0)
                return r;
        r = reader_options_read(m, &options, error);
        if (r < 0)
                return r;
        r = reader_open(userdata, kind, &options, &fd, error);
        if (r < 0)
                return r;

        return sd_bus_reply_method_return(m, "h", fd);
}

static int get_state(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface,
                UNUSED const char *property, sd_bus_message *reply, void *userdata,
                UNUSED sd_bus_error *error)
{
        TaskLog *log = userdata;

        return sd_bus_message_append(reply, "s", task_log_state_to_string(log->state));
}

/* The counters are behind a pointer, so they cannot be given by their offset in TaskLog. */
#define DEFINE_COUNTER(name, member)                                                                     \
        static int get_##name(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface, \
                        UNUSED const char *property, sd_bus_message *reply, void *userdata,              \
                        UNUSED sd_bus_error *error)                                                      \
        {                                                                                                \
                return sd_bus_message_append(reply, "t", ((TaskLog *) userdata)->counters->member);      \
        }

DEFINE_COUNTER(stdout_bytes, bytes[STREAM_STDOUT])
DEFINE_COUNTER(stderr_bytes, bytes[STREAM_STDERR])
DEFINE_COUNTER(dropped_bytes, dropped_bytes)
DEFINE_COUNTER(journal_dropped, journal_dropped)
DEFINE_COUNTER(rotations, rotations)

static const sd_bus_vtable log_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "s", NULL, offsetof(TaskLog, id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("LastError", "s", NULL, offsetof(TaskLog, last_error),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StdoutBytes", "t", get_stdout_bytes, 0, 0),
        SD_BUS_PROPERTY("StderrBytes", "t", get_stderr_bytes, 0, 0),
        SD_BUS_PROPERTY("DroppedBytes", "t", get_dropped_bytes, 0, 0),
        SD_BUS_PROPERTY("JournalDropped", "t", get_journal_dropped, 0, 0),
        SD_BUS_PROPERTY("Rotations", "t", get_rotations, 0, 0),
        SD_BUS_METHOD_WITH_ARGS("Open", SD_BUS_ARGS("s", stream, "a{sv}", options),
                        SD_BUS_RESULT("h", output), method_open, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Rotate", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_rotate,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, task_log_method_stop,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int find_log(UNUSED sd_bus *bus, const char *path, UNUSED const char *interface, void *userdata,
                void **ret_found, UNUSED sd_bus_error *error)
{
        Manager *manager = userdata;
        const char *label;
        TaskLog *log;

        if (label_from_path(path, LOGMON_LOG_PREFIX, &label) < 0)
                return 0;
        log = g_hash_table_lookup(manager->logs, label);
        if (!log)
                return 0;

        *ret_found = log;
        return 1;
}

/* The result is freed by sd-bus with free(), which is also what GLib allocates for. */
static int enumerate_logs(UNUSED sd_bus *bus, UNUSED const char *prefix, void *userdata, char ***ret_nodes,
                UNUSED sd_bus_error *error)
{
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
        Manager *manager = userdata;
        GHashTableIter iter;
        void *log;

        g_hash_table_iter_init(&iter, manager->logs);
        while (g_hash_table_iter_next(&iter, NULL, &log)) {
                g_autofree char *path = task_log_path(log);

                g_strv_builder_add(builder, path);
        }

        *ret_nodes = g_strv_builder_end(builder);
        return 1;
}

int task_log_register(Manager *manager)
{
        int r;

        r = sd_bus_add_fallback_vtable(
                        manager->bus, NULL, LOGMON_LOG_PREFIX, LOG_INTERFACE, log_vtable, find_log, manager);
        if (r < 0)
                return r;

        return sd_bus_add_node_enumerator(manager->bus, NULL, LOGMON_LOG_PREFIX, enumerate_logs, manager);
}

void task_log_emit_changed(TaskLog *log, const char *property)
{
        g_autofree char *path = task_log_path(log);

        if (log->manager->bus)
                (void) sd_bus_emit_properties_changed(
                                log->manager->bus, path, LOG_INTERFACE, property, NULL);
}

void task_log_emit_added(TaskLog *log)
{
        g_autofree char *path = task_log_path(log);

        if (log->manager->bus)
                (void) sd_bus_emit_object_added(log->manager->bus, path);
}

void task_log_emit_removed(TaskLog *log)
{
        g_autofree char *path = task_log_path(log);

        if (log->manager->bus)
                (void) sd_bus_emit_object_removed(log->manager->bus, path);
}
