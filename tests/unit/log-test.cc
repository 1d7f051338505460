/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace
{

std::string captured(const std::function<void()> &call)
{
        testing::internal::CaptureStderr();
        call();
        return testing::internal::GetCapturedStderr();
}

class Log : public testing::Test
{
      protected:
        void TearDown() override
        {
                log_set_level(LOG_INFO);
        }
};

TEST_F(Log, LevelNames)
{
        for (int level = LOG_EMERG; level <= LOG_DEBUG; level++) {
                const char *name = log_level_to_string(level);

                ASSERT_NE(name, nullptr) << level;
                EXPECT_EQ(log_level_from_string(name), level);
        }
        EXPECT_EQ(log_level_to_string(LOG_DEBUG + 1), nullptr);
        EXPECT_EQ(log_level_to_string(-1), nullptr);
        for (const char *bad : { "", "INFO", "warn", "info ", "7" })
                EXPECT_EQ(log_level_from_string(bad), -EINVAL) << bad;
}

TEST_F(Log, PrefixAndLevel)
{
        EXPECT_EQ(log_get_level(), LOG_INFO);
        EXPECT_EQ(captured([] { log_info("%s %d", "task", 7); }), "<6>task 7\n");
        EXPECT_EQ(captured([] { log_debug("hidden"); }), "");
        log_set_level(LOG_DEBUG);
        EXPECT_EQ(captured([] { log_debug("shown"); }), "<7>shown\n");
        log_set_level(LOG_ERR);
        EXPECT_EQ(captured([] { log_warning("hidden"); }), "");
        EXPECT_EQ(captured([] { log_error("shown"); }), "<3>shown\n");
}

TEST_F(Log, ErrnoReturnsTheErrorAlsoWhenSilent)
{
        int r = 0;

        EXPECT_EQ(captured([&] { r = log_errno(LOG_ERR, -ENOENT, "Cannot open %s", "x"); }),
                        std::string("<3>Cannot open x: ") + g_strerror(ENOENT) + "\n");
        EXPECT_EQ(r, -ENOENT);
        EXPECT_EQ(captured([&] { r = log_errno(LOG_DEBUG, -EPERM, "hidden"); }), "");
        EXPECT_EQ(r, -EPERM);
}

/* Ids and other texts of clients are quoted, and each message stays one. */
TEST_F(Log, OneLineEach)
{
        const std::pair<const char *, const char *> texts[] = {
                { "plain", "plain" },
                { "ünï → 漢", "ünï → 漢" },
                { "a\n<0>b", "a\\n<0>b" },
                { "a\r\tb\x1b[0m\x7f", "a\\x0d\\x09b\\x1b[0m\\x7f" },
                { "a\xc2\x85"
                  "b",
                                "a\\x85"
                                "b" },
                { "a\xff\xc3", "a\\xff\\xc3" },
        };

        for (const auto &text : texts)
                EXPECT_EQ(captured([&] { log_info("Task '%s'", text.first); }),
                                std::string("<6>Task '") + text.second + "'\n");
        EXPECT_EQ(captured([] { (void) log_errno(LOG_ERR, -ENOENT, "%s", "a\n<0>b"); }),
                        std::string("<3>a\\n<0>b: ") + g_strerror(ENOENT) + "\n");

        std::string message = captured([] { log_info("%s", std::string(1 << 20, 'x').c_str()); });
        EXPECT_LT(message.size(), 10000U);
        EXPECT_EQ(message.substr(message.size() - 4), "…\n");
        std::string wide;
        for (int i = 0; i < 10000; i++)
                wide += "→";
        for (const char *start : { "", "x", "xy" }) {
                message = captured([&] { log_info("%s", (std::string(start) + wide).c_str()); });
                EXPECT_TRUE(g_utf8_validate(message.c_str(), -1, nullptr));
        }
}

/* As when journald, at the other end, stands still. */
class LogStuck : public Log
{
      protected:
        void SetUp() override
        {
                saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
                ASSERT_GE(saved, 0);
        }

        void TearDown() override
        {
                restore();
                Log::TearDown();
        }

        void restore()
        {
                if (saved >= 0) {
                        (void) dup2(saved, STDERR_FILENO);
                        (void) close(saved);
                }
                saved = -1;
        }

        /* Logs to WRITE_FD until READ_FD must be emptied, and returns what is in it then. */
        void expect_nothing_waits(int read_fd, int write_fd)
        {
                const int n = 10000;
                std::string got(2 << 20, '\0');
                ssize_t size = 0;

                (void) fflush(stderr);
                ASSERT_GE(dup2(write_fd, STDERR_FILENO), 0);
                (void) close(write_fd);
                for (int i = 0; i < n; i++)
                        log_info("message %04d, which is as long as a message may well be, or even longer",
                                        i);
                ASSERT_GT(size = read(read_fd, got.data(), got.size()), 0);
                got.resize(static_cast<size_t>(size));
                while (fcntl(read_fd, F_SETFL, O_NONBLOCK) == 0 && read(read_fd, &size, 1) == 1)
                        got += static_cast<char>(size);
                const auto lines = std::count(got.begin(), got.end(), '\n');
                ASSERT_LT(lines, n);
                EXPECT_EQ(got.back(), '\n');

                log_info("after");
                restore();
                got.resize(1000);
                ASSERT_GT(size = read(read_fd, got.data(), got.size()), 0);
                got.resize(static_cast<size_t>(size));
                EXPECT_EQ(got,
                                "<4>" + std::to_string(n - lines) +
                                                " messages before this one are lost\n<6>after\n");
                (void) close(read_fd);
        }

        int saved = -1;
};

TEST_F(LogStuck, Socket)
{
        int fds[2];

        ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        expect_nothing_waits(fds[0], fds[1]);
}

TEST_F(LogStuck, Pipe)
{
        int fds[2];

        ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
        expect_nothing_waits(fds[0], fds[1]);
}

} // namespace
