/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "connection.h"

G_BEGIN_DECLS

#define LOGMON_NAME "org.nomad.Logmon"
#define LOGMON_PATH "/org/nomad/Logmon"
#define LOG_PATH    LOGMON_PATH "/log"

/* How long a call may take, as in Nomad. */
#define LOG_CALL_TIMEOUT_USEC (UINT64_C(60) * G_USEC_PER_SEC)

/* 1, or 0 for a log that is not there or is stopped. */
int log_client_is_running(nx_connection *connection, const char *path, nx_error **ret_error);
/* The keys of CONFIG that are about logs count. */
int log_client_start(nx_connection *connection, const char *id, const nx_spec *config, char *const fifos[2],
                char **ret_path, nx_error **ret_error);
/* Stops and forgets it; no error if there is none. */
int log_client_stop(nx_connection *connection, const char *id, nx_error **ret_error);

G_END_DECLS
