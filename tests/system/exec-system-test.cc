/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

#include "session.h"

/* Sessions: Exec and what belongs to it. The tests of ExecTaskStreaming are named after the cases of Nomad's
 * suite for task drivers, "notty: basic" and so on. */

static const std::string TASK_DIRECTORY = "/srv/exec-streaming";

static Spec tty(uint16_t rows = 24, uint16_t columns = 80)
{
        return Spec().set("Tty", true).set("Rows", rows).set("Columns", columns);
}

/* In a plain task and in an isolated one. */
class ExecTaskStreaming : public SessionTest, public testing::WithParamInterface<std::string>
{
      protected:
        void SetUp() override
        {
                SessionTest::SetUp();
                if (!is_isolated()) {
                        start_idle();
                        return;
                }
                ASSERT_EQ(run({ "mkdir", "-p", TASK_DIRECTORY + "/tmp" }).status, 0);
                start_idle(Spec().set("Isolation", GetParam()).set("TaskDirectory", TASK_DIRECTORY));
        }

        void TearDown() override
        {
                SessionTest::TearDown();
                EXPECT_EQ(run({ "rm", "-rf", TASK_DIRECTORY }).status, 0);
        }

        static bool is_isolated()
        {
                return GetParam() != "none";
        }
};

INSTANTIATE_TEST_SUITE_P(Isolation, ExecTaskStreaming, testing::Values("none", "container"),
                [](const auto &chosen) { return chosen.param; });

TEST_P(ExecTaskStreaming, NoTtyBasic)
{
        auto session = exec_script("echo hello stdout; echo hello stderr >&2; exit 43");

        EXPECT_EQ(session->read_output(), "hello stdout\n");
        EXPECT_EQ(session->read_errors(), "hello stderr\n");
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 43, 0 }));
}

/* Exec and Run, with the user of the task and with another. */
TEST_P(ExecTaskStreaming, StreamsCanBeOpenedAgain)
{
        const std::string reopen = "cat /dev/stdin; echo out >/dev/stdout && echo err >/dev/stderr";

        for (std::string user : { "", "nobody" }) {
                auto session = exec_script(reopen, user.empty() ? Spec() : Spec().set("User", user));

                session->write("in\n");
                session->close_input();
                EXPECT_EQ(session->read_output(), "in\nout\n") << user;
                EXPECT_EQ(session->read_errors(), "err\n") << user;
                EXPECT_EQ(wait_exec(*session), (ExecStatus{ 0, 0 })) << user;
        }
        EXPECT_EQ(check_script(reopen).output, "out\nerr\n");
}

TEST_P(ExecTaskStreaming, ChecksOfAUserCanOpenTheirOutputAgain)
{
        EXPECT_TRUE(stop(id, "", 0).ok());
        (void) wait(id);
        release(id);
        Spec spec = Spec().set("User", "nobody");
        if (is_isolated())
                spec.set("Isolation", GetParam()).set("TaskDirectory", TASK_DIRECTORY);
        start_idle(spec);
        EXPECT_EQ(check_script("echo out >/dev/stdout && echo err >/dev/stderr && echo self >/proc/self/fd/1")
                                        .output,
                        "out\nerr\nself\n");
}

/* Each line is there before the program is let go on. */
TEST_P(ExecTaskStreaming, NoTtyStreaming)
{
        auto session = exec_script("for i in 1 2 3; do echo $i; read go; done");

        for (std::string line : { "1\n", "2\n", "3\n" }) {
                EXPECT_EQ(session->read_until("\n"), line);
                session->write("go\n");
        }
        EXPECT_EQ(session->read_output(), "");
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 0, 0 }));
}

TEST_P(ExecTaskStreaming, NoTtySttyCheck)
{
        auto session = exec({ "stty", "size" });

        EXPECT_NE(session->read_errors().find("Inappropriate ioctl for device"), std::string::npos);
        EXPECT_EQ(session->read_output(), "");
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 1, 0 }));
}

