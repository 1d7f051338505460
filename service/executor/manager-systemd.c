/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus-error.h"
#include "cleanup.h"
#include "log.h"
#include "systemd.h"
#include "task-launch.h"

static int on_job_removed(sd_bus_message *m, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        const char *job, *unit, *result;
        Manager *manager = userdata;
        uint32_t id;
        Task *task;
        int r;

        if (!name_owner_sent(&manager->systemd, m))
                return 0;
        r = sd_bus_message_read(m, "uoss", &id, &job, &unit, &result);
        if (r < 0)
                return r;

        task = manager_find_task_by_unit(manager, unit);
        if (!task || !task->launch || task->launch->scope_settled || g_strcmp0(task->launch->job, job) != 0)
                return 0;

        if (strcmp(result, "done") == 0)
                task_launch_scope_settled(task, true);
        else {
                task_launch_fail(task, BUS_ERROR_SCOPE_FAILED, "systemd could not start %s: %s", unit,
                                result);
                task_launch_scope_settled(task, false);
        }
        return 0;
}

static int on_unit_removed(sd_bus_message *m, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        Manager *manager = userdata;
        const char *unit;
        Task *task;
        int r;

        if (!name_owner_sent(&manager->systemd, m))
                return 0;
        r = sd_bus_message_read(m, "so", &unit, NULL);
        if (r < 0)
                return r;

        task = manager_find_task_by_unit(manager, unit);
        if (task)
                task_ending_unit_gone(task);
        return 0;
}

/* "systemctl stop" of a scope that has us as its controller, and shutdown. */
static int on_request_stop(sd_bus_message *m, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        g_autofree char *unit = NULL;
        Manager *manager = userdata;
        int save_error, r;
        Task *task;

        if (!name_owner_sent(&manager->systemd, m))
                return 0;
        r = sd_bus_path_decode(sd_bus_message_get_path(m), SYSTEMD_UNIT_PATH, &unit);
        if (r <= 0)
                return r;

        task = manager_find_task_by_unit(manager, unit);
        if (!task)
                return 0;

        log_debug("systemd asks to stop task '%s'", task->id);
        r = task_stop(task, 0, UINT64_MAX, &save_error);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot stop task '%s' as systemd asks", task->id);
        else if (save_error < 0)
                (void) log_errno(LOG_WARNING, save_error,
                                "Cannot save that task '%s' is to stop, as systemd asks, ignoring",
                                task->id);
        return 0;
}

/* Before the loop runs, so that blocking does no harm. */
static int get_systemd_version(Manager *manager)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *version = NULL;
        int r;

        r = sd_bus_get_property_string(manager->service.bus, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                        "Version", &error, &version);
        if (r < 0)
                return r;

        manager->systemd_version = (unsigned) strtoul(version, NULL, 10);
        return 0;
}

/* What it said while it was away nobody heard. Each by its label, since a task may be gone after this. */
static void look_at_tasks_again(Manager *manager)
{
        g_autoptr(GPtrArray) labels = g_ptr_array_new_with_free_func(g_free);
        GHashTableIter iter;
        void *label;

        g_hash_table_iter_init(&iter, manager->tasks);
        while (g_hash_table_iter_next(&iter, &label, NULL))
                g_ptr_array_add(labels, g_strdup(label));

        for (guint i = 0; i < labels->len; i++) {
                Task *task = manager_find_task(manager, g_ptr_array_index(labels, i));

                if (task && task->ending)
                        task_ending_systemd_returned(task);
                else if (task && task->launch)
                        task_scope_systemd_returned(task);
        }
}

/* From here on it is heard again. It left once more where its answer is lost, and will come back. */
static int on_subscribed(sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        Manager *manager = userdata;

        if (bus_reply_is_lost(reply))
                return 0;

        look_at_tasks_again(manager);
        bus_queue_callee_returned(&manager->systemd_calls);
        return 0;
}

/* systemd has executed itself again, as "systemctl daemon-reexec" and its upgrade make it do: it leaves the
 * bus for that, with the calls that it has not answered. It may remember that we have subscribed. */
static void on_systemd_returned(void *userdata)
{
        Manager *manager = userdata;
        int r;

        log_debug("systemd is back on the bus");
        r = sd_bus_call_method_async(manager->service.bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                        "Subscribe", on_subscribed, manager, NULL);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot subscribe to systemd again");
}

int manager_watch_systemd(Manager *manager)
{
        int r;

        manager->systemd.changed = on_systemd_returned;
        manager->systemd.userdata = manager;

        r = get_systemd_version(manager);
        if (r < 0)
                return r;
        r = sd_bus_match_signal(manager->service.bus, NULL, SYSTEMD_NAME, NULL, SYSTEMD_SCOPE, "RequestStop",
                        on_request_stop, manager);
        if (r < 0)
                return r;

        return sd_bus_call_method(manager->service.bus, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                        "Subscribe", NULL, NULL, NULL);
}

static void remove_matches(UnitWatch *watch)
{
        watch->job_removed = sd_bus_slot_unref(watch->job_removed);
        watch->unit_removed = sd_bus_slot_unref(watch->unit_removed);
}

static int on_linger(G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        remove_matches(userdata);
        return 0;
}

/* Without this sd-bus closes the connection when a match fails. An answer that comes too late is one all the
 * same. */
static int on_match_added(sd_bus_message *m, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        const sd_bus_error *failure = sd_bus_message_get_error(m);
        Manager *manager = userdata;

        if (!failure || sd_bus_error_has_name(failure, SD_BUS_ERROR_NO_REPLY))
                return 0;

        log_error("Cannot listen to systemd: %s", failure->message);
        /* the next task tries again */
        remove_matches(&manager->unit_watch);
        return 0;
}

/* Not waited for: the bus has the match before it has any call that we send from here on. */
static int add_match(
                Manager *manager, const char *member, sd_bus_message_handler_t handler, sd_bus_slot **ret)
{
        return sd_bus_match_signal_async(manager->service.bus, ret, SYSTEMD_NAME, SYSTEMD_PATH,
                        SYSTEMD_MANAGER, member, handler, on_match_added, manager);
}

int manager_watch_units(Manager *manager)
{
        UnitWatch *watch = &manager->unit_watch;
        int r = 0;

        if (!watch->job_removed)
                r = add_match(manager, "JobRemoved", on_job_removed, &watch->job_removed);
        if (r >= 0 && !watch->unit_removed)
                r = add_match(manager, "UnitRemoved", on_unit_removed, &watch->unit_removed);
        if (r < 0)
                return r;

        watch->n_users++;
        watch->linger_source = sd_event_source_disable_unref(watch->linger_source);
        return 0;
}

void manager_unwatch_units(Manager *manager)
{
        UnitWatch *watch = &manager->unit_watch;

        /* without a timer the matches stay, which costs no more than to be woken */
        if (--watch->n_users == 0)
                (void) sd_event_add_time_relative(manager->service.event, &watch->linger_source,
                                CLOCK_MONOTONIC, UNIT_WATCH_LINGER_USEC, 0, on_linger, watch);
}

void manager_unwatch_systemd(Manager *manager)
{
        manager->unit_watch.linger_source = sd_event_source_disable_unref(manager->unit_watch.linger_source);
        remove_matches(&manager->unit_watch);
}
