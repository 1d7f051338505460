/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parent of one task: starts it in its cgroup, records how it ended, and leaves nothing of it behind.
 * Everything it needs to know is in the launch block; see protocol.h. Returns the exit status. */
int supervisor_run(void);
