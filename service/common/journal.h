/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stddef.h>

G_BEGIN_DECLS

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* How many entries go to the kernel with one system call. */
#define JOURNAL_BATCH_MAX 64U

/* The journal by its native protocol on a socket that never blocks: one datagram is one entry. */
typedef struct Journal Journal;

typedef struct JournalEntry {
        const GString *fields; /* what every entry of a stream has, as journal_append_field() made it */
        int priority;          /* a syslog level */
        const char *message;   /* without a newline in it */
        size_t size;
} JournalEntry;

Journal *journal_new(const char *socket_path);
Journal *journal_free(Journal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Journal, journal_free)

/* Sends up to JOURNAL_BATCH_MAX entries and returns how many were taken, at least one. -EAGAIN: journald is
 * slow or stopped; -EMSGSIZE: the first is too large; anything else: journald is not there. */
int journal_send(Journal *journal, const JournalEntry *entries, size_t n);

/* Appends one field in the form that the protocol has for its value. */
void journal_append_field(GString *fields, const char *name, const char *value);

G_END_DECLS
