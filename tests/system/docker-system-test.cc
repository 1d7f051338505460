/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fstream>
#include <iostream>
#include <stdexcept>

#include "container-fixture.h"

/* With a real engine, that of Debian's docker.io. */

#define DOCKER_UNIT    "docker.service"
#define DOCKER_DROPINS "/run/systemd/system/" DOCKER_UNIT ".d"

class Docker : public ContainerLogTest
{
      protected:
        static void SetUpTestSuite()
        {
                ContainerLogTest::SetUpTestSuite();
                ASSERT_EQ(run({ "mkdir", "-p", "/etc/docker", DOCKER_DROPINS }).status, 0);
                /* Debian's unit waits for ever for an engine that hangs, and starts no fourth one within a
                 * minute. */
                std::ofstream(DOCKER_DROPINS "/test.conf")
                                << "[Unit]\nStartLimitIntervalSec=0\n"
                                   "[Service]\nTimeoutStartSec=30\nTimeoutStopSec=15\nRestartSec=100ms\n";
                ASSERT_EQ(run({ "systemctl", "daemon-reload" }).status, 0);
                configure_engine(true);
                remove(lines_of(run({ "docker", "ps", "--all", "--quiet" }).text));
                ASSERT_EQ(run({ "docker", "import", image_archive(), "test" }).status, 0);
        }

        static void TearDownTestSuite()
        {
                EXPECT_EQ(run({ "systemctl", "stop", "docker.socket", DOCKER_UNIT, "containerd.service" })
                                                .status,
                                0);
        }

        void TearDown() override
        {
                ContainerLogTest::TearDown();
                if (!engine_answers()) {
                        ADD_FAILURE() << "the engine hangs";
                        restart_engine();
                }
                remove({ containers.begin(), containers.end() });
                if (!live_restore)
                        configure_engine(true);
        }

        static bool engine_answers()
        {
                return run({ "timeout", "10", "docker", "ps" }).status == 0;
        }

        static bool await_engine()
        {
                return eventually(engine_answers, std::chrono::seconds(60));
        }

        static void configure_engine(bool with_live_restore)
        {
                live_restore = with_live_restore;
                std::ofstream("/etc/docker/daemon.json")
                                << R"({"iptables": false, "bridge": "none", "storage-driver": "vfs", "live-restore": )"
                                << (live_restore ? "true}" : "false}");
                restart_engine();
        }

        static void restart_engine()
        {
                const Output output = run({ "systemctl", "restart", DOCKER_UNIT });

                ASSERT_EQ(output.status, 0) << output << run({ "systemctl", "status", DOCKER_UNIT });
                ASSERT_TRUE(await_engine());
        }

        static void remove(const std::vector<std::string> &which)
        {
                std::vector<std::string> argv = { "docker", "rm", "--force" };

                argv.insert(argv.end(), which.begin(), which.end());
                if (!which.empty()) {
                        const Output output = run(argv);
                        EXPECT_EQ(output.status, 0) << output;
                }
        }

        /* A container that runs a shell script; its id. */
        std::string start_container(const std::string &script, const std::vector<std::string> &options = {})
        {
                std::vector<std::string> argv = { "run", "--detach" };

                argv.insert(argv.end(), options.begin(), options.end());
                return make_container(argv, script);
        }

        std::string make_container(const std::vector<std::string> &how, const std::string &script)
        {
                std::vector<std::string> argv = { "docker" };

                argv.insert(argv.end(), how.begin(), how.end());
                argv.insert(argv.end(), { "--network=none", "test", "/bin/sh", "-c", script });
                const Output output = run(argv);
                if (output.status != 0)
                        throw std::runtime_error(output.text);
                std::string id = output.text.substr(0, 64);
                containers.insert(id);
                return id;
        }

        /* The end of numbered_until_told(). */
        static void tell(const std::string &container)
        {
                const Output output = run({ "docker", "kill", "--signal=TERM", container });

                EXPECT_EQ(output.status, 0) << output;
        }

        /* What the engine has of a stream. */
        static std::string engines_log(const std::string &container, const std::string &redirection = "")
        {
                return run({ "sh", "-c", "docker logs " + container + " " + redirection }).text;
        }

