/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <ctime>
#include <sys/wait.h>

#include "harness.h"
#include "stats-client.h"

/* Statistics, Freeze and Thaw, and tasks found by their processes. */

namespace
{

/* Limits, as they are documented. */
const unsigned STATS_READERS_MAX = 32, PROCESS_STATS_MAX = 1024, TASK_FREEZE_WAITERS_MAX = 64;
const uint64_t STATS_INTERVAL_MIN_USEC = 10000;

const char spinner[] = "while :; do :; done";

class StatsBus : public BusTest
{
      protected:
        std::string start(const std::string &id, const Spec &spec)
        {
                Reply reply = client->start_task(id, spec);

                EXPECT_TRUE(reply.ok()) << reply;
                return reply.ok() ? reply.path() : "";
        }

        /* Ended and released, with nothing left. */
        void finish(const std::string &path)
        {
                EXPECT_TRUE(client->stop_task(path, "", 0).ok());
                (void) client->wait_task(path);
                EXPECT_TRUE(client->release(path).ok());
                expect_nothing_left();
        }

        static std::string cgroup_file(const std::string &label, const std::string &file)
        {
                return cgroup_full_path("/nomad.slice/nomad-task-" + label + ".scope/" + file);
        }

        bool is_frozen(const std::string &label)
        {
                return read_file(cgroup_file(label, "task/cgroup.events")).find("frozen 1") !=
                                std::string::npos;
        }

        /* The only process of the task. */
        static pid_t main_of(const std::string &label)
        {
                auto pids = cgroup_processes("/nomad.slice/nomad-task-" + label + ".scope/task");

                EXPECT_EQ(pids.size(), 1U);
                return pids.empty() ? -1 : pids[0];
        }

