/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "identity.h"

G_BEGIN_DECLS

/* The rotated files of one stream: DIRECTORY/NAME.0, NAME.1 … of which the highest is written. Bytes come
 * into them only by splice(2) out of a pipe, so that at any moment each byte is either in the pipe or in a
 * file. */
typedef struct Rotator {
        char *directory;
        char *name;               /* "web.stdout" */
        const Identity *identity; /* as whom; not owned */
        bool make_directory;      /* it is ours, to be made where it is missing */
        gid_t readers;            /* of such a one, or (gid_t) -1 */
        uint32_t max_files;
        uint64_t max_size;

        int fd;      /* -1: none is open */
        bool opened; /* one was: INDEX and OLDER are known */
        uint64_t index;
        uint64_t size;
        int line_start;   /* whether the file ends with a whole line; -1: not known */
        GArray *older;    /* uint64_t indexes of the other files, ascending */
        int remove_error; /* why one of those that are too many is still there; 0: none is */
} Rotator;

Rotator *rotator_new(const char *directory, const char *name);
Rotator *rotator_free(Rotator *rotator);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rotator, rotator_free)

/* Opens the file with the highest index, or the first one, for going on at its end. After the current file
 * was removed the next one. */
int rotator_open(Rotator *rotator);
void rotator_close(Rotator *rotator);

/* Notices that the file has been removed (-ESTALE, it is closed) or truncated under us. */
int rotator_check(Rotator *rotator);

/* Whether rotator_plan() needs to see the data: near the end of a file lines are looked at. */
bool rotator_needs_lines(const Rotator *rotator);

/* How many of the AVAILABLE bytes go into the current file; 0: rotate first. */
size_t rotator_plan(Rotator *rotator, const char *data, size_t available);

/* Moves up to N bytes; returns how many, 0 at the end of the pipe, -EAGAIN when it is empty. */
ssize_t rotator_splice(Rotator *rotator, int pipe_fd, size_t n);

/* Adds a line of our own, in its own line. All of it or nothing. Goes on in the next file where it does not
 * fit. */
int rotator_append_line(Rotator *rotator, const char *text);

/* The last bytes of the current file, at most SIZE; returns how many. */
size_t rotator_read_tail(const Rotator *rotator, char *buffer, size_t size);

/* Goes on in the next file, and removes those that are too many. On error the current file stays. */
int rotator_rotate(Rotator *rotator);

/* Frees space by removing the oldest file that is not being written; false if there is none. */
bool rotator_remove_oldest(Rotator *rotator);

/* Removes those files that are empty, and a directory of ours that is empty then. Nothing may be open. */
void rotator_remove_empty(Rotator *rotator);

/* Removes what is above MAX_FILES, after it was made smaller. */
void rotator_purge(Rotator *rotator);

G_END_DECLS
