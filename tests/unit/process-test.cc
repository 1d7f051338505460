/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process.h"

#include <cerrno>
#include <climits>
#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

namespace
{

/* A child that waits to be killed; reaped at the latest when the test ends. */
class Child
{
      public:
        Child()
        {
                pid = fork();
                if (pid == 0) {
                        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                        for (;;)
                                (void) pause();
                }
        }
        ~Child()
        {
                reap();
        }
        Child(const Child &) = delete;
        Child &operator=(const Child &) = delete;

        /* Kills it and waits until it is a zombie. */
        void end() const
        {
                siginfo_t info;

                ASSERT_EQ(kill(pid, SIGKILL), 0);
                ASSERT_EQ(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), 0);
        }
        void reap()
        {
                if (pid <= 0)
                        return;
                (void) kill(pid, SIGKILL);
                (void) waitpid(pid, nullptr, 0);
                pid = -1;
        }

        pid_t pid;
};

TEST(ProcessStartTime, OfALiveProcessAZombieAndNone)
{
        Child child;
        uint64_t own = 0, alive = 0, dead = 0, gone = 77;
        pid_t pid = child.pid;

        ASSERT_GT(child.pid, 0);
        ASSERT_EQ(process_start_time(getpid(), &own), 0);
        ASSERT_EQ(process_start_time(child.pid, &alive), 0);
        EXPECT_GT(own, 0U);
        EXPECT_GE(alive, own);

        child.end();
        ASSERT_EQ(process_start_time(child.pid, &dead), 0);
        EXPECT_EQ(dead, alive);

        child.reap();
        EXPECT_EQ(process_start_time(pid, &gone), -ESRCH);
        EXPECT_EQ(gone, 77U);
}

/* Field 2 of /proc/PID/stat may hold anything, the end of itself included. */
TEST(ProcessStartTime, SurvivesAHostileName)
{
        uint64_t before = 0, after = 0;
        char name[16] = {};

        ASSERT_EQ(process_start_time(getpid(), &before), 0);
        ASSERT_EQ(prctl(PR_GET_NAME, name), 0);
        ASSERT_EQ(prctl(PR_SET_NAME, "a) R 1 2 (3 4"), 0);
        EXPECT_EQ(process_start_time(getpid(), &after), 0);
        ASSERT_EQ(prctl(PR_SET_NAME, name), 0);
        EXPECT_EQ(after, before);
}

TEST(ProcessOpen, GivesThePidfdOfTheProcessMeant)
{
        Child child;
        ProcessId process = { child.pid, 0 };
        _cleanup_close_ int pidfd = -1;
        pid_t pid = 0;

        ASSERT_EQ(process_start_time(child.pid, &process.start_time), 0);
        ASSERT_EQ(process_open(&process, nullptr, &pidfd), 0);
        EXPECT_EQ(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
        ASSERT_EQ(pidfd_get_pid(pidfd, &pid), 0);
        EXPECT_EQ(pid, child.pid);

        ASSERT_EQ(pidfd_kill(pidfd, SIGKILL), 0);
        int status = 0;
        ASSERT_EQ(waitpid(child.pid, &status, 0), child.pid);
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        child.pid = -1;

        EXPECT_EQ(pidfd_kill(pidfd, SIGKILL), -ESRCH);
        EXPECT_EQ(pidfd_get_pid(pidfd, &pid), -ESRCH);
}

TEST(ProcessOpen, RefusesAPidThatIsSomebodyElsesNow)
{
        Child child;
        ProcessId process = { child.pid, 0 };
        int pidfd = -1;

        ASSERT_EQ(process_start_time(child.pid, &process.start_time), 0);
        process.start_time++;
        EXPECT_EQ(process_open(&process, nullptr, &pidfd), -ESRCH);
        process.start_time -= 2;
        EXPECT_EQ(process_open(&process, nullptr, &pidfd), -ESRCH);
        EXPECT_EQ(pidfd, -1);
}

TEST(ProcessOpen, RefusesAProcessOfAnotherCgroup)
{
        Child child;
        ProcessId process = { child.pid, 0 };
        g_autofree char *cgroup = nullptr, *below = nullptr;
        _cleanup_close_ int pidfd = -1;

        ASSERT_EQ(process_start_time(child.pid, &process.start_time), 0);
        ASSERT_EQ(process_cgroup(child.pid, &cgroup), 0);
        below = g_build_filename(cgroup, "below", nullptr);
        EXPECT_EQ(process_open(&process, below, &pidfd), -ESRCH);
        EXPECT_EQ(pidfd, -1);
        EXPECT_EQ(process_open(&process, cgroup, &pidfd), 0);
}

TEST(ProcessOpen, RefusesNoProcess)
{
        Child child;
        ProcessId process = { child.pid, 0 };
        int pidfd = -1;

        ASSERT_EQ(process_start_time(child.pid, &process.start_time), 0);
        child.reap();
        EXPECT_EQ(process_open(&process, nullptr, &pidfd), -ESRCH);
        for (pid_t pid : { 0, -1, INT_MIN, INT_MAX }) {
                process.pid = pid;
                EXPECT_EQ(process_open(&process, nullptr, &pidfd), -ESRCH) << pid;
        }
        EXPECT_EQ(pidfd, -1);
}

TEST(PidfdGetPid, RefusesAnotherDescriptor)
{
        _cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        pid_t pid = 77;

        ASSERT_GE(fd, 0);
        EXPECT_EQ(pidfd_get_pid(fd, &pid), -EBADF);
        EXPECT_LT(pidfd_get_pid(-1, &pid), 0);
        EXPECT_EQ(pid, 77);
}

TEST(BootId, IsTheKernels)
{
        char id[33] = {};
        g_autofree char *text = nullptr;
        std::string expected;

        ASSERT_EQ(boot_id(id), 0);
        ASSERT_TRUE(g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, nullptr, nullptr));
        for (const char *c = text; *c && *c != '\n'; c++)
                if (*c != '-')
                        expected += *c;
        EXPECT_EQ(std::string(id), expected);
}

