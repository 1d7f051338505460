/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "bus-queue.h"
#include "caller.h"
#include "discard.h"
#include "held-calls.h"
#include "journal.h"
#include "lookup.h"
#include "name-owner.h"
#include "notices.h"
#include "service.h"
#include "spawner.h"

G_BEGIN_DECLS

#define TASKS_MAX 8192U

/* Scopes that have us as their Controller. Each costs systemd a match on the bus; dbus-daemon allows a
 * connection 512, and at one more systemd closes its own and loses what it was about to say. */
#define CONTROLLED_SCOPES_MAX 128U

/* How long clients are kept waiting at start for tasks whose launch was cut off; D-Bus gives an activation
 * 25 s. */
#define MANAGER_SETTLE_USEC (10 * G_TIME_SPAN_SECOND)

#define MANAGER_PATH "/org/nomad/Executor"
#define TASK_PREFIX  "/org/nomad/Executor/task"

#define API_VERSION 2U

/* How long systemd's signals about units are listened to after the last task that waited for one: tasks come
 * one after the other. */
#define UNIT_WATCH_LINGER_USEC G_TIME_SPAN_SECOND

typedef struct Task Task;

/* systemd's signals about all of its units, of which a match cannot name some. They wake us, so that we have
 * them only while a task's unit is about to come or to go. */
typedef struct UnitWatch {
        unsigned n_users;
        sd_bus_slot *job_removed, *unit_removed;
        sd_event_source *linger_source;
} UnitWatch;

/* States that could not be read yet, which are read again. */
typedef struct Adoption {
        GPtrArray *unread; /* of labels */
        uint64_t delay_usec;
        sd_event_source *source;
} Adoption;

typedef struct Manager {
        Service service;
        NameOwner systemd;
        HeldCalls held_calls; /* until tasks of before are settled */
        Adoption adoption;
        CallerRegistry callers;
        BusQueue systemd_calls; /* one for each, so that the one goes on when the other does not answer */
        BusQueue logmon_calls;
        Journal *journal;
        Notices notices;
        GHashTable *tasks; /* label to Task, owned */
        Discards discards;
        int tasks_fd; /* RUNTIME_DIRECTORY/tasks, a directory for each task */
        Spawner spawner;
        Lookups lookups;
        uint64_t nofile;   /* soft limit on descriptors that this service was started with, and tasks get */
        char *runtime;     /* of containers that name none */
        gboolean no_pivot; /* containers get their root without pivot_root(2) */
        char boot_id[33];
        char **controllers;
        unsigned systemd_version;
        UnitWatch unit_watch;
        unsigned n_controlled_scopes;
} Manager;

/* Opens what the service needs and takes its name. Calls are held until manager_settle_tasks(). Failures
 * have been logged. */
int manager_init(Manager *manager, int argc, char **argv);
void manager_clear(Manager *manager);

/* NULL when there is none. */
Task *manager_find_task(Manager *manager, const char *label);
Task *manager_find_task_by_unit(Manager *manager, const char *unit);

/* The task whose process that is, its supervisor included. -EBADF: it is no pidfd; -ESRCH: the process is of
 * no task, or has been reaped. */
int manager_find_task_by_pidfd(Manager *manager, int pidfd, Task **ret);

/* Takes over what the state directory has: tasks that still run, tasks that have ended. What cannot be read
 * is set aside, or read again later. */
int manager_adopt_tasks(Manager *manager);

/* Runs the loop until it is known of each of them whether it has started, and lets calls in; what was cut
 * off may still be on its way out. */
int manager_settle_tasks(Manager *manager);

/* The manager's objects on the bus (manager-dbus.c), and what it watches of systemd (manager-systemd.c). */
int manager_register(Manager *manager);
int manager_watch_systemd(Manager *manager);
void manager_unwatch_systemd(Manager *manager);

/* From here on JobRemoved and UnitRemoved are heard of, until as many calls of the second. What systemd said
 * before it got a call that is sent after this may be missed. */
int manager_watch_units(Manager *manager);
void manager_unwatch_units(Manager *manager);

G_END_DECLS
