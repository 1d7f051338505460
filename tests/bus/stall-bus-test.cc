/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include "stall-fixture.h"

namespace
{

class StallBus : public StallFixture
{
      protected:
        bool log_exists(const std::string &id) const
        {
                return access((log_directory + "/" + id + ".stdout.0").c_str(), F_OK) == 0;
        }

        bool logmon_has(const std::string &id)
        {
                const std::string interface = "org.nomad.Logmon.Log";

                return client->call("org.nomad.Logmon", "/org/nomad/Logmon/log/" + id,
                                             "org.freedesktop.DBus.Properties", "GetAll",
                                             [&](sd_bus_message *m) {
                                                     EXPECT_GE(sd_bus_message_append(
                                                                               m, "s", interface.c_str()),
                                                                     0);
                                             })
                                .ok();
        }

        /* A task whose start is to fail, and whose log is there before. */
        std::shared_ptr<Pending> start_bad_later()
        {
                ScopeBehaviour silent;

                silent.no_reply = true;
                systemd->set_behaviour(silent);
                auto start = client->start_task_later("bad", logged_shell("exit 0"));
                EXPECT_TRUE(eventually([this] { return logmon_has("bad"); }));
                return start;
        }

        void fail_start(const std::shared_ptr<Pending> &start)
        {
                ScopeBehaviour failing;

                failing.job_result = "failed";
                systemd->set_behaviour(failing);
                systemd->answer_calls();
                ASSERT_TRUE(client->await(start));
                EXPECT_EQ(start->reply().error, ERROR("ScopeFailed")) << start->reply();
                systemd->set_behaviour({});
        }
};

TEST_F(StallBus, LogmonStoppedAtTheEndOfATask)
{
        Reply reply = client->start_task("logged", logged_shell("echo said; exec sleep 1000"));
        ASSERT_TRUE(reply.ok()) << reply;
        const std::string path = reply.path();
        EXPECT_EQ(client->property(path, "LogComplete"), "false") << "more may come";
        ASSERT_TRUE(eventually([&] { return read_file(log_directory + "/logged.stdout.0") == "said\n"; }));
        client->record_signals();

        stop_process(logmon->pid());
        ASSERT_TRUE(client->stop_task(path, "KILL", 0).ok());
        auto wait = client->wait_later(path);
        expect_undisturbed();
        EXPECT_FALSE(wait->done()) << "the log is waited for";
        ASSERT_TRUE(client->await(wait)) << "but not for ever";
        EXPECT_EQ(client->read_exit(wait->reply()), (Exit{ "signal", 137, 9, false }));
        EXPECT_EQ(client->property(path, "LogComplete"), "false");
        EXPECT_EQ(client->property(path, "State"), "exited");
        EXPECT_EQ(count_messages("The log of task 'logged' may be incomplete"), 1U);

        ASSERT_EQ(kill(logmon->pid(), SIGCONT), 0);
        EXPECT_TRUE(client->await([&] { return client->changes(path, "LogComplete").size() == 2; }));
        EXPECT_EQ(client->changes(path, "LogComplete"), (std::vector<std::string>{ "false", "true" }));
        EXPECT_EQ(client->property(path, "LogComplete"), "true");
        EXPECT_EQ(count_messages("The log of task 'logged' may be incomplete"), 1U);
        EXPECT_TRUE(client->release(path).ok());
        expect_nothing_left();
}

TEST_F(StallBus, LogThatIsNotCompleteIsSoForTheNextServiceToo)
{
        ASSERT_TRUE(client->start_task("logged", logged_shell("exec sleep 1000")).ok());
        ASSERT_TRUE(client->start_task("complete", logged_shell("exit 0")).ok());
        (void) client->wait_task(TASK_PATH("complete"));
        stop_process(logmon->pid());
        ASSERT_TRUE(client->stop_task(TASK_PATH("logged"), "KILL", 0).ok());
        EXPECT_EQ(client->wait_task(TASK_PATH("logged")), (Exit{ "signal", 137, 9, false }));

        ASSERT_TRUE(executor->restart_hard());
        EXPECT_EQ(client->property(TASK_PATH("logged"), "LogComplete"), "false");
        EXPECT_EQ(client->property(TASK_PATH("complete"), "LogComplete"), "true");
        ASSERT_EQ(kill(logmon->pid(), SIGCONT), 0);
        EXPECT_TRUE(client->release(TASK_PATH("logged")).ok());
        EXPECT_TRUE(client->release(TASK_PATH("complete")).ok());
        expect_nothing_left();
}

/* More calls than may wait for nomad-logmon at a time. */
TEST_F(StallBus, LogmonStoppedUnderManyCalls)
{
        std::vector<std::shared_ptr<Pending>> calls;

        Reply reply = client->start_task("logged", logged_shell("exec sleep 1000"));
        ASSERT_TRUE(reply.ok()) << reply;
        const std::string path = reply.path();
        stop_process(logmon->pid());
        for (int i = 0; i < 80; i++)
                calls.push_back(client->call_later(
                                EXECUTOR_NAME, path, TASK_INTERFACE, "OpenLog", [](sd_bus_message *m) {
                                        EXPECT_GE(sd_bus_message_append(m, "sa{sv}", "stdout", 0), 0);
                                }));
        EXPECT_EQ(client->property(path, "State"), "running") << "all of them have come before this";
        expect_undisturbed();
        EXPECT_FALSE(calls[0]->done());

        ASSERT_EQ(kill(logmon->pid(), SIGCONT), 0);
        for (const auto &call : calls) {
                ASSERT_TRUE(client->await(call));
                EXPECT_TRUE(call->reply().ok()) << call->reply();
        }
        ASSERT_TRUE(client->stop_task(path, "KILL", 0).ok());
        EXPECT_EQ(client->wait_task(path), (Exit{ "signal", 137, 9, false }));
        EXPECT_TRUE(client->release(path).ok());
        expect_nothing_left();
}

/* The id is not free before nomad-logmon has discarded the log: who wants it waits, and nobody else. */
TEST_F(StallBus, LogmonStoppedWhenAStartFails)
{
        std::vector<std::shared_ptr<Pending>> again;

        auto start = start_bad_later();
        stop_process(logmon->pid());
        fail_start(start);
        EXPECT_EQ(client->get_task("bad").error, ERROR("NoSuchTask"));
        EXPECT_TRUE(client->list_tasks().empty());

        for (int i = 0; i < 16; i++)
                again.push_back(client->start_task_later("bad", logged_shell("exit 7")));
        EXPECT_EQ(client->start_task("bad", logged_shell("exit 7")).error, ERROR("LimitExceeded"));
        expect_undisturbed();
        EXPECT_FALSE(again[0]->done());

        ASSERT_EQ(kill(logmon->pid(), SIGCONT), 0);
        for (const auto &one : again)
                ASSERT_TRUE(client->await(one));
        EXPECT_TRUE(again[0]->reply().ok()) << again[0]->reply();
        EXPECT_EQ(again[1]->reply().error, ERROR("TaskExists")) << again[1]->reply();
        EXPECT_EQ(client->wait_task(TASK_PATH("bad")), (Exit{ "exit-code", 7, 0, false }));
        EXPECT_EQ(client->property(TASK_PATH("bad"), "LogComplete"), "true");
        EXPECT_TRUE(client->release(TASK_PATH("bad")).ok());
        expect_nothing_left();
}

TEST_F(StallBus, LogOfAFailedStartIsDiscardedByTheNextService)
{
        auto start = start_bad_later();

        stop_process(logmon->pid());
        fail_start(start);
        executor->kill_hard();
        logmon->kill_hard();
        EXPECT_TRUE(log_exists("bad")) << "it was not discarded up to now";
        EXPECT_FALSE(state_directories().empty());

        ASSERT_TRUE(logmon->start());
        ASSERT_TRUE(executor->start());
        EXPECT_TRUE(eventually([this] { return !log_exists("bad"); }));
        expect_nothing_left();
}

TEST_F(StallBus, SpawnerStopped)
{
        pid_t spawner = 0;

        start_other("prepared");
        ASSERT_TRUE(eventually([&] { return (spawner = executor->child("nomad-spawner")) > 0; }));
        stop_process(spawner);
        auto start = client->start_task_later("late", shell("exit 3"));
        ASSERT_TRUE(eventually([&] { return client->get_task("late").ok(); }));
        expect_undisturbed("prepared");
        EXPECT_FALSE(start->done());

        ASSERT_EQ(kill(spawner, SIGCONT), 0);
        ASSERT_TRUE(client->await(start));
        ASSERT_TRUE(start->reply().ok()) << start->reply();
        (void) client->wait_task(TASK_PATH("late"));
        EXPECT_TRUE(client->release(TASK_PATH("late")).ok());
        expect_nothing_left();
}

TEST_F(StallBus, SystemdBusy)
{
        ScopeBehaviour silent;

        start_other("prepared");
        silent.no_reply = true;
        systemd->set_behaviour(silent);
        auto start = client->start_task_later("late", shell("exit 3"));
        ASSERT_TRUE(eventually([&] { return systemd->n_swallowed() == 1; }));
        expect_undisturbed("prepared");
        EXPECT_FALSE(start->done());

        systemd->set_behaviour({});
        systemd->answer_calls();
        ASSERT_TRUE(client->await(start));
        ASSERT_TRUE(start->reply().ok()) << start->reply();
        (void) client->wait_task(TASK_PATH("late"));
        EXPECT_TRUE(client->release(TASK_PATH("late")).ok());
        expect_nothing_left();
}

class StallSessionBus : public StallBus
{
      protected:
        void SetUp() override
        {
                StallBus::SetUp();
                if (IsSkipped() || HasFatalFailure())
                        return;
                ASSERT_TRUE(client->start_task("web", shell("exec sleep 1000")).ok());
        }

