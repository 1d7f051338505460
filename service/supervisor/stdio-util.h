/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* /dev/null for standard input, output and error: the task holds the only ends that matter, ours would keep its log from
 * ending. */
int stdio_release(void);
