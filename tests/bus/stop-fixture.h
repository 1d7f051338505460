/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <fcntl.h>
#include <map>
#include <string>
#include <unistd.h>

#include "harness.h"

#define SCOPE       "/nomad.slice/nomad-task-web.scope"
#define ERROR(name) "org.nomad.Executor.Error." name

inline const uint64_t DEFAULT = UINT64_MAX;

class StopBus : public BusTest
{
      protected:
        void SetUp() override
        {
                BusTest::SetUp();
                if (!IsSkipped()) {
                        ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
                        ASSERT_EQ(pipe2(input, O_CLOEXEC), 0);
                }
        }

        void TearDown() override
        {
                (void) close(ready[0]);
                (void) close(ready[1]);
                (void) close(input[0]);
                (void) close(input[1]);
                BusTest::TearDown();
        }

        /* Starts a script and returns once it has said "ready" on its standard output. One that reads gets
         * what is written to INPUT. */
        void start(const std::string &script, const std::map<std::string, std::string> &texts = {},
                        uint64_t stop_timeout_usec = UINT64_C(5000000),
                        uint64_t runtime_max_usec = UINT64_MAX, bool reads = false)
        {
                Spec spec = shell(script).set_fd("StandardOutput", ready[1])
                                            .set("StopTimeoutUSec", stop_timeout_usec)
                                            .set("RuntimeMaxUSec", runtime_max_usec);
                if (reads)
                        spec.set_fd("StandardInput", input[0]);
                for (const auto &[key, value] : texts)
                        spec.set(key, value);
                Reply reply = client->start_task("web", spec);
                char text[7] = {};

                ASSERT_TRUE(reply.ok()) << reply;
                ASSERT_EQ(read(ready[0], text, 6), 6);
                ASSERT_STREQ(text, "ready\n");
        }

        void expect_end(const Exit &exit)
        {
                EXPECT_EQ(client->wait_task(path), exit);
                EXPECT_TRUE(task_processes().empty()) << "Wait has replied";
                EXPECT_TRUE(client->release(path).ok());
                expect_nothing_left();
        }

        const std::string path = TASK_PATH("web");
        int ready[2] = { -1, -1 }, input[2] = { -1, -1 };
};

/* Reports each of its signals and goes on. */
inline const char *const IGNORES_INT = "trap '' INT; echo ready; while :; do sleep 1000; done";
inline const char *const PLAIN = "echo ready; exec sleep 1000";
