/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <sstream>

#include "isolation-fixture.h"

/* The file tree of a container, who a task is in it, and what joins it there. */

INSTANTIATE_TEST_SUITE_P(
                Runtimes, Isolation, testing::Values("/usr/bin/crun", "/usr/sbin/runc"), runtime_name);

/* --- mounts and devices --- */

TEST_P(Isolation, MountsAreAsMountinfoHasThem)
{
        Spec spec = task(
                        "grep -E ' /(a|b|c) ' /proc/self/mountinfo | sed -E 's/^.* (\\/[abc]) ([a-z]+),[^ ]* ([^-]*)-.*$/\\1 \\2 \\3/'");

        spec.set_mounts({ { SHARED, "/a", "" }, { SHARED, "/b", "ro,rprivate" },
                        { "/run/lock", "/c", "rslave" } });
        std::stringstream lines(output_of(spec));
        std::string where, mode, tag;
        EXPECT_TRUE(lines >> where >> mode && where == "/a" && mode == "rw") << lines.str();
        EXPECT_TRUE(lines >> where >> mode && where == "/b" && mode == "ro") << lines.str();
        EXPECT_TRUE(lines >> where >> mode >> tag && where == "/c" && mode == "rw") << lines.str();
}

/* Both ways: what the host mounts later, and what the container mounts. */
TEST_P(Isolation, PropagationIsWhatWasAskedFor)
{
        ASSERT_EQ(run({ "mount", "-t", "tmpfs", "tmpfs", SHARED }).status, 0);
        ASSERT_EQ(run({ "mount", "--make-shared", SHARED }).status, 0);
        ASSERT_EQ(run({ "mkdir", SHARED + "/host", SHARED + "/task" }).status, 0);
        Spec spec;
        spec.set("SeccompProfile", "unconfined").set("Capabilities", std::vector<std::string>{ "all" });
        spec.set_mounts({ { SHARED, "/slave", "rslave" }, { SHARED, "/shared", "rshared" },
                        { SHARED, "/private", "" } });
        start_sleeping(spec);

        ASSERT_EQ(run({ "mount", "-t", "tmpfs", "tmpfs", SHARED + "/host" }).status, 0);
        write_file(SHARED + "/host/file", "from the host");
        EXPECT_EQ(check_script("cat /slave/host/file; ls /private/host").output, "from the host");
        EXPECT_EQ(check_script("mount -t tmpfs tmpfs /shared/task && echo done >/shared/task/file").output,
                        "");
        EXPECT_EQ(read_file(SHARED + "/task/file"), "done\n");

        EXPECT_TRUE(stop(id, "", 0).ok());
        (void) wait(id);
        for (std::string name : { "/task", "/host", "" })
                EXPECT_EQ(run({ "umount", SHARED + name }).status, 0) << name;
}

TEST_P(Isolation, TestExecDriver_DevicesAndMounts)
{
        write_file(SHARED + "/input", "text");
        for (std::string name : { "/out", "/err" })
                EXPECT_EQ(run({ "rm", "-f", SHARED + name }).status, 0);
        Spec spec = task(
                        "cat /task-mount/input; stat -c '%F %t:%T' /dev/random-too; head -c 1 /dev/random-too | wc -c\n"
                        "touch /task-mount/new; touch /task-mount-ro/new");
        spec.set_mounts({ { SHARED, "/task-mount", "rw" }, { SHARED, "/task-mount-ro", "ro" } });
        spec.set_devices({ { "/dev/random", "/dev/random-too", "rw" } });
        spec.set("StdoutPath", SHARED + "/out").set("StderrPath", SHARED + "/err").set("User", "nobody");

        start(id, spec);
        EXPECT_EQ(wait(id), (Exit{ "exit-code", 1, 0, false }));
        EXPECT_EQ(read_file(SHARED + "/out"), "textcharacter special file 1:8\n1\n");
        EXPECT_EQ(read_file(SHARED + "/err"),
                        "touch: cannot touch '/task-mount-ro/new': Read-only file system\n");
        EXPECT_TRUE(exists(SHARED + "/new"));
}

