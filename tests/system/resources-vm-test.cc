/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>

#include "support.h"

/* Limits that the kernel enforces: needs all resource controllers. */

namespace
{

const uint64_t MIB = 1 << 20;
/* The machine may be emulated in software. */
const std::chrono::seconds PATIENCE(120);

class ResourcesVm : public SystemTest
{
      protected:
        void SetUp() override
        {
                SystemTest::SetUp();
                EXPECT_EQ(run({ "rm", "-rf", directory }).status, 0);
                ASSERT_EQ(run({ "mkdir", directory }).status, 0);
        }

        static uint64_t number(const std::string &id, const std::string &file, const std::string &key = "")
        {
                for (const auto &line : lines_of(read_file(cgroup_of(id) + "/" + file)))
                        if (line.rfind(key.empty() ? "" : key + " ", 0) == 0)
                                return std::stoull(line.substr(key.size()));
                ADD_FAILURE() << "no " << key << " in " << file;
                return 0;
        }

        /* Without the line's end. */
        static std::string value(const std::string &id, const std::string &file)
        {
                std::string text = read_file(cgroup_of(id) + "/" + file);

                text.pop_back();
                return text;
        }

        static std::string shown(const std::string &id, const std::string &property)
        {
                std::string text =
                                run({ "systemctl", "show", "--value", "--property", property, unit_of(id) })
                                                .text;

                text.pop_back();
                return text;
        }

        Reply set_resources(const std::string &id, const Spec &resources)
        {
                return client.task(path_of(id), "SetResources",
                                [=](sd_bus_message *m) { resources.append_to(m); });
        }

        /* Says "ready", and once it is let go takes 80 MiB and gives status 7. */
        Spec hungry() const
        {
                return script("echo ready; while ! [ -e " + directory +
                                "/go ]; do sleep 0.1; done; x=$(head -c 83886080 /dev/zero | tr '\\0' x); exit 7");
        }

        void await_ready(const std::string &id)
        {
                ASSERT_TRUE(eventually(
                                [&] { return read_file(log_of(id, "stdout")) == "ready\n"; }, PATIENCE));
        }

        Exit wait_patiently(const std::string &id)
        {
                EXPECT_TRUE(eventually([&] { return client.property(path_of(id), "State") == "exited"; },
                                PATIENCE));
                return wait(id);
        }