TEST_P(ExecTaskStreaming, NoTtyStdinPassing)
{
        auto session = exec_script("echo hello from command; cat");

        EXPECT_EQ(session->read_until("\n"), "hello from command\n");
        session->write("hello from stdin\n");
        EXPECT_EQ(session->read_until("\n"), "hello from stdin\n");
        session->close_input();
        EXPECT_EQ(session->read_output(), "");
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 0, 0 }));
}

TEST_P(ExecTaskStreaming, TtyBasic)
{
        auto session = exec_script("echo hello stdout; echo hello stderr >&2; exit 43", tty());

        EXPECT_EQ(session->read_output(), "hello stdout\r\nhello stderr\r\n");
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 43, 0 }));
}

TEST_P(ExecTaskStreaming, TtyStreaming)
{
        auto session = exec_script("stty -echo; for i in 1 2 3; do echo $i; read go; done", tty());

        for (std::string line : { "1\r\n", "2\r\n", "3\r\n" }) {
                EXPECT_EQ(session->read_until("\n"), line);
                session->write("go\n");
        }
        EXPECT_EQ(session->read_output(), "");
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 0, 0 }));
}

TEST_P(ExecTaskStreaming, TtySttyCheck)
{
        auto session = exec_script("stty -echo; echo ready; read go; stty size", tty(1, 1));

        session->read_until("ready\r\n");
        EXPECT_TRUE(resize(session->id, 50, 40).ok());
        EXPECT_TRUE(resize(session->id, 100, 100).ok());
        session->write("go\n");
        EXPECT_EQ(session->read_output(), "100 100\r\n");
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 0, 0 }));
}

TEST_P(ExecTaskStreaming, TtyStdinPassing)
{
        auto session = exec_script("echo hello from command; cat", tty());

        EXPECT_EQ(session->read_until("\n"), "hello from command\r\n");
        session->write("hello from stdin\n");
        /* the terminal's echo, and what cat makes of it */
        EXPECT_EQ(session->read_until("\n"), "hello from stdin\r\n");
        EXPECT_EQ(session->read_until("\n"), "hello from stdin\r\n");
        session->write("\x04");
        EXPECT_EQ(session->read_output(), "");
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 0, 0 }));
}

/* Only the lead process counts, whoever still has the terminal. */
TEST_P(ExecTaskStreaming, TtyChildrenProcesses)
{
        auto session = exec_script(
                        "trap '' HUP; (sleep 2345; echo from background) & echo from main; exit 12", tty());
        const std::vector<std::string> count = { "pgrep", "-fxc", "sleep 2345" };

        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 12, 0 }));
        EXPECT_EQ(session->read_available(), "from main\r\n");
        EXPECT_TRUE(eventually([&] { return run(count).text == "1\n"; }))
                        << "it lives on in the task, and ends with it at the latest";
        ASSERT_TRUE(stop(id, "", 0).ok());
        wait(id);
        EXPECT_EQ(run(count).text, "0\n");
}

/* The case "isolation". */
TEST_P(ExecTaskStreaming, FilesAndCgroupAreTheTasks)
{
        const std::string file = "/tmp/exec-isolation", text = "hello from the session\n";
        std::string cgroup = client.property(path, "ControlGroup");

        (void) unlink(file.c_str());
        auto session = exec_script("echo hello from the session >" + file + "; echo done; read go");
        EXPECT_EQ(session->read_until("\n"), "done\n");
        EXPECT_EQ(cgroup, "/nomad.slice/" + unit_of(id));
        EXPECT_EQ(lines_of(read_file("/sys/fs/cgroup" + cgroup + "/task/cgroup.procs")).size(),
                        is_isolated() ? 3U : 2U)
                        << "the task, the session, and the session's parent where there is one";
        session->write("go\n");
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 0, 0 }));

        EXPECT_EQ(exists(file), !is_isolated()) << "on the host";
        EXPECT_EQ(exec({ "cat", file })->read_output(), text);
        if (is_isolated()) {
                EXPECT_EQ(read_file(TASK_DIRECTORY + file), text);
        }
        (void) unlink(file.c_str());
}

