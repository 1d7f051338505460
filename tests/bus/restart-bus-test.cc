/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <regex>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

/* SIGKILL of a service at any moment, and the same answers after it has been started again. */

#define ERROR(name) "org.nomad.Executor.Error." name

namespace
{

class RestartBus : public BusTest
{
      protected:
        std::string start(const std::string &id, const Spec &spec)
        {
                Reply reply = client->start_task(id, spec);

                EXPECT_TRUE(reply.ok()) << reply;
                return reply.ok() ? reply.path() : "";
        }

        /* A script that goes on once GO_ON has been called. */
        std::string waiting(const std::string &rest) const
        {
                return "until [ -e " + directory + "/go ]; do sleep 0.01; done; " + rest;
        }
        void go_on() const
        {
                std::ofstream(directory + "/go") << "";
        }
};

TEST_F(RestartBus, ARunningTask)
{
        std::string path = start("alloc/web",
                        shell(waiting("exit 3"))
                                        .set("Labels", std::map<std::string, std::string>{ { "a", "b" } }));
        auto before = client->properties(path);

        ASSERT_TRUE(executor->restart_hard());
        EXPECT_EQ(client->get_task("alloc/web").path(), path);
        EXPECT_EQ(client->properties(path), before);
        EXPECT_EQ(client->list_tasks().size(), 1U);
        go_on();
        EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_TRUE(client->release(path).ok());
        expect_nothing_left();
}

TEST_F(RestartBus, ATaskThatEndsMeanwhile)
{
        start("web", shell(waiting("exit 3")));
        start("killed", shell(waiting("kill -TERM $$")));
        executor->kill_hard();
        go_on();
        ASSERT_TRUE(eventually([] { return task_processes().empty(); }));
        ASSERT_TRUE(executor->start());
        EXPECT_EQ(client->wait_task(TASK_PATH("web")), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_EQ(client->wait_task(TASK_PATH("killed")), (Exit{ "signal", 143, 15, false }));
        for (const char *path : { TASK_PATH("web"), TASK_PATH("killed") })
                EXPECT_TRUE(client->release(path).ok());
        expect_nothing_left();
}

TEST_F(RestartBus, ATaskThatHasEnded)
{
        std::string path = start("web", shell("exit 3"));
        Exit exit = client->wait_task(path);
        auto before = client->properties(path);

        for (int i = 0; i < 2; i++) {
                ASSERT_TRUE(executor->restart_hard());
                EXPECT_EQ(client->wait_task(path), exit);
                EXPECT_EQ(client->properties(path), before);
        }
        EXPECT_EQ(client->start_task("web", shell("exit 0")).error, ERROR("TaskExists"));
        EXPECT_TRUE(client->release(path).ok());
        ASSERT_TRUE(executor->restart_hard());
        EXPECT_EQ(client->get_task("web").error, ERROR("NoSuchTask"));
        expect_nothing_left();
}

TEST_F(RestartBus, ATimeoutSurvives)
{
        std::string path = start("web",
                        shell("trap '' INT; while :; do sleep 0.01; done")
                                        .set("RuntimeMaxUSec", UINT64_C(1500000))
                                        .set("StopTimeoutUSec", UINT64_C(100000)));

        ASSERT_TRUE(executor->restart_hard());
        EXPECT_EQ(client->wait_task(path), (Exit{ "timeout", 137, 9, false }));
        ASSERT_TRUE(executor->restart_hard());
        EXPECT_EQ(client->wait_task(path), (Exit{ "timeout", 137, 9, false }));
}

/* The grace goes on from where it was. */
TEST_F(RestartBus, AStopSurvives)
{
        auto begin = std::chrono::steady_clock::now();
        int ready[2];
        char c;

        ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
        std::string path = start("web",
                        shell("trap '' INT; echo; while :; do sleep 0.01; done")
                                        .set_fd("StandardOutput", ready[1]));
        ASSERT_EQ(read(ready[0], &c, 1), 1);
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(700000)).ok());
        ASSERT_TRUE(executor->restart_hard());
        EXPECT_EQ(client->property(path, "State"), "stopping");
        EXPECT_EQ(client->wait_task(path), (Exit{ "signal", 137, 9, false }));
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
        (void) close(ready[0]);
        (void) close(ready[1]);
}

