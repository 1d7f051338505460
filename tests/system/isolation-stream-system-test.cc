/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <unistd.h>

#include "isolation-fixture.h"

/* The standard streams of containers: a runtime gives them to the container's user, so that nothing of the
 * host's may be among them. */

namespace
{

const std::string STREAMS = "/srv/isolation-streams";

/* Owner and mode, of the link's target. */
std::string owner_of(const std::string &path)
{
        return trim(run({ "stat", "-Lc", "%U %a", path }).text);
}

int open_file(const std::string &path, int flags)
{
        int fd = open(path.c_str(), flags | O_CLOEXEC, 0600);

        EXPECT_GE(fd, 0) << path;
        return fd;
}

} // namespace

class IsolationStream : public Isolation
{
      protected:
        void SetUp() override
        {
                Isolation::SetUp();
                ASSERT_EQ(run({ "sh", "-ec",
                                              "chown root:root /dev/null; chmod 666 /dev/null; rm -rf " +
                                                              STREAMS + "; mkdir -m 755 " + STREAMS +
                                                              "; echo secret >" + STREAMS +
                                                              "/file; mkfifo -m 600 " + STREAMS + "/named" })
                                                .status,
                                0);
        }

        void TearDown() override
        {
                EXPECT_EQ(owner_of("/dev/null"), "root 666");
                EXPECT_EQ(owner_of(STREAMS + "/file"), "root 644");
                EXPECT_EQ(owner_of(STREAMS + "/named"), "root 600");
                Isolation::TearDown();
        }

        static Spec of_nobody(const std::string &script)
        {
                return task(script).set("User", "nobody");
        }
};

INSTANTIATE_TEST_SUITE_P(
                Runtimes, IsolationStream, testing::Values("/usr/bin/crun", "/usr/sbin/runc"), runtime_name);

TEST_P(IsolationStream, NothingIsAPipe)
{
        start_sleeping(Spec().set("User", "nobody"));
        EXPECT_EQ(run({ "readlink", proc() + "/fd/0" }).text.rfind("pipe:", 0), 0U);

        Check check = check_script(
                        "readlink /proc/self/fd/0; cat; python3 -c 'import os; os.fchmod(0, 0o600)'");
        EXPECT_EQ(check.output.rfind("pipe:", 0), 0U) << check;
        EXPECT_EQ(check.output.find('\n'), check.output.size() - 1) << check;
        EXPECT_EQ(check.code, 0) << check;
}

TEST_P(IsolationStream, SessionsHaveNoDeviceOfTheHost)
{
        start_sleeping(Spec().set("User", "nobody"));
        auto session = exec_script("for i in 0 1 2; do readlink /proc/$$/fd/$i; done");
        session->close_input();
        std::string output = session->read_output();
        EXPECT_EQ(lines_of(output).size(), 3U) << output;
        for (const auto &line : lines_of(output))
                EXPECT_EQ(line.rfind("pipe:", 0), 0U) << output;

        auto terminal = exec_script("readlink /proc/$$/fd/0; echo end", Spec().set("Tty", true));
        EXPECT_NE(terminal->read_until("end").find("/dev/"), std::string::npos);
        (void) wait_exec(*terminal);
}

TEST_P(IsolationStream, OutputThatNobodyWantsIsThrownAway)
{
        start(id,
                        of_nobody("test -p /proc/self/fd/1 && test -p /proc/self/fd/2 || exit 9\n"
                                  "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 4")
                                        .set("LogTargets", std::vector<std::string>{}));
        EXPECT_EQ(wait(id), (Exit{ "exit-code", 4, 0, false }));
        EXPECT_FALSE(exists("/var/log/nomad/" + label_of(id)));
}