        size_t n_service_files() const
        {
                return executor->open_files().size();
        }
};

/* --- GetStats --- */

TEST_F(StatsBus, TestExecDriver_Stats)
{
        std::string path = start("web", shell(spinner));
        double before = (double) time(nullptr) * 1e6;

        Figures first = get_stats(*client, path);
        EXPECT_GE(first.at("Timestamp"), before);
        EXPECT_EQ(first.at("CPUPercent"), 0) << "there is nothing yet to compare with";
        ASSERT_TRUE(eventually([&] {
                return get_stats(*client, path).at("CPUUsageNSec") > first.at("CPUUsageNSec") + 50e6;
        }));
        Figures second = get_stats(*client, path);
        EXPECT_GT(second.at("Timestamp"), first.at("Timestamp"));
        EXPECT_GT(second.at("CPUUserNSec") + second.at("CPUSystemNSec"), 50e6);
        finish(path);
}

TEST_F(StatsBus, EveryFileThatIsThereIsInIt)
{
        const struct {
                const char *key, *file;
        } cases[] = {
                { "MemoryCurrent", "memory.current" },
                { "MemoryAnon", "memory.stat" },
                { "MemorySwapCurrent", "memory.swap.current" },
                { "IOReadBytes", "io.stat" },
                { "TasksCurrent", "pids.current" },
                { "CPUPressureSomeAvg10", "cpu.pressure" },
                { "MemoryPressureFullNSec", "memory.pressure" },
                { "IOPressureSomeNSec", "io.pressure" },
        };
        std::string path = start("web", shell("exec sleep 1000"));
        Figures figures = get_stats(*client, path);

        for (const auto &c : cases)
                EXPECT_EQ(figures.count(c.key) > 0, access(cgroup_file("web", c.file).c_str(), F_OK) == 0)
                                << c.key;
        finish(path);
}

TEST_F(StatsBus, NotRunning)
{
        std::string path = start("web", shell("exit 0"));
        (void) client->wait_task(path);

        for (const char *member : { "GetStats", "GetProcessStats", "Freeze", "Thaw" })
                EXPECT_EQ(client->task(path, member).error, "org.nomad.Executor.Error.NotRunning") << member;
        EXPECT_EQ(StatsStream(*client, path, 0).reply.error, "org.nomad.Executor.Error.NotRunning");
        EXPECT_TRUE(client->release(path).ok());
}

/* --- GetProcessStats --- */

TEST_F(StatsBus, TestStatProcesses)
{
        std::string path = start("web", shell("sleep 1000 & sleep 1001 & wait"));
        std::map<pid_t, ProcessFigures> processes;

        ASSERT_TRUE(eventually([&] {
                std::multiset<std::string> names;

                processes = get_process_stats(*client, path);
                for (const auto &entry : processes)
                        names.insert(entry.second.name);
                return names == std::multiset<std::string>{ "sh", "sleep", "sleep" };
        }));
        std::string main_pid = client->property(path, "MainPID");
        ASSERT_EQ(processes.count((pid_t) std::stoi(main_pid)), 1U);
        ProcessFigures &shell = processes[(pid_t) std::stoi(main_pid)];
        EXPECT_EQ(shell.name, "sh");
        EXPECT_GT(shell.figures.at("MemoryRSS"), 0);
        for (const char *key : { "CPUUserNSec", "CPUSystemNSec", "MemorySwap" })
                EXPECT_EQ(shell.figures.count(key), 1U) << key;
        finish(path);
}

/* A name is whatever the process says. */
TEST_F(StatsBus, NameThatIsNotUtf8)
{
        std::string path = start(
                        "web", shell("printf 'a) \\377b' >/proc/$$/comm; while :; do sleep 0.05; done"));

        EXPECT_TRUE(eventually([&] {
                auto processes = get_process_stats(*client, path);
                return processes[(pid_t) std::stoi(client->property(path, "MainPID"))].name ==
                                "a) \xef\xbf\xbd"
                                "b";
        }));
        finish(path);
}

TEST_F(StatsBus, ProcessesUpToTheLimit)
{
        std::string path = start("web", shell("exec sleep 1000"));
        std::string procs = cgroup_file("web", "task/cgroup.procs");
        std::vector<pid_t> children;
        auto fork_into_task = [&] {
                pid_t pid = fork();

                if (pid == 0) {
                        (void) pause();
                        _exit(0);
                }
                children.push_back(pid);
                return pid > 0 && cgroup_attach("/nomad.slice/nomad-task-web.scope/task", pid);
        };

        for (unsigned i = 1; i < PROCESS_STATS_MAX; i++)
                ASSERT_TRUE(fork_into_task());
        EXPECT_EQ(get_process_stats(*client, path).size(), PROCESS_STATS_MAX);
        ASSERT_TRUE(fork_into_task());
        EXPECT_EQ(client->task(path, "GetProcessStats").error, "org.nomad.Executor.Error.LimitExceeded");

        EXPECT_TRUE(client->stop_task(path, "", 0).ok());
        for (pid_t pid : children)
                EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
        (void) client->wait_task(path);
        EXPECT_TRUE(client->release(path).ok());
}

/* --- StreamStats --- */

TEST_F(StatsBus, StreamHasTheKeysOfGetStatsAndEndsWithTheTask)
{
        std::string path = start("web", shell("exec sleep 1000"));
        StatsStream stream(*client, path, 20000);
        ASSERT_TRUE(stream.reply.ok()) << stream.reply;
        struct pollfd p = { stream.fd, POLLIN, 0 };

        ASSERT_EQ(poll(&p, 1, 0), 1) << "the first line is there with the reply";
        Figures expected = get_stats(*client, path), first;
        for (int i = 0; i < 5; i++) {
                Figures line = stream.figures();

                ASSERT_EQ(line.size(), expected.size());
                for (const auto &entry : expected)
                        EXPECT_EQ(line.count(entry.first), 1U) << entry.first;
                if (i == 0)
                        first = line;
                /* from the first one on, since a line that is late does not delay the next */
                EXPECT_GE(line["Timestamp"] - first["Timestamp"], i * 10000);
        }

        ASSERT_TRUE(client->stop_task(path, "", 0).ok());
        (void) client->wait_task(path);
        while (!stream.line().empty())
                ;
        EXPECT_TRUE(client->release(path).ok());
}

TEST_F(StatsBus, StreamEndsWithTheTaskThoughNoLineIsDue)
{
        std::string path = start("web", shell("exec sleep 1000"));
        StatsStream stream(*client, path, UINT64_MAX);

        ASSERT_TRUE(stream.reply.ok()) << stream.reply;
        EXPECT_FALSE(stream.line().empty());
        ASSERT_TRUE(client->stop_task(path, "", 0).ok());
        (void) client->wait_task(path);
        EXPECT_TRUE(stream.line().empty());
        EXPECT_TRUE(client->release(path).ok());
}

TEST_F(StatsBus, StreamInterval)
{
        std::string path = start("web", shell("exec sleep 1000"));

        EXPECT_EQ(StatsStream(*client, path, STATS_INTERVAL_MIN_USEC - 1).reply.error,
                        "org.nomad.Executor.Error.InvalidSpec");
        EXPECT_EQ(StatsStream(*client, path, 1).reply.error, "org.nomad.Executor.Error.InvalidSpec");
        EXPECT_TRUE(StatsStream(*client, path, STATS_INTERVAL_MIN_USEC).reply.ok());

        StatsStream by_default(*client, path, 0), never_again(*client, path, UINT64_MAX);
        EXPECT_FALSE(never_again.figures().empty());
        double first = by_default.figures().at("Timestamp"), second = by_default.figures().at("Timestamp");
        EXPECT_GE(second - first, 900000);
        EXPECT_LT(second - first, 10000000);
        finish(path);
        EXPECT_TRUE(never_again.figures().empty()) << "only the first line, then the end of the task";
}

/* One timer, whoever reads: the slow reader is not given the lines of the fast one. */
TEST_F(StatsBus, ReadersOfDifferentIntervals)
{
        std::string path = start("web", shell("exec sleep 1000"));
        StatsStream slow(*client, path, 300000), fast(*client, path, 20000);
        double begin = slow.figures().at("Timestamp"), end = slow.figures().at("Timestamp");
        double fast_begin = fast.figures().at("Timestamp");
        size_t lines = 1;

        EXPECT_GE(end - begin, 290000);
        while (fast.figures().at("Timestamp") < end)
                lines++;
        EXPECT_GE(lines, 5U);
        EXPECT_LE(lines, (end - fast_begin) / 20000 + 2);
        finish(path);
}

TEST_F(StatsBus, ReaderThatDoesNotReadIsCutOff)
{
        std::string path = start("web", shell("exec sleep 1000"));
        size_t files = n_service_files();
        StatsStream lazy(*client, path, STATS_INTERVAL_MIN_USEC), diligent(*client, path, 50000);
        ASSERT_TRUE(lazy.reply.ok()) << lazy.reply;

        /* one is closed by the service; the other one goes on all the while */
        ASSERT_TRUE(eventually([&] {
                EXPECT_FALSE(diligent.figures().empty());
                struct pollfd p = { lazy.fd, 0, 0 };
                return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
        }));
        EXPECT_FALSE(diligent.figures().empty());

        size_t lines = 0, bytes = 0;
        for (std::string line = lazy.line(); !line.empty(); line = lazy.line()) {
                ASSERT_EQ(line.back(), '}') << "not a whole line";
                bytes += line.size() + 1;
                lines++;
        }
        EXPECT_GT(lines, 10U);
        EXPECT_LE(bytes, 65536U);
        diligent.close();
        EXPECT_TRUE(eventually([&] { return n_service_files() <= files; })) << executor->messages();
        finish(path);
}

TEST_F(StatsBus, ReaderThatClosesIsForgotten)
{
        std::string path = start("web", shell("exec sleep 1000"));
        auto files = executor->open_files();

        for (int i = 0; i < 200; i++) {
                StatsStream stream(*client, path, UINT64_MAX);
                ASSERT_TRUE(stream.reply.ok()) << i << ": " << stream.reply;
                /* noticed without a line being due */
                stream.close();
                ASSERT_TRUE(eventually([&] { return executor->open_files().size() <= files.size() + 1; }));
        }
        /* sd-event keeps its timer descriptor once it has had one */
        EXPECT_TRUE(eventually([&] { return executor->open_files().size() <= files.size() + 1; }));
        finish(path);
}

/* The files of the cgroup are opened once, whoever reads, and closed with the last reader. */
TEST_F(StatsBus, StreamsOfATaskShareItsFiles)
{
        const std::string files_of = "/nomad-task-web.scope";
        std::string path = start("web", shell("exec sleep 1000"));
        auto n_open = [&](const std::string &end) {
                size_t n = 0;

                for (const auto &file : executor->open_files())
                        n += file.size() >= end.size() &&
                                        file.compare(file.size() - end.size(), end.size(), end) == 0;
                return n;
        };

        (void) get_stats(*client, path);
        EXPECT_EQ(n_open(files_of + "/cpu.stat"), 0U) << "GetStats keeps none";
        StatsStream one(*client, path, 10000), two(*client, path, 10000);
        EXPECT_FALSE(two.figures().empty());
        EXPECT_EQ(n_open(files_of), 1U);
        EXPECT_EQ(n_open(files_of + "/cpu.stat"), 1U);
        (void) get_stats(*client, path);
        EXPECT_EQ(n_open(files_of + "/cpu.stat"), 1U) << "they are the stream's";

        one.close();
        EXPECT_FALSE(two.figures().empty());
        EXPECT_EQ(n_open(files_of + "/cpu.stat"), 1U);
        two.close();
        EXPECT_TRUE(eventually(
                        [&] { return n_open(files_of) == 0 && n_open(files_of + "/cpu.stat") == 0; }));
        finish(path);
}

TEST_F(StatsBus, ReadersUpToTheLimit)
{
        std::string path = start("web", shell("exec sleep 1000")),
                    other = start("other", shell("exec sleep 1000"));
        std::vector<std::unique_ptr<StatsStream>> streams;

        for (unsigned i = 0; i < STATS_READERS_MAX; i++) {
                streams.push_back(std::make_unique<StatsStream>(*client, path, 20000));
                ASSERT_TRUE(streams.back()->reply.ok()) << i << ": " << streams.back()->reply;
        }
        EXPECT_EQ(StatsStream(*client, path, 20000).reply.error, "org.nomad.Executor.Error.LimitExceeded");
        EXPECT_TRUE(StatsStream(*client, other, 20000).reply.ok()) << "the limit is for each task";

        for (int i = 0; i < 3; i++)
                for (auto &stream : streams)
                        EXPECT_FALSE(stream->figures().empty());
        streams.pop_back();
        EXPECT_TRUE(eventually([&] { return StatsStream(*client, path, 20000).reply.ok(); }));

        EXPECT_TRUE(client->stop_task(other, "", 0).ok());
        (void) client->wait_task(other);
        EXPECT_TRUE(client->release(other).ok());
        finish(path);
}

TEST_F(StatsBus, StreamEndsWithTheService)
{
        std::string path = start("web", shell("exec sleep 1000"));
        StatsStream stream(*client, path, UINT64_MAX);

        ASSERT_TRUE(executor->restart_hard());
        EXPECT_FALSE(stream.figures().empty());
        EXPECT_TRUE(stream.figures().empty());
        Figures figures = get_stats(*client, path);
        EXPECT_EQ(figures.at("CPUPercent"), 0);
        finish(path);
}

/* --- Freeze --- */

TEST_F(StatsBus, FreezeStopsTheClockAndThawStartsIt)
{
        std::string path = start("web", shell(spinner));

        ASSERT_TRUE(client->task(path, "Freeze").ok());
        EXPECT_TRUE(is_frozen("web")) << "when the reply comes it is so";
        EXPECT_EQ(client->property(path, "State"), "running");
        double usage = get_stats(*client, path).at("CPUUsageNSec");
        /* the task's own, since the supervisor beside it is not frozen */
        std::string stat = read_file(cgroup_file("web", "task/cpu.stat"));
        ASSERT_NE(stat, "");
        (void) poll(nullptr, 0, 100);
        EXPECT_EQ(read_file(cgroup_file("web", "task/cpu.stat")), stat);
        EXPECT_TRUE(client->task(path, "Freeze").ok()) << "again";

        ASSERT_TRUE(client->task(path, "Thaw").ok());
        EXPECT_FALSE(is_frozen("web"));
        EXPECT_TRUE(eventually([&] { return get_stats(*client, path).at("CPUUsageNSec") > usage; }));
        EXPECT_TRUE(client->task(path, "Thaw").ok()) << "again";
        finish(path);
}

TEST_F(StatsBus, StopThawsAFrozenTask)
{
        std::string out = directory + "/out";
        std::string path = start("web",
                        shell("trap 'echo got >" + out + "; exit 7' INT; touch " + directory +
                                        "/ready; while :; do sleep 0.01; done"));

        ASSERT_TRUE(eventually([&] { return access((directory + "/ready").c_str(), F_OK) == 0; }));
        ASSERT_TRUE(client->task(path, "Freeze").ok());
        ASSERT_TRUE(client->stop_task(path, "", UINT64_MAX).ok());
        EXPECT_EQ(client->task(path, "Freeze").error, "org.nomad.Executor.Error.NotRunning");
        EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 7, 0, false }));
        EXPECT_EQ(read_file(out), "got\n");
        EXPECT_TRUE(client->release(path).ok());
}

