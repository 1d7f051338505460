/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "stop-fixture.h"

/* Stop, Kill and RuntimeMaxUSec, and that nothing survives a task. */

namespace
{

TEST_F(StopBus, DefaultSignalEndsIt)
{
        start("trap 'exit 5' INT; echo ready; while :; do sleep 0.01; done");
        ASSERT_TRUE(client->stop_task(path, "", DEFAULT).ok());
        expect_end({ "exit-code", 5, 0, false });
}

TEST_F(StopBus, StopSignalOfTheSpec)
{
        start("trap 'exit 6' USR1; echo ready; while :; do sleep 0.01; done", { { "StopSignal", "USR1" } });
        ASSERT_TRUE(client->stop_task(path, "", DEFAULT).ok());
        expect_end({ "exit-code", 6, 0, false });
}

TEST_F(StopBus, SignalOfTheCall)
{
        start(PLAIN);
        ASSERT_TRUE(client->stop_task(path, "SIGTERM", DEFAULT).ok());
        expect_end({ "signal", 143, 15, false });
}

TEST_F(StopBus, GraceZeroKillsAtOnce)
{
        client->record_signals();
        start("trap 'exit 5' INT; echo ready; while :; do sleep 0.01; done");
        ASSERT_TRUE(client->stop_task(path, "", 0).ok());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopBus, IgnoringTheSignalHelpsForTheGraceOnly)
{
        auto begin = std::chrono::steady_clock::now();

        client->record_signals();
        start(IGNORES_INT);
        ASSERT_TRUE(client->stop_task(path, "", 300000).ok());
        EXPECT_EQ(client->property(path, "State"), "stopping");
        EXPECT_EQ(client->wait_task(path), (Exit{ "signal", 137, 9, false }));
        auto took = std::chrono::steady_clock::now() - begin;
        EXPECT_GE(took, std::chrono::milliseconds(300));
        EXPECT_LT(took, std::chrono::seconds(10));
        EXPECT_TRUE(client->await([&] { return client->changes(path, "State").size() == 2; }));
        EXPECT_EQ(client->changes(path, "State"), (std::vector<std::string>{ "stopping", "exited" }));
}

TEST_F(StopBus, StopTimeoutOfTheSpec)
{
        start(IGNORES_INT, {}, 200000);
        ASSERT_TRUE(client->stop_task(path, "", DEFAULT).ok());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopBus, ASecondStopShortensTheGrace)
{
        auto begin = std::chrono::steady_clock::now();

        start(IGNORES_INT, {}, UINT64_MAX);
        ASSERT_TRUE(client->stop_task(path, "", DEFAULT).ok());
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(60000000)).ok());
        ASSERT_TRUE(client->stop_task(path, "", 100000).ok());
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(60000000)).ok());
        expect_end({ "signal", 137, 9, false });
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST_F(StopBus, DescendantsGoToo)
{
        start("setsid sh -c 'trap \"\" INT TERM HUP; echo ready; while :; do sleep 1000; done' & wait");
        ASSERT_GE(task_processes().size(), 3U);
        ASSERT_TRUE(client->stop_task(path, "SIGTERM", DEFAULT).ok());
        expect_end({ "signal", 143, 15, false });
}

/* Also when the main process ends by itself and nobody stops anything. */
TEST_F(StopBus, OrphansGoWithTheMainProcess)
{
        start("setsid sh -c 'trap \"\" INT TERM HUP; echo ready; while :; do sleep 1000; done' & "
              "setsid setsid sleep 1000 & sleep 0.05; exit 3");
        expect_end({ "exit-code", 3, 0, false });
}

TEST_F(StopBus, StopOfATaskThatHasEnded)
{
        start("echo ready; exit 3");
        EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_TRUE(client->stop_task(path, "", DEFAULT).ok()) << "it is as stopped as it can be";
        EXPECT_EQ(client->kill_task(path, "main", "TERM").error, ERROR("NotRunning"));
        EXPECT_EQ(client->kill_task(path, "all", "TERM").error, ERROR("NotRunning"));
        EXPECT_EQ(client->kill_task(path, "all", "KILL").error, ERROR("NotRunning"));
        EXPECT_EQ(client->property(path, "State"), "exited");
        expect_end({ "exit-code", 3, 0, false });
}

