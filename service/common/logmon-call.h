/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

#include "bus-queue.h"

G_BEGIN_DECLS

#define LOGMON_NAME    "org.nomad.Logmon"
#define LOGMON_PATH    "/org/nomad/Logmon"
#define LOGMON_MANAGER "org.nomad.Logmon.Manager"
#define LOGMON_LOG     "org.nomad.Logmon.Log"

/* Longer than nomad-logmon waits for a pipe that somebody outside the task holds open. */
#define LOGMON_TIMEOUT_USEC UINT64_C(30000000)

/* A call of nomad-logmon about one log. All of its methods may be called twice without harm, so that a call
 * is repeated by the rule of call-again.h: nomad-logmon may be killed at any moment, and D-Bus starts it
 * again for the next attempt. */
typedef struct LogmonCall LogmonCall;

/* Adds the arguments after the id, once for each attempt. */
typedef int (*LogmonCallAppend)(sd_bus_message *m, void *userdata);

/* Called once, from the loop, with FAILURE NULL after a success. It may free the call. */
typedef void (*LogmonCallDone)(const sd_bus_error *failure, void *userdata);

/* MEMBER is a literal. APPEND may be NULL. *RET is the caller's. */
int logmon_call_new(BusQueue *queue, const char *member, const char *id, LogmonCallAppend append,
                LogmonCallDone done, void *userdata, LogmonCall **ret);
/* DONE will not be called any more. */
LogmonCall *logmon_call_free(LogmonCall *call);

G_END_DECLS
