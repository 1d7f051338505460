/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <functional>
#include <regex>
#include <set>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session.h"

/* Other implementations of D-Bus than the one that is used by the services and by the other tests: busctl is
 * sd-bus, gdbus is GDBus, and client.py is libdbus. */

#define CLIENT_PY "/usr/lib/nomad-executor/tests/client.py"

class Clients : public SessionTest
{
};

static std::string gdbus_error(const std::string &member, const std::vector<std::string> &arguments);

static Output gdbus(const std::string &path, const std::string &member,
                const std::vector<std::string> &arguments)
{
        std::vector<std::string> argv = { "gdbus", "call", "--system", "--dest", "org.nomad.Executor",
                "--object-path", path, "--method", member };

        argv.insert(argv.end(), arguments.begin(), arguments.end());
        return run(argv);
}

static Output busctl(const std::string &path, const std::string &interface,
                const std::vector<std::string> &arguments)
{
        std::vector<std::string> argv = { "busctl", "--system", "call", "--", "org.nomad.Executor", path,
                interface };

        argv.insert(argv.end(), arguments.begin(), arguments.end());
        return run(argv);
}

TEST_F(Clients, Python)
{
        EXPECT_EQ(run({ CLIENT_PY }).text, "");
        EXPECT_EQ(client.list_tasks().size(), 0U);
}

TEST_F(Clients, GDBus)
{
        const std::string manager = "org.nomad.Executor.Manager.", task = "org.nomad.Executor.Task.";
        const std::string at = path_of("gdbus");

        EXPECT_EQ(gdbus(MANAGER_PATH, manager + "StartTask",
                                  { "gdbus",
                                                  "{'Command': <'/bin/sh'>, 'Arguments': <['-c', 'echo out; "
                                                  "exec sleep infinity']>, 'StopSignal': <'SIGTERM'>, "
                                                  "'UMask': <uint32 63>, 'Labels': <{'a': 'b'}>}",
                                                  "0" })
                                        .text,
                        "(objectpath '/org/nomad/Executor/task/gdbus',)\n");
        EXPECT_EQ(gdbus(MANAGER_PATH, manager + "GetTask", { "gdbus" }).text,
                        "(objectpath '/org/nomad/Executor/task/gdbus',)\n");
        EXPECT_EQ(gdbus(MANAGER_PATH, manager + "ListTasks", {}).text,
                        "([('gdbus', 'running', objectpath '/org/nomad/Executor/task/gdbus')],)\n");
        EXPECT_EQ(gdbus(at, task + "Run", { "['/bin/sh', '-c', 'umask; exit 3']", "0" }).text,
                        "(3, 0, false, false, [byte 0x30, 0x30, 0x37, 0x37, 0x0a])\n");
        EXPECT_EQ(gdbus(at, "org.freedesktop.DBus.Properties.Get", { "org.nomad.Executor.Task", "Labels" })
                                        .text,
                        "(<{'a': 'b'}>,)\n");
        EXPECT_EQ(gdbus(at, task + "Stop", { "", "18446744073709551615" }).text, "()\n");
        EXPECT_EQ(gdbus(at, task + "Wait", {}).text, "('signal', 143, 15, false)\n");
        EXPECT_EQ(read_file(log_of("gdbus", "stdout")), "out\n");
        EXPECT_EQ(gdbus(at, task + "Release", {}).text, "()\n");
        expect_nothing_left("gdbus");
        EXPECT_EQ(gdbus_error("GetTask", { "gdbus" }), "org.nomad.Executor.Error.NoSuchTask");
        EXPECT_EQ(gdbus_error("StartTask", { "gdbus", "{'Command': <'/no/such'>}", "0" }),
                        "org.nomad.Executor.Error.CommandNotFound");
}

