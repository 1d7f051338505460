/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

std::ostream &operator<<(std::ostream &stream, const ExecStatus &status)
{
        return stream << status.code << " " << status.signal;
}

std::ostream &operator<<(std::ostream &stream, const Check &check)
{
        return stream << check.error << " " << check.code << " " << check.signal
                      << (check.timed_out ? " timed out" : "") << (check.truncated ? " truncated" : "")
                      << ", output:\n"
                      << check.output;
}

Session::Session(const Reply &reply)
{
        int fds[3];

        EXPECT_TRUE(reply.ok()) << reply;
        if (!reply.ok())
                return;
        EXPECT_GT(sd_bus_message_read(reply.message.get(), "thhh", &id, fds, fds + 1, fds + 2), 0);
        /* the message's are closed with it */
        in = fcntl(fds[0], F_DUPFD_CLOEXEC, 3);
        out = fcntl(fds[1], F_DUPFD_CLOEXEC, 3);
        err = fcntl(fds[2], F_DUPFD_CLOEXEC, 3);
}

Session::~Session()
{
        close_all();
}

static void close_fd(int &fd)
{
        if (fd >= 0)
                (void) close(fd);
        fd = -1;
}

void Session::close_input()
{
        close_fd(in);
}

void Session::close_all()
{
        close_fd(in);
        close_fd(out);
        close_fd(err);
}

void Session::write(const std::string &text) const
{
        EXPECT_EQ(::write(in, text.data(), text.size()), (ssize_t) text.size());
}

/* 0: end of file, or of the terminal. -1: nothing has come in time. */
static ssize_t read_some(int fd, std::string &text, std::chrono::milliseconds limit)
{
        struct pollfd p = { fd, POLLIN, 0 };
        char buffer[65536];

        if (poll(&p, 1, (int) limit.count()) != 1)
                return -1;
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n > 0)
                text.append(buffer, (size_t) n);
        else if (n < 0) {
                EXPECT_EQ(errno, EIO);
        }
        return n > 0 ? n : 0;
}

static std::string read_all(int fd, std::string text)
{
        ssize_t n;

        while ((n = read_some(fd, text, DEADLINE)) > 0)
                continue;
        EXPECT_EQ(n, 0) << "no end, after: " << text;
        return text;
}

std::string Session::read_until(const std::string &text)
{
        ssize_t n = 1;
        size_t at;

        while ((at = unread.find(text)) == std::string::npos && n > 0)
                n = read_some(out, unread, DEADLINE);
        EXPECT_NE(at, std::string::npos) << "no '" << text << "' in: " << unread;

        size_t length = at == std::string::npos ? unread.size() : at + text.size();
        std::string result = unread.substr(0, length);
        unread.erase(0, length);
        return result;
}

std::string Session::read_output()
{
        std::string before = std::move(unread);

        unread.clear();
        return read_all(out, before);
}

std::string Session::read_errors() const
{
        return read_all(err, "");
}

std::string Session::read_available() const
{
        std::string text = unread;

        while (read_some(out, text, std::chrono::milliseconds(0)) > 0)
                continue;
        return text;
}

static void append_argv(sd_bus_message *m, const std::vector<std::string> &argv)
{
        std::vector<char *> list;

        list.reserve(argv.size() + 1);
        for (const auto &argument : argv)
                list.push_back(const_cast<char *>(argument.c_str()));
        list.push_back(nullptr);
        EXPECT_GE(sd_bus_message_append_strv(m, list.data()), 0);
}

Client::Fill fill_exec(const std::vector<std::string> &argv, const Spec &options)
{
        return [=](sd_bus_message *m) {
                append_argv(m, argv);
                options.append_to(m);
        };
}

Client::Fill fill_run(const std::vector<std::string> &argv, uint64_t timeout_usec)
{
        return [=](sd_bus_message *m) {
                append_argv(m, argv);
                EXPECT_GE(sd_bus_message_append(m, "t", timeout_usec), 0);
        };
}

Check read_check(const Reply &reply)
{
        int timed_out = 0, truncated = 0;
        const void *output = nullptr;
        size_t size = 0;
        Check check;

        check.error = reply.error.substr(reply.error.rfind('.') + 1);
        if (!reply.ok())
                return check;
        EXPECT_GT(sd_bus_message_read(reply.message.get(), "iibb", &check.code, &check.signal, &timed_out,
                                  &truncated),
                        0);
        EXPECT_GE(sd_bus_message_read_array(reply.message.get(), 'y', &output, &size), 0);
        check.timed_out = timed_out;
        check.truncated = truncated;
        check.output.assign(static_cast<const char *>(output), size);
        return check;
}

void SessionTest::start_idle(const Spec &spec)
{
        Spec idle = spec;

        start(id,
                        idle.set("Command", "/bin/sleep")
                                        .set("Arguments", std::vector<std::string>{ "infinity" }));
}

std::string SessionTest::short_name(const std::string &error)
{
        return error.substr(error.rfind('.') + 1);
}

void SessionTest::expect_no_zombie()
{
        Output output = run(
                        { "ps", "-o", "stat=,args=", "--ppid", std::to_string(main_pid(EXECUTOR_UNIT)) });

        EXPECT_EQ(output.text.find('Z'), std::string::npos) << output;
}

std::unique_ptr<Session> SessionTest::exec(const std::vector<std::string> &argv, const Spec &options)
{
        return std::make_unique<Session>(client.task(path, "Exec", fill_exec(argv, options)));
}

std::unique_ptr<Session> SessionTest::exec_script(const std::string &script, const Spec &options)
{
        return exec({ "/bin/sh", "-c", script }, options);
}

std::string SessionTest::exec_error(const std::vector<std::string> &argv, const Spec &options)
{
        return short_name(client.task(path, "Exec", fill_exec(argv, options)).error);
}

Reply SessionTest::exec_call(const std::string &member, uint64_t session)
{
        return client.task(path, member,
                        [=](sd_bus_message *m) { EXPECT_GE(sd_bus_message_append(m, "t", session), 0); });
}

Reply SessionTest::resize(uint64_t session, uint16_t rows, uint16_t columns)
{
        return client.task(path, "ResizeExec", [=](sd_bus_message *m) {
                EXPECT_GE(sd_bus_message_append(m, "tqq", session, rows, columns), 0);
        });
}

Reply SessionTest::kill_exec(uint64_t session, const std::string &signal)
{
        return client.task(path, "KillExec", [=](sd_bus_message *m) {
                EXPECT_GE(sd_bus_message_append(m, "ts", session, signal.c_str()), 0);
        });
}

ExecStatus SessionTest::wait_exec(const Session &session)
{
        Reply reply = exec_call("WaitExec", session.id);
        ExecStatus status;

        EXPECT_TRUE(reply.ok()) << reply;
        if (!reply.ok())
                return status;
        EXPECT_GT(sd_bus_message_read(reply.message.get(), "ii", &status.code, &status.signal), 0);
        return status;
}

Check SessionTest::check(const std::vector<std::string> &argv, uint64_t timeout_usec)
{
        return read_check(client.task(path, "Run", fill_run(argv, timeout_usec)));
}

Check SessionTest::check_script(const std::string &script, uint64_t timeout_usec)
{
        return check({ "/bin/sh", "-c", script }, timeout_usec);
}
