/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <unistd.h>

#include "session.h"

#define LIBEXEC "/usr/libexec/nomad-executor"

/* Another version is installed over the one that runs, by rename as a package manager does it. */

/* As long as ours, so that it can be put in its place. */
static std::string next_version()
{
        std::string version = PROJECT_VERSION;

        version.back() = version.back() == '9' ? '8' : '9';
        return version;
}

class Upgrade : public SystemTest
{
      protected:
        void SetUp() override
        {
                SystemTest::SetUp();
                ASSERT_EQ(sh("rm -rf /tmp/kept && cp -a " LIBEXEC " /tmp/kept"), 0);
                ASSERT_EQ(version(), PROJECT_VERSION);
        }

        void TearDown() override
        {
                EXPECT_EQ(sh("rm -rf " LIBEXEC " && mv /tmp/kept " LIBEXEC), 0);
                EXPECT_EQ(run({ "systemctl", "restart", LOGMON_UNIT, EXECUTOR_UNIT }).status, 0);
                EXPECT_EQ(version(), PROJECT_VERSION);
                SystemTest::TearDown();
        }

        static int sh(const std::string &text)
        {
                Output output = run({ "sh", "-c", text });

                EXPECT_EQ(output.status, 0) << text << "\n" << output;
                return output.status;
        }

        /* Programs that differ from the built ones in their version, and the supervisor in its bytes. */
        static void install_next()
        {
                sh("cd " LIBEXEC " && for program in nomad-executord nomad-logmon; do"
                   " LC_ALL=C sed 's/" +
                                std::string(PROJECT_VERSION) + "/" + next_version() +
                                "/g' $program >$program.next &&"
                                " ! cmp -s $program $program.next && chmod 0755 $program.next && mv $program.next $program"
                                " || exit 1; done");
                sh("cd " LIBEXEC
                   " && cp -p nomad-supervisor next && echo >>next && mv next nomad-supervisor");
        }

        static void restart(const std::string &unit)
        {
                EXPECT_EQ(run({ "systemctl", "restart", unit }).status, 0);
        }

        std::string version()
        {
                return client.property("/org/nomad/Executor", "Version", MANAGER_INTERFACE);
        }

        /* What the supervisor of a task runs, by content: the file itself may be gone. */
        static std::string supervisor_of(const std::string &id)
        {
                std::string pids = read_file(cgroup_of(id) + "/supervisor/cgroup.procs");

                EXPECT_EQ(lines_of(pids).size(), 1U);
                return run({ "sha256sum", "/proc/" + lines_of(pids).at(0) + "/exe" }).text.substr(0, 64);
        }

        static std::string supervisor_on_disk()
        {
                return run({ "sha256sum", LIBEXEC "/nomad-supervisor" }).text.substr(0, 64);
        }

        static Spec counter()
        {
                return script("trap 'echo bye; exit 6' INT; echo ready; while :; do sleep 0.02; done");
        }

        void start_counter(const std::string &id)
        {
                start(id, counter());
                ASSERT_TRUE(eventually([&] { return read_file(log_of(id, "stdout")) == "ready\n"; }));
        }

        void expect_bye(const std::string &id)
        {
                EXPECT_TRUE(stop(id, "", UINT64_MAX).ok());
                EXPECT_EQ(wait(id), (Exit{ "exit-code", 6, 0, false }));
                EXPECT_EQ(read_file(log_of(id, "stdout")), "ready\nbye\n");
        }
};