TEST_P(IsolationStream, FilesAndDevicesAreRefusedByName)
{
        const struct {
                std::string key, path;
                int flags;
        } cases[] = {
                { "StandardInput", STREAMS + "/file", O_RDONLY },
                { "StandardOutput", STREAMS + "/file", O_WRONLY },
                { "StandardError", STREAMS + "/file", O_WRONLY },
                { "StandardInput", STREAMS, O_RDONLY | O_DIRECTORY },
                { "StandardInput", "/dev/null", O_RDWR },
                { "StandardOutput", "/dev/null", O_RDWR },
                { "StandardError", "/dev/ptmx", O_RDWR | O_NOCTTY },
                { "StandardInput", STREAMS + "/named", O_RDWR },
                { "StandardOutput", STREAMS + "/named", O_RDWR },
        };

        for (const auto &c : cases) {
                int fd = open_file(c.path, c.flags);

                EXPECT_EQ(start_error(of_nobody("exit 0").set_fd(c.key, fd)),
                                "InvalidSpec: " + c.key +
                                                " of a container must be a pipe without a name, a socket or a "
                                                "pseudo-terminal: "
                                                "the runtime gives it to the task's user");
                (void) close(fd);
        }
}

/* A file that the user's task made is its own already. */
TEST_P(IsolationStream, PathsAreThoseOfTheUserOnly)
{
        ASSERT_EQ(run({ "sh", "-ec",
                                      "cd " + STREAMS +
                                                      "; chmod 777 .; echo x >others; chmod 666 others; mkfifo -m 666 fifo" })
                                        .status,
                        0);
        for (const std::string &file : { STREAMS + "/others", std::string("/dev/null") }) {
                std::string error = start_error(of_nobody("echo out").set("StdoutPath", file));

                EXPECT_NE(error.find("Operation not permitted"), std::string::npos) << error;
        }
        EXPECT_EQ(owner_of(STREAMS + "/others"), "root 666");
        EXPECT_EQ(read_file(STREAMS + "/others"), "x\n");

        start(id, of_nobody("echo out; echo err >&2").set("StdoutPath", STREAMS + "/own"));
        EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(read_file(STREAMS + "/own"), "out\n");
        EXPECT_EQ(read_file(log_of(id, "stderr")), "err\n");
}

TEST_P(IsolationStream, CommandLineCopiesFiles)
{
        const std::string command = "cd " + STREAMS +
                        "; head -c 1000000 /dev/urandom >in; nomad-executorctl run --pipe --uid=nobody"
                        " -p Isolation=container -p Runtime=" +
                        GetParam() + " -p TaskDirectory=" + TASK_DIRECTORY + " -- ";

        Output output = run({ "sh", "-c", command + "sh -c 'cat; echo err >&2; exit 6' <in >out 2>err" });
        EXPECT_EQ(output.status, 6) << output << read_file(STREAMS + "/err");
        EXPECT_EQ(run({ "cmp", STREAMS + "/in", STREAMS + "/out" }).status, 0);
        EXPECT_EQ(read_file(STREAMS + "/err"), "err\n");
        for (std::string name : { "/in", "/out", "/err" })
                EXPECT_EQ(owner_of(STREAMS + name), "root 644") << name;

        output = run({ "sh", "-c", command + "cat <named >out & echo through >named; wait; cat out" });
        EXPECT_EQ(output.text, "through\n");

        /* one file for both keeps their order */
        output = run({ "sh", "-c",
                        command + "sh -c 'for i in 1 2 3 4 5; do echo $i; echo e$i >&2; done' </dev/null >both 2>&1" });
        EXPECT_EQ(output.status, 0) << output;
        EXPECT_EQ(read_file(STREAMS + "/both"), "1\ne1\n2\ne2\n3\ne3\n4\ne4\n5\ne5\n");

        /* as a program here would be told */
        output = run({ "sh", "-c", command + "sh -c 'yes; exit 7' </dev/null >/dev/full" });
        EXPECT_NE(output.text.find("No space left on device"), std::string::npos) << output;
        EXPECT_EQ(output.status, 7);
}
