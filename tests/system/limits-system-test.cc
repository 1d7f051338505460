/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

/* Limits at their edges, and what is left when somebody who waits, or a main process, goes. */

namespace fs = std::filesystem;

class Limits : public SystemTest
{
      protected:
        static std::string short_name(const std::string &error)
        {
                return error.substr(error.rfind('.') + 1);
        }

        static Spec sleeper()
        {
                return Spec().set("Command", "/bin/sleep")
                                .set("Arguments", std::vector<std::string>{ "infinity" });
        }

        const std::string address = "unix:path=/run/dbus/system_bus_socket";
};

/* --- Wait --- */

TEST_F(Limits, ThreeClientsWaitAtOnce)
{
        Client second(address), third(address);
        std::vector<Client *> clients = { &client, &second, &third };
        std::vector<std::shared_ptr<Pending>> pending;

        start("waited-for", script("trap 'exit 11' TERM; echo ready; while :; do sleep 0.05; done"));
        pending.reserve(clients.size());
        for (Client *c : clients)
                pending.push_back(c->wait_later(path_of("waited-for")));
        ASSERT_TRUE(eventually([] { return !read_file(log_of("waited-for", "stdout")).empty(); }));
        ASSERT_TRUE(client.kill_task(path_of("waited-for"), "main", "SIGTERM").ok());
        for (size_t i = 0; i < clients.size(); i++) {
                ASSERT_TRUE(clients[i]->await(pending[i])) << i;
                EXPECT_EQ(Client::read_exit(pending[i]->reply()), (Exit{ "exit-code", 11, 0, false })) << i;
        }
        EXPECT_EQ(wait("waited-for"), (Exit{ "exit-code", 11, 0, false })) << "and again";
}

/* The bus lets a connection wait for 128 replies: these are several. */
class Crowd
{
      public:
        explicit Crowd(const std::string &address, const std::string &path, size_t count)
        {
                while (pending.size() < count) {
                        clients.push_back(std::make_unique<Client>(address));
                        for (size_t i = 0; i < 100 && pending.size() < count; i++)
                                pending.emplace_back(clients.back().get(), clients.back()->wait_later(path));
                        /* a call that comes back shows that those before it have arrived */
                        EXPECT_EQ(clients.back()->property(path, "State"), "running");
                }
        }

        size_t waiting() const
        {
                size_t count = 0;

                for (const auto &[client, reply] : pending)
                        count += reply->done() ? 0 : 1;
                return count;
        }

        void expect_all(const Exit &expected)
        {
                for (const auto &[client, reply] : pending) {
                        ASSERT_TRUE(client->await(reply));
                        EXPECT_EQ(Client::read_exit(reply->reply()), expected);
                }
        }

      private:
        std::vector<std::unique_ptr<Client>> clients;
        std::vector<std::pair<Client *, std::shared_ptr<Pending>>> pending;
};

/* 256, and all of them free again when the clients have gone that waited. */
TEST_F(Limits, WaitersOfClientsThatGoAreForgotten)
{
        const size_t max = 256;
        const std::string path = path_of("waited-for");
        auto refused = [&] {
                auto pending = client.wait_later(path);

                EXPECT_TRUE(client.await(pending));
                return short_name(pending->reply().error);
        };

        start("waited-for", sleeper());
        auto first = std::make_unique<Crowd>(address, path, max);
        EXPECT_EQ(first->waiting(), max);
        EXPECT_EQ(refused(), "LimitExceeded");
        first.reset();

        /* the bus tells of the last of them when it comes to it */
        std::unique_ptr<Crowd> second;
        EXPECT_TRUE(eventually([&] {
                second.reset();
                second = std::make_unique<Crowd>(address, path, max);
                return second->waiting() == max;
        }));
        EXPECT_EQ(refused(), "LimitExceeded");
        ASSERT_TRUE(stop("waited-for", "", 0).ok());
        second->expect_all({ "signal", 137, SIGKILL, false });
}

