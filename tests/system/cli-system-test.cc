/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <fstream>
#include <regex>
#include <spawn.h>
#include <sys/wait.h>

#include "cli-fixture.h"
#include "terminal.h"

/* nomad-executorctl as its users see it: text, exit statuses, pipes. cli-tty-system-test has what needs a
 * terminal. */

TEST_F(Cli, RunShowsTheOutputAndExitsWithTheStatus)
{
        Output output = sh("nomad-executorctl run -- sh -c 'echo out; echo err >&2; exit 3' 2>/tmp/err");

        EXPECT_EQ(output.status, 3) << output;
        EXPECT_EQ(output.text, "out\n");
        EXPECT_EQ(read_file("/tmp/err"), "err\n");
        EXPECT_EQ(list(), "");
}

TEST_F(Cli, RunSaysHowItEnded)
{
        EXPECT_EQ(ctl({ "run", "--", "true" }).status, 0);
        EXPECT_EQ(ctl({ "run", "--", "sh", "-c", "kill -KILL $$" }).status, 128 + SIGKILL);
        EXPECT_EQ(ctl({ "run", "--wait", "--", "sh", "-c", "echo unseen; exit 255" }).status, 255);
        EXPECT_EQ(ctl({ "run", "--wait", "--", "sh", "-c", "echo unseen" }).text, "");
        Output output = ctl(
                        { "run", "--id=timed", "-p", "RuntimeMaxUSec=100ms", "--", "sleep", "infinity" });
        EXPECT_EQ(output.status, 128 + SIGINT);
        EXPECT_EQ(output.text,
                        "nomad-executorctl run: 'timed' was stopped because its RuntimeMaxUSec was over\n");
        EXPECT_EQ(list(), "");
}

TEST_F(Cli, RunAgainShowsNothingOfBefore)
{
        for (const char *text : { "one", "two" })
                EXPECT_EQ(ctl({ "run", "--id=again", "--", "echo", text }).text, text + std::string("\n"));
        EXPECT_EQ(read_file(log_of("again", "stdout")), "one\ntwo\n");
}

TEST_F(Cli, OptionsBecomeTheSpec)
{
        Output output = ctl({ "run", "--id=spec", "--uid=nobody", "--gid=nogroup",
                        "--working-directory=/tmp", "-E", "A=b", "--description=a test", "-p", "UMask=027",
                        "-p", "ResourceLimits=NOFILE=77", "--keep", "--", "sh", "-c",
                        "id -un; pwd; echo $A; umask; ulimit -n" });

        EXPECT_EQ(output.text, "nobody\n/tmp\nb\n0027\n77\n");
        EXPECT_EQ(client.property(path_of("spec"), "Description"), "a test");
        EXPECT_EQ(ctl({ "release", "spec" }).status, 0);
}

TEST_F(Cli, SpecFromAFile)
{
        std::ofstream("/tmp/spec.json") << R"({ "Command": "/bin/sh", "Arguments": ["-c", "echo $A; umask"],
                "Environment": ["A=from the file"], "UMask": "077", "StopTimeoutUSec": "1min" })";
        EXPECT_EQ(ctl({ "run", "--spec=/tmp/spec.json" }).text, "from the file\n0077\n");
        EXPECT_EQ(sh("nomad-executorctl run --spec=- -- echo replaced </tmp/spec.json").text, "replaced\n");
        Output output = sh("echo '{\"Comand\":\"x\"}' | nomad-executorctl run --spec=-");
        EXPECT_EQ(output.status, 125);
        EXPECT_EQ(lines_of(output.text).size(), 1U);
        EXPECT_NE(output.text.find("Unknown key 'Comand'"), std::string::npos) << output;
        EXPECT_EQ(ctl({ "run", "--spec=/no/such" }).text,
                        "nomad-executorctl run: Cannot read /no/such: No such file or directory\n");
}

