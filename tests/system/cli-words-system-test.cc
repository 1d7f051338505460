/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli-fixture.h"

/* What nomad-executorctl says and how it understands what it is told: names, patterns, values, mistakes. */

/* One line, that names what is wrong and says what it should have been. */
void expect_mistake(const Output &output, int status, const std::string &text)
{
        EXPECT_EQ(output.status, status) << output;
        EXPECT_EQ(lines_of(output.text).size(), 1U) << output;
        EXPECT_NE(output.text.find(text), std::string::npos) << output << "instead of " << text;
        EXPECT_EQ(output.text.find("org.nomad.Executor.Manager.xml"), std::string::npos) << output;
}

TEST_F(Cli, StopWaitsForTheOthersToo)
{
        start("trap", script("trap 'sleep 1; exit 4' TERM; echo up; while :; do sleep 0.02; done"));
        ASSERT_TRUE(eventually([&] { return read_file(log_of("trap", "stdout")) == "up\n"; }));

        Output output = ctl({ "stop", "-s", "TERM", "--grace=60s", "nope", "trap" });
        EXPECT_EQ(client.property(path_of("trap"), "State"), "exited");
        EXPECT_EQ(output.status, 4) << output;
        EXPECT_EQ(output.text,
                        "nomad-executorctl stop: There is no task 'nope'; 'nomad-executorctl list' shows those there are\n");
        EXPECT_EQ(wait("trap"), (Exit{ "exit-code", 4, 0, false }));
}

TEST_F(Cli, PatternsOfIds)
{
        for (const char *id : { "job-1", "job-2" })
                ASSERT_EQ(ctl({ "run", "-d", std::string("--id=") + id, "-p", "StopSignal=SIGTERM", "--",
                                              "sleep", "infinity" })
                                                .status,
                                0);
        ASSERT_EQ(ctl({ "run", "--keep", "--id=job-3", "--", "sh", "-c", "exit 3" }).status, 3);
        start_idle("web");
        start_idle("job-[1]");

        EXPECT_EQ(ctl({ "show", "--value", "-p", "Id", "job-[12]", "w?b", "web" }).text,
                        "job-1\n\njob-2\n\nweb\n");
        EXPECT_EQ(ctl({ "list", "-q", "job-[0-9]" }).text, "job-1\njob-2\njob-3\n");
        EXPECT_EQ(lines_of(ctl({ "stats", "--no-legend", "job-?" }).text).size(), 2U);
        EXPECT_EQ(ctl({ "status", "-n", "0", "job-?" }).status, 3);
        /* an id that looks like a pattern is that task */
        EXPECT_EQ(ctl({ "show", "--value", "-p", "Id", "job-[1]" }).text, "job-[1]\n");

        EXPECT_EQ(ctl({ "kill", "-s", "CONT", "job-?" }).text, "") << "those that run are meant";
        EXPECT_EQ(ctl({ "freeze", "job-?" }).text, "");
        EXPECT_NE(read_file(cgroup_of("job-2") + "/task/cgroup.events").find("frozen 1"), std::string::npos);
        EXPECT_EQ(ctl({ "thaw", "job-?" }).text, "");
        EXPECT_NE(read_file(cgroup_of("job-2") + "/task/cgroup.events").find("frozen 0"), std::string::npos);
        EXPECT_EQ(ctl({ "stop", "job-[12]" }).text, "");
        EXPECT_EQ(client.property(path_of("job-1"), "State"), "exited");
        EXPECT_EQ(client.property(path_of("job-2"), "State"), "exited");
        EXPECT_EQ(client.property(path_of("web"), "State"), "running");
        EXPECT_EQ(ctl({ "wait", "job-[12]" }).status, 128 + SIGTERM);
        EXPECT_EQ(ctl({ "release", "*" }).text, "") << "those that have ended are meant";
        EXPECT_EQ(list(), "job-[1]\nweb\n");

        Output output = ctl({ "stop", "jib-*" });
        EXPECT_EQ(output.status, 4);
        EXPECT_EQ(output.text,
                        "nomad-executorctl stop: There is no task that 'jib-*' fits; 'nomad-executorctl list' shows those there are\n");
        EXPECT_EQ(ctl({ "wait", "jib-*" }).status, 125);
}

