/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fork-into-cgroup.h"
#include "proc-file.h"
#include "protocol.h"

/* The kernel's PF_FORKNOEXEC: has called fork(2) and not execve(2) since. */
#define FLAG_FORKED_NO_EXEC 0x40UL

/* How often it is looked whether the container's first process has become the program, which it does at
 * once. */
#define EXEC_POLL_NSEC 200000L

static int fail(ChildReport *ret, const char *stage, int error)
{
        *ret = (ChildReport){ .error = error };
        (void) snprintf(ret->stage, sizeof ret->stage, "%s", stage);
        return -1;
}

/* -1 with the report of a child that did not become the runtime. */
static int start_runtime(const Launch *launch, int cgroup_fd, pid_t *ret, ChildReport *ret_failure)
{
        ChildReport report;
        int fds[2];
        ssize_t n;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return fail(ret_failure, STAGE_RUNTIME, errno);

        pid = fork_into_cgroup(cgroup_fd, 0);
        if (pid == 0)
                child_run_runtime(launch, fds[1]);
        (void) close(fds[1]);
        n = pid < 0 ? 0 : read(fds[0], &report, sizeof report);
        (void) close(fds[0]);
        if (pid < 0)
                return fail(ret_failure, STAGE_CGROUP, -pid);
        if (n == sizeof report) {
                (void) waitpid(pid, NULL, 0);
                return fail(ret_failure, report.stage, report.error);
        }

        *ret = pid;
        return 0;
}

static pid_t read_pid(int dir_fd, const char *file)
{
        char text[32];

        return read_text_at(dir_fd, file, text, sizeof text) < 0 ? 0 : (pid_t) strtol(text, NULL, 10);
}

/* It may be a while until it is our child: crun leaves a process behind that is still about to exit. One
 * that has ended keeps the flag. */
static int wait_for_exec(pid_t pid, ChildReport *ret_failure)
{
        const struct timespec interval = { .tv_nsec = EXEC_POLL_NSEC };
        char file[64], text[1024];

        (void) snprintf(file, sizeof file, "/proc/%d/stat", (int) pid);
        for (;;) {
                const char *state = NULL, *flags = NULL;

                if (read_text_at(AT_FDCWD, file, text, sizeof text) >= 0) {
                        state = proc_stat_field(text, PROC_STAT_STATE);
                        flags = proc_stat_field(text, PROC_STAT_FLAGS);
                }
                if (!state || !flags)
                        return fail(ret_failure, STAGE_EXEC, ENOEXEC);
                if (!(strtoul(flags, NULL, 10) & FLAG_FORKED_NO_EXEC))
                        return 0;
                if (*state == 'Z' || *state == 'X')
                        return fail(ret_failure, STAGE_EXEC, ENOEXEC);
                (void) nanosleep(&interval, NULL);
        }
}

int runtime_run(const Launch *launch, int cgroup_fd, int state_fd, pid_t *ret, ChildReport *ret_failure)
{
        int status = 0;
        pid_t runtime = 0, pid;

        if (start_runtime(launch, cgroup_fd, &runtime, ret_failure) < 0)
                return -1;
        if (waitpid(runtime, &status, 0) < 0)
                return fail(ret_failure, STAGE_RUNTIME, errno);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return fail(ret_failure, STAGE_RUNTIME, ECHILD);
        pid = read_pid(state_fd, launch->runtime_pid);
        if (pid <= 0)
                return fail(ret_failure, STAGE_RUNTIME, ENODATA);
        if (wait_for_exec(pid, ret_failure) < 0) {
                (void) waitpid(pid, NULL, 0);
                return -1;
        }

        *ret = pid;
        return 0;
}