TEST_F(Cli, RelativeCommandIsSeenFromHere)
{
        EXPECT_EQ(sh("cd /tmp && printf '#!/bin/sh\\necho here\\n' >p && chmod +x p && nomad-executorctl run ./p")
                                        .text,
                        "here\n");
}

/* Signals go to the task, and its status comes back. */
TEST_F(Cli, SignalsArePassedOn)
{
        Output output = sh(
                        "rm -f /tmp/out; nomad-executorctl run --id=signals -- "
                        "sh -c 'trap \"echo got; exit 5\" TERM; echo up; while :; do sleep 0.02; done' >/tmp/out & "
                        "until grep -q up /tmp/out; do sleep 0.02; done; kill -TERM $!; wait $!");

        EXPECT_EQ(output.status, 5) << output;
        EXPECT_EQ(read_file("/tmp/out"), "up\ngot\n");
}

TEST_F(Cli, NobodyReadsAnyMore)
{
        Output output = sh("nomad-executorctl run --id=pipe -- yes | head -n 1");

        EXPECT_EQ(output.text, "y\n");
        EXPECT_EQ(output.status, 128 + SIGPIPE);
        EXPECT_EQ(list(), "");
}

TEST_F(Cli, PipeIsBinaryClean)
{
        ASSERT_EQ(sh("tar c --sort=name -C /usr bin >/tmp/b.tar; "
                     "{ cat /tmp/b.tar; head -c 5000000 /dev/urandom; } >/tmp/a.tar")
                                        .status,
                        0);
        Output output = sh("nomad-executorctl run --pipe -- cat </tmp/a.tar | cmp - /tmp/a.tar && "
                           "nomad-executorctl run --pipe -- tar c --sort=name -C /usr bin 2>/dev/null | "
                           "cmp - /tmp/b.tar && "
                           "nomad-executorctl run --pipe -- sh -c 'echo e >&2; exit 7' 2>&1 >/dev/null");

        EXPECT_EQ(output.text, "e\n");
        EXPECT_EQ(output.status, 7);
        EXPECT_EQ(list(), "");
}

TEST_F(Cli, TaskGoesOnWhenTheClientIsKilled)
{
        const std::string command = "echo one; until [ -e /tmp/go ]; do sleep 0.02; done; echo two; exit 6";

        ASSERT_EQ(sh("rm -f /tmp/go /tmp/out; nomad-executorctl run --id=left -- sh -c '" + command +
                                  "' >/tmp/out & until grep -q one /tmp/out; do sleep 0.02; done; kill -KILL $!; wait $!")
                                        .status,
                        128 + SIGKILL);
        EXPECT_EQ(client.property(path_of("left"), "State"), "running");
        Output output = sh("(sleep 0.3; touch /tmp/go) & nomad-executorctl reattach --release left");
        EXPECT_EQ(output.text, "one\ntwo\n");
        EXPECT_EQ(output.status, 6);
        EXPECT_EQ(list(), "");
}