TEST_F(StatsBus, StopAtOnceOfAFrozenTask)
{
        std::string path = start("web", shell("sleep 1000 & exec sleep 1000"));

        ASSERT_TRUE(client->task(path, "Freeze").ok());
        ASSERT_TRUE(client->stop_task(path, "", 0).ok());
        EXPECT_EQ(client->wait_task(path), (Exit{ "signal", 137, 9, false }));
        EXPECT_TRUE(client->release(path).ok());
        expect_nothing_left();
}

TEST_F(StatsBus, FrozenOverARestart)
{
        std::string path = start("web", shell(spinner));

        ASSERT_TRUE(client->task(path, "Freeze").ok());
        ASSERT_TRUE(executor->restart_hard());
        EXPECT_TRUE(is_frozen("web"));
        EXPECT_EQ(client->property(path, "State"), "running");
        EXPECT_TRUE(client->task(path, "Thaw").ok());
        EXPECT_FALSE(is_frozen("web"));
        finish(path);
}

/* The supervisor does without the service. */
TEST_F(StatsBus, FrozenTaskIsStoppedWithoutTheService)
{
        std::string path = start("web",
                        shell("trap 'exit 7' INT; touch " + directory +
                                        "/ready; while :; do sleep 0.01; done"));

        ASSERT_TRUE(eventually([&] { return access((directory + "/ready").c_str(), F_OK) == 0; }));
        ASSERT_TRUE(client->task(path, "Freeze").ok());
        executor->kill_hard();
        systemd->stop_unit("nomad-task-web.scope");
        ASSERT_TRUE(eventually([&] { return systemd->units().empty(); }));
        ASSERT_TRUE(executor->start());
        EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 7, 0, false }));
        EXPECT_TRUE(client->release(path).ok());
}

