/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "bus-queue.h"
#include "config.h"
#include "engine.h"
#include "slot-file.h"

G_BEGIN_DECLS

#define CONTAINERS_MAX 2048U

#define DOCKERLOG_PATH       "/org/nomad/DockerLogger"
#define DOCKERLOG_LOG_PREFIX "/org/nomad/DockerLogger/log"

typedef struct ContainerLog ContainerLog;

/* The logs of all containers, and what they share. */
typedef struct Manager {
        sd_event *event;
        sd_bus *bus;
        int state_dir;  /* owned */
        BusQueue calls; /* ours, of logmon */
        Engine engine;
        SlotFile *slots;  /* of Slot */
        GHashTable *logs; /* label to ContainerLog */
} Manager;

/* Takes over STATE_DIR. */
int manager_new(sd_event *event, sd_bus *bus, int state_dir, Manager **ret);
Manager *manager_free(Manager *manager);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Manager, manager_free)

/* Goes on with the logs of the process before, and with the pipes that systemd kept for it. */
int manager_load(Manager *manager);

/* The log of an id, NULL if there is none; InvalidSpec for what cannot be an id. */
int manager_find_log(Manager *manager, const char *id, ContainerLog **ret, sd_bus_error *error);

/* The log of an id, made if there is none. */
int manager_obtain_log(Manager *manager, const char *id, ContainerLog **ret, sd_bus_error *error);

/* Forgets a log for good, whatever its state. */
void manager_remove_log(Manager *manager, ContainerLog *log);

/* manager-dbus.c */
int manager_register(Manager *manager);

G_END_DECLS
