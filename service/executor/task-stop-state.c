/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "task.h"

/* A symbolic link in the task's state directory, whose target is "SIGNAL KILL_AT SENT". Neither it nor its
 * name takes up any of the space that a file system of memory counts, so that it can be made when a file
 * cannot be written. */
#define STOP_LINK     "stop"
#define STOP_LINK_NEW "stop.new"

/* Three numbers. */
#define STOP_LINK_SIZE 64U

int task_state_save_stop(Task *task)
{
        const TaskProgress *progress = &task->progress;
        char text[STOP_LINK_SIZE];

        (void) snprintf(text, sizeof text, "%" PRIu32 " %" PRIu64 " %d", progress->stop_signal,
                        progress->kill_at_usec, progress->stop_sent);

        (void) unlinkat(task->state_fd, STOP_LINK_NEW, 0);
        if (symlinkat(text, task->state_fd, STOP_LINK_NEW) < 0)
                return -errno;
        task->stop_is_linked = true;
        return renameat(task->state_fd, STOP_LINK_NEW, task->state_fd, STOP_LINK) < 0 ? -errno : 0;
}

void task_state_drop_stop(Task *task)
{
        if (!task->stop_is_linked)
                return;

        (void) unlinkat(task->state_fd, STOP_LINK, 0);
        task->stop_is_linked = false;
}

int task_state_load_stop(Task *task)
{
        TaskProgress *progress = &task->progress;
        char text[STOP_LINK_SIZE];
        uint64_t kill_at;
        uint32_t signal;
        int sent, end = 0;
        ssize_t n;

        n = readlinkat(task->state_fd, STOP_LINK, text, sizeof text - 1);
        if (n < 0)
                return errno == ENOENT ? 0 : -errno;

        text[n] = '\0';
        if (sscanf(text, "%" SCNu32 " %" SCNu64 " %d%n", &signal, &kill_at, &sent, &end) !=
                                        3 || // NOLINT(cert-err34-c)
                        text[end] != '\0')
                return -EBADMSG;

        progress->stopping = true;
        progress->stop_sent = sent != 0;
        progress->stop_signal = signal;
        progress->kill_at_usec = kill_at;
        task->stop_is_linked = true;
        return 0;
}
