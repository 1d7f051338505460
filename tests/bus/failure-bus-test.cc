/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

/* A start that fails has its own error name, and leaves nothing: each test ends with looking for
 * leftovers. */

#define ERROR(name) "org.nomad.Executor.Error." name

namespace
{

class FailureBus : public BusTest
{
      protected:
        void SetUp() override
        {
                BusTest::SetUp();
                if (IsSkipped() || HasFatalFailure())
                        return;
                /* what the first start opens and keeps is no leak */
                for (const auto &spec : { logged_shell("exit 0"), shell("exit 0").set("User", "daemon") }) {
                        Reply reply = client->start_task("first", spec);
                        ASSERT_TRUE(reply.ok()) << reply;
                        (void) client->wait_task(TASK_PATH("first"));
                        ASSERT_TRUE(client->release(TASK_PATH("first")).ok());
                }
                started = systemd->n_started();
                executor_files = executor->open_files();
                logmon_files = logmon->open_files();
        }

        /* The start of ID fails with NAME, and with a message that has TEXT. */
        void expect_failure(const std::string &id, const Spec &spec, const std::string &name,
                        const std::string &text, uint64_t flags = 0)
        {
                Reply reply = client->start_task(id, spec, flags);

                EXPECT_EQ(reply.error, name) << text << ": " << reply.text;
                EXPECT_NE(reply.text.find(text), std::string::npos) << reply.text;
        }

        void expect_no_trace(const std::string &id = "bad")
        {
                expect_nothing_left();
                EXPECT_EQ(client->get_task(id).error, ERROR("NoSuchTask"));
                expect_same_files(*executor, executor_files);
                if (logmon->pid() > 0)
                        expect_same_files(*logmon, logmon_files);
                EXPECT_EQ(systemd->count_shelved("nomad-logmon"), 0U) << "a pipe in the descriptor store";
        }

        /* The id is free again, and the service as able as before. */
        void expect_usable(const std::string &id = "bad")
        {
                systemd->set_behaviour({});
                Reply reply = client->start_task(id, shell("exit 7"));
                ASSERT_TRUE(reply.ok()) << reply;
                std::string path = reply.path();

                EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 7, 0, false }));
                EXPECT_TRUE(client->release(path).ok());
        }

        unsigned started = 0;
        std::multiset<std::string> executor_files, logmon_files;
};

Spec command(const std::string &name)
{
        return Spec().set("Command", name).set("LogTargets", std::vector<std::string>{});
}

TEST_F(FailureBus, CommandNotFound)
{
        expect_failure("bad", command("/does/not/exist"), ERROR("CommandNotFound"), "/does/not/exist");
        expect_failure("bad", command("no-such-command"), ERROR("CommandNotFound"), "no-such-command");
        expect_failure("bad",
                        command("true").set("Environment", std::vector<std::string>{ "PATH=" + directory }),
                        ERROR("CommandNotFound"), "true");
        expect_no_trace();
        expect_usable();
}

TEST_F(FailureBus, CommandIsLookedUpInTheTasksPath)
{
        Reply reply = client->start_task("path",
                        command("true").set("Environment",
                                        std::vector<std::string>{ "PATH=/nowhere:/usr/bin:/bin" }));

        ASSERT_TRUE(reply.ok()) << reply;
        EXPECT_EQ(client->wait_task(TASK_PATH("path")), (Exit{ "success", 0, 0, false }));
}

TEST_F(FailureBus, ExecFailed)
{
        std::string file = directory + "/file";

        std::ofstream(file) << "#!/does/not/exist\n";
        ASSERT_EQ(chmod(file.c_str(), 0644), 0);
        expect_failure("bad", command(file), ERROR("ExecFailed"), file);
        ASSERT_EQ(chmod(file.c_str(), 0755), 0);
        std::ofstream(file) << std::string(100, '\x7f');
        expect_failure("bad", command(file), ERROR("ExecFailed"), file);
        expect_failure("bad", command("/etc"), ERROR("ExecFailed"), "/etc");
        expect_failure("bad", command("/bin/true").set("WorkingDirectory", "/does/not/exist"),
                        ERROR("ExecFailed"), "WorkingDirectory");
        expect_failure("bad", command("/bin/true").set("WorkingDirectory", "/root").set("User", "nobody"),
                        ERROR("ExecFailed"), "WorkingDirectory");
        expect_failure("bad", command("/bin/true").set("StdoutPath", "/does/not/exist"), ERROR("ExecFailed"),
                        "StdoutPath");
        expect_no_trace();
        expect_usable();
}

