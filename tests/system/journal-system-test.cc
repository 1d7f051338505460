/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "isolation-fixture.h"

/* SYSLOG_PID of the lines of a task: its main process, as the host counts. */

/* That of each entry that has one. */
static std::vector<std::string> pids(const std::string &id)
{
        return journal({ "--output-fields=SYSLOG_PID", "NOMAD_TASK_ID=" + id });
}

class JournalPid : public SystemTest
{
};

TEST_F(JournalPid, IsTheMainProcess)
{
        start("pid", script("echo $$; echo $$ >&2; sh -c 'echo child' & wait; exec sleep 1000"));
        const std::string pid = client.property(path_of("pid"), "MainPID");

        ASSERT_TRUE(eventually([&] { return journal({ "NOMAD_TASK_ID=pid" }).size() == 3; }));
        EXPECT_EQ(pids("pid"), std::vector<std::string>(3, pid));
        EXPECT_EQ(journal({ "NOMAD_TASK_ID=pid", "NOMAD_STREAM=stderr", "SYSLOG_PID=" + pid }),
                        std::vector<std::string>{ pid });
}

/* Each of them ends before its supervisor has said that it has started. */
TEST_F(JournalPid, IsThatOfEachOfManyShortTasks)
{
        for (int i = 0; i < 20; i++) {
                const std::string id = "short-" + std::to_string(i);

                start(id, script("echo $$"));
                EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));
                EXPECT_EQ(pids(id), journal({ "NOMAD_TASK_ID=" + id })) << id;
        }
}

TEST_F(JournalPid, IsThatOfTheNextTaskOfTheSameId)
{
        const std::vector<std::string> matches = { "NOMAD_TASK_ID=again" };

        for (size_t n = 1; n <= 2; n++) {
                start("again", script("echo $$"));
                wait("again");
                release("again");
                EXPECT_EQ(journal(matches).size(), n);
                EXPECT_EQ(pids("again"), journal(matches));
        }
}

TEST_F(JournalPid, IsKnownToALogmonThatWasRestarted)
{
        const std::vector<std::string> matches = { "NOMAD_TASK_ID=restarted" };
        const std::string go = "/tmp/journal-pid-go";

        for (int turn = 0; turn < 2; turn++) {
                ASSERT_EQ(run({ "rm", "-f", go }).status, 0);
                start("restarted",
                                script("echo $$; while [ ! -e " + go + " ]; do sleep 0.02; done; echo $$")
                                                .set("LogTargets", std::vector<std::string>{ "journal" }));
                if (turn == 0)
                        kill_service(LOGMON_UNIT);
                else
                        ASSERT_EQ(run({ "systemctl", "restart", LOGMON_UNIT }).status, 0);
                ASSERT_EQ(run({ "touch", go }).status, 0);
                EXPECT_EQ(wait("restarted"), (Exit{ "success", 0, 0, false }));
                release("restarted");

                const auto lines = journal(matches);

                EXPECT_GE(lines.size(), 2U * static_cast<size_t>(turn + 1)) << "some may be there twice";
                EXPECT_EQ(pids("restarted"), lines);
        }
}

class JournalPidOfContainer : public Isolation
{
};

INSTANTIATE_TEST_SUITE_P(Runtimes, JournalPidOfContainer, testing::Values("/usr/bin/crun", "/usr/sbin/runc"),
                runtime_name);

TEST_P(JournalPidOfContainer, IsTheHosts)
{
        start(id, task("echo line; exec sleep infinity"));
        const std::string pid = client.property(path, "MainPID");

        ASSERT_TRUE(eventually([&] { return journal({ "NOMAD_TASK_ID=" + id }).size() == 1; }));
        EXPECT_EQ(pids(id), std::vector<std::string>{ pid });
}

/* Its line may come before the runtime has told the pid, and waits for that. */
TEST_P(JournalPidOfContainer, IsThereForShortOnesToo)
{
        for (size_t n = 1; n <= 10; n++) {
                std::vector<std::string> targets = { "journal" };

                if (n % 2 == 0)
                        targets.push_back("files");
                start(id, task("echo line").set("LogTargets", targets));
                EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));
                release(id);
                EXPECT_EQ(journal({ "NOMAD_TASK_ID=" + id }).size(), n);
                EXPECT_EQ(pids(id).size(), n);
        }
}
