/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "harness.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <linux/close_range.h>
#include <sstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fs = std::filesystem;

static std::string from_environment(const char *name)
{
        const char *value = getenv(name);

        return value ? value : "";
}

std::string build_directory()
{
        /* the services of another build can be tried with the same programs */
        const std::string other = from_environment("NOMAD_SERVICE_BUILD_DIR");

        return other.empty() ? from_environment("NOMAD_BUILD_DIR") : other;
}

std::string source_directory()
{
        return from_environment("NOMAD_SOURCE_DIR");
}

static std::string slurp(const std::string &path)
{
        std::ifstream file(path, std::ios::binary);
        std::stringstream text;

        text << file.rdbuf();
        return text.str();
}

/* --- processes --- */

static std::vector<char *> pointers(const std::vector<std::string> &strings)
{
        std::vector<char *> result;

        for (const auto &s : strings)
                result.push_back(const_cast<char *>(s.c_str()));
        result.push_back(nullptr);
        return result;
}

/* Moves DESCRIPTORS to 3, 4, … without one overwriting another; nothing else stays open after exec. */
static void place_descriptors(const std::vector<std::pair<std::string, int>> &descriptors)
{
        std::vector<int> high;

        for (const auto &entry : descriptors)
                high.push_back(fcntl(entry.second, F_DUPFD_CLOEXEC, 100));
        for (size_t i = 0; i < high.size(); i++)
                (void) dup2(high[i], 3 + (int) i);
}

bool Process::start(const std::vector<std::string> &argv, const std::vector<std::string> &environment,
                const std::string &log_path, const std::vector<std::pair<std::string, int>> &descriptors)
{
        int log_fd = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        std::vector<std::string> variables = environment;
        std::string names;
        char listen_pid[32] = "LISTEN_PID=";

        for (const auto &entry : descriptors)
                names += (names.empty() ? "" : ":") + entry.first;
        if (!descriptors.empty()) {
                variables.push_back("LISTEN_FDS=" + std::to_string(descriptors.size()));
                variables.push_back("LISTEN_FDNAMES=" + names);
        }
        auto arguments = pointers(argv), environment_list = pointers(variables);
        environment_list.insert(environment_list.begin(), listen_pid);

        pid = fork();
        if (pid == 0) {
                sigset_t none;

                (void) sigemptyset(&none);
                (void) sigprocmask(SIG_SETMASK, &none, nullptr);
                (void) snprintf(listen_pid, sizeof listen_pid, "LISTEN_PID=%d", (int) getpid());
                (void) dup2(null_fd, STDIN_FILENO);
                (void) dup2(log_fd, STDOUT_FILENO);
                (void) dup2(log_fd, STDERR_FILENO);
                place_descriptors(descriptors);
                (void) close_range(3 + (unsigned) descriptors.size(), ~0U, CLOSE_RANGE_CLOEXEC);
                (void) execve(arguments[0], arguments.data(), environment_list.data());
                _exit(127);
        }
        (void) close(log_fd);
        (void) close(null_fd);
        return pid > 0;
}

Process::~Process()
{
        terminate();
}

void Process::terminate()
{
        if (pid <= 0)
                return;
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, &status, 0);
        pid = -1;
}

void Process::signal(int number) const
{
        ASSERT_GT(pid, 0);
        EXPECT_EQ(kill(pid, number), 0);
}

bool Process::is_running()
{
        if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid)
                pid = -1;
        return pid > 0;
}

int Process::wait_for_end()
{
        return eventually([this] { return !is_running(); }) ? status : -1;
}

/* --- the bus --- */

static sd_bus *connect_to(const std::string &address)
{
        sd_bus *bus = nullptr;

        if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, address.c_str()) < 0 ||
                        sd_bus_set_bus_client(bus, true) < 0 || sd_bus_start(bus) < 0)
                return sd_bus_unref(bus);
        return bus;
}

