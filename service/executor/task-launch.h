/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "task.h"

G_BEGIN_DECLS

/* What there is between StartTask and its reply. */
struct TaskLaunch {
        sd_bus_message *message; /* to be answered; NULL for a task that was adopted */
        int gate_fd;
        int status_fd;
        int stdout_fd, stderr_fd; /* ours until logmon has stored its copies */
        Lookup *lookup;           /* until it is known as whom the task runs */
        SpawnCall *spawn_call;    /* until there is a supervisor */
        GString *status;
        sd_event_source *status_source;
        uint64_t deadline_usec;           /* CLOCK_MONOTONIC */
        sd_event_source *deadline_source; /* for that, or before it for the kill of a Stop */
        ReadAgain read_again;             /* while the start record cannot be read */
        LogmonCall *log_call;
        BusCall *scope_call;
        BusCall *invocation_call;
        bool log_requested, log_ready;
        char *job;                       /* systemd's, that starts the scope */
        bool scope_requested;            /* and not refused */
        bool scope_is_lost;              /* whether systemd has got the call is not known */
        unsigned systemd_owners;         /* of systemd's name, when it was called */
        sd_event_source *systemd_source; /* gives up on a systemd that does not come back */
        bool scope_was_reset;            /* from the failed state that an earlier unit of the name was in */
        bool scope_settled;              /* the job is done, or there is none */
        bool scope_ready;
        int supervisor_pidfd; /* once it has ended */
        Manager *watching;    /* systemd's units, or NULL */
        bool invocation_known;
        bool started; /* the start record says so */
        sd_bus_error failure;
};

bool task_launch_has_failed(const Task *task);

G_END_DECLS
