/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <systemd/sd-id128.h>

#include "cgroup.h"
#include "cleanup.h"
#include "proc-file.h"
#include "state-file.h"

static int read_proc(pid_t pid, const char *name, char **ret)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int) pid, name);
        int r;

        r = read_file_at(AT_FDCWD, path, 65536, ret, NULL);
        return r == -ENOENT ? -ESRCH : r;
}

static int read_stat_number(pid_t pid, int number, uint64_t *ret)
{
        g_autofree char *stat = NULL;
        const char *field;
        int r;

        r = read_proc(pid, "stat", &stat);
        if (r < 0)
                return r;

        field = proc_stat_field(stat, number);
        if (!field)
                return -EBADMSG;

        *ret = g_ascii_strtoull(field, NULL, 10);
        return 0;
}

int process_start_time(pid_t pid, uint64_t *ret)
{
        return read_stat_number(pid, PROC_STAT_START_TIME, ret);
}

int pidfd_get_pid(int pidfd, pid_t *ret)
{
        g_autofree char *path = g_strdup_printf("/proc/self/fdinfo/%d", pidfd);
        g_autofree char *text = NULL;
        char *line;
        long pid;
        int r;

        r = read_file_at(AT_FDCWD, path, 4096, &text, NULL);
        if (r < 0)
                return r;

        line = strstr(text, "\nPid:");
        if (!line)
                return -EBADF;
        pid = strtol(line + strlen("\nPid:"), NULL, 10);
        if (pid <= 0)
                return -ESRCH;

        *ret = (pid_t) pid;
        return 0;
}

int pidfd_kill(int pidfd, int signal)
{
        return pidfd_send_signal(pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

bool pidfd_has_ended(int pidfd)
{
        struct pollfd fd = { .fd = pidfd, .events = POLLIN };

        return poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN);
}

int process_cgroup(pid_t pid, char **ret)
{
        g_autofree char *text = NULL;
        const char *path;
        size_t length;
        int r;

        r = read_proc(pid, "cgroup", &text);
        if (r < 0)
                return r;

        path = proc_cgroup_path(text, &length);
        if (!path)
                return -ENODATA;

        *ret = g_strndup(path, length);
        return 0;
}

/* What was read by the pid of a process that has not been reaped since PIDFD was opened was its own. */
static int check_not_reaped(int pidfd)
{
        int r;

        r = pidfd_kill(pidfd, 0);
        return r == -EPERM ? 0 : r;
}

int pidfd_wait_status(int pidfd, pid_t pid, int *ret)
{
        uint64_t status;
        int r;

        if (!pidfd_has_ended(pidfd))
                return -EAGAIN;
        r = read_stat_number(pid, PROC_STAT_EXIT_CODE, &status);
        if (r < 0)
                return r;
        r = check_not_reaped(pidfd);
        if (r < 0)
                return r;

        *ret = (int) status;
        return 0;
}

static int check_start_time(pid_t pid, uint64_t expected)
{
        uint64_t start_time;
        int r;

        r = process_start_time(pid, &start_time);
        if (r < 0)
                return r;

        return start_time == expected ? 0 : -ESRCH;
}

static int check_cgroup(pid_t pid, const char *path)
{
        g_autofree char *cgroup = NULL;
        int r;

        r = process_cgroup(pid, &cgroup);
        if (r < 0)
                return r;

        return cgroup_contains(path, cgroup) ? 0 : -ESRCH;
}

static int check_parent(pid_t pid, pid_t expected)
{
        uint64_t parent;
        int r;

        r = read_stat_number(pid, PROC_STAT_PARENT, &parent);
        if (r < 0)
                return r;

        return parent == (uint64_t) expected ? 0 : -ESRCH;
}

/* START_TIME and CGROUP may be NULL, PARENT 0. */
static int open_checked(
                pid_t pid, const uint64_t *start_time, const char *cgroup, pid_t parent, int *ret_pidfd)
{
        _cleanup_close_ int pidfd = -1;
        int r = 0;

        if (pid <= 0)
                return -ESRCH;

        pidfd = pidfd_open(pid, 0);
        if (pidfd < 0)
                return errno == EINVAL ? -ESRCH : -errno;
        if (start_time)
                r = check_start_time(pid, *start_time);
        if (r >= 0 && cgroup)
                r = check_cgroup(pid, cgroup);
        if (r >= 0 && parent > 0)
                r = check_parent(pid, parent);
        if (r >= 0)
                r = check_not_reaped(pidfd);
        if (r < 0)
                return r;

        *ret_pidfd = take_fd(&pidfd);
        return 0;
}

int process_open(const ProcessId *process, const char *cgroup, int *ret_pidfd)
{
        return open_checked(process->pid, &process->start_time, cgroup, 0, ret_pidfd);
}

int process_open_child(const ProcessId *process, pid_t parent, int *ret_pidfd)
{
        return open_checked(process->pid, &process->start_time, NULL, parent, ret_pidfd);
}

int process_open_in_cgroup(pid_t pid, const char *path, int *ret_pidfd)
{
        return open_checked(pid, NULL, path, 0, ret_pidfd);
}

int boot_id(char ret[33])
{
        sd_id128_t id;
        int r;

        r = sd_id128_get_boot(&id);
        if (r < 0)
                return r;

        (void) sd_id128_to_string(id, ret);
        return 0;
}

static int realtime_signal_from_string(const char *name)
{
        bool from_max = g_str_has_prefix(name, "RTMAX-");
        long offset;
        char *end;

        if (strcmp(name, "RTMIN") == 0)
                return SIGRTMIN;
        if (strcmp(name, "RTMAX") == 0)
                return SIGRTMAX;
        if ((!from_max && !g_str_has_prefix(name, "RTMIN+")) || !g_ascii_isdigit(name[6]))
                return -EINVAL;

        offset = strtol(name + 6, &end, 10);
        if (*end != '\0' || offset > SIGRTMAX - SIGRTMIN)
                return -EINVAL;
        return from_max ? SIGRTMAX - (int) offset : SIGRTMIN + (int) offset;
}

int signal_from_string(const char *name)
{
        if (g_ascii_isdigit(*name)) {
                char *end;
                long number = strtol(name, &end, 10);

                return *end == '\0' && number >= 1 && number <= SIGRTMAX ? (int) number : -EINVAL;
        }

        if (g_str_has_prefix(name, "SIG"))
                name += 3;
        for (int i = 1; i < SIGRTMIN; i++) {
                const char *candidate = sigabbrev_np(i);

                if (candidate && strcmp(candidate, name) == 0)
                        return i;
        }

        return realtime_signal_from_string(name);
}
