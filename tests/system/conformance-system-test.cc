/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <sys/stat.h>
#include <unistd.h>

#include "session.h"

/* What Nomad's own tests pin for its executor and its raw_exec driver, under the names that they have there.
 * See docs/conformance.md for the rest. */

static std::string fresh_directory(const std::string &name, mode_t mode = 0755)
{
        std::string path = "/tmp/" + name;

        EXPECT_EQ(run({ "rm", "-rf", path }).status, 0);
        EXPECT_EQ(mkdir(path.c_str(), mode), 0) << path;
        EXPECT_EQ(chmod(path.c_str(), mode), 0) << path;
        return path;
}

static void write_file(const std::string &path, const std::string &text, mode_t mode)
{
        FILE *file = fopen(path.c_str(), "we");

        ASSERT_NE(file, nullptr) << path;
        EXPECT_GE(fputs(text.c_str(), file), 0);
        EXPECT_EQ(fclose(file), 0);
        EXPECT_EQ(chmod(path.c_str(), mode), 0);
}

static mode_t mode_of(const std::string &path)
{
        struct stat st = {};

        EXPECT_EQ(stat(path.c_str(), &st), 0) << path;
        return st.st_mode & 07777;
}

class Conformance : public SessionTest
{
      protected:
        pid_t pid_of(const std::string &task)
        {
                return (pid_t) std::stoi(client.property(path_of(task), "MainPID"));
        }

        /* The error's name; the task has not been started. */
        std::string start_error(const std::string &task, const Spec &spec)
        {
                Reply reply = client.start_task(task, spec);

                expect_nothing_left(task);
                return short_name(reply.error);
        }

        std::string output_of(const std::string &task)
        {
                return read_file(log_of(task, "stdout"));
        }
};

static Spec program(const std::string &command, const std::vector<std::string> &arguments = {})
{
        return Spec().set("Command", command).set("Arguments", arguments);
}

/* --- EX/executor_test.go --- */

TEST_F(Conformance, TestExecutor_Start_Invalid)
{
        EXPECT_EQ(start_error("invalid", program("/bin/foobar", { "1" })), "CommandNotFound");
}

TEST_F(Conformance, TestExecutor_Start_Wait_Failure_Code)
{
        start("failure", program("/bin/date", { "fail" }));
        EXPECT_GT(pid_of("failure"), 0);
        EXPECT_EQ(wait("failure"), (Exit{ "exit-code", 1, 0, false }));
        EXPECT_TRUE(stop("failure", "SIGINT", 100000).ok()) << "Stop after the end is no error";
}

