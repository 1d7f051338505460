/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stop-fixture.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TARGET "/usr/lib/nomad-executor/tests/stop-target"

static const std::string TASK_DIRECTORY = "/srv/stop";
static const std::string SLICE = "nomad.slice", SLICE_CGROUP = "/sys/fs/cgroup/nomad.slice";
static const std::string ELSEWHERE = "/stop-elsewhere", ELSEWHERE_CGROUP = "/sys/fs/cgroup" + ELSEWHERE;
static const std::string DROP_IN = "/run/systemd/system/" EXECUTOR_UNIT ".d";

static const uint64_t SHORT_GRACE_USEC = 300000, LONG_GRACE_USEC = 60000000;

/* --- names --- */

std::string Cell::name() const
{
        static const char *const mains[] = { "Running", "Stopped", "Frozen", "ScopeFrozen", "SliceFrozen",
                "Outside", "ChildOutside", "Leaderless" };
        static const char *const supervisors[] = { "Supervised", "SupervisorStopped", "SupervisorKilled" };
        static const char *const services[] = { "ServiceThere", "ServiceAway", "ServiceRestarted" };
        static const char *const kinds[] = { "Plain", "Crun", "CrunHost", "Runc", "RuncHost" };
        static const char *const asks[] = { "Stop", "KillTerm", "KillSigkill", "RuntimeMax", "UnitStop",
                "UnitTerm", "UnitSigkill", "FreezeAndStop", "SliceStop" };

        return std::string(mains[(size_t) main]) + "_" + supervisors[(size_t) supervisor] + "_" +
                        services[(size_t) service] + "_" + kinds[(size_t) kind] + "_" + asks[(size_t) asked];
}

void PrintTo(const Cell &cell, std::ostream *stream)
{
        *stream << cell.name();
}

/* --- processes --- */

Process::Process(pid_t number) : pid(number), fd((int) syscall(SYS_pidfd_open, number, 0))
{
        EXPECT_GE(fd, 0) << "process " << number << " is not there";
}

Process::Process(Process &&other) noexcept : pid(other.pid), fd(std::exchange(other.fd, -1))
{
}

Process &Process::operator=(Process &&other) noexcept
{
        std::swap(pid, other.pid);
        std::swap(fd, other.fd);
        return *this;
}

Process::~Process()
{
        if (fd >= 0)
                (void) close(fd);
}

bool Process::has_ended() const
{
        struct pollfd p = { fd, POLLIN, 0 };

        return fd < 0 || poll(&p, 1, 0) == 1;
}

void Process::signal(int signal) const
{
        (void) syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0);
}

char Process::state() const
{
        std::string text;

        std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/stat"), text);
        const size_t end = text.rfind(')');
        return end + 2 < text.size() ? text[end + 2] : '?';
}

std::string Process::cgroup() const
{
        for (const auto &line : lines_of(read_file("/proc/" + std::to_string(pid) + "/cgroup")))
                if (line.rfind("0::", 0) == 0)
                        return line.substr(3);
        return "";
}

/* --- the fixture --- */

static Output systemctl(std::vector<std::string> argv)
{
        argv.insert(argv.begin(), "systemctl");
        return run(argv);
}

void StopTest::SetUpTestSuite()
{
        ASSERT_EQ(run({ "mkdir", "-p", TASK_DIRECTORY, ELSEWHERE_CGROUP, DROP_IN }).status, 0);
        std::ofstream(DROP_IN + "/stop-test.conf") << "[Service]\nRestart=no\n";
        ASSERT_EQ(systemctl({ "daemon-reload" }).status, 0);
}

void StopTest::TearDownTestSuite()
{
        EXPECT_EQ(run({ "rm", "-r", DROP_IN }).status, 0);
        EXPECT_EQ(systemctl({ "daemon-reload" }).status, 0);
        EXPECT_TRUE(eventually([] { return rmdir(ELSEWHERE_CGROUP.c_str()) == 0; }));
}

void StopTest::SetUp()
{
        SystemTest::SetUp();
        ASSERT_EQ(run({ "systemctl", "show", "--value", "--property=Restart", EXECUTOR_UNIT }).text, "no\n");
}

void StopTest::TearDown()
{
        drop_target();
        SystemTest::TearDown();
}

static pid_t recorded_supervisor(const std::string &id)
{
        const std::string key = "SUPERVISOR_PID=";

        for (const auto &line : lines_of(read_file("/run/nomad-executor/tasks/" + label_of(id) + "/start")))
                if (line.rfind(key, 0) == 0)
                        return std::stoi(line.substr(key.size()));
        return -1;
}