TEST_F(Cli, MistakesInASpec)
{
        const struct {
                std::string property, text;
        } cases[] = {
                { "MemroyMax=1G", "Unknown key 'MemroyMax'; did you mean MemoryMax?\n" },
                { "MemoryMax=64MB",
                                "MemoryMax: '64MB' is not a number of bytes, or one with K, M, G or T\n" },
                { "UMask=99", "UMask: '99' is not an octal number such as 0022\n" },
                { "UMask=01000", "UMask is not between 0 and 0777 (octal): '512'\n" },
                { "ResourceLimits=NOFILES=10",
                                "ResourceLimits names a limit that setrlimit(2) does not have: 'NOFILES'\n" },
                { "Environment=FOO", "Environment has an entry that is not NAME=VALUE: 'FOO'\n" },
                { "LogTargets=syslog",
                                "LogTargets has an entry that is neither 'files' nor 'journal': 'syslog'\n" },
                { "Slice=foo", "Slice is not the name of a slice unit such as foo.slice: 'foo'\n" },
                { "StopSignal=SIGFOO", "StopSignal is not the name of a signal: 'SIGFOO'\n" },
                { "CPUQuota=5", "CPUQuota: '5' is not a percentage of one CPU such as 150%\n" },
                { "User=nosuch", "User 'nosuch' is unknown\n" },
                { "LogFields=a=b", "LogFields has a name that is not one of a journal field: 'a'\n" },
        };

        for (const auto &c : cases)
                expect_mistake(ctl({ "run", "-p", c.property, "--", "true" }), 125, c.text);
        expect_mistake(sh("echo '{bad' | nomad-executorctl run --spec=-"), 125,
                        "The spec is not JSON: line 1, character 2 cannot be 'b'\n");
        expect_mistake(sh("echo '{\"Command\":[\"true\"]}' | nomad-executorctl run --spec=-"), 125,
                        "Command must be a string, not [\"true\"]\n");
        expect_mistake(ctl({ "reattach", "{bad" }), 125,
                        "The handle is not JSON: line 1, character 2 cannot be 'b'\n");
        EXPECT_NE(ctl({ "run", "-p", "Frobnicate=1", "--", "true" })
                                        .text
                                        .find("Unknown key 'Frobnicate'; nomad-task-spec(5) describes them"),
                        std::string::npos);
}

/* What is found when the program is about to be executed. */
TEST_F(Cli, MistakesThatTheTaskMeets)
{
        start_idle("web");
        expect_mistake(ctl({ "run", "-p", "ResourceLimits=NOFILE=99999999999", "--", "true" }), 126,
                        "Cannot set the limit 'NOFILE' of ResourceLimits: Operation not permitted\n");
        expect_mistake(ctl({ "run", "-p", "StdoutPath=/no/such", "--", "true" }), 126,
                        "Cannot open StdoutPath '/no/such': No such file or directory\n");
        expect_mistake(ctl({ "run", "-p", "StderrPath=/etc", "--", "true" }), 126,
                        "Cannot open StderrPath '/etc': Is a directory\n");
        expect_mistake(ctl({ "run", "-p", "StdoutPath=/dev/null", "-p", "StderrPath=/etc", "--", "true" }),
                        126, "Cannot open StdoutPath '/dev/null' or StderrPath '/etc': Is a directory\n");
        /* a machine that is a container may be refused it, one of its own may not */
        if (sh("(echo -1000 >/proc/self/oom_score_adj) 2>/dev/null").status != 0)
                expect_mistake(ctl({ "run", "-p", "OOMScoreAdjust=-1000", "--", "true" }), 126,
                                "Cannot set OOMScoreAdjust to -1000: Permission denied\n");
        expect_mistake(ctl({ "run", "--working-directory=/no/such", "--", "true" }), 126,
                        "Cannot enter WorkingDirectory '/no/such': No such file or directory\n");
        expect_mistake(ctl({ "exec", "--working-directory=/no/such", "web", "true" }), 126,
                        "Cannot enter WorkingDirectory '/no/such': No such file or directory\n");
}

