/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <syslog.h>

G_BEGIN_DECLS

/* Messages go to standard error with the "<N>" prefix of sd-daemon(3), which systemd turns into a
 * journal priority. Messages above the level (LOG_INFO at start) are dropped, and so is what
 * standard error does not take at once: the next message says how many. */
void log_set_level(int level);
int log_get_level(void);

/* The level's name as syslog spells it ("info"), and back: -EINVAL for an unknown name. */
const char *log_level_to_string(int level);
int log_level_from_string(const char *name);

void log_message(int level, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Logs with ": <meaning of ERROR>" appended and returns ERROR (negative errno) for "return log_errno(…)". */
int log_errno(int level, int error, const char *format, ...) G_GNUC_PRINTF(3, 4);

#define log_debug(...)   log_message(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)    log_message(LOG_INFO, __VA_ARGS__)
#define log_notice(...)  log_message(LOG_NOTICE, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_message(LOG_ERR, __VA_ARGS__)

G_END_DECLS