/* A node can be made; only what is allowed can be opened. */
TEST_P(Isolation, TestCgroupDeviceRules)
{
        const std::string node = SHARED + "/kmsg";
        const std::string attempt = "cd /local; rm -f kmsg null; mknod kmsg c 1 11; mknod null c 1 3\n"
                                    "(: >null) && echo null; (: >kmsg) && echo kmsg; rm -f kmsg null";
        Spec spec = task("exec 2>&1\n" + attempt);

        ASSERT_EQ(run({ "mknod", node, "c", "1", "11" }).status, 0);
        ASSERT_EQ(run({ "sh", "-c", ": >" + node }).status, 0) << "it can be opened outside";
        std::string refused = output_of(spec);
        EXPECT_EQ(refused.rfind("null\n", 0), 0U) << refused;
        EXPECT_NE(refused.find("cannot create kmsg: Operation not permitted"), std::string::npos) << refused;

        spec.set_devices({ { node, "/dev/kmsg", "w" } });
        EXPECT_EQ(output_of(spec), "null\nkmsg\n");
        EXPECT_EQ(output_of(task("(: >/dev/kmsg) && stat -c '%F %t:%T' /dev/kmsg")
                                                  .set_devices({ { node, "/dev/kmsg", "rwm" } })),
                        "character special file 1:b\n");
        EXPECT_EQ(run({ "rm", node }).status, 0);
}

/* --- user, directory, limits --- */

TEST_P(Isolation, UserIsOneOfTheRoot)
{
        EXPECT_EQ(output_of(rooted("id; echo $USER $HOME").set("User", "alien")),
                        "uid=4711(alien) gid=4712(main) groups=4712(main),4713(more)\nalien /home/alien\n");
        EXPECT_EQ(output_of(rooted("id").set("User", "4711").set("Group", "not")),
                        "uid=4711(alien) gid=4714(not) groups=4713(more),4714(not)\n");
        EXPECT_EQ(start_error(rooted("id").set("User", "nobody")), "InvalidSpec: User 'nobody' is unknown");
        EXPECT_EQ(output_of(rooted("id -u; id -g")), "0\n0\n");
}

TEST_P(Isolation, TestExecDriver_User)
{
        EXPECT_EQ(start_error(task("exit 0").set("User", "alice")), "InvalidSpec: User 'alice' is unknown");
}

TEST_P(Isolation, TestExecutor_UserEnv)
{
        EXPECT_EQ(output_of(task("echo $USER $LOGNAME $HOME").set("User", "tester")),
                        "tester tester /home/tester\n");
}

TEST_P(Isolation, TestExecutor_WorkDir)
{
        EXPECT_EQ(output_of(task("pwd").set("WorkingDirectory", "/local")), "/local\n");
        EXPECT_EQ(output_of(task("pwd")), "/\n");
        EXPECT_EQ(start_error(task("pwd").set("WorkingDirectory", "/nowhere")),
                        "ExecFailed: Cannot enter WorkingDirectory '/nowhere' in " + TASK_DIRECTORY +
                                        ": No such file or directory");
}

TEST_P(Isolation, TestExecutor_DoesNotInheritOomScoreAdj)
{
        EXPECT_EQ(output_of(task("cat /proc/self/oom_score_adj")), "0\n");
        EXPECT_EQ(output_of(task("cat /proc/self/oom_score_adj").set("OOMScoreAdjust", 500)), "500\n");
}

TEST_P(Isolation, LimitsAndUMask)
{
        Spec spec = task("umask; ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc");

        spec.set("UMask", 0027U).set_limit("ResourceLimits", "NOFILE", 100, 200);
        EXPECT_EQ(output_of(spec),
                        "0027\n100\n200\n" + trim(run({ "sh", "-c", "ulimit -Sc" }).text) + "\nunlimited\n");
}

/* --- commands --- */

TEST_P(Isolation, CommandIsLookedUpInTheRoot)
{
        write_file(TASK_DIRECTORY + "/local/tool", "#!/bin/sh\necho local\n");
        EXPECT_EQ(chmod((TASK_DIRECTORY + "/local/tool").c_str(), 0755), 0);

        EXPECT_EQ(output_of(contained("tool").set("TaskDirectory", TASK_DIRECTORY)), "local\n");
        EXPECT_EQ(output_of(contained("local/tool").set("TaskDirectory", TASK_DIRECTORY)), "local\n");
        EXPECT_EQ(output_of(contained("/bin/echo", { "absolute" }).set("TaskDirectory", TASK_DIRECTORY)),
                        "absolute\n");
        EXPECT_EQ(start_error(contained("env").set("RootDirectory", ROOT)),
                        "CommandNotFound: file env not found under path");
        EXPECT_EQ(start_error(contained("/usr/bin/env").set("RootDirectory", ROOT)),
                        "CommandNotFound: file /usr/bin/env not found under path " + ROOT);
}