        static std::shared_ptr<Pending> exec_later(Client &caller)
        {
                return caller.call_later(EXECUTOR_NAME, TASK_PATH("web"), TASK_INTERFACE, "Exec",
                                [](sd_bus_message *m) {
                                        EXPECT_GE(sd_bus_message_append(
                                                                  m, "asa{sv}", 2, "/bin/sleep", "1000", 0),
                                                        0);
                                });
        }

        static size_t n_processes()
        {
                return cgroup_processes("/nomad.slice/nomad-task-web.scope/task").size();
        }

        void end_web()
        {
                EXPECT_TRUE(client->stop_task(TASK_PATH("web"), "KILL", 0).ok());
                (void) client->wait_task(TASK_PATH("web"));
                EXPECT_TRUE(client->release(TASK_PATH("web")).ok());
                expect_nothing_left();
        }
};

/* The task's sessions have a limit, which callers that left must not use up. */
TEST_F(StallSessionBus, CallersThatLeaveAFrozenTask)
{
        ASSERT_TRUE(client->task(TASK_PATH("web"), "Freeze").ok());
        {
                Client leaving(bus_address);

                connect(leaving);
                for (int i = 0; i < 64; i++)
                        (void) exec_later(leaving);
                ASSERT_TRUE(eventually([] { return n_processes() == 65; }));
                EXPECT_EQ(client->task(TASK_PATH("web"), "Run",
                                                [](sd_bus_message *m) {
                                                        EXPECT_GE(sd_bus_message_append(m, "ast", 1,
                                                                                  "/bin/true", UINT64_C(0)),
                                                                        0);
                                                })
                                                .error,
                                ERROR("LimitExceeded"));
        }
        EXPECT_TRUE(eventually([] { return n_processes() == 1; })) << "still frozen";

        auto session = exec_later(*client);
        ASSERT_TRUE(client->task(TASK_PATH("web"), "Thaw").ok());
        ASSERT_TRUE(client->await(session));
        EXPECT_TRUE(session->reply().ok()) << session->reply();
        EXPECT_EQ(n_processes(), 2U);
        end_web();
}

TEST_F(StallSessionBus, CallerThatLeavesBeforeTheSpawnerAnswers)
{
        pid_t spawner = 0;

        ASSERT_TRUE(eventually([&] { return (spawner = executor->child("nomad-spawner")) > 0; }));
        stop_process(spawner);
        {
                Client leaving(bus_address);
                connect(leaving);
                auto session = exec_later(leaving);

                ASSERT_TRUE(leaving.call(EXECUTOR_NAME, MANAGER_PATH, "org.freedesktop.DBus.Peer", "Ping")
                                                .ok())
                                << "Exec has come before this";
                EXPECT_FALSE(session->done());
        }
        EXPECT_EQ(client->list_tasks()["web"].first, "running");
        ASSERT_EQ(kill(spawner, SIGCONT), 0);
        expect_undisturbed();
        EXPECT_TRUE(eventually([] { return n_processes() == 1; }));
        end_web();
}

/* A container's own users and groups, which the task may put anything in place of. */
class StallContainerBus : public StallBus
{
      protected:
        void start_services() override
        {
                ASSERT_TRUE(logmon->start());
                /* which is not come to */
                ASSERT_TRUE(executor->start({ "--runtime=/bin/true" }));
        }

