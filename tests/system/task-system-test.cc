/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <algorithm>
#include <csignal>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

/* The life of a task, on a booted system. */

class Task : public SystemTest
{
      protected:
        std::string state(const std::string &id)
        {
                return client.property(path_of(id), "State");
        }
};

static Output busctl(std::vector<std::string> argv)
{
        /* "--": what begins with "-" in the call is no option of busctl. */
        argv.insert(argv.begin(), { "busctl", "--system", "--" });
        return run(argv);
}

/* Waits for something that a task tells by making a file. */
static bool appears(const std::string &path)
{
        return eventually([&] { return exists(path); });
}

static std::string fresh_directory(const std::string &name)
{
        std::string path = "/tmp/" + name;

        EXPECT_EQ(run({ "rm", "-rf", path }).status, 0);
        EXPECT_EQ(mkdir(path.c_str(), 0700), 0) << path;
        return path;
}

/* --- the whole way, as a user types it --- */

TEST_F(Task, MainJobByBusctl)
{
        const std::string path = "/org/nomad/Executor/task/web";
        const std::vector<std::string> wait = { "call", "org.nomad.Executor", path,
                "org.nomad.Executor.Task", "Wait" };

        Output output = busctl({ "call", "org.nomad.Executor", "/org/nomad/Executor",
                        "org.nomad.Executor.Manager", "StartTask", "sa{sv}t", "web", "2", "Command", "s",
                        "/bin/sh", "Arguments", "as", "2", "-c", "echo out; echo err >&2; exit 3", "0" });
        EXPECT_EQ(output.status, 0) << output;
        EXPECT_EQ(output.text, "o \"/org/nomad/Executor/task/web\"\n");

        output = busctl(wait);
        EXPECT_EQ(output.text, "siib \"exit-code\" 3 0 false\n");
        EXPECT_EQ(read_file("/var/log/nomad/web/web.stdout.0"), "out\n");
        EXPECT_EQ(read_file("/var/log/nomad/web/web.stderr.0"), "err\n");
        EXPECT_EQ(list_directory("/var/log/nomad/web"),
                        (std::set<std::string>{ "web.stderr.0", "web.stdout.0" }));

        std::vector<std::string> lines = journal({ "--unit=nomad-task-web.scope", "NOMAD_TASK_ID=web" });
        EXPECT_EQ(std::count(lines.begin(), lines.end(), "out"), 1);
        EXPECT_EQ(std::count(lines.begin(), lines.end(), "err"), 1);

        EXPECT_FALSE(exists("/sys/fs/cgroup/nomad.slice/nomad-task-web.scope"));
        EXPECT_EQ(busctl(wait).text, "siib \"exit-code\" 3 0 false\n") << "the path answers until Release";

        output = busctl({ "call", "org.nomad.Executor", path, "org.nomad.Executor.Task", "Release" });
        EXPECT_EQ(output.status, 0) << output;
        EXPECT_EQ(client.get_task("web").error, "org.nomad.Executor.Error.NoSuchTask");
        EXPECT_NE(busctl(wait).status, 0);
        EXPECT_EQ(read_file("/var/log/nomad/web/web.stdout.0"), "out\n") << "Release leaves the files";
        expect_nothing_left("web");
}

TEST_F(Task, JournalEntriesSayWhatTheyAre)
{
        start("journal-fields",
                        script("echo plain; echo bad >&2; echo '<4>warned'")
                                        .set("LogFields",
                                                        std::map<std::string, std::string>{
                                                                        { "NOMAD_JOB", "demo" } }));
        wait("journal-fields");

        const std::string unit = "--unit=" + unit_of("journal-fields");
        using Lines = std::vector<std::string>;
        EXPECT_EQ(journal({ unit, "NOMAD_TASK_ID=journal-fields", "NOMAD_STREAM=stdout", "PRIORITY=6" }),
                        Lines{ "plain" });
        EXPECT_EQ(journal({ unit, "NOMAD_STREAM=stderr", "PRIORITY=3" }), Lines{ "bad" });
        EXPECT_EQ(journal({ unit, "NOMAD_STREAM=stdout", "PRIORITY=4" }), Lines{ "warned" });
        EXPECT_EQ(journal({ unit, "NOMAD_JOB=demo", "SYSLOG_IDENTIFIER=" + label_of("journal-fields") })
                                        .size(),
                        3U);
}

