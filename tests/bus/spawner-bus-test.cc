/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>

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
                if (IsSkipped() || HasFatalFailure())
                        return;
                ASSERT_GT(spawner(), 0);
        }

        /* Once it has given itself its name. */
        pid_t spawner() const
        {
                pid_t pid = 0;

                EXPECT_TRUE(eventually([&] { return (pid = executor->child("nomad-spawner")) > 0; }));
                return pid;
        }

        void expect_start(const std::string &id, int status)
        {
                Reply reply = client->start_task(id, shell("exit " + std::to_string(status)));
                ASSERT_TRUE(reply.ok()) << reply;
                std::string path = reply.path();

                EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", status, 0, false }));
                EXPECT_TRUE(client->release(path).ok());
        }

        void end(const std::string &id)
        {
                const std::string path = "/org/nomad/Executor/task/" + id;

                EXPECT_TRUE(client->stop_task(path, "KILL", 0).ok());
                EXPECT_EQ(client->wait_task(path), (Exit{ "signal", 137, 9, false }));
                EXPECT_TRUE(client->release(path).ok());
        }

        std::shared_ptr<Pending> run_later(const std::string &path, const std::string &script)
        {
                return client->call_later(
                                EXECUTOR_NAME, path, TASK_INTERFACE, "Run", [&](sd_bus_message *m) {
                                        EXPECT_GE(sd_bus_message_append(m, "ast", 3, "/bin/sh", "-c",
                                                                  script.c_str(), UINT64_C(60000000)),
                                                        0);
                                });
        }

        static int exit_code(const Reply &reply)
        {
                int code = -1;

                EXPECT_TRUE(reply.ok()) << reply;
                return reply.ok() && sd_bus_message_read(reply.message.get(), "i", &code) > 0 ? code : -1;
        }

        int run(const std::string &path, const std::string &script)
        {
                auto pending = run_later(path, script);

                EXPECT_TRUE(client->await(pending));
                return exit_code(pending->reply());
        }
};

TEST_F(SpawnerBus, OneThatDiedIsReplaced)
{
        Reply reply = client->start_task("web", shell("exec sleep 1000"));
        ASSERT_TRUE(reply.ok()) << reply;
        pid_t first = spawner();

        ASSERT_EQ(kill(first, SIGKILL), 0);
        EXPECT_TRUE(eventually([&] { return state_of(first) == "gone"; })) << "it is waited for at once";
        EXPECT_NE(executor->messages().find("nomad-spawner has died (signal 9)"), std::string::npos);
        EXPECT_EQ(run(TASK_PATH("web"), "exit 5"), 5);
        EXPECT_NE(spawner(), first);
        expect_start("other", 3);
        end("web");
        expect_nothing_left();
}

/* A task's processes hold nothing of the spawner's, even one that was frozen before its first step. */
TEST_F(SpawnerBus, OneThatDiedIsReplacedWhileASessionIsFrozen)
{
        Reply reply = client->start_task("web", shell("exec sleep 1000"));
        ASSERT_TRUE(reply.ok()) << reply;
        pid_t first = spawner();

        ASSERT_TRUE(client->task(TASK_PATH("web"), "Freeze").ok());
        auto frozen = run_later(TASK_PATH("web"), "exit 5");
        ASSERT_TRUE(eventually([&] {
                return cgroup_processes("/nomad.slice/nomad-task-web.scope/task").size() == 2 &&
                                state_of(first) == "S";
        })) << "the spawner has forked and waits for more";
        ASSERT_EQ(kill(first, SIGKILL), 0);
        EXPECT_TRUE(eventually([&] { return state_of(first) == "gone"; }));
        expect_start("other", 3);
        EXPECT_FALSE(frozen->done());
        ASSERT_TRUE(client->task(TASK_PATH("web"), "Thaw").ok());
        ASSERT_TRUE(client->await(frozen));
        EXPECT_EQ(exit_code(frozen->reply()), 5);
        end("web");
        expect_nothing_left();
}

