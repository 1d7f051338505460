/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <future>
#include <regex>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

/* libnomad-executor in programs that were built outside the source tree (tests/system/out-of-tree.sh), the
 * examples of the documentation, and the hook's program with the real nomad-logmon. */

#define TESTS "/usr/lib/nomad-executor/tests/"

class ClientLibrary : public SystemTest
{
      protected:
        void SetUp() override
        {
                SystemTest::SetUp();
                ASSERT_EQ(run({ "rm", "-rf", "/tmp/agent", "/tmp/hook" }).status, 0);
                ASSERT_EQ(mkdir("/tmp/agent", 0700), 0);
                ASSERT_EQ(mkdir("/tmp/hook", 0755), 0);
        }

        /* Starts the commands as tasks, saves their handles, and is killed. */
        static void run_agent(std::vector<std::string> commands)
        {
                std::vector<std::string> argv = { TESTS "example-agent", "start", "/tmp/agent" };
                std::vector<char *> arguments;
                posix_spawn_file_actions_t actions;
                int ends[2];
                char text[64] = "";
                pid_t pid;

                argv.insert(argv.end(), commands.begin(), commands.end());
                for (auto &argument : argv)
                        arguments.push_back(argument.data());
                arguments.push_back(nullptr);
                ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
                (void) posix_spawn_file_actions_init(&actions);
                (void) posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
                ASSERT_EQ(posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environ), 0);
                (void) posix_spawn_file_actions_destroy(&actions);
                (void) close(ends[1]);
                EXPECT_GT(read(ends[0], text, sizeof text - 1), 0);
                EXPECT_STREQ(text, "started\n");
                EXPECT_EQ(kill(pid, SIGKILL), 0);
                EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
                (void) close(ends[0]);
        }

        static std::vector<std::string> resume_agent()
        {
                auto lines = lines_of(run({ TESTS "example-agent", "resume", "/tmp/agent" }).text);

                std::sort(lines.begin(), lines.end());
                return lines;
        }

        static void write_file(const std::string &path, const std::string &text)
        {
                std::ofstream(path) << text;
        }

        static Output hook(const std::string &command, const std::string &id = "hooked")
        {
                return run({ "nomad-task-hook", "--state=/tmp/hook/state", "-p", "LogDirectory=/tmp/hook",
                                "-p", "LogName=web", command, id });
        }

        static std::string action(const Output &output)
        {
                std::smatch match;

                EXPECT_EQ(output.status, 0) << output;
                return std::regex_search(output.text, match, std::regex("\"action\":\"([a-z]+)\""))
                                ? match[1].str()
                                : output.text;
        }
};

TEST_F(ClientLibrary, AgentThatIsKilledLearnsHowItsTasksEnded)
{
        run_agent({ "exit 3", "kill -SEGV $$", "until [ -e /tmp/agent/go ]; do sleep 0.02; done; exit 4",
                        "exit 0" });
        EXPECT_EQ(wait("agent/0"), (Exit{ "exit-code", 3, 0, false }));
        kill_service(EXECUTOR_UNIT);
        EXPECT_EQ(client.property(path_of("agent/2"), "State"), "running");
        write_file("/tmp/agent/go", "");

        EXPECT_EQ(resume_agent(),
                        (std::vector<std::string>{ "agent/0: exit-code 3 0", "agent/1: signal 139 11",
                                        "agent/2: exit-code 4 0", "agent/3: success 0 0" }));
        EXPECT_EQ(client.list_tasks().size(), 0U);
}

/* Sees the calls of Task.Wait on the bus, whoever makes them. */
class WaitMonitor
{
      public:
        WaitMonitor()
        {
                const char *match = "type='method_call',interface='" TASK_INTERFACE "',member='Wait'";

                EXPECT_GE(sd_bus_new(&bus), 0);
                EXPECT_GE(sd_bus_set_address(bus, "unix:path=/run/dbus/system_bus_socket"), 0);
                EXPECT_GE(sd_bus_set_monitor(bus, true), 0);
                EXPECT_GE(sd_bus_set_bus_client(bus, true), 0);
                EXPECT_GE(sd_bus_start(bus), 0);
                EXPECT_GE(sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                          "org.freedesktop.DBus.Monitoring", "BecomeMonitor", nullptr,
                                          nullptr, "asu", 1, match, 0),
                                0);
        }

        ~WaitMonitor()
        {
                sd_bus_close_unref(bus);
        }

        /* Returns when there has been one more. */
        bool next() const
        {
                return eventually([this] {
                        sd_bus_message *message = nullptr;
                        bool seen = false;

                        while (!seen && sd_bus_process(bus, &message) > 0) {
                                seen = message &&
                                                sd_bus_message_is_method_call(
                                                                message, TASK_INTERFACE, "Wait") > 0;
                                message = sd_bus_message_unref(message);
                        }
                        return seen;
                });
        }

      private:
        sd_bus *bus = nullptr;
};

