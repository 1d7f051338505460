/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "logmon-log-fixture.h"

#include "reader.h"

namespace
{

/* What Open() gives. */
class LogmonReader : public Logmon
{
      protected:
        void SetUp() override
        {
                Logmon::SetUp();
                ASSERT_GE(start_pipes(fds, [](LogConfig *config) { config->max_file_size = 10; }), 0);
        }

        void TearDown() override
        {
                for (int fd : { fds[0], fds[1] })
                        safe_close(fd);
                Logmon::TearDown();
        }

        void put_lines(int first, int last)
        {
                for (int i = first; i <= last; i++)
                        put(fds[0], "line" + std::to_string(i) + "\n");
                settle();
        }

        int open_reader(const ReaderOptions &options)
        {
                int fd = -1;

                EXPECT_GE(reader_open(log, STREAM_STDOUT, &options, &fd, nullptr), 0);
                fcntl(fd, F_SETFL, O_NONBLOCK);
                return fd;
        }

        /* What can be read now. RET_END: whether it has ended. */
        std::string drain(int fd, bool *ret_end)
        {
                std::string all;
                std::vector<char> buffer(1 << 20);
                ssize_t n;

                settle();
                while ((n = read(fd, buffer.data(), buffer.size())) > 0) {
                        all.append(buffer.data(), static_cast<size_t>(n));
                        settle();
                }
                *ret_end = n == 0;
                return all;
        }

        std::string read_all(const ReaderOptions &options)
        {
                const int fd = open_reader(options);
                bool end;
                std::string all = drain(fd, &end);

                EXPECT_TRUE(end);
                close(fd);
                return all;
        }

        int fds[2] = { -1, -1 };
};

TEST_F(LogmonReader, Everything)
{
        put_lines(1, 5);
        ASSERT_EQ(dir.files("web.stdout").size(), 5U);
        EXPECT_EQ(read_all({}), "line1\nline2\nline3\nline4\nline5\n");
}

TEST_F(LogmonReader, Offset)
{
        ReaderOptions options = {};

        put_lines(1, 3);
        options.offset = 8;
        EXPECT_EQ(read_all(options), "ne2\nline3\n");
        options.offset = 12;
        EXPECT_EQ(read_all(options), "line3\n");
        options.offset = 100;
        EXPECT_EQ(read_all(options), "");
        options.from_end = true;
        EXPECT_EQ(read_all(options), "line1\nline2\nline3\n");
        options.offset = 8;
        EXPECT_EQ(read_all(options), "2\nline3\n");
        options.offset = 0;
        EXPECT_EQ(read_all(options), "");
}

TEST_F(LogmonReader, LastLines)
{
        ReaderOptions options = {};

        put_lines(1, 4);
        options.by_lines = true;
        EXPECT_EQ(read_all(options), "");
        options.lines = 1;
        EXPECT_EQ(read_all(options), "line4\n");
        options.lines = 3;
        EXPECT_EQ(read_all(options), "line2\nline3\nline4\n");
        options.lines = 100;
        EXPECT_EQ(read_all(options), "line1\nline2\nline3\nline4\n");
        put(fds[0], "un");
        settle();
        options.lines = 2;
        EXPECT_EQ(read_all(options), "line4\nun");
}

TEST_F(LogmonReader, FollowEndsWithTheStream)
{
        ReaderOptions options = {};
        bool end;

        put_lines(1, 2);
        options.follow = true;

        const int fd = open_reader(options);

        EXPECT_EQ(drain(fd, &end), "line1\nline2\n");
        EXPECT_FALSE(end);
        put_lines(3, 5);
        EXPECT_EQ(drain(fd, &end), "line3\nline4\nline5\n");
        EXPECT_FALSE(end);
        put_lines(6, 6);
        fds[0] = safe_close(fds[0]);
        EXPECT_EQ(drain(fd, &end), "line6\n");
        EXPECT_TRUE(end);
        close(fd);
        EXPECT_EQ(manager->readers->len, 0U);
}

TEST_F(LogmonReader, AReaderThatDoesNotReadStallsNobody)
{
        ReaderOptions options = {};
        bool end;

        log->streams[STREAM_STDOUT]->rotator->max_size = 1 << 20;
        options.follow = true;

        const int fd = open_reader(options);

        for (int i = 0; i < 20; i++) {
                put(fds[0], std::string(49999, 'x') + "\n");
                settle();
        }
        EXPECT_EQ(log->counters->bytes[STREAM_STDOUT], 1000000U);
        EXPECT_EQ(drain(fd, &end).size(), 1000000U);
        close(fd);
        settle();
        EXPECT_EQ(manager->readers->len, 0U);
}

TEST_F(LogmonReader, AtMostReadersMax)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        ReaderOptions options = {};
        std::vector<int> readers;
        int fd;