/* The child of the task's main process, which the host knows by another number than a container does. */
static pid_t find_child(pid_t parent)
{
        const std::string number = std::to_string(parent);
        std::string pids;

        (void) eventually([&] {
                pids.clear();
                for (const auto &thread : list_directory("/proc/" + number + "/task"))
                        pids += read_file("/proc/" + number + "/task/" + thread + "/children");
                return !pids.empty();
        });
        return pids.empty() ? -1 : std::stoi(pids);
}

static Spec isolated(Spec spec, Kind kind)
{
        if (kind == PLAIN)
                return spec;
        spec.set("Isolation", "container").set("TaskDirectory", TASK_DIRECTORY);
        spec.set("Runtime", kind == CRUN || kind == CRUN_HOST ? "/usr/bin/crun" : "/usr/sbin/runc");
        if (kind == CRUN_HOST || kind == RUNC_HOST)
                spec.set("PIDMode", "host");
        return spec;
}

bool StopTest::start_ready(const Spec &spec)
{
        is_started = start(id, spec) == path;
        if (!is_started || !eventually([&] { return read_file(log_of(id, "stdout")) == "ready\n"; }))
                return false;
        main = Process(std::stoi(client.property(path, "MainPID")));
        child = Process(find_child(main.pid));
        supervisor = Process(recorded_supervisor(id));
        return !main.has_ended() && !child.has_ended() && !supervisor.has_ended();
}

bool StopTest::start_target(const Cell &cell, uint64_t runtime_max_usec)
{
        const bool polite = cell.manner == POLITE;
        std::vector<std::string> arguments = { polite ? "polite" : "deaf" };
        Spec spec;

        if (cell.main == LEADERLESS)
                arguments.push_back("leaderless");
        spec.set("Command", TARGET)
                        .set("Arguments", arguments)
                        .set("StopSignal", "SIGTERM")
                        .set("StopTimeoutUSec", polite ? LONG_GRACE_USEC : SHORT_GRACE_USEC);
        if (runtime_max_usec > 0)
                spec.set("RuntimeMaxUSec", runtime_max_usec);
        return start_ready(isolated(spec, cell.kind));
}

Exit StopTest::wait_end()
{
        const std::string timeout = "org.freedesktop.DBus.Error.Timeout";
        Reply reply;

        /* each gives up after DEADLINE, and a task whose supervisor does not run may take as long */
        for (unsigned tries = 0; tries < 3; tries++) {
                reply = client.task(path, "Wait");
                if (reply.error != timeout && reply.error != "org.freedesktop.DBus.Error.NoReply")
                        break;
        }
        return Client::read_exit(reply);
}

bool StopTest::is_frozen(const std::string &cgroup)
{
        return eventually([&] {
                std::ifstream file(cgroup + "/cgroup.events");
                std::string line;

                while (std::getline(file, line) && line != "frozen 1")
                        continue;
                return line == "frozen 1";
        });
}

static bool move_away(const Process &process)
{
        std::ofstream(ELSEWHERE_CGROUP + "/cgroup.procs") << process.pid << std::flush;
        return process.cgroup() == ELSEWHERE;
}

bool StopTest::put_main(MainState state)
{
        switch (state) {
        case RUNNING:
                return eventually([&] { return main.state() == 'S'; });
        case STOPPED:
                main.signal(SIGSTOP);
                return eventually([&] { return main.state() == 'T'; });
        case FROZEN:
                return client.task(path, "Freeze").ok() && is_frozen(cgroup_of(id) + "/task");
        case SCOPE_FROZEN:
                return systemctl({ "freeze", unit_of(id) }).status == 0 && is_frozen(cgroup_of(id));
        case SLICE_FROZEN:
                return systemctl({ "freeze", SLICE }).status == 0 && is_frozen(SLICE_CGROUP) &&
                                read_file(SLICE_CGROUP + "/cgroup.freeze") == "1\n";
        case OUTSIDE:
                return move_away(main);
        case CHILD_OUTSIDE:
                return move_away(child);
        case LEADERLESS:
                return eventually([&] { return main.state() == 'Z'; }) && !main.has_ended();
        }
        return false;
}

bool StopTest::put_supervisor(SupervisorState state)
{
        switch (state) {
        case SUPERVISED:
                return true;
        case SUPERVISOR_STOPPED:
                supervisor.signal(SIGSTOP);
                return eventually([&] { return supervisor.state() == 'T'; });
        case SUPERVISOR_KILLED:
                supervisor.signal(SIGKILL);
                return eventually([&] { return supervisor.has_ended(); });
        }
        return false;
}

void StopTest::end_service()
{
        kill_service(EXECUTOR_UNIT);
        EXPECT_TRUE(eventually([] { return systemctl({ "is-active", EXECUTOR_UNIT }).text == "failed\n"; }));
}

void StopTest::start_service()
{
        ASSERT_EQ(systemctl({ "start", EXECUTOR_UNIT }).status, 0);
}