TEST_F(Limits, HundredDoubleForkedChildrenAreDeadBeforeWaitReplies)
{
        const std::string file = "/tmp/double-forked";

        EXPECT_EQ(run({ "rm", "-f", file }).status, 0);
        start("forks",
                        script("for i in $(seq 100); do (setsid sh -c 'trap \"\" HUP INT TERM; echo $$ >>" +
                                        file +
                                        "; while :; do sleep 1000; done' &) ; done; "
                                        "while [ $(wc -l <" +
                                        file + ") -lt 100 ]; do sleep 0.05; done; exit 0"));
        EXPECT_EQ(wait("forks"), (Exit{ "success", 0, 0, false }));
        std::vector<std::string> pids = lines_of(read_file(file));
        bool unit_there = exists(cgroup_of("forks"));

        EXPECT_EQ(pids.size(), 100U);
        for (const auto &pid : pids)
                EXPECT_EQ(kill(std::stoi(pid), 0), -1) << pid;
        EXPECT_FALSE(unit_there);
        EXPECT_EQ(run({ "systemctl", "list-units", "--all", "--no-legend", "--plain", unit_of("forks") })
                                        .text,
                        "");
        EXPECT_EQ(run({ "rm", "-f", file }).status, 0);
}

/* --- RuntimeMaxUSec --- */

TEST_F(Limits, RuntimeMaxStopsWithTheTasksSignal)
{
        start("timeout",
                        script("trap 'exit 0' USR2; while :; do sleep 0.05; done")
                                        .set("StopSignal", "SIGUSR2")
                                        .set("RuntimeMaxUSec", uint64_t{ 700000 }));
        auto begin = std::chrono::steady_clock::now();
        EXPECT_EQ(wait("timeout"), (Exit{ "timeout", 0, 0, false }));
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10)) << "it was not killed";
        EXPECT_EQ(client.property(path_of("timeout"), "Result"), "timeout");
}

TEST_F(Limits, RuntimeMaxKillsWhatDoesNotStop)
{
        start("timeout",
                        script("trap '' INT; while :; do sleep 1000; done")
                                        .set("StopTimeoutUSec", uint64_t{ 200000 })
                                        .set("RuntimeMaxUSec", uint64_t{ 300000 }));
        EXPECT_EQ(wait("timeout"), (Exit{ "timeout", 137, SIGKILL, false }));
}

/* The time is the task's, not the service's. */
TEST_F(Limits, RuntimeMaxGoesOnOverARestart)
{
        start("timeout", sleeper().set("RuntimeMaxUSec", uint64_t{ 2000000 }));
        kill_service(EXECUTOR_UNIT);
        EXPECT_EQ(wait("timeout"), (Exit{ "timeout", 130, SIGINT, false }));
        uint64_t ran = std::stoull(client.property(path_of("timeout"), "ExitTimestamp")) -
                        std::stoull(client.property(path_of("timeout"), "StartTimestamp"));
        EXPECT_GE(ran, 2000000U);
        EXPECT_LT(ran, 20000000U);
}

/* And it is the supervisor that sees to it. */
TEST_F(Limits, RuntimeMaxWhileTheServiceIsStopped)
{
        start("timeout", sleeper().set("RuntimeMaxUSec", uint64_t{ 1000000 }));
        ASSERT_EQ(run({ "systemctl", "stop", EXECUTOR_UNIT }).status, 0);
        ASSERT_TRUE(eventually([] { return !exists(cgroup_of("timeout")); }));
        EXPECT_EQ(run({ "systemctl", "is-active", EXECUTOR_UNIT }).text, "inactive\n") << "nobody called it";
        EXPECT_EQ(wait("timeout"), (Exit{ "timeout", 130, SIGINT, false }));
}

TEST_F(Limits, GraceOfAStopWhileTheServiceIsStopped)
{
        start("grace", script("trap '' INT; echo ready; while :; do sleep 1000; done"));
        ASSERT_TRUE(eventually([] { return read_file(log_of("grace", "stdout")) == "ready\n"; }));
        ASSERT_TRUE(stop("grace", "", 1000000).ok());
        ASSERT_EQ(run({ "systemctl", "stop", EXECUTOR_UNIT }).status, 0);
        ASSERT_TRUE(eventually([] { return !exists(cgroup_of("grace")); }));
        EXPECT_EQ(wait("grace"), (Exit{ "signal", 137, SIGKILL, false }));
}