/* The oldest request may have led to a child, and is not repeated. The others are the next spawner's. */
TEST_F(SpawnerBus, OneThatHangsIsReplacedAndNobodyElseWaits)
{
        Reply reply = client->start_task("running", shell("exec sleep 1000"));
        ASSERT_TRUE(reply.ok()) << reply;
        pid_t first = spawner();

        ASSERT_EQ(kill(first, SIGSTOP), 0);
        ASSERT_TRUE(eventually([&] { return state_of(first) == "T"; }));
        auto oldest = client->start_task_later("oldest", shell("exit 0"));
        auto stopped = client->start_task_later("stopped", shell("exit 0"));
        auto check = run_later(TASK_PATH("running"), "exit 5");
        auto last = client->start_task_later("last", shell("exit 3"));
        ASSERT_TRUE(eventually([&] { return client->get_task("last").ok(); }));

        EXPECT_EQ(client->list_tasks().size(), 4U);
        EXPECT_TRUE(client->stop_task(TASK_PATH("stopped"), "KILL", 0).ok());
        ASSERT_TRUE(client->await(stopped));
        EXPECT_EQ(stopped->reply().error, "org.nomad.Executor.Error.NotRunning") << stopped->reply();
        EXPECT_FALSE(oldest->done());

        ASSERT_TRUE(client->await(oldest));
        EXPECT_NE(oldest->reply().text.find("nomad-spawner did not answer"), std::string::npos)
                        << oldest->reply();
        ASSERT_TRUE(client->await(check));
        EXPECT_EQ(exit_code(check->reply()), 5);
        ASSERT_TRUE(client->await(last));
        ASSERT_TRUE(last->reply().ok()) << last->reply();
        EXPECT_EQ(client->wait_task(TASK_PATH("last")), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_TRUE(client->release(TASK_PATH("last")).ok());
        EXPECT_TRUE(eventually([&] { return state_of(first) == "gone"; }));
        end("running");
        expect_nothing_left();
}

TEST_F(SpawnerBus, OneThatDiesFailsTheOldestRequestOnly)
{
        pid_t first = spawner();

        ASSERT_EQ(kill(first, SIGSTOP), 0);
        ASSERT_TRUE(eventually([&] { return state_of(first) == "T"; }));
        auto oldest = client->start_task_later("oldest", shell("exit 0"));
        std::vector<std::shared_ptr<Pending>> others;
        for (int i = 0; i < 40; i++)
                others.push_back(client->start_task_later("other" + std::to_string(i), shell("exit 3")));
        ASSERT_TRUE(eventually([&] { return client->get_task("other39").ok(); }));
        ASSERT_EQ(kill(first, SIGKILL), 0);

        ASSERT_TRUE(client->await(oldest));
        EXPECT_NE(oldest->reply().text.find("nomad-spawner died"), std::string::npos) << oldest->reply();
        for (const auto &other : others) {
                ASSERT_TRUE(client->await(other));
                ASSERT_TRUE(other->reply().ok()) << other->reply();
                std::string path = other->reply().path();
                EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 3, 0, false }));
                EXPECT_TRUE(client->release(path).ok());
        }
        expect_nothing_left();
}

/* A session whose task is gone by the time of its turn. */
TEST_F(SpawnerBus, ChildOfARequestThatWasTakenBackIsKilled)
{
        Reply reply = client->start_task("running", shell("exec sleep 1000"));
        ASSERT_TRUE(reply.ok()) << reply;
        pid_t first = spawner();

        ASSERT_EQ(kill(first, SIGSTOP), 0);
        ASSERT_TRUE(eventually([&] { return state_of(first) == "T"; }));
        auto check = run_later(TASK_PATH("running"), "exec sleep 1000");
        auto stopped = client->start_task_later("stopped", shell("exec sleep 1000"));
        ASSERT_TRUE(eventually([&] { return client->get_task("stopped").ok(); }));
        EXPECT_TRUE(client->stop_task(TASK_PATH("stopped"), "KILL", 0).ok());
        ASSERT_TRUE(client->await(stopped));
        end("running");
        ASSERT_EQ(kill(first, SIGCONT), 0);

        ASSERT_TRUE(client->await(check));
        EXPECT_FALSE(check->reply().ok());
        expect_start("other", 3);
        EXPECT_EQ(spawner(), first);
        EXPECT_TRUE(eventually([&] { return executor->child("nomad-supervisor") <= 0; }));
        EXPECT_TRUE(eventually([&] { return executor->child("nomad-session") <= 0; }));
        expect_nothing_left();
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
        auto supervisor = cgroup_processes("/nomad.slice/nomad-task-" + id + ".scope/supervisor");
        ASSERT_EQ(supervisor.size(), 1U);

        std::string command = read_file("/proc/" + std::to_string(supervisor[0]) + "/cmdline");
        std::string expected = std::string("nomad-supervisor") + '\0' + id;
        EXPECT_EQ(command.substr(0, expected.size()), expected);
        EXPECT_EQ(command.find_last_not_of('\0'), expected.size() - 1);
        command = read_file("/proc/" + std::to_string(spawner()) + "/cmdline");
        EXPECT_EQ(command.substr(0, command.find('\0')), "nomad-spawner");

        end(id);
}

} // namespace
