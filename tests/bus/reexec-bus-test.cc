/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>

#include "harness.h"

/* systemd leaves the bus while it executes itself again, with the calls that it has not answered and the
 * signals that it has not sent. */

namespace
{

class ReexecBus : public BusTest
{
      protected:
        void TearDown() override
        {
                if (!IsSkipped() && !HasFatalFailure())
                        expect_nothing_left();
                BusTest::TearDown();
        }

        /* A start that systemd has got, and will not answer. */
        std::shared_ptr<Pending> start_unanswered(
                        const ScopeBehaviour &behaviour, const Spec &spec = shell("exit 7"))
        {
                const unsigned before = systemd->n_started();

                systemd->set_behaviour(behaviour);
                auto start = client->start_task_later("web", spec);

                EXPECT_TRUE(eventually([&] {
                        return systemd->n_swallowed() > 0 || systemd->n_started() > before;
                }));
                return start;
        }

        void reexec()
        {
                systemd->disconnect();
                systemd->set_behaviour({});
                systemd->reconnect();
        }

        void expect_success(const std::shared_ptr<Pending> &start)
        {
                ASSERT_TRUE(client->await(start));
                ASSERT_TRUE(start->reply().ok()) << start->reply();
                EXPECT_EQ(client->wait_task(WEB), (Exit{ "exit-code", 7, 0, false }));
                EXPECT_EQ(systemd->n_started(), 1U);
                EXPECT_TRUE(client->release(WEB).ok());
        }

        const std::string WEB = TASK_PATH("web");
};

TEST_F(ReexecBus, AScopeThatSystemdHasNotStarted)
{
        ScopeBehaviour silent;

        silent.no_reply = true;
        auto start = start_unanswered(silent);
        reexec();
        expect_success(start);
}

TEST_F(ReexecBus, AScopeThatSystemdHasStarted)
{
        ScopeBehaviour silent;

        silent.no_answer = true;
        auto start = start_unanswered(silent);
        reexec();
        expect_success(start);
}

TEST_F(ReexecBus, AJobWhoseEndNobodyHeard)
{
        ScopeBehaviour held;

        held.hold_job = true;
        auto start = start_unanswered(held);
        /* the reply is here, as whatever the bus has sent before */
        EXPECT_EQ(client->property(WEB, "State"), "starting");
        reexec();
        expect_success(start);
}

TEST_F(ReexecBus, AStartWhileSystemdIsAway)
{
        systemd->disconnect();
        auto start = client->start_task_later("web", shell("exit 7"));
        ASSERT_TRUE(eventually([&] { return client->get_task("web").ok(); }));
        EXPECT_EQ(client->property(WEB, "State"), "starting");
        systemd->reconnect();
        expect_success(start);
}

/* Twice, since the second time it is the repeated call that is lost. */
TEST_F(ReexecBus, AStartThatIsLostTwice)
{
        ScopeBehaviour silent;

        silent.no_reply = true;
        auto start = start_unanswered(silent);
        systemd->disconnect();
        systemd->reconnect();
        ASSERT_TRUE(eventually([&] { return systemd->n_swallowed() > 0; }));
        reexec();
        expect_success(start);
}

/* The start is called off, and leaves nothing, whatever systemd has made of it. */
TEST_F(ReexecBus, AStartThatIsStoppedMeanwhile)
{
        for (bool started : { false, true }) {
                ScopeBehaviour silent;

                (started ? silent.no_answer : silent.no_reply) = true;
                auto start = start_unanswered(silent, shell("sleep 1000"));
                systemd->disconnect();
                EXPECT_TRUE(client->stop_task(WEB, "", 0).ok());
                systemd->set_behaviour({});
                systemd->reconnect();
                ASSERT_TRUE(client->await(start));
                EXPECT_EQ(start->reply().error, "org.nomad.Executor.Error.NotRunning") << start->reply();
                expect_nothing_left();
        }
}

TEST_F(ReexecBus, AUnitThatGoesWhileSystemdIsAway)
{
        ASSERT_TRUE(client->start_task("web", shell("sleep 1000")).ok());

        auto wait = client->wait_later(WEB);

        systemd->disconnect();
        EXPECT_TRUE(client->stop_task(WEB, "KILL", 0).ok());
        ASSERT_TRUE(eventually([&] { return task_processes().empty() && systemd->units().empty(); }));
        systemd->reconnect();
        ASSERT_TRUE(client->await(wait));
        EXPECT_EQ(client->read_exit(wait->reply()), (Exit{ "signal", 137, 9, false })) << wait->reply();
        EXPECT_EQ(executor->messages().find("does not go"), std::string::npos);
        EXPECT_TRUE(client->release(WEB).ok());
}

/* It may be asked as often as one likes. */
TEST_F(ReexecBus, AQuestionIsAskedAgain)
{
        ScopeBehaviour held;

        held.hold_invocation = true;
        systemd->set_behaviour(held);
        auto start = client->start_task_later("web", shell("sleep 1000"));
        ASSERT_TRUE(eventually([&] { return systemd->n_swallowed() > 0; }));
        reexec();
        ASSERT_TRUE(client->await(start));
        ASSERT_TRUE(start->reply().ok()) << start->reply();

        ASSERT_EQ(systemd->units().size(), 1U);
        const std::string id = systemd->units()[0].invocation_id;
        std::string bytes;

        for (size_t i = 0; i < id.size(); i += 2)
                bytes += (i ? " " : "") + std::to_string(std::stoi(id.substr(i, 2), nullptr, 16));
        EXPECT_EQ(client->property(WEB, "InvocationID"), "[" + bytes + "]");
        EXPECT_TRUE(client->stop_task(WEB, "KILL", 0).ok());
        (void) client->wait_task(WEB);
        EXPECT_TRUE(client->release(WEB).ok());
}

} // namespace
