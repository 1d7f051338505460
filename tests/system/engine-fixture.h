/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <csignal>
#include <spawn.h>
#include <sys/wait.h>

#include "container-fixture.h"

/* With an engine of our own, fake-engine.py, that has one container, "fake". */
class Engine : public ContainerLogTest
{
      protected:
        void TearDown() override
        {
                ContainerLogTest::TearDown();
                stop_engine();
        }

        void start_engine(const std::string &mode, unsigned count, unsigned lines,
                        const std::vector<std::string> &where = {})
        {
                /* it does not outlive a test program that is killed */
                std::vector<std::string> argv = { "/usr/bin/setpriv", "--pdeathsig=KILL",
                        "/usr/lib/nomad-executor/tests/fake-engine.py" };
                std::vector<char *> arguments;

                argv.insert(argv.end(), where.begin(), where.end());
                if (where.empty())
                        argv.push_back(socket());
                argv.insert(argv.end(), { mode, std::to_string(count), std::to_string(lines) });
                for (auto &argument : argv)
                        arguments.push_back(argument.data());
                arguments.push_back(nullptr);
                ASSERT_EQ(posix_spawn(&engine, arguments[0], nullptr, nullptr, arguments.data(), environ),
                                0);
                if (where.empty()) {
                        ASSERT_TRUE(eventually([&] { return exists(socket()); }));
                }
        }

        void stop_engine()
        {
                if (engine > 0) {
                        EXPECT_EQ(kill(engine, SIGKILL), 0);
                        EXPECT_EQ(waitpid(engine, nullptr, 0), engine);
                        EXPECT_EQ(run({ "rm", "-f", socket() }).status, 0);
                }
                engine = -1;
        }

        std::string socket() const
        {
                return scratch + "/engine.sock";
        }
        Spec fake() const
        {
                return Spec().set("ContainerID", "fake")
                                .set("Endpoint", "unix://" + socket())
                                .set("LogTargets", std::vector<std::string>{ "files" })
                                .set("LogMaxFileSize", (uint64_t) 1 << 30);
        }

        static std::string written(unsigned lines, bool is_stderr)
        {
                std::string text;

                for (unsigned i = 0; i < lines; i++)
                        if ((i % 3 == 2) == is_stderr)
                                text += std::to_string(i) + "\n";
                return text;
        }

        void expect_all(unsigned lines)
        {
                EXPECT_EQ(result_of("fake"), "exited");
                EXPECT_TRUE(same_text(contents_of("fake"), written(lines, false)));
                EXPECT_TRUE(same_text(contents_of("fake", "stderr"), written(lines, true)));
        }

        /* Some of the output has come, and no more of it comes: the pipe to nomad-logmon is full. */
        void await_standstill()
        {
                uint64_t count = 0;
                unsigned unchanged = 0;

                EXPECT_TRUE(eventually([&] {
                        const uint64_t now = container_count("fake", "StdoutBytes");

                        unchanged = now > 0 && now == count ? unchanged + 1 : 0;
                        count = now;
                        return unchanged == 100;
                })) << count;
        }

        /* All of a mode's ways to fail are got over. */
        void get_over(const std::string &mode, unsigned count, unsigned lines, const std::string &error)
        {
                start_engine(mode, count, lines);
                must_follow("fake", fake());
                if (!error.empty()) {
                        EXPECT_TRUE(eventually([&] {
                                return container_property("fake", "LastError").find(error) !=
                                                std::string::npos;
                        })) << container_property("fake", "LastError");
                }
                expect_all(lines);
        }

        pid_t engine = -1;
};
