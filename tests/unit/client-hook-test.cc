/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <cerrno>
#include <gtest/gtest.h>
#include <memory>
#include <nomad-task-hook.h>
#include <string>

#include "fake-logmon.h"

/* What a task runner's hook for logs has to get right, and what the one in Nomad once got wrong (commit
 * 55cbbded6c there, four bugs). A test of each is marked with its number: it fails when the bug is put
 * back. */

using Calls = std::vector<std::string>;

/* How often a call is made that nomad-logmon dies of. */
const int TRIES = 5;

/* An agent: what it has on disk, and one process after the other that works with it. */
class ClientHook : public testing::Test
{
      protected:
        struct Response {
                int r = 0;
                int code = 0; /* nx_error_code */
                int action = -1;
                std::string state, out, err, note;
        };

        void SetUp() override
        {
                begin_process("task");
        }

        void TearDown() override
        {
                end_process();
        }

        /* A new process knows what is on disk and nothing else. */
        void begin_process(const std::string &id, bool logs = true)
        {
                nx_spec *config = nullptr;

                end_process();
                ASSERT_EQ(nx_connection_open(NX_BUS_SYSTEM, &connection, nullptr), 0);
                if (logs) {
                        config = nx_spec_new("/not/used");
                        ASSERT_EQ(nx_spec_assign(config, "LogDirectory=/alloc/logs", nullptr), 0);
                        ASSERT_EQ(nx_spec_assign(config, "LogName=web", nullptr), 0);
                        ASSERT_EQ(nx_spec_assign(config, "LogMaxFiles=3", nullptr), 0);
                }
                ASSERT_EQ(nx_hook_new(connection, id.c_str(), config, &hook, nullptr), 0);
                nx_spec_free(config);
        }

        void end_process()
        {
                hook = nx_hook_free(hook);
                connection = nx_connection_unref(connection);
        }

        Response prestart()
        {
                nx_hook_response *response = nullptr;
                nx_error *error = nullptr;
                Response result;

                result.r = nx_hook_prestart(
                                hook, disk.empty() ? nullptr : disk.c_str(), save, this, &response, &error);
                if (response) {
                        result.action = nx_hook_response_get_action(response);
                        result.state = nx_hook_response_get_state(response);
                        result.out = nx_hook_response_get_stdout(response);
                        result.err = nx_hook_response_get_stderr(response);
                        result.note = nx_hook_response_get_note(response);
                }
                if (error)
                        result.code = nx_error_get_code(error);
                EXPECT_EQ(response == nullptr, result.r < 0);
                nx_hook_response_free(response);
                nx_error_free(error);
                return result;
        }

        static int save(const char *state, void *userdata)
        {
                auto test = static_cast<ClientHook *>(userdata);

                test->saves++;
                if (test->save_result >= 0)
                        test->disk = state;
                return test->save_result;
        }

        FakeLogmon logmon;
        nx_connection *connection = nullptr;
        nx_hook *hook = nullptr;
        std::string disk;
        int saves = 0, save_result = 0;
};

TEST_F(ClientHook, StartsALogFromTwoFifos)
{
        Response response = prestart();

        EXPECT_EQ(response.r, 0);
        EXPECT_EQ(response.action, NX_HOOK_STARTED);
        EXPECT_EQ(response.out, "/alloc/logs/.web.stdout.fifo");
        EXPECT_EQ(response.err, "/alloc/logs/.web.stderr.fifo");
        EXPECT_EQ(response.note, "");
        EXPECT_EQ(logmon.take_calls(), Calls{ "Start" });
        /* and nothing of the rest of the spec */
        EXPECT_EQ(logmon.config(),
                        (std::map<std::string, std::string>{
                                        { "StdoutFifo", "/alloc/logs/.web.stdout.fifo" },
                                        { "StderrFifo", "/alloc/logs/.web.stderr.fifo" },
                                        { "LogDirectory", "/alloc/logs" },
                                        { "LogName", "web" },
                                        { "LogMaxFiles", "3" },
                        }));
}

/* Bug 1: the state could not be read back (it was decoded into nothing), so that each new agent lost its
 * logs. */
TEST_F(ClientHook, Bug1NextAgentFindsTheLog)
{
        ASSERT_EQ(prestart().action, NX_HOOK_STARTED);
        (void) logmon.take_calls();
        begin_process("task");
        Response response = prestart();

        EXPECT_EQ(response.r, 0);
        EXPECT_EQ(response.action, NX_HOOK_FOUND) << response.note;
        EXPECT_EQ(response.out, "/alloc/logs/.web.stdout.fifo");
        EXPECT_EQ(response.state, disk);
}

