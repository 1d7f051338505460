/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <sstream>

#include "session.h"

/* Run, the checks of a task. */

class Run : public SessionTest
{
      protected:
        void SetUp() override
        {
                SessionTest::SetUp();
                start_idle();
        }

        /* The cgroups of checks, each below that of the task. */
        std::set<std::string> check_cgroups() const
        {
                std::set<std::string> result;

                for (const auto &name : list_directory(cgroup_of(id) + "/task"))
                        if (name.rfind("run-", 0) == 0)
                                result.insert(name);
                return result;
        }

        /* Nobody but the task itself is in its cgroup, or in one below it. */
        void expect_no_check_left()
        {
                EXPECT_EQ(check_cgroups(), std::set<std::string>());
                EXPECT_EQ(read_file(cgroup_of(id) + "/task/cgroup.procs"),
                                client.property(path, "MainPID") + "\n");
        }
};

TEST_F(Run, OutputIsBothStreamsInTheOrderWritten)
{
        EXPECT_EQ(check_script("echo 1; echo 2 >&2; echo 3; echo 4 >&2"),
                        (Check{ "", 0, 0, false, false, "1\n2\n3\n4\n" }));
        expect_no_check_left();
}

TEST_F(Run, OutputMayBeAnyBytes)
{
        EXPECT_EQ(check_script("printf 'a\\0b\\377'"),
                        (Check{ "", 0, 0, false, false, std::string("a\0b\377", 4) }));
        EXPECT_EQ(check({ "true" }), (Check{ "", 0, 0, false, false, "" }));
}

TEST_F(Run, StatusIsTheKernels)
{
        for (int code : { 0, 1, 2, 126, 255 })
                EXPECT_EQ(check_script("exit " + std::to_string(code)),
                                (Check{ "", code, 0, false, false, "" }));
        for (int signal : { SIGKILL, SIGTERM, SIGSEGV })
                EXPECT_EQ(check_script("kill -" + std::to_string(signal) + " $$"),
                                (Check{ "", 128 + signal, signal, false, false, "" }));
}

TEST_F(Run, KeepsTheLast4096Bytes)
{
        std::string numbers = run({ "seq", "1", "100000" }).text;

        ASSERT_GT(numbers.size(), 500000U);
        EXPECT_EQ(check({ "seq", "1", "100000" }),
                        (Check{ "", 0, 0, false, true, numbers.substr(numbers.size() - 4096) }));
        EXPECT_EQ(check({ "head", "-c", "4096", "/dev/zero" }),
                        (Check{ "", 0, 0, false, false, std::string(4096, '\0') }));
        EXPECT_EQ(check_script("printf x; head -c 4096 /dev/zero"),
                        (Check{ "", 0, 0, false, true, std::string(4096, '\0') }));
}

TEST_F(Run, RunOutputMaxIsWhatIsKept)
{
        const uint32_t max = 1048576;
        Spec idle = Spec().set("Command", "/bin/sleep")
                                    .set("Arguments", std::vector<std::string>{ "infinity" });
        auto run_in = [&](const std::string &task, const std::string &bytes) {
                return read_check(client.task(
                                path_of(task), "Run", fill_run({ "head", "-c", bytes, "/dev/zero" }, 0)));
        };

        start("large-output", Spec(idle).set("RunOutputMax", max));
        EXPECT_EQ(run_in("large-output", "1048576"),
                        (Check{ "", 0, 0, false, false, std::string(max, '\0') }));
        EXPECT_EQ(run_in("large-output", "5000000"),
                        (Check{ "", 0, 0, false, true, std::string(max, '\0') }));

        for (uint32_t wrong : { 4095U, max + 1 }) {
                Reply reply = client.start_task("wrong", Spec(idle).set("RunOutputMax", wrong));
                EXPECT_EQ(short_name(reply.error), "InvalidSpec");
                EXPECT_NE(reply.text.find("RunOutputMax"), std::string::npos) << reply;
        }
}

TEST_F(Run, TimeoutKillsAllThatTheCheckStarted)
{
        auto begin = std::chrono::steady_clock::now();
        Check result = check_script(
                        "setsid sh -c 'trap \"\" TERM HUP INT; echo $$; while :; do sleep 1000; done' & "
                        "setsid setsid sleep 1000 & echo $$; sleep 1000",
                        1500000);
        auto took = std::chrono::steady_clock::now() - begin;

        EXPECT_GE(took, std::chrono::milliseconds(1500));
        EXPECT_TRUE(result.timed_out);
        EXPECT_EQ(result.code, 137);
        EXPECT_EQ(result.signal, SIGKILL);
        std::vector<std::string> pids = lines_of(result.output);
        ASSERT_EQ(pids.size(), 2U) << "output up to the deadline: " << result;
        for (const auto &pid : pids)
                EXPECT_TRUE(eventually([&] { return kill(std::stoi(pid), 0) < 0; })) << pid;
        expect_no_check_left();
        EXPECT_EQ(client.property(path, "State"), "running");
}

TEST_F(Run, WhatTheCheckLeavesBehindIsKilledAndDoesNotHoldItsOutput)
{
        Check result = check_script("setsid sleep 1000 & echo $!; exit 4");

        EXPECT_EQ(result.code, 4);
        EXPECT_FALSE(result.timed_out);
        expect_no_check_left();
        /* dead; when it is reaped is up to PID 1 */
        EXPECT_TRUE(eventually([&] { return kill(std::stoi(result.output), 0) < 0; }));
}

