/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

#include "exec.h"
#include "program.h"
#include "task.h"

G_BEGIN_DECLS

/* What the runtime is told, in the words of the OCI runtime specification: config.json of a bundle, and the
 * "process" of it, which is what Exec adds to a container. PROGRAM's command is a path of the container.
 * Without STDIO it has no terminal. */
JsonObject *container_config(const Task *task, const Program *program);
JsonObject *container_process(const Task *task, const Program *program, const ExecStdio *stdio);

/* The system calls that a process with these capabilities may make (container-seccomp.json). */
JsonObject *container_seccomp(char **capabilities);

/* As text. json-glib has no unsigned numbers: a resource limit that is infinite is put in here. */
char *container_json(JsonObject *object);

/* The nodes of Devices. Errors name the one that is none. */
int container_check_devices(const Isolation *isolation, sd_bus_error *error);
JsonArray *container_devices(const Isolation *isolation);

/* Appends the scope's DevicePolicy and DeviceAllow as (sv): what is in every container, and Devices. The
 * runtime is kept out of it, so that the rules are systemd's whichever runtime it is. */
int container_append_device_policy(sd_bus_message *m, const Isolation *isolation);

G_END_DECLS
