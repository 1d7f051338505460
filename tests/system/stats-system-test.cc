/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <algorithm>
#include <ctime>
#include <sstream>

#include "../bus/stats-client.h"
#include "support.h"

/* Statistics against what the kernel says, Freeze, and tasks found by their processes, on a booted
 * system. */

namespace
{

const char spinner[] = "while :; do :; done";

double now_usec()
{
        struct timespec now = {};

        (void) clock_gettime(CLOCK_REALTIME, &now);
        return (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3;
}

class Stats : public SystemTest
{
      protected:
        /* The value behind KEY of a file in the scope's cgroup; -1: there is none. */
        static double kernel(const std::string &id, const std::string &file, const std::string &key)
        {
                for (const auto &line : lines_of(read_file(cgroup_of(id) + "/" + file)))
                        if (line.rfind(key + " ", 0) == 0)
                                return std::stod(line.substr(key.size() + 1));
                return -1;
        }

        static double cpu_usec(const std::string &id)
        {
                return kernel(id, "cpu.stat", "usage_usec");
        }

        Figures stats(const std::string &id)
        {
                return get_stats(client, path_of(id));
        }

        Reply call(const std::string &id, const std::string &member)
        {
                return client.task(path_of(id), member);
        }

        /* A task that exits with 7 at its stop signal, and is ready to. */
        void start_with_trap(const std::string &id)
        {
                const std::string ready = "/tmp/stats-ready-" + id;

                ASSERT_EQ(run({ "rm", "-f", ready }).status, 0);
                start(id, script("trap 'exit 7' INT; touch " + ready + "; while :; do sleep 0.01; done"));
                ASSERT_TRUE(eventually([&] { return exists(ready); }));
        }

        /* So many microseconds of CPU time more than now. */
        static bool runs_for(const std::string &id, double usec)
        {
                double begin = cpu_usec(id);

                return eventually([&] { return cpu_usec(id) >= begin + usec; });
        }
};

/* The first sample comes at once, and its numbers are the kernel's: read before and after, they enclose
 * it. */
TEST_F(Stats, TestExecDriver_Stats)
{
        start("figures", script(spinner));
        ASSERT_TRUE(runs_for("figures", 50000));

        double wall_before = now_usec(), before = cpu_usec("figures");
        double user_before = kernel("figures", "cpu.stat", "user_usec");
        Figures figures = stats("figures");
        double after = cpu_usec("figures"), user_after = kernel("figures", "cpu.stat", "user_usec");

        EXPECT_GE(figures.at("Timestamp"), wall_before);
        EXPECT_LE(figures.at("Timestamp"), now_usec());
        EXPECT_GE(figures.at("CPUUsageNSec"), before * 1e3);
        EXPECT_LE(figures.at("CPUUsageNSec"), after * 1e3);
        EXPECT_GE(figures.at("CPUUserNSec"), user_before * 1e3);
        EXPECT_LE(figures.at("CPUUserNSec"), user_after * 1e3);
        EXPECT_EQ(figures.at("CPUPercent"), 0);
}

/* What has no file here has no key, and the other way round. */
TEST_F(Stats, WhatTheKernelDoesNotTellIsAbsent)
{
        const std::map<std::string, std::string> files = {
                { "MemoryCurrent", "memory.current" },
                { "MemoryPeak", "memory.peak" },
                { "MemoryAnon", "memory.stat" },
                { "MemorySwapCurrent", "memory.swap.current" },
                { "IOReadBytes", "io.stat" },
                { "TasksCurrent", "pids.current" },
                { "CPUPressureSomeNSec", "cpu.pressure" },
                { "MemoryPressureSomeNSec", "memory.pressure" },
                { "IOPressureFullAvg10", "io.pressure" },
        };

        start("absent", script("exec sleep 1000"));
        Figures figures = stats("absent");
        for (const auto &[key, file] : files)
                EXPECT_EQ(figures.count(key) == 1, exists(cgroup_of("absent") + "/" + file)) << key;
        EXPECT_EQ(figures.count("CPUPeriods") == 1, kernel("absent", "cpu.stat", "nr_periods") >= 0);
}

/* Half a processor's worth of a spinner is 50 percent, by GetStats and by StreamStats. Measured against what
 * the kernel gave it, since others want the processor as well. */
TEST_F(Stats, PercentOfASpinner)
{
        start("percent", script(spinner));
        (void) stats("percent");
        StatsStream stream(client, path_of("percent"), 500000);
        ASSERT_TRUE(stream.reply.ok()) << stream.reply;
        Figures first = stream.figures();
        ASSERT_EQ(first.at("CPUPercent"), 0);

        Figures begin = stats("percent"), line = stream.figures(), end = stats("percent");
        auto percent = [](const Figures &from, const Figures &to) {
                return (to.at("CPUUsageNSec") - from.at("CPUUsageNSec")) /
                                (to.at("Timestamp") - from.at("Timestamp")) / 10;
        };
        EXPECT_GT(end.at("CPUPercent"), 1);
        EXPECT_NEAR(end.at("CPUPercent") / percent(begin, end), 1, 0.05);
        EXPECT_NEAR(line.at("CPUPercent") / percent(first, line), 1, 0.05);
}

TEST_F(Stats, TestStatProcesses)
{
        start("processes", script("sleep 1000 & exec sh -c '" + std::string(spinner) + "'"));
        pid_t pid = std::stoi(client.property(path_of("processes"), "MainPID"));
        ASSERT_TRUE(runs_for("processes", 100000));

        auto processes = get_process_stats(client, path_of("processes"));
        ASSERT_EQ(processes.size(), 2U) << "the task's, not the supervisor";
        ASSERT_EQ(processes.count(pid), 1U);
        ProcessFigures main = processes[pid];
        EXPECT_EQ(main.name, "sh");
        EXPECT_GE(main.figures.at("CPUUserNSec") + main.figures.at("CPUSystemNSec"), 50e6);

        double rss = 0; /* it no longer changes: the loop needs no memory */
        for (const auto &text : lines_of(read_file("/proc/" + std::to_string(pid) + "/status")))
                if (text.rfind("VmRSS:", 0) == 0)
                        rss = std::stod(text.substr(6)) * 1024;
        EXPECT_EQ(main.figures.at("MemoryRSS"), rss);
}

/* The upstream test: figures of a running task, then a signal from outside, which Wait tells. */
TEST_F(Stats, TestExecutor_WaitExitSignal)
{
        start("wait-signal", script("exec sleep 1000"));
        pid_t pid = std::stoi(client.property(path_of("wait-signal"), "MainPID"));

        EXPECT_EQ(get_process_stats(client, path_of("wait-signal")).count(pid), 1U);
        EXPECT_GE(stats("wait-signal").at("Timestamp"), now_usec() - 1e6);
        ASSERT_EQ(kill(pid, SIGKILL), 0);
        EXPECT_EQ(wait("wait-signal"), (Exit{ "signal", 137, 9, false }));
        EXPECT_EQ(call("wait-signal", "GetStats").error, "org.nomad.Executor.Error.NotRunning");
}

/* --- StreamStats --- */

TEST_F(Stats, StreamEndsWithTheTask)
{
        start("stream", script("exec sleep 1000"));
        StatsStream stream(client, path_of("stream"), 10000);
        double previous = 0;

        for (int i = 0; i < 20; i++) {
                Figures figures = stream.figures();
                ASSERT_FALSE(figures.empty());
                EXPECT_GT(figures.at("Timestamp"), previous);
                previous = figures.at("Timestamp");
        }
        ASSERT_TRUE(stop("stream", "", 0).ok());
        while (!stream.line().empty())
                ;
        EXPECT_EQ(wait("stream"), (Exit{ "signal", 137, 9, false }));
}

/* The one that does not read is cut off with whole lines, while calls are answered and another reader is
 * served. */
TEST_F(Stats, StreamReaderThatDoesNotReadIsCutOff)
{
        start("lazy", script("exec sleep 1000"));
        StatsStream lazy(client, path_of("lazy"), 10000), diligent(client, path_of("lazy"), 20000);

        ASSERT_TRUE(eventually([&] {
                struct pollfd p = { lazy.fd, 0, 0 };

                EXPECT_FALSE(diligent.figures().empty());
                EXPECT_TRUE(call("lazy", "GetStats").ok());
                return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
        }));
        while (!lazy.figures().empty())
                ;
        EXPECT_FALSE(diligent.figures().empty());
}

/* No reader, no timer: the service sleeps when the last one has gone. */
TEST_F(Stats, NoReaderCostsNothing)
{
        auto wakeups = [] {
                for (const auto &line : lines_of(read_file(
                                     "/proc/" + std::to_string(main_pid(EXECUTOR_UNIT)) + "/status")))
                        if (line.rfind("voluntary_ctxt_switches:", 0) == 0)
                                return std::stol(line.substr(line.find(':') + 1));
                return -1L;
        };

        start("quiet", script("exec sleep 1000"));
        StatsStream stream(client, path_of("quiet"), 10000);
        ASSERT_FALSE(stream.figures().empty());
        long begin = wakeups();
        for (int i = 0; i < 20; i++)
                EXPECT_FALSE(stream.figures().empty());
        EXPECT_GE(wakeups() - begin, 10) << "it wakes up for each line";

        stream.close();
        /* what closing has caused is over once a call has been answered */
        EXPECT_TRUE(call("quiet", "GetStats").ok());
        begin = wakeups();
        (void) poll(nullptr, 0, 500);
        EXPECT_LE(wakeups() - begin, 5) << "and not at all when there are none";
}

TEST_F(Stats, StreamReadersUpToTheLimit)
{
        const size_t limit = 32;
        std::vector<std::unique_ptr<StatsStream>> streams;

        start("many-readers", script("exec sleep 1000"));
        for (size_t i = 0; i < limit; i++) {
                streams.push_back(std::make_unique<StatsStream>(client, path_of("many-readers"), 100000));
                ASSERT_TRUE(streams.back()->reply.ok()) << i << streams.back()->reply;
        }
        EXPECT_EQ(StatsStream(client, path_of("many-readers"), 100000).reply.error,
                        "org.nomad.Executor.Error.LimitExceeded");
        for (const auto &stream : streams)
                EXPECT_FALSE(stream->figures().empty());
        EXPECT_EQ(StatsStream(client, path_of("many-readers"), 9999).reply.error,
                        "org.nomad.Executor.Error.InvalidSpec");
}

/* --- Freeze --- */

TEST_F(Stats, FreezeStopsASpinnersClock)
{
        start("frozen", script(spinner));
        ASSERT_TRUE(runs_for("frozen", 20000));

        ASSERT_TRUE(call("frozen", "Freeze").ok());
        /* the task's own, since the supervisor beside it is not frozen */
        std::string stat = read_file(cgroup_of("frozen") + "/task/cpu.stat");
        ASSERT_NE(stat, "");
        (void) poll(nullptr, 0, 500);
        EXPECT_EQ(read_file(cgroup_of("frozen") + "/task/cpu.stat"), stat) << "it runs on";
        EXPECT_EQ(client.property(path_of("frozen"), "State"), "running");

        ASSERT_TRUE(call("frozen", "Thaw").ok());
        EXPECT_TRUE(runs_for("frozen", 20000)) << "it does not go on";
}

TEST_F(Stats, StopOfAFrozenTask)
{
        start_with_trap("frozen-stop");
        ASSERT_TRUE(call("frozen-stop", "Freeze").ok());
        ASSERT_TRUE(stop("frozen-stop", "", UINT64_MAX).ok());
        EXPECT_EQ(wait("frozen-stop"), (Exit{ "exit-code", 7, 0, false })) << "the signal reaches it";

        start("frozen-kill", script("sleep 1000 & exec sleep 1001"));
        ASSERT_TRUE(call("frozen-kill", "Freeze").ok());
        ASSERT_TRUE(stop("frozen-kill", "", 0).ok());
        EXPECT_EQ(wait("frozen-kill"), (Exit{ "signal", 137, 9, false }));
}

TEST_F(Stats, SystemctlStopOfAFrozenTask)
{
        start_with_trap("frozen-unit");
        ASSERT_TRUE(call("frozen-unit", "Freeze").ok());
        EXPECT_EQ(run({ "systemctl", "stop", unit_of("frozen-unit") }).status, 0);
        EXPECT_EQ(wait("frozen-unit"), (Exit{ "exit-code", 7, 0, false }));
}

TEST_F(Stats, FrozenOverADeathOfTheService)
{
        start("frozen-over", script(spinner));
        ASSERT_TRUE(call("frozen-over", "Freeze").ok());
        double usage = cpu_usec("frozen-over");
        kill_service(EXECUTOR_UNIT);
        EXPECT_EQ(client.property(path_of("frozen-over"), "State"), "running");
        EXPECT_EQ(cpu_usec("frozen-over"), usage);
        ASSERT_TRUE(call("frozen-over", "Thaw").ok());
        EXPECT_TRUE(runs_for("frozen-over", 20000));
}

/* --- GetTaskByPIDFD --- */

TEST_F(Stats, TaskOfAChild)
{
        start("parent", script("(setsid sleep 1000 &); exec sleep 1001"));
        pid_t main = std::stoi(client.property(path_of("parent"), "MainPID"));
        std::vector<std::string> pids;

        ASSERT_TRUE(eventually([&] {
                pids = lines_of(read_file(cgroup_of("parent") + "/task/cgroup.procs"));
                /* not the shell between them */
                return pids.size() == 2 && std::all_of(pids.begin(), pids.end(), [](const auto &pid) {
                        return read_file("/proc/" + pid + "/comm") == "sleep\n";
                });
        }));
        for (const auto &pid : pids) {
                PidFd pidfd(std::stoi(pid));
                EXPECT_EQ(get_task_by_pidfd(client, pidfd.fd).path(), path_of("parent")) << pid;
        }
        ASSERT_EQ(std::count(pids.begin(), pids.end(), std::to_string(main)), 1);

        PidFd ourselves(getpid());
        EXPECT_EQ(get_task_by_pidfd(client, ourselves.fd).error, "org.nomad.Executor.Error.NoSuchTask");
        EXPECT_EQ(get_task_by_pidfd(client, STDERR_FILENO).error, "org.nomad.Executor.Error.InvalidSpec");

        PidFd gone(main);
        ASSERT_TRUE(stop("parent", "", 0).ok());
        wait("parent");
        EXPECT_EQ(get_task_by_pidfd(client, gone.fd).error, "org.nomad.Executor.Error.NoSuchTask");
}

/* --- cost --- */

/* In CPU time of the service, which other programs do not change; the bound is a multiple of what is
 * measured, so that it fails for a walk of /proc and not for a slow machine. */
TEST_F(Stats, CostOfGetStats)
{
        const int calls = 1000;
        auto spent = [] {
                std::istringstream text(read_file(
                                "/proc/" + std::to_string(main_pid(EXECUTOR_UNIT)) + "/schedstat"));
                double nsec = 0;

                text >> nsec;
                return nsec;
        };

        start("cost", script("exec sleep 1000"));
        (void) stats("cost");
        double begin = spent();
        for (int i = 0; i < calls; i++)
                ASSERT_TRUE(call("cost", "GetStats").ok());
        double usec = (spent() - begin) / 1e3 / calls;

        RecordProperty("CPUMicrosecondsPerCall", std::to_string(usec));
        std::cout << usec << " us of CPU time for each GetStats" << std::endl;
        EXPECT_GT(usec, 0);
}

} // namespace
