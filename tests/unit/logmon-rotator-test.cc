/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rotator.h"

#include <csignal>
#include <random>
#include <sys/stat.h>

#include "line.h"
#include "logmon-fixture.h"

namespace
{

/* The first eight are Nomad's TestFileRotator_*, with its sizes and contents. */
using FileRotator = StreamTest;

TEST_F(FileRotator, IncorrectPath)
{
        Rotator *missing = rotator_new("/nonexistent/logs", "redis.stdout");

        EXPECT_EQ(rotator_open(missing), -ENOENT);
        rotator_free(missing);
}

TEST_F(FileRotator, CreateNewFile)
{
        struct stat st;

        start(10, 10);
        ASSERT_EQ(stat((dir / "redis.stdout.0").c_str(), &st), 0);
        EXPECT_EQ(st.st_mode & 07777, 0644U);
}

TEST_F(FileRotator, OpenLastFile)
{
        dir.write("redis.stdout.0", "");
        dir.write("redis.stdout.2", "");
        start(10, 10);
        EXPECT_EQ(stream->rotator->index, 2U);
}

TEST_F(FileRotator, WriteToCurrentFile)
{
        dir.write("redis.stdout.0", "");
        start(10, 5);
        feed("abcde");
        EXPECT_EQ(dir.contents("redis.stdout"), (std::vector<std::string>{ "abcde" }));
}

TEST_F(FileRotator, RotateFiles)
{
        start(10, 5);
        feed("abcdefgh");
        EXPECT_EQ(dir.contents("redis.stdout"), (std::vector<std::string>{ "abcde", "fgh" }));
        EXPECT_EQ(counters.rotations, 1U);
}

/* As "copytruncate" does it between the look at the file's size and the next write. */
TEST_F(FileRotator, TruncatedJustBeforeAWriteIsNoHole)
{
        for (size_t before : { 4096, 4097, 100000, 1000000 }) {
                const std::string old(before, 'o'), added = "added\n" + std::string(5000, 'n') + "\n";

                start(10, 1 << 30);
                feed(old);
                ASSERT_TRUE(dir.read("redis.stdout.0") == old);
                ASSERT_EQ(truncate((dir / "redis.stdout.0").c_str(), 0), 0);
                ASSERT_EQ(write(fds[1], added.data(), added.size()), (ssize_t) added.size());
                EXPECT_EQ(rotator_splice(stream->rotator, fds[0], added.size()), (ssize_t) added.size());
                EXPECT_TRUE(dir.read("redis.stdout.0") == added) << before;
                EXPECT_EQ(stream->rotator->size, added.size());

                ASSERT_EQ(write(fds[1], "more\n", 5), 5);
                EXPECT_EQ(rotator_splice(stream->rotator, fds[0], 5), 5);
                EXPECT_TRUE(dir.read("redis.stdout.0") == added + "more\n") << before;
                TearDown();
                ASSERT_EQ(unlink((dir / "redis.stdout.0").c_str()), 0);
                SetUp();
        }
}

TEST_F(FileRotator, ZeroesThatTheTaskWroteStay)
{
        const std::string zeroes(20000, '\0');

        start(10, 1 << 30);
        feed(zeroes);
        feed("end\n");
        EXPECT_TRUE(dir.read("redis.stdout.0") == zeroes + "end\n");
}

const std::vector<std::string> boundary = { "ab\n", "cdef\n", "12345", "67890", "\n" };

TEST_F(FileRotator, RotateFiles_Boundary)
{
        start(10, 5);
        feed("ab\ncdef\n");
        feed("1234567890");
        feed("\n");
        EXPECT_EQ(dir.contents("redis.stdout"), boundary);
}

/* A pipe has no message boundaries: the result may not depend on what is found in it at once. */
TEST_F(FileRotator, RotateFiles_Boundary_AtOnce)
{
        start(10, 5);
        feed("ab\ncdef\n1234567890\n");
        EXPECT_EQ(dir.contents("redis.stdout"), boundary);
}

TEST_F(FileRotator, WriteRemaining)
{
        dir.write("redis.stdout.0", "abcd");
        start(10, 5);
        feed("efghijkl");
        EXPECT_EQ(dir.contents("redis.stdout"), (std::vector<std::string>{ "abcde", "fghij", "kl" }));
}

TEST_F(FileRotator, PurgeOldFiles)
{
        start(2, 2);
        feed("abcdeghijklmn");
        EXPECT_EQ(dir.contents("redis.stdout"), (std::vector<std::string>{ "lm", "n" }));
}

TEST_F(FileRotator, KeepsTheHighestIndexesWhenThereAreGaps)
{
        for (const char *index : { "0", "3", "10", "200" })
                dir.write(std::string("redis.stdout.") + index, "12345");
        start(3, 5);
        feed("abc");

        const auto files = dir.files("redis.stdout");

        ASSERT_EQ(files.size(), 3U);
        EXPECT_TRUE(files.count(10) && files.count(200));
        EXPECT_EQ(files.at(201), "abc");
}

TEST_F(FileRotator, LeavesOtherNamesAlone)
{
        for (const char *name : { "redis.stdout.00", "redis.stdout.", "redis.stdout.1x", "redis.stdout.-1",
                             "redis.stdoutx.5", "redis.stdout.99999999999999999999", "redis.stderr.7" })
                dir.write(name, "");
        start(1, 5);
        EXPECT_EQ(stream->rotator->index, 0U);
        feed("abcdefghijkl");
        for (const char *name : { "redis.stdout.00", "redis.stdout.", "redis.stdout.1x", "redis.stderr.7" })
                EXPECT_TRUE(dir.has(name)) << name;
}

TEST_F(FileRotator, SkipsDirectoriesAndFullFiles)
{
        start(10, 5);
        ASSERT_EQ(mkdir((dir / "redis.stdout.1").c_str(), 0755), 0);
        dir.write("redis.stdout.2", "full!");
        feed("abcdefgh");
        EXPECT_EQ(dir.read("redis.stdout.3"), "fgh");
        EXPECT_EQ(dir.read("redis.stdout.2"), "full!");
}

TEST_F(FileRotator, DoesNotFollowASymlink)
{
        dir.write("victim", "precious");
        start(10, 5);
        ASSERT_EQ(symlink((dir / "victim").c_str(), (dir / "redis.stdout.1").c_str()), 0);
        feed("abcdefgh");
        EXPECT_EQ(dir.read("victim"), "precious");
        EXPECT_EQ(dir.read("redis.stdout.2"), "fgh");
}

TEST_F(FileRotator, ASmallerNumberOfFilesTakesEffect)
{
        start(10, 2);
        feed("aabbccdd");
        ASSERT_EQ(dir.files("redis.stdout").size(), 4U);
        stream->rotator->max_files = 2;
        rotator_purge(stream->rotator);
        EXPECT_EQ(dir.contents("redis.stdout"), (std::vector<std::string>{ "cc", "dd" }));
}

TEST_F(FileRotator, AnUnfinishedLineDoesNotBeginNearTheEnd)
{
        const std::string lines(100000 - 1, 'x');

        start(10, 100000 + 10);
        feed(lines + "\n");
        feed("begin");
        feed(" end\n");
        EXPECT_EQ(dir.contents("redis.stdout"), (std::vector<std::string>{ lines + "\n", "begin end\n" }));
}

TEST_F(FileRotator, OneLongLineFillsTheFiles)
{
        const std::string line(1000000, 'y');

        start(100, 100000);
        feed(line);
        const auto files = dir.contents("redis.stdout");

        ASSERT_EQ(files.size(), 10U);
        for (const auto &file : files)
                EXPECT_EQ(file.size(), 100000U);
}

TEST_F(FileRotator, TruncatedByOthersGoesOnAtTheEnd)
{
        start(10, 1000);
        feed("abc\n");
        ASSERT_EQ(truncate((dir / "redis.stdout.0").c_str(), 0), 0);
        feed("def\n");
        EXPECT_EQ(dir.read("redis.stdout.0"), "def\n");
}

TEST_F(FileRotator, RemovedByOthersIsMadeAnew)
{
        start(10, 1000);
        feed("abc\n");
        ASSERT_EQ(unlink((dir / "redis.stdout.0").c_str()), 0);
        feed("def\n");
        EXPECT_EQ(dir.files("redis.stdout"), (std::map<uint64_t, std::string>{ { 1, "def\n" } }))
                        << "a number never comes twice";
        EXPECT_EQ(counters.dropped_bytes, 0U);
}

/* Whoever fills the directory of a log and removes its file, again and again, is not to keep everybody
 * busy. */
TEST_F(FileRotator, RemovedByOthersIsMadeAnewWithoutASearch)
{
        start(10, 1000);
        feed("abc\n");
        dir.write("redis.stdout.7", "not seen");
        ASSERT_EQ(unlink((dir / "redis.stdout.0").c_str()), 0);
        feed("def\n");
        EXPECT_EQ(dir.read("redis.stdout.1"), "def\n");
        EXPECT_EQ(dir.read("redis.stdout.7"), "not seen");
}

TEST_F(FileRotator, DoesNotWaitForALease)
{
        start(10, 5);
        dir.write("redis.stdout.1", "");

        const int fd = open((dir / "redis.stdout.1").c_str(), O_RDONLY | O_CLOEXEC);

        ASSERT_EQ(fcntl(fd, F_SETLEASE, F_RDLCK), 0) << strerror(errno);
        (void) signal(SIGIO, SIG_IGN); /* the holder of the lease is told, and does nothing */
        feed("1234512345");
        EXPECT_EQ(dir.files("redis.stdout"),
                        (std::map<uint64_t, std::string>{ { 0, "12345" }, { 1, "" }, { 2, "12345" } }));
        EXPECT_EQ(counters.dropped_bytes, 0U);
        (void) close(fd);
}

TEST_F(FileRotator, WhatCannotBeRemovedIsToldOfAndTriedAgain)
{
        start(2, 5);
        feed("1234512345");
        ASSERT_EQ(unlink((dir / "redis.stdout.0").c_str()), 0);
        ASSERT_EQ(mkdir((dir / "redis.stdout.0").c_str(), 0755), 0);
        feed("1234512345");
        ASSERT_FALSE(errors.empty());
        EXPECT_NE(errors[0].find("cannot remove an old file"), std::string::npos) << errors[0];
        ASSERT_EQ(rmdir((dir / "redis.stdout.0").c_str()), 0);

        const size_t n = errors.size();

        feed("1234512345");
        EXPECT_EQ(errors.size(), n);
        EXPECT_EQ(dir.contents("redis.stdout").size(), 2U);
}

/* What holds for any input, however it is cut into writes. */
void check_files(const std::vector<std::string> &files, const std::string &input, uint64_t max_size)
{
        const uint64_t whole = std::min<uint64_t>(LINE_WHOLE_MAX, max_size);
        std::string all;

        for (size_t i = 0; i < files.size(); i++) {
                EXPECT_LE(files[i].size(), max_size);
                all += files[i];
                if (i + 1 < files.size()) {
                        EXPECT_GT(files[i].size(), 0U);
                }
        }
        ASSERT_TRUE(all == input);

        size_t end = 0;
        for (size_t i = 0; i + 1 < files.size(); i++) {
                end += files[i].size();
                if (input[end - 1] == '\n')
                        continue;

                const size_t before = input.rfind('\n', end - 1), after = input.find('\n', end);
                const size_t first = before == std::string::npos ? 0 : before + 1;
                const size_t last = after == std::string::npos ? input.size() : after + 1;

                /* small files split what arrives in pieces */
                if (max_size >= LINE_WHOLE_MAX) {
                        EXPECT_GT(last - first, whole) << "a line was split at " << end;
                }
        }
}

class FileRotatorModel : public StreamTest, public testing::WithParamInterface<unsigned>
{
};

TEST_P(FileRotatorModel, RandomWrites)
{
        std::mt19937 random(GetParam());
        auto below = [&](uint64_t n) { return std::uniform_int_distribution<uint64_t>(0, n - 1)(random); };
        const uint64_t max_size = GetParam() % 2 ? 1 + below(100) : LINE_WHOLE_MAX + below(200000);
        const uint64_t total = std::min<uint64_t>(max_size * 20, 2000000);
        std::string input;

        start(UINT32_MAX, max_size);
        while (input.size() < total) {
                std::string data;
                const uint64_t lines = 1 + below(50);

                for (uint64_t i = 0; i < lines; i++)
                        data += std::string(below(below(20) == 0 ? max_size * 2 : 1 + max_size / 10), 'z') +
                                        "\n";
                if (below(2))
                        data += "begun";
                feed(data);
                input += data;
        }

        check_files(dir.contents("redis.stdout"), input, max_size);
        EXPECT_EQ(counters.bytes[STREAM_STDOUT], input.size());
        EXPECT_EQ(counters.dropped_bytes, 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, FileRotatorModel, testing::Range(0U, 20U));

} // namespace