TEST_F(StopBus, BadArguments)
{
        start(PLAIN);
        EXPECT_EQ(client->stop_task(path, "SIGNOPE", DEFAULT).error, ERROR("InvalidSpec"));
        EXPECT_EQ(client->stop_task(path, "0", DEFAULT).error, ERROR("InvalidSpec"));
        EXPECT_EQ(client->kill_task(path, "main", "").error, ERROR("InvalidSpec"));
        EXPECT_EQ(client->kill_task(path, "everybody", "TERM").error, ERROR("InvalidSpec"));
        EXPECT_EQ(client->kill_task(path, "", "TERM").error, ERROR("InvalidSpec"));
        EXPECT_EQ(client->release(path).error, ERROR("TaskRunning"));
        EXPECT_EQ(client->property(path, "State"), "running") << "a refused call has no effect";
        ASSERT_TRUE(client->stop_task(path, "9", DEFAULT).ok());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopBus, KillMain)
{
        start("trap 'echo usr1' USR1; echo ready; while :; do sleep 0.01; done");
        ASSERT_TRUE(client->kill_task(path, "main", "USR1").ok());
        char text[6] = {};
        ASSERT_EQ(read(ready[0], text, 5), 5);
        EXPECT_STREQ(text, "usr1\n");
        EXPECT_EQ(client->property(path, "State"), "running");
        ASSERT_TRUE(client->kill_task(path, "main", "15").ok());
        expect_end({ "signal", 143, 15, false });
}

TEST_F(StopBus, KillAll)
{
        /* a trap of each prints one byte; "all" reaches the process in another session as well */
        start("trap 'printf m' USR1; setsid sh -c 'trap \"printf c\" USR1; echo ready; while :; do sleep 0.01; done' & "
              "while :; do sleep 0.01; done");
        std::string got;
        /* sleep(1) has no trap and dies of it, which the loops survive */
        ASSERT_TRUE(client->kill_task(path, "all", "USR1").ok());
        while (got.size() < 2) {
                char c;

                ASSERT_EQ(read(ready[0], &c, 1), 1);
                got += c;
        }
        EXPECT_TRUE(got == "mc" || got == "cm") << got;
        ASSERT_TRUE(client->kill_task(path, "all", "KILL").ok());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopBus, RuntimeMax)
{
        Reply reply = client->start_task(
                        "web", shell("exec sleep 1000").set("RuntimeMaxUSec", UINT64_C(200000)));

        ASSERT_TRUE(reply.ok()) << reply;
        expect_end({ "timeout", 130, 2, false });
}

TEST_F(StopBus, RuntimeMaxOfATaskThatIgnoresIt)
{
        Reply reply = client->start_task("web",
                        shell("trap '' INT; while :; do sleep 0.01; done")
                                        .set("RuntimeMaxUSec", UINT64_C(100000))
                                        .set("StopTimeoutUSec", UINT64_C(200000)));

        ASSERT_TRUE(reply.ok()) << reply;
        expect_end({ "timeout", 137, 9, false });
}

TEST_F(StopBus, RuntimeMaxThatIsNotReached)
{
        Reply reply = client->start_task("web", shell("exit 0").set("RuntimeMaxUSec", UINT64_C(60000000)));

        ASSERT_TRUE(reply.ok()) << reply;
        expect_end({ "success", 0, 0, false });
}

/* "systemctl stop" becomes a graceful stop, by RequestStop to us. */
TEST_F(StopBus, SystemdStopsTheScope)
{
        start("trap 'sleep 0.1; exit 5' INT; echo ready; while :; do sleep 0.01; done");
        systemd->stop_unit("nomad-task-web.scope");
        expect_end({ "exit-code", 5, 0, false });
}

TEST_F(StopBus, SystemdStopsAScopeThatIgnoresIt)
{
        start(IGNORES_INT, {}, 200000);
        systemd->stop_unit("nomad-task-web.scope");
        expect_end({ "signal", 137, 9, false });
}

/* While the service is away systemd signals the scope itself, and the supervisor does what the service
 * would. */
TEST_F(StopBus, SystemdStopsTheScopeWhileNobodyIsThere)
{
        start("trap 'exit 5' INT; echo ready; while :; do sleep 0.01; done");
        executor->kill_hard();
        systemd->stop_unit("nomad-task-web.scope");
        ASSERT_TRUE(eventually([] { return task_processes().empty(); }));
        ASSERT_TRUE(executor->start());
        expect_end({ "exit-code", 5, 0, false });
}