/* A handle that is of no use says why, each in its own words. */
TEST_F(Cli, ReattachByHandle)
{
        Output handle = ctl(
                        { "run", "--detach", "--json=short", "--id=by handle", "--", "sh", "-c", "exit 2" });
        auto reattach = [&](const std::string &text) { return ctl({ "reattach", text }); };
        auto replaced = [&](const std::string &pattern, const std::string &by) {
                return reattach(std::regex_replace(handle.text, std::regex(pattern), by)).text;
        };

        ASSERT_EQ(handle.status, 0) << handle;
        EXPECT_EQ(handle.text.find("{\"version\":1,\"bus\":\"system\",\"id\":\"by handle\""), 0U) << handle;
        EXPECT_EQ(reattach(handle.text).status, 2);
        EXPECT_EQ(replaced("\"boot_id\":\"....", "\"boot_id\":\"0000"),
                        "nomad-executorctl reattach: 'by handle' is gone: the machine was booted since it was started\n");
        EXPECT_EQ(replaced("\"invocation_id\":\"....", "\"invocation_id\":\"0000"),
                        "nomad-executorctl reattach: 'by handle' is another task now: the one of the handle was released\n");
        EXPECT_EQ(replaced("\"version\":1", "\"version\":2"),
                        "nomad-executorctl reattach: The handle is of version 2, not 1\n");
        EXPECT_EQ(replaced("\"system\"", "\"user\""),
                        "nomad-executorctl reattach: 'by handle' is on the user bus, the connection is to the system bus\n");
        EXPECT_EQ(sh("nomad-executorctl reattach --handle=- </dev/null").text,
                        "nomad-executorctl reattach: There is no handle\n");
        EXPECT_EQ(reattach("{}").status, 125);
        ASSERT_EQ(ctl({ "release", "by handle" }).status, 0);
        Output gone = reattach(handle.text);
        EXPECT_EQ(gone.text.find("nomad-executorctl reattach: There is no task 'by handle';"), 0U) << gone;
        EXPECT_EQ(gone.status, 125);
}

TEST_F(Cli, ListAsText)
{
        start_idle("web");
        ASSERT_EQ(ctl({ "run", "--keep", "--id=job", "--description=nightly", "--", "sh", "-c", "exit 3" })
                                        .status,
                        3);
        Output output = ctl({ "list" });

        /* columns are as wide as what is in them, and stand below each other */
        std::vector<std::string> lines = lines_of(output.text);
        ASSERT_EQ(lines.size(), 5U) << output;
        const size_t column = lines[0].find("COMMAND");
        EXPECT_EQ(lines[1].find("sh "), column) << output;
        EXPECT_EQ(lines[2].find("/bin/sleep"), column) << output;
        std::string text = std::regex_replace(output.text, std::regex(" +"), " ");
        text = std::regex_replace(text, std::regex(" \\d+ \\d+s"), " PID TIME");
        EXPECT_EQ(std::regex_replace(text, std::regex(" - \\d+s"), " - TIME"),
                        "ID STATE END PID TIME COMMAND DESCRIPTION\n"
                        "job exited exit 3 - TIME sh nightly\n"
                        "web running - PID TIME /bin/sleep -\n"
                        "\n"
                        "2 tasks.\n");
        EXPECT_EQ(ctl({ "list", "--quiet", "--state=exited" }).text, "job\n");
        EXPECT_EQ(ctl({ "list", "-q", "w*" }).text, "web\n");
        EXPECT_EQ(lines_of(ctl({ "list", "--no-legend" }).text).size(), 2U);
        EXPECT_EQ(ctl({ "release", "--all" }).status, 0);
        EXPECT_EQ(list(), "web\n");
        EXPECT_EQ(output.text.find('\033'), std::string::npos) << "colours without a terminal";
}

TEST_F(Cli, Json)
{
        start_idle("web");
        auto python = [](const std::string &command, const std::string &expression) {
                return sh("nomad-executorctl " + command +
                                " | python3 -c 'import json, sys; d = json.load(sys.stdin); print(" +
                                expression + ")'")
                                .text;
        };

        EXPECT_EQ(python("list --json=short", "d[0][\"Id\"], d[0][\"State\"], d[0][\"ExitCode\"]"),
                        "web running -1\n");
        EXPECT_EQ(python("status --json=pretty web", "d[0][\"CPUUsageNSec\"], d[0][\"Labels\"]"),
                        "None {}\n");
        EXPECT_EQ(python("show --json=short -p State -p Unit web", "d"),
                        "[{'State': 'running', 'Unit': 'nomad-task-web.scope'}]\n");
        EXPECT_EQ(python("stats --json=short web", "d[0][\"Id\"], d[0][\"CPUPercent\"]"), "web 0.0\n");
        EXPECT_EQ(python("version --json=short",
                                  "d[\"APIVersion\"] >= 1, d[\"ClientVersion\"] == d[\"Version\"]"),
                        "True True\n");
        EXPECT_EQ(ctl({ "stop", "web" }).status, 0);
        EXPECT_EQ(ctl({ "wait", "--json=short", "web" }).text,
                        "{\"Id\":\"web\",\"Result\":\"signal\",\"ExitCode\":143,\"ExitSignal\":15,\"OOMKilled\":false}\n");
        EXPECT_EQ(ctl({ "list", "--json=long" }).status, 2);
}