/* What can be neither frozen nor thawed: a cgroup whose parent is frozen stays so. */
TEST_F(StatsBus, CallsThatWait)
{
        std::string path = start("web", shell("exec sleep 1000"));
        std::string parent = cgroup_full_path("/nomad.slice/cgroup.freeze");
        auto later = [&](const char *member) {
                return client->call_later(EXECUTOR_NAME, path, TASK_INTERFACE, member);
        };
        auto set_parent = [&](const char *value) {
                FILE *file = fopen(parent.c_str(), "we");
                ASSERT_NE(file, nullptr);
                EXPECT_GE(fputs(value, file), 0);
                EXPECT_EQ(fclose(file), 0);
        };

        set_parent("1");
        ASSERT_TRUE(eventually([&] { return is_frozen("web"); }));
        auto one = later("Thaw"), two = later("Thaw");
        EXPECT_TRUE(client->task(path, "Freeze").ok())
                        << "it is, and those who wait for the contrary are told";
        ASSERT_TRUE(client->await(one) && client->await(two));
        EXPECT_EQ(one->reply().error, "org.freedesktop.DBus.Error.Failed");
        EXPECT_EQ(two->reply().error, "org.freedesktop.DBus.Error.Failed");

        auto three = later("Thaw"), four = later("Thaw");
        EXPECT_TRUE(client->has_owner(EXECUTOR_NAME));
        EXPECT_FALSE(three->done());
        set_parent("0");
        ASSERT_TRUE(client->await(three) && client->await(four));
        EXPECT_TRUE(three->reply().ok()) << three->reply();
        EXPECT_TRUE(four->reply().ok()) << four->reply();
        EXPECT_FALSE(is_frozen("web"));
        finish(path);
}