/* As the issue has it: fifty tasks, half of which end while nobody is there. */
TEST_F(RestartBus, FiftyTasks)
{
        for (int i = 0; i < 50; i++)
                start("t" + std::to_string(i),
                                shell(i % 2 ? waiting("exit " + std::to_string(i)) : "exec sleep 1000"));
        executor->kill_hard();
        go_on();
        ASSERT_TRUE(eventually([] { return cgroup_children("/nomad.slice").size() == 25 * 3; }))
                        << cgroup_children("/nomad.slice").size();
        ASSERT_TRUE(executor->start());
        ASSERT_EQ(client->list_tasks().size(), 50U);
        for (int i = 0; i < 50; i++) {
                std::string path = TASK_PATH("t") + std::to_string(i);

                if (i % 2 == 0) {
                        EXPECT_EQ(client->property(path, "State"), "running");
                        EXPECT_TRUE(client->stop_task(path, "", 0).ok());
                }
                EXPECT_EQ(client->wait_task(path),
                                i % 2 ? (Exit{ "exit-code", i, 0, false })
                                      : (Exit{ "signal", 137, 9, false }))
                                << path;
                EXPECT_TRUE(client->release(path).ok());
        }
        expect_nothing_left();
}

/* Killed while a start is under way, after each delay that there is: either the task is not there at all, or
 * it runs and ends as it should. Nothing of it is anywhere in the first case. */
TEST_F(RestartBus, DuringAStart)
{
        for (int delay_usec = 0; delay_usec < 6000; delay_usec += 300) {
                auto pending = client->start_task_later("web", shell("exec sleep 1000"));
                struct timespec pause = { 0, delay_usec * 1000L };

                (void) nanosleep(&pause, nullptr);
                ASSERT_TRUE(executor->restart_hard());
                ASSERT_TRUE(client->await(pending));

                Reply found = client->get_task("web");
                if (pending->reply().ok()) {
                        EXPECT_TRUE(found.ok())
                                        << "a start that was answered is forgotten, delay " << delay_usec;
                }
                if (found.ok()) {
                        std::string path = found.path();

                        ASSERT_TRUE(eventually([&] {
                                auto tasks = client->list_tasks();
                                return tasks.empty() || tasks["web"].first != "starting";
                        })) << delay_usec;
                        if (!client->list_tasks().empty()) {
                                EXPECT_EQ(client->property(path, "State"), "running") << delay_usec;
                                EXPECT_TRUE(client->stop_task(path, "", 0).ok());
                                EXPECT_EQ(client->wait_task(path), (Exit{ "signal", 137, 9, false }));
                                EXPECT_TRUE(client->release(path).ok());
                        }
                }
                expect_nothing_left();
                if (HasFailure())
                        FAIL() << "delay " << delay_usec;
        }
}

/* Between the scope and the gate: the task has not been started and never will be. */
TEST_F(RestartBus, WhileSystemdStartsTheScope)
{
        ScopeBehaviour slow;

        slow.hold_job = true;
        systemd->set_behaviour(slow);
        auto pending = client->start_task_later("web", shell("exec sleep 1000"));
        ASSERT_TRUE(eventually([&] { return systemd->n_started() == 1; }));
        ASSERT_TRUE(executor->restart_hard());
        systemd->release_jobs();
        ASSERT_TRUE(client->await(pending));
        EXPECT_FALSE(pending->reply().ok());
        ASSERT_TRUE(eventually([&] { return client->list_tasks().empty(); }));
        expect_nothing_left();

        systemd->set_behaviour({});
        start("web", shell("exit 3"));
        EXPECT_EQ(client->wait_task(TASK_PATH("web")), (Exit{ "exit-code", 3, 0, false }));
}

/* Killed while a task ends, after each delay that there is. */
TEST_F(RestartBus, DuringAnEnd)
{
        for (int delay_usec = 0; delay_usec < 5000; delay_usec += 500) {
                std::string path = start("web", shell("exec sleep 1000"));
                struct timespec pause = { 0, delay_usec * 1000L };

                ASSERT_TRUE(client->kill_task(path, "main", "TERM").ok());
                (void) nanosleep(&pause, nullptr);
                ASSERT_TRUE(executor->restart_hard());
                EXPECT_EQ(client->wait_task(path), (Exit{ "signal", 143, 15, false })) << delay_usec;
                EXPECT_TRUE(client->release(path).ok());
                expect_nothing_left();
        }
}