/* Upstream: TestRawExec_ExecTaskStreaming_User, skipped there, "always been broken". */
TEST_P(ExecTaskStreaming, TestRawExec_ExecTaskStreaming_User)
{
        auto session = exec_script("whoami; id -G; echo $USER $LOGNAME $HOME", Spec().set("User", "nobody"));
        EXPECT_EQ(session->read_output(), "nobody\n65534\nnobody nobody /nonexistent\n");
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 0, 0 }));

        auto terminal = exec({ "whoami" }, tty().set("User", "nobody"));
        EXPECT_EQ(terminal->read_output(), "nobody\r\n");
        EXPECT_EQ(exec_error({ "whoami" }, Spec().set("User", "no-such-user")), "InvalidSpec");
}

class Exec : public SessionTest
{
      protected:
        void SetUp() override
        {
                SessionTest::SetUp();
                start_idle();
        }

        static uint64_t resident_kib(pid_t pid)
        {
                for (const auto &line : lines_of(read_file("/proc/" + std::to_string(pid) + "/status")))
                        if (line.rfind("VmRSS:", 0) == 0)
                                return std::stoull(line.substr(6));
                ADD_FAILURE() << "no VmRSS";
                return 0;
        }
};

TEST_F(Exec, TakesUserEnvironmentAndDirectoryOfTheTask)
{
        const std::vector<std::string> environment = { "A=task", "B=task" };
        std::string task_id = "of-nobody";

        start(task_id,
                        Spec().set("Command", "/bin/sleep")
                                        .set("Arguments", std::vector<std::string>{ "infinity" })
                                        .set("User", "nobody")
                                        .set("WorkingDirectory", "/usr")
                                        .set("UMask", uint32_t{ 027 })
                                        .set("Environment", environment));
        auto exec_in = [&](const Spec &options) {
                return Session(client.task(path_of(task_id), "Exec",
                                               fill_exec({ "/bin/sh", "-c",
                                                                         "whoami; pwd; umask; echo $A $B $C" },
                                                               options)))
                                .read_output();
        };

        EXPECT_EQ(exec_in(Spec()), "nobody\n/usr\n0027\ntask task\n");
        EXPECT_EQ(exec_in(Spec().set("User", "root")
                                                  .set("WorkingDirectory", "/etc")
                                                  .set("Environment",
                                                                  std::vector<std::string>{ "B=session",
                                                                                  "C=session" })),
                        "root\n/etc\n0027\ntask session session\n");
}

TEST_F(Exec, InheritsNothing)
{
        auto session = exec({ "cat", "/proc/self/status" });
        std::string status = session->read_output();
        for (std::string key : { "SigBlk", "SigIgn", "SigCgt" })
                EXPECT_NE(status.find(key + ":\t0000000000000000\n"), std::string::npos) << status;

        session = exec({ "env" });
        std::vector<std::string> lines = lines_of(session->read_output());
        EXPECT_EQ(std::set<std::string>(lines.begin(), lines.end()),
                        (std::set<std::string>{
                                        "HOME=/root", "LOGNAME=root", "SHELL=/bin/bash", "USER=root" }));

        session = exec({ "cat", "/proc/self/oom_score_adj" });
        EXPECT_EQ(session->read_output(), "0\n");

        session = exec({ "ls", "/proc/self/fd" });
        EXPECT_EQ(session->read_output(), "0\n1\n2\n3\n") << "3 is ls's own";
}

TEST_F(Exec, InteractiveShell)
{
        client.record_signals();
        auto shell = exec({ "/bin/bash", "--norc", "--noprofile", "--noediting", "-i" },
                        tty(24, 80).set("Environment",
                                        std::vector<std::string>{ "PS1=prompt> ", "TERM=dumb" }));
        auto type = [&](const std::string &line) {
                shell->write(line + "\n");
                EXPECT_EQ(shell->read_until("\n"), line + "\r\n") << "echo";
        };

        shell->read_until("prompt> ");
        type("echo $((6 * 7))");
        EXPECT_EQ(shell->read_until("prompt> "), "42\r\nprompt> ");
        type("stty size");
        EXPECT_EQ(shell->read_until("prompt> "), "24 80\r\nprompt> ");
        ASSERT_TRUE(resize(shell->id, 50, 132).ok());
        type("stty size");
        EXPECT_EQ(shell->read_until("prompt> "), "50 132\r\nprompt> ");

        type("sleep 98765");
        ASSERT_TRUE(eventually([] { return run({ "pgrep", "-fx", "sleep 98765" }).status == 0; }));
        shell->write("\x03");
        EXPECT_EQ(shell->read_until("prompt> "), "^C\r\nprompt> ");
        EXPECT_EQ(run({ "pgrep", "-fx", "sleep 98765" }).text, "");
        type("echo $?");
        EXPECT_EQ(shell->read_until("prompt> "), "130\r\nprompt> ");

        EXPECT_EQ(client.count_signals("ExecExited", path), 0U);
        shell->write("\x04");
        EXPECT_EQ(shell->read_output(), "exit\r\n");
        EXPECT_EQ(wait_exec(*shell), (ExecStatus{ 0, 0 }));
        EXPECT_TRUE(client.await([&] { return client.count_signals("ExecExited", path) == 1; }));
}

