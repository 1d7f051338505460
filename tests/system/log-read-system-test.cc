/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <unistd.h>

#include "log-fixture.h"

/* OpenLog: what a client sees of a task's output. */

class LogRead : public LogTest
{
      protected:
        void SetUp() override
        {
                LogTest::SetUp();
                go = scratch + "/go";
        }

        Spec small_files(Spec spec) const
        {
                return spec.set("LogMaxFileSize", (uint64_t) 1000)
                                .set("LogMaxFiles", 1000U)
                                .set("LogTargets", std::vector<std::string>{ "files" });
        }

        /* Writes 1000 lines into many files, and ends when it is told to. */
        void start_finite()
        {
                start(id,
                                small_files(script("seq 1000 1999; while ! [ -e " + go +
                                                " ]; do sleep 0.02; done")));
                ASSERT_TRUE(eventually([&] { return log_count(id, "StdoutBytes") == all.size(); }));
                ASSERT_GT(log_count(id, "Rotations"), 3U);
        }

        std::string read(const Spec &options)
        {
                const int fd = fd_of(open_log(id, options));
                std::string text = read_log(fd);

                (void) close(fd);
                return text;
        }

        const std::string id = "read", all = run({ "seq", "1000", "1999" }).text;
        std::string go;
};

TEST_F(LogRead, FromWhereTheOptionsSay)
{
        start_finite();
        EXPECT_EQ(read(Spec()), all);
        EXPECT_EQ(read(Spec().set("Offset", (uint64_t) 2503)), all.substr(2503));
        EXPECT_EQ(read(Spec().set("Offset", (uint64_t) 1 << 40)), "");
        EXPECT_EQ(read(Spec().set("FromEnd", true)), "");
        EXPECT_EQ(read(Spec().set("FromEnd", true).set("Offset", (uint64_t) 1207)),
                        all.substr(all.size() - 1207));
        EXPECT_EQ(read(Spec().set("FromEnd", true).set("Offset", (uint64_t) 1 << 40)), all);
        EXPECT_EQ(read(Spec().set("Lines", (uint64_t) 3)), "1997\n1998\n1999\n");
        EXPECT_EQ(read(Spec().set("Lines", (uint64_t) 700)), all.substr(300 * 5)) << "over several files";
        EXPECT_EQ(read(Spec().set("Lines", (uint64_t) 0)), "");
        EXPECT_EQ(read(Spec().set("Lines", (uint64_t) 5000)), all);
        EXPECT_EQ(open_log(id, Spec().set("Lines", (uint64_t) 1).set("Offset", (uint64_t) 1)).error,
                        "org.nomad.Executor.Error.InvalidSpec");
        EXPECT_EQ(open_log(id, Spec(), "stdin").error, "org.nomad.Executor.Error.InvalidSpec");
        ASSERT_EQ(run({ "touch", go }).status, 0);
        EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(read(Spec().set("Lines", (uint64_t) 2)), "1998\n1999\n") << "after the end too";
        EXPECT_EQ(read(Spec().set("Follow", true)), all) << "of which there is no more to come";
}

TEST_F(LogRead, FollowEndsWithTheLog)
{
        start_finite();
        const int fd = fd_of(open_log(id, Spec().set("Follow", true).set("Lines", (uint64_t) 1)));

        EXPECT_EQ(read_log(fd, 5), "1999\n");
        ASSERT_EQ(run({ "touch", go }).status, 0);
        EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(read_log(fd), "");
        (void) close(fd);
}

TEST_F(LogRead, FollowCrossesRotationAndRestart)
{
        start_writer(id, 1, 997, 500, 0,
                        Spec().set("LogMaxFileSize", (uint64_t) 20000)
                                        .set("LogMaxFiles", 65536U)
                                        .set("LogTargets", std::vector<std::string>{ "files" }));
        const int fd = fd_of(open_log(id, Spec().set("Follow", true)));
        std::string text = read_log(fd, 100000);

        ASSERT_GT(log_count(id, "Rotations"), 2U);
        for (int i = 0; i < 3; i++) {
                ASSERT_EQ(run({ "systemctl", "restart", LOGMON_UNIT }).status, 0);
                text += read_log(fd, 100000);
        }
        stop_writers();
        text += read_log(fd);
        EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(text.size(), written(id));
        EXPECT_EQ(first_difference(text, 1), text.size());
        (void) close(fd);
}

/* The place of a reader that is cut off may be behind what it was given, never before it. */
TEST_F(LogRead, FollowMissesNothingWhenLogmonIsKilled)
{
        start_writer(id, 1, 997, 500, 0,
                        Spec().set("LogMaxFileSize", (uint64_t) 20000)
                                        .set("LogMaxFiles", 65536U)
                                        .set("LogTargets", std::vector<std::string>{ "files" }));
        const int fd = fd_of(open_log(id, Spec().set("Follow", true)));
        std::string text = read_log(fd, 50000);

        for (int i = 0; i < 5; i++) {
                kill_logmon();
                text += read_log(fd, 50000);
        }
        stop_writers();
        text += read_log(fd);
        EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));

        std::set<std::string> seen;
        for (const auto &line : lines_of(text))
                seen.insert(line);
        for (const auto &line : lines_of(sequence(1, written(id) / SEQUENCE_LINE * SEQUENCE_LINE)))
                EXPECT_EQ(seen.count(line), 1U) << line;
        (void) close(fd);
}

TEST_F(LogRead, AReaderThatDoesNotReadStallsNobody)
{
        start_writer(id, 1, 65536, 0, 20U << 20,
                        Spec().set("LogTargets", std::vector<std::string>{ "files" }));
        const int fd = fd_of(open_log(id, Spec().set("Follow", true)));

        EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(contents_of(id).size(), 20U << 20);
        EXPECT_EQ(first_difference(read_log(fd), 1), 20U << 20) << "it has everything when it comes to read";
        (void) close(fd);
}
