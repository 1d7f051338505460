/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cerrno>
#include <fcntl.h>
#include <map>
#include <poll.h>
#include <regex>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include "client.h"

/* Statistics as a client reads them: key to value, for numbers of either type. */
using Figures = std::map<std::string, double>;

/* One a{sv} of numbers (and a Name, which goes to NAME), at the message's position. */
inline Figures read_figures(sd_bus_message *m, std::string *name = nullptr)
{
        Figures figures;
        const char *key, *contents, *text;

        EXPECT_GT(sd_bus_message_enter_container(m, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                uint32_t u = 0;
                uint64_t t = 0;
                double d = 0;

                EXPECT_GT(sd_bus_message_read(m, "s", &key), 0);
                EXPECT_GT(sd_bus_message_peek_type(m, nullptr, &contents), 0);
                switch (contents[0]) {
                case 's':
                        EXPECT_GT(sd_bus_message_read(m, "v", "s", &text), 0);
                        if (name)
                                *name = text;
                        break;
                case 'u':
                        EXPECT_GT(sd_bus_message_read(m, "v", "u", &u), 0);
                        figures[key] = u;
                        break;
                case 'd':
                        EXPECT_GT(sd_bus_message_read(m, "v", "d", &d), 0);
                        figures[key] = d;
                        break;
                default:
                        EXPECT_GT(sd_bus_message_read(m, "v", "t", &t), 0) << key;
                        figures[key] = (double) t;
                }
                EXPECT_GT(sd_bus_message_exit_container(m), 0);
        }
        EXPECT_GT(sd_bus_message_exit_container(m), 0);
        return figures;
}

inline Figures get_stats(Client &client, const std::string &path)
{
        Reply reply = client.task(path, "GetStats");

        EXPECT_TRUE(reply.ok()) << reply;
        return reply.ok() ? read_figures(reply.message.get()) : Figures();
}

struct ProcessFigures {
        std::string name;
        Figures figures;
};

/* By pid. */
inline std::map<pid_t, ProcessFigures> get_process_stats(Client &client, const std::string &path)
{
        std::map<pid_t, ProcessFigures> processes;
        Reply reply = client.task(path, "GetProcessStats");

        EXPECT_TRUE(reply.ok()) << reply;
        if (!reply.ok())
                return processes;
        EXPECT_GT(sd_bus_message_enter_container(reply.message.get(), 'a', "a{sv}"), 0);
        while (sd_bus_message_at_end(reply.message.get(), 0) == 0) {
                ProcessFigures process;

                process.figures = read_figures(reply.message.get(), &process.name);
                processes[(pid_t) process.figures["PID"]] = process;
        }
        return processes;
}

/* The reading end of a StreamStats. */
class StatsStream
{
      public:
        StatsStream(Client &client, const std::string &path, uint64_t interval_usec)
        {
                reply = client.task(path, "StreamStats", [&](sd_bus_message *m) {
                        EXPECT_GE(sd_bus_message_append(m, "t", interval_usec), 0);
                });
                int received = -1;
                if (reply.ok() && sd_bus_message_read(reply.message.get(), "h", &received) > 0)
                        fd = fcntl(received, F_DUPFD_CLOEXEC, 3);
                reply.message.reset();
        }
        ~StatsStream()
        {
                close();
        }
        StatsStream(const StatsStream &) = delete;
        StatsStream &operator=(const StatsStream &) = delete;

        void close()
        {
                if (fd >= 0)
                        (void) ::close(fd);
                fd = -1;
        }

        /* The next line without its line feed; "" at end of file, and with a test failure when nothing
         * comes. */
        std::string line()
        {
                size_t end;

                while ((end = rest.find('\n')) == std::string::npos) {
                        char buffer[65536];
                        struct pollfd p = { fd, POLLIN, 0 };
                        int limit = (int) std::chrono::milliseconds(DEADLINE).count();
                        ssize_t n = poll(&p, 1, limit) == 1 ? read(fd, buffer, sizeof buffer) : -1;

                        EXPECT_GE(n, 0) << "nothing comes";
                        EXPECT_TRUE(n != 0 || rest.empty()) << "a line is not complete: " << rest;
                        if (n <= 0)
                                return "";
                        rest.append(buffer, (size_t) n);
                }
                std::string result = rest.substr(0, end);
                rest.erase(0, end + 1);
                return result;
        }

        /* A whole line of JSON as it should be; empty at end of file. */
        Figures figures()
        {
                static const std::regex whole(R"(\{("[A-Za-z0-9]+":[0-9.]+(,|(?=\})))+\})");
                static const std::regex pair(R"re("([A-Za-z0-9]+)":([0-9.]+))re");
                std::string text = line();
                Figures result;

                if (text.empty())
                        return result;
                EXPECT_TRUE(std::regex_match(text, whole)) << text;
                for (std::sregex_iterator i(text.begin(), text.end(), pair), end; i != end; ++i)
                        EXPECT_TRUE(result.emplace((*i)[1], std::stod((*i)[2])).second) << text;
                return result;
        }

        Reply reply;
        int fd = -1;

      private:
        std::string rest;
};

/* PIDFD may be any descriptor. */
inline Reply get_task_by_pidfd(Client &client, int pidfd)
{
        return client.manager("GetTaskByPIDFD",
                        [&](sd_bus_message *m) { EXPECT_GE(sd_bus_message_append(m, "h", pidfd), 0); });
}

/* Closes itself. */
class PidFd
{
      public:
        explicit PidFd(pid_t pid) : fd((int) syscall(SYS_pidfd_open, pid, 0))
        {
                EXPECT_GE(fd, 0) << pid;
        }
        ~PidFd()
        {
                (void) close(fd);
        }
        PidFd(const PidFd &) = delete;
        PidFd &operator=(const PidFd &) = delete;

        const int fd;
};
