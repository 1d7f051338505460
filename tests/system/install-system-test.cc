/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <algorithm>
#include <sys/stat.h>

#include "support.h"

/* What `meson install` puts where, and what a user who is not root can do with it. */

class Install : public SystemTest
{
};

TEST_F(Install, FilesAreWhereDebianExpectsThem)
{
        const std::map<std::string, mode_t> files = {
                { "/usr/bin/nomad-executorctl", 0755 },
                { "/usr/sbin/nomad-task-hook", 0755 },
                { "/usr/include/nomad-executor.h", 0644 },
                { "/usr/include/nomad-executor-glib.h", 0644 },
                { "/usr/include/nomad-task-hook.h", 0644 },
                { "/usr/share/bash-completion/completions/nomad-executorctl", 0644 },
                { "/usr/share/zsh/vendor-completions/_nomad-executorctl", 0644 },
                { "/usr/libexec/nomad-executor/nomad-dockerlog", 0755 },
                { "/usr/libexec/nomad-executor/nomad-executord", 0755 },
                { "/usr/libexec/nomad-executor/nomad-logmon", 0755 },
                { "/usr/libexec/nomad-executor/nomad-lookup", 0755 },
                { "/usr/libexec/nomad-executor/nomad-supervisor", 0755 },
                { "/usr/lib/systemd/system/nomad-dockerlog.service", 0644 },
                { "/usr/lib/systemd/system/nomad-executor.service", 0644 },
                { "/usr/lib/systemd/system/nomad-logmon.service", 0644 },
                { "/usr/lib/systemd/system/nomad.slice", 0644 },
                { "/usr/share/dbus-1/system.d/org.nomad.DockerLogger.conf", 0644 },
                { "/usr/share/dbus-1/system.d/org.nomad.Executor.conf", 0644 },
                { "/usr/share/dbus-1/system.d/org.nomad.Logmon.conf", 0644 },
                { "/usr/share/dbus-1/system-services/org.nomad.DockerLogger.service", 0644 },
                { "/usr/share/dbus-1/system-services/org.nomad.Executor.service", 0644 },
                { "/usr/share/dbus-1/system-services/org.nomad.Logmon.service", 0644 },
                { "/usr/share/dbus-1/interfaces/org.nomad.DockerLogger.Log.xml", 0644 },
                { "/usr/share/dbus-1/interfaces/org.nomad.DockerLogger.Manager.xml", 0644 },
                { "/usr/share/dbus-1/interfaces/org.nomad.Executor.Manager.xml", 0644 },
                { "/usr/share/dbus-1/interfaces/org.nomad.Executor.Task.xml", 0644 },
                { "/usr/share/dbus-1/interfaces/org.nomad.Logmon.Manager.xml", 0644 },
                { "/usr/share/dbus-1/interfaces/org.nomad.Logmon.Log.xml", 0644 },
        };

        for (const auto &[path, mode] : files) {
                struct stat st = {};

                EXPECT_EQ(lstat(path.c_str(), &st), 0) << path;
                EXPECT_EQ(st.st_mode & 07777, mode) << path;
                EXPECT_TRUE(S_ISREG(st.st_mode)) << path;
                EXPECT_EQ(st.st_uid, 0U) << path;
        }
}

TEST_F(Install, UnitsVerifyClean)
{
        /* No manual pages are installed in the machine. */
        Output output = run({ "systemd-analyze", "verify", "--man=no", EXECUTOR_UNIT, LOGMON_UNIT,
                        "nomad-dockerlog.service", "nomad.slice" });

        EXPECT_EQ(output.status, 0) << output;
        for (const auto &line : lines_of(output.text)) /* the only key that is newer than systemd 252 */
                EXPECT_NE(line.find("Unknown key 'FileDescriptorStorePreserve'"), std::string::npos) << line;
}

TEST_F(Install, ServicesAreActivatedByTheirNames)
{
        const std::map<std::string, std::string> names = {
                { "org.nomad.Executor", EXECUTOR_UNIT },
                { "org.nomad.Logmon", LOGMON_UNIT },
        };

        ASSERT_EQ(run({ "systemctl", "stop", EXECUTOR_UNIT, LOGMON_UNIT }).status, 0);
        for (const auto &[name, unit] : names) {
                ASSERT_EQ(main_pid(unit), 0) << unit;
                std::string path = "/" + name;
                std::replace(path.begin(), path.end(), '.', '/');
                Reply reply = client.call(name, path, "org.freedesktop.DBus.Peer", "Ping");
                EXPECT_TRUE(reply.ok()) << reply;
                EXPECT_GT(main_pid(unit), 1) << unit;
                ASSERT_EQ(run({ "systemctl", "stop", EXECUTOR_UNIT, LOGMON_UNIT }).status, 0);
        }
        SetUp();
}

