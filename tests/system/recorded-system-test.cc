/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <time.h>

#include "session.h"

#define TEMPLATES    "/usr/lib/nomad-executor/tests/data/state"
#define TASKS        "/run/nomad-executor/tasks/"
#define LOGS         "/run/nomad-logmon/"
#define SHARED_ROOT  "/srv/recorded"
#define GRACE_USEC   UINT64_C(600000000)
#define LOOP         "echo ready; while :; do sleep 0.02; done"
#define NO_PROCESS   "4194303" /* there may be such a pid, and none whose start time is 1 */
#define NO_SUCH_TIME "1"

#define SESSION_WITH_TERMINAL "9b0e9ec585162fe1"

using Values = std::map<std::string, std::string>;

/* What the services of a released version left on disk, with the pids, start times, cgroup and pipes of a
 * task that runs now in the place of those of then: the services of today have to take it over. The
 * parameter is the version. */
class Recorded : public SystemTest, public testing::WithParamInterface<const char *>
{
      protected:
        static void write_file(const std::string &path, const std::string &text)
        {
                std::ofstream file(path, std::ios::trunc);

                file << text;
                file.close();
                EXPECT_TRUE(file.good()) << path;
        }

        /* With each "@KEY@" replaced by its value. */
        static std::string filled(const std::string &name, const Values &values)
        {
                std::string text = read_file(std::string(TEMPLATES "/") + GetParam() + "/" + name);

                EXPECT_NE(text, "") << name;
                for (const auto &[key, value] : values) {
                        const std::string place = "@" + key + "@";

                        for (size_t at; (at = text.find(place)) != std::string::npos;)
                                text.replace(at, place.size(), value);
                }
                EXPECT_EQ(text.find('@'), std::string::npos) << text;
                return text;
        }

        static std::string boot_id()
        {
                std::string id = read_file("/proc/sys/kernel/random/boot_id");

                id.erase(std::remove_if(id.begin(), id.end(), [](char c) { return c == '-' || c == '\n'; }),
                                id.end());
                return id;
        }

        static uint64_t now_usec()
        {
                struct timespec now = {};

                (void) clock_gettime(CLOCK_MONOTONIC, &now);
                return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
        }

        static std::string start_time_of(const std::string &pid)
        {
                const std::string stat = read_file("/proc/" + pid + "/stat");
                std::istringstream fields(stat.substr(stat.rfind(')') + 2));
                std::string field;

                for (int i = 3; i <= 22; i++)
                        fields >> field;
                return field;
        }

        /* Of a live task. */
        Values values_of(const std::string &id)
        {
                const std::string pid = client.property(path_of(id), "MainPID");
                const std::string supervisor =
                                lines_of(read_file(cgroup_of(id) + "/supervisor/cgroup.procs")).at(0);
                std::string invocation =
                                run({ "systemctl", "show", "-P", "InvocationID", unit_of(id) }).text;

                invocation.pop_back();
                return {
                        { "BOOT_ID", boot_id() },
                        { "PID", pid },
                        { "START_TIME", start_time_of(pid) },
                        { "SUPERVISOR_PID", supervisor },
                        { "SUPERVISOR_START_TIME", start_time_of(supervisor) },
                        { "INVOCATION_ID", invocation },
                        { "CGROUP", client.property(path_of(id), "ControlGroup") },
                        { "MONOTONIC", std::to_string(now_usec()) },
                        { "KILL_AT_USEC", std::to_string(now_usec() + GRACE_USEC) },
                };
        }

        /* Of one whose processes are gone. */
        static Values values_of_no_process(const std::string &id)
        {
                return {
                        { "BOOT_ID", boot_id() },
                        { "PID", NO_PROCESS },
                        { "START_TIME", NO_SUCH_TIME },
                        { "SUPERVISOR_PID", NO_PROCESS },
                        { "SUPERVISOR_START_TIME", NO_SUCH_TIME },
                        { "INVOCATION_ID", std::string(32, 'a') },
                        { "CGROUP", "/nomad.slice/" + unit_of(id) },
                        { "MONOTONIC", std::to_string(now_usec()) },
                };
        }

