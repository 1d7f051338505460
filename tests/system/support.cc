/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <poll.h>
#include <spawn.h>
#include <sstream>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fs = std::filesystem;

std::ostream &operator<<(std::ostream &stream, const Output &output)
{
        return stream << "status " << output.status << ", output:\n" << output.text;
}

using Clock = std::chrono::steady_clock;

static bool await_readable(int fd, Clock::time_point end)
{
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
        struct pollfd p = { fd, POLLIN, 0 };

        return poll(&p, 1, (int) std::max<decltype(left)>(left, 0)) == 1;
}

static bool read_to_end(int fd, Clock::time_point end, std::string *text)
{
        char buffer[65536];
        ssize_t n = 1;

        while (n > 0) {
                if (!await_readable(fd, end))
                        return false;
                n = read(fd, buffer, sizeof buffer);
                text->append(buffer, (size_t) std::max<ssize_t>(n, 0));
        }
        return true;
}

/* 128 + SIGKILL if it had to be killed, and even if that does not end it. */
static int reap(pid_t pid, bool has_ended)
{
        int pidfd = (int) syscall(SYS_pidfd_open, pid, 0), status = SIGKILL;

        if (!has_ended)
                (void) kill(pid, SIGKILL);
        if (await_readable(pidfd, Clock::now() + DEADLINE))
                (void) waitpid(pid, &status, 0);
        else
                ADD_FAILURE() << "process " << pid << " closes its output but does not end";
        (void) close(pidfd);
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static std::string words(const std::vector<std::string> &argv)
{
        std::string text;

        for (const auto &argument : argv)
                text += argument + " ";
        return text;
}

Output run(const std::vector<std::string> &argv, std::chrono::seconds limit)
{
        std::vector<char *> arguments;
        posix_spawn_file_actions_t actions;
        std::string text;
        int ends[2];
        pid_t pid;

        for (const auto &argument : argv)
                arguments.push_back(const_cast<char *>(argument.c_str()));
        arguments.push_back(nullptr);
        if (pipe2(ends, O_CLOEXEC) < 0)
                return { -1, "pipe" };

        (void) posix_spawn_file_actions_init(&actions);
        (void) posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        (void) posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
        int r = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
        (void) posix_spawn_file_actions_destroy(&actions);
        (void) close(ends[1]);
        if (r != 0) {
                (void) close(ends[0]);
                return { 127, argv[0] + " cannot be run" };
        }

        const bool has_ended = read_to_end(ends[0], Clock::now() + limit, &text);
        (void) close(ends[0]);
        if (!has_ended)
                ADD_FAILURE() << words(argv) << "has not ended after " << limit.count() << " s; it wrote:\n"
                              << text;
        return { reap(pid, has_ended), text };
}

Output run_as_nobody(std::vector<std::string> argv)
{
        std::vector<std::string> with_user = { "setpriv", "--reuid=nobody", "--regid=nogroup",
                "--clear-groups" };

        with_user.insert(with_user.end(), argv.begin(), argv.end());
        return run(with_user);
}

static std::string around(const std::string &text, size_t at)
{
        const size_t begin = at > 40 ? at - 40 : 0;

        return text.substr(begin, at + 80 - begin);
}

testing::AssertionResult same_text(const std::string &actual, const std::string &expected)
{
        if (actual == expected)
                return testing::AssertionSuccess();

        const size_t shorter = std::min(actual.size(), expected.size());
        const size_t at = (size_t) (std::mismatch(actual.begin(), actual.begin() + (long) shorter,
                                                    expected.begin())
                                                    .first -
                        actual.begin());
        return testing::AssertionFailure()
                        << actual.size() << " bytes, " << expected.size() << " are expected; at byte " << at
                        << testing::PrintToString(around(actual, at)) << " instead of "
                        << testing::PrintToString(around(expected, at));
}

std::string read_file(const std::string &path)
{
        std::ifstream file(path, std::ios::binary);
        std::ostringstream text;

        EXPECT_TRUE(file.is_open()) << path;
        text << file.rdbuf();
        return text.str();
}

std::vector<std::string> lines_of(const std::string &text)
{
        std::vector<std::string> lines;
        std::istringstream stream(text);
        std::string line;

        while (std::getline(stream, line))
                lines.push_back(line);
        return lines;
}

bool exists(const std::string &path)
{
        return fs::exists(fs::symlink_status(path));
}

std::set<std::string> list_directory(const std::string &path)
{
        std::set<std::string> names;
        std::error_code error;

        for (const auto &entry : fs::directory_iterator(path, error))
                names.insert(entry.path().filename());
        return names;
}

/* False when something went while it was listed. */
static bool list_once(const std::string &path, std::set<std::string> &names)
{
        std::error_code error;
        fs::recursive_directory_iterator at(path, error);

        names.clear();
        while (at != fs::end(at)) {
                names.insert(at->path());
                at.increment(error);
                if (error)
                        return false;
        }
        return true;
}

std::set<std::string> list_tree(const std::string &path)
{
        std::set<std::string> names;

        while (!list_once(path, names))
                ;
        return names;
}

std::string label_of(const std::string &id)
{
        char *path = nullptr;

        EXPECT_GE(sd_bus_path_encode("/", id.c_str(), &path), 0);
        std::unique_ptr<char, decltype(&free)> owner(path, free);
        return path ? path + 1 : "";
}

std::string path_of(const std::string &id)
{
        return "/org/nomad/Executor/task/" + label_of(id);
}

std::string unit_of(const std::string &id)
{
        return "nomad-task-" + label_of(id) + ".scope";
}

std::string cgroup_of(const std::string &id)
{
        return "/sys/fs/cgroup/nomad.slice/" + unit_of(id);
}

std::string log_of(const std::string &id, const std::string &stream, unsigned index)
{
        std::string label = label_of(id);

        return "/var/log/nomad/" + label + "/" + label + "." + stream + "." + std::to_string(index);
}

Spec script(const std::string &text)
{
        return Spec().set("Command", "/bin/sh").set("Arguments", std::vector<std::string>{ "-c", text });
}

bool services_have_sanitizers()
{
        return read_file("/usr/libexec/nomad-executor/nomad-logmon").find("__asan_init") !=
                        std::string::npos;
}

pid_t main_pid(const std::string &unit)
{
        return (pid_t) std::atoi(
                        run({ "systemctl", "show", "--property=MainPID", "--value", unit }).text.c_str());
}

void kill_service(const std::string &unit)
{
        pid_t pid = main_pid(unit);
        int fd = (int) syscall(SYS_pidfd_open, pid, 0);

        ASSERT_GT(pid, 1) << unit;
        ASSERT_GE(fd, 0);
        EXPECT_EQ(syscall(SYS_pidfd_send_signal, fd, SIGKILL, nullptr, 0), 0);
        struct pollfd p = { fd, POLLIN, 0 };
        EXPECT_EQ(poll(&p, 1, (int) std::chrono::milliseconds(DEADLINE).count()), 1);
        (void) close(fd);
        EXPECT_TRUE(eventually([&] { return main_pid(unit) != pid; })) << "systemd has not noticed";
}

size_t count_pipes(pid_t pid)
{
        size_t count = 0;
        std::error_code error;

        for (const auto &entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd", error))
                if (fs::read_symlink(entry.path(), error).string().rfind("pipe:", 0) == 0)
                        count++;
        return count;
}

static std::map<std::string, std::string> sockets_of(const std::string &process)
{
        std::map<std::string, std::string> sockets;
        std::error_code error;

        for (const auto &name : list_directory(process + "/fd")) {
                std::string target = fs::read_symlink(process + "/fd/" + name, error).string();

                if (target.rfind("socket:", 0) == 0)
                        sockets[target] = name;
        }
        return sockets;
}

/* PID 1 has others with descriptors in them: it keeps namespaces of services in the same way. */
size_t count_shelved()
{
        const std::string key = "scm_fds:", process = "/proc/" + std::to_string(main_pid(LOGMON_UNIT));
        const auto kept = sockets_of("/proc/1");
        size_t count = 0;

        for (const auto &[socket, name] : sockets_of(process)) {
                std::ifstream file(process + "/fdinfo/" + name);

                for (std::string line; kept.count(socket) > 0 && std::getline(file, line);)
                        if (line.rfind(key, 0) == 0)
                                count += std::stoul(line.substr(key.size()));
        }
        return count;
}

/* When the test began: an earlier one, or the same one before, may have logged under the same names. */
static std::string begin_of_test;

std::vector<std::string> journal(const std::vector<std::string> &matches)
{
        std::vector<std::string> argv = { "journalctl", "--no-pager", "--quiet", "--output=cat",
                "--since=@" + begin_of_test };

        EXPECT_EQ(run({ "journalctl", "--sync" }).status, 0);
        argv.insert(argv.end(), matches.begin(), matches.end());
        return lines_of(run(argv).text);
}

void SystemTest::SetUp()
{
        auto now = std::chrono::system_clock::now().time_since_epoch();
        begin_of_test = std::to_string(std::chrono::duration<double>(now).count());
        EXPECT_EQ(run({ "sh", "-c", "rm -rf /var/log/nomad/*" }).status, 0);

        /* Completes the connection: the bus closes one that does not say who it is for half a minute. */
        ASSERT_TRUE(client.has_owner("org.freedesktop.DBus"));
        /* Both services run, so that what they hold now can be compared with what they hold later. */
        for (std::string unit : { LOGMON_UNIT, EXECUTOR_UNIT })
                ASSERT_EQ(run({ "systemctl", "start", unit }).status, 0)
                                << run({ "systemctl", "status", unit });
        pipes_before = pipes();
}

void SystemTest::TearDown()
{
        for (const auto &id : std::set<std::string>(ids)) {
                client.stop_task(path_of(id), "", 0);
                wait(id);
                release(id);
        }
        expect_no_pipe_left();
}

std::string SystemTest::start(const std::string &id, const Spec &spec)
{
        Reply reply = client.start_task(id, spec);

        EXPECT_TRUE(reply.ok()) << id << ": " << reply;
        if (!reply.ok())
                return "";
        ids.insert(id);
        EXPECT_EQ(reply.path(), path_of(id));
        return path_of(id);
}

Exit SystemTest::wait(const std::string &id)
{
        return client.wait_task(path_of(id));
}

static std::string find_name(const std::string &directory, const std::string &label)
{
        for (const auto &path : list_tree(directory)) {
                std::string name = fs::path(path).filename();

                if (name == label || name.rfind(label + ".", 0) == 0)
                        return path;
        }
        return "";
}

void SystemTest::release(const std::string &id)
{
        Reply reply = client.release(path_of(id));

        EXPECT_TRUE(reply.ok()) << id << ": " << reply;
        ids.erase(id);
        /* they have to be gone when a client has its answer */
        EXPECT_EQ(find_name("/run/nomad-executor", label_of(id)), "");
        EXPECT_EQ(find_name("/run/nomad-logmon", label_of(id)), "");
        expect_nothing_left(id);
}

Reply SystemTest::stop(const std::string &id, const std::string &signal, uint64_t grace_usec)
{
        return client.stop_task(path_of(id), signal, grace_usec);
}

void SystemTest::expect_nothing_left(const std::string &id)
{
        std::string label = label_of(id), unit = unit_of(id);
        auto unit_is_gone = [&] {
                return run({ "systemctl", "list-units", "--all", "--no-legend", "--plain", unit })
                                .text.empty();
        };

        EXPECT_TRUE(eventually([&] { return find_name("/run/nomad-executor", label).empty(); })) << label;
        EXPECT_TRUE(eventually([&] { return find_name("/run/nomad-logmon", label).empty(); })) << label;
        /* systemd may take its time for the unit */
        EXPECT_TRUE(eventually(unit_is_gone)) << run({ "systemctl", "status", "--no-pager", unit });
        EXPECT_FALSE(exists(cgroup_of(id))) << run({ "systemd-cgls", "--no-pager", "nomad.slice" });
}

std::map<std::string, size_t> SystemTest::pipes()
{
        return {
                { EXECUTOR_UNIT, count_pipes(main_pid(EXECUTOR_UNIT)) },
                { LOGMON_UNIT, count_pipes(main_pid(LOGMON_UNIT)) },
                { "PID 1", count_pipes(1) },
                { "shelves", count_shelved() },
        };
}

void SystemTest::expect_no_pipe_left()
{
        /* systemd drops what logmon no longer wants stored when it comes to read the message. */
        if (!eventually([&] { return pipes() == pipes_before; }, std::chrono::seconds(5))) {
                EXPECT_EQ(pipes(), pipes_before) << "pipes were left open";
        }
}
