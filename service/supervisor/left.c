/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "left.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc-file.h"
#include "protocol.h"
#include "record.h"

/* Processes that are named, of each kind. */
#define NAMED_MAX 16U

/* Orphans of the task that are reaped before the others are counted. */
#define REAP_MAX 4096U

typedef struct Pids {
        char text[NAMED_MAX * 16];
        size_t size;
        unsigned n;
} Pids;

static void pids_add(Pids *pids, long pid)
{
        if (pids->n == NAMED_MAX)
                return;

        pids->size += (size_t) snprintf(pids->text + pids->size, sizeof pids->text - pids->size, "%s%ld",
                        pids->n > 0 ? " " : "", pid);
        pids->n++;
}

/* A text of pids with anything between them, as the kernel writes its lists. */
static void pids_add_text(Pids *pids, const char *text, const TaskCgroup *elsewhere_than)
{
        char *end = NULL;

        for (const char *next = text; *next; next = end) {
                long pid = strtol(next, &end, 10);

                if (end == next) {
                        end++;
                        continue;
                }
                if (!elsewhere_than || !task_cgroup_contains(elsewhere_than, (pid_t) pid))
                        pids_add(pids, pid);
        }
}

static void find_stragglers(const TaskCgroup *cgroup, Pids *ret)
{
        char text[1024];

        if (read_text_at(cgroup->task_fd, "cgroup.procs", text, sizeof text) >= 0)
                pids_add_text(ret, text, NULL);
        /* below it, perhaps */
        if (ret->n == 0 && task_cgroup_populated(cgroup))
                ret->size = (size_t) snprintf(ret->text, sizeof ret->text, "unknown");
}

static void find_outside(const TaskCgroup *cgroup, Pids *ret)
{
        char file[64], text[1024];

        for (unsigned i = 0; i < REAP_MAX && waitpid(-1, NULL, WNOHANG) > 0; i++)
                continue;

        (void) snprintf(file, sizeof file, "/proc/self/task/%d/children", (int) getpid());
        if (read_text_at(AT_FDCWD, file, text, sizeof text) >= 0)
                pids_add_text(ret, text, cgroup);
}

void left_record(const TaskCgroup *cgroup)
{
        Pids stragglers = { .n = 0 }, outside = { .n = 0 };
        Record record;
        int fd;

        find_stragglers(cgroup, &stragglers);
        find_outside(cgroup, &outside);
        if (stragglers.size == 0 && outside.size == 0)
                return;
        if (record_reserve(SUPERVISOR_STATE_FD, LEFT_RECORD, &fd) < 0)
                return;

        record_init(&record);
        if (stragglers.size > 0)
                record_add(&record, LEFT_STRAGGLERS, stragglers.text);
        if (outside.size > 0)
                record_add(&record, LEFT_OUTSIDE, outside.text);
        (void) record_commit(&record, fd, SUPERVISOR_STATE_FD, LEFT_RECORD);
}