/* So does the end of a grace, or of a task's time: the supervisor has both. */
TEST_F(StopBus, GraceEndsWhileNobodyIsThere)
{
        start(IGNORES_INT, {}, UINT64_MAX);
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(60000000)).ok());
        ASSERT_TRUE(client->stop_task(path, "", 500000).ok());
        executor->kill_hard();
        ASSERT_TRUE(eventually([] { return task_processes().empty(); }));
        ASSERT_TRUE(executor->start());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopBus, RuntimeMaxWhileNobodyIsThere)
{
        ASSERT_TRUE(client->start_task("web",
                                          shell("trap '' INT; while :; do sleep 0.01; done")
                                                          .set("RuntimeMaxUSec", UINT64_C(500000))
                                                          .set("StopTimeoutUSec", UINT64_C(200000)))
                                        .ok());
        ASSERT_EQ(executor->stop(), 0) << "in order, which is to stay so";
        ASSERT_TRUE(eventually([] { return task_processes().empty(); }));
        ASSERT_TRUE(executor->start());
        expect_end({ "timeout", 137, 9, false });
}

/* --- a Stop before the task has started --- */

class EarlyStop : public StopBus
{
      protected:
        /* StartTask under way, with systemd's job for the scope not done yet. */
        void begin(const Spec &spec)
        {
                ScopeBehaviour slow;

                slow.hold_job = true;
                systemd->set_behaviour(slow);
                pending = client->start_task_later("web", spec);
                ASSERT_TRUE(eventually([&] { return systemd->n_started() == 1; }));
                ASSERT_FALSE(pending->done());
        }

        void go_on()
        {
                systemd->set_behaviour({});
                systemd->release_jobs();
                ASSERT_TRUE(client->await(pending));
        }

        std::shared_ptr<Pending> pending;
};

TEST_F(EarlyStop, WithoutGraceTheTaskIsNotStarted)
{
        const std::string file = directory + "/ran";

        begin(shell("touch " + file));
        ASSERT_TRUE(client->stop_task(path, "", 0).ok());
        go_on();
        EXPECT_EQ(pending->reply().error, ERROR("NotRunning")) << pending->reply();
        EXPECT_NE(access(file.c_str(), F_OK), 0) << "it has run";
        EXPECT_EQ(client->get_task("web").error, ERROR("NoSuchTask"));
        expect_nothing_left();
}

TEST_F(EarlyStop, GraceIsOverBeforeTheTaskHasStarted)
{
        begin(shell("exec sleep 1000"));
        ASSERT_TRUE(client->stop_task(path, "", 50000).ok());
        /* nothing tells that it is: the task is still there, waiting for systemd */
        auto over = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
        ASSERT_TRUE(eventually([&] { return std::chrono::steady_clock::now() > over; }));
        go_on();
        EXPECT_EQ(pending->reply().error, ERROR("NotRunning")) << pending->reply();
        expect_nothing_left();
}

/* The call's signal and grace are kept, over a crash too. SIGURG does nothing, so that it is no matter how
 * far the program has got by then. */
TEST_F(EarlyStop, SignalAndGraceOfTheCallAreKept)
{
        auto begun = std::chrono::steady_clock::now();

        begin(shell("exec sleep 1000").set("StopTimeoutUSec", UINT64_C(1000)));
        ASSERT_TRUE(client->stop_task(path, "SIGURG", 800000).ok());
        go_on();
        ASSERT_TRUE(pending->reply().ok()) << pending->reply();
        EXPECT_EQ(client->property(path, "State"), "stopping");
        executor->kill_hard();
        ASSERT_TRUE(executor->start());
        expect_end({ "signal", 137, 9, false });
        auto took = std::chrono::steady_clock::now() - begun;
        EXPECT_GE(took, std::chrono::milliseconds(800));
        EXPECT_LT(took, std::chrono::seconds(10));
}

/* --- without room for state --- */

/* The service's runtime directory is a small filesystem of its own. */
class FullRun : public StopBus
{
      protected:
        void start_services() override
        {
                ASSERT_EQ(mount("none", executor->runtime_directory.c_str(), "tmpfs", 0,
                                          "size=64k,nr_inodes=300,mode=0700"),
                                0);
                StopBus::start_services();
        }

        void TearDown() override
        {
                if (executor) {
                        EXPECT_EQ(umount2(executor->runtime_directory.c_str(), MNT_DETACH), 0);
                }
                StopBus::TearDown();
        }

