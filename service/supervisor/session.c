/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "fd-message.h"
#include "launch.h"
#include "protocol.h"
#include "runtime.h"
#include "stdio-util.h"

/* Not in musl's headers. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

static void send_report(const ChildReport *report, const int *fds, size_t n_fds)
{
        (void) fd_message_send(SESSION_REPORT_FD, 0, report, sizeof *report, fds, n_fds);
}

static int report_failure(const char *stage, int error)
{
        ChildReport report = { .error = error };

        (void) snprintf(report.stage, sizeof report.stage, "%s", stage);
        send_report(&report, NULL, 0);
        return EXIT_FAILURE;
}

/* It is our child and has not been waited for, so that its pid cannot be another's. TERMINAL may be -1. */
static int report_process(pid_t pid, int terminal)
{
        const ChildReport report = { 0 };
        int fds[SESSION_REPORT_FDS_MAX] = { -1, terminal };

        fds[0] = (int) syscall(SYS_pidfd_open, pid, 0);
        if (fds[0] < 0)
                return -errno;

        send_report(&report, fds, terminal >= 0 ? 2 : 1);
        (void) close(fds[0]);
        return 0;
}

static int listen_for_console(void)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        (void) snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/" CONSOLE_SOCKET,
                        SUPERVISOR_STATE_FD);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (bind(fd, (struct sockaddr *) &address, sizeof address) < 0 || listen(fd, 1) < 0) {
                int r = -errno;

                (void) close(fd);
                return r;
        }

        return fd;
}

/* The runtime has ended, so that what it has sent is there. */
static int receive_console(int listen_fd)
{
        char name[4096];
        size_t n_fds = 1;
        int fd, terminal = -1;

        fd = accept(listen_fd, NULL, NULL);
        if (fd < 0)
                return -errno;
        (void) fd_message_receive(fd, MSG_DONTWAIT, name, sizeof name, &terminal, &n_fds);
        (void) close(fd);
        return terminal < 0 ? -EBADMSG : terminal;
}

static int end_as(const siginfo_t *status)
{
        const struct rlimit no_core = { 0 };
        sigset_t mask;

        if (status->si_code == CLD_EXITED)
                return status->si_status;

        (void) setrlimit(RLIMIT_CORE, &no_core);
        (void) signal(status->si_status, SIG_DFL);
        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, status->si_status);
        (void) sigprocmask(SIG_UNBLOCK, &mask, NULL);
        (void) kill(getpid(), status->si_status);
        return 128 + status->si_status;
}

static int wait_for(pid_t pid)
{
        siginfo_t status = { 0 };

        while (waitid(P_ALL, 0, &status, WEXITED) >= 0)
                if (status.si_pid == pid)
                        return end_as(&status);

        return EXIT_FAILURE;
}

static int start_and_wait(const Launch *launch)
{
        /* with a terminal the runtime alone has them, and what little it says there is of no use */
        const bool discarded[] = { false, launch->terminal, launch->terminal };
        ChildReport report = { 0 };
        int listen_fd = -1, terminal = -1, discard_fd = -1, r;
        pid_t pid;

        r = stdio_avoid_devices(discarded, &discard_fd);
        if (r < 0)
                return report_failure(STAGE_STDIO, -r);

        if (launch->terminal) {
                listen_fd = listen_for_console();
                if (listen_fd < 0)
                        return report_failure(STAGE_STDIO, -listen_fd);
        }
        r = runtime_run(launch, -1, SUPERVISOR_STATE_FD, &pid, &report);
        if (r < 0) {
                send_report(&report, NULL, 0);
                return EXIT_FAILURE;
        }
        if (launch->terminal) {
                terminal = receive_console(listen_fd);
                if (terminal < 0)
                        return report_failure(STAGE_STDIO, -terminal);
        }
        r = report_process(pid, terminal);
        if (r < 0)
                return report_failure(STAGE_FORK, -r);

        /* the process has the only ends of the streams that matter */
        if (terminal >= 0)
                (void) close(terminal);
        (void) stdio_release();
        if (discard_fd >= 0)
                (void) close(discard_fd);
        (void) close(SESSION_REPORT_FD);
        (void) close(SUPERVISOR_STATE_FD);
        return wait_for(pid);
}

/* Nobody knows of a session that is not told to go on. */
static bool is_wanted(void)
{
        char byte;

        return recv(SESSION_REPORT_FD, &byte, sizeof byte, 0) == sizeof byte;
}

/* False when there is nothing to go on with, which has been reported if it was not known. */
static bool prepare(Launch *launch, const char *stage)
{
        int r;

        r = launch_map(launch, SUPERVISOR_LAUNCH_FD);
        if (r < 0) {
                (void) report_failure(stage, -r);
                return false;
        }

        (void) close(SUPERVISOR_LAUNCH_FD);
        return is_wanted();
}

int session_run_process(void)
{
        Launch launch = { 0 };

        if (!prepare(&launch, STAGE_EXEC))
                return EXIT_FAILURE;
        child_run(&launch, SESSION_REPORT_FD);
}

int session_run_in_container(void)
{
        Launch launch = { 0 };
        int r;

        (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
        if (!prepare(&launch, STAGE_RUNTIME))
                return EXIT_FAILURE;
        r = start_and_wait(&launch);
        launch_clear(&launch);
        return r;
}
