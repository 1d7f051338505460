/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fstream>
#include <stdexcept>

#include "container-fixture.h"

/* With podman's compatible socket. Its time stamps are of seconds, so that entries are told apart by
 * counting. */

class Podman : public ContainerLogTest, public testing::WithParamInterface<const char *>
{
      protected:
        static void SetUpTestSuite()
        {
                ContainerLogTest::SetUpTestSuite();
                ASSERT_EQ(run({ "mkdir", "-p", "/etc/containers" }).status, 0);
                std::ofstream("/etc/containers/storage.conf")
                                << "[storage]\ndriver = \"vfs\"\nrunroot = \"/run/containers/storage\"\n"
                                   "graphroot = \"/var/lib/containers/storage\"\n";
                ASSERT_EQ(run({ "podman", "import", "--quiet", image_archive(), "test" }).status, 0);
                ASSERT_EQ(run({ "systemctl", "start", "podman.socket" }).status, 0);
                remove({ "--all" });
        }

        static void TearDownTestSuite()
        {
                EXPECT_EQ(run({ "systemctl", "stop", "podman.socket", "podman.service" }).status, 0);
        }

        void TearDown() override
        {
                ContainerLogTest::TearDown();
                remove({ containers.begin(), containers.end() });
        }

        static void remove(const std::vector<std::string> &which)
        {
                std::vector<std::string> argv = { "podman", "--runtime=runc", "rm", "--force", "--time=0" };

                argv.insert(argv.end(), which.begin(), which.end());
                if (!which.empty()) {
                        const Output output = run(argv);
                        EXPECT_EQ(output.status, 0) << output;
                }
        }

        /* Without limits, for which a container of a container has neither the right nor the controllers. */
        std::string start_container(const std::string &script, const std::vector<std::string> &options = {})
        {
                std::vector<std::string> argv = { "podman", "--runtime=runc", "run", "--ulimit=host",
                        "--pids-limit=0", "--detach", "--network=none",
                        "--log-driver=" + std::string(GetParam()) };

                argv.insert(argv.end(), options.begin(), options.end());
                argv.insert(argv.end(), { "test", "/bin/sh", "-c", script });
                const Output output = run(argv);
                if (output.status != 0)
                        throw std::runtime_error(output.text);
                std::string id = lines_of(output.text).back();
                containers.insert(id);
                return id;
        }

        /* The end of numbered_until_told(). */
        static void tell(const std::string &container)
        {
                const Output output =
                                run({ "podman", "--runtime=runc", "kill", "--signal=TERM", container });

                EXPECT_EQ(output.status, 0) << output;
        }

        static Spec of(const std::string &container)
        {
                return Spec().set("ContainerID", container)
                                .set("Endpoint", "unix:///run/podman/podman.sock")
                                .set("LogTargets", std::vector<std::string>{ "files" })
                                .set("LogMaxFileSize", (uint64_t) 1 << 30);
        }

        std::set<std::string> containers;
};

TEST_P(Podman, StdoutAndStderrApart)
{
        const std::string container = start_container(
                        "for i in 1 2 3; do echo out $i; echo err $i >&2; done; printf begin; sleep 1; echo end");

        must_follow("apart", of(container));
        EXPECT_EQ(result_of("apart"), "exited");
        EXPECT_EQ(contents_of("apart"), "out 1\nout 2\nout 3\nbeginend\n");
        EXPECT_EQ(contents_of("apart", "stderr"), "err 1\nerr 2\nerr 3\n");
}

TEST_P(Podman, Terminal)
{
        const std::string container = start_container(
                        "echo abc; echo \"at $(date -u +%Y-%m-%dT%H:%M:%SZ) it was\"; sleep 2; echo 123",
                        { "--tty" });

        must_follow("tty", of(container).set("Tty", true));
        EXPECT_EQ(result_of("tty"), "exited");
        const std::vector<std::string> lines = lines_of(contents_of("tty"));
        ASSERT_EQ(lines.size(), 3U) << contents_of("tty");
        EXPECT_EQ(lines[0], "abc\r");
        EXPECT_EQ(lines[1].size(), strlen("at 2026-11-23T23:47:20Z it was\r")) << lines[1];
        EXPECT_EQ(lines[2], "123\r");
}

TEST_P(Podman, NoLineIsLostOrDoubledBySIGKILL)
{
        const std::string container = start_container(numbered_until_told(100, "0.1"));

        must_follow("fire", of(container));
        kill_often(12, 500, [&](unsigned i) { kill_logmon_too(i); });
        EXPECT_TRUE(kill_until_reconnected("fire", 4));
        tell(container);
        EXPECT_EQ(result_of("fire"), "exited");
        EXPECT_TRUE(is_numbered_to_its_end(contents_of("fire")));
        EXPECT_TRUE(is_numbered_to_its_end(contents_of("fire", "stderr")));
}

TEST_P(Podman, ServiceIsRestarted)
{
        const std::string container = start_container(numbered_until_told(100, "0.1"));

        must_follow("restart", of(container));
        for (unsigned i = 0; i < 3; i++) {
                ASSERT_TRUE(await_reconnect("restart", i));
                EXPECT_EQ(run({ "systemctl", "kill", "--signal=KILL", "podman.service" }).status, 0);
                EXPECT_EQ(run({ "systemctl", "reset-failed", "podman.service" }).status, 0);
        }
        ASSERT_TRUE(await_reconnect("restart", 3));
        tell(container);
        EXPECT_EQ(result_of("restart"), "exited");
        EXPECT_TRUE(is_numbered_to_its_end(contents_of("restart")));
        EXPECT_TRUE(is_numbered_to_its_end(contents_of("restart", "stderr")));
}

TEST_P(Podman, ContainerThatIsNotThere)
{
        must_follow("nobody", of("nobody"));
        EXPECT_EQ(result_of("nobody"), "not-found");
}

INSTANTIATE_TEST_SUITE_P(Drivers, Podman, testing::Values("k8s-file", "journald"),
                [](const testing::TestParamInfo<const char *> &driver) {
                        return std::string(driver.param) == "journald" ? "Journal" : "File";
                });

/* A driver that keeps nothing. */
class PodmanNone : public Podman
{
};

TEST_P(PodmanNone, LoggingNotSupported)
{
        const std::string container = start_container("exec sleep 1000");

        must_follow("none", of(container));
        EXPECT_EQ(result_of("none", std::chrono::seconds(10)), "unreadable");
}

INSTANTIATE_TEST_SUITE_P(Drivers, PodmanNone, testing::Values("none"));