static bool bus_answers(const std::string &address)
{
        sd_bus *bus = connect_to(address);
        bool answers = bus &&
                        sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "GetId", nullptr, nullptr, nullptr) >= 0;

        sd_bus_close_unref(bus);
        return answers;
}

/* The bus takes a moment to notice that a process was killed, and a name is not given away before. */
static void await_free_name(const std::string &address, const std::string &name)
{
        sd_bus *bus = connect_to(address);

        /* without a bus there is no name either */
        if (bus) {
                EXPECT_TRUE(eventually([&] {
                        return sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                               "org.freedesktop.DBus", "GetNameOwner", nullptr, nullptr, "s",
                                               name.c_str()) < 0;
                })) << name
                    << " stays owned";
        }
        sd_bus_close_unref(bus);
}

/* --- services --- */

Service::Service(FakeSystemd &systemd_, const std::string &directory, const std::string &bus_address_,
                const std::string &program_)
    : program(program_), runtime_directory(directory + "/run-" + program_), systemd(systemd_),
      bus_address(bus_address_), log_path(directory + "/" + program_ + ".log")
{
        fs::create_directory(runtime_directory);
        fs::permissions(runtime_directory, fs::perms::owner_all);
        notify_path = systemd.add_service(program, directory + "/" + program + ".notify");
}

Service::~Service()
{
        if (process.pid > 0)
                kill_hard();
}

bool Service::start(const std::vector<std::string> &options)
{
        return begin_start(options) && await_ready();
}

bool Service::begin_start(const std::vector<std::string> &options)
{
        std::vector<std::string> argv = { build_directory() + "/service/" + program, "--log-level=debug" };
        auto stored = systemd.stored_fds(program);
        std::vector<std::string> environment = {
                "DBUS_SYSTEM_BUS_ADDRESS=" + bus_address,
                "NOTIFY_SOCKET=" + notify_path,
                "RUNTIME_DIRECTORY=" + runtime_directory,
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        };

        for (const char *name : { "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS" })
                if (getenv(name))
                        environment.push_back(std::string(name) + "=" + getenv(name));
        argv.insert(argv.end(), options.begin(), options.end());
        systemd.forget_ready(program);
        bool started = process.start(argv, environment, log_path, stored);
        for (const auto &entry : stored)
                (void) close(entry.second);
        EXPECT_TRUE(started) << argv[0];
        return started;
}

bool Service::await_ready()
{
        bool ready = eventually([this] {
                return systemd.service_is_ready(program) || !process.is_running();
        }) && systemd.service_is_ready(program) &&
                        process.is_running();
        EXPECT_TRUE(ready) << program << " did not start:\n" << messages();
        return ready;
}

int Service::stop()
{
        process.signal(SIGTERM);
        int status = process.wait_for_end();
        await_free_name(bus_address, bus_name());
        return status;
}

void Service::kill_hard()
{
        process.signal(SIGKILL);
        EXPECT_NE(process.wait_for_end(), -1);
        await_free_name(bus_address, bus_name());
}

bool Service::is_running()
{
        return process.is_running();
}

int Service::wait_for_end()
{
        return process.wait_for_end();
}

bool Service::restart_hard()
{
        kill_hard();
        return start();
}

std::multiset<std::string> Service::open_files() const
{
        std::multiset<std::string> result;
        std::error_code error;

        for (const auto &entry :
                        fs::directory_iterator("/proc/" + std::to_string(process.pid) + "/fd", error)) {
                std::string target = fs::read_symlink(entry.path(), error).string();

                /* the number of a pipe or socket says nothing */
                result.insert(target.substr(0, target.find(":[")));
        }
        return result;
}

pid_t Service::child(const std::string &name) const
{
        std::string base = "/proc/" + std::to_string(process.pid) + "/task/" + std::to_string(process.pid);
        std::istringstream children(slurp(base + "/children"));
        pid_t pid;

        while (children >> pid)
                if (slurp("/proc/" + std::to_string(pid) + "/comm") == name + "\n")
                        return pid;
        return 0;
}