TEST_F(Exec, ExecExitedTellsTheStatus)
{
        client.record_signals();
        auto session = exec_script("read go; exit 7");
        uint64_t told = 0;
        ExecStatus status;

        session->write("go\n");
        ASSERT_TRUE(client.await([&] { return client.count_signals("ExecExited", path) == 1; }));
        for (const auto &signal : client.signals)
                if (signal.member == "ExecExited") {
                        EXPECT_GT(sd_bus_message_read(signal.message.get(), "tii", &told, &status.code,
                                                  &status.signal),
                                        0);
                }
        EXPECT_EQ(told, session->id);
        EXPECT_EQ(status, (ExecStatus{ 7, 0 }));
}

/* 1 GiB of numbers, each 8 bytes, in and out again. */
TEST_F(Exec, OneGiBIsIntactAndCostsTheServiceNothing)
{
        const uint64_t numbers = (UINT64_C(1) << 30) / sizeof(uint64_t);
        const size_t block = 8192;
        pid_t service = main_pid(EXECUTOR_UNIT);
        auto session = exec({ "cat" });
        uint64_t before = resident_kib(service), next = 0, most = 0;

        std::thread writer([&] {
                std::vector<uint64_t> data(block);

                for (uint64_t n = 0; n < numbers; n += block) {
                        for (size_t i = 0; i < block; i++)
                                data[i] = n + i;
                        const char *bytes = reinterpret_cast<const char *>(data.data());
                        for (size_t at = 0; at < block * sizeof(uint64_t);) {
                                ssize_t written = write(
                                                session->in, bytes + at, block * sizeof(uint64_t) - at);
                                if (written <= 0)
                                        return;
                                at += (size_t) written;
                        }
                }
                session->close_input();
        });

        std::vector<char> data(block * sizeof(uint64_t));
        size_t filled = 0;
        ssize_t n;
        bool intact = true;
        while ((n = read(session->out, data.data() + filled, data.size() - filled)) > 0) {
                filled += (size_t) n;
                if (filled < data.size())
                        continue;
                const uint64_t *values = reinterpret_cast<const uint64_t *>(data.data());
                for (size_t i = 0; i < block; i++)
                        intact = intact && values[i] == next + i;
                next += block;
                filled = 0;
                if (next % (numbers / 8) == 0)
                        most = std::max(most, resident_kib(service));
        }
        writer.join();

        EXPECT_TRUE(intact);
        EXPECT_EQ(next, numbers);
        EXPECT_EQ(filled, 0U);
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 0, 0 }));
        EXPECT_GT(most, 0U);
        EXPECT_LT(most, before + 1024) << "KiB of the service, " << before << " before";
        EXPECT_LT(resident_kib(service), before + 1024) << before;
}

TEST_F(Exec, OutputCanBeReadAfterTheEnd)
{
        auto session = exec_script("echo late; echo errors >&2; exit 3");

        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 3, 0 }));
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 3, 0 })) << "asked again";
        EXPECT_EQ(session->read_output(), "late\n");
        EXPECT_EQ(session->read_errors(), "errors\n");
}