/* Bug 2: the state was written where nobody saved it from. It is saved before prestart is through, or
 * prestart fails. */
TEST_F(ClientHook, Bug2StateIsSavedBeforeItReturns)
{
        Response response = prestart();

        EXPECT_EQ(saves, 1);
        EXPECT_NE(disk, "");
        EXPECT_EQ(disk, response.state);
        EXPECT_NE(disk.find("\"object_path\":\"/org/nomad/Logmon/log/task\""), std::string::npos) << disk;
}

TEST_F(ClientHook, Bug2WithoutAPlaceForTheStateNothingIsDone)
{
        nx_hook_response *response = nullptr;
        nx_error *error = nullptr;

        EXPECT_EQ(nx_hook_prestart(hook, nullptr, nullptr, nullptr, &response, &error), -EINVAL);
        EXPECT_EQ(response, nullptr);
        EXPECT_EQ(nx_error_get_code(error), NX_ERROR_INVALID_SPEC);
        EXPECT_EQ(logmon.take_calls(), Calls{});
        nx_error_free(error);
}

TEST_F(ClientHook, Bug2StateThatCannotBeSavedLeavesNoLogBehind)
{
        save_result = -ENOSPC;
        Response response = prestart();

        EXPECT_EQ(response.r, -ENOSPC);
        EXPECT_EQ(logmon.state("task"), "");
        EXPECT_EQ(logmon.take_calls(), (Calls{ "Start", "Stop", "Release" }));

        /* but one that was there before is not ended by a full disk */
        save_result = 0;
        ASSERT_EQ(prestart().action, NX_HOOK_STARTED);
        save_result = -ENOSPC;
        EXPECT_EQ(prestart().r, -ENOSPC);
        EXPECT_EQ(logmon.state("task"), "running");
}

/* Bug 3: it was told both to find and to start. */
TEST_F(ClientHook, Bug3FindsOrStartsAndNeverBoth)
{
        EXPECT_EQ(prestart().action, NX_HOOK_STARTED);
        EXPECT_EQ(logmon.take_calls(), Calls{ "Start" });
        begin_process("task");
        EXPECT_EQ(prestart().action, NX_HOOK_FOUND);
        EXPECT_EQ(logmon.take_calls(), Calls{ "Get" });
}

/* Bug 4: it was done after the first time, and not run at the next start of the agent. */
TEST_F(ClientHook, Bug4RunsAgainAtEveryStartOfTheAgent)
{
        ASSERT_EQ(prestart().action, NX_HOOK_STARTED);
        for (int i = 0; i < 3; i++) {
                begin_process("task");
                (void) logmon.take_calls();
                EXPECT_EQ(prestart().action, NX_HOOK_FOUND);
                EXPECT_EQ(logmon.take_calls(), Calls{ "Get" }) << "it was not asked";
        }
        logmon.set_state("task", "");
        begin_process("task");
        EXPECT_EQ(prestart().action, NX_HOOK_STARTED);
        EXPECT_EQ(logmon.state("task"), "running");
}

TEST_F(ClientHook, OneLogPerTaskHoweverOftenTheTaskStarts)
{
        ASSERT_EQ(prestart().action, NX_HOOK_STARTED);
        std::string state = disk;
        for (int i = 0; i < 3; i++) {
                (void) logmon.take_calls();
                EXPECT_EQ(prestart().action, NX_HOOK_KEPT);
                EXPECT_EQ(logmon.take_calls(), Calls{ "Get" });
                EXPECT_EQ(disk, state);
        }
}

TEST_F(ClientHook, FallsBackToAFreshLog)
{
        ASSERT_EQ(prestart().action, NX_HOOK_STARTED);
        for (std::string gone : { "", "stopped" }) {
                logmon.set_state("task", gone);
                begin_process("task");
                Response response = prestart();
                EXPECT_EQ(response.action, NX_HOOK_STARTED);
                EXPECT_EQ(response.note, "The log of 'task' has gone");
                logmon.set_state("task", gone);
                EXPECT_EQ(prestart().action, NX_HOOK_STARTED) << "in the same process";
        }
}

