/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <algorithm>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log-fixture.h"

/* The output of tasks, on a booted system. */

/* Enough of them for the worst to be looked at beside the nine of ten. */
#define QUIET_LOGS 20

class Log : public LogTest
{
      protected:
        /* The files of a task's output are the same as what COMMAND prints. */
        void expect_files_of(const std::string &command, const Spec &spec)
        {
                const std::string task = scratch + "/task", direct = scratch + "/direct";

                ASSERT_EQ(run({ "sh", "-c", "(" + command + ") >" + direct }).status, 0);
                Spec with_script = spec;
                start("contents",
                                with_script.set("Command", "/bin/sh")
                                                .set("Arguments",
                                                                std::vector<std::string>{ "-c", command }));
                EXPECT_EQ(wait("contents"), (Exit{ "success", 0, 0, false }));
                std::string concatenate = "cat";
                for (const auto &path : files_of("contents"))
                        concatenate += " " + path;
                ASSERT_EQ(run({ "sh", "-c", concatenate + " >" + task }).status, 0);
                EXPECT_EQ(run({ "cmp", direct, task }), (Output{ 0, "" })) << command;
                EXPECT_EQ(log_count("contents", "DroppedBytes"), 0U);
                release("contents");
                ASSERT_EQ(run({ "rm", "-rf", "/var/log/nomad/contents" }).status, 0);
        }

        /* When the first line of a log is in its file, in milliseconds, of one log after the other: the next
         * line of the same log might be put together with this one, which is not what is looked at here. */
        std::vector<double> delays_of_lines(const Spec &config)
        {
                const std::string line = "a line\n";
                std::vector<double> delays;

                for (int i = 0; i < QUIET_LOGS; i++) {
                        const std::string id = "quiet-" + std::to_string(i), file = log_of(id, "stdout");
                        Pipe pipe;

                        start_pipe(id, pipe, config);
                        const auto begin = std::chrono::steady_clock::now();
                        pipe.put(line);
                        EXPECT_TRUE(eventually([&] { return size_of(file) == line.size(); })) << id;
                        delays.push_back(std::chrono::duration<double, std::milli>(
                                        std::chrono::steady_clock::now() - begin)
                                                         .count());
                }
                std::sort(delays.begin(), delays.end());
                std::cout << "median " << delays[delays.size() / 2] << " ms, worst " << delays.back()
                          << " ms" << std::endl;
                return delays;
        }

        /* Nine of ten, since the machine may have something else to do; and the others are not forgotten. */
        static void expect_within(const std::vector<double> &delays, double msec)
        {
                EXPECT_LT(delays[delays.size() * 9 / 10 - 1], msec);
                EXPECT_LT(delays.back(), 10 * msec);
        }

        static uint64_t size_of(const std::string &path)
        {
                struct stat st;

                return stat(path.c_str(), &st) < 0 ? 0 : (uint64_t) st.st_size;
        }
};

static Spec files_only()
{
        return Spec().set("LogTargets", std::vector<std::string>{ "files" });
}

/* --- any contents --- */

TEST_F(Log, FilesAreWhatTheTaskWrote)
{
        expect_files_of("printf 'a\\0b\\0\\n\\0\\0\\n\\n'", Spec());
        expect_files_of("printf 'a\\r\\nb\\r\\n\\r\\n'", Spec());
        expect_files_of("printf 'no end of the line'", Spec());
        expect_files_of("printf '<3>a\\n<9>b\\n<\\n<3>'", Spec());
        expect_files_of("head -c 3000000 /dev/zero", Spec());
        expect_files_of("seq 700000 | gzip -nc; seq 100", Spec());
        expect_files_of("true", Spec());
}

TEST_F(Log, AMillionLinesOfOneByte)
{
        expect_files_of("yes x | head -n 1000000", files_only().set("LogMaxFileSize", (uint64_t) 300001));
}

TEST_F(Log, OneLineOf100MB)
{
        expect_files_of("head -c 100000000 /dev/zero | tr '\\0' x; echo",
                        files_only().set("LogMaxFiles", 20U));
}