TEST_F(Limits, RuntimeMaxDoesNotTouchATaskThatEndsBefore)
{
        start("in-time", script("exit 3").set("RuntimeMaxUSec", uint64_t{ 60000000 }));
        EXPECT_EQ(wait("in-time"), (Exit{ "exit-code", 3, 0, false }));
        Reply reply = client.start_task("in-time-2", script("true").set("RuntimeMaxUSec", uint64_t{ 0 }));
        EXPECT_EQ(short_name(reply.error), "InvalidSpec") << reply;
}

/* --- the size of a spec --- */

/* Ten arguments and the command, with the byte at the end of each, are 1 MiB. No string may be longer than
 * 128 KiB. */
TEST_F(Limits, SpecOfOneMiB)
{
        const size_t max = 1048576, count = 10;
        std::vector<std::string> arguments(count, std::string(max / count - 1, 'x'));
        const std::string command = "/bin/true";
        size_t bytes = command.size() + 1;

        for (const auto &argument : arguments)
                bytes += argument.size() + 1;
        arguments[0].resize(arguments[0].size() + max - bytes);
        start("large", Spec().set("Command", command).set("Arguments", arguments));
        EXPECT_EQ(wait("large"), (Exit{ "success", 0, 0, false }));
        kill_service(EXECUTOR_UNIT);
        EXPECT_EQ(client.property(path_of("large"), "State"), "exited") << "its state can be loaded";

        arguments[0] += "x";
        Reply reply = client.start_task(
                        "larger", Spec().set("Command", command).set("Arguments", arguments));
        EXPECT_EQ(short_name(reply.error), "LimitExceeded") << reply;
        reply = client.start_task("larger",
                        Spec().set("Command", command)
                                        .set("Environment",
                                                        std::vector<std::string>(12,
                                                                        "A=" + std::string(100000, 'y'))));
        EXPECT_EQ(short_name(reply.error), "LimitExceeded") << reply;
        expect_nothing_left("larger");
}

/* Name, value, and the byte at the end of each. */
TEST_F(Limits, LabelsOf4KiB)
{
        std::map<std::string, std::string> labels = { { "name", std::string(4096 - 6, 'x') } };

        start("labelled", script("exit 0").set("Labels", labels));
        labels["name"] += "x";
        Reply reply = client.start_task("labelled-more", script("exit 0").set("Labels", labels));
        EXPECT_EQ(short_name(reply.error), "LimitExceeded") << reply;
        expect_nothing_left("labelled-more");
}

/* --- more at once than the bus allows calls under way --- */

/* 128 calls of a connection may wait for replies. These clients stay below it each, the service has to by
 * itself. */
TEST_F(Limits, ThreeHundredStartAndEndAtOnce)
{
        const char *gate = "/tmp/limits-gate";
        const int count = 300, clients = 3;
        std::vector<std::unique_ptr<Client>> others;
        std::vector<std::shared_ptr<Pending>> pending;
        auto id = [](int i) { return "many-" + std::to_string(i); };

        run({ "rm", "-f", gate });
        ASSERT_EQ(mkfifo(gate, 0600), 0);
        int fd = open(gate, O_RDWR | O_CLOEXEC);
        ASSERT_GE(fd, 0);

        for (int i = 0; i < clients; i++)
                others.push_back(std::make_unique<Client>("unix:path=/run/dbus/system_bus_socket"));
        Spec spec = script(std::string("exec 3<") + gate + "; echo begun; cat <&3; echo done");
        for (int i = 0; i < count; i++)
                pending.push_back(others[(size_t) (i % clients)]->start_task_later(id(i), spec));
        for (int i = 0; i < count; i++) {
                ASSERT_TRUE(others[(size_t) (i % clients)]->await(pending[(size_t) i])) << i;
                ASSERT_TRUE(pending[(size_t) i]->reply().ok()) << i << ": " << pending[(size_t) i]->reply();
        }
        for (int i = 0; i < count; i++)
                ASSERT_TRUE(eventually([&] { return read_file(log_of(id(i), "stdout")) == "begun\n"; }))
                                << i;

        /* all end while nobody is there, and are found by the next service together */
        ASSERT_EQ(run({ "systemctl", "stop", EXECUTOR_UNIT }).status, 0);
        close(fd);
        for (int i = 0; i < count; i++)
                ASSERT_TRUE(eventually([&] { return !exists(cgroup_of(id(i))); })) << i;
        for (int i = 0; i < count; i++) {
                EXPECT_EQ(wait(id(i)), (Exit{ "success", 0, 0, false })) << i;
                EXPECT_EQ(read_file(log_of(id(i), "stdout")), "begun\ndone\n") << i;
        }
        for (int i = 0; i < count; i++)
                EXPECT_TRUE(client.release(path_of(id(i))).ok()) << i;
        run({ "rm", "-f", gate });
}