TEST_F(Cli, MistakesInWhatIsChanged)
{
        start_idle("web");
        expect_mistake(ctl({ "set-property", "web", "User=nobody" }), 1,
                        "User cannot be changed while the task runs; these can: MemoryMax, MemoryHigh, MemoryLow, "
                        "MemorySwapMax, CPUWeight, CPUQuotaPerSecUSec, AllowedCPUs, IOWeight, TasksMax\n");
        expect_mistake(ctl({ "set-property", "web", "TasksMxa=5" }), 1,
                        "Unknown key 'TasksMxa'; did you mean TasksMax?\n");
        expect_mistake(ctl({ "kill", "-s", "SIGFOO", "web" }), 1, "Unknown signal 'SIGFOO'\n");
        expect_mistake(ctl({ "stop", "-s", "SIGFOO", "web" }), 1, "Unknown signal 'SIGFOO'\n");
        expect_mistake(ctl({ "exec", "--uid=nosuch", "web", "true" }), 125, "User 'nosuch' is unknown\n");
}

TEST_F(Cli, MistakesThatWereNotTold)
{
        start_idle("web");
        expect_mistake(ctl({ "list", "--state=foo" }), 2,
                        "--state is one of starting, running, stopping, exited and lost, not 'foo'\n");
        expect_mistake(ctl({ "show", "-p", "Foo", "web" }), 1, "There is no property 'Foo'; ");
        expect_mistake(ctl({ "run", "-E", "NOPE", "--", "true" }), 125,
                        "--setenv=NOPE: there is no such variable here; give NOPE=VALUE\n");
        expect_mistake(ctl({ "exec", "-E", "NOPE", "web", "true" }), 125,
                        "--setenv=NOPE: there is no such variable here; give NOPE=VALUE\n");
        expect_mistake(ctl({ "exec", "-E", "=a", "web", "true" }), 125, "--setenv==a has no name");
        expect_mistake(ctl({ "status", "-n", "-5", "web" }), 2, "--lines must not be negative\n");
        expect_mistake(ctl({ "logs", "-n", "-5", "web" }), 2,
                        "--lines is a number of lines, or -1 for all\n");
        expect_mistake(ctl({ "reattach", "-n", "-5", "web" }), 125,
                        "--lines is a number of lines, or -1 for all\n");
        expect_mistake(ctl({ "reattach", "" }), 125, "There is no handle\n");
        expect_mistake(sh("printf '{\"Command\":\"true\"}\\0more' | nomad-executorctl run --spec=-"), 125,
                        "Cannot read -: it has a NUL character\n");
        EXPECT_EQ(sh("YES=1 nomad-executorctl exec -E YES web sh -c 'echo $YES'").text, "1\n");
        EXPECT_EQ(sh("YES=1 nomad-executorctl run -E YES -- sh -c 'echo $YES'").text, "1\n");

        /* no engine listens; the service goes on to try, and says so */
        Output output = ctl({ "docker-logs", "--endpoint=unix:///run/no-such.sock", "--id=words", "foo" });
        EXPECT_EQ(output.status, 1) << output;
        EXPECT_NE(output.text.find("The engine at unix:///run/no-such.sock does not answer: "),
                        std::string::npos)
                        << output;
        EXPECT_NE(output.text.find("docker-logs --stop --release words'"), std::string::npos) << output;
        EXPECT_EQ(ctl({ "docker-logs", "--stop", "--release", "words" }).text, "");
}