/* --- who may read --- */

TEST_F(Log, DirectoriesAreOfTheGroupAdm)
{
        const std::string all = "/var/log/nomad", own = all + "/" + label_of("for-adm"),
                          group = "/etc/group";
        const auto mode_of = [](const std::string &path) {
                return run({ "stat", "-c", "%a %U %G", path }).text;
        };
        const auto log_once = [&] {
                ASSERT_EQ(run({ "sh", "-c", "systemctl stop " LOGMON_UNIT "; rm -rf " + all }).status, 0);
                start("for-adm", script("echo words"));
                EXPECT_EQ(wait("for-adm"), (Exit{ "success", 0, 0, false }));
                release("for-adm");
        };

        log_once();
        EXPECT_EQ(mode_of(all), "750 root adm\n");
        EXPECT_EQ(mode_of(own), "750 root adm\n");
        const std::string file = log_of("for-adm", "stdout");
        EXPECT_NE(run({ "runuser", "-u", "nobody", "--", "cat", file }).status, 0);
        EXPECT_EQ(run({ "setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=adm", "cat", file }).text,
                        "words\n");

        ASSERT_EQ(run({ "sed", "-i.kept", "/^adm:/d", group }).status, 0);
        log_once();
        EXPECT_EQ(mode_of(all), "750 root root\n");
        EXPECT_EQ(mode_of(own), "750 root root\n");
        EXPECT_EQ(run({ "mv", group + ".kept", group }).status, 0);
        ASSERT_EQ(run({ "systemctl", "restart", LOGMON_UNIT }).status, 0);
        EXPECT_EQ(mode_of(all), "750 root adm\n");
}

/* --- tasks that do not come to be --- */

TEST_F(Log, ATaskThatWasNotStartedLeavesNoLog)
{
        const std::set<std::string> before = list_tree("/var/log/nomad");
        auto is_as_before = [&] { return list_tree("/var/log/nomad") == before; };
        Reply reply = client.start_task("not-started", Spec().set("Command", "/no/such/program"));

        EXPECT_EQ(reply.error, "org.nomad.Executor.Error.CommandNotFound") << reply;
        EXPECT_TRUE(eventually(is_as_before));
        reply = client.start_task("not-started", script("true").set("WorkingDirectory", "/no/such/folder"));
        EXPECT_FALSE(reply.ok());
        EXPECT_TRUE(eventually(is_as_before));
        expect_nothing_left("not-started");
}

TEST_F(Log, DiscardStopsALogThatRuns)
{
        Pipe pipe;

        start_pipe("discarded", pipe);
        ASSERT_TRUE(exists("/var/log/nomad/discarded/discarded.stdout.0"));
        pipe.close_writer();
        EXPECT_TRUE(logmon("Discard", "discarded").ok());
        EXPECT_FALSE(exists("/var/log/nomad/discarded"));
        expect_nothing_left("discarded");
        EXPECT_TRUE(logmon("Discard", "discarded").ok()) << "again";
        EXPECT_EQ(logmon("Discard", "").error, "org.nomad.Executor.Error.InvalidSpec");
}

/* --- copytruncate --- */

TEST_F(Log, TruncatingTheFileOfABusyWriterLeavesNoHole)
{
        const std::string id = "truncated";
        std::string file;
        const auto is_begun = [&] {
                const auto files = files_of(id);
                struct stat st = {};

                file = files.empty() ? "" : files.back();
                return stat(file.c_str(), &st) == 0 && st.st_size > 100000;
        };
        const auto is_whole = [&] { return read_file(file).find('\0') == std::string::npos; };

        start(id,
                        files_only().set("Command", "yes")
                                        .set("Arguments", std::vector<std::string>{ "0123456789abcdef" })
                                        .set("LogMaxFiles", 2U)
                                        .set("LogMaxFileSize", uint64_t{ 50000000 }));
        for (int i = 0; i < 100; i++) {
                do
                        ASSERT_TRUE(eventually(is_begun)) << i;
                while (truncate(file.c_str(), 0) != 0);
                /* so that there is time to look at what has come since */
                ASSERT_TRUE(client.task(path_of(id), "Freeze").ok());
                ASSERT_TRUE(!exists(file) || eventually(is_whole)) << i;
                ASSERT_TRUE(client.task(path_of(id), "Thaw").ok());
        }
        EXPECT_TRUE(stop(id, "", 0).ok());
        (void) wait(id);
}

