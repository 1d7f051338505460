/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "protocol.h"

G_BEGIN_DECLS

/* The process that forks for us (protocol.h). One that died is followed by another with the next spawn. */
typedef struct Spawner {
        sd_event *event;
        int program_fd; /* of this build, whatever lies on disk by now */
        int socket;     /* -1: there is no spawner */
        int pidfd;
        sd_event_source *death_source;
} Spawner;

#define SPAWNER_NULL ((Spawner){ .program_fd = -1, .socket = -1, .pidfd = -1 })

/* How long it may take to fork. */
#define SPAWNER_TIMEOUT_MSEC 10000

typedef struct Spawn {
        SpawnKind kind;
        const char *name;                 /* of the task */
        int fds[SUPERVISOR_STATE_FD + 1]; /* by their numbers in the child, borrowed; -1: /dev/null */
        int cgroup_fd;                    /* borrowed, or -1: ours */
} Spawn;

/* Looks for the program beside our own. Failures have been logged. */
int spawner_init(Spawner *spawner, sd_event *event);
void spawner_clear(Spawner *spawner);

/* Starts a child of ours, to be waited for by its pidfd, which is the caller's. */
int spawner_spawn(Spawner *spawner, const Spawn *spawn, pid_t *ret_pid, int *ret_pidfd);

G_END_DECLS
