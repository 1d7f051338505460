/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

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

        r = sd_bus_message_read(m, "uoss", &id, &job, &unit, &result);
        if (r < 0)
                return r;

        task = manager_find_task_by_unit(manager, unit);
        if (!task || !task->launch || g_strcmp0(task->launch->job, job) != 0)
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
        Task *task;
        int r;

        r = sd_bus_path_decode(sd_bus_message_get_path(m), SYSTEMD_UNIT_PATH, &unit);
        if (r <= 0)
                return r;

        task = manager_find_task_by_unit(manager, unit);
        if (!task)
                return 0;

        log_debug("systemd asks to stop task '%s'", task->id);
        r = task_stop(task, 0, UINT64_MAX);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "Cannot stop task '%s' as systemd asks", task->id);
        return 0;
}

static int add_match(Manager *manager, const char *path, const char *interface, const char *member,
                sd_bus_message_handler_t handler)
{
        return sd_bus_match_signal(
                        manager->service.bus, NULL, SYSTEMD_NAME, path, interface, member, handler, manager);
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

int manager_watch_systemd(Manager *manager)
{
        int r;

        r = get_systemd_version(manager);
        if (r < 0)
                return r;
        r = add_match(manager, SYSTEMD_PATH, SYSTEMD_MANAGER, "JobRemoved", on_job_removed);
        if (r < 0)
                return r;
        r = add_match(manager, SYSTEMD_PATH, SYSTEMD_MANAGER, "UnitRemoved", on_unit_removed);
        if (r < 0)
                return r;
        r = add_match(manager, NULL, SYSTEMD_SCOPE, "RequestStop", on_request_stop);
        if (r < 0)
                return r;

        return sd_bus_call_method(manager->service.bus, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                        "Subscribe", NULL, NULL, NULL);
}