/* --- the last words of what the main process leaves behind --- */

TEST_F(Log, LastWordsOfAStragglerAreHeard)
{
        int heard = 0;

        for (int i = 0; i < 5; i++) {
                const std::string id = "words-" + std::to_string(i);

                start(id,
                                files_only().set("Command", "/bin/bash")
                                                .set("User", "nobody")
                                                .set("Group", "nogroup")
                                                .set("Arguments",
                                                                std::vector<std::string>{ "-c",
                                                                                "exec > >(sleep 0.1; cat); "
                                                                                "echo last words" }));
                EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));
                heard += contents_of(id) == "last words\n";
        }
        /* on a machine where each of them gets the processor for a moment */
        EXPECT_GE(heard, 4);
}

/* Who holds the output for ever is killed after all, and who has another output is not waited for. */
TEST_F(Log, StragglersAreKilledAfterTheirMoment)
{
        for (std::string output : { "", ">/dev/null 2>&1" }) {
                const std::string id = "straggler";

                start(id,
                                files_only().set("Command", "/bin/sh")
                                                .set("Arguments",
                                                                std::vector<std::string>{ "-c",
                                                                                "setsid sleep infinity " +
                                                                                                output +
                                                                                                " & exit 5" }));
                EXPECT_EQ(wait(id), (Exit{ "exit-code", 5, 0, false }));
                EXPECT_FALSE(exists(cgroup_of(id)));
                release(id);
        }
}

/* --- a pipe of another size --- */

TEST_F(Log, ASmallPipeIsEmptiedAsOftenAsItIsFull)
{
        const auto duration = [&](const std::string &id, int size) {
                const auto begin = std::chrono::steady_clock::now();

                start(id,
                                files_only().set("Command", "/usr/bin/python3")
                                                .set("Arguments",
                                                                std::vector<std::string>{ "-c",
                                                                                "import fcntl, os\n"
                                                                                "size = fcntl.fcntl(1, 1031, " +
                                                                                                std::to_string(size) +
                                                                                                ")\n"
                                                                                                "os.write(2, b'%d' % size)\n"
                                                                                                "for i in range(30000): os.write(1, b'x' * 99 + b'\\n')\n" }));
                EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));
                EXPECT_EQ(contents_of(id, "stderr"), std::to_string(size));
                EXPECT_EQ(contents_of(id).size(), 30000U * 100);
                return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        };
        double usual = duration("usual", 262144), small = duration("small", 4096);

        /* three megabytes took half a minute while nobody noticed the size */
        EXPECT_LT(small, std::max(10.0, 5 * usual));
}

/* --- Start and Stop --- */

TEST_F(Log, StartAndStopAreIdempotent)
{
        Pipe pipe;
        const Spec config = files_only().set_fd("Stdout", pipe.reader);
        Reply reply = start_log("twice", config);

        ASSERT_TRUE(reply.ok()) << reply;
        EXPECT_EQ(reply.path(), "/org/nomad/Logmon/log/twice");
        EXPECT_EQ(start_log("twice", config).path(), "/org/nomad/Logmon/log/twice");
        Pipe other;
        EXPECT_EQ(start_log("twice", files_only().set_fd("Stdout", other.reader)).error,
                        "org.nomad.Executor.Error.TaskRunning");
        pipe.close_reader();

        pipe.put("once\n");
        pipe.close_writer();
        for (int i = 0; i < 2; i++) {
                EXPECT_TRUE(logmon("Stop", "twice").ok());
                EXPECT_EQ(log_property("twice", "State"), "stopped");
                EXPECT_EQ(log_property("twice", "StdoutBytes"), "5");
        }
        EXPECT_EQ(contents_of("twice"), "once\n");
        EXPECT_TRUE(logmon("Stop", "nobody-knows-it").ok());
        EXPECT_TRUE(logmon("Release", "nobody-knows-it").ok());
}