        static Spec bare(const std::string &container)
        {
                return Spec().set("ContainerID", container);
        }

        static Spec of(const std::string &container)
        {
                return Spec().set("ContainerID", container)
                                .set("LogTargets", std::vector<std::string>{ "files" })
                                .set("LogMaxFileSize", (uint64_t) 1 << 30);
        }

        std::set<std::string> containers;
        static bool live_restore;
};
bool Docker::live_restore;

TEST_F(Docker, StdoutAndStderrApart)
{
        const std::string container = start_container(
                        "for i in 1 2 3; do echo out $i; echo err $i >&2; done; printf 'no newline'");

        must_follow("apart", of(container));
        EXPECT_EQ(result_of("apart"), "exited");
        EXPECT_EQ(contents_of("apart"), "out 1\nout 2\nout 3\nno newline");
        EXPECT_EQ(contents_of("apart", "stderr"), "err 1\nerr 2\nerr 3\n");
        EXPECT_EQ(container_property("apart", "ContainerID"), container);
        EXPECT_EQ(container_count("apart", "StdoutBytes"), strlen("out 1\nout 2\nout 3\nno newline"));
}

/* TestDockerLogger_Success: the log is started before the output is written. */
TEST_F(Docker, TestDockerLogger_Success)
{
        const std::string container = start_container("sleep 1; echo abc; echo 123; exec sleep 1000");

        must_follow("success", of(container));
        EXPECT_TRUE(await_state("success", "following"));
        EXPECT_TRUE(eventually([&] { return contents_of("success") == "abc\n123\n"; }))
                        << contents_of("success");
        EXPECT_EQ(container_property("success", "State"), "following");
}

TEST_F(Docker, TestDockerLogger_Success_TTY)
{
        const std::string container = start_container("echo abc; echo 123; echo err >&2", { "--tty" });

        must_follow("tty", of(container).set("Tty", true));
        EXPECT_EQ(result_of("tty"), "exited");
        EXPECT_EQ(contents_of("tty"), "abc\r\n123\r\nerr\r\n");
        EXPECT_TRUE(files_of("tty", "stderr").empty());
}

TEST_F(Docker, TestDockerLogger_LoggingNotSupported)
{
        const std::string container = start_container("exec sleep 1000", { "--log-driver=none" });

        must_follow("none", of(container));
        EXPECT_EQ(result_of("none", std::chrono::seconds(10)), "unreadable");
        EXPECT_NE(container_property("none", "LastError").find("does not support reading"),
                        std::string::npos)
                        << container_property("none", "LastError");
}

/* TestDockerDriver_LogCollectionDisabled: who wants no log starts none, or one without targets. */
TEST_F(Docker, NotStartedForNobody)
{
        const std::string container = start_container("echo something");

        must_follow("nowhere", bare(container).set("LogTargets", std::vector<std::string>()));
        EXPECT_EQ(result_of("nowhere"), "exited");
        EXPECT_FALSE(exists("/var/log/nomad/nowhere"));
        EXPECT_TRUE(journal({ "NOMAD_TASK_ID=nowhere" }).empty());
}

TEST_F(Docker, ContainerThatIsNotThere)
{
        must_follow("nobody", of("nobody"));
        EXPECT_EQ(result_of("nobody"), "not-found");
        EXPECT_NE(container_property("nobody", "LastError").find("nobody"), std::string::npos);
}

/* A terminal's output comes as one text, with pieces of long lines that are only told apart by their time
 * stamps. */
TEST_F(Docker, TerminalWithLongLinesAndTimes)
{
        const std::string script =
                        "printf '2026-11-23T23:47:20.404237886Z at the start, 2026-11-23T23:47:20.404237886Z within\\n'; "
                        "yes 0123456789abcdef | head -n 10000 | while read line; do printf $line; done; echo; echo end";
        const std::string container = start_container(script, { "--tty" });
        std::string expected =
                        "2026-11-23T23:47:20.404237886Z at the start, 2026-11-23T23:47:20.404237886Z within\r\n";

        for (int i = 0; i < 10000; i++)
                expected += "0123456789abcdef";
        expected += "\r\nend\r\n";
        must_follow("long", of(container));
        EXPECT_EQ(result_of("long"), "exited");
        EXPECT_TRUE(same_text(contents_of("long"), expected));
}