TEST_F(Upgrade, TasksAndTheirRecordsAreTakenOver)
{
        start("ended", script("echo over; exit 3"));
        EXPECT_EQ(wait("ended"), (Exit{ "exit-code", 3, 0, false }));
        start_counter("running");
        start("ends-meanwhile", script("while ! [ -e /tmp/upgraded ]; do sleep 0.02; done; exit 4"));
        const std::string pid = client.property(path_of("running"), "MainPID");
        const std::string old_supervisor = supervisor_of("running");

        install_next();
        restart(LOGMON_UNIT);
        ASSERT_EQ(run({ "systemctl", "stop", EXECUTOR_UNIT }).status, 0);
        ASSERT_EQ(sh("touch /tmp/upgraded"), 0);
        ASSERT_TRUE(eventually([] { return !exists(cgroup_of("ends-meanwhile")); }));
        EXPECT_EQ(version(), next_version());
        EXPECT_EQ(run({ "busctl", "get-property", "org.nomad.Logmon", "/org/nomad/Logmon",
                                      "org.nomad.Logmon.Manager", "Version" })
                                        .text,
                        "s \"" + next_version() + "\"\n");

        EXPECT_EQ(wait("ended"), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_EQ(wait("ends-meanwhile"), (Exit{ "exit-code", 4, 0, false }));
        EXPECT_EQ(client.property(path_of("running"), "State"), "running");
        EXPECT_EQ(client.property(path_of("running"), "MainPID"), pid);
        EXPECT_EQ(supervisor_of("running"), old_supervisor);
        expect_bye("running");

        start_counter("new");
        EXPECT_EQ(supervisor_of("new"), supervisor_on_disk());
        EXPECT_NE(supervisor_of("new"), old_supervisor);
        expect_bye("new");
        EXPECT_EQ(sh("rm /tmp/upgraded"), 0);
}

TEST_F(Upgrade, TheRunningServiceKeepsItsOwnSupervisor)
{
        const std::string own = supervisor_on_disk();

        install_next();
        ASSERT_NE(supervisor_on_disk(), own);
        start_counter("replaced");
        EXPECT_EQ(supervisor_of("replaced"), own);
        EXPECT_EQ(version(), PROJECT_VERSION);

        ASSERT_EQ(sh("rm " LIBEXEC "/*"), 0);
        start_counter("deleted");
        EXPECT_EQ(supervisor_of("deleted"), own);
        expect_bye("replaced");
        expect_bye("deleted");
}

/* What a session's program does goes on; who waited for it is told that the service has gone. */
TEST_F(Upgrade, SessionsDoNotHarmTheTaskNorTheUpgradeThem)
{
        start_counter("session");
        Reply reply = client.task(path_of("session"), "Exec",
                        fill_exec({ "sh", "-c", "echo in; read line; echo got $line" }, Spec()));
        ASSERT_TRUE(reply.ok()) << reply;
        Session session(reply);
        EXPECT_EQ(session.read_until("in\n"), "in\n");
        auto waiting = client.call_later(EXECUTOR_NAME, path_of("session"), TASK_INTERFACE, "WaitExec",
                        [&](sd_bus_message *m) { (void) sd_bus_message_append(m, "t", session.id); });

        install_next();
        restart(EXECUTOR_UNIT);
        restart(LOGMON_UNIT);
        ASSERT_TRUE(client.await(waiting));
        EXPECT_FALSE(waiting->reply().ok());
        EXPECT_EQ(version(), next_version());
        EXPECT_EQ(client.property(path_of("session"), "State"), "running");
        session.write("more\n");
        EXPECT_EQ(session.read_output(), "got more\n");
        reply = client.task(path_of("session"), "WaitExec",
                        [&](sd_bus_message *m) { (void) sd_bus_message_append(m, "t", session.id); });
        EXPECT_EQ(reply.error, "org.nomad.Executor.Error.NoSuchExec") << reply;
        expect_bye("session");
}

/* Half an upgrade, as when a package manager is interrupted: the service starts with what there is, or says
 * what is not. */
TEST_F(Upgrade, AMissingSupervisorIsNamed)
{
        start_counter("running");
        ASSERT_EQ(sh("mv " LIBEXEC "/nomad-supervisor /tmp/supervisor-away"), 0);
        (void) run({ "systemctl", "restart", EXECUTOR_UNIT });
        EXPECT_TRUE(eventually([] {
                return run({ "journalctl", "--no-pager", "--output=cat", "-b", "-u", EXECUTOR_UNIT })
                                       .text.find("Cannot open " LIBEXEC "/nomad-supervisor") !=
                                std::string::npos;
        }));
        ASSERT_EQ(sh("mv /tmp/supervisor-away " LIBEXEC "/nomad-supervisor"), 0);
        ASSERT_EQ(run({ "systemctl", "start", EXECUTOR_UNIT }).status, 0);
        expect_bye("running");
}
