/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container.h"
#include "log.h"
#include "process.h"
#include "state-file.h"
#include "systemd.h"
#include "task.h"

#define UNIT_PREFIX "nomad-task-"
#define UNIT_SUFFIX ".scope"

Task *manager_find_task(Manager *manager, const char *label)
{
        return g_hash_table_lookup(manager->tasks, label);
}

Task *manager_find_task_by_unit(Manager *manager, const char *unit)
{
        g_autofree char *label = NULL;

        if (!g_str_has_prefix(unit, UNIT_PREFIX) || !g_str_has_suffix(unit, UNIT_SUFFIX))
                return NULL;

        label = g_strndup(unit + strlen(UNIT_PREFIX),
                        strlen(unit) - strlen(UNIT_PREFIX) - strlen(UNIT_SUFFIX));
        return manager_find_task(manager, label);
}

static Task *find_task_by_cgroup(Manager *manager, const char *cgroup)
{
        g_auto(GStrv) names = g_strsplit(cgroup, "/", -1);

        for (char **name = names; *name; name++) {
                Task *task = manager_find_task_by_unit(manager, *name);

                /* anybody may call a cgroup that */
                if (task && task->cgroup && cgroup_contains(task->cgroup, cgroup))
                        return task;
        }

        return NULL;
}

int manager_find_task_by_pidfd(Manager *manager, int pidfd, Task **ret)
{
        g_autofree char *cgroup = NULL;
        Task *task;
        pid_t pid;
        int r;

        r = pidfd_get_pid(pidfd, &pid);
        if (r < 0)
                return r;
        r = process_cgroup(pid, &cgroup);
        if (r < 0)
                return r == -ENODATA ? -ESRCH : r;

        /* it has not been reaped up to now, so what was read by its pid was its own */
        r = pidfd_kill(pidfd, 0);
        if (r < 0 && r != -EPERM)
                return r;

        task = find_task_by_cgroup(manager, cgroup);
        if (!task)
                return -ESRCH;

        *ret = task;
        return 0;
}

static int open_state(Manager *manager)
{
        _cleanup_close_ int fd = -1;
        int r;

        r = service_open_runtime_dir(&manager->service, "nomad-executor", &fd);
        if (r < 0)
                return r;
        r = open_or_make_dir_at(fd, "tasks", 0700, &manager->tasks_fd);
        if (r == -ENOTDIR || r == -ELOOP) {
                r = state_set_aside(fd, "tasks", "is no directory");
                if (r < 0)
                        return r;
                r = open_or_make_dir_at(fd, "tasks", 0700, &manager->tasks_fd);
        }
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot create the state directory");

        return 0;
}

static int inspect_system(Manager *manager)
{
        int r;

        r = cgroup_check_unified();
        if (r < 0)
                return log_errno(LOG_ERR, r, "%s is not the unified cgroup hierarchy, which is required",
                                CGROUP_ROOT);
        r = cgroup_controllers(&manager->controllers);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot read the cgroup controllers");
        r = boot_id(manager->boot_id);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot read the boot id");
        r = service_raise_nofile(&manager->nofile);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot raise the limit on open files");

        return 0;
}

/* The question who systemd is goes first, so that it is answered before anything of systemd's arrives. */
static int own_name(Manager *manager)
{
        int r;

        r = name_owner_init(&manager->systemd, manager->service.bus, SYSTEMD_NAME);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot ask the bus for systemd");
        r = held_calls_init(&manager->held_calls, manager->service.bus);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot hold calls");

        return service_own_name(&manager->service);
}

static void destroy_task(void *task)
{
        task_free(task);
}

int manager_init(Manager *manager, int argc, char **argv)
{
        const GOptionEntry entries[] = {
                { "runtime", 0, 0, G_OPTION_ARG_FILENAME, &manager->runtime,
                                "Run containers by this OCI runtime, /usr/bin/crun unless given", "PATH" },
                { "no-pivot", 0, 0, G_OPTION_ARG_NONE, &manager->no_pivot,
                                "Give containers their root without pivot_root(2), for a system whose own root is a RAM disk",
                                NULL },
                G_OPTION_ENTRY_NULL,
        };
        int r;

        *manager = (Manager){
                .service = { .bus_name = "org.nomad.Executor",
                                .summary = "Starts and supervises tasks as transient systemd scopes" },
                .tasks = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, destroy_task),
                .tasks_fd = -1,
                .adoption = { .unread = g_ptr_array_new_with_free_func(g_free) },
                .spawner = SPAWNER_NULL,
                .lookups = LOOKUPS_NULL,
        };

        manager->service.entries = entries;
        r = service_init(&manager->service, argc, argv);
        if (r != 0)
                return r;
        if (!manager->runtime)
                manager->runtime = g_strdup(CONTAINER_RUNTIME);
        bus_queue_init(&manager->systemd_calls, manager->service.bus);
        bus_queue_init(&manager->logmon_calls, manager->service.bus);
        discards_init(&manager->discards, manager);
        manager->journal = journal_new(JOURNAL_SOCKET);
        notices_init(&manager->notices, manager->service.event, manager->journal);
        r = own_name(manager);
        if (r < 0)
                return r;
        r = caller_registry_init(&manager->callers, manager->service.bus);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot watch the bus");
        r = inspect_system(manager);
        if (r < 0)
                return r;
        r = spawner_init(&manager->spawner, manager->service.event);
        if (r < 0)
                return r;
        r = lookups_init(&manager->lookups, manager->service.event, &manager->spawner);
        if (r < 0)
                return r;
        r = open_state(manager);
        if (r < 0)
                return r;

        r = manager_register(manager);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot register the D-Bus objects");
        r = manager_watch_systemd(manager);
        if (r < 0)
                return log_errno(LOG_ERR, r, "Cannot watch systemd");

        return 0;
}

void manager_clear(Manager *manager)
{
        g_clear_pointer(&manager->tasks, g_hash_table_unref);
        discards_clear(&manager->discards);
        notices_clear(&manager->notices);
        journal_free(manager->journal);
        g_ptr_array_unref(manager->adoption.unread);
        sd_event_source_disable_unref(manager->adoption.source);
        manager_unwatch_systemd(manager);
        bus_queue_clear(&manager->systemd_calls);
        bus_queue_clear(&manager->logmon_calls);
        held_calls_clear(&manager->held_calls);
        name_owner_clear(&manager->systemd);
        caller_registry_clear(&manager->callers);
        safe_closep(&manager->tasks_fd);
        lookups_clear(&manager->lookups);
        spawner_clear(&manager->spawner);
        g_clear_pointer(&manager->controllers, g_strfreev);
        g_free(manager->runtime);
        service_clear(&manager->service);
}