TEST_F(Exec, TerminalIsHungUpWhenItsClientLeavesTheBus)
{
        auto other = std::make_unique<Client>("unix:path=/run/dbus/system_bus_socket");
        Session session(other->task(
                        path, "Exec", fill_exec({ "/bin/sh", "-c", "echo up; exec sleep 1000" }, tty())));

        session.read_until("up\r\n");
        session.close_all();
        EXPECT_TRUE(resize(session.id, 30, 30).ok()) << "the terminal is there as long as its client";
        auto waiting = client.call_later(EXECUTOR_NAME, path, TASK_INTERFACE, "WaitExec",
                        [&](sd_bus_message *m) { EXPECT_GE(sd_bus_message_append(m, "t", session.id), 0); });
        EXPECT_FALSE(waiting->done());

        other.reset();
        ASSERT_TRUE(client.await(waiting));
        EXPECT_EQ(wait_exec(session), (ExecStatus{ 129, SIGHUP }));
}

TEST_F(Exec, KillExecEndsTheProgramWithThatSignal)
{
        auto session = exec({ "sleep", "1000" });

        EXPECT_EQ(short_name(kill_exec(session->id, "SIGNONE").error), "InvalidSpec");
        EXPECT_TRUE(kill_exec(session->id, "SIGTERM").ok());
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 128 + SIGTERM, SIGTERM }));
        EXPECT_EQ(short_name(kill_exec(session->id, "SIGTERM").error), "NotRunning");
}

/* --- errors --- */

TEST_F(Exec, NoSuchSession)
{
        EXPECT_EQ(short_name(exec_call("WaitExec", 12345).error), "NoSuchExec");
        EXPECT_EQ(short_name(resize(12345, 1, 1).error), "NoSuchExec");
        EXPECT_EQ(short_name(kill_exec(12345, "SIGTERM").error), "NoSuchExec");
}

TEST_F(Exec, ResizeNeedsATerminalThatIsThere)
{
        auto pipes = exec({ "cat" });
        auto terminal = exec({ "true" }, tty());

        EXPECT_EQ(short_name(resize(pipes->id, 50, 50).error), "Unsupported");
        wait_exec(*terminal);
        EXPECT_EQ(short_name(resize(terminal->id, 50, 50).error), "NotRunning");
}

TEST_F(Exec, WhatCannotStartIsAnErrorAndLeavesNoSession)
{
        for (const Spec &options : { Spec(), tty() }) {
                EXPECT_EQ(exec_error({ "no-such-program" }, options), "CommandNotFound");
                EXPECT_EQ(exec_error({ "/no/such/program" }, options), "CommandNotFound");
                EXPECT_EQ(exec_error({ "/etc/passwd" }, options), "ExecFailed");
                EXPECT_EQ(exec_error({}, options), "InvalidSpec");
                EXPECT_EQ(exec_error({ "" }, options), "InvalidSpec");
                EXPECT_EQ(exec_error({ "bin/true" }, options), "InvalidSpec");
        }
        EXPECT_EQ(exec_error({ "true" }, Spec().set("WorkingDirectory", "/no/such")), "ExecFailed");
        EXPECT_EQ(exec_error({ "true" }, Spec().set("WorkingDirectory", "relative")), "InvalidSpec");
        EXPECT_EQ(exec_error({ "true" }, Spec().set("Teletype", true)), "InvalidSpec");
        EXPECT_EQ(exec_error({ "true" }, Spec().set("Tty", "yes")), "InvalidSpec");
        EXPECT_EQ(lines_of(read_file(cgroup_of(id) + "/task/cgroup.procs")).size(), 1U);
        expect_no_zombie();
}

TEST_F(Exec, TaskThatHasEndedTakesNoSession)
{
        ASSERT_TRUE(stop(id, "", 0).ok());
        wait(id);
        EXPECT_EQ(exec_error({ "true" }), "NotRunning");
}

/* --- limits --- */