/* The service dies while the agent waits for events, and the task ends when the agent waits again. */
TEST_F(ClientLibrary, WaitGoesOnOverARestartOfTheService)
{
        run_agent({ "until [ -e /tmp/agent/go ]; do sleep 0.02; done; exit 5" });
        const WaitMonitor monitor;
        auto lines = std::async(std::launch::async, resume_agent);

        EXPECT_TRUE(monitor.next());
        kill_service(EXECUTOR_UNIT);
        EXPECT_TRUE(monitor.next()) << "it does not wait again";
        write_file("/tmp/agent/go", "");
        EXPECT_EQ(lines.get(), std::vector<std::string>{ "agent/0: exit-code 5 0" });
}

/* Each handle that is of no use has an error of its own. */
TEST_F(ClientLibrary, HandlesOfNoUse)
{
        run_agent({ "exit 1", "exit 2", "exit 3", "exit 4", "exit 5", "exit 6" });
        auto change = [](int number, const std::string &pattern, const std::string &by) {
                std::string path = "/tmp/agent/" + std::to_string(number) + ".json";
                std::string text = read_file(path);
                std::string changed = std::regex_replace(text, std::regex(pattern), by);

                EXPECT_NE(changed, text);
                write_file(path, changed);
        };

        change(0, "\"boot_id\":\"....", "\"boot_id\":\"0000"); /* from before a reboot */
        change(1, "\"version\":1", "\"version\":9");
        change(2, "[{].*", "");
        change(3, ".$", "");
        ASSERT_EQ(wait("agent/4"), (Exit{ "exit-code", 5, 0, false }));
        release("agent/4");
        ASSERT_EQ(wait("agent/5"), (Exit{ "exit-code", 6, 0, false }));
        release("agent/5");
        start("agent/5", script("exit 7"));

        auto lines = resume_agent();
        ASSERT_EQ(lines.size(), 6U);
        EXPECT_EQ(lines[0], "0: error 34: 'agent/0' is gone: the machine was booted since it was started");
        EXPECT_EQ(lines[1], "1: error 32: The handle is of version 9, not 1");
        EXPECT_EQ(lines[2], "2: error 30: There is no handle");
        EXPECT_EQ(lines[3].rfind("3: error 31: The handle is not JSON", 0), 0U) << lines[3];
        EXPECT_EQ(lines[4].rfind("4: error 2: There is no task", 0), 0U) << lines[4];
        EXPECT_EQ(lines[5],
                        "5: error 35: 'agent/5' is another task now: the one of the handle was released");
        for (int i = 0; i < 4; i++) {
                wait("agent/" + std::to_string(i));
                release("agent/" + std::to_string(i));
        }
}

TEST_F(ClientLibrary, GLibMainLoop)
{
        Output output = run({ TESTS "example-glib" });

        EXPECT_EQ(output.text, "glib: exit-code 4, the loop went on\n");
        EXPECT_EQ(output.status, 0);
        EXPECT_EQ(client.list_tasks().size(), 0U);
}

/* The same job four times, by the very files of docs/examples. */
TEST_F(ClientLibrary, Examples)
{
        for (std::string program : { "job-busctl.sh", "job-ctl.sh", "example-job", "job.py" }) {
                Output output = run({ TESTS + program });
                auto lines = lines_of(output.text);

                std::sort(lines.begin(), lines.end());
                EXPECT_EQ(output.status, 0) << program << output;
                ASSERT_EQ(lines.size(), 3U) << program << output;
                EXPECT_EQ(lines[0].rfind("output: working", 0), 0U) << program << output;
                EXPECT_EQ(lines[1], "result: exit-code") << program;
                EXPECT_EQ(lines[2], "status: 3") << program;
                EXPECT_EQ(client.list_tasks().size(), 0U) << program;
                /* the next one of this name is not to find the log of this one */
                EXPECT_EQ(run({ "rm", "-r", "/var/log/nomad/example" }).status, 0);
        }
}

/* A task of another kind, whose output nomad-logmon gets by FIFOs, over everything that can be started
 * anew. */
