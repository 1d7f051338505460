/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <filesystem>
#include <sys/resource.h>
#include <unistd.h>

#include "shortage.h"

/* --- descriptors --- */

class FdShortage : public Shortage
{
      protected:
        /* As many descriptors as it has, and MORE. */
        static void limit(const std::string &unit, size_t more)
        {
                pid_t pid = main_pid(unit);
                struct rlimit limit;

                ASSERT_EQ(prlimit(pid, RLIMIT_NOFILE, nullptr, &saved), 0);
                limit = { fds(pid) + more, saved.rlim_max };
                ASSERT_EQ(prlimit(pid, RLIMIT_NOFILE, &limit, nullptr), 0);
        }

        static void lift(const std::string &unit)
        {
                ASSERT_EQ(prlimit(main_pid(unit), RLIMIT_NOFILE, &saved, nullptr), 0);
        }

        static struct rlimit saved;
};

struct rlimit FdShortage::saved;

TEST_F(FdShortage, OfTheExecutor)
{
        const pid_t pid = main_pid(EXECUTOR_UNIT);

        for (size_t more = 0; more < 12; more++) {
                std::string id = "few-" + std::to_string(more);

                limit(EXECUTOR_UNIT, more);
                Reply reply = client.start_task(id, script("exit 0"));
                lift(EXECUTOR_UNIT);
                if (reply.ok()) {
                        EXPECT_EQ(client.wait_task(path_of(id)).result, "success") << more;
                        EXPECT_TRUE(client.release(path_of(id)).ok());
                } else {
                        EXPECT_NE(reply.text.find("Too many open files"), std::string::npos)
                                        << more << reply;
                }
                expect_nothing_left(id);
        }
        EXPECT_EQ(main_pid(EXECUTOR_UNIT), pid) << "it has not survived";
        expect_well();
}

TEST_F(FdShortage, OfLogmon)
{
        const pid_t pid = main_pid(LOGMON_UNIT);

        for (size_t more = 0; more < 8; more++) {
                std::string id = "few-" + std::to_string(more);

                limit(LOGMON_UNIT, more);
                Reply reply = client.start_task(id, script("exit 0"));
                lift(LOGMON_UNIT);
                if (reply.ok()) {
                        EXPECT_EQ(client.wait_task(path_of(id)).result, "success") << more;
                        EXPECT_TRUE(client.release(path_of(id)).ok());
                }
                expect_nothing_left(id);
        }
        EXPECT_EQ(main_pid(LOGMON_UNIT), pid) << "it has not survived";
        expect_well();
}

/* --- room for state --- */

class StateShortage : public Shortage
{
};

TEST_F(StateShortage, ReadOnly)
{
        command({ "mount", "--bind", "/run/nomad-executor", "/run/nomad-executor" });
        command({ "mount", "-o", "remount,bind,ro", "/run/nomad-executor" });
        kill_service(EXECUTOR_UNIT); /* opened again, through the mount */
        Reply reply = expect_refused("read-only");
        command({ "umount", "--lazy", "/run/nomad-executor" });
        EXPECT_NE(reply.text.find("Read-only file system"), std::string::npos) << reply;
        kill_service(EXECUTOR_UNIT);
        expect_nothing_left("read-only");
        expect_well();
}

TEST_F(StateShortage, Full)
{
        const std::string filler = "/run/filler";

        command({ "sh", "-c",
                        "dd if=/dev/zero of=" + filler +
                                        " bs=1M count=1 2>/dev/null; "
                                        "mount -o remount,size=$(( $(df --output=used -k /run | tail -1) + 64 ))k /run; "
                                        "dd if=/dev/zero bs=4k >>" +
                                        filler + " 2>/dev/null || true" });
        Reply reply = expect_refused("full");
        EXPECT_EQ(client.property(path_of("bystander"), "State"), "running");
        command({ "sh", "-c", "rm " + filler + "; mount -o remount,size=50% /run" });
        EXPECT_NE(reply.text.find("No space left on device"), std::string::npos) << reply;
        expect_nothing_left("full");
        expect_well();
}

/* --- the bus --- */

/* All the connections that a user may have, and that user's only: 256 by Debian's configuration. */
TEST_F(Shortage, OfConnectionsOfAnotherUser)
{
        const std::string hog = "import dbus, sys, time\n"
                                "held = []\n"
                                "try:\n"
                                "    while len(held) < 1000:\n"
                                "        held.append(dbus.SystemBus(private=True))\n"
                                "except dbus.DBusException as error:\n"
                                "    open('/tmp/hog', 'w').write(str(len(held)))\n"
                                "time.sleep(1000)\n";

        if (run({ "systemctl", "show", "-P", "Id", "dbus.service" }).text == "dbus-broker.service\n")
                GTEST_SKIP() << "machine: dbus-broker does not limit how many connections a user has";
        command({ "rm", "-f", "/tmp/hog" });
        start("hog",
                        Spec().set("Command", "/usr/bin/python3")
                                        .set("Arguments", std::vector<std::string>{ "-c", hog })
                                        .set("User", "nobody"));
        ASSERT_TRUE(eventually([] { return exists("/tmp/hog"); })) << read_file(log_of("hog", "stderr"));
        EXPECT_GT(std::stoul("0" + read_file("/tmp/hog")), 100U);
        expect_well();
        EXPECT_EQ(run({ "busctl", "status", "org.nomad.Executor" }).status, 0);
        EXPECT_NE(run_as_nobody({ "busctl", "status", "org.nomad.Executor" }).status, 0);
        command({ "rm", "-f", "/tmp/hog" });
}