TEST_F(ClientHook, StateThatLeadsNowhere)
{
        ASSERT_EQ(prestart().action, NX_HOOK_STARTED);
        const std::string good = disk;
        std::string other_boot = good, other_bus = good;
        other_boot.replace(other_boot.find("boot_id\":\"") + 10, 4,
                        other_boot.find("boot_id\":\"dead") == std::string::npos ? "dead" : "beef");
        other_bus.replace(other_bus.find("system"), 6, "user");

        for (const std::string &state :
                        { std::string("null"), std::string("{}"), std::string("{\"version\":7}"),
                                        std::string("{\"Pid\":1}"), std::string("garbage"),
                                        good.substr(0, good.size() / 2), other_boot, other_bus }) {
                begin_process("task");
                (void) logmon.take_calls();
                disk = state;
                Response response = prestart();
                EXPECT_EQ(response.action, NX_HOOK_STARTED) << state;
                EXPECT_EQ(response.note.empty(), state == "null" || state == "{}") << state;
                EXPECT_EQ(logmon.take_calls(), Calls{ "Start" }) << state;
                EXPECT_EQ(disk, good);
        }
        begin_process("another");
        EXPECT_EQ(prestart().note, "The state is of 'task', not of 'another'");
}

/* nomad-logmon dies during the call and is started again by the next one. */
TEST_F(ClientHook, LogmonThatDiesMeanwhile)
{
        logmon.die_during(TRIES - 1);
        EXPECT_EQ(prestart().action, NX_HOOK_STARTED);
        EXPECT_EQ(logmon.take_calls(), Calls(TRIES, "Start"));
        logmon.die_during(1);
        EXPECT_EQ(prestart().action, NX_HOOK_KEPT);

        begin_process("other");
        disk.clear();
        (void) logmon.take_calls();
        logmon.die_during(TRIES + 1);
        Response response = prestart();
        EXPECT_EQ(response.code, NX_ERROR_NO_SERVICE);
        EXPECT_EQ(response.r, -EHOSTDOWN);
        EXPECT_EQ(logmon.take_calls(), Calls(TRIES, "Start")) << "no more than these";
}

/* It may have the call still. */
TEST_F(ClientHook, LogmonThatDoesNotAnswerInTime)
{
        logmon.refuse(SD_BUS_ERROR_TIMEOUT);
        EXPECT_EQ(prestart().code, NX_ERROR_TIMEOUT);
        EXPECT_EQ(logmon.take_calls(), Calls{ "Start" });
}

TEST_F(ClientHook, LogThatIsRefused)
{
        logmon.refuse("org.nomad.Executor.Error.LogFailed");
        Response response = prestart();

        EXPECT_EQ(response.code, NX_ERROR_LOG_FAILED);
        EXPECT_EQ(saves, 0);
}

TEST_F(ClientHook, Disabled)
{
        begin_process("task", false);
        for (int i = 0; i < 2; i++) {
                Response response = prestart();
                EXPECT_EQ(response.action, NX_HOOK_DISABLED);
                EXPECT_EQ(response.state, "null");
                EXPECT_EQ(response.out, "/dev/null");
                EXPECT_EQ(response.err, "/dev/null");
        }
        EXPECT_EQ(nx_hook_stop(hook, nullptr, nullptr), 0);
        EXPECT_EQ(logmon.take_calls(), Calls{});
        EXPECT_EQ(saves, 0);
}

TEST_F(ClientHook, StopEndsItAndNeverStartsOne)
{
        EXPECT_EQ(nx_hook_stop(hook, nullptr, nullptr), 0);
        EXPECT_EQ(nx_hook_stop(hook, "garbage", nullptr), 0);
        EXPECT_EQ(logmon.take_calls(), Calls{});

        ASSERT_EQ(prestart().action, NX_HOOK_STARTED);
        begin_process("task");
        (void) logmon.take_calls();
        EXPECT_EQ(nx_hook_stop(hook, disk.c_str(), nullptr), 0);
        EXPECT_EQ(logmon.take_calls(), (Calls{ "Stop", "Release" }));
        EXPECT_EQ(logmon.state("task"), "");
        EXPECT_EQ(prestart().action, NX_HOOK_STARTED);
}

TEST_F(ClientHook, ConfigWithoutADirectory)
{
        nx_hook *other = nullptr;
        nx_spec *config = nx_spec_new(nullptr);

        EXPECT_EQ(nx_hook_new(connection, "task", config, &other, nullptr), -EINVAL);
        EXPECT_EQ(nx_hook_new(connection, "", nullptr, &other, nullptr), -EINVAL);
        nx_spec_free(config);
}
