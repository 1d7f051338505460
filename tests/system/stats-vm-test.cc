/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>

#include "../bus/stats-client.h"
#include "support.h"

/* Statistics that need resource controllers, which a container on most hosts does not have. */

namespace
{

class StatsVm : public SystemTest
{
      protected:
        Figures stats(const std::string &id)
        {
                return get_stats(client, path_of(id));
        }

        static double number(const std::string &id, const std::string &file)
        {
                return std::stod(read_file(cgroup_of(id) + "/" + file));
        }

        static std::string fresh_directory(const std::string &name)
        {
                std::string path = "/tmp/" + name;

                EXPECT_EQ(run({ "rm", "-rf", path }).status, 0);
                EXPECT_EQ(run({ "mkdir", path }).status, 0);
                return path;
        }
};

/* Every key of the contract that a current kernel with all controllers has. */
TEST_F(StatsVm, AllKeysAreThere)
{
        start("keys", script("exec sleep 1000"));
        Figures figures = stats("keys");

        for (const char *key : { "Timestamp", "CPUUsageNSec", "CPUPercent", "CPUUserNSec", "CPUSystemNSec",
                             "CPUPeriods", "CPUThrottledPeriods", "CPUThrottledNSec", "MemoryCurrent",
                             "MemoryPeak", "MemoryAnon", "MemoryFile", "MemoryKernel", "MemoryMapped",
                             "IOReadBytes", "IOReadOperations", "IOWriteBytes", "IOWriteOperations",
                             "TasksCurrent", "CPUPressureSomeAvg10", "CPUPressureSomeNSec",
                             "MemoryPressureSomeAvg10", "MemoryPressureFullNSec", "IOPressureSomeNSec" })
                EXPECT_EQ(figures.count(key), 1U) << key;
        EXPECT_EQ(figures.count("MemorySwapCurrent") == 1,
                        exists(cgroup_of("keys") + "/memory.swap.current"));
}

/* 64 MiB of memory that the task has touched, then given back. */
TEST_F(StatsVm, MemoryIsTheKernels)
{
        const double size = 64 << 20;
        std::string directory = fresh_directory("stats-memory");

        start("memory",
                        script("x=$(head -c 67108864 /dev/zero | tr '\\0' x); touch " + directory +
                                        "/full; while ! [ -e " + directory +
                                        "/go ]; do sleep 0.1; done; exec sleep 1000"));
        ASSERT_TRUE(eventually([&] { return exists(directory + "/full"); }, std::chrono::seconds(120)));
        Figures full = stats("memory");
        EXPECT_GE(full.at("MemoryCurrent"), size);
        EXPECT_GE(full.at("MemoryAnon"), size);
        EXPECT_GE(full.at("MemoryPeak"), full.at("MemoryCurrent"));
        EXPECT_GT(full.at("MemoryKernel"), 0);
        EXPECT_NEAR(full.at("MemoryCurrent") / number("memory", "memory.current"), 1, 0.1);

        ASSERT_EQ(run({ "touch", directory + "/go" }).status, 0);
        EXPECT_TRUE(eventually([&] { return stats("memory").at("MemoryAnon") < size / 2; }));
        EXPECT_GE(stats("memory").at("MemoryPeak"), size) << "the peak stays";
}

TEST_F(StatsVm, TasksAreCounted)
{
        start("counted", script("sleep 1000 & sleep 1001 & wait"));
        EXPECT_TRUE(eventually([&] { return stats("counted").at("TasksCurrent") == 4; }))
                        << "three, and the supervisor";
        EXPECT_EQ(number("counted", "pids.current"), 4);
}

TEST_F(StatsVm, BytesWrittenToADevice)
{
        const double size = 8 << 20;

        /* the root file system is on a block device here */
        start("io", script("dd if=/dev/zero of=/var/tmp/stats-io bs=1M count=8 conv=fsync 2>/dev/null; exec sleep 1000"));
        EXPECT_TRUE(eventually(
                        [&] { return stats("io").at("IOWriteBytes") >= size; }, std::chrono::seconds(60)));
        Figures figures = stats("io");
        EXPECT_GE(figures.at("IOWriteOperations"), 1);
        EXPECT_EQ(run({ "rm", "-f", "/var/tmp/stats-io" }).status, 0);
}

TEST_F(StatsVm, FreezeStopsASpinnersClock)
{
        auto usage = [&] { return stats("frozen").at("CPUUsageNSec"); };

        start("frozen", script("while :; do :; done"));
        double begin = usage();
        ASSERT_TRUE(eventually([&] { return usage() > begin + 5e7; }, std::chrono::seconds(60)));
        ASSERT_TRUE(client.task(path_of("frozen"), "Freeze").ok());
        /* the task's own, since the supervisor beside it is not frozen */
        std::string stat = read_file(cgroup_of("frozen") + "/task/cpu.stat");
        ASSERT_NE(stat, "");
        (void) poll(nullptr, 0, 1000);
        EXPECT_EQ(read_file(cgroup_of("frozen") + "/task/cpu.stat"), stat) << "it runs on";
        ASSERT_TRUE(client.task(path_of("frozen"), "Thaw").ok());
        double frozen = usage();
        EXPECT_TRUE(eventually([&] { return usage() > frozen + 5e7; }, std::chrono::seconds(60)))
                        << "it does not go on";
}

/* A task that cannot be frozen: it waits in the kernel for a file system that is frozen itself. */
class StuckVm : public StatsVm
{
      protected:
        void SetUp() override
        {
                StatsVm::SetUp();
                ASSERT_EQ(run({ "sh", "-c",
                                              "mkdir -p /tmp/stuck && truncate -s 16M /tmp/stuck.img && "
                                              "mkfs.ext4 -q -F /tmp/stuck.img && mount -o loop /tmp/stuck.img /tmp/stuck" })
                                                .status,
                                0);
                start("stuck", script("while :; do echo x >/tmp/stuck/file; done"));
                ASSERT_TRUE(eventually([] { return exists("/tmp/stuck/file"); }));
                ASSERT_EQ(run({ "fsfreeze", "-f", "/tmp/stuck" }).status, 0);
                std::string stat = "/proc/" + client.property(path_of("stuck"), "MainPID") + "/stat";
                ASSERT_TRUE(eventually([&] { return read_file(stat).find(") D ") != std::string::npos; }));
        }

