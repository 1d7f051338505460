/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stats.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <vector>

#include "cleanup.h"
#include "process-stats.h"
#include "state-file.h"

namespace
{

size_t index_of(const std::string &key)
{
        for (size_t i = 0; i < n_stats_fields; i++)
                if (key == stats_fields[i].key)
                        return i;
        ADD_FAILURE() << "no key " << key;
        return 0;
}

class Stats : public testing::Test
{
      protected:
        bool known(const std::string &key) const
        {
                return stats_is_known(&sample, index_of(key));
        }
        uint64_t t(const std::string &key) const
        {
                EXPECT_TRUE(known(key)) << key;
                EXPECT_EQ(stats_fields[index_of(key)].type, 't') << key;
                return sample.values[index_of(key)].t;
        }
        double d(const std::string &key) const
        {
                EXPECT_TRUE(known(key)) << key;
                EXPECT_EQ(stats_fields[index_of(key)].type, 'd') << key;
                return sample.values[index_of(key)].d;
        }
        std::string json() const
        {
                char buffer[4096];
                size_t length = 0;

                EXPECT_EQ(stats_to_json(&sample, buffer, sizeof buffer, &length), 0);
                return std::string(buffer, length);
        }

        StatsSample sample = {};
};

TEST_F(Stats, CpuStat)
{
        stats_parse(STATS_CPU_STAT,
                        "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\ncore_sched.force_idle_usec 7\n"
                        "nr_periods 12\nnr_throttled 3\nthrottled_usec 250\nnr_bursts 9\nburst_usec 8\n",
                        &sample);
        EXPECT_EQ(t("CPUUsageNSec"), 1500000U);
        EXPECT_EQ(t("CPUUserNSec"), 1000000U);
        EXPECT_EQ(t("CPUSystemNSec"), 500000U);
        EXPECT_EQ(t("CPUPeriods"), 12U);
        EXPECT_EQ(t("CPUThrottledPeriods"), 3U);
        EXPECT_EQ(t("CPUThrottledNSec"), 250000U);
}

/* Without the controller the file is shorter, and what it does not say is not known. */
TEST_F(Stats, CpuStatWithoutController)
{
        stats_parse(STATS_CPU_STAT, "usage_usec 1\nuser_usec 1\nsystem_usec 0\n", &sample);
        EXPECT_EQ(t("CPUSystemNSec"), 0U);
        for (const char *key : { "CPUPeriods", "CPUThrottledPeriods", "CPUThrottledNSec", "CPUPercent" })
                EXPECT_FALSE(known(key)) << key;
}

TEST_F(Stats, MemoryStatTakesWholeNamesOnly)
{
        stats_parse(STATS_MEMORY_STAT,
                        "anon 4096\nfile 8192\nkernel 100\nkernel_stack 16384\nfile_mapped 12\nfile_dirty 5\n"
                        "anon_thp 2097152\ninactive_file 1\n",
                        &sample);
        EXPECT_EQ(t("MemoryAnon"), 4096U);
        EXPECT_EQ(t("MemoryFile"), 8192U);
        EXPECT_EQ(t("MemoryKernel"), 100U);
        EXPECT_EQ(t("MemoryMapped"), 12U);
}

/* "kernel" is there since Linux 5.18. */
TEST_F(Stats, MemoryStatOfAnOlderKernel)
{
        stats_parse(STATS_MEMORY_STAT, "anon 4096\nkernel_stack 16384\n", &sample);
        EXPECT_EQ(t("MemoryAnon"), 4096U);
        EXPECT_FALSE(known("MemoryKernel"));
}

TEST_F(Stats, OneNumber)
{
        stats_parse(STATS_MEMORY_CURRENT, "123456789012\n", &sample);
        stats_parse(STATS_MEMORY_PEAK, "223456789012\n", &sample);
        stats_parse(STATS_MEMORY_SWAP_CURRENT, "0\n", &sample);
        stats_parse(STATS_PIDS_CURRENT, "3\n", &sample);
        EXPECT_EQ(t("MemoryCurrent"), 123456789012U);
        EXPECT_EQ(t("MemoryPeak"), 223456789012U);
        EXPECT_EQ(t("MemorySwapCurrent"), 0U);
        EXPECT_EQ(t("TasksCurrent"), 3U);
}

TEST_F(Stats, IoStatIsSummedOverDevices)
{
        stats_parse(STATS_IO_STAT,
                        "8:16 rbytes=1000 wbytes=200 rios=10 wios=2 dbytes=7 dios=7\n"
                        "254:0\n"
                        "8:0 rbytes=234 wbytes=5 rios=3 wios=1 dbytes=0 dios=0\n",
                        &sample);
        EXPECT_EQ(t("IOReadBytes"), 1234U);
        EXPECT_EQ(t("IOWriteBytes"), 205U);
        EXPECT_EQ(t("IOReadOperations"), 13U);
        EXPECT_EQ(t("IOWriteOperations"), 3U);
}

TEST_F(Stats, IoStatWithoutDevicesIsZero)
{
        EXPECT_FALSE(known("IOReadBytes"));
        stats_parse(STATS_IO_STAT, "", &sample);
        EXPECT_EQ(t("IOReadBytes"), 0U);
        EXPECT_EQ(t("IOWriteOperations"), 0U);
}

TEST_F(Stats, Pressure)
{
        stats_parse(STATS_MEMORY_PRESSURE,
                        "some avg10=12.34 avg60=1.00 avg300=0.50 total=1000\n"
                        "full avg10=0.07 avg60=0.00 avg300=0.00 total=30\n",
                        &sample);
        EXPECT_DOUBLE_EQ(d("MemoryPressureSomeAvg10"), 12.34);
        EXPECT_EQ(t("MemoryPressureSomeNSec"), 1000000U);
        EXPECT_DOUBLE_EQ(d("MemoryPressureFullAvg10"), 0.07);
        EXPECT_EQ(t("MemoryPressureFullNSec"), 30000U);
        EXPECT_FALSE(known("CPUPressureSomeAvg10"));
}

TEST_F(Stats, PressureWithoutFull)
{
        stats_parse(STATS_CPU_PRESSURE, "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n", &sample);
        EXPECT_DOUBLE_EQ(d("CPUPressureSomeAvg10"), 0);
        EXPECT_FALSE(known("CPUPressureFullAvg10"));
        EXPECT_FALSE(known("CPUPressureFullNSec"));
}

TEST_F(Stats, WhatIsNoNumberIsNotKnown)
{
        stats_parse(STATS_MEMORY_CURRENT, "max\n", &sample);
        stats_parse(STATS_MEMORY_PEAK, "", &sample);
        stats_parse(STATS_PIDS_CURRENT, "18446744073709551616\n", &sample);
        stats_parse(STATS_CPU_STAT, "usage_usec\nuser_usec x\nsystem_usec 18446744073709551615", &sample);
        stats_parse(STATS_CPU_PRESSURE, "some avg10=x total\nsome\n\n=\n", &sample);
        EXPECT_EQ(sample.known, 0U);
}

TEST_F(Stats, Percent)
{
        StatsPrevious previous = {};

        stats_parse(STATS_CPU_STAT, "usage_usec 5000000\n", &sample);
        sample.monotonic_nsec = 1000000000;
        stats_set_percent(&sample, &previous);
        EXPECT_DOUBLE_EQ(d("CPUPercent"), 0) << "there is nothing to compare the first one with";

        sample.known = 0;
        stats_parse(STATS_CPU_STAT, "usage_usec 6500000\n", &sample);
        sample.monotonic_nsec = 2000000000;
        stats_set_percent(&sample, &previous);
        EXPECT_DOUBLE_EQ(d("CPUPercent"), 150);
        stats_set_percent(&sample, &previous);
        EXPECT_DOUBLE_EQ(d("CPUPercent"), 0) << "no time has passed";
}

TEST_F(Stats, Json)
{
        char small[16];
        size_t length = 0;

        stats_parse(STATS_CPU_STAT, "usage_usec 18446744073709551\n", &sample);
        stats_parse(STATS_CPU_PRESSURE, "some avg10=1.50 total=0\n", &sample);
        EXPECT_EQ(json(),
                        "{\"CPUUsageNSec\":18446744073709551000,\"CPUPressureSomeAvg10\":1.50,"
                        "\"CPUPressureSomeNSec\":0}\n");
        EXPECT_EQ(stats_to_json(&sample, small, sizeof small, &length), -ENOBUFS);
}

TEST_F(Stats, JsonOfDecimals)
{
        const struct {
                double value;
                const char *text;
        } cases[] = {
                { 0, "0.00" },
                { 0.0049, "0.00" },
                { 0.005, "0.01" },
                { 0.07, "0.07" },
                { 0.29, "0.29" }, /* 28.999999999999996 hundredths */
                { 9.994, "9.99" },
                { 9.995001, "10.00" },
                { 99.99, "99.99" },
                { 99.999, "100.00" },
                { 100, "100.00" },
                { 819200.5, "819200.50" },
                { 1e16, "10000000000000000.00" },
                { 1e300, "184467440737095516.15" },
        };

        sample.known = UINT64_C(1) << STATS_CPU_PERCENT;
        for (const auto &c : cases) {
                sample.values[STATS_CPU_PERCENT].d = c.value;
                EXPECT_EQ(json(), std::string("{\"CPUPercent\":") + c.text + "}\n") << c.value;
        }
}

/* Whatever the kernel's two decimals are, they come out as they went in. */
TEST_F(Stats, JsonOfEveryPressure)
{
        for (unsigned i = 0; i <= 10000; i++) {
                char text[64];

                (void) snprintf(text, sizeof text, "some avg10=%u.%02u total=0\n", i / 100, i % 100);
                sample.known = 0;
                stats_parse(STATS_CPU_PRESSURE, text, &sample);
                (void) snprintf(text, sizeof text,
                                "{\"CPUPressureSomeAvg10\":%u.%02u,\"CPUPressureSomeNSec\":0}\n", i / 100,
                                i % 100);
                ASSERT_EQ(json(), text);
        }
}

TEST_F(Stats, JsonOfNumbers)
{
        sample.known = UINT64_C(1) << STATS_TIMESTAMP;
        for (uint64_t value : { UINT64_C(0), UINT64_C(9), UINT64_C(10), UINT64_C(1234567890), UINT64_MAX }) {
                sample.values[STATS_TIMESTAMP].t = value;
                EXPECT_EQ(json(), "{\"Timestamp\":" + std::to_string(value) + "}\n");
        }
}

/* Of any size of the buffer: the whole text or none, and nothing behind the end. */
TEST_F(Stats, JsonToASmallBuffer)
{
        sample.known = UINT64_C(1) << STATS_TIMESTAMP | UINT64_C(1) << STATS_CPU_PERCENT;
        sample.values[STATS_TIMESTAMP].t = UINT64_MAX;
        sample.values[STATS_CPU_PERCENT].d = 1e300;
        const std::string whole = json();
        size_t length = 0;

        for (size_t size = 0; size < whole.size() + 8; size++) {
                std::vector<char> buffer(size + 1, '#');
                int r = stats_to_json(&sample, buffer.data(), size, &length);

                EXPECT_EQ(buffer[size], '#') << size;
                EXPECT_TRUE(r == -ENOBUFS || std::string(buffer.data(), length) == whole) << size;
                EXPECT_TRUE(r == 0 || size < whole.size() + 3) << size;
        }
        sample.known = 0;
        EXPECT_EQ(stats_to_json(&sample, nullptr, 0, &length), -ENOBUFS);
}

/* A pipe takes a line in whole only up to PIPE_BUF. */
TEST_F(Stats, LongestJsonFitsAPipe)
{
        for (size_t i = 0; i < n_stats_fields; i++) {
                if (stats_fields[i].type == 'd')
                        sample.values[i].d = 1e300;
                else
                        sample.values[i].t = UINT64_MAX;
                sample.known |= UINT64_C(1) << i;
        }
        EXPECT_LT(json().size(), 4096U);
        EXPECT_EQ(json().back(), '\n');
}

/* Files of a directory, for those of a cgroup. */
class StatsRead : public testing::Test
{
      protected:
        void SetUp() override
        {
                ASSERT_NE(mkdtemp(path), nullptr);
                files.cgroup_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                ASSERT_GE(files.cgroup_fd, 0);
        }
        void TearDown() override
        {
                stats_files_close(&files);
                EXPECT_GE(remove_tree_at(AT_FDCWD, path), 0);
        }
        void write(const std::string &name, const std::string &text) const
        {
                std::ofstream file(std::string(path) + "/" + name);

                file << text;
                file.flush();
                ASSERT_TRUE(file.good()) << name;
        }
        bool known(const std::string &key) const
        {
                return stats_is_known(&sample, index_of(key));
        }
        uint64_t t(const std::string &key) const
        {
                EXPECT_TRUE(known(key)) << key;
                return sample.values[index_of(key)].t;
        }
        size_t n_open() const
        {
                size_t n = files.cgroup_fd >= 0;

                for (int fd : files.fds)
                        n += fd >= 0;
                return n;
        }

