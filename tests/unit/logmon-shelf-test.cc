/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <map>
#include <poll.h>
#include <random>
#include <set>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include "cleanup.h"
#include "fd-message.h"
#include "shelf.h"

namespace
{

/* Without a notify socket, so that the fd store is what copy_ends() keeps. */
class ShelfTest : public testing::Test
{
      protected:
        struct End {
                std::string name;
                int fd;
        };

        void SetUp() override
        {
                shelves = shelves_new();
        }

        void TearDown() override
        {
                shelves_free(shelves);
                forget();
                for (auto &[name, fd] : writers)
                        (void) close(fd);
        }

        void forget()
        {
                for (auto &[name, fd] : found)
                        (void) close(fd);
                found.clear();
                shown.clear();
        }

        /* A pipe with its name in it, which lies on a shelf and whose writer alone is ours. */
        int put(const std::string &name)
        {
                int fds[2], r;

                EXPECT_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
                EXPECT_EQ(write(fds[1], name.data(), name.size()), (ssize_t) name.size());
                r = shelves_put(shelves, name.c_str(), fds[0]);
                (void) close(fds[0]);
                if (r >= 0)
                        writers[name] = fds[1];
                else
                        (void) close(fds[1]);
                return r;
        }

        int take_down(const std::string &name, bool at_once = true)
        {
                return shelves_take_down(shelves, name.c_str(), at_once);
        }

        /* Whether anybody has the read end. */
        bool is_kept(const std::string &name)
        {
                struct pollfd pollfd = { writers.at(name), POLLOUT, 0 };

                EXPECT_EQ(poll(&pollfd, 1, 0), 1);
                return !(pollfd.revents & POLLERR);
        }

        Shelf *shelf(guint i)
        {
                return static_cast<Shelf *>(g_ptr_array_index(shelves->shelves, i));
        }

        size_t n_shelves() const
        {
                return shelves->shelves->len;
        }

        /* What systemd would hand to the next process. */
        std::vector<End> copy_ends(bool reversed = false)
        {
                std::vector<End> ends;

                for (guint i = 0; i < shelves->shelves->len; i++) {
                        const std::string name = SHELF_PREFIX + std::to_string(shelf(i)->number);

                        for (int fd : { shelf(i)->in, shelf(i)->out })
                                ends.push_back({ name, fcntl(fd, F_DUPFD_CLOEXEC, 3) });
                }
                if (reversed)
                        std::reverse(ends.begin(), ends.end());
                return ends;
        }

        static bool on_pipe(const char *name, int fd, void *userdata)
        {
                auto *test = static_cast<ShelfTest *>(userdata);

                test->shown.emplace_back(name);
                if (test->found.count(name) > 0)
                        (void) close(fd);
                else
                        test->found[name] = fd;
                return test->unwanted.count(name) == 0;
        }

        void adopt(const std::vector<End> &ends)
        {
                for (const End &end : ends)
                        ASSERT_GE(shelves_adopt_fd(shelves, end.name.c_str(), end.fd), 0) << end.name;
                shelves_visit(shelves, on_pipe, this);
        }

        /* Another process, after one that was killed. */
        void reboot(bool reversed = false)
        {
                const std::vector<End> ends = copy_ends(reversed);

                forget();
                shelves_free(shelves);
                shelves = shelves_new();
                adopt(ends);
        }

        std::string content(const std::string &name)
        {
                char buffer[256];
                const ssize_t n = found.count(name) ? read(found[name], buffer, sizeof buffer) : -1;

                return n < 0 ? "none" : std::string(buffer, (size_t) n);
        }

        /* The first half of what moves the head of a queue to its tail. */
        static void send_head_again(const Shelf *shelf)
        {
                char name[256], control[CMSG_SPACE(sizeof(int))];
                struct iovec iov = { name, sizeof name };
                struct msghdr message = {};
                int fd;

                message.msg_iov = &iov;
                message.msg_iovlen = 1;
                message.msg_control = control;
                message.msg_controllen = sizeof control;
                const ssize_t n = recvmsg(shelf->out, &message, MSG_PEEK);
                ASSERT_GT(n, 0);
                iov.iov_len = (size_t) n;
                memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
                ASSERT_EQ(sendmsg(shelf->in, &message, 0), n);
                (void) close(fd);
        }

