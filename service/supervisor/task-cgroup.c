/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "task-cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cgroup-kill.h"
#include "proc-file.h"
#include "protocol.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* What was killed and is still there is killed again after that. */
#define KILL_AGAIN_MSEC 100

static int write_text_at(int dir_fd, const char *file, const char *text)
{
        int fd, r;

        fd = openat(dir_fd, file, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
        (void) close(fd);
        return r;
}

static int find_own_path(TaskCgroup *cgroup)
{
        char text[sizeof cgroup->path];
        const char *path;
        size_t length;
        int r;

        r = read_text_at(AT_FDCWD, "/proc/self/cgroup", text, sizeof text);
        if (r < 0)
                return r;
        path = proc_cgroup_path(text, &length);
        if (!path)
                return -ENODATA;

        (void) memcpy(cgroup->path, path, length);
        cgroup->path[length] = '\0';
        return 0;
}

static int make_below(int scope_fd, const char *name, int *ret_fd)
{
        int fd;

        if (mkdirat(scope_fd, name, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(scope_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        *ret_fd = fd;
        return 0;
}

int task_cgroup_enter(TaskCgroup *cgroup)
{
        char full[sizeof CGROUP_ROOT + sizeof cgroup->path];
        int fd = -1, r;

        r = find_own_path(cgroup);
        if (r < 0)
                return r;

        (void) snprintf(full, sizeof full, CGROUP_ROOT "%s", cgroup->path);
        cgroup->scope_fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (cgroup->scope_fd < 0)
                return -errno;

        r = make_below(cgroup->scope_fd, TASK_CGROUP, &cgroup->task_fd);
        if (r < 0)
                return r;
        r = make_below(cgroup->scope_fd, SUPERVISOR_CGROUP, &fd);
        if (r < 0)
                return r;

        r = write_text_at(fd, "cgroup.procs", "0");
        (void) close(fd);
        return r;
}

int task_cgroup_thaw(const TaskCgroup *cgroup)
{
        return write_text_at(cgroup->task_fd, "cgroup.freeze", "0");
}

void task_cgroup_kill(const TaskCgroup *cgroup)
{
        (void) cgroup_kill(cgroup->task_fd);
}

void task_cgroup_continue(const TaskCgroup *cgroup)
{
        cgroup_signal_each(cgroup->task_fd, SIGCONT);
}

int task_cgroup_open_events(const TaskCgroup *cgroup)
{
        return openat(cgroup->task_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
}

bool task_cgroup_is_populated(int events_fd)
{
        char text[256];
        ssize_t n;

        n = pread(events_fd, text, sizeof text - 1, 0);
        if (n <= 0)
                return false;

        text[n] = '\0';
        return strstr(text, "populated 1") != NULL;
}

bool task_cgroup_populated(const TaskCgroup *cgroup)
{
        bool populated;
        int fd;

        fd = task_cgroup_open_events(cgroup);
        if (fd < 0)
                return false;

        populated = task_cgroup_is_populated(fd);
        (void) close(fd);
        return populated;
}

bool task_cgroup_contains(const TaskCgroup *cgroup, pid_t pid)
{
        char file[64], text[sizeof cgroup->path];
        size_t length, own = strlen(cgroup->path);
        const char *path;

        (void) snprintf(file, sizeof file, "/proc/%d/cgroup", (int) pid);
        if (read_text_at(AT_FDCWD, file, text, sizeof text) < 0)
                return true;

        path = proc_cgroup_path(text, &length);
        return !path || (length > own && strncmp(path, cgroup->path, own) == 0 && path[own] == '/');
}

/* Whether the first processes of the list all wait for the kernel, or at their exit for a debugger. */
static bool all_wait(const TaskCgroup *cgroup)
{
        char list[256], file[64], text[1024], *end = NULL;

        if (read_text_at(cgroup->task_fd, "cgroup.procs", list, sizeof list) <= 0)
                return false;

        for (const char *next = list; *next; next = end) {
                long pid = strtol(next, &end, 10);
                const char *state;

                /* the last of a list that is cut may be half a number */
                if (end == next || *end != '\n')
                        break;
                end++;
                (void) snprintf(file, sizeof file, "/proc/%ld/stat", pid);
                if (read_text_at(AT_FDCWD, file, text, sizeof text) < 0)
                        continue;
                state = proc_stat_field(text, PROC_STAT_STATE);
                if (state && *state != 'D' && *state != 't')
                        return false;
        }

        return true;
}

static uint64_t now_usec(void)
{
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

void task_cgroup_empty(const TaskCgroup *cgroup)
{
        uint64_t begin = now_usec(), passed = 0;
        int fd;

        fd = task_cgroup_open_events(cgroup);
        while (fd >= 0 && task_cgroup_is_populated(fd) && passed < STRAGGLERS_MAX_USEC) {
                struct pollfd events = { .fd = fd, .events = POLLPRI };

                if (passed >= STRAGGLERS_USEC && all_wait(cgroup))
                        break;

                /* again and again: somebody may be moving processes in */
                task_cgroup_kill(cgroup);
                if (task_cgroup_is_populated(fd))
                        (void) poll(&events, 1, KILL_AGAIN_MSEC);
                passed = now_usec() - begin;
        }
        if (fd >= 0)
                (void) close(fd);
}

bool task_cgroup_read(const TaskCgroup *cgroup, const char *file, const char *key, uint64_t *ret)
{
        char text[4096], *value = text, *end;
        unsigned long long number;

        if (read_text_at(cgroup->scope_fd, file, text, sizeof text) < 0)
                return false;

        if (key) {
                size_t length = strlen(key);

                while (value && (strncmp(value, key, length) != 0 || value[length] != ' ')) {
                        value = strchr(value, '\n');
                        value = value ? value + 1 : NULL;
                }
                if (!value)
                        return false;
                value += length + 1;
        }

        number = strtoull(value, &end, 10);
        if (end == value)
                return false;

        *ret = number;
        return true;
}
