/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "protocol.h"

G_BEGIN_DECLS

/* How long the spawner may take to fork one child. */
#define SPAWNER_TIMEOUT_USEC (10 * G_TIME_SPAN_SECOND)

/* Requests that the spawner has been sent and has not answered. Others wait with us: descriptors that lie in
 * a socket count against the user that sent them. */
#define SPAWNER_IN_FLIGHT_MAX 16U

/* The process that forks for us (protocol.h). One that has died or does not answer is replaced. */
typedef struct Spawner {
        sd_event *event;
        int program_fd; /* of this build, whatever lies on disk by now */
        int socket;     /* -1: there is no spawner */
        int pidfd;
        sd_event_source *death_source;
        sd_event_source *reply_source;
        sd_event_source *silence_source; /* on while an answer is waited for */
        GQueue calls;                    /* of SpawnCall, oldest first */
        unsigned n_in_flight;            /* of them, from the oldest on */
        uint64_t last_sequence;
} Spawner;

#define SPAWNER_NULL ((Spawner){ .program_fd = -1, .socket = -1, .pidfd = -1, .calls = G_QUEUE_INIT })

typedef struct Spawn {
        SpawnKind kind;
        const char *name;                 /* of the task */
        int fds[SUPERVISOR_STATE_FD + 1]; /* by their numbers in the child, borrowed; -1: /dev/null */
        int cgroup_fd;                    /* borrowed, or -1: ours */
} Spawn;

/* A child that has been asked for. */
typedef struct SpawnCall SpawnCall;

/* Called once, from the loop. ERROR is 0 when there is a child of ours, to be waited for by PIDFD, which is
 * the handler's. Otherwise there is none: ERROR is fork's, -ETIMEDOUT when the spawner did not answer, or
 * -EPIPE when it died. In these two cases a child may exist for a moment that finds everything closed, and
 * ends. */
typedef void (*SpawnHandler)(int error, pid_t pid, int pidfd, void *userdata);

/* Looks for the program beside our own. Failures have been logged. */
int spawner_init(Spawner *spawner, sd_event *event);
void spawner_clear(Spawner *spawner);

/* The program of that name beside our own executable, in the build folder as where it is installed. Held
 * open, it stays ours when the file is replaced. Failures have been logged. */
int spawner_open_program(const char *name, int *ret);

/* Asks for a child. *RET is the caller's until HANDLER is called, before which it becomes NULL. With RET
 * NULL the call cannot be taken back. */
int spawner_spawn(
                Spawner *spawner, const Spawn *spawn, SpawnHandler handler, void *userdata, SpawnCall **ret);

/* What such an ERROR means, in words. */
const char *spawn_error_text(int error);

/* HANDLER will not be called; a child that comes nevertheless is killed. */
SpawnCall *spawn_call_free(SpawnCall *call);

G_END_DECLS
