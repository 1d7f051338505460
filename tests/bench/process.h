/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "bench.h"

G_BEGIN_DECLS

/* Resident memory, with shared pages divided by those who share them, in KiB. */
double process_pss_kib(pid_t pid);
double process_cpu_seconds(pid_t pid);
/* How often it was put on a processor after it had waited for something. */
uint64_t process_wakeups(pid_t pid);
/* All that have this name. */
GArray *processes_named(const char *name);

/* 0 where there is no such unit. */
pid_t unit_main_pid(const Bench *bench, const char *unit);
/* All in its cgroup; none where there is no such unit. */
GArray *unit_processes(const Bench *bench, const char *unit);

/* How a program is started beside us; -1: what we have ourselves. */
typedef struct Child {
        const char *const *argv;
        int stdin_fd;
        int stdout_fd;
} Child;

pid_t child_spawn(const Child *child);
/* Ends the program unless it succeeded; returns the CPU seconds that it and its children took. */
double child_wait(pid_t pid, const char *name);
/* Starts and waits. */
void child_run(const char *const *argv);

G_END_DECLS