TEST_F(RestartBus, DuringARelease)
{
        for (int delay_usec = 0; delay_usec < 2000; delay_usec += 200) {
                std::string path = start("web", logged_shell("exit 3"));
                struct timespec pause = { 0, delay_usec * 1000L };

                EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 3, 0, false }));
                auto pending = client->call_later(EXECUTOR_NAME, path, TASK_INTERFACE, "Release");
                (void) nanosleep(&pause, nullptr);
                ASSERT_TRUE(executor->restart_hard());
                ASSERT_TRUE(client->await(pending));
                if (pending->reply().ok()) {
                        EXPECT_EQ(client->get_task("web").error, ERROR("NoSuchTask")) << delay_usec;
                } else if (client->get_task("web").ok()) {
                        EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 3, 0, false }));
                        EXPECT_TRUE(client->release(path).ok());
                }
                expect_nothing_left();
        }
}

TEST_F(RestartBus, AnOrderlyStopLeavesTasksRunning)
{
        std::string path = start("web", shell(waiting("exit 3")));

        EXPECT_EQ(executor->stop(), 0);
        EXPECT_EQ(task_processes().size() >= 2, true);
        ASSERT_TRUE(executor->start());
        go_on();
        EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 3, 0, false }));
}

/* Every byte that was in the pipe, or came later, is in the file. The task writes until it is told. */
TEST_F(RestartBus, LogmonIsKilledWhileATaskWrites)
{
        std::string path = start("web",
                        logged_shell("i=0; until [ -e " + directory +
                                        "/go ]; do i=$((i + 1)); seq $i $((i + 50)); sleep 0.002; done; "
                                        "echo $i >" +
                                        directory + "/rounds"));
        const std::string file = log_directory + "/web.stdout.0";
        std::string expected;

        for (int i = 0; i < 5; i++) {
                const size_t before = read_file(file).size();

                ASSERT_TRUE(eventually([&] { return read_file(file).size() > before; }))
                                << "it is moved no more";
                ASSERT_TRUE(logmon->restart_hard());
        }
        go_on();
        EXPECT_EQ(client->wait_task(path), (Exit{ "success", 0, 0, false }));
        const int rounds = std::stoi(read_file(directory + "/rounds"));
        for (int i = 1; i <= rounds; i++)
                for (int j = i; j <= i + 50; j++)
                        expected += std::to_string(j) + "\n";
        EXPECT_TRUE(read_file(file) == expected);
        EXPECT_TRUE(client->release(path).ok());
        expect_nothing_left();
}

TEST_F(RestartBus, LogmonIsAwayWhenATaskEnds)
{
        std::string path = start("web", logged_shell(waiting("echo last; exit 3")));

        logmon->kill_hard();
        go_on();
        ASSERT_TRUE(eventually([] { return task_processes().empty(); }));
        ASSERT_TRUE(logmon->start());
        EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_EQ(read_file(log_directory + "/web.stdout.0"), "last\n");
}

TEST_F(RestartBus, BothAreKilled)
{
        std::string path = start("web", logged_shell(waiting("echo last; exit 3")));

        executor->kill_hard();
        logmon->kill_hard();
        go_on();
        ASSERT_TRUE(eventually([] { return task_processes().empty(); }));
        ASSERT_TRUE(logmon->start());
        ASSERT_TRUE(executor->start());
        EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_EQ(read_file(log_directory + "/web.stdout.0"), "last\n");
}

TEST_F(RestartBus, StateThatIsNoTask)
{
        start("web", shell("exit 3"));
        (void) client->wait_task(TASK_PATH("web"));
        executor->kill_hard();

        std::string tasks = executor->state_directory();
        ASSERT_EQ(system(("cd " + tasks +
                                  " && mkdir empty garbage newer other && echo '{' > garbage/task.json"
                                  " && sed 's/\"Id\"/\"Extra\":{\"x\":[1]},\"Id\"/; s/:\"web\"/:\"newer\"/' web/task.json"
                                  " > newer/task.json && cp web/* other/ && cp web/exit web/start newer/ && touch file")
                                                  .c_str()),
                        0);
        ASSERT_TRUE(executor->start());
        /* "other" says that it is "web"; a newer version may know more */
        EXPECT_EQ(state_directories(),
                        (std::set<std::string>{ "file.set-aside", "garbage.set-aside", "newer",
                                        "other.set-aside", "web" }))
                        << executor->messages();
        EXPECT_EQ(client->list_tasks().size(), 2U);
        EXPECT_EQ(client->wait_task(TASK_PATH("web")), (Exit{ "exit-code", 3, 0, false }));
}

/* How a state file may be damaged. The task's processes cannot go on, as nobody knows as whom and what they
 * run. */
