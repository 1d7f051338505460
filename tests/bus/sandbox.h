/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The world that the bus tests run in: a mount namespace of their own with the unified hierarchy at
 * /sys/fs/cgroup, whose root is a cgroup made for this run. Whatever the host has mounted there does not
 * matter. */

/* Sets it up and runs CALL in it, in a child; then kills and removes what is left in the cgroup. Returns
 * CALL's value, or 1 with a message. */
int run_in_sandbox(int (*call)());
