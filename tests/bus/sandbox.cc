/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <poll.h>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int failed(const char *what)
{
        fprintf(stderr, "bus tests: %s: %s\n", what, strerror(errno));
        return 1;
}

static bool write_text(const std::string &path, const std::string &text)
{
        std::ofstream file(path);

        file << text;
        file.flush();
        return file.good();
}

/* Where this process is in the unified hierarchy, "" for its root. */
static std::string own_cgroup()
{
        std::ifstream file("/proc/self/cgroup");
        std::string line;

        while (std::getline(file, line))
                if (line.compare(0, 3, "0::") == 0)
                        return line == "0::/" ? "" : line.substr(3);
        return "";
}

static int enter(const std::string &cgroup)
{
        if (!write_text(cgroup + "/cgroup.procs", "0"))
                return failed("cannot move into the cgroup of this run");
        /* of the mount namespace this is a second one, so that the parent keeps what it needs to clean up */
        if (unshare(CLONE_NEWNS | CLONE_NEWCGROUP) < 0)
                return failed("unshare");
        if (mount("none", "/sys/fs/cgroup", "cgroup2", 0, nullptr) < 0)
                return failed("cannot mount the unified hierarchy");
        return 0;
}

static volatile sig_atomic_t interrupted;

/* Reaps every orphan, as PID 1 does, until PID ends or somebody wants us to. */
static int reap_until(pid_t pid)
{
        struct sigaction action = {};

        action.sa_handler = [](int) { interrupted = 1; };
        (void) sigaction(SIGTERM, &action, nullptr);
        (void) sigaction(SIGINT, &action, nullptr);

        for (;;) {
                int status;
                pid_t ended = wait(&status);

                if (interrupted)
                        return 1;
                if (ended < 0 && errno != EINTR)
                        return failed("wait");
                if (ended != pid)
                        continue;
                if (WIFEXITED(status))
                        return WEXITSTATUS(status);
                fprintf(stderr, "bus tests: killed by signal %d\n", WTERMSIG(status));
                return 1;
        }
}

static void remove_tree(const std::string &path)
{
        std::string command = "find '" + path + "' -depth -type d -exec rmdir {} + 2>/dev/null";

        /* the kernel takes a moment to let go of a killed process */
        for (int i = 0; i < 100 && access(path.c_str(), F_OK) == 0; i++) {
                while (waitpid(-1, nullptr, WNOHANG) > 0)
                        ;
                if (system(command.c_str()) != 0)
                        (void) poll(nullptr, 0, 20);
        }
}

int run_in_sandbox(int (*call)())
{
        char directory[] = "/tmp/nomad-bus-test-XXXXXX";

        if (!mkdtemp(directory))
                return failed("mkdtemp");
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0)
                return failed("cannot make a mount namespace");
        if (mount("none", directory, "cgroup2", 0, nullptr) < 0)
                return failed("cannot mount the unified hierarchy");

        std::string cgroup = std::string(directory) + own_cgroup() + "/nomad-bus-test-" +
                        std::to_string(getpid());
        if (mkdir(cgroup.c_str(), 0755) < 0)
                return failed("cannot make a cgroup for this run");
        (void) prctl(PR_SET_CHILD_SUBREAPER, 1);

        pid_t pid = fork();
        if (pid < 0)
                return failed("fork");
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) setpgid(0, 0); /* an interrupt is for the parent, which cleans up */
                int r = enter(cgroup);
                exit(r ? r : call());
        }

        int r = reap_until(pid);
        (void) write_text(cgroup + "/cgroup.kill", "1");
        remove_tree(cgroup);
        (void) umount2(directory, MNT_DETACH);
        (void) rmdir(directory);
        return r;
}