TEST_F(Log, SizesChangeWithASecondStart)
{
        Pipe pipe;

        start_pipe("sizes", pipe, files_only().set("LogMaxFileSize", (uint64_t) 100));
        for (int i = 0; i < 5; i++)
                pipe.put(sequence(1, 96, (uint64_t) i * 96));
        ASSERT_TRUE(eventually([&] { return log_count("sizes", "StdoutBytes") == 5U * 96; }));
        ASSERT_EQ(files_of("sizes").size(), 5U);

        ASSERT_TRUE(start_log("sizes", Spec().set("LogMaxFiles", 2U).set("LogMaxFileSize", (uint64_t) 1000))
                                        .ok());
        EXPECT_EQ(list_directory("/var/log/nomad/sizes"),
                        (std::set<std::string>{ "sizes.stdout.3", "sizes.stdout.4" }));
        pipe.put(sequence(1, 800, 480));
        ASSERT_TRUE(eventually([&] { return log_count("sizes", "StdoutBytes") == 1280; }));
        EXPECT_EQ(read_file("/var/log/nomad/sizes/sizes.stdout.4"), sequence(1, 896, 384));
        kill_logmon();
        pipe.put(sequence(1, 160, 1280));
        pipe.close_writer();
        ASSERT_TRUE(logmon("Stop", "sizes").ok());
        EXPECT_EQ(list_directory("/var/log/nomad/sizes"),
                        (std::set<std::string>{ "sizes.stdout.4", "sizes.stdout.5" }))
                        << "also after a restart";
        EXPECT_EQ(contents_of("sizes"), sequence(1, 1056, 384));
}

/* --- FIFOs --- */

TEST_F(Log, BytesInAFifoWaitForLogmon)
{
        const std::string fifo = scratch + "/fifo";
        const Spec config = files_only().set("StdoutFifo", fifo);

        ASSERT_TRUE(start_log("fifo", config).ok()) << "it is made";
        int fd = open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        ASSERT_GE(fd, 0) << "there is a reader";
        ASSERT_EQ(write(fd, "running\n", 8), 8);
        ASSERT_TRUE(eventually([&] { return contents_of("fifo") == "running\n"; }));

        /* killed, and unable to come back before something is written; to mask the unit would make systemd
         * forget the pipes */
        ASSERT_EQ(run({ "mv", LOGMON_BINARY, LOGMON_BINARY ".away" }).status, 0);
        kill_service(LOGMON_UNIT);
        EXPECT_EQ(write(fd, "killed\n", 7), 7) << "systemd keeps it open";
        EXPECT_EQ(contents_of("fifo"), "running\n");
        ASSERT_EQ(run({ "mv", LOGMON_BINARY ".away", LOGMON_BINARY }).status, 0);
        EXPECT_TRUE(eventually([&] { return contents_of("fifo") == "running\nkilled\n"; }))
                        << contents_of("fifo");

        ASSERT_TRUE(logmon("Stop", "fifo").ok()) << "although there is a writer";
        (void) close(fd);
        fd = open(fifo.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
        ASSERT_EQ(write(fd, "stopped\n", 8), 8);
        ASSERT_TRUE(start_log("fifo", config).ok());
        (void) close(fd);
        EXPECT_TRUE(eventually([&] { return contents_of("fifo") == "running\nkilled\nstopped\n"; }))
                        << contents_of("fifo");

        /* writers come and go */
        for (int i = 0; i < 3; i++)
                EXPECT_EQ(run({ "sh", "-c", "echo more >" + fifo }).status, 0);
        EXPECT_TRUE(eventually([&] {
                return contents_of("fifo") == "running\nkilled\nstopped\nmore\nmore\nmore\n";
        })) << contents_of("fifo");
        EXPECT_EQ(log_property("fifo", "State"), "running");
}

/* --- time --- */

TEST_F(Log, ALineIsInTheFileAtOnce)
{
        expect_within(delays_of_lines(Spec()), 100);
}

TEST_F(Log, TasksThatWriteFlatOutDoNotDelayALine)
{
        const Spec small = files_only().set("LogMaxFileSize", (uint64_t) 1 << 20).set("LogMaxFiles", 2U);
        const unsigned n = 49;

        for (unsigned i = 0; i < n; i++)
                start_writer("flat-out-" + std::to_string(i), i, 4096, 0, 0, small);
        expect_within(delays_of_lines(files_only()), 200);

        stop_writers();
        uint64_t total = 0;
        for (unsigned i = 0; i < n; i++) {
                const std::string id = "flat-out-" + std::to_string(i);
                EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));
                EXPECT_GT(written(id), 2U << 20) << "it was not writing flat out";
                total += written(id);
                /* the end of it is there */
                const std::string text = contents_of(id);
                ASSERT_LE(text.size(), written(id));
                EXPECT_TRUE(text == sequence(i, text.size(), written(id) - text.size())) << id;
        }
        std::cout << "the others wrote " << total / 1000000 << " MB" << std::endl;
}