TEST_F(Cli, TextThatIsNotUtf8)
{
        start_idle("web");
        for (const char *command : { "run -- $'a\\xff'", "run -- echo $'a\\xff'",
                             "run -p $'User=a\\xff' -- true", "run --working-directory=$'/a\\xff' -- true",
                             "run --description=$'a\\xff' -- true", "run --id=$'a\\xff' -- true",
                             "run -E $'A=a\\xff' -- true", "exec web echo $'a\\xff'",
                             "exec -E $'A=a\\xff' web true", "kill -s $'a\\xff' web", "stop $'a\\xff'" }) {
                Output output = sh(std::string("nomad-executorctl ") + command);
                EXPECT_NE(output.status, 0) << output;
                EXPECT_EQ(lines_of(output.text).size(), 1U) << command << output;
                EXPECT_NE(output.text.find("not UTF-8"), std::string::npos) << command << output;
        }
        expect_mistake(sh("nomad-executorctl exec web echo $'a\\xff'"), 125,
                        "Argument: 'a\uFFFD' is not UTF-8\n");
        expect_mistake(sh("nomad-executorctl exec -E $'A=a\\xff' web true"), 125,
                        "Environment: 'A=a\uFFFD' is not UTF-8\n");
        /* what is UTF-8 is taken in every locale */
        EXPECT_EQ(sh("LC_ALL=C nomad-executorctl run --id=loc --keep --description=ä -- true").text, "");
        EXPECT_EQ(client.property(path_of("loc"), "Description"), "ä");
        EXPECT_EQ(ctl({ "release", "loc" }).status, 0);
}

/* What is between the client and the service. */
TEST_F(Cli, ServiceThatCannotBeReached)
{
        Output output = run({ "env", "-u", "DBUS_SESSION_BUS_ADDRESS", "-u", "XDG_RUNTIME_DIR",
                        "nomad-executorctl", "--user", "list" });
        expect_mistake(output, 1,
                        "There is no user bus: neither $DBUS_SESSION_BUS_ADDRESS nor $XDG_RUNTIME_DIR is set; "
                        "log in as that user\n");
        expect_mistake(sh("DBUS_SYSTEM_BUS_ADDRESS=unix:path=/no/such nomad-executorctl list"), 1,
                        "No such file or directory; 'systemctl status dbus.service' may say why\n");
        expect_mistake(run_as_nobody({ "nomad-executorctl", "list" }), 1,
                        "User 'nobody' may not do this; do it as root, say with sudo\n");

        ASSERT_EQ(run({ "systemctl", "mask", "--runtime", EXECUTOR_UNIT }).status, 0);
        EXPECT_EQ(run({ "systemctl", "stop", EXECUTOR_UNIT }).status, 0);
        output = ctl({ "list" });
        EXPECT_EQ(run({ "systemctl", "unmask", "--runtime", EXECUTOR_UNIT }).status, 0);
        expect_mistake(output, 1, "is masked; 'systemctl unmask nomad-executor.service' allows it again\n");
        EXPECT_EQ(ctl({ "list" }).status, 0);
}

TEST_F(Cli, WhatIsNotKnown)
{
        start("web", script("trap 'exit 4' RTMAX; echo up; while :; do sleep 0.02; done"));
        ASSERT_TRUE(eventually([&] { return read_file(log_of("web", "stdout")) == "up\n"; }));
        EXPECT_EQ(ctl({ "show", "-p", "MemoryPeak", "web" }).text, "MemoryPeak=[not set]\n");
        EXPECT_EQ(ctl({ "show", "-p", "CPUUsageNSec", "--value", "web" }).text, "[not set]\n");
        if (read_file("/sys/fs/cgroup/cgroup.controllers").find("memory") == std::string::npos) {
                const std::string head = lines_of(ctl({ "top", "-b", "-n", "1" }).text).at(0);
                EXPECT_NE(head.find(", memory -"), std::string::npos) << head;
        }

        EXPECT_EQ(ctl({ "kill", "-s", "RTMAX-1", "web" }).text, "");
        EXPECT_EQ(wait("web"), (Exit{ "signal", 128 + SIGRTMAX - 1, SIGRTMAX - 1, false }));
        EXPECT_NE(ctl({ "list" }).text.find("SIGRTMIN+" + std::to_string(SIGRTMAX - 1 - SIGRTMIN)),
                        std::string::npos);
}

