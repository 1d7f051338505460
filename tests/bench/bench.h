/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "cleanup.h"

G_BEGIN_DECLS

/* Everything that is written goes to a tmpfs of its own, so that no disk is measured. */
#define BENCH_DIRECTORY "/srv/bench"
/* The task of all measures, see bench-task.c. */
#define BENCH_TASK "/usr/lib/nomad-executor/tests/bench-task"

#define EXECUTOR_NAME    "org.nomad.Executor"
#define EXECUTOR_PATH    "/org/nomad/Executor"
#define EXECUTOR_MANAGER "org.nomad.Executor.Manager"
#define EXECUTOR_TASK    "org.nomad.Executor.Task"
#define EXECUTOR_UNIT    "nomad-executor.service"
#define LOGMON_UNIT      "nomad-logmon.service"

typedef struct Bench {
        sd_event *event;
        sd_bus *bus;
        bool quick; /* few repetitions: whether it works, not how fast */
} Bench;

/* One sample, as a line on standard output. X is what it depends on, where it is drawn over something, else
 * 0. */
void bench_emit(const char *measure, const char *subject, double x, double value);
/* As often as that, or hardly ever when only trying. */
unsigned bench_repeat(const Bench *bench, unsigned n);
/* Ends the program: a measure that goes wrong says nothing. ERROR is a negative errno. */
void bench_fail(int error, const char *what) G_GNUC_NORETURN;
/* That when R is an error; returns R. */
int bench_check(int r, const char *what);
uint64_t bench_now_nsec(void);
/* Until nothing that was done before is still being worked on by systemd and by the service. */
void bench_settle(const Bench *bench);
/* Until the kernel has forgotten that a process was moved to another cgroup: the first move after a while
 * waits for an RCU grace period, about 10 ms, and those that follow soon do not. */
void bench_calm(void);

/* The measures; each leaves the machine as it was. */
void measure_start(Bench *bench);
void measure_rate(Bench *bench);
void measure_isolated(Bench *bench);
void measure_scale(Bench *bench);
void measure_memory(Bench *bench);
void measure_logs(Bench *bench);
void measure_loud(Bench *bench);
void measure_journal(Bench *bench);
void measure_idle(Bench *bench);
void measure_stats(Bench *bench);
void measure_exec(Bench *bench);
void measure_adoption(Bench *bench);

G_END_DECLS