TEST_F(Docker, NoNewlineAtAll)
{
        const std::string container = start_container(
                        "yes 0123456789abcdef | head -n 10000 | while read line; do printf $line; done");
        std::string expected;

        for (int i = 0; i < 10000; i++)
                expected += "0123456789abcdef";
        must_follow("line", of(container));
        EXPECT_EQ(result_of("line"), "exited");
        EXPECT_TRUE(same_text(contents_of("line"), expected));
}

TEST_F(Docker, EveryByteValue)
{
        const std::string container = start_container("head -c 3000000 /dev/urandom");

        /* What the engine keeps of bytes that are no text is its own affair: the reference is what it says
         * itself. */
        must_follow("bytes", of(container));
        EXPECT_EQ(result_of("bytes"), "exited");
        EXPECT_GT(container_count("bytes", "StdoutBytes"), 2900000U);
        EXPECT_EQ(engines_log(container, "| sha256sum"),
                        run({ "sh", "-c", "cat /var/log/nomad/bytes/bytes.stdout.* | sha256sum" }).text);
}

/* It is not waited for the engine to notice that the container has gone. */
TEST_F(Docker, ManyThatEndAtOnce)
{
        const unsigned n = 50;

        for (unsigned i = 0; i < n; i++) {
                const std::string id = "many-" + std::to_string(i);

                must_follow(id, of(start_container("echo " + id + "; seq 1000; echo no >&2")));
        }
        for (unsigned i = 0; i < n; i++) {
                const std::string id = "many-" + std::to_string(i);

                ASSERT_EQ(result_of(id), "exited") << id;
                EXPECT_EQ(contents_of(id), id + "\n" + numbered(1, 1001)) << id;
                EXPECT_EQ(contents_of(id, "stderr"), "no\n") << id;
        }
}

TEST_F(Docker, StopTakesWhatThereIsAndIsIdempotent)
{
        const std::string container = start_container("seq 200000; exec sleep 1000");

        EXPECT_TRUE(eventually([&] { return engines_log(container, "| tail -n 1") == "200000\n"; }));
        must_follow("stop", of(container));
        EXPECT_TRUE(dockerlog("Stop", "stop").ok());
        EXPECT_EQ(container_property("stop", "State"), "ended");
        EXPECT_EQ(container_property("stop", "Result"), "stopped");
        EXPECT_TRUE(same_text(contents_of("stop"), numbered(1, 200001)));
        EXPECT_TRUE(dockerlog("Stop", "stop").ok());
        EXPECT_TRUE(dockerlog("Stop", "unknown").ok());
        EXPECT_EQ(log_property("stop", "State"), "stopped");
}

TEST_F(Docker, StartAfterStopGoesOn)
{
        const std::string container = start_container(numbered_bursts(40, 500, "0.1"));

        must_follow("again", of(container));
        for (int i = 0; i < 4; i++) {
                const uint64_t before = container_count("again", "StdoutBytes");

                EXPECT_TRUE(eventually([&] { return container_count("again", "StdoutBytes") > before; }));
                EXPECT_TRUE(dockerlog("Stop", "again").ok());
                EXPECT_EQ(container_property("again", "Result"), "stopped");
                must_follow("again", of(container));
        }
        EXPECT_EQ(result_of("again"), "exited");
        EXPECT_TRUE(same_text(contents_of("again"), numbered(0, 40 * 500)));
}

TEST_F(Docker, StartOfARunningOne)
{
        const std::string container = start_container("exec sleep 1000"),
                          other = start_container("exec sleep 1000");

        must_follow("twice", of(container));
        EXPECT_TRUE(follow("twice", of(container)).ok());
        EXPECT_TRUE(follow("twice", Spec().set("ContainerID", container).set("LogMaxFiles", 3U)).ok());
        EXPECT_EQ(follow("twice", of(other)).error, "org.nomad.Executor.Error.TaskRunning");
        EXPECT_EQ(dockerlog("Release", "twice").error, "org.nomad.Executor.Error.TaskRunning");
}