TEST_F(Run, DeadlineThatIsNotReachedChangesNothing)
{
        EXPECT_EQ(check_script("exit 5", 10000000), (Check{ "", 5, 0, false, false, "" }));
        EXPECT_EQ(check_script("exit 5", UINT64_MAX), (Check{ "", 5, 0, false, false, "" }));
}

TEST_F(Run, CallerThatGoesEndsTheCheck)
{
        auto other = std::make_unique<Client>("unix:path=/run/dbus/system_bus_socket");
        std::string file = "/tmp/run-caller";

        run({ "rm", "-f", file });
        auto pending = other->call_later(EXECUTOR_NAME, path, TASK_INTERFACE, "Run",
                        fill_run({ "/bin/sh", "-c",
                                                 "setsid sleep 1000 & echo $! >" + file + ".new; mv " +
                                                                 file + ".new " + file + "; sleep 1000" },
                                        0));
        ASSERT_TRUE(eventually([&] { return exists(file); }));
        pid_t child = std::stoi(read_file(file));
        ASSERT_EQ(kill(child, 0), 0);
        ASSERT_EQ(check_cgroups().size(), 1U);

        other.reset();
        EXPECT_TRUE(eventually([&] { return check_cgroups().empty(); }));
        EXPECT_TRUE(eventually([&] { return kill(child, 0) < 0; }));
        expect_no_check_left();
        run({ "rm", "-f", file });
}

/* The service sleeps as long as the check does. */
TEST_F(Run, CheckUnderWayCostsTheServiceNothing)
{
        auto ticks = [] {
                std::istringstream fields(
                                read_file("/proc/" + std::to_string(main_pid(EXECUTOR_UNIT)) + "/stat"));
                std::string field;
                uint64_t user = 0, system = 0;

                for (int i = 0; i < 13; i++)
                        fields >> field;
                fields >> user >> system;
                return user + system;
        };
        uint64_t before = ticks();

        EXPECT_EQ(check_script("sleep 1"), (Check{ "", 0, 0, false, false, "" }));
        EXPECT_LT(ticks() - before, 30U) << "hundredths of a second";
}

TEST_F(Run, ManyAtOnceAreEachTheirOwn)
{
        std::vector<std::shared_ptr<Pending>> pending;

        for (int i = 0; i < 64; i++)
                pending.push_back(client.call_later(EXECUTOR_NAME, path, TASK_INTERFACE, "Run",
                                fill_run({ "/bin/sh", "-c", "sleep 0.2; echo $0; exit $0",
                                                         std::to_string(i) },
                                                0)));
        for (int i = 0; i < 64; i++) {
                ASSERT_TRUE(client.await(pending[(size_t) i])) << i;
                EXPECT_EQ(read_check(pending[(size_t) i]->reply()),
                                (Check{ "", i, 0, false, false, std::to_string(i) + "\n" }));
        }
        expect_no_check_left();
}

TEST_F(Run, IsInTheTasksPlace)
{
        std::string task = "of-nobody";

        start(task,
                        Spec().set("Command", "/bin/sleep")
                                        .set("Arguments", std::vector<std::string>{ "infinity" })
                                        .set("User", "nobody")
                                        .set("WorkingDirectory", "/usr")
                                        .set("UMask", uint32_t{ 027 })
                                        .set("Environment", std::vector<std::string>{ "A=task" }));
        Check result = read_check(client.task(path_of(task), "Run",
                        fill_run({ "/bin/sh", "-c",
                                                 "whoami; pwd; umask; echo $A; wc -c; cat /proc/self/cgroup" },
                                        0)));
        std::vector<std::string> lines = lines_of(result.output);

        ASSERT_GE(lines.size(), 6U) << result;
        EXPECT_EQ(lines[0], "nobody");
        EXPECT_EQ(lines[1], "/usr");
        EXPECT_EQ(lines[2], "0027");
        EXPECT_EQ(lines[3], "task");
        EXPECT_EQ(lines[4], "0") << "standard input is empty";
        EXPECT_EQ(lines.back().rfind("0::/nomad.slice/" + unit_of(task) + "/task/run-", 0), 0U)
                        << lines.back();
}

TEST_F(Run, WhatCannotStartIsAnError)
{
        EXPECT_EQ(check({ "no-such-program" }).error, "CommandNotFound");
        EXPECT_EQ(check({ "/no/such/program" }).error, "CommandNotFound");
        EXPECT_EQ(check({ "/etc/passwd" }).error, "ExecFailed");
        EXPECT_EQ(check({}).error, "InvalidSpec");
        EXPECT_EQ(check({ "bin/true" }).error, "InvalidSpec");
        expect_no_check_left();
        expect_no_zombie();

        ASSERT_TRUE(stop(id, "", 0).ok());
        wait(id);
        EXPECT_EQ(check({ "true" }).error, "NotRunning");
}

TEST_F(Run, EndsWithTheTask)
{
        auto pending = client.call_later(EXECUTOR_NAME, path, TASK_INTERFACE, "Run",
                        fill_run({ "/bin/sh", "-c", "echo begun; sleep 1000" }, 0));

        ASSERT_TRUE(client.await([&] {
                return check_cgroups().size() == 1 && run({ "pgrep", "-fx", "sleep 1000" }).status == 0;
        }));
        ASSERT_TRUE(stop(id, "", 0).ok());
        ASSERT_TRUE(client.await(pending));
        EXPECT_EQ(read_check(pending->reply()), (Check{ "", 137, SIGKILL, false, false, "begun\n" }));
        wait(id);
}
