/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

/* The task of the tests of stopping: stop-target MANNER [leaderless] starts a child that ignores the signals
 * of a stop, says "ready" and sleeps. With MANNER "polite" it ends with status 7 by SIGTERM, with "deaf" it
 * ignores that signal. A leaderless one ends its first thread while another goes on. */

static const int STATUS = 7;

static void sleep_for_ever()
{
        while (true)
                (void) pause();
}

static void ignore_signals()
{
        for (int signal : { SIGHUP, SIGINT, SIGTERM, SIGUSR1 })
                (void) std::signal(signal, SIG_IGN);
}

int main(int argc, char **argv)
{
        if (argc < 2)
                return 2;

        ignore_signals();
        if (fork() == 0)
                sleep_for_ever();
        if (strcmp(argv[1], "polite") == 0)
                (void) std::signal(SIGTERM, [](int) { _exit(STATUS); });

        if (argc < 3) {
                (void) !write(STDOUT_FILENO, "ready\n", 6);
                sleep_for_ever();
        }
        std::thread([] {
                (void) !write(STDOUT_FILENO, "ready\n", 6);
                sleep_for_ever();
        }).detach();
        (void) syscall(SYS_exit, 0);
}
