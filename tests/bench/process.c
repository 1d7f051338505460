/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../../service/common/process.h"
#include "cgroup.h"
#include "cleanup.h"

extern char **environ;

static char *read_proc(pid_t pid, const char *file)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int) pid, file);
        char *text;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                bench_fail(-ESRCH, path);
        return text;
}

/* The number after KEY. */
static uint64_t read_number(pid_t pid, const char *file, const char *key)
{
        g_autofree char *text = read_proc(pid, file);
        const char *found = g_strstr_len(text, -1, key);

        return found ? g_ascii_strtoull(found + strlen(key), NULL, 10) : 0;
}

double process_pss_kib(pid_t pid)
{
        return (double) read_number(pid, "smaps_rollup", "\nPss:");
}

double process_cpu_seconds(pid_t pid)
{
        return (double) read_number(pid, "schedstat", "") / 1e9;
}

uint64_t process_wakeups(pid_t pid)
{
        return read_number(pid, "status", "\nvoluntary_ctxt_switches:");
}

static bool has_name(const char *pid, const char *name)
{
        g_autofree char *path = g_strdup_printf("/proc/%s/comm", pid);
        g_autofree char *text = NULL;

        return g_file_get_contents(path, &text, NULL, NULL) && strcmp(g_strchomp(text), name) == 0;
}

GArray *processes_named(const char *name)
{
        GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
        g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
        const char *entry;

        while (dir && (entry = g_dir_read_name(dir))) {
                pid_t pid = (pid_t) g_ascii_strtoull(entry, NULL, 10);

                if (pid > 0 && has_name(entry, name))
                        g_array_append_val(pids, pid);
        }

        return pids;
}

pid_t unit_main_pid(const Bench *bench, const char *unit)
{
        g_autofree char *path = NULL;
        uint32_t pid = 0;

        (void) bench_check(sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path), unit);
        (void) bench_check(sd_bus_get_property_trivial(bench->bus, "org.freedesktop.systemd1", path,
                                           "org.freedesktop.systemd1.Service", "MainPID", NULL, 'u', &pid),
                        unit);
        return (pid_t) pid;
}

GArray *unit_processes(const Bench *bench, const char *unit)
{
        GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
        pid_t main_pid = unit_main_pid(bench, unit);
        g_autofree char *cgroup = NULL;
        _cleanup_close_ int fd = -1;

        if (main_pid > 0) {
                (void) bench_check(process_cgroup(main_pid, &cgroup), unit);
                (void) bench_check(cgroup_open(cgroup, &fd), unit);
                (void) bench_check(cgroup_pids(fd, pids), unit);
        }
        return pids;
}

pid_t child_spawn(const Child *child)
{
        posix_spawn_file_actions_t actions;
        pid_t pid = 0;

        (void) posix_spawn_file_actions_init(&actions);
        if (child->stdin_fd >= 0)
                (void) posix_spawn_file_actions_adddup2(&actions, child->stdin_fd, STDIN_FILENO);
        if (child->stdout_fd >= 0)
                (void) posix_spawn_file_actions_adddup2(&actions, child->stdout_fd, STDOUT_FILENO);
        (void) bench_check(
                        -posix_spawnp(&pid, child->argv[0], &actions, NULL, (char **) child->argv, environ),
                        child->argv[0]);
        (void) posix_spawn_file_actions_destroy(&actions);
        return pid;
}

double child_wait(pid_t pid, const char *name)
{
        struct rusage usage;
        int status;

        if (wait4(pid, &status, 0, &usage) < 0)
                bench_fail(-errno, name);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                bench_fail(-EIO, name);
        return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                        (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void child_run(const char *const *argv)
{
        Child child = { argv, -1, -1 };

        (void) child_wait(child_spawn(&child), argv[0]);
}