TEST_F(FailureBus, InvalidSpec)
{
        const struct {
                Spec spec;
                const char *text;
        } cases[] = {
                { Spec(), "Command" },
                { command(""), "Command" },
                { command("bin/true"), "Command" },
                { command("/bin/true").set("Comand", "x"), "Comand" },
                { command("/bin/true").set("Command", "/bin/true"), "Command" },
                { Spec().set("Command", std::vector<std::string>{ "/bin/true" }), "Command" },
                { command("/bin/true").set("Arguments", "x"), "Arguments" },
                { command("/bin/true").set("Environment", std::vector<std::string>{ "novalue" }),
                                "Environment" },
                { command("/bin/true").set("Environment", std::vector<std::string>{ "=x" }), "Environment" },
                { command("/bin/true").set("User", "no-such-user"), "no-such-user" },
                { command("/bin/true").set("Group", "no-such-group"), "no-such-group" },
                { command("/bin/true").set("User", "4294967295"), "4294967295" },
                { command("/bin/true").set("WorkingDirectory", "relative"), "WorkingDirectory" },
                { command("/bin/true").set("Slice", "nomad.scope"), "Slice" },
                { command("/bin/true").set("Slice", "a/b.slice"), "Slice" },
                { command("/bin/true").set("Description", "two\nlines"), "Description" },
                { command("/bin/true").set("StopSignal", "SIGNOPE"), "StopSignal" },
                { command("/bin/true").set("StopSignal", "0"), "StopSignal" },
                { command("/bin/true").set("StopTimeoutUSec", UINT32_C(5)), "StopTimeoutUSec" },
                { command("/bin/true").set("RuntimeMaxUSec", UINT64_C(0)), "RuntimeMaxUSec" },
                { command("/bin/true").set("OOMScoreAdjust", INT32_C(-1001)), "OOMScoreAdjust" },
                { command("/bin/true").set("OOMScoreAdjust", INT32_C(1001)), "OOMScoreAdjust" },
                { command("/bin/true").set("UMask", UINT32_C(01000)), "UMask" },
                { command("/bin/true").set_limit("ResourceLimits", "NOPE", 1, 1), "ResourceLimits" },
                { command("/bin/true").set_limit("ResourceLimits", "NOFILE", 2, 1), "ResourceLimits" },
                { command("/bin/true").set_limits("ResourceLimits", { "CORE", "NOFILE", "CORE" }, 1),
                                "ResourceLimits has a name that is given twice" },
                { command("/bin/true").set("StdoutPath", "relative"), "StdoutPath" },
                { command("/bin/true").set("StderrPath", "relative"), "StderrPath" },
                { Spec().set("Command", "/bin/true").set("LogTargets", std::vector<std::string>{ "syslog" }),
                                "LogTargets" },
                { command("/bin/true").set("LogDirectory", "relative"), "LogDirectory" },
                { command("/bin/true").set("LogName", ""), "LogName" },
                { command("/bin/true").set("LogName", "../x"), "LogName" },
                { command("/bin/true")
                                                .set("LogFields",
                                                                std::map<std::string,
                                                                                std::string>{ { "COREDUMP_UNIT",
                                                                                "ssh.service" } }),
                                "LogFields" },
                { command("/bin/true").set("LogMaxFiles", UINT32_C(0)), "LogMaxFiles" },
                { command("/bin/true").set("LogMaxFileSize", UINT64_C(0)), "LogMaxFileSize" },
        };

        for (const auto &c : cases)
                expect_failure("bad", c.spec, ERROR("InvalidSpec"), c.text);
        EXPECT_EQ(systemd->n_started(), started) << "a spec is checked before anything is started";
        expect_no_trace();
        expect_usable();
}

