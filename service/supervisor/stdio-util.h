/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* /dev/null for standard input, output and error: the task holds the only ends that matter, ours would keep
 * its log from ending. */
int stdio_release(void);

/* For a container, whose runtime gives the standard streams to its user and must not do so with the host's
 * /dev/null. Input that is nothing becomes a pipe that is at its end; outputs that are nothing, among those
 * that are DISCARDED, become one whose other end is RET_FD, to be emptied by stdio_discard(), or -1. */
int stdio_avoid_devices(const bool discarded[3], int *ret_fd);

/* Throws away what there is to read, without waiting. */
void stdio_discard(int fd);