/* "Error: GDBus.Error:NAME: MESSAGE" */
static std::string gdbus_error(const std::string &member, const std::vector<std::string> &arguments)
{
        const std::string prefix = "Error: GDBus.Error:";
        Output output = gdbus(MANAGER_PATH, "org.nomad.Executor.Manager." + member, arguments);
        size_t begin = output.text.find(prefix);

        EXPECT_EQ(output.status, 1) << output;
        if (begin == std::string::npos)
                return output.text;
        begin += prefix.size();
        return output.text.substr(begin, output.text.find(':', begin) - begin);
}

TEST_F(Clients, GDBusIntrospects)
{
        start_idle();
        Output output = run({ "gdbus", "introspect", "--system", "--dest", "org.nomad.Executor",
                        "--object-path", path });

        EXPECT_EQ(output.status, 0) << output;
        EXPECT_NE(output.text.find("interface org.nomad.Executor.Task {"), std::string::npos) << output;
        EXPECT_NE(output.text.find("readonly s State = 'running';"), std::string::npos) << output;
}

TEST_F(Clients, Busctl)
{
        const std::string manager = "org.nomad.Executor.Manager", task = "org.nomad.Executor.Task";
        const std::string at = path_of("busctl");

        EXPECT_EQ(busctl(MANAGER_PATH, manager,
                                  { "StartTask", "sa{sv}t", "busctl", "4", "Command", "s", "/bin/sh",
                                                  "Arguments", "as", "2", "-c",
                                                  "echo out; exec sleep infinity", "StopSignal", "s",
                                                  "SIGTERM", "UMask", "u", "63", "0" })
                                        .text,
                        "o \"/org/nomad/Executor/task/busctl\"\n");
        EXPECT_EQ(busctl(MANAGER_PATH, manager, { "GetTask", "s", "busctl" }).text,
                        "o \"/org/nomad/Executor/task/busctl\"\n");
        EXPECT_EQ(busctl(MANAGER_PATH, manager, { "ListTasks" }).text,
                        "a(sso) 1 \"busctl\" \"running\" \"/org/nomad/Executor/task/busctl\"\n");
        EXPECT_EQ(busctl(at, task, { "Run", "ast", "3", "/bin/sh", "-c", "umask; exit 3", "0" }).text,
                        "iibbay 3 0 false false 5 48 48 55 55 10\n");
        EXPECT_EQ(run({ "busctl", "get-property", "org.nomad.Executor", at, task, "State" }).text,
                        "s \"running\"\n");
        EXPECT_EQ(busctl(at, task, { "Stop", "st", "", "18446744073709551615" }).status, 0);
        EXPECT_EQ(busctl(at, task, { "Wait" }).text, "siib \"signal\" 143 15 false\n");
        EXPECT_EQ(read_file(log_of("busctl", "stdout")), "out\n");
        EXPECT_EQ(busctl(at, task, { "Release" }).status, 0);
        expect_nothing_left("busctl");

        Output output = busctl(MANAGER_PATH, manager, { "GetTask", "s", "busctl" });
        EXPECT_EQ(output.status, 1);
        EXPECT_EQ(output.text, "Call failed: There is no task 'busctl'\n");
}

/* --- each member of the contract by each of them --- */

/* A call as busctl and as gdbus are told it, and what each of them is to print. */
struct Step {
        std::string member;
        std::vector<std::string> busctl;
        std::string busctl_prints; /* regular expressions */
        std::vector<std::string> gdbus;
        std::string gdbus_prints;
};

class EveryMember : public Clients
{
      protected:
        using Call = std::function<void(
                        const std::string &path, const std::string &interface, const Step &)>;

        void by_busctl(const std::string &at, const std::string &interface, const Step &step)
        {
                std::vector<std::string> arguments = { step.member };

                arguments.insert(arguments.end(), step.busctl.begin(), step.busctl.end());
                expect(step.member, busctl(at, interface, arguments), step.busctl_prints);
        }

