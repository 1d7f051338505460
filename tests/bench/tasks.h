/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bench.h"

G_BEGIN_DECLS

/* Tasks named PREFIX-0, PREFIX-1 and so on. */
typedef struct Tasks {
        const char *prefix;
        const char *command;
        const char *const *arguments;
        const char *log_target;     /* NULL: the default, files and journal */
        const char *log_directory;  /* NULL: the default */
        uint64_t log_max_file_size; /* 0: the default */
        const char *root_directory; /* NULL: not isolated */
        unsigned n_slices;          /* they are spread over so many; 0: the default one */
        size_t n_live;
} Tasks;

/* N more, WINDOW at a time; returns the seconds. LATENCIES as in CallSeries. */
double tasks_start(const Bench *bench, Tasks *tasks, size_t n, size_t window, GArray *latencies);
/* Waits for the end of all of them; they end by themselves. */
void tasks_wait(const Bench *bench, const Tasks *tasks);
/* Ends all of them and forgets them. */
void tasks_stop(const Bench *bench, Tasks *tasks);
char *task_path(const Tasks *tasks, size_t i);

G_END_DECLS
