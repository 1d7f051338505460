/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "bus-queue.h"
#include "caller.h"
#include "service.h"
#include "spawner.h"

G_BEGIN_DECLS

#define TASKS_MAX 8192U

/* Scopes that have us as their Controller. Each costs systemd a match on the bus; dbus-daemon allows a connection 512, and at
 * one more systemd closes its own and loses what it was about to say. */
#define CONTROLLED_SCOPES_MAX 128U

/* How long clients are kept waiting at start for tasks whose launch was cut off; D-Bus gives an activation 25 s. */
#define MANAGER_SETTLE_USEC (10 * G_TIME_SPAN_SECOND)

#define MANAGER_PATH "/org/nomad/Executor"
#define TASK_PREFIX  "/org/nomad/Executor/task"

#define API_VERSION 1U

typedef struct Task Task;

typedef struct Manager {
        Service service;
        CallerRegistry callers;
        BusQueue calls;    /* ours, of systemd and logmon */
        GHashTable *tasks; /* label to Task, owned */
        int tasks_fd;      /* RUNTIME_DIRECTORY/tasks, a directory for each task */
        Spawner spawner;
        uint64_t nofile;   /* soft limit on descriptors that this service was started with, and tasks get */
        char *runtime;     /* of containers that name none */
        gboolean no_pivot; /* containers get their root without pivot_root(2) */
        char boot_id[33];
        char **controllers;
        unsigned systemd_version;
        unsigned n_controlled_scopes;
} Manager;

/* Opens what the service needs. The bus is connected but the name not yet taken. Failures have been logged. */
int manager_init(Manager *manager, int argc, char **argv);
void manager_clear(Manager *manager);

/* NULL when there is none. */
Task *manager_find_task(Manager *manager, const char *label);
Task *manager_find_task_by_unit(Manager *manager, const char *unit);

/* The task whose process that is, its supervisor included. -EBADF: it is no pidfd; -ESRCH: the process is of no task, or has been
 * reaped. */
int manager_find_task_by_pidfd(Manager *manager, int pidfd, Task **ret);

/* Takes over what the state directory has: tasks that still run, tasks that have ended. */
int manager_adopt_tasks(Manager *manager);

/* Runs the loop until it is known of each of them whether it has started; what was cut off may still be on its way out. */
int manager_settle_tasks(Manager *manager);

/* The manager's objects on the bus (manager-dbus.c), and what it watches of systemd (manager-systemd.c). */
int manager_register(Manager *manager);
int manager_watch_systemd(Manager *manager);

G_END_DECLS