TEST_F(Cli, StatusShowsTheEndOfTheLogs)
{
        start("web", script("for i in 1 2 3 4 5 6 7; do echo line $i; done; echo oh >&2; exec sleep infinity"));
        ASSERT_TRUE(eventually([&] { return read_file(log_of("web", "stderr")) == "oh\n"; }));
        Output output = ctl({ "status", "web" });

        EXPECT_EQ(output.status, 0);
        EXPECT_TRUE(std::regex_search(output.text,
                        std::regex("^● web\n     State: running since .*; \\d+s\n      Unit: nomad-task-web.scope\n"
                                   "      Main: \\d+ /bin/sh \\(uid 0\\)\n")))
                        << output;
        EXPECT_NE(output.text.find(
                                  "\nstdout:\n  line 3\n  line 4\n  line 5\n  line 6\n  line 7\n\nstderr:\n  oh\n"),
                        std::string::npos)
                        << output;
        EXPECT_EQ(ctl({ "stop", "--grace=0", "web" }).status, 0);
        output = ctl({ "status", "-n", "0", "web" });
        EXPECT_EQ(output.status, 3);
        EXPECT_NE(output.text.find("State: exited (SIGKILL) since"), std::string::npos) << output;
        EXPECT_EQ(ctl({ "status", "nothing" }).status, 4);
}

TEST_F(Cli, Logs)
{
        start("web",
                        script("for i in 1 2 3; do echo $i; echo e$i >&2; done; until [ -e /tmp/on ]; do sleep 0.02; done; "
                               "echo last"));
        ASSERT_TRUE(eventually([&] { return read_file(log_of("web", "stderr")) == "e1\ne2\ne3\n"; }));

        EXPECT_EQ(sh("nomad-executorctl logs web 2>/dev/null").text, "1\n2\n3\n");
        EXPECT_EQ(sh("nomad-executorctl logs web 2>&1 >/dev/null").text, "e1\ne2\ne3\n");
        EXPECT_EQ(sh("nomad-executorctl logs --stderr -n 2 web 2>/dev/null").text, "e2\ne3\n");
        EXPECT_EQ(sh("nomad-executorctl logs --stdout -n 1 web").text, "3\n");
        EXPECT_EQ(sh("(sleep 0.3; touch /tmp/on) & nomad-executorctl logs -f --stdout -n 1 web; rm /tmp/on")
                                        .text,
                        "3\nlast\n");
        EXPECT_EQ(wait("web"), (Exit{ "success", 0, 0, false }));
}

TEST_F(Cli, Exec)
{
        start_idle("web");
        Output output = sh("echo to stdin | nomad-executorctl exec -i -E A=b web -- "
                           "sh -c 'cat; echo $A; echo err >&2; exit 9' 2>/tmp/err");

        EXPECT_EQ(output.text, "to stdin\nb\n");
        EXPECT_EQ(output.status, 9);
        EXPECT_EQ(read_file("/tmp/err"), "err\n");
        EXPECT_EQ(sh("echo unseen | nomad-executorctl exec web cat").text, "");
        EXPECT_EQ(ctl({ "exec", "web", "no-such" }).status, 127);
        EXPECT_EQ(ctl({ "exec", "web", "/etc/passwd" }).status, 126);
        EXPECT_EQ(ctl({ "exec", "nothing", "true" }).status, 125);
        EXPECT_EQ(sh("head -c 3000000 /dev/urandom >/tmp/random; nomad-executorctl exec -i web cat </tmp/random | "
                     "cmp - /tmp/random")
                                        .status,
                        0);
        /* the session ends with its program, whoever still holds the stream */
        EXPECT_EQ(ctl({ "exec", "web", "sh", "-c", "sleep 4321 & echo done" }).text, "done\n");
}