TEST_F(StatsBus, CallersOfThawUpToTheLimit)
{
        std::string path = start("web", shell("exec sleep 1000"));
        std::string parent = cgroup_full_path("/nomad.slice/cgroup.freeze");
        std::vector<std::shared_ptr<Pending>> calls;

        ASSERT_EQ(system(("echo 1 >" + parent).c_str()), 0);
        ASSERT_TRUE(eventually([&] { return is_frozen("web"); }));
        for (unsigned i = 0; i < TASK_FREEZE_WAITERS_MAX; i++)
                calls.push_back(client->call_later(EXECUTOR_NAME, path, TASK_INTERFACE, "Thaw"));
        EXPECT_EQ(client->task(path, "Thaw").error, "org.nomad.Executor.Error.LimitExceeded");
        ASSERT_EQ(system(("echo 0 >" + parent).c_str()), 0);
        for (auto &call : calls) {
                ASSERT_TRUE(client->await(call));
                EXPECT_TRUE(call->reply().ok()) << call->reply();
        }
        finish(path);
}

/* What Exec adds to a frozen task is frozen with it, and goes on with it. */
TEST_F(StatsBus, ExecInAFrozenTaskWaitsForThaw)
{
        std::string path = start("web", shell("exec sleep 1000"));

        ASSERT_TRUE(client->task(path, "Freeze").ok());
        auto exec = client->call_later(EXECUTOR_NAME, path, TASK_INTERFACE, "Exec", [](sd_bus_message *m) {
                EXPECT_GE(sd_bus_message_append(m, "asa{sv}", 1, "/bin/true", 0), 0);
        });
        EXPECT_EQ(client->property(path, "State"), "running") << "the service goes on";
        EXPECT_FALSE(exec->done());
        ASSERT_TRUE(client->task(path, "Thaw").ok());
        ASSERT_TRUE(client->await(exec));
        EXPECT_TRUE(exec->reply().ok()) << exec->reply();
        finish(path);
}