std::string Service::bus_name() const
{
        if (program == "nomad-dockerlog")
                return "org.nomad.DockerLogger";
        return program == "nomad-logmon" ? "org.nomad.Logmon" : "org.nomad.Executor";
}

std::string Service::messages() const
{
        return slurp(log_path);
}

std::string Service::state_directory() const
{
        return runtime_directory + "/tasks";
}

/* --- the fixture --- */

/* What the system bus allows by default, and our own policy on top: nobody but root may call a service of
 * ours. */
static std::string bus_configuration(const std::string &address)
{
        std::string text =
                        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\""
                        " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
                        "<busconfig><type>system</type><listen>" +
                        address +
                        "</listen><auth>EXTERNAL</auth><policy context=\"default\"><allow user=\"*\"/>"
                        "<deny own=\"*\"/><deny send_type=\"method_call\"/><allow send_type=\"signal\"/>"
                        "<allow send_requested_reply=\"true\" send_type=\"method_return\"/>"
                        "<allow send_requested_reply=\"true\" send_type=\"error\"/>"
                        "<allow receive_type=\"method_call\"/><allow receive_type=\"method_return\"/>"
                        "<allow receive_type=\"error\"/><allow receive_type=\"signal\"/>"
                        "<allow send_destination=\"org.freedesktop.DBus\"/></policy>"
                        "<policy user=\"root\"><allow own=\"org.freedesktop.systemd1\"/>"
                        "<allow send_destination=\"org.freedesktop.systemd1\"/></policy>\n";

        for (const auto &entry : fs::directory_iterator(source_directory() + "/dbus"))
                if (entry.path().extension() == ".conf")
                        text += "<include>" + entry.path().string() + "</include>\n";
        return text + "</busconfig>\n";
}

void BusTest::SetUp()
{
        if (geteuid() != 0)
                GTEST_SKIP() << "NOT TESTED: the bus tests need root for their own mount namespace and cgroups;"
                                " run \"sudo meson test -C build --suite bus\"";
        ASSERT_FALSE(build_directory().empty()) << "NOMAD_BUILD_DIR is not set: run this by \"meson test\"";
        ASSERT_FALSE(source_directory().empty())
                        << "NOMAD_SOURCE_DIR is not set: run this by \"meson test\"";

        char path[] = "/tmp/nomad-bus-test-XXXXXX";
        ASSERT_NE(mkdtemp(path), nullptr);
        directory = path;
        ASSERT_EQ(chmod(path, 0755), 0);
        log_directory = directory + "/logs";
        ASSERT_EQ(mkdir(log_directory.c_str(), 0755), 0);

        bus_address = "unix:path=" + directory + "/bus";
        std::ofstream(directory + "/bus.conf") << bus_configuration(bus_address);
        ASSERT_TRUE(bus_daemon.start({ "/usr/bin/dbus-daemon", "--config-file=" + directory + "/bus.conf",
                                                     "--nofork", "--nopidfile" },
                        {}, directory + "/bus.log"));
        ASSERT_TRUE(eventually([this] { return bus_answers(bus_address) || !bus_daemon.is_running(); }));
        ASSERT_TRUE(bus_daemon.is_running()) << slurp(directory + "/bus.log");

        systemd = std::make_unique<FakeSystemd>(bus_address, "252 (fake)");
        logmon = std::make_unique<Service>(*systemd, directory, bus_address, "nomad-logmon");
        executor = std::make_unique<Service>(*systemd, directory, bus_address, "nomad-executord");
        client = std::make_unique<Client>(bus_address);
        start_services();
}

void BusTest::start_services()
{
        ASSERT_TRUE(logmon->start());
        ASSERT_TRUE(executor->start());
}

/* At the end of each test a service is asked to go, whatever its tasks do: that is where a sanitizer tells
 * of a leak. */