/* How often a process has waited for something. */
static uint64_t waits_of(pid_t pid)
{
        const std::string text = read_file("/proc/" + std::to_string(pid) + "/status");

        return std::stoull(text.substr(text.find("\nvoluntary_ctxt_switches:") + 25));
}

TEST_F(Log, ManySmallWritesAreFewWakeUps)
{
        const uint64_t size = 20000000;
        const std::string id = "small-writes";
        const pid_t pid = logmon_pid();
        const uint64_t before = waits_of(pid);

        start_writer(id, 1, 100, 0, size, files_only().set("LogMaxFileSize", (uint64_t) 100000000));
        EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));
        const uint64_t waits = waits_of(pid) - before;
        EXPECT_EQ(contents_of(id), sequence(1, size));
        EXPECT_EQ(logmon_pid(), pid) << "it was another process";
        std::cout << size / 100 << " lines, " << waits << " wake-ups" << std::endl;
        EXPECT_LT(waits, size / 100 / 20);
}

/* Also one that is slow enough for each of its lines to be seen alone: 32 ms are waited for more. */
TEST_F(Log, ALineEveryMillisecondIsNoWakeUpEach)
{
        const std::string id = "small-writes";
        const pid_t pid = logmon_pid();
        const uint64_t before = waits_of(pid);

        start_writer(id, 1, 100, 1000, 200000, files_only());
        EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));
        const uint64_t waits = waits_of(pid) - before;
        EXPECT_EQ(logmon_pid(), pid) << "it was another process";
        std::cout << "2000 lines, " << waits << " wake-ups" << std::endl;
        EXPECT_LT(waits, 2000U / 5);
}

/* --- what systemd keeps --- */

TEST_F(Log, PipesOfEndedStreamsAreNotKept)
{
        Pipe out;

        start_pipe("again", out, files_only());
        ASSERT_GE(count_shelved(), 1U);
        const size_t before = count_shelved();
        for (int i = 0; i < 5; i++) {
                Pipe err;

                ASSERT_TRUE(start_log("again", files_only().set_fd("Stderr", err.reader)).ok());
                err.close_reader();
                EXPECT_EQ(count_shelved(), before + 1) << "only that of now is kept";
                err.put("once\n");
                err.close_writer();
                ASSERT_TRUE(eventually([&] { return count_shelved() == before; })) << "it is given up";
        }
        EXPECT_EQ(contents_of("again", "stderr"), "once\nonce\nonce\nonce\nonce\n");
        kill_logmon();
        out.put("still there\n");
        EXPECT_TRUE(eventually([&] { return contents_of("again") == "still there\n"; }));
}

