/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stddef.h>

#include "bus-error.h"
#include "cleanup.h"
#include "container-log.h"
#include "encode.h"

#define UNUSED G_GNUC_UNUSED

#define LOG_INTERFACE "org.nomad.DockerLogger.Log"

char *container_log_path(const ContainerLog *log)
{
        return g_strconcat(DOCKERLOG_LOG_PREFIX "/", log->label, NULL);
}

static void on_stopped(void *userdata)
{
        sd_bus_message *call = userdata;

        (void) sd_bus_reply_method_return(call, NULL);
        sd_bus_message_unref(call);
}

int container_log_method_stop(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        int r;

        r = container_log_stop(userdata, on_stopped, sd_bus_message_ref(m));
        if (r >= 0)
                return 1;

        sd_bus_message_unref(m);
        if (r == -EDQUOT)
                return sd_bus_error_setf(error, BUS_ERROR_LIMIT_EXCEEDED,
                                "%u calls wait for the end of this log already", CONTAINER_STOP_WAITERS_MAX);
        return r;
}

#define DEFINE_PROPERTY(name, type, value)                                                               \
        static int get_##name(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface, \
                        UNUSED const char *property, sd_bus_message *reply, void *userdata,              \
                        UNUSED sd_bus_error *error)                                                      \
        {                                                                                                \
                const ContainerLog *log = userdata;                                                      \
                                                                                                         \
                return sd_bus_message_append(reply, type, value);                                        \
        }

DEFINE_PROPERTY(container_id, "s", log->container_id ? log->container_id : log->config.container)
DEFINE_PROPERTY(endpoint, "s", container_config_endpoint(&log->config))
DEFINE_PROPERTY(state, "s", container_state_to_string(log->state))
DEFINE_PROPERTY(result, "s", container_result_to_string(log->result))
DEFINE_PROPERTY(reconnects, "t", log->slot->connections > 0 ? log->slot->connections - 1 : 0)
DEFINE_PROPERTY(stdout_bytes, "t", log->slot->moved[STREAM_STDOUT])
DEFINE_PROPERTY(stderr_bytes, "t", log->slot->moved[STREAM_STDERR])

static uint64_t last_timestamp(const ContainerLog *log)
{
        const Position *positions = slot_current(log->slot)->positions;

        return (uint64_t) MAX(positions[STREAM_STDOUT].max_nsec, positions[STREAM_STDERR].max_nsec) / 1000U;
}

DEFINE_PROPERTY(last_timestamp, "t", last_timestamp(log))

static const sd_bus_vtable log_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "s", NULL, offsetof(ContainerLog, id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ContainerID", "s", get_container_id, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Endpoint", "s", get_endpoint, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("State", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Result", "s", get_result, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("LastError", "s", NULL, offsetof(ContainerLog, last_error),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Reconnects", "t", get_reconnects, 0, 0),
        SD_BUS_PROPERTY("StdoutBytes", "t", get_stdout_bytes, 0, 0),
        SD_BUS_PROPERTY("StderrBytes", "t", get_stderr_bytes, 0, 0),
        SD_BUS_PROPERTY("LastTimestamp", "t", get_last_timestamp, 0, 0),
        SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, container_log_method_stop,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int find_log(UNUSED sd_bus *bus, const char *path, UNUSED const char *interface, void *userdata,
                void **ret_found, UNUSED sd_bus_error *error)
{
        Manager *manager = userdata;
        const char *label;
        ContainerLog *log;

        if (label_from_path(path, DOCKERLOG_LOG_PREFIX, &label) < 0)
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
                g_autofree char *path = container_log_path(log);

                g_strv_builder_add(builder, path);
        }

        *ret_nodes = g_strv_builder_end(builder);
        return 1;
}

int container_log_register(Manager *manager)
{
        int r;

        r = sd_bus_add_fallback_vtable(manager->bus, NULL, DOCKERLOG_LOG_PREFIX, LOG_INTERFACE, log_vtable,
                        find_log, manager);
        if (r < 0)
                return r;

        return sd_bus_add_node_enumerator(manager->bus, NULL, DOCKERLOG_LOG_PREFIX, enumerate_logs, manager);
}

void container_log_emit_changed(ContainerLog *log, const char *property)
{
        g_autofree char *path = container_log_path(log);

        (void) sd_bus_emit_properties_changed(log->manager->bus, path, LOG_INTERFACE, property, NULL);
}

void container_log_emit_added(ContainerLog *log)
{
        g_autofree char *path = container_log_path(log);

        (void) sd_bus_emit_object_added(log->manager->bus, path);
}

void container_log_emit_removed(ContainerLog *log)
{
        g_autofree char *path = container_log_path(log);

        (void) sd_bus_emit_object_removed(log->manager->bus, path);
}
