/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

G_BEGIN_DECLS

/* What every service of this project does at start and at the end: command line, event loop, signals, bus
 * connection, LogControl1, readiness, watchdog. */
typedef struct Service {
        const char *bus_name;        /* "org.nomad.Executor" */
        const char *summary;         /* one line for --help */
        const GOptionEntry *entries; /* options of its own, for as long as service_init() takes; or NULL */
        bool user;                   /* --user: the session bus, for one user's own tasks */
        sd_event *event;
        sd_bus *bus;
} Service;

/* Parses the command line (--user, --log-level=, --version, --help), sets up the loop (SIGTERM and SIGINT
 * end it) and connects to the bus, without the name. Returns 0, 1 when there is nothing to run (--version),
 * or a negative errno that has been told to the user. Calls sd_notify(3) nowhere yet. */
int service_init(Service *service, int argc, char **argv);

/* Takes the bus name, before anything is read, changed or acted on: the bus lets nobody else send to a
 * connection that has the name, and a second instance of the service ends here. The failure has been
 * logged. */
int service_own_name(Service *service);

/* Tells systemd that the service is ready, and runs until a signal. Objects must be in place, since calls
 * that activated the service arrive at once. */
int service_run(Service *service);

void service_clear(Service *service);

/* The service's private runtime directory: $RUNTIME_DIRECTORY, which systemd sets and which tests set to a
 * folder of theirs, else /run/NAME (or $XDG_RUNTIME_DIR/NAME for --user), created 0700. */
int service_open_runtime_dir(const Service *service, const char *name, int *ret_fd);

/* Raises the soft limit on open descriptors to the hard limit; RET_ORIGINAL_SOFT gets what it was. */
int service_raise_nofile(uint64_t *ret_original_soft);

G_END_DECLS