/* What the check of a key allows may have any length. */
TEST_F(FailureBus, SpecBeyondTheLimit)
{
        const std::string zeros(2 * 1024 * 1024, '0');
        std::vector<std::string> many(400000, "a=b");

        for (const Spec &spec : { command("/bin/true").set("StopSignal", zeros + "2"),
                             command("/bin/true").set("AllowedCPUs", zeros),
                             command("/bin/true").set("User", zeros),
                             command("/bin/true").set("Environment", many),
                             Spec().set("Command", "/bin/true").set("LogOverflow", zeros),
                             command("/bin/true").set_limits("ResourceLimits", { zeros }, 1) })
                expect_failure("bad", spec, ERROR("LimitExceeded"), "more than 1048576 bytes");
        EXPECT_EQ(systemd->n_started(), started) << "a spec is checked before anything is started";
        expect_no_trace();
        expect_usable();
}

TEST_F(FailureBus, InvalidIdAndFlags)
{
        expect_failure("", command("/bin/true"), ERROR("InvalidSpec"), "id");
        expect_failure(std::string(201, 'a'), command("/bin/true"), ERROR("InvalidSpec"), "id");
        expect_failure(std::string(67, '/'), command("/bin/true"), ERROR("InvalidSpec"), "id");
        expect_failure(std::string(4096, 'a'), command("/bin/true"), ERROR("InvalidSpec"), "id");
        expect_failure("bad", command("/bin/true"), ERROR("InvalidSpec"), "flags", 1);
        expect_failure("bad", command("/bin/true"), ERROR("InvalidSpec"), "flags", UINT64_C(1) << 63);
        EXPECT_EQ(client->get_task("").error, ERROR("NoSuchTask"));
        EXPECT_EQ(client->get_task(std::string(4096, 'a')).error, ERROR("NoSuchTask"));
        expect_no_trace();
}

TEST_F(FailureBus, TwoWaysForOneStream)
{
        int fds[2];

        ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
        expect_failure("bad",
                        command("/bin/true").set_fd("StandardOutput", fds[1]).set("StdoutPath", "/dev/null"),
                        ERROR("InvalidSpec"), "StdoutPath");
        expect_failure("bad",
                        command("/bin/true").set_fd("StandardError", fds[1]).set("StderrPath", "/dev/null"),
                        ERROR("InvalidSpec"), "StderrPath");
        (void) close(fds[1]);
        char c;
        EXPECT_EQ(read(fds[0], &c, 1), 0) << "the service keeps the client's descriptor";
        (void) close(fds[0]);
        expect_no_trace();
}

TEST_F(FailureBus, DescriptorsOfAFailedStartAreClosed)
{
        int fds[2];
        char c;

        ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
        expect_failure("bad", command("/does/not/exist").set_fd("StandardOutput", fds[1]),
                        ERROR("CommandNotFound"), "");
        (void) close(fds[1]);
        EXPECT_EQ(read(fds[0], &c, 1), 0);
        (void) close(fds[0]);
        expect_no_trace();
}

TEST_F(FailureBus, TaskExists)
{
        ASSERT_TRUE(client->start_task("web", shell("exec sleep 1000")).ok());
        std::string pid = client->property(TASK_PATH("web"), "MainPID");

        expect_failure("web", shell("exit 1"), ERROR("TaskExists"), "web");
        EXPECT_EQ(client->property(TASK_PATH("web"), "MainPID"), pid);
        ASSERT_TRUE(client->stop_task(TASK_PATH("web"), "", 0).ok());
        (void) client->wait_task(TASK_PATH("web"));
        expect_failure("web", shell("exit 1"), ERROR("TaskExists"), "web");
        EXPECT_EQ(client->wait_task(TASK_PATH("web")), (Exit{ "signal", 137, 9, false }));
        ASSERT_TRUE(client->release(TASK_PATH("web")).ok());
        expect_no_trace("web");
        expect_usable("web");
}

TEST_F(FailureBus, TheSameIdTwiceAtOnce)
{
        ScopeBehaviour slow;

        slow.hold_job = true;
        systemd->set_behaviour(slow);
        auto first = client->start_task_later("web", shell("exit 5"));
        expect_failure("web", shell("exit 6"), ERROR("TaskExists"), "web");
        ASSERT_TRUE(eventually([&] { return systemd->n_started() > started; }));
        systemd->release_jobs();
        ASSERT_TRUE(client->await(first));
        ASSERT_TRUE(first->reply().ok()) << first->reply();
        EXPECT_EQ(client->wait_task(TASK_PATH("web")), (Exit{ "exit-code", 5, 0, false }));
        ASSERT_TRUE(client->release(TASK_PATH("web")).ok());
        expect_no_trace("web");
}