/* A client that asks for more at once than the bus lets one wait for: the bus refuses it, and nobody
 * else. */
TEST_F(Shortage, OfRepliesForOneClient)
{
        std::vector<std::shared_ptr<Pending>> pending;
        Client greedy("unix:path=/run/dbus/system_bus_socket");
        size_t refused = 0, waiting = 0;

        for (int i = 0; i < 200; i++)
                pending.push_back(greedy.wait_later(path_of("bystander")));
        EXPECT_TRUE(greedy.await([&] {
                refused = waiting = 0;
                for (const auto &p : pending)
                        (p->done() ? refused : waiting)++;
                return refused > 0 && refused + waiting == pending.size() && waiting <= 128;
        }));
        expect_well();
}

/* --- a service that hangs --- */

/* With SIGKILL for systemd's SIGABRT: whoever looks for crashes afterwards is not to find one. */
class Hanging : public Shortage
{
      protected:
        void SetUp() override
        {
                ASSERT_EQ(run({ "mkdir", "-p", directory(EXECUTOR_UNIT), directory(LOGMON_UNIT) }).status,
                                0);
                for (const char *unit : { EXECUTOR_UNIT, LOGMON_UNIT })
                        ASSERT_EQ(run({ "sh", "-c",
                                                      "printf '[Service]\\nWatchdogSec=1s\\nWatchdogSignal=SIGKILL\\n' >" +
                                                                      directory(unit) + "/watchdog.conf" })
                                                        .status,
                                        0);
                ASSERT_EQ(run({ "systemctl", "daemon-reload" }).status, 0);
                ASSERT_EQ(run({ "systemctl", "restart", LOGMON_UNIT, EXECUTOR_UNIT }).status, 0);
                Shortage::SetUp();
        }

        void TearDown() override
        {
                Shortage::TearDown();
                for (const char *unit : { EXECUTOR_UNIT, LOGMON_UNIT })
                        EXPECT_EQ(run({ "rm", "-r", directory(unit) }).status, 0);
                EXPECT_EQ(run({ "systemctl", "daemon-reload" }).status, 0);
                EXPECT_EQ(run({ "systemctl", "restart", LOGMON_UNIT, EXECUTOR_UNIT }).status, 0);
        }

        static std::string directory(const std::string &unit)
        {
                return "/run/systemd/system/" + unit + ".d";
        }

        /* When the watchdog was answered, in microseconds since the boot. */
        static uint64_t last_answer(const std::string &unit)
        {
                return std::stoull(
                                run({ "systemctl", "show", "-P", "WatchdogTimestampMonotonic", unit }).text);
        }

        static void expect_started_again(const std::string &unit)
        {
                const pid_t pid = main_pid(unit);

                ASSERT_GT(pid, 1);
                ASSERT_EQ(kill(pid, SIGSTOP), 0);
                EXPECT_TRUE(eventually([&] {
                        pid_t now = main_pid(unit);
                        return now > 1 && now != pid;
                })) << "the watchdog has not noticed";
                EXPECT_TRUE(eventually([&] { return run({ "systemctl", "is-active", unit }).status == 0; }));
        }
};

TEST_F(Hanging, ExecutorIsStartedAgain)
{
        expect_started_again(EXECUTOR_UNIT);
        expect_well();
}

TEST_F(Hanging, LogmonIsStartedAgain)
{
        expect_started_again(LOGMON_UNIT);
        expect_well();
}

/* Both answer the watchdog when they have nothing else to do: three times as long as it waits, by systemd's
 * clock. */
TEST_F(Hanging, IdleServicesDoNotHang)
{
        for (const char *unit : { EXECUTOR_UNIT, LOGMON_UNIT }) {
                const pid_t pid = main_pid(unit);
                const uint64_t begin = last_answer(unit);

                EXPECT_GT(begin, 0U);
                EXPECT_TRUE(eventually([&] { return last_answer(unit) > begin + 3000000; },
                                std::chrono::seconds(60)))
                                << unit;
                EXPECT_EQ(main_pid(unit), pid);
        }
}

/* --- a service that crashes again and again --- */

/* More often, and faster, than systemd's default limit of starts allows. */
TEST_F(Shortage, CrashLoopLosesNothing)
{
        for (int i = 0; i < 15; i++)
                for (const char *unit : { EXECUTOR_UNIT, LOGMON_UNIT }) {
                        ASSERT_TRUE(eventually([&] { return main_pid(unit) > 1; }))
                                        << "not started again: " << run({ "systemctl", "status", unit });
                        kill_service(unit);
                }
        EXPECT_EQ(client.property(path_of("bystander"), "State"), "running");
        expect_well();
}