TEST_P(Isolation, TestExecutor_EscapeContainer)
{
        EXPECT_EQ(run({ "ln", "-sf", "../../../../../../usr/bin/env", ROOT + "/bin/escape" }).status, 0);
        EXPECT_EQ(start_error(contained("/bin/escape").set("RootDirectory", ROOT)),
                        "InvalidSpec: Command '/bin/escape' leads out of the root");
        EXPECT_EQ(start_error(contained("/../usr/bin/env").set("RootDirectory", ROOT)),
                        "InvalidSpec: Command must not have '..'");
        EXPECT_EQ(run({ "rm", ROOT + "/bin/escape" }).status, 0);
}

TEST_P(Isolation, WhatCannotBeExecutedIsSaid)
{
        write_file(TASK_DIRECTORY + "/local/junk",
                        "\x7f"
                        "junk");
        EXPECT_EQ(chmod((TASK_DIRECTORY + "/local/junk").c_str(), 0755), 0);
        EXPECT_EQ(start_error(contained("junk").set("TaskDirectory", TASK_DIRECTORY)),
                        "ExecFailed: Cannot execute 'junk': Exec format error");
        EXPECT_EQ(chmod((TASK_DIRECTORY + "/local/junk").c_str(), 0644), 0);
        EXPECT_NE(start_error(contained("junk").set("TaskDirectory", TASK_DIRECTORY))
                                        .find("ermission denied"),
                        std::string::npos);
}

TEST_P(Isolation, MistakesAreNamed)
{
        std::string missing = start_error(task("exit 0").set_mounts({ { "/no/such/source", "/a", "" } }));
        EXPECT_EQ(missing.rfind("ExecFailed: Cannot execute 'sh': " + runtime_name() + ": ", 0), 0U)
                        << missing;
        EXPECT_NE(missing.find("/no/such/source"), std::string::npos) << missing;

        EXPECT_EQ(start_error(contained("sh").set("RootDirectory", "/no/such/root")),
                        "InvalidSpec: RootDirectory '/no/such/root' cannot be opened: No such file or directory");
        EXPECT_EQ(start_error(contained("sh").set("RootDirectory", "/etc/passwd")),
                        "InvalidSpec: RootDirectory '/etc/passwd' cannot be opened: Not a directory");
        EXPECT_EQ(start_error(contained("sh")),
                        "InvalidSpec: Isolation 'container' needs either RootDirectory or TaskDirectory");
        EXPECT_EQ(start_error(task("exit 0").set_devices({ { "/dev/no-such", "/dev/a", "r" } })),
                        "InvalidSpec: Devices: '/dev/no-such': No such file or directory");
        EXPECT_EQ(start_error(task("exit 0").set_mounts({ { "/etc", "/a/../b", "" } }))
                                        .rfind("InvalidSpec: Mounts has a destination", 0),
                        0U);
        EXPECT_EQ(start_error(script("exit 0").set("PIDMode", "host")),
                        "InvalidSpec: PIDMode needs Isolation 'container'");
        EXPECT_EQ(start_error(script("exit 0").set("Isolation", "vm")),
                        "InvalidSpec: Isolation is neither 'none' nor 'container': 'vm'");
}

/* An empty RootDirectory asks for the host's programs, as the lack of the key does. */
TEST_P(Isolation, EmptyRootDirectoryIsTheHosts)
{
        EXPECT_EQ(output_of(task("echo yes").set("RootDirectory", "")), "yes\n");
}

/* --- sessions --- */