TEST_F(Install, TasksWouldInheritNothingFromTheUnit)
{
        std::string executor = "/proc/" + std::to_string(main_pid(EXECUTOR_UNIT));
        auto restrictions = [](const std::string &process) {
                std::vector<std::string> lines = lines_of(read_file(process + "/status"));
                auto other = [](const std::string &line) {
                        return line.rfind("NoNewPrivs:", 0) != 0 && line.rfind("Seccomp", 0) != 0 &&
                                        line.rfind("CapBnd:", 0) != 0;
                };

                lines.erase(std::remove_if(lines.begin(), lines.end(), other), lines.end());
                return lines;
        };

        ASSERT_GE(restrictions("/proc/1").size(), 3U);
        EXPECT_EQ(restrictions(executor), restrictions("/proc/1"));
        for (std::string name : { "mnt", "net", "ipc", "uts", "pid", "user" })
                EXPECT_EQ(run({ "readlink", executor + "/ns/" + name }).text,
                                run({ "readlink", "/proc/1/ns/" + name }).text)
                                << name;
}

TEST_F(Install, StateIsPrivate)
{
        for (std::string path : { "/run/nomad-executor", "/run/nomad-logmon" }) {
                struct stat st = {};

                ASSERT_EQ(stat(path.c_str(), &st), 0) << path;
                EXPECT_EQ(st.st_mode & 07777, 0700U) << path;
                EXPECT_EQ(st.st_uid, 0U) << path;
        }
}

class Policy : public SystemTest
{
      protected:
        void SetUp() override
        {
                SystemTest::SetUp();
                start("secret", script("exec sleep 1000"));
        }

        Output call(const std::string &name, const std::string &path, const std::string &interface,
                        const std::vector<std::string> &member_and_arguments)
        {
                std::vector<std::string> argv = { "busctl", "--system", "call", name, path, interface };

                argv.insert(argv.end(), member_and_arguments.begin(), member_and_arguments.end());
                return run_as_nobody(argv);
        }

        void expect_denied(const Output &output)
        {
                EXPECT_EQ(output.status, 1) << output;
                EXPECT_NE(output.text.find("Access denied"), std::string::npos) << output;
        }
};

TEST_F(Policy, EverybodyMayPing)
{
        for (std::string path : { "/org/nomad/Executor", "/org/nomad/Executor/task/secret" }) {
                Output output = call("org.nomad.Executor", path, "org.freedesktop.DBus.Peer", { "Ping" });
                EXPECT_EQ(output.status, 0) << output;
        }
        Output output = call(
                        "org.nomad.Logmon", "/org/nomad/Logmon", "org.freedesktop.DBus.Peer", { "Ping" });
        EXPECT_EQ(output.status, 0) << output;
}

TEST_F(Policy, EverybodyMayIntrospect)
{
        Output output = call("org.nomad.Executor", "/org/nomad/Executor",
                        "org.freedesktop.DBus.Introspectable", { "Introspect" });
        EXPECT_EQ(output.status, 0) << output;
        EXPECT_NE(output.text.find("org.nomad.Executor.Manager"), std::string::npos) << output;

        output = call("org.nomad.Logmon", "/org/nomad/Logmon", "org.freedesktop.DBus.Introspectable",
                        { "Introspect" });
        EXPECT_EQ(output.status, 0) << output;
        EXPECT_NE(output.text.find("org.nomad.Logmon.Manager"), std::string::npos) << output;
}

TEST_F(Policy, NobodyElseMayCallTheManager)
{
        const std::vector<std::vector<std::string>> calls = {
                { "StartTask", "sa{sv}t", "mine", "1", "Command", "s", "/bin/true", "0" },
                { "GetTask", "s", "secret" },
                { "ListTasks" },
        };

        for (const auto &c : calls)
                expect_denied(call("org.nomad.Executor", "/org/nomad/Executor", "org.nomad.Executor.Manager",
                                c));
        expect_denied(call("org.nomad.Executor", "/org/nomad/Executor", "org.freedesktop.DBus.ObjectManager",
                        { "GetManagedObjects" }));
        expect_denied(call("org.nomad.Logmon", "/org/nomad/Logmon", "org.nomad.Logmon.Manager",
                        { "Stop", "s", "secret" }));
        expect_nothing_left("mine");
}

TEST_F(Policy, NobodyElseMayTouchATask)
{
        const std::vector<std::vector<std::string>> calls = {
                { "Wait" },
                { "Stop", "st", "", "0" },
                { "Kill", "ss", "main", "SIGKILL" },
                { "Release" },
        };
        std::string path = path_of("secret");

        for (const auto &c : calls)
                expect_denied(call("org.nomad.Executor", path, "org.nomad.Executor.Task", c));
        expect_denied(call("org.nomad.Executor", path, "org.freedesktop.DBus.Properties",
                        { "GetAll", "s", "org.nomad.Executor.Task" }));
        expect_denied(call("org.nomad.Logmon", "/org/nomad/Logmon/log/secret", "org.nomad.Logmon.Log",
                        { "Stop" }));
        EXPECT_EQ(client.property(path, "State"), "running");
}

TEST_F(Policy, NobodyElseMayOwnTheNames)
{
        for (std::string name : { "org.nomad.Executor", "org.nomad.Logmon" })
                expect_denied(run_as_nobody({ "busctl", "--system", "call", "org.freedesktop.DBus",
                                "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su", name,
                                "0" }));
}