TEST_F(Conformance, TestExecutor_Start_Wait)
{
        start("start-wait", program("/bin/echo", { "hello world" }));
        EXPECT_GT(pid_of("start-wait"), 0);
        EXPECT_EQ(wait("start-wait"), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(output_of("start-wait"), "hello world\n");
        EXPECT_TRUE(stop("start-wait", "SIGINT", 100000).ok());
}

TEST_F(Conformance, TestExecutor_Start_Wait_Children)
{
        auto begin = std::chrono::steady_clock::now();

        start("children", script("(/bin/sleep 1000 > /dev/null & ) ; exec /bin/sleep 1"));
        EXPECT_EQ(wait("children"), (Exit{ "success", 0, 0, false }));
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

/* Its statistics: see stats. */
TEST_F(Conformance, TestExecutor_WaitExitSignal)
{
        start("exit-signal", program("/bin/sleep", { "10000" }));
        ASSERT_EQ(kill(pid_of("exit-signal"), SIGKILL), 0);
        EXPECT_EQ(wait("exit-signal"), (Exit{ "signal", 137, SIGKILL, false }));
}

TEST_F(Conformance, TestExecutor_Start_Kill)
{
        start("start-kill", script("sleep 10 && echo hello world"));
        ASSERT_TRUE(stop("start-kill", "SIGINT", 100000).ok());
        Exit exit = wait("start-kill");
        EXPECT_EQ(exit.result, "signal") << exit;
        EXPECT_EQ(output_of("start-kill"), "");
}

TEST_F(Conformance, TestExecutor_Shutdown_Exit)
{
        std::string directory = fresh_directory("shutdown-exit");

        start("shutdown", program("/bin/sleep", { "100" }).set("WorkingDirectory", directory));
        pid_t pid = pid_of("shutdown");
        ASSERT_EQ(kill(pid, 0), 0);
        ASSERT_TRUE(stop("shutdown", "", 0).ok());
        EXPECT_EQ(wait("shutdown"), (Exit{ "signal", 137, SIGKILL, false }));
        EXPECT_EQ(kill(pid, 0), -1);
        EXPECT_EQ(rmdir(directory.c_str()), 0) << "nothing holds its directory";
}

/* Modes of files are not ours to change: not executable is an error. */
TEST_F(Conformance, TestUniversalExecutor_MakeExecutable)
{
        std::string file = fresh_directory("make-executable") + "/script";

        write_file(file, "#!/bin/sh\nexit 0\n", 0610);
        EXPECT_EQ(start_error("not-executable", program(file).set("User", "nobody")), "ExecFailed");
        EXPECT_EQ(mode_of(file), 0610U);
}

TEST_F(Conformance, TestExecutor_Start_NonExecutableBinaries)
{
        std::string file = fresh_directory("non-executable") + "/script";

        write_file(file, "#!/bin/sh\nexit 0\n", 0600);
        EXPECT_EQ(start_error("not-executable", program(file)), "ExecFailed");
        EXPECT_EQ(mode_of(file), 0600U);
        ASSERT_EQ(chmod(file.c_str(), 0700), 0);
        start("executable", program(file));
        EXPECT_EQ(wait("executable"), (Exit{ "success", 0, 0, false }));
}

/* A name is looked up in the task's PATH and nowhere else. */
TEST_F(Conformance, TestUniversalExecutor_LookupPath)
{
        std::string directory = fresh_directory("lookup");

        for (std::string name : { "first", "second", "here" })
                ASSERT_EQ(mkdir((directory + "/" + name).c_str(), 0755), 0);
        write_file(directory + "/first/twice", "#!/bin/sh\necho first\n", 0755);
        write_file(directory + "/second/twice", "#!/bin/sh\necho second\n", 0755);
        write_file(directory + "/first/plain", "no program", 0644);
        write_file(directory + "/second/plain", "#!/bin/sh\necho second\n", 0755);
        write_file(directory + "/here/local", "#!/bin/sh\necho here\n", 0755);
        auto found = [&](const std::string &name) {
                Spec spec = program(name).set("WorkingDirectory", directory + "/here")
                                            .set("Environment",
                                                            std::vector<std::string>{ "PATH=" + directory +
                                                                            "/first:/no/such::" + directory +
                                                                            "/second" });
                Reply reply = client.start_task("lookup", spec);
                if (!reply.ok())
                        return short_name(reply.error);
                wait("lookup");
                std::string output = output_of("lookup");
                release("lookup");
                EXPECT_EQ(run({ "rm", "-rf", "/var/log/nomad/lookup" }).status, 0);
                return output;
        };

        EXPECT_EQ(found("twice"), "first\n");
        EXPECT_EQ(found("plain"), "second\n") << "what is not executable is passed over";
        EXPECT_EQ(found("local"), "CommandNotFound") << "the working directory is not searched";
        EXPECT_EQ(found("ls"), "CommandNotFound") << "nor is the service's own PATH";
        EXPECT_EQ(found(directory + "/first/plain"), "ExecFailed");
        EXPECT_EQ(found(directory + "/second/twice"), "second\n");
}

TEST_F(Conformance, TestExecutor_Start_Kill_Immediately_NoGrace)
{
        auto begin = std::chrono::steady_clock::now();

        start("no-grace", program("/bin/sleep", { "100" }));
        ASSERT_TRUE(stop("no-grace", "SIGKILL", 0).ok());
        EXPECT_EQ(wait("no-grace"), (Exit{ "signal", 137, SIGKILL, false }));
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST_F(Conformance, TestExecutor_Start_Kill_Immediately_WithGrace)
{
        auto begin = std::chrono::steady_clock::now();

        start("with-grace", program("/bin/sleep", { "100" }));
        ASSERT_TRUE(stop("with-grace", "SIGKILL", 100000).ok());
        EXPECT_EQ(wait("with-grace"), (Exit{ "signal", 137, SIGKILL, false }));
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

/* --- EX/executor_universal_linux_test.go --- */

/* There, a cgroup of the client's that does not exist; here, a slice that cannot. */
TEST_F(Conformance, TestExecutor_InvalidCgroup)
{
        EXPECT_EQ(start_error("invalid-cgroup", program("/bin/true").set("Slice", "a--b.slice")),
                        "ScopeFailed");
        EXPECT_EQ(start_error("invalid-cgroup", program("/bin/true").set("Slice", "custom")), "InvalidSpec");
        start("sliced", program("/bin/sleep", { "1000" }).set("Slice", "conformance.slice"));
        EXPECT_EQ(client.property(path_of("sliced"), "ControlGroup"),
                        "/conformance.slice/" + unit_of("sliced"));
}

TEST_F(Conformance, TestUniversalExecutor_setOomAdj)
{
        start("oom-adjust", program("/bin/sleep", { "1000" }).set("OOMScoreAdjust", int32_t{ 1000 }));
        std::string proc = "/proc/" + std::to_string(pid_of("oom-adjust"));
        EXPECT_EQ(read_file(proc + "/oom_score_adj"), "1000\n");

        start("plain", program("/bin/sleep", { "1000" }));
        EXPECT_EQ(read_file("/proc/" + std::to_string(pid_of("plain")) + "/oom_score_adj"), "0\n");
}

/* The same on the unified hierarchy: nobody of ours is in the task's cgroup. */
TEST_F(Conformance, TestUniversalExecutor_cg1_no_executor_pid)
{
        start("alone", program("/bin/sleep", { "1000" }));
        EXPECT_EQ(read_file(cgroup_of("alone") + "/task/cgroup.procs"),
                        std::to_string(pid_of("alone")) + "\n");
        EXPECT_EQ(read_file(cgroup_of("alone") + "/cgroup.procs"), "");
        EXPECT_EQ(lines_of(read_file(cgroup_of("alone") + "/supervisor/cgroup.procs")).size(), 1U);
}

/* --- drivers/rawexec --- */

TEST_F(Conformance, TestRawExecDriver_StartWait)
{
        start("raw-start-wait", program("/bin/cat", { "/etc/hostname" }));
        EXPECT_EQ(wait("raw-start-wait"), (Exit{ "success", 0, 0, false }));
        release("raw-start-wait");
        EXPECT_EQ(client.list_tasks().count("raw-start-wait"), 0U);
}

TEST_F(Conformance, TestRawExecDriver_Start_Wait_AllocDir)
{
        std::string directory = fresh_directory("alloc", 0777);

        start("alloc",
                        script("sleep 0.1; echo -n win > $NOMAD_ALLOC_DIR/output.txt")
                                        .set("User", "nobody")
                                        .set("Environment",
                                                        std::vector<std::string>{
                                                                        "NOMAD_ALLOC_DIR=" + directory }));
        EXPECT_EQ(wait("alloc"), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(read_file(directory + "/output.txt"), "win");
}

/* As the comment there wants it, and not as the assertion has it: what left the process group is killed
 * too. */
TEST_F(Conformance, TestRawExecDriver_Start_Kill_Wait_Cgroup)
{
        std::string directory = fresh_directory("kill-cgroup");

        start("kill-cgroup",
                        script("setsid sleep 1000 & echo $! >" + directory + "/pid.new; mv " + directory +
                                        "/pid.new " + directory + "/pid; wait"));
        ASSERT_TRUE(eventually([&] { return exists(directory + "/pid"); }));
        pid_t child = std::stoi(read_file(directory + "/pid"));
        ASSERT_EQ(kill(child, 0), 0);
        ASSERT_TRUE(eventually([&] { return getpgid(child) == child; })) << "setsid has not run";
        ASSERT_TRUE(stop("kill-cgroup", "SIGINT", 0).ok());
        EXPECT_NE(wait("kill-cgroup").result, "success");
        EXPECT_EQ(kill(child, 0), -1);
}

TEST_F(Conformance, TestRawExecDriver_Exec)
{
        start_idle();
        EXPECT_EQ(check({ "/bin/echo", "hello" }, 1000000), (Check{ "", 0, 0, false, false, "hello\n" }));
        Check failure = check({ "/bin/stat", "lkjhdsaflkjshowaisxmcvnlia" }, 1000000);
        EXPECT_NE(failure.code, 0);
        EXPECT_NE(failure.output.find("No such file or directory"), std::string::npos) << failure;
}

TEST_F(Conformance, TestRawExecDriver_WorkDir)
{
        std::string directory = fresh_directory("work-dir");

        write_file(directory + "/foo.txt", "foo\n", 0644);
        start("work-dir", program("/bin/cat", { "foo.txt" }).set("WorkingDirectory", directory));
        EXPECT_EQ(wait("work-dir"), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(output_of("work-dir"), "foo\n");
}

TEST_F(Conformance, TestRawExecDriver_validate)
{
        auto refused = [&](const std::string &key, const Spec &spec) {
                Reply reply = client.start_task("validate", spec);
                EXPECT_EQ(short_name(reply.error), "InvalidSpec") << reply;
                EXPECT_NE(reply.text.find(key), std::string::npos) << reply;
        };

        refused("WorkingDirectory", program("/bin/true").set("WorkingDirectory", "relative"));
        refused("OOMScoreAdjust", program("/bin/true").set("OOMScoreAdjust", int32_t{ -1001 }));
        refused("OOMScoreAdjust", program("/bin/true").set("OOMScoreAdjust", int32_t{ 1001 }));
        expect_nothing_left("validate");
}

/* Which variables a task may see is the client's business; here it must see those that it was given, and no
 * other. */
TEST_F(Conformance, TestRawExecDriver_Env)
{
        start("environment",
                        program("/bin/sleep", { "1000" })
                                        .set("Environment",
                                                        std::vector<std::string>{ "TOKEN=a=b",
                                                                        "EMPTY=", "HOME=/elsewhere" }));
        std::string text = read_file("/proc/" + std::to_string(pid_of("environment")) + "/environ");
        std::set<std::string> variables;

        for (size_t at = 0; at < text.size();) {
                std::string entry = text.c_str() + at;
                EXPECT_TRUE(variables.insert(entry).second) << entry << " is there twice";
                at += entry.size() + 1;
        }
        EXPECT_EQ(variables,
                        (std::set<std::string>{ "TOKEN=a=b", "EMPTY=", "HOME=/elsewhere", "USER=root",
                                        "LOGNAME=root", "SHELL=/bin/bash" }));
}

TEST_F(Conformance, TestRawExecDriver_User)
{
        Reply reply = client.start_task("alice", program("/bin/sleep", { "9000" }).set("User", "alice"));

        EXPECT_EQ(short_name(reply.error), "InvalidSpec");
        EXPECT_NE(reply.text.find("'alice' is unknown"), std::string::npos) << reply;
        expect_nothing_left("alice");
}

TEST_F(Conformance, TestRawExecDriver_Signal)
{
        std::string file = fresh_directory("signal") + "/test.sh";

        write_file(file,
                        "at_term() {\n    echo 'Terminated.'\n    exit 3\n}\ntrap at_term USR1\n"
                        "echo ready\nwhile true; do\n    sleep 0.05\ndone\n",
                        0777);
        start("signal", program("/bin/bash", { file }));
        ASSERT_TRUE(eventually([&] { return output_of("signal") == "ready\n"; }));
        ASSERT_TRUE(client.kill_task(path_of("signal"), "main", "SIGUSR1").ok());
        EXPECT_EQ(wait("signal"), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_EQ(output_of("signal"), "ready\nTerminated.\n");
}

TEST_F(Conformance, TestRawExecDriver_StartWaitStop)
{
        start("wait-stop", program("/bin/sleep", { "100" }));
        auto waiting = client.wait_later(path_of("wait-stop"));
        ASSERT_TRUE(stop("wait-stop", "SIGINT", 2000000).ok());
        ASSERT_TRUE(client.await(waiting));
        EXPECT_EQ(Client::read_exit(waiting->reply()), (Exit{ "signal", 130, SIGINT, false }));
        EXPECT_EQ(client.property(path_of("wait-stop"), "State"), "exited");
}

TEST_F(Conformance, TestRawExecDriver_DestroyKillsAll)
{
        start("destroy", script("sleep 3600 & echo $!; exec sleep 3600"));
        ASSERT_TRUE(eventually([&] { return !output_of("destroy").empty(); }));
        pid_t child = std::stoi(output_of("destroy"));
        ASSERT_EQ(kill(child, 0), 0);
        EXPECT_EQ(short_name(client.release(path_of("destroy")).error), "TaskRunning");
        ASSERT_EQ(kill(pid_of("destroy"), SIGKILL), 0);
        EXPECT_EQ(wait("destroy"), (Exit{ "signal", 137, SIGKILL, false }));
        EXPECT_EQ(kill(child, 0), -1) << "with the main process, and not only when the task is destroyed";
}

/* The handle of a client is the id: nothing else has to be kept to find the task again. */
TEST_F(Conformance, TestRawExecDriver_StartWaitRecoverWaitStop)
{
        start("recover", program("/bin/sleep", { "100" }));
        auto before = client.properties(path_of("recover"));
        ASSERT_EQ(before["State"], "running");

        Client again("unix:path=/run/dbus/system_bus_socket");
        kill_service(EXECUTOR_UNIT);
        EXPECT_EQ(again.get_task("recover").path(), path_of("recover"));
        EXPECT_EQ(again.properties(path_of("recover")), before);
        auto waiting = again.wait_later(path_of("recover"));
        ASSERT_TRUE(again.stop_task(path_of("recover"), "", 0).ok());
        ASSERT_TRUE(again.await(waiting));
        EXPECT_EQ(Client::read_exit(waiting->reply()), (Exit{ "signal", 137, SIGKILL, false }));
}

/* There the exit status is lost with the executor, -1. Here whoever is killed of the services, it is not. */
TEST_F(Conformance, TestRawExecDriver_ExecutorKilled_ExitCode)
{
        start("service-killed", script("read line </dev/null; sleep 0.5; exit 9"));
        kill_service(EXECUTOR_UNIT);
        EXPECT_EQ(wait("service-killed"), (Exit{ "exit-code", 9, 0, false }));
}

/* What is the parent of a task ends with it; if it is killed itself, nothing of the task stays, and no
 * status is made up. */
TEST_F(Conformance, TestRawExecDriver_ExecutorKill)
{
        start("supervisor-killed", script("setsid sleep 3600 & exec sleep 3600"));
        pid_t pid = pid_of("supervisor-killed");
        pid_t supervisor = std::stoi(read_file(cgroup_of("supervisor-killed") + "/supervisor/cgroup.procs"));

        ASSERT_EQ(kill(supervisor, SIGKILL), 0);
        EXPECT_EQ(wait("supervisor-killed"), (Exit{ "lost", -1, 0, false }));
        EXPECT_EQ(client.property(path_of("supervisor-killed"), "State"), "lost");
        EXPECT_EQ(kill(pid, 0), -1);
        EXPECT_FALSE(exists(cgroup_of("supervisor-killed")));
}
