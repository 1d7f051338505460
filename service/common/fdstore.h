/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-event.h>

G_BEGIN_DECLS

/* systemd keeps a copy of each descriptor given to it and hands them back to the next process of this
 * service. Without $NOTIFY_SOCKET, in tests, all of this succeeds and does nothing. */

/* Gives descriptors away under a name. They are kept however their other ends behave. */
int fdstore_push(const char *name, const int *fds, unsigned n);

/* All descriptors of that name are given up. */
int fdstore_remove(const char *name);

typedef struct FdstoreBarrier FdstoreBarrier;
typedef void (*FdstoreDone)(void *userdata);

/* Calls DONE from the loop once systemd has worked through all that was sent before. */
int fdstore_barrier(sd_event *event, FdstoreDone done, void *userdata);

typedef struct StoredFd {
        char *name;
        int fd; /* -1 once somebody has taken it */
} StoredFd;

/* What an earlier process had stored: an array of StoredFd that closes what nobody takes. */
int fdstore_take(GArray **ret);

G_END_DECLS