TEST_P(Isolation, SessionsAreInItsNamespacesWithItsUser)
{
        start_sleeping(Spec().set("User", "nobody")
                                        .set("WorkingDirectory", "/local")
                                        .set("Capabilities", std::vector<std::string>{ "nomad" })
                                        .set("Environment", std::vector<std::string>{ "WORD=given" }));
        std::string pid_namespace = inode(proc() + "/ns/pid"), mounts = inode(proc() + "/ns/mnt");
        Check result = check_script(
                        "readlink /proc/self/ns/pid /proc/self/ns/mnt; id -u; id -g; id -G; pwd; echo $WORD $USER; "
                        "grep -E 'CapEff|CapBnd|Seccomp:' /proc/self/status; cat /proc/self/cgroup | tail -n 1");

        EXPECT_EQ(result.output.substr(0, result.output.find("Cap")),
                        "pid:[" + pid_namespace + "]\nmnt:[" + mounts +
                                        "]\n65534\n65534\n65534\n/local\ngiven nobody\n");
        EXPECT_EQ(status_field(result.output, "CapEff"), mask(0xa80405fb));
        EXPECT_EQ(status_field(result.output, "CapBnd"), mask(0xa80405fb));
        EXPECT_EQ(status_field(result.output, "Seccomp"), "2");
        EXPECT_EQ(result.code, 0);

        auto other = exec({ "id" }, Spec().set("User", "tester"));
        EXPECT_EQ(other->read_output(), run({ "id", "tester" }).text);
        EXPECT_EQ(exec_error({ "no-such-program" }), "CommandNotFound");
        EXPECT_EQ(run({ "find", "/run/nomad-executor", "-path", "*/container/sessions/*" }).text, "");
}

TEST_P(Isolation, TestExecDriver_HandlerExec)
{
        start_sleeping();
        auto session = exec({ "sleep", "infinity" });
        std::string sleeping = trim(run({ "pgrep", "-nx", "sleep" }).text);

        EXPECT_NE(read_file("/proc/" + sleeping + "/cgroup").find(unit_of(id) + "/task"), std::string::npos);
        EXPECT_TRUE(kill_exec(session->id, "SIGTERM").ok());
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 143, 15 }));

        Check failing = check({ "stat", "/no/such/file" });
        EXPECT_EQ(failing.code, 1);
        EXPECT_NE(failing.output.find("cannot statx '/no/such/file': No such file or directory\n"),
                        std::string::npos)
                        << failing;
        EXPECT_EQ(failing.output, run({ "/usr/bin/stat", "/no/such/file" }).text);
        expect_no_zombie();
}

TEST_P(Isolation, SessionOnATerminal)
{
        start_sleeping();
        auto session = exec_script("tty; stty -echo; echo ready; read go; stty size; exit 6",
                        Spec().set("Tty", true).set("Rows", uint16_t(30)).set("Columns", uint16_t(90)));

        EXPECT_EQ(session->read_until("ready\r\n"), "/dev/pts/0\r\nready\r\n");
        EXPECT_TRUE(resize(session->id, 50, 40).ok());
        session->write("go\n");
        EXPECT_EQ(session->read_output(), "50 40\r\n");
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 6, 0 }));

        /* while it makes a child the shell would miss the signal */
        auto interrupted = exec_script("stty -echo; echo ready; exec cat", Spec().set("Tty", true));
        interrupted->read_until("ready\r\n");
        interrupted->write("there\n");
        interrupted->read_until("there\r\n");
        interrupted->write("\x03");
        EXPECT_EQ(wait_exec(*interrupted), (ExecStatus{ 130, 2 }));
}

TEST_P(Isolation, DeadlineOfACheckEndsAllOfIt)
{
        start_sleeping();
        Check result = check_script("setsid sleep 1001 & echo started; sleep 1002", 300000);

        EXPECT_TRUE(result.timed_out) << result;
        EXPECT_EQ(result.output, "started\n");
        EXPECT_EQ(run({ "pgrep", "-fc", "sleep 100[12]" }).text, "0\n");
        EXPECT_EQ(check_script("echo again").output, "again\n");
}

TEST_P(Isolation, FreezeAndStats)
{
        start(id, task("while :; do :; done"));
        EXPECT_TRUE(client.task(path, "Freeze").ok());
        EXPECT_NE(read_file(cgroup_of(id) + "/task/cgroup.events").find("frozen 1"), std::string::npos);
        EXPECT_TRUE(client.task(path, "Thaw").ok());
        EXPECT_TRUE(client.task(path, "GetStats").ok());
        EXPECT_TRUE(stop(id, "", 0).ok());
        EXPECT_EQ(wait(id), (Exit{ "signal", 137, 9, false }));
}