/* A task whose supervisor was killed under the service's eyes is ending already, and may have ended. */
static void expect_done(const Cell &cell, const Output &output)
{
        EXPECT_TRUE(output.status == 0 || cell.supervisor == SUPERVISOR_KILLED) << output;
}

/* From version 256 on systemd refuses to stop what it has frozen; before, it thaws that. */
static bool systemd_stops_what_is_frozen()
{
        return std::stoi(run({ "systemctl", "--version" }).text.substr(strlen("systemd "))) < 256;
}

/* What systemd has frozen itself, "" for nothing. */
std::string StopTest::frozen_unit(const Cell &cell) const
{
        if (cell.main == SLICE_FROZEN)
                return SLICE;
        return cell.main == SCOPE_FROZEN || cell.asked == FREEZE_AND_STOP ? unit_of(id) : "";
}

void StopTest::stop_by_systemd(const Cell &cell, const std::string &unit)
{
        const std::string frozen = frozen_unit(cell);

        if (frozen != "" && cell.supervisor != SUPERVISOR_KILLED && !systemd_stops_what_is_frozen()) {
                const Output refused = systemctl({ "stop", frozen });

                EXPECT_NE(refused.text.find("frozen unit"), std::string::npos) << refused;
                expect_done(cell, systemctl({ "thaw", frozen }));
        }
        expect_done(cell, systemctl({ "stop", "--no-block", unit }));
}

void StopTest::ask(const Cell &cell)
{
        const std::string unit = unit_of(id);
        Reply reply;

        switch (cell.asked) {
        case STOP:
                reply = stop(id, "", UINT64_MAX);
                EXPECT_TRUE(reply.ok()) << reply;
                break;
        case KILL_TERM:
                reply = client.kill_task(path, "main", "SIGTERM");
                EXPECT_TRUE(reply.ok() || cell.supervisor == SUPERVISOR_KILLED) << reply;
                break;
        case KILL_SIGKILL:
                reply = client.kill_task(path, "all", "SIGKILL");
                EXPECT_TRUE(reply.ok() || cell.supervisor == SUPERVISOR_KILLED) << reply;
                break;
        case RUNTIME_MAX:
                break;
        case UNIT_STOP:
                stop_by_systemd(cell, unit);
                break;
        case UNIT_TERM:
                expect_done(cell, systemctl({ "kill", unit }));
                break;
        case UNIT_SIGKILL:
                expect_done(cell, systemctl({ "kill", "--signal=SIGKILL", unit }));
                break;
        case FREEZE_AND_STOP:
                expect_done(cell, systemctl({ "freeze", unit }));
                EXPECT_TRUE(cell.supervisor == SUPERVISOR_KILLED || is_frozen(cgroup_of(id)));
                stop_by_systemd(cell, unit);
                break;
        case SLICE_STOP:
                stop_by_systemd(cell, SLICE);
                break;
        }
}

void StopTest::expect_empty(const Cell &cell)
{
        const std::string events = cgroup_of(id) + "/task/cgroup.events";
        std::ifstream file(events);
        std::string line;

        while (std::getline(file, line))
                EXPECT_NE(line, "populated 1") << run({ "systemd-cgls", "--no-pager", "/" + SLICE });
        /* one that has left its cgroup may have a few more steps to go */
        EXPECT_TRUE(eventually([&] { return main.has_ended(); })) << main.state() << " " << main.cgroup();
        /* nobody can find a child that has left, except that it goes with its PID namespace */
        const bool has_namespace = cell.kind == CRUN || cell.kind == RUNC;
        if (cell.main == CHILD_OUTSIDE && !has_namespace)
                return;
        EXPECT_TRUE(eventually([&] { return child.has_ended(); })) << child.state() << " " << child.cgroup();
}

void StopTest::thaw_all()
{
        for (const auto &[unit, cgroup] :
                        { std::pair(unit_of(id), cgroup_of(id)), std::pair(SLICE, SLICE_CGROUP) }) {
                (void) systemctl({ "thaw", unit });
                (void) (std::ofstream(cgroup + "/cgroup.freeze") << "0" << std::flush);
        }
        (void) (std::ofstream(cgroup_of(id) + "/task/cgroup.freeze") << "0" << std::flush);
}

void StopTest::drop_target()
{
        thaw_all();
        for (const Process *process : { &main, &child }) {
                process->signal(SIGKILL);
                EXPECT_TRUE(eventually([&] { return process->has_ended(); })) << process->state();
        }
        supervisor.signal(SIGCONT);
        start_service();
        if (!is_started)
                return;

        is_started = false;
        (void) wait(id);
        release(id);
        for (Process *process : { &main, &child, &supervisor })
                *process = Process();
}