        void by_gdbus(const std::string &at, const std::string &interface, const Step &step)
        {
                expect(step.member, gdbus(at, interface + "." + step.member, step.gdbus), step.gdbus_prints);
        }

        void expect(const std::string &member, const Output &output, const std::string &pattern)
        {
                called.insert(member);
                EXPECT_EQ(output.status, 0) << member << ": " << output;
                EXPECT_TRUE(std::regex_match(output.text, std::regex(pattern))) << member << ": " << output;
        }

        /* Nobody adds a member and forgets it here. */
        void expect_all_called(const std::set<std::string> &members)
        {
                for (const auto &member : members)
                        EXPECT_EQ(called.count(member), 1U) << member;
        }

        std::set<std::string> members(const std::string &at, const std::string &interface)
        {
                const std::regex name("<method name=\"([A-Za-z]+)\"");
                std::string xml = client.introspect(EXECUTOR_NAME, at);
                size_t begin = xml.find("<interface name=\"" + interface + "\"");
                std::set<std::string> found;

                EXPECT_NE(begin, std::string::npos);
                xml = xml.substr(begin, xml.find("</interface>", begin) - begin);
                for (std::sregex_iterator match(xml.begin(), xml.end(), name), end; match != end; match++)
                        found.insert((*match)[1]);
                EXPECT_FALSE(found.empty());
                return found;
        }

        void manager_steps(const Call &call)
        {
                const std::string manager = "org.nomad.Executor.Manager";

                call(MANAGER_PATH, manager,
                                { "StartTask",
                                                { "sa{sv}t", id, "3", "Command", "s", "/bin/sh", "Arguments",
                                                                "as", "2", "-c",
                                                                "echo out; exec sleep infinity",
                                                                "StopSignal", "s", "SIGTERM", "0" },
                                                "o \"" + path + "\"\n",
                                                { id,
                                                                "{'Command': <'/bin/sh'>, 'Arguments': <['-c', "
                                                                "'echo out; exec sleep infinity']>, "
                                                                "'StopSignal': <'SIGTERM'>}",
                                                                "0" },
                                                "\\(objectpath '" + path + "',\\)\n" });
                call(MANAGER_PATH, manager,
                                { "GetTask", { "s", id }, "o \"" + path + "\"\n", { id },
                                                "\\(objectpath '" + path + "',\\)\n" });
                call(MANAGER_PATH, manager,
                                { "ListTasks", {},
                                                "a\\(sso\\) 1 \"" + id + "\" \"running\" \"" + path + "\"\n",
                                                {},
                                                "\\(\\[\\('" + id + "', 'running', objectpath '" + path +
                                                                "'\\)\\],\\)\n" });
        }