TEST_F(FailureBus, SystemdRefusesTheScope)
{
        ScopeBehaviour refusing;

        refusing.call_error = "org.freedesktop.DBus.Error.InvalidArgs";
        systemd->set_behaviour(refusing);
        expect_failure("bad", shell("exit 0"), ERROR("ScopeFailed"), "nomad-task-bad.scope");
        expect_failure("bad", logged_shell("exit 0"), ERROR("ScopeFailed"), "nomad-task-bad.scope");
        expect_no_trace();
        expect_usable();
}

TEST_F(FailureBus, TheJobFails)
{
        for (const char *result : { "failed", "timeout", "canceled", "dependency" }) {
                ScopeBehaviour failing;

                failing.job_result = result;
                systemd->set_behaviour(failing);
                expect_failure("bad", shell("exit 0"), ERROR("ScopeFailed"), result);
                expect_failure("bad", logged_shell("exit 0"), ERROR("ScopeFailed"), result);
        }
        expect_no_trace();
        expect_usable();
}

TEST_F(FailureBus, SystemdDiesBeforeItAnswers)
{
        ScopeBehaviour silent;

        silent.no_reply = true;
        systemd->set_behaviour(silent);
        auto start = client->start_task_later("bad", shell("exit 0"));
        /* a task that is being started is on the bus, so that its end can be awaited */
        ASSERT_TRUE(eventually([&] { return client->get_task("bad").ok(); }));
        EXPECT_EQ(client->property(TASK_PATH("bad"), "State"), "starting");
        auto wait = client->wait_later(TASK_PATH("bad"));
        EXPECT_EQ(client->release(TASK_PATH("bad")).error, ERROR("TaskRunning"));
        EXPECT_EQ(client->kill_task(TASK_PATH("bad"), "main", "TERM").error, ERROR("NotRunning"));
        EXPECT_FALSE(start->done());

        systemd->disconnect();
        /* it might come back, so that this takes ten seconds of the fifteen */
        ASSERT_TRUE(client->await(start) || client->await(start));
        EXPECT_EQ(start->reply().error, ERROR("ScopeFailed")) << start->reply();
        ASSERT_TRUE(client->await(wait));
        EXPECT_EQ(wait->reply().error, ERROR("ScopeFailed"))
                        << "Wait of a task that is not to be: " << wait->reply();
        expect_no_trace();
}

/* systemd is told a pid, and has not looked at it when its process ends: nobody else may get it. */
TEST_F(FailureBus, SupervisorDiesBeforeSystemdHasIt)
{
        ScopeBehaviour silent;
        pid_t supervisor = 0;

        silent.no_reply = true;
        systemd->set_behaviour(silent);
        auto start = client->start_task_later("bad", shell("exit 0"));
        ASSERT_TRUE(eventually([&] { return client->get_task("bad").ok(); }));
        ASSERT_TRUE(eventually([&] { return (supervisor = executor->child("nomad-superviso")) > 0; }));
        ASSERT_EQ(kill(supervisor, SIGKILL), 0);
        ASSERT_TRUE(eventually([&] { return state_of(supervisor) == "Z"; }));
        /* the service has come to it, since a call goes through its loop */
        EXPECT_EQ(client->property(TASK_PATH("bad"), "State"), "starting");
        EXPECT_EQ(client->property(TASK_PATH("bad"), "State"), "starting");
        EXPECT_EQ(state_of(supervisor), "Z") << "not waited for, so that the pid stays taken";
        EXPECT_FALSE(start->done());

        systemd->set_behaviour({});
        systemd->answer_calls();
        ASSERT_TRUE(client->await(start));
        EXPECT_EQ(start->reply().error, ERROR("ExecFailed")) << start->reply();
        EXPECT_TRUE(eventually([&] { return state_of(supervisor) == "gone"; }));
        expect_no_trace();
        expect_usable();
}

