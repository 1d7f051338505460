/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-fixture.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <iostream>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEMD_NAME  "org.freedesktop.systemd1"
#define LOGMON_OBJECT "/org/freedesktop/systemd1/unit/nomad_2dlogmon_2eservice"

static const int DEADLINE_MSEC = (int) std::chrono::milliseconds(DEADLINE).count();

Pipe::Pipe()
{
        int fds[2];

        EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
        reader = fds[0];
        writer = fds[1];
}

Pipe::~Pipe()
{
        close_reader();
        close_writer();
}

static void close_end(int *fd)
{
        if (*fd >= 0) {
                (void) close(*fd);
        }
        *fd = -1;
}

void Pipe::close_reader()
{
        close_end(&reader);
}

void Pipe::close_writer()
{
        close_end(&writer);
}

void Pipe::put(const std::string &data) const
{
        for (size_t done = 0; done < data.size();) {
                struct pollfd p = { writer, POLLOUT, 0 };

                ASSERT_EQ(poll(&p, 1, DEADLINE_MSEC), 1) << "nobody reads";
                done += put_what_fits(data.substr(done));
        }
}

size_t Pipe::put_what_fits(const std::string &data) const
{
        size_t done = 0;
        ssize_t n = 1;

        EXPECT_GE(fcntl(writer, F_SETFL, O_NONBLOCK), 0);
        while (done < data.size() && n > 0) {
                n = write(writer, data.data() + done, data.size() - done);
                done += n > 0 ? (size_t) n : 0;
        }
        EXPECT_TRUE(n > 0 || errno == EAGAIN) << errno;
        return done;
}

int fd_of(const Reply &reply)
{
        int fd = -1;

        EXPECT_TRUE(reply.ok()) << reply;
        if (reply.ok()) {
                EXPECT_GT(sd_bus_message_read(reply.message.get(), "h", &fd), 0);
                fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        }
        return fd;
}

std::string read_log(int fd, size_t size)
{
        struct pollfd p = { fd, POLLIN, 0 };
        char buffer[65536];
        std::string text;

        while (text.size() < size) {
                ssize_t n;

                if (poll(&p, 1, DEADLINE_MSEC) != 1) {
                        ADD_FAILURE() << "nothing comes after " << text.size() << " bytes";
                        break;
                }
                n = read(fd, buffer, std::min(sizeof buffer, size - text.size()));
                if (n <= 0)
                        break;
                text.append(buffer, (size_t) n);
        }
        return text;
}

std::string read_log(int fd)
{
        return read_log(fd, SIZE_MAX);
}

std::string sequence(unsigned tag, size_t size, uint64_t position)
{
        std::string text(size, '\0');

        sequence_fill(tag, position, text.data(), size);
        return text;
}

size_t first_difference(const std::string &text, unsigned tag)
{
        const std::string expected = sequence(tag, text.size());

        if (text == expected)
                return text.size();
        return (size_t) (std::mismatch(text.begin(), text.end(), expected.begin()).first - text.begin());
}

StoppedJournald::StoppedJournald() : pid(main_pid("systemd-journald.service"))
{
        EXPECT_GT(pid, 1);
        EXPECT_EQ(kill(pid, SIGSTOP), 0);
}

StoppedJournald::~StoppedJournald()
{
        resume();
}

void StoppedJournald::resume() const
{
        EXPECT_EQ(kill(pid, SIGCONT), 0);
}

std::mt19937 seeded_random()
{
        const char *given = getenv("NOMAD_TEST_SEED");
        const unsigned seed = given ? (unsigned) std::stoul(given) : std::random_device()();

        std::cout << "NOMAD_TEST_SEED=" << seed << std::endl;
        return std::mt19937(seed);
}

void LogTest::SetUp()
{
        scratch = std::string("/tmp/") + testing::UnitTest::GetInstance()->current_test_info()->name();
        std::replace(scratch.begin() + (long) strlen("/tmp/"), scratch.end(), '/', '-');
        ASSERT_EQ(run({ "rm", "-rf", scratch }).status, 0);
        ASSERT_EQ(mkdir(scratch.c_str(), 0777), 0) << scratch;
        ASSERT_EQ(chmod(scratch.c_str(), 0777), 0) << "whatever the umask";
        SystemTest::SetUp();
}

void LogTest::TearDown()
{
        stop_writers();
        for (const auto &id : logs) {
                EXPECT_TRUE(logmon("Stop", id).ok()) << id;
                EXPECT_TRUE(logmon("Release", id).ok()) << id;
        }
        SystemTest::TearDown();
        for (const auto &all : { logs, tasks })
                for (const auto &id : all)
                        EXPECT_EQ(run({ "rm", "-rf", "/var/log/nomad/" + label_of(id) }).status, 0);
        EXPECT_EQ(run({ "rm", "-rf", scratch }).status, 0);
}