        /* All that the version had on disk for a task, but for what the supervisor alone uses. */
        static void put_state(const std::string &id, const Values &values)
        {
                const std::string service = std::string(TEMPLATES "/") + GetParam() + "/nomad-executor/";

                ASSERT_EQ(run({ "mkdir", "-p", "-m", "0700", TASKS + id }).status, 0);
                for (const auto &entry : std::filesystem::recursive_directory_iterator(service + id)) {
                        const std::string name = entry.path().string().substr(service.size());

                        if (entry.is_directory()) {
                                ASSERT_EQ(run({ "mkdir", "-p", "-m", "0700", TASKS + name }).status, 0);
                                continue;
                        }
                        ASSERT_EQ(run({ "rm", "-f", TASKS + name }).status, 0);
                        write_file(TASKS + name, filled("nomad-executor/" + name, values));
                        ASSERT_EQ(run({ "chmod", "0600", TASKS + name }).status, 0);
                }
        }

        static std::string json_value(const std::string &text, const std::string &key)
        {
                const size_t at = text.find("\"" + key + "\":");

                EXPECT_NE(at, std::string::npos) << key << " in " << text;
                if (at == std::string::npos)
                        return "";
                const size_t begin = at + key.size() + 3, end = text.find_first_of(",}", begin);
                std::string value = text.substr(begin, end - begin);

                value.erase(std::remove(value.begin(), value.end(), '"'), value.end());
                return value;
        }

        /* nomad-logmon, killed, comes again with what systemd has kept, and finds the version's state of the
         * log. */
        void replace_log(const std::string &id)
        {
                const std::string path = LOGS + id + ".json";
                const std::string now = read_file(path);
                const std::string then = filled("nomad-logmon/" + id + ".json",
                                { { "SLOT", json_value(now, "Slot") },
                                                { "STDOUT_PIPE", json_value(now, "StdoutPipe") },
                                                { "STDERR_PIPE", json_value(now, "StderrPipe") } });

                ASSERT_EQ(kill(main_pid(LOGMON_UNIT), SIGSTOP), 0); /* so that it does not write its own */
                write_file(path, then);
                kill_service(LOGMON_UNIT);
        }

        /* The service of today is gone, and that of then might have been here. */
        void replace_state(const std::string &id, const Values &values)
        {
                ASSERT_EQ(run({ "systemctl", "stop", EXECUTOR_UNIT }).status, 0);
                put_state(id, values);
                ASSERT_EQ(run({ "systemctl", "start", EXECUTOR_UNIT }).status, 0);
        }

        std::string property(const std::string &id, const std::string &name)
        {
                return client.property(path_of(id), name);
        }

        /* The path is of a length that the address has room for. */
        static void make_socket(const std::string &path)
        {
                const std::string bind = "import socket; socket.socket(socket.AF_UNIX).bind('" + path + "')";

                ASSERT_EQ(run({ "python3", "-c", bind }).status, 0);
        }

        void start_ready(const std::string &id, const Spec &spec)
        {
                start(id, spec);
                ASSERT_TRUE(eventually([&] { return read_file(log_of(id, "stdout")) == "ready\n"; }));
        }

        void start_contained(const std::string &id)
        {
                ASSERT_EQ(run({ "mkdir", "-p", SHARED_ROOT }).status, 0);
                start_ready(id,
                                script("trap \"echo bye; exit 6\" TERM; " LOOP)
                                                .set("Isolation", "container")
                                                .set("TaskDirectory", SHARED_ROOT));
        }
};

TEST_P(Recorded, Running)
{
        start_ready("running", script("trap \"echo bye; exit 6\" INT; " LOOP).set("User", "nobody"));
        const Values values = values_of("running");

        replace_state("running", values);
        EXPECT_EQ(property("running", "State"), "running");
        EXPECT_EQ(property("running", "MainPID"), values.at("PID"));
        EXPECT_EQ(property("running", "Description"), "A task");
        EXPECT_EQ(property("running", "Command"), "/bin/sh");
        EXPECT_EQ(property("running", "UID"), "65534");
        EXPECT_EQ(property("running", "StartTimestamp"), "1796022969765457");
        /* by the signal that the state says */
        EXPECT_TRUE(stop("running", "", UINT64_MAX).ok());
        EXPECT_EQ(wait("running"), (Exit{ "exit-code", 6, 0, false }));
        EXPECT_EQ(read_file(log_of("running", "stdout")), "ready\nbye\n");
}

/* Its grace goes on, and can be made shorter. */
TEST_P(Recorded, Stopping)
{
        start_ready("stopping", script("trap : TERM; " LOOP));
        ASSERT_TRUE(stop("stopping", "SIGTERM", GRACE_USEC).ok());
        const Values values = values_of("stopping");

        replace_state("stopping", values);
        EXPECT_EQ(property("stopping", "State"), "stopping");
        EXPECT_EQ(property("stopping", "MainPID"), values.at("PID"));
        ASSERT_TRUE(stop("stopping", "SIGTERM", 0).ok());
        EXPECT_EQ(wait("stopping"), (Exit{ "signal", 137, 9, false }));
}