TEST_F(StatsBus, RunInAFrozenTaskHasItsDeadline)
{
        std::string path = start("web", shell("exec sleep 1000"));
        auto run = [&](uint64_t timeout_usec) {
                return client->call_later(
                                EXECUTOR_NAME, path, TASK_INTERFACE, "Run", [=](sd_bus_message *m) {
                                        EXPECT_GE(sd_bus_message_append(
                                                                  m, "ast", 1, "/bin/true", timeout_usec),
                                                        0);
                                });
        };
        int code = 0, signal = 0, timed_out = 0;

        ASSERT_TRUE(client->task(path, "Freeze").ok());
        auto endless = run(UINT64_MAX), limited = run(100000);
        ASSERT_TRUE(client->await(limited));
        ASSERT_TRUE(limited->reply().ok()) << limited->reply();
        ASSERT_GT(sd_bus_message_read(limited->reply().message.get(), "iib", &code, &signal, &timed_out), 0);
        EXPECT_EQ(code, 137);
        EXPECT_EQ(signal, 9);
        EXPECT_TRUE(timed_out);
        EXPECT_TRUE(is_frozen("web")) << "the task is as it was";
        EXPECT_FALSE(endless->done());

        ASSERT_TRUE(client->stop_task(path, "", 0).ok());
        ASSERT_TRUE(client->await(endless));
        EXPECT_EQ(client->wait_task(path), (Exit{ "signal", 137, 9, false }));
        EXPECT_TRUE(client->release(path).ok());
}

