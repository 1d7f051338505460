/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cgroup-kill.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc-file.h"

#define ROOT "/sys/fs/cgroup"

/* musl's headers have neither. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* A walk through a cgroup and those below it. */
typedef struct Walk {
        char path[4096]; /* of the cgroup where it began, below the root of the hierarchy */
        int signal;
        unsigned n_left; /* processes that may still be signalled */
} Walk;

static bool is_below(const char *path, size_t length, const char *above)
{
        size_t above_length = strlen(above);

        return length >= above_length && strncmp(path, above, above_length) == 0 &&
                        (length == above_length || path[above_length] == '/');
}

/* Whether the thread is in the walk's cgroup or below it, now. */
static bool is_inside(const Walk *walk, pid_t tid)
{
        char name[64], text[sizeof walk->path];
        const char *path;
        size_t length;

        (void) snprintf(name, sizeof name, "/proc/%d/cgroup", (int) tid);
        if (read_text_at(AT_FDCWD, name, text, sizeof text) < 0)
                return false;

        path = proc_cgroup_path(text, &length);
        return path && is_below(path, length, walk->path);
}

static pid_t process_of_thread(pid_t tid)
{
        char name[64], text[4096];
        const char *line;

        (void) snprintf(name, sizeof name, "/proc/%d/status", (int) tid);
        if (read_text_at(AT_FDCWD, name, text, sizeof text) < 0)
                return 0;

        line = strstr(text, "\nTgid:");
        return line ? (pid_t) strtol(line + strlen("\nTgid:"), NULL, 10) : 0;
}

/* The pidfd comes first: if it can be signalled, the pid was not another's when its cgroup was read. */
static void signal_process(Walk *walk, pid_t tid, bool threads)
{
        pid_t pid = threads ? process_of_thread(tid) : tid;
        int fd;

        if (pid <= 0)
                return;
        fd = (int) syscall(SYS_pidfd_open, pid, 0);
        if (fd < 0)
                return;
        if (is_inside(walk, tid))
                (void) syscall(SYS_pidfd_send_signal, fd, walk->signal, NULL, 0);
        (void) close(fd);
}

/* False if the kernel does not tell, as in a threaded cgroup whose "cgroup.procs" is asked. */
static bool signal_listed(Walk *walk, int cgroup_fd, const char *file, bool threads)
{
        char text[4096];
        ssize_t n = 0;
        pid_t id = 0;
        int fd;

        fd = openat(cgroup_fd, file, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return true;

        /* a list that grows while it is read has no end */
        while (walk->n_left > 0 && (n = read(fd, text, sizeof text)) > 0)
                for (ssize_t i = 0; i < n; i++) {
                        if (text[i] >= '0' && text[i] <= '9') {
                                id = id * 10 + (text[i] - '0');
                                continue;
                        }
                        if (id > 0 && walk->n_left > 0) {
                                walk->n_left--;
                                signal_process(walk, id, threads);
                        }
                        id = 0;
                }

        (void) close(fd);
        return n >= 0;
}

/* As deep as cgroups nest, up to CGROUP_DEPTH_MAX. */
static void signal_below(Walk *walk, int cgroup_fd, unsigned depth) // NOLINT(misc-no-recursion)
{
        struct dirent *entry;
        DIR *dir;
        int fd;

        if (!signal_listed(walk, cgroup_fd, "cgroup.procs", false))
                (void) signal_listed(walk, cgroup_fd, "cgroup.threads", true);

        fd = openat(cgroup_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return;
        dir = fdopendir(fd);
        if (!dir) {
                (void) close(fd);
                return;
        }

        while (walk->n_left > 0 && depth < CGROUP_DEPTH_MAX && (entry = readdir(dir))) {
                if (entry->d_type != DT_DIR || *entry->d_name == '.')
                        continue;
                fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0)
                        continue;
                signal_below(walk, fd, depth + 1);
                (void) close(fd);
        }
        (void) closedir(dir);
}

void cgroup_signal_each(int cgroup_fd, int signal)
{
        Walk walk = { .signal = signal, .n_left = CGROUP_SIGNAL_MAX };
        char link[64], full[sizeof walk.path];
        ssize_t n;

        (void) snprintf(link, sizeof link, "/proc/self/fd/%d", cgroup_fd);
        n = readlink(link, full, sizeof full - 1);
        if (n <= 0)
                return;
        full[n] = '\0';
        /* not a cgroup, or the root: whose processes these are is not known */
        if (strncmp(full, ROOT "/", strlen(ROOT "/")) != 0)
                return;

        (void) memcpy(walk.path, full + strlen(ROOT), strlen(full + strlen(ROOT)) + 1);
        signal_below(&walk, cgroup_fd, 0);
}

int cgroup_kill(int cgroup_fd)
{
        int fd, r;

        fd = openat(cgroup_fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                r = -errno;
        else {
                r = write(fd, "1", 1) < 0 ? -errno : 0;
                (void) close(fd);
        }
        if (r == -ENOENT || r == -ENODEV)
                return 0;

        cgroup_signal_each(cgroup_fd, SIGKILL);
        return r == -EOPNOTSUPP ? 0 : r;
}
