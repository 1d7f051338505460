/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

/* Standard input, output and error that are not the log's. */

namespace
{

struct Pipe {
        Pipe()
        {
                int ends[2] = { -1, -1 };

                EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
                read_end = ends[0];
                write_end = ends[1];
        }
        ~Pipe()
        {
                close_read();
                close_write();
        }
        Pipe(const Pipe &) = delete;
        Pipe &operator=(const Pipe &) = delete;

        void close_read()
        {
                if (read_end >= 0)
                        (void) close(read_end);
                read_end = -1;
        }
        void close_write()
        {
                if (write_end >= 0)
                        (void) close(write_end);
                write_end = -1;
        }

        int read_end, write_end;
};

/* Up to the end, or, with NEWLINE, of one line. */
std::string read_from(int fd, bool newline = false)
{
        std::string text;
        char c;

        for (;;) {
                struct pollfd p = { fd, POLLIN, 0 };

                if (poll(&p, 1, (int) std::chrono::milliseconds(DEADLINE).count()) != 1) {
                        ADD_FAILURE() << "no end, after: " << text;
                        return text;
                }
                if (read(fd, &c, 1) != 1)
                        return text;
                text += c;
                if (newline && c == '\n')
                        return text;
        }
}

} // namespace

class Stdio : public SystemTest
{
      protected:
        void SetUp() override
        {
                SystemTest::SetUp();
                EXPECT_EQ(run({ "rm", "-rf", directory, "/var/log/nomad/stdio" }).status, 0);
                ASSERT_EQ(mkdir(directory.c_str(), 0755), 0);
        }

        std::string error_of(const Spec &spec)
        {
                Reply reply = client.start_task("stdio", spec);

                expect_nothing_left("stdio");
                return reply.error.substr(reply.error.rfind('.') + 1);
        }

        std::string directory = "/tmp/stdio";
};

TEST_F(Stdio, PipesOfTheClient)
{
        Pipe in, out, err;

        start("stdio",
                        script("while read line; do echo got $line; echo error $line >&2; done; exit 6")
                                        .set_fd("StandardInput", in.read_end)
                                        .set_fd("StandardOutput", out.write_end)
                                        .set_fd("StandardError", err.write_end));
        in.close_read();
        out.close_write();
        err.close_write();

        ASSERT_EQ(write(in.write_end, "one\n", 4), 4);
        EXPECT_EQ(read_from(out.read_end, true), "got one\n");
        EXPECT_EQ(read_from(err.read_end, true), "error one\n");
        EXPECT_EQ(client.property(path_of("stdio"), "LogDirectory"), "");

        in.close_write();
        EXPECT_EQ(read_from(out.read_end), "") << "the end comes with the task's";
        EXPECT_EQ(read_from(err.read_end), "");
        EXPECT_EQ(wait("stdio"), (Exit{ "exit-code", 6, 0, false }));
        EXPECT_FALSE(exists("/var/log/nomad/stdio"));
}

/* Nobody else holds them: neither the service nor the supervisor. */
TEST_F(Stdio, PipesEndWhenTheTaskClosesThem)
{
        Pipe in, out;

        start("stdio",
                        script("echo bye; exec >&- <&-; exec sleep infinity")
                                        .set_fd("StandardInput", in.read_end)
                                        .set_fd("StandardOutput", out.write_end));
        in.close_read();
        out.close_write();
        EXPECT_EQ(read_from(out.read_end), "bye\n");
        struct pollfd p = { in.write_end, 0, 0 };
        EXPECT_EQ(poll(&p, 1, (int) std::chrono::milliseconds(DEADLINE).count()), 1);
        EXPECT_EQ(p.revents, POLLERR) << "there is no reader any more";
        EXPECT_EQ(client.property(path_of("stdio"), "State"), "running");
}