/* --- GetTaskByPIDFD --- */

TEST_F(StatsBus, TaskOfAnyOfItsProcesses)
{
        std::string path = start("a/b", shell("(setsid sleep 1000 &) ; exec sleep 1001"));
        std::string other = start("other", shell("exec sleep 1000"));
        const std::string scope = "/nomad.slice/nomad-task-a_2fb.scope";

        ASSERT_TRUE(eventually([&] {
                auto pids = cgroup_processes(scope + "/task");
                /* not the shell between them */
                return pids.size() == 2 && std::all_of(pids.begin(), pids.end(), [this](pid_t pid) {
                        return read_file("/proc/" + std::to_string(pid) + "/comm") == "sleep\n";
                });
        }));
        for (pid_t pid : cgroup_processes(scope)) {
                PidFd pidfd(pid);
                EXPECT_EQ(get_task_by_pidfd(*client, pidfd.fd).path(), path) << pid;
        }
        EXPECT_EQ(get_task_by_pidfd(*client, PidFd(main_of("other")).fd).path(), other);

        PidFd ourselves(getpid());
        EXPECT_EQ(get_task_by_pidfd(*client, ourselves.fd).error, "org.nomad.Executor.Error.NoSuchTask");
        Reply reply = get_task_by_pidfd(*client, STDERR_FILENO);
        EXPECT_EQ(reply.error, "org.nomad.Executor.Error.InvalidSpec");
        EXPECT_NE(reply.text.find("pidfd"), std::string::npos) << reply;

        EXPECT_TRUE(client->stop_task(other, "", 0).ok());
        (void) client->wait_task(other);
        EXPECT_TRUE(client->release(other).ok());
        finish(path);
}

/* A process that has been reaped is of no task, whoever has its pid by now. */
TEST_F(StatsBus, ProcessThatIsGone)
{
        std::string path = start("web", shell("exec sleep 1000"));
        PidFd pidfd(main_of("web"));

        ASSERT_EQ(get_task_by_pidfd(*client, pidfd.fd).path(), path);
        ASSERT_TRUE(client->stop_task(path, "", 0).ok());
        (void) client->wait_task(path);
        EXPECT_EQ(get_task_by_pidfd(*client, pidfd.fd).error, "org.nomad.Executor.Error.NoSuchTask");
        EXPECT_TRUE(client->release(path).ok());
}

/* Anybody may call a cgroup as a scope of ours is called. */
TEST_F(StatsBus, CgroupThatOnlyHasTheName)
{
        const std::string fake = "/impostor/nomad-task-web.scope";
        std::string path = start("web", shell("exec sleep 1000"));
        pid_t pid = fork();

        if (pid == 0) {
                (void) pause();
                _exit(0);
        }
        ASSERT_TRUE(cgroup_make(fake));
        ASSERT_TRUE(cgroup_attach(fake, pid));
        EXPECT_EQ(get_task_by_pidfd(*client, PidFd(pid).fd).error, "org.nomad.Executor.Error.NoSuchTask");

        EXPECT_EQ(kill(pid, SIGKILL), 0);
        EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
        EXPECT_TRUE(cgroup_remove("/impostor"));
        finish(path);
}

} // namespace
