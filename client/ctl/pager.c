/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "terminal.h"

static pid_t pager_pid;
static unsigned width;

bool pager_is_open(void)
{
        return pager_pid > 0;
}

unsigned pager_width(void)
{
        return width;
}

static const char *choose(void)
{
        const char *pager = getenv("NOMAD_PAGER");

        if (!pager)
                pager = getenv("PAGER");
        return pager ? pager : "less";
}

static _Noreturn void run_pager(const char *command, int input, const int *fds)
{
        (void) dup2(input, STDIN_FILENO);
        (void) close(fds[0]);
        (void) close(fds[1]);
        /* quit if it fits on one screen, show colours, do not clear the screen, leave at once on ^C */
        (void) setenv("LESS", "FRSXMK", 0);
        (void) execl("/bin/sh", "sh", "-c", command, (char *) NULL);
        _exit(127);
}

void pager_open(const Ctl *ctl)
{
        const char *command = choose();
        TerminalSize size;
        int fds[2];
        pid_t pid;

        if (ctl->no_pager || pager_is_open() || !isatty(STDOUT_FILENO) || *command == '\0' ||
                        strcmp(command, "cat") == 0 || !terminal_size(&size))
                return;
        /* sh would tell the user that there is no less */
        if (strcmp(command, "less") == 0) {
                g_autofree char *path = g_find_program_in_path(command);

                if (!path)
                        return;
        }
        if (pipe2(fds, O_CLOEXEC) < 0)
                return;

        (void) fflush(stdout);
        pid = fork();
        if (pid == 0)
                run_pager(command, fds[0], fds);
        if (pid > 0) {
                pager_pid = pid;
                width = size.columns;
                (void) dup2(fds[1], STDOUT_FILENO);
                (void) signal(SIGPIPE, SIG_IGN); /* the user has left the pager */
        }
        (void) close(fds[0]);
        (void) close(fds[1]);
}

void pager_close(void)
{
        if (pager_pid <= 0)
                return;

        (void) fflush(stdout);
        (void) close(STDOUT_FILENO);
        while (waitpid(pager_pid, NULL, 0) < 0 && errno == EINTR)
                ;
        pager_pid = 0;
}
