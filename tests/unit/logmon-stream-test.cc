/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream.h"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "logmon-fixture.h"
#include "slot-file.h"

namespace
{

class StreamFiles : public StreamTest
{
};

TEST_F(StreamFiles, WithoutSinksEverythingIsReadAndForgotten)
{
        ASSERT_GE(stream_start(stream, fds[0], false), 0);
        feed("abc\n");
        EXPECT_EQ(counters.bytes[STREAM_STDOUT], 4U);
        EXPECT_EQ(counters.dropped_bytes, 0U);
}

TEST_F(StreamFiles, ThePipeIsMadeLarge)
{
        ASSERT_LT(fcntl(fds[1], F_GETPIPE_SZ), 256 * 1024);
        start(10, 1000);
        EXPECT_EQ(fcntl(fds[1], F_GETPIPE_SZ), 256 * 1024);
}

/* One that is larger stays so. */
TEST_F(StreamFiles, ALargePipeIsLeftAsItIs)
{
        ASSERT_EQ(fcntl(fds[1], F_SETPIPE_SZ, 512 * 1024), 512 * 1024);
        start(10, 1000);
        EXPECT_EQ(fcntl(fds[1], F_GETPIPE_SZ), 512 * 1024);
}

/* All of a pipe that was made larger meanwhile is taken at the end. */
TEST_F(StreamFiles, APipeMadeLargerIsFinishedWhole)
{
        const std::string input(900000, 'x');

        start(10, 1 << 20);
        ASSERT_EQ(fcntl(fds[1], F_SETPIPE_SZ, 1024 * 1024), 1024 * 1024);
        ASSERT_EQ(write(fds[1], input.data(), input.size()), (ssize_t) input.size());
        stream_finish(stream);
        EXPECT_EQ(dir.read("redis.stdout.0"), input);
}

/* To make a file takes long: others have their turn in between. */
TEST_F(StreamFiles, FilesCountForTheBudgetToo)
{
        const std::string input(4096, 'x');
        size_t moved = 0;

        start(3, 1);
        ASSERT_EQ(write(fds[1], input.data(), input.size()), 4096);
        EXPECT_EQ(stream_move(stream, &moved), MOVE_MORE);
        EXPECT_GT(moved, 0U);
        EXPECT_LE(moved, MOVE_BUDGET / MOVE_FILE_COST + 1);
        EXPECT_EQ(move(), MOVE_EMPTY);
        EXPECT_EQ(counters.bytes[STREAM_STDOUT], 4096U);
        EXPECT_EQ(counters.rotations, 4095U);
}

TEST_F(StreamFiles, EndsWhenAllWritersAreGone)
{
        start(10, 1000);
        EXPECT_EQ(move(), MOVE_EMPTY);
        feed("abc");
        fds[1] = safe_close(fds[1]);
        EXPECT_EQ(move(), MOVE_END);
        EXPECT_EQ(dir.read("redis.stdout.0"), "abc");
}

/* Bytes of every kind, and lines of every length. */
TEST_F(StreamFiles, FilesAreTheInput)
{
        std::string input;

        for (int i = 0; i < 1000000; i++)
                input += "x\n";
        input += std::string(1000, '\0') + "\r\n" + std::string(3000000, 'l') + "\nno newline";
        start(UINT32_MAX, 1 << 20);
        feed(input);

        std::string all;

        for (const auto &file : dir.contents("redis.stdout"))
                all += file;
        EXPECT_TRUE(all == input);
}

/* A file system that is full, in a mount namespace of its own. */
class StreamFullDisk : public StreamTest
{
      protected:
        void SetUp() override
        {
                if (geteuid() != 0)
                        GTEST_SKIP() << "needs root";
                StreamTest::SetUp();
                ASSERT_EQ(unshare(CLONE_NEWNS), 0);
                ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
                ASSERT_EQ(mount("tmpfs", dir.path.c_str(), "tmpfs", 0, "size=256k,mode=0755"), 0);
        }

        void TearDown() override
        {
                StreamTest::TearDown();
                (void) umount2(dir.path.c_str(), MNT_DETACH);
        }