TEST_F(RestartBus, DamagedStateOfATaskThatRuns)
{
        const char *const damages[] = {
                "echo '{' >F",
                ": >F",
                "rm F; mkdir F",
                "rm F; ln -s /dev/null F",
                "truncate -s 20M F",
                "echo '[]' >F",
                "sed -i 's/\"Spec\":{/\"Spec\":{\"UMask\":\"x\",/; s/\"UMask\":[0-9]*,//' F",
                "sed -i 's/\"Id\":\"web\"/\"Id\":5/' F",
                "sed -i 's/\"Id\":\"web\"/\"Id\":\"other\"/' F",
                "sed -i 's/\"Spec\":{/\"Spec\":{\"ResourceLimits\":{\"CORE\":[[],{}]},/' F",
                "sed -i 's/\"Progress\":{/\"Progress\":[],\"P\":{/' F",
        };

        for (const char *damage : damages) {
                SCOPED_TRACE(damage);
                start("web", shell("setsid sleep 1000 & exec sleep 1000").set("UMask", UINT32_C(63)));
                executor->kill_hard();
                ASSERT_FALSE(task_processes().empty());
                ASSERT_EQ(system(("cd " + executor->state_directory() + "/web && { " +
                                          std::regex_replace(damage, std::regex("F"), "task.json") + "; }")
                                                          .c_str()),
                                0);
                ASSERT_TRUE(executor->start()) << executor->messages();
                EXPECT_EQ(client->wait_task(TASK_PATH("web")), (Exit{ "lost", -1, 0, false }));
                EXPECT_TRUE(task_processes().empty());
                ASSERT_TRUE(executor->restart_hard());
                /* for a moment it is "stopping" again where its end could not be saved */
                EXPECT_EQ(client->wait_task(TASK_PATH("web")), (Exit{ "lost", -1, 0, false }))
                                << "and so it stays";
                EXPECT_TRUE(client->release(TASK_PATH("web")).ok());
                expect_nothing_left();
        }
}

TEST_F(RestartBus, DamagedStateOfATaskThatHasEnded)
{
        start("web", shell(waiting("exit 3")));
        executor->kill_hard();
        go_on();
        ASSERT_TRUE(eventually([] { return task_processes().empty(); }));
        ASSERT_EQ(system(("echo '{' >" + executor->state_directory() + "/web/task.json").c_str()), 0);
        ASSERT_TRUE(executor->start());
        EXPECT_EQ(client->wait_task(TASK_PATH("web")), (Exit{ "exit-code", 3, 0, false }))
                        << "the record of its end is there";
        EXPECT_TRUE(client->release(TASK_PATH("web")).ok());
        expect_nothing_left();
}

TEST_F(RestartBus, DamagedDescriptors)
{
        start("web", shell(waiting("exit 3")));
        executor->kill_hard();
        ASSERT_EQ(system(("sed -i 's/\"Descriptors\":\\[/\"Descriptors\":[7,null,{},/; "
                          "s/,\\]/]/' " +
                                  executor->state_directory() + "/web/task.json")
                                                  .c_str()),
                        0);
        ASSERT_TRUE(executor->start()) << executor->messages();
        go_on();
        EXPECT_EQ(client->wait_task(TASK_PATH("web")), (Exit{ "exit-code", 3, 0, false }));
}

/* The pid in the state may be somebody else's by now. */
TEST_F(RestartBus, AForgedSupervisor)
{
        start("web", shell("exec sleep 1000"));
        executor->kill_hard();
        for (pid_t pid : task_processes())
                ASSERT_EQ(kill(pid, SIGKILL), 0);
        ASSERT_TRUE(eventually([] { return task_processes().empty(); }));

        /* the same start time is not to be had, but our own pid is */
        ASSERT_EQ(system(("sed -i 's/\"SupervisorPID\":[0-9]*/\"SupervisorPID\":" +
                                  std::to_string(getpid()) + "/' " + executor->state_directory() +
                                  "/web/task.json")
                                                  .c_str()),
                        0);
        ASSERT_TRUE(executor->start());
        EXPECT_EQ(client->wait_task(TASK_PATH("web")).result, "lost");
        EXPECT_TRUE(client->release(TASK_PATH("web")).ok());
        expect_nothing_left();
}

/* Without the bus there is nobody to serve: the service ends, in a way that makes systemd start it again. */
TEST_F(RestartBus, TheBusGoesAway)
{
        bus_daemon.terminate();
        for (Service *service : { executor.get(), logmon.get() }) {
                int status = service->wait_for_end();

                ASSERT_NE(status, -1) << service->program << " goes on without a bus";
                ASSERT_TRUE(WIFEXITED(status)) << status;
                EXPECT_EQ(WEXITSTATUS(status), EXIT_FAILURE)
                                << "Restart=on-failure would not start it again";
        }
}

} // namespace