        char path[sizeof "/tmp/stats-test-XXXXXX"] = "/tmp/stats-test-XXXXXX";
        StatsFiles files = stats_files_none();
        StatsSample sample = {};
};

TEST_F(StatsRead, FilesThatAreThere)
{
        EXPECT_EQ(stats_files_read(&files, &sample), -ENOENT) << "no cgroup is without cpu.stat";

        files.looked_nsec = 0;
        write("cpu.stat", "usage_usec 2\n");
        write("memory.stat", "anon 1\n" + std::string(20000, 'x') + "\n");
        ASSERT_EQ(stats_files_read(&files, &sample), 0);
        EXPECT_EQ(t("CPUUsageNSec"), 2000U);
        EXPECT_TRUE(known("Timestamp"));
        EXPECT_FALSE(known("MemoryAnon")) << "read in part";
        EXPECT_FALSE(known("MemoryCurrent"));
}

/* A buffer's worth is one byte too long: where it ends cannot be told. */
TEST_F(StatsRead, LongestFile)
{
        std::string text = "usage_usec 2\n";

        text.resize(16383, '\n');
        write("cpu.stat", text);
        ASSERT_EQ(stats_files_read(&files, &sample), 0);
        EXPECT_EQ(t("CPUUsageNSec"), 2000U);
        write("cpu.stat", text + "\n");
        EXPECT_EQ(stats_files_read(&files, &sample), -EFBIG);
}

TEST_F(StatsRead, KeptFilesTellHowThingsAreNow)
{
        write("cpu.stat", "usage_usec 2000\n");
        write("pids.current", "1000\n");
        ASSERT_EQ(stats_files_read(&files, &sample), 0);
        EXPECT_EQ(n_open(), 3U);
        int fd = files.fds[STATS_PIDS_CURRENT];

        write("cpu.stat", "usage_usec 3\n");
        write("pids.current", "7\n");
        ASSERT_EQ(stats_files_read(&files, &sample), 0);
        EXPECT_EQ(t("CPUUsageNSec"), 3000U);
        EXPECT_EQ(t("TasksCurrent"), 7U);
        EXPECT_EQ(n_open(), 3U);
        EXPECT_EQ(files.fds[STATS_PIDS_CURRENT], fd);

        /* by name they are not looked at again */
        ASSERT_EQ(unlink((std::string(path) + "/pids.current").c_str()), 0);
        ASSERT_EQ(stats_files_read(&files, &sample), 0);
        EXPECT_EQ(t("TasksCurrent"), 7U);

        stats_files_close(&files);
        EXPECT_EQ(n_open(), 0U);
        EXPECT_EQ(fcntl(fd, F_GETFD), -1);
        EXPECT_EQ(errno, EBADF);
}

/* Not at once, and for files that are opened anew no sooner. */
TEST_F(StatsRead, FileThatAppearsLater)
{
        write("cpu.stat", "usage_usec 2\n");
        ASSERT_EQ(stats_files_read(&files, &sample), 0);
        EXPECT_EQ(files.looked_nsec, sample.monotonic_nsec);
        write("memory.current", "4096\n");
        ASSERT_EQ(stats_files_read(&files, &sample), 0);
        EXPECT_FALSE(known("MemoryCurrent"));
        stats_files_close(&files);
        files.cgroup_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ASSERT_EQ(stats_files_read(&files, &sample), 0);
        EXPECT_FALSE(known("MemoryCurrent"));

        files.looked_nsec -= STATS_ABSENT_NSEC;
        for (unsigned i = 0; i < 2; i++) {
                ASSERT_EQ(stats_files_read(&files, &sample), 0);
                EXPECT_EQ(t("MemoryCurrent"), 4096U) << i;
        }
}

/* What is there is not left out because it cannot be opened. */
TEST_F(StatsRead, NoMoreDescriptors)
{
        struct rlimit before, limit;

        write("cpu.stat", "usage_usec 2\n");
        write("io.pressure", "some avg10=1.00 total=2\n");
        ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
        int next = dup(files.cgroup_fd);
        ASSERT_EQ(close(next), 0);
        limit = { static_cast<rlim_t>(next) + 1, before.rlim_max };
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
        int r = stats_files_read(&files, &sample);
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
        EXPECT_EQ(r, -EMFILE);
        EXPECT_EQ(n_open(), 2U) << "cpu.stat had its place";

        ASSERT_EQ(stats_files_read(&files, &sample), 0);
        EXPECT_TRUE(known("IOPressureSomeAvg10")) << "the next sample has it";
}

/* The table is the documentation: the same keys, in the same order, with the same types and places. */
TEST(StatsDocumentation, IsTheTable)
{
        std::ifstream file(std::string(g_getenv("NOMAD_SOURCE_DIR")) + "/dbus/org.nomad.Executor.Task.xml");
        std::ostringstream all;
        std::string text, line;
        size_t i = 0;

        all << file.rdbuf();
        text = all.str();
        size_t begin = text.find("      GetStats:\n"), end = text.find("<method name=\"GetStats\">");
        ASSERT_LT(begin, end);

        /* a line that is indented more goes on with the one before */
        std::istringstream lines(std::regex_replace(
                        text.substr(begin, end - begin), std::regex("\n        +(?! )"), " "));
        std::smatch match;
        while (std::getline(lines, line)) {
                if (!std::regex_match(line, match,
                                    std::regex("      ([A-Z][A-Za-z0-9]+) \\(([a-z])\\): (.*)")))
                        continue;
                ASSERT_LT(i, n_stats_fields) << match[1] << " is in no table";

                const StatsField &field = stats_fields[i++];
                EXPECT_EQ(match[1], field.key);
                EXPECT_EQ(match[2], std::string(1, field.type)) << field.key;
                if (field.file == STATS_COMPUTED)
                        continue;

                std::string place = std::string("; ") + stats_file_name(field.file) +
                                (field.row ? std::string(" ") + field.row : "") +
                                (field.name ? std::string(" ") + field.name : "");
                std::string rest = match[3];
                ASSERT_GT(rest.size(), place.size()) << field.key;
                EXPECT_EQ(rest.substr(rest.size() - place.size()), place) << field.key;
        }
        EXPECT_EQ(i, n_stats_fields) << "not all keys are documented";
}

TEST(ProcessStats, Stat)
{
        ProcessStats process = {};
        uint64_t tick = UINT64_C(1000000000) / (uint64_t) sysconf(_SC_CLK_TCK);

        ASSERT_EQ(process_stats_parse_stat(
                                  "4242 (a) b (c)) S 1 4242 4242 0 -1 4194560 1 2 3 4 70 30 900 800 20 "
                                  "0 1 0 55 1 2\n",
                                  &process),
                        0);
        EXPECT_STREQ(process.name, "a) b (c)");
        EXPECT_EQ(process.user_nsec, 70 * tick);
        EXPECT_EQ(process.system_nsec, 30 * tick);

        EXPECT_EQ(process_stats_parse_stat("", &process), -EBADMSG);
        EXPECT_EQ(process_stats_parse_stat("1 (sh) S 1 2", &process), -EBADMSG);
        EXPECT_EQ(process_stats_parse_stat(")(", &process), -EBADMSG);
}

TEST(ProcessStats, Status)
{
        ProcessStats process = {};

        process_stats_parse_status(
                        "Name:\tsh\nVmHWM:\t    9 kB\nVmRSS:\t    1234 kB\nVmSwap:\t       5 kB\n",
                        &process);
        EXPECT_EQ(process.memory_rss, 1234U * 1024);
        EXPECT_EQ(process.memory_swap, 5U * 1024);

        process_stats_parse_status("Name:\tsh\nState:\tZ (zombie)\n", &process);
        EXPECT_EQ(process.memory_rss, UINT64_MAX) << "it has none, which is not 0";
        EXPECT_EQ(process.memory_swap, UINT64_MAX);
}

} // namespace
