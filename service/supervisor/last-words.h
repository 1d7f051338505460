/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "task-cgroup.h"

/* How long what is left of a task when its main process has ended may go on, if it has the task's standard
 * output or error: to say what it knows, as the "tee" of "exec > >(tee FILE)" does. Nobody else waits for
 * it. */
#define LAST_WORDS_USEC UINT64_C(500000)

/* The pipes of a task's output, without having them open: its writers are counted. -1: it is no pipe. */
typedef struct LastWords {
        int pipes[2];
} LastWords;

#define LAST_WORDS_NONE ((LastWords){ { -1, -1 } })

/* While standard output and error are the task's. */
void last_words_remember(LastWords *words);

/* Waits until nobody has the pipes any more, nothing is left, or USEC are over. */
void last_words_await(const LastWords *words, const TaskCgroup *cgroup, uint64_t usec);
