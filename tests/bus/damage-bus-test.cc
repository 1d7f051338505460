/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

/* What a state directory may have in it that should not be there, and what cannot be read for a time. */

#define WEB TASK_PATH("web")

namespace
{

class DamageBus : public BusTest
{
      protected:
        std::string state(const std::string &name) const
        {
                return executor->state_directory() + "/web/" + name;
        }

        void start(const std::string &script)
        {
                Reply reply = client->start_task("web", shell(script));

                ASSERT_TRUE(reply.ok()) << reply;
        }

        /* A task that has ended, of which the service does not know. */
        void end_unseen(const std::string &script)
        {
                start("while ! [ -e " + directory + "/go ]; do sleep 0.01; done; " + script);
                executor->kill_hard();
                ASSERT_TRUE(std::ofstream(directory + "/go").is_open());
                ASSERT_TRUE(eventually([] { return task_processes().empty(); }));
                ASSERT_EQ(unlink((directory + "/go").c_str()), 0);
        }

        bool says(const std::string &text, const Service &service) const
        {
                return service.messages().find(text) != std::string::npos;
        }

        void run(const std::string &command)
        {
                ASSERT_EQ(system(command.c_str()), 0) << command;
        }
};

/* A file that cannot be read while the object lives, although it is there: the memory of a process has
 * nothing at 0. */
class Unreadable
{
      public:
        explicit Unreadable(const std::string &path_) : path(path_)
        {
                char byte;

                EXPECT_EQ(mount("/proc/self/mem", path.c_str(), nullptr, MS_BIND, nullptr), 0) << path;
                std::ifstream file(path);
                EXPECT_FALSE(file.read(&byte, 1));
        }
        ~Unreadable()
        {
                EXPECT_EQ(umount2(path.c_str(), MNT_DETACH), 0);
        }
        Unreadable(const Unreadable &) = delete;
        Unreadable &operator=(const Unreadable &) = delete;