TEST_P(Recorded, Exited)
{
        replace_state("exited", values_of_no_process("exited"));
        EXPECT_EQ(property("exited", "State"), "exited");
        EXPECT_EQ(property("exited", "ExitTimestamp"), "1796022969822006");
        EXPECT_EQ(property("exited", "CPUUsageNSec"), "1130000");
        EXPECT_EQ(wait("exited"), (Exit{ "exit-code", 3, 0, false }));
        release("exited");
}

TEST_P(Recorded, Lost)
{
        replace_state("lost", values_of_no_process("lost"));
        EXPECT_EQ(property("lost", "State"), "lost");
        EXPECT_EQ(property("lost", "ExitTimestamp"), "1796022971055030");
        EXPECT_EQ(wait("lost").result, "lost");
        release("lost");
}

TEST_P(Recorded, Contained)
{
        start_contained("contained");
        const Values values = values_of("contained");

        replace_state("contained", values);
        EXPECT_EQ(property("contained", "State"), "running");
        EXPECT_EQ(property("contained", "MainPID"), values.at("PID"));
        const Check check = read_check(client.task(
                        path_of("contained"), "Run", fill_run({ "cat", "/proc/1/comm" }, 60000000)));
        EXPECT_EQ(check.error, "");
        EXPECT_EQ(check.output, "sh\n");
        EXPECT_TRUE(stop("contained", "SIGTERM", 60000000).ok());
        EXPECT_EQ(wait("contained"), (Exit{ "exit-code", 6, 0, false }));
        EXPECT_EQ(read_file(log_of("contained", "stdout")), "ready\nbye\n");
        release("contained");
        EXPECT_EQ(run({ "rm", "-r", SHARED_ROOT }).status, 0);
}

/* Version 0.1.0 keeps nothing of a session that has started. It died while the runtime was about to start
 * two sessions in a container, the second of them with a terminal: its socket is not among the templates,
 * since git keeps none. */
TEST_P(Recorded, SessionsThatWereAboutToStart)
{
        const std::string directory = TASKS "sessions/container/sessions";

        start_contained("sessions");
        const Values values = values_of("sessions");

        ASSERT_EQ(run({ "systemctl", "stop", EXECUTOR_UNIT }).status, 0);
        put_state("sessions", values);
        ASSERT_EQ(list_directory(directory).size(), 2U);
        make_socket(directory + "/" SESSION_WITH_TERMINAL "/console");
        ASSERT_EQ(run({ "systemctl", "start", EXECUTOR_UNIT }).status, 0);
        EXPECT_EQ(property("sessions", "State"), "running");
        EXPECT_EQ(property("sessions", "MainPID"), values.at("PID"));
        EXPECT_FALSE(exists(directory)) << "what was left of them is there";
        {
                Session session(client.task(path_of("sessions"), "Exec",
                                fill_exec({ "sh", "-c", "cat /proc/1/comm; pwd" }, Spec())));
                EXPECT_EQ(session.read_output(), "sh\n/\n");
        }
        EXPECT_TRUE(stop("sessions", "SIGTERM", 60000000).ok());
        EXPECT_EQ(wait("sessions"), (Exit{ "exit-code", 6, 0, false }));
        release("sessions");
        EXPECT_FALSE(exists(TASKS "sessions"));
        EXPECT_EQ(run({ "rm", "-r", SHARED_ROOT }).status, 0);
}

/* Both at once, as after an upgrade; the log's pipes are those that systemd has kept. */
TEST_P(Recorded, LogOfARunningTask)
{
        start_ready("running", script("trap \"echo bye; exit 6\" INT; " LOOP).set("User", "nobody"));

        replace_log("running");
        replace_state("running", values_of("running"));
        EXPECT_EQ(property("running", "State"), "running");
        EXPECT_TRUE(stop("running", "", UINT64_MAX).ok());
        EXPECT_EQ(wait("running"), (Exit{ "exit-code", 6, 0, false }));
        EXPECT_EQ(read_file(log_of("running", "stdout")), "ready\nbye\n");
}

INSTANTIATE_TEST_SUITE_P(Releases, Recorded, testing::Values("0.1.0"));