TEST_F(Cli, StopKillFreezeThawRelease)
{
        start("web", script("trap 'echo usr1' USR1; echo up; while :; do sleep 0.02; done"));
        ASSERT_TRUE(eventually([&] { return read_file(log_of("web", "stdout")) == "up\n"; }));
        EXPECT_EQ(ctl({ "kill", "-s", "USR1", "web" }).status, 0);
        EXPECT_TRUE(eventually([&] { return read_file(log_of("web", "stdout")) == "up\nusr1\n"; }));
        EXPECT_EQ(ctl({ "freeze", "web" }).status, 0);
        EXPECT_NE(read_file(cgroup_of("web") + "/task/cgroup.events").find("frozen 1"), std::string::npos);
        EXPECT_EQ(ctl({ "thaw", "web" }).status, 0);
        EXPECT_NE(read_file(cgroup_of("web") + "/task/cgroup.events").find("frozen 0"), std::string::npos);
        Output output = ctl({ "release", "web" });
        EXPECT_EQ(output.status, 1);
        EXPECT_EQ(output.text,
                        "nomad-executorctl release: Task 'web' has not ended; 'nomad-executorctl stop' ends it\n");
        EXPECT_EQ(ctl({ "wait", "--timeout=50ms", "web" }).status, 125);
        EXPECT_EQ(ctl({ "stop", "--signal=KILL", "web" }).status, 0);
        EXPECT_EQ(client.property(path_of("web"), "State"), "exited");
        EXPECT_EQ(ctl({ "kill", "web" }).status, 1);
        EXPECT_EQ(ctl({ "wait", "web" }).status, 128 + SIGKILL);
}

/* More waits that give up than the service lets wait at a time. */
TEST_F(Cli, WaitsThatGiveUpLeaveNothingBehind)
{
        start_idle("web");
        EXPECT_EQ(sh("for i in $(seq 300); do nomad-executorctl wait --timeout=1ms web 2>&1; done | grep -v 'in time'")
                                        .text,
                        "");
}

TEST_F(Cli, SetProperty)
{
        start_idle("web");
        Output output = ctl({ "set-property", "web", "TasksMax=x" });
        EXPECT_EQ(output.status, 1);
        EXPECT_EQ(lines_of(output.text).size(), 1U);
        output = ctl({ "set-property", "web", "User=nobody" });
        EXPECT_EQ(output.status, 1) << output;
        output = ctl({ "set-property", "web", "TasksMax=17" });
        if (read_file("/sys/fs/cgroup/cgroup.controllers").find("pids") == std::string::npos)
                EXPECT_NE(output.text.find("needs the cgroup controller 'pids'"), std::string::npos)
                                << output;
        else
                EXPECT_EQ(read_file(cgroup_of("web") + "/pids.max"), "17\n") << output;
}

TEST_F(Cli, Stats)
{
        start("busy", script("while :; do :; done"));
        start_idle("idle");
        Output output = ctl({ "stats" });
        EXPECT_EQ(lines_of(output.text).at(0),
                        "ID    CPU%     CPU  MEMORY  PEAK  SWAP  TASKS  READ  WRITTEN")
                        << output;
        EXPECT_EQ(lines_of(output.text).size(), 3U);
        output = sh("timeout 1 nomad-executorctl stats --watch --interval=200ms --no-legend busy");
        std::smatch match;
        auto lines = lines_of(output.text);
        ASSERT_GE(lines.size(), 3U) << output;
        ASSERT_TRUE(std::regex_search(lines.at(2), match, std::regex("^busy +([0-9.]+) "))) << output;
        EXPECT_GT(std::stod(match[1]), 1.0);
}