TEST_F(Task, RunsInAScopeOfItsOwn)
{
        start("scoped", script("exec sleep 1000"));
        pid_t pid = std::stoi(client.property(path_of("scoped"), "MainPID"));
        std::string cgroup = client.property(path_of("scoped"), "ControlGroup");

        EXPECT_EQ(cgroup, "/nomad.slice/nomad-task-scoped.scope");
        std::vector<std::string> lines = lines_of(read_file("/proc/" + std::to_string(pid) + "/cgroup"));
        EXPECT_EQ(std::count(lines.begin(), lines.end(), "0::" + cgroup + "/task"), 1) << pid;
        EXPECT_EQ(run({ "systemctl", "is-active", unit_of("scoped") }).text, "active\n");
        EXPECT_EQ(run({ "systemctl", "show", "--value", "--property=Delegate", unit_of("scoped") }).text,
                        "yes\n");

        Output status = run({ "systemctl", "status", "--no-pager", unit_of("scoped") });
        EXPECT_EQ(status.status, 0) << status;
        EXPECT_NE(status.text.find(std::to_string(pid) + " sleep 1000"), std::string::npos) << status;
}

TEST_F(Task, SystemctlStopIsAGracefulStop)
{
        std::string directory = fresh_directory("systemctl-stop");

        start("systemctl-stop",
                        script("trap 'exit 7' INT; touch " + directory +
                                        "/ready; while :; do sleep 0.05; done"));
        ASSERT_TRUE(appears(directory + "/ready"));
        EXPECT_EQ(run({ "systemctl", "stop", unit_of("systemctl-stop") }).status, 0);
        EXPECT_EQ(wait("systemctl-stop"), (Exit{ "exit-code", 7, 0, false }));
}

