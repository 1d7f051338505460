/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "pump.h"

G_BEGIN_DECLS

/* How much a stream may be behind with the journal, and how many streams at a time. */
#define BACKLOG_SIZE (1024 * 1024)
#define BACKLOGS_MAX 128U

/* Output that is in the files and not yet in the journal, in a pipe that systemd keeps too: what is in it
 * survives this process. It holds whole lines, except perhaps for the last. */
typedef struct Backlog {
        Pump *pump;
        char *fd_name;
        int fd; /* both ends */
        size_t capacity;
        size_t fill;   /* of the page that was written last */
        bool mid_line; /* what is in it ends within a line */
        bool skipping; /* the rest of a line whose beginning was dropped is dropped too */
        bool torn;     /* a line was cut off, and for the newline that ends it there was no room */
} Backlog;

/* -EMFILE: there are BACKLOGS_MAX; -ENOBUFS: the kernel gives us no pipe that is large enough. */
int backlog_open(Pump *pump, const char *fd_name, Backlog **ret);

/* Goes on with one that systemd had kept. Takes over FD. */
Backlog *backlog_adopt(Pump *pump, const char *fd_name, int fd);

/* Leaves what is in it for the next process. */
Backlog *backlog_free(Backlog *backlog);

/* Gives it up for good. */
Backlog *backlog_close(Backlog *backlog);

/* Adds what there is room for and returns how many lines were dropped, one that had to be cut off
 * included. */
uint64_t backlog_write(Backlog *backlog, const char *data, size_t size);

/* There may be room by now for the end of a line that was cut off: true if it has been added. */
bool backlog_mend(Backlog *backlog);

G_END_DECLS