/* Its pipe stays until more are to be given up: others are on the shelf. */
TEST_F(Log, AStreamThatHasEndedIsNotReadAgain)
{
        const std::vector<std::string> matches = { "NOMAD_TASK_ID=ended", "NOMAD_STREAM=stderr" };
        const std::vector<std::string> line = { "no newline" };
        const size_t before = count_shelved();
        std::vector<Pipe> others(6);
        Pipe out, err;

        for (size_t i = 0; i < others.size(); i++)
                start_pipe("other-" + std::to_string(i), others[i]);
        start_pipe("ended", out);
        ASSERT_TRUE(start_log("ended", Spec().set_fd("Stderr", err.reader)).ok());
        err.close_reader();
        err.put(line[0]);
        err.close_writer();
        ASSERT_TRUE(eventually([&] { return journal(matches) == line; }));
        EXPECT_EQ(count_shelved(), before + others.size() + 2);
        kill_logmon();
        EXPECT_TRUE(eventually([&] { return count_shelved() == before + others.size() + 1; }))
                        << count_shelved();
        EXPECT_EQ(journal(matches), line);
        out.put("still there\n");
        EXPECT_TRUE(eventually([&] { return contents_of("ended") == "still there\n"; }));
}

TEST_F(Log, AStateThatCannotBeReadIsNoReasonToLoseAPipe)
{
        const std::string state = "/run/nomad-logmon/unreadable.json";
        Pipe pipe;

        start_pipe("unreadable", pipe, files_only());
        pipe.put("before\n");
        ASSERT_TRUE(eventually([&] { return contents_of("unreadable") == "before\n"; }));
        ASSERT_EQ(run({ "sh", "-c", "cp " + state + " " + state + ".kept; echo '{' >" + state }).status, 0);
        kill_logmon();
        EXPECT_TRUE(logmon("Stop", "unreadable").ok()) << "a log that is not known";
        pipe.put("meanwhile\n");
        ASSERT_EQ(run({ "mv", state + ".kept", state }).status, 0);
        kill_logmon();
        EXPECT_TRUE(eventually([&] { return contents_of("unreadable") == "before\nmeanwhile\n"; }))
                        << contents_of("unreadable");
}

/* --- idle logs --- */

static std::pair<uint64_t, uint64_t> cpu_ticks(pid_t pid)
{
        const std::string text = read_file("/proc/" + std::to_string(pid) + "/stat");
        std::istringstream fields(text.substr(text.rfind(')') + 2));
        std::pair<uint64_t, uint64_t> ticks;
        std::string field;

        for (int i = 3; i < 14; i++)
                fields >> field;
        fields >> ticks.first >> ticks.second;
        return ticks;
}

static uint64_t pss_kib(pid_t pid)
{
        const std::string text = read_file("/proc/" + std::to_string(pid) + "/smaps_rollup");

        return std::stoull(text.substr(text.find("\nPss:") + 5));
}

TEST_F(Log, IdleLogsCostNothing)
{
        const unsigned n = 2000;
        struct rlimit limit;
        std::vector<std::unique_ptr<Pipe>> pipes;

        ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = limit.rlim_max;
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
        ASSERT_GT(limit.rlim_max, 2 * n + 100);
        const uint64_t pss = pss_kib(logmon_pid());
        for (unsigned i = 0; i < n; i++) {
                pipes.push_back(std::make_unique<Pipe>());
                pipes.push_back(std::make_unique<Pipe>());
                const int err = pipes.back()->reader;
                start_pipe("idle-" + std::to_string(i), **(pipes.end() - 2), Spec().set_fd("Stderr", err));
                pipes.back()->close_reader();
        }
        const pid_t pid = logmon_pid();
        std::cout << n << " logs, " << (double) (pss_kib(pid) - pss) / n << " KiB of memory each"
                  << std::endl;

        const auto before = cpu_ticks(pid);
        /* nothing to wait for but the time */
        ASSERT_EQ(sleep(10), 0U);
        EXPECT_EQ(cpu_ticks(pid), before) << "user and system time in ticks";

        kill_logmon();
        (*(pipes.end() - 2))->put("still there\n");
        EXPECT_TRUE(eventually([&] {
                return contents_of("idle-" + std::to_string(n - 1)) == "still there\n";
        })) << "all came back";
}
