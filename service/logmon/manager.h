/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "journal.h"
#include "log-config.h"
#include "notices.h"
#include "pump.h"
#include "shelf.h"
#include "slot-file.h"

G_BEGIN_DECLS

#define LOGS_MAX 8192U

#define LOGMON_PATH       "/org/nomad/Logmon"
#define LOGMON_LOG_PREFIX "/org/nomad/Logmon/log"

typedef struct TaskLog TaskLog;

/* All logs, and what they share. */
typedef struct Manager {
        sd_event *event;
        sd_bus *bus;    /* NULL in tests without one */
        int state_dir;  /* owned */
        char *log_root; /* default directories are below it */
        gid_t log_readers;
        Journal *journal;
        Notices notices;
        SlotFile *counters;  /* of Counters */
        SlotFile *positions; /* of ReaderPosition */
        Pump pump;
        Shelves *shelves; /* of the pipes of all streams */
        GHashTable *logs; /* label to TaskLog */
        GPtrArray *readers;
} Manager;

/* Takes over STATE_DIR. */
int manager_new(sd_event *event, sd_bus *bus, int state_dir, const char *log_root,
                const char *journal_socket, Manager **ret);
Manager *manager_free(Manager *manager);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Manager, manager_free)

/* Gives the directory of all default directories, which systemd has made, to those who may read them. */
void manager_protect_logs(const Manager *manager);

/* Brings back the logs of the process before, and the pipes that systemd kept for it. */
int manager_load(Manager *manager);

/* What Start() does, short of its reply. Takes the descriptors out of CONFIG. RET_WAITS: whether the caller
 * may only be told after fdstore_barrier(). */
int manager_start_log(Manager *manager, const char *id, LogConfig *config, TaskLog **ret, bool *ret_waits,
                sd_bus_error *error);

/* The log of an id, NULL if there is none; InvalidSpec for what cannot be an id. */
int manager_find_log(Manager *manager, const char *id, TaskLog **ret, sd_bus_error *error);

/* Forgets a stopped log. */
int manager_release_log(Manager *manager, TaskLog *log, sd_bus_error *error);

/* Forgets a stopped log of a task that never ran, and removes its empty files. */
int manager_discard_log(Manager *manager, TaskLog *log, sd_bus_error *error);

/* manager-dbus.c */
int manager_register(Manager *manager);

G_END_DECLS
