/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "container-fixture.h"

#include <csignal>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <unistd.h>

/* What a test program leaves that was killed for hanging is no reason for the next one to fail. */
void ContainerLogTest::SetUpTestSuite()
{
        std::set<std::string> names = list_directory("/run/nomad-dockerlog");

        names.erase("positions");
        if (names.empty())
                return;
        std::cout << "forgets what an earlier program has left: " << testing::PrintToString(names)
                  << std::endl;
        ASSERT_EQ(run({ "systemctl", "stop", DOCKERLOG_UNIT, LOGMON_UNIT }).status, 0);
        ASSERT_EQ(run({ "sh", "-c", "rm -rf /run/nomad-dockerlog/* /run/nomad-logmon/*" }).status, 0);
}

void ContainerLogTest::TearDown()
{
        for (const auto &id : followed) {
                EXPECT_TRUE(dockerlog("Stop", id).ok()) << id;
                EXPECT_TRUE(dockerlog("Release", id).ok()) << id;
        }
        for (const auto &name : list_directory("/run/nomad-dockerlog"))
                EXPECT_EQ(name, "positions") << "is left in /run/nomad-dockerlog";
        LogTest::TearDown();
        for (const auto &id : followed)
                EXPECT_EQ(run({ "rm", "-rf", "/var/log/nomad/" + label_of(id) }).status, 0);
}

Reply ContainerLogTest::dockerlog(const std::string &member, const std::string &id)
{
        return client.call(DOCKERLOG_NAME, DOCKERLOG_PATH, DOCKERLOG_MANAGER, member,
                        [&](sd_bus_message *m) { EXPECT_GE(sd_bus_message_append(m, "s", id.c_str()), 0); });
}

Reply ContainerLogTest::follow(const std::string &id, const Spec &config)
{
        followed.insert(id);
        return client.call(
                        DOCKERLOG_NAME, DOCKERLOG_PATH, DOCKERLOG_MANAGER, "Start", [&](sd_bus_message *m) {
                                EXPECT_GE(sd_bus_message_append(m, "s", id.c_str()), 0);
                                config.append_to(m);
                        });
}

void ContainerLogTest::must_follow(const std::string &id, const Spec &config)
{
        Reply reply = follow(id, config);

        if (!reply.ok())
                throw std::runtime_error(id + ": " + reply.error + ": " + reply.text);
}

std::string ContainerLogTest::container_property(const std::string &id, const std::string &name)
{
        Reply reply = client.call(DOCKERLOG_NAME, DOCKERLOG_PATH "/log/" + label_of(id),
                        "org.freedesktop.DBus.Properties", "Get", [&](sd_bus_message *m) {
                                EXPECT_GE(sd_bus_message_append(m, "ss", DOCKERLOG_LOG, name.c_str()), 0);
                        });

        /* it may be killed at any moment */
        return reply.ok() ? value_to_text(reply.message.get()) : "";
}

uint64_t ContainerLogTest::container_count(const std::string &id, const std::string &name)
{
        const std::string value = container_property(id, name);

        return value.empty() ? 0 : std::stoull(value);
}

bool ContainerLogTest::await_state(const std::string &id, const std::string &state)
{
        return eventually([&] { return container_property(id, "State") == state; });
}

bool ContainerLogTest::await_reconnect(const std::string &id, unsigned n)
{
        return eventually(
                        [&] {
                                return container_property(id, "State") == "following" &&
                                                container_count(id, "Reconnects") >= n;
                        },
                        std::chrono::seconds(60));
}

std::string ContainerLogTest::result_of(const std::string &id, std::chrono::seconds limit)
{
        EXPECT_TRUE(eventually([&] { return container_property(id, "State") == "ended"; }, limit))
                        << id << " is " << container_property(id, "State") << " "
                        << container_property(id, "LastError");
        return container_property(id, "Result");
}

pid_t ContainerLogTest::dockerlog_pid(pid_t old)
{
        pid_t pid = 0;

        EXPECT_TRUE(eventually([&] {
                pid = main_pid(DOCKERLOG_UNIT);
                return pid > 0 && pid != old;
        })) << "nomad-dockerlog does not come back";
        return pid;
}

void ContainerLogTest::kill_dockerlog()
{
        const pid_t pid = dockerlog_pid();

        ASSERT_EQ(kill(pid, SIGKILL), 0);
        (void) dockerlog_pid(pid);
}