        const std::string directory = "/tmp/resources";
};

/* --- memory --- */

TEST_F(ResourcesVm, MemoryMaxKillsAndReports)
{
        start("eater",
                        Spec().set("Command", "/usr/bin/tail")
                                        .set("Arguments", std::vector<std::string>{ "/dev/zero" })
                                        .set("MemoryMax", 32 * MIB)
                                        .set("MemorySwapMax", uint64_t{ 0 }));
        EXPECT_EQ(wait_patiently("eater"), (Exit{ "oom-kill", 137, SIGKILL, true }));
        EXPECT_EQ(client.property(path_of("eater"), "OOMKilled"), "true");
        EXPECT_EQ(client.property(path_of("eater"), "Result"), "oom-kill");
        EXPECT_LE(std::stoull(client.property(path_of("eater"), "MemoryPeak")), 32 * MIB);
}

TEST_F(ResourcesVm, TestExecDriver_OOMKilled)
{
        start("contained",
                        Spec().set("Command", "tail")
                                        .set("Arguments", std::vector<std::string>{ "/dev/zero" })
                                        .set("Isolation", "container")
                                        .set("TaskDirectory", directory)
                                        .set("MemoryMax", 32 * MIB)
                                        .set("MemorySwapMax", uint64_t{ 0 }));
        EXPECT_EQ(wait_patiently("contained"), (Exit{ "oom-kill", 137, SIGKILL, true }));
        EXPECT_EQ(client.property(path_of("contained"), "OOMKilled"), "true");
}

TEST_F(ResourcesVm, OOMKillOfAChildIsReportedToo)
{
        start("parent",
                        script("(exec tail /dev/zero); [ $? = 137 ] && exit 5")
                                        .set("MemoryMax", 32 * MIB)
                                        .set("MemorySwapMax", uint64_t{ 0 }));
        EXPECT_EQ(wait_patiently("parent"), (Exit{ "oom-kill", 5, 0, true }));
}

/* What is killed in a task without memory left is of the task, so that its status is known every time. */
TEST_F(ResourcesVm, SupervisorIsNeverTheVictim)
{
        for (int i = 0; i < 5; i++) {
                start("victims",
                                script("for i in 1 2 3; do tail /dev/zero & done; exec tail /dev/zero")
                                                .set("OOMScoreAdjust", int32_t{ -900 })
                                                .set("MemoryMax", 16 * MIB)
                                                .set("MemorySwapMax", uint64_t{ 0 }));
                EXPECT_EQ(wait_patiently("victims"), (Exit{ "oom-kill", 137, SIGKILL, true })) << i;
                release("victims");
        }
        start("plain", script("exec sleep 1000"));
        std::string supervisor = value("plain", "supervisor/cgroup.procs");
        EXPECT_EQ(read_file("/proc/" + supervisor + "/oom_score_adj"), "-1000\n");
}

TEST_F(ResourcesVm, MemoryMaxThatIsRaisedInTimePreventsTheKill)
{
        for (bool raise : { false, true }) {
                const std::string id = raise ? "raised" : "not-raised";

                EXPECT_EQ(run({ "rm", "-f", directory + "/go" }).status, 0);
                start(id, hungry().set("MemoryMax", 32 * MIB).set("MemorySwapMax", uint64_t{ 0 }));
                await_ready(id);
                if (raise) {
                        ASSERT_TRUE(set_resources(id, Spec().set("MemoryMax", 512 * MIB)).ok());
                }
                EXPECT_EQ(number(id, "memory.max"), (raise ? 512 : 32) * MIB);
                EXPECT_EQ(number(id, "memory.swap.max"), 0U) << "what is not given stays";
                ASSERT_EQ(run({ "touch", directory + "/go" }).status, 0);
                Exit exit = wait_patiently(id);
                EXPECT_EQ(exit.oom, !raise) << exit;
                EXPECT_EQ(exit.result, raise ? "exit-code" : "oom-kill") << exit;
                if (raise) {
                        EXPECT_EQ(exit.code, 7);
                }
        }
}

/* --- processor time --- */

TEST_F(ResourcesVm, CPUQuotaHalvesTheTimeOfASpinner)
{
        const std::chrono::seconds window(4);
        auto rate = [&] {
                auto begin = std::chrono::steady_clock::now();
                uint64_t used = number("spinner", "cpu.stat", "usage_usec");

                while (std::chrono::steady_clock::now() - begin < window)
                        (void) eventually([] { return false; }, std::chrono::milliseconds(50));
                used = number("spinner", "cpu.stat", "usage_usec") - used;
                return (double) used /
                                std::chrono::duration<double, std::micro>(
                                                std::chrono::steady_clock::now() - begin)
                                                .count();
        };

        start("spinner", script("while :; do :; done"));
        double free_rate = rate();
        ASSERT_GT(free_rate, 0.3) << "of one processor";
        uint64_t quota = (uint64_t) (free_rate * 1000000 / 2);
        ASSERT_TRUE(set_resources("spinner", Spec().set("CPUQuotaPerSecUSec", quota)).ok());
        double ratio = rate() / free_rate;
        EXPECT_NEAR(ratio, 0.5, 0.5 * 0.15) << "free: " << free_rate;
        EXPECT_GT(number("spinner", "cpu.stat", "nr_throttled"), 0U);

        ASSERT_TRUE(set_resources("spinner", Spec().set("CPUQuotaPerSecUSec", UINT64_MAX)).ok());
        EXPECT_GT(rate() / free_rate, 0.7) << "without quota again";
}

/* --- processes --- */

TEST_F(ResourcesVm, TasksMaxStopsAForkBombAndStopRemovesIt)
{
        const uint64_t max = 40;
        const std::string bomb = "import os\n"
                                 "while True:\n"
                                 "    try:\n"
                                 "        os.fork()\n"
                                 "    except OSError:\n"
                                 "        pass\n";

        start("bomb",
                        Spec().set("Command", "/usr/bin/python3")
                                        .set("Arguments", std::vector<std::string>{ "-c", bomb })
                                        .set("TasksMax", max));
        ASSERT_TRUE(eventually([&] { return number("bomb", "pids.events", "max") > 100; }, PATIENCE));
        EXPECT_LE(number("bomb", "pids.current"), max);
        EXPECT_GE(number("bomb", "pids.current"), max / 2);
        EXPECT_EQ(run({ "true" }).status, 0) << "the rest of the system has processes left";
        ASSERT_TRUE(stop("bomb", "", 0).ok());
        EXPECT_EQ(wait_patiently("bomb"), (Exit{ "signal", 137, SIGKILL, false }));
        EXPECT_FALSE(exists(cgroup_of("bomb")));
        EXPECT_NE(run({ "pgrep", "-f", "os.fork" }).status, 0);
}

/* --- the same number everywhere --- */

TEST_F(ResourcesVm, ValuesAreInSystemdAndInTheCgroup)
{
        start("values",
                        script("exec sleep 1000")
                                        .set("MemoryMax", 64 * MIB)
                                        .set("MemoryHigh", 48 * MIB)
                                        .set("MemoryLow", 16 * MIB)
                                        .set("MemorySwapMax", 8 * MIB)
                                        .set("CPUWeight", uint64_t{ 200 })
                                        .set("CPUQuotaPerSecUSec", uint64_t{ 250000 })
                                        .set("AllowedCPUs", "0")
                                        .set("IOWeight", uint64_t{ 300 })
                                        .set("TasksMax", uint64_t{ 77 }));
        const std::map<std::string, std::string> files = {
                { "memory.max", "67108864" },
                { "memory.high", "50331648" },
                { "memory.low", "16777216" },
                { "memory.swap.max", "8388608" },
                { "cpu.weight", "200" },
                { "cpu.max", "25000 100000" },
                { "cpuset.cpus", "0" },
                { "pids.max", "77" },
        };
        const std::map<std::string, std::string> properties = {
                { "MemoryMax", "67108864" },
                { "MemoryHigh", "50331648" },
                { "MemoryLow", "16777216" },
                { "MemorySwapMax", "8388608" },
                { "CPUWeight", "200" },
                { "CPUQuotaPerSecUSec", "250ms" },
                { "AllowedCPUs", "0" },
                { "IOWeight", "300" },
                { "TasksMax", "77" },
        };

        for (const auto &[file, expected] : files)
                EXPECT_EQ(value("values", file), expected) << file;
        for (const auto &[property, expected] : properties)
                EXPECT_EQ(shown("values", property), expected) << property;
}

TEST_F(ResourcesVm, SetResourcesChangesWhatIsGivenAndNothingElse)
{
        start("changed",
                        script("exec sleep 1000")
                                        .set("MemoryMax", 64 * MIB)
                                        .set("CPUWeight", uint64_t{ 200 })
                                        .set("TasksMax", uint64_t{ 77 }));
        ASSERT_TRUE(set_resources("changed", Spec().set("MemoryMax", 128 * MIB).set("AllowedCPUs", "0-1"))
                                        .ok());
        EXPECT_EQ(value("changed", "memory.max"), "134217728");
        EXPECT_EQ(shown("changed", "MemoryMax"), "134217728");
        EXPECT_EQ(value("changed", "cpuset.cpus"), "0-1");
        EXPECT_EQ(value("changed", "cpu.weight"), "200");
        EXPECT_EQ(value("changed", "pids.max"), "77");

        kill_service(EXECUTOR_UNIT);
        ASSERT_TRUE(set_resources(
                        "changed", Spec().set("MemoryMax", UINT64_MAX).set("TasksMax", uint64_t{ 88 }))
                                        .ok());
        EXPECT_EQ(value("changed", "memory.max"), "max");
        EXPECT_EQ(shown("changed", "MemoryMax"), "infinity");
        EXPECT_EQ(value("changed", "pids.max"), "88");
        EXPECT_EQ(value("changed", "cpu.weight"), "200");
}

} // namespace
