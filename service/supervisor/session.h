/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What Exec and Run add to a task. Both return the exit status, or do not; see protocol.h for what they are
 * started with. */

/* Becomes the process, or reports why not. */
int session_run_process(void);

/* The parent of a process that is added to a container. The runtime that starts the process cannot tell an
 * exit code from a signal; its parent can, and ends in the same way. */
int session_run_in_container(void);
