/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "bus-error.h"
#include "cleanup.h"
#include "container-log.h"
#include "fdstore.h"
#include "manager.h"

#define UNUSED G_GNUC_UNUSED

/* A Start() whose reply waits for logmon and then for systemd's fd store. */
typedef struct StartCall {
        sd_bus_message *call;
        char *path;
        bool is_new;
} StartCall;

static void free_start(StartCall *start)
{
        sd_bus_message_unref(start->call);
        g_free(start->path);
        g_free(start);
}

static void on_stored(void *userdata)
{
        StartCall *start = userdata;

        (void) sd_bus_reply_method_return(start->call, "o", start->path);
        free_start(start);
}

/* What logmon refuses about the config is a mistake in the config. */
static void reply_error(sd_bus_message *call, const sd_bus_error *error)
{
        if (sd_bus_error_has_names(error, BUS_ERROR_INVALID_SPEC, BUS_ERROR_LIMIT_EXCEEDED,
                            BUS_ERROR_TASK_RUNNING, BUS_ERROR_LOG_FAILED))
                (void) sd_bus_reply_method_error(call, error);
        else
                (void) sd_bus_reply_method_errorf(call, BUS_ERROR_LOG_FAILED, "%s", error->message);
}

static void on_started(ContainerLog *log, const sd_bus_error *error, void *userdata)
{
        StartCall *start = userdata;
        int r;

        if (error) {
                reply_error(start->call, error);
                if (start->is_new)
                        manager_remove_log(log->manager, log);
                else
                        (void) container_log_save(log);
                free_start(start);
                return;
        }

        if (start->is_new)
                container_log_emit_added(log);
        r = fdstore_barrier(log->manager->event, on_stored, start);
        if (r < 0) {
                (void) sd_bus_reply_method_errno(start->call, r, NULL);
                free_start(start);
        }
}

static int start(Manager *manager, const char *id, ContainerConfig *config, sd_bus_message *m,
                sd_bus_error *error)
{
        StartCall *call;
        ContainerLog *log;
        int r;

        r = manager_find_log(manager, id, &log, error);
        if (r < 0)
                return r;

        call = g_new0(StartCall, 1);
        call->call = sd_bus_message_ref(m);
        call->is_new = !log;
        r = manager_obtain_log(manager, id, &log, error);
        if (r >= 0) {
                call->path = container_log_path(log);
                r = container_log_start(log, config, on_started, call, error);
                if (r < 0 && call->is_new)
                        manager_remove_log(manager, log);
        }
        if (r < 0)
                free_start(call);
        return r;
}

static int method_start(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        g_auto(ContainerConfig) config = {};
        const char *id;
        int r;

        container_config_init(&config);
        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        r = container_config_read(m, &config, error);
        if (r < 0)
                return r;
        r = start(userdata, id, &config, m, error);
        return r < 0 ? r : 1;
}

static int method_stop(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        ContainerLog *log;
        const char *id;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        r = manager_find_log(userdata, id, &log, error);
        if (r < 0)
                return r;
        if (!log)
                return sd_bus_reply_method_return(m, NULL);

        return container_log_method_stop(m, log, error);
}

static void on_released(ContainerLog *log, const sd_bus_error *error, void *userdata)
{
        sd_bus_message *call = userdata;

        if (error)
                reply_error(call, error);
        else {
                container_log_emit_removed(log);
                manager_remove_log(log->manager, log);
                (void) sd_bus_reply_method_return(call, NULL);
        }
        sd_bus_message_unref(call);
}

static int method_release(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        ContainerLog *log;
        const char *id;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        r = manager_find_log(userdata, id, &log, error);
        if (r < 0)
                return r;
        if (!log)
                return sd_bus_reply_method_return(m, NULL);
        if (log->state != CONTAINER_ENDED || log->member)
                return sd_bus_error_setf(error, BUS_ERROR_TASK_RUNNING, "Log '%s' has not ended", log->id);

        r = container_log_call_logmon(log, "Release", on_released, sd_bus_message_ref(m));
        if (r < 0) {
                sd_bus_message_unref(m);
                return r;
        }
        return 1;
}

static int get_version(UNUSED sd_bus *bus, UNUSED const char *path, UNUSED const char *interface,
                UNUSED const char *property, sd_bus_message *reply, UNUSED void *userdata,
                UNUSED sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", PROJECT_VERSION);
}

/* Who may call is decided by the bus policy. Without the flag sd-bus would ask the bus about each caller,
 * and wait. */
static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Start", SD_BUS_ARGS("s", id, "a{sv}", config), SD_BUS_RESULT("o", log),
                        method_start, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, method_stop,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, method_release,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int manager_register(Manager *manager)
{
        int r;

        r = sd_bus_add_object_vtable(manager->bus, NULL, DOCKERLOG_PATH, "org.nomad.DockerLogger.Manager",
                        manager_vtable, manager);
        if (r < 0)
                return r;
        r = sd_bus_add_object_manager(manager->bus, NULL, DOCKERLOG_PATH);
        if (r < 0)
                return r;

        return container_log_register(manager);
}