/* As soon as nobody reads, not at the next line. */
TEST_F(Cli, LogsEndWithTheirReader)
{
        start("web", script("echo one; exec sleep infinity"));
        ASSERT_TRUE(eventually([&] { return read_file(log_of("web", "stdout")) == "one\n"; }));
        EXPECT_EQ(sh("timeout 60 nomad-executorctl logs -f web | head -n 1").text, "one\n");
        Output output = sh("timeout 60 nomad-executorctl logs -f web | head -n 1 >/dev/null");
        EXPECT_EQ(output.status, 0) << output << "124: it waited for the next line";
}

/* Each line is written when the one before is in its file, so that there is one order. */
TEST_F(Cli, LogsAreInTheOrderOfTheirWriting)
{
        const std::string gate = "t() { until [ -e /tmp/words-$1 ]; do sleep 0.02; done; }; ";

        EXPECT_EQ(sh("rm -f /tmp/words-*").status, 0);
        start("web",
                        script(gate +
                                        "echo o1; t 1; echo e1 >&2; t 2; echo e2 >&2; t 3; echo o1; t 4; echo e3 >&2; "
                                        "exec sleep infinity"));
        const std::string out[] = { "o1\n", "o1\n", "o1\n", "o1\no1\n", "o1\no1\n" };
        const std::string err[] = { "", "e1\n", "e1\ne2\n", "e1\ne2\n", "e1\ne2\ne3\n" };
        for (int i = 0; i < 5; i++) {
                ASSERT_TRUE(eventually([&] {
                        return read_file(log_of("web", "stdout")) == out[i] &&
                                        read_file(log_of("web", "stderr")) == err[i];
                })) << i;
                ASSERT_EQ(sh("touch /tmp/words-" + std::to_string(i + 1)).status, 0);
        }
        ASSERT_TRUE(eventually([&] {
                return journal({ "NOMAD_TASK_ID=web", "_SYSTEMD_UNIT=nomad-logmon.service" }).size() == 5;
        }));

        EXPECT_EQ(sh("nomad-executorctl logs web 2>&1").text, "o1\ne1\ne2\no1\ne3\n");
        EXPECT_EQ(sh("nomad-executorctl logs web 2>/dev/null").text, "o1\no1\n");
        EXPECT_EQ(sh("nomad-executorctl logs -n 1 web 2>&1").text, "o1\ne3\n");
        EXPECT_EQ(sh("nomad-executorctl logs --stderr web").text, "e1\ne2\ne3\n");
        EXPECT_EQ(sh("timeout 60 nomad-executorctl logs -f web 2>&1 | head -n 5").text,
                        "o1\ne1\ne2\no1\ne3\n");

        Output output = sh("nomad-executorctl logs --json=short web | python3 -c 'import json, sys, time\n"
                           "before = 0\n"
                           "for line in sys.stdin:\n"
                           "    d = json.loads(line)\n"
                           "    assert sorted(d) == [\"stream\", \"text\", \"time\"], d\n"
                           "    assert before < d[\"time\"] <= time.time() * 1e6, d\n"
                           "    before = d[\"time\"]\n"
                           "    print(d[\"stream\"], d[\"text\"])'");
        EXPECT_EQ(output.text, "stdout o1\nstderr e1\nstderr e2\nstdout o1\nstderr e3\n");
        EXPECT_EQ(sh("timeout 60 nomad-executorctl logs -f --stderr --json=short web | head -n 1 | sed 's/[0-9][0-9]*/N/g'")
                                        .text,
                        "{\"stream\":\"stderr\",\"time\":N,\"text\":\"eN\"}\n");

        /* what anybody writes with the task's id is not the task's */
        EXPECT_EQ(sh("printf 'MESSAGE=e3\\nNOMAD_TASK_ID=web\\nNOMAD_STREAM=stdout\\n' | logger --journald")
                                        .status,
                        0);
        ASSERT_TRUE(eventually([&] { return journal({ "NOMAD_TASK_ID=web" }).size() == 6; }));
        EXPECT_EQ(sh("nomad-executorctl logs web 2>&1").text, "o1\ne1\ne2\no1\ne3\n");
}