TEST_F(FailureBus, CallerLeavesDuringTheStart)
{
        ScopeBehaviour slow;

        slow.hold_job = true;
        systemd->set_behaviour(slow);
        {
                Client leaving(bus_address);
                (void) leaving.start_task_later("web", shell("exit 5"));
                ASSERT_TRUE(eventually([&] { return systemd->n_started() > started; }));
        }
        systemd->release_jobs();
        ASSERT_TRUE(eventually([&] { return client->list_tasks()["web"].first != "starting"; }));
        EXPECT_EQ(client->wait_task(TASK_PATH("web")), (Exit{ "exit-code", 5, 0, false }));
        ASSERT_TRUE(client->release(TASK_PATH("web")).ok());
        expect_no_trace("web");
}

/* The task's user decides where its files may be, although logmon is root. */
TEST_F(FailureBus, LogDirectoryOfSomebodyElse)
{
        expect_failure("bad", logged_shell("exit 0").set("User", "nobody"), ERROR("LogFailed"), "");
        expect_no_trace();
        EXPECT_NE(access((log_directory + "/bad.stdout.0").c_str(), F_OK), 0);
        expect_usable();
}

TEST_F(FailureBus, LogDirectoryIsASymlinkOrAFile)
{
        std::string link = directory + "/link", file = directory + "/file";

        ASSERT_EQ(symlink(log_directory.c_str(), link.c_str()), 0);
        ASSERT_EQ(close(open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)), 0);
        for (const auto &path : { link, file, link + "/below" })
                expect_failure("bad",
                                Spec().set("Command", "/bin/true")
                                                .set("LogTargets", std::vector<std::string>{ "files" })
                                                .set("LogDirectory", path),
                                ERROR("LogFailed"), "");
        expect_no_trace();
        expect_usable();
}

TEST_F(FailureBus, NoLogmon)
{
        logmon->kill_hard();
        expect_failure("bad", logged_shell("exit 0"), ERROR("LogFailed"), "");
        expect_no_trace();
        /* without a log nobody is missed */
        expect_usable();
}

TEST_F(FailureBus, NoSuchObjectAndNoSuchMethod)
{
        const std::string unknown_object = "org.freedesktop.DBus.Error.UnknownObject",
                          properties = "org.freedesktop.DBus.Properties",
                          introspectable = "org.freedesktop.DBus.Introspectable";

        for (const char *method : { "Wait", "NoSuchMethod" })
                EXPECT_EQ(client->task(TASK_PATH("none"), method).error, ERROR("NoSuchTask")) << method;
        for (const std::string &interface : { properties, introspectable, std::string("no.such.Interface") })
                EXPECT_EQ(client->call(EXECUTOR_NAME, TASK_PATH("none"), interface, "Introspect").error,
                                ERROR("NoSuchTask"))
                                << interface;
        EXPECT_FALSE(client->task("/org/nomad/Executor/task", "Wait").ok());
        for (const std::string path : { TASK_PATH("a/b"), "/org/nomad/Executor/x" })
                EXPECT_EQ(client->call(EXECUTOR_NAME, path, introspectable, "Introspect").error,
                                unknown_object)
                                << path;
        EXPECT_TRUE(client->call(EXECUTOR_NAME, "/org/nomad/Executor/task", introspectable, "Introspect")
                                        .ok());
        ASSERT_TRUE(client->start_task("there",
                                          command("/bin/sleep")
                                                          .set("Arguments",
                                                                          std::vector<std::string>{
                                                                                          "1000" }))
                                        .ok());
        EXPECT_EQ(client->task(TASK_PATH("there"), "NoSuchMethod").error,
                        "org.freedesktop.DBus.Error.UnknownMethod");
        EXPECT_TRUE(client->stop_task(TASK_PATH("there"), "", 0).ok());
        (void) client->wait_task(TASK_PATH("there"));
        EXPECT_TRUE(client->release(TASK_PATH("there")).ok());
        EXPECT_EQ(client->manager("NoSuchMethod").error, "org.freedesktop.DBus.Error.UnknownMethod");
        EXPECT_EQ(client->manager("GetTask").error, "org.freedesktop.DBus.Error.InvalidArgs");
        expect_no_trace();
}