TEST_F(Task, NeedsNoNetwork)
{
        if (list_directory("/sys/class/net") != std::set<std::string>{ "lo" })
                GTEST_SKIP() << "machine: has more than a loopback interface";
        start("offline", script("echo still here"));
        EXPECT_EQ(wait("offline"), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(read_file(log_of("offline", "stdout")), "still here\n");
}

/* --- what cannot start --- */

class Refused : public Task
{
      protected:
        /* The error's name without its prefix; nothing may be left of the attempt. */
        Reply refused(const std::string &id, const Spec &spec)
        {
                std::set<std::string> runtime = list_tree("/run/nomad-executor"),
                                      logmon = list_tree("/run/nomad-logmon");
                Reply reply = client.start_task(id, spec);

                /* when the log is discarded, which the answer does not wait for */
                EXPECT_TRUE(eventually([&] { return list_tree("/run/nomad-executor") == runtime; })) << id;
                EXPECT_TRUE(eventually([&] { return list_tree("/run/nomad-logmon") == logmon; })) << id;
                EXPECT_EQ(count_scopes(), 0U)
                                << run({ "systemctl", "list-units", "--no-pager", "nomad-task-*" });
                EXPECT_EQ(list_tree("/sys/fs/cgroup/nomad.slice")
                                                .count("/sys/fs/cgroup/nomad.slice/" + unit_of(id)),
                                0U);
                EXPECT_EQ(run({ "pgrep", "-x", "nomad-superviso" }).text, "") << "supervisors are left";
                EXPECT_EQ(client.list_tasks().count(id), 0U);
                expect_no_pipe_left();
                reply.error = reply.error.substr(reply.error.rfind('.') + 1);
                return reply;
        }

        static size_t count_scopes()
        {
                auto none = [] {
                        return run({ "systemctl", "list-units", "--all", "--no-legend", "--plain",
                                                   "nomad-task-*" })
                                        .text.empty();
                };
                return eventually(none, std::chrono::seconds(5)) ? 0 : 1;
        }
};

TEST_F(Refused, CommandThatDoesNotExist)
{
        EXPECT_EQ(refused("no-command", Spec().set("Command", "/no/such/program")).error, "CommandNotFound");
        EXPECT_EQ(refused("no-command", Spec().set("Command", "no-such-program")).error, "CommandNotFound");
}

TEST_F(Refused, CommandThatIsNotExecutable)
{
        EXPECT_EQ(refused("not-executable", Spec().set("Command", "/etc/passwd")).error, "ExecFailed");
        EXPECT_EQ(refused("a-directory", Spec().set("Command", "/etc")).error, "ExecFailed");
}

TEST_F(Refused, UnknownUser)
{
        Reply reply = refused("no-user", script("true").set("User", "no-such-user"));

        EXPECT_EQ(reply.error, "InvalidSpec") << reply;
        EXPECT_NE(reply.text.find("User"), std::string::npos) << reply;
        EXPECT_NE(reply.text.find("no-such-user"), std::string::npos) << reply;
}

TEST_F(Refused, UnwritableLogDirectory)
{
        std::string directory = fresh_directory("of-root-alone");

        Reply reply = refused("no-log", script("true").set("User", "nobody").set("LogDirectory", directory));
        EXPECT_EQ(reply.error, "LogFailed") << reply;
        reply = refused("no-log",
                        script("true").set("User", "nobody").set("LogDirectory", directory + "/below"));
        EXPECT_EQ(reply.error, "LogFailed") << reply;
        reply = refused("no-log", script("true").set("LogDirectory", "/proc/nowhere"));
        EXPECT_EQ(reply.error, "LogFailed") << reply;
        EXPECT_TRUE(list_directory(directory).empty());
}

TEST_F(Refused, LogDirectoryBehindASymbolicLink)
{
        std::string directory = fresh_directory("linked");

        ASSERT_EQ(mkdir((directory + "/target").c_str(), 0755), 0);
        ASSERT_EQ(symlink("target", (directory + "/link").c_str()), 0);
        Reply reply = refused("linked", script("true").set("LogDirectory", directory + "/link"));
        EXPECT_EQ(reply.error, "LogFailed") << reply;
        EXPECT_TRUE(list_directory(directory + "/target").empty());
}

TEST_F(Refused, UnknownKey)
{
        Reply reply = refused("unknown-key", script("true").set("Comand", "/bin/true"));

        EXPECT_EQ(reply.error, "InvalidSpec") << reply;
        EXPECT_NE(reply.text.find("Comand"), std::string::npos) << reply;
}

TEST_F(Refused, KeyOfAContainerWithoutOne)
{
        Reply reply = refused("no-container", script("true").set("RootDirectory", "/srv"));

        EXPECT_EQ(reply.error, "InvalidSpec") << reply;
        EXPECT_NE(reply.text.find("RootDirectory"), std::string::npos) << reply;
}

TEST_F(Refused, WrongType)
{
        Reply reply = refused("wrong-type", script("true").set("LogMaxFiles", "ten"));

        EXPECT_EQ(reply.error, "InvalidSpec") << reply;
        EXPECT_NE(reply.text.find("LogMaxFiles"), std::string::npos) << reply;
}

TEST_F(Refused, EmptyId)
{
        EXPECT_EQ(refused("", script("true")).error, "InvalidSpec");
}

TEST_F(Refused, IdOf4KiB)
{
        EXPECT_EQ(refused(std::string(4096, 'x'), script("true")).error, "InvalidSpec");
        EXPECT_EQ(refused(std::string(201, 'x'), script("true")).error, "InvalidSpec");
}

TEST_F(Refused, LongestIdThatWorks)
{
        std::string id(200, 'x');

        start(id, script("echo long"));
        EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(read_file(log_of(id, "stdout")), "long\n");
}

TEST_F(Refused, IdInUse)
{
        start("twice", script("exec sleep 1000"));
        pid_t pid = std::stoi(client.property(path_of("twice"), "MainPID"));
        std::string files = run({ "sh", "-c", "cat /run/nomad-executor/tasks/twice/*" }).text;

        EXPECT_EQ(client.start_task("twice", script("exec sleep 2000")).error,
                        "org.nomad.Executor.Error.TaskExists");
        EXPECT_EQ(run({ "pgrep", "-fx", "sleep 2000" }).text, "");
        EXPECT_EQ(state("twice"), "running") << "the first one is not disturbed";
        EXPECT_EQ(client.property(path_of("twice"), "MainPID"), std::to_string(pid));
        EXPECT_EQ(run({ "sh", "-c", "cat /run/nomad-executor/tasks/twice/*" }).text, files);

        ASSERT_TRUE(stop("twice", "", 0).ok());
        wait("twice");
        EXPECT_EQ(client.start_task("twice", script("true")).error, "org.nomad.Executor.Error.TaskExists")
                        << "an id is in use until Release";
}

/* --- ids --- */

class Ids : public Task, public testing::WithParamInterface<std::string>
{
};

TEST_P(Ids, WorkAndStayInTheirDirectories)
{
        const std::string &id = GetParam();
        std::string label = label_of(id);

        ASSERT_EQ(label.find('/'), std::string::npos);
        start(id, script("echo \"$0\"; exit 5"));
        EXPECT_EQ(wait(id), (Exit{ "exit-code", 5, 0, false }));
        EXPECT_EQ(client.property(path_of(id), "Id"), id);
        EXPECT_EQ(client.get_task(id).path(), path_of(id));
        EXPECT_EQ(list_directory("/run/nomad-executor/tasks").count(label), 1U);
        EXPECT_EQ(list_directory("/var/log/nomad").count(label), 1U);
        EXPECT_EQ(list_directory("/var/log/nomad/" + label),
                        (std::set<std::string>{ label + ".stderr.0", label + ".stdout.0" }));
        EXPECT_EQ(journal({ "NOMAD_TASK_ID=" + id }).size(), 1U);

        release(id);
        EXPECT_EQ(client.get_task(id).error, "org.nomad.Executor.Error.NoSuchTask");
}

INSTANTIATE_TEST_SUITE_P(, Ids,
                testing::Values("a/b", "/", "..", "../../etc/passwd", ".", "with space", "tab\tand\nnewline",
                                "größe-日本", "a_b-c.d", "%n%s", "$HOME", "-x", "1", "e2e/3f7c-web [0]"));

/* --- ends --- */

TEST_F(Task, StopKillsWhatIgnoresItAndWhatHasEscaped)
{
        std::string directory = fresh_directory("stubborn");

        start("stubborn",
                        script("trap '' INT; setsid sh -c 'trap \"\" INT TERM HUP; echo $$ >" + directory +
                                        "/child.new; mv " + directory + "/child.new " + directory +
                                        "/child; while :; do sleep 1000; done' & while :; do sleep 1000; done"));
        ASSERT_TRUE(appears(directory + "/child"));
        pid_t child = std::stoi(read_file(directory + "/child"));
        ASSERT_EQ(kill(child, 0), 0);

        auto begin = std::chrono::steady_clock::now();
        ASSERT_TRUE(stop("stubborn", "", 500000).ok());
        EXPECT_EQ(wait("stubborn"), (Exit{ "signal", 137, 9, false }));
        auto took = std::chrono::steady_clock::now() - begin;

        EXPECT_GE(took, std::chrono::milliseconds(500)) << "the grace is granted";
        EXPECT_LT(took, std::chrono::seconds(10));
        EXPECT_EQ(kill(child, 0), -1) << "the child that left the session lives on";
        EXPECT_FALSE(exists(cgroup_of("stubborn")));
}

TEST_F(Task, NothingSurvivesTheMainProcess)
{
        std::string directory = fresh_directory("survivor");

        start("survivor", script("setsid sleep 1000 & echo $! >" + directory + "/child; exit 0"));
        EXPECT_EQ(wait("survivor"), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(kill(std::stoi(read_file(directory + "/child")), 0), -1);
        EXPECT_FALSE(exists(cgroup_of("survivor")));
}

TEST_F(Task, StatusIsTheKernels)
{
        const std::map<std::string, Exit> ends = {
                { "exit 0", { "success", 0, 0, false } },
                { "exit 1", { "exit-code", 1, 0, false } },
                { "exit 255", { "exit-code", 255, 0, false } },
                { "exit 137", { "exit-code", 137, 0, false } },
                { "kill -KILL $$", { "signal", 137, 9, false } },
                { "kill -SEGV $$", { "signal", 139, 11, false } },
                { "kill -TERM $$", { "signal", 143, 15, false } },
        };

        for (const auto &[text, expected] : ends) {
                start("status", script(text));
                EXPECT_EQ(wait("status"), expected) << text;
                EXPECT_EQ(state("status"), "exited");
                release("status");
        }
}

TEST_F(Task, KillReachesMainOrAll)
{
        std::string directory = fresh_directory("kill");

        start("kill",
                        script("trap 'echo main >>" + directory + "/got' USR1; sh -c 'trap \"echo child >>" +
                                        directory + "/got\" USR1; touch " + directory +
                                        "/ready; while :; do sleep 0.05; done' & "
                                        "while :; do sleep 0.05; done"));
        ASSERT_TRUE(appears(directory + "/ready"));
        auto kill_task = [&](const char *whom) {
                Reply reply = client.kill_task(path_of("kill"), whom, "SIGUSR1");
                EXPECT_TRUE(reply.ok()) << reply;
        };
        auto got = [&] {
                return exists(directory + "/got") ? lines_of(read_file(directory + "/got")).size() : 0;
        };

        kill_task("main");
        ASSERT_TRUE(eventually([&] { return got() == 1; }));
        EXPECT_EQ(read_file(directory + "/got"), "main\n");
        kill_task("all");
        ASSERT_TRUE(eventually([&] { return got() == 3; }));
        EXPECT_NE(read_file(directory + "/got").find("child"), std::string::npos);
        EXPECT_EQ(state("kill"), "running");
        EXPECT_EQ(client.kill_task(path_of("kill"), "some", "SIGUSR1").error,
                        "org.nomad.Executor.Error.InvalidSpec");
}

/* --- output --- */

TEST_F(Task, EveryByteIsThereWhenWaitReplies)
{
        const std::string generator =
                        "seq -f '%.0f and then some' 1 100000000 2>/dev/null | head -c 100000000";
        std::string expected = run({ "sh", "-c", generator + " | sha256sum" }).text;

        start("bulk",
                        script(generator)
                                        .set("LogTargets", std::vector<std::string>{ "files" })
                                        .set("LogMaxFiles", uint32_t{ 20 }));
        EXPECT_EQ(wait("bulk"), (Exit{ "success", 0, 0, false }));

        std::string cat = "cat";
        for (unsigned i = 0; exists(log_of("bulk", "stdout", i)); i++)
                cat += " " + log_of("bulk", "stdout", i);
        EXPECT_EQ(run({ "sh", "-c", cat + " | sha256sum" }).text, expected);
        EXPECT_EQ(run({ "sh", "-c", cat + " | wc -c" }).text, "100000000\n");
        EXPECT_EQ(run({ "rm", "-rf", "/var/log/nomad/bulk" }).status, 0);
}

TEST_F(Task, RotationKeepsTheHighestIndexes)
{
        /* 35 MiB in lines of 70 bytes, each with its number. */
        const uint64_t limit = 10 << 20, line_size = 70, lines = (35U << 20) / line_size;
        std::string generator = "seq -f '%069.0f' 1 " + std::to_string(lines);

        start("rotated",
                        script(generator)
                                        .set("LogTargets", std::vector<std::string>{ "files" })
                                        .set("LogMaxFiles", uint32_t{ 3 })
                                        .set("LogMaxFileSize", limit));
        EXPECT_EQ(wait("rotated"), (Exit{ "success", 0, 0, false }));

        EXPECT_EQ(list_directory("/var/log/nomad/rotated"),
                        (std::set<std::string>{ "rotated.stderr.0", "rotated.stdout.1", "rotated.stdout.2",
                                        "rotated.stdout.3" }));
        uint64_t last = 0;
        for (unsigned i = 1; i <= 3; i++) {
                std::string text = read_file(log_of("rotated", "stdout", i));

                EXPECT_LE(text.size(), limit);
                EXPECT_EQ(text.size() % line_size, 0U) << "a line is split in file " << i;
                for (size_t at = 0; at + line_size <= text.size(); at += line_size) {
                        uint64_t number = std::stoull(text.substr(at, line_size));
                        ASSERT_TRUE(last == 0 || number == last + 1)
                                        << number << " after " << last << " in file " << i;
                        last = number;
                }
        }
        EXPECT_EQ(last, lines) << "the end is missing";
}

/* --- a service that goes away --- */

TEST_F(Task, StatusOfAllSurvivesTheServicesDeath)
{
        const int count = 50;
        std::string directory = fresh_directory("adoption");
        auto id_of = [](int i) { return "adopted-" + std::to_string(i); };
        auto flag = [&](int i) { return directory + "/go-" + std::to_string(i % 2); };

        /* Each waits for one of two files; those of the even ones appear while the service is down. */
        for (int i = 0; i < count; i++)
                start(id_of(i),
                                script("while ! [ -e " + flag(i) +
                                                " ]; do sleep 0.1; done; echo end; touch " + directory +
                                                "/ended-" + std::to_string(i) + "; " +
                                                (i % 3 == 0 ? "kill -KILL $$"
                                                            : "exit " + std::to_string(i))));

        /* Something else than D-Bus activation or Restart= must not bring it back meanwhile. */
        ASSERT_EQ(run({ "systemctl", "mask", "--runtime", EXECUTOR_UNIT }).status, 0);
        kill_service(EXECUTOR_UNIT);
        ASSERT_EQ(run({ "touch", flag(0) }).status, 0);
        for (int i = 0; i < count; i += 2)
                EXPECT_TRUE(eventually([&] { return exists(directory + "/ended-" + std::to_string(i)); }))
                                << i;
        /* Their scopes go without the service. */
        for (int i = 0; i < count; i += 2)
                EXPECT_TRUE(eventually([&] { return !exists(cgroup_of(id_of(i))); })) << i;
        EXPECT_EQ(main_pid(EXECUTOR_UNIT), 0);
        ASSERT_EQ(run({ "systemctl", "unmask", "--runtime", EXECUTOR_UNIT }).status, 0);

        EXPECT_EQ(client.list_tasks().size(), (size_t) count) << "the next call is answered for every task";
        for (int i = 1; i < count; i += 2)
                EXPECT_EQ(state(id_of(i)), "running") << i;
        ASSERT_EQ(run({ "touch", flag(1) }).status, 0);
        for (int i = 0; i < count; i++) {
                Exit expected = { "exit-code", i, 0, false };
                if (i % 3 == 0)
                        expected = { "signal", 137, 9, false };
                EXPECT_EQ(wait(id_of(i)), expected) << i;
                EXPECT_EQ(read_file(log_of(id_of(i), "stdout")), "end\n") << i;
        }
}

TEST_F(Task, SamePathAnswersAfterTheServiceWasKilled)
{
        start("again", script("exec sleep 1000"));
        std::string pid = client.property(path_of("again"), "MainPID");
        std::string invocation = client.property(path_of("again"), "InvocationID");

        kill_service(EXECUTOR_UNIT);
        EXPECT_EQ(state("again"), "running");
        EXPECT_EQ(client.property(path_of("again"), "MainPID"), pid);
        EXPECT_EQ(client.property(path_of("again"), "InvocationID"), invocation);
        ASSERT_TRUE(stop("again", "", UINT64_MAX).ok());
        EXPECT_EQ(wait("again"), (Exit{ "signal", 130, 2, false }));
}

/* /run has no devices, so that one cannot be opened: it would be tried again for ever, and hold up the
 * start. */
TEST_F(Task, ADeviceForARecordIsDamage)
{
        const std::string record = "/run/nomad-executor/tasks/device/exit";

        start("device", script("exit 3"));
        start("other", script("exec sleep 1000"));
        EXPECT_EQ(wait("device"), (Exit{ "exit-code", 3, 0, false }));
        ASSERT_EQ(run({ "rm", record }).status, 0);
        ASSERT_EQ(run({ "mknod", record, "c", "1", "5" }).status, 0);

        kill_service(EXECUTOR_UNIT);
        EXPECT_EQ(state("device"), "lost");
        EXPECT_EQ(state("other"), "running");
}

TEST_F(Task, NoByteIsLostWhenLogmonIsKilled)
{
        std::string directory = fresh_directory("logmon-killed");

        start("logmon-killed",
                        script("seq 1 20000; touch " + directory + "/half; while ! [ -e " + directory +
                                        "/go ]; do sleep 0.05; done; seq 20001 40000"));
        ASSERT_TRUE(appears(directory + "/half"));
        for (int i = 0; i < 3; i++) {
                kill_service(LOGMON_UNIT);
                ASSERT_TRUE(eventually([] { return main_pid(LOGMON_UNIT) > 0; }))
                                << "systemd starts it again";
        }
        ASSERT_EQ(run({ "touch", directory + "/go" }).status, 0);
        EXPECT_EQ(wait("logmon-killed"), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(read_file(log_of("logmon-killed", "stdout")), run({ "seq", "1", "40000" }).text);
}

/* --- how tasks ended, in the journal --- */

static const std::string ENDED = "MESSAGE_ID=b5e4240917024698b70ebf9901dd7798";

/* The fields of the entries about the ends of a task, as JSON, a line for each. */
static std::vector<std::string> ends_of(const std::string &id)
{
        return journal({ "--output=json", "--unit=" + unit_of(id), ENDED });
}

static void expect_end(const std::string &id, const std::vector<std::string> &fields)
{
        ASSERT_TRUE(eventually([&] { return ends_of(id).size() == 1; })) << id;
        const std::string entry = ends_of(id)[0];

        for (const auto &field : fields)
                EXPECT_NE(entry.find(field), std::string::npos) << field << " in " << entry;
}

TEST_F(Task, TheJournalIsToldHowItEnded)
{
        start("end-code", script("exit 5"));
        EXPECT_EQ(wait("end-code"), (Exit{ "exit-code", 5, 0, false }));
        expect_end("end-code",
                        { R"("NOMAD_TASK":"end-code")", R"("NOMAD_UNIT":"nomad-task-end)",
                                        R"("NOMAD_RESULT":"exit-code")", R"("NOMAD_EXIT_CODE":"5")",
                                        R"("NOMAD_EXIT_SIGNAL":"0")", R"("NOMAD_OOM_KILLED":"0")",
                                        R"("NOMAD_RUNTIME_USEC":")", R"("PRIORITY":"4")",
                                        " has ended: exit-code, exit code 5, after " });

        start("end-stop", script("exec sleep infinity"));
        EXPECT_TRUE(stop("end-stop", "SIGTERM", 0).ok());
        EXPECT_EQ(wait("end-stop").result, "signal");
        expect_end("end-stop",
                        { R"("NOMAD_RESULT":"signal")", R"("NOMAD_EXIT_SIGNAL":")", R"("PRIORITY":"6")",
                                        R"("NOMAD_INVOCATION_ID":")" });

        start("end-lost", script("exec sleep infinity"));
        EXPECT_EQ(run({ "systemctl", "kill", "--signal=SIGKILL", unit_of("end-lost") }).status, 0);
        EXPECT_EQ(wait("end-lost").result, "lost");
        expect_end("end-lost", { R"("NOMAD_RESULT":"lost")", R"("PRIORITY":"4")" });
        EXPECT_EQ(ends_of("end-lost")[0].find("NOMAD_EXIT_CODE"), std::string::npos);

        /* once for each, whoever comes later */
        kill_service(EXECUTOR_UNIT);
        EXPECT_EQ(client.property(path_of("end-code"), "State"), "exited");
        for (std::string id : { "end-code", "end-stop", "end-lost" })
                EXPECT_EQ(ends_of(id).size(), 1U) << id;
}