      private:
        std::string path;
};

/* No descriptor is left to the service when the task ends. */
TEST_F(DamageBus, DescriptorsAreExhaustedWhenATaskEnds)
{
        struct rlimit original, none;

        start("exec sleep 1000");
        pid_t pid = (pid_t) std::stol(client->property(WEB, "MainPID"));
        auto pending = client->wait_later(WEB);
        EXPECT_EQ(client->property(WEB, "State"), "running") << "the Wait has been handled";

        ASSERT_EQ(prlimit(executor->pid(), RLIMIT_NOFILE, nullptr, &original), 0);
        none = original;
        /* not even the number of one that it closes first */
        none.rlim_cur = STDERR_FILENO + 1;
        ASSERT_EQ(prlimit(executor->pid(), RLIMIT_NOFILE, &none, nullptr), 0);
        ASSERT_EQ(kill(pid, SIGKILL), 0);
        EXPECT_TRUE(eventually(
                        [&] { return says("Cannot read the exit record of task 'web'", *executor); }));
        EXPECT_EQ(client->property(WEB, "State"), "running");
        EXPECT_FALSE(pending->done());

        ASSERT_EQ(prlimit(executor->pid(), RLIMIT_NOFILE, &original, nullptr), 0);
        ASSERT_TRUE(client->await(pending));
        EXPECT_EQ(Client::read_exit(pending->reply()), (Exit{ "signal", 137, 9, false }));
        EXPECT_TRUE(client->release(WEB).ok());
        expect_nothing_left();
}

TEST_F(DamageBus, RecordsCannotBeReadForATime)
{
        for (const char *name : { "exit", "start", "task.json" }) {
                SCOPED_TRACE(name);
                end_unseen("exit 3");
                {
                        Unreadable file(state(name));

                        ASSERT_TRUE(executor->begin_start());
                        ASSERT_TRUE(eventually([&] { return says("trying again", *executor); }));
                        EXPECT_TRUE(executor->is_running());
                }
                ASSERT_TRUE(executor->await_ready());
                EXPECT_EQ(client->wait_task(WEB), (Exit{ "exit-code", 3, 0, false }));
                EXPECT_TRUE(client->release(WEB).ok());
                expect_nothing_left();
                ASSERT_EQ(truncate((directory + "/nomad-executord.log").c_str(), 0), 0);
        }
}

/* The same for a task of whose end clients have been told. */
TEST_F(DamageBus, TheRecordOfAnEndedTaskCannotBeReadForATime)
{
        start("exit 3");
        EXPECT_EQ(client->wait_task(WEB), (Exit{ "exit-code", 3, 0, false }));
        executor->kill_hard();
        {
                Unreadable file(state("exit"));

                ASSERT_TRUE(executor->begin_start());
                ASSERT_TRUE(eventually([&] { return says("trying again", *executor); }));
        }
        ASSERT_TRUE(executor->await_ready());
        EXPECT_EQ(client->property(WEB, "State"), "exited");
        EXPECT_EQ(client->property(WEB, "ExitCode"), "3");
}

/* A status is never made up from what is damaged. */
TEST_F(DamageBus, ExitRecordIsDamaged)
{
        const char *const damages[] = {
                "rm F",
                ": >F",
                "echo CODE= >F",
                "echo CODE=x >F",
                "echo CODE=3x >F",
                "echo 'CODE= 3' >F",
                "echo CODE=-1 >F",
                "echo CODE=256 >F",
                "echo CODE=99999999999999999999999 >F",
                "printf CODE=3 >F",
                "echo SIGNAL=0 >F",
                "echo SIGNAL=999 >F",
                "echo SIGNAL=x >F",
                "(echo CODE=3; echo SIGNAL=9) >F",
                "(echo CODE=3; echo OOM_KILLS=x) >F",
                "printf 'CODE=3\\n\\0\\n' >F",
                "rm F; mkdir F",
                "rm F; mkfifo F",
                "rm F; ln -s /dev/zero F",
                "truncate -s 20M F",
        };

        for (const char *damage : damages) {
                SCOPED_TRACE(damage);
                end_unseen("exit 3");
                run(std::regex_replace(damage, std::regex("F"), state("exit")));
                ASSERT_TRUE(executor->start());
                EXPECT_EQ(client->wait_task(WEB), (Exit{ "lost", -1, 0, false }));
                EXPECT_TRUE(client->release(WEB).ok());
                expect_nothing_left();
        }
}

TEST_F(DamageBus, ExitRecordsThatAreSound)
{
        const std::pair<const char *, Exit> records[] = {
                { "CODE=0\\n", { "success", 0, 0, false } },
                { "CODE=255\\nNEWER=x\\n", { "exit-code", 255, 0, false } },
                { "SIGNAL=64\\nCPU_USEC=x\\n", { "signal", 192, 64, false } },
                { "SIGNAL=9\\nOOM_KILLS=1\\n", { "oom-kill", 137, 9, true } },
        };

        for (const auto &[text, exit] : records) {
                SCOPED_TRACE(text);
                end_unseen("exit 3");
                run("printf '" + std::string(text) + "' >" + state("exit"));
                ASSERT_TRUE(executor->start());
                EXPECT_EQ(client->wait_task(WEB), exit);
                EXPECT_TRUE(client->release(WEB).ok());
        }
}

/* Where the task is, and as which process, is not known any more. */
TEST_F(DamageBus, StartRecordIsDamaged)
{
        for (const char *damage : { ": >F", "sed -i 's/^PID=.*/PID=0/' F", "sed -i 's/^PID=/PID=x/' F",
                             "sed -i '/^START_TIME/d' F", "rm F; mkfifo F" }) {
                SCOPED_TRACE(damage);
                start("setsid sleep 1000 & exec sleep 1000");
                executor->kill_hard();
                run(std::regex_replace(damage, std::regex("F(?![a-z])"), state("start")));
                ASSERT_TRUE(executor->start());
                EXPECT_EQ(client->wait_task(WEB), (Exit{ "lost", -1, 0, false }));
                EXPECT_TRUE(client->release(WEB).ok());
                expect_nothing_left();
        }
}

/* After a downgrade. The task is left alone, and its state to whoever understands it. */
TEST_F(DamageBus, StateOfANewerVersion)
{
        start("exec sleep 1000");
        executor->kill_hard();
        run("sed -i 's/\"Version\":[0-9]*/\"Version\":1000/' " + state("task.json"));
        for (int i = 0; i < 2; i++) {
                ASSERT_TRUE(executor->start());
                EXPECT_TRUE(client->list_tasks().empty());
                EXPECT_EQ(state_directories(), std::set<std::string>{ "web.set-aside" });
                EXPECT_FALSE(task_processes().empty());
                executor->kill_hard();
        }
        const std::string text = executor->messages(), said = "State 'web' was written by a newer version";
        EXPECT_NE(text.find(said), std::string::npos) << text;
        EXPECT_EQ(text.find(said), text.rfind(said)) << "told once";
        ASSERT_TRUE(executor->start());
}

TEST_F(DamageBus, EntriesOfTheExecutor)
{
        start("exec sleep 1000");
        executor->kill_hard();
        run("cd " + executor->state_directory() +
                        " && touch file && mkfifo fifo && ln -s /dev link && ln -s nowhere dangling &&"
                        " mkdir -p tree/a/b 'a b' && echo x >tree/task.json && mkfifo tree/exit &&"
                        " mkdir -p dir/task.json set && mknod device c 1 5 && touch '\n' 'web.set-aside'");
        for (int i = 0; i < 2; i++) {
                ASSERT_TRUE(executor->start());
                EXPECT_EQ(client->property(WEB, "State"), "running");
                EXPECT_EQ(client->list_tasks().size(), 1U);
                executor->kill_hard();
        }
        const std::string text = executor->messages();
        EXPECT_NE(text.find("'file' is no directory"), std::string::npos);
        EXPECT_EQ(text.find("'file' is no directory"), text.rfind("'file' is no directory")) << "told once";

        run("rm -r " + executor->state_directory() + " && touch " + executor->state_directory());
        ASSERT_TRUE(executor->start());
        EXPECT_TRUE(client->list_tasks().empty());
}

TEST_F(DamageBus, EntriesOfTheOthers)
{
        Service dockerlog(*systemd, directory, bus_address, "nomad-dockerlog");

        for (Service *service : { logmon.get(), &dockerlog }) {
                const char *const names[] = { "counters", "readers", "positions", "bad.json" };
                const char *const damages[] = { "mkdir -p F/a", "mkfifo F", "ln -s /dev/zero F",
                        "ln -s nowhere F", "mknod F c 1 5", "echo '{}' >F", "echo '{\"Version\":1000}' >F" };

                for (const char *name : names)
                        for (const char *damage : damages) {
                                SCOPED_TRACE(service->program + " " + name + " " + damage);
                                if (service->is_running())
                                        service->kill_hard();
                                run("cd " + service->runtime_directory + " && rm -rf " + name + " && " +
                                                std::regex_replace(damage, std::regex("F"), name));
                                ASSERT_TRUE(service->start());
                                EXPECT_TRUE(service->is_running());
                        }
                EXPECT_TRUE(says("State 'bad.json' was written by a newer version", *service));
                EXPECT_TRUE(says("State 'bad.json' is damaged", *service));
        }
        EXPECT_TRUE(says("State 'counters' is no regular file", *logmon));
        EXPECT_TRUE(says("State 'readers' is no regular file", *logmon));
        EXPECT_TRUE(says("State 'positions' is no regular file", dockerlog));
        EXPECT_EQ(dockerlog.stop(), 0);

        Reply reply = client->start_task("web", logged_shell("echo line"));
        ASSERT_TRUE(reply.ok()) << reply;
        EXPECT_EQ(client->wait_task(WEB), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(read_file(log_directory + "/web.stdout.0"), "line\n");
}

} // namespace