Reply LogTest::logmon(const std::string &member, const std::string &id)
{
        return client.call(LOGMON_NAME, "/org/nomad/Logmon", LOGMON_MANAGER, member,
                        [&](sd_bus_message *m) { EXPECT_GE(sd_bus_message_append(m, "s", id.c_str()), 0); });
}

Reply LogTest::start_log(const std::string &id, const Spec &config)
{
        logs.insert(id);
        return client.call(
                        LOGMON_NAME, "/org/nomad/Logmon", LOGMON_MANAGER, "Start", [&](sd_bus_message *m) {
                                EXPECT_GE(sd_bus_message_append(m, "s", id.c_str()), 0);
                                config.append_to(m);
                        });
}

Reply LogTest::start_pipe(const std::string &id, Pipe &pipe, Spec config)
{
        Reply reply = start_log(id, config.set_fd("Stdout", pipe.reader));

        EXPECT_TRUE(reply.ok()) << reply;
        pipe.close_reader();
        return reply;
}

static std::string log_path(const std::string &id)
{
        return "/org/nomad/Logmon/log/" + label_of(id);
}

std::string LogTest::log_property(const std::string &id, const std::string &name)
{
        Reply reply = client.call(LOGMON_NAME, log_path(id), "org.freedesktop.DBus.Properties", "Get",
                        [&](sd_bus_message *m) {
                                EXPECT_GE(sd_bus_message_append(m, "ss", LOGMON_LOG, name.c_str()), 0);
                        });

        EXPECT_TRUE(reply.ok()) << name << ": " << reply;
        return reply.ok() ? value_to_text(reply.message.get()) : "";
}

uint64_t LogTest::log_count(const std::string &id, const std::string &name)
{
        const std::string value = log_property(id, name);

        return value.empty() ? UINT64_MAX : std::stoull(value);
}

Reply LogTest::open_log(const std::string &id, const Spec &options, const std::string &stream)
{
        return client.task(path_of(id), "OpenLog", [&](sd_bus_message *m) {
                EXPECT_GE(sd_bus_message_append(m, "s", stream.c_str()), 0);
                options.append_to(m);
        });
}

void LogTest::start_writer(const std::string &id, unsigned tag, size_t chunk, uint64_t pause_usec,
                uint64_t limit, Spec spec)
{
        const std::string program =
                        run({ "readlink", "-f", "/proc/" + std::to_string(getpid()) + "/exe" }).text;
        const std::string writer = program.substr(0, program.rfind('/')) + "/log-writer";

        ASSERT_TRUE(exists(writer)) << writer;
        tasks.insert(id);
        spec.set("Command", writer);
        spec.set("Arguments",
                        std::vector<std::string>{ std::to_string(tag), std::to_string(chunk),
                                        std::to_string(pause_usec), std::to_string(limit), scratch + "/stop",
                                        scratch + "/" + label_of(id) + ".count" });
        start(id, spec);
}

void LogTest::stop_writers()
{
        EXPECT_EQ(run({ "touch", scratch + "/stop" }).status, 0);
}

uint64_t LogTest::written(const std::string &id)
{
        const std::string path = scratch + "/" + label_of(id) + ".count";

        EXPECT_TRUE(eventually([&] { return exists(path); })) << id << " does not end";
        return exists(path) ? std::stoull(read_file(path)) : 0;
}

std::vector<std::string> LogTest::files_of(const std::string &id, const std::string &stream)
{
        const std::string label = label_of(id), directory = "/var/log/nomad/" + label + "/",
                          prefix = label + "." + stream + ".";
        std::map<uint64_t, std::string> files;
        std::vector<std::string> paths;

        tasks.insert(id);
        for (const auto &name : list_directory(directory))
                if (name.rfind(prefix, 0) == 0)
                        files[std::stoull(name.substr(prefix.size()))] = directory + name;
        for (const auto &file : files)
                paths.push_back(file.second);
        return paths;
}

std::string LogTest::contents_of(const std::string &id, const std::string &stream)
{
        std::string text;

        for (const auto &path : files_of(id, stream))
                text += read_file(path);
        return text;
}

pid_t LogTest::logmon_pid(pid_t old)
{
        pid_t pid = 0;

        EXPECT_TRUE(eventually([&] {
                Reply reply = client.call(SYSTEMD_NAME, LOGMON_OBJECT, "org.freedesktop.DBus.Properties",
                                "Get", [](sd_bus_message *m) {
                                        EXPECT_GE(sd_bus_message_append(m, "ss",
                                                                  "org.freedesktop.systemd1.Service",
                                                                  "MainPID"),
                                                        0);
                                });
                EXPECT_TRUE(reply.ok()) << reply;
                pid = reply.ok() ? std::stoi(value_to_text(reply.message.get())) : 0;
                return pid > 0 && pid != old;
        })) << "logmon does not come back";
        return pid;
}

void LogTest::kill_logmon()
{
        const pid_t pid = logmon_pid();

        ASSERT_EQ(kill(pid, SIGKILL), 0);
        (void) logmon_pid(pid);
}