void ContainerLogTest::kill_logmon_too(unsigned i)
{
        if (i % 3 == 0)
                kill_logmon();
}

void ContainerLogTest::kill_often(unsigned n, unsigned max_msec, const std::function<void(unsigned)> &also)
{
        std::mt19937 random = seeded_random();
        std::uniform_int_distribution<useconds_t> usec(0, max_msec * 1000);
        pid_t pid = 0;

        for (unsigned i = 0; i < n; i++) {
                pid = dockerlog_pid(pid);
                (void) usleep(usec(random));
                ASSERT_EQ(kill(pid, SIGKILL), 0) << "it has ended by itself";
                if (also)
                        also(i);
        }
        (void) dockerlog_pid(pid);
}

bool ContainerLogTest::kill_until_reconnected(const std::string &id, unsigned n)
{
        return eventually(
                        [&] {
                                if (container_property(id, "State") != "following")
                                        return false;
                                if (container_count(id, "Reconnects") >= n)
                                        return true;
                                kill_dockerlog();
                                return false;
                        },
                        std::chrono::seconds(60));
}

static size_t memory_of_service(const std::string &field)
{
        std::ifstream file("/proc/" + std::to_string(main_pid(DOCKERLOG_UNIT)) + "/status");
        std::string word;

        while (file >> word)
                if (word == field) {
                        size_t kib = 0;

                        file >> kib;
                        return kib;
                }
        ADD_FAILURE() << "no " << field;
        return 0;
}

size_t ContainerLogTest::memory_peak()
{
        return memory_of_service("VmHWM:");
}

size_t ContainerLogTest::memory_now()
{
        return memory_of_service("VmRSS:");
}

void ContainerLogTest::reset_peak()
{
        std::ofstream file("/proc/" + std::to_string(main_pid(DOCKERLOG_UNIT)) + "/clear_refs");

        file << "5";
}

std::string image_archive()
{
        std::string path = "/tmp/busybox.tar";

        EXPECT_EQ(run({ "sh", "-ec",
                                      "d=$(mktemp -d); mkdir $d/bin; cp /bin/busybox $d/bin; "
                                      "for i in sh cat date head printf seq sleep yes; do ln -s busybox $d/bin/$i; done; "
                                      "tar -C $d -cf " +
                                                      path + " .; rm -r $d" })
                                        .status,
                        0);
        return path;
}

std::string numbered_bursts(unsigned bursts, unsigned lines, const std::string &pause)
{
        return "i=0; while [ $i -lt " + std::to_string(bursts) + " ]; do seq $((i * " +
                        std::to_string(lines) + ")) $((i * " + std::to_string(lines) + " + " +
                        std::to_string(lines - 1) + ")); i=$((i + 1)); sleep " + pause + "; done";
}

/* Should the test die it goes on for a few minutes only. */
#define BURSTS_MAX 3000U

std::string numbered_until_told(unsigned lines, const std::string &pause)
{
        const std::string n = std::to_string(lines), end = std::to_string(lines * BURSTS_MAX);

        /* "wait" returns at a signal, too */
        return "trap ': >/stop' TERM; "
               "count() { i=0; until [ -e /stop ] || [ $i -ge " +
                        end + " ]; do seq $i $((i + " + n + " - 1)); i=$((i + " + n + ")); sleep " + pause +
                        "; done; echo \"$i lines\"; }; "
                        "count & count >&2 & wait; wait; wait";
}

testing::AssertionResult is_numbered_to_its_end(const std::string &text)
{
        const size_t end = text.rfind('\n', text.size() < 2 ? 0 : text.size() - 2);
        const std::string last = end == std::string::npos ? text : text.substr(end + 1);
        char *rest = nullptr;
        const unsigned long lines = std::strtoul(last.c_str(), &rest, 10);

        if (lines == 0 || std::string(rest) != " lines\n")
                return testing::AssertionFailure() << "its last line is " << testing::PrintToString(last);
        return same_text(text, numbered(0, lines) + last);
}

std::string numbered(unsigned long from, unsigned long to)
{
        std::string text;

        for (unsigned long i = from; i < to; i++)
                text += std::to_string(i) + "\n";
        return text;
}
