/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call-again.h"

#include <gtest/gtest.h>
#include <vector>

namespace
{

const sd_bus_error no_reply = SD_BUS_ERROR_MAKE_CONST(SD_BUS_ERROR_NO_REPLY, "");

/* Time does not pass for the tests: what lies in the past is written into the call. */
void let_pass(CallAgain *again, uint64_t usec)
{
        again->begin_usec -= usec;
        again->sent_usec -= usec;
}

std::vector<uint64_t> delays(CallAgain again, uint64_t usec_each = 0)
{
        std::vector<uint64_t> all;
        uint64_t delay;

        while (all.size() < 100) {
                (void) call_again_send(&again);
                let_pass(&again, usec_each);
                if (!call_again_after(&again, &no_reply, &delay))
                        break;
                all.push_back(delay);
        }
        return all;
}

TEST(CallAgain, DeathsHaveABoundAndABackOff)
{
        const std::vector<uint64_t> expected = { 0, 100000, 200000, 400000 };

        EXPECT_EQ(delays(call_again_begin(UINT64_MAX)), expected);
        EXPECT_EQ(delays(call_again_begin(UINT64_C(30000000))), expected);
        EXPECT_EQ(expected.size() + 1, CALL_ATTEMPTS_MAX);
}

TEST(CallAgain, OnlyADeathIsRepeated)
{
        uint64_t delay;

        for (const char *name : { SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_SERVICE_UNKNOWN,
                             SD_BUS_ERROR_NAME_HAS_NO_OWNER }) {
                CallAgain again = call_again_begin(UINT64_MAX);
                const sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(name, "");

                EXPECT_TRUE(call_again_after(&again, &error, &delay)) << name;
        }
        for (const char *name : { SD_BUS_ERROR_TIMEOUT, SD_BUS_ERROR_ACCESS_DENIED,
                             "org.nomad.Executor.Error.LogFailed" }) {
                CallAgain again = call_again_begin(UINT64_MAX);
                const sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(name, "");

                EXPECT_FALSE(call_again_after(&again, &error, &delay)) << name;
        }
}

/* sd-bus's own time-out has the name of a death. */
TEST(CallAgain, TimeOutIsNotADeath)
{
        CallAgain again = call_again_begin(UINT64_C(30000000));
        uint64_t delay;

        let_pass(&again, UINT64_C(30000000));
        EXPECT_FALSE(call_again_after(&again, &no_reply, &delay));
}

TEST(CallAgain, AllAttemptsShareTheTimeOut)
{
        CallAgain again = call_again_begin(UINT64_C(30000000));

        EXPECT_LE(call_again_send(&again), UINT64_C(30000000));
        let_pass(&again, UINT64_C(20000000));
        EXPECT_LE(call_again_send(&again), UINT64_C(10000000));
        let_pass(&again, UINT64_C(20000000));
        EXPECT_EQ(call_again_send(&again), 1U) << "0 would be sd-bus's default";
        EXPECT_EQ(delays(call_again_begin(UINT64_C(30000000)), UINT64_C(14000000)).size(), 2U);

        again = call_again_begin(UINT64_MAX);
        EXPECT_EQ(call_again_send(&again), UINT64_MAX);
}

/* A Wait lives through any number of restarts, but not one that makes the service crash. */
TEST(CallAgain, DeathLongAfterTheCallIsNotItsFault)
{
        EXPECT_EQ(delays(call_again_begin(UINT64_MAX), CALL_AGAIN_INNOCENT_USEC).size(), 100U);
        EXPECT_LT(delays(call_again_begin(UINT64_MAX), CALL_AGAIN_INNOCENT_USEC / 2).size(), 100U);
}

} // namespace
