/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"

G_BEGIN_DECLS

/* Our ends of what "run" gives a task for its standard streams, or -1. */
typedef struct RunStreams {
        int terminal; /* of --pty */
        int ours[3];  /* of --pipe: those that have to be copied, 0 to be written and 1 and 2 to be read */
} RunStreams;

#define RUN_STREAMS_NULL ((RunStreams){ .terminal = -1, .ours = { -1, -1, -1 } })

void run_streams_clear(RunStreams *streams);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RunStreams, run_streams_clear)

/* Gives the task our standard input, output and error. A container, which accepts pipes, sockets and
 * terminals only, gets a pipe in place of anything else. */
int run_streams_pass(nx_spec *spec, RunStreams *streams, nx_error **ret_error);
/* A terminal of the same modes as ours, that USER, if not NULL, owns. */
int run_streams_make_terminal(nx_spec *spec, const char *user, RunStreams *streams, nx_error **ret_error);

G_END_DECLS