        static unsigned count_messages(const Shelf *shelf)
        {
                const int from_start = 0, off = -1;
                unsigned n = 0;

                EXPECT_EQ(setsockopt(shelf->out, SOL_SOCKET, SO_PEEK_OFF, &from_start, sizeof from_start),
                                0);
                for (char all[256]; recv(shelf->out, all, sizeof all, MSG_PEEK | MSG_DONTWAIT) > 0;)
                        n++;
                EXPECT_EQ(setsockopt(shelf->out, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof off), 0);
                return n;
        }

        Shelves *shelves = nullptr;
        std::map<std::string, int> writers; /* of the pipes that were put */
        std::map<std::string, int> found;   /* shown at the last adoption */
        std::vector<std::string> shown;
        std::set<std::string> unwanted;
};

static std::vector<std::string> recorded(const std::string &name)
{
        std::ifstream file(std::string(getenv("NOMAD_SOURCE_DIR")) + "/tests/data/state/" + name);
        std::vector<std::string> lines;

        for (std::string line; std::getline(file, line);)
                lines.push_back(line);
        return lines;
}

/* A shelf of the first version: the names that systemd keeps its two ends under, and the messages that lie
 * in it. */
TEST_F(ShelfTest, TheShelfOfTheFirstVersionIsAdopted)
{
        const std::vector<std::string> names = recorded("0.1.0/nomad-logmon/fdnames");
        const std::vector<std::string> messages = recorded("0.1.0/nomad-logmon/messages");
        int ends[2];

        ASSERT_EQ(names.size(), 2U);
        ASSERT_EQ(messages.size(), 4U);
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        for (const std::string &message : messages) {
                int fds[2];

                ASSERT_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
                ASSERT_EQ(write(fds[1], message.data(), message.size()), (ssize_t) message.size());
                ASSERT_GE(fd_message_send(ends[0], 0, message.data(), message.size(), &fds[0], 1), 0);
                (void) close(fds[0]);
                writers[message] = fds[1];
        }

        adopt({ { names[0], ends[0] }, { names[1], ends[1] } });
        EXPECT_EQ(shown, messages);
        for (const std::string &message : messages)
                EXPECT_EQ(content(message), message);
        ASSERT_GE(take_down(messages[0]), 0);
        forget();
        EXPECT_FALSE(is_kept(messages[0]));
        EXPECT_TRUE(is_kept(messages[1]));
}

TEST_F(ShelfTest, APipeOutlivesAllItsReaders)
{
        ASSERT_GE(put("one"), 0);
        EXPECT_TRUE(is_kept("one"));
        reboot();
        EXPECT_EQ(content("one"), "one");
        forget();
        EXPECT_TRUE(is_kept("one")) << "the second process has it too";
        reboot();
        ASSERT_EQ(write(writers["one"], "more", 4), 4);
        EXPECT_EQ(content("one"), "more");
        forget();
        EXPECT_EQ(take_down("one"), 0);
        EXPECT_FALSE(is_kept("one"));
}

TEST_F(ShelfTest, OnlyANewShelfIsWaitedFor)
{
        EXPECT_EQ(put("one"), 1);
        EXPECT_EQ(put("two"), 1) << "systemd has not said that it has the shelf";
        shelves_set_stored(shelves, shelf(0)->number);
        EXPECT_EQ(put("three"), 1) << "those before it only";
        shelves_set_stored(shelves, shelves->next);
        EXPECT_EQ(put("four"), 0);
        reboot();
        EXPECT_EQ(put("five"), 0) << "it came from systemd";
        EXPECT_EQ(found.size(), 4U);
}

TEST_F(ShelfTest, TakenDownInAnyOrder)
{
        std::vector<std::string> names;
        std::mt19937 random(1);

        for (bool at_once : { true, false }) {
                for (int i = 0; i < 100; i++) {
                        names.push_back("pipe." + std::to_string(i));
                        ASSERT_GE(put(names.back()), 0);
                }
                std::shuffle(names.begin(), names.end(), random);
                while (!names.empty()) {
                        const std::string name = names.back();

                        names.pop_back();
                        ASSERT_EQ(take_down(name, at_once), 0) << name;
                        unwanted.insert(name);
                        if (at_once) {
                                EXPECT_FALSE(is_kept(name)) << name;
                        }
                        for (const auto &other : names)
                                ASSERT_TRUE(is_kept(other)) << other << " after " << name;
                        if (names.size() == 50) {
                                reboot(at_once);
                                for (const auto &other : names)
                                        ASSERT_EQ(content(other), other);
                                forget();
                        }
                }
                EXPECT_EQ(n_shelves(), SHELVES_SPARE);
                EXPECT_EQ(count_messages(shelf(0)), 0U);
                for (auto &[name, fd] : writers) {
                        EXPECT_FALSE(is_kept(name)) << name;
                        (void) close(fd);
                }
                writers.clear();
                unwanted.clear();
        }
}

TEST_F(ShelfTest, OthersOfAShelfStayWhenItTurns)
{
        for (const char *name : { "a", "b", "c", "d" })
                ASSERT_GE(put(name), 0);
        EXPECT_EQ(take_down("c"), 0);
        EXPECT_FALSE(is_kept("c"));
        EXPECT_EQ(count_messages(shelf(0)), 3U);
        reboot();
        EXPECT_EQ(shown, (std::vector<std::string>{ "d", "a", "b" }));
        for (const char *name : { "a", "b", "d" })
                EXPECT_EQ(content(name), name);
}

TEST_F(ShelfTest, SeveralAreTakenDownTogether)
{
        for (const char *name : { "a", "b", "c", "d", "e" })
                ASSERT_GE(put(name), 0);
        EXPECT_EQ(take_down("e", false), 0);
        EXPECT_EQ(take_down("c", false), 0);
        EXPECT_TRUE(is_kept("e"));
        EXPECT_EQ(put("e"), 1) << "the name is free";
        EXPECT_EQ(take_down("d", false), 0);
        EXPECT_EQ(count_messages(shelf(0)), 3U) << "half of them were gone";
        EXPECT_FALSE(is_kept("c"));
        EXPECT_TRUE(is_kept("e"));
        EXPECT_EQ(take_down("e", false), 0);
        EXPECT_EQ(count_messages(shelf(0)), 2U) << "what is gone goes at once when it is the first";
}

TEST_F(ShelfTest, OneThatACrashLeftTwiceIsShownOnce)
{
        for (const char *name : { "a", "b" })
                ASSERT_GE(put(name), 0);
        send_head_again(shelf(0));
        ASSERT_EQ(count_messages(shelf(0)), 3U);
        reboot();
        EXPECT_EQ(shown, (std::vector<std::string>{ "a", "b" }));
        EXPECT_EQ(count_messages(shelf(0)), 2U);
        forget();
        EXPECT_EQ(take_down("a"), 0);
        EXPECT_FALSE(is_kept("a"));
        EXPECT_TRUE(is_kept("b"));
}

/* A full shelf has room for the message that is there twice. */
TEST_F(ShelfTest, AFullShelfTurns)
{
        const std::string longest(SHELF_NAME_MAX - 3, 'x');

        for (unsigned i = 0; i < SHELF_PIPES_MAX; i++)
                ASSERT_GE(put(longest + std::to_string(100 + i)), 0);
        ASSERT_EQ(n_shelves(), 1U);
        send_head_again(shelf(0));
        EXPECT_EQ(count_messages(shelf(0)), SHELF_PIPES_MAX + 1);
        reboot();
        EXPECT_EQ(shown.size(), SHELF_PIPES_MAX);
        EXPECT_EQ(take_down(longest + std::to_string(100 + SHELF_PIPES_MAX - 2)), 0);
        EXPECT_EQ(count_messages(shelf(0)), SHELF_PIPES_MAX - 1);
        EXPECT_EQ(put(longest + "more"), -ENAMETOOLONG);
        EXPECT_EQ(put(""), -EINVAL);
}

TEST_F(ShelfTest, EndsComeInAnyOrder)
{
        for (bool reversed : { false, true, true, false }) {
                ASSERT_GE(put("a"), 0);
                ASSERT_GE(put("b"), 0);
                reboot(reversed);
                EXPECT_EQ(content("a"), "a");
                EXPECT_EQ(content("b"), "b");
                forget();
                /* an empty one may be used the other way round from here */
                EXPECT_EQ(take_down("a"), 0);
                EXPECT_EQ(take_down("b"), 0);
                ASSERT_EQ(n_shelves(), 1U);
                reboot(reversed);
                EXPECT_TRUE(shown.empty());
                ASSERT_EQ(n_shelves(), 1U) << "a spare one";
                EXPECT_EQ(shelf(0)->capacity, SHELF_PIPES_MAX);
                for (auto &[name, fd] : writers)
                        (void) close(fd);
                writers.clear();
        }
}

TEST_F(ShelfTest, MoreThanFitOnOne)
{
        const unsigned n = 3 * SHELF_PIPES_MAX;

        for (unsigned i = 0; i < n; i++)
                ASSERT_GE(put("pipe." + std::to_string(i)), 0);
        EXPECT_EQ(n_shelves(), 3U);
        reboot();
        EXPECT_EQ(n_shelves(), 3U);
        EXPECT_EQ(shelves->next, 3U) << "a new one has a number of its own";
        ASSERT_EQ(found.size(), n);
        for (unsigned i = 0; i < n; i++)
                EXPECT_EQ(content("pipe." + std::to_string(i)), "pipe." + std::to_string(i));
        for (unsigned i = 0; i < n; i++)
                ASSERT_EQ(take_down("pipe." + std::to_string(i), false), 0);
        EXPECT_EQ(n_shelves(), SHELVES_SPARE);
        EXPECT_GE(put("again"), 0);
        EXPECT_EQ(n_shelves(), 1U);
}

TEST_F(ShelfTest, ASmallBufferHoldsFewer)
{
        const int size = 8192;

        ASSERT_GE(put("first"), 0);
        for (int fd : { shelf(0)->in, shelf(0)->out })
                ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
        reboot();
        ASSERT_EQ(shelf(0)->capacity, 7U);
        for (int i = 0; i < 10; i++)
                ASSERT_GE(put(std::to_string(i)), 0);
        EXPECT_EQ(n_shelves(), 2U);
        EXPECT_EQ(count_messages(shelf(0)), 7U);
        EXPECT_EQ(take_down("5"), 0);

        /* Should the kernel count more for a message than we do, the next shelf is taken. */
        shelf(0)->capacity = 1000;
        for (int i = 10; n_shelves() == 2 && i < 200; i++)
                ASSERT_GE(put(std::to_string(i)), 0);
        EXPECT_EQ(n_shelves(), 3U);
        EXPECT_LT(count_messages(shelf(0)), 100U);
}

TEST_F(ShelfTest, UnknownAndDoubleNames)
{
        EXPECT_EQ(take_down("never"), -ENOENT);
        ASSERT_GE(put("one"), 0);
        EXPECT_EQ(take_down("never"), -ENOENT);
        EXPECT_EQ(put("one"), -EEXIST);
        EXPECT_TRUE(is_kept("one"));
        EXPECT_EQ(take_down("one"), 0);
        EXPECT_EQ(take_down("one"), -ENOENT);
        EXPECT_EQ(shelves_adopt_fd(shelves, "reader.1", 0), -ENXIO);
        EXPECT_EQ(shelves_adopt_fd(shelves, "shelf.", 0), -ENXIO);
        EXPECT_EQ(shelves_adopt_fd(shelves, "shelf.-1", 0), -ENXIO);
}

TEST_F(ShelfTest, WhatNobodyWantsIsTakenDown)
{
        for (const char *name : { "a", "b", "c" })
                ASSERT_GE(put(name), 0);
        unwanted = { "b" };
        reboot();
        EXPECT_EQ(shown.size(), 3U);
        forget();
        EXPECT_FALSE(is_kept("b"));
        EXPECT_TRUE(is_kept("a"));
        EXPECT_TRUE(is_kept("c"));
        EXPECT_EQ(take_down("b"), -ENOENT);
        unwanted = { "a", "c" };
        reboot();
        forget();
        EXPECT_EQ(n_shelves(), SHELVES_SPARE);
        EXPECT_FALSE(is_kept("a"));
}

/* systemd had no room for the other: what is there is not lost, and nothing is added. */
TEST_F(ShelfTest, OneEndOnly)
{
        for (const char *name : { "a", "b" })
                ASSERT_GE(put(name), 0);
        std::vector<End> ends = copy_ends();

        shelves_free(shelves);
        shelves = shelves_new();
        (void) close(ends[0].fd);
        ends.erase(ends.begin());
        adopt(ends);
        EXPECT_EQ(content("a"), "a");
        EXPECT_EQ(content("b"), "b");
        forget();
        EXPECT_EQ(put("c"), 1);
        EXPECT_EQ(n_shelves(), 2U);
        EXPECT_LT(take_down("b"), 0) << "it is behind another";
        EXPECT_EQ(take_down("a"), 0);
        EXPECT_FALSE(is_kept("a"));
        EXPECT_FALSE(is_kept("b"));
        EXPECT_EQ(n_shelves(), 1U);
        EXPECT_TRUE(is_kept("c"));
}

TEST_F(ShelfTest, NoRoomForDescriptors)
{
        struct rlimit limit, low = {};

        ASSERT_GE(put("a"), 0);
        const std::vector<End> ends = copy_ends();

        shelves_free(shelves);
        shelves = shelves_new();
        ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
        low.rlim_max = limit.rlim_max;
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
        adopt(ends);
        EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
        EXPECT_TRUE(shown.empty());
        EXPECT_TRUE(is_kept("a")) << "for the next process";
        reboot();
        EXPECT_EQ(content("a"), "a");
}

/* As in a user's own service, or a container. */
class NoPrivilege
{
      public:
        NoPrivilege()
        {
                struct __user_cap_data_struct data[2];

                EXPECT_EQ(syscall(SYS_capget, &header, all), 0);
                memcpy(data, all, sizeof data);
                data[0].effective &= ~(1U << CAP_SYS_ADMIN | 1U << CAP_SYS_RESOURCE);
                EXPECT_EQ(syscall(SYS_capset, &header, data), 0);
                EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
                const struct rlimit low = { SHELF_PIPES_MAX - 1, limit.rlim_max };
                EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
        }

