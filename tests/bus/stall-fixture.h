/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <chrono>
#include <csignal>

#include "harness.h"

/* Nobody waits for somebody else: each test makes something hang that one client uses, and looks at how
 * long the calls of another take meanwhile. */

#define ERROR(name) "org.nomad.Executor.Error." name

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/* Ten times what a client may expect of the six calls of visit(). What is made to hang hangs for longer. */
const milliseconds VISIT_MAX(3000);

class StallFixture : public BusTest
{
      protected:
        void SetUp() override
        {
                BusTest::SetUp();
                if (IsSkipped() || HasFatalFailure())
                        return;
                other = std::make_unique<Client>(bus_address);
                connect(*client);
                (void) visit();
                undisturbed = visit();
        }

        void TearDown() override
        {
                other.reset();
                BusTest::TearDown();
        }

        /* Calls of a client that is connected are sent when they are made. */
        static void connect(Client &one)
        {
                EXPECT_TRUE(one.call(EXECUTOR_NAME, MANAGER_PATH, "org.freedesktop.DBus.Peer", "Ping").ok());
        }

        void start_other(const std::string &id)
        {
                Reply reply = other->start_task(id, shell("exec sleep 1000"));
                EXPECT_TRUE(reply.ok()) << reply;
        }

        void end_other(const std::string &id)
        {
                const std::string path = "/org/nomad/Executor/task/" + id;

                EXPECT_TRUE(other->stop_task(path, "KILL", 0).ok());
                EXPECT_EQ(other->wait_task(path), (Exit{ "signal", 137, 9, false }));
                EXPECT_TRUE(other->release(path).ok());
        }

        /* With PREPARED the task has been started before. */
        milliseconds visit(const std::string &prepared = "")
        {
                const std::string id = prepared.empty() ? "visitor" : prepared;
                auto begin = Clock::now();

                EXPECT_TRUE(other->call(EXECUTOR_NAME, MANAGER_PATH, "org.freedesktop.DBus.Peer", "Ping")
                                                .ok());
                if (prepared.empty())
                        start_other(id);
                EXPECT_EQ(other->list_tasks()[id].first, "running");
                end_other(id);
                return std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
        }

        void expect_undisturbed(const std::string &prepared = "")
        {
                EXPECT_LE(visit(prepared).count(), std::max(VISIT_MAX, 5 * undisturbed).count());
        }

        static void stop_process(pid_t pid)
        {
                ASSERT_GT(pid, 0);
                ASSERT_EQ(kill(pid, SIGSTOP), 0);
                ASSERT_TRUE(eventually([=] { return state_of(pid) == "T"; }));
        }

        size_t count_messages(const std::string &text) const
        {
                const std::string messages = executor->messages();
                size_t n = 0;

                for (size_t at = 0; (at = messages.find(text, at)) != std::string::npos; at++)
                        n++;
                return n;
        }

        std::unique_ptr<Client> other;
        milliseconds undisturbed{ 0 };
};