/* Two tasks with as many waiters as each may have. */
TEST_F(Limits, WaitersOfSeveralTasks)
{
        std::vector<std::unique_ptr<Client>> others;
        std::vector<std::shared_ptr<Pending>> pending;

        start("waited-a", script("exec sleep 1000"));
        start("waited-b", script("exec sleep 1000"));
        for (int i = 0; i < 6; i++)
                others.push_back(std::make_unique<Client>("unix:path=/run/dbus/system_bus_socket"));
        for (int i = 0; i < 512; i++)
                pending.push_back(others[(size_t) (i % 6)]->wait_later(
                                path_of(i % 2 ? "waited-a" : "waited-b")));
        EXPECT_EQ(client.property(path_of("waited-a"), "State"), "running") << "the service lives";
        EXPECT_TRUE(stop("waited-a", "", 0).ok());
        EXPECT_TRUE(stop("waited-b", "", 0).ok());
        for (int i = 0; i < 512; i++) {
                ASSERT_TRUE(others[(size_t) (i % 6)]->await(pending[(size_t) i])) << i;
                EXPECT_EQ(Client::read_exit(pending[(size_t) i]->reply()), (Exit{ "signal", 137, 9, false }))
                                << i;
        }
}

/* --- the number of tasks --- */

/* 8192 tasks take their time to run: all but a few are copies, on disk, of one that has ended. */
class ManyTasks : public Limits
{
      protected:
        const std::string tasks = "/run/nomad-executor/tasks/";

        void TearDown() override
        {
                stop_service();
                for (const auto &name : list_directory(tasks))
                        if (name.rfind("copy", 0) == 0)
                                fs::remove_all(tasks + name);
                EXPECT_EQ(run({ "systemctl", "unmask", "--runtime", EXECUTOR_UNIT }).status, 0);
                Limits::TearDown();
        }

        static void stop_service()
        {
                EXPECT_EQ(run({ "systemctl", "mask", "--runtime", EXECUTOR_UNIT }).status, 0);
                EXPECT_EQ(run({ "systemctl", "stop", EXECUTOR_UNIT }).status, 0);
        }

        void copy(const std::string &label, size_t count)
        {
                std::map<std::string, std::string> files;

                for (const auto &name : list_directory(tasks + label))
                        files[name] = read_file(tasks + label + "/" + name);
                ASSERT_EQ(files.count("task.json"), 1U);
                size_t at = files["task.json"].find("\"" + label + "\"");
                ASSERT_NE(at, std::string::npos) << files["task.json"];
                for (size_t i = 0; i < count; i++) {
                        std::string name = "copy" + std::to_string(i);

                        ASSERT_TRUE(fs::create_directory(tasks + name));
                        for (auto [file, text] : files) {
                                if (file == "task.json")
                                        text.replace(at, label.size() + 2, "\"" + name + "\"");
                                std::ofstream(tasks + name + "/" + file) << text;
                        }
                }
        }
};

TEST_F(ManyTasks, TasksAre8192)
{
        const size_t max = 8192;

        start("original", Spec().set("Command", "true").set("LogTargets", std::vector<std::string>{}));
        EXPECT_EQ(wait("original"), (Exit{ "success", 0, 0, false }));
        stop_service();
        copy("original", max - 2);
        ASSERT_EQ(run({ "systemctl", "unmask", "--runtime", EXECUTOR_UNIT }).status, 0);
        ASSERT_EQ(client.list_tasks().size(), max - 1);

        start("last", sleeper());
        EXPECT_EQ(client.list_tasks().size(), max);
        EXPECT_EQ(short_name(client.start_task("too-many", sleeper()).error), "LimitExceeded");
        expect_nothing_left("too-many");
        release("original");
        start("after-all", sleeper());
        EXPECT_EQ(short_name(client.start_task("too-many", sleeper()).error), "LimitExceeded");
        EXPECT_EQ(wait("copy4000"), (Exit{ "success", 0, 0, false }));
}
