/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "bus-error.h"
#include "cleanup.h"
#include "fdstore.h"
#include "log.h"
#include "manager.h"
#include "task-log.h"

#define UNUSED G_GNUC_UNUSED

/* Discard(), which waits for a stop and then for the event loop: the stopped log is in use until it comes
 * back there. */
typedef struct DiscardCall {
        Manager *manager;
        sd_bus_message *call;
        sd_event_source *source;
} DiscardCall;

/* A call whose reply waits for systemd's fd store to have all shelves below NEXT_SHELF. */
typedef struct StartReply {
        Manager *manager;
        uint64_t next_shelf;
        sd_bus_message *call;
        char *path;
} StartReply;

static void answer_start(StartReply *reply)
{
        (void) sd_bus_reply_method_return(reply->call, "o", reply->path);
        sd_bus_message_unref(reply->call);
        g_free(reply->path);
        g_free(reply);
}

static void on_stored(void *userdata)
{
        StartReply *reply = userdata;

        shelves_set_stored(reply->manager->shelves, reply->next_shelf);
        answer_start(reply);
}

/* The log runs, whatever comes: should systemd not say when it has come to what was sent to it, the reply
 * does not wait. */
static int reply_when_stored(Manager *manager, sd_bus_message *m, char *path)
{
        StartReply *reply = g_new0(StartReply, 1);
        int r;

        reply->manager = manager;
        reply->next_shelf = manager->shelves->next;
        reply->call = sd_bus_message_ref(m);
        reply->path = path;
        r = fdstore_barrier(manager->event, on_stored, reply);
        if (r < 0) {
                (void) log_errno(LOG_WARNING, r, "Cannot wait for the descriptor store");
                answer_start(reply);
        }
        return 1;
}

static int method_start(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Manager *manager = userdata;
        g_auto(LogConfig) config = {};
        g_autofree char *path = NULL;
        const char *id;
        TaskLog *log;
        bool waits;
        int r;

        log_config_init(&config);
        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        r = log_config_read(m, &config, error);
        if (r < 0)
                return r;
        r = manager_start_log(manager, id, &config, &log, &waits, error);
        if (r < 0)
                return r;

        path = task_log_path(log);
        if (waits)
                return reply_when_stored(manager, m, g_steal_pointer(&path));
        return sd_bus_reply_method_return(m, "o", path);
}

static int method_stop(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *id;
        TaskLog *log;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        r = manager_find_log(userdata, id, &log, error);
        if (r < 0)
                return r;
        if (!log)
                return sd_bus_reply_method_return(m, NULL);

        return task_log_method_stop(m, log, error);
}

static int method_release(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Manager *manager = userdata;
        const char *id;
        TaskLog *log;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        r = manager_find_log(manager, id, &log, error);
        if (r < 0)
                return r;
        if (log) {
                r = manager_release_log(manager, log, error);
                if (r < 0)
                        return r;
        }

        return sd_bus_reply_method_return(m, NULL);
}

static int discard_by_id(Manager *manager, sd_bus_message *m, sd_bus_error *error)
{
        const char *id;
        TaskLog *log;
        int r;

        r = sd_bus_message_rewind(m, true);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        r = manager_find_log(manager, id, &log, error);
        if (r < 0 || !log)
                return r;

        return manager_discard_log(manager, log, error);
}

static void free_discard(DiscardCall *discard)
{
        sd_event_source_disable_unref(discard->source);
        sd_bus_message_unref(discard->call);
        g_free(discard);
}

static int on_discard(UNUSED sd_event_source *source, void *userdata)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        DiscardCall *discard = userdata;
        int r;

        r = discard_by_id(discard->manager, discard->call, &error);
        if (r < 0)
                (void) sd_bus_reply_method_errno(discard->call, r, &error);
        else
                (void) sd_bus_reply_method_return(discard->call, NULL);
        free_discard(discard);
        return 0;
}

static void on_stopped(void *userdata)
{
        DiscardCall *discard = userdata;
        int r;

        r = sd_event_add_defer(discard->manager->event, &discard->source, on_discard, discard);
        if (r < 0) {
                (void) sd_bus_reply_method_errno(discard->call, r, NULL);
                free_discard(discard);
        }
}

static int method_discard(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Manager *manager = userdata;
        DiscardCall *discard;
        const char *id;
        TaskLog *log;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        r = manager_find_log(manager, id, &log, error);
        if (r < 0)
                return r;
        if (!log)
                return sd_bus_reply_method_return(m, NULL);

        discard = g_new0(DiscardCall, 1);
        discard->manager = manager;
        discard->call = sd_bus_message_ref(m);
        r = task_log_stop(log, on_stopped, discard);
        if (r >= 0)
                return 1;

        free_discard(discard);
        return task_log_stop_error(r, error);
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
        SD_BUS_METHOD_WITH_ARGS("Discard", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, method_discard,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int manager_register(Manager *manager)
{
        int r;

        r = sd_bus_add_object_vtable(manager->bus, NULL, LOGMON_PATH, "org.nomad.Logmon.Manager",
                        manager_vtable, manager);
        if (r < 0)
                return r;
        r = sd_bus_add_object_manager(manager->bus, NULL, LOGMON_PATH);
        if (r < 0)
                return r;

        return task_log_register(manager);
}
