/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

G_BEGIN_DECLS

/* Keeps pipes open when this process dies, without a message to systemd for each. A shelf is a pair of
 * sockets that is in systemd's fd store, both ends under one name, "shelf.NUMBER". A pipe lies on it as a
 * message that was sent and not received: its name, and the descriptor. At any moment each pipe is in a
 * message; after a crash it may be in two. */

#define SHELF_PREFIX "shelf."

/* Messages in a socket; fewer if its buffer is small. */
#define SHELF_PIPES_MAX 32U

/* One is made when all are full, if only half full of pipes that are not taken down: enough for two pipes of
 * LOGS_MAX logs. */
#define SHELVES_MAX 1024U

/* Empty ones that are kept, so that a single task that comes and goes is no message to systemd. */
#define SHELVES_SPARE 1U

/* Bytes in the name of a pipe. */
#define SHELF_NAME_MAX 255U

typedef struct Shelf {
        uint64_t number;
        int in, out; /* what is sent to IN is read from OUT. IN may be -1: systemd has lost it, nothing can be added */
        unsigned capacity; /* messages */
        bool stored;       /* systemd has said that it has it */
        GQueue entries;    /* of ShelfEntry, in the order of the socket */
        unsigned n_gone;
} Shelf;

typedef struct ShelfEntry {
        Shelf *shelf;
        char *name;
        bool gone; /* taken down, and still in the socket */
} ShelfEntry;

typedef struct Shelves {
        GPtrArray *shelves;
        GHashTable *pipes; /* name to ShelfEntry, but for those that are gone */
        uint64_t next;     /* number of the next shelf */
} Shelves;

Shelves *shelves_new(void);
Shelves *shelves_free(Shelves *shelves);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Shelves, shelves_free)

/* Gives back an end of a shelf that systemd has kept, in any order. Takes over FD on success. -ENXIO: it is
 * none. */
int shelves_adopt_fd(Shelves *shelves, const char *name, int fd);

/* Takes over FD, a copy of a pipe that lies on a shelf. Returns whether it is to stay there. */
typedef bool (*ShelfVisitor)(const char *name, int fd, void *userdata);

/* Shows each pipe on the shelves adopted, once. */
void shelves_visit(Shelves *shelves, ShelfVisitor visitor, void *userdata);

/* Puts a copy of FD on a shelf. Returns 1 if systemd may not have that shelf yet: the pipe is safe after
 * fdstore_barrier(). -EEXIST: there is one of the name. -ETOOMANYREFS: more descriptors are in sockets than
 * the user may have. */
int shelves_put(Shelves *shelves, const char *name, int fd);

/* systemd has all shelves numbered below NEXT, a former value of the field. */
void shelves_set_stored(Shelves *shelves, uint64_t next);

/* Takes a pipe down, AT_ONCE or when that is cheap: at the latest when as many pipes of its shelf are gone
 * as are not. On error it is still to be taken down with a later one. -ENOENT: there is none of the name. */
int shelves_take_down(Shelves *shelves, const char *name, bool at_once);

G_END_DECLS
