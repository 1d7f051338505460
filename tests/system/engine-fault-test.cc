/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fstream>
#include <map>

#include "../../service/common/fault.h"
#include "engine-fixture.h"

/* Nomad-dockerlog dies at each place of fault.h in turn: in the files everything is there once. Needs a
 * build with -Dfault-injection=true. */

#define FAULT_NAME(symbol, name) name,
static const char *const names[] = { FAULT_POINTS(FAULT_NAME) };

class EngineCrash : public Engine, public testing::WithParamInterface<int>
{
      protected:
        static void SetUpTestSuite()
        {
                Engine::SetUpTestSuite();
                /* it has to take the file away that tells it to die */
                ASSERT_EQ(run({ "sh", "-ec",
                                              "mkdir -p /run/systemd/system/" DOCKERLOG_UNIT
                                              ".d; printf '[Service]\\n"
                                              "ReadWritePaths=/run\\n' >/run/systemd/system/" DOCKERLOG_UNIT
                                              ".d/fault.conf; "
                                              "systemctl daemon-reload" })
                                                .status,
                                0);
        }

        void SetUp() override
        {
                /* one that is started anew passes each place for the first time */
                ASSERT_EQ(run({ "systemctl", "restart", DOCKERLOG_UNIT }).status, 0);
                Engine::SetUp();
        }

        void TearDown() override
        {
                EXPECT_EQ(run({ "rm", "-f", FAULT_FILE }).status, 0);
                Engine::TearDown();
        }
};

TEST_P(EngineCrash, EverythingOnce)
{
        const unsigned lines = 50000;
        const FaultPoint point = (FaultPoint) GetParam();

        start_engine("pieces", 0, lines);
        std::ofstream(FAULT_FILE) << names[point] << " "
                                  << (point >= FAULT_CONTAINER_FILLED && point <= FAULT_CONTAINER_MOVED ? 3
                                                                                                        : 1)
                                  << "\n";
        /* the call that it dies in is made again, as one does */
        EXPECT_TRUE(eventually([&] { return follow("fake", fake()).ok(); }));
        expect_all(lines);
        EXPECT_FALSE(exists(FAULT_FILE)) << "nobody came to " << names[point];
}

static std::string name_of(const testing::TestParamInfo<int> &info)
{
        std::string name = names[info.param];

        for (char &c : name)
                c = c == '-' ? '_' : c;
        return name;
}

INSTANTIATE_TEST_SUITE_P(Places, EngineCrash,
                testing::Range((int) FAULT_CONTAINER_START_SAVED, (int) FAULT_CONTAINER_ENDED + 1), name_of);

/* These wait for time-outs of the service. They are here because fault tests run with one build only. */

/* 30 s, then it is tried again. */
TEST_F(Engine, HangsAndComesBack)
{
        start_engine("hang", 1, 1000);
        must_follow("fake", fake());
        expect_all(1000);
        EXPECT_NE(container_property("fake", "LastError").find("imed out"), std::string::npos)
                        << container_property("fake", "LastError");
}

/* A minute, then it is asked whether the container still runs. */
TEST_F(Engine, StreamThatHangs)
{
        start_engine("silent", 1, 1000);
        must_follow("fake", fake());
        EXPECT_TRUE(await_state("fake", "following"));
        EXPECT_EQ(result_of("fake", std::chrono::seconds(90)), "exited");
        expect_all(1000);
}