TEST_F(Docker, ContainerIsRestarted)
{
        const std::string container = start_container(
                        "seq 1000; printf rest; trap 'echo bye; exit' TERM; while :; do sleep 0.1; done");

        /* the engine has a line when it is complete, or at the end */
        const std::string lines = numbered(1, 1001), whole = lines + "restbye\n";

        must_follow("restart", of(container));
        for (unsigned i = 0; i < 4; i++) {
                EXPECT_TRUE(eventually([&] {
                        return container_count("restart", "StdoutBytes") >= i * whole.size() + lines.size();
                })) << i;
                if (i < 3) {
                        ASSERT_EQ(run({ "docker", "restart", "--time=5", container }).status, 0);
                }
        }
        EXPECT_TRUE(dockerlog("Stop", "restart").ok());
        EXPECT_TRUE(same_text(contents_of("restart"), whole + whole + whole + lines));
}

/* Containers go on with live-restore, and the engine has their output afterwards: what it has, since one
 * that is killed loses what it has just read. */
TEST_F(Docker, EngineIsRestarted)
{
        const std::string container = start_container(numbered_until_told(500, "0.1"));

        must_follow("engine", of(container));
        for (unsigned i = 0; i < 3; i++) {
                ASSERT_TRUE(await_reconnect("engine", i));
                if (i == 1) {
                        ASSERT_EQ(run({ "systemctl", "kill", "--signal=KILL", DOCKER_UNIT }).status, 0);
                } else
                        restart_engine();
        }
        ASSERT_TRUE(await_reconnect("engine", 3));
        tell(container);
        EXPECT_EQ(result_of("engine"), "exited");
        EXPECT_TRUE(same_text(contents_of("engine"), engines_log(container, "2>/dev/null")));
        EXPECT_TRUE(same_text(contents_of("engine", "stderr"), engines_log(container, "2>&1 >/dev/null")));
}

/* Without, they end with it and are started again by it. */
TEST_F(Docker, EngineIsRestartedWithItsContainers)
{
        const std::string run_of_it = numbered(1, 1001) + "bye\n";
        std::string expected;

        configure_engine(false);
        const std::string container =
                        start_container("trap 'echo bye; exit' TERM; seq 1000; while :; do sleep 0.1; done",
                                        { "--restart=always" });
        must_follow("with", of(container));
        for (int i = 0; i < 2; i++) {
                expected += run_of_it;
                EXPECT_TRUE(eventually([&] {
                        return container_count("with", "StdoutBytes") >= expected.size() - strlen("bye\n");
                }));
                restart_engine();
        }
        expected += numbered(1, 1001);
        EXPECT_TRUE(eventually([&] { return container_count("with", "StdoutBytes") >= expected.size(); },
                        std::chrono::seconds(60)));
        EXPECT_TRUE(dockerlog("Stop", "with").ok());
        EXPECT_TRUE(same_text(contents_of("with"), expected));
}

TEST_F(Docker, NoLineIsLostOrDoubledBySIGKILL)
{
        const std::vector<std::string> names = { "fire-0", "fire-1", "fire-2", "fire-3" };
        std::vector<std::string> writers;

        for (const auto &id : names) {
                writers.push_back(start_container(numbered_until_told(300, "0.05")));
                must_follow(id, of(writers.back()));
        }
        kill_often(50, 300, [&](unsigned i) { kill_logmon_too(i); });
        for (const auto &id : names)
                EXPECT_TRUE(kill_until_reconnected(id, 6)) << id;
        for (const auto &writer : writers)
                tell(writer);
        for (const auto &id : names) {
                EXPECT_EQ(result_of(id), "exited");
                EXPECT_TRUE(is_numbered_to_its_end(contents_of(id))) << id;
                EXPECT_TRUE(is_numbered_to_its_end(contents_of(id, "stderr"))) << id;
        }
}