        options.follow = true;
        for (unsigned i = 0; i < 100;
                        i++) /* the rest is taken below: descriptors are limited to 1024 here and there */
                readers.push_back(open_reader(options));
        for (uint32_t slot; slot_file_take(manager->positions, &slot) >= 0;)
                ;
        EXPECT_LT(reader_open(log, STREAM_STDOUT, &options, &fd, &error), 0);
        EXPECT_STREQ(error.name, BUS_ERROR_LIMIT_EXCEEDED);
        for (int reader : readers)
                close(reader);
}

TEST_F(LogmonReader, WithoutFilesThereIsAnErrorUnlessSomeMayCome)
{
        ReaderOptions options = {};
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        bool end;
        int fd = -1;

        ASSERT_EQ(unlink((dir / "web.stdout.0").c_str()), 0);
        EXPECT_LT(reader_open(log, STREAM_STDOUT, &options, &fd, &error), 0);
        EXPECT_STREQ(error.name, BUS_ERROR_LOG_FAILED);

        options.follow = true;
        fd = open_reader(options);
        EXPECT_EQ(drain(fd, &end), "");
        EXPECT_FALSE(end);
        put_lines(1, 1);
        EXPECT_EQ(drain(fd, &end), "line1\n");
        close(fd);
}

TEST_F(LogmonReader, FollowGoesOnAfterTheFileWasRemovedOrTruncated)
{
        ReaderOptions options = {};
        bool end;

        options.follow = true;
        const int fd = open_reader(options);

        put_lines(1, 1);
        EXPECT_EQ(drain(fd, &end), "line1\n");
        ASSERT_EQ(unlink((dir / "web.stdout.0").c_str()), 0);
        put_lines(2, 2);
        EXPECT_EQ(drain(fd, &end), "line2\n");
        ASSERT_EQ(truncate((dir / "web.stdout.1").c_str(), 0), 0);
        put(fds[0], "3\n");
        settle();
        EXPECT_EQ(drain(fd, &end), "3\n");
        EXPECT_FALSE(end);
        close(fd);
}

/* As after a restart that finds no file any more: the numbers begin anew. */
TEST_F(LogmonReader, FollowGoesOnWithLowerNumbers)
{
        ReaderOptions options = {};
        bool end;

        options.follow = true;
        const int fd = open_reader(options);

        put_lines(1, 6);
        EXPECT_EQ(drain(fd, &end), "line1\nline2\nline3\nline4\nline5\nline6\n");

        Rotator *files = log->streams[STREAM_STDOUT]->rotator;

        ASSERT_GT(files->index, 2U);
        for (const auto &file : dir.files("web.stdout"))
                ASSERT_EQ(unlink((dir / ("web.stdout." + std::to_string(file.first))).c_str()), 0);
        files->opened = false;
        put_lines(7, 7);
        ASSERT_EQ(files->index, 0U);
        EXPECT_EQ(drain(fd, &end), "line7\n");
        EXPECT_FALSE(end);
        close(fd);
}

} // namespace
