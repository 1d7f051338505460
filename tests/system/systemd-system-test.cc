/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <algorithm>

#include "support.h"

/* systemd under us: what its administrator may do to units, and to systemd itself, while tasks run. */

class Systemd : public SystemTest
{
      protected:
        std::string start_sleeper(const std::string &id)
        {
                return start(id, script("exec sleep 1000"));
        }

        /* One that says good-bye when it is stopped the way its spec says. */
        std::string start_polite(const std::string &id)
        {
                std::string path = start(id,
                                script("trap 'echo bye; exit 5' INT; echo ready; while :; do sleep 0.02; done"));

                EXPECT_TRUE(eventually([&] { return read_file(log_of(id, "stdout")) == "ready\n"; }));
                return path;
        }

        void expect_bye(const std::string &id)
        {
                EXPECT_EQ(wait(id), (Exit{ "exit-code", 5, 0, false }));
                EXPECT_EQ(read_file(log_of(id, "stdout")), "ready\nbye\n");
        }

        void systemctl(std::vector<std::string> argv)
        {
                argv.insert(argv.begin(), "systemctl");
                Output output = run(argv);
                EXPECT_EQ(output.status, 0) << output;
        }
};

TEST_F(Systemd, StopOfAScopeIsGraceful)
{
        start_polite("stopped");
        systemctl({ "stop", unit_of("stopped") });
        expect_bye("stopped");
}

TEST_F(Systemd, StopOfAScopeIsGracefulWithoutTheService)
{
        start_polite("alone");
        systemctl({ "stop", EXECUTOR_UNIT });
        systemctl({ "stop", unit_of("alone") });
        expect_bye("alone");
}

TEST_F(Systemd, StopOfAScopeEndsWhatIgnoresItWithoutTheService)
{
        start("deaf",
                        script("trap '' INT TERM; echo ready; while :; do sleep 0.05; done")
                                        .set("StopTimeoutUSec", (uint64_t) 300000));
        ASSERT_TRUE(eventually([&] { return read_file(log_of("deaf", "stdout")) == "ready\n"; }));
        systemctl({ "stop", EXECUTOR_UNIT });
        systemctl({ "stop", unit_of("deaf") });
        EXPECT_EQ(wait("deaf"), (Exit{ "signal", 137, 9, false })) << "the supervisor lived to record it";
}

TEST_F(Systemd, StopOfTheSliceIsGraceful)
{
        start_polite("one");
        start_polite("two");
        systemctl({ "stop", "nomad.slice" });
        expect_bye("one");
        expect_bye("two");
        /* and tasks can be started again */
        start_sleeper("three");
}

TEST_F(Systemd, KillOfAScopeLosesTheStatusAndSaysSo)
{
        start_sleeper("killed");
        systemctl({ "kill", "--signal=KILL", unit_of("killed") });
        EXPECT_EQ(wait("killed"), (Exit{ "lost", -1, 0, false }));
        EXPECT_EQ(client.property(path_of("killed"), "State"), "lost");
}

TEST_F(Systemd, TasksOutliveReexecAndReload)
{
        start_polite("before");
        systemctl({ "daemon-reexec" });
        systemctl({ "daemon-reload" });
        EXPECT_EQ(client.property(path_of("before"), "State"), "running");
        start_polite("after");
        EXPECT_TRUE(stop("before", "", UINT64_MAX).ok());
        expect_bye("before");
        systemctl({ "stop", unit_of("after") });
        expect_bye("after");
}

/* Not tried here: it would stop the unit that this test runs in. */
TEST_F(Systemd, IsolateLeavesServicesAlone)
{
        start_sleeper("isolated");
        for (const char *unit : { EXECUTOR_UNIT, LOGMON_UNIT, "nomad-dockerlog.service", "nomad.slice" })
                EXPECT_EQ(run({ "systemctl", "show", "--value", "--property=IgnoreOnIsolate", unit }).text,
                                "yes\n")
                                << unit;
        EXPECT_EQ(run({ "systemctl", "show", "--value", "--property=IgnoreOnIsolate", unit_of("isolated") })
                                        .text,
                        "yes\n");
}

TEST_F(Systemd, TasksOutliveTheJournal)
{
        start_polite("logged");
        systemctl({ "restart", "systemd-journald" });
        EXPECT_TRUE(stop("logged", "", UINT64_MAX).ok());
        expect_bye("logged");

        std::vector<std::string> lines = journal({ "NOMAD_TASK_ID=logged" });
        EXPECT_NE(std::find(lines.begin(), lines.end(), "bye"), lines.end());
}

TEST_F(Systemd, ANameThatIsTakenIsLeftAlone)
{
        std::string unit = unit_of("taken");

        ASSERT_EQ(run({ "systemd-run", "--scope", "--quiet", "--unit=" + unit, "sh", "-c",
                                      "sleep 1000 >/dev/null 2>&1 &" })
                                        .status,
                        0);
        Reply reply = client.start_task("taken", script("exit 0"));
        EXPECT_EQ(reply.error, "org.nomad.Executor.Error.ScopeFailed") << reply;
        EXPECT_EQ(run({ "systemctl", "is-active", unit }).text, "active\n") << "it is not ours";
        systemctl({ "stop", unit });
        expect_nothing_left("taken");
}

TEST_F(Systemd, AFailedUnitDoesNotStandInTheWay)
{
        std::string unit = unit_of("failed");

        run({ "systemd-run", "--scope", "--quiet", "--unit=" + unit, "--property=RuntimeMaxSec=100ms",
                        "sleep", "1000" });
        ASSERT_TRUE(eventually([&] { return run({ "systemctl", "is-failed", unit }).text == "failed\n"; }));
        start_sleeper("failed");
}

/* A state file is ours, but what it names may by now be somebody else's process. */
TEST_F(Systemd, AForgedPidIsNeitherSignalledNorReported)
{
        std::string path = "/run/nomad-executor/tasks/forged/";
        Output output = run({ "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!" });
        std::string pid = lines_of(output.text).at(0), stat = "/proc/" + pid + "/stat";
        std::string start_time = run({ "awk", "{ print $22 }", stat }).text;

        start_sleeper("forged");
        systemctl({ "stop", EXECUTOR_UNIT });
        /* its supervisor dies unseen, and its numbers are given to the stranger, start times and all */
        Output supervisor = run({ "sed", "-n", "s/^SUPERVISOR_PID=//p", path + "start" });
        ASSERT_EQ(run({ "kill", "-KILL", lines_of(supervisor.text).at(0) }).status, 0);
        std::string script_text = "sed -i -e 's/\\(\"SupervisorPID\":\\)[0-9]*/\\1" + pid +
                        "/' -e 's/\\(\"SupervisorStartTime\":\\)[0-9]*/\\1" + lines_of(start_time).at(0) +
                        "/' " + path + "task.json && sed -i -e 's/^PID=.*/PID=" + pid +
                        "/' -e 's/^START_TIME=.*/START_TIME=" + lines_of(start_time).at(0) + "/' " + path +
                        "start";
        ASSERT_EQ(run({ "sh", "-c", script_text }).status, 0);

        EXPECT_EQ(wait("forged"), (Exit{ "lost", -1, 0, false }));
        EXPECT_EQ(client.kill_task(path_of("forged"), "main", "KILL").error,
                        "org.nomad.Executor.Error.NotRunning");
        EXPECT_TRUE(exists("/proc/" + pid)) << "a stranger was killed";
        run({ "kill", "-KILL", pid });
}
