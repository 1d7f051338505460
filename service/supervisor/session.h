/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parent of a process that Exec or Run adds to a container. The runtime that starts the process cannot tell an exit code from a
 * signal; its parent can, and ends in the same way. Returns the exit status, or does not. */
int session_run(void);