/* It runs already, and is undone: nobody is told of a task that is not saved. */
TEST_F(FailureBus, TheStateCannotBeSavedOnceItRuns)
{
        const std::string state = executor->state_directory() + "/bad";
        ScopeBehaviour slow;

        slow.hold_job = true;
        systemd->set_behaviour(slow);
        auto start = client->start_task_later("bad", shell("setsid sleep 1000 & exec sleep 1000"));
        ASSERT_TRUE(eventually([&] { return systemd->n_started() == started + 1; }));
        ASSERT_TRUE(eventually([&] { return access((state + "/task.json").c_str(), F_OK) == 0; }));
        ASSERT_EQ(system(("mkdir -p " + state + "/task.json.new/x").c_str()), 0);
        systemd->set_behaviour({});
        systemd->release_jobs();

        ASSERT_TRUE(client->await(start));
        EXPECT_EQ(start->reply().error, "System.Error.EISDIR");
        EXPECT_NE(start->reply().text.find("Cannot save the state of task"), std::string::npos)
                        << start->reply();
        expect_no_trace();
        expect_usable();
}

/* A time that ends after the last one that there is. */
TEST_F(FailureBus, RunWithATimeoutNearTheLargest)
{
        ASSERT_TRUE(client->start_task("web",
                                          command("/bin/sleep")
                                                          .set("Arguments",
                                                                          std::vector<std::string>{
                                                                                          "1000" }))
                                        .ok());
        for (uint64_t timeout : { UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 1000000, UINT64_MAX / 2 }) {
                Reply reply = client->task(TASK_PATH("web"), "Run", [=](sd_bus_message *m) {
                        EXPECT_GE(sd_bus_message_append(m, "ast", 1, "/bin/true", timeout), 0);
                });
                EXPECT_TRUE(reply.ok()) << timeout << ": " << reply;
        }
        EXPECT_TRUE(client->stop_task(TASK_PATH("web"), "", 0).ok());
        (void) client->wait_task(TASK_PATH("web"));
        EXPECT_TRUE(client->release(TASK_PATH("web")).ok());
        expect_no_trace();
}

/* The bus policy: everybody else may look at the contract and ping. */
TEST_F(FailureBus, AnUnprivilegedUser)
{
        ASSERT_EQ(seteuid(65534), 0);
        auto nobody = std::make_unique<Client>(bus_address);
        Reply ping = nobody->call(EXECUTOR_NAME, MANAGER_PATH, "org.freedesktop.DBus.Peer", "Ping");
        ASSERT_EQ(seteuid(0), 0);

        const std::string denied = "org.freedesktop.DBus.Error.AccessDenied";
        EXPECT_TRUE(ping.ok()) << ping;
        EXPECT_TRUE(nobody->call(EXECUTOR_NAME, MANAGER_PATH, "org.freedesktop.DBus.Introspectable",
                                          "Introspect")
                                        .ok());
        EXPECT_EQ(nobody->manager("ListTasks").error, denied);
        EXPECT_EQ(nobody->start_task("bad", shell("exit 0")).error, denied);
        EXPECT_EQ(nobody->task(TASK_PATH("web"), "Wait").error, denied);
        EXPECT_EQ(nobody->call(EXECUTOR_NAME, MANAGER_PATH, "org.freedesktop.DBus.ObjectManager",
                                        "GetManagedObjects")
                                        .error,
                        denied);
        EXPECT_EQ(nobody->call(EXECUTOR_NAME, MANAGER_PATH, "org.freedesktop.DBus.Properties", "GetAll",
                                        [](sd_bus_message *m) {
                                                EXPECT_GE(sd_bus_message_append(m, "s", MANAGER_INTERFACE),
                                                                0);
                                        })
                                        .error,
                        denied);
        EXPECT_LT(sd_bus_request_name(nobody->bus, "org.nomad.Executor.Thief", 0), 0);

        /* signals that are sent to all reach root only */
        client->record_signals();
        nobody->record_signals();
        expect_usable("seen");
        EXPECT_TRUE(client->await(
                        [&] { return client->count_signals("TaskRemoved", TASK_PATH("seen")) == 1; }));
        auto last = nobody->call_later(EXECUTOR_NAME, MANAGER_PATH, "org.freedesktop.DBus.Peer", "Ping");
        EXPECT_TRUE(nobody->await(last)) << "what was sent before has come before";
        EXPECT_TRUE(nobody->signals.empty()) << nobody->signals.front().member;
        nobody.reset();
        expect_no_trace();
}

} // namespace
