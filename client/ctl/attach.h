/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "copy.h"
#include "ctl.h"

G_BEGIN_DECLS

/* A client that stays with a task until it ends: passes its output on, and the signals that the client gets
 * to the task. */
typedef struct Attach {
        Ctl *ctl;
        sd_event *event;
        nx_task *task;
        nx_wait *wait;
        nx_exit exit;
        bool has_ended;
        bool is_over;
        bool hangs_up;   /* the user has left a terminal */
        int status;      /* of ours, when the loop is over */
        Copy *copies[2]; /* output, ended by the task */
        Copy *input;
        int terminal_fd; /* of "run --pty", or -1 */
} Attach;

/* Signals that are passed on are blocked from here on, so that none is lost between the start of a task and
 * the loop. */
int attach_init(Attach *attach, Ctl *ctl);
void attach_clear(Attach *attach);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Attach, attach_clear)

/* Where to begin in the two streams of a log. */
typedef struct LogStart {
        uint64_t flags; /* NX_LOG_LINES, NX_LOG_OFFSET, or 0 for the beginning */
        uint64_t n[2];
} LogStart;

/* Follows the task's log. A task without log files is no error. */
int attach_logs(Attach *attach, nx_task *task, const LogStart *start);
/* Connects our terminal with the other end of the task's. Takes the descriptor. */
int attach_terminal(Attach *attach, int fd);
/* Copies between our standard streams and those of FDS that are not -1: 0 is written, 1 and 2 are read.
 * Takes the descriptors. */
int attach_streams(Attach *attach, int fds[3]);
/* Waits for the end of the task and of its output; the exit status for us. */
int attach_run(Attach *attach, nx_task *task);

/* The exit status that says how a task ended; tells the user where a number is not enough. */
int attach_exit_status(const Ctl *ctl, const char *id, const nx_exit *exit);

/* Three times ^] within a second; a filter for copies of standard input. */
typedef struct EscapeKey {
        unsigned count;
        gint64 first_usec;
} EscapeKey;
bool escape_key_filter(const uint8_t *bytes, size_t n, void *userdata);

G_END_DECLS
