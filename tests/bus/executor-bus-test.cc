/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <algorithm>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

/* The life of a task as the contract has it. */

namespace
{

class ExecutorBus : public BusTest
{
      protected:
        /* Starts a task and expects that to work. */
        std::string start(const std::string &id, const Spec &spec)
        {
                Reply reply = client->start_task(id, spec);

                EXPECT_TRUE(reply.ok()) << reply;
                return reply.ok() ? reply.path() : "";
        }

        void expect_released(const std::string &path)
        {
                Reply reply = client->release(path);

                EXPECT_TRUE(reply.ok()) << reply;
                expect_nothing_left();
        }
};

/* systemd announces what comes of all units to whoever has such a match, and wakes it. */
TEST_F(ExecutorBus, SystemdIsListenedToWhileATaskComesOrGoes)
{
        auto matches = [&] {
                Reply reply = client->call("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                "org.freedesktop.DBus.Debug.Stats", "GetAllMatchRules");
                size_t n = 0;

                EXPECT_TRUE(reply.ok()) << reply;
                std::string rules = value_to_text(reply.message.get());
                EXPECT_NE(rules.find("RequestStop"), std::string::npos) << rules;
                for (const char *member : { "member='JobRemoved'", "member='UnitRemoved'" })
                        n += rules.find(member) != std::string::npos ? 1 : 0;
                return n;
        };
        ScopeBehaviour silent;

        EXPECT_EQ(matches(), 0U);
        silent.no_reply = true;
        systemd->set_behaviour(silent);
        auto start = client->start_task_later("web", shell("exec sleep 1000"));
        ASSERT_TRUE(eventually([&] { return client->get_task("web").ok(); }));
        EXPECT_TRUE(eventually([&] { return matches() == 2; }));

        systemd->set_behaviour({});
        systemd->answer_calls();
        ASSERT_TRUE(client->await(start));
        ASSERT_TRUE(start->reply().ok()) << start->reply();
        EXPECT_TRUE(eventually([&] { return matches() == 0; })) << "while it runs";

        /* and a moment longer, for the next task */
        ASSERT_TRUE(client->stop_task(TASK_PATH("web"), "KILL", 0).ok());
        EXPECT_TRUE(eventually([&] { return matches() == 2; }));
        EXPECT_EQ(client->wait_task(TASK_PATH("web")), (Exit{ "signal", 137, 9, false }));
        EXPECT_TRUE(eventually([&] { return matches() == 0; })) << "once it is gone";
        EXPECT_TRUE(client->release(TASK_PATH("web")).ok());
}

TEST_F(ExecutorBus, StartWaitRelease)
{
        auto files = executor->open_files();

        EXPECT_EQ(start("web", shell("exit 3")), TASK_PATH("web"));
        EXPECT_EQ(client->wait_task(TASK_PATH("web")), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_TRUE(systemd->units().empty()) << "the scope goes before Wait replies";
        /* any number of times, and for everybody */
        EXPECT_EQ(client->wait_task(TASK_PATH("web")), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_EQ(Client(bus_address).wait_task(TASK_PATH("web")), (Exit{ "exit-code", 3, 0, false }));

        EXPECT_EQ(client->get_task("web").path(), TASK_PATH("web"));
        EXPECT_EQ(state_directories(), std::set<std::string>{ "web" });
        expect_released(TASK_PATH("web"));
        EXPECT_EQ(client->get_task("web").error, "org.nomad.Executor.Error.NoSuchTask");
        expect_same_files(*executor, files);
}

TEST_F(ExecutorBus, HowATaskEnds)
{
        const struct {
                const char *script;
                Exit exit;
        } cases[] = {
                { "exit 0", { "success", 0, 0, false } },
                { "exit 1", { "exit-code", 1, 0, false } },
                { "exit 255", { "exit-code", 255, 0, false } },
                { "exit 137", { "exit-code", 137, 0, false } },
                { "kill -TERM $$", { "signal", 143, 15, false } },
                { "kill -KILL $$", { "signal", 137, 9, false } },
                { "kill -ABRT $$", { "signal", 134, 6, false } },
        };

        for (const auto &c : cases) {
                std::string path = start("task", shell(c.script));

                EXPECT_EQ(client->wait_task(path), c.exit) << c.script;
                EXPECT_EQ(client->property(path, "Result"), c.exit.result);
                EXPECT_EQ(client->property(path, "ExitCode"), std::to_string(c.exit.code));
                EXPECT_EQ(client->property(path, "ExitSignal"), std::to_string(c.exit.signal));
                EXPECT_TRUE(client->release(path).ok());
        }
}

TEST_F(ExecutorBus, PropertiesWhileItRunsAndAfter)
{
        uint64_t before = (uint64_t) time(nullptr) * 1000000;
        std::string path = start("alloc/web",
                        shell("exec sleep 1000")
                                        .set("Labels",
                                                        std::map<std::string, std::string>{
                                                                        { "job", "j1" } }));
        auto p = client->properties(path);
        auto units = systemd->units();

        ASSERT_EQ(path, TASK_PATH("alloc_2fweb"));
        ASSERT_EQ(units.size(), 1U);
        EXPECT_EQ(p["Id"], "alloc/web");
        EXPECT_EQ(p["Description"], "alloc/web");
        EXPECT_EQ(p["Unit"], "nomad-task-alloc_2fweb.scope");
        EXPECT_EQ(p["ControlGroup"], "/nomad.slice/nomad-task-alloc_2fweb.scope");
        EXPECT_EQ(p["UID"], "0");
        EXPECT_EQ(p["Command"], "/bin/sh");
        EXPECT_EQ(p["Labels"], "{job=j1}");
        EXPECT_EQ(p["State"], "running");
        EXPECT_EQ(p["Result"], "");
        EXPECT_EQ(p["ExitCode"], "-1");
        EXPECT_EQ(p["ExitSignal"], "0");
        EXPECT_EQ(p["OOMKilled"], "false");
        EXPECT_EQ(p["ExitTimestamp"], "0");
        EXPECT_EQ(p["CPUUsageNSec"], std::to_string(UINT64_MAX));
        EXPECT_EQ(p["MemoryPeak"], std::to_string(UINT64_MAX));
        EXPECT_GE(std::stoull(p["StartTimestamp"]), before);
        EXPECT_EQ(p.count("Arguments") + p.count("Environment"), 0U) << "they can hold secrets";

        /* what the property says is so */
        auto inside = cgroup_processes(p["ControlGroup"] + "/task");
        EXPECT_EQ(inside.size(), 1U);
        EXPECT_EQ(p["MainPID"], std::to_string(inside.at(0)));
        EXPECT_EQ(cgroup_processes(p["ControlGroup"] + "/supervisor").size(), 1U);

        ASSERT_TRUE(client->stop_task(path, "", 0).ok());
        (void) client->wait_task(path);
        auto after = client->properties(path);
        EXPECT_EQ(after["State"], "exited");
        EXPECT_NE(after["CPUUsageNSec"], p["CPUUsageNSec"]) << "cpu.stat is there without any controller";
        EXPECT_GE(std::stoull(after["ExitTimestamp"]), std::stoull(p["StartTimestamp"]));
        for (const char *constant : { "Id", "Description", "Unit", "InvocationID", "ControlGroup", "MainPID",
                             "UID", "Command", "LogDirectory", "Labels", "StartTimestamp" })
                EXPECT_EQ(after[constant], p[constant]) << constant;
        expect_released(path);
}

TEST_F(ExecutorBus, TheScope)
{
        std::string path = start("web",
                        shell("exec sleep 1000")
                                        .set("Description", "The web server")
                                        .set("Slice", "nomad-batch.slice")
                                        .set("StopSignal", "SIGUSR1")
                                        .set("StopTimeoutUSec", UINT64_C(7000000)));
        auto units = systemd->units();
        ASSERT_EQ(units.size(), 1U);
        const FakeUnit &unit = units[0];

        EXPECT_EQ(unit.name, "nomad-task-web.scope");
        EXPECT_EQ(unit.description, "The web server");
        EXPECT_EQ(unit.cgroup, "/nomad.slice/nomad-batch.slice/nomad-task-web.scope");
        EXPECT_TRUE(unit.delegate);
        EXPECT_EQ(unit.collect_mode, "inactive-or-failed");
        EXPECT_EQ(unit.controller, "org.nomad.Executor");
        EXPECT_EQ(unit.kill_signal, SIGURG) << "which asks the supervisor";
        EXPECT_GE(unit.timeout_stop_usec, 7000000U);
        EXPECT_TRUE(unit.after.empty()) << "nomad.slice has the order, for all of them";

        std::string invocation_id = "[";
        for (size_t i = 0; i < 32; i += 2)
                invocation_id += (i ? " " : "") +
                                std::to_string(std::stoi(unit.invocation_id.substr(i, 2), nullptr, 16));
        EXPECT_EQ(client->property(path, "InvocationID"), invocation_id + "]");
        ASSERT_TRUE(client->stop_task(path, "", 0).ok());
        (void) client->wait_task(path);
        expect_released(path);
}

/* At shutdown tasks are to end before the services do, in whatever slice they are. */
TEST_F(ExecutorBus, ScopeElsewhereIsOrderedAfterTheServices)
{
        std::string path = start("web",
                        Spec().set("Command", "/bin/sleep")
                                        .set("Arguments", std::vector<std::string>{ "100" })
                                        .set("Slice", "machine.slice"));

        EXPECT_EQ(systemd->units().at(0).after,
                        (std::vector<std::string>{ "nomad-executor.service", "nomad-logmon.service" }));
        ASSERT_TRUE(client->stop_task(path, "", 0).ok());
        (void) client->wait_task(path);
        expect_released(path);
}

TEST_F(ExecutorBus, ListAndObjectManager)
{
        (void) start("a", shell("exec sleep 1000"));
        (void) start("b", shell("exit 0"));
        (void) client->wait_task(TASK_PATH("b"));

        auto tasks = client->list_tasks();
        ASSERT_EQ(tasks.size(), 2U);
        EXPECT_EQ(tasks["a"], std::make_pair(std::string("running"), std::string(TASK_PATH("a"))));
        EXPECT_EQ(tasks["b"], std::make_pair(std::string("exited"), std::string(TASK_PATH("b"))));

        Reply reply = client->call(EXECUTOR_NAME, MANAGER_PATH, "org.freedesktop.DBus.ObjectManager",
                        "GetManagedObjects");
        ASSERT_TRUE(reply.ok()) << reply;
        std::string objects = value_to_text(reply.message.get());
        for (const char *path : { TASK_PATH("a"), TASK_PATH("b") })
                EXPECT_NE(objects.find(std::string(path) + "={"), std::string::npos) << objects;
        EXPECT_NE(objects.find("State=running"), std::string::npos);
        EXPECT_NE(objects.find("State=exited"), std::string::npos);
}

TEST_F(ExecutorBus, SignalsOfALife)
{
        client->record_signals();
        std::string path = start("web", shell("read line; exit 3").set_fd("StandardInput", [] {
                int fds[2];

                EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
                (void) close(fds[1]); /* end of file at once */
                return fds[0];
        }()));
        ASSERT_TRUE(client->await([&] { return client->count_signals("TaskNew", path) > 0; }));
        EXPECT_EQ(client->count_signals("InterfacesAdded", MANAGER_PATH), 1U);

        (void) client->wait_task(path);
        ASSERT_TRUE(client->await([&] { return !client->changes(path, "ExitCode").empty(); }));
        EXPECT_EQ(client->changes(path, "State"), std::vector<std::string>{ "exited" });
        EXPECT_EQ(client->changes(path, "Result"), std::vector<std::string>{ "exit-code" });
        EXPECT_EQ(client->changes(path, "ExitCode"), std::vector<std::string>{ "3" });
        EXPECT_EQ(client->changes(path, "ExitSignal"), std::vector<std::string>{ "0" });
        EXPECT_EQ(client->changes(path, "OOMKilled"), std::vector<std::string>{ "false" });
        EXPECT_EQ(client->changes(path, "ExitTimestamp").size(), 1U);

        ASSERT_TRUE(client->release(path).ok());
        ASSERT_TRUE(client->await(
                        [&] { return client->count_signals("InterfacesRemoved", MANAGER_PATH) > 0; }));
        EXPECT_EQ(client->count_signals("TaskRemoved", path), 1U);
        EXPECT_EQ(client->count_signals("TaskNew", path), 1U);
}

TEST_F(ExecutorBus, StandardStreamsOfTheClient)
{
        int in[2], out[2];
        char text[16] = {};

        ASSERT_EQ(pipe2(in, O_CLOEXEC), 0);
        ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
        std::string path = start("cat",
                        shell("cat; echo err >&2")
                                        .set_fd("StandardInput", in[0])
                                        .set_fd("StandardOutput", out[1])
                                        .set_fd("StandardError", out[1]));
        (void) close(in[0]);
        (void) close(out[1]);
        ASSERT_EQ(write(in[1], "hello\n", 6), 6);
        (void) close(in[1]);
        EXPECT_EQ(client->wait_task(path), (Exit{ "success", 0, 0, false }));
        ASSERT_EQ(read(out[0], text, sizeof text), 10);
        EXPECT_STREQ(text, "hello\nerr\n");
        struct pollfd end = { out[0], POLLIN, 0 };
        ASSERT_EQ(poll(&end, 1, (int) std::chrono::milliseconds(DEADLINE).count()), 1)
                        << "somebody still holds the task's output";
        EXPECT_EQ(read(out[0], text, 1), 0);
        (void) close(out[0]);
        expect_released(path);
}

TEST_F(ExecutorBus, LogIsCompleteWhenWaitReplies)
{
        /* the first leaves an empty shelf */
        std::string path = start("first", logged_shell("exit 0"));
        (void) client->wait_task(path);
        expect_released(path);

        auto executor_files = executor->open_files(), logmon_files = logmon->open_files();
        path = start("web", logged_shell("seq 1 20000; echo err >&2; exit 3"));

        EXPECT_EQ(client->property(path, "LogDirectory"), log_directory);
        EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 3, 0, false }));
        std::string expected;
        for (int i = 1; i <= 20000; i++)
                expected += std::to_string(i) + "\n";
        EXPECT_EQ(read_file(log_directory + "/web.stdout.0"), expected);
        EXPECT_EQ(read_file(log_directory + "/web.stderr.0"), "err\n");
        expect_released(path);
        EXPECT_EQ(read_file(log_directory + "/web.stderr.0"), "err\n") << "Release must leave the files";
        expect_same_files(*executor, executor_files);
        expect_same_files(*logmon, logmon_files);
}

TEST_F(ExecutorBus, WhatATaskInherits)
{
        std::string out = directory + "/out";
        std::string path = start("inherit",
                        shell("env; umask; id -u; id -g; pwd; cat /proc/self/oom_score_adj; nice;"
                              "grep -E 'Sig(Blk|Ign)|NoNewPrivs' /proc/self/status; ls /proc/self/fd; ulimit -n")
                                        .set("Environment", std::vector<std::string>{ "A=1", "B=x y" })
                                        .set("WorkingDirectory", "/usr")
                                        .set("UMask", UINT32_C(0027))
                                        .set("OOMScoreAdjust", INT32_C(7))
                                        .set("StdoutPath", out)
                                        .set_limit("ResourceLimits", "NOFILE", 77, 99));

        ASSERT_EQ(client->wait_task(path), (Exit{ "success", 0, 0, false }));
        std::string text = "\n" + read_file(out);
        for (const char *line : { "A=1", "B=x y", "0027", "/usr", "7", "SigBlk:\t0000000000000000",
                             "NoNewPrivs:\t0", "77" })
                EXPECT_NE(text.find(std::string("\n") + line + "\n"), std::string::npos)
                                << line << " in" << text;
        /* without 32 and 33, which belong to the C library and which nothing but a raw system call can
         * change */
        ASSERT_NE(text.find("SigIgn:\t"), std::string::npos);
        EXPECT_EQ(std::stoull(text.substr(text.find("SigIgn:\t") + 8), nullptr, 16) & ~UINT64_C(0x180000000),
                        0U);
        for (const char *secret :
                        { "DBUS_", "NOTIFY_SOCKET", "RUNTIME_DIRECTORY", "INVOCATION_ID", "LISTEN_" })
                EXPECT_EQ(text.find(secret), std::string::npos) << text;
        /* 3 is the directory that ls itself reads */
        EXPECT_NE(text.find("\n0\n1\n2\n3\n"), std::string::npos) << text;
        EXPECT_EQ(text.find("\n3\n4\n"), std::string::npos) << text;
        expect_released(path);
}

TEST_F(ExecutorBus, AsAnotherUser)
{
        std::string out = directory + "/out";
        ASSERT_EQ(close(open(out.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
        ASSERT_EQ(chown(out.c_str(), 65534, 65534), 0);
        std::string path = start(
                        "user", shell("id -u; id -g; id -G").set("User", "nobody").set("StdoutPath", out));

        EXPECT_EQ(client->property(path, "UID"), "65534");
        ASSERT_EQ(client->wait_task(path), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(read_file(out), "65534\n65534\n65534\n");
        expect_released(path);
}

/* Ids that look like paths stay what they are: one name in one directory. */
TEST_F(ExecutorBus, OddIds)
{
        for (const char *id : { "..", "../../etc", "a b", "ünï", "/", "a/b/c", ".", "-rf", "1", "%n%s" }) {
                Reply reply = client->start_task(id, shell("exit 0"));
                ASSERT_TRUE(reply.ok()) << id << " " << reply;
                std::string path = reply.path();

                EXPECT_EQ(path.compare(0, sizeof TASK_PATH("") - 1, TASK_PATH("")), 0) << path;
                EXPECT_EQ(client->property(path, "Id"), id);
                EXPECT_EQ(client->wait_task(path), (Exit{ "success", 0, 0, false })) << id;
                EXPECT_EQ(state_directories().size(), 1U);
                EXPECT_TRUE(client->release(path).ok());
        }
        std::string longest(200, 'a');
        std::string path = start(longest, shell("exit 0"));
        EXPECT_EQ(client->wait_task(path), (Exit{ "success", 0, 0, false }));
        expect_released(path);
}

TEST_F(ExecutorBus, ManyAtOnce)
{
        const int n = 50;
        std::vector<std::shared_ptr<Pending>> starts, waits;

        for (int i = 0; i < n; i++)
                starts.push_back(client->start_task_later(
                                "t" + std::to_string(i), shell("exit " + std::to_string(i))));
        for (int i = 0; i < n; i++) {
                ASSERT_TRUE(client->await(starts[(size_t) i]));
                ASSERT_TRUE(starts[(size_t) i]->reply().ok()) << starts[(size_t) i]->reply();
                waits.push_back(client->wait_later(TASK_PATH("t") + std::to_string(i)));
        }
        for (int i = 0; i < n; i++) {
                ASSERT_TRUE(client->await(waits[(size_t) i]));
                EXPECT_EQ(Client::read_exit(waits[(size_t) i]->reply()).code, i);
                EXPECT_TRUE(client->release(TASK_PATH("t") + std::to_string(i)).ok());
        }
        expect_nothing_left();
}

/* CONTROLLED_SCOPES_MAX of them have a controller; one more has its turn when one of those has gone. */
TEST_F(ExecutorBus, ControllersAreFewerThanMatchesOfAConnection)
{
        const size_t max = 128, n = max + 2;
        std::vector<std::shared_ptr<Pending>> starts;
        auto controlled = [&] {
                auto units = systemd->units();
                return (size_t) std::count_if(units.begin(), units.end(), [](const FakeUnit &unit) {
                        return unit.controller == "org.nomad.Executor";
                });
        };
        auto id = [](size_t i) { return "t" + std::to_string(i); };

        for (size_t i = 0; i < n; i++) {
                starts.push_back(client->start_task_later(id(i), shell("exec sleep 1000")));
                ASSERT_TRUE(client->await(starts[i]));
                ASSERT_TRUE(starts[i]->reply().ok()) << starts[i]->reply();
        }
        EXPECT_EQ(systemd->units().size(), n);
        EXPECT_EQ(controlled(), max);

        ASSERT_TRUE(client->stop_task(TASK_PATH("t0"), "", 0).ok());
        (void) client->wait_task(TASK_PATH("t0"));
        EXPECT_EQ(controlled(), max - 1);
        ASSERT_TRUE(client->start_task("another", shell("exec sleep 1000")).ok());
        EXPECT_EQ(controlled(), max);
        ASSERT_TRUE(client->stop_task(TASK_PATH("another"), "", 0).ok());
        for (size_t i = 1; i < n; i++)
                ASSERT_TRUE(client->stop_task(TASK_PATH("t") + std::to_string(i), "", 0).ok());
        for (size_t i = 0; i < n; i++) {
                (void) client->wait_task(TASK_PATH("t") + std::to_string(i));
                EXPECT_TRUE(client->release(TASK_PATH("t") + std::to_string(i)).ok());
        }
        (void) client->wait_task(TASK_PATH("another"));
        EXPECT_TRUE(client->release(TASK_PATH("another")).ok());
        expect_nothing_left();
}

} // namespace