        ~NoPrivilege()
        {
                EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
                EXPECT_EQ(syscall(SYS_capset, &header, all), 0);
        }

      private:
        struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
        struct __user_cap_data_struct all[2];
        struct rlimit limit;
};

TEST_F(ShelfTest, MoreInSocketsThanTheUserMayHave)
{
        const unsigned n = SHELF_PIPES_MAX;
        int fds[2];

        ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
        for (unsigned i = 0; i < n; i++)
                ASSERT_GE(shelves_put(shelves, std::to_string(i).c_str(), fds[0]), 0);
        (void) close(fds[0]);
        writers["all"] = fds[1];
        {
                NoPrivilege none;

                EXPECT_EQ(put("more"), -ETOOMANYREFS);
                EXPECT_EQ(take_down("1"), -ETOOMANYREFS) << "to turn the shelf needs one more";
                EXPECT_EQ(count_messages(shelf(0)), n);
        }
        EXPECT_EQ(take_down("2"), 0);
        EXPECT_EQ(count_messages(shelf(0)), n - 2) << "and the one before";
        EXPECT_GE(put("more"), 0);
}

TEST_F(ShelfTest, AtMostShelvesMax)
{
        struct rlimit limit, high;

        ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
        high = limit;
        high.rlim_cur = limit.rlim_max;
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &high), 0);
        if (high.rlim_cur < 4 * SHELVES_MAX)
                GTEST_SKIP() << "machine: a process has " << high.rlim_cur << " descriptors at most";

        for (unsigned i = 0; i < SHELVES_MAX; i++) {
                ASSERT_GE(put(std::to_string(i)), 0);
                shelf(i)->capacity = 1;
        }
        EXPECT_EQ(put("more"), -EMFILE);
        EXPECT_EQ(take_down("0"), 0);
        EXPECT_GE(put("more"), 0);
        EXPECT_EQ(n_shelves(), SHELVES_MAX);
        EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

} // namespace