        void SetUp() override
        {
                StallBus::SetUp();
                if (IsSkipped() || HasFatalFailure())
                        return;
                root = directory + "/root";
                passwd = root + "/etc/passwd";
                ASSERT_EQ(mkdir(root.c_str(), 0755), 0);
                ASSERT_EQ(mkdir((root + "/etc").c_str(), 0755), 0);
        }

        void expect_refusal(const std::string &text)
        {
                Reply reply = client->start_task("contained",
                                Spec().set("Command", "/bin/true")
                                                .set("Isolation", "container")
                                                .set("RootDirectory", root)
                                                .set("User", "somebody")
                                                .set("LogTargets", std::vector<std::string>{}));

                EXPECT_EQ(reply.error, ERROR("InvalidSpec"));
                EXPECT_NE(reply.text.find(text), std::string::npos) << reply.text;
                expect_undisturbed();
        }

        std::string root, passwd;
};

TEST_F(StallContainerBus, FifoInPlaceOfAFile)
{
        ASSERT_EQ(mkfifo(passwd.c_str(), 0644), 0);
        expect_refusal("'somebody' is unknown");
        expect_nothing_left();
}

TEST_F(StallContainerBus, SparseFile)
{
        std::ofstream(passwd).close();
        ASSERT_EQ(truncate(passwd.c_str(), INT64_C(1) << 40), 0);
        expect_refusal("File too large");
        expect_nothing_left();
}

TEST_F(StallContainerBus, FileUnderALease)
{
        std::ofstream(passwd) << "somebody:x:1000:1000::/:/bin/sh\n";
        int fd = open(passwd.c_str(), O_RDWR | O_CLOEXEC);
        struct sigaction ignore = {}, before;

        ASSERT_GE(fd, 0);
        /* the kernel asks for it back */
        ignore.sa_handler = SIG_IGN;
        ASSERT_EQ(sigaction(SIGIO, &ignore, &before), 0);
        ASSERT_EQ(fcntl(fd, F_SETLEASE, F_WRLCK), 0);
        expect_refusal("busy");
        (void) close(fd);
        (void) sigaction(SIGIO, &before, nullptr);
        expect_nothing_left();
}

} // namespace