TEST_F(Cli, LogsOfATaskWithoutFiles)
{
        const std::string gate = "t() { until [ -e /tmp/words-$1 ]; do sleep 0.02; done; }; ";
        const std::vector<std::string> targets = { "journal" };

        EXPECT_EQ(sh("rm -f /tmp/words-*").status, 0);
        start("web",
                        script(gate + "echo o1; t 1; echo e1 >&2; t 2; echo o2; t 3; echo e2 >&2; t 4; printf o3")
                                        .set("LogTargets", targets));
        for (size_t n = 1; n <= 3; n++) {
                ASSERT_TRUE(eventually([&] { return journal({ "NOMAD_TASK_ID=web" }).size() == n; }));
                if (n < 3) {
                        ASSERT_EQ(sh("touch /tmp/words-" + std::to_string(n)).status, 0);
                }
        }

        EXPECT_EQ(sh("nomad-executorctl logs web 2>&1").text, "o1\ne1\no2\n");
        EXPECT_EQ(sh("nomad-executorctl logs web 2>/dev/null").text, "o1\no2\n");
        EXPECT_EQ(sh("nomad-executorctl logs -n 1 web 2>&1").text, "e1\no2\n");
        EXPECT_EQ(sh("nomad-executorctl logs --stderr web").text, "e1\n");
        EXPECT_EQ(sh("nomad-executorctl logs --json=short web | sed 's/:[0-9][0-9]*/:N/'").text,
                        "{\"stream\":\"stdout\",\"time\":N,\"text\":\"o1\"}\n"
                        "{\"stream\":\"stderr\",\"time\":N,\"text\":\"e1\"}\n"
                        "{\"stream\":\"stdout\",\"time\":N,\"text\":\"o2\"}\n");
        EXPECT_EQ(sh("timeout 60 nomad-executorctl logs -f web 2>&1 | head -n 1").text, "o1\n");
        EXPECT_EQ(sh(": >/tmp/words-log; timeout 60 nomad-executorctl logs -f web >/tmp/words-log 2>&1 & "
                     "t() { until [ $(wc -l </tmp/words-log) = $1 ]; do sleep 0.02; done; touch /tmp/words-$1; }; "
                     "t 3; t 4; wait $!; echo $?; cat /tmp/words-log")
                                        .text,
                        "0\no1\ne1\no2\ne2\no3\n");
        EXPECT_EQ(wait("web"), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(sh("nomad-executorctl logs web 2>&1").text, "o1\ne1\no2\ne2\no3\n");

        release("web");
        start("web", script("echo other").set("LogTargets", targets));
        EXPECT_EQ(wait("web"), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(sh("nomad-executorctl logs web 2>&1").text, "other\n") << "since the start of the task";
}

TEST_F(Cli, LogsOfATaskWithoutAny)
{
        start("web", script("echo out").set("LogTargets", std::vector<std::string>{}));
        EXPECT_EQ(wait("web"), (Exit{ "success", 0, 0, false }));
        for (const char *follow : { "--follow", "--stdout" }) {
                Output output = ctl({ "logs", follow, "web" });

                EXPECT_EQ(output.status, 1) << output;
                EXPECT_NE(output.text.find("Task 'web' has no log"), std::string::npos) << output;
        }
}

/* Lines that the journal does not have any more, or splits, are all there all the same. */
TEST_F(Cli, LogsAreCompleteWhateverTheJournalHas)
{
        start("web",
                        script("echo '<3>with a priority'; head -c 100000 /dev/zero | tr '\\0' x; echo; echo e >&2; "
                               "printf 'no newline'"));
        EXPECT_EQ(wait("web"), (Exit{ "success", 0, 0, false }));
        EXPECT_TRUE(same_text(sh("nomad-executorctl logs web 2>/dev/null").text,
                        "<3>with a priority\n" + std::string(100000, 'x') + "\nno newline"));
        EXPECT_EQ(sh("nomad-executorctl logs web 2>&1 >/dev/null").text, "e\n");

        start("silent", script("echo o; echo e >&2").set("LogTargets", std::vector<std::string>{ "files" }));
        EXPECT_EQ(wait("silent"), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(sh("nomad-executorctl logs silent 2>&1").text, "o\ne\n");
        EXPECT_EQ(sh("nomad-executorctl logs --json=short silent").text,
                        "{\"stream\":\"stdout\",\"time\":null,\"text\":\"o\"}\n"
                        "{\"stream\":\"stderr\",\"time\":null,\"text\":\"e\"}\n");
}

TEST_F(Cli, ScriptsWithoutTheirInterpreter)
{
        start_idle("web");
        ASSERT_EQ(sh("cd /usr/local/bin && printf '#! /no/such/shell -e\\n' >words-script && cp words-script words-plain && "
                     "printf '#!/bin/sh\\n' >words-good && chmod +x words-*")
                                        .status,
                        0);
        const std::string text = "': its interpreter '/no/such/shell' does not exist\n";
        expect_mistake(ctl({ "run", "--", "/usr/local/bin/words-script" }), 126,
                        "Cannot execute '/usr/local/bin/words-script" + text);
        expect_mistake(ctl({ "run", "--uid=nobody", "--", "words-plain" }), 126,
                        "Cannot execute 'words-plain" + text);
        expect_mistake(ctl({ "exec", "web", "words-script" }), 126, "Cannot execute 'words-script" + text);
        EXPECT_EQ(ctl({ "run", "--", "words-good" }).text, "");
        /* not a script, and its loader is not there: of what the kernel missed nothing is claimed */
        ASSERT_EQ(sh("sed 's,/lib64/ld-linux-x86-64,/lib64/no-linux-x86-64,' /bin/true >/usr/local/bin/words-elf && "
                     "chmod +x /usr/local/bin/words-elf")
                                        .status,
                        0);
        expect_mistake(ctl({ "run", "--", "words-elf" }), 126,
                        "Cannot execute 'words-elf': No such file or directory\n");
        EXPECT_EQ(sh("rm /usr/local/bin/words-*").status, 0);
}

TEST_F(Cli, LimitsThatCannotBe)
{
        /* the machine's container may not be allowed to raise a limit */
        const bool may_raise = sh("prlimit --pid $$ --nofile=:$(($(ulimit -Hn) + 1))").status == 0;
        ASSERT_EQ(ctl({ "list" }).status, 0);
        const std::string most = may_raise
                        ? read_file("/proc/sys/fs/nr_open")
                        : sh("prlimit --pid $(systemctl show -P MainPID nomad-executor) --nofile -o HARD --noheadings")
                                          .text;
        ASSERT_GT(std::stoul(most), 77U);

        EXPECT_EQ(ctl({ "run", "-p", "ResourceLimits=NOFILE=infinity", "--", "sh", "-c",
                                      "ulimit -Hn; ulimit -Sn" })
                                        .text,
                        most + most);
        EXPECT_EQ(ctl({ "run", "-p", "ResourceLimits=NOFILE=77:infinity", "--", "sh", "-c",
                                      "ulimit -Sn; ulimit -Hn" })
                                        .text,
                        "77\n" + most);
        expect_mistake(ctl({ "run", "-p", "TasksMax=1", "--", "true" }), 125,
                        "TasksMax must be at least 2, as the task's supervisor counts: '1'\n");
}

/* "run" releases what it has started; how that ended is in the journal still. */
TEST_F(Cli, TheEndOfATaskThatWasReleased)
{
        ASSERT_EQ(ctl({ "run", "--id=words-gone", "--", "sh", "-c", "exit 7" }).status, 7);
        Output output;
        ASSERT_TRUE(eventually([&] {
                output = ctl({ "status", "words-gone" });
                return output.text.find("of the last one the journal says: ") != std::string::npos;
        })) << output;
        EXPECT_EQ(output.status, 4) << output;
        EXPECT_EQ(lines_of(output.text).size(), 1U) << output;
        EXPECT_NE(output.text.find("has ended: exit-code, exit code 7"), std::string::npos) << output;
        EXPECT_NE(ctl({ "status", "words-never" }).text.find("There is no task 'words-never'; "),
                        std::string::npos);
}
