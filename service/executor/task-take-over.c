/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "log.h"
#include "proc-file.h"
#include "protocol.h"
#include "task.h"

/* 0 where there is none. */
static uint64_t read_counter(int cgroup_fd, const char *file, const char *key)
{
        char text[4096], *found;

        if (read_text_at(cgroup_fd, file, text, sizeof text) < 0)
                return 0;

        found = strstr(text, key);
        return found ? g_ascii_strtoull(found + strlen(key), NULL, 10) : 0;
}

static char *make_record(const Task *task, int status, int scope_fd)
{
        GString *text = g_string_new(NULL);

        g_string_append_printf(text, RECORD_VERSION "=%d\n", PROTOCOL_VERSION);
        g_string_append_printf(text, RECORD_TIMESTAMP "=%" G_GINT64_FORMAT "\n", g_get_real_time());
        g_string_append_printf(text, RECORD_MONOTONIC "=%" G_GINT64_FORMAT "\n", g_get_monotonic_time());
        if (WIFEXITED(status))
                g_string_append_printf(text, EXIT_CODE "=%d\n", WEXITSTATUS(status));
        else
                g_string_append_printf(text, EXIT_SIGNAL "=%d\n", WTERMSIG(status));
        if (task->runtime_over)
                g_string_append(text, EXIT_TIMED_OUT "=1\n");
        g_string_append_printf(text, EXIT_OOM_KILLS "=%" PRIu64 "\n",
                        read_counter(scope_fd, "memory.events", "oom_kill "));
        g_string_append_printf(text, EXIT_CPU_USEC "=%" PRIu64 "\n",
                        read_counter(scope_fd, "cpu.stat", "usage_usec "));
        return g_string_free(text, FALSE);
}

/* Into the file that the supervisor has made for it, whose space is reserved. */
static int write_record(const Task *task, const char *text)
{
        static const char temporary[] = EXIT_RECORD ".new";
        _cleanup_close_ int fd = -1;
        size_t size = strlen(text);
        ssize_t n;

        fd = openat(task->state_fd, temporary, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;

        n = pwrite(fd, text, size, 0);
        if (n < 0 || (size_t) n != size)
                return n < 0 ? -errno : -EIO;
        if (ftruncate(fd, (off_t) size) < 0)
                return -errno;

        return renameat(task->state_fd, temporary, task->state_fd, EXIT_RECORD) < 0 ? -errno : 0;
}

/* A record that the supervisor has written itself is the better one. */
static int record_end(const Task *task, int scope_fd)
{
        g_autofree char *text = NULL;
        int status, r;

        if (faccessat(task->state_fd, EXIT_RECORD, F_OK, 0) >= 0)
                return 0;
        /* of one that it has reaped it alone knows */
        r = pidfd_wait_status(task->main_pidfd, task->main.pid, &status);
        if (r < 0)
                return r == -ESRCH ? -EAGAIN : r;

        text = make_record(task, status, scope_fd);
        return write_record(task, text);
}

int task_take_over(Task *task)
{
        _cleanup_close_ int fd = -1;
        int r;

        r = cgroup_open(task->cgroup, &fd);
        if (r < 0)
                return r;
        r = record_end(task, fd);
        if (r < 0)
                return r;

        log_warning("The supervisor of task '%s' does not run: the end of the task is recorded without it",
                        task->id);
        if (task->supervisor_pidfd >= 0)
                (void) pidfd_kill(task->supervisor_pidfd, SIGKILL);
        return cgroup_kill(fd);
}