        void thaw_disk()
        {
                EXPECT_EQ(run({ "fsfreeze", "-u", "/tmp/stuck" }).status, 0);
        }

        void TearDown() override
        {
                (void) run({ "fsfreeze", "-u", "/tmp/stuck" });
                StatsVm::TearDown();
                EXPECT_EQ(run({ "sh", "-c", "umount /tmp/stuck && rm -rf /tmp/stuck /tmp/stuck.img" })
                                                .status,
                                0);
        }

        std::shared_ptr<Pending> freeze_later()
        {
                return client.call_later(EXECUTOR_NAME, path_of("stuck"), TASK_INTERFACE, "Freeze");
        }
};

TEST_F(StuckVm, FreezeGivesUpAfterItsDeadline)
{
        auto begin = std::chrono::steady_clock::now();
        auto freeze = freeze_later();

        ASSERT_TRUE(client.await(freeze));
        EXPECT_EQ(freeze->reply().error, "org.freedesktop.DBus.Error.Timeout") << freeze->reply();
        EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(9));
        EXPECT_EQ(read_file(cgroup_of("stuck") + "/task/cgroup.freeze"), "0\n") << "not half of it";
        thaw_disk();
        EXPECT_TRUE(client.task(path_of("stuck"), "Freeze").ok());
        EXPECT_TRUE(client.task(path_of("stuck"), "Thaw").ok());
}

TEST_F(StuckVm, StopWhileFreezeIsPending)
{
        auto freeze = freeze_later();

        EXPECT_EQ(client.property(path_of("stuck"), "State"), "running");
        EXPECT_FALSE(freeze->done());
        ASSERT_TRUE(stop("stuck", "", 0).ok());
        ASSERT_TRUE(client.await(freeze));
        EXPECT_EQ(freeze->reply().error, "org.nomad.Executor.Error.NotRunning") << freeze->reply();
        thaw_disk();
        EXPECT_EQ(wait("stuck"), (Exit{ "signal", 137, 9, false }));
}

/* A tenth of a processor: a spinner is held back in most periods, and uses as much as it may. */
TEST_F(StatsVm, ThrottledSpinner)
{
        start("throttled", script("while :; do :; done").set("CPUQuotaPerSecUSec", (uint64_t) 100000));
        ASSERT_TRUE(eventually([&] { return stats("throttled").at("CPUThrottledPeriods") >= 1; },
                        std::chrono::seconds(60)));
        Figures begin = stats("throttled");
        ASSERT_TRUE(eventually(
                        [&] { return stats("throttled").at("CPUPeriods") >= begin.at("CPUPeriods") + 30; },
                        std::chrono::seconds(120)));
        Figures end = stats("throttled");

        EXPECT_GT(end.at("CPUThrottledPeriods"), begin.at("CPUThrottledPeriods") + 10);
        EXPECT_GT(end.at("CPUThrottledNSec"), begin.at("CPUThrottledNSec"));
        double share = (end.at("CPUUsageNSec") - begin.at("CPUUsageNSec")) /
                        (end.at("Timestamp") - begin.at("Timestamp")) / 1e3;
        EXPECT_LT(share, 0.15);
}

} // namespace
