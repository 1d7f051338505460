/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-event.h>

#include "journal.h"

G_BEGIN_DECLS

/* Beyond so many the journal is not told. Of what is missing of a log its counters tell. */
#define NOTICES_MAX 1024U

#define NOTICES_RETRY_USEC (1U * G_TIME_SPAN_SECOND)

/* Entries of our own, about what may have ended meanwhile: sent when journald takes them. */
typedef struct Notices {
        sd_event *event;
        Journal *journal; /* not owned */
        GQueue queue;
        sd_event_source *timer; /* only while there are any */
} Notices;

void notices_init(Notices *notices, sd_event *event, Journal *journal);
void notices_clear(Notices *notices);

/* Takes over MESSAGE. Best effort. */
void notices_add(Notices *notices, const GString *fields, int priority, char *message);

G_END_DECLS