TEST_F(Exec, SixtyFourSessionsAtOnce)
{
        std::vector<std::unique_ptr<Session>> sessions;

        for (int i = 0; i < 64; i++)
                sessions.push_back(exec({ "cat" }));
        EXPECT_EQ(exec_error({ "cat" }), "LimitExceeded");
        EXPECT_EQ(check({ "true" }).error, "LimitExceeded");

        sessions[10]->close_input();
        EXPECT_EQ(wait_exec(*sessions[10]), (ExecStatus{ 0, 0 }));
        EXPECT_EQ(check({ "true" }).error, "");
        sessions.push_back(exec({ "cat" }));
        EXPECT_EQ(exec_error({ "cat" }), "LimitExceeded");
}

TEST_F(Exec, SixtyFourWaitForASession)
{
        auto session = exec({ "cat" });
        auto wait_later = [&] {
                return client.call_later(
                                EXECUTOR_NAME, path, TASK_INTERFACE, "WaitExec", [&](sd_bus_message *m) {
                                        EXPECT_GE(sd_bus_message_append(m, "t", session->id), 0);
                                });
        };
        std::vector<std::shared_ptr<Pending>> waiting;

        for (int i = 0; i < 64; i++)
                waiting.push_back(wait_later());
        EXPECT_EQ(short_name(exec_call("WaitExec", session->id).error), "LimitExceeded");
        session->close_input();
        for (const auto &pending : waiting) {
                int code = -1, signal = -1;

                ASSERT_TRUE(client.await(pending));
                ASSERT_TRUE(pending->reply().ok()) << pending->reply();
                ASSERT_GT(sd_bus_message_read(pending->reply().message.get(), "ii", &code, &signal), 0);
                EXPECT_EQ(code, 0);
                EXPECT_EQ(signal, 0);
        }
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 0, 0 })) << "after the end nobody waits";
}

TEST_F(Exec, LastSixtyFourEndsAreRemembered)
{
        std::vector<std::unique_ptr<Session>> sessions;

        for (int i = 0; i < 66; i++) {
                sessions.push_back(exec_script("exit " + std::to_string(i)));
                EXPECT_EQ(wait_exec(*sessions.back()), (ExecStatus{ i, 0 }));
        }
        auto last = exec({ "cat" });
        EXPECT_EQ(short_name(exec_call("WaitExec", sessions[0]->id).error), "NoSuchExec");
        for (int i = 2; i < 66; i++)
                EXPECT_EQ(wait_exec(*sessions[(size_t) i]), (ExecStatus{ i, 0 }));
}

/* --- ends --- */

TEST_F(Exec, SessionsEndWithTheTask)
{
        auto pipes = exec_script("echo $$; exec sleep 1000");
        auto terminal = exec_script("echo $$; trap '' HUP INT TERM; while :; do sleep 1000; done", tty());
        pid_t first = std::stoi(pipes->read_until("\n")), second = std::stoi(terminal->read_until("\n"));

        ASSERT_EQ(kill(first, 0), 0);
        ASSERT_EQ(kill(second, 0), 0);
        ASSERT_TRUE(stop(id, "", UINT64_MAX).ok());
        EXPECT_EQ(wait(id), (Exit{ "signal", 130, 2, false }));
        EXPECT_EQ(wait_exec(*pipes), (ExecStatus{ 137, SIGKILL }));
        EXPECT_EQ(wait_exec(*terminal), (ExecStatus{ 137, SIGKILL }));
        EXPECT_EQ(kill(first, 0), -1);
        EXPECT_EQ(kill(second, 0), -1);
        EXPECT_EQ(pipes->read_output(), "") << "the other ends are closed";
}

TEST_F(Exec, SessionOutlivesTheServiceButNotItsStatus)
{
        auto session = exec_script("echo $$; while read line; do echo got $line; done");
        pid_t pid = std::stoi(session->read_until("\n"));

        kill_service(EXECUTOR_UNIT);
        EXPECT_EQ(client.property(path, "State"), "running");
        EXPECT_EQ(short_name(exec_call("WaitExec", session->id).error), "NoSuchExec");
        session->write("still\n");
        EXPECT_EQ(session->read_until("\n"), "got still\n");
        EXPECT_EQ(kill(pid, 0), 0);

        ASSERT_TRUE(stop(id, "", 0).ok());
        wait(id);
        EXPECT_EQ(session->read_output(), "");
        EXPECT_TRUE(eventually([&] { return kill(pid, 0) != 0; }));
}