TEST_F(Cli, ErrorsInOneLineThatSaysWhatToDo)
{
        start_idle("web");
        const struct {
                std::vector<std::string> arguments;
                int status;
                std::string text;
        } cases[] = {
                { { "run", "--", "/no/such" }, 127, "Command '/no/such' was not found\n" },
                { { "run", "--", "no-such" }, 127,
                                "Command 'no-such' was not found; give an absolute path" },
                { { "run", "--", "/etc/passwd" }, 126, "Cannot execute '/etc/passwd': Permission denied" },
                { { "run", "--id=web", "--", "true" }, 125,
                                "There is a task 'web' already; choose another --id" },
                { { "run", "-p", "MemoryMax=1X", "--", "true" }, 125, "MemoryMax: '1X' is not a number" },
                { { "run", "--pipe", "--pty", "--", "true" }, 125, "Only one of" },
                { { "run" }, 125, "There is no command to run; usage:" },
                { { "run", "--no-such-option" }, 125, "Unknown option --no-such-option; see" },
                { { "status", "nothing" }, 4, "There is no task 'nothing'; 'nomad-executorctl list' shows" },
                { { "stop", "nothing" }, 4, "There is no task 'nothing'; 'nomad-executorctl list' shows" },
                { { "stop" }, 2, "An argument is missing; usage: nomad-executorctl stop ID" },
                { { "logs", "a", "b" }, 2,
                                "There are too many arguments; usage: nomad-executorctl logs ID" },
                { { "kill", "-s", "NOSUCH", "web" }, 1, "NOSUCH" },
                { { "stop", "--grace=soon", "web" }, 2, "'soon' is not a time" },
                { { "frobnicate" }, 2, "There is no command 'frobnicate'; 'nomad-executorctl --help'" },
                { { "--user", "--system", "list" }, 2, "--user and --system cannot both be given" },
        };

        for (const auto &c : cases) {
                Output output = ctl(c.arguments);
                EXPECT_EQ(output.status, c.status) << output;
                EXPECT_EQ(lines_of(output.text).size(), 1U) << output;
                EXPECT_NE(output.text.find(c.text), std::string::npos) << output;
        }
        Output output = run_as_nobody({ "nomad-executorctl", "list" });
        EXPECT_EQ(output.status, 1);
        EXPECT_EQ(output.text,
                        "nomad-executorctl list: User 'nobody' may not do this; do it as root, say with sudo\n");
}

TEST_F(Cli, HelpOfEveryCommand)
{
        Output help = ctl({ "--help" });
        std::smatch match;
        unsigned n = 0;

        EXPECT_EQ(help.status, 0);
        for (const auto &line : lines_of(help.text))
                if (std::regex_match(line, match, std::regex("^  ([a-z-]+) +[A-Z].*")) &&
                                line.find("--") == std::string::npos) {
                        Output output = ctl({ match[1], "--help" });
                        EXPECT_EQ(output.status, 0) << output;
                        EXPECT_NE(output.text.find("nomad-executorctl [OPTION…] " + match[1].str()),
                                        std::string::npos)
                                        << output;
                        n++;
                }
        EXPECT_GE(n, 17U) << help;
}

/* The service goes away under clients that wait and follow. */
TEST_F(Cli, ServiceIsKilledMeanwhile)
{
        Output output = sh(
                        "rm -f /tmp/go2 /tmp/out; "
                        "nomad-executorctl run --id=kept -- sh -c 'echo one; until [ -e /tmp/go2 ]; do sleep 0.02; done; "
                        "echo two; exit 8' >/tmp/out & until grep -q one /tmp/out; do sleep 0.02; done; "
                        "systemctl kill -s KILL --kill-whom=main nomad-executor; sleep 0.3; touch /tmp/go2; wait $!");

        EXPECT_EQ(output.status, 8) << output;
        EXPECT_EQ(read_file("/tmp/out"), "one\ntwo\n");
}