        size_t in_files()
        {
                size_t n = 0;

                for (const auto &file : dir.contents("redis.stdout"))
                        n += file.size();
                return n;
        }

        /* As if the time until the next attempt had passed. */
        void try_again()
        {
                if (stream->retry_time != 0)
                        stream->retry_time = 1;
        }
};

TEST_F(StreamFullDisk, DropsCountsAndMarksTheGap)
{
        dir.write("ballast", std::string(128 * 1024, 'b'));
        start(10, 1 << 30);
        feed(std::string(300 * 1024, 'a'));

        EXPECT_GT(counters.dropped_bytes, 100U * 1024U);
        EXPECT_EQ(counters.bytes[STREAM_STDOUT], 300U * 1024U);
        EXPECT_EQ(in_files() + counters.dropped_bytes, 300U * 1024U);
        ASSERT_EQ(errors.size(), 1U);
        EXPECT_NE(errors[0].find("No space left"), std::string::npos) << errors[0];
        EXPECT_NE(errors[0].find(dir.path), std::string::npos) << errors[0];

        const std::string before = dir.read("redis.stdout.0");
        const uint64_t dropped = counters.dropped_bytes;

        ASSERT_EQ(unlink((dir / "ballast").c_str()), 0);
        try_again();
        feed("after\n");
        EXPECT_EQ(dir.read("redis.stdout.0"),
                        before + "\nnomad-logmon: " + std::to_string(dropped) +
                                        " bytes of output are missing here: the log could not be written\nafter\n");
        EXPECT_EQ(counters.dropped_bytes, dropped);
}

TEST_F(StreamFullDisk, AMarkerThatDoesNotFitIsInTheNextFile)
{
        dir.write("ballast", std::string(190 * 1024, 'b'));
        start(10, 200 * 1024);
        feed(std::string(100 * 1024, 'a'));
        ASSERT_GT(counters.dropped_bytes, 0U);

        const std::string before = dir.read("redis.stdout.0");

        ASSERT_EQ(unlink((dir / "ballast").c_str()), 0);
        stream->rotator->max_size = before.size() + 10;
        try_again();
        feed("after\n");
        EXPECT_EQ(dir.read("redis.stdout.0"), before);
        EXPECT_EQ(dir.read("redis.stdout.1"),
                        "nomad-logmon: " + std::to_string(counters.dropped_bytes) +
                                        " bytes of output are missing here: the log could not be written\nafter\n");
        EXPECT_EQ(counters.rotations, 1U);
}

TEST_F(StreamFullDisk, OldFilesOfTheStreamGoFirst)
{
        dir.write("other", "kept");
        start(100, 32 * 1024);
        for (int i = 0; i < 100; i++)
                feed(std::string(9999, 'a') + "\n");

        EXPECT_EQ(counters.dropped_bytes, 0U);
        EXPECT_LT(dir.files("redis.stdout").size(), 10U);
        EXPECT_EQ(dir.read("other"), "kept");
}

TEST_F(StreamFullDisk, BlockWaitsAndLosesNothing)
{
        dir.write("ballast", std::string(200 * 1024, 'b'));
        start(10, 1 << 30);
        stream->blocks = true;

        const std::string input(120 * 1024, 'a');

        ASSERT_EQ(write(fds[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
        EXPECT_EQ(move(), MOVE_WAIT_DISK);
        EXPECT_EQ(counters.dropped_bytes, 0U);
        ASSERT_EQ(unlink((dir / "ballast").c_str()), 0);
        try_again();
        EXPECT_EQ(move(), MOVE_EMPTY);
        EXPECT_TRUE(dir.read("redis.stdout.0") == input);
}

TEST_F(StreamFullDisk, AForcedEndDoesNotWaitButTriesOnceMoreAndCounts)
{
        const std::string input(120 * 1024, 'a');

        dir.write("ballast", std::string(200 * 1024, 'b'));
        start(10, 1 << 30);
        stream->blocks = true;
        ASSERT_EQ(write(fds[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
        EXPECT_EQ(move(), MOVE_WAIT_DISK);
        ASSERT_EQ(truncate((dir / "ballast").c_str(), 160 * 1024), 0);
        stream_finish(stream);
        EXPECT_GT(in_files(), 80U * 1024U) << "there was room again";
        EXPECT_GT(counters.dropped_bytes, 0U);
        EXPECT_EQ(in_files() + counters.dropped_bytes, input.size());
        EXPECT_EQ(counters.bytes[STREAM_STDOUT], input.size());
}

TEST_F(StreamFullDisk, CountersThatDoNotFitAreAnErrorAtOnce)
{
        const int fd = open(dir.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        SlotFile *file = nullptr;

        EXPECT_EQ(slot_file_open(fd, "large", 64, 8192, &file), -ENOSPC) << "and not a SIGBUS later";
        ASSERT_EQ(unlink((dir / "large").c_str()), 0);
        ASSERT_GE(slot_file_open(fd, "small", 64, 1000, &file), 0);
        dir.write("ballast", std::string(256 * 1024, 'b'));
        for (uint32_t i = 0, slot = 0; i < 1000; i++)
                ASSERT_GE(slot_file_take(file, &slot), 0);
        slot_file_free(file);
        ASSERT_GE(slot_file_open(fd, "small", 64, 1000, &file), 0) << "again";
        slot_file_free(file);
        (void) close(fd);
}

TEST_F(StreamFullDisk, ReadOnly)
{
        start(10, 1000);
        feed("before\n");
        stream->rotator->max_size = 7;
        ASSERT_EQ(umount2(dir.path.c_str(), MNT_DETACH), 0);
        ASSERT_EQ(mount("tmpfs", dir.path.c_str(), "tmpfs", MS_RDONLY, nullptr), 0);
        feed("lost\n");
        EXPECT_EQ(counters.dropped_bytes, 5U);
        ASSERT_EQ(errors.size(), 1U);
        EXPECT_NE(errors[0].find("Read-only"), std::string::npos) << errors[0];
}

class StreamDirectory : public StreamTest
{
      protected:
        void start_in(const std::string &path)
        {
                stream->rotator = rotator_new(path.c_str(), "redis.stdout");
                stream->rotator->max_size = 5;
                ASSERT_GE(rotator_open(stream->rotator), 0);
                ASSERT_GE(stream_start(stream, fds[0], false), 0);
        }
};

TEST_F(StreamDirectory, ReplacedByASymlink)
{
        ASSERT_EQ(mkdir((dir / "logs").c_str(), 0755), 0);
        ASSERT_EQ(mkdir((dir / "victim").c_str(), 0755), 0);
        start_in(dir / "logs");
        feed("12345");
        ASSERT_EQ(rename((dir / "logs").c_str(), (dir / "moved").c_str()), 0);
        ASSERT_EQ(symlink((dir / "victim").c_str(), (dir / "logs").c_str()), 0);
        feed("lost");

        EXPECT_FALSE(dir.has("victim/redis.stdout.0"));
        EXPECT_FALSE(dir.has("victim/redis.stdout.1"));
        EXPECT_EQ(counters.dropped_bytes, 4U);
        ASSERT_EQ(errors.size(), 1U);
}

TEST_F(StreamDirectory, RemovedAndMadeAgain)
{
        ASSERT_EQ(mkdir((dir / "logs").c_str(), 0755), 0);
        start_in(dir / "logs");
        feed("abc\n");
        ASSERT_GE(remove_tree_at(AT_FDCWD, (dir / "logs").c_str()), 0);
        feed("lost\n");
        EXPECT_EQ(counters.dropped_bytes, 5U);

        ASSERT_EQ(mkdir((dir / "logs").c_str(), 0755), 0);
        stream->retry_time = 1;
        stream->rotator->max_size = 1000;
        feed("back\n");
        EXPECT_EQ(dir.read("logs/redis.stdout.1"),
                        "nomad-logmon: 5 bytes of output are missing here: the log could not be written\nback\n");
}

} // namespace