        void task_steps(const Call &call)
        {
                const std::string interface = "org.nomad.Executor.Task", none, unit = "\\(\\)\n";
                auto on_task = [&](const Step &step) { call(path, interface, step); };
                auto session = exec_script("trap '' HUP; stty size; read line; stty size; exec sleep 1000",
                                Spec().set("Tty", true)
                                                .set("Rows", uint16_t{ 10 })
                                                .set("Columns", uint16_t{ 20 }));
                const std::string number = std::to_string(session->id);

                EXPECT_EQ(session->read_until("\n"), "10 20\r\n");
                on_task({ "ResizeExec", { "tqq", number, "30", "40" }, none, { number, "30", "40" }, unit });
                session->write("\n");
                EXPECT_EQ(session->read_until("40\r\n"), "\r\n30 40\r\n");
                on_task({ "KillExec", { "ts", number, "SIGKILL" }, none, { number, "SIGKILL" }, unit });
                on_task({ "WaitExec", { "t", number }, "ii 137 9\n", { number }, "\\(137, 9\\)\n" });
                on_task({ "Exec", { "asa{sv}", "1", "/bin/true", "0" }, "thhh \\d+ \\d+ \\d+ \\d+\n",
                                { "['/bin/true']", "{}" },
                                "\\(uint64 \\d+, handle 0, handle 1, handle 2\\)\n" });
                on_task({ "Run", { "ast", "3", "/bin/sh", "-c", "echo a; exit 3", "0" },
                                "iibbay 3 0 false false 2 97 10\n",
                                { "['/bin/sh', '-c', 'echo a; exit 3']", "0" },
                                "\\(3, 0, false, false, \\[byte 0x61, 0x0a\\]\\)\n" });
                on_task({ "Kill", { "ss", "main", "SIGURG" }, none, { "main", "SIGURG" }, unit });
                on_task({ "SetResources", { "a{sv}", "0" }, none, { "{}" }, unit });
                on_task({ "GetStats", {}, "a\\{sv\\} \\d+ .*\"CPUUsageNSec\" t \\d+.*\n", {},
                                ".*'CPUUsageNSec': <uint64 \\d+>.*\n" });
                on_task({ "GetProcessStats", {}, "aa\\{sv\\} 1 .*\"Name\" s \"sleep\".*\n", {},
                                ".*'Name': <'sleep'>.*\n" });
                on_task({ "StreamStats", { "t", "1000000" }, "h \\d+\n", { "1000000" },
                                "\\(handle 0,\\)\n" });
                on_task({ "OpenLog", { "sa{sv}", "stdout", "0" }, "h \\d+\n", { "stdout", "{}" },
                                "\\(handle 0,\\)\n" });
                on_task({ "Freeze", {}, none, {}, unit });
                on_task({ "Thaw", {}, none, {}, unit });
                on_task({ "Stop", { "st", "", "18446744073709551615" }, none, { "", "18446744073709551615" },
                                unit });
                on_task({ "Wait", {}, "siib \"signal\" 143 15 false\n", {},
                                "\\('signal', 143, 15, false\\)\n" });
        }

        void call_all(const Call &call)
        {
                manager_steps(call);
                task_steps(call);
                auto on_task = members(path, "org.nomad.Executor.Task");
                auto on_manager = members(MANAGER_PATH, "org.nomad.Executor.Manager");

                call(path, "org.nomad.Executor.Task", { "Release", {}, "", {}, "\\(\\)\n" });
                /* neither program can send a descriptor; client.py does */
                EXPECT_EQ(on_manager.erase("GetTaskByPIDFD"), 1U);
                expect_all_called(on_task);
                expect_all_called(on_manager);
                expect_nothing_left(id);
        }

        std::set<std::string> called;
};

TEST_F(EveryMember, Busctl)
{
        call_all([this](const std::string &at, const std::string &interface, const Step &step) {
                by_busctl(at, interface, step);
        });
}

TEST_F(EveryMember, GDBus)
{
        call_all([this](const std::string &at, const std::string &interface, const Step &step) {
                by_gdbus(at, interface, step);
        });
}

/* A real client, with its own descriptors, that is killed. */
TEST_F(Clients, TerminalIsHungUpWhenItsClientIsKilled)
{
        start("held",
                        Spec().set("Command", "/bin/sleep")
                                        .set("Arguments", std::vector<std::string>{ "infinity" }));
        char program[] = CLIENT_PY, argument[] = "hold-terminal";
        char *argv[] = { program, argument, nullptr };
        pid_t holder = -1;
        auto session_lives = [] { return run({ "pgrep", "-fx", "sleep 43210" }).status == 0; };

        ASSERT_EQ(posix_spawn(&holder, program, nullptr, nullptr, argv, environ), 0);
        ASSERT_TRUE(eventually(session_lives));
        ASSERT_EQ(kill(holder, SIGKILL), 0);
        EXPECT_EQ(waitpid(holder, nullptr, 0), holder);
        EXPECT_TRUE(eventually([&] { return !session_lives(); }));
        EXPECT_EQ(client.property(path_of("held"), "State"), "running");
}