        void fill()
        {
                int fd = open((executor->runtime_directory + "/filler").c_str(),
                                O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                char page[4096] = {};

                ASSERT_GE(fd, 0);
                while (write(fd, page, sizeof page) > 0)
                        continue;
                EXPECT_EQ(errno, ENOSPC);
                EXPECT_EQ(close(fd), 0);
        }

        /* Names too. */
        void fill_up()
        {
                const std::string prefix = executor->runtime_directory + "/filler-";

                fill();
                for (int i = 0; i < 1000; i++) {
                        int fd = open((prefix + std::to_string(i)).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC,
                                        0600);

                        if (fd < 0)
                                break;
                        EXPECT_EQ(close(fd), 0);
                }
                EXPECT_EQ(symlink("x", (prefix + "x").c_str()), -1);
                EXPECT_EQ(errno, ENOSPC);
        }

        void empty()
        {
                EXPECT_EQ(unlink((executor->runtime_directory + "/filler").c_str()), 0);
        }
};

TEST_F(FullRun, Stop)
{
        start("trap 'exit 5' INT; echo ready; while :; do sleep 0.01; done");
        fill();
        ASSERT_TRUE(client->stop_task(path, "", DEFAULT).ok());
        EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 5, 0, false }));
        EXPECT_NE(client->start_task("other", shell("exit 0")).error, "") << "it was full";
        empty();
        expect_end({ "exit-code", 5, 0, false });
}

TEST_F(FullRun, GraceThatIsOver)
{
        start(IGNORES_INT);
        fill();
        ASSERT_TRUE(client->stop_task(path, "", 100000).ok());
        EXPECT_EQ(client->wait_task(path), (Exit{ "signal", 137, 9, false }));
        empty();
        ASSERT_TRUE(executor->restart_hard());
        expect_end({ "signal", 137, 9, false });
}

/* State is "running" to a service that does not know of the stop. */
TEST_F(FullRun, AStopIsKnownToTheNextService)
{
        start(IGNORES_INT);
        fill();
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(60000000)).ok());
        ASSERT_TRUE(executor->restart_hard());
        EXPECT_EQ(client->property(path, "State"), "stopping");
        empty();
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(50000000)).ok());
        ASSERT_TRUE(executor->restart_hard());
        EXPECT_EQ(client->property(path, "State"), "stopping");
        EXPECT_EQ(access((executor->state_directory() + "/web/stop").c_str(), F_OK), -1)
                        << "it is in the state";
        ASSERT_TRUE(client->stop_task(path, "", 0).ok());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(FullRun, AStopThatCannotBeSavedIsDoneAndTold)
{
        start("trap 'exit 5' INT; echo ready; while :; do sleep 0.01; done");
        fill_up();

        Reply reply = client->stop_task(path, "", DEFAULT);

        EXPECT_EQ(reply.error, "System.Error.ENOSPC") << reply;
        EXPECT_NE(reply.text.find("is being stopped, but that cannot be saved"), std::string::npos) << reply;
        EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 5, 0, false }));
        EXPECT_EQ(system(("rm " + executor->runtime_directory + "/filler-*").c_str()), 0);
        empty();
        expect_end({ "exit-code", 5, 0, false });
}

TEST_F(FullRun, RuntimeMax)
{
        ASSERT_TRUE(client->start_task("web",
                                          shell("exec sleep 1000").set("RuntimeMaxUSec", UINT64_C(300000)))
                                        .ok());
        fill();
        EXPECT_EQ(client->wait_task(path), (Exit{ "timeout", 130, 2, false }));
        ASSERT_TRUE(executor->restart_hard());
        expect_end({ "timeout", 130, 2, false });
}

TEST_F(StopBus, ASupervisorThatIsKilledLosesTheStatus)
{
        start(PLAIN);
        auto supervisor = cgroup_processes("/nomad.slice/nomad-task-web.scope/supervisor");
        ASSERT_EQ(supervisor.size(), 1U);
        ASSERT_EQ(kill(supervisor[0], SIGKILL), 0);
        Exit exit = client->wait_task(path);
        EXPECT_EQ(exit, (Exit{ "lost", -1, 0, false })) << "a status must not be invented";
        EXPECT_EQ(client->property(path, "State"), "lost");
        expect_end({ "lost", -1, 0, false });
}

} // namespace