TEST_F(ClientLibrary, HookOverRestartsOfEverything)
{
        auto write_line = [](const std::string &line) {
                Output output = run({ "timeout", "10", "sh", "-c",
                                "echo " + line + " >/tmp/hook/.web.stdout.fifo" });
                EXPECT_EQ(output.status, 0) << output;
        };
        auto log_is = [](const std::string &text) {
                return eventually([&] { return read_file("/tmp/hook/web.stdout.0") == text; });
        };

        Output first = hook("prestart");
        EXPECT_EQ(action(first), "started");
        EXPECT_NE(first.text.find("\"stdout\":\"/tmp/hook/.web.stdout.fifo\""), std::string::npos) << first;
        std::string state = read_file("/tmp/hook/state");
        write_line("one");
        EXPECT_TRUE(log_is("one\n"));

        /* the agent again, and the task again: the same log */
        EXPECT_EQ(action(hook("prestart")), "found");
        write_line("two");
        EXPECT_TRUE(log_is("one\ntwo\n"));

        /* nomad-logmon again */
        kill_service(LOGMON_UNIT);
        EXPECT_EQ(action(hook("prestart")), "found");
        EXPECT_EQ(read_file("/tmp/hook/state"), state);
        write_line("three");
        EXPECT_TRUE(log_is("one\ntwo\nthree\n"));

        /* the log is gone */
        EXPECT_EQ(run({ "busctl", "call", "org.nomad.Logmon", "/org/nomad/Logmon",
                                      "org.nomad.Logmon.Manager", "Stop", "s", "hooked" })
                                        .status,
                        0);
        Output fresh = hook("prestart");
        EXPECT_EQ(action(fresh), "started");
        EXPECT_NE(fresh.text.find("The log of 'hooked' has gone"), std::string::npos) << fresh;
        write_line("four");
        EXPECT_EQ(hook("stop").status, 0);
        EXPECT_EQ(read_file("/tmp/hook/web.stdout.0"), "one\ntwo\nthree\nfour\n");
        EXPECT_FALSE(exists("/tmp/hook/state"));
        EXPECT_EQ(hook("stop").status, 0);
}

TEST_F(ClientLibrary, HookThatCannotSaveItsState)
{
        ASSERT_EQ(mkdir("/tmp/hook/state", 0700), 0);
        Output output = hook("prestart");

        EXPECT_EQ(output.status, 1) << output;
        EXPECT_EQ(output.text.find("nomad-task-hook: Cannot save the state in /tmp/hook/state: "), 0U)
                        << output;
        EXPECT_EQ(lines_of(output.text).size(), 1U) << output;
        EXPECT_EQ(run({ "busctl", "--list", "tree", "org.nomad.Logmon" }).text.find("hooked"),
                        std::string::npos);
}

TEST_F(ClientLibrary, HookDisabled)
{
        Output output = run({ "nomad-task-hook", "--state=/tmp/hook/state", "--disabled", "prestart",
                        "hooked" });

        EXPECT_EQ(action(output), "disabled");
        EXPECT_NE(output.text.find("\"stdout\":\"/dev/null\""), std::string::npos);
        EXPECT_FALSE(exists("/tmp/hook/state"));
        EXPECT_EQ(run({ "nomad-task-hook", "prestart" }).status, 2);
        EXPECT_EQ(run({ "nomad-task-hook", "--state=/tmp/hook/state", "prestart", "hooked" }).status, 2);
}

TEST_F(ClientLibrary, HookNamesWhatIsWrong)
{
        auto prestart = [](const std::string &property) {
                Output output = run({ "nomad-task-hook", "--state=/tmp/hook/state", "-p", property,
                                "prestart", "hooked" });

                EXPECT_EQ(output.status, 2) << output;
                EXPECT_EQ(lines_of(output.text).size(), 1U) << output;
                return output.text;
        };

        EXPECT_EQ(prestart("LogDirectory=logs"),
                        "nomad-task-hook: LogDirectory must be an absolute path: 'logs'\n");
        for (const char *key : { "MemoryMax", "Foo" })
                EXPECT_EQ(prestart(std::string(key) + "=1"),
                                std::string("nomad-task-hook: '") + key +
                                                "' is not a key of a log; there are LogDirectory, LogName, "
                                                "LogTargets, LogMaxFiles, LogMaxFileSize, LogFields, "
                                                "LogOverflow, User, Group\n");
        EXPECT_FALSE(exists("/tmp/hook/state"));
}