TEST(SignalFromString, NamesAndNumbers)
{
        EXPECT_EQ(signal_from_string("INT"), SIGINT);
        EXPECT_EQ(signal_from_string("SIGINT"), SIGINT);
        EXPECT_EQ(signal_from_string("2"), 2);
        EXPECT_EQ(signal_from_string("SIGKILL"), SIGKILL);
        EXPECT_EQ(signal_from_string("USR1"), SIGUSR1);
        EXPECT_EQ(signal_from_string("SIGCHLD"), SIGCHLD);
        EXPECT_EQ(signal_from_string("1"), 1);
}

TEST(SignalFromString, RealtimeSignals)
{
        EXPECT_EQ(signal_from_string("RTMIN"), SIGRTMIN);
        EXPECT_EQ(signal_from_string("SIGRTMIN"), SIGRTMIN);
        EXPECT_EQ(signal_from_string("SIGRTMIN+0"), SIGRTMIN);
        EXPECT_EQ(signal_from_string("RTMIN+3"), SIGRTMIN + 3);
        EXPECT_EQ(signal_from_string("SIGRTMAX"), SIGRTMAX);
        EXPECT_EQ(signal_from_string("RTMAX-1"), SIGRTMAX - 1);
        EXPECT_EQ(signal_from_string("SIGRTMAX-0"), SIGRTMAX);
        EXPECT_EQ(signal_from_string(("RTMAX-" + std::to_string(SIGRTMAX - SIGRTMIN)).c_str()), SIGRTMIN);
        EXPECT_LT(signal_from_string(("RTMAX-" + std::to_string(SIGRTMAX - SIGRTMIN + 1)).c_str()), 0);
        for (const char *wrong : { "RTMAX-", "RTMAX--1", "RTMAX+1", "RTMIN-1", "RTMAX-x" })
                EXPECT_LT(signal_from_string(wrong), 0) << wrong;

        std::string last = "RTMIN+" + std::to_string(SIGRTMAX - SIGRTMIN);
        std::string beyond = "RTMIN+" + std::to_string(SIGRTMAX - SIGRTMIN + 1);
        EXPECT_EQ(signal_from_string(last.c_str()), SIGRTMAX);
        EXPECT_EQ(signal_from_string(beyond.c_str()), -EINVAL);
        EXPECT_EQ(signal_from_string(std::to_string(SIGRTMAX).c_str()), SIGRTMAX);
        EXPECT_EQ(signal_from_string(std::to_string(SIGRTMAX + 1).c_str()), -EINVAL);
}

TEST(SignalFromString, EverythingElseIsRefused)
{
        for (const char *bad : { "", "0", "-1", "+2", " 2", "2 ", "2x", "0x2", "99999999999999999999", "SIG",
                             "int", "sigint", "SIGSIGINT", "FOO", "RTMIN+", "RTMIN+x", "RTMIN-1", "RTMIN+-1",
                             "RTMIN+1x", "RTMIN+99999999999999999999", "RTMAX-1x" })
                EXPECT_EQ(signal_from_string(bad), -EINVAL) << "'" << bad << "'";
}

} // namespace
