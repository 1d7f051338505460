/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <fstream>

#include "harness.h"

/* The process that forks for nomad-executord: what happens to tasks when something happens to it. */

namespace
{

class SpawnerBus : public BusTest
{
      protected:
        void SetUp() override
        {
                BusTest::SetUp();
                ASSERT_GT(spawner(), 0);
        }

        pid_t spawner() const
        {
                return executor->child("nomad-spawner");
        }

        std::string state_of(pid_t pid) const
        {
                std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
                size_t name_end = stat.rfind(')');

                return name_end == std::string::npos ? "gone" : stat.substr(name_end + 2, 1);
        }

        void expect_start(const std::string &id, int status)
        {
                Reply reply = client->start_task(id, shell("exit " + std::to_string(status)));
                ASSERT_TRUE(reply.ok()) << reply;
                std::string path = reply.path();

                EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", status, 0, false }));
                EXPECT_TRUE(client->release(path).ok());
        }

        /* The exit code of a check in the task. */
        int run(const std::string &path, const std::string &script)
        {
                Reply reply = client->task(path, "Run", [&](sd_bus_message *m) {
                        ASSERT_GE(sd_bus_message_append(m, "ast", 3, "/bin/sh", "-c", script.c_str(),
                                                  UINT64_C(10000000)),
                                        0);
                });
                int code = -1;

                EXPECT_TRUE(reply.ok()) << reply;
                return reply.ok() && sd_bus_message_read(reply.message.get(), "i", &code) > 0 ? code : -1;
        }
};

TEST_F(SpawnerBus, OneThatDiedIsReplaced)
{
        Reply reply = client->start_task("web", shell("exec sleep 1000"));
        ASSERT_TRUE(reply.ok()) << reply;
        pid_t first = spawner();

        ASSERT_EQ(kill(first, SIGKILL), 0);
        ASSERT_TRUE(eventually([&] { return state_of(first) == "Z"; }));
        EXPECT_EQ(run(TASK_PATH("web"), "exit 5"), 5);
        EXPECT_EQ(state_of(first), "gone") << "it has been waited for";
        EXPECT_NE(executor->messages().find("nomad-spawner has died"), std::string::npos);
        EXPECT_GT(spawner(), 0);
        EXPECT_NE(spawner(), first);
        expect_start("other", 3);
        EXPECT_TRUE(client->stop_task(TASK_PATH("web"), "KILL", 0).ok());
        EXPECT_EQ(client->wait_task(TASK_PATH("web")), (Exit{ "signal", 137, 9, false }));
        EXPECT_TRUE(client->release(TASK_PATH("web")).ok());
        expect_nothing_left();
}

/* Nothing is started twice: what was asked of one that does not answer goes with it. */
TEST_F(SpawnerBus, OneThatHangsIsKilled)
{
        pid_t first = spawner();

        ASSERT_EQ(kill(first, SIGSTOP), 0);
        ASSERT_TRUE(eventually([&] { return state_of(first) == "T"; }));
        Reply reply = client->start_task("web", shell("touch " + directory + "/was-here"));
        EXPECT_FALSE(reply.ok());
        EXPECT_NE(reply.text.find("Cannot start the supervisor: Connection timed out"), std::string::npos)
                        << reply;
        EXPECT_EQ(state_of(first), "gone");
        expect_nothing_left();
        expect_start("web", 3);
        EXPECT_NE(access((directory + "/was-here").c_str(), F_OK), 0);
}

TEST_F(SpawnerBus, EndsWithTheService)
{
        pid_t killed = spawner();

        executor->kill_hard();
        EXPECT_TRUE(eventually([&] { return state_of(killed) == "gone"; }));

        ASSERT_TRUE(executor->start());
        pid_t stopped = spawner();
        ASSERT_GT(stopped, 0);
        EXPECT_EQ(executor->stop(), 0);
        EXPECT_EQ(state_of(stopped), "gone");
}

/* By which "ps" tells one supervisor from another. */
TEST_F(SpawnerBus, ListOfProcesses)
{
        std::string id(200, 'x');
        Reply reply = client->start_task(id, shell("exec sleep 1000"));
        ASSERT_TRUE(reply.ok()) << reply;
        std::string path = reply.path();
        auto supervisor = cgroup_processes("/nomad.slice/nomad-task-" + id + ".scope/supervisor");
        ASSERT_EQ(supervisor.size(), 1U);

        std::string command = read_file("/proc/" + std::to_string(supervisor[0]) + "/cmdline");
        std::string expected = std::string("nomad-supervisor") + '\0' + id;
        EXPECT_EQ(command.substr(0, expected.size()), expected);
        EXPECT_EQ(command.find_last_not_of('\0'), expected.size() - 1);
        command = read_file("/proc/" + std::to_string(spawner()) + "/cmdline");
        EXPECT_EQ(command.substr(0, command.find('\0')), "nomad-spawner");

        EXPECT_TRUE(client->stop_task(path, "KILL", 0).ok());
        EXPECT_EQ(client->wait_task(path), (Exit{ "signal", 137, 9, false }));
        EXPECT_TRUE(client->release(path).ok());
}

} // namespace
