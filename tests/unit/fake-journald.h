/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cstring>
#include <glib.h>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

using Entry = std::map<std::string, std::string>;

/* Reads the native protocol; anything that is not well-formed is an empty entry. */
inline Entry parse(const std::string &datagram)
{
        Entry entry;
        size_t i = 0;

        while (i < datagram.size()) {
                const size_t end = datagram.find('\n', i);

                if (end == std::string::npos)
                        return {};
                const size_t equals = datagram.find('=', i);

                if (equals < end) {
                        entry[datagram.substr(i, equals - i)] =
                                        datagram.substr(equals + 1, end - equals - 1);
                        i = end + 1;
                        continue;
                }

                uint64_t size;

                if (end + 1 + sizeof size > datagram.size())
                        return {};
                memcpy(&size, datagram.data() + end + 1, sizeof size);
                size = GUINT64_FROM_LE(size);
                if (end + 1 + sizeof size + size + 1 > datagram.size())
                        return {};
                entry[datagram.substr(i, end - i)] = datagram.substr(end + 1 + sizeof size, size);
                i = end + 1 + sizeof size + size + 1;
        }

        return entry;
}

/* journald's side of its socket. */
class FakeJournald
{
      public:
        explicit FakeJournald(const std::string &path) : socket_path(path)
        {
                struct sockaddr_un address = {};

                address.sun_family = AF_UNIX;
                (void) g_strlcpy(address.sun_path, path.c_str(), sizeof address.sun_path);
                fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                EXPECT_EQ(bind(fd, reinterpret_cast<struct sockaddr *>(&address), sizeof address), 0);
        }

        ~FakeJournald()
        {
                (void) close(fd);
                (void) unlink(socket_path.c_str());
        }

        FakeJournald(const FakeJournald &) = delete;
        FakeJournald &operator=(const FakeJournald &) = delete;

        std::vector<Entry> take()
        {
                std::vector<Entry> entries;
                std::vector<char> buffer(1 << 20);
                ssize_t n;

                while ((n = recv(fd, buffer.data(), buffer.size(), 0)) >= 0)
                        entries.push_back(parse(std::string(buffer.data(), static_cast<size_t>(n))));
                return entries;
        }

      private:
        std::string socket_path;
        int fd;
};