static void expect_clean_end(Service &service)
{
        if (service.is_running()) {
                EXPECT_EQ(service.stop(), 0) << service.program << ":\n" << service.messages();
        }
}

void BusTest::TearDown()
{
        if (executor)
                expect_clean_end(*executor);
        if (logmon)
                expect_clean_end(*logmon);
        if (HasFailure() && executor)
                std::cerr << "--- nomad-executord ---\n"
                          << executor->messages() << "--- nomad-logmon ---\n"
                          << logmon->messages() << "---\n";
        client.reset();
        executor.reset();
        logmon.reset();
        for (const auto &cgroup : cgroup_children("/"))
                cgroup_signal_all(cgroup, SIGKILL);
        if (systemd) {
                EXPECT_TRUE(eventually([] { return task_processes().empty(); }));
        }
        systemd.reset();
        bus_daemon.terminate();
        if (!directory.empty())
                fs::remove_all(directory);
}

std::vector<pid_t> BusTest::task_processes()
{
        std::vector<pid_t> result;

        for (const auto &cgroup : cgroup_children("/")) {
                std::ifstream file(cgroup_full_path(cgroup) + "/cgroup.procs");
                pid_t pid;

                while (file >> pid)
                        result.push_back(pid);
        }
        return result;
}

std::set<std::string> BusTest::state_directories() const
{
        std::set<std::string> result;
        std::error_code error;

        for (const auto &entry : fs::directory_iterator(executor->state_directory(), error))
                result.insert(entry.path().filename().string());
        return result;
}

/* Processes that a service has started and that never got into a scope are its children, or orphans in its
 * cgroup. */
static std::vector<std::string> supervisors()
{
        std::vector<std::string> result;

        for (pid_t pid : cgroup_processes("/")) {
                std::string command = slurp("/proc/" + std::to_string(pid) + "/comm");

                if (command.find("supervisor") != std::string::npos)
                        result.push_back(std::to_string(pid));
        }
        return result;
}

void BusTest::expect_nothing_left()
{
        EXPECT_TRUE(eventually([] { return task_processes().empty(); })) << "processes in a scope";
        EXPECT_TRUE(eventually([] { return supervisors().empty(); })) << "a supervisor";
        EXPECT_TRUE(eventually([this] { return systemd->units().empty(); })) << "a unit";
        /* of a start that failed it goes when nomad-logmon has discarded the log */
        EXPECT_TRUE(eventually([this] { return state_directories().empty(); })) << "a state directory";
        EXPECT_TRUE(client->list_tasks().empty());
}

static std::string difference(const std::multiset<std::string> &now, const std::multiset<std::string> &then)
{
        std::string text;
        std::vector<std::string> more, less;

        std::set_difference(now.begin(), now.end(), then.begin(), then.end(), std::back_inserter(more));
        std::set_difference(then.begin(), then.end(), now.begin(), now.end(), std::back_inserter(less));
        for (const auto &file : more)
                text += " +" + file;
        for (const auto &file : less)
                text += " -" + file;
        return text;
}

void BusTest::expect_same_files(const Service &service, const std::multiset<std::string> &snapshot)
{
        EXPECT_TRUE(eventually([&] { return service.open_files() == snapshot; }))
                        << service.program << " holds:" << difference(service.open_files(), snapshot);
}

Spec BusTest::logged_shell(const std::string &script)
{
        return Spec().set("Command", "/bin/sh")
                        .set("Arguments", std::vector<std::string>{ "-c", script })
                        .set("LogTargets", std::vector<std::string>{ "files" })
                        .set("LogDirectory", log_directory);
}

std::string BusTest::read_file(const std::string &path) const
{
        return slurp(path);
}

std::string BusTest::state_of(pid_t pid)
{
        std::string stat = slurp("/proc/" + std::to_string(pid) + "/stat");
        size_t name_end = stat.rfind(')');

        return name_end == std::string::npos ? "gone" : stat.substr(name_end + 2, 1);
}