/* All three at once. */
TEST_F(Docker, EngineIsRestartedWhileOthersAreKilled)
{
        const std::string container = start_container(numbered_until_told(300, "0.05"));

        must_follow("all", of(container));
        kill_often(20, 300, [&](unsigned i) {
                kill_logmon_too(i);
                if (i % 8 == 4) {
                        EXPECT_EQ(run({ "systemctl", "restart", "--no-block", DOCKER_UNIT }).status, 0);
                }
        });
        ASSERT_TRUE(await_engine());
        tell(container);
        EXPECT_EQ(result_of("all"), "exited");
        EXPECT_TRUE(same_text(contents_of("all"), engines_log(container, "2>/dev/null")));
        EXPECT_TRUE(same_text(contents_of("all", "stderr"), engines_log(container, "2>&1 >/dev/null")));
}

TEST_F(Docker, ContainerIsRemoved)
{
        const std::string container = start_container("echo hello; exec sleep 1000");

        must_follow("gone", of(container));
        EXPECT_TRUE(eventually([&] { return contents_of("gone") == "hello\n"; }));
        remove({ container });
        containers.erase(container);
        EXPECT_EQ(result_of("gone"), "not-found");
        EXPECT_EQ(contents_of("gone"), "hello\n");
}

TEST_F(Docker, ContainerIsStartedLate)
{
        const std::string container = make_container({ "create" }, "echo hello");

        must_follow("late", of(container));
        EXPECT_TRUE(await_state("late", "waiting"));
        EXPECT_EQ(container_property("late", "LastError"), "");
        EXPECT_EQ(run({ "docker", "start", container }).status, 0);
        EXPECT_EQ(result_of("late"), "exited");
        EXPECT_EQ(contents_of("late"), "hello\n");
}

TEST_F(Docker, CommandLine)
{
        const std::string ctl = "nomad-executorctl",
                          container = start_container("echo hello; exec sleep 1000");

        followed.insert("by-hand");
        EXPECT_EQ(run({ ctl, "docker-logs", "--id=by-hand", "--target=files", "--max-files=3", container }),
                        (Output{ 0, "by-hand\n" }));
        EXPECT_TRUE(eventually([&] { return contents_of("by-hand") == "hello\n"; }));
        EXPECT_EQ(run({ ctl, "docker-logs", "--stop", "--release", "by-hand" }), (Output{ 0, "" }));
        EXPECT_EQ(container_property("by-hand", "State"), "") << "it is there still";
        followed.insert("recent");
        EXPECT_EQ(run({ ctl, "docker-logs", "--id=recent", "--since=0", container }),
                        (Output{ 0, "recent\n" }));
        EXPECT_EQ(run({ ctl, "docker-logs", "--stop", "recent" }), (Output{ 0, "" }));
        EXPECT_EQ(contents_of("recent"), "");
        EXPECT_EQ(run({ ctl, "docker-logs", "--since=x", container }).status, 2);
        const Output output = run({ ctl, "docker-logs", "--endpoint=http://x", container });
        EXPECT_EQ(output.status, 1);
        EXPECT_NE(output.text.find("Endpoint must be"), std::string::npos) << output;
}

/* Lines of 1 KiB, a GiB of them, with the faster of the engine's own logging drivers: most of the time is
 * the engine's. What they are to be is had from the same script outside. */
TEST_F(Docker, LargeOutput)
{
        const uint64_t lines = services_have_sanitizers() ? 65536 : 1048576;
        const std::string script =
                        "yes $(printf %01017d 0) | head -n " + std::to_string(lines) + " | cat -n";
        const std::string container = start_container(script,
                        { "--log-driver=local", "--log-opt=max-size=2g", "--log-opt=max-file=1",
                                        "--log-opt=compress=false" });

        must_follow("large", of(container));
        EXPECT_EQ(result_of("large", std::chrono::seconds(300)), "exited");
        EXPECT_GE(container_count("large", "StdoutBytes"), lines << 10);
        const Output difference = run({ "bash", "-c",
                        "cmp <(" + script + ") <(cat /var/log/nomad/large/large.stdout.*)" });
        EXPECT_EQ(difference.status, 0) << difference;
        std::cout << "peak memory " << memory_peak() << " KiB" << std::endl;
}
