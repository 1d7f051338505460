/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "last-words.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define N_PIPES 2

static int reopen(int fd, int flags)
{
        char path[32];

        (void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        return open(path, flags | O_CLOEXEC);
}

void last_words_remember(LastWords *words)
{
        static const int outputs[N_PIPES] = { STDOUT_FILENO, STDERR_FILENO };
        struct stat st;

        for (int i = 0; i < N_PIPES; i++)
                words->pipes[i] = fstat(outputs[i], &st) >= 0 && S_ISFIFO(st.st_mode)
                                ? reopen(outputs[i], O_PATH)
                                : -1;
}

/* A reading end is told when there is no writer. */
static bool is_held(struct pollfd *reader)
{
        if (reader->fd < 0)
                return false;
        if (poll(reader, 1, 0) == 0)
                return true;

        (void) close(reader->fd);
        reader->fd = -1;
        return false;
}

static uint64_t now_usec(void)
{
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static void await(struct pollfd fds[N_PIPES + 1], uint64_t usec)
{
        uint64_t end = now_usec() + usec, now;

        while (task_cgroup_is_populated(fds[N_PIPES].fd) && (now = now_usec()) < end) {
                bool held = false;

                for (int i = 0; i < N_PIPES; i++)
                        held = is_held(fds + i) || held;
                if (!held)
                        return;
                (void) poll(fds, N_PIPES + 1, (int) ((end - now + 999) / 1000));
        }
}

void last_words_await(const LastWords *words, const TaskCgroup *cgroup, uint64_t usec)
{
        struct pollfd fds[N_PIPES + 1] = {
                [N_PIPES] = { .fd = task_cgroup_open_events(cgroup), .events = POLLPRI },
        };

        if (fds[N_PIPES].fd < 0)
                return;

        if (task_cgroup_is_populated(fds[N_PIPES].fd)) {
                for (int i = 0; i < N_PIPES; i++)
                        fds[i] = (struct pollfd){ .fd = words->pipes[i] >= 0
                                                ? reopen(words->pipes[i], O_RDONLY | O_NONBLOCK)
                                                : -1 };
                await(fds, usec);
                for (int i = 0; i < N_PIPES; i++)
                        if (fds[i].fd >= 0)
                                (void) close(fds[i].fd);
        }
        (void) close(fds[N_PIPES].fd);
}