TEST_F(Stdio, FilesOfTheClient)
{
        int in = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
        int out = open((directory + "/out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        ASSERT_GE(in, 0);
        ASSERT_GE(out, 0);
        start("stdio",
                        Spec().set("Command", "cat")
                                        .set("User", "nobody")
                                        .set_fd("StandardInput", in)
                                        .set_fd("StandardOutput", out));
        (void) close(in);
        (void) close(out);
        EXPECT_EQ(wait("stdio"), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(read_file(directory + "/out"), read_file("/etc/passwd"));
}

TEST_F(Stdio, OneStreamOfTheClientAndOneOfTheLog)
{
        Pipe out;

        start("stdio", script("echo out; echo err >&2").set_fd("StandardOutput", out.write_end));
        out.close_write();
        EXPECT_EQ(read_from(out.read_end), "out\n");
        EXPECT_EQ(wait("stdio"), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(read_file(log_of("stdio", "stderr")), "err\n");
        EXPECT_FALSE(exists(log_of("stdio", "stdout")));
}

TEST_F(Stdio, InputIsEmptyWhereNoneIsGiven)
{
        start("stdio", script("wc -c; readlink /proc/self/fd/0"));
        EXPECT_EQ(wait("stdio"), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(read_file(log_of("stdio", "stdout")), "0\n/dev/null\n");
}

/* --- /dev/stdout and /dev/stderr, which open a stream again --- */

static const std::string REOPEN =
                "echo out >/dev/stdout && echo err >/dev/stderr && echo self >/proc/self/fd/1";

TEST_F(Stdio, OutputsCanBeOpenedAgainByEveryUser)
{
        using Targets = std::vector<std::string>;

        for (std::string user : { "root", "nobody", "4711" })
                for (const Targets &targets :
                                { Targets{ "files" }, { "journal" }, { "files", "journal" }, {} }) {
                        const std::string name = "stdio-" + user + std::to_string(targets.size());
                        bool files = !targets.empty() && targets[0] == "files";

                        start(name,
                                        script(REOPEN).set("User", user)
                                                        .set("Group", "nogroup")
                                                        .set("LogTargets", targets));
                        EXPECT_EQ(wait(name), (Exit{ "success", 0, 0, false })) << name;
                        if (files) {
                                EXPECT_EQ(read_file(log_of(name, "stdout")), "out\nself\n") << name;
                                EXPECT_EQ(read_file(log_of(name, "stderr")), "err\n") << name;
                        }
                        release(name);
                        EXPECT_EQ(run({ "rm", "-rf", "/var/log/nomad/" + label_of(name) }).status, 0);
                }
}

/* As images do that begin as root and go on as somebody else. */
TEST_F(Stdio, OutputsCanBeOpenedAgainAfterAChangeOfTheUser)
{
        start("stdio",
                        script("exec setpriv --reuid=nobody --regid=nogroup --clear-groups sh -c '" +
                                        REOPEN + "; cat </dev/stdout && echo read'"));
        EXPECT_EQ(wait("stdio").result, "exit-code") << "what root logs is not to be read";
        EXPECT_EQ(read_file(log_of("stdio", "stdout")), "out\nself\n");
        EXPECT_EQ(read_file(log_of("stdio", "stderr")).rfind("err\n", 0), 0U);
}

/* --- StdoutPath and StderrPath --- */

TEST_F(Stdio, PathsAreFilesThatAreAppendedTo)
{
        const std::string out = directory + "/out", err = directory + "/err";
        struct stat st = {};
        Spec spec = script("echo out; echo err >&2").set("StdoutPath", out).set("StderrPath", err);

        for (int i = 0; i < 2; i++) {
                start("stdio", spec);
                EXPECT_EQ(wait("stdio"), (Exit{ "success", 0, 0, false }));
                release("stdio");
        }
        EXPECT_EQ(read_file(out), "out\nout\n");
        EXPECT_EQ(read_file(err), "err\nerr\n");
        ASSERT_EQ(stat(out.c_str(), &st), 0);
        EXPECT_EQ(st.st_mode & 07777, 0644U);
        EXPECT_FALSE(exists("/var/log/nomad/stdio"));
}

TEST_F(Stdio, PathsAreOpenedAsTheUser)
{
        const std::string out = directory + "/out";
        struct stat st = {};
        Spec spec = script("echo out").set("User", "nobody").set("StdoutPath", out);

        EXPECT_EQ(error_of(spec), "ExecFailed") << "root's directory";
        EXPECT_FALSE(exists(out));
        ASSERT_EQ(chmod(directory.c_str(), 0777), 0);
        start("stdio", spec);
        EXPECT_EQ(wait("stdio"), (Exit{ "success", 0, 0, false }));
        ASSERT_EQ(stat(out.c_str(), &st), 0);
        EXPECT_EQ(st.st_uid, 65534U);
}

TEST_F(Stdio, PathIsAFifoThatIsReadByTheClient)
{
        const std::string fifo = directory + "/fifo";

        ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
        int fd = open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        ASSERT_GE(fd, 0);
        start("stdio", script("echo one; read line </dev/null; echo two").set("StdoutPath", fifo));
        ASSERT_EQ(fcntl(fd, F_SETFL, 0), 0);
        EXPECT_EQ(read_from(fd), "one\ntwo\n");
        EXPECT_EQ(wait("stdio"), (Exit{ "success", 0, 0, false }));
        (void) close(fd);
}

/* A reader that is late, or comes again, misses nothing, and the task neither waits for it nor ends for want
 * of it. */
TEST_F(Stdio, FifoMayBeReadLaterAndAgain)
{
        const std::string fifo = directory + "/fifo", go = directory + "/go";

        ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
        start("stdio",
                        script("echo one; while ! [ -e " + go +
                                        " ]; do sleep 0.02; done; echo two; exec sleep infinity")
                                        .set("StdoutPath", fifo));
        int fd = open(fifo.c_str(), O_RDONLY | O_CLOEXEC);
        EXPECT_EQ(read_from(fd, true), "one\n");
        (void) close(fd);
        ASSERT_EQ(run({ "touch", go }).status, 0);
        fd = open(fifo.c_str(), O_RDONLY | O_CLOEXEC);
        EXPECT_EQ(read_from(fd, true), "two\n");
        (void) close(fd);
        EXPECT_EQ(client.property(path_of("stdio"), "State"), "running");
}

TEST_F(Stdio, SymbolicLinksAreRefused)
{
        const std::string target = directory + "/target", link = directory + "/link";

        ASSERT_EQ(run({ "sh", "-c", "echo mine >" + target }).status, 0);
        ASSERT_EQ(symlink(target.c_str(), link.c_str()), 0);
        ASSERT_EQ(symlink(directory.c_str(), (directory + "/above").c_str()), 0);
        for (std::string key : { "StdoutPath", "StderrPath" }) {
                Spec spec = script("echo out; echo err >&2");

                EXPECT_EQ(error_of(Spec(spec).set(key, link)), "ExecFailed") << key;
                EXPECT_EQ(error_of(Spec(spec).set(key, directory + "/above/target")), "ExecFailed") << key;
        }
        EXPECT_EQ(read_file(target), "mine\n");
}

TEST_F(Stdio, WhatCannotBeMeantIsRefused)
{
        Pipe out;
        Spec spec = script("true");

        EXPECT_EQ(error_of(Spec(spec).set("StdoutPath", "relative")), "InvalidSpec");
        EXPECT_EQ(error_of(Spec(spec).set("StdoutPath", directory + "/no/such")), "ExecFailed");
        EXPECT_EQ(error_of(Spec(spec).set("StdoutPath", directory)), "ExecFailed") << "a directory";
        EXPECT_EQ(error_of(Spec(spec).set("StdoutPath", "/tmp/x").set_fd("StandardOutput", out.write_end)),
                        "InvalidSpec");
        EXPECT_EQ(error_of(Spec(spec).set("StderrPath", "/tmp/x").set_fd("StandardError", out.write_end)),
                        "InvalidSpec");
        EXPECT_EQ(error_of(Spec(spec).set("StandardOutput", "1")), "InvalidSpec") << "not a descriptor";
}
