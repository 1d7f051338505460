/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support.h"

/* Something has run out, or hangs: a start fails cleanly, tasks that run are untouched, and all is well when
 * it is over. */

class Shortage : public SystemTest
{
      protected:
        void SetUp() override
        {
                SystemTest::SetUp();
                /* forks nothing once it is ready, for the sake of tests in which that fails */
                start("bystander",
                                script("trap 'echo bye; exit 5' INT; rm -f /tmp/bystander; mkfifo /tmp/bystander; "
                                       "exec 3<>/tmp/bystander; echo ready; while :; do read line <&3; done"));
                ASSERT_TRUE(eventually(
                                [] { return read_file(log_of("bystander", "stdout")) == "ready\n"; }));
        }

        void TearDown() override
        {
                EXPECT_EQ(client.property(path_of("bystander"), "State"), "running");
                EXPECT_TRUE(stop("bystander", "", UINT64_MAX).ok());
                EXPECT_EQ(wait("bystander"), (Exit{ "exit-code", 5, 0, false }));
                EXPECT_EQ(read_file(log_of("bystander", "stdout")), "ready\nbye\n");
                SystemTest::TearDown();
        }

        static void command(const std::vector<std::string> &argv)
        {
                Output output = run(argv);

                ASSERT_EQ(output.status, 0) << output;
        }

        Reply expect_refused(const std::string &id)
        {
                Reply reply = client.start_task(id, script("echo never"));

                EXPECT_FALSE(reply.ok());
                /* The log is discarded after the answer; a file with output in it would stay. */
                EXPECT_TRUE(eventually([&] { return !exists(log_of(id, "stdout")); })) << "it has run";
                return reply;
        }

        void expect_well()
        {
                start("well", script("echo all; exit 3"));
                EXPECT_EQ(wait("well"), (Exit{ "exit-code", 3, 0, false }));
                EXPECT_EQ(read_file(log_of("well", "stdout")), "all\n");
                release("well");
        }

        static size_t fds(pid_t pid)
        {
                return list_directory("/proc/" + std::to_string(pid) + "/fd").size();
        }
};
