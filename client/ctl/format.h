/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <nomad-executor.h>
#include <stdbool.h>
#include <stdint.h>

G_BEGIN_DECLS

/* Text for people; the caller frees it. UINT64_MAX, "not known", gives NULL. */
char *format_bytes(uint64_t bytes);    /* "12.3M" */
char *format_span(uint64_t usec);      /* "3h 20min" */
char *format_cpu_time(uint64_t nsec);  /* "1.234s" */
char *format_timestamp(uint64_t usec); /* "2026-11-23 23:46:31", local time */

/* How a task ended, in a word or two ("exit 3", "SIGKILL", "out of memory"), or NULL while it has not. */
char *format_end(const nx_values *properties);
/* One of COLOUR_…, or NULL. */
const char *colour_of_end(const nx_values *properties);
const char *colour_of_state(const char *state);
/* "SIGKILL" */
char *format_signal(int number);

/* The property, or "", UINT64_MAX, -1 where it is not there. */
const char *value_string(const nx_values *values, const char *name);
uint64_t value_uint64(const nx_values *values, const char *name);
int value_int(const nx_values *values, const char *name);
/* Whether the task has ended. */
bool has_ended(const nx_values *properties);

/* "5", "5s", "0.5", "500ms", "2min", "1h", "infinity". */
bool parse_seconds(const char *text, uint64_t *ret_usec);

G_END_DECLS
